"""Tables of several trainings: variance over seeds, verdicts of single seeds, ensembles, training sizes."""

from __future__ import annotations

from hybridcx.vocabulary.columns import (
    COUNT,
    METRIC_NAMES,
    NUMBER,
    PAIR_NAMES,
    PROBABILITY,
    SHARED,
    STATE,
    TEXT,
    VERDICT_NAMES,
    Column,
    Table,
)

_SEED_COUNT = {
    f"n.{verdict}": Column(f"seeds with the verdict {verdict} by themselves", COUNT, "integer")
    for verdict in ("superior", "inferior", "equivalent", "non_inferior", "inconclusive")
}
_CURVE = {
    "model": Column("the model, trained with the same options on each size", "text"),
    "metric": Column("the primary metric, AUROC, or accuracy", "a metric of metrics.csv"),
}
_CURVE_ENDS = {
    "conf.level": SHARED["conf.level"],
    "n.seeds": SHARED["n.seeds"],
    "n": Column("distinct test cases, the same at every size", COUNT, "integer"),
    "n.resamples": SHARED["n.resamples"],
    "n.resamples.failed": Column("resamples in which the value was undefined", COUNT, "integer"),
    **STATE,
}
_LIMITS = {
    "conf.low": Column("lower confidence limit", "number, Inf or NA", "number"),
    "conf.high": Column("upper confidence limit", "number, Inf or NA", "number"),
}
_HIERARCHICAL = Column(
    "the method of the limits: percentiles of joint draws of cases and seeds for all sizes", "bootstrap_hierarchical"
)

VARIANCE = Table(
    "variance",
    {},
    further={
        "metric": Column("the metric", METRIC_NAMES),
        "model": Column("the model; with a comparator, model minus comparator", "text"),
        "comparator": Column("the model that is subtracted; NA for one model's own value", TEXT),
        "seed.min": Column("smallest value of a seed", NUMBER, "number"),
        "seed.max": Column("largest value of a seed", NUMBER, "number"),
        "variance.case": Column(
            "variance component of cases (of patients, where these are drawn) in the table of cases by seeds: of a case's own value for means over "
            "cases, else of its jackknife pseudo-value",
            NUMBER,
            "number",
        ),
        "variance.seed": Column("variance component of seeds in the table of cases by seeds", NUMBER, "number"),
        "variance.residual": Column("residual variance component (cases by seeds)", NUMBER, "number"),
        "share.case": Column("share of cases in the variance of the mean over seeds", PROBABILITY, "number"),
        "share.seed": Column("share of seeds in that variance", PROBABILITY, "number"),
        "share.residual": Column("residual share of that variance", PROBABILITY, "number"),
    },
)
SEED_VERDICTS = Table(
    "seed_verdicts",
    {
        "metric": Column("the metric", "text"),
        **PAIR_NAMES,
        "verdict": Column("the verdict over all seeds (verdicts.csv)", VERDICT_NAMES),
        "n.seeds": Column("seeds", COUNT, "integer"),
        "n.same": Column("seeds with the same verdict from their own interval and adjusted p-value", COUNT, "integer"),
        **_SEED_COUNT,
        "n.estimate.above": Column("seeds with a difference above 0", COUNT, "integer"),
        "estimate.min": Column("smallest difference of a seed", NUMBER, "number"),
        "estimate.max": Column("largest difference of a seed", NUMBER, "number"),
    },
)
ENSEMBLES = Table(
    "ensembles",
    {},
    further={
        "model": Column("the ensemble", "", None),
        "members": Column("the networks whose softmax it combines", "", None),
        "weights": Column("weight of each member: of its probability (mean), or of its logit (stacking)", "", None),
        "intercept": Column("intercept of the stacking on the logit scale; NA for the mean", "", None),
        "n_fitted": Column("validation cases that the stacking was fitted on; 0 for the mean", "", None),
        "seed": Column("seed of the training", "", None),
        "fold": Column("fold of the cross-validation, from 1; NA without one", "", None),
    },
)
TRAINING_SIZE = Table(
    "training_size",
    {
        **_CURVE,
        "n.train": Column(
            "training cases without validation cases (mean over seeds where these differ)",
            "number, Inf or NA",
            "number",
        ),
        "share": Column("n.train over the number of all training cases", "above 0; above 1 where predicted", "number"),
        "kind": Column(
            "observed: the mean over seeds at this size; fitted: the power law within the sizes; predicted: the power law beyond them",
            "observed, fitted, predicted",
        ),
        "method": _HIERARCHICAL,
        "estimate": Column("the metric", "number, Inf or NA", "number"),
        **_LIMITS,
        "sd.seeds": Column("standard deviation of the seeds' values, where observed", "number from 0, or NA", "number"),
        "seed.min": Column("smallest value of a seed, where observed", "number, Inf or NA", "number"),
        "seed.max": Column("largest value of a seed, where observed", "number, Inf or NA", "number"),
        **_CURVE_ENDS,
    },
)
TRAINING_SIZE_FIT = Table(
    "training_size_fit",
    {
        **_CURVE,
        "term": Column(
            "a term of metric = asymptote - scale x n.train^(-exponent), or the number of training cases at which the curve is so much better than "
            "at the present size",
            "asymptote, scale, exponent, n_for_plus_0.01, n_for_plus_0.02, n_for_plus_0.05",
        ),
        "method": _HIERARCHICAL,
        "estimate": Column(
            "the term by least squares; Inf where the asymptote is nearer than the gain", "number, Inf or NA", "number"
        ),
        "conf.low": _LIMITS["conf.low"],
        "conf.high": Column(
            "upper confidence limit; Inf where the resamples are unbounded", "number, Inf or NA", "number"
        ),
        "n.sizes": Column("sizes of the training set in the fit", COUNT, "integer"),
        "on.bound": Column(
            "share of the resamples whose fit lies on a bound: the asymptote at an end of the metric's range, the exponent at 0.05 or 2, or no rise",
            PROBABILITY,
            "number",
        ),
        **_CURVE_ENDS,
    },
)
REPEATS = (VARIANCE, SEED_VERDICTS, ENSEMBLES, TRAINING_SIZE, TRAINING_SIZE_FIT)
