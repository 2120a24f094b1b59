"""Method cards: every interval, test, adjustment and coefficient of the vocabulary, written once.

A card holds what documentation and pages need: the label, and for each use the function in `hybridcx.stats`, the source, what the implementation is
held against, the tolerance, and the tests. `docs/methods.md`, the data dictionary and the page's labels are made from the cards. Which method applies
when is in `analysis/methods.py`; the phrases and references of a paper's methods section are in `citations.toml` and `references.bib`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

from hybridcx.vocabulary.metrics import Metric

Use = Literal["interval", "comparison", "omnibus", "adjustment", "agreement", "external"]
"""interval: of one model's metric; comparison: of two models; omnibus: of all models at once; adjustment: for multiplicity."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One use of a method and what supports it.

    `functions` are names in `hybridcx.stats`, `tests` files of tests/stats. `reference` is R, a printed table or a second implementation;
    `tolerance` is relative unless it says otherwise ("4 MC": four Monte Carlo standard errors of both sides together).
    """

    use: Use
    functions: tuple[str, ...]
    source: str
    reference: str
    tolerance: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the vocabulary."""

    name: str
    label: str
    evidence: tuple[Evidence, ...]


def _card(
    name: str,
    label: str,
    use: Use,
    functions: str,
    source: str,
    reference: str,
    tolerance: str,
    tests: str,
) -> Method:
    return Method(
        name,
        label,
        (Evidence(use, tuple(functions.split()), source, reference, tolerance, tuple(tests.split())),),
    )


_ROC = "test_roc_reference.py"
_RESAMPLED = "test_roc_reference.py test_reference_resampled.py"
_AGREEMENT = "test_agreement_reference.py"
_DRAWS = "R's replicates and R's own draws, every metric"


def _bootstrap(name: str, label: str, source: str, single: str, reference: str) -> Method:
    tests = tuple(_RESAMPLED.split())
    return Method(
        name,
        label,
        (
            Evidence("interval", (f"resampling.intervals.{single}",), source, reference, "1e-9; 4 MC", tests),
            Evidence("comparison", ("resampling.intervals.difference",), source, _DRAWS, "1e-9; 4 MC", tests),
        ),
    )


