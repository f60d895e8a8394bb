"""What TFDS has prepared, read in a fixed order: labels, images of one size, and encoded images of any size."""

import contextlib
import functools
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfxfer.core import console
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import tfds

if TYPE_CHECKING:
    import tensorflow as tf

Key = tuple[str, ...]  # where a feature is in nested dicts


class UnreadableError(InputError):
    """What TFDS has prepared cannot be read."""


@dataclass(frozen=True)
class Prepared:
    """A data set that TFDS has prepared, and the two of its features that are used.

    Attributes:
        name: what errors and the cache call it.
        builder: a `tfds.core.DatasetBuilder`.
        image, label: keys of the features.
    """

    name: str
    builder: Any
    image: Key
    label: Key

    @functools.cached_property
    def known_as(self) -> str:
        """A digest of the full name with its version, and of names, sizes and times of change of the data's files."""
        digest = hashlib.sha256(self.builder.info.full_name.encode())
        for split in sorted(self.builder.info.splits):
            for file in map(Path, self.builder.info.splits[split].filepaths):
                facts = os.stat(file)
                digest.update(repr((split, file.name, facts.st_size, facts.st_mtime_ns)).encode())
        return digest.hexdigest()

    def labels(self, split: str) -> np.ndarray:
        """All labels of a split, int64 (n,); -1 is hidden. The cache keeps them, because they lie between the images.

        Raises:
            UnreadableError: a file of the data set is missing or damaged.
        """
        with self.reading():
            key, store = hashlib.sha256(repr((self.known_as, self.label, split)).encode()).hexdigest(), Store()
            if (entry := store.open(key)) is not None:
                return np.array(entry["labels"])
            batches = self._features(split, self.label).batch(4096)
            labels = np.concatenate([np.zeros(0, np.int64), *batches.as_numpy_iterator()]).astype(np.int64)
        about = {"model": "labels", "layer": "/".join(self.label), "data": self.name, "split": split}
        with (
            contextlib.suppress(InputError),
            store.write(key, {"labels": (labels.shape, labels.dtype)}, about) as place,
        ):
            place["labels"][:] = labels
        return labels

    def pairs(self, split: str) -> "tf.data.Dataset":
        """Images as TFDS decodes them, uint8, with their labels."""
        return self._features(split, self.image, self.label)

    def encoded(self, split: str) -> "tf.data.Dataset":
        """Encoded images, texts of bytes."""
        return self._features(split, self.image, decoded=False)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Turns errors about missing and damaged files within the block into UnreadableErrors."""
        import tensorflow as tf

        try:
            yield
        except (tf.errors.OpError, FileNotFoundError) as error:
            reason = " ".join(str(getattr(error, "message", None) or error).split())[:200]
            raise UnreadableError(
                f"{self.name}: a file in {self.builder.data_path} is missing or damaged ({reason}): remove that "
                "folder, and TFDS prepares the data set again"
            ) from None

    def _features(self, split: str, *keys: Key, decoded: bool = True) -> "tf.data.Dataset":
        from tfxfer.core import batching

        module = tfds.package()
        skipped = None if decoded else _nested({key: module.decode.SkipDecoding() for key in keys})
        with console.loggers(logging.ERROR):  # of the warnings is one that TFDS uses what it advises against
            dataset = self.builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders=module.decode.PartialDecoding(_nested(dict.fromkeys(keys, True)), skipped),
                read_config=module.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            )

        def pick(example: Any) -> Any:
            found = tuple(functools.reduce(lambda part, name: part[name], key, example) for key in keys)
            return found if len(found) > 1 else found[0]

        return batching.steady(dataset.map(pick))


def _nested(values: dict[Key, Any]) -> dict[str, Any]:
    """Values in nested dicts."""
    whole: dict[str, Any] = {}
    for key, value in values.items():
        inner = whole
        for name in key[:-1]:
            inner = inner.setdefault(name, {})
        inner[key[-1]] = value
    return whole
