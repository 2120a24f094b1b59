"""A run that was killed, and one in helper processes, give the bytes of an undisturbed run in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shared import drawn_cohort
from small_run import contents, run_experiment

import hybridcx


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "cohort")


@pytest.fixture(scope="module")
def undisturbed(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("run")
    hybridcx.run(run_experiment(), base=cohort, out=folder / "report", cache=folder / "cache", jobs=1)
    return contents(folder / "report")


def test_a_run_in_helper_processes_repeats_to_the_byte(undisturbed, cohort, tmp_path):
    hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache", jobs=2)
    assert contents(tmp_path / "report") == undisturbed


def test_a_killed_run_continues_to_the_same_bytes(undisturbed, cohort, tmp_path):
    text = run_experiment().model_dump_json(exclude_none=True)
    (tmp_path / "experiment.json").write_text(text, encoding="utf-8")
    script = (
        "import sys, hybridcx; from pathlib import Path; from hybridcx.experiment.file import Experiment; "
        "e = Experiment.model_validate_json(Path(sys.argv[1]).read_text(encoding='utf-8')); "
        "hybridcx.run(e, base=sys.argv[2], out=sys.argv[3], cache=sys.argv[4])"
    )
    command = [
        sys.executable, "-c", script,
        str(tmp_path / "experiment.json"), str(cohort), str(tmp_path / "report"), str(tmp_path / "cache"),
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while (
        not list((tmp_path / "cache").glob("finetune/*.partial"))
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    assert process.poll() is None, "the run ended before it could be killed while it trained"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "report").glob("*.csv"))
    hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache")
    assert contents(tmp_path / "report") == undisturbed
