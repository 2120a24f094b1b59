"""Marks beside the content: found where they are planted, each kind by its own name, and not found where there are none."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.manifest import read_manifest
from hybridcx.images.store import prepare_store
from hybridcx.pipeline import shortcuts as module
from hybridcx.pipeline.shortcuts import NAMES, shortcuts, warnings_of
from hybridcx.vocabulary.cohort import SHORTCUTS

N = 120


@pytest.fixture(scope="module", autouse=True)
def quick_runs() -> None:
    """The probe as users have it, with all its trees."""


def cohort(folder: Path, planted: str = "", *, patients: int = N, seed: int = 0):
    """A cohort of noise images in which one kind of mark, and nothing else, tells the label."""
    rng = np.random.default_rng(seed)
    labels = np.array(["healthy", "ill"])[rng.permutation(np.arange(N) % 2)]
    if planted == "row":
        labels = np.sort(labels)
    codes = rng.permutation(10 * N)[:N]
    rows = ["case_id,patient_id,image,label"]
    for i, label in enumerate(labels):
        ill = label == "ill"
        wide = 40 if planted == "geometry" and ill else 32
        image = rng.integers(0, 256, (32, wide), dtype=np.uint8)
        if planted == "border" and ill:
            image[:3] = 0
        name = f"{'siteB' if planted == 'file_name' and ill else 'siteA'}_SECRET{codes[i]:04}.png"
        note = PngInfo()
        note.add_text("software", "x" * (500 if planted == "file_format" and ill else 1))
        Image.fromarray(image).save(folder / name, pnginfo=note)
        rows.append(f"c{i},p{i % patients},{name},{label}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    made = read_manifest(folder / "manifest.csv", positive="ill")
    return made, prepare_store(made, size_px=32, pad="none", cache=folder / "cache")


@pytest.mark.parametrize("mark", NAMES)
def test_a_planted_mark_is_found_under_its_name(tmp_path, mark):
    table = shortcuts(*cohort(tmp_path, mark), seed=1).set_index("mark")
    assert table.loc[mark, "estimate"] > 0.95
    (warned,) = warnings_of(table.reset_index(), file="manifest.csv")
    named = {k for k, words in NAMES.items() if f"{words} (AUROC" in warned.rule}
    assert mark in named
    assert named <= {mark, *({"file_format"} if mark in ("geometry", "border") else ())}  # both change the bytes
    assert warned.severity == "warning"
    assert "SECRET" not in str(warned)


def test_no_files_are_listed_but_those_of_the_cases_that_are_looked_at(tmp_path, monkeypatch):
    """500,000 cases listed anew for each of 4,000 were an hour."""
    made, store = cohort(tmp_path)
    listed, whole = [], Cohort.image_paths.fget
    monkeypatch.setattr(Cohort, "image_paths", property(lambda c: listed.append(1) or whole(c)))
    shortcuts(made, store, seed=1)
    assert not listed


def test_where_nothing_is_planted_nothing_is_found(tmp_path):
    table = shortcuts(*cohort(tmp_path), seed=1)
    assert list(table.columns) == SHORTCUTS.header
    assert table["mark"].tolist() == list(NAMES)
    assert warnings_of(table) == []
    constant = table.set_index("mark").loc["geometry"]
    assert constant["status"] == "not_estimable"
    assert "tells nothing" in constant["warning"]
    known = table[table["status"] == "ok"]
    assert ((known["conf.low"] <= known["estimate"]) & (known["estimate"] <= known["conf.high"])).all()
    assert ((known["conf.low"] < 0.5) & (known["conf.high"] > 0.4)).all()


def test_it_repeats_and_the_seed_counts(tmp_path):
    made = cohort(tmp_path)
    one, again, other = (shortcuts(*made, seed=s) for s in (1, 1, 2))
    assert one.equals(again)
    assert not one["estimate"].equals(other["estimate"])


def test_patients_are_left_out_whole_and_the_limits_know_it(tmp_path):
    table = shortcuts(*cohort(tmp_path, patients=40), seed=1)
    assert set(table["method"]) == {"delong_cluster"}


def test_a_large_cohort_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_CASES", 80)
    table = shortcuts(*cohort(tmp_path, "file_name"), seed=1).set_index("mark")
    assert set(table["n"]) == {80}
    assert table.loc["file_name", "estimate"] > 0.9


def test_too_few_cases_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 61)
    table = shortcuts(*cohort(tmp_path, "file_name"), seed=1).set_index("mark")
    assert table.loc["file_name", "status"] == "not_estimable"
    assert "fewer than 61 cases" in table.loc["file_name", "warning"]
    assert warnings_of(table.reset_index()) == []


def test_one_patient_of_a_class_makes_no_folds(tmp_path):
    made, store = cohort(tmp_path)
    frame = made.frame.assign(patient_id=made.frame["label"])
    from dataclasses import replace

    table = shortcuts(replace(made, frame=frame), store, seed=1).set_index("mark")
    assert table.loc["file_name", "status"] == "not_estimable"
    assert "two patients" in table.loc["file_name", "warning"]


@pytest.mark.slow
def test_the_probe_seldom_warns_of_nothing_and_mostly_of_a_strong_mark():
    """A few seconds of `experiments/simulations/shortcut_probe.py`; the figures stand in docs/images.md."""
    script = Path(__file__).parents[2] / "experiments/simulations/shortcut_probe.py"
    simulate = runpy.run_path(str(script))["simulate"]
    null = [hit for _, hit, _ in simulate(30, (120,), (0.5,), ("file_format", "row"), 1)]
    strong = [hit for _, hit, _ in simulate(6, (331,), (0.8,), ("file_format", "file_name"), 1)]
    assert sum(null) <= 3  # P(more) below 1e-3 at a rate of 1 %
    assert sum(strong) >= 10
