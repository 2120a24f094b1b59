"""One training in two real processes under torchrun (gloo): the same curve and scores as in one, refusals, and a process that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hybridcx.deep.distributed import Team
from hybridcx.deep.steps import StepResult

TEXT = """
name = "team"
seed = 5
[cohort.phantom]
patients = 60
seed = 3
[images]
size_px = 48
[networks]
names = ["{network}"]
weights = "none"
[train]
epochs = {epochs}
batch_size = 7
learning_rate = 0.001
validate_every = 4
dropout = 0.0
drop_last = false
keep = "best_validation"
[heads]
names = ["logistic"]
features = ["pretrained"]
folds = 2
[compute]
device = "cpu"
threads = 1
training_precision = "float32"
processes = {processes}
[analysis]
n_bootstrap = 100
"""
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def command(folder: Path, processes: int, *, epochs: int = 2, network: str = "squeezenet1_1") -> list[str]:
    path = folder / f"e{processes}.toml"
    path.write_text(TEXT.format(processes=processes, epochs=epochs, network=network), encoding="utf-8")
    run = ["-m", "hybridcx", "run", str(path), "--out", str(folder / f"out{processes}")]
    if processes == 1:
        return [sys.executable, *run]
    port = ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), *port, *run]


def environment(folder: Path) -> dict[str, str]:
    known = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK", "LOCAL_RANK")}
    return {**known, "HYBRIDCX_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(folder: Path, *args: str | int, **options: object) -> subprocess.CompletedProcess[str]:
    done = command(folder, *args, **options)  # type: ignore[arg-type]
    return subprocess.run(
        done, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["NA"])


def test_two_processes_train_what_one_does(tmp_path):
    for processes in (1, 2):
        done = run(tmp_path, processes)
        assert done.returncode == 0, done.stderr
    one, two = (read(tmp_path / f"out{p}", "learning_curves") for p in (1, 2))
    assert len(one) == len(two) > 8
    # the incomplete last mini-batch of an epoch is shared out unevenly
    np.testing.assert_allclose(two["train_loss"], one["train_loss"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(two["train_accuracy"], one["train_accuracy"])
    a, b = (read(tmp_path / f"out{p}", "predictions") for p in (1, 2))
    np.testing.assert_allclose(b["score"], a["score"], rtol=0, atol=1e-5)
    assert (
        not (tmp_path / "out2" / "hybridcx.log").read_text(encoding="utf-8").count("Network 1 of 1") > 1
    )  # one process speaks


def test_another_number_of_processes_is_refused_with_the_command_to_use(tmp_path):
    command(tmp_path, 2)
    alone = [sys.executable, "-m", "hybridcx", "run", str(tmp_path / "e2.toml"), "--out", str(tmp_path / "x")]
    done = subprocess.run(alone, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "torchrun --nproc-per-node 2 -m hybridcx run" in done.stderr.replace("Torchrun", "torchrun")
    assert not (tmp_path / "x").exists()


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return sorted(map(int, found.stdout.split()))


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and ps")
def test_a_killed_process_ends_the_run_in_words_and_the_same_command_continues(tmp_path):
    long = command(tmp_path, 2, epochs=30)
    begun = subprocess.Popen(long, env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list((tmp_path / "cache" / "finetune").glob("*.partial")):
        assert begun.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(children_of(begun.pid)[-1], signal.SIGKILL)
    said = begun.communicate(timeout=120)[1]
    assert begun.returncode != 0
    assert "A process of the training has ended" in said
    assert not (tmp_path / "out2" / "report.html").exists()
    done = run(tmp_path, 2, epochs=30)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out2" / "report.html").exists()


FAULTY = """
import os
if os.environ.get("RANK") == "{rank}":
    import torch
    import hybridcx.deep.finetune as finetune
    real, steps = finetune._gradients, []
    def failing(*arguments):
        steps.append(1)
        if len(steps) == 4:
            raise {fault}
        return real(*arguments)
    finetune._gradients = failing
"""


@pytest.mark.parametrize(
    ("rank", "fault", "words"),
    [
        (1, 'torch.OutOfMemoryError("out of memory")', "The device of process 1 has too little memory"),
        (0, 'OSError(28, "No space left on device", "checkpoint")', "is too full"),
    ],
)
def test_a_process_that_fails_alone_says_why_and_all_end(tmp_path, rank, fault, words):
    """The others are in the sum of a step, or would be at the next: nobody may wait for the day that the team's patience lasts."""
    (tmp_path / "sitecustomize.py").write_text(FAULTY.format(rank=rank, fault=fault), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        command(tmp_path, 2), env={**environment(tmp_path), "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert words in done.stderr, done.stderr
    assert "fault of hybridcx" not in done.stderr
    assert not (tmp_path / "out2" / "report.html").exists()
    assert list((tmp_path / "cache" / "finetune").glob("*.partial"))


def test_shares_make_up_the_mini_batch_and_their_weights_its_mean():
    x, y = torch.arange(7.0), torch.arange(7)
    for size in (1, 2, 3, 7, 9):
        shares = [Team(rank, size).share(x, y) for rank in range(size)]
        rows = torch.cat([s[0] for s in shares if s[2]])
        assert rows.tolist() == x.tolist()
        assert sum(weight * len(part) for part, _, weight in shares if weight) > 0
        mean = sum(weight * float(part.mean()) for part, _, weight in shares) / size
        assert mean == pytest.approx(float(x.mean()), abs=1e-6)


def test_one_process_is_left_as_it_is():
    alone = Team()
    model = torch.nn.Linear(2, 2)
    assert alone.wrap(model, False, "cpu") is model
    result = StepResult(((torch.tensor(1.0), torch.tensor(1), 2),))
    assert alone.totals([(result, 1.0)]) == [(1.0, 0.5)]
    assert alone.of_leader("x") == "x"
