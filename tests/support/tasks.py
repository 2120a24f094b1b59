"""Tasks for processes of their own: they must be importable by a module's name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hybridcx.errors import InputError, Problem


def note_and_square(folder: Path, i: int) -> int:
    """Say in a file of its own each time that it is done."""
    with (folder / f"{i}.{os.getpid()}.{time.monotonic_ns()}").open("w"):
        return i * i


def dies_at_first(folder: Path, i: int, unlucky: int, times: int) -> int:
    """Kill the own process for the first `times` times that task `unlucky` is done."""
    note_and_square(folder, i)
    if i == unlucky and len(list(folder.glob(f"{i}.*"))) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return i * i


def refuses(i: int) -> int:
    if i == 1:
        raise InputError([Problem("this is wrong", row=1), Problem("and this", row=2)])
    return i


def sleeps(folder: Path, i: int) -> int:
    note_and_square(folder, i)
    time.sleep(30)
    return i


def reads(path: Path) -> str:
    return path.read_text(encoding="utf-8")
