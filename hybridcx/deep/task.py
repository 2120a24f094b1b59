"""The inputs of one training and their checks, the order of the cases, the mini-batches, the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hybridcx.deep import checkpoint, devices
from hybridcx.deep.stages import check_stages
from hybridcx.deep.weights_file import WeightsFile
from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.experiment.file import TrainSection
from hybridcx.streams import rng_for
from hybridcx.vocabulary.networks import Network, check_images

RESIDENT_LIMIT_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Task:
    """The data, options and device of one training."""

    row: Network
    images: np.ndarray
    y: np.ndarray
    train_idx: np.ndarray
    validation_idx: np.ndarray
    train: TrainSection
    device: devices.Device
    seed: int
    folder: Path
    fill: float | None
    parts: int
    checkpoint_every_s: float


def order_of_epoch(task: Task, epoch: int) -> np.ndarray:
    """The order of the training cases in an epoch, as positions in train_idx."""
    n = len(task.train_idx)
    if task.train.shuffle == "never":
        return np.arange(n)
    return rng_for(
        task.seed, task.row.name, "shuffle", epoch if task.train.shuffle == "every_epoch" else 0
    ).permutation(n)


def batches_of(order: np.ndarray, train: TrainSection) -> list[np.ndarray]:
    size = train.batch_size
    if len(order) <= size:
        return [order]
    whole = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]
    rest = order[len(whole) * size :]
    if len(rest) == 0 or train.drop_last:
        return whole
    return [*whole[:-1], np.concatenate([whole[-1], rest])] if len(rest) == 1 else [*whole, rest]


def image_reader(images: np.ndarray, rows: np.ndarray, device: str) -> Callable[[np.ndarray], Tensor]:
    """A function from positions in `rows` to uint8 images (n, H, W, 3) on the device."""
    if device == "cpu" or len(rows) * images[:1].nbytes > RESIDENT_LIMIT_BYTES:
        return lambda batch: torch.from_numpy(np.asarray(images[rows[batch]])).to(device)
    resident = torch.from_numpy(np.asarray(images[rows])).to(device)  # all images on the accelerator
    return lambda batch: resident[torch.from_numpy(batch).to(device)]


def setting_notes(task: Task) -> list[str]:
    row, train, n = task.row, task.train, len(task.train_idx)
    notes = []
    if train.dropout is not None and row.n_dropout == 0:
        notes.append(f"{row.title} has no dropout layer: train.dropout does nothing there.")
    if train.batch_norm_statistics == "training_set" and not row.batch_norm and train.preset == "none":
        notes.append(f"{row.title} has no batch normalisation: train.batch_norm_statistics does nothing there.")
    if train.zero_init_residual and row.family != "resnet":
        notes.append(f"{row.title} is no ResNet: train.zero_init_residual does nothing there.")
    left_out = n % train.batch_size if train.drop_last and n > train.batch_size else 0
    if left_out and train.shuffle != "every_epoch":
        notes.append(
            f"The order is the same in every epoch and the incomplete batch is dropped: {left_out} training cases are never trained on."
        )
    if train.trainable_stages is not None:
        stages = "1 stage" if train.trainable_stages == 1 else f"{train.trainable_stages} stages"
        copies = f", their outputs kept for {train.cached_copies} augmented copies of the training images"
        notes.append(
            f"{row.title}: only the last layer and {stages} before it learned; the others were frozen"
            f"{copies if train.cached_copies else ''}."
        )
    if task.parts > 1:
        notes.append(
            f"The accelerator's memory did not suffice: each mini-batch was computed in {task.parts} parts, their gradients added."
        )
    return notes


def with_less_memory(task: Task) -> Task:
    """The task for a second attempt after an accelerator ran out of memory: smaller pieces, otherwise the processor."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    checkpoint.delete_checkpoint(task.folder)
    # Batch norm would use the statistics of the pieces and give another network.
    if not task.row.batch_norm and task.parts * 4 <= task.train.batch_size and task.device.torch_device != "cpu":
        return replace(task, parts=task.parts * 2)
    if task.device.torch_device == "cpu":
        raise StoppedError(
            f"There is not enough memory to train {task.row.name}: lower train.batch_size or images.size_px."
        )
    note = f"The accelerator's memory did not suffice for {task.row.name}: it was trained on the processor."
    return replace(task, parts=1, device=task.device.on_cpu(note))


def fingerprint_of(task: Task, weights: WeightsFile | Mapping[str, Tensor] | None) -> str:
    """SHA-256 of everything that the result depends on: data, options, device, versions, initial weights."""
    digest = hashlib.sha256()
    device = task.device
    settings = [
        task.row.name, task.train.model_dump(mode="json"), task.seed, task.fill, task.parts, task.images.shape,
        device.torch_device, str(device.training_dtype), str(device.ledger_dtype), device.channels_last, device.threads,
        devices.processor_name(), torch.backends.cpu.get_cpu_capability(), torch.__version__, np.__version__,
        weights.sha256 if isinstance(weights, WeightsFile) else weights is None,
    ]  # fmt: skip
    digest.update(json.dumps(settings).encode())
    for rows in (task.train_idx, task.validation_idx):
        digest.update(rows.tobytes())
        digest.update(task.y[rows].astype(np.int64).tobytes())
        for begin in range(0, len(rows), 256):
            digest.update(np.ascontiguousarray(task.images[rows[begin : begin + 256]]).data)
    if isinstance(weights, Mapping):
        for name in sorted(weights):
            digest.update(name.encode())
            digest.update(weights[name].detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def check_task(
    row: Network,
    images: np.ndarray,
    y: np.ndarray,
    train_idx: np.ndarray,
    validation_idx: np.ndarray,
    train: TrainSection,
) -> None:
    problems = []
    check_images(row, images)
    check_stages(row, train.trainable_stages)
    used = np.concatenate([train_idx, validation_idx])
    if len(y) != len(images):
        problems.append(Problem("there must be one label an image", value=f"{len(y)} labels, {len(images)} images"))
    elif used.size and (used.min() < 0 or used.max() >= len(images)):
        problems.append(Problem("an index lies outside the images", value=int(used.max())))
    elif not np.isin(np.asarray(y)[used], (0, 1)).all():
        problems.append(Problem("labels must be 0 or 1"))
    elif len(np.unique(np.asarray(y)[train_idx])) < 2:
        problems.append(Problem("the training cases need both classes"))
    if len(np.unique(used)) < len(used):
        problems.append(Problem("a repeated case among the training and validation cases"))
    if len(validation_idx) == 0 and (train.early_stopping or train.keep == "best_validation"):
        problems.append(Problem("early stopping and best_validation need validation cases"))
    if train.rate_in_velocity and train.optimizer != "sgd":
        problems.append(Problem("train.rate_in_velocity belongs to SGD", value=train.optimizer))
    if train.cached_copies and train.trainable_stages is None:
        problems.append(
            Problem("train.cached_copies needs train.trainable_stages: the stages whose output is kept do not learn")
        )
    if train.cached_copies and train.unfreeze_every:
        problems.append(
            Problem("train.cached_copies and train.unfreeze_every exclude each other: stored outputs must not change")
        )
    if problems:
        raise InputError(problems)
