"""Encoded images of a data set of TFDS, of any size, which take the path of files.

Each that will be used is decoded once, by the one decoder, and its resized pixels are kept in the cache. Only a few
blocks of them are in memory.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tfxfer.core.count_progress import CountProgress
from tfxfer.data import image_decoding
from tfxfer.data.kept_pixels import Kept
from tfxfer.data.lazy_images import Files
from tfxfer.data.tfds_prepared import Prepared

BLOCK = 64  # encoded images read at once


class Records(Files):
    """Encoded images of a data set of TFDS: reads like `Files`. The paths are TFDS's own, such as train[17:18].

    Args:
        source: where they are.
        paths: str (n,).
        size, kept, aspect: as `Files` takes them.
    """

    noun = "examples"
    alone = False

    def __init__(
        self, source: Prepared, paths: np.ndarray, size: int, kept: Kept | None = None, aspect: str = "squash"
    ):
        super().__init__(paths, size, kept, aspect)
        self.source = source

    def of(self, paths: np.ndarray, kept: Kept | None = None) -> "Records":
        """Images of the same data set, size and aspect with other paths, still unread."""
        return Records(self.source, paths, self.size, kept, self.aspect)

    def mark_of(self, path: str) -> bytes:
        """16 bytes that identify an image: a digest of its path, its key and of what the data set is known as."""
        return hashlib.blake2b(f"{self.source.known_as} {self.source.image} {path}".encode(), digest_size=16).digest()

    def decode(self, row: int) -> np.ndarray:
        """Reads and decodes one image, which takes long: TFDS goes through what is before it."""
        path = str(self.paths[row])
        with self.source.reading():
            (content,) = self.source.encoded(path).as_numpy_iterator()
        return image_decoding.pixels(path, (self.size, self.size, 3), content, self.aspect)

    def read(self, rows: np.ndarray, faults: dict[str, str], place: np.ndarray | None = None) -> Sequence[bytes]:
        """Reads some of the images as `Files.read` does, split after split from front to back.

        Raises:
            UnreadableError: a file of the data set is missing or damaged.
        """
        digests, shape = [b""] * len(rows), (self.size, self.size, 3)

        def note(number: int, content: bytes | None) -> None:
            def decode(row: int) -> np.ndarray:
                return image_decoding.pixels(str(self.paths[row]), shape, content, self.aspect)

            pixels_of = self.__getitem__ if content is None else decode
            digests[number] = self._digest(number, rows[number], pixels_of, faults, place)

        there = np.zeros(len(rows), bool) if self.kept is None else self.kept.found[rows]
        done = 0
        with CountProgress("decoding images", len(rows)) as progress, ThreadPoolExecutor() as threads:
            for numbers, contents in self._blocks(rows, there):
                list(threads.map(note, numbers, contents))
                progress.update(done := done + len(numbers))
        return digests

    def _blocks(self, rows: np.ndarray, there: np.ndarray) -> Iterator[tuple[Sequence[int], Sequence[bytes | None]]]:
        """Numbers of rows, with their encoded images; None where the pixels are in the cache."""
        import tensorflow as tf

        from tfxfer.core import batching

        kept = np.flatnonzero(there).tolist()
        for first in range(0, len(kept), BLOCK):
            yield kept[first : first + BLOCK], [None] * len(kept[first : first + BLOCK])
        places = [path.rstrip("]").rpartition(":")[0].rpartition("[") for path in self.paths[rows].tolist()]
        splits, positions = np.array([split for split, _, _ in places]), np.array([int(at) for _, _, at in places])
        for split in sorted(set(splits[~there].tolist())):
            here = np.flatnonzero((splits == split) & ~there)
            here = here[np.argsort(positions[here])]
            wanted = np.zeros(positions[here[-1]] + 1, bool)
            wanted[positions[here]] = True
            pairs = tf.data.Dataset.zip(
                self.source.encoded(f"{split}[:{len(wanted)}]"), tf.data.Dataset.from_tensor_slices(wanted)
            )
            chosen = pairs.filter(lambda _, wanted: wanted).map(lambda content, _: content).batch(BLOCK)
            done = 0
            with self.source.reading():
                for contents in batching.steady(chosen).as_numpy_iterator():
                    yield here[done : done + len(contents)].tolist(), contents.tolist()
                    done += len(contents)


def paths(split: str, n: int) -> np.ndarray:
    """TFDS's own names of the n examples of a split, str (n,)."""
    return np.array([f"{split}[{row}:{row + 1}]" for row in range(n)])
