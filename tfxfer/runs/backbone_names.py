"""What `--backbone` names beside the networks that are known: a run's model, a file, a preset."""

import os
from pathlib import Path

from tfxfer.model import backbone_paths, backbones
from tfxfer.runs import loading
from tfxfer.runs.option import absolute


def portable(name: str, out: str = "saved_models") -> str:
    """A backbone's name in a form that means the same in any folder.

    Args:
        name: of a network, which comes first; a path; or a run as `loading.find` takes it, whose model is meant.
        out: where names of runs are looked up.

    Returns:
        The name itself, or an absolute path. What is none of these stays as it is: `model.build` says so.

    Raises:
        InputError: the last run is meant, and there is none.
    """
    if backbones.known(name) or "://" in name or not name:
        return name
    if name.startswith(backbone_paths.HUB):
        folder = os.path.expanduser(name.removeprefix(backbone_paths.HUB))
        return f"{backbone_paths.HUB}{absolute(folder)}" if os.path.isdir(folder) else name
    path = Path(os.path.expanduser(name))
    model = (path if path.suffix == ".keras" else loading.find(name, out) / backbone_paths.MODEL).absolute()
    if model.is_file():
        return str(model)
    return absolute(name) if os.sep in name or path.is_dir() or path.suffix == ".keras" else name
