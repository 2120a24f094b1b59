"""The section on calibration."""

from __future__ import annotations

import pandas as pd
import pytest
import sample

from hybridcx.report.sections import calibration


@pytest.mark.parametrize("doubtful", [True, False])
def test_the_caption_has_the_cautions_of_the_limits(doubtful: bool) -> None:
    curves = sample.tables(["a", "b"])["calibration_curve"].assign(status="ok", warning=None)
    if doubtful:
        curves = curves.assign(status="caution", warning="assume independent cases")
    html = sample.html(sample.content({"calibration_curve": curves}))
    assert ("Caution: assume independent cases." in html) == doubtful
    assert "ten bins of equal count with Wilson intervals" in html


def test_without_parts_of_the_brier_score_there_is_no_table() -> None:
    assert calibration.brier_table(pd.DataFrame()) is None
