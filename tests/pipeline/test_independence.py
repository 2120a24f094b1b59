"""What a model is does not depend on what else the experiment makes, nor on the order of the manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared import drawn_cohort

import hybridcx
from hybridcx.experiment.file import Experiment

KEYS = ["model", "metric", "method", "label.rule"]


def experiment(*networks: str, manifest: str = "manifest.csv") -> Experiment:
    return Experiment.model_validate(
        {
            "name": "independent", "seed": 5, "cohort": {"manifest": f"phantom/{manifest}"}, "images": {"size_px": 32},
            "networks": {"names": list(networks), "weights": "none"}, "train": {"epochs": 1, "learning_rate": 0.003, "validate_every": 4},
            "heads": {"names": ["logistic"], "folds": 3}, "compute": {"device": "cpu", "threads": 1}, "analysis": {"n_bootstrap": 100},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = drawn_cohort(tmp_path_factory, "independent")
    hybridcx.run(
        experiment("squeezenet1_1"), base=folder, out=folder / "alone", cache=folder / "alone-cache", images=False
    )
    return folder


def ledger(folder: Path) -> pd.DataFrame:
    rows = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    return rows[rows["model"].str.startswith("squeezenet1_1")].sort_values(["model", "case_id"]).reset_index(drop=True)


def made(cache: Path, pattern: str) -> set[str]:
    return {hashlib.sha256(p.read_bytes()).hexdigest() for p in cache.glob(pattern)}


def test_a_network_that_is_added_changes_nothing_of_the_others(base):
    out, cache = base / "beside", base / "beside-cache"
    hybridcx.run(experiment("mobilenet_v2", "squeezenet1_1"), base=base, out=out, cache=cache, images=False)
    pd.testing.assert_frame_equal(ledger(base / "alone"), ledger(out))
    for what in ("finetune/*/weights.safetensors", "features/*/features.npy"):
        own, more = made(base / "alone-cache", what), made(cache, what)
        assert own
        assert own < more
    a, b = (
        pd.read_csv(f / "metrics.csv").set_index(KEYS)[["estimate", "conf.low", "conf.high"]]
        for f in (base / "alone", out)
    )
    rows = [k for k in a.index if not k[2].startswith("bootstrap") and k in b.index]
    assert {k[0] for k in rows} == set(a.index.get_level_values("model"))
    pd.testing.assert_frame_equal(a.loc[rows], b.loc[rows], check_exact=True)


def test_the_order_of_the_manifest_changes_nothing(base):
    rows = pd.read_csv(base / "phantom/manifest.csv", dtype=str, keep_default_na=False)
    order = np.random.default_rng(1).permutation(len(rows))
    rows.iloc[order].to_csv(base / "phantom/shuffled.csv", index=False)
    out, cache = base / "shuffled", base / "shuffled-cache"
    hybridcx.run(experiment("squeezenet1_1", manifest="shuffled.csv"), base=base, out=out, cache=cache, images=False)
    pd.testing.assert_frame_equal(ledger(base / "alone"), ledger(out))
    for what in ("finetune/*/weights.safetensors", "features/*/features.npy"):
        assert made(base / "alone-cache", what) == made(cache, what)
    for name in ("metrics.csv", "comparisons.csv", "split.csv", "lineage.json"):
        assert (base / "alone" / name).read_bytes() == (out / name).read_bytes()
