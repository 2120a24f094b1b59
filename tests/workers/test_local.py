"""Tasks in processes: order, errors, and what a dead process costs."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
from tasks import dies_at_first, note_and_square, refuses

from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.workers.dask import ATTEMPTS, Workers
from hybridcx.workers.local import run_tasks

N = 5


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_results_come_in_the_order_of_the_tasks(tmp_path, jobs):
    seen = []
    found = run_tasks(
        note_and_square,
        [(tmp_path, i) for i in range(N)],
        workers=Workers(jobs),
        on_progress=lambda *a: seen.append(a),
    )
    assert found == [i * i for i in range(N)]
    assert seen == [(i + 1, N) for i in range(N)]
    processes = {path.name.split(".")[1] for path in tmp_path.iterdir()}
    assert (processes == {str(os.getpid())}) == (jobs == 1)


def test_no_task_is_no_work():
    assert run_tasks(refuses, [], workers=Workers(2)) == []


def test_a_process_that_is_killed_costs_its_task_alone(tmp_path):
    said = []
    arguments = [(tmp_path, i, 2, ATTEMPTS - 1) for i in range(N)]
    found = run_tasks(dies_at_first, arguments, workers=Workers(2, say=said.append))
    assert found == [i * i for i in range(N)]
    done = [int(path.name.split(".")[0]) for path in tmp_path.iterdir()]
    assert [done.count(i) for i in range(N)] == [1, 1, ATTEMPTS, 1, 1]  # the others were neither lost nor done twice
    assert said == ["Warning: the process of task 3 of 5 died; the task is repeated."] * (ATTEMPTS - 1)


def test_a_task_that_kills_its_process_each_time_is_given_up(tmp_path):
    with pytest.raises(StoppedError, match="lack of memory") as caught:
        run_tasks(dies_at_first, [(tmp_path, i, 0, 99) for i in range(3)], workers=Workers(2))
    assert caught.value.exit_code == 3
    assert len(list(tmp_path.glob("0.*"))) == ATTEMPTS


def test_an_error_of_a_task_is_raised_here_with_every_problem():
    with pytest.raises(InputError) as caught:
        run_tasks(refuses, [(i,) for i in range(4)], workers=Workers(2))
    assert [p.row for p in caught.value.problems] == [1, 2]


def test_problems_survive_pickling():
    error = pickle.loads(pickle.dumps(InputError([Problem("a", row=1), Problem("b", severity="warning")])))
    assert error.problems == (Problem("a", row=1), Problem("b", severity="warning"))


@pytest.mark.skipif(os.name != "posix", reason="processes are looked for by their ids")
def test_processes_end_with_the_one_that_began_them(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tasks import sleeps; from hybridcx.workers.dask import Workers; "
        "from hybridcx.workers.local import run_tasks; run_tasks(sleeps, [(Path(sys.argv[1]), i) for i in range(2)], workers=Workers(2))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    children = [int(path.name.split(".")[1]) for path in tmp_path.iterdir()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not any(alive(c) for c in children))


def until(holds, timeout_s=40.0):
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.1)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_jobs_are_one_or_more():
    with pytest.raises(InputError, match="1 or more"):
        Workers(0)
