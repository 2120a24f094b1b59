"""The history of a training as it grows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from hybridcx.deep import checkpoint, distributed
from hybridcx.deep.steps import StepResult
from hybridcx.errors import DivergedError
from hybridcx.experiment.file import TrainSection
from hybridcx.vocabulary.networks import Network

HISTORY_COLUMNS = (
    "iteration",
    "epoch",
    "train_loss",
    "train_accuracy",
    "learning_rate",
    "validation_loss",
    "validation_accuracy",
)


class Record:
    """The history as it grows: results of steps are read from the device on request, and a loss that is no number raises an error."""

    def __init__(self, row: Network, train: TrainSection, history: dict[str, list[float]]):
        self._row, self._train, self._history = row, train, history
        self._unread: list[tuple[StepResult, float]] = []

    def add(self, iteration: int, epoch: int, rate: float, result: StepResult, weight: float = 1.0) -> None:
        """A step, not read yet and not validated. `weight`: 0 where this process had no row of the mini-batch."""
        for column, value in zip(
            HISTORY_COLUMNS, (iteration, epoch, math.nan, math.nan, rate, math.nan, math.nan), strict=True
        ):
            self._history[column].append(value)
        self._unread.append((result, weight))

    def validated(self, loss: float, accuracy: float) -> None:
        """The validation after the last step."""
        self._history["validation_loss"][-1], self._history["validation_accuracy"][-1] = loss, accuracy

    def read(self, folder: Path) -> None:
        """Read the steps since the last time. Raises DivergedError, without the checkpoint in `folder`, at the first loss that is not finite."""
        first = len(self._history["iteration"]) - len(self._unread)
        for at, (loss, accuracy) in enumerate(distributed.current().totals(self._unread), first):
            if not math.isfinite(loss):
                if distributed.current().leads:
                    checkpoint.delete_checkpoint(folder)
                epoch, iteration, rate = (self._history[c][at] for c in ("epoch", "iteration", "learning_rate"))
                raise DivergedError(diverged(self._row, int(epoch), int(iteration), rate, self._train))
            self._history["train_loss"][at], self._history["train_accuracy"][at] = loss, accuracy
        self._unread.clear()


def last_rate(history: Mapping[str, list[float]]) -> float:
    """The last learning rate of a history, NaN if it is empty."""
    return history["learning_rate"][-1] if history["learning_rate"] else math.nan


def diverged(row: Network, epoch: int, iteration: int, rate: float, train: TrainSection) -> str:
    clip = "lower" if train.clip_gradient_norm is not None else "set"
    return (
        f"The training of {row.name} diverged: the loss was no longer finite in epoch {epoch}, iteration {iteration}, at the learning rate {rate:g}. "
        f"Lower train.learning_rate (a tenth is a good first try) or {clip} train.clip_gradient_norm (1.0, say). "
        "Finished networks are kept."
    )
