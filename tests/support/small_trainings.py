"""Trainings of six steps on 26 images of 64 px, with sets of options, for the pretended accelerators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hybridcx.deep.finetune import FineTuned, finetune
from hybridcx.experiment.file import ComputeSection, TrainSection

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
LABELS = np.arange(26) % 2
TRAIN, VALIDATION = np.arange(18), np.arange(18, 26)
KEYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {"mixup": 0.3, "rotate_deg": 5.0, "brightness": 0.1, "contrast": 0.1, "ema_decay": 0.9, "optimizer": "adamw", "class_weights": "balanced"},
    "fitted": {"last_layer": "fitted", "keep": "best_validation", "clip_gradient_norm": 1.0, "rate_in_velocity": True, "lr_drop_epochs": 1},
    "cached": {"trainable_stages": 1, "cached_copies": 2},
}  # fmt: skip


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (26, 64, 64, 3), dtype=np.uint8)


def tune(
    images: np.ndarray,
    folder: Path,
    name: str,
    *,
    checkpoint_every_s: float = 30.0,
    on_progress: Callable[[int, int], None] | None = None,
    **keys: Any,
) -> FineTuned:
    train = TrainSection(**{"epochs": 2, "batch_size": 6, "learning_rate": 0.001, "validate_every": 3, **keys})
    return finetune(
        name, images, LABELS, TRAIN, VALIDATION, train, CPU, seed=1, weights=None, folder=Path(folder),
        on_progress=on_progress, checkpoint_every_s=checkpoint_every_s,
    )  # fmt: skip
