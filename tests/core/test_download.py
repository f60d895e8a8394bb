import hashlib
import io
import sys
import threading
import time

import pytest
import requests
from file_server import serve

import tfxfer
from tfxfer.core import atomic, byte_progress, download

CONTENT = bytes(range(256)) * 2000

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize("kind", [None, "md5", "sha256"])
def test_a_file_arrives_whole_and_is_asked_for_once(tmp_path, capsys, kind):
    checksum = kind and hashlib.new(kind, CONTENT).hexdigest()
    path = tmp_path / "new" / "a-file.h5"
    with serve({"/a-file.h5": CONTENT}) as server:
        for _ in range(2):
            download.fetch(f"{server.url}/a-file.h5", path, checksum)
        assert path.read_bytes() == CONTENT
        assert server.asked == [("/a-file.h5", f"tfxfer/{tfxfer.__version__}")]  # python-requests is refused by Zenodo
        assert capsys.readouterr().out == f"Downloading {server.url}/a-file.h5\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"files": {"/file": 403}}, "HTTP status 403 Forbidden"),
        ({"files": {}}, "HTTP status 404 Not Found"),
        ({"breaks_off": True}, "IncompleteRead"),
        ({"files": {"/file": b"other"}}, "sent a file of another checksum, "),
    ],
)
def test_a_failure_names_url_and_status_or_reason_and_leaves_nothing(tmp_path, change, said):
    with serve({"/file": CONTENT}) as server:
        vars(server).update(change)
        with pytest.raises(download.DownloadError) as caught:
            download.fetch(f"{server.url}/file", tmp_path / "file", hashlib.sha256(CONTENT).hexdigest())
        assert str(caught.value).startswith(f"{server.url}/file: {said}")
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_a_reason_in_a_few_words(tmp_path):
    with serve({}) as server:
        url = f"{server.url}/file"
    with pytest.raises(download.DownloadError) as caught:
        download.fetch(url, tmp_path / "file")
    assert str(caught.value) == f"{url}: Connection refused"
    with pytest.raises(requests.exceptions.ConnectionError) as refused:
        requests.get(url, timeout=1)
    assert download.url_of(refused.value) == url
    assert download.url_of(OSError("of the disk")) is None


def test_a_folder_that_cannot_be_written_is_the_disks_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with serve({}) as server, pytest.raises(OSError, match="file"):
        download.fetch(f"{server.url}/file", tmp_path / "file" / "below")
    assert server.asked == []


def test_two_at_once_download_once_and_both_see_how_far_it_is(tmp_path, monkeypatch):
    """Threads, whose locks exclude each other as those of processes do: each opens the file itself."""
    monkeypatch.setattr(byte_progress, "PATIENCE", 0)
    monkeypatch.setattr(sys, "stdout", printed := io.StringIO())  # capsys loses what is printed while it is read
    path = tmp_path / "file"
    with serve({"/file": CONTENT}) as server:
        server.go_on.clear()
        both = [threading.Thread(target=download.fetch, args=(f"{server.url}/file", path)) for _ in range(2)]
        for thread in both:
            thread.start()
        out = ""
        while not ("waiting for another process to download file: 0." in out and "\nfile: 0.1 of 0.5 MB" in out):
            assert all(thread.is_alive() for thread in both), out
            time.sleep(0.01)
            out = printed.getvalue()
        assert not path.exists()
        server.go_on.set()
        for thread in both:
            thread.join()
        assert len(server.asked) == 1
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = tmp_path / f".partial-{atomic.host()}-999999999-01234567-file"
    left.write_bytes(b"half")
    with serve({"/file": CONTENT}) as server:
        download.fetch(f"{server.url}/file", tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_checksum_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    for kind in ("md5", "sha256"):
        assert download.digest(tmp_path / "file", kind) == hashlib.new(kind, CONTENT).hexdigest()


def test_a_server_is_reached_whatever_it_answers():
    with serve({}) as server:
        download.reach(f"{server.url}/no-such-file")
        url = server.url
    with pytest.raises(download.DownloadError, match=f"^{url}/file: .*refused"):
        download.reach(f"{url}/file")
