"""Downloads: written beside their place, verified, then renamed; one process downloads while the others wait."""

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from tfxfer.core import atomic, file_lock
from tfxfer.core.byte_progress import ByteProgress

TIMEOUT = (10, 60)  # seconds to connect, and between two blocks
_BLOCK = 1 << 16


class DownloadError(Exception):
    """A download failed; the message is the URL and the HTTP status, or the reason why there is none."""


def user_agent() -> str:
    """What servers are told that we are: Zenodo refuses clients that call themselves python-requests."""
    return f"tfxfer/{importlib.metadata.version('tfxfer')}"


def fetch(url: str, path: Path, checksum: str | None = None) -> None:
    """Downloads a file, unless it is there.

    It is complete or absent: other processes never see a part of it. Of several processes that want the same file one
    downloads it, and the others wait for it. Where it comes from is printed, and progress after two seconds.

    Args:
        url: where from, by http or https.
        path: where to. Missing folders are made.
        checksum: the expected sha256 or md5, in hexadecimal; None accepts whatever comes.

    Raises:
        DownloadError: the server cannot be reached or refuses, or what it sends is incomplete or another file.
        OSError: the folder cannot be written.
    """
    if path.exists():
        return

    with file_lock.hold(path.with_name(f".{path.name}.lock"), f"download {path.name}", lambda: _received(path)):
        if path.exists():  # another process was first
            return
        with atomic.file(path) as partial:
            partial.touch()  # an error of the disk, not of the download
            print(f"Downloading {url}", flush=True)
            try:
                received = _receive(url, partial, path.name, checksum)
            except Exception as error:  # of requests, of what is below it, and of a disk that is full by now
                raise DownloadError(f"{url}: {reason(error)}") from None
            if checksum and received != checksum:
                raise DownloadError(f"{url}: sent a file of another checksum, {received} instead of {checksum}")


def reach(url: str) -> None:
    """Asks a server for a file's head, once; whatever it answers will do.

    Raises:
        DownloadError: there is no network, or no such server.
    """
    import requests

    try:
        requests.head(url, headers={"User-Agent": user_agent()}, timeout=TIMEOUT).close()
    except Exception as error:  # of requests and of what is below it
        raise DownloadError(f"{url}: {reason(error)}") from None


def digest(path: Path, kind: str = "sha256") -> str:
    """The checksum of a file, in hexadecimal; progress is shown after two seconds."""
    whole, done = hashlib.new(kind, usedforsecurity=False), 0
    with path.open("rb") as file, ByteProgress(f"checking {path.name}", path.stat().st_size) as shown:
        while block := file.read(1 << 20):
            whole.update(block)
            shown.update(done := done + len(block))
    return whole.hexdigest()


def reason(error: BaseException) -> str:
    """Why a request failed, in a few words: the HTTP status, or the error that was at the bottom of it."""
    for each in _chain(error):
        if (response := getattr(each, "response", None)) is not None:
            return f"HTTP status {response.status_code} {response.reason or ''}".rstrip()
    *_, last = _chain(error)
    return " ".join(str(getattr(last, "strerror", None) or last).split())[:200] or type(last).__name__


def url_of(error: BaseException) -> str | None:
    """The URL of the request that failed, as far as an error or one of its causes tells."""
    for each in _chain(error):
        for source in (getattr(each, "response", None), getattr(each, "request", None)):
            if url := getattr(source, "url", None):
                return str(url)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _received(path: Path) -> int:
    """How many bytes of a file another process has downloaded."""
    with contextlib.suppress(OSError):  # it gets its name meanwhile
        return max((part.stat().st_size for part in path.parent.glob(f".partial-*-{path.name}")), default=0)
    return 0


def _receive(url: str, path: Path, title: str, checksum: str | None) -> str:
    """Writes what a server sends; returns its checksum, of the same kind as the expected one."""
    import requests

    whole = hashlib.new("md5" if checksum and len(checksum) == 32 else "sha256", usedforsecurity=False)
    headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        size, done = int(response.headers.get("Content-Length", 0)) or None, 0
        with path.open("wb") as file, ByteProgress(title, size) as shown:
            for block in response.iter_content(_BLOCK):
                file.write(block)
                whole.update(block)
                shown.update(done := done + len(block))
    return whole.hexdigest()
