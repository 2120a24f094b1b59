"""Labels from readers: the rules, the cases in dispute, those that too few read (bad_input.md 17), the split and the flow of them all."""

from __future__ import annotations

import numpy as np
import pytest

from hybridcx.cohort.exclusions import flow, unaccounted
from hybridcx.cohort.manifest import read_manifest
from hybridcx.cohort.readers import analysed_apart, chosen_by_agreement, reader_ratings, reading_warnings, with_readings
from hybridcx.cohort.splits import manifest_split, stratified_split
from hybridcx.errors import InputError
from hybridcx.experiment.sections import LabelsSection

HEADER = "case_id,patient_id,image,label,excluded,reader_a,reader_b,reader_c"
A, N = "abnormal", "normal"
READINGS = [  # label, excluded, a, b, c
    (A, "", A, A, A),
    (N, "", N, N, N),
    (A, "", A, A, N),
    (N, "", N, N, ""),
    (A, "", A, N, ""),
    (N, "", N, "", ""),
    (A, "trauma", A, A, A),
    (A, "reader disagreement", A, N, A),
    (N, "", "", "", ""),
]


def line(i: int, cells: tuple[str, ...]) -> str:
    return f"c{i},p{i},images/{i}.png," + ",".join(cells)


@pytest.fixture
def labelled(write_manifest):
    """Return a function: the cohort of `READINGS` under a rule."""

    def make(header: str = HEADER, rows=READINGS, **rule):
        lines = [line(i, cells) for i, cells in enumerate(rows, 1)]
        return read_manifest(write_manifest(lines, header, n=len(lines)), labels_by=LabelsSection(**rule))

    return make


def fates(cohort) -> dict[str, str]:
    """The label of each analysed case, and the reason of each other."""
    frame = cohort.frame
    return {c: why if why else lab for c, lab, why in zip(frame.case_id, frame.label, frame.excluded, strict=True)}


DISPUTE = "in dispute: the readers differ"
ONE = "read by one reader only"


def test_agreement(labelled):
    c = labelled(rule="agreement")
    assert fates(c) == {
        "c1": A, "c2": N, "c3": DISPUTE, "c4": N, "c5": DISPUTE, "c6": ONE, "c7": "trauma", "c8": "reader disagreement",
        "c9": "read by no reader",
    }  # fmt: skip
    assert c.in_dispute["case_id"].tolist() == ["c3", "c5"]
    assert len(c.image_sha256) == 3
    assert len(c.disputed_sha256) == 2
    assert c.given_labels.tolist() == [r[0] for r in READINGS]


def test_majority_breaks_no_ties(labelled):
    found = fates(labelled(rule="majority"))
    assert found["c3"] == A
    assert found["c5"] == "in dispute: no majority of the readings"
    assert found["c6"] == ONE


def test_one_reader_as_truth(labelled):
    found = fates(labelled(rule="reader", reader="b"))
    assert found["c3"] == A
    assert found["c5"] == N  # not the column `label`
    assert found["c6"] == "not read by b"


def test_adjudicated_takes_the_column_where_readers_differ_alone(labelled):
    rows = [(*r, x) for r, x in zip(READINGS, [N, "", N, "", "", A, "", "", ""], strict=True)]
    c = labelled(HEADER + ",consensus", rows, rule="adjudicated", adjudicator="consensus")
    found = fates(c)
    assert found["c1"] == A  # all three agree: the adjudicator is not asked
    assert found["c3"] == N
    assert found["c5"] == "in dispute: the readers differ and nobody adjudicated"
    assert found["c6"] == A  # one reader and the adjudicator
    assert c.votes == ("reader_a", "reader_b", "reader_c")


def test_a_reader_may_adjudicate_and_then_does_not_vote(labelled):
    found = fates(labelled(rule="adjudicated", adjudicator="reader_c"))
    assert found["c3"] == A  # a and b agree
    assert found["c5"].startswith("in dispute")


def test_reasons_that_mean_a_dispute_are_no_exclusion(labelled):
    given = labelled(dispute_reasons=["reader disagreement"])
    assert given.in_dispute["case_id"].tolist() == ["c8"]
    assert len(given.analysed) == 7
    c = labelled(rule="majority", dispute_reasons=["reader disagreement"])
    assert fates(c)["c8"] == A
    assert any("calls a dispute have a label by the rule" in str(p) for p in c.warnings)
    assert fates(labelled(rule="agreement", dispute_reasons=["reader disagreement"]))["c8"] == DISPUTE


def test_the_rule_given_changes_nothing(labelled):
    c = labelled()
    assert fates(c) == {f"c{i}": r[1] or r[0] for i, r in enumerate(READINGS, 1)}
    assert c.disputed is None
    assert c.given_labels is None
    assert c.to_score(["c7"]) is c


