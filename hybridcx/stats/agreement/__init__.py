"""Agreement and reliability of readers.

ICC with its SEM and MDC (icc.py), Cohen's and Fleiss' kappa (kappa.py), percent agreement, AC1, AC2 and alpha (coefficients.py), limits of agreement
(bland_altman.py), agreement of models with readers (rater_contrast.py).
"""

from hybridcx.stats.agreement.bland_altman import bland_altman
from hybridcx.stats.agreement.coefficients import gwet_ac1, gwet_ac2, krippendorff_alpha, percent_agreement
from hybridcx.stats.agreement.icc import ICC_FORMS, icc, mdc95, sem
from hybridcx.stats.agreement.kappa import (
    cohen_kappa,
    cohen_kappa_table,
    cohen_kappas,
    fleiss_kappa,
    fleiss_kappa_counts,
)
from hybridcx.stats.agreement.tables import is_number, sorted_categories

__all__ = [
    "ICC_FORMS",
    "bland_altman",
    "cohen_kappa",
    "cohen_kappa_table",
    "cohen_kappas",
    "fleiss_kappa",
    "fleiss_kappa_counts",
    "gwet_ac1",
    "gwet_ac2",
    "icc",
    "is_number",
    "krippendorff_alpha",
    "mdc95",
    "percent_agreement",
    "sem",
    "sorted_categories",
]
