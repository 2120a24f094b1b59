"""The answer's sentences and the choice of the rows that are shown."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
import sample

from hybridcx.report import answers
from hybridcx.report import shown_rows as select
from hybridcx.report.content import ReportData
from hybridcx.report.formats.html import render
from hybridcx.vocabulary.tables import TABLES


def _comparison(**changed: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(TABLES["comparisons"].columns, nan)
    row |= {
        "metric": "accuracy",
        "model": "a",
        "comparator": "b",
        "estimate": 0.0816,
        "n": 49,
        "b": 6,
        "c": 2,
        "status": "ok",
    }
    return row | {"p.adjust.method": "none", "role": "confirmatory", "recommended": False} | changed


def _pair_rows(**changed: object) -> list[dict[str, object]]:
    limits = {"conf.low": -0.0311, "conf.high": 0.2015, "conf.level": 0.95}
    tests = {"p.adjust.method": "holm", "adj.p.value": 0.54}
    return [
        _comparison(method="mcnemar_exact", **{"p.value": 0.289}, **tests) | changed,
        _comparison(method="newcombe_paired", **limits) | changed,
        _comparison(method="tost", recommended=True, **{"p.value": 0.9}) | changed,  # answers another question
        _comparison(method="mcnemar_midp", recommended=True, **{"p.value": 0.18}, **tests) | changed,
        _comparison(method="tango", recommended=True, **limits) | changed,
    ]


def _tables(rows: list[dict[str, object]], **verdict: object) -> dict[str, pd.DataFrame]:
    metrics = [
        dict.fromkeys(TABLES["metrics"].columns, nan)
        | {
            "model": m,
            "metric": "accuracy",
            "method": "wilson",
            "estimate": x / 49,
            "numerator": x,
            "denominator": 49,
            "status": "ok",
        }
        for m, x in (("a", 46), ("b", 42))
    ]
    found = {"comparisons": pd.DataFrame(rows), "metrics": pd.DataFrame(metrics)}
    if verdict:
        row = dict.fromkeys(TABLES["verdicts"].columns, nan) | {"metric": "accuracy", "model": "a", "comparator": "b"}
        found["verdicts"] = pd.DataFrame([row | verdict])
    return found


def test_the_recommended_rows_are_shown() -> None:
    (pair,) = select.pairs(pd.DataFrame(_pair_rows()))
    assert (pair.method, pair.test, pair.p, pair.adjusted, pair.p_exact) == ("tango", "mcnemar_midp", 0.18, 0.54, 0.289)


def test_without_a_recommendation_the_order_of_methods_decides() -> None:
    rows = [r for r in _pair_rows(recommended=np.nan) if r["method"] != "tango"]
    (pair,) = select.pairs(pd.DataFrame(rows))
    assert (pair.method, pair.test) == ("newcombe_paired", "mcnemar_midp")


def test_subgroups_and_seeds_are_no_answer() -> None:
    rows = [*_pair_rows(), *_pair_rows(subgroup="sex", level="f", estimate=0.5), *_pair_rows(seed=3, estimate=0.6)]
    (pair,) = select.pairs(pd.DataFrame(rows))
    assert pair.estimate == 0.0816


def test_a_sentence_states_effect_interval_p_method_and_verdict() -> None:
    found = _tables(_pair_rows(), verdict="inconclusive", margin=0.05, **{"detectable.difference": 0.163})
    assert answers.answers(found) == [
        "The planned comparison of accuracy does not show a difference (smallest adjusted p = 0.540); "
        "that is not evidence that they are alike.",
        "a against b: accuracy 93.9% against 85.7% (46 and 42 of 49), difference +8.2 percentage points "
        "(95% CI −3.1 to +20.2, Tango; McNemar mid-p = 0.180; Holm-adjusted p = 0.540): inconclusive.",
    ]


def test_what_the_cases_could_show_stands_before_the_results() -> None:
    found = _tables(
        _pair_rows(), verdict="inconclusive", margin=0.05, **{"detectable.difference": 0.163, "smallest.margin": 0.202}
    )
    pairs, _ = select.primary_pairs(select.pairs(found["comparisons"], found["verdicts"]), "accuracy")
    assert answers.before(pairs) == [
        "The smallest difference in accuracy that a test set like this one could be expected to detect is 16.3 percentage points "
        "(80% power, two-sided test at the level of the intervals, not adjusted).",
        "The smallest margin of equivalence that the intervals below would have met is 20.2 percentage points; the margin asked for is 5.0 "
        "percentage points.",
    ]
    page = render(ReportData("t", "compare", "q?", found))
    assert page.index("The smallest difference") < page.index("The smallest margin") < page.index('class="lead"')
    assert answers.before([]) == []


@pytest.mark.parametrize(
    ("verdict", "words", "first"),
    [
        ("superior", "a is better", "shows a difference"),
        ("inferior", "b is better", "shows a difference"),
        ("equivalent", "equivalent within ±5.0 points", "1 lies wholly within the margin"),
        ("non_inferior", "not inferior by more than 5.0 points", "does not show a difference"),
    ],
)
def test_verdicts_in_words(verdict: str, words: str, first: str) -> None:
    said = answers.answers(_tables(_pair_rows(), verdict=verdict, margin=0.05))
    assert said[1].endswith(f": {words}.")
    assert first in said[0]


def test_without_verdicts_interval_and_adjusted_p_decide_together() -> None:
    clear = _pair_rows(**{"conf.low": 0.02})
    assert "does not show" in answers.answers(_tables(clear))[0]
    assert "shows a difference" in answers.answers(_tables([r | {"adj.p.value": 0.01} for r in clear]))[0]


def test_exploratory_comparisons_are_said_to_be_so() -> None:
    said = answers.answers(_tables(_pair_rows(role="exploratory")))
    assert said[0].startswith("The exploratory comparison of accuracy")
    assert said[0].endswith("; no plan named them beforehand.")
    changed = answers.answers(_tables(_pair_rows(role="exploratory")), changed=True)
    assert changed[0].endswith("; their plan was made after results existed.")


def test_what_is_not_estimable_has_its_reason_and_no_number() -> None:
    rows = [
        _comparison(method="tango", recommended=True, estimate=nan, status="not_estimable", warning="no positive case")
    ]
    found = _tables(rows)
    assert "the difference is not estimable (no positive case)." in answers.answers(found)[1]
    (pair,) = select.pairs(found["comparisons"])
    assert isnan(pair.p)
    assert not answers.decided(pair)


def test_caution_travels_with_the_sentence() -> None:
    said = answers.answers(_tables(_pair_rows(status="caution", warning="no discordant pair")))
    assert said[1].endswith("Caution: no discordant pair.")


def test_one_model_has_its_metrics_and_readers_their_coefficients() -> None:
    found = sample.tables(["only"], pairs=[])
    (said,) = answers.answers({"metrics": found["metrics"]})
    row = found["metrics"].query("metric == 'accuracy' and method == 'wilson'").iloc[0]
    low, high = 100 * row["conf.low"], 100 * row["conf.high"]
    assert said.startswith(f"only: accuracy {100 * row['estimate']:.1f}% (95% CI {low:.1f} to {high:.1f}), sensitivity")
    assert (
        answers.answers({"agreement": sample.agreement()})[0]
        == "ICC(1,1) between observers (a, b): 0.920 (95% CI 0.900 to 0.935)."
    )
    assert answers.answers({}) == []


def test_a_name_that_would_fill_the_first_screen_is_cut_in_sentences() -> None:
    rows = [r | {"model": "x" * 5000} for r in _pair_rows()]
    assert all(len(s) < 500 for s in answers.answers(_tables(rows)))


def test_a_limit_beside_the_margin_keeps_its_side() -> None:
    for high, shown in ((0.09996, "+9.996"), (0.1004, "+10.04"), (0.1, "+10.0")):
        found = _tables(_pair_rows(**{"conf.high": high}), verdict="inconclusive", margin=0.1)
        assert f"CI −3.1 to {shown}, Tango" in answers.answers(found)[1]


def test_an_audit_says_which_reading_fits_and_what_the_tests_could_have_shown() -> None:
    matrices = [
        ("vgg16", "as printed", 0),
        ("vgg19", "as printed", 1),
        ("vgg16", "swapped", 1),
        ("vgg19", "swapped", 1),
    ]
    frame = pd.DataFrame(matrices, columns=["model", "reading", "n.solutions"]).assign(tp=nan, fn=nan, fp=nan, tn=nan)
    compared = pd.DataFrame(
        [("vgg16", "densenet201", 0.125, 0.344, "accuracy", "mcnemar_exact")],
        columns=list(TABLES["audit_comparisons"].columns),
    )
    said = answers.answers({"audit_matrices": frame, "audit_comparisons": compared})
    assert said[0].startswith("Read as printed: 1 of 2 published models have")
    assert "is 0.125 (vgg16 and densenet201, McNemar, exact)" in said[2]


def test_long_lists_are_cut_and_say_so() -> None:
    rows = [r for i in range(15) for r in _pair_rows(model=f"m{i}")]
    said = answers.answers({"comparisons": pd.DataFrame(rows)})
    assert len(said) == 1 + answers.MAX_SENTENCES + 1
    assert said[-1].startswith("3 further comparisons")


def test_of_many_comparisons_the_screen_shows_those_of_the_best_model_and_says_so() -> None:
    names = sample.models()[:16]
    found = sample.tables(names, seed=5)
    found["comparisons"]["role"] = "exploratory"
    sentences = answers.answers(found, "accuracy")
    values = select.shown_values(select.overall(found["metrics"]))
    best = max(names, key=lambda m: values[m, "accuracy"]["estimate"])
    shown = sentences[1:-1]
    assert len(shown) == answers.MAX_SENTENCES
    assert all(f"{best} against" in s or f"against {best}:" in s for s in shown)
    assert f"Shown are those of {best}, whose observed value is the best: picked by the result." in sentences[-1]
    few = answers.answers(sample.tables(names[:3]), "accuracy")
    assert not any("picked" in s for s in few)


def test_a_plan_is_shown_in_its_order() -> None:
    pairs = [p for p in select.pairs(sample.tables(sample.models()[:8])["comparisons"]) if p.metric == "accuracy"]
    shown, best = answers.leading(pairs, True, {}, 5)
    assert (shown, best) == (pairs[:5], "")
    assert answers.leading(pairs, False, {}, 5) == (pairs[:5], "")
