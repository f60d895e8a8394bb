"""Encoded images to pixels in TensorFlow operations only, so that a SavedModel can hold them.

The pixels are those of `image_decoding.pixels`, which says why they differ by a level at most. Only JPEG and PNG are
decoded: TensorFlow ignores palettes of BMP files, shows the transparent parts of GIF files, and does not know TIFF.
"""

from collections.abc import Callable

import tensorflow as tf

from tfxfer.data.image_decoding import LARGE, SCALES

_HEAD = 1 << 18  # bytes searched for the orientation: Exif is among the first segments, of at most 64 KB each
_SEGMENTS = 64  # segments searched
_PNG = b"\x89PNG\r\n\x1a\n"
_TAG = 0x0112
_PLACES = (1 << 24, 1 << 16, 1 << 8, 1)


def decode(content: tf.Tensor, shape: tuple[int, int, int], aspect: str = "squash") -> tf.Tensor:
    """Decodes one JPEG or PNG, turns it upright as its Exif says, and resizes it (bilinear, antialiased).

    Grey becomes RGB and RGB becomes grey as `shape` requires, transparency is laid on white, 16 bits become 8. A JPEG
    is reduced while it is decoded, as far as `image_decoding.reduction` says, and further if it has more than
    `image_decoding.LARGE` pixels.

    Args:
        content: string (), the file's bytes.
        shape: (height, width, channels) of the result, 1 or 3 channels.
        aspect: how a picture of another aspect ratio fills the shape, one of `aspect_ratio.ASPECTS`.

    Returns:
        uint8 (height, width, channels).

    Raises:
        tf.errors.InvalidArgumentError: the file is neither JPEG nor PNG, is damaged, or has 2^29 or more bytes of
            pixels.
    """
    known = tf.io.is_jpeg(content) | (tf.strings.substr(content, 0, len(_PNG)) == _PNG)
    with tf.control_dependencies([tf.debugging.Assert(known, ["image_bytes: expected a JPEG or PNG file"])]):
        content = tf.identity(content)
    image = tf.cond(tf.io.is_jpeg(content), lambda: _jpeg(content, max(shape[:2]), aspect), lambda: _png(content))
    image = tf.ensure_shape(image, (None, None, 3))
    if shape[2] == 1:
        image = tf.tensordot(image, [[0.299], [0.587], [0.114]], 1)  # ITU-R BT.601
    image = _fitted(_upright(image, orientation(content)), shape[:2], aspect)
    return tf.ensure_shape(tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8), shape)


def _fitted(image: tf.Tensor, shape: tuple[int, ...], aspect: str) -> tf.Tensor:
    """What `aspect_ratio.fit` makes of a picture (height, width, channels), not rounded."""
    if aspect == "squash":
        return tf.image.resize(image, shape, antialias=True)
    size = tf.cast(tf.shape(image)[:2], tf.float64)
    factors = tf.constant(shape, tf.float64) / size
    factor = tf.reduce_max(factors) if aspect == "crop" else tf.reduce_min(factors)
    whole = tf.maximum(tf.round(size * factor), 1)
    corner = tf.cast(tf.cast((shape - whole) / 2, tf.int32), tf.float32)  # towards zero
    # what tf.image.resize calls, which places no image: outside of it pixels are 0, and what is cut off is not computed
    factors = tf.cast(whole / size, tf.float32)
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None], size=shape, scale=factors, translation=corner, kernel_type="triangle", antialias=True
    )
    return resized[0]


def _jpeg(content: tf.Tensor, least: int, aspect: str) -> tf.Tensor:
    def at(ratio: int) -> Callable[[], tf.Tensor]:
        # the transform that Pillow uses; TensorFlow's default is faster, but off by some levels
        return lambda: tf.io.decode_jpeg(content, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    size = tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64)
    side = tf.reduce_max(size) if aspect == "pad" else tf.reduce_min(size)
    halvings = [
        tf.reduce_sum(tf.cast(side >= [least * factor for factor in SCALES[:-1]], tf.int32)),
        tf.reduce_sum(tf.cast(tf.reduce_prod(size) > [LARGE, 4 * LARGE], tf.int32)),
    ]
    return tf.cast(tf.switch_case(tf.reduce_max(halvings), [at(ratio) for ratio in reversed(SCALES)]), tf.float32)


