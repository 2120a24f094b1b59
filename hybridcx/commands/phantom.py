"""`hybridcx phantom`: write a phantom cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridcx.commands.options import NewFolder, Patients, ReportsProgress, Seed, checked, documented
from hybridcx.progress import OfPython
from hybridcx.store.disk import disk_faults
from hybridcx.store.report_folder import new_folder


@documented
def phantom(
    folder: NewFolder, *, patients: Patients = 416, seed: Seed = 0, progress: ReportsProgress = None
) -> pd.DataFrame:
    """Write a phantom cohort: images, manifest, two readers' ratings.

    Returns
    -------
    DataFrame, the manifest.
    """
    checked(phantom, locals())
    progress = progress or OfPython()
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.phantoms.cohort import write_phantom
    from hybridcx.workers.local import default_jobs

    target = Path(folder)
    with new_folder(target), disk_faults(target, "the phantom cohort"):
        cohort = write_phantom(
            target,
            n_patients=patients,
            seed=seed,
            jobs=default_jobs(),
            on_progress=progress.track("drawing radiographs"),
        )
    return read_manifest(cohort.manifest).frame
