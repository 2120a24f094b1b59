"""Ratings to agreement.csv: which rows, in which order, about which readings."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.readers.agreement import UNNUMBERED_NOTE, agreement_table
from hybridcx.errors import InputError
from hybridcx.stats import agreement as ag
from hybridcx.vocabulary.readers import AGREEMENT

REFERENCE = Path(__file__).parents[1] / "reference"
KEY = ["metric", "method", "scope", "readers", "occasion", "subset"]
ICCS = ["icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k"]


@dataclass(frozen=True)
class Column:
    column: str
    reader: str
    occasion: int | None = None


@dataclass(frozen=True)
class Table:
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    scale: str
    maybe_codes: bool = False


def table(scale, **readings):
    """Ratings from `name=values` or `name_occasion=values`."""
    columns = []
    for name in readings:
        reader, _, occasion = name.partition("_")
        columns.append(Column(name, reader, int(occasion) if occasion else None))
    n = len(next(iter(readings.values())))
    frame = pd.DataFrame(
        {k: pd.Series(list(v), dtype="float64" if scale == "measurement" else object) for k, v in readings.items()}
    )
    frame.index = pd.Index([f"c{i:03d}" for i in range(n)], name="case_id")
    return Table(frame, tuple(columns), scale)


def measured(*names, n=20, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.normal(50, 10, n)
    return table("measurement", **{name: truth + rng.normal(0, 3, n) for name in names})


def called(*names, scale="nominal", labels="123", n=40, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(labels), n)
    read = {k: np.where(rng.random(n) < 0.75, truth, rng.integers(0, len(labels), n)) for k in names}
    return table(scale, **{k: [labels[i] for i in v] for k, v in read.items()})


def keys(t):
    return list(zip(t.metric, t.method, t.readers, strict=True))


def test_columns_and_order_of_measurements():
    t = agreement_table(measured("b", "a"), n_resamples=100)
    assert list(t.columns) == AGREEMENT.header
    assert t.metric.tolist() == [
        *ICCS,
        "sem",
        "sem",
        "mdc95",
        "mdc95",
        "bland_altman_bias",
        "bland_altman_lower",
        "bland_altman_upper",
        "krippendorff_alpha",
    ]
    assert t.method.tolist() == [*["anova"] * 6, *["anova", "consistency"] * 2, *["exact"] * 3, "interval"]
    assert set(t.readers) == {"b, a"}
    assert set(t.scope) == {"between"}
    assert set(t.subset) == {"all"}
    assert t.occasion.isna().all()
    said = t[t.warning.notna()]  # MSJ is below MSE in these readings
    assert list(zip(said.metric, said.method, strict=True)) == [("sem", "anova"), ("mdc95", "anova")]
    assert said.warning.str.contains("below 0 and stands as 0").all()
    assert set(t.status) == {"ok"}


def test_the_numbers_are_those_of_the_statistics():
    ratings = measured("a", "b", "c")
    t = agreement_table(ratings, confidence_level=0.9, n_resamples=100).set_index(["metric", "method", "readers"])
    x = ratings.frame.to_numpy()
    for r in [*ag.icc(x, 0.9), ag.sem(x, "consistency", 0.9)]:
        row = t.loc[(r.metric, r.method, "a, b, c")]
        got = row[["estimate", "conf.low", "conf.high", "conf.level", "statistic", "parameter1", "parameter2"]]
        wanted = [r.estimate, r.conf_low, r.conf_high, r.conf_level, r.statistic, r.parameter1, r.parameter2]
        assert got.to_list() == pytest.approx(wanted, nan_ok=True)
        assert row["p.value"] == pytest.approx(r.pvalue, nan_ok=True)
        assert (row["n"], row["k"]) == (20, 3)
    # The earlier column minus the later.
    assert t.loc[("bland_altman_bias", "exact", "a, c"), "estimate"] == pytest.approx((x[:, 0] - x[:, 2]).mean())


def test_several_readers_are_joint_and_paired():
    t = agreement_table(called("a", "b", "c"), n_resamples=50)
    assert keys(t) == [
        ("percent_agreement", "wilson", "a, b, c"),
        ("cohen_kappa", "unweighted", "a, b"),
        ("cohen_kappa", "unweighted", "a, c"),
        ("cohen_kappa", "unweighted", "b, c"),
        ("fleiss_kappa", "unweighted", "a, b, c"),
        ("gwet_ac1", "unweighted", "a, b, c"),
        ("krippendorff_alpha", "nominal", "a, b, c"),
    ]


def test_ordered_categories():
    t = agreement_table(called("a", "b", scale="ordinal"), n_resamples=50)
    assert [(m, h) for m, h, _ in keys(t)] == [
        ("percent_agreement", "wilson"),
        ("cohen_kappa", "unweighted"),
        ("cohen_kappa", "linear"),
        ("cohen_kappa", "quadratic"),
        ("fleiss_kappa", "unweighted"),
        ("gwet_ac1", "unweighted"),
        ("gwet_ac2", "linear"),
        ("gwet_ac2", "quadratic"),
        ("krippendorff_alpha", "nominal"),
        ("krippendorff_alpha", "ordinal"),
        ("krippendorff_alpha", "interval"),
    ]
    assert not t.duplicated(KEY).any()


def test_two_valued_calls_have_iccs_for_the_positive_class():
    ratings = called("a", "b", labels=["abnormal", "normal"])
    t = agreement_table(ratings, positive="abnormal", n_resamples=50).set_index("metric")
    coded = (ratings.frame == "abnormal").to_numpy(dtype=float)
    assert t.loc[ICCS, "estimate"].to_list() == pytest.approx([r.estimate for r in ag.icc(coded)])
    assert set(t.loc[ICCS, "status"]) == {"caution"}
    assert t.loc[ICCS, "warning"].str.contains("see kappa and AC1").all()
    assert "icc1" not in set(agreement_table(ratings, n_resamples=50).metric)
    assert "icc1" not in set(agreement_table(called("a", "b"), positive="1", n_resamples=50).metric)


def test_one_call_alone_is_not_estimable_rather_than_missing():
    t = agreement_table(table("nominal", a=["n"] * 4, b=["n", "n", None, "n"]), positive="p").set_index("metric")
    assert set(t.drop("percent_agreement").status) == {"not_estimable"}
    assert t.drop("percent_agreement").estimate.isna().all()
    assert t.drop("percent_agreement").warning.notna().all()
    assert t.loc["icc1", "estimate"] != t.loc["icc1", "estimate"]


def test_occasions_keep_between_and_within_apart():
    ratings = measured("a_1", "b_1", "a_2", "b_2", "b_3")
    t = agreement_table(ratings, n_resamples=50)
    assert not t.duplicated(KEY).any()
    groups = t[["scope", "readers", "occasion"]].drop_duplicates().to_numpy().tolist()
    assert groups == [
        ["between", "a, b", "1"],
        ["between", "a, b", "2"],
        ["within", "a", "1, 2"],
        ["within", "b", "1, 2, 3"],
        ["within", "b", "1, 2"],
        ["within", "b", "1, 3"],
        ["within", "b", "2, 3"],
    ]
    within = t[(t.scope == "within") & (t.readers == "a") & (t.metric == "icc3")].iloc[0]
    assert within.estimate == pytest.approx(ag.icc(ratings.frame[["a_1", "a_2"]].to_numpy())[2].estimate)
    joint = t[(t.readers == "b") & (t.occasion == "1, 2, 3")]
    assert "bland_altman_bias" not in set(joint.metric)
    assert set(joint.k) == {3}


def test_one_occasion_with_a_number_is_no_occasion():
    assert agreement_table(measured("a_1", "b_1"), n_resamples=50).occasion.isna().all()


def test_a_reading_without_a_number_beside_numbered_ones_is_the_first_and_said():
    t = agreement_table(measured("a", "b_1", "b_2"), n_resamples=50)
    between = t[t.scope == "between"]
    assert set(between.readers) == {"a, b"}
    assert set(between.occasion) == {"1"}
    assert between.warning.str.contains(UNNUMBERED_NOTE).all()
    assert not t[t.scope == "within"].warning.fillna("").str.contains(UNNUMBERED_NOTE).any()


def test_nothing_to_compare_is_an_empty_table():
    t = agreement_table(measured("a"))
    assert list(t.columns) == AGREEMENT.header
    assert t.empty


def test_order_of_rows_in_the_file_changes_nothing():
    ratings = called("a", "b", "c", scale="ordinal")
    mixed = Table(ratings.frame.sample(frac=1, random_state=4), ratings.columns, ratings.scale)
    pd.testing.assert_frame_equal(
        agreement_table(ratings, n_resamples=50), agreement_table(mixed, n_resamples=50), check_exact=True
    )


def test_another_reader_and_the_seed():
    two, three = called("a", "b"), called("a", "b", "c")
    assert (two.frame["a"] == three.frame["a"]).all()
    pick = ("cohen_kappa", "unweighted", "a, b")
    before, after = (
        agreement_table(r, n_resamples=50).set_index(["metric", "method", "readers"]) for r in (two, three)
    )
    assert before.loc[pick].estimate == after.loc[pick].estimate
    once, again, other = (
        agreement_table(two, n_resamples=50, seed=s).query("metric == 'krippendorff_alpha'")["conf.low"].item()
        for s in (1, 1, 2)
    )
    assert once == again != other


def test_a_third_reader_with_categories_of_her_own_changes_no_kappa_of_the_other_two():
    # Readers a and b never use the 3, which lies between their 2 and 4: with it 2 and 4 would be two positions apart.
    a, b, c = list("1122444211"), list("1242441214"), list("3331243333")
    two, three = table("ordinal", a=a, b=b), table("ordinal", a=a, b=b, c=c)
    before, after = (agreement_table(r, n_resamples=20) for r in (two, three))
    after = after[after["readers"] == "a, b"].reset_index(drop=True)
    before = before[before["metric"] == "cohen_kappa"].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    # R: psych's cohen.kappa(cbind(a, b)), kappa and weighted.kappa
    estimates = dict(zip(before["method"], before["estimate"], strict=True))
    assert estimates["unweighted"] == pytest.approx(0.40298507462686572, rel=1e-12)
    assert estimates["quadratic"] == pytest.approx(0.29577464788732366, rel=1e-12)


def test_numbers_that_may_be_codes_have_the_rows_of_both_scales():
    text = called("a", "b", "c", scale="ordinal", labels="1234")
    numbers = Table(text.frame.astype(float), text.columns, "measurement", True)
    measured_rows, ordinal_rows, both = (
        agreement_table(r, n_resamples=30).set_index(["metric", "method", "readers"])
        for r in (replace(numbers, maybe_codes=False), text, numbers)
    )
    assert both.index.is_unique
    pd.testing.assert_frame_equal(both.iloc[: len(measured_rows)], measured_rows, check_exact=True)
    further = both.iloc[len(measured_rows) :]
    pd.testing.assert_frame_equal(
        further, ordinal_rows.drop(index=("krippendorff_alpha", "interval", "a, b, c")), check_exact=True
    )


def test_subset_and_note_stand_on_every_row():
    t = agreement_table(called("a", "b"), n_resamples=50, subset="analysed", note="1 by construction")
    assert set(t.subset) == {"analysed"}
    assert t.warning.str.endswith("1 by construction").all()
    assert set(t.status) == {"caution"}


def test_missing_readings_of_every_kind():
    values = ["x", None, nan, pd.NA, "y", "x", "y"]
    t = agreement_table(table("nominal", a=values, b=["x", "x", "y", "y", "y", "x", "x"]), n_resamples=50).set_index(
        "metric"
    )
    assert t.loc["cohen_kappa", "n"] == 4
    assert t.loc["cohen_kappa", "status"] == "caution"
    assert "3 of 7 cases" in t.loc["fleiss_kappa", "warning"]
    assert (t.loc["gwet_ac1", "n"], t.loc["krippendorff_alpha", "n"]) == (7, 4)
    missing = agreement_table(table("measurement", a=[1, nan, 3, 4], b=[1, 2, 4, 4]), n_resamples=50).set_index(
        "metric"
    )
    assert set(missing.n) == {3}


def test_refusals():
    with pytest.raises(InputError, match="ordinal"):
        agreement_table(table("ordinal", a=["mild", "1"], b=["severe", "2"]))
    with pytest.raises(InputError, match="unknown scale"):
        agreement_table(table("ratio", a=["1"], b=["2"]))
    with pytest.raises(InputError, match="none of the calls"):
        agreement_table(called("a", "b", labels=["x", "y"]), positive="z")
    with pytest.raises(InputError, match="two columns for reader"):
        agreement_table(measured("a", "a_1", "b"))


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("case", [f"{kind}{i:02d}" for kind in ("rate", "cat") for i in range(1, 7)])
def test_one_row_for_every_value_of_the_shared_reference(case):
    scale = "measurement" if case.startswith("rate") else "ordinal"
    rows = read_csv(REFERENCE / "r" / f"{case}.csv")
    names = [c for c in rows[0] if c != "case_id"]
    cast = float if scale == "measurement" else str
    frame = pd.DataFrame({c: [cast(r[c]) for r in rows] for c in names}, index=[r["case_id"] for r in rows])
    columns = tuple(Column(c, c.removeprefix("reader_")) for c in names)
    t = agreement_table(Table(frame, columns, scale), n_resamples=50)
    t = t[t.scope == "between"]
    for e in [e for e in read_csv(REFERENCE / "r" / "expected.csv") if e["case"] == case]:
        hit = t[(t.metric == e["metric"]) & (t.method == e["method"])]
        assert len(hit) == 1
        for ours, theirs in (
            ("estimate", "estimate"),
            ("conf.low", "conf_low"),
            ("conf.high", "conf_high"),
            ("statistic", "statistic"),
            ("p.value", "p_value"),
        ):
            if e[theirs]:
                assert hit[ours].item() == pytest.approx(float(e[theirs]), rel=1e-6)


def test_krippendorffs_example_as_a_ratings_file():
    book = json.loads((REFERENCE / "published.json").read_text(encoding="utf-8"))["krippendorff_4_coders_12_units"]
    coders = {
        name: [None if v is None else f"k{v}" for v in r]
        for name, r in zip("abcd", book["ratings_by_coder"], strict=True)
    }
    t = agreement_table(table("nominal", **coders), n_resamples=50).set_index("metric")
    assert t.loc["krippendorff_alpha", "estimate"] == pytest.approx(book["krippendorff_alpha"]["nominal"], abs=1e-10)
    assert t.loc["gwet_ac1", "estimate"] == pytest.approx(book["gwet_ac1"], abs=0.6e-5)
    assert not isnan(t.loc["krippendorff_alpha", "conf.low"])
