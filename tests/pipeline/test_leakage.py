"""A model that was fitted on a test case, or on another case of its patient, is refused: by the run that makes it, and by whoever reads its folder.

The kinds that a run makes are network, early_stopping and head (a head's scaler and calibration are fitted within the head, on its cases). A
threshold is made by `compare --threshold RULE`, on validation rows. No command makes a scaler or a calibration apart; if recorded, it counts alike.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment.file import CohortSection, Experiment, HeadsSection, TrainSection
from hybridcx.experiment.sections import RepeatSection
from hybridcx.pipeline import stages as pipeline
from hybridcx.pipeline.cases import Cases
from hybridcx.records.lineage import Fit, FitKind, Lineage

KINDS = [k for k in get_args(FitKind) if k != "estimator"]  # a run has no fits of that kind
TRAIN = {"epochs": 1, "learning_rate": 0.003, "validate_every": 4}
FINE_TUNED = HeadsSection(names=["logistic", "lda"], folds=3, features=["fine_tuned"])
PRETRAINED = HeadsSection(names=["logistic", "lda"], folds=3, features=["pretrained"])


def experiment(train: TrainSection, heads: HeadsSection) -> Experiment:
    return small_experiment(
        name="leaking", cohort=CohortSection(manifest="phantom/pairs.csv"), train=train, heads=heads
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn cohort in which every patient has two cases of one label."""
    folder = drawn_cohort(tmp_path_factory, "leakage", patients=100, seed=3)
    rows = pd.read_csv(folder / "phantom/manifest.csv", dtype=str, keep_default_na=False)
    rows = rows[rows["excluded"] == ""].sort_values("label", kind="stable").reset_index(drop=True)
    rows["patient_id"] = [f"pair{label}{i // 2}" for label, g in rows.groupby("label") for i in range(len(g))]
    rows.to_csv(folder / "phantom/pairs.csv", index=False)
    return folder


# By the run


