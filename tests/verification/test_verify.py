"""`hybridcx verify`: reports of every command recomputed from their own folders, and every way of changing them found."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hybridcx
from hybridcx.commands import publish
from hybridcx.errors import InputError
from hybridcx.store import provenance
from hybridcx.streams import rng_for
from hybridcx.verification.cells import alike, compare_cells
from hybridcx.verification.recompute import read_written, recompute
from hybridcx.verification.verify import lines_of

LABELS = np.array(["normal", "abnormal"], dtype=object)


def simulated(n=60, models=("a", "b, c", "NA"), seeds=(None,), validation=0, **columns):
    """Scores of some models on n cases, the last `validation` of which are validation cases."""
    rows = []
    for seed in seeds:
        truth = rng_for(4, "truth").integers(0, 2, n)
        for k, model in enumerate(models):
            score = 1 / (1 + np.exp(-(2 * truth - 1 + rng_for(4, "score", model, str(seed)).normal(0, 1 + k / 4, n))))
            part = pd.DataFrame(
                {"case_id": [f"c{i:03d}" for i in range(n)], "y_true": LABELS[truth], "model": model, "score": score}
            )
            part["split"] = np.where(np.arange(n) >= n - validation, "validation", "test")
            rows.append(part.assign(seed=seed) if seed is not None else part)
    return pd.concat(rows, ignore_index=True).assign(**columns) if rows else pd.DataFrame()


def sites(frame):
    """Patients with two cases each, and a column of centres."""
    number = frame["case_id"].str[1:].astype(int)
    return frame.assign(patient_id="Doe " + (number // 2).astype(str), site=np.where(number % 3 == 0, "NA", "north"))


def readings(n=60, text=True):
    truth = rng_for(4, "truth").integers(0, 2, n)
    made = {"case_id": [f"c{i:03d}" for i in range(n)]}
    for name in ("reader_x", "reader_y"):
        off = rng_for(4, name).random(n) < 0.2
        made[name] = LABELS[truth ^ off] if text else np.round(truth * 3 + rng_for(5, name).normal(size=n), 2)
    frame = pd.DataFrame(made)
    frame.loc[7, "reader_y"] = None
    return frame


def copy_of(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def agrees(folder):
    """Everything agrees, exactly, and nothing has been written."""
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    found = hybridcx.verify(folder)
    assert found.agrees, "\n".join(lines_of(found))
    assert found.how.startswith("compared exactly")
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    return found


def rehashed(folder):
    """Adjust the hashes to the files, as someone would who hides a change."""
    place = folder / "provenance.json"
    record = json.loads(place.read_text(encoding="utf-8"))
    record["files"] = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in record["files"]}
    place.write_text(json.dumps(record), encoding="utf-8")


def altered(path, change, which=0, column="estimate", **where):
    """Change a cell of a CSV: the `which`-th row that has the values `where`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    head = rows[0]
    hits = [r for r in rows[1:] if all(r[head.index(k)] == v for k, v in where.items())]
    cell = hits[which][head.index(column)]
    hits[which][head.index(column)] = change(cell)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return cell


# What agrees


def test_a_comparison_of_a_file_agrees_and_its_page_is_made_again(tmp_path):
    simulated().to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", n_bootstrap=100, margin=0.05, prevalences=(0.1,))
    found = agrees(tmp_path / "out")
    numbers = found.numbers.set_index("file")["numbers"]
    assert numbers["metrics.csv"] > 500
    assert numbers["comparisons.csv"] > 500
    assert "report.html" in found.numbers["file"].tolist()
    assert set(found.not_recomputed["file"]) <= {"hybridcx.log"}


