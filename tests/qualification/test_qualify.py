"""`hybridcx qualify`: every statistic has reference values, a wrong number fails, and the record says so."""

import csv
import importlib.util
import shutil
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError
from hybridcx.progress import OfPython
from hybridcx.qualification import by_command, installation, performance, simulations
from hybridcx.qualification.case import agreeing_digits, compared
from hybridcx.qualification.qualify import STATISTICS, summary
from hybridcx.stats import paired, proportions
from hybridcx.vocabulary import METHODS, METRICS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference"


@pytest.fixture(scope="module")
def operation():
    return [case for of_file in STATISTICS for case in of_file()]


def test_every_function_of_a_card_and_every_metric_has_passing_cases(operation):
    found = {(c.statistic, c.function) for c in operation}
    assert [
        (m, f) for m, card in METHODS.items() for e in card.evidence for f in e.functions if (m, f) not in found
    ] == []
    assert set(METRICS) <= {statistic for statistic, _ in found}
    assert [c for c in operation if c.status != "PASS"] == []
    assert len(operation) > 6000
    assert all(c.source and c.quantity for c in operation)


def test_the_shipped_values_are_those_of_the_tests():
    path = ROOT / "experiments" / "maintenance" / "make_qualification.py"
    spec = importlib.util.spec_from_file_location("make_qualification", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shipped = module.shipped()
    assert len(shipped) > 50
    assert [str(c) for c, original in shipped.items() if c.read_bytes() != original.read_bytes()] == []
    kept = {p for p in (module.SHIPPED / "reference").rglob("*") if p.is_file()}
    assert kept == set(shipped)


@pytest.mark.r
def test_the_script_of_the_seed_limits_makes_the_stored_values(tmp_path):
    import subprocess

    script = REFERENCE / "seed_limits" / "make_seed_limits.R"
    subprocess.run([shutil.which("Rscript") or "Rscript", str(script), str(tmp_path)], check=True, capture_output=True)
    name = "seed_limits_expected.csv"
    fresh, stored = pd.read_csv(tmp_path / name), pd.read_csv(script.with_name(name))
    pd.testing.assert_frame_equal(fresh, stored, rtol=1e-9)


@pytest.mark.parametrize(("found", "expected", "digits"), [
    (1.0, 1.0, 15), (nan, nan, 15), (inf, inf, 15), (nan, 1.0, 0), (1.0, nan, 0), (inf, 1.0, 0), (1.001, 1.0, 3), (1e-7, 0.0, 7),
    (0.0, 0.0, 15), (9.0, 1.0, 0),
])  # fmt: skip
def test_digits_are_the_log_relative_error(found, expected, digits):
    assert agreeing_digits(found, expected) == pytest.approx(digits, abs=1e-9)


@pytest.mark.parametrize(
    ("found", "status"), [(0.5, "PASS"), (0.5 + 9e-10, "PASS"), (0.5 + 2e-9, "FAIL"), (nan, "FAIL")]
)
def test_what_passes(found, status):
    assert compared("operation", "c", "wilson", "f", "estimate", found, 0.5, 1e-9, "R").status == status


@pytest.mark.parametrize(("module", "name"), [(proportions, "wilson"), (paired, "tango")])
def test_a_changed_formula_fails(monkeypatch, module, name):
    right = getattr(module, name)

    def wrong(*arguments):
        from dataclasses import replace

        result = right(*arguments)
        return replace(result, conf_low=result.conf_low * (1 + 1e-6))

    from hybridcx.qualification import one_model, two_models

    monkeypatch.setattr(module, name, wrong)
    monkeypatch.setitem(one_model.ONE_SAMPLE, "wilson", proportions.wilson)
    cases = [*one_model.cases(), *two_models.cases()]
    failed = {(c.statistic, c.quantity) for c in cases if c.status == "FAIL"}
    assert (name, "conf_low") in failed
    assert all(quantity == "conf_low" or statistic == "mover" for statistic, quantity in failed)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(REFERENCE / "r" / "pred01.csv", folder)
    shutil.copy(REFERENCE / "r" / "cat01.csv", folder)
    lines = [
        "command;file;positive;metric;model;comparator;method;quantity;expected;tolerance;source",
        "compare;pred01.csv;abnormal;accuracy;mA;;wilson;estimate;0.73469387755102;;SAS",
        "compare;pred01.csv;abnormal;accuracy;mB;mA;mcnemar_exact;p.value;0.057373046875;;SAS",
        "compare;pred01.csv;abnormal;accuracy;mA;;wilson;conf.low;0.5;0.1;SAS",
        "compare;pred01.csv;abnormal;accuracy;mA;;wilson;conf.low;0.5;;",
        "compare;pred01.csv;abnormal;accuracy;mX;;wilson;estimate;0.5;;SAS",
        "agreement;cat01.csv;;cohen_kappa;;;linear;estimate;0,592557;1e-6;SAS",
        "compare;pred01.csv;abnormal;accuracy;mA;;wilson;estimate;0.7;9;SAS",
        "compare;pred01.csv;abnormal;accuracy;mA;;wilson;estimat;0.7;;SAS",
        "compare;pred01.csv;abnormal;accuracy;;;wilson;estimate;0.7;;SAS",
    ]
    (folder / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "own.csv"


def test_own_cases(own):
    found = by_command.own_cases(own, OfPython())
    assert [c.status for c in found] == ["PASS", "PASS", "PASS", "FAIL", "FAIL", "PASS", "PASS", "FAIL", "FAIL"]
    assert found[3].source == "not stated"
    assert found[6].note == "the tolerance is above the expected value"
    assert found[7].note == "metrics.csv has no column estimat"
    assert found[8].note.endswith("such rows: give model")
    assert found[4].note == "metrics.csv has no row with the model mX; there: mA, mB"


@pytest.mark.parametrize(("text", "said"), [
    ("command,file,metric,method,expected\ncompare,a.csv,accuracy,wilson,1\n", "quantity"),
    ("command,file,metric,method,quantity,expected\nrun,a.csv,accuracy,wilson,estimate,1\n", "compare or agreement"),
    ("command,file,metric,method,quantity,expected\ncompare,a.csv,accuracy,wilson,estimate,one\n", "no number"),
    ("command,file,metric,method,quantity,expected\ncompare,absent.csv,accuracy,wilson,estimate,1\n", "line 2.*refuses the file.*absent.csv"),
    ("command,file,metric,method,quantity,expected\ncompare,a.csv,accuracy,wilson,estimate,NA\n", "missing"),
    ("command,file,metric,method,quantity,expected,tolerance\ncompare,a.csv,accuracy,wilson,estimate,1,inf\n", "finite"),
    ("command,file,metric,method,quantity,expected,tolerance\ncompare,a.csv,accuracy,wilson,estimate,1,-1\n", "finite"),
])  # fmt: skip
def test_faulty_own_cases_are_refused(tmp_path, text, said):
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        by_command.own_cases(path, OfPython())


def test_the_record(own, tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "absent", lambda _: ("torch",))
    monkeypatch.setattr(by_command, "cases", lambda _: [])
    result = hybridcx.qualify(out=tmp_path / "record", cases=own)
    assert not result.passed
    assert repr(result).startswith("FAIL: 4 of ")
    page = result.page.read_text(encoding="utf-8")
    for said in (
        "FAIL: 4 of",
        "needs the extra deep (torch not installed)",
        "an editable installation records no hashes",
        "no row with the model mX",
        "Tango",
    ):
        assert said in page, said
    assert "://" not in page
    rows = pd.read_csv(result.folder / "qualification.csv", keep_default_na=False)
    assert list(rows.columns) == [
        "area", "case", "statistic", "function", "quantity", "expected", "found", "digits", "tolerance", "source", "status", "note"
    ]  # fmt: skip
    assert (rows["status"] == "FAIL").sum() == 4
    kept = rows[rows["statistic"] == "tango"].iloc[0]
    assert float(kept["found"]) == pytest.approx(float(kept["expected"]), abs=float(kept["tolerance"]))
    assert hybridcx.qualify(out=tmp_path / "record").passed  # in the place of the earlier record
    assert summary(result.cases.assign(status="PASS")) == f"PASS: all {len(result.cases):,} cases passed."


@pytest.mark.slow  # tests/test_docs_commands.py runs the whole command
def test_through_the_commands():
    found = list(by_command.cases(OfPython()))
    assert len(found) > 1000
    assert [c for c in found if c.status != "PASS"] == []


def test_installed_files_are_held_against_their_hashes(tmp_path):
    class File:
        parts = ("hybridcx", "a.py")

        def __init__(self, path, value):
            self.path, self.hash = path, type("Hash", (), {"mode": "sha256", "value": value})

        def locate(self):
            return self.path

        def __str__(self):
            return "hybridcx/a.py"

    path = tmp_path / "a.py"
    path.write_bytes(b"")
    empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    one = type("Distribution", (), {"files": [File(path, empty), File(path, "other"), File(tmp_path / "gone", empty)]})
    assert [(c.status, c.found) for c in installation._files(one)] == [
        ("PASS", empty),
        ("FAIL", empty),
        ("FAIL", "missing"),
    ]


def test_a_wheel_without_its_record_of_hashes_fails():
    one = type("Distribution", (), {"files": None, "read_text": lambda self, name: None})()
    assert [(c.status, c.found) for c in installation._files(one)] == [("FAIL", "no record")]
    working_copy = type(
        "Distribution",
        (),
        {
            "files": None,
            "read_text": lambda self, name: '{"dir_info": {"editable": true}}' if name == "direct_url.json" else None,
        },
    )()
    assert [c.status for c in installation._files(working_copy)] == ["SKIPPED"]


def test_packages_that_do_not_fit_are_named(monkeypatch):
    from hybridcx.cli import faults

    assert faults.misfits() == ""
    right = installation.metadata.version
    monkeypatch.setattr(installation.metadata, "version", lambda name: "1.24.4" if name == "numpy" else right(name))
    assert faults.misfits() == "numpy 1.24.4 (needed: >=2.0)"


def test_versions_are_held_against_their_ranges(monkeypatch):
    monkeypatch.setattr(installation.metadata, "version", lambda name: "0.0.1")
    one = type(
        "Distribution", (), {"requires": ["numpy>=1.26", 'torch>=2.11; extra == "deep"', 'x>=1; python_version < "3"']}
    )
    assert [(c.case, c.expected, c.status) for c in installation._requirements(one)] == [
        ("numpy", ">=1.26", "FAIL"),
        ("torch", ">=2.11", "FAIL"),
    ]


@pytest.mark.slow
def test_the_miniature_study_is_the_recorded_one():
    pytest.importorskip("torch")
    found = list(performance.cases(OfPython()))
    with (ROOT / "hybridcx" / "qualification" / performance.EXPECTED).open(encoding="utf-8", newline="") as file:
        assert len(found) == len(list(csv.DictReader(file))) > 20
    assert [c for c in found if c.status != "PASS"] == []
    assert max(abs(c.found - c.expected) for c in found) < performance.TOLERANCE / 10


def test_a_simulated_coverage_that_is_wrong_fails():
    limits = [(0.0, 1.0)] * 1800 + [(0.0, 0.1)] * 200
    case = simulations._case("interval", "accuracy", "wilson", "0.9 0.9", 49, "proportions.wilson", limits, 0.9)
    assert case.status == "FAIL"
    assert case.found == 0.9


@pytest.mark.slow
def test_the_simulations():
    found = list(simulations.cases(OfPython()))
    assert len(found) == 50
    assert [c for c in found if c.status != "PASS"] == []
    assert np.isfinite([c.found for c in found]).all()
