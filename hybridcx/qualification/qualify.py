"""The command `hybridcx qualify` and its twin `hybridcx.qualify`: does the software do on this machine what it says.

Installation: versions, and the hashes of the installed files. Operation: every statistic against values that hybridcx did not make, by the functions
and through the commands. Performance: a fixed miniature study. On request simulations, and the user's own cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from hybridcx.commands.options import OwnCases, QualificationOut, ReportsProgress, Thorough, checked, documented
from hybridcx.commands.publish import Clock
from hybridcx.commands.result import output
from hybridcx.progress import OfPython, Progress
from hybridcx.qualification import (
    agreement,
    by_command,
    installation,
    one_model,
    performance,
    planning,
    ranks,
    resampled,
    simulations,
    two_models,
)
from hybridcx.qualification.case import Case
from hybridcx.qualification.record import PAGE, Record, write_record

STATISTICS: tuple[Callable[[], Iterable[Case]], ...] = (
    one_model.cases,
    two_models.cases,
    ranks.cases,
    resampled.cases,
    agreement.cases,
    planning.cases,
)
"""The cases of the functions in `hybridcx.stats`."""


@dataclass(frozen=True, slots=True, repr=False)
class Qualification:
    """The result of `qualify`.

    Attributes
    ----------
    cases : one row a case, with the columns of qualification.csv: area, case, statistic, function, quantity, expected, found, digits, tolerance,
        source, status (PASS, FAIL, SKIPPED) and note.
    folder : where the record was written; None without `out`.
    """

    cases: pd.DataFrame
    folder: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether no case failed."""
        return not bool((self.cases["status"] == "FAIL").any())

    @property
    def page(self) -> Path | None:
        """The path of qualification.html; None where nothing was written."""
        return None if self.folder is None else self.folder / PAGE

    def __repr__(self) -> str:
        return summary(self.cases)


def summary(cases: pd.DataFrame) -> str:
    """The result in one sentence."""
    n = cases["status"].value_counts()
    failed, skipped = int(n.get("FAIL", 0)), int(n.get("SKIPPED", 0))
    names = ", ".join(cases.loc[cases["status"] == "SKIPPED", "case"])
    without = f" Not checked here: {names}." if skipped else ""
    if failed:
        return f"FAIL: {failed:,} of {len(cases) - skipped:,} cases failed.{without}"
    return f"PASS: all {len(cases) - skipped:,} cases passed.{without}"


@documented
def qualify(
    *,
    out: QualificationOut = None,
    cases: OwnCases = None,
    thorough: Thorough = False,
    progress: ReportsProgress = None,
) -> Qualification:
    """Check the software on this machine against reference values.

    Installation, operation and performance, offline. On the command line the exit code is 1 if a case fails.

    Returns
    -------
    Qualification

    Raises
    ------
    InputError
        for own cases that cannot be read or computed; nothing has been written.
    """
    options = checked(qualify, locals())
    progress = progress or OfPython()
    clock = Clock()
    with output(out, "qualification", "qualify", progress) as folder:
        found = _cases(None if cases is None else Path(cases), thorough, progress)
        table = pd.DataFrame([asdict(c) for c in found])
        if folder is None:
            return Qualification(table)
        record = Record(found, installation.machine(), clock.times(), options, summary(table))
        write_record(folder, record)
        return Qualification(table, folder.path)


def _cases(own: Path | None, thorough: bool, progress: Progress) -> Sequence[Case]:
    quiet = Progress(quiet=True)  # the commands that are called here have nothing to say to the user
    of_user = [] if own is None else by_command.own_cases(own, quiet)
    progress.say("Installation.")
    found = list(installation.cases())
    progress.say("Operation: the statistics, and the commands compare and agreement.")
    for of_file in STATISTICS:
        found += of_file()
    found += by_command.cases(quiet)
    progress.say("Performance: the miniature study.")
    found += performance.cases(quiet)
    if thorough:
        progress.say("Simulations.")
        found += simulations.cases(progress)
    return [*found, *of_user]
