"""Tasks and whole runs on a Dask cluster: a scheduler and two workers in processes of their own, one of which is killed while it works."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from clusters import cluster
from tasks import note_and_square, refuses

from hybridcx import api
from hybridcx.cluster import Workers, check_workers
from hybridcx.errors import InputError
from hybridcx.parallel import run_tasks
from hybridcx.progress import Progress

EXPERIMENT = """
name = "small"
seed = 3
[cohort.phantom]
patients = 60
[images]
size_px = 48
[networks]
names = ["squeezenet1_1"]
weights = "none"
[train]
epochs = 4
batch_size = 8
learning_rate = 1e-4
[heads]
names = ["lda", "knn"]
folds = 2
[repeat]
seeds = 3
[compute]
device = "cpu"
threads = 1
[analysis]
n_bootstrap = 100
"""
NOT_COMPARED = ("provenance.json", "hybridcx.log", "state.json")  # times, and who did what


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def test_tasks_on_a_cluster(two, tmp_path):
    seen, folder = [], tmp_path / "done"
    folder.mkdir()
    found = run_tasks(
        note_and_square,
        [(folder, i) for i in range(6)],
        workers=Workers(scheduler=two.address, folder=tmp_path),
        on_progress=lambda *a: seen.append(a),
    )
    assert found == [i * i for i in range(6)]
    assert seen == [(i + 1, 6) for i in range(6)]
    assert {int(path.name.split(".")[1]) for path in folder.iterdir()} <= {w.pid for w in two.workers}
    assert list(tmp_path.iterdir()) == [folder]  # the token has gone


def test_an_error_of_a_task_is_raised_here(two):
    with pytest.raises(InputError) as caught:
        run_tasks(refuses, [(i,) for i in range(4)], workers=Workers(scheduler=two.address))
    assert [p.row for p in caught.value.problems] == [1, 2]


def test_a_cluster_that_would_give_other_bytes_is_refused(two, tmp_path):
    with pytest.raises(InputError, match="device is 2 there, 1 here"):
        check_workers(Workers(scheduler=two.address, machine=Here()))


class Here:
    """Says another machine wherever it is unpickled."""

    def __init__(self, n: int = 1):
        self.n = n

    def __call__(self) -> str:
        return str(self.n)

    def __reduce__(self):
        return _there, ()


def _there():
    return lambda: "2"


def test_a_killed_worker_costs_its_task_and_a_whole_run_is_the_same_to_the_byte(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(EXPERIMENT, encoding="utf-8")
    runs = {}
    for name, options in (("one", {"jobs": 1}), ("two", {"jobs": 2})):
        api.run(file, out=tmp_path / name, cache=tmp_path / f"cache_{name}", **options)
        runs[name] = contents(tmp_path / name)
    cache, killed, progress = tmp_path / "cache_dask", [], Progress(quiet=True)
    with cluster(tmp_path) as made:
        watch = threading.Thread(target=kill_at_work, args=(cache, {w.pid for w in made.workers}, killed))
        watch.start()
        api.run(file, out=tmp_path / "dask", cache=cache, scheduler=made.address, progress=progress)
        watch.join()
        assert [w.poll() for w in made.workers if w.pid in killed] == [-signal.SIGKILL]
    assert re.search(r"the worker tcp://127\.0\.0\.1:\d+ has gone", progress.log)
    runs["dask"] = contents(tmp_path / "dask")
    assert len(runs["one"]) > 20
    assert runs["one"] == runs["two"] == runs["dask"]


def contents(folder: Path) -> dict[str, bytes]:
    found = [p for p in folder.rglob("*") if p.is_file() and p.name not in NOT_COMPARED]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def kill_at_work(cache: Path, pids: set[int], killed: list[int], timeout_s: float = 120.0) -> None:
    """Kill the first worker that is in a training: the holder of its lock."""
    end = time.monotonic() + timeout_s
    while not killed and time.monotonic() < end:
        for holder in cache.glob("finetune/*.holder"):
            try:
                pid = int(holder.read_text(encoding="utf-8").split()[1].rstrip(","))
            except (FileNotFoundError, IndexError):
                continue
            if pid in pids:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        time.sleep(0.02)
