"""Columns and their meanings of the learning curve over the number of training cases: see `further_tables`."""

from __future__ import annotations

from hybridcx.vocabulary.comparison import Described

_COUNT = "whole number from 0, or NA"
_N = "number, Inf or NA"
_P = "0 to 1, or NA"

_ABOUT: Described = {
    "model": ("the model, trained with the same options on each size", "text"),
    "metric": ("what is measured: the primary metric, AUROC and accuracy", "a metric of metrics.csv"),
}
_FOUND: Described = {
    "conf.level": ("confidence level of the two limits", _P, "number"),
    "n.seeds": ("seeds that the row is a mean over", _COUNT, "integer"),
    "n": ("distinct test cases, the same at every size", _COUNT, "integer"),
    "n.resamples": ("resamples asked for", _COUNT, "integer"),
    "n.resamples.failed": ("resamples in which the value was undefined", _COUNT, "integer"),
    "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": ("why the status is not ok, or what to know beside the number", "text, or NA"),
}
_METHOD = (
    "how the limits were computed: joint draws of cases and seeds for all sizes, percentiles",
    "bootstrap_hierarchical",
)
OF_TRAINING_SIZE: dict[str, Described] = {
    "training_size": {
        **_ABOUT,
        "n.train": ("training cases (mean over seeds where these differ); validation cases are not counted", _N, "number"),
        "share": ("n.train over the number of all training cases", "above 0; above 1 where predicted", "number"),
        "kind": (
            "observed: the mean over seeds at this size; fitted: the power law within the sizes; predicted: beyond them, if the law goes on",
            "observed, fitted, predicted",
        ),
        "method": _METHOD,
        "estimate": ("the metric", _N, "number"),
        "conf.low": ("lower confidence limit", _N, "number"),
        "conf.high": ("upper confidence limit", _N, "number"),
        "sd.seeds": ("standard deviation of the seeds' values, where observed", "number from 0, or NA", "number"),
        "seed.min": ("smallest value of a seed, where observed", _N, "number"),
        "seed.max": ("largest value of a seed, where observed", _N, "number"),
        **_FOUND,
    },
    "training_size_fit": {
        **_ABOUT,
        "term": (
            "a term of metric = asymptote - scale x n.train^(-exponent), or the number of training cases at which the curve is so much better than "
            "at the present size",
            "asymptote, scale, exponent, n_for_plus_0.01, n_for_plus_0.02, n_for_plus_0.05",
        ),
        "method": _METHOD,
        "estimate": ("the term by least squares; Inf where the asymptote is nearer than the gain", _N, "number"),
        "conf.low": ("lower confidence limit", _N, "number"),
        "conf.high": ("upper confidence limit; Inf where the resamples have no end", _N, "number"),
        "n.sizes": ("sizes of the training set that the law was fitted to", _COUNT, "integer"),
        "on.bound": (
            "share of the resamples whose fit lies on a bound: the asymptote at an end of the metric's range, the exponent at 0.05 or 2, or no rise",
            _P,
            "number",
        ),
        **_FOUND,
    },
}  # fmt: skip
