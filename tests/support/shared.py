"""What the whole session makes once and every test module uses: drawn cohorts, also where pytest-xdist runs several processes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

import hybridcx


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this session share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def drawn_cohort(factory: pytest.TempPathFactory, name: str, *, patients: int = 80, seed: int = 3) -> Path:
    """A new folder with the phantom cohort in `phantom/`. It is drawn once per session; every caller gets a copy of its own."""
    source = session_folder(factory) / f"phantom-{patients}-{seed}"
    with FileLock(f"{source}.lock"):
        if not source.exists():
            hybridcx.phantom(source, patients=patients, seed=seed)
    folder = factory.mktemp(name)
    shutil.copytree(source, folder / "phantom")
    return folder
