"""The values of a published table compared with the results."""

import numpy as np
import pandas as pd
import sample

from hybridcx.report.sections.printed import printed_table

ROWS = pd.DataFrame(
    {
        "model": ["vgg16", "vgg16", None],
        "printed.model": ["VGG-16", "VGG-16", "Other"],
        "metric": ["accuracy", "ppv", "accuracy"],
        "printed": [0.939, 0.92, 0.5],
        "estimate": [46 / 49, 0.5, np.nan],
        "conf.low": [0.835, 0.4, np.nan],
        "conf.high": [0.979, 0.6, np.nan],
        "conf.level": [0.95, 0.95, np.nan],
        "inside": pd.array([True, False, None], dtype="boolean"),
        "warning": [None, None, "this run has no such model"],
    }
)


def test_printed_values_and_results_are_in_neighbouring_columns():
    table = printed_table(ROWS)
    assert table is not None
    assert "95% confidence intervals" in table.caption
    assert table.head[:3] == ("Model", "Accuracy, printed (%)", "Accuracy, found here (%)")
    assert [[c.text for c in row] for row in table.rows] == [
        ["VGG-16", "93.9", "93.9 (83.5 to 97.9)", "92.0", "50.0 (40.0 to 60.0)"],
        ["Other", "50.0", "NA", "NA", "NA"],
    ]
    assert table.rows[0][2].notes == ()
    assert dict(table.notes)[table.rows[0][4].notes[0]] == "the interval does not contain the printed value"
    assert dict(table.notes)[table.rows[1][2].notes[0]] == "this run has no such model"


def test_only_reports_with_a_published_table_have_the_section():
    assert "Comparison with published values" in sample.html(sample.content({"published": ROWS}, answers=["a"]))
    assert "Comparison with published values" not in sample.html(sample.content({}, answers=["a"]))
    assert printed_table(ROWS.iloc[:0]) is None
