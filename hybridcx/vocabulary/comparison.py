"""Tables of a comparison: metrics, comparisons, verdicts, curves, and what follows from them."""

from __future__ import annotations

from dataclasses import replace

from hybridcx.vocabulary.columns import (
    ADJUSTMENT_NAMES,
    COUNT,
    FROM_ZERO,
    LABEL,
    LIMITS,
    LOGICAL,
    NUMBER,
    PAIR_NAMES,
    PROBABILITY,
    SHARED,
    STATE,
    TEXT,
    VERDICT_NAMES,
    Column,
    Table,
    described,
)
from hybridcx.vocabulary.methods import methods_of

_BOTH = ("compare", "run")
_INTERVALS = ", ".join(methods_of("interval"))
COMPARISON_METHODS = ", ".join(m for m in methods_of("comparison") if m != "wald")  # wald: along decision curves alone
_OMNIBUS = ", ".join(methods_of("omnibus"))
_HOLM = "holm, or none where there is no p-value"
_GRID = {
    "network": Column("the network", "text"),
    "features": Column("the features that the head is fitted on", "fine_tuned, pretrained, untrained"),
    "head": Column("the head", "logistic, svm_linear, svm_rbf, knn, random_forest, lda, xgboost"),
}
_RESAMPLES = {
    "n.resamples": SHARED["n.resamples"],
    "n.resamples.failed": Column("resamples in which a value was undefined", COUNT, "integer"),
}
_ERRORS = {name: SHARED[name] for name in ("std.error", "n.clusters")}
_ROLE = {
    "role": Column("whether the plan named the comparison before the results existed", "confirmatory, exploratory")
}
_CASES = {"n": SHARED["n"]}
_MONTE_CARLO = {
    "mc.error.low": Column("Monte Carlo standard error of the lower limit", FROM_ZERO, "number"),
    "mc.error.high": Column("Monte Carlo standard error of the upper limit", FROM_ZERO, "number"),
}

