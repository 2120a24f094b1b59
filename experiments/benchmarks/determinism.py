"""What changes when the machine's settings change: bits of features, scores, classes and files. Measured and printed; nothing is asserted.

    python experiments/benchmarks/determinism.py

A drawn cohort at 64 px. Networks are trained from random weights with one thread in float32 (the reference); then features and scores are extracted
from the same weights under other settings, and the training itself is repeated under them. At last a small run (32 px) with one thread and with two,
and which of its files differ. `oneDNN AVX2` sets ONEDNN_MAX_CPU_ISA=AVX2, a processor without AVX-512 as far as the networks are concerned.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from figures import keep

PATIENTS, SIZE_PX, SEED = 120, 64, 5
EPOCHS = {"squeezenet1_1": 3, "resnet101": 1}
TRAINED_AGAIN = ("squeezenet1_1",)
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
SETTINGS: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "the same again": ({}, {}),
    "two threads": ({"threads": 2}, {}),
    "oneDNN AVX2": ({}, AVX2),
    "bfloat16": ({"training_precision": "bfloat16", "ledger_precision": "bfloat16"}, {}),
}
"""Name to changes of `[compute]` and of the environment."""


def child(folder: str, network: str, weights: str, out: str, changes: str) -> None:
    """In a process of its own: train (where `weights` is "-") and extract; save features, logits and the bytes of the weights."""
    import hashlib
    import json

    from hybridcx.deep.features import extract
    from hybridcx.deep.finetune import finetune
    from hybridcx.experiment.file import ComputeSection, TrainSection

    kept = np.load(Path(folder) / "cohort.npz", allow_pickle=False)
    compute = ComputeSection(**({"device": "cpu", "threads": 1, "training_precision": "float32"} | json.loads(changes)))
    path = Path(weights)
    if weights == "-":
        train = TrainSection(epochs=EPOCHS[network], learning_rate=0.003, validate_every=1000)
        rows = np.arange(len(kept["y"]))
        made = finetune(
            network, kept["images"], kept["y"], rows[::2], rows[1::4], train,
            compute.model_copy(update={"ledger_precision": "float32"}), seed=SEED, weights=None, folder=Path(out).with_suffix(""),
        )  # fmt: skip
        path = made.weights_path
    # what is trained in bfloat16 is still scored in float32, as a run does unless it is asked otherwise
    scoring = compute if weights != "-" else compute.model_copy(update={"ledger_precision": "float32"})
    found = extract(network, path, kept["images"], scoring)
    assert found.logits is not None
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    np.savez(out, features=found.features, logits=found.logits, weights=np.array([str(path), sha]))


def started(
    folder: Path, network: str, weights: str, name: str, setting: str = "the same again"
) -> dict[str, np.ndarray]:
    """What `child` makes under a setting."""
    import json

    changes, environment = SETTINGS[setting]
    out = folder / f"{name}.npz"
    command = [sys.executable, __file__, "child", str(folder), network, weights, str(out), json.dumps(changes)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return dict(np.load(out, allow_pickle=False))


def told(network: str, what: str, setting: str, reference: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """A row of the table."""
    from hybridcx.deep.features import softmax_positive

    scale = float(np.abs(reference["features"]).max())
    features = float(np.abs(other["features"] - reference["features"]).max())
    logits = float(np.abs(other["logits"] - reference["logits"]).max())
    a, b = softmax_positive(reference["logits"]), softmax_positive(other["logits"])
    changed = int(((a >= 0.5) != (b >= 0.5)).sum())
    same = all(reference[k].tobytes() == other[k].tobytes() for k in ("features", "logits"))
    weights = "" if what == "extraction" else ("same" if reference["weights"][1] == other["weights"][1] else "other")
    keep("determinism", f"{network}, {what}, {setting}: scores", float(np.abs(a - b).max()), "largest difference")
    print(
        f"| {network} | {what} | {setting} | {'yes' if same else 'no'} | {weights} | {features / scale:.1e} | {logits:.1e} | "
        f"{float(np.abs(a - b).max()):.1e} | {changed} of {len(a)} |",
        flush=True,
    )


def networks(folder: Path) -> None:
    """The table of settings."""
    import hybridcx
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.images.store import prepare_store

    hybridcx.phantom(folder / "phantom", patients=PATIENTS, seed=3)
    cohort = read_manifest(folder / "phantom/manifest.csv", positive="abnormal")
    store = prepare_store(cohort, size_px=SIZE_PX, pad="black", cache=folder / "images")
    np.savez(folder / "cohort.npz", images=np.asarray(store.images), y=cohort.y_true.astype(np.int64))
    print(
        "| network | step | setting | same bytes | weights | features, of their largest | logits | scores | classes changed |"
    )
    print("| --- " * 9 + "|")
    for network in EPOCHS:
        reference = started(folder, network, "-", f"{network}-reference")
        weights = str(reference["weights"][0])
        for setting in SETTINGS:
            told(network, "extraction", setting, reference, started(folder, network, weights, f"{network}-x", setting))
        for i, setting in enumerate(SETTINGS if network in TRAINED_AGAIN else ()):
            told(
                network,
                "training and extraction",
                setting,
                reference,
                started(folder, network, "-", f"{network}-t{i}", setting),
            )


def run_of(folder: Path, threads: int) -> Path:
    """A small run with so many threads, from an empty cache."""
    import hybridcx
    from hybridcx.experiment.file import Experiment

    experiment = Experiment.model_validate(
        {
            "name": "determinism", "seed": SEED, "cohort": {"manifest": "phantom/manifest.csv"}, "images": {"size_px": 32},
            "networks": {"names": ["squeezenet1_1"], "weights": "none"},
            "train": {"epochs": 2, "learning_rate": 0.003, "validate_every": 4}, "heads": {"names": ["logistic", "knn"], "folds": 3},
            "compute": {"device": "cpu", "threads": threads, "training_precision": "float32"}, "analysis": {"n_bootstrap": 200},
        }
    )  # fmt: skip
    out = folder / f"run-{threads}"
    hybridcx.run(experiment, base=folder, out=out, cache=folder / f"cache-{threads}", images=False)
    return out


def files(folder: Path) -> None:
    """Which files of a run differ between one and two threads, and by how much the metrics do."""
    import pandas as pd

    one, two = run_of(folder, 1), run_of(folder, 2)
    names = sorted(p.relative_to(one).as_posix() for p in one.rglob("*") if p.is_file())
    other = [n for n in names if (one / n).read_bytes() != (two / n).read_bytes()]
    print(
        f"\nOne and two threads: {len(names) - len(other)} of {len(names)} files have the same bytes. Others: {', '.join(other)}."
    )
    a, b = (pd.read_csv(f / "predictions.csv") for f in (one, two))
    print(
        f"Scores differ by at most {np.abs(a['score'] - b['score']).max():.1e}, {int((a['y_pred'] != b['y_pred']).sum())} of {len(a)} calls."
    )
    a, b = (pd.read_csv(f / "metrics.csv") for f in (one, two))
    keys = ["model", "metric", "method", "estimate"]
    if a[keys[:3]].equals(b[keys[:3]]):
        print(f"Estimates in metrics.csv differ by at most {np.nanmax(np.abs(a['estimate'] - b['estimate'])):.1e}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        with tempfile.TemporaryDirectory() as scratch:
            networks(Path(scratch))
            files(Path(scratch))
