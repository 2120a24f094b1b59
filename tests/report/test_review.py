"""What a reader could misread: resampled limits without their error, ratios shown as differences, tests that do not hold, unnamed thresholds."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from hybridcx import vocabulary
from hybridcx.analysis.verdicts import POWER
from hybridcx.report import answers
from hybridcx.report import shown_rows as select
from hybridcx.report.content import ReportData
from hybridcx.report.formats.html import render
from hybridcx.report.sections import comparisons as result_tables
from hybridcx.stats.resampling.intervals import RATIO_METRICS

NAN = float("nan")


def _row(metric: str, method: str, **cells: object) -> dict[str, object]:
    row: dict[str, object] = {
        "metric": metric, "model": "a", "comparator": "b", "method": method, "estimate": 0.1, "conf.low": NAN, "conf.high": NAN,
        "conf.level": 0.95, "statistic": NAN, "parameter": NAN, "p.value": NAN, "adj.p.value": NAN, "p.adjust.method": "holm",
        "n": 80, "b": NAN, "c": NAN, "status": "ok", "warning": None, "std.error": NAN, "n.clusters": NAN, "n.resamples": NAN,
        "n.resamples.failed": NAN, "subgroup": None, "level": None, "seed": None, "label.rule": None, "threshold": NAN,
        "prevalence": NAN, "margin": NAN, "role": "exploratory", "recommended": False, "mc.error.low": NAN, "mc.error.high": NAN,
    }  # fmt: skip
    return row | {k.replace("_", "."): v for k, v in cells.items()}


def _limits(low: float, high: float, p: float) -> dict[str, object]:
    return {"conf_low": low, "conf_high": high, "p_value": p, "adj_p_value": p, "recommended": True}


def test_resampled_differences_carry_their_monte_carlo_error_and_net_benefit_its_threshold() -> None:
    cells = _limits(0.02, 0.18, 0.01) | {"mc_error_low": 0.00123, "mc_error_high": 0.00456}
    rows = [_row("ppv", "bootstrap_bca", **cells), _row("net_benefit", "bootstrap_bca", threshold=0.3, **cells)]
    made = result_tables.other_pairs_table(select.pairs(pd.DataFrame(rows)), "Others.")
    assert made is not None
    assert [r[0].text for r in made.rows] == ["PPV, points", "Net benefit at 0.3"]
    assert [r[3].sub for r in made.rows] == ["MC error 0.12, 0.46", "MC error 0.0012, 0.0046"]
    assert made.head[3:6] == ("Difference or ratio (95% CI)", "p", "p, Holm-adjusted")
    assert "Monte Carlo standard error" in made.remark


def test_tests_of_independent_cases_are_not_shown_beside_the_cluster_test() -> None:
    rows = [
        _row(
            "accuracy", "mcnemar_exact", p_value=0.004, b=6, c=22, status="caution", warning="assumes independent cases"
        ),
        _row(
            "accuracy", "mcnemar_midp", p_value=0.002, b=6, c=22, status="caution", warning="assumes independent cases"
        ),
        _row("accuracy", "mcnemar_cluster", b=6, c=22, **_limits(-0.3, -0.1, 0.0317)),
    ]
    made = result_tables.pairs_table(select.pairs(pd.DataFrame(rows)), "accuracy", "Accuracy.")
    assert made is not None
    assert [h for h in made.head if h.startswith("p")] == ["p", "p, Holm-adjusted"]
    assert [c.text for c in made.rows[0][-2:]] == ["0.032", "0.032"]
    assert "near the level they can disagree" in made.remark
    alone = result_tables.pairs_table(select.pairs(pd.DataFrame(rows[:2])), "accuracy", "Accuracy.")
    assert alone is not None
    assert {"p, exact", "p, mid-p"} <= set(alone.head)


def test_predictive_values_at_a_prevalence_are_on_the_page() -> None:
    rows = [
        {"model": m, "metric": v, "method": "mercaldo_logit", "estimate": e, "conf.low": e / 2, "conf.high": e * 1.1, "conf.level": 0.95,
         "numerator": NAN, "denominator": NAN, "n": 80, "status": "caution", "warning": "patients have several", "subgroup": None,
         "level": None, "seed": None, "label.rule": None, "threshold": NAN, "prevalence": p, "recommended": True}
        for m in ("a", "b") for v, e in (("ppv", 0.3), ("npv", 0.9)) for p in (0.1, 0.025)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    html = render(ReportData(title="t", command="compare", question="q", tables={"metrics": frame}))
    part = html[html.index("Predictive values at assumed prevalences") :]
    text = re.sub(r"<[^>]+>", " ", part)
    assert re.search(r"a\s+10\s+30\.0 \(15\.0 to 33\.0\)\s+a\s+90\.0", text)
    assert re.search(r"b\s+2\.5\s+30\.0", text)
    assert "caution: patients have several" in text
    assert result_tables.prevalence_table(frame.assign(prevalence=np.nan), "none") is None


def test_doubtful_limits_of_a_calibration_curve_are_said() -> None:
    bins = pd.DataFrame(
        {"model": "a", "bin": [1, 2], "score.mean": [0.05, 0.15], "fraction": [0.0, 0.2], "conf.low": [0.0, 0.1],
         "conf.high": [0.3, 0.4], "n": [10, 20], "seed": None, "status": "caution", "warning": "assume independent cases"}
    )  # fmt: skip
    for doubtful in (True, False):
        frame = bins if doubtful else bins.assign(status="ok", warning=None)
        html = render(ReportData(title="t", command="compare", question="q", tables={"calibration": frame}))
        assert ("Caution: assume independent cases." in html) == doubtful
        assert "with Wilson confidence intervals" in html


def test_the_page_and_the_statistics_agree_on_what_is_a_ratio() -> None:
    assert {m.name for m in vocabulary.METRICS.values() if m.null == 1} == set(RATIO_METRICS)


def test_the_detectable_difference_states_the_power_it_was_computed_for() -> None:
    rows = [_row("accuracy", "tango", b=6, c=22, **_limits(-0.3, -0.1, 0.0317))]
    verdict = {
        "metric": "accuracy",
        "model": "a",
        "comparator": "b",
        "verdict": "inferior",
        "margin": NAN,
        "detectable.difference": 0.15,
    }
    (pair,) = select.pairs(pd.DataFrame(rows), pd.DataFrame([verdict]))
    assert f"({POWER:.0%} power" in answers.detectable([pair])
