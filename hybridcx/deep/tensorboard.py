"""Learning curves as event files for TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

TAGS = {
    "loss/training": "train_loss",
    "loss/validation": "validation_loss",
    "accuracy/training": "train_accuracy",
    "accuracy/validation": "validation_accuracy",
    "learning_rate": "learning_rate",
}
"""Tags of the scalars -> columns of learning_curves.csv."""


def write_curves(histories: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write each training's curves over its iterations into `folder`/NETWORK, with `-seed-N` and `-fold-N` where a network has several trainings.

    Parameters
    ----------
    histories : of each network, columns `seed`, `fold`, `iteration` and those of `TAGS`; NaN where nothing was measured, which is left out.
    folder : made here.
    """
    for network, history in histories.items():
        several = [c for c in ("seed", "fold") if history[c].nunique() > 1]
        for of, training in history.groupby(["seed", "fold"], sort=False, dropna=False):
            which = dict(zip(("seed", "fold"), of, strict=True))
            _write(training, folder / "-".join([network.replace(":", "-"), *(f"{c}-{which[c]}" for c in several)]))


def _write(training: pd.DataFrame, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for tag, column in TAGS.items():
            for iteration, value in zip(training["iteration"], training[column], strict=True):
                if not math.isnan(value):
                    writer.add_scalar(tag, value, int(iteration))
    for number, path in enumerate(sorted(folder.glob("*tfevents*"))):
        path.rename(folder / f"events.out.tfevents.{number}")  # torch's name for it tells the machine's name
