"""How fast this machine trains a network and computes its features: a few steps on noise, in a folder that is thrown away."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from hybridcx.deep import devices
from hybridcx.deep.features import extract
from hybridcx.deep.finetune import finetune
from hybridcx.deep.model import untrained_state
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.pipeline.costs.estimate import Speed

STEPS = 3
"""Steps that are timed, after one that warms up."""
WATTS_PER_CORE, WATTS_GPU = 5.0, 700.0
"""Assumed: a server processor's 320 W over 64 cores; a large card's own limit."""


class _EnoughError(Exception):
    pass


class _Times:
    """A progress callback that notes the seconds of every step and ends the work after `STEPS` of them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        if len(self.seconds) > STEPS:
            raise _EnoughError

    @property
    def step(self) -> float:
        return statistics.median(self.seconds[1:])


def machine_name(compute: ComputeSection) -> str:
    """How this machine is called in the table of speeds."""
    device = devices.resolve(compute)
    if device.torch_device == "cpu":
        return f"{devices.processor_name()}, {device.threads} thread{'s' if device.threads != 1 else ''}"
    return device.description.partition(" (")[0]


def measure(network_name: str, train: TrainSection, compute: ComputeSection, size_px: int) -> Speed:
    """Train `STEPS` mini-batches of noise from random weights and compute the features of as many, and say how many images a second that makes.

    All stages learn; validation is left out.
    """
    device = devices.resolve(compute)
    batch = train.batch_size
    plain = train.model_copy(
        update={
            "epochs": 10_000, "trainable_stages": None, "unfreeze_every": 0, "cached_copies": 0, "early_stopping": 0, "keep": "last",
            "network": {},
        }
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (max(32, batch), size_px, size_px, 3), dtype=np.uint8)
    rows, nothing = np.arange(batch), np.empty(0, np.int64)
    trained, extracted = _Times(), _Times()
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_EnoughError):
        finetune(
            network_name, images, np.arange(len(images)) % 2, rows, nothing, plain, compute, seed=0, weights=None, folder=Path(folder),
            on_progress=trained, checkpoint_every_s=1e9,
        )  # fmt: skip
    repeated = np.broadcast_to(images[:1], (32 * (STEPS + 2), size_px, size_px, 3))
    with contextlib.suppress(_EnoughError):
        extract(network_name, untrained_state(network_name, 0), repeated, compute, on_progress=extracted)
    on_cpu = device.torch_device == "cpu"
    return Speed(
        machine=machine_name(compute),
        network=network_name,
        size_px=size_px,
        training_precision=devices.precision_name(device.training_dtype),
        training_images_per_s=batch / trained.step,
        ledger_precision=devices.precision_name(device.ledger_dtype),
        extraction_images_per_s=32 / extracted.step,
        watts=WATTS_PER_CORE * device.threads if on_cpu else WATTS_GPU,
        measured=date.today().isoformat(),
    )
