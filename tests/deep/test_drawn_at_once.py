"""Random numbers drawn for a whole epoch, losses read late and averages updated together: the same weights as one by one, to the byte."""

import numpy as np
import pytest
import torch

from hybridcx.deep import augment, finetune
from hybridcx.deep.averaging import WeightAverage
from hybridcx.deep.inputs import Batch, ImageInputs
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.streams import rng_for

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
KEYS = {
    "plain": {},
    "ema": {"ema_decay": 0.9, "rotate_deg": 5.0, "brightness": 0.1},
    "mixup": {"mixup": 0.3, "scale": 0.1, "contrast": 0.2, "drop_last": False},
    "staged": {"unfreeze_every": 1, "ema_decay": 0.5},
    "cached": {"trainable_stages": 1, "cached_copies": 2},
}


def one_by_one(self, batches, epoch, iteration):
    """Each mini-batch's numbers from its own streams, when it comes."""
    task = self._task
    for k, positions in enumerate(batches, iteration):
        drawn = augment.draw(self._augmentation, len(positions), rng_for(task.seed, task.row.name, "augment", epoch, k))
        mixing = None
        if task.train.mixup:
            rng = rng_for(task.seed, task.row.name, "mixup", epoch, k)
            mixing = (
                float(rng.beta(task.train.mixup, task.train.mixup)),
                torch.from_numpy(rng.permutation(len(positions))),
            )
        yield Batch(
            positions,
            torch.from_numpy(positions),
            torch.from_numpy(augment.packed(drawn, *task.images.shape[1:3])),
            mixing,
        )


@torch.no_grad()
def each(self, iteration):
    decay = min(self._decay, (1 + iteration) / (10 + iteration))
    for name, t in self._model.state_dict().items():
        if name in self.tensors:
            self.tensors[name].lerp_(t, 1 - decay)


@pytest.mark.parametrize("keys", KEYS)
def test_the_weights_are_the_same_bytes(tmp_path, monkeypatch, keys):
    rng = np.random.default_rng(0)
    images, y = rng.integers(0, 256, (27, 32, 32, 3), dtype=np.uint8), np.arange(27) % 2
    train = TrainSection(**{"epochs": 3, "batch_size": 6, "learning_rate": 0.01, "validate_every": 2, **KEYS[keys]})

    def tune(folder, seed=0):
        return finetune.finetune(
            "squeezenet1_1",
            images,
            y,
            np.arange(20),
            np.arange(20, 27),
            train,
            CPU,
            seed=seed,
            weights=None,
            folder=tmp_path / folder,
        )

    together = tune("together")
    monkeypatch.setattr(ImageInputs, "epoch", one_by_one)
    monkeypatch.setattr(WeightAverage, "update", each)
    alone = tune("alone")
    assert together.weights_sha256 == alone.weights_sha256 != tune("other", seed=1).weights_sha256
    np.testing.assert_equal(dict(together.history), dict(alone.history))
