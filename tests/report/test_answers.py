"""The sentences of the answer."""

from __future__ import annotations

from math import isnan, nan

import pandas as pd
import pytest
import sample

from hybridcx.analysis.verdicts import POWER
from hybridcx.report import answers, shown_rows
from hybridcx.vocabulary.tables import TABLES


def tables_of(rows: list[dict[str, object]], **verdict: object) -> dict[str, pd.DataFrame]:
    """Tables with these comparisons, the accuracy of both models and, with its columns, a verdict."""
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
    tables = {"comparisons": pd.DataFrame(rows), "metrics": pd.DataFrame(metrics)}
    if verdict:
        row = dict.fromkeys(TABLES["verdicts"].columns, nan) | {"metric": "accuracy", "model": "a", "comparator": "b"}
        tables["verdicts"] = pd.DataFrame([row | verdict])
    return tables


def test_a_sentence_states_effect_interval_p_method_and_verdict() -> None:
    tables = tables_of(sample.pair_rows(), verdict="inconclusive", margin=0.05, **{"detectable.difference": 0.163})
    assert answers.answers(tables) == [
        "The planned comparison of accuracy does not show a difference (adjusted exact p = 0.540); "
        "this is not evidence of equivalence.",
        "a against b: accuracy 93.9% against 85.7% (46 and 42 of 49), difference +8.2 percentage points "
        "(95% CI −3.1 to +20.2, Tango; McNemar mid-p = 0.180; Holm-adjusted p = 0.540): inconclusive.",
    ]


def test_the_detectable_difference_and_the_smallest_margin() -> None:
    tables = tables_of(
        sample.pair_rows(),
        verdict="inconclusive",
        margin=0.05,
        **{"detectable.difference": 0.163, "smallest.margin": 0.202},
    )
    pairs, _ = shown_rows.primary_pairs(shown_rows.pairs(tables["comparisons"], tables["verdicts"]), "accuracy")
    assert answers.before_results(pairs) == [
        "The smallest difference in accuracy that a test set like this one could be expected to detect is 16.3 percentage points "
        "(80% power, two-sided test at the level of the simultaneous intervals).",
        "The smallest equivalence margin that the intervals below satisfy is 20.2 percentage points; the margin of this analysis is 5.0 "
        "percentage points.",
    ]
    assert answers.before_results([]) == []
    page = sample.html(sample.content(tables))
    assert page.index("The smallest difference") < page.index("The smallest equivalence") < page.index('class="lead"')


def test_the_detectable_difference_names_the_power_that_the_analysis_used() -> None:
    tables = tables_of(sample.pair_rows(), verdict="inconclusive", **{"detectable.difference": 0.15})
    (pair,) = shown_rows.pairs(tables["comparisons"], tables["verdicts"])
    assert f"({POWER:.0%} power" in answers.detectable([pair])


@pytest.mark.parametrize(
    ("verdict", "words", "first"),
    [
        ("superior", "a is better", "shows a difference"),
        ("inferior", "b is better", "shows a difference"),
        ("equivalent", "equivalent within ±5.0 points", "1 shows equivalence within the margin"),
        ("non_inferior", "not inferior by more than 5.0 points", "does not show a difference"),
    ],
)
def test_verdicts_in_words(verdict: str, words: str, first: str) -> None:
    summary, sentence = answers.answers(tables_of(sample.pair_rows(), verdict=verdict, margin=0.05))
    assert sentence.endswith(f": {words}.")
    assert first in summary


def test_without_verdicts_interval_and_adjusted_p_decide_together() -> None:
    clear = sample.pair_rows(**{"conf.low": 0.02})
    assert "does not show" in answers.answers(tables_of(clear))[0]
    assert "shows a difference" in answers.answers(tables_of([r | {"adj.p.value": 0.01} for r in clear]))[0]


