"""What every column of every CSV means: the contract's columns in order, with a description and the values they take.

`COLUMNS` holds the order, `DICTIONARY` the meaning. A column that means the same in every file is described once, in
`SHARED`; a file that means something else by it overrides that in `_OWN`. `data_dictionary.csv` is written from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from hybridcx.report.case_dictionary import CASE_TABLES, OF_CASES, OF_IMAGES
from hybridcx.report.further_tables import OF_COMPARISON, OF_READERS
from hybridcx.report.further_tables import OUR_TABLES as FURTHER_TABLES
from hybridcx.report.sections.checklist import OF_CHECKLIST
from hybridcx.report.sections.leakage import OF_LEAKAGE
from hybridcx.report.sections.runs import OF_RUNS
from hybridcx.report.size_dictionary import OF_TRAINING_SIZE

Kind = Literal["text", "number", "integer", "boolean"]
OUR_TABLES = FURTHER_TABLES | OF_LEAKAGE | CASE_TABLES | OF_RUNS | OF_CHECKLIST | OF_TRAINING_SIZE


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, the values it takes, and how its cells are written.

    `kind` "integer" is written without a decimal point, "number" as the shortest text that reads back as the same
    double, "boolean" as TRUE or FALSE, "text" as it stands.
    """

    description: str
    values: str
    kind: Kind = "text"


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

_PROBABILITY = "0 to 1, or NA"
_COUNT = "whole number from 0, or NA"
_NUMBER = "number, Inf, -Inf or NA"
_METRIC = (
    "accuracy, sensitivity, specificity, ppv, npv, f1, balanced_accuracy, mcc, youden_j, lr_positive, lr_negative, "
    "diagnostic_odds_ratio, auroc, auprc, brier, log_loss, calibration_slope, calibration_intercept, ece, net_benefit"
)
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
_ADJUST = "none, holm, hochberg, BH, maxT"

