"""Tables of readers: agreement and reliability, and models beside readers."""

from __future__ import annotations

from hybridcx.vocabulary.columns import (
    COUNT,
    FROM_ZERO,
    LIMITS,
    NUMBER,
    PROBABILITY,
    SHARED,
    STATE,
    TEXT,
    Column,
    Table,
    described,
)
from hybridcx.vocabulary.methods import AGREEMENT as COEFFICIENTS

_CASES = {"n": SHARED["n"]}

AGREEMENT = Table(
    "agreement",
    described(
        "metric method estimate conf.low conf.high conf.level statistic parameter1 parameter2 p.value n k status warning scope readers occasion "
        "subset",
        {
            "metric": Column("coefficient of agreement or reliability", ", ".join(COEFFICIENTS)),
            "method": Column(
                "variant of the coefficient",
                "anova, consistency, unweighted, linear, quadratic, nominal, ordinal, interval and the like, or NA",
            ),
            "k": Column("readings of each case (the most, where some are missing)", COUNT, "integer"),
            "n": Column("distinct cases read", COUNT, "integer"),
            "scope": Column("between observers, or within one observer over occasions", "between, within"),
            "readers": Column("the readers in this row", TEXT),
            "occasion": Column("the occasion, or the occasions, of the readings", TEXT),
            "subset": Column("the cases in this row", TEXT),
        },
    ),
    further={
        "std.error": Column(
            "standard error of the estimate; for gwet_ac1, gwet_ac2 and fleiss_kappa squared deviations of the linearised values over n (n - 1)",
            FROM_ZERO,
            "number",
        )
    },
    commands=("agreement", "run"),
)
READER_AGREEMENT = Table(
    "reader_agreement",
    {
        "metric": Column("coefficient of agreement of two raters", "cohen_kappa, gwet_ac1, percent_agreement"),
        "method": Column(
            "closed form of a pair (unweighted, wilson), or resampled limits of a mean or difference over fixed readers",
            "unweighted, wilson, bootstrap_percentile, bootstrap_hierarchical (means over seeds), NA (such a mean without limits)",
        ),
        "kind": Column(
            "a pair of raters, the mean over a model's pairs with the readers, the mean over the readers' own pairs, or the first mean less the "
            "second",
            "model_reader, reader_reader, mean_model_reader, mean_reader_reader, difference",
        ),
        "rater": Column("the model, or the first reader; NA for the mean over readers", TEXT),
        "other": Column("the other reader; NA where it is all of them", TEXT),
        "estimate": Column("the coefficient, or the difference of two means", NUMBER, "number"),
        **LIMITS,
        **_CASES,
        "n.resamples": SHARED["n.resamples"],
        "n.resamples.failed": Column("resamples in which a value was undefined", COUNT, "integer"),
        **STATE,
    },
    commands=("compare",),
)
READER_PERFORMANCE = Table(
    "reader_performance",
    {
        "reader": Column("the reader", "text"),
        "metric": Column("the metric of the reader's calls against the truth", "accuracy, sensitivity, specificity"),
        "method": Column("the method of the interval", "wilson"),
        "estimate": Column("the value, on the cases that the reader read", PROBABILITY, "number"),
        **LIMITS,
        "numerator": SHARED["numerator"],
        "denominator": SHARED["denominator"],
        **_CASES,
        **STATE,
    },
    commands=("compare",),
)
READER_COMPARISONS = Table(
    "reader_comparisons",
    {
        "metric": Column("the metric", "accuracy, sensitivity, specificity"),
        "model": Column("the model (model minus reader)", "text"),
        "reader": Column("the reader", "text"),
        "method": Column(
            "the method of the interval or test",
            "tango, mcnemar_midp, mcnemar_cluster, bootstrap_hierarchical (the model's mean over seeds)",
        ),
        "estimate": Column("model minus reader, on the cases that the reader read", NUMBER, "number"),
        **LIMITS,
        "statistic": Column("test statistic: chi-square or signed z; NA for mid-p", NUMBER, "number"),
        "p.value": SHARED["p.value"],
        "adj.p.value": Column(
            "p-value adjusted by Holm over the pairs of model and reader of this metric, method and seed",
            PROBABILITY,
            "number",
        ),
        "b": Column(
            "cases that only the model got right (within the class for sensitivity and specificity)", COUNT, "integer"
        ),
        "c": Column("cases that only the reader got right (within the class likewise)", COUNT, "integer"),
        **_CASES,
        **STATE,
    },
    commands=("compare",),
)
READING = Column("the call of this reading", "a label of the input, or NA")
"""Columns `reader_<name>` of a ledger."""
MODELS_BESIDE_READERS = (READER_AGREEMENT, READER_PERFORMANCE, READER_COMPARISONS)
