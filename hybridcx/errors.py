"""Errors with their problems and remedies. Every package may import this module; it imports none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_VALUE_CHARS = 80
MAX_TAIL_CHARS = 60
MAX_CASES = 10
_ESCAPED = ("C", "Zl", "Zp")


def _escaped(text: object) -> str:
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c).startswith(_ESCAPED) else c for c in str(text)
    )


def printable(text: object) -> str:
    """Return `text` safe for a terminal or a log: control, bidirectional and unassigned characters escaped, long text cut.

    A value from a file is quoted in messages; it must not be able to move the cursor or reverse the line it stands in.
    """
    out = _escaped(text)
    return out if len(out) <= MAX_VALUE_CHARS else out[: MAX_VALUE_CHARS - 1] + "…"


def printable_path(path: object) -> str:
    """Return a path as `printable` does, but cut in its middle, so that the name of the file stays.

    >>> printable_path("/home/" + "x" * 90 + "/predictions.csv").endswith("…/predictions.csv")
    True
    """
    out = _escaped(path)
    if len(out) <= MAX_VALUE_CHARS:
        return out
    name = len(out) - max(out.rfind("/"), out.rfind("\\"))  # with its separator; all of it where there is none
    tail = min(name, MAX_TAIL_CHARS)
    return out[: MAX_VALUE_CHARS - 1 - tail] + "…" + out[-tail:]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of an input: the `rule` that is broken, the place (`file`, `row`, `column`), the `value`, and the `remedy`.

    `row` is the line of the file as an editor counts it (the header is line 1).
    `severity` is "error" (refused) or "warning" (accepted with a message). `cases` are the case ids at the end of the message, a field of
    their own so that pseudonyms can replace them.
    """

    rule: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    value: object = None
    remedy: str | None = None
    severity: str = "error"
    cases: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = []
        if self.file is not None:
            where.append(printable_path(self.file))
        if self.row is not None:
            where.append(f"line {self.row}")
        if self.column is not None:
            where.append(f"column {printable(self.column)}")
        text = (", ".join(where) + ": " if where else "") + self.rule
        if self.cases:
            more = f" and {len(self.cases) - MAX_CASES} more" if len(self.cases) > MAX_CASES else ""
            text += ": " + ", ".join(map(printable, self.cases[:MAX_CASES])) + more
        if self.value is not None:
            text += f" (found: {printable(self.value)!r})"
        if self.remedy:
            text += f". {self.remedy[0].upper()}{self.remedy[1:]}"
        return text if text.endswith((".", "?", "!")) else text + "."


class HybridcxError(Exception):
    """Base of the errors that users can act on. `exit_code` is what the command line ends with (see docs/promises.md)."""

    exit_code = 70


class InputError(HybridcxError):
    """Bad input or usage. Carries every problem found, not only the first. Nothing has been written."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem] | str):
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)  # every problem comes back from another process


class MissingExtraError(InputError, ImportError):
    """Packages of an extra are not installed; `extra` is its name. Raised by `vocabulary.extras.need` alone. Nothing has been written."""

    def __init__(self, rule: str, extra: str, remedy: str):
        super().__init__(Problem(rule, remedy=remedy))
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.problems[0].rule, self.extra, str(self.problems[0].remedy))


class InputWarning(UserWarning):
    """Something about the input that a user should know: what was inferred, what is missing, what is not used."""


class StoppedError(HybridcxError):
    """Stopped partway (training diverged, the disk is full). Finished work is kept and the same command continues."""

    exit_code = 3


class DivergedError(StoppedError):
    """A training has diverged, which every process that takes part in it finds at the same step."""


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise InputError if one of `problems` is an error; warnings alone pass."""
    found = list(problems)
    if any(p.severity == "error" for p in found):
        raise InputError(p for p in found if p.severity == "error")
