"""The cases behind a comparison: McNemar's cells agree with the counts of the tests, and the shown cases are the noteworthy ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.cases import CELLS, MAX_CASES, case_tables, shown_numbers
from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.records.predictions import predictions_from_frame


def ledger(n: int = 60, models: tuple[str, ...] = ("a", "b", "c"), seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.5
    parts = []
    for m in models:
        score = np.clip(0.5 + 0.25 * (y - 0.5) + 0.2 * rng.standard_normal(n), 0, 1)
        parts.append(
            pd.DataFrame(
                {
                    "case_id": [f"c{i:03d}" for i in range(n)], "y_true": np.where(y, "abnormal", "normal"), "model": m,
                    "y_pred": np.where(score >= 0.5, "abnormal", "normal"), "score": score,
                    "reader_A": np.where(rng.random(n) < 0.1, "normal", "abnormal") if m == "a" else None,
                }
            )
        )  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame["reader_A"] = frame["case_id"].map(parts[0].set_index("case_id")["reader_A"])
    return frame


def test_cells_are_those_that_the_tests_count():
    tables = analyse(predictions_from_frame(ledger()), Plan(n_resamples=100))
    cells = tables["case_cells"].groupby(["model", "comparator"])["cell"].value_counts().unstack(fill_value=0)
    assert list(cells.sum(axis=1)) == [60, 60, 60]
    accuracy = tables["comparisons"].query("metric == 'accuracy' and method == 'mcnemar_exact'")
    accuracy = accuracy[accuracy["label.rule"].isna() & accuracy["subgroup"].isna()].set_index(["model", "comparator"])
    for pair, row in accuracy.iterrows():
        assert (cells.loc[pair, "only_model"], cells.loc[pair, "only_comparator"]) == (row["b"], row["c"])
    overlap = tables["error_overlap"].set_index(["model", "comparator"])
    assert (cells["both_wrong"] == overlap["both.wrong"]).all()
    assert (cells["both_right"] == overlap["both.right"]).all()
    assert set(cells.columns) <= set(CELLS)


def test_a_row_says_whom_the_model_alone_beats_and_is_beaten_by():
    book = analyse(predictions_from_frame(ledger()), Plan(n_resamples=100))["casebook"]
    wide = book.pivot(index="case_id", columns="model", values="correct")
    for row in book.itertuples():
        right = wide.loc[row.case_id]
        others = [m for m in wide.columns if right[m] != row.correct]
        won, lost = book.loc[row.Index, ["only.right.against", "only.wrong.against"]].fillna("")
        assert won == ("; ".join(others) if row.correct else "")
        assert lost == ("" if row.correct else "; ".join(others))
    assert (book["n.models.wrong"] == book["case_id"].map((~wide.astype(bool)).sum(axis=1))).all()
    assert book["readings"].str.startswith("A: ").all()
    near = (book["score"] - 0.5).abs() <= 0.05
    assert (book["near.threshold"].astype(bool) == near).all()
    noteworthy = (book["n.models.wrong"] > 0) | near.groupby(book["case_id"]).transform("any")
    shown = book["number"].notna()
    assert not (shown & ~noteworthy).any()
    assert sorted(set(book.loc[shown, "number"])) == list(range(1, int(book["number"].max()) + 1))


def test_calls_that_no_threshold_makes_are_near_none():
    frame = ledger()
    frame.loc[frame["model"] == "b", "y_pred"] = frame["y_true"]
    book = analyse(predictions_from_frame(frame), Plan(n_resamples=100))["casebook"]
    assert book.loc[book["model"] == "b", "near.threshold"].isna().all()
    assert book.loc[book["model"] == "a", "near.threshold"].notna().all()


def test_only_the_pairs_of_the_plan_are_covered():
    plan = Plan(n_resamples=100, pairs=(("c", "a"),), locked=True)
    tables = analyse(predictions_from_frame(ledger()), plan)
    assert set(zip(tables["case_cells"]["model"], tables["case_cells"]["comparator"], strict=True)) == {("c", "a")}
    assert tables["casebook"].query("model == 'b'")["only.right.against"].isna().all()


def test_places_are_shared_and_what_one_kind_leaves_goes_to_the_next():
    n = 100
    none = np.zeros(n, dtype=bool)
    every = shown_numbers(np.arange(n), none, ~none, np.arange(n) / n, limit=48)
    assert every[99] == 1  # most pairs first
    assert (every > 0).sum() == 48
    wrong = np.arange(n) >= 80
    mixed = shown_numbers(np.where(np.arange(n) < 60, 1, 0), wrong, ~none, np.arange(n) / n, limit=48)
    assert [(mixed[:60] > 0).sum(), (mixed[80:] > 0).sum(), (mixed[60:80] > 0).sum()] == [32, 8, 8]
    few = shown_numbers(np.where(np.arange(n) < 3, 1, 0), none, none, np.full(n, np.inf), limit=48)
    assert few[:4].tolist() == [1, 2, 3, 0]


def test_a_large_test_set_is_listed_in_part_and_the_noteworthy_first():
    frame = ledger(MAX_CASES + 200, ("a", "b"))
    read = predictions_from_frame(frame)
    tables = case_tables(read, Plan(), (("a", "b"),))
    assert tables["casebook"]["case_id"].nunique() == MAX_CASES
    wide = frame.pivot(index="case_id", columns="model", values="y_pred")
    discordant = set(wide.index[wide["a"] != wide["b"]])
    assert discordant <= set(tables["casebook"]["case_id"])


def test_without_calls_there_are_no_cases():
    read = predictions_from_frame(ledger().drop(columns="y_pred"), score_kind="rank")
    assert all(t.empty for t in case_tables(read, Plan(), (("a", "b"),)).values())


@pytest.mark.parametrize("count", [1, 2])
def test_the_first_seed_stands_for_several(count):
    frames = [ledger(seed=s).assign(seed=s) for s in range(count)]
    for f in frames[1:]:
        f["y_true"] = frames[0]["y_true"]
        f["reader_A"] = frames[0]["reader_A"]
    read = predictions_from_frame(pd.concat(frames, ignore_index=True))
    book = case_tables(read, Plan(), (("a", "b"),))["casebook"]
    assert len(book) == 180
    assert set(book["seed"]) == ({"0"} if count == 2 else {None})
