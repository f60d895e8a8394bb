"""Which weights are on this machine: of Keras and of keras-hub, without importing either."""

import importlib.util
import os
from pathlib import Path

ON_THIS_MACHINE, TO_BE_DOWNLOADED, NEEDS_HUB = "on this machine", "to be downloaded", "needs the extra hub"


def keras_models() -> Path:
    """The folder where Keras keeps the weights of its applications: `core.private_names.keras_folder("models")`."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser() / "models"
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "models")  # nosec B108  as Keras does


def kaggle_models() -> Path:
    """The folder where kagglehub keeps what keras-hub downloads."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub").expanduser() / "models"


def application(file: str, native_size: int) -> str:
    """Whether the weights of an application are on this machine.

    Args:
        file: their file's name, with * for the image size if there is a file for each of several sizes.
        native_size: the size that most image sizes take their weights from.
    """
    folder, (before, *after) = keras_models(), file.split("*")
    if (folder / file.replace("*", str(native_size))).is_file():
        return ON_THIS_MACHINE
    sizes = [path.name[len(before) : -len(after[0])] for path in folder.glob(file)] if after else []
    return f"{ON_THIS_MACHINE} for {', '.join(sorted(sizes, key=len))}" if sizes else TO_BE_DOWNLOADED


def preset(handle: str) -> str:
    """Whether a preset's weights are on this machine, in any version, or keras-hub itself is not.

    Args:
        handle: kaggle://owner/model/framework/variation/version.
    """
    if importlib.util.find_spec("keras_hub") is None:
        return NEEDS_HUB
    folder = kaggle_models().joinpath(*handle.removeprefix("kaggle://").split("/")[:-1])
    files = [*folder.glob("*/model.weights.h5"), *folder.glob("*/model.weights.json")]
    whole = [file for file in files if (folder / ".complete" / file.parent.name / f"{file.name}.complete").is_file()]
    return ON_THIS_MACHINE if whole else TO_BE_DOWNLOADED