_CARDS = (
    _card(
        "wilson", "Wilson", "interval", "proportions.wilson proportions.f1_wilson clusters_one_model.wilson_cluster",
        "Wilson 1927; F1: as a function of Jaccard's index; patients with several cases: Rao and Scott 1992, Saha, Miller and Wang 2016",
        "R `prop.test`; for patients a second implementation (sandwich variance of `lm`, root of the score equation)", "1e-9",
        "test_proportions.py test_clusters_one_model.py",
    ),
    _card(
        "clopper_pearson", "Clopper-Pearson", "interval", "proportions.clopper_pearson",
        "Clopper and Pearson 1934", "R `binom.test`", "1e-9", "test_proportions.py",
    ),
    _card(
        "agresti_coull", "Agresti-Coull", "interval", "proportions.agresti_coull",
        "Agresti and Coull 1998", "second implementation", "1e-9", "test_proportions.py",
    ),
    _card("jeffreys", "Jeffreys", "interval", "proportions.jeffreys", "Brown, Cai and DasGupta 2001", "R `qbeta`", "1e-9", "test_proportions.py"),
    _card(
        "mover_wilson", "MOVER from Wilson limits", "interval",
        "proportions.balanced_accuracy_mover proportions.youden_mover proportions.likelihood_ratio_mover proportions.diagnostic_odds_ratio_mover "
        "proportions.net_benefit_mover clusters_one_model.mover_wilson_cluster",
        "Zou and Donner 2008; likelihood ratios: Donner and Zou 2012",
        "second implementation on `prop.test` (ratios: roots of the limits of a difference; net benefit: correlation by `cor`); "
        "for patients on the limits of the second implementation", "1e-9",
        "test_proportions.py test_clusters_one_model.py",
    ),
    _card(
        "mover", "MOVER of two independent estimates", "external", "independent.mover_difference independent.mover_ratio",
        "Zou and Donner 2008; Newcombe 1998", "printed: Newcombe (1998), Table II, method 10", "printed digits", "test_independent.py",
    ),
    _card(
        "log", "log scale", "interval", "proportions.likelihood_ratio_log proportions.diagnostic_odds_ratio_log",
        "Simel et al. 1991, Woolf 1955", "R `glm` (log and logit link); printed: DTComPair 1.2.6", "1e-6; printed digits", "test_proportions.py",
    ),
    _card(
        "mercaldo_logit", "Mercaldo, logit scale", "interval", "proportions.predictive_value_mercaldo",
        "Mercaldo, Lau and Zhou 2007", "R `glm`; printed: DTComPair `pv.prev`", "1e-6; printed digits", "test_proportions.py",
    ),
    _card(
        "delong", "DeLong", "interval", "roc.delong",
        "DeLong et al. 1988, Sun and Xu 2014", "pROC `ci.auc`; printed: SAS/STAT, ovarian cancer data", "1e-9; printed digits",
        "test_roc_reference.py test_reference_further.py",
    ),
    _card(
        "delong_logit", "DeLong, logit scale", "interval", "roc.delong_logit clusters_roc.delong_cluster_interval",
        "Pepe 2003; patients with several cases: Obuchowski 1997, Student's t",
        "pROC's variance, delta method in R; for patients a second implementation (double loop over patients)", "1e-9", _ROC,
    ),
    _card(
        "newcombe_auc", "Newcombe 2006", "interval", "roc.newcombe_auc",
        "Newcombe 2006 (part 2, method 5)", "second implementation (root of the score equation in Newcombe's form)", "1e-7", _ROC,
    ),
    Method(
        "wald", "Wald",
        (
            Evidence("interval", ("calibration.calibration_line",), "Cox 1958", "R `glm`, `confint.default`; statsmodels", "1e-6", (_ROC,)),
            Evidence(
                "interval", ("precision_recall.auprc_logit",), "Boyd, Eng and Page 2013 (AUPRC, logit scale)",
                "second implementation (threshold by threshold); estimate: scikit-learn", "1e-9", ("test_precision_recall.py",),
            ),
            Evidence(
                "interval", ("paired_metrics.mean_loss_interval",), "mean loss on the log scale, Student's t, symmetric bootstrap-t (Hall 1988)",
                "R `sd`, `qt` above 2,000 cases; bootstrap-t resample by resample", "1e-9", ("test_paired_metrics.py",),
            ),
            Evidence(
                "comparison", ("utility.net_benefit_difference",), "Wald interval of a paired mean", "second implementation", "1e-9",
                ("test_reference_further.py",),
            ),
        ),
    ),
    _bootstrap(
        "bootstrap_percentile", "bootstrap, percentile", "Efron 1979", "percentile",
        "R's replicates: `quantile` type 7, boot `boot.ci`; R's own draws, every metric",
    ),
    _card(
        "bootstrap_basic", "bootstrap, basic", "interval", "resampling.intervals.basic",
        "Davison and Hinkley 1997", "R's replicates: `quantile` type 7, boot `boot.ci`; R's own draws, every metric", "1e-9; 4 MC", _RESAMPLED,
    ),
    _bootstrap(
        "bootstrap_bca", "bootstrap, BCa", "Efron 1987", "bca",
        "R's replicates: boot `boot.ci`; R's own draws, every metric; clustered: patients left out whole",
    ),
    Method(
        "bootstrap_hierarchical", "bootstrap over seeds and cases",
        (
            Evidence(
                "interval", ("resampling.seed_limits.student_interval", "resampling.hierarchical.hierarchical_interval"),
                "Owen 2007 (pigeonhole bootstrap: seeds and cases crossed); limits by Student's t, Satterthwaite 1946",
                "second implementation; percentiles: R's own draws", "1e-9; 4 MC", ("test_seed_limits.py", "test_reference_resampled.py"),
            ),
            Evidence(
                "comparison", ("resampling.seed_limits.student_difference", "resampling.hierarchical.hierarchical_difference"),
                "Owen 2007 (pigeonhole bootstrap: seeds and cases crossed); limits by Student's t, Satterthwaite 1946",
                "second implementation; percentiles: R's own draws", "1e-9; 4 MC", ("test_seed_limits.py", "test_reference_resampled.py"),
            ),
        ),
    ),
    _card(
        "mcnemar_exact", "McNemar, exact", "comparison", "mcnemar.mcnemar_exact",
        "McNemar 1947 (binomial test of the discordant cases)", "R `binom.test`; enumeration; printed: Fagerland 2013", "1e-9",
        "test_mcnemar.py",
    ),
    _card(
        "mcnemar_midp", "McNemar, mid-p", "comparison", "mcnemar.mcnemar_midp",
        "Fagerland, Lydersen and Laake 2013", "enumeration in R; printed: the paper's Table 1", "1e-9; printed digits", "test_mcnemar.py",
    ),
    _card(
        "mcnemar_asymptotic", "McNemar, asymptotic", "comparison", "mcnemar.mcnemar_asymptotic",
        "McNemar 1947", "R `mcnemar.test`", "1e-9", "test_mcnemar.py",
    ),
    _card(
        "mcnemar_corrected", "McNemar, continuity-corrected", "comparison", "mcnemar.mcnemar_corrected",
        "Edwards 1948", "R `mcnemar.test`", "1e-9", "test_mcnemar.py",
    ),
    _card(
        "newcombe_paired", "Newcombe 1998, method 10", "comparison", "paired.newcombe_paired",
        "Newcombe 1998 (method 10)", "second implementation; printed: ratesci, contingencytables", "1e-9; printed digits", "test_paired.py",
    ),
    _card(
        "tango", "Tango", "comparison", "paired.tango",
        "Tango 1998", "second implementation (constrained score by root finding twice); printed: ratesci", "1e-9; printed digits", "test_paired.py",
    ),
    _card(
        "agresti_min", "Agresti-Min", "comparison", "paired.agresti_min",
        "Agresti and Min 2005", "second implementation", "1e-9", "test_paired.py",
    ),
    _card(
        "generalized_score", "generalized score", "comparison", "predictive_values.generalized_score",
        "Leisenring, Alonzo and Pepe 2000", "second implementation (long format, `lm` and sandwich); printed: DTComPair `pv.gs`",
        "1e-9; printed digits",
        "test_predictive_values.py",
    ),
    _card(
        "weighted_generalized_score", "weighted generalized score", "comparison", "predictive_values.weighted_generalized_score",
        "Kosinski 2013", "second implementation; printed: DTComPair `pv.wgs`", "1e-9; printed digits", "test_predictive_values.py",
    ),
    _card(
        "lr_regression", "regression of the likelihood ratios", "comparison", "predictive_values.lr_regression",
        "Gu and Pepe 2009, Leisenring and Pepe 1998", "second implementation (`glm`, sandwich); printed: DTComPair `dlr.regtest`", "1e-6",
        "test_predictive_values.py",
    ),
    _card("delong_paired", "DeLong, paired", "comparison", "roc.delong_paired", "DeLong et al. 1988", "pROC `roc.test`", "1e-9", _ROC),
    Method(
        "permutation_paired", "paired permutation",
        (
            Evidence(
                "comparison", ("paired.permutation_paired_counts", "roc_permutation.permutation_paired_auroc"),
                "Bandos, Rockette and Gur 2005 (AUROC)", "R: every swap ranked again; beyond 20 cases R's own draws, `binom.test`", "1e-12; 4 MC",
                tuple(_RESAMPLED.split()),
            ),
            Evidence(
                "comparison", ("paired_metrics.studentised_counts",),
                "Chung and Romano 2013 (studentised); one case more in the discordant cells, as Agresti and Min 2005; limits: the test inverted",
                "second implementation (every swap listed, complex-step derivatives)", "1e-9", ("test_paired_metrics.py",),
            ),
            Evidence(
                "comparison", ("paired_metrics.studentised_mean",), "Chung and Romano 2013; Student's t, symmetric bootstrap-t (Hall 1988)",
                "second implementation (every sign with its own t) above 2,000 cases; bootstrap-t resample by resample", "1e-9",
                ("test_paired_metrics.py",),
            ),
        ),
    ),
    _card(
        "tost", "two one-sided tests", "comparison", "equivalence.tost",
        "Schuirmann 1987", "pROC's standard error in R; second implementation of Tango's score at the margin", "1e-7",
        "test_reference_further.py test_paired.py",
    ),
    _card(
        "non_inferiority", "non-inferiority", "comparison", "equivalence.non_inferiority",
        "the interval inverted (Tango 1998 for proportions)",
        "pROC's standard error in R; second implementation of Tango's score at the margin", "1e-7",
        "test_reference_further.py test_paired.py",
    ),
    _card(
        "mcnemar_cluster", "McNemar for clusters (Obuchowski 1998)", "comparison", "clusters.mcnemar_cluster",
        "Obuchowski 1998; limits: the test inverted",
        "second implementation (variances and covariance of the proportions, roots of the test)", "1e-9", "test_clusters.py",
    ),
    _card(
        "delong_cluster", "DeLong for clusters (Obuchowski 1997)", "comparison", "clusters_roc.delong_cluster",
        "Obuchowski 1997; Student's t", "second implementation (double loop over patients)", "1e-9", _ROC,
    ),
    _card(
        "nadeau_bengio", "Nadeau-Bengio", "comparison", "variance.nadeau_bengio",
        "Nadeau and Bengio 2003", "second implementation", "1e-9", "test_roc_reference.py test_reference_further.py",
    ),
    _card(
        "obuchowski_rockette", "Obuchowski-Rockette", "comparison", "readers.obuchowski_rockette readers.obuchowski_rockette_accuracy",
        "Obuchowski and Rockette 1995, Hillis 2007, 2014",
        "second implementation on pROC's covariances; printed: MRMCaov and RJafroc, Van Dyke's data",
        "1e-9; printed digits", "test_roc_reference.py test_reference_further.py",
    ),
    _card(
        "cochran_q", "Cochran's Q", "omnibus", "mcnemar.cochran_q",
        "Cochran 1950", "second implementation; equals McNemar for two", "1e-9", "test_mcnemar.py",
    ),
    _card(
        "delong_chisq", "DeLong, chi-square", "omnibus", "roc.delong_chisq",
        "DeLong et al. 1988", "pROC's covariances, quadratic form in R; printed: SAS/STAT, ovarian cancer data", "1e-9; printed digits",
        "test_roc_reference.py test_reference_further.py",
    ),
    _card("holm", "Holm", "adjustment", "multiplicity.holm", "Holm 1979", "R `p.adjust`", "1e-12", "test_multiplicity.py"),
    _card("hochberg", "Hochberg", "adjustment", "multiplicity.hochberg", "Hochberg 1988", "R `p.adjust`", "1e-12", "test_multiplicity.py"),
    _card(
        "BH", "Benjamini-Hochberg", "adjustment", "multiplicity.benjamini_hochberg",
        "Benjamini and Hochberg 1995", "R `p.adjust`", "1e-12", "test_multiplicity.py",
    ),
    _card(
        "maxT", "max-T", "adjustment", "multiplicity.max_t",
        "Westfall and Young 1993", "second implementation on stored replicates; Sidak's closed form", "1e-9",
        "test_reference_further.py test_multiplicity.py",
    ),
    *(
        _card(
            name, label, "agreement", "agreement.icc",
            "Shrout and Fleiss 1979, McGraw and Wong 1996", "psych `ICC` (estimate, limits, F, df, p); printed: Shrout and Fleiss",
            "1e-6", _AGREEMENT,
        )
        for name, label in (
            ("icc1", "ICC(1,1)"), ("icc2", "ICC(2,1)"), ("icc3", "ICC(3,1)"), ("icc1k", "ICC(1,k)"), ("icc2k", "ICC(2,k)"), ("icc3k", "ICC(3,k)"),
        )
    ),
    _card(
        "cohen_kappa", "Cohen's κ", "agreement", "agreement.cohen_kappa",
        "Cohen 1960, 1968; Fleiss, Cohen and Everitt 1969",
        "psych `cohen.kappa`; errors of the weighted ones: second implementation (numerical derivatives); printed: Gwet's abstractors",
        "1e-6", _AGREEMENT,
    ),
    _card(
        "fleiss_kappa", "Fleiss' κ", "agreement", "agreement.fleiss_kappa",
        "Fleiss 1971, Fleiss, Nee and Landis 1979, Gwet 2014, 2021",
        "second implementation (infinitesimal jackknife; null error over every outcome of a case); printed example", "1e-6", _AGREEMENT,
    ),
    _card(
        "gwet_ac1", "Gwet's AC1", "agreement", "agreement.gwet_ac1", "Gwet 2008",
        "second implementation (infinitesimal jackknife; with single readings Gwet 2014 term by term); printed: irrCAC, estimate and error",
        "1e-6; printed digits", _AGREEMENT,
    ),
    _card(
        "gwet_ac2", "Gwet's AC2", "agreement", "agreement.gwet_ac2", "Gwet 2014",
        "second implementation (infinitesimal jackknife); printed: irrCAC, estimate and error", "1e-6", _AGREEMENT,
    ),
    _card(
        "krippendorff_alpha", "Krippendorff's α", "agreement", "agreement.krippendorff_alpha", "Krippendorff 2011",
        "second implementation (coincidence matrix); printed: Krippendorff's example; limits: boot", "1e-6; limits 4 MC",
        "test_agreement_reference.py test_reference_resampled.py",
    ),
    _card(
        "percent_agreement", "Agreement", "agreement", "agreement.percent_agreement",
        "Wilson 1927 on the effective number of cases, Dean and Pagano 2015", "R `prop.test` for two readers; second implementation for more", "1e-9",
        "test_agreement_reference.py test_reference_further.py",
    ),
    *(
        _card(
            name, label, "agreement", "agreement.bland_altman",
            "Bland and Altman 1986, Carkeet 2015", "R `t.test`, noncentral `qt`", "1e-6", _AGREEMENT,
        )
        for name, label in (
            ("bland_altman_bias", "Bland-Altman bias"), ("bland_altman_lower", "Bland-Altman lower limit"), ("bland_altman_upper",
            "Bland-Altman upper limit"),
        )
    ),
    *(
        _card(
            name, label, "agreement", f"agreement.{name}",
            "Graybill and Wang 1980", "R `aov`, second implementation of the limits", "1e-6", "test_agreement_reference.py test_reference_further.py",
        )
        for name, label in (("sem", "SEM"), ("mdc95", "MDC95"))
    ),
)  # fmt: skip
METHODS: Mapping[str, Method] = MappingProxyType({m.name: m for m in _CARDS})
"""Name -> card."""
ADJUSTMENTS: Mapping[str, str] = MappingProxyType(
    {"none": "Not adjusted", **{m.name: m.label for m in _CARDS if m.evidence[0].use == "adjustment"}}
)
"""`p.adjust.method` -> label."""
AGREEMENT: Mapping[str, str] = MappingProxyType({m.name: m.label for m in _CARDS if m.evidence[0].use == "agreement"})
"""Coefficient of agreement or reliability -> label."""

