"""What a network's layers say about images: one pass, several layers, arrays with labels and ids."""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer import inference, order
from tfxfer.errors import InputError


@dataclass(frozen=True)
class Bank:
    """Features of n images.

    `bank["embedding"]` is float32 (n, d), or (n, height, width, channels) for a feature map; `labels` and `ids` are
    int64 (n,). Slicing (`bank[:2000]`) gives a bank of those rows.
    """

    values: dict[str, np.ndarray]
    labels: np.ndarray
    ids: np.ndarray

    def __getitem__(self, key: str | slice) -> "np.ndarray | Bank":
        if isinstance(key, str):
            return self.values[key]
        return Bank({name: value[key] for name, value in self.values.items()}, self.labels[key], self.ids[key])

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, *names: str) -> "Bank":
        """The bank of these features alone."""
        return Bank({name: self.values[name] for name in names}, self.labels, self.ids)

    def save(self, path: str | Path) -> None:
        """Writes one .npz, beside and renamed."""
        path = Path(path)
        beside = path.with_name(f".partial-{path.name}")
        np.savez(beside, labels=self.labels, ids=self.ids, **{f"value/{k}": v for k, v in self.values.items()})
        os.replace(beside, path)

    @classmethod
    def load(cls, path: str | Path) -> "Bank":
        """Reads what `save` wrote; never unpickles."""
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {name[6:]: file[name] for name in file.files if name.startswith("value/")}
                return cls(values, file["labels"], file["ids"])
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a feature bank ({error}): extract the features again") from None


def extract(
    net: keras.Model,
    dataset: tf.data.Dataset,
    layers: Sequence[str] = ("embedding",),
    limit: int | None = None,
    *,
    batch_size: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Bank:
    """Runs images through a network in inference mode and keeps what the named layers give.

    Args:
        net: from `model.build`.
        dataset: single examples, dicts {image: uint8, label, id}, such as `splits.test`.
        layers: names of layers of `net`; "logits" gives class scores, "image" the pixels themselves (uint8).
        limit: only the first so many images (of `Splits`, a stratified subset).
        batch_size: images at a time; by default what suits the network and the device.
        strategy: shares each batch out among its replicas; every worker gets the whole bank, in the data set's order.

    Raises:
        InputError: an unknown layer, or images that are not uint8 (floats in [0, 1] would silently become 0).
    """
    spec = dataset.element_spec
    fits = isinstance(spec, dict) and not {"image", "label", "id"} - set(spec)
    if not fits or spec["image"].dtype != tf.uint8 or not spec["image"].shape.is_compatible_with(net.input_shape[1:]):
        raise InputError(
            f"dataset of {spec}: expected dicts of image (uint8, {net.input_shape[1:]}), label, id, not batched"
        )
    if unknown := [name for name in layers if name not in {layer.name for layer in net.layers}]:
        raise InputError(
            f"{net.name} has no layer {', '.join(unknown)}; the last are {[x.name for x in net.layers[-5:]]}"
        )
    tapped = keras.Model(net.input, {name: net.get_layer(name).output for name in layers})
    batch_size = batch_size or inference.images_per_batch(tapped)
    batches = (dataset if limit is None else dataset.take(limit)).batch(batch_size)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*layers, "label", "id")}
    batches = order.steady(batches.prefetch(2))
    forward = inference.Forward(tapped, strategy, batch_size=batch_size)
    for values in forward.over(batches, f"features of {net.name}"):
        for name, value in values.items():
            parts[name].append(value)
    if not parts["id"]:
        raise InputError("the data set is empty: nothing to extract features from")
    joined = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    labels, ids = joined.pop("label").astype(np.int64), joined.pop("id").astype(np.int64)
    return Bank(joined, labels, ids)
