"""A network's forward pass over a data set, batch by batch, on one device or distributed over several."""

import functools
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.core.count_progress import track
from tfxfer.features import engines
from tfxfer.model import folding, freezing

BATCH_SIZE = 256
REVISION = "folded 1"  # part of the name under which outputs are kept: changes when their rounding does
_CARRIERS = {tf.uint8: tf.int32, tf.bfloat16: tf.float32}  # dtypes that workers cannot exchange, and what holds them


class Forward:
    """A model's forward pass on folded weights (`model.folding`), traced once, and again when the weights have changed.

    Args:
        model: uint8 images (batch, height, width, channels) -> dict of tensors (batch, ...).
        strategy: each replica computes its part of every batch; all parts are gathered on every worker.
        training: the mode in which layers are called.
        batch_size: the most examples in a batch.
        engine: what computes it, one of `engines.ENGINES`.

    Raises:
        InputError: the engine is unknown, or cannot run here.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy | None = None,
        *,
        training: bool = False,
        batch_size: int = BATCH_SIZE,
        engine: str = "tensorflow",
    ):
        engines.check(engine)
        self.model, self.strategy, self.batch_size, self.engine = model, strategy, batch_size, engine
        self._forward = folding.Forward(model, training=training)
        self._traced: Callable | None = None  # the function and the number of images for which an engine was chosen
        self._images = 0
        self._chosen: tuple[str, engines.Function] | None = None

    def choose(self, images: int) -> str:
        """Resolves "auto" for so many images, see `engines.choose`: the name of the engine that will compute them."""
        return self._choose(images)[0]

    def _choose(self, images: int) -> tuple[str, engines.Function]:
        traced = self._forward.current()
        grown = self.engine == "auto" and images > self._images  # a larger job may be worth a conversion
        if self._chosen is None or traced is not self._traced or (grown and self._chosen[0] == "tensorflow"):
            job = self.model, traced, self.batch_size, images
            self._chosen = engines.choose(self.engine, *job, self.strategy, self._forward.training)
            self._traced, self._images = traced, images
        return self._chosen

    def over(self, batches: tf.data.Dataset, what: str = "features") -> Iterator[dict[str, np.ndarray]]:
        """Yields, batch by batch in the data set's order, the model's outputs with the examples' labels and ids.

        Args:
            batches: dicts {image, label, id} of tensors (batch, ...).
            what: the title of the progress bar.
        """
        steps = int(batches.cardinality())
        _, forward = self._choose(steps * self.batch_size)
        total = steps * self.batch_size if steps >= 0 else None
        if self.strategy is None:
            for batch in track(batches, what, total, each=self.batch_size):
                outputs = forward(batch["image"]) | {"label": batch["label"], "id": batch["id"]}
                yield {name: value.numpy() for name, value in outputs.items()}
            return
        strategy = self.strategy
        parts = distribute.distribute(strategy, batches, lambda batch, weight: (batch, weight), self.batch_size)
        gather = tf.function(functools.partial(_gather, strategy, forward), [parts.element_spec], autograph=False)
        together = gather.get_concrete_function()
        for element in track(parts, what, total, each=self.batch_size):
            with distribute.watch(strategy):
                values = {name: value.numpy() for name, value in together(element).items()}
            real = values.pop("weight") > 0
            yield values if real.all() else {name: value[real] for name, value in values.items()}


def _gather(strategy: tf.distribute.Strategy, forward: Callable, element: tf.Tensor) -> dict[str, tf.Tensor]:
    kinds: dict[str, tf.DType] = {}

    def compute(batch, weight):
        outputs = forward(batch["image"]) | {"label": batch["label"], "id": batch["id"], "weight": weight}
        kinds.update({name: value.dtype for name, value in outputs.items()})
        return {name: tf.cast(value, _CARRIERS.get(value.dtype, value.dtype)) for name, value in outputs.items()}

    parts = strategy.run(compute, element)
    return {name: tf.cast(strategy.gather(value, axis=0), kinds[name]) for name, value in parts.items()}


def images_per_batch(model: keras.Model, most: int = BATCH_SIZE) -> int:
    """How many images to compute at once, at most `most`.

    On a CPU the model's largest tensor stays near the size of the caches (32 MB: at 96 x 96, EfficientNet-Lite0 is 1.5
    times as fast as with 256 images); a GPU is filled.
    """
    room = 512e6 if tf.config.list_physical_devices("GPU") else 32e6
    return max(1, min(most, int(room / (4 * largest_output(model)))))


def largest_output(model: keras.Model) -> int:
    """How many numbers a model's largest layer gives for one image."""
    shapes = [shape for layer in model.layers if (shape := freezing.output_shape(layer))]
    return max(math.prod(size or 1 for size in shape[1:]) for shape in shapes)


def predictor(
    model: keras.Model, activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.softmax
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images to what a model gives for them in inference mode, on folded weights, batch by batch.

    Args:
        model: uint8 images (batch, height, width, channels) -> one tensor (batch, ...), such as logits.
        activation: applied to the model's output; by default logits become probabilities.

    Returns:
        A function, uint8 (n, height, width, channels) -> (n, ...).
    """
    forward, size = folding.Forward(model, activation=activation), images_per_batch(model)

    def predict(images: np.ndarray) -> np.ndarray:
        traced = forward.current()
        batches = [images[first : first + size] for first in range(0, len(images), size)]
        return np.concatenate([traced(tf.constant(batch)).numpy() for batch in batches])

    return predict