ASSUMES_INDEPENDENCE = "assumes independent cases, but patients have several: see the cluster method"
"""The warning of a row whose method is for independent cases, where patients have several."""
INTERVAL_ORDER = (
    *(
        "wilson",
        "delong_logit",
        "delong",
        "newcombe_auc",
        "mover_wilson",
        "wald",
        "bootstrap_percentile",
    ),
    *(
        "bootstrap_bca",
        "bootstrap_basic",
        "bootstrap_hierarchical",
        "clopper_pearson",
        "agresti_coull",
        "jeffreys",
        "log",
    ),
    "mercaldo_logit",
)
"""The page shows the first of these where no row is marked `recommended`."""
DIFFERENCE_ORDER = (
    *(
        "tango",
        "newcombe_paired",
        "delong_paired",
        "lr_regression",
        "permutation_paired",
        "bootstrap_percentile",
        "bootstrap_bca",
    ),
    "bootstrap_hierarchical",
    *("agresti_min", "mcnemar_cluster", "delong_cluster", "generalized_score", "weighted_generalized_score"),
    *("obuchowski_rockette", "nadeau_bengio"),
)
TEST_ORDER = (
    *("mcnemar_cluster", "delong_cluster", "mcnemar_midp", "mcnemar_exact", "delong_paired", "generalized_score"),
    *("weighted_generalized_score", "lr_regression", "permutation_paired", "bootstrap_percentile", "bootstrap_bca"),
    *("obuchowski_rockette", "nadeau_bengio", "bootstrap_hierarchical", "mcnemar_corrected", "mcnemar_asymptotic"),
)

