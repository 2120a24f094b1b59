"""Methods and caveats of a report on several seeds, repeated hold-out or folds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.units import Unit, split_counts
from hybridcx.records.predictions import Predictions
from hybridcx.stats.resampling.hierarchical import few_seeds

ONE_SEED = "One training per model: no interval includes the variation between trainings."
PER_SEED = (
    "Tests and intervals for one set of predictions (McNemar, Tango, DeLong, Wilson and the like), the tests of all models at once, confusion "
    "matrices, curves, calibration and disagreements are given seed by seed (column seed) and never on seeds stacked as cases; figures "
    "and those tables show the first seed."
)
MAX_UNLIKE = 3
DESIGNS = {
    "nested": "seeds of separately trained networks nested in their model",
    "crossed": "a seed taken as the same reader with every model, readers drawn (crossed)",
    "fixed": "a seed taken as the same reader with every model, these readers alone (fixed)",
}


def seed_methods(predictions: Predictions, plan: Plan) -> list[str]:
    """Paragraphs on the statistics over several seeds."""
    return _holdout(predictions, plan) if predictions.repeated_holdout else _crossed(predictions, plan)


def _crossed(predictions: Predictions, plan: Plan) -> list[str]:
    units = "patients" if predictions.clustered else "cases"
    groups = ", with Obuchowski's (1997) covariances for patients" if predictions.clustered else ""
    tested = "accuracy, sensitivity and specificity" if predictions.has_pred else ""
    if predictions.has_score and len(predictions.folds) < 2:
        tested += (" and of " if tested else "") + "AUROC"
    return [
        f"The predictions come from {len(predictions.seeds)} seeds on the same test cases. Every estimate is the mean over the seeds of the "
        "seed's own metric; its standard deviation over the seeds stands beside it in metrics.csv (sd.seeds).",
        f"Intervals and differences are at the {100 * plan.confidence_level:g} % level: bootstrap over seeds and {units}, {plan.n_resamples:,} "
        f"resamples{', stratified by class' if plan.stratified else ''}. Each draws the {units} once, for all models and seeds, and the seeds "
        "once, for all models. Limits and p-values are Student's t, with the variance of the resamples, the variance between seeds and degrees of "
        "freedom from its share; so they carry the variance of training as well as that of the sample. "
        f"Calibration slopes and intercepts are refitted in {min(plan.n_refits, plan.n_resamples):,} resamples.",
        *(
            [
                f"Differences of {tested}, and the verdicts on them, are after Obuchowski and Rockette (1995), with Hillis' degrees of freedom "
                f"({'2014' if plan.seed_design == 'nested' else '2007'}): cases random, {DESIGNS[plan.seed_design]}{groups}."
            ]
            if tested
            else []
        ),
        f"The shares of variance (variance.csv) are two-way components of {units} by seeds (Searle, Casella and McCulloch 1992), of jackknife "
        "pseudo-values where the metric is no mean over cases. " + PER_SEED + " Subgroups are given over all seeds.",
    ]


def _holdout(predictions: Predictions, plan: Plan) -> list[str]:
    training = predictions.training_cases()
    known = plan.n_train is not None or len(training) == len(predictions.seeds)
    return [
        f"The {len(predictions.seeds)} seeds have test sets of their own, none of which holds all the test cases: they are read as "
        "repeated hold-out, random splits whose training sets overlap by chance. Every estimate is the mean over the splits.",
        "Differences: Nadeau and Bengio's (2003) corrected t-test, factor 1/J + n_test/n_train, J - 1 degrees of freedom"
        + (
            ", validation cases counted as training; likelihood ratios as the geometric mean of the splits' ratios. "
            if known
            else "; not estimable here, because nothing says how many cases were trained on. "
        )
        + f"The {100 * plan.confidence_level:g} % interval inverts it. One model's mean has a corrected standard error and no interval.",
        PER_SEED,
    ]


def fold_methods(predictions: Predictions) -> list[str]:
    """A paragraph on folds; empty without them."""
    if len(predictions.folds) < 2:
        return []
    return [
        f"The predictions come from {len(predictions.folds)} folds. AUROC and AUPRC are the mean of the folds' own, never of pooled scores, with "
        "resampled limits (cases drawn over all folds); ROC curves stand fold by fold. Metrics of calls and of probabilities take each case's "
        "prediction from the fold that tested it. Folds are not independent splits: no test over folds is made."
    ]


def seed_caveats(predictions: Predictions, *, splits_drawn: bool = False) -> list[str]:
    """Caveats on seeds and folds placed before the numbers. `splits_drawn`: hybridcx drew the random splits itself."""
    total = len(predictions.seeds)
    texts = []
    if total < 2:
        texts.append(ONE_SEED)
    elif predictions.repeated_holdout and splits_drawn:
        texts.append(
            f"The training cases of the {total} random splits overlap; the intervals of differences allow for that."
        )
    elif predictions.repeated_holdout:
        texts.append(
            f"The test cases differ between the {total} seeds, which are read as random splits (repeated hold-out). If that is not what they are, "
            "give every seed the same test cases."
        )
    elif len(predictions.folds) < 2:
        texts.append(
            "The seeds share one division into training and test cases; another division would vary the results further."
        )
    if total > 1 and (few := few_seeds(total)):
        texts.append(f"{few[0].upper()}{few[1:]}.")
    if len(predictions.folds) > 1:
        texts.append(
            "The models of the folds share training cases: the folds are not independent, and no interval accounts for that."
        )
    return texts


def division_methods(experiment: Experiment, units: Sequence[Unit]) -> str:
    """How the analysed cases were divided, and how often everything was trained."""
    options, first = experiment.repeat, units[0].split
    seeds = f"seeds {units[0].seed} to {units[-1].seed}"
    total = len(first.assignment)
    table = split_counts(units).set_index("label").loc["total"]
    sizes = f"{table['train']} training, {table['validation']} validation and {table['test']} test cases"
    drawn = "at random, stratified by class, no patient in two parts"
    if options.in_folds:
        again = {
            "kfold": f", with the same folds for each of the {options.seeds} {seeds}" if options.seeds > 1 else "",
            "repeated_kfold": f", repeated with folds drawn anew for each of the {options.seeds} {seeds}",
        }[options.design]
        return (
            f"The {total} analysed cases were divided into {options.folds} folds, {drawn}{again}. Each case is a test case "
            f"once{' per seed' if options.seeds > 1 else ''}; the cases outside its fold were divided, by class and patient, into training and "
            f"validation ({sizes} in each fold). Networks, features, heads and the choice among heads were made within each fold and never "
            "saw it (nested cross-validation)."
        )
    if options.design == "holdout":
        return (
            f"The {total} analysed cases were split {options.seeds} times {drawn} ({seeds}), into {sizes}; networks, features, heads and the choice "
            "among heads were made anew in each split (repeated hold-out)."
        )
    how = "by the manifest" if experiment.split.method == "manifest" else drawn + ","
    again = f" Everything was trained {options.seeds} times on this split ({seeds})." if options.seeds > 1 else ""
    return f"The {total} analysed cases were split {how} into {sizes}.{again}"


def ensemble_methods(experiment: Experiment) -> list[str]:
    """A paragraph on ensembles; empty without them."""
    options, texts = experiment.ensembles, []
    if "mean" in options.networks:
        texts.append("ensemble:mean is the mean of the networks' probabilities.")
    if "stacking" in options.networks:
        texts.append(
            "ensemble:stacking is a logistic regression on the networks' logits (Wolpert 1992), fitted in each training on its validation cases, "
            "which no network was trained on; its weights stand in ensembles.csv."
        )
    if options.seeds:
        texts.append(
            f"The mean probability of each network over its {experiment.repeat.seeds} seeds is compared with each single seed as one set of trained "
            "models (ensemble_metrics.csv, ensemble_comparisons.csv); all of that is exploratory."
        )
    return ["Ensembles: " + " ".join(texts)] if texts else []


def stability(seed_verdicts: pd.DataFrame, metric: str | None) -> list[str]:
    """Caveat on pairs of the primary metric for which some single seeds give another verdict than all seeds together."""
    if seed_verdicts.empty:
        return []
    own = seed_verdicts[seed_verdicts["metric"] == metric]
    unlike = own[own["n.same"] < own["n.seeds"]].sort_values("n.same", kind="stable")
    texts = [
        f"{r['model']} against {r['comparator']} {int(r['n.same'])} of {int(r['n.seeds'])}"
        for r in unlike.head(MAX_UNLIKE).to_dict("records")
    ]
    more = f" and {len(unlike) - MAX_UNLIKE} more" if len(unlike) > MAX_UNLIKE else ""
    text = f"Some single seeds give another verdict than all seeds together. Seeds with the same verdict: {'; '.join(texts)}{more}."
    return [text] if texts else []
