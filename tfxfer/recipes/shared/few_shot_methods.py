"""The ways to learn from a few labelled images that `few_shot` compares, by name."""

from tfxfer.core.errors import InputError

METHODS = {
    "logistic": "logistic probe",
    "head2toe": "Head2Toe",
    "head": "head",
    "lp_ft": "LP-FT",
    "last_layers": "last layers",
    "wise_ft": "WiSE-FT",
}


def parse(text: str) -> list[str]:
    """Parses names of `METHODS`, comma-separated.

    Raises:
        InputError: an unknown name, or one twice.
    """
    names = [name.strip() for name in text.split(",")]
    if not {*names} <= METHODS.keys() or len({*names}) < len(names):
        raise InputError(f"methods {text!r}: expected some of {', '.join(METHODS)}, each once")
    return names