def test_exploratory_comparisons_are_called_exploratory() -> None:
    summary = answers.answers(tables_of(sample.pair_rows(role="exploratory")))[0]
    assert summary.startswith("The exploratory comparison of accuracy")
    assert summary.endswith("; no plan named it in advance.")
    after_change = answers.answers(tables_of(sample.pair_rows(role="exploratory")), changed=True)[0]
    assert after_change.endswith("; the plan was made after results existed.")
    two = [r for model in "ac" for r in sample.pair_rows(role="exploratory", model=model)]
    assert answers.answers(tables_of(two))[0].endswith("; no plan named them in advance.")


def test_without_equivalence_several_comparisons_with_a_margin_have_their_own_words() -> None:
    rows = [r for model in "ac" for r in sample.pair_rows(model=model)]
    tables = tables_of(rows, verdict="inconclusive", margin=0.05)
    assert answers.answers(tables)[0].endswith("; none shows equivalence within the margin.")


def test_a_difference_that_is_not_estimable_has_its_reason_and_no_number() -> None:
    rows = [
        sample.comparison(
            method="tango", recommended=True, estimate=nan, status="not_estimable", warning="no positive case"
        )
    ]
    tables = tables_of(rows)
    assert "the difference is not estimable (no positive case)." in answers.answers(tables)[1]
    (pair,) = shown_rows.pairs(tables["comparisons"])
    assert isnan(pair.p)
    assert not answers.shows_difference(pair)


def test_a_caution_is_part_of_the_sentence() -> None:
    sentence = answers.answers(tables_of(sample.pair_rows(status="caution", warning="no discordant pair")))[1]
    assert sentence.endswith("Caution: no discordant pair.")


def test_one_model_has_its_metrics_and_readers_have_their_coefficients() -> None:
    metrics = sample.tables(["only"], pairs=[])["metrics"]
    (sentence,) = answers.answers({"metrics": metrics})
    row = metrics.query("metric == 'accuracy' and method == 'wilson'").iloc[0]
    low, high = 100 * row["conf.low"], 100 * row["conf.high"]
    value = f"accuracy {100 * row['estimate']:.1f}% (95% CI {low:.1f} to {high:.1f})"
    assert sentence.startswith(f"only: {value}, sensitivity")
    first = answers.answers({"agreement": sample.agreement()})[0]
    assert first == "ICC(2,1) between observers (a, b): 0.918 (95% CI 0.898 to 0.933)."
    few = answers.answers({"agreement": sample.agreement().head(4)})
    assert few[0] == "ICC(1,1) between observers (a, b): 0.920 (95% CI 0.900 to 0.935)."
    assert answers.answers({}) == []


def test_the_answer_of_two_occasions_names_them_and_keeps_to_the_main_coefficients() -> None:
    metrics = (
        ("percent_agreement", "wilson"),
        ("cohen_kappa", "unweighted"),
        ("fleiss_kappa", "unweighted"),
        ("icc2", "anova"),
    )
    rows = [
        {"metric": m, "method": how, "estimate": 0.8, "conf.low": 0.7, "conf.high": 0.9, "conf.level": 0.95, "status": "ok"}
        | {"scope": scope, "readers": readers, "occasion": occasion, "warning": None}
        for scope, readers, occasion in (("between", "a, b", "1"), ("between", "a, b", "2"), ("within", "a", "1, 2"), ("within", "b", "1, 2"))
        for m, how in metrics
    ]  # fmt: skip
    found = answers.answers({"agreement": pd.DataFrame(rows)})
    assert len(found) == 8
    assert found[1] == "Cohen's κ between observers (a, b, occasion 1): 0.800 (95% CI 0.700 to 0.900)."
    assert found[3].startswith("Cohen's κ between observers (a, b, occasion 2)")
    assert found[5].startswith("Cohen's κ within observers (a):")


def test_very_long_names_are_cut_in_sentences() -> None:
    rows = [r | {"model": "x" * 5000} for r in sample.pair_rows()]
    assert all(len(s) < 500 for s in answers.answers(tables_of(rows)))


