"""`hybridcx cohort FOLDER`: a cohort manifest from class folders, or from DICOM folders with a table of labels."""

from __future__ import annotations

from pathlib import Path

from hybridcx.cohort.folders import FolderCohort, cohort_of_folder
from hybridcx.commands.options import (
    ImageFolder,
    LabelColumn,
    Labels,
    ManifestOut,
    PatientPattern,
    Positive,
    ReportsProgress,
    checked,
    documented,
)
from hybridcx.images.headers import header_of
from hybridcx.progress import OfPython
from hybridcx.records.arrays import label_text
from hybridcx.store.disk import disk_faults


@documented
def cohort(
    folder: ImageFolder,
    *,
    out: ManifestOut = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    patient_pattern: PatientPattern = None,
    positive: Positive = None,
    progress: ReportsProgress = None,
) -> FolderCohort:
    """Make a cohort manifest from a folder of images.

    Labels are the names of class folders (FOLDER/<class>/, FOLDER/<split>/<class>/) or come from a table. More than two labels become one
    against the rest with `positive`, and a further column keeps the original ones. In Python nothing is written without `out`.

    Returns
    -------
    FolderCohort: `frame` is the manifest, `notes` say where labels, patients and splits come from, `problems` what could not be determined.

    Raises
    ------
    InputError
        where there are no images or no labels, the table does not fit, or the manifest exists; nothing has been written.
    """
    checked(cohort, locals())
    progress = progress or OfPython()
    target = None if out is None else Path(out)
    with disk_faults(Path() if target is None else target.absolute().parent, "the manifest"):
        return cohort_of_folder(
            Path(folder),
            header_of,
            out=target,
            labels=None if labels is None else Path(labels),
            label_column=label_column,
            patient_pattern=patient_pattern,
            positive=label_text(positive),
            on_progress=progress.track("reading headers"),
        )