def by_case(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A fault in the code: what is fitted on `part` gets one test case too."""
    index = Cases.index
    monkeypatch.setattr(
        Cases, "index", lambda self, name: np.append(index(self, name), index(self, "test")[: name == part])
    )


def by_patient(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A fault in the code: one of the two test cases of a patient is counted in `part`."""
    cases = pipeline.cases_of

    def moved(*arguments: object) -> Cases:
        made = cases(*arguments)  # type: ignore[arg-type]
        split = made.split.copy()
        split[made.index("test")[0]] = part
        return replace(made, split=split)

    monkeypatch.setattr(pipeline, "cases_of", moved)


STOPPING = TrainSection(early_stopping=3, **TRAIN)
MADE = {
    "network": ("train", TrainSection(**TRAIN), HeadsSection(names=["logistic"], folds=3, features=["pretrained"])),
    "early_stopping": ("validation", STOPPING, FINE_TUNED),
    "head": ("validation", TrainSection(**TRAIN), FINE_TUNED),
    "head on pretrained features": ("train", TrainSection(enabled=False), PRETRAINED),
}


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize(
    ("leak", "words"), [(by_case, "saw 1 of the test cases"), (by_patient, "saw other cases of 1 patient whose")]
)
def test_a_run_refuses_every_fit_that_it_makes_on_a_test_case(base, tmp_path, monkeypatch, made, leak, words):
    part, train, heads = MADE[made]
    leak(monkeypatch, part)
    kind = made.split(maxsplit=1)[0]
    with pytest.raises(InputError, match=rf"the {kind} fit \S+ of the model \S+ {words}"):
        hybridcx.run(experiment(train, heads), base=base, out=tmp_path / "out", cache=base / "cache")
    assert not list(tmp_path.glob("out/*.csv"))


def test_a_head_chosen_within_a_unit_is_held_against_what_its_choice_saw():
    """`<network>+chosen`: its cases and its parent's."""
    lineage = Lineage(
        [Fit.of("n", "network", ["a"], unit="fold 1"), Fit.of("n+lda", "head", ["b"], parents=["n"], unit="fold 1")]
    )
    lineage.add(Fit.of("n+chosen", "head", lineage.saw("n+lda", "fold 1"), parents=("n+lda",), unit="fold 1"))
    for case in "ab":
        with pytest.raises(InputError, match="n\\+chosen"):
            lineage.check("n+chosen", [case], unit="fold 1")


# By the lineage: every kind, by whichever way


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("owner", ["model", "parent", "grandparent"])
@pytest.mark.parametrize("seen", ["t1", "sibling"])
def test_every_kind_is_refused_by_case_and_by_patient_over_all_generations(kind, owner, seen):
    lineage = Lineage(
        [
            Fit.of("grandparent", "network", ["a"]),
            Fit.of("parent", "head", ["b"], parents=["grandparent"]),
            Fit.of("model", "head", ["c"], parents=["parent"]),
            Fit.of("beside", "head", ["t1", "sibling"], parents=["grandparent"]),
        ]
    )
    patient_of = {"t1": "P", "sibling": "P", "a": "A", "b": "B", "c": "C"}
    lineage.check("model", ["t1"], patient_of=patient_of)
    lineage.add(Fit.of(owner, kind, [seen, "d"], fit_id="added"))
    with pytest.raises(InputError, match=f"the {kind} fit added of the model model") as error:
        lineage.check("model", ["t1"], patient_of=patient_of)
    assert len(error.value.problems) == 1
    if seen == "sibling":
        lineage.check("model", ["t1"])  # who belongs together is not known then


# By whoever reads the folder


@pytest.fixture(scope="module")
def finished(base: Path) -> Path:
    heads = HeadsSection(names=["logistic", "lda"], folds=3, features=["pretrained", "fine_tuned"])
    hybridcx.run(experiment(STOPPING, heads), base=base, out=base / "finished", cache=base / "cache")
    return base / "finished"


def changed(folder: Path, to: Path, change, *, rehash: bool = True) -> Path:
    """A copy of a finished run whose lineage `change` has gone over, its hash changed with it."""
    copy = Path(shutil.copytree(folder, to))
    place, record = copy / "lineage.json", copy / "provenance.json"
    data = change(json.loads(place.read_text(encoding="utf-8")))
    place.write_text(json.dumps(data), encoding="utf-8")
    if rehash:
        said = json.loads(record.read_text(encoding="utf-8"))
        said["files"]["lineage.json"] = hashlib.sha256(place.read_bytes()).hexdigest()
        record.write_text(json.dumps(said), encoding="utf-8")
    return copy


def added(fit: Fit):
    return lambda data: Lineage([*Lineage.from_dict(data), fit]).to_dict()


def refused_and_reported(folder: Path, words: str, call) -> None:
    code, _, err = call("compare", folder, "--out", folder.parent / "compared", "--n-bootstrap", "100", "--quiet")
    assert code == 2
    assert words in err
    assert not (folder.parent / "compared").exists()
    code, out, err = call("verify", folder)
    assert code == 1
    assert words in out
    assert "DIFFERENT lineage.json" in out
    assert "Traceback" not in err


def split_of(folder: Path) -> pd.DataFrame:
    ledger = pd.read_csv(folder / "predictions.csv", dtype=str)
    return ledger.drop_duplicates("case_id")[["case_id", "patient_id", "split"]]


def test_an_untouched_run_is_taken(finished, tmp_path, call):
    assert call("compare", finished, "--out", tmp_path / "compared", "--n-bootstrap", "100", "--quiet")[0] == 0
    assert call("verify", finished)[0] == 0


def test_a_lineage_with_a_fit_on_a_test_case_is_refused_by_compare_and_reported_by_verify(finished, tmp_path, call):
    cases = split_of(finished)
    case = cases.loc[cases["split"] == "test", "case_id"].iloc[0]
    fits = [Fit.of("squeezenet1_1", kind, [case], fit_id=f"later {kind}") for kind in KINDS]
    folder = changed(finished, tmp_path / "run", lambda data: Lineage([*Lineage.from_dict(data), *fits]).to_dict())
    said = [call("compare", folder, "--out", tmp_path / "compared", "--quiet"), call("verify", folder)]
    assert [code for code, *_ in said] == [2, 1]
    assert not (tmp_path / "compared").exists()
    assert "DIFFERENT lineage.json" in said[1][1]
    for text in (said[0][2], said[1][1]):
        for kind in KINDS:
            for model in ("squeezenet1_1", "squeezenet1_1+logistic", "squeezenet1_1+lda"):
                assert (
                    f"the {kind} fit later {kind} of the model {model} saw 1 of the test cases (found: '{case}')"
                    in text
                )


def test_a_fit_on_another_case_of_a_test_patient_is_found_in_the_folder(finished, tmp_path, call):
    """One of the two cases of a test patient stands in training, in ledger, cohort and split alike."""
    cases = split_of(finished)
    case = cases.loc[cases["split"] == "test", "case_id"].iloc[0]
    folder = changed(finished, tmp_path / "run", added(Fit.of("squeezenet1_1", "network", [case], fit_id="later")))
    ledger = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    ledger.loc[ledger["case_id"] == case, "split"] = "train"
    ledger.to_csv(folder / "predictions.csv", index=False)
    code, out, _ = call("verify", folder)
    assert code == 1
    assert "saw other cases of 1 patient whose cases are in the test set" in out


def test_a_lineage_without_a_record_of_a_model_is_no_clean_one(finished, tmp_path, call):
    def without(data):
        return {**data, "fits": [f for f in data["fits"] if not f["model"].endswith("+lda")]}

    folder = changed(finished, tmp_path / "run", without)
    refused_and_reported(folder, "the model has no record of what it was fitted on", call)


def test_changed_cases_or_no_file_or_no_json_are_refused(finished, tmp_path, call):
    def fewer(data):
        next(iter(data["case_sets"].values())).pop()
        return data

    refused_and_reported(changed(finished, tmp_path / "a", fewer), "a set of cases does not have its hash", call)
    folder = changed(finished, tmp_path / "b", lambda data: [data])
    refused_and_reported(folder, "this is no lineage as hybridcx writes it", call)
    (folder / "lineage.json").unlink()
    refused_and_reported(folder, "the run has no lineage.json", call)
    folder = changed(finished, tmp_path / "c", lambda data: {**data, "more": 1}, rehash=False)
    code, _, err = call("compare", folder, "--out", tmp_path / "compared", "--quiet")
    assert code == 2
    assert "is not the one that the run wrote" in err
    assert "CHANGED lineage.json" in call("verify", folder)[1]


# The threshold that compare chooses


@pytest.mark.parametrize(
    ("column", "words"), [("case_id", "a case in two splits"), ("patient_id", "a patient in two splits")]
)
def test_a_threshold_is_not_chosen_on_a_test_case_nor_on_another_of_its_patient(tmp_path, call, column, words):
    rng = np.random.default_rng(1)
    n = 80
    frame = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)], "patient_id": [f"p{i}" for i in range(n)], "y_true": np.where(np.arange(n) % 2, "ill", "well"),
            "model": "m", "score": rng.random(n).round(3), "split": np.where(np.arange(n) < 40, "validation", "test"),
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "p.csv", index=False)
    options = (
        "--threshold",
        "youden",
        "--positive",
        "ill",
        "--n-bootstrap",
        "100",
        "--out",
        tmp_path / "out",
        "--quiet",
    )
    assert call("compare", tmp_path / "p.csv", *options)[0] == 0
    frame.loc[0, column] = frame.loc[41, column]
    frame.loc[0, "y_true"] = frame.loc[41, "y_true"]
    frame.to_csv(tmp_path / "q.csv", index=False)
    code, _, err = call("compare", tmp_path / "q.csv", *options)
    assert code == 2
    assert words in err


def test_a_head_is_chosen_within_one_feature_set():
    """The validation cases also chose the network's iteration: their AUROC does not compete with that of the training cases."""

    def row(network, head, features, auroc):
        model = f"{network}+{head}" if features == "fine_tuned" else f"{network}:{features}+{head}"
        return {"network": network, "model": model, "features": features, "cv_auroc": auroc, "cv_log_loss": 0.3}

    heads = pd.DataFrame(
        [
            row("vgg16", "lda", "fine_tuned", 0.99),
            row("vgg16", "lda", "pretrained", 0.85),
            row("vgg16", "knn", "pretrained", 0.90),
            row("vgg19", "lda", "fine_tuned", 0.80),
            row("vgg19", "knn", "fine_tuned", 0.70),
        ]
    )
    experiment = Experiment.model_construct(repeat=RepeatSection())
    choice = pipeline.choose_heads(experiment, (), heads, pd.DataFrame(), Lineage())
    assert choice.chosen == {"vgg16": "vgg16:pretrained+knn", "vgg19": "vgg19+lda"}