SHARED: dict[str, Column] = {  # what a column means wherever a table does not say otherwise
    "model": Column("the model; in a comparison the one whose value comes first (model minus comparator)", "text"),
    "comparator": Column("the model that is subtracted (for likelihood ratios: divided by)", "text"),
    "metric": Column("what is measured", _METRIC),
    "method": Column("how the interval or the test was computed", "text"),
    "estimate": Column("the value; proportions stay in 0 to 1", _NUMBER, "number"),
    "conf.low": Column("lower confidence limit", _NUMBER, "number"),
    "conf.high": Column("upper confidence limit", _NUMBER, "number"),
    "conf.level": Column("confidence level of the two limits", _PROBABILITY, "number"),
    "numerator": Column("count above the line of a proportion", _COUNT, "integer"),
    "denominator": Column("count below the line of a proportion", _COUNT, "integer"),
    "n": Column("distinct cases", _COUNT, "integer"),
    "k": Column("models (of an omnibus test) or readings (of an agreement)", _COUNT, "integer"),
    "n.resamples": Column("resamples asked for", _COUNT, "integer"),
    "n.resamples.failed": Column("resamples in which the metric was undefined", _COUNT, "integer"),
    "n.clusters": Column("distinct clusters (patients), where the method uses them", _COUNT, "integer"),
    "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": Column("why the status is not ok, or what to know beside the number", "text, or NA"),
    "std.error": Column("standard error of the estimate", "number from 0, or NA", "number"),
    "subgroup": Column("column that the cases were divided by; NA for all cases", "text, or NA"),
    "level": Column("value of that column in these cases", "text, or NA"),
    "seed": Column("seed of the training runs in this row; NA where there is one or they are averaged", "text, or NA"),
    "label.rule": Column(
        "whose truth these rows are about; NA for the labels of the analysis",
        "reader_<name> (one reading), agreed (all readings the same), majority, all (those in dispute too), or NA",
    ),
    "fold": Column("fold in which these cases were tested; NA where there is one", "text, or NA"),
    "n.seeds": Column("seeds that the row is a mean over", _COUNT, "integer"),
    "sd.seeds": Column(
        "standard deviation of the seeds' values (denominator: seeds less one)", "number from 0, or NA", "number"
    ),
    "threshold": Column("score at or above which a case is called positive", _NUMBER, "number"),
    "prevalence": Column("prevalence that predictive values were computed for", _PROBABILITY, "number"),
    "role": Column("named in the plan before the results were seen, or not", "confirmatory, exploratory, or NA"),
    "recommended": Column("whether this is the row that the page shows", "TRUE, FALSE, or NA", "boolean"),
    "statistic": Column("test statistic: chi-square, F, or signed z or t; NA for exact tests", _NUMBER, "number"),
    "parameter": Column("degrees of freedom of a chi-square or t", "number, or NA", "number"),
    "parameter1": Column("numerator degrees of freedom of F", "number, or NA", "number"),
    "parameter2": Column("denominator degrees of freedom of F", "number, or NA", "number"),
    "p.value": Column("p-value, two-sided, not adjusted", _PROBABILITY, "number"),
    "adj.p.value": Column("p-value adjusted for the family of comparisons by p.adjust.method", _PROBABILITY, "number"),
    "p.adjust.method": Column("adjustment for multiple comparisons", _ADJUST + ", or NA"),
    "b": Column(
        "cases that only model got right (within the class for sensitivity and specificity)", _COUNT, "integer"
    ),
    "c": Column("cases that only comparator got right (within the class likewise)", _COUNT, "integer"),
    "margin": Column(
        "margin of equivalence or non-inferiority, in the metric's own unit", "number from 0, or NA", "number"
    ),
    "tp": Column("true positives: positive cases called positive", _COUNT, "integer"),
    "fn": Column("false negatives: positive cases called negative", _COUNT, "integer"),
    "fp": Column("false positives: negative cases called positive", _COUNT, "integer"),
    "tn": Column("true negatives: negative cases called negative", _COUNT, "integer"),
    "mc.error.low": Column("Monte Carlo standard error of a resampled lower limit", "number from 0, or NA", "number"),
    "mc.error.high": Column("Monte Carlo standard error of a resampled upper limit", "number from 0, or NA", "number"),
    # of plan.csv, after the contract's columns
    "part": Column(
        "the answer, a point of the curve over sizes, or of the curve over the least certain assumption",
        "answer, by_size, by_assumption",
    ),
    "target": Column("what was asked for: power, or half-width", _PROBABILITY, "number"),
    "alpha": Column("level of the test: two-sided, one-sided for non-inferiority", _PROBABILITY, "number"),
    "p10": Column("assumed probability that only the model is right", _PROBABILITY, "number"),
    "p01": Column("assumed probability that only the comparator is right", _PROBABILITY, "number"),
    "difference": Column("assumed difference, model minus comparator", "-1 to 1, or NA", "number"),
    "discordance": Column("assumed share of cases that exactly one model has right", _PROBABILITY, "number"),
    "proportion": Column("anticipated proportion", _PROBABILITY, "number"),
    "auc": Column("assumed AUROC of the model", _PROBABILITY, "number"),
    "comparator.auc": Column("assumed AUROC of the comparator", _PROBABILITY, "number"),
    "correlation": Column(
        "assumed correlation of the two estimated AUROCs over samples of cases", "-1 to 1, or NA", "number"
    ),
    "ratio": Column("negative cases per positive case", "number above 0, or NA", "number"),
    "n.positive": Column("positive cases among them", _COUNT, "integer"),
    "n.negative": Column("negative cases among them", _COUNT, "integer"),
    "cases.all": Column("cases of both classes that hold so many of the class, at the prevalence", _COUNT, "integer"),
    "case_id": Column("the case, as the input names it", "text"),
    "y_true": Column("the true label", "a label of the input"),
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