def test_a_limit_near_the_margin_stays_on_its_side() -> None:
    for high, text in ((0.09996, "+9.996"), (0.1004, "+10.04"), (0.1, "+10.0")):
        tables = tables_of(sample.pair_rows(**{"conf.high": high}), verdict="inconclusive", margin=0.1)
        assert f"CI −3.1 to {text}, Tango" in answers.answers(tables)[1]


def test_of_many_comparisons_some_are_listed_and_the_others_counted() -> None:
    rows = [r for i in range(15) for r in sample.pair_rows(model=f"m{i}")]
    sentences = answers.answers({"comparisons": pd.DataFrame(rows)})
    assert len(sentences) == 1 + answers.MAX_SENTENCES + 1
    assert sentences[-1] == "3 further comparisons are in comparisons.csv."


def test_of_many_unplanned_comparisons_those_of_the_best_model_are_listed() -> None:
    names = sample.models()[:16]
    tables = sample.tables(names, seed=5)
    tables["comparisons"]["role"] = "exploratory"
    sentences = answers.answers(tables, "accuracy")
    values = shown_rows.shown_values(shown_rows.overall(tables["metrics"]))
    best = max(names, key=lambda m: values[m, "accuracy"]["estimate"])
    listed = sentences[1:-1]
    assert len(listed) == answers.MAX_SENTENCES
    assert all(f"{best} against" in s or f"against {best}:" in s for s in listed)
    selection = f"Listed are those of {best}, whose observed value is the best: a selection by the results."
    assert selection in sentences[-1]
    few = answers.answers(sample.tables(names[:3]), "accuracy")
    assert not any("selection" in s for s in few)


def test_the_comparisons_of_a_plan_keep_its_order() -> None:
    all_pairs = shown_rows.pairs(sample.tables(sample.models()[:8])["comparisons"])
    pairs = [p for p in all_pairs if p.metric == "accuracy"]
    assert answers.leading(pairs, True, {}, 5) == (pairs[:5], "")
    assert answers.leading(pairs, False, {}, 5) == (pairs[:5], "")


def test_metrics_inside_a_sentence() -> None:
    names = ("accuracy", "auroc", "f1", "youden_j", "brier", "lr_positive", "net_benefit")
    labels = ["accuracy", "AUROC", "F1", "Youden's J", "Brier score", "LR+", "net benefit"]
    assert [answers.in_sentence(n) for n in names] == labels


_REJECTED = {"p.value": 0.001, "adj.p.value": 0.002, "status": "caution", "warning": "outside the domain"}


def test_a_small_p_without_a_method_that_holds_is_no_missing_difference() -> None:
    """The lead never says "no difference" where interval and p-value reject and no method is shown to hold."""
    tables = tables_of(sample.pair_rows(**_REJECTED, **{"conf.low": 0.02}), verdict="inconclusive")
    lead = answers.answers(tables)[0]
    assert lead.startswith(
        "No verdict on the planned comparison of accuracy (adjusted exact p = 0.002): no method is shown to hold"
    )
    assert "does not show" not in lead


@pytest.mark.parametrize(
    ("simultaneous", "words"),
    [((nan, nan), "but its interval includes 0"), ((-0.01, 0.25), "but its simultaneous interval includes 0")],
)
def test_a_small_p_with_an_interval_that_includes_0_has_this_reason(
    simultaneous: tuple[float, float], words: str
) -> None:
    """A caution of another kind is no reason to say that no method holds."""
    limits = {} if isnan(simultaneous[0]) else {"conf.low": 0.02}
    low, high = simultaneous
    verdict = {"verdict": "inconclusive", "conf.low.simultaneous": low, "conf.high.simultaneous": high}
    lead = answers.answers(tables_of(sample.pair_rows(**_REJECTED, **limits), **verdict))[0]
    assert lead.startswith(
        f"The planned comparison of accuracy does not show a difference (adjusted exact p = 0.002, {words})"
    )
    assert "no method" not in lead
