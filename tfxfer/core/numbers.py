"""Checks of numbers that a caller gives, each with the one message that says what was expected."""

from numbers import Integral, Real

from tfxfer.core.errors import InputError, shown


def check_share(name: str, value: object) -> None:
    """Raises InputError unless a value is None or a number between 0 and 1, both excluded."""
    if value is not None and not (isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1):
        raise InputError(f"{name} {shown(value)}: expected a share between 0 and 1, such as 0.1")


def check_count(name: str, value: object) -> None:
    """Raises InputError unless a value is None or a whole number."""
    if value is not None and not isinstance(value, Integral):
        raise InputError(f"{name} {shown(value)}: expected a whole number, such as 100, or None")


def check_seed(value: object) -> None:
    """Raises InputError unless a value is a whole number of 0 or more."""
    if not isinstance(value, Integral) or int(value) < 0:
        raise InputError(f"seed {shown(value)}: expected a whole number, 0 or more")
