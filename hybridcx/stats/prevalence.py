"""Predictive values at an assumed prevalence from replicates of sensitivity and specificity (Bayes)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.score_inputs import FloatArray


def at_prevalence(replicates: Replicates, prevalence: float) -> Replicates:
    """Return replicates of `ppv` and `npv` at `prevalence` p, taken as known, in the place of those at the sample's own.

    PPV = se p / (se p + (1 - sp)(1 - p)), NPV = sp (1 - p) / (sp (1 - p) + (1 - se) p), value by value; NaN where that is 0/0 or a class is
    absent. `replicates` must hold sensitivity and specificity. Raises ValueError unless 0 < prevalence < 1.
    """
    if not 0.0 < prevalence < 1.0:
        raise ValueError(f"prevalence must lie strictly between 0 and 1, got {prevalence}")

    def bayes(se: FloatArray, sp: FloatArray) -> dict[str, FloatArray]:
        ill, well = se * prevalence, sp * (1.0 - prevalence)
        missed, alarmed = (1.0 - se) * prevalence, (1.0 - sp) * (1.0 - prevalence)
        with np.errstate(invalid="ignore"):
            return {"ppv": np.asarray(ill / (ill + alarmed)), "npv": np.asarray(well / (well + missed))}

    r = replicates
    weights = r.jackknife_weights["sensitivity"]
    return replace(
        r,
        observed=bayes(r.observed["sensitivity"], r.observed["specificity"]),
        replicates=bayes(r.replicates["sensitivity"], r.replicates["specificity"]),
        jackknife=bayes(r.jackknife["sensitivity"], r.jackknife["specificity"]),
        jackknife_weights={"ppv": weights, "npv": weights},
    )
