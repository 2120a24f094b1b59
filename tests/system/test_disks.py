"""The disk fills up or turns read-only in the middle (bad_input.md 37): exit code 3, one sentence, nothing lost, the same command continues.

With more moments (minutes): pytest -m slow tests/system/test_disks.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "disks.py"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes, which this system cannot")
SAID = {"tmpfs": " free", "limit": "is larger than the system allows", "-": "is no longer writable"}


def taken_away(fault: str, how: str, which: str, taken: str, folder: Path, moments: int) -> dict:
    """Run the program; where no file system can be mounted, the limit on the size of files stands in."""
    command = [sys.executable, str(PROGRAM), fault, how, which, taken, str(folder / how), str(moments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"{fault} {how} {which} {taken}: {found}")
    if not found["mounted"]:
        print("No file system could be mounted here: a limit on the size of files is tried in its place.")
        return taken_away(fault, "limit", which, taken, folder, moments)
    assert found["wrong"] == []
    assert len(found["said"]) == moments
    assert all(SAID[how] in text for text in found["said"])
    assert found["files"] > 15
    return found


@pytest.mark.parametrize(("how", "moments"), [("tmpfs", 2), ("limit", 1)])
def test_a_comparison_whose_disk_fills_up(tmp_path, how, moments):
    taken_away("full", how, "compare", "out", tmp_path, moments)


def test_a_run_whose_cache_fills_up(tmp_path):
    taken_away("full", "tmpfs", "run", "cache", tmp_path, 2)


def test_a_comparison_whose_folder_turns_read_only(tmp_path):
    taken_away("read_only", "-", "compare", "out", tmp_path, 1)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tmpfs", "limit"])
@pytest.mark.parametrize(("which", "taken"), [("compare", "out"), ("run", "out"), ("run", "cache")])
def test_disks_that_fill_up_at_many_moments(tmp_path, how, which, taken):
    taken_away("full", how, which, taken, tmp_path, 12)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "taken"), [("compare", "out"), ("run", "out"), ("run", "cache")])
def test_folders_that_turn_read_only_at_many_moments(tmp_path, which, taken):
    taken_away("read_only", "-", which, taken, tmp_path, 12)
