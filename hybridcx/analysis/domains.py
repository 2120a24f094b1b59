"""Where a method holds: what the shipped simulations (vocabulary/domains.py) ask of the data, compared with the data at hand."""

from __future__ import annotations

import numpy as np

from hybridcx.analysis.slices import Slice
from hybridcx.vocabulary.domains import NOT_SIMULATED, Use, domains_of

Sizes = dict[str, int]


def sizes(part: Slice) -> Sizes:
    """What the domains are about: cases, cases of the smaller class, and patients.

    These are fixed before the models are seen. The number of errors is not: a rule that asks for five of them selects the samples that have many, and
    in those an interval that covers 95 % of all samples covers far fewer.
    """
    positives = int(np.count_nonzero(part.y_true))
    events = min(positives, part.n - positives)
    return {"cases": part.n, "events": events, "share": 100 * events // max(part.n, 1), "clusters": part.n_clusters}


def no_interval(metric: str) -> str:
    """Why the metric is shown without limits; "" where a method holds for it at some size."""
    return next((d.never for d in domains_of("interval", metric, "bootstrap_percentile")), "")


def outside(part: Slice, use: Use, metric: str, method: str) -> str:
    """Why the method is outside its domain on these cases; "" where it holds."""
    problems = [d.problem(sizes(part)) for d in domains_of(use, metric, method, clustered=part.clustered)]
    return "" if "" in problems else next(iter(problems), NOT_SIMULATED)
