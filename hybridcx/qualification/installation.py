"""What is installed: versions, and whether the files of hybridcx are those that were released."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from hybridcx.qualification.case import Case, Status, checked, skipped
from hybridcx.store.provenance import processor

RELEASED = "RECORD of the installed wheel"


def cases() -> Iterator[Case]:
    """Every case of this file."""
    distribution = metadata.distribution("hybridcx")
    yield from _files(distribution)
    yield from _requirements(distribution)


def machine() -> dict[str, str]:
    """The machine and the versions of Python and hybridcx, for the record."""
    return {
        "hybridcx": metadata.version("hybridcx"),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "interpreter": sys.executable,
        "system": platform.platform(),
        "processor": processor(),
        "computer": platform.node(),
    }


def _files(distribution: metadata.Distribution) -> Iterator[Case]:
    """Each installed file against the hash that the wheel recorded for it."""
    recorded = [f for f in distribution.files or () if f.hash is not None and f.parts[0] == "hybridcx"]
    if not recorded and not _editable(distribution):
        yield checked("installation", "files of hybridcx", "SHA-256", "a record of hashes", "no record", RELEASED)
        return
    if not recorded:
        note = "an editable installation records no hashes: install the wheel to qualify the files"
        yield skipped("installation", "files of hybridcx", "SHA-256", note)
        return
    for file in recorded:
        assert file.hash is not None
        try:
            digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()  # type: ignore[attr-defined]
        except OSError:
            found = "missing"
        else:
            found = base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
        yield checked(
            "installation", str(file), file.hash.mode.upper().replace("SHA", "SHA-"), file.hash.value, found, RELEASED
        )


def _editable(distribution: metadata.Distribution) -> bool:
    """Whether hybridcx is used from a working copy: by an editable installation (PEP 610), or in its folder, where the build leaves an egg-info."""
    if distribution.read_text("SOURCES.txt") is not None:
        return True
    try:
        about = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    return bool(about.get("dir_info", {}).get("editable"))


def _requirements(distribution: metadata.Distribution) -> Iterator[Case]:
    """Each required package: its version against the range that hybridcx declares; those of extras where they are installed."""
    seen = set()
    for text in distribution.requires or ():
        required = Requirement(text)
        extra = required.marker is not None and "extra" in str(required.marker)
        if required.name in seen or (required.marker is not None and not _applies(required)):
            continue
        seen.add(required.name)
        try:
            installed = metadata.version(required.name)
        except metadata.PackageNotFoundError:
            if extra:
                continue
            installed = "missing"
        fits = installed != "missing" and required.specifier.contains(installed, prereleases=True)
        expected = str(required.specifier) or "any"
        status: Status = "PASS" if fits else "FAIL"
        yield Case(
            "installation",
            required.name,
            "version",
            "",
            "",
            expected,
            installed,
            float("nan"),
            float("nan"),
            "requirements of hybridcx",
            status,
        )


def _applies(required: Requirement) -> bool:
    """Whether the marker holds here, for any of its extras."""
    assert required.marker is not None
    extras = {part.strip("'\" ") for part in str(required.marker).split("extra ==")[1:]} or {""}
    return any(required.marker.evaluate({"extra": e.split("'")[0].split('"')[0]}) for e in extras)
