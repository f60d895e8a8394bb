"""Image-classification data sets of TFDS by name, `tfds:NAME[/CONFIG][:VERSION]`, found by their features."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfxfer.core.errors import InputError, shown
from tfxfer.data import tfds, tfds_builder
from tfxfer.data.image_folder import PARTS
from tfxfer.data.lazy_images import Files, Rows
from tfxfer.data.tfds_prepared import Key, Prepared
from tfxfer.data.tfds_records import Records, paths


class Found(NamedTuple):
    """A data set: rows for "train" and, if they exist, "validation" and "test"; the classes; where it is; and, where
    images differ in size, the function from their paths, a size and an `aspect` to images."""

    rows: dict[str, Rows]
    classes: tuple[str, ...]
    origin: str
    sized: Callable[..., Files]


def read(name: str, data_dir: Path | None, image_key: str | None = None, label_key: str | None = None) -> Found:
    """Finds a data set of TFDS, which prepares it if it is not prepared yet, and reads its labels.

    The splits train, validation and test, also spelt as in `image_folder.PARTS`, are what they are called. A single
    split of another name is one pool; beside training images, splits of other names are left out, with a warning, and
    so are splits whose labels are hidden. Images whose size is known and the same for all are read as well, into memory
    or into the cache; of others the rows have paths.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION. A folder that TFDS has prepared is enough; the
            code that made it need not be known.
        data_dir: TFDS's folder, as `tfds.folder` takes it.
        image_key, label_key: of the image and of the label, where there are several; `a/b` is b in the dict a.

    Raises:
        InputError: TFDS does not know the name or cannot prepare the data set, it has no image or no class label, or
            several and no key chooses one, its pixels are not 8 bits of 1 or 3 channels, or there are no training
            images with labels.
    """
    title, builder = f"tfds:{name}", tfds_builder.find(name, data_dir)
    features, kinds = builder.info.features, tfds.package().features
    pictures = {key: of for key, of in _within(features, kinds.Image) if not isinstance(of, kinds.LabeledImage)}
    labels = dict(_within(features, kinds.ClassLabel))
    image = _chosen(title, "image", list(pictures), image_key, features)
    label = _chosen(title, "label", list(labels), label_key, features)
    shape, kind = pictures[image].shape, np.dtype(pictures[image].np_dtype)
    if len(shape) != 3 or shape[2] not in (1, 3) or kind != np.uint8:
        raise InputError(
            f"{title}: {'/'.join(image)} is {kind} {shape}: expected images of 8 bits with 1 or 3 channels, (height, "
            "width, channels): convert them, and give data.from_dataset the pipeline"
        )
    source = Prepared(title, builder, image, label)
    known = _labels(source, _parts(title, list(builder.info.splits)))
    rows = {part: Rows(paths(split, len(numbers)), numbers) for part, (split, numbers) in known.items()}
    if None not in shape:
        from tfxfer.data import dataset_reader

        with source.reading():
            rows = {
                part: dataset_reader.read(f"{title} {split}", source.pairs(split), ("", ""), None)
                for part, (split, _) in known.items()
            }
    origin = f"TFDS {builder.info.full_name} in {tfds.folder(data_dir).absolute()}"
    return Found(rows, tuple(labels[label].names), origin, partial(Records, source))


def _within(features: Any, kind: type, above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Features of a kind with their keys, in nested dicts, but not in sequences."""
    if isinstance(features, tfds.package().features.FeaturesDict):
        for name, feature in features.items():
            if isinstance(feature, kind):
                yield (*above, name), feature
            else:
                yield from _within(feature, kind, (*above, name))


def _chosen(title: str, what: str, keys: list[Key], asked: str | None, features: Any) -> Key:
    """The only key, or the one that was asked for."""
    keys = sorted(keys, key=lambda key: (len(key), key))
    named = ["/".join(key) for key in keys]
    if not keys:
        others = tfds_builder.some(sorted(features))
        raise InputError(
            f"{title} has no {what} among its features {others}: expected a data set for image classification, with an "
            "image and a class label"
        )
    if asked is not None:
        if asked not in named:
            raise InputError(f"{title}: {what}_key {shown(asked)}: expected {' or '.join(named)}")
        return keys[named.index(asked)]
    if len(keys) > 1:
        one = what if what in named else named[0]
        raise InputError(
            f"{title} has {len(keys)} {what}s, {', '.join(named)}: choose one, such as --{what}-key {one} "
            f'({what}_key="{one}")'
        )
    return keys[0]


def _parts(title: str, splits: list[str]) -> dict[str, str]:
    """The splits that are used, by part."""
    spelt = {part: [split for split in splits if split.lower() in names] for part, names in PARTS.items()}
    if twice := next((names for names in spelt.values() if len(names) > 1), None):
        raise InputError(f"{title}: has the splits {' and '.join(twice)}, which mean the same: remove one of them")
    found = {part: names[0] for part, names in spelt.items() if names}
    others = [split for split in splits if split not in found.values()]
    if not found and len(others) == 1:
        return {"train": others[0]}
    if "train" not in found:
        raise InputError(
            f"{title}: has the splits {', '.join(splits) or '(none)'}, and none called train: give data.from_dataset "
            "those to learn from and to test on, as tfds.load gives them"
        )
    if others:
        warnings.warn(f"{title}: splits left out, not called {', '.join(PARTS)}: {', '.join(others)}", stacklevel=5)
    return found


def _labels(source: Prepared, parts: dict[str, str]) -> dict[str, tuple[str, np.ndarray]]:
    """The splits with their labels, by part, without those whose labels are hidden."""
    known = {part: (split, source.labels(split)) for part, split in parts.items()}
    for part, (split, labels) in list(known.items()):
        if hidden := int((labels < 0).sum()):
            line = f"{source.name}: {hidden:,} of {len(labels):,} labels of the split {split} are hidden (-1)"
            if part == "train":
                raise InputError(f"{line}: expected all of them: give data.from_dataset the images that have one")
            warnings.warn(f"{line}: the split is left out", stacklevel=5)
            del known[part]
    return known
