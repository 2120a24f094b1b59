"""The computations of a training: gradients of a mini-batch, mixup, validation, batch-norm statistics of the training set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from hybridcx.deep.inputs import ImageInputs
from hybridcx.deep.stages import Learner
from hybridcx.deep.task import Task, batches_of

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
        return read_all([self])[0]


def read_all(results: Sequence[StepResult]) -> list[tuple[float, float]]:
    """Losses and accuracies of several steps, in one copy from the device."""
    numbers = [t.float() for result in results for loss, right, _ in result.pieces for t in (loss, right)]
    values = iter(torch.stack(numbers).tolist() if numbers else [])
    found = []
    for result in results:
        n = sum(size for *_, size in result.pieces)
        loss, right = 0.0, 0.0
        for *_, size in result.pieces:
            loss += next(values) * size
            right += next(values)
        found.append((loss / n, right / n))
    return found


def weights_in_batch(class_weights: Tensor, y: Tensor) -> Tensor:
    """Class weights (2,) for the mean over a whole mini-batch: with classes y (n,) times n / (sum of the cases' weights), as torch's cross_entropy
    divides by that sum; with mixed targets (n, 2) as they are, as it divides by n. Pieces and shares of the mini-batch then add up to it."""
    return class_weights if y.ndim == 2 else class_weights * (len(y) / class_weights[y].sum())


def gradients(
    forward: Forward,
    x: Tensor,
    y: Tensor,
    task: Task,
    weight: float = 1.0,
    *,
    class_weights: Tensor | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> StepResult:
    """Accumulate the gradients of `weight` times the mean loss of a mini-batch, in `task.parts` pieces.

    `y` : classes (n,), or class weights (n, 2), of which the larger one is the class for the accuracy. `class_weights` : from
    `weights_in_batch` of the whole mini-batch. `scaler` : multiplies the loss, so that float16 gradients do not vanish.
    """
    pieces: list[tuple[Tensor, Tensor, int]] = []
    kind, dtype = x.device.type, task.device.training_dtype
    for piece, target in zip(x.chunk(task.parts), y.chunk(task.parts), strict=True):
        half = dtype if dtype is torch.float16 else torch.bfloat16
        with torch.autocast(kind, dtype=half, enabled=dtype is half):
            logits = forward(piece)
        smoothing = task.train.label_smoothing
        if class_weights is None:
            loss = functional.cross_entropy(logits.float(), target, label_smoothing=smoothing)
        else:
            loss = functional.cross_entropy(
                logits.float(), target, class_weights, label_smoothing=smoothing, reduction="sum"
            )
            loss = loss / len(piece)
        share = loss * (len(piece) / len(x) * weight)
        torch.autograd.backward(share if scaler is None else scaler.scale(share))
        right = (logits.detach().argmax(1) == (target if target.ndim == 1 else target.argmax(1))).sum()
        pieces.append((loss.detach(), right, len(piece)))
    return StepResult(tuple(pieces))


def mixed(x: Tensor, y: Tensor, mixing: tuple[float, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang and others 2018): x = w x + (1 - w) x[p], targets likewise, with w from Beta(a, a) and a permutation p per mini-batch.

    `mixing` : w and p (`Batch`). Without them, x and y are returned unchanged.
    """
    if mixing is None:
        return x, y
    weight, other = mixing
    target = torch.stack([1 - y, y], dim=1).float()
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
        # float64 on the processor, after the copy: MPS has no float64; with it the sum does not depend on the batch size.
        logits = logits.float().cpu().double()
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