def test_labels_that_the_rule_changes_are_said(labelled):
    rows = [(N if i == 0 else r[0], *r[1:]) for i, r in enumerate(READINGS)]
    c = labelled(rows=rows, rule="agreement")
    assert any("1 cases have another label by the rule" in str(p) and "c1" in str(p) for p in c.warnings)


def test_the_column_label_may_be_empty_where_the_readers_make_it(labelled):
    rows = [("", *r[1:]) for r in READINGS]
    assert fates(labelled(rows=rows, rule="agreement"))["c1"] == A


def test_occasions(labelled):
    header = "case_id,patient_id,image,label,reader_a_1,reader_a_2,reader_b"
    rows = [(A, A, N, A), (N, N, N, N), (A, A, A, A), (N, N, N, N)]
    assert fates(labelled(header, rows, rule="agreement"))["c1"] == A
    assert fates(labelled(header, rows, rule="agreement", occasion="last"))["c1"] == DISPUTE
    assert fates(labelled(header, rows, rule="agreement", occasion="all"))["c1"] == DISPUTE
    assert fates(labelled(header, rows, rule="majority", occasion="all"))["c1"] == A
    alone = labelled(header, rows, rule="reader", reader="a", occasion="all")
    assert fates(alone)["c1"] == "in dispute: the readings of a differ"
    # two occasions of one reader are no two readers
    only = labelled(
        header, [(*r[:3], "") if i == 1 else r for i, r in enumerate(rows)], rule="agreement", occasion="all"
    )
    assert fates(only)["c2"] == ONE


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"rule": "reader", "reader": "bb"}, "Did you mean 'b'"),
        ({"rule": "agreement", "readers": ["a"]}, "needs two readers or more"),
        ({"rule": "adjudicated", "adjudicator": "consensos"}, "names no column of the manifest"),
        ({"rule": "adjudicated", "adjudicator": "image"}, "an adjudication that no reader ever called"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(labelled, rule, said):
    with pytest.raises(InputError, match=said):
        labelled(**rule)


def test_a_rule_without_readers_is_refused(write_manifest):
    with pytest.raises(InputError, match="no column of readings"):
        read_manifest(write_manifest(), labels_by=LabelsSection(rule="agreement"))


@pytest.mark.parametrize("bad", [{"rule": "reader"}, {"reader": "a"}, {"rule": "agreement", "adjudicator": "x"}])
def test_a_rule_names_what_it_needs(bad):
    with pytest.raises(ValueError, match="key `"):
        LabelsSection(**bad)


def test_cases_read_by_one_reader_are_counted_and_said(labelled):
    said = [str(p) for p in reading_warnings(labelled(rule="agreement"))]
    assert any("1 of 9 cases were read by one reader only; they take no part in agreement" in s for s in said)
    assert any("1 of 9 cases were read by nobody; they are left out: c9" in s for s in said)


def test_agreement_on_the_analysed_cases_is_by_construction_and_said(labelled):
    c = labelled(rule="agreement")
    assert chosen_by_agreement(c)
    ((subset, ratings, note),) = analysed_apart(c, reader_ratings(c))
    assert subset == "analysed"
    assert ratings.frame.index.tolist() == ["c1", "c2", "c4"]
    assert "1 by construction" in note
    assert not chosen_by_agreement(labelled(rule="majority"))


def many(write_manifest, n: int = 60, split: bool = False, **rule):
    """A cohort of two readers who differ on every fifth case; every third patient has two cases."""
    rows = []
    for i in range(1, n + 1):
        a = A if i % 2 else N
        b = (N if a == A else A) if i % 5 == 0 else a
        part = ("train", "validation", "test")[(i - i % 2) // 2 % 3]
        rows.append(
            f"c{i:02d},p{i - i % 2 if i % 6 < 2 else i},images/{i}.png,{a},{a},{b}" + (f",{part}" if split else "")
        )
    header = "case_id,patient_id,image,label,reader_a,reader_b" + (",split" if split else "")
    return read_manifest(write_manifest(rows, header, n=n), labels_by=LabelsSection(**rule))


def test_the_split_sends_cases_in_dispute_without_moving_the_others(write_manifest):
    c = many(write_manifest, rule="agreement")
    with_disputes = stratified_split(c, seed=3)
    given = c.frame["excluded"].where(~c.disputed, "dropped")
    from dataclasses import replace

    without = stratified_split(replace(c, frame=c.frame.assign(excluded=given), disputed=None), seed=3)
    assert with_disputes.sha256 == without.sha256
    assert len(with_disputes.disputed) == 12
    assert set(with_disputes.disputed) <= {"train", "validation", "test"}
    assert stratified_split(c, seed=3).disputed.equals(with_disputes.disputed)
    everywhere = dict(with_disputes.of_case) | with_disputes.disputed.to_dict()
    by_patient = c.frame.groupby("patient_id")["case_id"].agg(lambda ids: len({everywhere[i] for i in ids}))
    assert (by_patient == 1).all()
    assert (c.frame.groupby("patient_id").size() > 1).any()


def test_what_is_scored_has_the_cases_in_dispute_of_test_beside_the_analysed(write_manifest):
    c = many(write_manifest, rule="agreement")
    split = stratified_split(c, seed=3)
    apart = set(split.disputed_test)
    assert apart
    scored = c.to_score(split.disputed_test)
    assert set(scored.analysed["case_id"]) == set(c.analysed["case_id"]) | apart
    assert len(scored.image_sha256) == len(scored.analysed) == len(scored.image_paths)
    by_case = dict(zip(scored.analysed["case_id"], scored.image_sha256, strict=True))
    own = dict(zip(c.analysed["case_id"], c.image_sha256, strict=True))
    assert own.items() <= by_case.items()
    assert len(c.analysed) == 48  # the cohort itself is as it was


def test_the_manifests_split_sends_them_too(write_manifest):
    c = many(write_manifest, split=True, rule="agreement")
    split = manifest_split(c)
    frame = c.in_dispute.set_index("case_id")["split"].sort_index()
    assert split.disputed.tolist() == frame.tolist()
    assert not set(split.disputed.index) & set(split.assignment.index)


def test_a_patient_in_two_splits_is_found_among_cases_in_dispute_too(write_manifest):
    header = "case_id,patient_id,image,label,split,reader_a,reader_b"
    rows = [f"c{i},p{i},images/{i}.png,{A if i % 2 else N},{s},{A if i % 2 else N},{A if i % 2 else N}"
            for i, s in enumerate(["train", "train", "test", "test"], 1)]  # fmt: skip
    rows.append(f"c5,p1,images/5.png,{A},test,{A},{N}")
    with pytest.raises(InputError, match="a patient in two splits"):
        read_manifest(write_manifest(rows, header), labels_by=LabelsSection(rule="agreement"))


def test_the_flow_accounts_for_every_case(labelled, write_manifest):
    c = labelled(rule="agreement")
    table = flow(c)
    assert dict(zip(table["step"], table["n"], strict=True)) == {
        "screened": 9, "trauma": 1, "reader disagreement": 1, ONE: 1, "read by no reader": 1, DISPUTE: 2, "analysed": 3, A: 1, N: 2,
    }  # fmt: skip
    c = many(write_manifest, rule="agreement")
    table = flow(c, stratified_split(c, seed=3))
    whole = table[table["split"].isna()]
    assert whole.loc[whole["kind"] == "screened", "n"].item() == 60
    assert whole.loc[whole["kind"].isin(["excluded", "disputed", "analysed"]), "n"].sum() == 60
    parts = table[table["split"].notna()]
    assert parts.loc[parts["kind"].isin(["disputed", "class"]), "n"].sum() == 60
    assert not unaccounted(table)


def test_a_flow_that_loses_a_case_is_found(write_manifest):
    c = many(write_manifest, rule="agreement")
    table = flow(c, stratified_split(c, seed=3))
    for i in range(len(table)):
        wrong = table.copy()
        wrong.loc[i, "n"] -= 1
        assert unaccounted(wrong), table.loc[i, "step"]


def test_readings_stand_beside_the_predictions_that_are_evaluated(labelled):
    import pandas as pd

    c = labelled(rule="agreement")
    ledger = pd.DataFrame({"case_id": ["c3", "c1", "c2", "c4"], "split": ["disputed", "train", "test", "test"]})
    found = with_readings(ledger, c)
    assert list(found.columns) == ["case_id", "split", "reader_a", "reader_b", "reader_c", "label_given"]
    assert found.loc[0, ["reader_a", "reader_b", "reader_c", "label_given"]].tolist() == [A, A, N, A]
    assert found.loc[1, "reader_a":].isna().all()  # a case of training
    assert found.loc[3, "reader_c"] is None or np.isnan(found.loc[3, "reader_c"])


def test_where_divisions_differ_a_case_has_its_readings_on_all_its_rows(labelled):
    import pandas as pd

    cases, splits = ["c3", "c3", "c1", "c2", "c2"], ["disputed", "disputed", "train", "validation", "test"]
    found = with_readings(pd.DataFrame({"case_id": cases, "split": splits}), labelled(rule="agreement"))
    assert (found.groupby("case_id")[["reader_a", "reader_b", "label_given"]].nunique(dropna=False) == 1).all(axis=None)
    assert found.loc[found["case_id"] == "c2", "reader_a"].notna().all()
    assert found.loc[found["case_id"] == "c1", "reader_a"].isna().all()  # tested nowhere
