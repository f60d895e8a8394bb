"""Feature sets: networks to compare, one pass over the data for each, classifiers and collapse on its features."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfxfer import analysis, features, model
from tfxfer.core import distribute, memory
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import SPLITS
from tfxfer.features import frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.features.tail_forward import TailForward
from tfxfer.model import backbones
from tfxfer.recipes.shared.feature_measures import Banks

DEPTHS = (0, 10, 20, 40)  # layers unfrozen by a sweep


def networks(
    names: Sequence[str],
    splits: Splits,
    image_size: int | None,
    weights: str,
    tuned: Sequence[str] = (),
    seed: int = 0,
    augment: bool = False,
    unfreeze: int | str = 0,
) -> tuple[dict[str, keras.Model], dict[str, str]]:
    """Builds backbones from the table, at `image_size` if they have weights for any size.

    Args:
        names: of the backbones.
        image_size: height and width in pixels; None for each backbone's native size.
        weights: imagenet, none, or a weights file.
        tuned: names of those that will be fine-tuned; names that are not in `names` are ignored.
        seed: of each network's random weights.
        augment: whether images are augmented in training.
        unfreeze: what will be fine-tuned, as `model.unfreeze_last` takes it.

    Returns:
        Networks by name; and the reason why each of the others is not available, by name.

    Raises:
        InputError: a name is unknown, a network to be tuned does not have that much to train, or none is available.
    """
    rows = {name: backbones.get(name) for name in (*names, *tuned)}
    if weightless := [name for name in tuned if rows[name].weightless]:
        raise InputError(f"{weightless[0]} has nothing to fine-tune: leave it out of tune")
    nets, left_out = {}, {}
    for name in names:
        keras.utils.set_random_seed(seed)  # the head's weights do not depend on what else is compared
        try:
            size = image_size if rows[name].any_size and not rows[name].weightless else None
            nets[name] = model.build(name, splits, size, weights, augment=augment)
        except InputError as reason:
            left_out[name] = str(reason)
            print(f"{name} is left out: {reason}", flush=True)
    if not nets:
        raise InputError("; ".join(left_out.values()))
    for name in nets.keys() & set(tuned):
        model.depth(nets[name], unfreeze)
    return nets, left_out


def depths(text: str | None, net: keras.Model) -> list[int | str]:
    """Depths for `train.sweep` from a text such as "0,10,conv5,all".

    Args:
        text: None for `DEPTHS`, cut to what the network has; a line is printed if it has fewer layers.

    Raises:
        InputError: a depth is empty, named twice, or not one of the network.
    """
    if text is None:
        layers = len(model.backbone_layers(net))
        usual: list[int | str] = list(dict.fromkeys(min(depth, layers) for depth in DEPTHS))
        if max(DEPTHS) > layers:
            tried, all_depths = (",".join(map(str, depths)) for depths in (usual, DEPTHS))
            print(f"{net.name} has {layers} layers: depths {tried} are tried, instead of {all_depths}", flush=True)
        return usual
    parsed: list[int | str] = [int(part) if part.isdecimal() else part for part in map(str.strip, text.split(","))]
    if "" in parsed or len(set(parsed)) < len(parsed):
        raise InputError(f"depths {text!r}: expected numbers of layers or stages, each once, such as 0,10,20,40")
    for depth in parsed:
        model.unfreeze_last(net, depth)
    model.unfreeze_last(net, 0)
    return parsed


def learned(net: keras.Model) -> bool:
    """Whether the backbone has weights, so that a head on it is transfer learning."""
    return any(layer.weights for layer in model.backbone_layers(net))


def check_memory(nets: dict[str, keras.Model], splits: Splits, methods: Sequence[str]) -> None:
    """Refuses, before any features are computed, what there is not enough memory to `classify` and `collapse`.

    Raises:
        InputError: the first feature set that is too large, and what to do.
    """
    sizes = {split: len(splits.rows[split].labels) for split in SPLITS}
    n = sizes["train"] + sizes["validation"]
    for name, net in nets.items():
        d = net.get_layer("embedding").output.shape[-1]
        fits = {method: analysis.classifiers.method_of(method).bytes_needed(n, d) for method in methods}
        fits["collapse"] = analysis.linear.bytes_needed(n, d)
        largest = max(fits, key=lambda name: fits[name])
        features_bytes = 4 * d * (2 * n + sizes["test"])  # float32; those that are learned from are also scaled
        what = f"{name}: {largest} of {n:,} images of {d:,} features"
        memory.need(features_bytes + fits[largest], what)


def unfreeze(net: keras.Model, depth: int | str, batch_norm_momentum: float = 0.9) -> None:
    """Leaves what fine-tuning pages train to be trained: the last layers, their batch norm, and the head.

    Args:
        depth: as `model.unfreeze_last` takes it.
        batch_norm_momentum: of moving statistics; 1.0 for that of the architecture.
    """
    model.unfreeze_last(net, depth, train_batch_norm=True, batch_norm_momentum=batch_norm_momentum)


def store(cache: str, strategy: tf.distribute.Strategy | None) -> Store | None:
    """Where features are kept for later runs: the cache on disk, or nowhere.

    Args:
        cache: as `train.fit` takes it; with "memory" and "off" nothing is kept.
        strategy: with several workers nothing is kept.
    """
    return Store() if cache in ("auto", "disk") and distribute.workers(strategy) == 1 else None


def gather(
    net: keras.Model,
    splits: Splits,
    tune: int | str,
    cache: str,
    *,
    strategy: tf.distribute.Strategy | None,
    engine: str,
) -> Banks:
    """Features of every split in one pass: the embedding and, where a tail will be tuned, what it starts from.

    Args:
        tune: as `model.unfreeze_last` takes it; 0 where nothing will be.
        cache: "auto" and "disk" keep shards in the cache, for later runs and for this one if it is cut off.
        strategy, engine: as `features.extract` takes them.
    """
    unfreeze(net, tune)
    layers = list(dict.fromkeys(["embedding", *frozen_prefix.frontier(net).tensors]))
    model.unfreeze_last(net, 0)
    extract = features.Extractor(net, layers, strategy=strategy, engine=engine)
    return {split: extract(splits.examples(split), out=store(cache, strategy)) for split in SPLITS}


def activations(net: keras.Model, banks: Banks) -> Activations:
    """What `train.fit` takes as its cache, for the network as it is frozen now."""
    names = frozen_prefix.frontier(net).tensors
    arrays = {split: {name: bank[name] for name in names} for split, bank in banks.items()}
    return Activations(arrays, "in feature banks", {split: bank.labels for split, bank in banks.items()})


def forward_tails(net: keras.Model, banks: Banks, layers: Sequence[str]) -> Banks:
    """Features of later layers, by `TailForward`, for each of the banks."""
    forward = TailForward(net, layers)
    return {split: forward(bank) for split, bank in banks.items()}
