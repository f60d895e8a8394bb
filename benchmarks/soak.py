"""The quickstart killed (SIGKILL) at random moments, resumed, killed again: what is there is whole, and ends the same.

First a run that nothing disturbs. Then processes that are killed after a random share of its time, wherever they are:
start-up, extraction, writing to the cache on disk, training, export, report. After each kill every finished run must
load, with its SavedModel, and have the metrics of the undisturbed one (times apart); what is not finished is partial,
and is resumed by the next process, or started anew where it had not begun. Deterministic operations are on, so "the
same" is the same bits. Prints what was found at each kill, and fails at the first thing that is wrong.

    python benchmarks/soak.py --kills 50 --json FILE
"""

import contextlib
import fcntl
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np
import tensorflow as tf

import tfxfer

PYTHON = [sys.executable]
OPTIONS = ["--limit", "200", "--epochs", "4", "--image-size", "32", "--cache", "disk"]


def main(argv: list[str] | None = None) -> dict:
    return common.run(measure, common.parser(__doc__, kills=50, seed=0).parse_args(argv))


def measure(given) -> dict:
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        started = time.perf_counter()
        code = runs.start().wait()
        expect(code == 0, f"the undisturbed run ended with {code}")
        whole = time.perf_counter() - started
        expected = runs.check()[0]
        print(f"  undisturbed: {whole:.1f} s", flush=True)
        found = {"kills": 0, "finished": 0, "resumed": 0, "started": 0, "seconds": whole}
        while found["kills"] < given.kills:
            process = runs.start()
            found["resumed" if runs.resuming else "started"] += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, 1.1 * whole))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                found["kills"] += 1
            else:
                expect(process.returncode == 0, f"ended with {process.returncode}")
            results = runs.check(expected)
            found["finished"] = len(results) - 1
            print(
                f"  {found['kills']} kills, {found['finished']} finished since, partial: {runs.partial()}", flush=True
            )
        while runs.resumable():
            expect(runs.start().wait() == 0, "what a kill left could not be resumed")
        runs.checked.clear()  # all of them once more: a later kill must not have touched an earlier run
        return {"soak": found | {"finished": len(runs.check(expected)) - 1, "never begun": len(runs.partial())}}


class Runs:
    """Runs of the quickstart in one folder, on one cache."""

    def __init__(self, home: Path):
        self.home = home
        self.resuming = False
        self.checked: dict[str, dict[str, float]] = {}

    def start(self) -> subprocess.Popen:
        """Resumes what is unfinished, else starts anew."""
        waiting = self.resumable()
        for folder in waiting:
            with (folder / "arguments.json").open() as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until what was killed is gone, which takes a moment
        self.resuming = bool(waiting)
        own = ["--resume", waiting[-1].name.removeprefix(".partial-")] if waiting else OPTIONS
        command = [*PYTHON, "-m", "tfxfer.recipes.quickstart", *own, "--out", str(self.home / "runs")]
        environment = os.environ | {"TFXFER_CACHE": str(self.home / "cache"), "TF_DETERMINISTIC_OPS": "1"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, start_new_session=True, **quiet)

    def partial(self) -> list[str]:
        """What a partial run holds."""
        return [",".join(sorted(path.name for path in folder.iterdir())) for folder in self._folders(".partial-*")]

    def resumable(self) -> list[Path]:
        """Partial runs that had begun: their arguments are written."""
        return [folder for folder in self._folders(".partial-*") if _written(folder / "arguments.json")]

    def check(self, metrics: dict[str, float] | None = None) -> list[dict[str, float]]:
        """Loads every run finished since, with its SavedModel; the metrics of all, which have to be those given."""
        for folder in self._folders("[0-9]*"):
            if folder.name in self.checked:
                continue
            run = tfxfer.load(folder)
            pictures = run.banks["pictures"]["image"][:8]
            served = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
            given = served(image=tf.constant(pictures))["probabilities"]
            expected = tf.nn.softmax(run.banks["test"]["logits"][:8])
            np.testing.assert_allclose(given, expected, atol=1e-4)
            expect((folder / "report.html").read_text().endswith("</html>\n"), f"the report of {folder} is torn")
            found = {key: value for key, value in run.metrics.items() if not key.startswith("seconds/")}
            expect(metrics in (None, found), f"{found} in {folder}, {metrics} where nothing disturbed")
            self.checked[folder.name] = found
        return list(self.checked.values())

    def _folders(self, pattern: str) -> list[Path]:
        return sorted((self.home / "runs" / "quickstart").glob(pattern))


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)


def _written(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("}")


if __name__ == "__main__":
    main()
