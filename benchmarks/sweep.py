"""The sweep over how much to unfreeze against one plain Keras fit per depth: same weights, order and optimizer.

EfficientNet-Lite0 at 48, 2,000 images of MNIST, 3 epochs at each of the depths 0, 5, 10, 20, 30, 40; batch norm in
inference mode. Ours is one `train.sweep(cache="memory")`, which gets the activations of all depths in one pass. Plain
is `fit` of the whole network, depth after depth, as in prefix_cache.py. Each way runs once, one after the other.

Bounds, as prefix_cache.py has them: plain takes the sum over the depths of E epochs of F(1 + 2t + v), ours one pass
F(1 + v) for the cache and the sum of E Ft(3 + v). The goal is 0.8 of the bound. "total" is wall time, in which short
epochs leave tracing its share, for plain more than for ours; "epochs" takes E times the median epoch after the first
of each depth, and ours the cache's pass in full.

The shared pass alone was to be 1.6 times as fast as version 0.1's, beside it on the same machine: it takes 3.0 s for
3.1, and 1.2 times less where the plain way's times, 37 s and 32 s, are taken for the machine's speed (30 November 2026,
Intel Xeon). The network itself is 1.7 to 2 times as fast (1.2 s for 2.1 to 2.5 for 2,000 images); folding and tracing
take 0.5 s, and the keys of six prefixes, by which kept activations are found again, about 0.7. With 2,500 images of
48 x 48 that is more than half of it; the pass gains with every image more.

    python benchmarks/sweep.py --json FILE
"""

import statistics
import time
from contextlib import redirect_stdout
from io import StringIO

import common
import costs
import ways

from tfxfer import model, train

DEPTHS = (0, 5, 10, 20, 30, 40)


def main(argv: list[str] | None = None) -> dict:
    options = {"backbone": "efficientnet_lite0", "image_size": 48, "epochs": 3, "limit": 2000, "batch_size": 32}
    parser = common.parser(__doc__, **options)
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS, help=f"default {DEPTHS}")
    return common.run(measure, parser.parse_args(argv))


def measure(given) -> dict:
    epochs, size, depths = given.epochs, given.batch_size, given.depths
    splits, net = common.build(given.backbone, given.image_size, given, given.limit)
    print(f"depths {', '.join(map(str, depths))}, {epochs} epochs each, batches of {size}", flush=True)
    least, start, plain = costs.costs(net, splits, size, depths), model.values(net), []
    for depth in depths:
        model.assign_values(net, start)
        model.unfreeze_last(net, depth)
        plain.append(ways.plain_fit(net, splits, size, epochs))
    model.assign_values(net, start)
    options = {"train_batch_norm": False, "cache": "memory", "batch_size": size}
    started = time.perf_counter()
    with redirect_stdout(StringIO()):
        swept = train.sweep(net, splits, depths, epochs, ways.LEARNING_RATE, **options)
    seconds = time.perf_counter() - started
    found, plain_epochs, our_epochs = {}, 0.0, swept.shared_seconds
    for depth, cost, timing, history in zip(depths, least, plain, swept.histories):
        later = 1 if epochs > 1 else 0  # the first epoch traces
        both = {"plain": timing.epochs[later:], "our": history["seconds"][later:]}
        row = cost.show(f"depth {depth}: ")
        row |= costs.summary("epoch", costs.paired(*both.values()), cost.plain / cost.ours)
        row |= {f"{name}_epoch_seconds": statistics.median(seconds) for name, seconds in both.items()}
        plain_epochs += epochs * row["plain_epoch_seconds"]
        our_epochs += epochs * row["our_epoch_seconds"]
        model.unfreeze_last(net, depth)
        ours = ways.Timing(history.facts["seconds"], 0.0, history["seconds"], [], history)
        row |= ways.compare(net, splits, start, size, epochs, 1 if depth else epochs, [(timing, ours)])
        found[f"depth_{depth}"] = row
    in_all = sum(epochs * cost.plain for cost in least) / (least[0].cache + sum(epochs * cost.ours for cost in least))
    plain_seconds = sum(timing.seconds for timing in plain)
    print(f"\n  plain {plain_seconds:.3g} s, ours {seconds:.3g} s, of which cache {swept.shared_seconds:.3g} s")
    found |= {"plain_seconds": plain_seconds, "our_seconds": seconds, "cache_seconds": swept.shared_seconds}
    found |= costs.summary("epochs", [plain_epochs / our_epochs], in_all)
    return {"sweep": found | costs.summary("total", [plain_seconds / seconds], in_all)}


if __name__ == "__main__":
    main()
