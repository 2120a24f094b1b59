"""Columns and their meanings of the tables beyond the contract's: (description, values) or (description, values, kind) by column."""

from __future__ import annotations

Described = dict[str, tuple[str, ...]]

_P = "0 to 1, or NA"
_N = "number, Inf, -Inf or NA"
_FROM_ZERO = "number from 0, or NA"
_COUNT = "whole number from 0, or NA"
_VERDICT = "superior, inferior, equivalent, non_inferior, inconclusive"
_PAIR: Described = {
    "model": ("the model; in a pair the one that comes first (model minus comparator)", "text"),
    "comparator": ("the model it is compared with", "text"),
}
_STATE: Described = {
    "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": ("why the status is not ok, or what to know beside the number", "text, or NA"),
}
_LIMITS: Described = {
    "conf.low": ("lower confidence limit", _N, "number"),
    "conf.high": ("upper confidence limit", _N, "number"),
    "conf.level": ("confidence level of the two limits", _P, "number"),
}
_CASES: Described = {"n": ("distinct cases", _COUNT, "integer")}
_RESAMPLES: Described = {
    "n.resamples": ("resamples asked for", _COUNT, "integer"),
    "n.resamples.failed": ("resamples in which a value was undefined", _COUNT, "integer"),
}

_GRID: Described = {
    "network": ("the network", "text"),
    "features": ("the features that the head is fitted on", "fine_tuned, pretrained, untrained"),
    "head": ("the head", "logistic, svm_linear, svm_rbf, knn, random_forest, lda, xgboost"),
}
_COUNTED: Described = {
    "std.error": ("standard error of the estimate", _FROM_ZERO, "number"),
    "n.clusters": ("distinct clusters (patients), where the method uses them", _COUNT, "integer"),
}
_ROLE: Described = {"role": ("named in the plan before the results were seen, or not", "confirmatory, exploratory")}
_HOLM = "holm, or none where there is no p-value"

