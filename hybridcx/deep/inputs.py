"""The inputs of a mini-batch: images with new augmentation, or stored activations of the frozen stages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from hybridcx.deep import augment
from hybridcx.deep.model import normaliser
from hybridcx.deep.stages import Learner
from hybridcx.deep.task import RESIDENT_LIMIT_BYTES, Task, image_reader
from hybridcx.streams import rng_for

CACHE_BATCH = 32


class ImageInputs:
    """Normalised images, (n, 3, H, W). Positions count within the training or the validation cases."""

    def __init__(self, task: Task):
        device = task.device.torch_device
        self._task = task
        self._train = image_reader(task.images, task.train_idx, device)
        self._validation = image_reader(task.images, task.validation_idx, device)
        self._mean, self._std = normaliser(task.row, device)
        self._augmentation = augment.augmentation_for(task.train, task.images.shape[1], task.fill)

    def augmented(self, positions: np.ndarray, *stream: object) -> Tensor:
        """Training images, augmented as drawn from the stream (seed, network, "augment", *stream)."""
        rng = rng_for(self._task.seed, self._task.row.name, "augment", *stream)  # type: ignore[arg-type]
        parameters = augment.draw(self._augmentation, len(positions), rng)
        return augment.apply(self._train(positions), parameters, self._augmentation).sub_(self._mean).div_(self._std)

    def training(self, positions: np.ndarray, epoch: int, iteration: int) -> Tensor:
        """The inputs of a step, by row."""
        return self.augmented(positions, epoch, iteration)

    def plain(self, positions: np.ndarray) -> Tensor:
        """Training images without augmentation."""
        return augment.to_unit(self._train(positions)).sub_(self._mean).div_(self._std)

    def validation(self, positions: np.ndarray) -> Tensor:
        """Validation images."""
        return augment.to_unit(self._validation(positions)).sub_(self._mean).div_(self._std)


class CachedInputs(ImageInputs):
    """The frozen stages' outputs, computed once: `cached_copies` augmented copies of the training images, which the epochs take in turn.

    Training activations are computed in the training's precision, those of validation in the ledger's. They lie on the device up to 2 GB,
    else in memory.
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
        return outputs.to(device) if outputs.nbytes * copies <= RESIDENT_LIMIT_BYTES else outputs

    def training(self, positions: np.ndarray, epoch: int, iteration: int) -> Tensor:
        stored = self._copies[epoch % len(self._copies)]
        return stored[torch.from_numpy(positions).to(stored.device)].to(self._task.device.torch_device)

    def validation(self, positions: np.ndarray) -> Tensor:
        stored = self._stored_validation
        return stored[torch.from_numpy(positions).to(stored.device)].to(self._task.device.torch_device)