def test_many_predictions_are_parquet_alone_and_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "LARGEST_CSV_LEDGER", 100)
    hybridcx.compare(simulated(), out=tmp_path / "out", n_bootstrap=100)
    assert sorted(p.name for p in (tmp_path / "out").glob("predictions*")) == ["predictions.parquet"]
    dictionary = pd.read_csv(tmp_path / "out" / "data_dictionary.csv")
    assert "score" in dictionary.loc[dictionary["file"] == "predictions.parquet", "column"].tolist()
    assert "predictions.csv" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    agrees(tmp_path / "out")
    again = hybridcx.compare(tmp_path / "out", n_bootstrap=100)
    assert len(again.predictions) == 180


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_clusters_subgroups_readers_and_chosen_thresholds_agree(tmp_path, kind):
    frame = sites(simulated(n=90, validation=30))
    options = {"by": ("site",), "threshold": "youden", "n_bootstrap": 100, "readers_made_truth": "no"}
    readers = readings()
    if kind == "frame":
        hybridcx.compare(frame, out=tmp_path / "out", readers=readers, **options)
    else:
        path = tmp_path / f"p.{kind}"
        frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
        readers.to_csv(tmp_path / "r.csv", index=False)
        hybridcx.compare(path, out=tmp_path / "out", readers=tmp_path / "r.csv", **options)
    assert agrees(tmp_path / "out").numbers.set_index("file").loc["reader_agreement.csv", "numbers"] > 0


def test_a_cluster_of_another_name_calls_as_given_and_the_readers_as_truth_agree(tmp_path):
    frame = sites(simulated(models=("a", "b"))).rename(columns={"patient_id": "woman"})
    frame["y_pred"] = np.where(frame["score"] >= 0.4, "abnormal", "normal")
    frame = frame.merge(readings(), on="case_id")
    frame.to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", cluster="woman", n_bootstrap=100)
    agrees(tmp_path / "out")
    assert b"Doe" not in (tmp_path / "out" / "predictions.csv").read_bytes()


def test_several_seeds_and_ranks_agree(tmp_path):
    simulated(models=("a", "b"), seeds=(1, 2, 3)).to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "seeds", n_bootstrap=100)
    agrees(tmp_path / "seeds")
    simulated().assign(score=lambda d: 10 * d["score"]).to_csv(tmp_path / "q.csv", index=False)
    hybridcx.compare(tmp_path / "q.csv", out=tmp_path / "ranks", score_kind="rank", n_bootstrap=100)
    agrees(tmp_path / "ranks")


def test_more_than_two_labels_agree(tmp_path):
    frame = simulated(models=("a", "b"))
    frame["y_true"] = np.where(np.arange(len(frame)) % 60 == 3, "other", frame["y_true"])
    frame["y_pred"] = np.where(frame["score"] >= 0.5, "abnormal", "other")
    frame.to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", positive="abnormal", n_bootstrap=100)
    agrees(tmp_path / "out")


def test_caveats_of_a_column_that_did_not_travel_are_not_missed_but_numbers_are(tmp_path):
    """The reader's words on a further column are the page's only caveats, and the ledger that is read again has no such column."""
    readings(text=True).assign(age=40).to_csv(tmp_path / "r.csv", index=False)
    page = hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100).page
    assert "Caveats</h3>" in page.read_text(encoding="utf-8")
    agrees(tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("95%", "94%", 1), encoding="utf-8")
    assert "report.html" in set(hybridcx.verify(tmp_path / "out").differences["file"])


def test_a_thinned_curve_agrees_and_its_estimates_come_from_all_points(tmp_path):
    frame = simulated(n=6000, models=("a",))
    hybridcx.compare(frame, out=tmp_path / "out", n_bootstrap=100)
    points = pd.read_csv(tmp_path / "out" / "roc.csv")
    assert 1000 < len(points) <= 2000 < frame["score"].nunique()
    y, score = (frame["y_true"] == "abnormal").to_numpy(), frame["score"].to_numpy()
    wins = (
        score[y][:, None] > score[~y]
    ).mean()  # no ties: Mann and Whitney's count over all pairs, not the thinned points
    found = pd.read_csv(tmp_path / "out" / "metrics.csv").query("method == 'delong'")["estimate"]
    assert found.tolist() == pytest.approx([wins], rel=1e-12)
    numbers = agrees(tmp_path / "out").numbers.set_index("file")["numbers"]
    assert numbers["roc.csv"] >= 3 * len(points) - 1


