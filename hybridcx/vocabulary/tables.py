"""What every column of every CSV means: the contract's columns in order, with a description and the values they take.

`COLUMNS` holds the order, `DICTIONARY` the meaning. A column that means the same in every file is described once, in
`SHARED`; a file that means something else by it overrides that in `_OWN`. `data_dictionary.csv` is written from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from hybridcx.vocabulary.casebook import CASE_TABLES, OF_CASES, OF_IMAGES
from hybridcx.vocabulary.columns import _ADJUST, _COUNT, _METRIC, _NUMBER, _PROBABILITY, SHARED, Column, Kind
from hybridcx.vocabulary.comparison import OF_COMPARISON, OF_READERS
from hybridcx.vocabulary.comparison import OUR_TABLES as FURTHER_TABLES
from hybridcx.vocabulary.run import OF_CHECKLIST, OF_LEAKAGE, OF_RUNS
from hybridcx.vocabulary.training_size import OF_TRAINING_SIZE

OUR_TABLES = FURTHER_TABLES | OF_LEAKAGE | CASE_TABLES | OF_RUNS | OF_CHECKLIST | OF_TRAINING_SIZE


_COLUMNS = {
    "metrics": "model, metric, method, estimate, conf.low, conf.high, conf.level, numerator, denominator, n, n.resamples, "
    "n.resamples.failed, status, warning, std.error, n.clusters, subgroup, level, seed, label.rule, threshold, prevalence, "
    "role, recommended",
    "comparisons": "metric, model, comparator, method, estimate, conf.low, conf.high, conf.level, statistic, parameter, "
    "p.value, adj.p.value, p.adjust.method, n, b, c, status, warning, std.error, n.clusters, n.resamples, "
    "n.resamples.failed, subgroup, level, seed, label.rule, threshold, prevalence, margin, role, recommended",
    "verdicts": "metric, model, comparator, estimate, conf.low, conf.high, margin, verdict, within.margin, "
    "smallest.margin, p.superior, p.noninferior, p.equivalent, detectable.difference, role",
    "multiplicity": "metric, model, comparator, method, p.value, p.adjust.method, adj.p.value, conf.low, conf.high",
    "omnibus": "metric, method, statistic, parameter, p.value, n, k, status, warning",
    "confusion": "model, positive, tp, fn, fp, tn",
    "disagreements": "case_id, y_true, n.models.wrong",
    "calibration": "model, bin, score.mean, fraction, conf.low, conf.high, n",
    "roc": "model, threshold, sensitivity, specificity",
    "decision_curve": "model, threshold, net_benefit, conf.low, conf.high",
    "agreement": "metric, method, estimate, conf.low, conf.high, conf.level, statistic, parameter1, parameter2, p.value, "
    "n, k, status, warning, scope, readers, occasion, subset",
    "audit_matrices": "model, reading, n.solutions, tp, fn, fp, tn",
    "audit_comparisons": "model, comparator, p.value.min, p.value.max, metric, method",
    "plan": "question, metric, size, value",
    "data_dictionary": "file, column, description, values",
}

_COLUMNS |= {f"ensemble_{name}": _COLUMNS[name] for name in ("metrics", "comparisons")}

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(c.strip() for c in text.split(",")) for name, text in _COLUMNS.items()}
    | {name: tuple(columns) for name, columns in OUR_TABLES.items()}
)
"""Table (the file without `.csv`) -> its columns in order: the contract's, and those of our further tables."""

TABLES_OF_COMMAND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "compare": (
            *("metrics", "comparisons", "verdicts", "multiplicity", "omnibus", "confusion", "disagreements"),
            *("calibration", "roc", "decision_curve"),
            *OF_COMPARISON,
            *OF_CASES,
            *OF_READERS,
        ),
        "run": (
            *("metrics", "comparisons", "verdicts", "multiplicity", "omnibus", "confusion", "disagreements"),
            *("calibration", "roc", "decision_curve", "agreement"),
            *OF_COMPARISON,
            *OF_CASES,
            *OF_IMAGES,
            *OF_LEAKAGE,
        ),
        "agreement": ("agreement",),
        "audit": ("audit_matrices", "audit_comparisons"),
        "plan": ("plan",),
    }
)
"""The tables that each command writes, with a header alone where its input has nothing for one."""

