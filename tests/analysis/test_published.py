"""The audit of whole tables: which reading is named, what is recomputed, and that no true table is flagged."""

from __future__ import annotations

from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import combinations
from math import isinf, isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.analysis.published.readings import audit
from hybridcx.analysis.published.tables import audit_tables
from hybridcx.records.published import read_published
from hybridcx.stats.confusion import count_metrics
from hybridcx.stats.published.matrices import seen
from hybridcx.vocabulary import COUNT_METRICS, RATIOS

STUDY = Path(__file__).parents[2] / "experiments" / "published" / "cervical_table3.csv"


def table(rows, positives=None, negatives=None, unit=None):
    frame = pd.DataFrame(rows, columns=["model", "metric", "value"])
    found = audit(read_published(frame, positives, negatives, unit))
    return found, audit_tables(found)


def printed(models, names, decimals=1, percent=True, rounding=ROUND_HALF_UP, reading="as_printed"):
    """Rows of a table as it would have been printed from these matrices under a reading."""
    rows = []
    for model, cells in models.items():
        values = count_metrics(*seen(reading, *cells))
        for name in names:
            value = float(values[name])
            as_percent = percent and name not in RATIOS
            if isnan(value):
                text = "0." + "0" * decimals if name in ("ppv", "f1", "mcc") else "NA"  # what common software prints
            elif isinf(value):
                text = "inf"
            else:
                exact = Decimal(repr(value)) * (100 if as_percent else 1)
                text = str(exact.quantize(Decimal(1).scaleb(-decimals), rounding))
            rows.append((model, name, text))
    return rows


@settings(max_examples=120, deadline=None)
@given(
    positives=st.integers(1, 80),
    negatives=st.integers(1, 80),
    shares=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    formats=st.dictionaries(st.sampled_from(COUNT_METRICS), st.booleans(), min_size=1, max_size=12),
    decimals=st.integers(1, 4),
    rounding=st.sampled_from([ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_HALF_EVEN]),
)
def test_no_true_table_is_flagged(positives, negatives, shares, formats, decimals, rounding):
    """Columns in percent and as proportions, as tables mix them; small values of which the unit cannot be known among them."""
    models = {}
    for i, (s, t) in enumerate(shares):
        tp, tn = round(s * positives), round(t * negatives)
        models[f"m{i}"] = (tp, positives - tp, negatives - tn, tn)
    rows = [
        r for name, p in formats.items() for r in printed(models, [name], decimals if p else decimals + 2, p, rounding)
    ]
    if all(value == "NA" for _, _, value in rows):
        return
    found = audit(read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), positives, negatives))
    assert found.can_be_true
    assert found.explains == ("as_printed",)
    for model in found.printed.models:
        assert list(models[model]) in found.solutions["as_printed"][model].cells.tolist()


@pytest.mark.parametrize("reading", ["rows_columns_swapped", "classes_swapped", "both_swapped"])
def test_the_reading_that_made_a_table_is_found(reading):
    models = {"a": (41, 9, 3, 67), "b": (38, 12, 7, 63), "c": (46, 4, 15, 55)}
    names = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "lr_positive")
    found, made = table(printed(models, names, 2, reading=reading), 50, 70)
    assert not found.can_be_true
    assert found.explains == (reading,)
    matrices = made["audit_matrices"].query("reading == @reading")
    assert matrices[["tp", "fn", "fp", "tn"]].astype(int).apply(tuple, axis=1).tolist() == list(models.values())
    metrics = made["audit_metrics"].set_index(["model", "metric"])
    for model, cells in models.items():
        for name, value in count_metrics(*cells).items():
            assert metrics.loc[(model, name), "estimate"] == pytest.approx(float(value))


def test_one_other_total_for_all_models():
    models = {"a": (25, 5, 10, 60), "b": (23, 7, 6, 64)}
    found, made = table(printed(models, ("accuracy", "sensitivity", "specificity")), 50, 50)
    assert found.explains == ("other_totals",)
    assert found.common == (30,)
    assert made["audit_comparisons"]["p.value.min"].notna().any()