def test_ratings_that_may_be_codes_are_analysed_on_both_scales_again(tmp_path):
    frame = pd.DataFrame({"case_id": [f"c{i:02d}" for i in range(40)]})
    for name in ("reader_x", "reader_y", "reader_z"):
        frame[name] = np.clip(np.arange(40) % 4 + 1 + rng_for(6, name).integers(-1, 2, 40), 1, 4)
    frame.to_csv(tmp_path / "r.csv", index=False)
    report = hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100)
    metrics = set(report.tables["agreement"]["metric"])
    assert {"icc2", "bland_altman_bias", "cohen_kappa", "gwet_ac2", "fleiss_kappa"} <= metrics
    assert "whole numbers from 1 to 4 can be measurements or codes" in report.page.read_text(encoding="utf-8")
    agrees(tmp_path / "out")
    hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "one", n_bootstrap=100, scale="measurement")
    one = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert "codes of ordered" not in one
    assert "Gwet's AC2" not in one


@pytest.mark.parametrize("text", [True, False])
def test_agreement_agrees(tmp_path, text):
    frame = readings(text=text)
    if text:  # a category of that name, which is not what a missing reading is
        frame.loc[3, "reader_x"] = "NA"
    frame.to_csv(tmp_path / "r.csv", index=False)
    hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100)
    assert agrees(tmp_path / "out").numbers.set_index("file").loc["agreement.csv", "numbers"] > 20


def test_folders_of_pseudonyms_agree(tmp_path):
    sites(simulated()).to_csv(tmp_path / "p.csv", index=False)
    readings(text=False).to_csv(tmp_path / "r.csv", index=False)
    key = tmp_path / "key"
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", by=("site",), pseudonymise=key, n_bootstrap=100)
    agrees(tmp_path / "out")
    hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "read", pseudonymise=key, n_bootstrap=100)
    agrees(tmp_path / "read")


def test_of_compared_runs_the_tables_are_recomputed_and_the_rest_is_said(tmp_path):
    hybridcx.compare(simulated(models=("a", "b")), out=tmp_path / "out", n_bootstrap=100)
    folder = tmp_path / "out"
    (folder / "runs.csv").write_text("run,key\none,seed\n", encoding="utf-8")
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["options"]["runs"], record["files"]["runs.csv"] = ["one", "two"], ""
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    rehashed(folder)
    assert {"runs.csv", "report.html"} <= set(agrees(folder).not_recomputed["file"])


def test_an_audit_and_a_plan_agree(tmp_path):
    printed = "model,metric,value\nA,accuracy,90.0\nA,sensitivity,92.0\nB,accuracy,88.0\nB,sensitivity,84.0\n"
    (tmp_path / "t.csv").write_text(printed, encoding="utf-8")
    hybridcx.audit(tmp_path / "t.csv", positives=25, negatives=25, out=tmp_path / "audit")
    agrees(tmp_path / "audit")
    hybridcx.plan.mcnemar(p10=0.2, p01=0.05, power=(0.8, 0.9), out=tmp_path / "plan")
    agrees(tmp_path / "plan")


# What does not agree


def test_an_audit_of_a_table_with_one_column_per_metric_agrees(tmp_path):
    text = "Method,Accuracy,Recall (95% CI),F1 (macro)\na,90.0,92.0 (80.8 to 97.8),90.0\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    made = hybridcx.audit(tmp_path / "t.csv", positives=50, negatives=50, out=tmp_path / "audit")
    assert made.tables["audit_matrices"][["tp", "fn", "fp", "tn"]].values.tolist()[0] == [46, 4, 6, 44]
    agrees(tmp_path / "audit")


