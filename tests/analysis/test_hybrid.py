"""Deep against hybrid: the matrix agrees with comparisons.csv, holes are said, and 60 models take little time."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis import hybrid
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys
from hybridcx.analysis.slices import Slice
from hybridcx.records.model_names import HEADS
from hybridcx.report.content import Content
from hybridcx.report.formats.html import render
from hybridcx.report.page import assemble

NETWORKS = ("vgg16", "vgg19")
REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "factorial"


def named(networks=NETWORKS, heads=("logistic", "lda", "knn"), initial="pretrained"):
    return tuple(m for n in networks for m in (n, *(f"{n}+{h}" for h in heads), *(f"{n}:{initial}+{h}" for h in heads)))


@pytest.fixture(scope="module")
def made(draw, analysed):
    """Two networks with three heads on two feature sets; one softmax with each fine-tuned head planned for one network."""
    pairs = (("vgg16+lda", "vgg16"), ("vgg19:pretrained+knn", "vgg19"), ("vgg16", "vgg19"))
    return analysed(draw(named()), pairs=pairs, locked=True, margin=0.05)


def cell(table, metric, **keys):
    rows = table[table["metric"] == metric]
    for name, value in keys.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_cell_is_the_pairs_interval_and_test_of_comparisons(made):
    compared = made["comparisons"]
    for model, network in (("vgg16+lda", "vgg16"), ("vgg19:pretrained+knn", "vgg19")):
        own = compared[(compared["model"] == model) & (compared["comparator"] == network)]
        for metric, method, test in (
            ("accuracy", "tango", "mcnemar_midp"),
            ("auroc", "delong_paired", "delong_paired"),
        ):
            found = cell(made["hybrid_matrix"], metric, model=model)
            interval = cell(own, metric, method=method)
            for column in ("estimate", "conf.low", "conf.high"):
                assert found[column] == pytest.approx(interval[column], abs=1e-12)
            assert found["p.value"] == pytest.approx(cell(own, metric, method=test)["p.value"])
            assert (found["method"], found["p.method"], found["comparator"]) == (method, test, network)
            assert found["model.estimate"] - found["comparator.estimate"] == pytest.approx(found["estimate"])


def test_only_the_planned_cells_of_the_primary_metric_are_confirmatory(made):
    matrix = made["hybrid_matrix"]
    named_so = matrix[matrix["role"] == "confirmatory"]
    assert set(zip(named_so["metric"], named_so["model"], strict=True)) == {
        ("accuracy", "vgg16+lda"), ("accuracy", "vgg19:pretrained+knn"),
    }  # fmt: skip
    assert set(made["main_effects"]["role"]) == {"exploratory"}


def test_effects_are_the_means_of_the_metrics_that_stand_in_the_file(made):
    values = made["metrics"].query("metric == 'auroc' and method == 'delong'").set_index("model")["estimate"]
    heads = [m for m in values.index if "+" in m]
    effects = made["main_effects"]
    network = cell(effects, "auroc", factor="network", level="vgg19")
    assert network["estimate"] == pytest.approx(
        values[[m for m in heads if m.startswith("vgg19")]].mean() - values[heads].mean()
    )
    tuned = cell(effects, "auroc", factor="fine_tuning")
    pretrained = [m for m in heads if ":pretrained" in m]
    assert tuned["estimate"] == pytest.approx(
        values[[m for m in heads if ":" not in m]].mean() - values[pretrained].mean()
    )
    assert (tuned["level"], tuned["reference"], tuned["n.models"]) == ("fine_tuned", "pretrained", 12)
    every = cell(effects, "auroc", factor="head_minus_softmax", level="all heads", features="pretrained")
    assert every["estimate"] == pytest.approx(values[pretrained].mean() - values[list(NETWORKS)].mean())
    mirrored = effects[(effects["factor"] == "network") & (effects["metric"] == "auroc")]
    assert mirrored["adj.p.value"].tolist() == pytest.approx(mirrored["p.value"].tolist())


def test_holes_are_said_and_the_rest_is_balanced(draw, analysed):
    models = [m for m in named() if m not in ("vgg19:pretrained+knn", "vgg19")]
    found = analysed(draw(models), reference="vgg16")
    absent = cell(found["hybrid_matrix"], "accuracy", network="vgg19", head="knn", features="pretrained")
    assert (absent["status"], absent["warning"]) == ("not_estimable", hybrid.NO_MODEL)
    assert np.isnan(absent["estimate"])
    alone = cell(found["hybrid_matrix"], "accuracy", network="vgg19", head="lda", features="fine_tuned")
    assert (alone["status"], alone["warning"], alone["model"]) == ("not_estimable", hybrid.NO_SOFTMAX, "vgg19+lda")
    effects = found["main_effects"]
    knn = cell(effects, "accuracy", factor="head", level="knn")
    assert knn["status"] == "not_estimable"
    assert "no knn on pretrained features of vgg19" in knn["warning"]
    assert cell(effects, "accuracy", factor="fine_tuning")["n.models"] == 8


def test_what_a_lone_network_or_feature_set_cannot_show_is_said(draw, analysed):
    found = analysed(draw(("vgg16", "vgg16:untrained+lda", "vgg16:untrained+knn")))["main_effects"]
    assert cell(found, "accuracy", factor="network")["warning"] == hybrid.ALONE
    assert "fine_tuning" not in set(found["factor"])
    assert cell(found, "auroc", factor="head", level="lda")["status"] in ("ok", "caution")


def test_without_heads_the_tables_are_empty_and_the_page_has_no_section(full):
    assert full["hybrid_matrix"].empty
    assert full["main_effects"].empty
    page = render(assemble(Content("t", "compare", "q", full)))
    assert "Deep against hybrid" not in page


def test_seeds_are_in_the_interval_and_said(draw, analysed):
    frames = [
        draw(("vgg16", "vgg16+lda", "vgg16+knn", "vgg19", "vgg19+lda", "vgg19+knn")).assign(seed=s) for s in (1, 2)
    ]
    for frame, shift in zip(frames, (0.0, 0.03), strict=True):
        frame["score"] = (frame["score"] + shift * (frame["model"].str.len() % 3)).clip(0, 1)
        frame["y_pred"] = np.where(frame["score"] >= 0.5, "abnormal", "normal")
    found = analysed(pd.concat(frames, ignore_index=True))
    assert set(found["main_effects"]["method"].dropna()) == {"bootstrap_hierarchical"}
    assert (found["main_effects"].dropna(subset="method")["status"] == "caution").all()
    assert set(found["hybrid_matrix"]["method"].dropna()) == {"obuchowski_rockette"}
    assert set(found["hybrid_matrix"].dropna(subset="method")["status"]) == {"caution"}


def test_main_effects_that_rest_on_few_seeds_say_by_how_much_their_limits_are_too_narrow(draw, analysed):
    names = ("vgg16", "vgg16+lda", "vgg16+knn", "vgg19", "vgg19+lda", "vgg19+knn")
    frames = [draw(names).assign(seed=s) for s in (1, 2)]
    worse = frames[1]["model"].str.endswith("+knn")  # in one seed of two knn is a coin for half of the cases
    frames[1]["score"] = np.where(worse & (np.arange(len(worse)) % 2 == 0), 0.2, frames[1]["score"])
    for frame in frames:
        frame["y_pred"] = np.where(frame["score"] >= 0.5, "abnormal", "normal")
    found = analysed(pd.concat(frames, ignore_index=True))["main_effects"]
    narrow = found["warning"].str.contains("of the variance is that of 2 seeds", na=False)
    assert narrow[found["level"] == "knn"].any()
    assert not narrow[(found["factor"] == "network") & (found["metric"] == "accuracy")].any()


def test_the_order_of_models_changes_nothing(draw, analysed):
    models = named()
    one, other = analysed(draw(models), reference="vgg16"), analysed(draw(models[::-1]), reference="vgg16")
    keys = ["metric", "factor", "level", "reference", "features"]
    a, b = (t["main_effects"].sort_values(keys, ignore_index=True) for t in (one, other))
    assert np.allclose(a["estimate"], b["estimate"], atol=1e-12)
    assert np.allclose(a["conf.low"], b["conf.low"], atol=1e-12)


def test_the_page_shows_matrix_effects_and_what_they_are_conditional_on(made):
    page = render(assemble(Content("t", "compare", "q", made)))
    section = page[page.index('<section id="hybrid"') :]
    section = section[: section.index("</section>")]
    for text in (
        "uncertainty is that of the test cases alone",
        "hybrid_matrix.csv",
        "main_effects.csv",
        "marked C",
        "vgg16+lda",
        "grand mean",
    ):
        assert text in section


def test_sixty_models_take_under_two_seconds():
    rng = np.random.default_rng(0)
    models = named(("vgg16", "vgg19", "resnet101", "densenet201"), HEADS)
    assert len(models) == 60
    y = rng.random(49) < 0.45
    score = 1 / (1 + np.exp(-(1.2 * (2 * y - 1) + rng.normal(size=(60, 49)))))
    part = Slice(models, y, score >= 0.5, score, None, Keys())
    joint = part.replicates(2000, 100, 0, stratified=False, threshold=0.5)
    began = time.perf_counter()
    tables = hybrid.hybrid_tables(part, Plan(), joint)
    assert time.perf_counter() - began < 2
    assert len(tables["hybrid_matrix"]) == 2 * 4 * 7 * 2
    assert (tables["main_effects"]["status"] != "not_estimable").all()


@pytest.fixture(scope="module")
def reference():
    """Predictions and R's effects on its own draws (tests/reference/factorial/make_factorial.R)."""
    return pd.read_csv(REFERENCE / "predictions.csv"), pd.read_csv(REFERENCE / "factorial_expected.csv")