def test_a_table_that_nothing_explains():
    rows = printed(
        {"a": (80, 20, 10, 90), "b": (70, 30, 20, 80), "c": (75, 25, 30, 70)},
        ("accuracy", "sensitivity", "specificity", "ppv"),
    )
    rows[2] = ("a", "specificity", "93.0")
    found, made = table(rows, 100, 100)
    assert found.explains == ()
    values = made["audit_values"].set_index(["model", "printed.as"])
    assert values.loc[("a", "specificity"), "nearest"] == 0.9
    assert values.loc[("a", "specificity"), "missed.by"] == pytest.approx(0.0295)
    assert values.loc[("a", "specificity"), "alone"]
    compared = (
        made["audit_comparisons"]
        .query("metric == 'accuracy' and method == 'mcnemar_exact'")
        .set_index(["model", "comparator"])
    )
    assert compared.loc[("a", "b"), "status"] == "not_estimable"
    assert isnan(compared.loc[("a", "b"), "p.value.min"])
    assert compared.loc[("b", "c"), "status"] == "caution"
    assert compared.loc[("b", "c"), "p.value.min"] > 0


def test_models_with_totals_of_their_own_are_not_paired():
    frame = pd.DataFrame(
        [("a", "acc", "90.0", "10", "10"), ("b", "acc", "80.0", "5", "5")],
        columns=["model", "metric", "value", "positives", "negatives"],
    )
    made = audit_tables(audit(read_published(frame)))["audit_comparisons"]
    assert set(made["status"]) == {"not_estimable"}
    assert made["warning"].str.contains("different class totals").all()


def test_a_unit_that_values_leave_open_is_found_by_what_fits():
    # 1 and 0 of 199 positives found: 0.5 and 0.0 are percentages, which no value of that column shows
    rows = [
        ("a", "sensitivity", "0.5"),
        ("b", "sensitivity", "0.0"),
        ("a", "accuracy", "50.5"),
        ("b", "accuracy", "50.3"),
        ("a", "specificity", "100.0"),
        ("b", "specificity", "100.0"),
    ]
    found, _ = table(rows, 199, 201)
    assert found.can_be_true
    assert found.units["sensitivity"] == "percent"


def test_a_false_table_of_proportions_is_not_saved_by_reading_it_in_percent():
    # 0.94 % correct with 0.95 % and 0.93 % of the classes is possible among 20 000 cases; nobody prints that
    rows = [("a", "accuracy", "0.940"), ("a", "sensitivity", "0.990"), ("a", "specificity", "0.970")]
    assert table([(m, k, v[:-1]) for m, k, v in rows], 10_000, 10_000)[0].can_be_true is False
    beside = [*rows, ("b", "accuracy", "0.9"), ("b", "ppv", "93.9")]
    assert table(beside, 10_000, 10_000)[0].units["accuracy"] == "proportion"


def test_several_solutions_give_ranges():
    found, made = table([("a", "accuracy", "90"), ("b", "accuracy", "85")], 20, 20)
    assert found.count("as_printed", "a") > 1
    row = made["audit_metrics"].set_index(["model", "metric"]).loc[("a", "sensitivity")]
    assert row["status"] == "caution"
    assert isnan(row["estimate"])
    assert (row["estimate.min"], row["estimate.max"]) == (0.8, 1.0)
    assert row["conf.low"] < 0.8
    assert row["conf.high"] == 1


@pytest.fixture(scope="module")
def study():
    found = audit(read_published(STUDY, 25, 24))
    return found, audit_tables(found)


