"""The command `tfxfer backbones`: lists and searches backbones, and shows the stages of one."""

import textwrap
from collections.abc import Sequence

from tfxfer.core.console import import_tensorflow
from tfxfer.core.errors import InputError
from tfxfer.model import applications, backbone_list, backbone_paths, downloaded
from tfxfer.model.backbone_list import HUB, KERAS, OWN, Listed

WIDTH = 100
TITLES = {
    OWN: "tfxfer's own",
    KERAS: "keras.applications (ImageNet weights)",
    HUB: "keras-hub (weights of the data set in the name; parameters of some include the classifier)",
}


def show(words: Sequence[str], image_size: int | None) -> str:
    """The backbones that match all words, or the one that a single word names, with its stages.

    Returns:
        The text to print.

    Raises:
        InputError: nothing matches, an image size was given for several backbones, or one cannot be built.
    """
    text = words[0] if len(words) == 1 else ""
    if _is_path(text):
        return "\n".join(_stages(text, image_size, own=True))
    if (one := backbone_list.named(text)) is not None:
        return "\n".join([*_table([one]), one.summary, "", *_of_one(one, image_size), *_others(one, text)])
    if image_size is not None:
        backbone_list.search(words)  # what matches nothing is the first thing to say
        raise InputError("--image-size is for the stages of one backbone: give its full name, or leave the size out")
    found = backbone_list.search(words) if words else backbone_list.listed()
    blocks = []
    for group, title in TITLES.items():
        if rows := [one for one in found if one.group == group]:
            blocks.append("\n".join([title, *_table(rows)]))
    how = "`tfxfer backbones NAME` shows the stages of one"
    return "\n\n".join([*blocks, f"{how}." if words else f"{how}, `tfxfer backbones WORD` searches."])


def more() -> str:
    """How many backbones there are besides tfxfer's own, in a line."""
    groups = [one.group for one in backbone_list.listed()]
    return (
        f"and {groups.count(KERAS)} of keras.applications, {groups.count(HUB)} of keras-hub, which `tfxfer backbones "
        "WORD` searches"
    )


def _is_path(text: str) -> bool:
    """Whether a word is the path of a network: a .keras file, or the folder of a run or of a preset."""
    saved = not text.startswith(backbone_paths.HUB) and backbone_paths.preset(text) is not None
    return bool(text) and (saved or backbone_paths.model_file(text) is not None)


def _of_one(one: Listed, image_size: int | None) -> list[str]:
    if one.group == HUB and one.weights != downloaded.ON_THIS_MACHINE:
        install = "`pip install 'tfxfer[hub]'`, then " if one.weights == downloaded.NEEDS_HUB else ""
        return [
            f"Its stages are shown once it is on this machine: {install}use it as --backbone {one.name},",
            "which downloads it.",
        ]
    return _stages(one.name, image_size)


def _stages(backbone: str, image_size: int | None, own: bool = False) -> list[str]:
    """The table of stages; of a network that is the user's `own`, its row in front."""
    import_tensorflow()
    from tfxfer.model import stage_table

    net = stage_table.build(backbone, image_size)
    rows = [("stage", "layers to the end", "feature maps", "channels", "parameters")]
    stages = stage_table.of(net)
    for stage in stages:
        maps = f"{stage.maps[0]} x {stage.maps[1]}" if stage.maps else "-"
        rows.append((stage.name, str(stage.layers), maps, str(stage.channels), f"{stage.parameters:,}"))
    height, width = net.get_layer("scaled").output.shape[1:3]
    count = sum(stage.parameters for stage in stages)
    one = Listed(backbone, OWN, "", count, height, "none needed" if count == 0 else "in the file")
    return [
        *([*_table([one]), ""] if own else []),
        f"Stages of {net.name} at {height} x {width}: --unfreeze takes a name or its number of layers",
        *_aligned(rows, left=(0,)),
    ]


def _others(one: Listed, word: str) -> list[str]:
    """Names that have the word in them besides the one that it is."""
    plain = applications.plain
    names = [other.name for other in backbone_list.listed() if plain(word) in plain(other.name) and other != one]
    return ["", *textwrap.wrap(f"See also: {', '.join(names)}", WIDTH)] if names else []


def _table(rows: Sequence[Listed]) -> list[str]:
    table = [("name", "parameters", "size", "MB", "weights")]
    for one in rows:
        size, megabytes = one.native_size or "any", one.parameters * 4 / 1e6  # float32
        if one.native_size is None and one.group == HUB:
            size = "-"
        table.append((one.name, _millions(one.parameters), str(size), _rounded(megabytes), one.weights))
    return _aligned(table, left=(0, 4))


def _millions(count: int) -> str:
    if count < 1000:
        return str(count)
    return f"{count / 1e6:,.1f} M" if count >= 1e6 else f"{count / 1e3:,.0f} k"


def _rounded(megabytes: float) -> str:
    return f"{megabytes:,.0f}" if megabytes >= 10 or megabytes == 0 else f"{megabytes:.1f}"


def _aligned(rows: Sequence[tuple[str, ...]], left: tuple[int, ...]) -> list[str]:
    """Rows as lines whose columns are aligned, those of `left` to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]

    def line(row: tuple[str, ...]) -> str:
        cells = [cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        return "  " + "  ".join(cells).rstrip()

    return list(map(line, rows))