METRICS = Table(
    "metrics",
    described(
        "model metric method estimate conf.low conf.high conf.level numerator denominator n n.resamples n.resamples.failed status warning std.error "
        "n.clusters subgroup level seed label.rule threshold prevalence role recommended",
        {
            "model": Column("the model", "text"),
            "method": Column("the method of the interval", f"{_INTERVALS}, or NA"),
        },
    ),
    commands=_BOTH,
)
COMPARISONS = Table(
    "comparisons",
    described(
        "metric model comparator method estimate conf.low conf.high conf.level statistic parameter p.value adj.p.value p.adjust.method n b c status "
        "warning std.error n.clusters n.resamples n.resamples.failed subgroup level seed label.rule threshold prevalence margin role recommended",
        {
            "method": Column("the method of the interval and test", COMPARISON_METHODS),
            "estimate": Column("model minus comparator; model over comparator for likelihood ratios", NUMBER, "number"),
            "n": Column("distinct cases of both classes, also where a test uses one class", COUNT, "integer"),
        },
    ),
    commands=_BOTH,
)
VERDICTS = Table(
    "verdicts",
    described(
        "metric model comparator estimate conf.low conf.high margin verdict within.margin smallest.margin p.superior p.noninferior p.equivalent "
        "detectable.difference role method status warning conf.low.simultaneous conf.high.simultaneous",
        {
            "estimate": Column("model minus comparator, not turned where lower is better", NUMBER, "number"),
            "conf.low": Column("lower limit of the pair's own interval at conf.level", NUMBER, "number"),
            "conf.high": Column("upper limit of that interval", NUMBER, "number"),
            "method": Column("the method of both intervals", COMPARISON_METHODS),
            "conf.low.simultaneous": Column(
                "lower limit of the interval that the verdict uses: simultaneous over all pairs of the metric (Bonferroni)",
                NUMBER,
                "number",
            ),
            "conf.high.simultaneous": Column("upper limit of that interval", NUMBER, "number"),
            "verdict": Column("the verdict on the pair (docs/reference/conventions.md)", VERDICT_NAMES),
            "within.margin": Column(
                "whether the whole simultaneous interval lies within the margin, whatever the verdict",
                LOGICAL,
                "boolean",
            ),
            "smallest.margin": Column("smallest margin that contains the simultaneous interval", FROM_ZERO, "number"),
            "p.superior": Column("p-value of superiority, one-sided, not adjusted", PROBABILITY, "number"),
            "p.noninferior": Column("p-value of non-inferiority at the margin, one-sided", PROBABILITY, "number"),
            "p.equivalent": Column("p-value of equivalence at the margin (two one-sided tests)", PROBABILITY, "number"),
            "detectable.difference": Column(
                "smallest true difference that the test would have detected with 80 % power, two-sided, at the level divided by the pairs, at "
                "the observed discordance or standard error",
                FROM_ZERO,
                "number",
            ),
        },
    ),
    commands=_BOTH,
)
MULTIPLICITY = Table(
    "multiplicity",
    described(
        "metric model comparator method p.value p.adjust.method adj.p.value conf.low conf.high",
        {
            "p.adjust.method": Column("the adjustment of this row", ADJUSTMENT_NAMES),
            "conf.low": Column("lower limit of the simultaneous interval, where one exists", NUMBER, "number"),
            "conf.high": Column("upper limit of the simultaneous interval, where one exists", NUMBER, "number"),
        },
    ),
    commands=_BOTH,
)
OMNIBUS = Table(
    "omnibus",
    described(
        "metric method statistic parameter p.value n k status warning",
        {
            "metric": Column("the metric that the test compares over all models", "accuracy, auroc"),
            "method": Column("the test of all models at once", _OMNIBUS),
            "k": Column("models", COUNT, "integer"),
            "statistic": Column("chi-square", NUMBER, "number"),
        },
    ),
    commands=_BOTH,
)
CONFUSION = Table(
    "confusion",
    described(
        "model positive tp fn fp tn",
        {"model": Column("the model", "text"), "positive": Column("the label of the positive class", LABEL)},
    ),
    commands=_BOTH,
)
CALL = Column("the class that this model predicted", f"{LABEL}, or NA")
"""Columns of disagreements.csv after its header: one a model, named like it."""
DISAGREEMENTS = Table(
    "disagreements",
    described(
        "case_id y_true n.models.wrong",
        {"n.models.wrong": Column("models that misclassified the case", "whole number from 0", "integer")},
    ),
    further={"seed": Column("seed of the models that made these calls", TEXT)},
    commands=_BOTH,
)
MAX_ROC_POINTS = 2000
"""A curve of more points is thinned in roc.csv."""
CALIBRATION = Table(
    "calibration",
    described(
        "model bin score.mean fraction conf.low conf.high n",
        {
            "model": Column("the model", "text"),
            "bin": Column("number of the score's bin, from the lowest", "whole number", "integer"),
            "score.mean": Column("mean score of the cases in the bin", PROBABILITY, "number"),
            "fraction": Column("fraction of positive cases in the bin", PROBABILITY, "number"),
            "conf.low": Column("lower confidence limit of the fraction", PROBABILITY, "number"),
            "conf.high": Column("upper confidence limit of the fraction", PROBABILITY, "number"),
            "n": Column("cases in the bin", COUNT, "integer"),
        },
    ),
    commands=_BOTH,
)
CALIBRATION_CURVE = Table(
    "calibration_curve",
    {
        "model": Column("the model", "text"),
        "part": Column(
            "bin: cases in ten bins of equal count; smooth: locally weighted regression of the truth on the score (Cleveland 1979, span 2/3), where "
            "there are ten distinct scores or more; histogram: scores in twenty bins of equal width",
            "bin, smooth, histogram",
        ),
        "score": Column(
            "mean score of the bin, place of the smooth, or middle of the histogram's bin", PROBABILITY, "number"
        ),
        "fraction": Column("fraction of positive cases; NA in the histogram", PROBABILITY, "number"),
        "conf.low": Column("lower confidence limit of a bin's fraction (Wilson)", PROBABILITY, "number"),
        "conf.high": Column("upper confidence limit of a bin's fraction (Wilson)", PROBABILITY, "number"),
        "n": Column("cases in the bin", COUNT, "integer"),
        "n.positive": Column("positive cases in the histogram's bin", COUNT, "integer"),
        **STATE,
    },
    commands=_BOTH,
)
ROC = Table(
    "roc",
    described(
        "model threshold sensitivity specificity",
        {
            "model": Column("the model", "text"),
            "threshold": Column(
                "score at or above which a case is called positive; Inf: no case is. A model's curve (each fold's) has at most 2,000 points: points "
                "within a straight step are left out first, then points are selected at even distances along the curve. Estimates use all points",
                NUMBER,
                "number",
            ),
            "sensitivity": Column("fraction of positive cases called positive at the threshold", "0 to 1", "number"),
            "specificity": Column("fraction of negative cases called negative at the threshold", "0 to 1", "number"),
        },
    ),
    further={
        "conf.low": Column(
            "lower confidence limit of the sensitivity at this specificity: percentile bootstrap of at most 500 resamples of cases, or of "
            "patients where they have several; NA where all resamples agree, and above 20,000 cases",
            "0 to 1, or NA",
            "number",
        ),
        "conf.high": Column("upper confidence limit of the same", "0 to 1, or NA", "number"),
    },
    commands=_BOTH,
)
DECISION_CURVE = Table(
    "decision_curve",
    described(
        "model threshold net_benefit conf.low conf.high",
        {
            "model": Column("the model, or treat_all or treat_none", "text"),
            "threshold": Column("threshold probability t", "0 to 1", "number"),
            "net_benefit": Column("TP/n - FP/n x t/(1 - t)", NUMBER, "number"),
            "conf.low": Column("lower confidence limit of the net benefit", NUMBER, "number"),
            "conf.high": Column("upper confidence limit of the net benefit", NUMBER, "number"),
        },
    ),
    commands=_BOTH,
)
RANKING = Table(
    "ranking",
    {
        "metric": Column("the metric", "a metric of metrics.csv"),
        "model": Column("the model", "text"),
        "estimate": Column("the model's value on the observed cases", NUMBER, "number"),
        "share.best": Column(
            "share of the joint resamples in which the model is best by this metric (ties shared; slope and intercept: nearest to the ideal)",
            PROBABILITY,
            "number",
        ),
        **_CASES,
        **_RESAMPLES,
        **STATE,
    },
    commands=_BOTH,
)
ERROR_OVERLAP = Table(
    "error_overlap",
    {
        **PAIR_NAMES,
        "error.kappa": Column(
            "Cohen's kappa of the two models' errors: 1 if both err on the same cases, 0 if they coincide as often as by chance",
            "-1 to 1, or NA",
            "number",
        ),
        "double.fault": Column("share of the cases that both misclassify", PROBABILITY, "number"),
        "either.fault": Column("share of the cases that at least one misclassifies", PROBABILITY, "number"),
        "both.right": Column("cases that both classify correctly", COUNT, "integer"),
        "only.model.wrong": Column("cases that only model misclassifies", COUNT, "integer"),
        "only.comparator.wrong": Column("cases that only comparator misclassifies", COUNT, "integer"),
        "both.wrong": Column("cases that both misclassify", COUNT, "integer"),
        **_CASES,
        **STATE,
    },
    commands=_BOTH,
)
BRIER_DECOMPOSITION = Table(
    "brier_decomposition",
    {
        "model": Column("the model", "text"),
        "grouping": Column(
            "how cases are grouped: by a bin of the score, or by one distinct score", "10 bins, distinct scores"
        ),
        "brier": Column("the Brier score: reliability - resolution + uncertainty + within.bin", PROBABILITY, "number"),
        "reliability": Column(
            "mean squared distance of a group's score from its fraction positive; lower is better",
            PROBABILITY,
            "number",
        ),
        "resolution": Column("variance of the groups' fractions positive; higher is better", PROBABILITY, "number"),
        "uncertainty": Column(
            "prevalence x (1 - prevalence): the score of a constant forecast of the prevalence", PROBABILITY, "number"
        ),
        "within.bin": Column(
            "contribution of the scores' spread within bins (Stephenson, Coelho and Jolliffe 2008)", NUMBER, "number"
        ),
        **_CASES,
        **STATE,
    },
    commands=_BOTH,
)
CALIBRATION_LINE = Table(
    "calibration_line",
    {
        "model": Column("the model", "text"),
        "term": Column(
            "coefficient of the logistic regression of truth on logit(score): its slope, or its intercept, estimated together with the slope "
            "(calibration-in-the-large, with the slope fixed at 1, is calibration_intercept in metrics.csv)",
            "slope, intercept",
        ),
        "estimate": Column("the coefficient", NUMBER, "number"),
        **LIMITS,
        "std.error": Column("standard error of the coefficient (Wald)", FROM_ZERO, "number"),
        **_CASES,
        "n.clusters": SHARED["n.clusters"],
        **STATE,
    },
    commands=_BOTH,
)
DECISION_CURVE_DIFFERENCES = Table(
    "decision_curve_differences",
    {
        **PAIR_NAMES,
        "threshold": Column("threshold probability t", "0 to 1", "number"),
        "estimate": Column("net benefit of model minus that of comparator", NUMBER, "number"),
        **LIMITS,
        "std.error": Column("standard error of the difference", FROM_ZERO, "number"),
        "p.value": Column(
            "p-value of no difference at this threshold alone, two-sided, not adjusted", PROBABILITY, "number"
        ),
        **_CASES,
        "n.clusters": SHARED["n.clusters"],
        **STATE,
    },
    commands=_BOTH,
)
INTERACTIONS = Table(
    "interactions",
    {
        "subgroup": Column("the column that defines the subgroups", "text"),
        "metric": Column("the metric compared over the subgroups", "accuracy, sensitivity, specificity, auroc"),
        "model": Column("the model; with a comparator the one that comes first", "text"),
        "comparator": Column("NA: the model's own value over the subgroups; else the difference from this model", TEXT),
        "method": Column(
            "the test that all subgroups share one value: over cases alone, or over the means of seeds by the bootstrap over seeds and cases",
            "heterogeneity_chisq, heterogeneity_hierarchical",
        ),
        "statistic": Column("Cochran's Q; over seeds Wald's chi-square", FROM_ZERO, "number"),
        "parameter": Column("degrees of freedom of the chi-square", "number, or NA", "number"),
        "p.value": Column("p-value, not adjusted", PROBABILITY, "number"),
        "k": Column("subgroups in the test", COUNT, "integer"),
        "n": Column("their cases (of the class for sensitivity and specificity)", COUNT, "integer"),
        **STATE,
    },
    commands=_BOTH,
)
THRESHOLDS = Table(
    "thresholds",
    {
        "model": Column("the model", "text"),
        "rule": Column(
            "the rule that chose the threshold on the validation cases", "youden, sensitivity=x, specificity=x"
        ),
        "threshold": Column("score at or above which a case is called positive", NUMBER, "number"),
        "sensitivity": Column(
            "sensitivity on the validation cases that chose it (not on test cases)", "0 to 1", "number"
        ),
        "specificity": Column(
            "specificity on the validation cases that chose it (not on test cases)", "0 to 1", "number"
        ),
        "n": Column("validation cases", COUNT, "integer"),
        **STATE,
        "seed": Column("seed of the training, where the input has seeds", TEXT),
        "fold": Column("fold, where the input has folds", TEXT),
    },
    commands=_BOTH,
)
HYBRID_MATRIX = Table(
    "hybrid_matrix",
    {
        "metric": Column("the primary metric, or AUROC", "a metric of metrics.csv"),
        **_GRID,
        "model": Column("the head's model; NA where there is none", TEXT),
        "comparator": Column("the softmax of the same network, on the same cases; NA where there is none", TEXT),
        "method": Column(
            "the method of the interval, the one of the pair's verdict",
            "tango, delong_paired, permutation_paired, mcnemar_cluster, delong_cluster, bootstrap_percentile, bootstrap_hierarchical, "
            "obuchowski_rockette, nadeau_bengio, or NA",
        ),
        "estimate": Column("head minus softmax of the same network", NUMBER, "number"),
        **LIMITS,
        "p.value": SHARED["p.value"],
        "adj.p.value": Column(
            "p-value adjusted by Holm over all cells of this matrix and metric (comparisons.csv has a planned pair's own adjustment)",
            PROBABILITY,
            "number",
        ),
        "p.adjust.method": Column("adjustment for multiple comparisons", _HOLM),
        "p.method": Column("the test of p.value", "mcnemar_midp, or the method of the interval, or NA"),
        "b": Column(
            "cases that only the head got right (within the class for sensitivity and specificity)", COUNT, "integer"
        ),
        "c": Column("cases that only the softmax got right (within the class likewise)", COUNT, "integer"),
        "model.estimate": Column("the head's own value", NUMBER, "number"),
        "comparator.estimate": Column("the softmax's own value", NUMBER, "number"),
        **_CASES,
        **STATE,
        **_ERRORS,
        **_RESAMPLES,
        **_ROLE,
    },
    commands=_BOTH,
)
MAIN_EFFECTS = Table(
    "main_effects",
    {
        "metric": Column("the primary metric, or AUROC", "a metric of metrics.csv"),
        "factor": Column(
            "the factor of the effect. network, head: mean over the models of a level less the mean over all models of the complete grid of "
            "networks, heads and feature sets (without the softmaxes); fine_tuning: fine-tuned features less the same network's features before; "
            "head_minus_softmax: heads less the softmax of the same networks",
            "network, head, fine_tuning, head_minus_softmax",
        ),
        "level": Column("the level", "a network, a head, fine_tuned, or all heads"),
        "reference": Column("what the level is compared with", "grand mean, pretrained, untrained, softmax"),
        "features": Column(
            "the feature sets of the models in the effect; NA where the effect compares feature sets", TEXT
        ),
        "method": Column(
            "the method of the interval, on the joint resamples of the cases (bootstrap_hierarchical: of seeds and cases)",
            "bootstrap_percentile, bootstrap_hierarchical, or NA",
        ),
        "estimate": Column("level less reference, a contrast of means over models", NUMBER, "number"),
        **LIMITS,
        "p.value": Column(
            "p-value of no effect by inverting the interval, two-sided, not adjusted", PROBABILITY, "number"
        ),
        "adj.p.value": Column(
            "p-value adjusted by Holm over the levels of this metric, factor and feature set (two mirrored levels count once)",
            PROBABILITY,
            "number",
        ),
        "p.adjust.method": Column("adjustment for multiple comparisons", _HOLM),
        **_CASES,
        "n.models": Column("models in the contrast", COUNT, "integer"),
        **STATE,
        **_ERRORS,
        **_RESAMPLES,
        **_MONTE_CARLO,
        **_ROLE,
    },
    commands=_BOTH,
)
LABEL_RULES = Table(
    "label_rules",
    described(
        "metric model comparator label.rule estimate conf.low conf.high p.value adj.p.value verdict conclusion.flips n n.relabelled n.added "
        "n.left.out",
        {
            "estimate": Column("model minus comparator under the rule's labels", NUMBER, "number"),
            "label.rule": Column(
                "the rule that gives the true labels; the predictions are the same in all rows",
                "primary (the labels of the analysis), reader_<name>, agreed, majority, all",
            ),
            "verdict": Column("the verdict on the pair under the rule's labels", VERDICT_NAMES),
            "conclusion.flips": Column(
                "whether the verdict differs from the one under the labels of the analysis; NA for those rows, and where one has no interval",
                LOGICAL,
                "boolean",
            ),
            "n": Column("distinct test cases with a label by the rule", COUNT, "integer"),
            "n.relabelled": Column("of these, cases with another label than in the analysis", COUNT, "integer"),
            "n.added": Column("of these, disputed cases, which have no label in the analysis", COUNT, "integer"),
            "n.left.out": Column("cases of the analysis without a label by the rule", COUNT, "integer"),
        },
    ),
)
RESULTS = (
    METRICS,
    COMPARISONS,
    VERDICTS,
    MULTIPLICITY,
    OMNIBUS,
    CONFUSION,
    DISAGREEMENTS,
    CALIBRATION,
    ROC,
    DECISION_CURVE,
)
FURTHER_RESULTS = (
    *(
        RANKING,
        ERROR_OVERLAP,
        BRIER_DECOMPOSITION,
        CALIBRATION_LINE,
        CALIBRATION_CURVE,
        DECISION_CURVE_DIFFERENCES,
        INTERACTIONS,
        THRESHOLDS,
        HYBRID_MATRIX,
        MAIN_EFFECTS,
    ),
    LABEL_RULES,
    replace(METRICS, name="ensemble_metrics", commands=()),
    replace(COMPARISONS, name="ensemble_comparisons", commands=()),
)
