"""The inputs of one training and their checks, the order of the cases, the mini-batches, the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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
from hybridcx.vocabulary.networks import network as row_of_table

RESIDENT_LIMIT_BYTES = 2 << 30
RESIDENT_SHARE = 0.25
"""Of the free memory of a CUDA device, for all images; the rest is for the network."""


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
    n, drawn = len(task.train_idx), epoch if task.train.shuffle == "every_epoch" else 0
    if task.train.sampling == "balanced":
        return _balanced(task, rng_for(task.seed, task.row.name, "sampling", drawn))
    if task.train.shuffle == "never":
        return np.arange(n)
    return rng_for(task.seed, task.row.name, "shuffle", drawn).permutation(n)


def _balanced(task: Task, rng: np.random.Generator) -> np.ndarray:
    """As many positions as training cases, half of each class: of the smaller class with replacement, of the larger one without."""
    classes = [np.flatnonzero(task.y[task.train_idx] == c) for c in (0, 1)]
    n = len(task.train_idx)
    sizes = (n - n // 2, n // 2) if len(classes[0]) >= len(classes[1]) else (n // 2, n - n // 2)
    drawn = [rng.choice(c, k, replace=k > len(c)) for c, k in zip(classes, sizes, strict=True)]
    both = np.concatenate(drawn)
    return np.sort(both) if task.train.shuffle == "never" else rng.permutation(both)


def class_weights(task: Task) -> np.ndarray | None:
    """Weights (2,) of the classes in the training loss; None without any.

    `balanced` is n / (2 n_c) with n_c of the n training cases in class c (King and Zeng 2001; scikit-learn's formula): both classes have
    the same total weight, and the mean weight of a training case is 1.
    """
    given = task.train.class_weights
    if given == "none":
        return None
    if given == "balanced":
        counts = np.bincount(task.y[task.train_idx].astype(np.int64), minlength=2)
        return np.asarray(len(task.train_idx) / (2 * counts), dtype=np.float64)
    return np.asarray(given, dtype=np.float64)


def batches_of(order: np.ndarray, train: TrainSection) -> list[np.ndarray]:
    size = train.batch_size
    if len(order) <= size:
        return [order]
    whole = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]
    rest = order[len(whole) * size :]
    if len(rest) == 0 or train.drop_last:
        return whole
    return [*whole[:-1], np.concatenate([whole[-1], rest])] if len(rest) == 1 else [*whole, rest]


def resident_limit(device: str) -> int:
    """How many bytes of images, or of stored activations, may lie on the device for the whole training."""
    if device.startswith("cuda") and torch.cuda.is_available():
        return int(RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0])
    return RESIDENT_LIMIT_BYTES


def to_device(tensor: Tensor, device: str) -> Tensor:
    """A tensor on the device. To CUDA it goes through page-locked memory, from where the copy runs while the device computes."""
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class ImageReader:
    """From positions in `rows` to uint8 images (n, H, W, 3) on the device.

    They lie there for the whole training if they fit (`resident_limit`). Otherwise a thread reads the next of the `announced` mini-batches while
    the device computes with the one before, which matters for memory maps on slow disks.
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray, device: str):
        self._images, self._rows, self._device = images, rows, device
        fits = device != "cpu" and len(rows) * images[:1].nbytes <= resident_limit(device)
        self._resident = torch.from_numpy(np.asarray(images[rows])).to(device) if fits else None
        self._ahead: tuple[np.ndarray, Future[Tensor]] | None = None
        self._announced: list[np.ndarray] = []
        self._thread = None if fits or device == "cpu" else ThreadPoolExecutor(1, "next-mini-batch")

    def announce(self, batches: list[np.ndarray]) -> None:
        """The mini-batches that will be asked for, in their order."""
        self._announced, self._ahead = list(reversed(batches)), None
        self._read_ahead()

    def __call__(self, positions: np.ndarray, on_device: Tensor | None = None) -> Tensor:
        """`on_device` : the same positions there, where the caller has them."""
        if self._resident is not None:
            where = torch.from_numpy(positions).to(self._device) if on_device is None else on_device
            return self._resident[where]
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] is not positions:
            return torch.from_numpy(np.asarray(self._images[self._rows[positions]])).to(self._device)
        images = ahead[1].result()
        self._read_ahead()
        return images.to(self._device, non_blocking=images.is_pinned())

    def _read_ahead(self) -> None:
        if self._thread is not None and self._announced:
            positions = self._announced.pop()
            self._ahead = positions, self._thread.submit(self._read, positions)

    def _read(self, positions: np.ndarray) -> Tensor:
        read = torch.from_numpy(np.asarray(self._images[self._rows[positions]]))
        return read.pin_memory() if self._device.startswith("cuda") else read


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
    if train.class_weights != "none" or train.sampling == "balanced":
        notes.append(_imbalance_note(task))
    if task.parts > 1:
        notes.append(
            f"The accelerator's memory did not suffice: each mini-batch was computed in {task.parts} parts, their gradients added."
        )
    return notes


