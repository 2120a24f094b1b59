"""Makes the finished reports of reports/gallery and the README.md beside them.

    python experiments/maintenance/make_gallery.py [FOLDER] [--only NAME ...]

FOLDER is reports/gallery by default. Each report is computed in a temporary folder, and its page alone is copied to FOLDER/NAME/report.html. The
README lists the pages that FOLDER has. `phantom` and `ultrasound` train networks, for minutes; `ultrasound` reads the images that
experiments/busi_squeezenet.toml names.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hybridcx
from hybridcx.progress import Progress

EXPERIMENTS = Path(__file__).resolve().parents[1]
MAX_BYTES = 2_000_000
"""The size that a page of the gallery stays below."""


def phantom(work: Path, progress: Progress) -> None:
    """The demo."""
    hybridcx.run(EXPERIMENTS / "demo.toml", out=work / "report", progress=progress)


def ultrasound(work: Path, progress: Progress) -> None:
    """Without pictures: we have the images for tests only."""
    hybridcx.run(EXPERIMENTS / "busi_squeezenet.toml", out=work / "report", images=False, progress=progress)


def readers(work: Path, progress: Progress) -> None:
    """The ratings of a drawn cohort's two readers, who read everything twice."""
    manifest = hybridcx.phantom(work / "cohort", patients=120, seed=1, progress=progress)
    analysed = manifest[manifest["excluded"] == ""]
    ratings = analysed.filter(regex="^(case_id|rating_.*)$").rename(columns=lambda c: c.replace("rating_", "reader_"))
    ratings.to_csv(work / "phantom_readers.csv", index=False)
    hybridcx.agreement(work / "phantom_readers.csv", out=work / "report", progress=progress)


def audit(work: Path, progress: Progress) -> None:
    """Table III of the study."""
    table = EXPERIMENTS / "published/cervical_table3.csv"
    hybridcx.audit(table, positives=25, negatives=24, out=work / "report", progress=progress)


@dataclass(frozen=True, slots=True)
class Entry:
    """A report of the gallery: how it is made, and its row of the README."""

    make: Callable[[Path, Progress], None]
    title: str
    shows: str
    command: str
    data: str


GALLERY = {
    "phantom": Entry(
        phantom,
        "Four networks and their heads",
        "a whole run: cohort, training, deep against hybrid, calibration, reader agreement, cases with images and maps",
        "`hybridcx run experiments/demo.toml`",
        "drawn radiographs of hybridcx's phantom; nobody's data, BSD-3-Clause like the code",
    ),
    "ultrasound": Entry(
        ultrasound,
        "SqueezeNet on breast ultrasound",
        "a run on real images: softmax and heads of a pretrained network, nearly identical images across the split, shortcuts",
        "`hybridcx run experiments/busi_squeezenet.toml --no-images`",
        "780 breast ultrasounds, Al-Dhabyani et al. 2020, [doi 10.1016/j.dib.2019.104863](https://doi.org/10.1016/j.dib.2019.104863), in the "
        "split of BreastMNIST; we have them for tests only, so the page has no picture of them, but the names of files; weights: SqueezeNet 1.1, "
        "Iandola et al. 2016, BSD",
    ),
    "readers": Entry(
        readers,
        "Two readers, two occasions",
        "a reader study: ICC, SEM and minimal detectable change, Bland-Altman plots",
        "`hybridcx agreement` on the columns `rating_*` of the manifest of `hybridcx phantom cohort --patients 120 --seed 1`, analysed cases only",
        "drawn ratings of the phantom; BSD-3-Clause like the code",
    ),
    "audit": Entry(
        audit,
        "A published table that cannot be true",
        "the audit of the study's Table III: readings, recomputed metrics, ranges of p ([the story](../../docs/audit.md))",
        "`hybridcx audit experiments/published/cervical_table3.csv --positives 25 --negatives 24`",
        "16 numbers that [the study](../../docs/study.md) printed",
    ),
}
HEAD = """# Gallery: finished reports

Each page is one file, here without the CSVs that a report folder has beside it: on GitHub download it, in a clone open it, on the documentation
site follow the link. Its section Provenance has the version that made it. [What a page holds](../../docs/report.md).

| report | what it shows | command | data and licence |
| --- | --- | --- | --- |
"""
TAIL = """
Made, like this file, by `python experiments/maintenance/make_gallery.py`; `--only NAME` makes one again. `readers` and `audit` take seconds,
`phantom` and `ultrasound` train networks for minutes; `ultrasound` needs the images and weights that its experiment file names.
"""


def readme(folder: Path) -> str:
    """README.md: a row for each page that the folder has."""
    rows = [
        f"| [{e.title}]({name}/report.html) | {e.shows} | {e.command} | {e.data} |\n"
        for name, e in GALLERY.items()
        if (folder / name / "report.html").exists()
    ]
    return HEAD + "".join(rows) + TAIL


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = EXPERIMENTS.parent / "reports/gallery"
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="where the pages go; reports/gallery")
    parser.add_argument("--only", nargs="+", choices=list(GALLERY), default=list(GALLERY), help="the reports to make")
    arguments = parser.parse_args()
    for name in arguments.only:
        with tempfile.TemporaryDirectory(prefix="gallery") as temporary, Progress() as progress:
            work = Path(temporary)
            GALLERY[name].make(work, progress)
            page = work / "report/report.html"
            if (size := page.stat().st_size) >= MAX_BYTES:
                print(
                    f"{name}: the page has {size:,} bytes, the gallery takes less than {MAX_BYTES:,}", file=sys.stderr
                )
                return 1
            (arguments.folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, arguments.folder / name / "report.html")
        print(f"{name}: {size:,} bytes")
    (arguments.folder / "README.md").write_text(readme(arguments.folder), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
