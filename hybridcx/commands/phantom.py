"""`hybridcx phantom`: write a phantom cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.progress import Progress
from hybridcx.store.disk import disk_faults
from hybridcx.store.report_folder import new_folder

if TYPE_CHECKING:
    pass


def phantom(
    folder: str | Path, *, patients: int = 416, seed: int = 0, progress: Progress | None = None
) -> pd.DataFrame:
    """Write a phantom cohort (images, manifest, two readers' ratings) and return its manifest."""
    progress = progress or Progress(quiet=True)
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.phantoms.cohort import write_phantom
    from hybridcx.workers.local import default_jobs

    target = Path(folder)
    with new_folder(target), disk_faults(target, "the phantom cohort"):
        made = write_phantom(
            target,
            n_patients=patients,
            seed=seed,
            jobs=default_jobs(),
            on_progress=progress.track("drawing radiographs"),
        )
    return read_manifest(made.manifest).frame
