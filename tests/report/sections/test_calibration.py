"""The section on calibration."""

from __future__ import annotations

import pandas as pd
import pytest
import sample

from hybridcx.report.sections import calibration


@pytest.mark.parametrize("doubtful", [True, False])
def test_the_caption_has_the_cautions_of_the_limits(doubtful: bool) -> None:
    bins = pd.DataFrame(
        {"model": "a", "bin": [1, 2], "score.mean": [0.05, 0.15], "fraction": [0.0, 0.2], "conf.low": [0.0, 0.1],
         "conf.high": [0.3, 0.4], "n": [10, 20], "seed": None, "status": "caution", "warning": "assume independent cases"}
    )  # fmt: skip
    rows = bins if doubtful else bins.assign(status="ok", warning=None)
    curves = sample.tables(["a", "b"])["calibration_curve"]
    html = sample.html(sample.content({"calibration": rows, "calibration_curve": curves}))
    assert ("Caution: assume independent cases." in html) == doubtful
    assert "ten bins of equal count with Wilson intervals" in html


def test_without_parts_of_the_brier_score_there_is_no_table() -> None:
    assert calibration.brier_table(pd.DataFrame()) is None
