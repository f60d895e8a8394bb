"""Control groups as files of both versions, against sums done by hand; and this machine as psutil sees it."""

import psutil
import pytest

from tfxfer.core import memory


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes /proc/self/cgroup and the files of groups; 16 GB are free on the machine."""
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_MOUNT", tmp_path / "sys")
    free = type("Free", (), {"available": 16_000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)

    def write(lines: str, files: dict[str, str]) -> int:
        (tmp_path / "cgroup").write_text(lines)
        for name, content in files.items():
            (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "sys" / name).write_text(content)
        return memory.available()

    return write


def group(limit, used, file, v1=False) -> dict[str, str]:
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if v1 else ("memory.max", "memory.current")
    stat = f"total_inactive_file {file}\ninactive_file 7\n" if v1 else f"anon 5\ninactive_file {file}\n"
    return dict(zip((*names, "memory.stat"), (f"{limit}\n", f"{used}\n", stat)))


def under(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def test_without_a_limit_it_is_what_is_free(groups):
    assert groups("0::/\n", {}) == 16_000
    assert groups("0::/job\n", under("job", group("max", 900, 100))) == 16_000


def test_a_limit_counts_less_what_is_used_but_for_files(groups):
    assert groups("0::/\n", group(4_000, 1_500, 500)) == 3_000


def test_the_tightest_of_all_groups_counts(groups):
    files = under("slice", group(3_000, 1_000, 0)) | under("slice/job", group(2_500, 400, 0))
    assert groups("0::/slice/job\n", files) == 2_000


def test_the_first_version(groups):
    lines = "5:cpu,cpuacct:/x\n4:memory:/docker/a\n0::/\n"
    assert groups(lines, under("memory/docker/a", group(5_000, 1_000, 300, v1=True))) == 4_300


def test_a_group_that_is_not_mounted_has_its_root_there(groups):
    assert groups("0::/docker/somewhere/else\n", group(1_000, 200, 0)) == 800


def test_over_the_limit_nothing_is_left(groups):
    assert groups("0::/\n", group(1_000, 1_200, 0)) == 0


def test_this_machine():
    assert 0 < memory.available() <= psutil.virtual_memory().total
    assert memory.fits(1)
    assert not memory.fits(psutil.virtual_memory().total)
