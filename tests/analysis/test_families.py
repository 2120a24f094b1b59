"""Families of comparisons: their sizes, Holm in comparisons.csv, every adjustment in multiplicity.csv."""

from __future__ import annotations

import numpy as np
import pytest

from hybridcx.analysis import families

FAMILY = ["metric", "method", "subgroup", "level"]


def holm(p):
    """Holm (1979), written out: the k-th smallest of m times m - k + 1, made monotone."""
    order = np.argsort(p)
    out = np.empty(len(p))
    running = 0.0
    for k, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - k) * p[i]))
        out[i] = running
    return out


def test_a_family_is_all_pairs_of_one_metric_and_method_in_one_subgroup(full):
    tested = full["comparisons"][full["comparisons"]["p.value"].notna()]
    sizes = tested.groupby(FAMILY, dropna=False).size()
    assert set(sizes) == {3}
    for _, family in tested.groupby(FAMILY, dropna=False):
        assert family["adj.p.value"].to_numpy() == pytest.approx(holm(family["p.value"].to_numpy()))


def test_what_has_no_p_value_is_not_adjusted(full):
    pairs = full["comparisons"]
    without = pairs["p.value"].isna()
    assert without.any()
    assert pairs.loc[without, "adj.p.value"].isna().all()
    assert set(pairs.loc[without, "p.adjust.method"]) == {"none"}
    assert set(pairs.loc[~without, "p.adjust.method"]) == {"holm"}


def test_the_plans_pairs_are_the_family(draw, analysed):
    made = analysed(draw(), pairs=(("vgg16", "lda"),), locked=True)
    pairs = made["comparisons"]
    assert set(zip(pairs["model"], pairs["comparator"], strict=True)) == {("vgg16", "lda")}
    tested = pairs[pairs["p.value"].notna()]
    assert tested["adj.p.value"].to_numpy() == pytest.approx(tested["p.value"].to_numpy())


def test_roles(draw, analysed, full):
    assert set(full["comparisons"]["role"]) == {"exploratory"}
    assert set(full["verdicts"]["role"]) == {"exploratory"}
    made = analysed(draw(), pairs=(("vgg16", "lda"),), locked=True, primary_metric="auroc", by=("sex",))
    pairs = made["comparisons"]
    confirmatory = pairs[pairs["role"] == "confirmatory"]
    assert set(confirmatory["metric"]) == {"auroc"}
    assert confirmatory["subgroup"].isna().all()
    assert made["verdicts"].set_index("metric")["role"].to_dict()["auroc"] == "confirmatory"
    assert set(made["verdicts"].query("metric != 'auroc'")["role"]) == {"exploratory"}


def test_every_adjustment_of_every_overall_test(full):
    table, pairs = full["multiplicity"], full["comparisons"]
    overall = pairs[pairs["subgroup"].isna() & pairs["p.value"].notna()]
    for name in ("none", "holm", "hochberg", "BH"):
        rows = table[table["p.adjust.method"] == name]
        assert len(rows) == len(overall)
    key = ["metric", "method", "model", "comparator"]
    adjusted = table[table["p.adjust.method"] == "holm"].set_index(key)["adj.p.value"].sort_index()
    assert adjusted.to_numpy() == pytest.approx(overall.set_index(key)["adj.p.value"].sort_index().to_numpy())
    unadjusted = table[table["p.adjust.method"] == "none"]
    assert unadjusted["adj.p.value"].to_numpy() == pytest.approx(unadjusted["p.value"].to_numpy())
    wide = table.pivot_table(index=key, columns="p.adjust.method", values="adj.p.value")
    assert (wide["none"] <= wide["BH"] + 1e-12).all()
    assert (wide["BH"] <= wide["hochberg"] + 1e-12).all()
    assert (wide["hochberg"] <= wide["holm"] + 1e-12).all()


def test_max_t_alone_has_simultaneous_limits(full):
    table = full["multiplicity"]
    simultaneous = table[["conf.low", "conf.high"]].notna().all(axis=1)
    assert simultaneous.any()
    assert set(table.loc[simultaneous, "p.adjust.method"]) == {"maxT"}
    rows = table[table["p.adjust.method"] == "maxT"]
    assert set(rows["method"]) == {"bootstrap_percentile"}
    assert len(rows[rows["metric"] == "accuracy"]) == 3
    found = table[simultaneous]
    assert (found["adj.p.value"] >= found["p.value"] - 1e-12).all()
    assert (found["conf.low"] <= found["conf.high"]).all()


def test_nothing_is_made_of_nothing():
    import pandas as pd

    assert families.adjust(pd.DataFrame()).empty
