"""Precision, number of the device and memory: what `devices` decides, and what a training does with it."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hybridcx.deep import checkpoint, devices
from hybridcx.deep import finetune as module
from hybridcx.deep.task import Task, fingerprint_of
from hybridcx.errors import InputError
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.vocabulary.networks import NETWORKS
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import NUMBER, run_tasks, worker_number

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")


def cards(monkeypatch, n, capability=(8, 0)):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.version, "hip", None)


@pytest.mark.parametrize(("capability", "expected"), [
    ((5, 2), torch.float32), ((6, 1), torch.float16), ((7, 5), torch.float16), ((8, 0), torch.bfloat16),
])  # fmt: skip
def test_auto_takes_float16_where_a_card_has_no_bfloat16(monkeypatch, capability, expected):
    cards(monkeypatch, 1, capability)
    assert devices.resolve(ComputeSection(threads=1)).training_dtype is expected
    assert devices.resolve(ComputeSection(threads=1)).ledger_dtype is torch.float32


def test_float16_is_refused_where_it_is_not_worth_it():
    with pytest.raises(InputError, match="float16 is for training on CUDA devices"):
        devices.resolve(ComputeSection(device="cpu", training_precision="float16"))


def test_the_processes_of_jobs_take_the_cards_in_turn(monkeypatch):
    cards(monkeypatch, 3)
    found = []
    for worker in range(5):
        monkeypatch.setenv(NUMBER, str(worker))
        found.append(
            [devices.resolve(ComputeSection(device=d, threads=1)).torch_device for d in ("auto", "cuda", "cuda:1")]
        )
    assert found == [[f"cuda:{w % 3}", f"cuda:{w % 3}", "cuda:1"] for w in range(5)]


def test_processes_know_their_numbers():
    assert worker_number() == 0
    found = run_tasks(worker_number_slowly, [(i,) for i in range(4)], workers=Workers(jobs=2))
    assert set(found) == {0, 1}


def worker_number_slowly(_):
    import time

    time.sleep(0.5)
    return worker_number()


def test_the_number_of_a_card_and_graphs_are_no_part_of_a_training(monkeypatch):
    cards(monkeypatch, 2)
    images = np.zeros((4, 32, 32, 3), np.uint8)

    def fingerprint(**compute):
        device = devices.resolve(ComputeSection(threads=1, **compute))
        rows = np.arange(2), np.arange(2, 4)
        task = Task(
            NETWORKS["vgg16"], images, np.array([0, 1, 0, 1]), *rows, TrainSection(), device, 0, Path(), 1.0, 1, 0.0
        )
        return fingerprint_of(task, None), device.description

    first, second = fingerprint(device="cuda:0"), fingerprint(device="cuda:1")
    assert first == second == fingerprint(device="cuda:0", cuda_graphs=False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Another")
    assert fingerprint(device="cuda:0") != first
    assert fingerprint(device="cpu")[0] != first[0]


@pytest.mark.parametrize(("error", "expected"), [
    (MemoryError(), True), (torch.OutOfMemoryError(), True), (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes"), True),
    (RuntimeError("shapes do not match"), False), (ValueError("std::bad_alloc"), False),
])  # fmt: skip
def test_errors_of_memory(error, expected):
    assert devices.out_of_memory(error) == expected


CODE = """
import resource, sys, tempfile
from pathlib import Path
import numpy as np
import hybridcx.deep.finetune as f, hybridcx.deep.features as e, hybridcx.deep.saliency as s
from hybridcx.experiment.file import ComputeSection, TrainSection
compute = ComputeSection(device="cpu", threads=1, training_precision="float32")
images = np.zeros((40, 224, 224, 3), np.uint8)
state = e.untrained_state("squeezenet1_1", 0)
held = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + (100 << 20),) * 2)
try:
    if sys.argv[1] == "train":
        f.finetune("squeezenet1_1", images, np.arange(40) % 2, np.arange(40), np.arange(0), TrainSection(batch_size=40), compute,
                   seed=0, weights=state, folder=Path(tempfile.mkdtemp()))
    elif sys.argv[1] == "extract":
        e.extract("squeezenet1_1", state, images, compute)
    else:
        s.saliency("squeezenet1_1", state, images, compute)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
@pytest.mark.parametrize("what", ["train", *(pytest.param(w, marks=pytest.mark.slow) for w in ("extract", "saliency"))])
def test_a_processor_without_enough_memory_says_what_to_change(what):
    assert resource.RLIMIT_AS is not None
    done = subprocess.run([sys.executable, "-c", CODE, what], capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.startswith("StoppedError There is not enough memory"), done.stdout + done.stderr
    assert "images.size_px" in done.stdout


@pytest.fixture
def in_float16(monkeypatch):
    """The processor computes in float16 (as an older card does), where torch has the operations."""
    resolve = devices.resolve
    monkeypatch.setattr(devices, "resolve", lambda compute: replace(resolve(compute), training_dtype=torch.float16))
    try:
        with torch.autocast("cpu", torch.float16):
            torch.nn.functional.conv2d(
                torch.ones(1, 3, 8, 8), torch.ones(2, 3, 3, 3, requires_grad=True)
            ).sum().backward()
    except RuntimeError as error:
        pytest.skip(f"no float16 on this processor: {error}")


def pictures():
    images = np.random.default_rng(0).integers(0, 120, (24, 32, 32, 3), dtype=np.uint8)
    images[1::2] += 100
    return images


def tune(folder, *, on_progress=None, **keys):
    train = TrainSection(**{"epochs": 3, "batch_size": 6, "learning_rate": 0.01, "validate_every": 100, **keys})
    return module.finetune(
        "squeezenet1_1", pictures(), np.arange(24) % 2, np.arange(18), np.arange(18, 24), train, CPU, seed=0, weights=None,
        folder=folder, checkpoint_every_s=0, on_progress=on_progress,
    )  # fmt: skip


@pytest.mark.parametrize(
    "keys",
    [
        {"learning_rate": 1e-3},
        {"clip_gradient_norm": 0.01, "ema_decay": 0.9},
        {"optimizer": "adamw", "learning_rate": 1e-4},
    ],
)
def test_float16_trains_as_float32_does(tmp_path, monkeypatch, in_float16, keys):
    made = torch.amp.GradScaler  # from a scale with which no step overflows
    monkeypatch.setattr(torch.amp, "GradScaler", lambda kind: made(kind, init_scale=64.0))
    half = tune(tmp_path / "half", **keys)
    monkeypatch.undo()
    whole = tune(tmp_path / "whole", **keys)
    assert (half.precision, whole.precision) == ("float16", "float32")
    assert half.history["train_loss"] == pytest.approx(whole.history["train_loss"], rel=0.05)
    assert half.weights_sha256 != whole.weights_sha256


def test_an_overflow_leaves_one_step_out_and_is_kept_over_an_interruption(tmp_path, monkeypatch, in_float16):
    """The scale is stored; without it the continued training would overflow once more."""
    made = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda kind: made(kind, init_scale=2.0**40))
    straight = tune(tmp_path / "straight", ema_decay=0.5)
    assert straight.n_iterations == 9

    def stop(done, _):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "cut", ema_decay=0.5, on_progress=stop)
    scale = checkpoint._index(tmp_path / "cut")["counters"]["scaler"]["scale"]
    assert 0 < scale < 2.0**40
    continued = tune(tmp_path / "cut", ema_decay=0.5)
    assert continued.weights_sha256 == straight.weights_sha256