def test_the_study_is_explained_by_the_swap_alone(study):
    found, made = study
    assert found.explains == ("rows_columns_swapped",)
    readings = made["audit_readings"].set_index("reading")
    assert readings["n.models.fit"].to_dict() == {
        "as_printed": 1, "rows_columns_swapped": 4, "classes_swapped": 1, "both_swapped": 0, "other_totals": 0, "other_totals_per_model": 4,
    }  # fmt: skip
    assert readings.loc["other_totals_per_model", "positives"] == "24; 25; 22; 26"
    assert readings.loc["as_printed", "models.without"] == "VGG-16; ResNet-101; DenseNet-201"
    assert set(found.misses) == {"VGG-16", "ResNet-101", "DenseNet-201"}


def test_the_studys_corrected_table(study):
    metrics = study[1]["audit_metrics"]
    wide = metrics.pivot(index="model", columns="metric", values="estimate").round(3)
    expected = {  # PAPER
        "VGG-16": (92.0, 95.8, 95.8, 92.0),
        "VGG-19": (92.0, 91.7, 92.0, 91.7),
        "ResNet-101": (84.0, 95.8, 95.5, 85.2),
        "DenseNet-201": (88.0, 83.3, 84.6, 87.0),
    }
    for model, values in expected.items():
        shown = wide.loc[model, ["sensitivity", "specificity", "ppv", "npv"]]
        assert [f"{100 * v:.1f}" for v in shown] == [f"{v:.1f}" for v in values]
    one = metrics.query("model == 'VGG-16' and metric == 'accuracy'").iloc[0]
    assert (one["method"], one["numerator"], one["denominator"]) == ("wilson", 46, 49)
    # Wilson (1927) for 46 of 49 by its closed form
    z, x, n = 1.959963984540054, 46, 49
    half = z * np.sqrt(x * (n - x) / n + z * z / 4)
    assert (one["conf.low"], one["conf.high"]) == pytest.approx(
        ((x + z * z / 2 - half) / (n + z * z), (x + z * z / 2 + half) / (n + z * z))
    )
    printed_as = metrics.query("model == 'VGG-16'").set_index("metric")["printed.as"].dropna().to_dict()
    assert printed_as == {
        "accuracy": "accuracy",
        "ppv": "sensitivity",
        "npv": "specificity",
        "sensitivity": "precision",
    }


def test_the_studys_pairs(study):
    compared = study[1]["audit_comparisons"].query("metric == 'accuracy'")
    exact = compared.query("method == 'mcnemar_exact'")
    assert [(f"{a:.3f}", f"{b:.3f}") for a, b in zip(exact["p.value.min"], exact["p.value.max"], strict=True)] == [
        ("1.000", "1.000"), ("0.500", "0.727"), ("0.125", "0.344"), ("1.000", "1.000"), ("0.250", "0.549"), ("0.625", "0.774"),
    ]  # fmt: skip
    strict = compared[compared["method"].isin(["mcnemar_exact", "mcnemar_midp", "mcnemar_corrected"])]
    assert strict["p.value.min"].min() > 0.05
    best = compared.query("model == 'VGG-16' and comparator == 'DenseNet-201'").set_index("method")
    assert (best.loc["tango", "b"], best.loc["tango", "c"]) == (4, 0)
    assert f"{best.loc['mcnemar_asymptotic', 'p.value.min']:.3f}" == "0.046"
    assert (f"{best.loc['tango', 'conf.low']:.3f}", f"{best.loc['tango', 'conf.high']:.3f}") == ("0.003", "0.192")
    assert best.loc["newcombe_paired", "conf.low"] < 0
    assert best.loc["agresti_min", "conf.low"] < 0
    assert len(exact) == len(list(combinations(range(4), 2)))


def test_the_order_of_rows_changes_nothing_but_the_order():
    frame = pd.read_csv(STUDY, dtype=str)
    one, two = (
        audit_tables(audit(read_published(f, 25, 24)))["audit_matrices"]
        for f in (frame, frame[::-1].reset_index(drop=True))
    )
    keys = ["model", "reading", "tp", "tn"]
    pd.testing.assert_frame_equal(*(t.sort_values(keys).reset_index(drop=True) for t in (one, two)))
    assert nan not in one["n.solutions"].tolist()
