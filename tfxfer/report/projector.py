"""A run's features for TensorBoard's embedding projector: vectors, labels and a sprite of the images, in `logs/`."""

import math
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig, visualize_embeddings

from tfxfer.features.bank import Bank
from tfxfer.runs.loading import Loaded

_LARGEST_SPRITE = 8192  # pixels a side that TensorBoard shows


def write(run: Loaded) -> None:
    """Writes what `tensorboard --logdir RUN/logs` needs to show every bank with an embedding, replacing what is there.

    A run without such banks gets nothing.
    """
    banks = {name: bank for name, bank in run.banks.items() if "embedding" in bank.values}
    if not banks:
        return
    folder, config = run.dir / "logs", ProjectorConfig()
    (folder / "projector").mkdir(parents=True, exist_ok=True)
    for name, bank in banks.items():
        vectors = np.asarray(bank["embedding"], "<f4")
        vectors.tofile(folder / "projector" / f"{name}.bytes")
        lines = ["label\tid", *(f"{_cell(run.facts['classes'][y])}\t{i}" for y, i in zip(bank.labels, bank.ids))]
        (folder / "projector" / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entry = config.embeddings.add(tensor_name=name, tensor_path=f"projector/{name}.bytes")
        entry.tensor_shape.extend(vectors.shape)
        entry.metadata_path = f"projector/{name}.tsv"
        if side := _sprite(run.banks.get("pictures"), bank, folder / "projector" / f"{name}.png"):
            entry.sprite.image_path = f"projector/{name}.png"
            entry.sprite.single_image_dim.extend(side)
    visualize_embeddings(str(folder), config)


def _cell(text: str) -> str:
    return " ".join(text.split())  # tabs and line ends would start other cells


def _sprite(pictures: Bank | None, bank: Bank, path: Path) -> tuple[int, int] | None:
    """Writes a square grid of the bank's images, black where there is none; returns width and height of one image."""
    if pictures is None:
        return None
    known = {number: row for row, number in enumerate(pictures.ids.tolist())}
    images, across = np.asarray(pictures["image"]), math.ceil(math.sqrt(len(bank)))
    scale = min(1, _LARGEST_SPRITE / across / max(images.shape[1:3]), 64 / max(images.shape[1:3]))
    height, width = (max(1, int(pixels * scale)) for pixels in images.shape[1:3])
    sheet = Image.new("RGB", (across * width, across * height))
    for place, number in enumerate(bank.ids.tolist()):
        if number in known:
            image = Image.fromarray(images[known[number]].squeeze()).resize((width, height), Image.Resampling.BOX)
            sheet.paste(image, (place % across * width, place // across * height))
    sheet.save(path)
    return width, height
