"""The lineage of a finished run, held against its ledger: each model in its own seed and fold."""

import json

import pandas as pd
import pytest

from hybridcx.errors import InputError, Problem
from hybridcx.records.finished_lineage import lineage_problems, read_lineage
from hybridcx.records.lineage import Fit, Lineage

REMEDY = "make the report again: without a record no model can be said to have seen no test case"


def written(folder, *fits):
    file = folder / "lineage.json"
    file.write_text(json.dumps(Lineage(fits).to_dict()), encoding="utf-8")
    return file


def ledger(*rows, columns=("case_id", "model", "split")):
    return pd.DataFrame(rows, columns=columns)


def test_what_was_written_is_read(tmp_path):
    fit = Fit.of("m", "network", ["é", "b"])
    assert list(read_lineage(written(tmp_path, fit))) == [fit]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "the run has no lineage.json"),
        (b"{", "the file cannot be read as JSON"),
        (b"\xff", "the file cannot be read as JSON"),
        (b"[" * 100_000, "the file cannot be read as JSON"),
    ],
)
def test_a_file_that_is_none(tmp_path, content, rule):
    file = tmp_path / "lineage.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_lineage(file)
    named = str(tmp_path if content is None else file)
    assert error.value.problems == (Problem(rule, named, remedy=REMEDY),)
    assert lineage_problems(file, ledger()) == list(error.value.problems)


def test_every_problem_names_the_file(tmp_path):
    file = written(tmp_path, Fit.of("m", "network", ["a"]))
    data = json.loads(file.read_text(encoding="utf-8"))
    data["fits"][0]["kind"] = "guess"
    file.write_text(json.dumps(data), encoding="utf-8")
    (found,) = lineage_problems(file, ledger())
    assert (found.file, found.rule) == (str(file), "unknown kind of fit")
    data["schema"] = 99
    file.write_text(json.dumps(data), encoding="utf-8")
    (found,) = lineage_problems(file, ledger())
    assert (found.file, found.value) == (str(file), 99)


def test_only_test_and_disputed_cases_count(tmp_path):
    file = written(tmp_path, Fit.of("m", "network", ["a", "b"]), Fit.of("m", "threshold", ["c"]))
    assert lineage_problems(file, ledger(("a", "m", "train"), ("t", "m", "test"), ("u", "m", "disputed"))) == []
    (found,) = lineage_problems(file, ledger(("a", "m", "train"), ("b", "m", "test"), ("u", "m", "disputed")))
    assert (found.file, found.value) == (str(file), "b")
    assert found.rule == "the network fit m/network of the model m saw 1 of the test cases"
    (found,) = lineage_problems(file, ledger(("c", "m", "disputed")))
    assert "threshold fit" in found.rule
    without_split = ledger(("a", "m"), ("t", "m"), columns=("case_id", "model"))
    assert [p.value for p in lineage_problems(file, without_split)] == ["a"]


def test_every_model_is_held_against_its_own_cases(tmp_path):
    file = written(tmp_path, Fit.of("m", "network", ["a"]), Fit.of("n", "network", ["b"]))
    assert lineage_problems(file, ledger(("b", "m", "test"), ("a", "n", "test"))) == []
    found = lineage_problems(file, ledger(("a", "m", "test"), ("b", "n", "test"), ("a", "unknown", "test")))
    assert [p.value for p in found] == ["a", "b", "unknown"]
    assert found[2].rule == "the model has no record of what it was fitted on"
    assert {p.file for p in found} == {str(file)}


def test_other_cases_of_a_test_case_s_patient(tmp_path):
    file = written(tmp_path, Fit.of("m", "network", ["a", "b"]))
    columns = ("case_id", "model", "split", "patient_id")
    rows = [("a", "m", "train", 1), ("b", "m", "train", 2), ("t", "m", "test", 3)]
    assert lineage_problems(file, ledger(*rows, columns=columns)) == []
    (found,) = lineage_problems(file, ledger(*rows, ("u", "m", "test", 2), columns=columns))
    assert found.value == "b"
    assert "1 patient" in found.rule
    assert lineage_problems(file, ledger(*(r[:3] for r in rows), ("u", "m", "test"))) == []


def test_seeds_and_folds_have_fits_of_their_own(tmp_path):
    file = written(
        tmp_path,
        Fit.of("m", "network", ["a"], unit="seed 1, fold 1"),
        Fit.of("m", "network", ["b"], unit="seed 1, fold 2"),
        Fit.of("m", "network", ["b"], unit="seed 2, fold 1"),
        Fit.of("m", "network", ["a"], unit="seed 2, fold 2"),
    )
    columns = ("case_id", "model", "split", "seed", "fold")
    rows = [("b", "m", "test", 1, 1), ("a", "m", "test", 1, 2), ("a", "m", "test", 2, 1), ("b", "m", "test", 2, 2)]
    assert lineage_problems(file, ledger(*rows, columns=columns)) == []
    (found,) = lineage_problems(file, ledger(*rows, ("b", "m", "test", 2, 1), columns=columns))
    assert found.value == "b"
    assert "seed 2, fold 1/m/network" in found.rule


def test_one_seed_has_no_name(tmp_path):
    file = written(tmp_path, Fit.of("m", "network", ["a"]), Fit.of("n", "network", ["a"], unit="fold 1"))
    of_seed = ("case_id", "model", "split", "seed")
    assert lineage_problems(file, ledger(("b", "m", "test", 7), columns=of_seed)) == []
    of_fold = ("case_id", "model", "split", "seed", "fold")
    assert lineage_problems(file, ledger(("b", "n", "test", 7, 1), columns=of_fold)) == []
    assert len(lineage_problems(file, ledger(("a", "n", "test", 7, 1), columns=of_fold))) == 1
