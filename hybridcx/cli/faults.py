"""Error messages of the command line, on standard error."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import NoReturn

from hybridcx.errors import HybridcxError, InputError, MissingExtraError, StoppedError, printable_path
from hybridcx.store.disk import FULL, QUOTA, READ_ONLY, disk_fault

ISSUES = "the issue tracker of hybridcx"


def explain(error: HybridcxError, debug: bool = False) -> None:
    """Print every problem of the input, or why the command stopped."""
    if debug:
        traceback.print_exc()
    if isinstance(error, MissingExtraError):
        print(error, file=sys.stderr)
    elif isinstance(error, InputError):
        n = len(error.problems)
        print(f"hybridcx: {n} problem{'s' if n > 1 else ''}, nothing was written.", file=sys.stderr)
        for problem in error.problems:
            print(f"- {problem}", file=sys.stderr)
    else:
        kept = " What was finished is kept; the same command continues." if isinstance(error, StoppedError) else ""
        print(f"hybridcx stopped: {error}{kept}", file=sys.stderr)


def misfits() -> str:
    """The required packages whose installed version is not in the range that hybridcx needs."""
    from importlib import metadata

    from packaging.requirements import Requirement

    found = []
    for text in metadata.requires("hybridcx") or ():
        required = Requirement(text)
        if required.marker is not None and not required.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(required.name)
        except metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not required.specifier.contains(version, prereleases=True):
            found.append(f"{required.name} {version} (needed: {required.specifier})")
    return ", ".join(found)


def our_fault(error: BaseException, debug: bool) -> NoReturn:
    """Print that this is a fault of hybridcx and how to report it, and end with exit code 70."""
    if debug:
        traceback.print_exc()
    if isinstance(error, ImportError) and (wrong := misfits()):
        print(
            f"hybridcx: installed packages do not fit: {wrong}. Install the versions that are needed.", file=sys.stderr
        )
        sys.exit(2)
    last = traceback.extract_tb(error.__traceback__)[-1]
    print(
        f"hybridcx has failed: {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}. This is a fault of hybridcx, not of "
        f"your input. Please report it to {ISSUES}, with the version (hybridcx --version) and what --debug prints; look through that text "
        "for names and paths before you send it.",
        file=sys.stderr,
    )
    sys.exit(70)


def system_fault(error: OSError, debug: bool) -> NoReturn:
    """End with exit code 3 where a disk is full or cannot be written, otherwise with 70."""
    if disk_fault(error) not in (FULL, QUOTA, READ_ONLY):
        our_fault(error, debug)
    where = f": {printable_path(error.filename)}" if error.filename else ""
    explain(StoppedError(f"{error.strerror or error}{where}. Free some space, or make it writable."), debug)
    sys.exit(3)
