"""Which tfxfer and which packages a run was made with."""

import importlib.metadata
import shutil
import subprocess

import pytest

from tfxfer.runs import environment


@pytest.fixture
def checkout(tmp_path):
    """A repository with a package in it, committed."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first"), ("tag", "v1")):
        subprocess.run(["git", *words], cwd=package.parent, check=True)
    return package


def head(folder) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_checkout(checkout, monkeypatch):
    assert environment.commit(checkout) == head(checkout)
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as git sets it for its hooks
    assert environment.commit(checkout) is not None
    (checkout / "__init__.py").write_text("changed = True")
    monkeypatch.delenv("GIT_DIR")
    assert environment.commit(checkout) == f"{head(checkout)}-dirty"


def test_no_commit_where_git_does_not_know_the_files(checkout, tmp_path, monkeypatch):
    installed = checkout.parent / ".venv" / "site-packages" / "tfxfer"  # inside a checkout of something else
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert environment.commit(installed) is None
    assert environment.commit(tmp_path) is None
    assert environment.commit(tmp_path / "nowhere") is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert environment.commit(checkout) is None
    assert "commit" not in environment.describe()


def test_a_git_that_fails_or_hangs(checkout, monkeypatch):
    for error in (OSError("no"), subprocess.TimeoutExpired("git", 30), subprocess.CalledProcessError(128, "git")):

        def run(*words, error=error, **options):
            raise error

        monkeypatch.setattr(subprocess, "run", run)
        assert environment.commit(checkout) is None


def test_every_installed_package_has_a_line():
    first, *lines = environment.requirements().splitlines()
    assert first.startswith("# Python 3.")
    assert f"tfxfer {importlib.metadata.version('tfxfer')}" in first
    pinned = dict(line.split("==") for line in lines)
    assert {"tensorflow", "keras", "numpy", "scipy", "h5py", "pillow"} <= {name.lower() for name in pinned}
    assert pinned["scipy"] == importlib.metadata.version("scipy")
    assert [*pinned] == sorted(pinned, key=str.lower)
    assert "tfxfer" not in pinned
