"""How much memory and disk there is for this process: physical memory, the limit of its container (cgroup), and free bytes on a disk."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_NO_LIMIT = 1 << 60  # cgroup v1 writes about 2^63 where there is no limit


@dataclass(frozen=True, slots=True)
class Memory:
    """`total`: bytes that this process could ever have; `free`: that it could have now, None where the system does not say."""

    total: int
    free: int | None


def memory_there(root: Path = Path("/")) -> Memory:
    """The machine's memory, or less where a container's limit is lower; swap does not count.

    Linux: MemTotal and MemAvailable of /proc/meminfo, and `memory.max` (cgroup v2) or `memory.limit_in_bytes` (v1) of the process's group and of
    all groups above it. Windows: GlobalMemoryStatusEx. Elsewhere (macOS): sysconf, which knows the total alone. `root`: where /proc and
    /sys begin, for tests.
    """
    if sys.platform == "win32":
        return _of_windows()
    known = _meminfo(root / "proc" / "meminfo")
    if "MemTotal" not in known:
        return Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None)
    total, free = known["MemTotal"], known.get("MemAvailable")
    for limit, used in _cgroups(root):
        total = min(total, limit)
        if free is not None:
            free = max(0, min(free, limit - used))
    return Memory(total, free)


def _meminfo(path: Path) -> dict[str, int]:
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError:
        return {}
    return {fields[0].rstrip(":"): int(fields[1]) * 1024 for fields in lines if len(fields) == 3}


def _cgroups(root: Path) -> list[tuple[int, int]]:
    """(limit, bytes in use that cannot be given back) of each memory cgroup of this process that has a limit."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "sys/fs/cgroup/memory"
        else:
            continue
        inner = PurePosixPath(group.lstrip("/"))
        for folder in (inner, *inner.parents):  # in a container the group's own path may not be mounted: its top is
            limit, used = _number(top / folder / names[0]), _number(top / folder / names[1])
            if limit is not None and limit < _NO_LIMIT:
                cached = _cached(top / folder / "memory.stat", names[2])
                limits.append((limit, max(0, (used or 0) - cached)))
    return limits


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or "max"
        return None


def _cached(path: Path, name: str) -> int:
    try:
        fields = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
        return int(fields[name])
    except (OSError, ValueError, KeyError):
        return 0


def _of_windows() -> Memory:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined, unused-ignore]
    return Memory(int(status.total), int(status.free))


def disk_free(folder: Path) -> int:
    """Free bytes on the disk on which `folder` lies, or would lie if it existed."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def gb(n_bytes: float) -> str:
    """Bytes in words, as gigabytes (10^9), or megabytes where they are few.

    >>> gb(1_234_000_000), gb(23_400_000)
    ('1.2 GB', '23 MB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 9.5e7 else f"{n_bytes / 1e6:.2g} MB"