OUR_TABLES: dict[str, Described] = {
    "hybrid_matrix": {
        "metric": ("what is measured: the primary metric and AUROC", "a metric of metrics.csv"),
        **_GRID,
        "model": ("the head's model; NA where there is none", "text, or NA"),
        "comparator": ("the softmax of the same network, on the same cases; NA where there is none", "text, or NA"),
        "method": (
            "how the interval was computed: that of the pair's verdict",
            "tango, delong_paired, mcnemar_cluster, delong_cluster, bootstrap_bca, bootstrap_hierarchical, or NA",
        ),
        "estimate": ("head minus softmax of the same network", _N, "number"),
        **_LIMITS,
        "p.value": ("p-value of no difference, two-sided, not adjusted", _P, "number"),
        "adj.p.value": (
            "p-value adjusted by Holm over all cells of this matrix and metric (a planned pair's own adjustment stands in comparisons.csv)",
            _P,
            "number",
        ),
        "p.adjust.method": ("adjustment for multiple comparisons", _HOLM),
        "p.method": ("the test that p.value comes from", "mcnemar_midp, or the method of the interval, or NA"),
        "b": (
            "cases that only the head got right (within the class for sensitivity and specificity)",
            _COUNT,
            "integer",
        ),
        "c": ("cases that only the softmax got right (within the class likewise)", _COUNT, "integer"),
        "model.estimate": ("the head's own value", _N, "number"),
        "comparator.estimate": ("the softmax's own value", _N, "number"),
        **_CASES,
        **_STATE,
        **_COUNTED,
        **_RESAMPLES,
        **_ROLE,
    },
    "main_effects": {
        "metric": ("what is measured: the primary metric and AUROC", "a metric of metrics.csv"),
        "factor": (
            "what the effect is of. network, head: the mean over a level's models less the mean over all models of the complete grid of networks, "
            "heads and feature sets (without the softmaxes); fine_tuning: fine-tuned features less those of the network before; "
            "head_minus_softmax: heads less the softmax of the same networks",
            "network, head, fine_tuning, head_minus_softmax",
        ),
        "level": ("the level", "a network, a head, fine_tuned, or all heads"),
        "reference": ("what it is set against", "grand mean, pretrained, untrained, softmax"),
        "features": (
            "the feature sets that the models of the effect use; NA where these are what is compared",
            "text, or NA",
        ),
        "method": (
            "how the interval was computed, on the joint resamples of the cases (bootstrap_hierarchical: of seeds too)",
            "bootstrap_percentile, bootstrap_hierarchical, or NA",
        ),
        "estimate": ("level less reference, a contrast of means over models", _N, "number"),
        **_LIMITS,
        "p.value": ("p-value of no effect by inverting the interval, two-sided, not adjusted", _P, "number"),
        "adj.p.value": (
            "p-value adjusted by Holm over the levels of this metric, factor and feature set (two mirrored levels are one)",
            _P,
            "number",
        ),
        "p.adjust.method": ("adjustment for multiple comparisons", _HOLM),
        **_CASES,
        "n.models": ("models that enter the contrast", _COUNT, "integer"),
        **_STATE,
        **_COUNTED,
        **_RESAMPLES,
        "mc.error.low": ("Monte Carlo standard error of the lower limit", _FROM_ZERO, "number"),
        "mc.error.high": ("Monte Carlo standard error of the upper limit", _FROM_ZERO, "number"),
        **_ROLE,
    },
    "ranking": {
        "metric": ("what is measured", "a metric of metrics.csv"),
        "model": ("the model", "text"),
        "estimate": ("the model's value on the observed cases", _N, "number"),
        "prob.best": (
            "share of the joint resamples in which the model is best by this metric (ties shared; slope and intercept: nearest to the ideal)",
            _P,
            "number",
        ),
        **_CASES,
        **_RESAMPLES,
        **_STATE,
    },
    "error_overlap": {
        **_PAIR,
        "error.kappa": (
            "Cohen's kappa of the two models' errors: 1 if they err on the same cases, 0 if together as often as by chance",
            "-1 to 1, or NA",
            "number",
        ),
        "double.fault": ("share of the cases that both get wrong", _P, "number"),
        "either.fault": ("share of the cases that at least one gets wrong", _P, "number"),
        "both.right": ("cases that both get right", _COUNT, "integer"),
        "only.model.wrong": ("cases that only model gets wrong", _COUNT, "integer"),
        "only.comparator.wrong": ("cases that only comparator gets wrong", _COUNT, "integer"),
        "both.wrong": ("cases that both get wrong", _COUNT, "integer"),
        **_CASES,
        **_STATE,
    },
    "brier_decomposition": {
        "model": ("the model", "text"),
        "grouping": (
            "what makes a group of cases: a bin of the score, or one distinct score",
            "10 bins, distinct scores",
        ),
        "brier": ("the Brier score: reliability - resolution + uncertainty + within.bin", _P, "number"),
        "reliability": (
            "mean squared distance of a group's score from its fraction positive; lower is better",
            _P,
            "number",
        ),
        "resolution": ("variance of the groups' fractions positive; higher is better", _P, "number"),
        "uncertainty": (
            "prevalence times its complement: what a constant forecast of the prevalence scores",
            _P,
            "number",
        ),
        "within.bin": ("what the scores within the bins add (Stephenson, Coelho and Jolliffe 2008)", _N, "number"),
        **_CASES,
        **_STATE,
    },
    "decision_curve_differences": {
        **_PAIR,
        "threshold": ("threshold probability t", "0 to 1", "number"),
        "estimate": ("net benefit of model minus that of comparator", _N, "number"),
        **_LIMITS,
        "std.error": ("standard error of the difference", _FROM_ZERO, "number"),
        "p.value": ("p-value of no difference at this threshold alone, two-sided, not adjusted", _P, "number"),
        **_CASES,
        "n.clusters": ("distinct clusters (patients), where the method uses them", _COUNT, "integer"),
        **_STATE,
    },
    "interactions": {
        "subgroup": ("column that the cases were divided by", "text"),
        "metric": ("what is compared over the subgroups", "accuracy, sensitivity, specificity, auroc"),
        "model": ("the model; with a comparator the one that comes first", "text"),
        "comparator": (
            "NA: the model's own value over the subgroups; else the difference from this model",
            "text, or NA",
        ),
        "method": (
            "the test that all subgroups share one value: of cases alone, or of the means over seeds from the bootstrap over seeds and cases",
            "heterogeneity_chisq, heterogeneity_hierarchical",
        ),
        "statistic": ("Cochran's Q; over the seeds Wald's chi-square", _FROM_ZERO, "number"),
        "parameter": ("degrees of freedom of the chi-square", "number, or NA", "number"),
        "p.value": ("p-value, not adjusted", _P, "number"),
        "k": ("subgroups that take part", _COUNT, "integer"),
        "n": ("cases of theirs (of the class for sensitivity and specificity)", _COUNT, "integer"),
        **_STATE,
    },
    "seed_verdicts": {
        "metric": ("what is compared", "text"),
        **_PAIR,
        "verdict": ("the verdict over all seeds (verdicts.csv)", _VERDICT),
        "n.seeds": ("seeds", _COUNT, "integer"),
        "n.same": (
            "seeds whose own verdict, from their own interval and adjusted p, is that over all seeds",
            _COUNT,
            "integer",
        ),
        "n.superior": ("seeds that alone would have said superior", _COUNT, "integer"),
        "n.inferior": ("seeds that alone would have said inferior", _COUNT, "integer"),
        "n.equivalent": ("seeds that alone would have said equivalent", _COUNT, "integer"),
        "n.non_inferior": ("seeds that alone would have said non_inferior", _COUNT, "integer"),
        "n.inconclusive": ("seeds that alone would have said inconclusive", _COUNT, "integer"),
        "n.estimate.above": ("seeds whose difference is above 0", _COUNT, "integer"),
        "estimate.min": ("smallest difference of a seed", _N, "number"),
        "estimate.max": ("largest difference of a seed", _N, "number"),
    },
    "thresholds": {
        "model": ("the model", "text"),
        "rule": (
            "rule by which the threshold was chosen on the validation cases",
            "youden, sensitivity=x, specificity=x",
        ),
        "threshold": ("score at or above which a case is called positive", _N, "number"),
        "sensitivity": ("sensitivity on the validation cases it was chosen on (not on test cases)", "0 to 1", "number"),
        "specificity": ("specificity on the validation cases it was chosen on (not on test cases)", "0 to 1", "number"),
        "n": ("validation cases", _COUNT, "integer"),
        **_STATE,
        "seed": ("seed of the training, where the input has seeds", "text, or NA"),
        "fold": ("fold, where the input has folds", "text, or NA"),
    },
    "reader_agreement": {
        "metric": ("coefficient of agreement of two raters", "cohen_kappa, gwet_ac1, percent_agreement"),
        "method": (
            "closed form of a pair (unweighted, wilson), or the resampled limits of a mean or difference over fixed readers",
            "unweighted, wilson, bootstrap_percentile, bootstrap_hierarchical (means over seeds), NA (such a mean without limits)",
        ),
        "kind": (
            "a pair of raters, the mean over a model's pairs with the readers, the mean over the readers' own pairs, or the first mean less "
            "the second",
            "model_reader, reader_reader, mean_model_reader, mean_reader_reader, difference",
        ),
        "rater": ("the model, or the first reader; NA for the mean over readers", "text, or NA"),
        "other": ("the reader it is set beside; NA where it is all of them", "text, or NA"),
        "estimate": ("the coefficient, or the difference of two means", _N, "number"),
        **_LIMITS,
        **_CASES,
        **_RESAMPLES,
        **_STATE,
    },
    "reader_performance": {
        "reader": ("the reader", "text"),
        "metric": ("what is measured against the truth", "accuracy, sensitivity, specificity"),
        "method": ("how the interval was computed", "wilson"),
        "estimate": ("the value, on the cases that the reader read", _P, "number"),
        **_LIMITS,
        "numerator": ("count above the line", _COUNT, "integer"),
        "denominator": ("count below the line", _COUNT, "integer"),
        **_CASES,
        **_STATE,
    },
    "reader_comparisons": {
        "metric": ("what is compared", "accuracy, sensitivity, specificity"),
        "model": ("the model (model minus reader)", "text"),
        "reader": ("the reader", "text"),
        "method": (
            "how the interval or the test was computed",
            "tango, mcnemar_midp, mcnemar_cluster, bootstrap_hierarchical (the model's mean over seeds)",
        ),
        "estimate": ("model minus reader, on the cases that the reader read", _N, "number"),
        **_LIMITS,
        "statistic": ("test statistic: chi-square or signed z; NA for mid-p", _N, "number"),
        "p.value": ("p-value, two-sided, not adjusted", _P, "number"),
        "adj.p.value": (
            "p-value adjusted by Holm over the model and reader pairs of this metric, method and seed",
            _P,
            "number",
        ),
        "b": (
            "cases that only the model got right (within the class for sensitivity and specificity)",
            _COUNT,
            "integer",
        ),
        "c": ("cases that only the reader got right (within the class likewise)", _COUNT, "integer"),
        **_CASES,
        **_STATE,
    },
}
"""Table (the file without `.csv`) -> column, in order -> what it holds."""

OF_COMPARISON = (
    *("ranking", "error_overlap", "brier_decomposition", "decision_curve_differences", "interactions", "thresholds"),
    *("hybrid_matrix", "main_effects"),
)
OF_READERS = ("reader_agreement", "reader_performance", "reader_comparisons")
