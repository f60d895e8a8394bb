"""What a finished run's network makes of the run's data: the data set loaded again, features from the cache."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import Splits, loading
from tfxfer.features.bank import Bank
from tfxfer.features.extraction import Extractor
from tfxfer.model import folding
from tfxfer.runs.loading import Loaded

_DATA = (
    "data_dir",
    "limit",
    "image_size",
    "validation",
    "test",
    "seed",
    "skip_bad",
    "image_key",
    "label_key",
    "aspect",
)
LAYERS = ("embedding", "logits")


def splits_of(run: Loaded) -> Splits:
    """Loads a run's data set again, as its arguments say.

    Raises:
        InputError: it cannot be loaded, or it is not the data that the run used: files have changed, or the recipe
            changed what it loaded (groups of classes, corruptions).
    """
    arguments = run.facts["arguments"]
    if "dataset" not in arguments:
        raise InputError(f"{run.dir} does not name its data set: give a recipe's run")
    options = {name: arguments[name] for name in _DATA if name in arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run has said it
        splits = loading.load(arguments["dataset"], **options)
    if splits.fingerprint != run.facts["data"]["sha256"]:
        raise InputError(
            f"{run.dir} used other images than {arguments['dataset']} gives now: its files have changed, or the recipe "
            "changed what it loaded (groups of classes, corruptions)"
        )
    return splits


def check_network(run: Loaded) -> None:
    """Raises InputError if a run has no network."""
    if not (run.dir / "model.keras").is_file():
        raise InputError(f"{run.dir} has no model.keras: give a run that trained a network")


def network_of(run: Loaded) -> keras.Model:
    """The network that a run saved.

    Raises:
        InputError: the run trained none, or its network has no layer `embedding`.
    """
    check_network(run)
    net = run.model
    if missing := set(LAYERS) - {layer.name for layer in net.layers}:
        raise InputError(f"{run.dir}: its network has no layer {', '.join(sorted(missing))}: give another run")
    return net


class RunFeatures:
    """Features of a run's images, computed once: later calls, of any process, read them from the cache.

    Args:
        run: a finished run that trained a network.

    Raises:
        InputError: as of `splits_of` and `network_of`.
    """

    def __init__(self, run: Loaded):
        self.net = network_of(run)
        self.splits = splits_of(run)
        self._extract = Extractor(self.net, LAYERS)

    def __call__(self, split: str) -> Bank:
        """Returns "embedding", float32 (n, d), and "logits", float32 (n, classes), of a split's images, in order."""
        return self._extract(self.splits.examples(split), out=Store())

    def of(self, image: np.ndarray) -> Bank:
        """Returns the same for one image, uint8 (height, width, channels)."""
        found = folding.Forward(self._extract.tapped).current()(tf.constant(image[None]))
        return Bank({name: value.numpy() for name, value in found.items()}, np.full(1, -1), np.full(1, -1))
