"""The section on decision curves."""

from __future__ import annotations

import pandas as pd

from hybridcx.report.sections import utility


def test_without_differences_there_is_no_table() -> None:
    assert utility.differences_table(pd.DataFrame()) is None
