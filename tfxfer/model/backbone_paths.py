"""Which backbones are named by a path, and which are presets of keras-hub, without importing Keras."""

import os
from pathlib import Path

MODEL = "model.keras"  # in a run's folder
HUB = "hub:"
_HANDLES = ("hf://", "kaggle://")


def model_file(name: str | os.PathLike) -> Path | None:
    """The `.keras` file that a name stands for: its path, or the folder of a run that holds one; None for no path."""
    path = Path(os.path.expanduser(name))
    if path.is_dir() and (path / MODEL).is_file():
        return path / MODEL
    return path if path.suffix == ".keras" or os.sep in os.fspath(name) else None


def preset(name: str | os.PathLike) -> str | None:
    """What keras-hub calls a preset that a backbone's name stands for; None if it stands for none."""
    text = os.fspath(name)
    if text.startswith(HUB):
        text = text.removeprefix(HUB)
        return os.path.expanduser(text) if os.sep in text and "://" not in text else text
    folder = Path(os.path.expanduser(text))
    saved = folder.is_dir() and (folder / "config.json").is_file() and (folder / "metadata.json").is_file()
    return str(folder) if saved else text if text.startswith(_HANDLES) else None
