"""Which of the preset's assumptions moves the result? Each is changed alone, on one VGG and one residual network, on the phantom cohort.

    python experiments/assumptions.py [--networks vgg16 resnet101] [--size-px 64] [--epochs 4] [--patients 416]
                                      [--learning-rate 3e-4] [--weights-dir DIR] [--threads 0]

The study and the toolbox's documentation leave some options open; the preset `matlab_r2018b` takes the likelier form of each (its file says
which). Here every one is set to its alternative, everything else and every seed staying as it is. The yardstick is the same training under other
seeds (another new last layer, another order): an assumption that moves the scores no further than a seed does cannot be told from chance.

Scored are the validation and test cases together (nothing is chosen here). Columns: AUROC, its difference from the preset's with DeLong's
paired 95 % limits, the mean absolute change of the scores, how many calls change. `moves`: the scores change by more than under any of the
other seeds. From random weights (the default) a VGG learns little at the study's rate; --weights-dir takes ImageNet's. Finished trainings are kept
in the cache, so that a call can be repeated. At 128 pixels and 20 epochs it takes hours on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.deep import weights
from hybridcx.deep.features import extract, softmax_positive
from hybridcx.deep.finetune import WEIGHTS_NAME, finetune
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.cohort import load_cohort, prepare_images
from hybridcx.pipeline.units import split_cohort
from hybridcx.progress import Progress
from hybridcx.stats.roc import auroc, delong_paired
from hybridcx.store.artefacts import Store, cache_root, code_hash, content_key

RESIDUAL = "has batch normalisation"
CHANGES: tuple[tuple[str, dict[str, object], str], ...] = (
    ("last layer's rate 1 time, not 10", {"head_rate_factor": 1.0}, ""),
    ("last layer's rate 20 times", {"head_rate_factor": 20.0}, ""),
    ("last layer's initialisation: torch's", {"last_layer_sd": None}, ""),
    ("no augmentation", {"flip_horizontal": 0.0, "translate_px": 0.0}, ""),
    ("what shifts bring in: white padding, not black", {"augmentation_fill": "padding"}, ""),
    ("L2 on all weights (VGG), not on batch norm (residual)", {"weight_decay_on": "weights"}, ""),
    ("rate outside the velocity", {"rate_in_velocity": False}, ""),
    ("another order every epoch", {"shuffle": "every_epoch"}, ""),
    ("incomplete mini-batch kept", {"drop_last": False}, ""),
    ("batch norm: running averages", {"batch_norm_statistics": "running"}, RESIDUAL),
)
"""What is changed, the keys of [train], and which networks it can concern."""
SEEDS = (1, 2)


@dataclass(frozen=True)
class Setting:
    """The experiment, the keys of [train] as its file would give them, and the cases as arrays; `of` is each case's part of the split."""

    experiment: Experiment
    given: dict[str, object]
    images: np.ndarray
    images_sha256: str
    y: np.ndarray
    of: np.ndarray


def scores(name: str, s: Setting, changed: dict[str, object], seed: int) -> np.ndarray:
    """Scores of all cases by one training; taken from the cache if it was done before."""
    experiment, images, y, of = s.experiment, s.images, s.y, s.of
    options = {**experiment.model_dump(exclude={"train"}), "train": {**s.given, **changed}}
    train = Experiment.model_validate(options).train_of(name)
    folder_of_weights = experiment.networks.weights_dir
    located = weights.locate(name, experiment.networks.weights, Path(folder_of_weights) if folder_of_weights else None)
    parts = {
        "network": name, "train": train.model_dump(mode="json"), "seed": seed, "images": s.images_sha256, "split": of.tolist(),
        "weights": None if located is None else located.sha256, "code": code_hash("deep", "streams"),
    }  # fmt: skip
    store = Store(cache_root())

    def build(folder: Path) -> None:
        finetune(
            name, images, y, np.flatnonzero(of == "train"), np.flatnonzero(of == "validation"), train, experiment.compute,
            seed=seed, weights=located, folder=folder,
        )  # fmt: skip
        found = extract(name, folder / WEIGHTS_NAME, images, experiment.compute)
        np.save(folder / "scores.npy", softmax_positive(found.logits))
        (folder / WEIGHTS_NAME).unlink()  # half a gigabyte for a VGG

    return np.load(store.make("assumptions", content_key(parts), build, parts) / "scores.npy")


