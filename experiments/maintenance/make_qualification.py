"""Write what `hybridcx qualify` ships: copies of tests/reference, and the predictions of its miniature study.

    python experiments/maintenance/make_qualification.py [--study]

Copies the CSVs of tests/reference that `hybridcx.qualification.reference` names, and published.json. `--study` also trains the study of
hybridcx/qualification/study.toml and records its predictions: after a change of training, when the change of its numbers is meant.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

from hybridcx.progress import OfPython
from hybridcx.qualification import performance
from hybridcx.qualification.reference import FOLDERS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, SHIPPED = ROOT / "tests" / "reference", ROOT / "hybridcx" / "qualification"


def shipped() -> dict[Path, Path]:
    """The shipped copies -> their originals."""
    originals = [REFERENCE / "published.json", *(p for f in FOLDERS for p in sorted((REFERENCE / f).glob("*.csv")))]
    return {SHIPPED / "reference" / p.relative_to(REFERENCE): p for p in originals}


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", action="store_true", help="also train the miniature study")
    options = parser.parse_args()
    shutil.rmtree(SHIPPED / "reference")
    for copy, original in shipped().items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
    if options.study:
        rows = performance.predictions(OfPython())
        with (SHIPPED / performance.EXPECTED).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["model", "case_id", "score"])
            writer.writerows((r["model"], r["case_id"], f"{float(r['score']):.6f}") for r in rows)


if __name__ == "__main__":
    main()
