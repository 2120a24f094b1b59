"""A fixed miniature study, trained and predicted here, whose predictions must be those that were recorded.

Phantom radiographs, one small network from random weights, its features with a head; the processor, one thread, float32. Other processors and
versions of torch round otherwise; the largest difference seen between instruction sets is in `docs/qualification.md`.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from hybridcx.progress import Progress
from hybridcx.qualification.case import Case, compared, skipped
from hybridcx.vocabulary.extras import absent

STUDY, EXPECTED = "study.toml", "study_predictions.csv"
TOLERANCE = 0.001
"""Largest difference of a score."""


def cases(progress: Progress) -> Iterator[Case]:
    """A case for each model and test case of the study; one skipped case without the extra `deep`."""
    if missing := absent("deep"):
        yield skipped(
            "performance",
            "miniature study",
            "predictions",
            f"needs the extra deep ({', '.join(missing)} not installed)",
        )
        return
    found = {(r["model"], r["case_id"]): float(r["score"]) for r in predictions(progress)}
    text = files("hybridcx.qualification").joinpath(EXPECTED).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        value = found.get((row["model"], row["case_id"]), float("nan"))
        case, expected = f"case {row['case_id']}", float(row["score"])
        source = "recorded at the release"
        yield compared("performance", case, row["model"], "hybridcx run", "score", value, expected, TOLERANCE, source)


def predictions(progress: Progress) -> list[dict[str, str]]:
    """The rows of the study's predictions on its test cases, computed in a folder that is removed."""
    from hybridcx.commands.run import run

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        as_file(files("hybridcx.qualification") / STUDY) as study,
    ):
        folder = Path(scratch)
        run(study, out=folder / "study", cache=folder / "cache", jobs=1, images=False, models=False, progress=progress)
        with (folder / "study" / "predictions.csv").open(encoding="utf-8", newline="") as file:
            return [r for r in csv.DictReader(file) if r.get("split") in (None, "test")]
