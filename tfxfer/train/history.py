"""What a training leaves: its figures epoch by epoch, and the facts of how it was done."""

from typing import Any


class History(dict[str, list[float]]):
    """One number per epoch for each of "loss", "accuracy", "val_loss", "val_accuracy" and "seconds", for each of the
    metrics that `fit` was given, as "name" and "val_name", and for what callbacks logged.

    Attributes:
        facts: how the network was trained: schedule, precision, whether XLA compiled it ("jit"), where the activations
            are and how many layers they replace, seconds; the number of `epochs`, and `weights_of_epoch`, the epoch
            (from 0) whose weights the network has. If they were given, also what `loss` and each of the `metrics` is
            computed from.
    """

    facts: dict[str, Any]

    def kept(self, name: str) -> float:
        """A figure, such as "val_accuracy", of the epoch whose weights the network has."""
        return self[name][self.facts["weights_of_epoch"]]