def test_a_changed_number_is_named_even_if_the_hash_was_changed_with_it(earlier, tmp_path, call):
    folder = copy_of(earlier, tmp_path)
    where = {"model": "vgg16", "metric": "accuracy", "method": "wilson"}
    was = altered(folder / "metrics.csv", lambda v: "0.9", column="conf.low", **where)
    rehashed(folder)
    found = hybridcx.verify(folder)
    assert (found.files["status"] == "unchanged").all()
    assert not found.agrees
    (row,) = found.differences.to_dict("records")
    assert (row["file"], row["column"], row["found"], row["recomputed"]) == ("metrics.csv", "conf.low", "0.9", was)
    assert "model vgg16" in row["row"]
    assert "method wilson" in row["row"]
    code, out, _ = call("verify", folder)
    assert code == 1
    assert "DIFFERENT metrics.csv: metric accuracy, model vgg16" in out


def test_changed_missing_and_added_files_are_found(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    (folder / "roc.csv").unlink()
    (folder / "report.html").write_bytes((folder / "report.html").read_bytes() + b" ")
    (folder / "more.txt").write_text("more", encoding="utf-8")
    found = hybridcx.verify(folder)
    status = found.files.set_index("file")["status"]
    assert status[status != "unchanged"].to_dict() == {
        "more.txt": "added",
        "report.html": "changed",
        "roc.csv": "missing",
    }
    assert not found.agrees


def test_a_file_that_is_also_taken_off_the_list_is_missed(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    (folder / "roc.csv").unlink()
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    del record["files"]["roc.csv"]
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    assert hybridcx.verify(folder).differences["file"].tolist() == ["roc.csv"]


def test_a_number_on_the_page_is_held_against_the_page_made_again(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "0.05" in page
    (folder / "report.html").write_text(page.replace("0.05", "0.04", 1), encoding="utf-8", newline="\n")
    rehashed(folder)
    assert hybridcx.verify(folder).differences["file"].tolist() == ["report.html"]


def test_another_program_beside_the_report_is_found(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    (folder / "recompute.R").write_text('cat("PASS\\n")\n', encoding="utf-8")
    rehashed(folder)
    assert hybridcx.verify(folder).differences["file"].tolist() == ["recompute.R"]


def test_a_call_that_its_score_does_not_give_is_found(tmp_path):
    simulated(models=("a", "b")).to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", n_bootstrap=100)
    folder = tmp_path / "out"
    altered(folder / "predictions.csv", lambda v: "abnormal" if v == "normal" else "normal", 5, "y_pred")
    rehashed(folder)
    differences = hybridcx.verify(folder).differences
    assert differences["file"].tolist() == ["predictions.csv", "predictions.parquet"]
    assert set(differences["column"]) == {"y_pred"}
    assert differences["row"].str.contains("case_id c005").all()


def test_a_changed_score_changes_the_numbers(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    altered(folder / "predictions.csv", lambda v: "0.999", 4, "score")
    differences = hybridcx.verify(folder).differences
    assert {"metrics.csv", "comparisons.csv", "roc.csv", "predictions.parquet"} <= set(differences["file"])


def test_an_option_that_gives_other_numbers_is_found(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["options"]["confidence_level"] = 0.9
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    differences = hybridcx.verify(folder).differences
    assert {"metrics.csv", "provenance.json", "report.html"} <= set(differences["file"])


def test_a_ledger_that_cannot_be_analysed_is_a_finding(earlier, tmp_path, call):
    folder = copy_of(earlier, tmp_path)
    altered(folder / "predictions.csv", lambda v: "1.7", 4, "score")
    code, out, err = call("verify", folder)
    assert code == 1
    assert "1.7" in out
    assert "Traceback" not in err
    for name in ("predictions.csv", "predictions.parquet"):
        (folder / name).unlink()
    code, out, _ = call("verify", folder)
    assert code == 1
    assert "MISSING predictions.csv" in out


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_a_damaged_ledger_is_named_as_it_lies_in_the_folder(tmp_path, kind):
    frame, given = simulated(models=("a", "b")), tmp_path / f"mine.{kind}"
    frame.to_csv(given, index=False) if kind == "csv" else frame.to_parquet(given)
    hybridcx.compare(frame if kind == "frame" else given, out=tmp_path / "out", n_bootstrap=100)
    altered(tmp_path / "out/predictions.csv", lambda v: "1.7", 4, "score")
    (said,) = [t for t in hybridcx.verify(tmp_path / "out").differences["found"] if "1.7" in t]
    assert said.startswith("predictions.csv, line 6, column score: ")
    assert "mine" not in said


def test_damaged_readings_are_named_as_they_lie_in_the_folder(tmp_path):
    simulated(models=("a", "b")).to_csv(tmp_path / "p.csv", index=False)
    readings().to_csv(tmp_path / "r.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", readers=tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100)
    hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "agreement", n_bootstrap=100)
    for folder in ("out", "agreement"):
        altered(tmp_path / folder / "ratings.csv", lambda v: "c003", 4, "case_id")
        found = hybridcx.verify(tmp_path / folder).differences["found"]
        assert any(t.startswith("ratings.csv, line 6, column case_id: a repeated case") for t in found), found


# What is no report of ours


def test_folders_that_are_not_ours_are_exit_2(here, call, earlier, tmp_path):
    (here / "other").mkdir()
    for folder in ("nowhere", "other"):
        code, out, err = call("verify", folder)
        assert (code, out) == (2, "")
        assert folder in err
    (here / "other" / "provenance.json").write_text("{}", encoding="utf-8")
    assert call("verify", "other")[0] == 2
    (here / "other" / "provenance.json").write_text("[1", encoding="utf-8")
    assert call("verify", "other")[0] == 2
    folder = copy_of(earlier, tmp_path)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["schema_version"] = provenance.SCHEMA_VERSION + 1
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="newer hybridcx"):
        hybridcx.verify(folder)


# Where versions differ


def test_another_version_is_compared_within_tolerance_and_says_so(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["environment"]["packages"]["numpy"] = "1.0.0"
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    where = {"model": "vgg16", "metric": "accuracy", "method": "wilson"}
    altered(folder / "metrics.csv", lambda v: repr(float(v) * (1 + 1e-12)), column="conf.low", **where)
    rehashed(folder)
    found = hybridcx.verify(folder)
    assert found.agrees
    assert "numpy 1.0.0" in found.how
    assert "report.html" in found.not_recomputed["file"].tolist()
    altered(folder / "metrics.csv", lambda v: repr(float(v) * (1 + 1e-6)), column="conf.low", **where)
    assert hybridcx.verify(folder).differences["column"].tolist() == ["conf.low"]


@pytest.mark.parametrize(
    ("style", "words"), [("plain", "only by the code that wrote it"), ("ama", "the journal style ama")]
)
def test_tables_of_version_0_3_are_verified_in_any_journal_style(earlier, tmp_path, style, words):
    folder = copy_of(earlier, tmp_path)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["style"] = style
    record["environment"] |= {"hybridcx": "0.3.0", "code_sha256": "0" * 64}
    checklist = (folder / "checklist.csv").read_text(encoding="utf-8")
    (folder / "checklist.csv").write_text(checklist.replace("limitations, as far", "limits, as far"), encoding="utf-8")
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    rehashed(folder)
    result = hybridcx.verify(folder)
    assert result.agrees
    assert "metrics.csv" in set(result.numbers["file"])
    reasons = result.not_recomputed.set_index("file")["reason"]
    assert words in reasons["report.html"]


def test_a_style_in_the_record_does_not_spare_the_page_of_this_version(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["style"] = "ama"
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    assert "report.html" in set(hybridcx.verify(folder).numbers["file"])


def test_resampled_numbers_may_differ_by_four_monte_carlo_errors():
    row = {
        "method": "bootstrap_bca",
        "mc.error.low": "0.01",
        "conf.low": "0.1",
        "conf.high": "0.9",
        "n.resamples": "2000",
    }
    assert alike("0.139", "0.1", "conf.low", row)
    assert not alike("0.141", "0.1", "conf.low", row)
    assert alike("0.979", "0.9", "conf.high", row)  # a tenth of the width, where no error is given
    assert not alike("0.981", "0.9", "conf.high", row)
    assert not alike("0.5001", "0.5", "estimate", row)  # an estimate is not resampled
    assert not alike("0.139", "0.1", "conf.low", {"method": "wilson", "mc.error.low": "0.01"})
    assert alike("0.06", "0.05", "p.value", {"method": "permutation_paired", "n.resamples": "2000"})
    assert not alike("0.06", "0.05", "p.value", {"method": "mcnemar_exact"})


def test_rows_are_matched_by_their_keys_where_one_is_gone(tmp_path):
    (tmp_path / "a.csv").write_text("model,metric,estimate\nb,accuracy,2\nc,accuracy,3\n", encoding="utf-8")
    (tmp_path / "w.csv").write_text(
        "model,metric,estimate\na,accuracy,1\nb,accuracy,2\nc,accuracy,4\n", encoding="utf-8"
    )
    found = compare_cells(tmp_path / "a.csv", tmp_path / "w.csv", exact=True).differences
    assert [(d["row"], d["found"]) for d in found] == [
        ("metric accuracy, model a", "no such row"),
        ("metric accuracy, model c", "3"),
    ]


def test_rows_in_another_order_are_the_same_rows(tmp_path):
    (tmp_path / "a.csv").write_text("step,n\nlate,2\nearly,2\n", encoding="utf-8")
    (tmp_path / "w.csv").write_text("step,n\nearly,2\nlate,2\n", encoding="utf-8")
    assert not compare_cells(tmp_path / "a.csv", tmp_path / "w.csv", exact=True).differences


def test_text_that_is_really_na_is_told_from_what_is_missing(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'a,b\n"NA",NA\n"x,""NA"",",1\nNA,"NA"\n')
    assert read_written(tmp_path / "t.csv").to_numpy().tolist() == [["NA", None], ['x,"NA",', "1"], [None, "NA"]]


# What does not belong to the report, and records that are damaged or hostile


def status_of(folder):
    return {
        n: s
        for n, s in zip(*hybridcx.verify(folder).files[["file", "status"]].to_numpy().T, strict=True)
        if s != "unchanged"
    }


def link(path, target):
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("links need a right on Windows")


def test_whatever_was_added_is_named(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/metrics.csv").write_text("x\n", encoding="utf-8")
    link(folder / "tables", tmp_path / "other")
    link(folder / "extra.csv", tmp_path / "nowhere")
    link(folder / "linked.csv", tmp_path / "other/metrics.csv")
    (folder / ".hybridcx/new/deeper").mkdir(parents=True)
    (folder / ".hybridcx/new/left.csv").write_text("x\n", encoding="utf-8")
    (folder / ".hybridcx/notes.txt").write_text("x\n", encoding="utf-8")
    (folder / "empty/within").mkdir(parents=True)
    added = [
        "tables",
        "extra.csv",
        "linked.csv",
        ".hybridcx/new/deeper",
        ".hybridcx/new/left.csv",
        ".hybridcx/notes.txt",
        "empty/within",
    ]
    assert status_of(folder) == dict.fromkeys(added, "added")
    lines = lines_of(hybridcx.verify(folder))
    assert {f"ADDED {name}" for name in added} <= set(lines)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_a_pipe_or_a_device_is_named_and_never_read(earlier, tmp_path, call):
    folder = copy_of(earlier, tmp_path)
    os.mkfifo(folder / "ratings.csv")
    link(folder / "endless.csv", Path("/dev/zero"))
    assert status_of(folder) == {"ratings.csv": "added", "endless.csv": "added"}
    (folder / "ratings.csv").unlink()
    (folder / "metrics.csv").unlink()
    os.mkfifo(folder / "metrics.csv")
    assert status_of(folder) == {"metrics.csv": "changed", "endless.csv": "added"}
    (folder / "provenance.json").unlink()
    os.mkfifo(folder / "provenance.json")
    code, out, err = call("verify", str(folder))
    assert (code, out) == (2, "")
    assert "this is no regular file" in err


def test_a_folder_in_place_of_a_file_is_a_finding(earlier, tmp_path):
    folder = copy_of(earlier, tmp_path)
    (folder / "predictions.csv").unlink()
    (folder / "predictions.csv/within").mkdir(parents=True)
    found = hybridcx.verify(folder)
    assert not found.agrees
    assert status_of(folder) == {"predictions.csv": "missing", "predictions.csv/within": "added"}


DEEP = json.loads("[" * 900 + "]" * 900)


@pytest.mark.parametrize(
    "value", [None, [], {}, 7, "text", DEEP, [None], {"a": {"b": 1}}, 10**400], ids=lambda v: str(v)[:12]
)
def test_a_damaged_record_is_a_finding_or_refused(earlier, tmp_path, value):
    folder = hybridcx.plan.precision(proportion=0.9, halfwidth=0.05, out=tmp_path / "out").page.parent
    place = folder / "provenance.json"
    record = json.loads(place.read_text(encoding="utf-8"))
    for key in (*record, *(("options", k) for k in record["options"]), ("environment", "packages")):
        changed = json.loads(json.dumps(record))
        if isinstance(key, tuple):
            changed[key[0]][key[1]] = value
        else:
            changed[key] = value
        place.write_text(json.dumps(changed), encoding="utf-8")
        with contextlib.suppress(InputError):  # no other error than that of bad input
            lines_of(hybridcx.verify(folder))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("1" * 10_000, "cannot be read as JSON"),
        ("[1, 2]", "not a provenance record"),
        ("", "JSON"),
    ],
)
def test_a_record_that_is_no_record_is_exit_2(tmp_path, call, text, words):
    (tmp_path / "provenance.json").write_text(text, encoding="utf-8")
    code, out, err = call("verify", str(tmp_path))
    assert (code, out) == (2, "")
    assert words in err


def test_columns_levels_and_models_of_awkward_names_agree(tmp_path):
    frame = simulated(models=("NA", "m" * 10_000)).replace({"y_true": {"abnormal": "NA"}})
    number = frame["case_id"].str[1:].astype(int)
    frame["NA"] = np.where(number % 3 == 0, "NA", "l" * 10_000)
    frame["c" * 10_000] = np.where(number % 2 == 0, "x", "NA")
    frame.to_csv(tmp_path / "p.csv", index=False)
    hybridcx.compare(tmp_path / "p.csv", out=tmp_path / "out", positive="NA", by=("NA", "c" * 10_000), n_bootstrap=100)
    agrees(tmp_path / "out")


@pytest.mark.system  # nine seconds
def test_a_small_parquet_file_of_huge_texts_is_refused_before_it_is_decoded(earlier, tmp_path):
    """A dictionary holds one text of 50 MB, the rows repeat it: 20 kB that would become 2 GB."""
    folder = copy_of(earlier, tmp_path)
    rows = pd.read_csv(folder / "predictions.csv", dtype=str)
    table = pa.Table.from_pandas(rows.assign(model="a" * 50_000_000), preserve_index=False)
    pq.write_table(table, folder / "predictions.parquet", compression="zstd")
    assert (folder / "predictions.parquet").stat().st_size < 100_000
    found = hybridcx.verify(folder)
    assert "texts of about" in "\n".join(lines_of(found))
    (folder / "predictions.csv").unlink()
    assert "texts of about" in "\n".join(lines_of(hybridcx.verify(folder)))
    place = folder / "provenance.json"
    record = json.loads(place.read_text(encoding="utf-8"))
    record["files"]["predictions.parquet"] = hashlib.sha256((folder / "predictions.parquet").read_bytes()).hexdigest()
    place.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="bytes; at most 100,000 are read"):
        hybridcx.compare(folder, out=tmp_path / "again")


@pytest.mark.parametrize(
    "options", [{"n_resamples": 10**9}, {"n_resamples": "2000"}, {"n_refits": 10**9}, {"n_refits": -1}]
)
def test_a_record_cannot_ask_for_resamples_without_end(tmp_path, options):
    with pytest.raises(ValueError, match="numbers of resamples"):
        recompute(tmp_path, {"command": "run", "options": options}, tmp_path)
