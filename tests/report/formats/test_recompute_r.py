"""`recompute.R`, the program beside every report, run by R itself: it agrees with what Python wrote, and finds a number that was changed."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.report.formats.r_program import _literal, program
from hybridcx.streams import rng_for

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "data" / "breastmnist_resnet18_224_predictions.csv"
LABELS = np.array(["normal", "abnormal"], dtype=object)


def rscript(folder: Path, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = shutil.which("Rscript")
    assert command, "Rscript is not installed"
    return subprocess.run(
        [command, "--vanilla", str(folder / "recompute.R")], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip


def passes(folder: Path, **more: object) -> tuple[dict[str, int], dict[str, int]]:
    """The counts of what agreed and of what was not recomputed, by file and method."""
    done = rscript(folder, **more)  # type: ignore[arg-type]
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-4000:] + done.stderr
    passed = {key: int(n) for n, key in re.findall(r"^PASS  (\d+) numbers  (.+)$", done.stdout, re.M)}
    left = {key: int(n) for n, key in re.findall(r"^NOT RECOMPUTED  (\d+) numbers  (.+)$", done.stdout, re.M)}
    assert passed
    return passed, left


def simulated(n: int = 80, seeds: tuple[int | None, ...] = (None,)) -> pd.DataFrame:
    """Four models: one with ties, its twin with the same calls (b = c = 0), one that separates the classes, one that is worse than chance."""
    rows = []
    for seed in seeds:
        rng = rng_for(11, "r", str(seed))
        truth = rng_for(11, "truth").integers(0, 2, n)
        ties = np.round(np.clip(0.5 + 0.25 * (2 * truth - 1) + rng.normal(0, 0.25, n), 0, 1), 1)
        scores = {
            "ties": ties,
            'twin, "quoted"': np.where(ties >= 0.5, 0.5 + ties / 2, ties / 2),
            "perfect": (truth + rng.random(n) * 0.9) / 2,
            "Übel": np.clip(0.5 - 0.1 * (2 * truth - 1) + rng.normal(0, 0.2, n), 0.01, 0.99),
        }
        for model, score in scores.items():
            part = pd.DataFrame(
                {"case_id": [f"c{i:03d}" for i in range(n)], "y_true": LABELS[truth], "model": model, "score": score}
            )
            rows.append(part if seed is None else part.assign(seed=seed))
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(site=np.where(frame["case_id"].str[-1].isin(list("0123")), "north", "south, east"))


ANALYTIC = [
    *(f"metrics.csv {m}" for m in ("wilson", "clopper_pearson", "agresti_coull", "jeffreys", "delong", "delong_logit", "newcombe_auc", "log",
                                   "wald", "wald of a mean loss", "mover_wilson", "mercaldo_logit")),
    *(f"comparisons.csv {m}" for m in ("mcnemar_exact", "mcnemar_midp", "mcnemar_asymptotic", "mcnemar_corrected", "newcombe_paired", "tango",
                                       "agresti_min", "generalized_score", "weighted_generalized_score", "lr_regression", "delong_paired")),
    *(f"multiplicity.csv {m}" for m in ("none", "holm", "hochberg", "BH")),
    "omnibus.csv cochran_q", "omnibus.csv delong_chisq", "confusion.csv", "disagreements.csv", "calibration.csv", "roc.csv", "decision_curve.csv",
    "decision_curve_differences.csv", "error_overlap.csv", "brier_decomposition.csv", "calibration_line.csv",
    "comparisons.csv adj.p.value (Holm)",
]  # fmt: skip


def test_settings_are_written_as_r_reads_them():
    assert _literal('a"b\\c é') == '"a\\"b\\\\c \\U000000E9"'
    assert [_literal(v) for v in (None, True, 0.95)] == ["NA_character_", "TRUE", "0.95"]
    text = program({"positive": "maligne é", "confidence_level": 0.9})
    assert text.isascii()
    assert 'settings <- list(positive = "maligne \\U000000E9", conf.level = 0.9, stratified = FALSE' in text


@pytest.mark.r
@pytest.mark.shared
def test_a_report_on_published_predictions(tmp_path):
    if not REAL.exists():
        pytest.skip("../shared/data is not here")
    hybridcx.compare(REAL, out=tmp_path / "out", n_bootstrap=500)
    passed, _ = passes(tmp_path / "out")
    assert passed["metrics.csv delong"] == 4 + 1
    assert passed["roc.csv"] == 2 * len(pd.read_csv(tmp_path / "out" / "roc.csv"))


@pytest.mark.r
def test_four_models_with_ties_a_perfect_one_and_twins(tmp_path):
    frame = simulated()
    hybridcx.compare(
        frame,
        out=tmp_path / "o ut",
        n_bootstrap=200,
        margin=0.1,
        prevalences=(0.05, 0.5),
        by=("site",),
        confidence_level=0.9,
    )
    passed, left = passes(tmp_path / "o ut", cwd=tmp_path)
    missing = [
        key
        for key in [*ANALYTIC, "verdicts.csv", "comparisons.csv tost", "comparisons.csv non_inferiority"]
        if not passed.get(key)
    ]
    assert not missing
    # The bootstrap-t of a mean loss is not drawn again: estimate and standard error alone.
    assert not [key for key in left if key in ANALYTIC and key != "metrics.csv wald of a mean loss"]
    compared = pd.read_csv(tmp_path / "o ut" / "comparisons.csv")
    assert ((compared["b"] == 0) & (compared["c"] == 0)).any()
    assert (pd.read_csv(tmp_path / "o ut" / "metrics.csv").query("metric == 'auroc'")["estimate"] == 1).any()


@pytest.mark.r
def test_a_thinned_curve(tmp_path):
    hybridcx.compare(simulated(n=2500), out=tmp_path / "out", n_bootstrap=100)
    points = pd.read_csv(tmp_path / "out" / "roc.csv").groupby("model").size()
    assert points["perfect"] == 3  # 2,500 thresholds in two straight steps
    assert 400 < points.max() <= 2000
    assert passes(tmp_path / "out")[0]["roc.csv"] == 2 * points.sum()


@pytest.mark.r
def test_patients_seeds_readers_and_ranks(tmp_path):
    frame = simulated()
    truth = frame.drop_duplicates("case_id").reset_index(drop=True)
    readers = pd.DataFrame(
        {"case_id": truth["case_id"], "reader_x": truth["y_true"], "reader_y": LABELS[np.arange(len(truth)) % 2]}
    )
    readers.loc[3, "reader_x"] = None
    patients = frame.assign(patient_id="p" + (frame["case_id"].str[1:].astype(int) // 3).astype(str))
    hybridcx.compare(
        patients, out=tmp_path / "patients", readers=readers, readers_made_truth="no", n_bootstrap=200, margin=0.1
    )
    passed, left = passes(tmp_path / "patients")
    for key in (
        "metrics.csv delong_logit",
        "comparisons.csv mcnemar_cluster",
        "comparisons.csv delong_cluster",
        "reader_performance.csv",
    ):
        assert passed[key] > 0
        assert key not in left
    hybridcx.compare(simulated(seeds=(1, 2)), out=tmp_path / "seeds", n_bootstrap=200)
    passed, left = passes(tmp_path / "seeds")
    assert passed["comparisons.csv tango"] > 0  # each seed's own
    assert left["metrics.csv bootstrap_hierarchical"] > 0
    hybridcx.compare(frame.assign(score=3 * frame["score"]), out=tmp_path / "ranks", score_kind="rank", n_bootstrap=200)
    assert passes(tmp_path / "ranks")[0]["metrics.csv delong"] > 0


@pytest.mark.r
def test_no_verdict_rests_on_folds_in_r_either(tmp_path):
    frame = simulated()
    frame["fold"] = frame["case_id"].str[1:].astype(int) % 4
    folder = hybridcx.compare(frame, out=tmp_path / "r", n_bootstrap=200, margin=0.05).folder
    passed, _ = passes(folder)
    assert passed["verdicts.csv"] > 50
    verdicts = pd.read_csv(folder / "verdicts.csv", keep_default_na=False)
    assert set(verdicts["verdict"]) == {"inconclusive"}
    verdicts.assign(verdict="superior").to_csv(folder / "verdicts.csv", index=False)
    done = rscript(folder)
    assert done.returncode == 1
    assert "verdict: found superior, recomputed inconclusive" in done.stdout


@pytest.mark.r
@pytest.mark.parametrize("scale", ["measurement", "nominal", "ordinal", "either"])
def test_agreement(tmp_path, scale):
    rng = rng_for(12, scale)
    n = 420 if scale == "measurement" else 40  # so many that R's own noncentral t is off
    true = rng.integers(1, 5, n)
    frame = pd.DataFrame({"case_id": [f"c{i:02d}" for i in range(n)]})
    for name in ("reader_a_1", "reader_a_2", "reader_b_1", "reader_Dr, C_1"):
        noisy = np.clip(true + rng.integers(-1, 2, n), 1, 12)
        frame[name] = (
            noisy + rng.random(n).round(2)
            if scale == "measurement"
            else noisy
            if scale in ("ordinal", "either")
            else LABELS[(noisy > 2).astype(int)]
        )
    frame.loc[5, "reader_b_1"] = None
    frame.astype(object).to_csv(tmp_path / "r.csv", index=False)
    hybridcx.agreement(
        tmp_path / "r.csv",
        out=tmp_path / "out",
        scale=None if scale == "either" else scale,
        n_bootstrap=200,
        positive="abnormal" if scale == "nominal" else None,
    )
    passed, _ = passes(tmp_path / "out")
    metrics = set(pd.read_csv(tmp_path / "out" / "agreement.csv")["metric"])
    assert metrics == {key.split()[1] for key in passed}
    assert sum(passed.values()) > 30


@pytest.mark.r
@pytest.mark.parametrize(
    ("name", "where", "column", "said"),
    [
        ("metrics.csv", {"model": "ties", "method": "newcombe_auc"}, "conf.low", "metrics.csv newcombe_auc: model ties"),
        ("comparisons.csv", {"metric": "accuracy", "method": "tango"}, "conf.high", "comparisons.csv tango: metric accuracy"),
        ("comparisons.csv", {"metric": "auroc", "method": "delong_paired"}, "adj.p.value", "adj.p.value (Holm): metric auroc"),
        ("comparisons.csv", {"metric": "ppv", "method": "permutation_paired"}, "conf.high", "comparisons.csv permutation_paired: metric ppv"),
        ("comparisons.csv", {"metric": "brier", "method": "permutation_paired"}, "std.error", "comparisons.csv permutation_paired: metric brier"),
        ("metrics.csv", {"model": "ties", "metric": "f1", "method": "wilson"}, "conf.high", "metrics.csv wilson: model ties, metric f1"),
        ("metrics.csv", {"model": "ties", "metric": "lr_positive", "method": "mover_wilson"}, "conf.low", "metrics.csv mover_wilson: model ties"),
        ("metrics.csv", {"model": "ties", "metric": "net_benefit", "method": "mover_wilson"}, "conf.low", "model ties, metric net_benefit"),
        ("metrics.csv", {"model": "ties", "metric": "auprc", "method": "wald"}, "conf.low", "metrics.csv wald: model ties, metric auprc"),
        ("verdicts.csv", {"metric": "auroc"}, "verdict", "verdicts.csv: metric auroc"),
        ("verdicts.csv", {"metric": "accuracy"}, "conf.low.simultaneous", "verdicts.csv: metric accuracy"),
        ("verdicts.csv", {"metric": "mcc"}, "conf.high.simultaneous", "verdicts.csv: metric mcc"),
        ("verdicts.csv", {"metric": "f1"}, "p.superior", "verdicts.csv: metric f1"),
        ("metrics.csv", {"model": "ties", "metric": "accuracy", "method": "bootstrap_percentile"}, "conf.low", "bootstrap_percentile"),
    ],
)  # fmt: skip
def test_a_changed_number_is_a_named_difference(tmp_path, earlier_r, name, where, column, said):
    folder = Path(shutil.copytree(earlier_r, tmp_path / "copy"))
    with (folder / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    row = next(r for r in rows if all(r[k] == v for k, v in where.items()))
    row[column] = (
        "superior"
        if column == "verdict" and row[column] != "superior"
        else "inferior"
        if column == "verdict"
        else "0.123"
    )
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    done = rscript(folder)
    assert done.returncode == 1
    assert re.search(rf"^DIFFERENT  .*{re.escape(said)}.*: {re.escape(column)}: found", done.stdout, re.M), done.stdout[
        -2000:
    ]


@pytest.fixture(scope="module")
def earlier_r(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    hybridcx.compare(simulated(), out=folder / "out", n_bootstrap=200)
    return folder / "out"


@pytest.mark.system  # ten seconds
def test_names_that_read_as_missing_or_are_very_long_are_recomputed(tmp_path):
    frame = simulated(n=40).replace({"model": {"ties": "NA", "perfect": "m" * 10_000}, "y_true": {"abnormal": "NA"}})
    number = frame["case_id"].str[1:].astype(int)
    frame = frame.assign(
        **{"NA": np.where(number % 3 == 0, "NA", "l" * 10_000), "c" * 10_000: np.where(number % 2 == 0, "x", "NA")}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", positive="NA", by=("NA", "c" * 10_000), n_bootstrap=100)
    passed, _ = passes(tmp_path / "out")
    assert passed["metrics.csv wilson"] > 400  # a level NA is missing, and no row
    readings = pd.DataFrame(
        {"case_id": range(30), "reader_NA": ["a", "b", "c"] * 10, "reader_b": ["a", "a", "b", "b", "c"] * 6}
    )
    readings.to_csv(tmp_path / "r.csv", index=False)
    hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "ratings", scale="nominal", n_bootstrap=100)
    passes(tmp_path / "ratings")