def _imbalance_note(task: Task) -> str:
    train, weights = task.train, class_weights(task)
    if weights is None:
        what = f"every epoch of {task.row.name} drew as many cases of each class"
        population = "a population with equal classes"
    else:
        what = f"the loss of {task.row.name} weighted the classes by {weights[0]:.4g} (negative) and {weights[1]:.4g} (positive)"
        population = (
            "a population with equal classes" if train.class_weights == "balanced" else "a population so weighted"
        )
    return (
        f"{what[0].upper()}{what[1:]}: its probabilities are those of {population}, not of this cohort; calibrate before use. "
        "Validation losses are unweighted."
    )


def with_less_memory(task: Task) -> Task:
    """The task for a second attempt after memory ran out: on an accelerator without CUDA graphs, then smaller pieces, otherwise the processor.

    Raises StoppedError, with what to change, where that was the processor's memory already.
    """
    devices.empty_cache(task.device.torch_device)
    if task.device.cuda_graphs:  # a graph keeps the memory of its step; the training goes on from its checkpoint
        note = f"The accelerator's memory did not suffice to train {task.row.name} with a CUDA graph: it was trained without."
        return replace(task, device=task.device.without_graphs(note))
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
        task.row.name, task.train.model_dump(mode="json"), task.seed, task.fill, task.parts, task.images.shape[1:],
        # kind and model of the device, not its number: a training goes on on the next card
        device.kind, device.description, str(device.training_dtype), str(device.ledger_dtype), device.channels_last, device.threads,
        devices.processor_name(), torch.backends.cpu.get_cpu_capability(), torch.__version__, np.__version__,
        weights.sha256 if isinstance(weights, WeightsFile) else weights is None,
    ]  # fmt: skip
    if row_of_table(task.row.name) != task.row:  # the normalisation of the user's own weights
        settings.append([task.row.mean, task.row.std])
    digest.update(json.dumps(settings).encode())
    for rows in (task.train_idx, task.validation_idx):
        digest.update(len(rows).to_bytes(8, "big"))  # not their positions: further test cases change nothing
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
    if train.last_layer == "fitted" and not row.last_bias:
        problems.append(
            Problem(
                f'train.last_layer = "fitted" sets a bias, and the last layer of {row.title} has none',
                column="train.last_layer",
                remedy="leave the key out for this network",
            )
        )
    if train.cached_copies and train.trainable_stages is None:
        problems.append(
            Problem("train.cached_copies needs train.trainable_stages: the stages whose output is kept do not learn")
        )
    if train.class_weights != "none" and train.sampling == "balanced":
        problems.append(
            Problem(
                'train.class_weights and train.sampling = "balanced" exclude each other: together they count the smaller class twice',
                remedy="keep one of them",
            )
        )
    if train.cached_copies and train.unfreeze_every:
        problems.append(
            Problem("train.cached_copies and train.unfreeze_every exclude each other: stored outputs must not change")
        )
    if problems:
        raise InputError(problems)
