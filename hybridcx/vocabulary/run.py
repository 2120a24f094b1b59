"""Tables of a run."""

from __future__ import annotations

from collections.abc import Mapping

from hybridcx.vocabulary.comparison import Described

_P = "0 to 1, or NA"


NEAR_DUPLICATES: Described = {
    "case_id": ("a case", "as given in the input"),
    "other_case_id": ("a case with nearly the same image", "as given in the input"),
    "correlation": (
        "correlation of the two images in their particular detail (border, coarse structure and the cohort's mean taken off)",
        "0.8 to 1",
        "number",
    ),
    "pixel.identical": ("whether the decoded images are the same pixel for pixel", "TRUE, FALSE", "boolean"),
    "same.patient": ("whether both cases are of one patient", "TRUE, FALSE", "boolean"),
    "label": ("label of the case", "a label of the input, or in dispute"),
    "other_label": ("label of the other case", "a label of the input, or in dispute"),
    "split": ("part of the cohort that the case stands in", "train, validation, test"),
    "other_split": ("part of the cohort that the other case stands in", "train, validation, test"),
}


SHORTCUTS: Described = {
    "mark": ("what the probe saw", "file_name, file_format, geometry, border, row"),
    "metric": ("how well it tells the label", "auroc"),
    "method": ("how the limits were computed", "delong, delong_cluster"),
    "estimate": ("mean AUROC of the folds that the probe was not fitted on", _P, "number"),
    "conf.low": ("lower confidence limit", _P, "number"),
    "conf.high": ("upper confidence limit", _P, "number"),
    "conf.level": ("confidence level of the two limits", _P, "number"),
    "n": ("distinct cases", "whole number from 0, or NA", "integer"),
    "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": ("why the status is not ok, or what to know beside the number", "text, or NA"),
}


OF_LEAKAGE: dict[str, Described] = {"near_duplicates": NEAR_DUPLICATES, "shortcuts": SHORTCUTS}


OF_RUNS: dict[str, Described] = {
    "runs": {
        "run": ("folder of the run, as short as tells it from the others", "text"),
        "key": ("key of the configuration, the software or the inputs that is not the same in all runs", "text"),
        "value": ("its value in this run", "text; NA where the run has no such key"),
    }
}


EVIDENCED, PARTLY, NOT_HERE = "evidenced", "partly", "not evidenced here"


OF_CHECKLIST: dict[str, Described] = {
    "checklist": {
        "guideline": ("the reporting guideline", "TRIPOD+AI, CLAIM 2024, STARD 2015"),
        "item": ("number of the item in the guideline", "text"),
        "topic": ("what the item is about, in our words", "text"),
        "evidence": ("what this report has for it", "text, or NA"),
        "location": ("where in this report or folder", "section or file, or NA"),
        "evidenced": ("whether this report evidences the item", f"{EVIDENCED}, {PARTLY}, {NOT_HERE}"),
    }
}


CURVE_COLUMNS = {
    "network": "the network",
    "iteration": "mini-batches seen",
    "epoch": "passes over the training cases",
    "train_loss": "cross-entropy of the mini-batch",
    "train_accuracy": "accuracy on the mini-batch",
    "learning_rate": "the rate of this step",
    "validation_loss": "cross-entropy on the validation cases, where validated",
    "validation_accuracy": "accuracy on the validation cases, where validated",
    "seed": "seed of the training",
    "fold": "fold of the cross-validation, from 1; NA without one",
}


HEAD_COLUMNS = {
    "model": "the model's name in the other tables",
    "network": "the network whose penultimate features the head is fitted on",
    "features": "pretrained, untrained or fine_tuned",
    "head": "the classifier",
    "parameters": "the candidate that cross-validation chose (JSON)",
    "n_fitted": "cases that the head was fitted on",
    "cv_auroc": "AUROC of the chosen candidate in cross-validation within the fitted cases",
    "cv_log_loss": "log loss of the chosen candidate in cross-validation within the fitted cases",
    "notes": "what was done otherwise than asked, and why",
    "seed": "seed of the training",
    "fold": "fold of the cross-validation, from 1; NA without one",
}


SPLIT_COLUMNS = {
    "case_id": "the case",
    "split": "its part of the cohort",
    "seed": "seed of the training, where trainings divide the cohort differently",
    "fold": "fold of the cross-validation, from 1; NA without one",
}


LEDGER_COLUMNS = {
    "case_id": ("the case", "as given in the input"),
    "y_true": ("the truth", "a label of the input; NA where the split is disputed"),
    "model": ("the model", "as named in the input, or as the run names it"),
    "y_pred": ("the model's call", "a label of the input"),
    "score": ("the positive class's probability (or rank score)", "number"),
    "patient_id": ("who belongs together: a code, not the patient's id", "g00000, g00001, ..."),
    "split": (
        "the part of the cohort; only test is evaluated, disputed (test cases without a truth) apart",
        "train, validation, test, disputed",
    ),
    "seed": ("seed of the training", "integer"),
    "fold": ("fold of the cross-validation", "as given in the input"),
    "share": ("share of the training cases that the models were trained on", "above 0, at most 1"),
    "n_train": ("training cases that the models were trained on", "whole number from 1"),
    "copy_in_training": (
        "whether training or validation has nearly the image of this case where it is a test case (near_duplicates.csv)",
        "yes, no, or NA",
    ),
    "label_given": ("the label of the manifest, where the truth comes from the readers", "a label of the input, or NA"),
}


KEPT_COLUMNS: Mapping[str, tuple[str, str]] = {
    "case_id": ("the case, excluded ones too", "as given in the manifest, or its pseudonym"),
    "patient_id": ("whose case it is: a code of this file, not the patient's id", "p00000, p00001, ..."),
    "label": ("the label of the analysis; NA where there is none", "a label of the input, or NA"),
    "split": (
        "the part of the cohort; NA for cases that belong to none, and where trainings divide the cohort differently (split.csv)",
        "train, validation, test, or NA",
    ),
    "excluded": ("why the case is not analysed; NA for analysed cases", "text, or NA"),
    "in.dispute": ("whether the case has no label because the readers differ", "TRUE, FALSE"),
}