VERDICTS = {
    "superior": "better",
    "inferior": "worse",
    "equivalent": "equivalent within the margin",
    "non_inferior": "not inferior by more than the margin",
    "inconclusive": "inconclusive",
}


def method_label(name: object) -> str:
    """The method's label, or the name itself where the vocabulary lacks it."""
    card = METHODS.get(str(name))
    return card.label if card else str(name)


def coefficient(name: str) -> Metric:
    """A coefficient of agreement as a metric: at most 1, a percentage, or a number in the unit of the readings (SEM, MDC95, Bland-Altman)."""
    if name == "percent_agreement":
        return Metric(name, AGREEMENT[name], unit="percent", decimals=1)
    in_units = name in ("sem", "mdc95") or name.startswith("bland_altman")
    low, high = (-inf, inf) if in_units else (-1.0, 1.0)
    return Metric(name, AGREEMENT.get(name, name), low=low, high=high)


_VARIANTS = {
    ("icc1", "anova"): "one-way",
    ("icc2", "anova"): "absolute agreement",
    ("icc3", "anova"): "consistency",
    ("icc1k", "anova"): "one-way, mean of the readings",
    ("icc2k", "anova"): "absolute agreement, mean of the readings",
    ("icc3k", "anova"): "consistency, mean of the readings",
    ("sem", "anova"): "absolute agreement",
    ("sem", "consistency"): "consistency",
    ("mdc95", "anova"): "absolute agreement",
    ("mdc95", "consistency"): "consistency",
    ("percent_agreement", "wilson"): "",
    ("fleiss_kappa", "unweighted"): "",
    ("gwet_ac1", "unweighted"): "",
}
_WEIGHTS = {"unweighted": "unweighted", "linear": "linear weights", "quadratic": "quadratic weights"}


def coefficient_label(name: str, method: object) -> str:
    """The whole name of a coefficient of agreement with its variant.

    >>> coefficient_label("sem", "anova"), coefficient_label("cohen_kappa", "linear"), coefficient_label("bland_altman_bias", "exact")
    ('SEM, absolute agreement', "Cohen's κ, linear weights", 'Bland-Altman bias')
    """
    label = AGREEMENT.get(name, name)
    if name.startswith("bland_altman") or not isinstance(method, str):
        return label
    variant = _VARIANTS.get((name, method), _WEIGHTS.get(method, method))
    return f"{label}, {variant}" if variant else label


def methods_of(*uses: Use) -> Iterator[str]:
    """The names of the methods with one of these uses."""
    return (m.name for m in _CARDS if any(e.use in uses for e in m.evidence))