_METHOD = {
    "metrics": "wilson, clopper_pearson, agresti_coull, jeffreys, delong, delong_logit, log, wald, mercaldo_logit, "
    "newcombe_auc, mover_wilson, bootstrap_percentile, bootstrap_basic, bootstrap_bca, bootstrap_hierarchical, or NA",
    "comparisons": "mcnemar_exact, mcnemar_midp, mcnemar_asymptotic, mcnemar_corrected, newcombe_paired, tango, "
    "agresti_min, generalized_score, weighted_generalized_score, lr_regression, delong_paired, bootstrap_percentile, "
    "bootstrap_bca, permutation_paired, tost, non_inferiority, mcnemar_cluster, delong_cluster, bootstrap_hierarchical, "
    "nadeau_bengio, obuchowski_rockette",
    "omnibus": "cochran_q, delong_chisq",
    "agreement": "anova, consistency, unweighted, linear, quadratic, nominal, ordinal, interval and the like, or NA",
}


_OWN: dict[str, dict[str, Column]] = {
    "metrics": {
        "method": Column("how the interval was computed; NA where there is none", _METHOD["metrics"]),
        "n": Column(
            "distinct cases, of both classes; what a proportion divides by is the denominator", _COUNT, "integer"
        ),
    },
    "comparisons": {
        "method": Column("how the test or the interval was computed", _METHOD["comparisons"]),
        "estimate": Column("model minus comparator; model over comparator for likelihood ratios", _NUMBER, "number"),
        "n": Column("distinct cases, of both classes also where a test is made within one", _COUNT, "integer"),
    },
    "verdicts": {
        "estimate": Column("model minus comparator, in the metric's own direction", _NUMBER, "number"),
        "conf.low": Column("lower limit of the interval that the verdict rests on", _NUMBER, "number"),
        "conf.high": Column("upper limit of that interval", _NUMBER, "number"),
        "verdict": Column(
            "the pair's verdict by the rule of the contract",
            "superior, inferior, equivalent, non_inferior, inconclusive",
        ),
        "within.margin": Column(
            "whether the whole interval lies within the margin, whatever the verdict", "TRUE, FALSE, or NA", "boolean"
        ),
        "smallest.margin": Column("smallest margin that the interval would have met", "number from 0, or NA", "number"),
        "p.superior": Column("p-value of superiority, one-sided, not adjusted", _PROBABILITY, "number"),
        "p.noninferior": Column("p-value of non-inferiority at the margin, one-sided", _PROBABILITY, "number"),
        "p.equivalent": Column("p-value of equivalence at the margin (two one-sided tests)", _PROBABILITY, "number"),
        "detectable.difference": Column(
            "smallest true difference that the test would have detected with 80 % power, two-sided, not adjusted, at the discordance "
            "or standard error that was seen",
            "number from 0, or NA",
            "number",
        ),
    },
    "multiplicity": {
        "p.adjust.method": Column("the adjustment of this row", _ADJUST),
        "conf.low": Column("lower limit of the simultaneous interval, where one exists", _NUMBER, "number"),
        "conf.high": Column("upper limit of the simultaneous interval, where one exists", _NUMBER, "number"),
    },
    "omnibus": {
        "metric": Column("what is compared over all models at once", "accuracy, auroc"),
        "method": Column("the test of all models at once", _METHOD["omnibus"]),
        "k": Column("models", _COUNT, "integer"),
        "statistic": Column("chi-square", _NUMBER, "number"),
    },
    "confusion": {
        "model": Column("the model", "text"),
        "positive": Column("the label that counts as positive", "a label of the input"),
    },
    "disagreements": {
        "n.models.wrong": Column("models that called the case wrongly", "whole number from 0", "integer"),
    },
    "calibration": {
        "model": Column("the model", "text"),
        "bin": Column("number of the bin of the score, from the lowest", "whole number", "integer"),
        "score.mean": Column("mean score of the cases in the bin", _PROBABILITY, "number"),
        "fraction": Column("fraction of positive cases in the bin", _PROBABILITY, "number"),
        "conf.low": Column("lower confidence limit of the fraction", _PROBABILITY, "number"),
        "conf.high": Column("upper confidence limit of the fraction", _PROBABILITY, "number"),
        "n": Column("cases in the bin", _COUNT, "integer"),
    },
    "roc": {
        "model": Column("the model", "text"),
        "threshold": Column(
            "score at or above which a case is called positive; Inf: none is. A model's curve (each fold's) has at most 2,000 points: points "
            "within a straight step are left out first, then points are kept at even distances along the curve. No estimate is made from them",
            _NUMBER,
            "number",
        ),
        "sensitivity": Column("fraction of positive cases called positive at the threshold", "0 to 1", "number"),
        "specificity": Column("fraction of negative cases called negative at the threshold", "0 to 1", "number"),
    },
    "decision_curve": {
        "model": Column("the model, or treat_all or treat_none", "text"),
        "threshold": Column("threshold probability t", "0 to 1", "number"),
        "net_benefit": Column("TP/n - FP/n x t/(1 - t)", _NUMBER, "number"),
        "conf.low": Column("lower confidence limit of the net benefit", _NUMBER, "number"),
        "conf.high": Column("upper confidence limit of the net benefit", _NUMBER, "number"),
    },
    "agreement": {
        "metric": Column(
            "coefficient of agreement or reliability",
            "icc1, icc2, icc3, icc1k, icc2k, icc3k, cohen_kappa, fleiss_kappa, gwet_ac1, gwet_ac2, krippendorff_alpha, "
            "percent_agreement, bland_altman_bias, bland_altman_lower, bland_altman_upper, sem, mdc95",
        ),
        "method": Column("variant of the coefficient", _METHOD["agreement"]),
        "k": Column("readings of each case", _COUNT, "integer"),
        "n": Column("distinct cases read", _COUNT, "integer"),
        "scope": Column("between observers, or within one observer over occasions", "between, within"),
        "readers": Column("the readers in this row", "text, or NA"),
        "occasion": Column("the occasion, or the occasions, of the readings", "text, or NA"),
        "subset": Column("the cases in this row", "text, or NA"),
    },
    "audit_matrices": {
        "model": Column("the published model", "text"),
        "reading": Column("how the printed columns were read (as printed, transposed ...)", "text"),
        "n.solutions": Column(
            "confusion matrices that produce the printed values under this reading", _COUNT, "integer"
        ),
    },
    "audit_comparisons": {
        "model": Column("the published model that comes first", "text"),
        "comparator": Column("the published model it is compared with", "text"),
        "p.value.min": Column("smallest p-value over all solutions and pairings", _PROBABILITY, "number"),
        "p.value.max": Column("largest p-value over all solutions and pairings", _PROBABILITY, "number"),
        "method": Column("the paired test", _METHOD["comparisons"]),
    },
    "plan": {
        "question": Column("what is being planned for", "text"),
        "metric": Column("what is measured", "accuracy, sensitivity, specificity, auroc"),
        "size": Column("cases (for sensitivity and specificity those of the class)", _COUNT, "integer"),
        "value": Column("the answer at that size: power, half-width, difference", _NUMBER, "number"),
    },
    "data_dictionary": {
        "file": Column("the CSV file", "text"),
        "column": Column("a column of it", "text"),
        "description": Column("what the column holds", "text"),
        "values": Column("the values it takes", "text"),
    },
}