def _png(content: tf.Tensor) -> tf.Tensor:
    image = tf.cast(tf.io.decode_png(content, channels=4), tf.float32)
    depth = tf.io.decode_raw(tf.strings.substr(tf.strings.substr(content, 0, 25) + b"\0" * 25, 24, 1), tf.uint8)[0]
    # of values with fewer than 8 bits TensorFlow takes the largest, 1, 3 or 15, for opaque
    opaque = tf.where(depth < 8, tf.bitwise.left_shift(1, tf.cast(depth, tf.int32)) - 1, 255)
    alpha = image[..., 3:]
    alpha = tf.where(tf.reduce_all(alpha == tf.cast(opaque, tf.float32)), 1.0, alpha / 255)
    return image[..., :3] * alpha + 255 * (1 - alpha)


def orientation(content: tf.Tensor) -> tf.Tensor:
    """The orientation in a file's Exif, int32 () from 1 to 8; 1, upright, where there is none or it is invalid.

    See Exif 2.3 (CIPA DC-008), 4.5 and 4.6.4: a JPEG's segment APP1, or a PNG's chunk eXIf. Nothing outside of the
    bytes is read, whatever lengths they claim.

    Args:
        content: string (), the file's bytes.
    """
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 0, _HEAD), tf.uint8), tf.int32)
    head = tf.concat([head, [0]], 0)  # what lies outside reads as 0
    end = tf.size(head) - 1

    def byte(place: tf.Tensor) -> tf.Tensor:
        return tf.gather(head, tf.where((place >= 0) & (place < end), place, end))

    def number(place: tf.Tensor, size: int, little: tf.Tensor | bool = False) -> tf.Tensor:
        """`size` bytes as a number, at most 2^24: larger places are outside in any case."""
        digits = byte(tf.expand_dims(place, -1) + tf.range(size))
        digits = tf.where(little, digits[..., ::-1], digits)
        return tf.where(tf.reduce_any(digits[..., :-3] > 0, -1), 1 << 24, tf.reduce_sum(digits * _PLACES[-size:], -1))

    def reads(place: tf.Tensor | int, text: bytes) -> tf.Tensor:
        return tf.reduce_all(byte(place + tf.range(len(text))) == list(text))

    png = reads(0, _PNG)

    def exif(place: tf.Tensor) -> tf.Tensor:
        return tf.where(png, reads(place + 4, b"eXIf"), reads(place, b"\xff\xe1") & reads(place + 4, b"Exif\0\0"))

    def searching(place: tf.Tensor) -> tf.Tensor:  # until the data of the image itself
        own = tf.where(png, reads(place + 4, b"IDAT"), reads(place, b"\xff\xda") | ~reads(place, b"\xff"))
        return (place < end) & ~own & ~exif(place)

    def following(place: tf.Tensor) -> list[tf.Tensor]:
        return [place + tf.where(png, 12 + number(place, 4), 2 + number(place + 2, 2))]

    start = tf.where(png, 8, tf.where(reads(0, b"\xff\xd8"), 2, end))
    place = tf.while_loop(searching, following, [start], maximum_iterations=_SEGMENTS)[0]
    tiff = place + tf.where(png, 8, 10)
    little = byte(tiff) == ord("I")
    directory = tiff + number(tiff + 4, 4, little)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2, little), 512))
    values = tf.where(number(entries, 2, little) == _TAG, number(entries + 8, 2, little), 0)
    value = tf.reduce_max(tf.concat([values, [0]], 0))
    return tf.where(exif(place) & (value >= 1) & (value <= 8), value, 1)


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Pixels (height, width, channels) with one of Exif's eight orientations undone."""
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    # the flips of each orientation, for 5 to 8 of the transposed image: none, mirrored, rotated by 180 degrees, upside
    # down
    flips = tf.gather([0, 0, 1, 3, 2, 0, 1, 3, 2], orientation)
    image = tf.cond(flips % 2 > 0, lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(flips >= 2, lambda: tf.reverse(image, [0]), lambda: image)
