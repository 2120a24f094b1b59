"""What the words of the contract's vocabulary mean to a reader: names, units, directions.

A metric knows its meaning: whether it is a proportion, which direction is better and what its range is belong to the
metric, and the tables, figures and sentences read them here; no template decides again that higher is better.
"""

from __future__ import annotations

from math import inf

from hybridcx.vocabulary.metrics import Metric

METHODS = {
    "wilson": "Wilson",
    "clopper_pearson": "Clopper-Pearson",
    "agresti_coull": "Agresti-Coull",
    "jeffreys": "Jeffreys",
    "delong": "DeLong",
    "delong_logit": "DeLong, logit scale",
    "newcombe_auc": "Newcombe 2006",
    "log": "log scale",
    "wald": "Wald",
    "mercaldo_logit": "Mercaldo, logit scale",
    "mover_wilson": "MOVER from Wilson limits",
    "bootstrap_percentile": "bootstrap, percentile",
    "bootstrap_basic": "bootstrap, basic",
    "bootstrap_bca": "bootstrap, BCa",
    "bootstrap_hierarchical": "bootstrap over seeds and cases",
    "mcnemar_exact": "McNemar, exact",
    "mcnemar_midp": "McNemar, mid-p",
    "mcnemar_asymptotic": "McNemar, asymptotic",
    "mcnemar_corrected": "McNemar, continuity-corrected",
    "mcnemar_cluster": "McNemar for clusters (Obuchowski 1998)",
    "newcombe_paired": "Newcombe 1998, method 10",
    "tango": "Tango",
    "agresti_min": "Agresti-Min",
    "generalized_score": "generalized score",
    "weighted_generalized_score": "weighted generalized score",
    "lr_regression": "regression of the likelihood ratios",
    "delong_paired": "DeLong, paired",
    "delong_cluster": "DeLong for clusters (Obuchowski 1997)",
    "permutation_paired": "paired permutation",
    "tost": "two one-sided tests",
    "non_inferiority": "non-inferiority",
    "nadeau_bengio": "Nadeau-Bengio",
    "obuchowski_rockette": "Obuchowski-Rockette",
    "cochran_q": "Cochran's Q",
    "delong_chisq": "DeLong, chi-square",
}
"""Methods of intervals, tests and omnibus tests, as a methods section would name them."""

INTERVAL_ORDER = (
    *("wilson", "delong_logit", "delong", "newcombe_auc", "mover_wilson", "bootstrap_bca", "bootstrap_percentile"),
    *("bootstrap_basic", "bootstrap_hierarchical", "clopper_pearson", "agresti_coull", "jeffreys", "log", "wald"),
    "mercaldo_logit",
)
"""Which interval the page shows where no row is marked `recommended`: the first of these that is there."""

DIFFERENCE_ORDER = (
    *("tango", "newcombe_paired", "delong_paired", "bootstrap_bca", "bootstrap_percentile", "bootstrap_hierarchical"),
    *("agresti_min", "mcnemar_cluster", "delong_cluster", "generalized_score", "weighted_generalized_score"),
    *("lr_regression", "obuchowski_rockette", "nadeau_bengio", "permutation_paired"),
)
TEST_ORDER = (
    *("mcnemar_cluster", "delong_cluster", "mcnemar_midp", "mcnemar_exact", "delong_paired", "generalized_score"),
    *("weighted_generalized_score", "lr_regression", "bootstrap_bca", "permutation_paired", "bootstrap_percentile"),
    *("obuchowski_rockette", "nadeau_bengio", "bootstrap_hierarchical", "mcnemar_corrected", "mcnemar_asymptotic"),
)

AGREEMENT = {
    "icc1": "ICC(1,1)",
    "icc2": "ICC(2,1)",
    "icc3": "ICC(3,1)",
    "icc1k": "ICC(1,k)",
    "icc2k": "ICC(2,k)",
    "icc3k": "ICC(3,k)",
    "cohen_kappa": "Cohen's κ",
    "fleiss_kappa": "Fleiss' κ",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
    "krippendorff_alpha": "Krippendorff's α",
    "percent_agreement": "Agreement",
    "bland_altman_bias": "Bland-Altman bias",
    "bland_altman_lower": "Bland-Altman lower limit",
    "bland_altman_upper": "Bland-Altman upper limit",
    "sem": "SEM",
    "mdc95": "MDC95",
}

ADJUSTMENTS = {
    "none": "Not adjusted",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "BH": "Benjamini-Hochberg",
    "maxT": "max-T",
}

VERDICTS = {
    "superior": "better",
    "inferior": "worse",
    "equivalent": "equivalent within the margin",
    "non_inferior": "not inferior by more than the margin",
    "inconclusive": "inconclusive",
}


def coefficient(name: str) -> Metric:
    """A measure of agreement: a coefficient of at most 1, or a number in the unit of the readings (SEM, MDC95, Bland-Altman)."""
    measured = name in ("sem", "mdc95") or name.startswith("bland_altman")
    low, high = (-inf, inf) if measured else (-1.0, 1.0)
    return Metric(name, AGREEMENT.get(name, name), low=low, high=high)


def method_label(name: object) -> str:
    """The method's name in words, or the name itself where it is not in the vocabulary."""
    return METHODS.get(str(name), str(name))
