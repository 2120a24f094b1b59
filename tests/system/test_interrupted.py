"""Ctrl-C (bad_input.md 46): exit code 130 within seconds, nothing half-written, no process left behind, the same command continues.

At many writes of each command (minutes): pytest -m slow tests/system/test_interrupted.py
"""

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
from interrupted import left
from killed import DEMO, contents

SUPPORT = Path(__file__).parents[1] / "support"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes, which this system cannot")
WITHIN_S = 10.0  # "seconds", on a machine that has other work


def interrupted_at_writes(which: str, folder: Path, moments: int) -> None:
    command = [sys.executable, str(SUPPORT / "interrupted.py"), which, str(folder), str(moments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"{which}: {found}")
    assert found["wrong"] == []
    assert found["slowest_s"] < WITHIN_S
    assert found["writes"] > 80
    assert found["files"] > 15


def test_a_comparison_interrupted_at_its_writes(tmp_path):
    interrupted_at_writes("compare", tmp_path / "work", 3)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "moments"), [("compare", 140), ("run", 30), ("demo", 30)])
def test_commands_interrupted_at_many_writes(tmp_path, which, moments):
    interrupted_at_writes(which, tmp_path / "work", moments)


def group(number: int) -> list[str]:
    """The living processes of a process group."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [r[2] for r in rows if len(r) == 3 and r[0] == str(number) and not r[1].startswith("Z")]


# Heads of two feature sets are fitted side by side in helper processes where there are two processors.
TEXT = DEMO.replace('["logistic"]', '["logistic", "svm_rbf", "xgboost"]').replace("folds = 2", "folds = 5")


def interrupted_at_random(folder: Path, times: int) -> None:
    (folder / "demo.toml").write_text(TEXT, encoding="utf-8")
    script = "import sys; from pathlib import Path; from killed import small_demo; small_demo(Path(sys.argv[1])); "
    script += "from hybridcx.cli.app import main; print('begun', flush=True); "
    script += "main(['demo', '--no-images', '--out', sys.argv[2]])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])}

    def start(where: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder), str(where / "report")], text=True, start_new_session=True,
            env={**environment, "HYBRIDCX_CACHE": str(where / "cache")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    began = time.monotonic()
    whole = start(folder / "whole")
    _, said = whole.communicate(timeout=600)
    assert whole.returncode == 0, said
    duration = time.monotonic() - began
    draw, hit, slowest = random.Random(11), 0, 0.0
    at = folder / "at"
    for i in range(times):
        process = start(at)
        heads = i == times - 1  # the last time while the helper processes fit heads
        deadline = time.monotonic() + (600 if heads else duration * draw.uniform(0.05, 0.8))
        while time.monotonic() < deadline and process.poll() is None:
            if heads and any((at / "cache/heads").glob("*.partial")):
                break
            time.sleep(0.02)
        sent = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
        took = time.monotonic() - sent
        if process.returncode == 0:  # it had ended before
            continue
        hit, slowest = hit + 1, max(slowest, took)
        assert process.returncode == 130, said
        assert said.strip().endswith("Interrupted. What was finished is kept; the same command continues."), said
        assert "Traceback" not in said, said
        deadline = time.monotonic() + WITHIN_S
        while (living := group(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert living == []
        assert left(at) == []
    print(f"{hit} interruptions, the slowest answered after {slowest:.2f} s, in a demo of {duration:.1f} s")
    assert hit > times // 2
    assert slowest < WITHIN_S
    process = start(at)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert contents(at / "report") == contents(folder / "whole" / "report")


def test_a_demo_interrupted_while_its_helper_processes_work(tmp_path):
    interrupted_at_random(tmp_path, 1)


@pytest.mark.slow
def test_a_demo_interrupted_at_random_moments(tmp_path):
    interrupted_at_random(tmp_path, 20)
