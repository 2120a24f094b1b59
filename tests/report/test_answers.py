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
        "No difference in accuracy is shown between a and b: 8.2 percentage points in favour of a (95% CI −3.1 to 20.2; "
        "adjusted exact p = 0.540; planned); this is not evidence of equivalence.",
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
        "The smallest equivalence margin that the intervals satisfy is 20.2 percentage points; the margin of this analysis is 5.0 "
        "percentage points.",
    ]
    assert answers.before_results([]) == []
    page = sample.html(sample.content(tables))
    assert page.index('class="lead"') < page.index("The smallest difference") < page.index("The smallest equivalence")


def test_the_detectable_difference_names_the_power_that_the_analysis_used() -> None:
    tables = tables_of(sample.pair_rows(), verdict="inconclusive", **{"detectable.difference": 0.15})
    (pair,) = shown_rows.pairs(tables["comparisons"], tables["verdicts"])
    assert f"({POWER:.0%} power" in answers.detectable([pair])


@pytest.mark.parametrize(
    ("verdict", "words", "first"),
    [
        ("superior", "a is better", "a is better than b in accuracy, by 8.2 percentage points (95% CI −3.1 to 20.2;"),
        ("inferior", "b is better", "is better than"),
        (
            "equivalent",
            "equivalent within ±5.0 points",
            "a and b are equivalent in accuracy within ±5.0 points (difference 8.2 points, 95% CI −3.1 to 20.2; planned)",
        ),
        (
            "non_inferior",
            "not inferior by more than 5.0 points",
            "a is not inferior to b in accuracy by more than 5.0 points (difference 8.2 points,",
        ),
    ],
)
def test_verdicts_in_words(verdict: str, words: str, first: str) -> None:
    summary, sentence = answers.answers(tables_of(sample.pair_rows(), verdict=verdict, margin=0.05))
    assert sentence.endswith(f": {words}.")
    assert first in summary


def test_without_verdicts_interval_and_adjusted_p_decide_together() -> None:
    clear = sample.pair_rows(**{"conf.low": 0.02})
    assert answers.answers(tables_of(clear))[0].startswith("No difference in accuracy is shown")
    assert "a is better than b" in answers.answers(tables_of([r | {"adj.p.value": 0.01} for r in clear]))[0]


def test_exploratory_comparisons_are_called_exploratory() -> None:
    summary = answers.answers(tables_of(sample.pair_rows(role="exploratory")))[0]
    assert "; exploratory)" in summary
    after_change = answers.answers(tables_of(sample.pair_rows(role="exploratory")), changed=True)[0]
    assert after_change.endswith("; the plan was made after results existed.")
    two = [r for model in "ac" for r in sample.pair_rows(role="exploratory", model=model)]
    assert answers.answers(tables_of(two))[0].startswith("None of 2 exploratory comparisons of accuracy shows")


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
    (lead,) = answers.answers({"agreement": sample.agreement()})
    assert lead.startswith(
        "Between the 2 readers, ICC(2,1), absolute agreement, is 0.918 (95% CI 0.898 to 0.933; 416 cases)"
    )
    assert answers.answers({}) == []


def agreement_rows(*names: tuple[str, str], k: int = 2, **changed: object) -> pd.DataFrame:
    """Rows of agreement between two readers at two occasions and within each, all 0.8."""
    rows = [
        {"metric": m, "method": how, "estimate": 0.8, "conf.low": 0.7, "conf.high": 0.9, "conf.level": 0.95, "status": "ok", "n": 50, "k": k}
        | {"scope": scope, "readers": readers, "occasion": occasion, "warning": None} | changed
        for scope, readers, occasion in (("between", "a, b", "1"), ("between", "a, b", "2"), ("within", "a", "1, 2"), ("within", "b", "1, 2"))
        for m, how in names
    ]  # fmt: skip
    return pd.DataFrame(rows)


CATEGORIES = (("percent_agreement", "wilson"), ("cohen_kappa", "unweighted"), ("gwet_ac1", "unweighted"))


