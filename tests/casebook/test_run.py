"""The casebook of a whole run on a small phantom: files, page, budget, no images, nothing made twice, nothing of patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from constructed import Constructed, constant_state
from safetensors.torch import save_file
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.cohort.manifest import read_manifest
from hybridcx.experiment.file import (
    AnalysisSection,
    Experiment,
    HeadsSection,
    ImagesSection,
    NetworksSection,
    TrainSection,
)
from hybridcx.images.decode import decode
from hybridcx.images.prepare import place
from hybridcx.images.store import prepare_store
from hybridcx.pipeline.casebook import make
from hybridcx.pipeline.casebook.lesions import read_lesions

MAX_WITH, MAX_WITHOUT = 15e6, 2e6
SIZE = 48


def small(**changes: object) -> Experiment:
    """Of networks that bring their weights and learn at a rate that changes none: their calls are known."""
    own = {
        "images": ImagesSection(size_px=SIZE),
        "networks": NetworksSection(names=["squeezenet1_1", "mobilenet_v2"], weights="folder", weights_dir="weights"),
        "train": TrainSection(epochs=1, learning_rate=1e-30, validate_every=9),
        "heads": HeadsSection(names=["logistic"], folds=3),
    }
    return small_experiment(**{**own, **changes})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "cohort")


@pytest.fixture(scope="module")
def abnormal(cohort: Path) -> pd.Series:
    """Writes the weights; case -> whether SqueezeNet calls it abnormal.

    It calls the half of the images with the fewest dark pixels abnormal, and MobileNet calls none so: where both differ is known.
    """
    store = prepare_store(read_manifest(cohort / "phantom/manifest.csv"), size_px=SIZE, cache=cohort / "images")
    network = Constructed(threshold=0.0, dark_threshold=0.45, weight=90.0, dark_weight=120.0)
    odds = network.log_odds(np.asarray(store.images))
    middle = np.sort(odds)[len(odds) // 4 : -len(odds) // 4]
    widest = np.diff(middle).argmax()
    network = replace(network, bias=-middle[widest : widest + 2].mean())
    assert np.abs(odds + network.bias).min() > 0.01
    (cohort / "weights").mkdir()
    save_file(network.state(), cohort / "weights/squeezenet1_1.safetensors")
    save_file(constant_state(positive=False), cohort / "weights/mobilenet_v2.safetensors")
    return pd.Series(odds + network.bias > 0, index=store.case_ids)


@pytest.fixture(scope="module")
def finished(cohort: Path, abnormal: pd.Series, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("run")
    hybridcx.run(small(), base=cohort, out=folder / "report", cache=folder / "cache")
    return folder / "report", folder / "cache"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "provenance.json" and ".hybridcx" not in p.parts
    }


def test_every_discordant_case_of_the_plan_is_shown_with_all_that_is_known(finished, abnormal):
    folder, _ = finished
    book, cells = pd.read_csv(folder / "casebook.csv"), pd.read_csv(folder / "case_cells.csv")
    accuracy = pd.read_csv(folder / "comparisons.csv").query("metric == 'accuracy' and method == 'mcnemar_exact'")
    accuracy = accuracy[accuracy["label.rule"].isna() & accuracy["subgroup"].isna()]
    for row in accuracy.to_dict("records"):
        part = cells[(cells["model"] == row["model"]) & (cells["comparator"] == row["comparator"])]["cell"]
        assert ((part == "only_model").sum(), (part == "only_comparator").sum()) == (row["b"], row["c"])
    discordant = set(cells.loc[cells["cell"].isin(["only_model", "only_comparator"]), "case_id"])
    shown = set(book.loc[book["number"].notna(), "case_id"])
    assert discordant <= shown
    pair = cells[(cells["model"] == "squeezenet1_1") & (cells["comparator"] == "mobilenet_v2")].set_index("case_id")
    differ = pair["cell"].isin(["only_model", "only_comparator"])
    pd.testing.assert_series_equal(differ, abnormal[pair.index], check_names=False)
    assert 2 < differ.sum() < len(differ)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<article") == len(shown)
    number = book.drop_duplicates("case_id").set_index("case_id")["number"]
    networks = ("squeezenet1_1", "mobilenet_v2")
    for case in shown:
        assert f"Case {case}:" in page
        assert (folder / make.FOLDER / f"{int(number[case]):03d}.jpg").is_file()
    for n in range(1, len(shown) + 1):
        for network in networks:
            for method in ("grad_cam", "occlusion"):
                assert (folder / make.FOLDER / f"{n:03d}-{network}-{method}.png").is_file()
    near = pd.read_csv(folder / "neighbours.csv")
    assert set(near["case_id"]) == shown
    assert set(near["features"]) == {"fine_tuned"}
    split = pd.read_csv(folder / "split.csv").set_index("case_id")["split"]
    assert set(split[near["neighbour"]]) == {"train"}
    pointing = pd.read_csv(folder / "pointing.csv")
    assert set(pointing["network"]) == set(networks)
    assert (pointing["n"] > 0).all()
    assert pointing["n"].max() > 3
    assert pointing["chance"].dropna().between(0, 1).all()
    assert book["readings"].str.contains(": abnormal|: normal").all()


def test_names_of_files_are_numbers_and_nothing_tells_a_patient(finished, cohort):
    folder, _ = finished
    manifest = pd.read_csv(cohort / "phantom/manifest.csv", keep_default_na=False)
    names = [p.name for p in (folder / make.FOLDER).iterdir()]
    assert names
    assert not [n for n in names for c in manifest["case_id"] if c in n]
    for name in ("casebook", "case_cells", "neighbours", "saliency", "lesions"):
        text = (folder / f"{name}.csv").read_text(encoding="utf-8")
        assert not [p for p in manifest["patient_id"] if f"{p}," in text]


def test_the_page_keeps_to_its_budget_and_repeats_without_making_anything_again(
    finished, cohort, tmp_path, monkeypatch
):
    folder, cache = finished
    assert (folder / "report.html").stat().st_size < MAX_WITH

    def never(*_args, **_kwargs):
        raise AssertionError("saliency was computed again")

    monkeypatch.setattr(make, "saliency", never)
    monkeypatch.setattr(make.pictures, "thumbnail", never)
    hybridcx.run(small(), base=cohort, out=tmp_path / "again", cache=cache)
    assert contents(tmp_path / "again") == contents(folder)


def test_without_images_the_numbers_stay_and_no_picture_is_there(finished, cohort, tmp_path):
    folder, cache = finished
    hybridcx.run(small(), base=cohort, out=tmp_path / "bare", cache=cache, images=False)
    page = (tmp_path / "bare" / "report.html").read_text(encoding="utf-8")
    assert "data:image" not in page
    assert page.count("<article") == (folder / "report.html").read_text(encoding="utf-8").count("<article")
    assert len(page) < MAX_WITHOUT
    assert not (tmp_path / "bare" / make.FOLDER).exists()
    ours, theirs = contents(tmp_path / "bare"), contents(folder)
    assert {n: t for n, t in ours.items() if n.endswith(".csv")} == {
        n: t for n, t in theirs.items() if n.endswith(".csv")
    }


def test_a_lesion_lies_where_the_prepared_film_shows_it(finished, cohort):
    folder, _ = finished
    placed = pd.read_csv(folder / "lesions.csv")
    raw, problems = read_lesions(cohort / "phantom/lesions.csv")
    assert problems == ()
    manifest = pd.read_csv(cohort / "phantom/manifest.csv", keep_default_na=False).set_index("case_id")
    for row in placed.head(5).itertuples():
        found = raw[(raw["case_id"] == row.case_id) & (raw["kind"] == row.kind) & (raw["level"] == row.level)].iloc[0]
        height, width = decode(cohort / "phantom" / manifest.loc[row.case_id, "image"]).pixels.shape[:2]
        crop = tuple(int(manifest.loc[row.case_id, f"crop_{e}"]) for e in ("left", "top", "right", "bottom"))
        region = (found["left"], found["top"], found["right"], found["bottom"])
        assert (row.left, row.top, row.right, row.bottom) == pytest.approx(
            place(region, width, height, crop, size_px=SIZE)
        )


def test_a_file_of_lesions_that_cannot_be_used_is_said_and_left_out(tmp_path):
    for text, words in (
        ("case_id,kind\na,b\n", "no column left"),
        ("case_id,kind,left,top,right,bottom\na,b,5,1,2,3\n", "four numbers"),
    ):
        (tmp_path / "lesions.csv").write_text(text, encoding="utf-8")
        found, problems = read_lesions(tmp_path / "lesions.csv")
        assert found.empty
        assert words in str(problems[0])


def test_networks_that_are_not_fine_tuned_have_neighbours_and_probabilities_alone(cohort, tmp_path):
    frozen = small(
        networks=NetworksSection(names=["squeezenet1_1"], weights="none"),
        train=TrainSection(enabled=False),
        heads=HeadsSection(names=["logistic", "lda"], features=["pretrained"], folds=3),
        analysis=AnalysisSection(
            n_bootstrap=100, comparisons=[("squeezenet1_1:untrained+logistic", "squeezenet1_1:untrained+lda")]
        ),
    )
    report = hybridcx.run(frozen, base=cohort, out=tmp_path / "frozen", cache=tmp_path / "cache")
    assert report.tables["saliency"].empty
    assert report.tables["pointing"].empty
    assert (
        (tmp_path / "frozen" / "pointing.csv")
        .read_text(encoding="utf-8")
        .startswith("network,method,lesion,subset,estimate")
    )
    if len(report.tables["neighbours"]):
        assert set(report.tables["neighbours"]["features"]) == {"untrained"}
