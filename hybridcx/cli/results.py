"""What each command prints, and its exit code: 1 where the command has finished and its answer is a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hybridcx.errors import printable_path


def print_page(report: Any, values: Mapping[str, Any]) -> int:
    """The path of the page."""
    print(report.page)
    return 0


def answer_of(report: Any) -> str:
    """The answer of a report, which its page has on the first screen; "" of another result, and without one."""
    from hybridcx.report.answers import sentences

    found = sentences(report.content) if hasattr(report, "content") else []
    return found[0] if found else ""


def print_audit(report: Any, values: Mapping[str, Any]) -> int:
    """The path of the page; exit code 1 where the table cannot be true as printed."""
    from hybridcx.commands.audit import can_be_true

    print(report.page)
    return 0 if can_be_true(report.tables) else 1


def print_plan(report: Any, values: Mapping[str, Any]) -> int:
    """The path of the page, and the sentence for the protocol."""
    from hybridcx.narrative.planning import sentence, software

    print(report.page)
    print(" ".join([*sentence(report.tables["plan"]), software()]))
    return 0


def print_checked(checked: Any, values: Mapping[str, Any]) -> int:
    """The kind of file and its contents, then each problem in a line; exit code 1 where there is an error."""
    from hybridcx.commands.check import NAMES

    errors = [p for p in checked.problems if p.severity == "error"]
    warnings = [p for p in checked.problems if p.severity != "error"]
    print(f"{printable_path(values['file'])}: {NAMES[checked.kind]}" + (f" ({checked.holds})" if checked.holds else ""))
    for line in checked.needs:
        print(line)
    for p in errors:
        print(f"- {p}")
    for p in warnings:
        print(f"- Warning: {p}")
    n, m = len(errors), len(warnings)
    print(f"{n or 'no'} problem{'' if n == 1 else 's'}, {m or 'no'} warning{'' if m == 1 else 's'}")
    return 0 if checked.sound else 1


def print_verification(verification: Any, values: Mapping[str, Any]) -> int:
    """The lines of the verification; exit code 1 where something differs."""
    from hybridcx.verification.verify import lines_of

    print("\n".join(lines_of(verification)))
    return 0 if verification.agrees else 1


def print_qualification(qualification: Any, values: Mapping[str, Any]) -> int:
    """The path of the record and the result; exit code 1 where a case failed."""
    print(qualification.page)
    print(qualification)
    return 0 if qualification.passed else 1


def print_manifest(manifest: Any, values: Mapping[str, Any]) -> int:
    """The path of the phantom's manifest."""
    print(Path(values["folder"]) / "manifest.csv")
    return 0


def print_cohort(cohort: Any, values: Mapping[str, Any]) -> int:
    """The path of the manifest, where its columns come from, then what could not be determined in a line each."""
    print(printable_path(cohort.path))
    for note in cohort.notes:
        print(note)
    for p in cohort.problems:
        print(f"- Warning: {p}")
    return 0


def print_estimate(estimate: Any, values: Mapping[str, Any]) -> int:
    """The estimate of hours, memory and disk."""
    print(estimate.text)
    return 0


PRINTED: Mapping[str, Callable[[Any, Mapping[str, Any]], int]] = {
    "audit": print_audit,
    "check": print_checked,
    "cohort": print_cohort,
    "verify": print_verification,
    "qualify": print_qualification,
    "phantom": print_manifest,
    "estimate": print_estimate,
    "plan": print_plan,
}
"""The command's own way of printing; the others print the path of their page."""