def test_the_headline_of_categories_is_a_kappa_of_the_first_occasion() -> None:
    (two,) = answers.answers({"agreement": agreement_rows(*CATEGORIES, ("icc2", "anova"))})
    assert two == (
        "Between the 2 readers, occasion 1, Cohen's κ, unweighted, is 0.800 (95% CI 0.700 to 0.900; 50 cases); 80.0% of the pairs of calls are the "
        "same."
    )
    (more,) = answers.answers({"agreement": agreement_rows(*CATEGORIES, ("fleiss_kappa", "unweighted"), k=3)})
    assert more.startswith("Between the 3 readers, occasion 1, Fleiss' κ is 0.800")


def test_the_headline_of_ordered_categories_has_weights() -> None:
    ordinal = (*CATEGORIES, ("cohen_kappa", "quadratic"), ("gwet_ac2", "linear"), ("gwet_ac2", "quadratic"))
    (two,) = answers.answers({"agreement": agreement_rows(*ordinal)})
    assert two.startswith("Between the 2 readers, occasion 1, Cohen's κ, quadratic weights, is 0.800")
    (more,) = answers.answers({"agreement": agreement_rows(*ordinal, k=3)})
    assert more.startswith("Between the 3 readers, occasion 1, Gwet's AC2, quadratic weights, is 0.800")


def test_with_clusters_the_p_value_is_not_that_of_the_exact_test_of_independent_cases() -> None:
    rows = [r | {"adj.p.value": 0.007} for r in sample.pair_rows()]
    tested = {"conf.low": -0.03, "conf.high": 0.2, "conf.level": 0.95, "p.value": 0.141, "adj.p.value": 0.141}
    cluster = sample.comparison(method="mcnemar_cluster", recommended=True, **tested)
    rows = [r | {"recommended": False, "status": "caution", "warning": "assumes independent cases"} for r in rows]
    lead = answers.answers(tables_of([*rows, cluster], verdict="inconclusive"))[0]
    assert "p = 0.141; planned)" in lead
    assert "exact" not in lead


def test_of_several_differences_those_of_the_model_with_most_wins_come_first() -> None:
    shown = {"conf.low": 0.02, "adj.p.value": 0.01}
    rows = sample.pair_rows(model="a", comparator="b", **shown)
    rows += sample.pair_rows(model="c", comparator="b", **shown) + sample.pair_rows(model="c", comparator="d", **shown)
    rows += sample.pair_rows(model="a", comparator="c")
    lead = answers.answers({"comparisons": pd.DataFrame(rows)})[0]
    assert lead.startswith(
        "3 of 4 planned comparisons of accuracy show a difference: c better than b by 8.2 points (95% CI 2.0 to 20.2);"
    )


def test_where_kappa_is_undefined_the_headline_is_ac1() -> None:
    rows = agreement_rows(*CATEGORIES)
    rows.loc[rows["metric"] == "cohen_kappa", "estimate"] = nan
    (lead,) = answers.answers({"agreement": rows})
    assert lead.startswith("Between the 2 readers, occasion 1, Gwet's AC1 is 0.800")


def test_the_headline_of_measurements_has_the_minimal_detectable_change() -> None:
    rows = agreement_rows(("icc2", "anova"), ("sem", "anova"), ("mdc95", "anova"))
    (lead,) = answers.answers({"agreement": rows[rows["scope"] == "within"]})
    assert lead.startswith("Within a, over occasions 1, 2, ICC(2,1), absolute agreement, is 0.800")
    assert lead.endswith("two readings of a case are estimated to be below 0.80 (MDC95; 95% CI 0.70 to 0.90).")


def test_a_model_that_is_better_than_all_others_is_the_answer() -> None:
    rows = [
        r
        for pair in ("ab", "ac")
        for r in sample.pair_rows(model=pair[0], comparator=pair[1], **{"conf.low": 0.02, "adj.p.value": 0.01})
    ]
    rows += sample.pair_rows(model="b", comparator="c", estimate=0.01)
    lead = answers.answers({"comparisons": pd.DataFrame(rows)})[0]
    assert lead.startswith(
        "a is better in accuracy than the other 2 models; its smallest lead is 8.2 percentage points over b (95% CI 2.0 to 20.2;"
    )
    some = [r | {"adj.p.value": 0.5} if r["comparator"] == "c" else r for r in rows]
    lead = answers.answers({"comparisons": pd.DataFrame(some)})[0]
    assert (
        lead
        == "1 of 3 planned comparisons of accuracy shows a difference: a better than b by 8.2 points (95% CI 2.0 to 20.2)."
    )


