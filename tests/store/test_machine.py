"""What memory and disk there are: machines without and with a container's limit, as their files would stand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hybridcx.store.machine import Memory, disk_free, memory_there

GIB = 1 << 30


def machine(root: Path, cgroup: str = "0::/\n", **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal: {16 << 20} kB\nMemFree: {1 << 20} kB\nMemAvailable: {12 << 20} kB\nHugePages_Total: 0\n"
    )
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_machine_without_limits(tmp_path):
    assert memory_there(machine(tmp_path)) == Memory(16 * GIB, 12 * GIB)


def test_no_limit_is_written_as_max_or_as_a_huge_number(tmp_path):
    two = machine(tmp_path / "2", memory_dot_max="max\n", memory_dot_current="5")
    one = machine(tmp_path / "1", "4:memory:/\n", memory__memory_dot_limit_in_bytes=str((1 << 63) - 4096))
    assert memory_there(two) == memory_there(one) == Memory(16 * GIB, 12 * GIB)


def test_a_container_of_cgroup_2_whose_file_cache_can_be_given_back(tmp_path):
    stat = f"anon {GIB}\ninactive_file {GIB}\n"
    root = machine(tmp_path, memory_dot_max=str(4 * GIB), memory_dot_current=str(3 * GIB), memory_dot_stat=stat)
    assert memory_there(root) == Memory(4 * GIB, 2 * GIB)


def test_the_lowest_limit_of_the_groups_above_counts(tmp_path):
    inner = {"a__b__memory_dot_max": str(8 * GIB), "a__memory_dot_max": str(2 * GIB), "a__memory_dot_current": "0"}
    assert memory_there(machine(tmp_path, "0::/a/b\n", **inner)) == Memory(2 * GIB, 2 * GIB)


def test_cgroup_1(tmp_path):
    files = {
        "memory__job__memory_dot_limit_in_bytes": str(GIB),
        "memory__job__memory_dot_usage_in_bytes": str(GIB // 4),
    }
    assert memory_there(machine(tmp_path, "5:cpu,cpuacct:/\n4:memory:/job\n", **files)) == Memory(GIB, GIB - GIB // 4)


def test_this_machine(tmp_path):
    there = memory_there()
    assert GIB // 2 < there.total < 1 << 50
    assert there.free is None or 0 < there.free <= there.total
    assert disk_free(tmp_path / "not" / "there") == disk_free(tmp_path) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_system_without_proc_says_its_total(tmp_path):
    assert memory_there(tmp_path).total >= memory_there().total
    assert memory_there(tmp_path).free is None
