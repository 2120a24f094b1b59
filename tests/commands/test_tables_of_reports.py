"""Whole reports compared with the contract: files, columns in their order, vocabulary, keys, cells. The tables below are copied from the contract by
hand, on purpose: reading them from the code would compare the code with itself."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.streams import rng_for
from hybridcx.vocabulary.tables import TABLES

COMPARE = {
    "metrics.csv": "model, metric, method, estimate, conf.low, conf.high, conf.level, numerator, denominator, n, n.resamples, "
    "n.resamples.failed, status, warning, std.error, n.clusters, subgroup, level, seed, label.rule, threshold, prevalence, role, "
    "recommended",
    "comparisons.csv": "metric, model, comparator, method, estimate, conf.low, conf.high, conf.level, statistic, parameter, p.value, "
    "adj.p.value, p.adjust.method, n, b, c, status, warning, std.error, n.clusters, n.resamples, n.resamples.failed, subgroup, level, "
    "seed, label.rule, threshold, prevalence, margin, role, recommended",
    "verdicts.csv": "metric, model, comparator, estimate, conf.low, conf.high, margin, verdict, within.margin, smallest.margin, "
    "p.superior, p.noninferior, p.equivalent, detectable.difference, role, "
    "method, status, warning, conf.low.simultaneous, conf.high.simultaneous",
    "multiplicity.csv": "metric, model, comparator, method, p.value, p.adjust.method, adj.p.value, conf.low, conf.high",
    "omnibus.csv": "metric, method, statistic, parameter, p.value, n, k, status, warning",
    "confusion.csv": "model, positive, tp, fn, fp, tn",
    "disagreements.csv": "case_id, y_true, n.models.wrong",
    "calibration.csv": "model, bin, score.mean, fraction, conf.low, conf.high, n",
    "roc.csv": "model, threshold, sensitivity, specificity",
    "decision_curve.csv": "model, threshold, net_benefit, conf.low, conf.high",
}
AGREEMENT = {
    "agreement.csv": "metric, method, estimate, conf.low, conf.high, conf.level, statistic, parameter1, parameter2, p.value, n, k, "
    "status, warning, scope, readers, occasion, subset",
}


FURTHER = {
    "audit_matrices.csv": "model, reading, n.solutions, tp, fn, fp, tn",
    "audit_comparisons.csv": "model, comparator, p.value.min, p.value.max, metric, method",
    "plan.csv": "question, metric, size, value",
    "data_dictionary.csv": "file, column, description, values",
}


def test_the_vocabulary_has_the_columns_of_the_contract():
    for file, columns in (COMPARE | AGREEMENT | FURTHER).items():
        assert ", ".join(TABLES[file.removesuffix(".csv")].columns) == columns, file


def words(text):
    return set(text.split())


METRICS = words(
    "accuracy sensitivity specificity ppv npv f1 balanced_accuracy mcc youden_j lr_positive lr_negative diagnostic_odds_ratio auroc "
    "auprc brier log_loss calibration_slope calibration_intercept ece net_benefit"
)
INTERVALS = words(
    "wilson clopper_pearson agresti_coull jeffreys delong delong_logit log wald mercaldo_logit newcombe_auc mover_wilson "
    "bootstrap_percentile bootstrap_basic bootstrap_bca bootstrap_hierarchical delong_cluster"
)
COMPARISONS = words(
    "mcnemar_exact mcnemar_midp mcnemar_asymptotic mcnemar_corrected newcombe_paired tango agresti_min generalized_score "
    "weighted_generalized_score lr_regression delong_paired bootstrap_percentile bootstrap_bca permutation_paired tost non_inferiority "
    "mcnemar_cluster delong_cluster bootstrap_hierarchical nadeau_bengio obuchowski_rockette"
)
AGREEMENTS = words(
    "icc1 icc2 icc3 icc1k icc2k icc3k cohen_kappa fleiss_kappa gwet_ac1 gwet_ac2 krippendorff_alpha percent_agreement "
    "bland_altman_bias bland_altman_lower bland_altman_upper sem mdc95"
)
KEYS = (
    "model", "comparator", "metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence",
    "scope", "readers", "occasion", "subset",
)  # fmt: skip
KEYED = {"metrics.csv", "comparisons.csv", "omnibus.csv", "agreement.csv", "verdicts.csv"}
WORDS = {
    "status": {"ok", "not_estimable", "caution"},
    "verdict": {"superior", "inferior", "equivalent", "non_inferior", "inconclusive"},
    "role": {"confirmatory", "exploratory"},
    "p.adjust.method": {"none", "holm", "hochberg", "BH", "maxT"},
    "recommended": {"TRUE", "FALSE"},
    "within.margin": {"TRUE", "FALSE", "NA"},
    "scope": {"between", "within"},
}
TEXT = {
    *WORDS, *KEYS, "warning", "positive", "case_id", "y_true", "file", "column", "description", "values", "readers", "occasion",
} - {"threshold", "prevalence"}  # fmt: skip


def read(path):
    raw = path.read_bytes()
    raw.decode("utf-8")
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    with path.open(newline="", encoding="utf-8") as fh:
        header, *body = csv.reader(fh)
    return header, body


def predictions(n=60):
    """Two models that differ, one that is perfect, names that need quotes; a subgroup and missing nothing."""
    truth = rng_for(11, "truth").random(n) < 0.5
    frames = []
    for model, skill in (("vgg16", 1.5), ("lda, tuned", 0.6), ('the "best"', 50.0)):
        score = 1 / (1 + np.exp(-np.clip(skill * (2 * truth - 1) + rng_for(11, model).normal(size=n), -30, 30)))
        labels = np.array(["normal", "abnormal"], dtype=object)
        frames.append(
            pd.DataFrame(
                {
                    "case_id": [f"c{i}" for i in range(n)],
                    "y_true": labels[truth.astype(int)],
                    "model": model,
                    "score": score,
                    "site": np.where(np.arange(n) % 3 == 0, "Zürich", "Köln"),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "out"
    return hybridcx.compare(
        predictions(), out=folder, by=["site"], margin=0.1, prevalences=[0.1], n_bootstrap=100, seed=3
    )


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    frame = predictions(40)
    frame["patient_id"] = "Jones" + (frame["case_id"].str[1:].astype(int) // 2).astype(str)
    return hybridcx.compare(frame, out=tmp_path_factory.mktemp("clustered") / "out", n_bootstrap=100)


def over_seeds(seeds=(1, 2, 3)):
    """The same predictions from several trainings, each with some noise of its own."""
    frames = []
    for seed in seeds:
        frame = predictions(40)
        noise = rng_for(11, "seed", seed).normal(size=len(frame)) * 0.05
        frames.append(frame.assign(score=np.clip(frame["score"] + noise, 0, 1), seed=seed))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeded") / "out"
    return hybridcx.compare(over_seeds(), out=folder, by=["site"], margin=0.1, prevalences=[0.1], n_bootstrap=100)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    frame = over_seeds().assign(split="test")
    place = frame["case_id"].str[1:].astype(int) % 4
    frame.loc[place == frame["seed"], "split"] = "train"
    return hybridcx.compare(frame, out=tmp_path_factory.mktemp("held") / "out", margin=0.1, n_bootstrap=100)


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    frame = over_seeds()
    frame["fold"] = (frame["case_id"].str[1:].astype(int) + frame["seed"]) % 3
    return hybridcx.compare(frame, out=tmp_path_factory.mktemp("folded") / "out", n_bootstrap=100)


@pytest.fixture(scope="module")
def agreed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    drawn = rng_for(5, "ratings").normal(50, 10, 25)
    table = {"case_id": [f"c{i}" for i in range(25)]}
    for name in ("reader_a_1", "reader_a_2", "reader_b_1", "reader_b_2"):
        table[name] = np.round(drawn + rng_for(5, name).normal(0, 3, 25), 1)
    pd.DataFrame(table).to_csv(folder / "r.csv", index=False)
    return hybridcx.agreement(folder / "r.csv", out=folder / "out", n_bootstrap=100)


REPORTS = {
    "compared": COMPARE, "clustered": COMPARE, "seeded": COMPARE, "held_out": COMPARE, "folded": COMPARE, "agreed": AGREEMENT,
}  # fmt: skip


@pytest.fixture(params=REPORTS)
def report(request):
    return request.getfixturevalue(request.param), REPORTS[request.param]


def test_files_and_columns(report):
    made, contract = report
    for name in ("report.html", "data_dictionary.csv", "provenance.json"):
        assert (made.folder / name).is_file()
    for name, columns in contract.items():
        want = columns.split(", ")
        header, _ = read(made.folder / name)
        assert header[: len(want)] == want
    assert made.page == made.folder / "report.html"


def test_every_column_of_every_csv_is_in_the_dictionary(report):
    made, _ = report
    header, body = read(made.folder / "data_dictionary.csv")
    assert header == ["file", "column", "description", "values"]
    described = {(r[0], r[1]) for r in body}
    assert len(described) == len(body)
    assert all(r[2] not in ("", "NA") for r in body)
    for path in made.folder.glob("*.csv"):
        assert {(path.name, c) for c in read(path)[0]} <= described


def test_vocabulary_keys_and_statuses(report):
    made, contract = report
    metrics = {"agreement.csv": AGREEMENTS, "omnibus.csv": {"accuracy", "auroc"}}
    # NA in metrics.csv: an estimate to which no interval belongs (a mean over random splits)
    methods = {"metrics.csv": INTERVALS | {"NA"}, "comparisons.csv": COMPARISONS, "multiplicity.csv": COMPARISONS}
    methods["omnibus.csv"] = {"cochran_q", "delong_chisq"}
    for name in contract:
        header, body = read(made.folder / name)
        assert body, name
        seen = set()
        for fields in body:
            assert len(fields) == len(header)
            row = dict(zip(header, fields, strict=True))
            if "metric" in row:
                assert row["metric"] in metrics.get(name, METRICS)
            if "method" in row and name in methods:
                assert row["method"] in methods[name]
            for column, words in WORDS.items():
                if column in row and not (column == "role" and row[column] == "NA"):
                    assert row[column] in words, (name, column)
            if name in KEYED:
                key = tuple(row.get(k, "") for k in KEYS)
                assert key not in seen, key
                seen.add(key)
            if row.get("status") == "not_estimable":
                assert row.get("estimate", "NA") == "NA"
            if row.get("status") == "ok":
                assert row.get("estimate", "0") != "NA"
            if row.get("status") in ("caution", "not_estimable"):
                assert row["warning"] not in ("", "NA")


def test_cells_are_numbers_or_na(report):
    made, contract = report
    for name, columns in contract.items():
        header, body = read(made.folder / name)
        for fields in body:
            for column, text in zip(header, fields, strict=True):
                assert text != "", (name, column)
                if column in TEXT or name == "disagreements.csv" or column not in columns.split(", ") or text == "NA":
                    continue
                value = float(text)
                assert not math.isnan(value), (name, column)
                assert repr(value) == text or text in ("Inf", "-Inf") or repr(int(value)) == text, (name, column, text)
                if "p.value" in column or column.startswith(("p.s", "p.n")) or column == "p.equivalent":
                    assert 0 <= value <= 1


def test_limits_hold_the_estimate(report):
    made, _ = report
    tables = [made.tables[n] for n in ("metrics", "comparisons", "agreement") if n in made.tables]
    for table in tables:
        held = table[table[["estimate", "conf.low", "conf.high"]].notna().all(axis=1)]
        assert len(held)
        assert (held["conf.low"] <= held["conf.high"]).all()
        analytic = held[~held["method"].astype(str).str.startswith(("bootstrap", "agresti_min", "tost", "non_inf"))]
        assert (analytic["conf.low"] <= analytic["estimate"] + 1e-9).all()
        assert (analytic["estimate"] <= analytic["conf.high"] + 1e-9).all()


def test_the_files_hold_what_the_tables_say(report):
    """Full precision: a number reads back as the same double."""
    made, contract = report
    for name in contract:
        table = made.tables[name.removesuffix(".csv")]
        header, body = read(made.folder / name)
        assert len(body) == len(table)
        for column in set(header) & {"estimate", "conf.low", "p.value", "net_benefit", "sensitivity", "score.mean"}:
            found = [math.nan if r[header.index(column)] == "NA" else float(r[header.index(column)]) for r in body]
            np.testing.assert_array_equal(found, table[column].to_numpy(float))


def test_names_and_levels_come_back_as_they_were(compared):
    header, body = read(compared.folder / "metrics.csv")
    rows = [dict(zip(header, r, strict=True)) for r in body]
    assert {r["model"] for r in rows} == {"vgg16", "lda, tuned", 'the "best"'}
    assert {r["subgroup"] for r in rows} == {"NA", "site"}
    assert {r["level"] for r in rows if r["subgroup"] == "site"} == {"Zürich", "Köln"}
    header, _ = read(compared.folder / "disagreements.csv")
    assert header[3:] == ["lda, tuned", 'the "best"', "vgg16"]  # by name, whatever the order of rows


def test_patients_do_not_reach_the_report(clustered):
    for path in clustered.folder.rglob("*"):
        if path.is_file():
            assert b"Jones" not in path.read_bytes(), path.name
    header, body = read(clustered.folder / "predictions.csv")
    codes = {r[header.index("patient_id")] for r in body}
    assert len(codes) == 20


def test_provenance_lists_every_file_with_its_hash(report):
    from hybridcx.store.report_folder import file_hashes

    made, _ = report
    record = json.loads((made.folder / "provenance.json").read_text(encoding="utf-8"))
    found = {
        n: h for n, h in file_hashes(made.folder).items() if not n.startswith(".hybridcx") and n != "provenance.json"
    }
    assert record["files"] == found
    assert record["schema_version"] == 1
    assert record["options"]["seed"] in (0, 3)


def test_a_report_loads_nothing_and_can_be_recomputed_from_its_ledger(compared, tmp_path):
    page = compared.page.read_text(encoding="utf-8")
    assert "<script src" not in page
    assert "https://" not in page.replace("https://doi.org", "").replace("https://www.w3.org", "")
    options = {"by": ["site"], "margin": 0.1, "prevalences": [0.1], "n_bootstrap": 100, "seed": 3}
    for name in ("predictions.csv", "predictions.parquet"):
        again = hybridcx.compare(compared.folder / name, out=tmp_path / name, **options)
        for table in ("metrics", "comparisons"):
            pd.testing.assert_frame_equal(again.tables[table], compared.tables[table])


def test_further_columns_of_a_ratings_file_stay_outside(tmp_path):
    """They may name patients; what is kept beside the report is enough to recompute it."""
    text = "case_id,reader_a,patient_name,reader_b\n" + "".join(
        f"c{i},{40 + i * 3 % 7},Jones,{'' if i == 3 else 40 + i * 5 % 7}\n" for i in range(20)
    )
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    made = hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"Jones" not in path.read_bytes(), path.name
    again = hybridcx.agreement(tmp_path / "out" / "ratings.csv", out=tmp_path / "again", n_bootstrap=100)
    pd.testing.assert_frame_equal(again.tables["agreement"], made.tables["agreement"])


def test_the_page_of_several_seeds_says_what_it_is(seeded, held_out, folded):
    page = seeded.page.read_text(encoding="utf-8")
    for words_ in (
        "Variance over seeds",
        "bootstrap over seeds and cases",
        "nested in their model",
        "Only 3 seeds",
        "with 3 seeds",
    ):
        assert words_ in page
    assert "Seed 1.0" not in page
    header, body = read(seeded.folder / "variance.csv")
    assert header[:3] == ["metric", "model", "comparator"]
    assert len(body) > 50
    page = held_out.page.read_text(encoding="utf-8")
    for words_ in ("repeated hold-out", "Nadeau-Bengio", "n_test/n_train"):
        assert words_ in page
    page = folded.page.read_text(encoding="utf-8")
    assert "never of pooled scores" in page
    assert "folds are not independent" in page


def test_one_set_of_predictions_is_conditional_on_the_trained_models(compared):
    assert "One training per model" in compared.page.read_text(encoding="utf-8")
    assert not (compared.folder / "variance.csv").exists()
