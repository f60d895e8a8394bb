"""The report of a run with 10,000 projected images: bytes, and seconds until both maps are drawn in headless Chromium.

Beside it the page that plotly writes by itself: the same two maps by `write_html`, with each image as PNG in what a
point carries to its hover text. In turn, each in a browser of its own, from disk, the network off; starting the browser
is not in the time. The plain page shows nothing else; ours has tables, charts, a confusion matrix and galleries too.

Bound: bytes. Most of the time goes into reading them, plotly's own script first: ours is built of the traces that a
report draws, a third of the whole. Limits: 3 s and 15 MB.

    python benchmarks/report.py --json FILE
"""

import base64
import io
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import common
import costs
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

from tfxfer import features, report, runs

_DRAWN = {  # plotly draws both of its subplots on one canvas
    "plain": "document.querySelector('.gl-canvas-focus')",
    "ours": "[...document.querySelectorAll('.map')].every((map) => map.querySelector('.gl-canvas-focus, .points'))",
}


def main(argv: list[str] | None = None) -> dict:
    return common.run(measure, common.parser(__doc__, limit=10_000, repeats=5).parse_args(argv))


def measure(given) -> dict:
    splits = common.mnist(given)
    rows = [splits.rows[split] for split in ("test", "train", "validation")]
    images, labels = (
        np.concatenate([getattr(row, name) for row in rows])[: given.limit] for name in ("images", "labels")
    )
    points = np.random.default_rng(0).normal(size=(2, len(labels), 2)) + np.stack([labels, labels % 3], 1)
    with tempfile.TemporaryDirectory() as folder:
        pages = {
            "plain": plain(Path(folder), images, labels, points),
            "ours": ours(Path(folder), splits, images, labels, points),
        }
        found = {f"{name}_bytes": path.stat().st_size for name, path in pages.items()}
        seconds = {name: [] for name in pages}
        for _ in range(given.repeats):
            for name, path in pages.items():
                seconds[name].append(opening(path, name))
    for name, values in seconds.items():
        found[f"{name}_seconds"] = statistics.median(values)
        print(f"  {name}: {found[f'{name}_bytes'] / 1e6:.1f} MB, open in {found[f'{name}_seconds']:.2f} s", flush=True)
    bound = found["plain_bytes"] / found["ours_bytes"]
    return {"report": found | costs.summary("opening", costs.paired(seconds["plain"], seconds["ours"]), bound, 1.0)}


def plain(folder: Path, images, labels, points) -> Path:
    figure = make_subplots(1, 2)
    pictures = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "PNG")
        pictures.append(f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")
    pictures = np.array(pictures)
    for column, plane in enumerate(points, start=1):
        for label in np.unique(labels):
            x, y = plane[labels == label].T
            figure.add_scattergl(x=x, y=y, mode="markers", customdata=pictures[labels == label], col=column, row=1)
    figure.write_html(folder / "plain.html")
    return folder / "plain.html"


def ours(folder: Path, splits, images, labels, points) -> Path:
    ids = np.arange(len(labels))
    with runs.Run("report", {}, folder) as run:
        run.facts |= {"data": splits.describe(), "classes": list(splits.classes)}
        logits = np.eye(10)[(labels + (ids % 50 == 0)) % 10] * 5
        banks = {name: features.Bank({"tsne": plane}, labels, ids) for name, plane in zip(("before", "after"), points)}
        banks["test"] = features.Bank({"logits": logits}, labels, ids)
        run.save(banks | {"pictures": features.Bank({"image": images}, labels, ids)})
    return report.write(run.final)


def opening(path: Path, name: str) -> float:
    """Seconds from the address to both maps drawn, at which the reader looks at once."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(offline=True, bypass_csp=True).new_page()  # its wait evaluates text
        started = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate("document.querySelector('.explorer')?.scrollIntoView()")  # ours draws what comes into sight
        page.wait_for_function(_DRAWN[name])
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


if __name__ == "__main__":
    main()
