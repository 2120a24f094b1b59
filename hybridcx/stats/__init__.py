"""Statistics for diagnostic accuracy, on plain arrays: intervals, paired tests, ROC curves, calibration, agreement, sample size.

The names in `__all__` are public: docs/statistics.md lists them, and semantic versioning holds for them. Modules and other names may change.
Results are small frozen objects with SciPy's names (`statistic`, `pvalue`, `confidence_interval`); a number that does not exist is NaN, and
`status` and `warning` say why. A name is loaded when it is first used. Formulas alone: no pandas, torch, files or plans.

>>> from hybridcx.stats import mcnemar_midp, paired_table
>>> table = paired_table([True, True, False, True], [True, False, False, False])
>>> mcnemar_midp(table.b, table.c, table.n).pvalue
0.25
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridcx.stats.agreement.bland_altman import bland_altman
    from hybridcx.stats.agreement.coefficients import gwet_ac1, gwet_ac2, krippendorff_alpha, percent_agreement
    from hybridcx.stats.agreement.icc import icc, mdc95, sem
    from hybridcx.stats.agreement.kappa import cohen_kappa, cohen_kappa_table, fleiss_kappa, fleiss_kappa_counts
    from hybridcx.stats.calibration import (
        brier,
        brier_decomposition,
        calibration_line,
        expected_calibration_error,
        line_intercept,
        log_loss,
        reliability_curve,
    )
    from hybridcx.stats.clusters import mcnemar_cluster
    from hybridcx.stats.clusters_one_model import wilson_cluster
    from hybridcx.stats.clusters_roc import delong_cluster, delong_cluster_interval
    from hybridcx.stats.confusion import Confusion, count_metrics
    from hybridcx.stats.mcnemar import cochran_q, mcnemar_asymptotic, mcnemar_corrected, mcnemar_exact, mcnemar_midp
    from hybridcx.stats.multiplicity import benjamini_hochberg, hochberg, holm
    from hybridcx.stats.paired import (
        PairedTable,
        agresti_min,
        error_overlap,
        newcombe_paired,
        paired_table,
        permutation_paired_counts,
        tango,
        tango_pvalue,
    )
    from hybridcx.stats.power.paired import (
        SampleSize,
        detectable_difference_mcnemar,
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
    from hybridcx.stats.precision_recall import auprc_logit
    from hybridcx.stats.predictive_values import generalized_score, lr_regression, weighted_generalized_score
    from hybridcx.stats.proportions import (
        agresti_coull,
        balanced_accuracy_mover,
        clopper_pearson,
        diagnostic_odds_ratio_log,
        diagnostic_odds_ratio_mover,
        f1_wilson,
        jeffreys,
        likelihood_ratio_log,
        likelihood_ratio_mover,
        net_benefit_mover,
        predictive_value_mercaldo,
        wilson,
        youden_mover,
    )
    from hybridcx.stats.readers import obuchowski_rockette, obuchowski_rockette_accuracy
    from hybridcx.stats.results import Agreement, ConfidenceInterval, Interval, Omnibus, PairedTest
    from hybridcx.stats.roc import (
        auroc,
        average_precision,
        delong,
        delong_chisq,
        delong_logit,
        delong_paired,
        newcombe_auc,
        roc_points,
    )
    from hybridcx.stats.roc_permutation import permutation_paired_auroc
    from hybridcx.stats.utility import decision_curves, net_benefit, net_benefit_difference
    from hybridcx.stats.variance import nadeau_bengio

MODULES = {  # the module of each public name
    "Agreement": "results",
    "ConfidenceInterval": "results",
    "Confusion": "confusion",
    "Interval": "results",
    "Omnibus": "results",
    "PairedTable": "paired",
    "PairedTest": "results",
    "SampleSize": "power.paired",
    "agresti_coull": "proportions",
    "agresti_min": "paired",
    "auc_detectable_difference": "power.precision",
    "auc_paired_n": "power.precision",
    "auc_paired_power": "power.precision",
    "auc_variance": "power.precision",
    "auprc_logit": "precision_recall",
    "auroc": "roc",
    "average_precision": "roc",
    "balanced_accuracy_mover": "proportions",
    "benjamini_hochberg": "multiplicity",
    "bland_altman": "agreement.bland_altman",
    "brier": "calibration",
    "brier_decomposition": "calibration",
    "calibration_line": "calibration",
    "clopper_pearson": "proportions",
    "cochran_q": "mcnemar",
    "cohen_kappa": "agreement.kappa",
    "cohen_kappa_table": "agreement.kappa",
    "count_metrics": "confusion",
    "decision_curves": "utility",
    "delong": "roc",
    "delong_chisq": "roc",
    "delong_cluster": "clusters_roc",
    "delong_cluster_interval": "clusters_roc",
    "delong_logit": "roc",
    "delong_paired": "roc",
    "detectable_difference_mcnemar": "power.paired",
    "diagnostic_odds_ratio_log": "proportions",
    "diagnostic_odds_ratio_mover": "proportions",
    "error_overlap": "paired",
    "expected_calibration_error": "calibration",
    "f1_wilson": "proportions",
    "fleiss_kappa": "agreement.kappa",
    "fleiss_kappa_counts": "agreement.kappa",
    "generalized_score": "predictive_values",
    "gwet_ac1": "agreement.coefficients",
    "gwet_ac2": "agreement.coefficients",
    "hochberg": "multiplicity",
    "holm": "multiplicity",
    "icc": "agreement.icc",
    "jeffreys": "proportions",
    "krippendorff_alpha": "agreement.coefficients",
    "likelihood_ratio_log": "proportions",
    "likelihood_ratio_mover": "proportions",
    "line_intercept": "calibration",
    "log_loss": "calibration",
    "lr_regression": "predictive_values",
    "mcnemar_asymptotic": "mcnemar",
    "mcnemar_cluster": "clusters",
    "mcnemar_corrected": "mcnemar",
    "mcnemar_exact": "mcnemar",
    "mcnemar_midp": "mcnemar",
    "mcnemar_power": "power.paired",
    "mcnemar_sample_size": "power.paired",
    "mdc95": "agreement.icc",
    "nadeau_bengio": "variance",
    "net_benefit": "utility",
    "net_benefit_difference": "utility",
    "net_benefit_mover": "proportions",
    "newcombe_auc": "roc",
    "newcombe_paired": "paired",
    "noninferiority_paired_n": "power.paired",
    "noninferiority_paired_power": "power.paired",
    "obuchowski_rockette": "readers",
    "obuchowski_rockette_accuracy": "readers",
    "paired_table": "paired",
    "percent_agreement": "agreement.coefficients",
    "permutation_paired_auroc": "roc_permutation",
    "permutation_paired_counts": "paired",
    "predictive_value_mercaldo": "proportions",
    "proportion_halfwidth": "power.precision",
    "proportion_halfwidth_n": "power.precision",
    "reliability_curve": "calibration",
    "roc_points": "roc",
    "sem": "agreement.icc",
    "tango": "paired",
    "tango_pvalue": "paired",
    "weighted_generalized_score": "predictive_values",
    "wilson": "proportions",
    "wilson_cluster": "clusters_one_model",
    "youden_mover": "proportions",
}

__all__ = [
    "Agreement",
    "ConfidenceInterval",
    "Confusion",
    "Interval",
    "Omnibus",
    "PairedTable",
    "PairedTest",
    "SampleSize",
    "agresti_coull",
    "agresti_min",
    "auc_detectable_difference",
    "auc_paired_n",
    "auc_paired_power",
    "auc_variance",
    "auprc_logit",
    "auroc",
    "average_precision",
    "balanced_accuracy_mover",
    "benjamini_hochberg",
    "bland_altman",
    "brier",
    "brier_decomposition",
    "calibration_line",
    "clopper_pearson",
    "cochran_q",
    "cohen_kappa",
    "cohen_kappa_table",
    "count_metrics",
    "decision_curves",
    "delong",
    "delong_chisq",
    "delong_cluster",
    "delong_cluster_interval",
    "delong_logit",
    "delong_paired",
    "detectable_difference_mcnemar",
    "diagnostic_odds_ratio_log",
    "diagnostic_odds_ratio_mover",
    "error_overlap",
    "expected_calibration_error",
    "f1_wilson",
    "fleiss_kappa",
    "fleiss_kappa_counts",
    "generalized_score",
    "gwet_ac1",
    "gwet_ac2",
    "hochberg",
    "holm",
    "icc",
    "jeffreys",
    "krippendorff_alpha",
    "likelihood_ratio_log",
    "likelihood_ratio_mover",
    "line_intercept",
    "log_loss",
    "lr_regression",
    "mcnemar_asymptotic",
    "mcnemar_cluster",
    "mcnemar_corrected",
    "mcnemar_exact",
    "mcnemar_midp",
    "mcnemar_power",
    "mcnemar_sample_size",
    "mdc95",
    "nadeau_bengio",
    "net_benefit",
    "net_benefit_difference",
    "net_benefit_mover",
    "newcombe_auc",
    "newcombe_paired",
    "noninferiority_paired_n",
    "noninferiority_paired_power",
    "obuchowski_rockette",
    "obuchowski_rockette_accuracy",
    "paired_table",
    "percent_agreement",
    "permutation_paired_auroc",
    "permutation_paired_counts",
    "predictive_value_mercaldo",
    "proportion_halfwidth",
    "proportion_halfwidth_n",
    "reliability_curve",
    "roc_points",
    "sem",
    "tango",
    "tango_pvalue",
    "weighted_generalized_score",
    "wilson",
    "wilson_cluster",
    "youden_mover",
]


def __getattr__(name: str) -> object:
    if name not in MODULES:
        raise AttributeError(f"module 'hybridcx.stats' has no attribute {name!r}")
    return getattr(import_module(f"hybridcx.stats.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
