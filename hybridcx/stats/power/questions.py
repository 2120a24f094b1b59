"""Sample size and power, what `hybridcx plan` asks: McNemar's test, non-inferiority, an interval's width, two
correlated AUCs.

This module gathers power_paired.py (McNemar, the detectable difference, non-inferiority) and power_precision.py
(half-width, AUC).
"""

from hybridcx.stats.power.paired import (
    SampleSize,
    connor_n,
    detectable_difference_mcnemar,
    detectable_difference_normal,
    mcnemar_power,
    mcnemar_sample_size,
    noninferiority_paired_n,
    noninferiority_paired_power,
)
from hybridcx.stats.power.precision import (
    auc_detectable_difference,
    auc_paired_n,
    auc_paired_power,
    auc_variance,
    proportion_halfwidth,
    proportion_halfwidth_n,
)

__all__ = [
    "SampleSize",
    "auc_detectable_difference",
    "auc_paired_n",
    "auc_paired_power",
    "auc_variance",
    "connor_n",
    "detectable_difference_mcnemar",
    "detectable_difference_normal",
    "mcnemar_power",
    "mcnemar_sample_size",
    "noninferiority_paired_n",
    "noninferiority_paired_power",
    "proportion_halfwidth",
    "proportion_halfwidth_n",
]
