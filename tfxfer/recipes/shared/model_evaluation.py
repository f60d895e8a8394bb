"""Models judged on the same pictures, and what each of them costs."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np

from tfxfer import analysis
from tfxfer.features import inference
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.feature_measures import Banks


def judge(
    predict: Callable[[np.ndarray], np.ndarray],
    test: Bank,
    variants: dict[str, np.ndarray],
    digits: np.ndarray | None,
) -> tuple[dict[str, float], np.ndarray]:
    """Tests a model on test images, on variants of them, and on images that belong to no class.

    Args:
        predict: uint8 images (n, height, width, channels) -> probabilities (n, classes).
        test: with "image".
        variants: name -> images of the same labels.
        digits: images of something else; None leaves these metrics out.

    Returns:
        Metrics test_accuracy, ece, `<variant>/accuracy`, `<variant>/confidence` (the mean highest probability),
        digits/confidence, digits/auroc (how well confidence tells them from test images) and predict_seconds; and the
        probabilities on the test images, float32.
    """
    started = time.perf_counter()
    probabilities = predict(test["image"])
    metrics = {"predict_seconds": time.perf_counter() - started}
    metrics["ece"] = analysis.metrics.expected_calibration_error(probabilities, test.labels)
    for name, images in {"test": test["image"], **variants}.items():
        scores = probabilities if name == "test" else predict(images)
        metrics[f"{name}/accuracy"] = analysis.metrics.accuracy(test.labels, scores.argmax(1))
        metrics[f"{name}/confidence"] = float(scores.max(1).mean())
    if digits is not None:
        confidence = predict(digits).max(1)
        metrics["digits/confidence"] = float(confidence.mean())
        metrics["digits/auroc"] = analysis.metrics.auroc(probabilities.max(1), confidence)
    return metrics | {"test_accuracy": metrics["test/accuracy"]}, probabilities.astype(np.float32)


def cost(net: keras.Model, history, train_images: Bank) -> dict[str, float]:
    """What a network costs, named as `analysis.probe` does; training accuracy is that on the first 10,000 images."""
    subset = train_images[:10_000]
    predicted = inference.predictor(net)(subset["image"]).argmax(1)
    return {
        "train_accuracy": analysis.metrics.accuracy(subset.labels, predicted),
        "validation_accuracy": history.kept("val_accuracy"),
        "fit_seconds": history.facts["seconds"],
        "parameters": float(net.count_params()),
        "model_bytes": float(sum(variable.value.dtype.size * math.prod(variable.shape) for variable in net.variables)),
    }


def on_pixels(
    pictures: Banks, method: str, seed: int, sweep: bool
) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, float]]:
    """Fits `analysis.probes.fit` to pixels in [0, 1], and to the validation images once they are not needed any more.

    Args:
        pictures: banks with "image".
        sweep: whether C or k is chosen on the validation images, which set an SVM's temperature in any case.

    Returns:
        uint8 images -> probabilities; and the facts, with train_accuracy of the first 10,000 training images.
    """

    def flat(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    train, validation = ((flat(bank["image"]), bank.labels) for bank in (pictures["train"], pictures["validation"]))
    fitted = analysis.probes.fit(*train, method, seed, validation, sweep=sweep)
    right = fitted.predict(train[0][:10_000]) == train[1][:10_000]
    facts = fitted.facts | {"train_accuracy": float(right.mean())}
    return lambda images: fitted.probabilities(flat(images)), facts
