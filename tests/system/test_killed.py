"""Interruption (bad_input.md 36): killed at its writes and at random moments, a command is finished by the next call, to the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed import contents, write_inputs

PROGRAM = Path(__file__).parents[1] / "support" / "killed.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes, which this system cannot")


def killed_at_writes(which: str, folder: Path, every: int, fewest: int) -> None:
    command = [sys.executable, str(PROGRAM), which, str(folder), str(every)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"{which}: {found}")
    assert found["writes"] >= fewest, "the hook no longer sees the writes"
    assert found["killed"] == len(range(1, found["writes"] + 1, every))
    assert found["files"] > 15
    assert found["wrong"] == []


def test_compare_killed_at_every_other_of_its_writes(tmp_path):
    killed_at_writes("compare", tmp_path / "work", 2, 80)


@pytest.mark.slow
def test_compare_killed_at_each_of_its_writes(tmp_path):
    killed_at_writes("compare", tmp_path / "work", 1, 80)


def test_a_run_killed_at_every_fortieth_of_its_writes(tmp_path):
    killed_at_writes("run", tmp_path / "work", 40, 180)


@pytest.mark.slow
def test_a_run_killed_at_each_of_its_writes(tmp_path):
    killed_at_writes("pictures", tmp_path / "work", 1, 250)


def test_a_demo_killed_at_every_three_hundredth_of_its_writes(tmp_path):
    killed_at_writes("demo", tmp_path / "work", 300, 300)


@pytest.mark.slow
def test_a_demo_killed_at_every_tenth_of_its_writes(tmp_path):
    killed_at_writes("demo", tmp_path / "work", 10, 300)


def program(given: Path, where: Path, cache: Path) -> subprocess.Popen[bytes]:
    """The run in a process of its own, with a cache that others may share."""
    script = (
        "import sys, hybridcx; from pathlib import Path; from hybridcx.experiment.file import parse_experiment; from killed import EXPERIMENT; "
        "g, w, c = map(Path, sys.argv[1:]); "
        "hybridcx.run(parse_experiment(EXPERIMENT), base=g, out=w, cache=c, images=False)"
    )
    path = os.pathsep.join([str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", script, str(given), str(where), str(cache)]
    return subprocess.Popen(command, env={**ENVIRONMENT, "PYTHONPATH": path})


@pytest.mark.slow
def test_two_runs_at_once_with_one_cache_are_both_right(tmp_path):
    write_inputs("run", tmp_path / "given")
    assert program(tmp_path / "given", tmp_path / "alone", tmp_path / "own").wait(timeout=300) == 0
    both = [program(tmp_path / "given", tmp_path / name, tmp_path / "shared") for name in ("one", "two")]
    assert [p.wait(timeout=300) for p in both] == [0, 0]
    whole = contents(tmp_path / "alone")
    assert len(whole) > 15
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == whole
    assert len(list((tmp_path / "shared").glob("finetune/*"))) == 1


def test_a_run_killed_ten_times_at_random_moments(tmp_path):
    """One folder, killed again and again, each time a little later; then finished."""
    given, at = tmp_path / "given", tmp_path / "at"
    write_inputs("run", given)
    script = "import sys; from pathlib import Path; from killed import command; command('run', Path(sys.argv[1]), Path(sys.argv[2]))"
    environment = {
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")]),
    }

    def start(where: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, str(given), str(where)], env=environment)

    began = time.monotonic()
    assert start(tmp_path / "whole").wait(timeout=300) == 0
    duration = time.monotonic() - began
    draw = random.Random(7)
    kills = 0
    for i in range(10):
        process = start(at)
        try:
            # Past the imports, further each time: what is finished is kept, so that the work left gets less.
            process.wait(timeout=duration * (0.3 + 0.06 * i) * draw.uniform(0.6, 1.4))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert start(at).wait(timeout=300) == 0
    print(f"{kills} kills in a run of {duration:.1f} s")
    assert kills >= 5
    assert contents(at / "report") == contents(tmp_path / "whole" / "report")
