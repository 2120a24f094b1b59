"""No run-time dependency is under a licence that would bind what is built on hybridcx: the metadata of the whole closure is read.

`python tests/test_licences.py` prints the list. LGPL is listed, since linking to it is free; GPL and AGPL are refused, except where a
package offers another licence beside it. The libraries of CUDA, which come with the builds of torch for NVIDIA's cards, are
proprietary and listed as such.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("deep", "dask", "dicom", "excel", "onnx", "spss", "tensorboard", "timm", "word")
FREE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|HPND|Unlicense|Zlib|public domain)", re.I
)
BOUND = re.compile(r"(?<!lesser )(?<!library )\b(A?GPL|(Affero )?General Public License)", re.I)
LESSER = re.compile(r"\bLGPL|(Lesser|Library) General Public", re.I)


def stated(package: metadata.Distribution) -> str:
    """What a package's metadata say of its licence: the SPDX expression, otherwise the first line of the field and the classifiers."""
    head = package.metadata
    if head.get("License-Expression"):
        return str(head["License-Expression"])
    first = next((line.strip() for line in str(head.get("License") or "").splitlines() if line.strip()), "")
    classes = [c.rpartition(" :: ")[2] for c in head.get_all("Classifier") or [] if c.startswith("License ::")]
    said = "; ".join(dict.fromkeys(x for x in (*classes, first[:80]) if x))
    return said if verdict(said) != "unknown" else "; ".join(x for x in (said, _first_line_of_its_file(package)) if x)


def _first_line_of_its_file(package: metadata.Distribution) -> str:
    for file in package.files or ():
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")) and ".dist-info" in str(file):
            lines = file.read_text(encoding="utf-8").splitlines()
            return next((line.strip()[:80] for line in lines if line.strip()), "")
    return ""


def verdict(licence: str) -> str:
    """free, lesser, bound, proprietary or unknown.

    >>> [verdict(x) for x in ("GPL-3.0-only", "LGPL-2.1", "MIT OR GPL-2.0", "GPLv2 AND MIT", "GNU Affero General Public License v3", "")]
    ['bound', 'lesser', 'free', 'bound', 'bound', 'unknown']
    """
    choices = [verdict(part) for part in re.split(r"\s+OR\s+", licence)] if " OR " in licence else []
    if choices:
        return next(v for v in ("free", "lesser", "unknown", "proprietary", "bound") if v in choices)
    # a run-time library of the compiler, free to link to by its exception
    if BOUND.search(re.sub(r"GPL-[\w.-]+\s+WITH\s+GCC-exception-[\d.]+", "", licence)):
        return "bound"
    if LESSER.search(licence):
        return "lesser"
    if FREE.search(licence):
        return "free"
    return "proprietary" if "proprietary" in licence.casefold() else "unknown"


def closure() -> dict[str, metadata.Distribution]:
    """The installed packages that hybridcx needs when it runs, all its extras for users with it."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [("hybridcx", "")] + [("hybridcx", e) for e in EXTRAS]
    seen = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        found[name] = package
        for text in package.requires or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({**default_environment(), "extra": extra}):
                waiting += [(canonicalize_name(need.name), e) for e in ("", *need.extras)]
    return found


def table() -> dict[str, tuple[str, str, str]]:
    """Package to version, licence as stated, and verdict."""
    return {n: (p.version, stated(p), verdict(stated(p))) for n, p in sorted(closure().items())}


def test_the_closure_is_read():
    assert {"hybridcx", "numpy", "pandas", "torch", "pillow", "filelock", "jinja2", "markupsafe"} <= set(table())


def test_no_run_time_dependency_is_under_the_gpl():
    assert not {n: row for n, row in table().items() if row[2] == "bound"}


def test_every_licence_is_stated():
    rows = table()
    assert {n for n, row in rows.items() if row[2] == "unknown"} <= {
        "cuda-toolkit"
    }  # an empty package that names the next ones
    assert all(n.startswith("nvidia-") for n, row in rows.items() if row[2] == "proprietary")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("GPL-3.0-only", "bound"), ("GPLv2+", "bound"), ("AGPL-3.0", "bound"), ("GNU Affero General Public License v3", "bound"),
        ("GNU General Public License v3 (GPLv3)", "bound"), ("MIT AND GPL-2.0-only", "bound"), ("LGPL-2.1-or-later", "lesser"),
        ("GNU Lesser General Public License v3", "lesser"), ("MIT OR GPL-2.0-only", "free"), ("BSD-3-Clause", "free"), ("", "unknown"),
    ],
)  # fmt: skip
def test_what_is_refused(licence, expected):
    assert verdict(licence) == expected


if __name__ == "__main__":
    for name, (version, licence, found) in table().items():
        print(f"{name:28} {version:14} {found:12} {licence}")
