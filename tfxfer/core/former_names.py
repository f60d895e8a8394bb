"""The names that modules had in version 0.1; they still work, because users' code and model cards use them."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence

_FLOORS = {
    "core": "cluster errors memory entry=cache_entry json_files=json_io order=batching partial=atomic quiet=console "
    "store=cache strategies=distribute unpickling=safe_pickle",
    "data": "cifar10c corruptions duplicates sources splits as_folder=to_folder channels=channel_stats "
    "checked=image_validation decoding=image_decoding folders=image_folder formats=binary_readers "
    "permuted=pixel_permutation pictures=lazy_images python_batches=cifar_pickle relabelling=class_groups "
    "shifts=out_of_distribution tfds_sources=tfds twins=corrupted",
    "model": "architectures backbones hub scattering torch_checkpoint grafting=adapters resnet=resnet18 "
    "weights_files=weights",
    "features": "inference activations=activation_cache banks=bank prefix=frozen_prefix",
    "train": "convolutions=fast_convolution precisions=precision",
    "analysis": "rank=ranking",
    "runs": "environment options arguments=option resume loaded=loading",
    "export": "predictions=prediction",
    "report": "published",
    "recipes.shared": "exhibits=run_artifacts robustness=shift_study spatial=permutation_study studies=feature_sets "
    "trials=model_evaluation",
}
MODULES = {
    f"tfxfer.{old}": f"tfxfer.{floor}.{new or old}"
    for floor, names in _FLOORS.items()
    for old, _, new in (name.partition("=") for name in names.split())
}
"""Former name -> name: `tfxfer.loaded` -> `tfxfer.runs.loading`."""

_AS_FOLDER = (
    "import runpy, sys; sys.argv[:1] = ['tfxfer', 'make-folder']; runpy.run_module('tfxfer', run_name='__main__')"
)


def current(name: str) -> str | None:
    """The present name of a module; None if the name is not a former one."""
    package = ".".join(name.split(".")[:2])
    return MODULES[package] + name.removeprefix(package) if package in MODULES else None


class _Loader(importlib.abc.InspectLoader):
    """Loads the module of the present name, so that there is no second copy of it."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        name = current(module.__name__)
        if name is not None:
            sys.modules[module.__name__] = importlib.import_module(name)

    def get_code(self, fullname: str) -> types.CodeType | None:
        """`python -m tfxfer.as_folder` is the command `make-folder`."""
        return compile(_AS_FOLDER, fullname, "exec") if fullname == "tfxfer.as_folder" else None

    def get_source(self, fullname: str) -> None:
        return None


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.startswith("tfxfer.") and current(fullname) is not None:
            return importlib.util.spec_from_loader(fullname, _Loader())
        return None


def install() -> None:
    """Makes `import tfxfer.<former name>` find the module. Calling it again changes nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
