"""The command `hybridcx verify` and its twin `hybridcx.verify`: do the numbers of a report follow from its predictions.

Three independent checks: the files have the hashes that provenance.json records; the numbers equal those recomputed from the predictions and
options in the folder (which finds a changed number even where its hash was changed too); and a list of the files that could not be recomputed.
Nothing is written into the folder.

(The module is not called `verify`, which would hide the function of that name.)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import escape

from hybridcx.commands.options import ReportFolder, ReportsProgress, documented
from hybridcx.errors import InputError, Problem, printable
from hybridcx.progress import Progress
from hybridcx.records.finished_lineage import LINEAGE, lineage_problems
from hybridcx.records.report_parquet import read_report_parquet
from hybridcx.report.formats.r_program import program
from hybridcx.store import provenance
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.json_file import read_json
from hybridcx.store.report_folder import INNER, OWN_FILES, PROVENANCE, contents
from hybridcx.verification.cells import Compared, compare_cells
from hybridcx.verification.recompute import PAGE, Recomputed, ledger_of, read_written, reason_of, recompute

COMMANDS = ("agreement", "audit", "compare", "plan", "run", "validate")
ONLY_WORDS = ("checklist.csv", "data_dictionary.csv")
"""Tables without numbers, whose wording differs between versions."""
EXACT = "compared exactly: this is the code, the packages and the kind of processor that made the report"
TOLERANT = "compared to 1e-9 relative, resampled values within 4 Monte Carlo errors: the report was made with {why}, so last digits may differ"
OLDER_PAGE = "the page is compared with its recomputation only by the code that wrote it"
STYLED_PAGE = "the page has the journal style {style} of an older version, which this one does not write; tables have no style and were recomputed"
SOURCE = "input of the report"
MAX_SHOWN = 20
MAX_NAMED = 8


@dataclass(frozen=True, slots=True, repr=False)
class Verification:
    """The result of `verify`.

    `folder`: the report.
    `files`: file, status (unchanged, changed, missing, added). `numbers`: file, numbers, words (cells recomputed), differences. `differences`:
    file, row (its key), column, found, recomputed. `not_recomputed`: file, reason; of these only the hash was checked. `agrees`: no file
    changed, missing or added and no difference. `how`: exactly or within which tolerance, and why.
    """

    folder: Path
    files: pd.DataFrame
    numbers: pd.DataFrame
    differences: pd.DataFrame
    not_recomputed: pd.DataFrame
    how: str

    def __repr__(self) -> str:
        """What the command line prints last."""
        return lines_of(self)[-1]

    @property
    def agrees(self) -> bool:
        """Whether every file is unchanged and every number was reproduced."""
        return not len(self.differences) and bool((self.files["status"] == "unchanged").all())


@documented
def verify(folder: ReportFolder, *, progress: ReportsProgress = None) -> Verification:
    """Recompute every number of a finished report.

    The numbers are recomputed from the predictions (or ratings, ...) and the options in the folder; the files are compared with their hashes.
    The folder is read, never written to. On the command line the exit code is 1 if something differs.

    Raises
    ------
    InputError
        where the folder is not a finished report of hybridcx, or was made by a newer version.
    """
    progress = progress or Progress(quiet=True)
    path = Path(folder)
    record = _record(path)
    files = _files(path, record["files"])
    why = _otherwise(record)
    with tempfile.TemporaryDirectory(prefix="hybridcx-verify-") as scratch:
        progress.say("Recomputing the report from the files in its folder.")
        report, differences = _recomputed(path, record, Path(scratch).resolve())
        compared, not_recomputed = _compared(path, record, report, exact=why == "")
    differences += [d for c in compared.values() for d in c.differences]
    if record["command"] == "run" or record["options"].get("estimators"):
        differences += _lineage(path)
    columns = ["file", "row", "column", "found", "recomputed"]
    return Verification(
        path,
        files,
        pd.DataFrame(
            [(n, c.numbers, c.words, len(c.differences)) for n, c in compared.items()],
            columns=["file", "numbers", "words", "differences"],
        ),
        pd.DataFrame(differences, columns=columns, dtype=object),
        pd.DataFrame(sorted(not_recomputed.items()), columns=["file", "reason"], dtype=object),
        TOLERANT.format(why=why) if why else EXACT,
    )


def _record(path: Path) -> dict[str, Any]:
    """The provenance of a finished report. Raises InputError where there is none that can be used."""
    remedy = "give the folder of a finished report, the one that holds report.html"
    if not path.is_dir():
        raise InputError(Problem("there is no such folder", str(path), remedy=remedy))
    place = path / PROVENANCE
    try:
        record = read_json(place)
    except FileNotFoundError:
        raise InputError(
            Problem("the folder is no finished report of hybridcx: it has no provenance.json", str(path), remedy=remedy)
        ) from None
    except (OSError, ValueError) as error:
        rule = "the file cannot be read as JSON"
        raise InputError(Problem(rule, str(place), value=str(error), remedy="make the report again")) from None
    version = record.get("schema_version") if isinstance(record, dict) else None
    if isinstance(version, int) and version > provenance.SCHEMA_VERSION:
        rule = f"the folder was made by a newer hybridcx (schema {version}, this one knows {provenance.SCHEMA_VERSION})"
        raise InputError(Problem(rule, str(path), remedy="update hybridcx"))
    if not isinstance(version, int):
        raise InputError(Problem("the file is not a provenance record of hybridcx", str(place), remedy=remedy))
    damaged = [k for k in ("options", "files", "inputs", "environment") if not isinstance(record.get(k), dict)]
    if not damaged and not isinstance(record["environment"].get("packages"), dict):
        damaged.append("environment.packages")
    damaged += [
        k for k in ("files", "inputs") if k not in damaged and not all(isinstance(h, str) for h in record[k].values())
    ]
    if damaged:
        rule = f"the provenance record is damaged: {', '.join(damaged)} must be names with their values"
        raise InputError(Problem(rule, str(place), remedy="make the report again"))
    if record.get("command") not in COMMANDS:
        rule = "reports of this command cannot be verified"
        raise InputError(Problem(rule, str(place), value=record.get("command"), remedy=f"known: {', '.join(COMMANDS)}"))
    return record


def _files(path: Path, recorded: Mapping[str, str]) -> pd.DataFrame:
    here = {n: regular for n, regular in contents(path).items() if not (regular and n in (PROVENANCE, *OWN_FILES))}
    if (path / INNER).is_dir() and not (path / INNER).is_symlink():
        here.pop(INNER, None)  # empty
    rows = []
    for name in sorted({*recorded, *here}):
        if name not in here:
            status = "missing"
        elif name not in recorded:
            status = "added"
        else:
            status = "unchanged" if here[name] and _sha256(path / name) == recorded[name] else "changed"
        rows.append((name, status))
    return pd.DataFrame(rows, columns=["file", "status"], dtype=object)


def _sha256(path: Path) -> str | None:
    """The hash of a file, None where it cannot be read."""
    try:
        return sha256_file(path)
    except OSError:
        return None


def _otherwise(record: Mapping[str, Any]) -> str:
    """What differs between the machine and code that made the report and this one, in words; empty where nothing does."""
    then, now = record.get("environment", {}), provenance.environment()
    different = []
    if then.get("hybridcx") != now["hybridcx"] or then.get("code_sha256") != now["code_sha256"]:
        different.append(f"other code of hybridcx ({then.get('hybridcx')})")
    packages, ours = then.get("packages", {}), provenance.package_versions()
    numeric = ("numpy", "scipy", "pandas")
    different += [f"{name} {packages.get(name)}" for name in numeric if packages.get(name) != ours.get(name)]
    if then.get("python") != now["python"]:
        different.append(f"Python {then.get('python')}")
    if any(then.get(k) != now[k] for k in ("machine", "processor", "platform")):
        different.append("another machine or system")
    return ", ".join(different)


def _recomputed(path: Path, record: Mapping[str, Any], scratch: Path) -> tuple[Recomputed | None, list[dict[str, str]]]:
    """The recomputed report, and the problems of its input and of its ledger; None where it cannot be recomputed."""
    if odd := sorted(n for n, regular in contents(path).items() if not regular and "/" not in n and _waits(path / n)):
        return None, [_difference(SOURCE, "", n, "a pipe, a device or the like", "a file") for n in odd]
    try:
        report = recompute(path, record, scratch)
    except InputError as error:
        problems = error.problems[:MAX_SHOWN]
        return None, [_difference(SOURCE, "", "cannot be analysed", str(p), "sound input") for p in problems]
    except Exception as error:  # whatever a damaged record or ledger leads to is a finding about the report
        what = f"{type(error).__name__}: {error}".replace(str(scratch), "").replace(f"{path}/", "")
        return None, [_difference(SOURCE, "", "cannot be recomputed", what, "sound input")]
    return report, [_difference("predictions.csv", "", "", note, "the same") for note in report.notes]


def _waits(path: Path) -> bool:
    """Whether reading `path` may wait for ever."""
    return path.exists() and not path.is_dir() and not path.is_file()


def _lineage(path: Path) -> list[dict[str, str]]:
    """Whether a model of the run was fitted on a case that it is tested on."""
    try:
        problems = lineage_problems(path / LINEAGE, ledger_of(path))
    except Exception:
        return []  # the ledger itself is damaged, which is reported already
    return [_difference(LINEAGE, "", "", str(replace(p, file=None)), "no fit on a test case") for p in problems]


def _difference(file: str, row: str, column: str, reported: str, recomputed: str) -> dict[str, str]:
    return {"file": file, "row": row, "column": column, "found": reported, "recomputed": recomputed}


def _compared(
    path: Path, record: Mapping[str, Any], recomputed: Recomputed | None, *, exact: bool
) -> tuple[dict[str, Compared], dict[str, str]]:
    """Every file compared with its recomputation, and the files without one, with the reason."""
    compared: dict[str, Compared] = {}
    names = [n for n in sorted({*record["files"], *(p.name for p in path.glob("*.csv"))}) if (path / n).is_file()]
    rest = {n: reason_of(n) for n in names}
    if recomputed is None:
        return compared, dict.fromkeys(rest, "the report could not be recomputed")
    same_version = record.get("environment", {}).get("hybridcx") == provenance.version()
    for new in sorted(recomputed.folder.glob("*.csv")):
        if new.name in ONLY_WORDS and not exact:
            continue
        if (path / new.name).is_file():
            compared[new.name] = compare_cells(path / new.name, new, exact=exact, wording=same_version)
            rest.pop(new.name, None)
        elif exact and new.name not in record["files"]:
            compared[new.name] = Compared(differences=[_difference(new.name, "", "", "no such file", "a table")])
    parquet = path / "predictions.parquet"
    if parquet.is_file() and (path / "predictions.csv").is_file():
        compared[parquet.name] = _same_ledger(path)
        rest.pop(parquet.name, None)
    if exact:
        compared[PROVENANCE] = _same_options(record["options"], recomputed.options)
    if "report.html" in rest:
        if not recomputed.page:
            rest["report.html"] = PAGE
        elif not exact:
            style = str(record.get("style", "plain"))
            rest["report.html"] = OLDER_PAGE if style == "plain" else STYLED_PAGE.format(style=printable(style))
        else:
            compared["report.html"] = _same_page(path / "report.html", record["options"], recomputed)
            rest.pop("report.html")
    if exact and "recompute.R" in rest:
        compared["recompute.R"] = _same_program(path / "recompute.R", record["options"])
        rest.pop("recompute.R")
    return compared, rest


def _same_ledger(path: Path) -> Compared:
    """Compare the ledger as CSV and as Parquet."""
    out, name = Compared(), "predictions.parquet"
    text = read_written(path / "predictions.csv")
    try:
        frame = read_report_parquet(path / name)
    except InputError as error:
        out.differences.append(_difference(name, "", "", f"cannot be read ({error.problems[0].rule})", "the ledger"))
        return out
    if list(map(str, frame.columns)) != list(text.columns) or len(frame) != len(text):
        shape = f"{len(frame)} rows of {', '.join(map(str, frame.columns))}"
        out.differences.append(
            _difference(name, "", "", shape, f"{len(text)} rows of {', '.join(map(str, text.columns))}")
        )
        return out
    for column in text.columns:
        a, b = frame[column].tolist(), text[column].tolist()
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            missing = x is None or x is pd.NA or x != x
            same = y is None if missing else y is not None and (float(y) == x if isinstance(x, float) else str(x) == y)
            if not same:
                key = f"case_id {text['case_id'].iloc[i]}, model {text['model'].iloc[i]}"
                out.differences.append(_difference(name, key, str(column), str(x), f"{y} in predictions.csv"))
        numeric = pd.api.types.is_float_dtype(frame[column].dtype)
        out.numbers += len(a) if numeric else 0
        out.words += 0 if numeric else len(a)
    return out


def _same_options(recorded: Mapping[str, object], recomputed: Mapping[str, object]) -> Compared:
    """Compare the recorded options, and the hash of the plan, with those of the recomputation."""
    out = Compared()
    for name, value in json.loads(json.dumps(recomputed, default=str)).items():
        if name in recorded and name != "input_warnings":
            out.words += 1
            if recorded[name] != value:
                out.differences.append(_difference(PROVENANCE, "options", name, str(recorded[name]), str(value)))
    return out


def _same_program(path: Path, options: Mapping[str, object]) -> Compared:
    """Compare the R program with the one that this version writes: a changed program could print PASS for any numbers."""
    out = Compared(words=1)
    if path.read_bytes() != program(options).encode("utf-8"):
        out.differences.append(_difference(path.name, "", "", "another program", "the program that hybridcx writes"))
    return out


def _same_page(page: Path, recorded: Mapping[str, Any], recomputed: Recomputed) -> Compared:
    """Compare the page with its recomputation, except for the hashes of the inputs.

    Warnings about the input (a column that was left out) cannot be recomputed from the ledger: where they differ, only the lines with digits
    are compared, without these warnings, whatever their order: another caveat may have moved to the first screen.
    """
    out = Compared()
    again = (recomputed.folder / "report.html").read_text(encoding="utf-8")
    for copy, original in recomputed.swapped.items():
        again = again.replace(copy, original)
    page_here = page.read_bytes().decode("utf-8", errors="replace").split("\n")
    page_again = again.split("\n")
    options: tuple[Mapping[str, Any], ...] = (recorded, recomputed.options)
    warnings, warnings_again = ([str(w) for w in o.get("input_warnings", ())] for o in options)
    if warnings != warnings_again:
        known = {
            "<h3>Caveats</h3>",
            '<h2 id="full-answer-title">The answer in full</h2>',
            *(f"<li>{escape(w)}</li>" for w in (*warnings, *warnings_again)),
        }  # no other caveat, no heading
        page_here, page_again = (
            sorted(line for line in lines if any(c.isdigit() for c in line) and line.strip() not in known) for lines in (page_here, page_again)
        )  # fmt: skip
    out.words = len(page_again)
    for i in range(max(len(page_here), len(page_again))):
        a, b = (lines[i] if i < len(lines) else "(no such line)" for lines in (page_here, page_again))
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
            cut = slice(max(0, at - 30), at + 60)
            out.differences.append(_difference(page.name, f"line {i + 1}", "", printable(a[cut]), printable(b[cut])))
            if len(page_here) != len(page_again):  # all later lines are shifted
                break
    return out


def lines_of(result: Verification) -> list[str]:
    """The lines that the command prints: tables recomputed, differences, changed files, files that were not recomputed."""
    tables = result.numbers[~result.numbers["file"].isin(("report.html", "recompute.R", PROVENANCE))]
    held = tables[(tables["numbers"] + tables["words"] + tables["differences"]) > 0]
    lines = [_of_table(row) for row in held.to_dict("records")]
    if empty := sorted({*tables["file"]} - {*held["file"]}):
        lines.append(f"empty, as expected: {', '.join(empty)}")
    page = result.numbers.loc[result.numbers["file"] == "report.html", "differences"].tolist()
    lines += [f"report.html: recomputed, {f'{n} lines DIFFERENT' if n else 'identical'}" for n in page]
    for reason, names in result.not_recomputed.groupby("reason")["file"]:
        few = names.tolist()[:MAX_NAMED]
        more = f" and {len(names) - len(few)} more" if len(names) > len(few) else ""
        lines.append(f"not recomputed, only the hash was checked ({reason}): {', '.join(map(printable, few))}{more}")
    lines.append(f"Numbers were {result.how}.")
    for row in result.differences.head(MAX_SHOWN).to_dict("records"):
        place = ": ".join(p for p in (row["file"], row["row"], row["column"]) if p)
        # the problems of the lineage are sentences whose values are printable already
        lines.append(
            f"DIFFERENT {LINEAGE}: {row['found']}"
            if row["file"] == LINEAGE
            else f"DIFFERENT {printable(place)}: found {printable(row['found'])}, recomputed {printable(row['recomputed'])}"
        )
    if len(result.differences) > MAX_SHOWN:
        lines.append(f"... and {len(result.differences) - MAX_SHOWN} further differences")
    for status in ("changed", "missing", "added"):
        lines += [
            f"{status.upper()} {printable(n)}" for n in result.files.loc[result.files["status"] == status, "file"]
        ]
    return [*lines, _conclusion(result, int(tables["numbers"].sum()), len(tables))]


def _of_table(row: Mapping[Any, Any]) -> str:
    wrong = f", {row['differences']} DIFFERENT" if row["differences"] else ""
    return f"{printable(row['file'])}: {row['numbers']} numbers and {row['words']} words recomputed{wrong}"


def _conclusion(result: Verification, numbers: int, tables: int) -> str:
    files = len(result.files)
    if result.agrees:
        return f"The report agrees: {numbers} numbers in {tables} files recomputed, {files} files unchanged."
    odd = int((result.files["status"] != "unchanged").sum())
    return (
        f"The report does NOT agree: {len(result.differences)} differences in {numbers} numbers recomputed; "
        f"{odd} of {files} files changed, missing or added."
    )
