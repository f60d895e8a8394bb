"""The folder of a run while it is being made: partial beside its place, then renamed, kept for resuming, or removed."""

import contextlib
import datetime
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfxfer.core.errors import InputError
from tfxfer.runs import resume


class RunFolder:
    """`<out>/<recipe>/.partial-<time>`, which becomes `<out>/<recipe>/<time>` when the run is whole.

    Args:
        out: the folder of runs.
        recipe: names the folder in it.
        arguments: what the run was started with, recorded so that it can be resumed.
        started: names the run.
        resumed: the partial folder to continue, as `resume.find` takes it; None makes a new one.
        chief: False for other workers than the first: they get a temporary folder that is always removed.

    Attributes:
        dir: where the run writes.
        final: where the run will be.

    Raises:
        InputError: the folder cannot be written, there is no such run to resume, or another process works on it.
    """

    def __init__(
        self,
        out: str | Path,
        recipe: str,
        arguments: Mapping[str, Any],
        started: datetime.datetime,
        *,
        resumed: str | None,
        chief: bool,
    ):
        self.temporary = not chief
        self._new: list[Path] = []
        if self.temporary:
            self.dir = self.final = Path(tempfile.mkdtemp(prefix="tfxfer-worker-"))
        elif resumed:
            self.dir = resume.find(out, recipe, resumed)
            self.final = self.dir.with_name(self.dir.name.removeprefix(".partial-"))
        else:
            self._create(Path(out).expanduser() / recipe, started.strftime("%Y%m%d-%H%M%S"))
        self._lock = resume.take(self.dir, {"recipe": recipe} | dict(arguments))

    def _create(self, home: Path, started: str) -> None:
        self._new = [folder for folder in (home, *home.parents) if not folder.exists()]
        try:
            home.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1000):
                name = started + (f"-{attempt}" if attempt > 1 else "")
                self.final, self.dir = home / name, home / f".partial-{name}"
                if not self.final.exists():
                    with contextlib.suppress(FileExistsError):
                        self.dir.mkdir()
                        break
        except OSError as error:
            raise InputError(
                f"cannot write runs under {home.parent} ({error.strerror}): choose another --out"
            ) from None

    def finish(self) -> None:
        """Gives the folder its final name, and removes what only resuming needs."""
        with self._lock:
            if self.temporary:
                shutil.rmtree(self.dir, ignore_errors=True)
                return
            os.replace(self.dir, self.final)  # first, so that nothing can be lost from here on
            shutil.rmtree(self.final / "checkpoints", ignore_errors=True)
            (self.final / resume.ARGUMENTS).unlink()

    def give_up(self, expected: bool) -> None:
        """Keeps the folder, and says where it is, if it holds what may have taken hours; else removes it.

        Args:
            expected: whether the run ended by bad input or an interrupt; after any other failure the folder is kept.
        """
        with self._lock:
            trained = any((self.dir / name).exists() for name in ("model.keras", "checkpoints"))
            if not self.temporary and (trained or not expected):
                hint = f"; --resume {self.final.name} continues it" if trained else ""
                print(f"stopped; what was written so far is kept in {self.dir}{hint}", file=sys.stderr)
                return
            shutil.rmtree(self.dir, ignore_errors=True)
            for folder in self._new:
                with contextlib.suppress(OSError):  # another run may be in it by now
                    folder.rmdir()
