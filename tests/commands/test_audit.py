"""`hybridcx audit` as it is used: folder, page, exit code, Python twin, bad input; the study's table to the digits in the words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

import hybridcx
from hybridcx.commands import audit as auditing
from hybridcx.errors import InputError
from hybridcx.vocabulary.tables import TABLES

STUDY = Path(__file__).parents[2] / "experiments" / "published" / "cervical_table3.csv"
TOTALS = ("--positives", "25", "--negatives", "24")
TRUE = "model,metric,value\na,accuracy,0.84\na,recall,0.80\na,f1,0.83\nb,accuracy,0.90\nb,recall,0.80\n"


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read(path):
    with path.open(newline="", encoding="utf-8") as fh:
        return list(csv.DictReader(fh))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "out"
    return hybridcx.audit(STUDY, positives=25, negatives=24, out=folder)


def test_the_command_and_its_exit_codes(here, call):
    code, out, err = call("audit", STUDY, *TOTALS, "--out", "o")
    assert code == 1  # the answer is a finding
    assert out.strip() == str(Path("o") / "report.html")
    assert "cannot be true as printed" in err
    (here / "t.csv").write_text(TRUE, encoding="utf-8")
    code, out, err = call("audit", "t.csv", "--positives", 50, "--negatives", 50, "--quiet")
    assert (code, err) == (0, "")
    assert out.strip() == str(Path("reports") / "t" / "report.html")


def test_the_folder(study):
    names = {p.name for p in study.folder.iterdir() if not p.name.startswith(".")}
    own = {
        "audit_matrices",
        "audit_comparisons",
        "audit_readings",
        "audit_metrics",
        "audit_values",
        "published",
        "data_dictionary",
    }
    assert names >= {f"{n}.csv" for n in own} | {"report.html", "provenance.json"}
    described = {(r["file"], r["column"]) for r in read(study.folder / "data_dictionary.csv")}
    for path in study.folder.glob("*.csv"):
        with path.open(encoding="utf-8") as fh:
            header = fh.readline().strip().split(",")
        assert {(path.name, c) for c in header} <= described
        columns = list(TABLES[path.stem].columns) if path.stem in TABLES and path.stem != "published" else []
        assert header[: len(columns)] == columns
        if path.stem in study.tables:
            assert header == list(study.tables[path.stem].columns)
    matrices = [r for r in read(study.folder / "audit_matrices.csv") if r["reading"] == "rows_columns_swapped"]
    assert [[r[k] for k in ("n.solutions", "tp", "fn", "fp", "tn")] for r in matrices] == [
        ["1", "23", "2", "1", "23"], ["1", "23", "2", "2", "22"], ["1", "21", "4", "1", "23"], ["1", "22", "3", "4", "20"],
    ]  # fmt: skip
    none = next(
        r for r in read(study.folder / "audit_matrices.csv") if r["model"] == "VGG-16" and r["reading"] == "as_printed"
    )
    assert (none["n.solutions"], none["tp"]) == ("0", "NA")
    record = json.loads((study.folder / "provenance.json").read_text(encoding="utf-8"))
    assert record["command"] == "audit"
    assert record["options"]["positives"] == 25
    assert "cervical_table3.csv" in record["inputs"]


def test_it_repeats_to_the_byte(study, tmp_path):
    again = hybridcx.audit(STUDY, positives=25, negatives=24, out=tmp_path / "again")
    one, two = (
        {k: v for k, v in tree(r.folder).items() if "provenance" not in k and "state" not in k} for r in (study, again)
    )
    assert one == two


def test_the_words_of_the_study(study):
    page = study.page.read_text(encoding="utf-8")
    for text in (
        "This table cannot be true as printed: with 25 positives and 24 negatives, 3 of 4 models (VGG-16, ResNet-101 and DenseNet-201)",
        "A single reading explains all models under these totals: rows and columns of the confusion matrices were swapped.",
        "What is printed as sensitivity is the PPV; what is printed as specificity is the NPV; what is printed as precision is the sensitivity.",
        "(VGG-19 also fits as printed.)",
        "This is the explanation, not a proof: with other class totals for each model (24, 25, 22, 26 positives) the print fits as it stands.",
        "no pair of models differs in accuracy at the 5% level",
        "the smallest possible exact p of any pair is 0.125 (VGG-16 and DenseNet-201, 0.125 to 0.344)",
        "0.3 to +19.2 percentage points",
    ):
        assert text in page.replace("\u00a0", " ").replace("\u2011", "-").replace("&#39;", "'"), text
    assert "p\u00a0=\u00a00.046" in page
    assert "b\u00a0=\u00a04, c\u00a0=\u00a00" in page


def words(rows, tmp_path, **options):
    frame = pd.DataFrame(rows, columns=["model", "metric", "value"])
    made = hybridcx.audit(frame, out=tmp_path / "o", **options)
    return made.page.read_text(encoding="utf-8").replace("\u00a0", " "), made


def test_a_true_table_is_called_that(tmp_path):
    page, made = words(
        [("a", "accuracy", "84"), ("a", "recall", "80.0"), ("a", "AUC", "0.9")], tmp_path, positives=50, negatives=50
    )
    assert "This table can be true as printed: with 50 positives and 50 negatives, the model has" in page
    assert "not used: AUC" in page
    assert auditing.can_be_true(made.tables)
    assert made.tables["audit_comparisons"].empty


def test_a_table_that_nothing_explains_names_its_nearest_miss(tmp_path):
    rows = [
        ("a", "accuracy", "85.0"),
        ("a", "sensitivity", "80.0"),
        ("a", "specificity", "93.0"),
        ("a", "ppv", "88.9"),
        ("b", "accuracy", "90.0"),
    ]
    page, made = words(rows, tmp_path, positives=100, negatives=100)
    assert "No reading explains it" in page
    assert (
        "Nearest miss of a (TP 80, FN 20, FP 10, TN 90): one value stands in the way: specificity printed 93.0, there 90.00, 2.95 percentage points"
        in page
    )
    assert not auditing.can_be_true(made.tables)


def test_files_without_rows_have_their_header(tmp_path):
    _, made = words([("a", "accuracy", "104.0")], tmp_path, positives=50, negatives=50)
    header = (made.folder / "audit_metrics.csv").read_text(encoding="utf-8").splitlines()
    assert len(header) == 1
    assert header[0].startswith("model,reading,metric,method,estimate,")
    (matrix,) = [r for r in read(made.folder / "audit_matrices.csv") if r["reading"] == "as_printed"]
    assert (matrix["n.solutions"], matrix["tp"]) == ("0", "NA")
    assert read(made.folder / "audit_comparisons.csv") == []


def test_other_totals_in_words(tmp_path):
    rows = [
        ("a", "sensitivity", "83.3"),
        ("a", "specificity", "85.7"),
        ("b", "sensitivity", "76.7"),
        ("b", "specificity", "91.4"),
    ]
    page, _ = words(rows, tmp_path, positives=50, negatives=50)
    assert "One reading explains all models: other class totals. With 30 positives among as many cases" in page
    assert "a and b do not differ in accuracy" in page


def test_totals_the_wrong_way_round_and_digits_cut_off(tmp_path):
    rows = [(m, k, v) for m, values in {"a": ("82.0", "95.7"), "b": ("76.0", "90.0"), "c": ("92.0", "78.6")}.items()
            for k, v in zip(("sensitivity", "specificity"), values, strict=True)]  # fmt: skip
    page, _ = words(rows, tmp_path, positives=70, negatives=50)
    assert "the negative class was taken as the positive one. What is printed as sensitivity is the specificity" in page
    assert "the same as class totals given the wrong way round: with 50 positives" in page
    cut = [("a", "accuracy", "93.8"), ("a", "sensitivity", "92.0"), ("a", "ppv", "95.8"), ("b", "accuracy", "91.8"), ("b", "sensitivity", "92.0"),
           ("b", "specificity", "91.6")]  # fmt: skip
    page, made = words(cut, tmp_path, positives=25, negatives=24)
    assert "would fit as printed if digits had been cut off instead of rounded" in page
    assert not auditing.can_be_true(made.tables)


def test_names_are_text_on_the_page(tmp_path):
    rows = [("<script>alert(1)</script>", "accuracy", "93.9"), ("{{7*7}}", "accuracy", "1.2")]
    page, _ = words(rows, tmp_path, positives=25, negatives=24)
    assert "<script>alert" not in page
    assert "{{7*7}}" in page


def test_bad_input_leaves_earlier_results_alone(here, call):
    call("audit", STUDY, *TOTALS, "--out", "o")
    before = tree(here)
    (here / "bad.csv").write_text("model,metric,value\na,accuracy,high\na,sensitivty,0.9\n", encoding="utf-8")
    code, out, err = call("audit", "bad.csv", "--positives", 25, "--negatives", 0, "--unit", "per", "--out", "o")
    assert (code, out) == (2, "")
    for text in (
        "4 problems, nothing was written",
        "--negatives",
        "percent or proportion",
        "line 2, column value",
        "line 3, column metric",
    ):
        assert text in err, text
    assert "Traceback" not in err
    (here / "bad.csv").unlink()
    assert tree(here) == before


def test_units_of_the_command_line(here, call):
    assert auditing.units_of([]) is None
    assert auditing.units_of(["percent"]) == "percent"
    assert auditing.units_of(["f1=percent", "MCC=proportion"]) == {"f1": "percent", "MCC": "proportion"}
    with pytest.raises(InputError, match="given once"):
        auditing.units_of(["percent", "f1=proportion"])
    (here / "t.csv").write_text(TRUE, encoding="utf-8")
    code, _, err = call("audit", "t.csv", "--positives", 50, "--negatives", 50, "--unit", "percent")
    assert code == 1  # 0.84 % correct with 0.80 % of the positives found cannot be
    assert "cannot be true" in err


def test_a_folder_of_another_command_is_refused(here, call, earlier):
    code, _, err = call("audit", STUDY, *TOTALS, "--out", earlier)
    assert code == 2
    assert "hybridcx compare" in err


def test_the_documentation_names_every_metric_and_reading():
    from hybridcx.analysis.published.readings import ALL_READINGS
    from hybridcx.records.published_names import ALIASES, known_metric

    text = (STUDY.parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    for name in (*ALIASES, *ALL_READINGS):
        assert name in text, name
    rows = [line.strip("| ").split(" | ") for line in text.split("| metric |")[1].split("\n\n")[0].splitlines()[2:]]
    for metrics, names in rows:
        for name in (
            n.strip()
            for part in names.split(";")
            for n in part.replace("is 1 minus it", "").replace("are 1 minus it", "").split(",")
        ):
            known = known_metric(name)
            assert known is not None, name
            assert known[0] in metrics, name
