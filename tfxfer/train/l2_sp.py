"""Weight decay towards the weights that training starts from, instead of towards zero (L2-SP)."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("tfxfer")
class AdamSP(keras.optimizers.Adam):
    """Adam with decoupled weight decay towards the starting point: w <- w - rate * strength * (w - start).

    L2-SP (Li, Grandvalet and Davoine 2018, arXiv:1802.01483) keeps what the pretraining has learned by a penalty on the
    distance to it, where ordinary weight decay would pull to zero. Here the pull is decoupled from the gradient, as in
    AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), so that Adam does not rescale it. The starting point is the
    value of each variable when the optimizer is built, the head's included: train the head first. The copies are
    variables of the optimizer, and so are in its checkpoints.

    Args:
        learning_rate: as Adam takes it.
        strength: factor of the decay, 0 or above; 0 is Adam.
        options: further arguments of Adam.

    Example:
        >>> import functools
        >>> from tfxfer import data, model, train
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("cnn", splits, weights="none")
        >>> optimizer = functools.partial(train.AdamSP, strength=0.1)
        >>> history = train.fit(net, splits, epochs=1, optimizer=optimizer)  # doctest: +ELLIPSIS
        activations of ...
    """

    def __init__(self, learning_rate: Any = 0.001, strength: float = 0.01, **options: Any):
        super().__init__(learning_rate=learning_rate, **options)
        self.strength = strength
        self._starts: list[keras.Variable] = []

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates the moments and the copies of the starting point."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            start = self.add_variable_from_reference(variable, "start")
            start.assign(variable)
            self._starts.append(start)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """The pull to the starting point, and then Adam's step, as AdamW orders them."""
        factor = keras.ops.cast(learning_rate * self.strength, variable.dtype)
        start = self._starts[self._get_variable_index(variable)]
        self.assign_sub(variable, (variable - start) * factor)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Adam's settings and `strength`."""
        return super().get_config() | {"strength": self.strength}
