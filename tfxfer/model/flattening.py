"""Any Keras model as one graph of plain layers: models within models are opened, whatever their depth.

A nested model cannot be cut, tapped or explained: to the graph around it, it is one layer.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import keras

from tfxfer.core import private_names
from tfxfer.core.errors import InputError


def is_graph(layer: Any) -> bool:
    """Whether something is a model whose layers and calls can be seen: functional, or a Sequential that is built.

    A model of a class with a `call` of its own is not, even where it began as one.
    """
    if isinstance(layer, keras.Sequential):
        return layer.built and bool(getattr(layer, "inputs", None)) and _calls_as(layer, keras.Sequential)
    return private_names.is_functional(layer) and _calls_as(layer, private_names.functional_class())


def _calls_as(model: Any, kind: Any) -> bool:
    return type(model).call is kind.call


def inline(model: keras.Model, x: keras.KerasTensor, taken: Iterable[str] = ()) -> keras.KerasTensor:
    """Applies copies of a model's layers to x, one by one, and those of the models in it; returns the last output.

    Weights are copied, and whatever a call was given besides tensors (`training=False`) goes to each layer inside. A
    layer keeps its name if no other has it; otherwise the name of the model around it comes first. A layer that cannot
    be made from its settings is not copied but used itself, with a warning: its weights are the model's.

    Args:
        model: a graph (`is_graph`) with one input and one output.
        x: what takes the place of its input.
        taken: names that the copies must not have.
    """
    names = set(taken)
    copies: dict[int, keras.Layer] = {}
    made_of: list[tuple[keras.Layer, keras.Layer, dict[str, Any]]] = []  # layer, copy, initializers of the copy

    def copied(layer: Any, around: keras.Model) -> Any:
        if not isinstance(layer, keras.Layer):
            return layer  # an operation, which has no state
        if id(layer) not in copies:
            made = copies[id(layer)] = _copy(layer, _free(layer.name, around.name, names))
            names.add(made.name)
            if made is not layer:
                # its weights are about to be replaced: random ones would be drawn for nothing
                found = {name: value for name, value in vars(made).items() if name.endswith("_initializer")}
                found = {name: value for name, value in found.items() if value is not None}
                made_of.append((layer, made, found))
                vars(made).update(dict.fromkeys(found, keras.initializers.Zeros()))
        return copies[id(layer)]

    def run(graph: keras.Model, inputs: Any, given: dict[str, Any]) -> Any:
        graph = _functional(graph)

        def call(layer: Any) -> Callable:
            if is_graph(layer):
                return lambda *args, **kwargs: run(layer, args[0] if args else kwargs.pop("inputs"), given | kwargs)
            made = copied(layer, graph)
            accepted = {name: value for name, value in given.items() if _accepts(layer, name)}
            return lambda *args, **kwargs: made(*args, **kwargs | accepted)

        return private_names.run_through_graph(graph, inputs, call)

    output = run(model, x, {})
    for layer, made, found in made_of:
        vars(made).update(found)
        if layer.weights:
            made.set_weights(layer.get_weights())
    return output[0] if isinstance(output, list | tuple) else output


def flatten(model: keras.Model) -> keras.Model:
    """A model's own graph if no model is in it; otherwise a copy in which there is none, with the same outputs."""
    model = _functional(model)
    if not any(is_graph(layer) for layer in model.layers):
        return model
    image = keras.Input(model.inputs[0].shape[1:], dtype=model.inputs[0].dtype)
    return keras.Model(image, inline(model, image), name=model.name)


def _functional(graph: keras.Model) -> keras.Model:
    """A graph with its layers in sight: a Sequential keeps them in another one."""
    one = len(graph.inputs) == len(graph.outputs) == 1
    return keras.Model(graph.inputs[0], graph.outputs[0], name=graph.name) if one else graph


def _copy(layer: keras.Layer, name: str) -> keras.Layer:
    """A layer of the same settings, without its weights; or itself, if these do not say how to make it."""
    try:
        return layer.__class__.from_config(layer.get_config() | {"name": name})
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        warnings.warn(
            f"layer {layer.name} ({type(layer).__name__}) cannot be copied ({reason}): the network trains the layer "
            "itself, and cannot be saved as .keras; a get_config() that has all arguments of its class helps",
            stacklevel=2,
        )
        return layer


def _free(name: str, around: str, names: set[str]) -> str:
    """A name that is not taken: a layer's own, or after the model around it, or with a number."""
    candidates = [name, f"{around}_{name}"]
    candidates += [f"{around}_{name}_{number}" for number in range(1, len(names) + 2)]
    return next(candidate for candidate in candidates if candidate not in names)


def _accepts(layer: Any, argument: str) -> bool:
    return isinstance(layer, keras.Layer) and argument in inspect.signature(layer.call).parameters


def opaque(model: keras.Model, shape: tuple[int, int, int]) -> keras.Model:
    """A model of a class of its own, as a graph of one layer: nothing can be cut inside it, and it has no maps.

    Args:
        model: takes float images (batch, *shape), and returns a feature map or a vector for each.
        shape: (height, width, channels).

    Raises:
        InputError: it cannot be called so, or gives something else.
    """
    image = keras.Input(shape)
    try:
        output = model(image)
    except Exception as error:  # of the user's own code, whatever it is
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"model {model.name} cannot be called with images of {shape} ({type(error).__name__}: {reason}): "
            "expected a model of one image input; image_size sets its height and width"
        ) from None
    if not isinstance(output, keras.KerasTensor):
        raise InputError(f"model {model.name} returns {type(output).__name__}: expected one tensor")
    return keras.Model(image, output, name=model.name)
