"""Versions, machine and clock behind a result. The only place that may record clock and host (CSVs repeat to the byte)."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from hybridcx.store.artefacts import code_hash

SCHEMA_VERSION = 1
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
    "scipy",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "pydicom",
    "python-gdcm",
)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that compute numbers, read from their metadata without importing them."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def versions_of(*names: str) -> dict[str, str]:
    """Installed versions of some of `PACKAGES`, for the keys of artefacts."""
    return {k: v for k, v in package_versions().items() if k in names}


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def version() -> str:
    """The version of the installed hybridcx."""
    return importlib.metadata.version("hybridcx")


def environment() -> dict[str, object]:
    """Versions and machine."""
    return {
        "hybridcx": version(),
        "code_sha256": code_hash("."),
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor(),
        "cpu_count": os.cpu_count(),
        "byteorder": sys.byteorder,
    }


def now() -> str:
    """The time, UTC, to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()
