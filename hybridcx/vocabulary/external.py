"""Tables of `predict` and `validate`: what was applied, overlap with the training data, inside against outside, case mix, recalibration."""

from __future__ import annotations

from hybridcx.vocabulary.columns import COUNT, LIMITS, METRIC_NAMES, NUMBER, PROBABILITY, STATE, Column, Table

IDENTICAL, NEARLY, PATIENT = "identical image", "nearly identical image", "same patient"
OF_TEST_SET = ", test set"
"""Follows the kind of an overlap with the run's test cases; without it the overlap is with the training or validation cases."""
COPY_FROM = 0.95
"""Correlation from which a nearly identical image is treated as identical: another size, compression or brightness."""
OVERLAPS = f"{IDENTICAL}, {NEARLY}, {PATIENT}, each also followed by '{OF_TEST_SET}'"

MODELS = Table(
    "models",
    {
        "model": Column("the model", "as the run names it"),
        "seed": Column("seed of the training; in a cross-validation 100 x seed + fold", "integer", "integer"),
        "network": Column("the network", "as torchvision or timm names it"),
        "weights.sha256": Column(
            "SHA-256 of the file of weights that was applied: fine-tuned, or those before fine-tuning",
            "hexadecimal, or NA",
        ),
        "head": Column("the classifier on the penultimate features; NA for the network's own softmax", "text, or NA"),
        "head.sha256": Column(
            "SHA-256 of the fitted head's head.json, which has those of its files", "hexadecimal, or NA"
        ),
        "calibration": Column(
            "how decision values became probabilities",
            "softmax, of the estimator, sigmoid (fitted in training), mean, logistic regression",
        ),
        "threshold": Column(
            "score at or above which a case is called positive, as locked in the run", PROBABILITY, "number"
        ),
        "n.fitted": Column("distinct cases that the model was fitted or chosen on", COUNT, "integer"),
        "cases.sha256": Column("SHA-256 of the set of their ids, as in the run's lineage.json", "hexadecimal"),
    },
    commands=("predict", "validate"),
)
OVERLAP = Table(
    "overlap",
    {
        "case_id": Column("the new case", "as given in the input"),
        "other_case_id": Column("the case of the run; NA for a patient", "as the run names it, or NA"),
        "overlap": Column("what they share", OVERLAPS),
        "correlation": Column(
            "correlation of the images' individual detail, estimated from sketches (standard error about 0.02 at 0.8)",
            "0.8 to 1, or NA",
            "number",
        ),
    },
    commands=("predict", "validate"),
)
_SIDES = {
    "inside": Column("the value in the run's test cases", NUMBER, "number"),
    "inside.conf.low": Column("its lower confidence limit", NUMBER, "number"),
    "inside.conf.high": Column("its upper confidence limit", NUMBER, "number"),
    "outside": Column("the value in the new cases", NUMBER, "number"),
    "outside.conf.low": Column("its lower confidence limit", NUMBER, "number"),
    "outside.conf.high": Column("its upper confidence limit", NUMBER, "number"),
}
VALIDATION = Table(
    "validation",
    {
        "model": Column("the model", "text"),
        "metric": Column("the metric", METRIC_NAMES),
        "method": Column("the method of the interval of the difference", "mover (of two independent intervals), or NA"),
        "estimate": Column("outside minus inside (likelihood and odds ratios: outside over inside)", NUMBER, "number"),
        **LIMITS,
        **_SIDES,
        "inside.method": Column("the method of the interval inside", "text"),
        "outside.method": Column("the method of the interval outside", "text"),
        "n.inside": Column("test cases of the run", COUNT, "integer"),
        "n.outside": Column("new cases", COUNT, "integer"),
        **STATE,
    },
    commands=("validate",),
)
CASE_MIX = Table(
    "case_mix",
    {
        "variable": Column(
            "what is described", "cases, patients, prevalence, score, log odds (of a model), a column of the manifest"
        ),
        "model": Column("the model whose scores are described; NA elsewhere", "text, or NA"),
        "level": Column("mean, sd, or a value of the column", "text, or NA"),
        "inside": Column("in the run's test cases", NUMBER, "number"),
        "outside": Column("in the new cases", NUMBER, "number"),
        "standardised.difference": Column(
            "outside minus inside in units of the pooled standard deviation (Austin 2009); NA where it has none",
            NUMBER,
            "number",
        ),
        "warning": Column("why a value is missing", "text, or NA"),
    },
    commands=("validate",),
)
RECALIBRATION = Table(
    "recalibration",
    {
        "model": Column("the model", "text"),
        "update": Column(
            "what was fitted on the recalibration part", "intercept (slope kept at 1), logistic (intercept and slope)"
        ),
        "metric": Column("the metric, on the part that was not used to fit", METRIC_NAMES),
        "before": Column("its value with the scores as they are", NUMBER, "number"),
        "after": Column("its value with the recalibrated scores", NUMBER, "number"),
        "estimate": Column("after minus before", NUMBER, "number"),
        **LIMITS,
        "method": Column(
            "the method of the interval",
            "bootstrap_percentile: patients of both parts are drawn and the update is fitted again",
        ),
        "intercept": Column("the fitted intercept, on the scale of log odds", NUMBER, "number"),
        "slope": Column("the fitted slope of the log odds", NUMBER, "number"),
        "part": Column("how the part that was fitted on was chosen", "text, or NA"),
        "n.fitted": Column("cases of the recalibration part", COUNT, "integer"),
        "n": Column("cases of the other part", COUNT, "integer"),
        "n.resamples": Column("resamples requested", COUNT, "integer"),
        "n.resamples.failed": Column("resamples in which the metric was undefined", COUNT, "integer"),
        **STATE,
    },
    commands=("validate",),
)
EXTERNAL = (MODELS, OVERLAP, VALIDATION, CASE_MIX, RECALIBRATION)
