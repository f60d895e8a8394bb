"""Images that look like photographs to a network, made by procedure, and near-copies of them.

Shapes of all sizes that hide one another (dead leaves: Lee, Mumford, Huang 2001, doi:10.1023/A:1011109015675) with
shading and 1/f texture have the edges and the spectrum of photographs. Images of a class share colours, backdrop and
kinds of shapes, and those of the first two classes are single objects on white: look-alikes that are no copies.
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = 10
KINDS = ("crop", "jpeg", "shift", "mirrored")


def photographs(n: int, side: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Makes images of ten classes: uint8 (n, side, side, 3), and labels, int64 (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % CLASSES)
    looks = [_look(rng) for _ in range(CLASSES)]
    textures = np.stack([_texture(side, rng) for _ in range(64)])
    return np.stack([_scene(looks[label], label < 2, textures, side, rng) for label in labels]), labels


def near_copy(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A near-copy of an image, uint8 (height, width, 3).

    Args:
        kind: "crop" keeps 80 to 95% of each side and is resized back; "jpeg" is encoded again at quality 20 to 60;
            "shift" moves the image by 2 to 8% of its sides, with edges repeated; "mirrored" is encoded at quality 75.
    """
    height, width = image.shape[:2]
    if kind == "crop":
        share = rng.uniform(0.8, 0.95)
        left, top = rng.uniform(0, 1 - share, 2) * (width, height)
        box = (left, top, left + share * width, top + share * height)
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box))
    if kind == "jpeg":
        return _jpeg(image, int(rng.integers(20, 61)))
    if kind == "shift":
        down, right = (rng.choice([-1, 1]) * max(1, round(rng.uniform(0.02, 0.08) * n)) for n in (height, width))
        rows, columns = np.arange(height) - down, np.arange(width) - right
        return image[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    return _jpeg(np.ascontiguousarray(image[:, ::-1]), 75)


def outliers(n: int, side: int = 96, seed: int = 0) -> np.ndarray:
    """Images of other kinds, uint8 (n, side, side, 3): plain colour, noise, stripes, and text-like strokes in turn."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        colour = rng.integers(0, 256, 3)
        image = np.broadcast_to(colour, (side, side, 3)).astype(np.float64)
        if number % 4 == 1:
            image = rng.integers(0, 256, (side, side, 3)).astype(np.float64)
        elif number % 4 == 2:
            wave = np.sin(np.arange(side) * rng.uniform(0.2, 1.5) + rng.uniform(0, 6)) > 0
            image = np.where(wave[:, None, None], image, 255 - image)
        elif number % 4 == 3:
            page = Image.new("RGB", (side, side), "white")
            pen = ImageDraw.Draw(page)
            for row in range(6, side, 10):
                for x in range(4, side - 8, 7):
                    pen.line([tuple(point) for point in rng.integers(0, 7, (4, 2)) + np.array((x, row - 4))], "black")
            image = np.asarray(page, np.float64)
        made.append(image.clip(0, 255).astype(np.uint8))
    return np.stack(made)


def _look(rng: np.random.Generator) -> dict:
    """What images of a class have in common."""
    colours = rng.integers(20, 236, (6, 3))
    return {
        "colours": colours,
        "horizon": rng.uniform(0.3, 0.8),
        "corners": int(rng.integers(3, 9)),
        "round": rng.random(),
    }


def _texture(side: int, rng: np.random.Generator) -> np.ndarray:
    """1/f noise of mean 0 and deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency).real
    return (noise - noise.mean()) / noise.std()


def _scene(look: dict, single: bool, textures: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    y = np.linspace(0, 1, side)[:, None, None]
    colours = look["colours"] + rng.normal(0, 12, look["colours"].shape)
    sky, ground = colours[0] * (1.2 - 0.5 * y), colours[1] * (0.5 + 0.6 * y)
    image = np.where(y < look["horizon"] + rng.normal(0, 0.04), sky, ground) * np.ones((1, side, 1))
    if single:
        image = np.full((side, side, 3), 250.0)
    image += textures[rng.integers(len(textures))][..., None] * (1 if single else rng.uniform(3, 12))
    for radius in [side / 3.2] if single else np.sort(side * 0.03 * rng.pareto(1.5, rng.integers(12, 40)) + 2)[::-1]:
        radius = min(radius * rng.uniform(0.8, 1.2), side / 2)
        centre = side / 2 + rng.normal(0, side / 24, 2) if single else rng.uniform(0, side, 2)
        image = _leaf(image, look, colours[rng.integers(1, 6)], radius, centre, textures, rng)
    finished = Image.fromarray(image.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    return (np.asarray(finished) + rng.normal(0, 2, (side, side, 3))).clip(0, 255).astype(np.uint8)


def _leaf(
    image: np.ndarray, look: dict, colour: np.ndarray, radius: float, centre: np.ndarray, textures: np.ndarray, rng
) -> np.ndarray:
    """The image with one shape in front."""
    side = len(image)
    corners = 24 if rng.random() < look["round"] else look["corners"]
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 6)
    reach = radius * rng.uniform(0.7, 1.1, corners) * np.where(rng.random() < 0.5, 1, np.abs(np.cos(angles)) + 0.4)
    mask = Image.new("L", (side, side))
    points = np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], 1)
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points], fill=255)
    shade = 1 + rng.normal(0, 0.3) * (np.arange(side)[:, None] - centre[1]) / side
    shade = shade + rng.normal(0, 0.3) * (np.arange(side)[None] - centre[0]) / side
    texture = np.roll(textures[rng.integers(len(textures))], tuple(rng.integers(0, side, 2)), (0, 1))
    filled = colour * shade[..., None] + texture[..., None] * rng.uniform(2, 25)
    return np.where(np.asarray(mask)[..., None] > 0, filled, image)


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))