_OWN |= {
    name: {c: Column(text[0], text[1], cast(Kind, text[2] if len(text) > 2 else "text")) for c, text in columns.items()}
    for name, columns in OUR_TABLES.items()
}

_OWN |= {f"ensemble_{name}": _OWN.get(name, {}) for name in ("metrics", "comparisons")}

_SHARE = "0 to 1, or NA"
BESIDE_CONTRACT: Mapping[str, Mapping[str, Column]] = MappingProxyType(
    {
        "disagreements": {"seed": Column("seed of the models whose calls these are", "text, or NA")},
        "label_rules": {
            "estimate": Column("model minus comparator under the rule's labels", _NUMBER, "number"),
            "label.rule": Column(
                "whose truth the row is about; the predictions are the same in all rows",
                "primary (the labels of the analysis), reader_<name>, agreed, majority, all",
            ),
            "verdict": Column(
                "the pair's verdict under the rule's labels",
                "superior, inferior, equivalent, non_inferior, inconclusive",
            ),
            "conclusion.flips": Column(
                "whether the verdict differs from the one under the labels of the analysis; NA for these themselves, and where one has no interval",
                "TRUE, FALSE, or NA",
                "boolean",
            ),
            "n": Column("distinct test cases that have a label by the rule", _COUNT, "integer"),
            "n.relabelled": Column("of these, cases with another label than in the analysis", _COUNT, "integer"),
            "n.added": Column("of these, cases in dispute, which have no label in the analysis", _COUNT, "integer"),
            "n.left.out": Column("cases of the analysis that have no label by the rule", _COUNT, "integer"),
        },
        "flow": {
            "step": Column("the step of the cohort's flow, in words", "text"),
            "kind": Column(
                "what the row counts; screened = excluded + disputed + analysed (of the rows without a split), each class and part likewise",
                "screened, excluded, disputed, analysed, class",
            ),
            "reason": Column("why cases were excluded, or are in dispute", "text, or NA"),
            "split": Column(
                "the part of the cohort; NA for all parts together",
                "train, validation, test, none (no part named), or NA",
            ),
            "label": Column("the class; NA for both together", "a label of the input, or NA"),
            "n": Column("distinct cases", _COUNT, "integer"),
            "n.patients": Column("distinct patients; a patient may have cases in several rows", _COUNT, "integer"),
        },
        "variance": {
            "metric": Column("what is measured", _METRIC),
            "model": Column("the model; with a comparator, model minus comparator", "text"),
            "comparator": Column("the model that is subtracted; NA for one model's own value", "text, or NA"),
            "seed.min": Column("smallest value of a seed", _NUMBER, "number"),
            "seed.max": Column("largest value of a seed", _NUMBER, "number"),
            "variance.case": Column(
                "variance between cases (patients, where they are drawn), of one cell of the table of cases by seeds: a case's own value for means "
                "over cases, else its jackknife pseudo-value",
                _NUMBER,
                "number",
            ),
            "variance.seed": Column(
                "variance between seeds, of one cell of the table of cases by seeds", _NUMBER, "number"
            ),
            "variance.residual": Column("variance of cases by seeds beyond the two, of one cell", _NUMBER, "number"),
            "share.case": Column("share of the variance of the mean over seeds that is the cases'", _SHARE, "number"),
            "share.seed": Column("share of it that is the seeds'", _SHARE, "number"),
            "share.residual": Column("share of it that is neither's alone", _SHARE, "number"),
        },
    }
)
"""Table -> columns beyond the contract's that mean something else there, and tables beyond it."""

DICTIONARY: Mapping[str, Mapping[str, Column]] = MappingProxyType(
    {
        name: MappingProxyType({c: _OWN.get(name, {}).get(c) or SHARED[c] for c in columns})
        for name, columns in COLUMNS.items()
    }
)
"""Table -> column -> its meaning, for every column of the contract."""
