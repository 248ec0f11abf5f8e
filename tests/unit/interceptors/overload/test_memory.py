import mmap
from pathlib import PurePosixPath

import pytest

from gateway.interceptors.overload.memory import (
    MemoryReader,
    limit_bytes,
    limit_files,
    resident_bytes,
)


@pytest.mark.parametrize(
    ("statm", "size"),
    [("4000 250 100 5 0 300 0\n", 250 * 4096), ("", None), ("1", None), ("a b c", None)],
)
def test_resident_pages_are_bytes(statm, size):
    assert resident_bytes(statm, 4096) == size


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("536870912\n", 536870912),
        ("max\n", None),
        ("9223372036854771712\n", None),  # what v1 calls none
        ("0", None),
        ("-1", None),
        ("", None),
    ],
)
def test_a_limit_is_a_number_that_somebody_meant(text, limit):
    assert limit_bytes(text) == limit


@pytest.mark.parametrize(
    ("cgroups", "files"),
    [
        ("0::/\n", ["memory.max"]),
        ("0::/kubepods/pod1\n", ["kubepods/pod1/memory.max", "kubepods/memory.max", "memory.max"]),
        (
            "5:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/a\n1:name=systemd:/y\n",
            [
                "memory/docker/a/memory.limit_in_bytes",
                "memory/docker/memory.limit_in_bytes",
                "memory/memory.limit_in_bytes",
            ],
        ),
        ("", []),
        ("nonsense\n4:cpu\n", []),
    ],
)
def test_limits_stand_in_the_group_and_those_above_it(cgroups, files):
    assert list(limit_files(cgroups)) == [PurePosixPath(file) for file in files]


def machine(root, cgroups, pages, **limits):
    files = {
        "proc/self/cgroup": cgroups,
        "proc/self/statm": f"9999 {pages} 1 1 0 1 0",
        **{f"sys/fs/cgroup/{name}": text for name, text in limits.items()},
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return MemoryReader(root)


PAGE = mmap.PAGESIZE


def test_the_smallest_limit_counts(tmp_path):
    limits = {"a/b/memory.max": f"{PAGE * 400}", "a/memory.max": f"{PAGE * 200}"}
    assert machine(tmp_path, "0::/a/b\n", 100, **limits)() == 0.5


def test_a_limit_of_the_first_version_is_read_too(tmp_path):
    limits = {"memory/memory.limit_in_bytes": f"{PAGE * 1000}"}
    assert machine(tmp_path, "4:memory:/docker/abc\n0::/\n", 100, **limits)() == 0.1


def test_a_limit_that_is_changed_is_followed(tmp_path):
    read = machine(tmp_path, "0::/\n", 100, **{"memory.max": "max"})
    assert read() is None
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(f"{PAGE * 200}")
    assert read() == 0.5


def test_without_a_limit_there_is_no_share(tmp_path):
    assert machine(tmp_path, "0::/\n", 100)() is None


def test_another_system_has_no_share(tmp_path):
    assert MemoryReader(tmp_path)() is None


def test_the_share_of_this_process_is_none_or_sensible():
    share = MemoryReader()()
    assert share is None or 0 < share < 1.5
