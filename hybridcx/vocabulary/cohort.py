"""Tables of a cohort: flow, cases, split, and what could make results too good (near duplicates, shortcuts)."""

from __future__ import annotations

from hybridcx.vocabulary.columns import COUNT, LABEL, PROBABILITY, SHARED, STATE, TEXT, Column, Table

_AS_GIVEN = "as given in the input"
_SPLIT = "train, validation, test"

NEAR_DUPLICATES = Table(
    "near_duplicates",
    {
        "case_id": Column("a case", _AS_GIVEN),
        "other_case_id": Column("a case with nearly the same image", _AS_GIVEN),
        "correlation": Column(
            "correlation of the two images in their particular detail (border, coarse structure and the cohort's mean removed)",
            "0.8 to 1",
            "number",
        ),
        "pixel.identical": Column("whether the decoded images are the same pixel for pixel", "TRUE, FALSE", "boolean"),
        "same.patient": Column("whether both cases are of one patient", "TRUE, FALSE", "boolean"),
        "label": Column("label of the case", f"{LABEL}, or in dispute"),
        "other_label": Column("label of the other case", f"{LABEL}, or in dispute"),
        "split": Column("split of the case", _SPLIT),
        "other_split": Column("split of the other case", _SPLIT),
    },
    commands=("run",),
)
SHORTCUTS = Table(
    "shortcuts",
    {
        "mark": Column("the feature that the probe used", "file_name, file_format, geometry, border, row"),
        "metric": Column("how well it predicts the label", "auroc"),
        "method": Column("the method of the limits", "delong, delong_cluster"),
        "estimate": Column("mean AUROC of the folds that the probe was not fitted on", PROBABILITY, "number"),
        "conf.low": Column("lower confidence limit", PROBABILITY, "number"),
        "conf.high": Column("upper confidence limit", PROBABILITY, "number"),
        "conf.level": SHARED["conf.level"],
        "n": SHARED["n"],
        **STATE,
    },
    commands=("run",),
)
FLOW = Table(
    "flow",
    {},
    further={
        "step": Column("the step of the cohort's flow, in words", "text"),
        "kind": Column(
            "what the row counts; screened = excluded + disputed + analysed (rows without a split), each class and split likewise",
            "screened, excluded, disputed, analysed, class",
        ),
        "reason": Column("why cases were excluded or are disputed", TEXT),
        "split": Column("the split; NA for all together", "train, validation, test, none (no split named), or NA"),
        "label": Column("the class; NA for both together", f"{LABEL}, or NA"),
        "n": SHARED["n"],
        "n.patients": Column("distinct patients; a patient may have cases in several rows", COUNT, "integer"),
    },
)
COHORT = Table(
    "cohort",
    {},
    further={
        "case_id": Column("the case, excluded cases included", "as given in the manifest, or its pseudonym", None),
        "patient_id": Column("the patient: a code of this file, not the patient's id", "p00000, p00001, ...", None),
        "label": Column("the label of the analysis; NA where there is none", f"{LABEL}, or NA", None),
        "split": Column(
            "the split; NA for cases that belong to none, and where trainings divide the cohort differently (split.csv)",
            "train, validation, test, or NA",
            None,
        ),
        "excluded": Column("why the case is not analysed; NA for analysed cases", TEXT, None),
        "in.dispute": Column("whether the case has no label because the readers disagree", "TRUE, FALSE", None),
    },
)
MANIFEST_COLUMN = Column("as given in the manifest", "", None)
"""Columns of cohort.csv that the manifest has besides."""
SPLIT = Table(
    "split",
    {},
    further={
        "case_id": Column("the case", "", None),
        "split": Column("its split", "", None),
        "seed": Column("seed of the training, where trainings divide the cohort differently", "", None),
        "fold": Column("fold of the cross-validation, from 1; NA without one", "", None),
    },
)
LEAKAGE = (NEAR_DUPLICATES, SHORTCUTS)
COHORTS = (FLOW, COHORT, SPLIT)
