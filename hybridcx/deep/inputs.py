"""The inputs of a mini-batch: images with new augmentation, or stored activations of the frozen stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from hybridcx.deep import augment
from hybridcx.deep.model import normaliser
from hybridcx.deep.stages import Learner
from hybridcx.deep.task import ImageReader, Task, resident_limit, to_device
from hybridcx.streams import rng_for

CACHE_BATCH = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """A mini-batch before its images are read.

    Attributes
    ----------
    positions : within the training cases, (n,)
    on_device : the same there
    parameters : of the augmentation, packed, on the device
    mixing : weight and permutation (on the device) of mixup; None without it
    """

    positions: np.ndarray
    on_device: Tensor
    parameters: Tensor
    mixing: tuple[float, Tensor] | None


class ImageInputs:
    """Normalised images, (n, 3, H, W). Positions count within the training or the validation cases."""

    def __init__(self, task: Task):
        device = task.device.torch_device
        self._task = task
        self._train = ImageReader(task.images, task.train_idx, device)
        self._validation = ImageReader(task.images, task.validation_idx, device)
        self._mean, self._std = normaliser(task.row, device)
        self._augmentation = augment.augmentation_for(task.train, task.images.shape[1], task.fill)

    def augmented(self, positions: np.ndarray, *stream: object) -> Tensor:
        """Training images, augmented as drawn from the stream (seed, network, "augment", *stream)."""
        parameters = torch.from_numpy(self._drawn(len(positions), *stream)).to(self._task.device.torch_device)
        return self._augmented(self._train(positions), parameters)

    def _drawn(self, n: int, *stream: object) -> np.ndarray:
        rng = rng_for(self._task.seed, self._task.row.name, "augment", *stream)  # type: ignore[arg-type]
        return augment.packed(augment.draw(self._augmentation, n, rng), *self._task.images.shape[1:3])

    def _augmented(self, images: Tensor, parameters: Tensor) -> Tensor:
        return augment.apply(images, parameters, self._augmentation).sub_(self._mean).div_(self._std)

    def epoch(self, batches: list[np.ndarray], epoch: int, iteration: int) -> Iterator[Batch]:
        """The mini-batches of an epoch, whose first iteration is `iteration` (from 0).

        All random numbers are drawn first, those of each iteration from its own streams, and go to the device in one copy. Mixup is drawn from the
        stream (seed, network, "mixup", epoch, iteration).
        """
        task, weights = self._task, []
        tables = []
        for k, positions in enumerate(batches, iteration):
            rows = [positions[None].astype(np.int32), self._drawn(len(positions), epoch, k)]
            if task.train.mixup:
                rng = rng_for(task.seed, task.row.name, "mixup", epoch, k)
                weights.append(float(rng.beta(task.train.mixup, task.train.mixup)))
                rows.append(rng.permutation(len(positions))[None].astype(np.int32))
            tables.append(np.concatenate(rows))
        table = to_device(torch.from_numpy(np.concatenate(tables, axis=1)), task.device.torch_device)
        self._train.announce(batches)
        begin = 0
        for k, positions in enumerate(batches):
            part = table[:, begin : begin + len(positions)]
            begin += len(positions)
            mixing = (weights[k], part[-1].long()) if weights else None
            yield Batch(positions, part[0].long(), part[1 : 1 + augment.ROWS], mixing)

    def training(self, batch: Batch, epoch: int) -> Tensor:
        """The inputs of a step, by row."""
        return self._augmented(self._train(batch.positions, batch.on_device), batch.parameters)

    def plain(self, positions: np.ndarray) -> Tensor:
        """Training images without augmentation."""
        return augment.to_unit(self._train(positions)).sub_(self._mean).div_(self._std)

    def validation(self, positions: np.ndarray) -> Tensor:
        """Validation images."""
        return augment.to_unit(self._validation(positions)).sub_(self._mean).div_(self._std)


class CachedInputs(ImageInputs):
    """The frozen stages' outputs, computed once: `cached_copies` augmented copies of the training images, which the epochs take in turn.

    Training activations are computed in the training's precision, those of validation in the ledger's. They lie on the device if they fit
    there (`resident_limit`), else in memory.
    """

    def __init__(self, task: Task, learner: Learner):
        super().__init__(task)
        learner.eval()
        copies, n = task.train.cached_copies, len(task.train_idx)
        self._copies = [
            self._trunk_outputs(learner, n, task.device.training_dtype, partial(self._copy, c)) for c in range(copies)
        ]
        images = super().validation
        self._stored_validation = self._trunk_outputs(
            learner, len(task.validation_idx), task.device.ledger_dtype, images
        )

    def _copy(self, copy: int, positions: np.ndarray) -> Tensor:
        return self.augmented(positions, "copy", copy, int(positions[0]))

    def _trunk_outputs(
        self, learner: Learner, n: int, dtype: torch.dtype, images: Callable[[np.ndarray], Tensor]
    ) -> Tensor:
        device = self._task.device.torch_device
        parts = []
        for begin in range(0, n, CACHE_BATCH):
            with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16, dtype is torch.bfloat16):
                parts.append(learner.trunk(images(np.arange(begin, min(begin + CACHE_BATCH, n)))).float().cpu())
        outputs = torch.cat(parts) if parts else torch.empty(0)
        copies = self._task.train.cached_copies
        return outputs.to(device) if outputs.nbytes * copies <= resident_limit(device) else outputs

    def training(self, batch: Batch, epoch: int) -> Tensor:
        stored = self._copies[epoch % len(self._copies)]
        if stored.device == batch.on_device.device:
            return stored[batch.on_device]
        return to_device(stored[torch.from_numpy(batch.positions)], self._task.device.torch_device)

    def validation(self, positions: np.ndarray) -> Tensor:
        stored = self._stored_validation
        return stored[torch.from_numpy(positions).to(stored.device)].to(self._task.device.torch_device)
