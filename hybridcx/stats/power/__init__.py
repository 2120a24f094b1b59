"""Sample size and power: McNemar's test, detectable differences, non-inferiority (paired.py), an interval's width, two correlated AUCs
(precision.py), learning curves (learning_curve.py).
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
