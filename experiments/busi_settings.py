"""Which settings of fine-tuning SqueezeNet 1.1 on the breast ultrasounds do the validation cases prefer? Test cases are not looked at.

    python experiments/busi_settings.py [FOLDER]      needs ../shared/data beside the checkout; about five minutes on two cores with bfloat16

Prints the lowest validation loss and the accuracy there of each setting; experiments/busi_squeezenet.toml takes the one with the
lowest loss.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from pathlib import Path

import hybridcx
from hybridcx.experiment.file import read_experiment, with_changes

SEEDS = (1,)
RATES, EPOCHS, HEAD_FACTORS = (0.001, 0.003, 0.01), (8,), (1.0, 10.0)


def main(folder: Path) -> None:
    """Run each setting below `folder` and print the table, the best first."""
    source = Path(__file__).parent / "busi_squeezenet.toml"
    base = read_experiment(source)
    found = []
    for rate, epochs, factor in itertools.product(RATES, EPOCHS, HEAD_FACTORS):
        losses, accuracies = [], []
        for seed in SEEDS:
            train = base.train.model_copy(update={"learning_rate": rate, "epochs": epochs, "head_rate_factor": factor})
            heads = base.heads.model_copy(update={"names": ["logistic"], "features": ["pretrained"]})
            experiment = with_changes(base, {"seed": seed, "train": train.model_dump(), "heads": heads.model_dump()})
            try:
                report = hybridcx.run(
                    experiment, base=source.parent, out=folder / f"{rate}_{epochs}_{factor}_{seed}", fresh=True
                )
            except hybridcx.StoppedError:  # diverged
                losses.append(math.inf)
                accuracies.append(math.nan)
                continue
            curve = report.tables["learning_curves"].dropna(subset=["validation_loss"])
            best = curve.loc[curve["validation_loss"].idxmin()]
            losses.append(best["validation_loss"])
            accuracies.append(best["validation_accuracy"])
        found.append((sum(losses) / len(losses), sum(accuracies) / len(accuracies), rate, epochs, factor))
        print(
            f"rate {rate:<6} epochs {epochs:<3} last layer x {factor:<4g} loss {found[-1][0]:.3f} accuracy {found[-1][1]:.3f}",
            flush=True,
        )
    loss, _, rate, epochs, factor = min(found)
    print(f"lowest validation loss {loss:.3f}: rate {rate}, epochs {epochs}, last layer x {factor:g}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
