"""Where a method holds: what the shipped simulations (vocabulary/domains.py) ask of the data, compared with the data at hand."""

from __future__ import annotations

import numpy as np

from hybridcx.analysis.slices import Slice
from hybridcx.vocabulary.domains import Use, domain_of

Sizes = dict[str, int]


def sizes(part: Slice, metric: str, *models: int) -> Sizes:
    """What the domains are about: cases, cases of the smaller class, patients, and for count metrics the errors of the models in each class.

    `errors` is the smallest number of wrong calls, and `right` the smallest number of right ones, of any of the models in any class.
    """
    positives = int(np.count_nonzero(part.y_true))
    found: Sizes = {"cases": part.n, "events": min(positives, part.n - positives), "clusters": part.n_clusters}
    if part.y_pred is not None:
        counts = [part.confusions[m] for m in models]
        found["errors"] = min((min(c.fn, c.fp) for c in counts), default=0)
        found["right"] = min((min(c.tp, c.tn) for c in counts), default=0)
    return found


def outside(part: Slice, use: Use, metric: str, method: str, *models: int) -> str:
    """Why the method is outside its domain on these cases; "" where it holds."""
    domain = domain_of(use, metric, method, clustered=part.clustered)
    return domain.problem(sizes(part, metric, *models)) if domain else ""
