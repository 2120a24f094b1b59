"""A published table beside this run's metrics: names matched, units and rounding read, what is missing said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.published.printed import printed_and_found, read_printed
from hybridcx.errors import InputError
from hybridcx.vocabulary.run import PUBLISHED_VALUES

ROOT = Path(__file__).parents[2]


def metrics_row(model, metric, estimate, low, high, **keys):
    row = {
        "model": model, "metric": metric, "method": "wilson", "estimate": estimate, "conf.low": low, "conf.high": high, "conf.level": 0.95,
        "warning": None, "subgroup": None, "seed": None, "label.rule": None, "prevalence": np.nan, "recommended": True,
    }  # fmt: skip
    return {**row, **keys}


def test_the_studys_table_is_read_as_proportions():
    table = read_printed(ROOT / "experiments/published/cervical_table3.csv")
    assert len(table) == 16
    assert table["printed"].iloc[0] == pytest.approx(0.939)
    np.testing.assert_allclose(table["half.unit"], 0.0005)
    assert set(table["metric"]) == {"accuracy", "sensitivity", "specificity", "ppv"}


def test_units_spellings_and_faults(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("model,metric,value\na,Precision,0.92\na,recall,95\nb,recall,1\n", encoding="utf-8")
    table = read_printed(path)
    assert table["metric"].tolist() == ["ppv", "sensitivity", "sensitivity"]
    np.testing.assert_allclose(table["printed"], [0.92, 0.95, 0.01])  # one unit for a metric over the whole table
    np.testing.assert_allclose(table["half.unit"], [0.005, 0.005, 0.005])
    path.write_text(
        "model,metric,value\na,accuracy,93\na,accuracy,92\na,vibes,1\na,ppv,nan\na,npv,939\na,f1,x\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as e:
        read_printed(path)
    assert [(p.row, p.column) for p in e.value.problems] == [
        (4, "metric"), (5, "value"), (6, "value"), (7, "value"), (3, "metric"),
    ]  # fmt: skip


def test_printed_and_found_side_by_side(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "model,metric,value\nVGG-16,accuracy,93.9\nVGG-16,npv,80.0\nVGG 19,accuracy,88.0\nLeNet,accuracy,50\nvgg19,auroc,0.9\n",
        encoding="utf-8",
    )
    metrics = pd.DataFrame(
        [
            metrics_row("vgg16", "accuracy", 0.85, 0.7, 0.9385),
            metrics_row("vgg16", "accuracy", 0.1, 0.0, 0.2, subgroup="sex"),
            metrics_row("vgg16", "accuracy", 0.2, 0.0, 0.3, recommended=False),
            metrics_row("vgg16", "npv", 0.9, 0.85, 0.95),
            metrics_row("vgg19", "accuracy", 0.8, np.nan, np.nan, warning="why"),
        ]
    )
    found = printed_and_found(read_printed(path), metrics, ["vgg16", "vgg19", "vgg16+lda"])
    assert list(found.columns) == PUBLISHED_VALUES.header
    assert found["model"].fillna("-").tolist() == ["vgg16", "vgg16", "vgg19", "-", "vgg19"]
    assert found["inside"].astype(object).fillna("-").tolist() == [
        True,
        False,
        "-",
        "-",
        "-",
    ]  # 93.9 may have been 93.85
    assert found["difference"].iloc[0] == pytest.approx(-0.089)
    assert found["warning"].fillna("").tolist() == [
        "",
        "",
        "why",
        "this run has no such model",
        "this metric was not computed",
    ]
