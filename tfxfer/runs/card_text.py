"""Fixed text of model cards: how to run each form of a network, and its limits."""

from collections.abc import Mapping
from typing import Any

_USE = """\
`labels.txt` has the names of the classes, one per line, in the order of `probabilities`. All forms take raw pixels,
`image`: uint8 (batch, {shape}). Turning grey into RGB, resizing and scaling are part of the network. Pictures of
other sizes have to be brought to this one first (bilinear, antialiased): {aspect}.

{forms}"""

_ASPECT = {
    "squash": "height and width are resized by a factor each",
    "crop": "both sides are resized by one factor, so that the shorter one fits, and the centre is kept",
    "pad": "both sides are resized by one factor, so that the longer one fits, centred on black",
}

_SAVED_MODEL = """\
The SavedModel needs only TensorFlow:

```python
served = tf.saved_model.load("saved_model").signatures
served["serving_default"](image=images)  # probabilities, class_index, class_name
served["serving_bytes"](image_bytes=[file.read_bytes()])  # the same for JPEG or PNG files of any size
served["embed"](image=images)  # embedding
```

Batches may have any size and may be empty. Pixels of another height, width or number of channels are refused;
`serving_bytes` rotates and resizes what it decodes, as training did. It takes only JPEG and PNG;
`tfxfer predict saved_model FILES` also reads WebP, BMP, GIF (the first frame) and TIFF."""

_LITERT = """\
The LiteRT files:

```python
run = tf.lite.Interpreter("{file}").get_signature_runner("serving_default")
run(image=images)["probabilities"]
```"""

_ONNX = """\
The ONNX file:

```python
session = onnxruntime.InferenceSession("{file}")
session.run(["probabilities"], {{"image": images}})
```"""

_KERAS = """\
The Keras file gives logits and can be trained further:

```python
tfxfer.runs.loading.network("{file}")(images)
```"""

_OTHER = "`{file}`: open it with the library that reads this format."

_FORMS = {
    "saved_model": _SAVED_MODEL,
    "litert": _LITERT,
    "litert_dynamic": _LITERT,
    "litert_int8": _LITERT,
    "onnx": _ONNX,
    "keras": _KERAS,
}

_LIMITS = """\
- Every picture is assigned to one of these classes, even one that shows none of them.
- The scores hold for pictures made in the same way as the test images: same cameras, same cropping, same shares of the
  classes. Other light, backgrounds or colours can lower the accuracy a lot while probabilities stay high.
- {probabilities}
- It has not been examined for fairness between groups of people."""


def limits(calibration: Mapping[str, Any] | None) -> str:
    """What the network cannot do.

    Args:
        calibration: of `model.calibrate`; None if the network is not calibrated.
    """
    text = (
        "Probabilities are calibrated for such pictures only."
        if calibration
        else "Probabilities are the network's softmax and are not calibrated."
    )
    return _LIMITS.format(probabilities=text)


def probabilities(calibration: Mapping[str, Any]) -> str:
    """How the probabilities were calibrated, and when the network abstains.

    Args:
        calibration: of `model.calibrate`.
    """
    images = f"{calibration['images']:,} images" if calibration.get("images") else "images"
    text = (
        f"The logits are divided by the temperature {calibration['temperature']:.4g}, which was fitted to {images} "
        "that the network was not trained on, so that a probability says how often predictions like this one are "
        "right. The predicted classes are the same without it."
    )
    wanted, least = calibration.get("precision"), calibration["threshold"]
    if least is None and wanted is None:
        return text
    if least is None:
        return (
            f"{text}\n\nNo threshold could be shown to give the precision {wanted:g} on these images: the network "
            "never abstains."
        )
    text += (
        f"\n\nThe network abstains where the highest probability is below {least:.4f}; `tfxfer predict` and the "
        "SavedModel's output `abstained` say so."
    )
    if wanted is not None:
        text += (
            f" The threshold was chosen for the precision {wanted:g} among the images answered, with 95% confidence."
        )
    if calibration.get("reached") is not None and calibration.get("answered") is not None:
        text += (
            f" On the {images} it answered {calibration['answered']:.1%}, and {calibration['reached']:.1%} of these "
            "answers were right."
        )
    return text


def use(shape: str, files: Mapping[str, str], aspect: str = "squash") -> str:
    """How to run the files.

    Args:
        shape: of an image, such as "28, 28, 1".
        files: format -> file name. Of several files that are run alike, the first is shown.
        aspect: how pictures are made images, one of `aspect_ratio.ASPECTS`.
    """
    shown = {text: file for name, file in reversed(list(files.items())) for text in [_FORMS.get(name, _OTHER)]}
    forms = "\n\n".join(text.format(file=file) for text, file in reversed(list(shown.items())))
    return _USE.format(shape=shape, aspect=_ASPECT[aspect], forms=forms)
