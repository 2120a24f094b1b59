"""The section on the performance of each model."""

from __future__ import annotations

import re
from math import nan

import numpy as np
import pandas as pd
import sample

from hybridcx.report.sections import performance


def test_predictive_values_at_a_prevalence_are_on_the_page() -> None:
    rows = [
        {"model": m, "metric": v, "method": "mercaldo_logit", "estimate": e, "conf.low": e / 2, "conf.high": e * 1.1, "conf.level": 0.95,
         "numerator": nan, "denominator": nan, "n": 80, "status": "caution", "warning": "patients have several", "subgroup": None,
         "level": None, "seed": None, "label.rule": None, "threshold": nan, "prevalence": p, "recommended": True}
        for m in ("a", "b") for v, e in (("ppv", 0.3), ("npv", 0.9)) for p in (0.1, 0.025)
    ]  # fmt: skip
    metrics = pd.DataFrame(rows)
    html = sample.html(sample.content({"metrics": metrics}))
    text = re.sub(
        r"<[^>]+>", " ", html.replace("\u00a0", " ")[html.index("Predictive values at assumed prevalences") :]
    )
    assert re.search(r"a\s+10\s+30\.0 \(15\.0 to 33\.0\)\s+a\s+90\.0", text)
    assert re.search(r"b\s+2\.5\s+30\.0", text)
    assert "caution: patients have several" in text
    assert performance.prevalence_table(metrics.assign(prevalence=np.nan)) is None


def test_without_thresholds_there_is_no_table() -> None:
    assert performance.thresholds_table(pd.DataFrame()) is None
