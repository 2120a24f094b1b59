"""The rows that the page shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sample

from hybridcx.report import shown_rows


def test_the_recommended_rows_are_shown() -> None:
    (pair,) = shown_rows.pairs(pd.DataFrame(sample.pair_rows()))
    assert (pair.method, pair.test, pair.p, pair.adjusted, pair.p_exact) == ("tango", "mcnemar_midp", 0.18, 0.54, 0.289)


def test_without_a_recommendation_the_order_of_methods_decides() -> None:
    rows = [r for r in sample.pair_rows(recommended=np.nan) if r["method"] != "tango"]
    (pair,) = shown_rows.pairs(pd.DataFrame(rows))
    assert (pair.method, pair.test) == ("newcombe_paired", "mcnemar_midp")


def test_subgroups_and_single_seeds_are_left_out() -> None:
    rows = [
        *sample.pair_rows(),
        *sample.pair_rows(subgroup="sex", level="f", estimate=0.5),
        *sample.pair_rows(seed=3, estimate=0.6),
    ]
    (pair,) = shown_rows.pairs(pd.DataFrame(rows))
    assert pair.estimate == 0.0816


def test_of_several_seeds_the_first_is_shown() -> None:
    table = pd.DataFrame({"seed": [3.0, 3.0, 8.0], "x": [1, 2, 3]})
    rows, seed = shown_rows.one_seed(table)
    assert (rows["x"].tolist(), seed) == ([1, 2], 3)
    assert shown_rows.first_seed(table, "Caption.", "x.csv")[1] == "Caption. Seed 3; x.csv has all."
    over_seeds = pd.concat([table, pd.DataFrame({"seed": [np.nan], "x": [9]})])
    assert shown_rows.first_seed(over_seeds, "Caption.", "x.csv")[0]["x"].tolist() == [9]
    assert shown_rows.one_seed(table.iloc[:2])[1] is None
    assert shown_rows.seed_note(None) == ""
