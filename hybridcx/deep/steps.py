"""The computations of a training: gradients of a mini-batch, mixup, validation, batch-norm statistics of the training set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from hybridcx.deep.inputs import ImageInputs
from hybridcx.deep.stages import Learner
from hybridcx.deep.task import Task, batches_of
from hybridcx.streams import rng_for

VALIDATION_BATCH = 32
# Pixels per batch on a processor: as fast as 32 images of 224 px, whose float32 activations would be the peak of a training's memory.
ON_PROCESSOR_PX = 8 * 224**2
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class StepResult:
    """Loss and correct predictions of each piece of a mini-batch, on the device: reading them would stall an accelerator, so it happens later."""

    pieces: tuple[tuple[Tensor, Tensor, int], ...]

    def read(self) -> tuple[float, float]:
        """Loss (mean over the mini-batch) and accuracy."""
        n = sum(size for *_, size in self.pieces)
        loss, right = 0.0, 0.0
        for piece_loss, piece_right, size in self.pieces:
            loss += piece_loss.item() * size
            right += piece_right.item()
        return loss / n, right / n


def gradients(forward: Forward, x: Tensor, y: Tensor, task: Task, weight: float = 1.0) -> StepResult:
    """Accumulate the gradients of `weight` times the mean loss of a mini-batch, in `task.parts` pieces.

    `y` : classes (n,), or class weights (n, 2), of which the larger one is the class for the accuracy.
    """
    pieces: list[tuple[Tensor, Tensor, int]] = []
    kind, dtype = x.device.type, task.device.training_dtype
    for piece, target in zip(x.chunk(task.parts), y.chunk(task.parts), strict=True):
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            logits = forward(piece)
        loss = functional.cross_entropy(logits.float(), target, label_smoothing=task.train.label_smoothing)
        torch.autograd.backward(loss * (len(piece) / len(x) * weight))
        right = (logits.detach().argmax(1) == (target if target.ndim == 1 else target.argmax(1))).sum()
        pieces.append((loss.detach(), right, len(piece)))
    return StepResult(tuple(pieces))


def mixed(x: Tensor, y: Tensor, task: Task, epoch: int, iteration: int) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang and others 2018): x = w x + (1 - w) x[p], targets likewise, with w from Beta(a, a) and a permutation p per mini-batch.

    Drawn from the stream (seed, network, "mixup", epoch, iteration). Without mixup, x and y are returned unchanged.
    """
    alpha = task.train.mixup
    if not alpha:
        return x, y
    rng = rng_for(task.seed, task.row.name, "mixup", epoch, iteration)
    weight, other = float(rng.beta(alpha, alpha)), torch.from_numpy(rng.permutation(len(x))).to(x.device)
    target = functional.one_hot(y, 2).float()
    return weight * x + (1 - weight) * x[other], weight * target + (1 - weight) * target[other]


@torch.inference_mode()
def evaluate(model: nn.Module, forward: Forward, inputs: ImageInputs, task: Task) -> tuple[float, float]:
    """Cross-entropy (nats, mean over cases) and accuracy on the validation cases, in evaluation mode and the ledger's precision."""
    model.eval()
    loss, right, n = 0.0, 0, len(task.validation_idx)
    size = VALIDATION_BATCH
    if task.device.torch_device == "cpu":
        size = min(size, max(1, ON_PROCESSOR_PX // task.images.shape[1] ** 2))
    for begin in range(0, n, size):
        batch = np.arange(begin, min(begin + size, n))
        x = inputs.validation(batch)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=task.device.ledger_dtype is torch.bfloat16):
            logits = forward(x)
        # float64 on the processor: MPS has no float64; with it the sum does not depend on the batch size.
        logits = logits.to("cpu", torch.float64)
        target = torch.from_numpy(task.y[task.validation_idx[batch]].astype(np.int64))
        loss += functional.cross_entropy(logits, target, reduction="sum").item()
        right += int((logits.argmax(1) == target).sum())
    return loss / n, right / n


def batch_norm_over_training_set(model: nn.Module, inputs: ImageInputs, task: Task) -> None:
    """Replace the running statistics by averages over all training images without augmentation (torch's `update_bn`, in float32).

    Frozen stages keep their statistics.
    """
    whole = task.train.model_copy(update={"drop_last": False})
    trunk: Forward = model.trunk if isinstance(model, Learner) else lambda x: x

    def batches() -> Iterator[Tensor]:
        for batch in batches_of(np.arange(len(task.train_idx)), whole):
            yield trunk(inputs.plain(batch))

    model.train()  # frozen stages stay in evaluation mode
    update_bn(batches(), nn.Sequential(*model.learning_part()) if isinstance(model, Learner) else model)