def test_main_effects_are_those_of_r(reference):
    data, expected = reference
    models = tuple(data.columns[2:])
    score = data[list(models)].to_numpy().T
    part = Slice(models, data["y_true"].to_numpy() == 1, score >= 0.5, score, None, Keys())
    joint = part.replicates(4000, 100, 0, stratified=False, threshold=0.5)
    found = hybrid.hybrid_tables(part, Plan(n_resamples=4000), joint)["main_effects"]
    for row in expected.to_dict("records"):
        keys = {k: row[k] for k in ("factor", "level")} | (
            {} if pd.isna(row["features"]) else {"features": row["features"]}
        )
        ours = cell(found, row["metric"], **keys)
        assert ours["estimate"] == pytest.approx(row["estimate"], abs=1e-9)
        # a standard deviation of 4000 draws has a relative error of 1 / sqrt(8000), on both sides
        assert ours["std.error"] == pytest.approx(row["std.error"], rel=4 * np.sqrt(2 / 8000))
        step = 1 / 120 if row["metric"] == "accuracy" else 0.0  # one case of one of two networks
        for side in ("low", "high"):
            error = np.hypot(row[f"mc.{side}"], ours[f"mc.error.{side}"])
            assert abs(ours[f"conf.{side}"] - row[f"conf.{side}"]) <= 4 * error + step, (row, side)
    assert len(expected) == len(found)


@pytest.mark.r
def test_rs_script_makes_the_stored_effects(reference, tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    subprocess.run(
        [rscript, str(REFERENCE / "make_factorial.R"), str(tmp_path)], check=True, capture_output=True, timeout=300
    )
    fresh = pd.read_csv(tmp_path / "factorial_expected.csv")
    pd.testing.assert_frame_equal(fresh, reference[1], check_exact=False, rtol=1e-6, atol=1e-9)