def table_of(name: str, s: Setting) -> pd.DataFrame:
    """One row a change, for one network."""
    apart, begun, seed_here = s.of != "train", time.monotonic(), s.experiment.seed
    y = s.y[apart]
    base = scores(name, s, {}, seed_here)[apart]
    print(f"{name}: one training takes {time.monotonic() - begun:.0f} s", flush=True)

    def row(what: str, keys: dict[str, object], seed: int) -> dict[str, object]:
        other = scores(name, s, keys, seed)[apart]
        d = delong_paired(y, other, base)
        return {
            "network": name, "changed": what, "AUROC": auroc(y, other),
            "difference": d.estimate, "low": d.conf_low, "high": d.conf_high, "mean change of scores": float(np.abs(other - base).mean()),
            "calls changed": int(((other >= 0.5) != (base >= 0.5)).sum()),
        }  # fmt: skip

    seeds = [row(f"nothing, but seed {seed_here + more}", {}, seed_here + more) for more in SEEDS]
    most = max(float(str(r["mean change of scores"])) for r in seeds)
    rows = [{**row("nothing", {}, seed_here), "moves": "the preset"}, *({**r, "moves": "yardstick"} for r in seeds)]
    batch_norm = name.startswith(("res", "dense", "mobile"))
    for what, keys, concerns in CHANGES:
        if concerns == RESIDUAL and not batch_norm:
            continue
        r = row(what, keys, seed_here)
        rows.append({**r, "moves": "yes" if float(str(r["mean change of scores"])) > most else "no"})
        print(json.dumps(rows[-1]), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Parse, train, print the tables as Markdown."""
    parser = argparse.ArgumentParser(description="Which of the preset's assumptions moves the result?")
    parser.add_argument("--networks", nargs="+", default=["vgg16", "resnet101"])
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--patients", type=int, default=416)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--weights-dir")
    parser.add_argument("--threads", type=int, default=0)
    a = parser.parse_args()
    # the rate falls twice in whatever epochs there are, as in the study
    given: dict[str, object] = {
        "preset": "matlab_r2018b", "epochs": a.epochs, "lr_drop_epochs": max(1, round(a.epochs * 0.4)), "learning_rate": a.learning_rate,
    }  # fmt: skip
    experiment = Experiment.model_validate(
        {
            "name": "assumptions",
            "seed": 1,
            "cohort": {"phantom": {"patients": a.patients, "seed": 1}},
            "images": {"size_px": a.size_px},
            "networks": {
                "names": a.networks,
                "weights": "folder" if a.weights_dir else "none",
                "weights_dir": a.weights_dir,
            },
            "train": given,
            "compute": {"threads": a.threads},
        }
    )
    store = Store(cache_root())
    with Progress() as progress:
        cohort = load_cohort(experiment, Path(), store, progress)
        split = split_cohort(experiment, cohort)
        prepared = prepare_images(experiment, cohort, store, progress)
    case_ids = list(prepared.case_ids)
    labels = cohort.analysed.set_index("case_id")["label"]
    y = np.array([int(labels[c] == cohort.positive) for c in case_ids])
    of = np.array([split.of_case[c] for c in case_ids])
    setting = Setting(experiment, given, prepared.images, prepared.sha256, y, of)
    made = pd.concat([table_of(name, setting) for name in a.networks], ignore_index=True).round(3)
    start = "ImageNet" if a.weights_dir else "random"
    print(f"\n{a.size_px} px, {a.epochs} epochs, {len(y)} cases, learning rate {a.learning_rate:g}, {start} weights\n")
    print("| " + " | ".join(made.columns) + " |\n|" + " --- |" * len(made.columns))
    for r in made.astype(str).to_numpy():
        print("| " + " | ".join(r) + " |")


if __name__ == "__main__":
    main()
