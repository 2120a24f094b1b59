"""Tables of a run beside those of its comparison: the ledger, learning curves, heads, finished runs, published values, checklists."""

from __future__ import annotations

from hybridcx.vocabulary.columns import LABEL, Column, Table

LEDGER = {
    "case_id": Column("the case", "as given in the input"),
    "y_true": Column("the truth", f"{LABEL}; NA where the split is disputed"),
    "model": Column("the model", "as named in the input, or as the run names it"),
    "y_pred": Column("the model's call", LABEL),
    "score": Column("the positive class's probability (or rank score)", "number"),
    "patient_id": Column("the cluster: a code, not the patient's id", "g00000, g00001, ..."),
    "split": Column(
        "the split; only test is evaluated, disputed (test cases without a truth) in rows of its own",
        "train, validation, test, disputed",
    ),
    "seed": Column("seed of the training", "integer"),
    "fold": Column("fold of the cross-validation", "as given in the input"),
    "share": Column("share of the training cases that the models were trained on", "above 0, at most 1"),
    "n_train": Column("training cases that the models were trained on", "whole number from 1"),
    "copy_in_training": Column(
        "of a test case: whether training or validation has nearly the same image (near_duplicates.csv)",
        "yes, no, or NA",
    ),
    "label_given": Column("the label of the manifest, where the readers define the truth", f"{LABEL}, or NA"),
}
"""Columns of predictions.csv and training_size_predictions.csv, which are written as the input gives them."""
FURTHER_COLUMN = Column("a further column of the input", "")

EVIDENCED, PARTLY, NOT_HERE = "evidenced", "partly", "not evidenced here"

RUNS = Table(
    "runs",
    {
        "run": Column("the run's folder, with as much of its path as distinguishes it", "text"),
        "key": Column("a key of the configuration, the software or the inputs that differs between the runs", "text"),
        "value": Column("its value in this run", "text; NA where the run has no such key"),
    },
)
CHECKLIST = Table(
    "checklist",
    {
        "guideline": Column("the reporting guideline", "TRIPOD+AI, CLAIM 2024, STARD 2015"),
        "item": Column("number of the item in the guideline", "text"),
        "topic": Column("the topic of the item, in our words", "text"),
        "evidence": Column("what this report contributes to it", "text, or NA"),
        "location": Column("where in this report or folder", "section or file, or NA"),
        "evidenced": Column("whether this report evidences the item", f"{EVIDENCED}, {PARTLY}, {NOT_HERE}"),
    },
)
LEARNING_CURVES = Table(
    "learning_curves",
    {},
    further={
        "network": Column("the network", "", None),
        "iteration": Column("mini-batches so far", "", None),
        "epoch": Column("passes over the training cases", "", None),
        "train_loss": Column("cross-entropy of the mini-batch", "", None),
        "train_accuracy": Column("accuracy on the mini-batch", "", None),
        "learning_rate": Column("learning rate of this step", "", None),
        "validation_loss": Column("cross-entropy on the validation cases, where validated", "", None),
        "validation_accuracy": Column("accuracy on the validation cases, where validated", "", None),
        "seed": Column("seed of the training", "", None),
        "fold": Column("fold of the cross-validation, from 1; NA without one", "", None),
    },
)
HEADS = Table(
    "heads",
    {},
    further={
        "model": Column("the model's name in the other tables", "", None),
        "network": Column("the network whose penultimate features the head is fitted on", "", None),
        "features": Column("pretrained, untrained or fine_tuned", "", None),
        "head": Column("the classifier", "", None),
        "parameters": Column("the candidate that cross-validation chose (JSON)", "", None),
        "n_fitted": Column("cases that the head was fitted on", "", None),
        "cv_auroc": Column("AUROC of the chosen candidate in cross-validation within the fitted cases", "", None),
        "cv_log_loss": Column("log loss of the chosen candidate in cross-validation within the fitted cases", "", None),
        "notes": Column("deviations from the experiment file, and why", "", None),
        "seed": Column("seed of the training", "", None),
        "fold": Column("fold of the cross-validation, from 1; NA without one", "", None),
        "chosen": Column(
            "whether cross-validation in training chose this head for its network, in this seed and fold", "", None
        ),
    },
)
PUBLISHED_VALUES = Table(
    "published",
    {},
    further={
        "model": Column("the model of this run", "", None),
        "printed.model": Column("the model as the published table names it", "", None),
        "metric": Column("the metric", "", None),
        "printed": Column("the published value, on other cases, as a proportion", "", None),
        "estimate": Column("the value of this run", "", None),
        "conf.low": Column("lower confidence limit of this run's value", "", None),
        "conf.high": Column("upper confidence limit of this run's value", "", None),
        "conf.level": Column("confidence level of the limits", "", None),
        "method": Column("the method of the interval", "", None),
        "difference": Column("this run's value minus the printed one", "", None),
        "inside": Column("whether the printed value lies within the limits, up to its rounding", "", None),
        "warning": Column("why a value is missing", "", None),
    },
)
PRINTED = Table(
    "printed",
    {},
    further={
        "model": Column("the model as the published table names it", "", None),
        "metric": Column("the metric", "", None),
        "printed": Column("the published value, as a proportion", "", None),
        "half.unit": Column("half of the last printed decimal, as a proportion", "", None),
    },
)
TUNING = Table(
    "tuning",
    {
        "model": Column("the estimator, a search over parameters", "as named in the input"),
        "seed": Column("seed of the repeat", "integer"),
        "fold": Column("fold of the cross-validation, from 1; NA in random splits", "whole number from 1, or NA"),
        "parameters": Column("the parameters that the search chose within the training cases of this fold", "JSON"),
        "inner.score": Column("their mean score in the inner folds, by the search's own scoring", "number"),
    },
)
FINISHED_RUNS = (RUNS, CHECKLIST, TUNING)
TRAININGS = (LEARNING_CURVES, HEADS, PUBLISHED_VALUES, PRINTED)