def test_the_lead_of_a_metric_whose_lower_values_are_better_is_the_improvement() -> None:
    limits = {"conf.low": 0.01, "conf.high": 0.05, "conf.level": 0.95, "p.value": 0.001, "adj.p.value": 0.001}
    row = sample.comparison(metric="brier", method="permutation_paired", recommended=True, estimate=0.03, **limits)
    lead = answers.answers({"comparisons": pd.DataFrame([row])}, "brier")[0]
    assert lead.startswith("b is better than a in Brier score, by 0.030 (95% CI 0.010 to 0.050;")


def test_an_interval_that_excludes_0_beside_a_large_exact_p_has_this_reason() -> None:
    verdict = {"verdict": "inconclusive", "conf.low.simultaneous": 0.01, "conf.high.simultaneous": 0.25}
    lead = answers.answers(tables_of(sample.pair_rows(**{"conf.low": 0.02}), **verdict))[0]
    assert (
        "adjusted exact p = 0.540; planned), although its interval excludes 0: the exact test does not reject" in lead
    )


def test_the_better_model_of_a_ratio_is_named_and_the_ratio_keeps_its_order() -> None:
    """A likelihood ratio of a positive test of 0.5 times the comparator's: the comparator is better; of a negative test the model is."""
    limits = {"conf.low": 0.3, "conf.high": 0.8, "conf.level": 0.95, "p.value": 0.001, "adj.p.value": 0.001}
    for name, winner in (("lr_positive", "b is better than a in LR+"), ("lr_negative", "a is better than b in LR")):
        row = sample.comparison(metric=name, method="lr_regression", recommended=True, estimate=0.5, **limits)
        lead = answers.answers({"comparisons": pd.DataFrame([row])}, name)[0]
        assert lead.startswith(winner)
        assert "(ratio of a to b 0.50, 95% CI 0.30 to 0.80; p = 0.001" in lead
        open_ = row | {"conf.high": 1.2, "p.value": 0.1, "adj.p.value": 0.1}
        lead = answers.answers({"comparisons": pd.DataFrame([open_])}, name)[0]
        assert lead.startswith(
            f"No difference in {answers.in_sentence(name)} is shown between a and b (ratio of a to b 0.50"
        )
        assert "favour" not in lead


def test_a_metric_with_a_target_has_no_better_model_in_the_lead() -> None:
    limits = {"conf.low": 0.1, "conf.high": 0.5, "conf.level": 0.95, "p.value": 0.001, "adj.p.value": 0.001}
    row = sample.comparison(
        metric="calibration_slope", method="bootstrap_bca", recommended=True, estimate=0.3, **limits
    )
    lead = answers.answers({"comparisons": pd.DataFrame([row])}, "calibration_slope")[0]
    assert lead.startswith("a and b differ in calibration slope (difference 0.30, 95% CI 0.10 to 0.50;")


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
        "No verdict on a against b in accuracy (difference 8.2 points, 95% CI 2.0 to 20.2; adjusted exact p = 0.002; planned): no method is shown"
    )
    assert "No difference" not in lead


@pytest.mark.parametrize(
    ("simultaneous", "words"),
    [((nan, nan), "its interval includes 0"), ((-0.01, 0.25), "its interval includes 0")],
)
def test_a_small_p_with_an_interval_that_includes_0_has_this_reason(
    simultaneous: tuple[float, float], words: str
) -> None:
    """A caution of another kind is no reason to say that no method holds."""
    limits = {} if isnan(simultaneous[0]) else {"conf.low": 0.02}
    low, high = simultaneous
    verdict = {"verdict": "inconclusive", "conf.low.simultaneous": low, "conf.high.simultaneous": high}
    lead = answers.answers(tables_of(sample.pair_rows(**_REJECTED, **limits), **verdict))[0]
    assert lead.startswith("No difference in accuracy is shown between a and b")
    assert f"adjusted exact p = 0.002; planned), although p is small: {words}" in lead
    assert "no method" not in lead
