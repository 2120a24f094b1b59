"""Recomputes a report from its folder: ledger, readings, cohort, published table and recorded options.

Everything is written to another folder, never into the report's.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridcx.analysis.external import validation_tables
from hybridcx.analysis.plan import Plan
from hybridcx.cohort.record import cohort_of
from hybridcx.cohort.splits import Split
from hybridcx.commands import plan
from hybridcx.commands.agreement import agreement
from hybridcx.commands.audit import audit
from hybridcx.commands.compare import compare
from hybridcx.commands.options import QUESTIONS, options_of
from hybridcx.commands.publish import plan_options
from hybridcx.commands.validate import sides_of
from hybridcx.errors import InputError, Problem
from hybridcx.pipeline.analysed import LEDGER_NAME, AnalysisInput, DividedCohort, analyse_run
from hybridcx.pipeline.size_ledger import size_ledger
from hybridcx.pipeline.units import hashes_sha256
from hybridcx.progress import Progress
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.records.report_parquet import read_report_parquet
from hybridcx.records.tables import ROWS
from hybridcx.report.formats.csv import write_table, write_tables
from hybridcx.store.artefacts import sha256_file
from hybridcx.vocabulary.columns import Column

SILENT = Progress(quiet=True)
_TRAINED = "result of training, which is not repeated"
_IMAGES = "computed from the images, which are not in the folder"
_FORM = "another form of the page and the tables"
REASONS: Mapping[str, str] = {
    "learning_curves.csv": _TRAINED,
    "heads.csv": _TRAINED,
    "tuning.csv": _TRAINED,
    "ensembles.csv": _TRAINED,
    "lineage.json": "result of training, which is not repeated; its fits were compared with the test cases",
    "near_duplicates.csv": _IMAGES,
    "shortcuts.csv": _IMAGES,
    "neighbours.csv": _IMAGES,
    "saliency.csv": _IMAGES,
    "pointing.csv": _IMAGES,
    "lesions.csv": _IMAGES,
    "casebook/": _IMAGES,
    **dict.fromkeys(
        ("latex/", "figures/", "parquet/", "report.docx", "report.md", "paper.md", "references.bib"), _FORM
    ),
    "checklist.csv": "words alone",
    "data_dictionary.csv": "words alone",
    "hybridcx.log": "messages of the command",
    "experiment.json": "the configuration itself",
    "printed.csv": "an input",
    "cohort.csv": "an input",
    "inside_predictions.csv": "an input",
    "models.csv": _TRAINED,
    "models/": "trained models, which are not trained again",
    "overlap.csv": _IMAGES,
    "ratings.csv": "an input",
    "runs.csv": "computed from the compared runs, which are not in the folder",
    "recompute.R": "a program",
}
READING = ("columns", "guess", "model_names")
"""Options of `compare` that concern the layout of the input alone."""
PAGE = "the page also describes trainings or compared runs; its tables were recomputed"


@dataclass(slots=True)
class Recomputed:
    """A recomputed report. `folder` has its files. `page`: its page can be compared with the report's. `swapped`: hashes on the page, of the copies
    that were read -> of the original inputs. `options`: the options as the recomputation records them. `notes`: differences of the inputs.
    """

    folder: Path
    page: bool = False
    swapped: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def reason_of(name: str) -> str:
    """Why a file of a report is not recomputed."""
    folder = f"{name.split('/')[0]}/" if "/" in name else ""
    return REASONS.get(folder) or REASONS.get(name) or "the folder does not hold its input"


def read_written(path: Path) -> pd.DataFrame:
    """A CSV that hybridcx wrote, as text; None where it has NA (the text "NA" is quoted there)."""
    raw = re.sub(rb'(?<=[,\n])"NA"(?=[,\r\n])', b'"\x01NA"', path.read_bytes())
    frame = pd.read_csv(io.BytesIO(raw), dtype=object, keep_default_na=False, na_filter=False, encoding="utf-8")
    frame = frame.astype(object).rename(columns={"\x01NA": "NA"})
    return frame.where(frame != "NA", None).replace("\x01NA", "NA")


def ledger_of(folder: Path) -> pd.DataFrame:
    """The predictions of a report: predictions.csv, or predictions.parquet where there is no CSV. Scores are numbers, all else text."""
    text, parquet = folder / "predictions.csv", folder / "predictions.parquet"
    ledger = read_written(text) if text.exists() else read_report_parquet(parquet)
    if "score" in ledger:
        ledger["score"] = pd.to_numeric(ledger["score"].map(lambda v: None if v is None else float(v)))
    return ledger


def recompute(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    """Recompute the tables (and the page, except of a run) of the report in `folder`, below the empty folder `new`.

    Raises InputError, naming the folder's own files, where these cannot be analysed.
    """
    makers = {
        "compare": _compare,
        "agreement": _agreement,
        "audit": _audit,
        "plan": _plan,
        "run": _run,
        "validate": _validate,
    }
    try:
        return makers[record["command"]](folder, record, new)
    except InputError as error:
        raise InputError([_of_the_folder(p, folder, record) for p in error.problems]) from None


def _of_the_folder(problem: Problem, folder: Path, record: Mapping[str, Any]) -> Problem:
    """A problem of a copied input, with the file of the folder that the copy was made from instead of the input's name."""
    own = {"run": "predictions.csv", "compare": "predictions.csv", "agreement": "ratings.csv", "audit": "published.csv"}
    name = own.get(record["command"])
    if problem.file is None or name is None:
        return problem
    file, readers = problem.file.removesuffix(ROWS), record["options"].get("readers_file")
    if record["command"] == "run" and file != LEDGER_NAME:
        return problem
    if readers and Path(file).name == Path(readers).name:
        name = "ratings.csv"
    elif name == "predictions.csv" and not (folder / name).exists():
        name = "predictions.parquet"
    header = file != problem.file and name.endswith(".csv")  # the message counts rows, a CSV has lines
    return replace(problem, file=name, row=problem.row and problem.row + header)


def _copy(frame: pd.DataFrame, name: str, new: Path) -> Path:
    """Write the input of the report again, under its own name, with blank cells for missing values."""
    path = new.joinpath("inputs", *(part for part in Path(name).parts[-2:] if part not in ("..", "/", "\\")))
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.suffix.lower() in (".parquet", ".pq"):
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, na_rep="", lineterminator="\n")
    return path


def _inputs(record: Mapping[str, Any], *roles: str) -> dict[str, str]:
    """The file names of the inputs by role. Older reports record no roles: there a single input has the first role."""
    options, names = record["options"], list(record.get("inputs", {}))
    files = {r: str(options[f"{r}_file"]) for r in roles if options.get(f"{r}_file")}
    return files or (dict.fromkeys(roles[:1], names[0]) if len(names) == 1 else {})


def _finished(out: Path, record: Mapping[str, Any], copies: Mapping[str, Path]) -> Recomputed:
    provenance = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    swapped = {sha256_file(p): record["inputs"][n] for n, p in copies.items() if n in record.get("inputs", {})}
    return Recomputed(out, page=True, swapped=swapped, options=provenance["options"])


def _recorded_options(command: Callable[..., object], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with which a recorded command is called again: every option that provenance.json records, but for input files.

    Version 0.3 recorded `n_bootstrap` of `compare` as `n_resamples`.
    """
    names = [n for n, o in options_of(command).items() if o.recorded and not o.file]
    options = {"n_bootstrap": options.get("n_resamples"), **options}
    return {n: options[n] for n in names if options.get(n) is not None}


def _compare(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options = record["options"]
    ledger, inputs = ledger_of(folder), _inputs(record, "predictions", "readers")
    by_threshold = options.get("calls") == "by threshold"
    if by_threshold:  # computed again, and compared with the ledger's
        ledger = ledger.drop(columns="y_pred", errors="ignore")
    cluster = options.get("cluster") or "patient_id"
    if cluster != "patient_id":
        ledger = ledger.rename(columns={"patient_id": cluster})
    copies: dict[str, Path] = {}
    predictions: Path | pd.DataFrame | list[Path] = ledger
    if options.get("runs"):  # the folders of the runs are not here, their predictions are in the ledger
        inputs.pop("predictions", None)
    if "predictions" in inputs:
        predictions = copies[inputs["predictions"]] = _copy(ledger, inputs["predictions"], new)
    if models_of_files := options.get("models_of_files"):
        for name, models in models_of_files.items():
            copies[name] = _copy(ledger[ledger["model"].isin(models)], name, new)
        predictions = list(copies.values())
    readers: Path | pd.DataFrame | None = None
    if (folder / "ratings.csv").exists():
        readers = read_written(folder / "ratings.csv")
        if "readers" in inputs:
            readers = copies[inputs["readers"]] = _copy(readers, inputs["readers"], new)
    compare(
        predictions,
        out=new / "report",
        readers=readers,
        progress=SILENT,
        **_recorded_options(
            compare,
            {
                **options,
                "threshold": options.get("threshold_rule") or options["threshold"],
                "cluster": None if cluster == "patient_id" else cluster,
                **dict.fromkeys(READING),  # the ledger has our columns
            },
        ),
    )
    recomputed = _finished(new / "report", record, copies)
    recomputed.options |= {name: options[name] for name in READING if name in options}
    for name in ("runs", "estimators"):  # what was trained, on the page and in tables of its own, is not here
        if options.get(name):
            recomputed.page, recomputed.options[name] = False, options[name]
    if not recomputed.page:
        for name in ("data_dictionary.csv", "checklist.csv"):
            (recomputed.folder / name).unlink()
    return recomputed


def _agreement(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options = record["options"]
    name = _inputs(record, "ratings").get("ratings", "ratings.csv")
    copy = _copy(read_written(folder / "ratings.csv"), name, new)
    agreement(copy, out=new / "report", progress=SILENT, **_recorded_options(agreement, options))
    return _finished(new / "report", record, {name: copy})


def _audit(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options = record["options"]
    inputs, table = _inputs(record, "published"), read_written(folder / "published.csv")
    copies = {n: _copy(table, n, new) for n in inputs.values()}
    audit(next(iter(copies.values()), table), out=new / "report", progress=SILENT, **_recorded_options(audit, options))
    return _finished(new / "report", record, copies)


def _plan(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options = record["options"]
    question = str(options.get("question"))
    if question not in QUESTIONS:
        raise ValueError(f"the recorded question is {question!r}, not one of {', '.join(QUESTIONS)}")
    asked = getattr(plan, question)
    asked(out=new / "report", progress=SILENT, **_recorded_options(asked, options))
    return _finished(new / "report", record, {})


def _validate(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options, out = record["options"], new / "report"
    out.mkdir()
    inside = read_written(folder / "inside_predictions.csv")
    inside["score"] = inside["score"].astype(float)
    planned = Plan.of({**options, "by": options["plan_by"]})
    sides = sides_of(inside, ledger_of(folder), options["positive"], planned.threshold)
    tables = validation_tables(
        *sides, planned, options["case_mix"], recalibrate=options["recalibrate"], by=tuple(options["by"])
    )
    undescribed = {(name, str(c)): Column("", "") for name, table in tables.items() for c in table.columns}
    write_tables(out, tables, command="validate", further_columns=undescribed)
    for path in out.glob("*.csv"):  # of the models and the images there are only headers here
        if path.stem not in tables:
            path.unlink()
    return Recomputed(out, options=plan_options(planned) | {"by": options["by"]})


# A run: its statistics, not its training


def _run(folder: Path, record: Mapping[str, Any], new: Path) -> Recomputed:
    options, out = record["options"], new / "report"
    out.mkdir()
    planned = Plan.of(options)
    most = options_of(compare)["n_bootstrap"].high or 0
    if not all(isinstance(n, int) and 0 < n <= most for n in (planned.n_resamples, planned.n_refits)):
        raise ValueError(f"the recorded numbers of resamples must be whole numbers from 1 to {most:,.0f}")
    result = Recomputed(out, options=plan_options(planned))
    ledger, configured = ledger_of(folder), options.get("experiment") or {}
    predictions = predictions_from_frame(
        ledger, positive=options.get("positive"), threshold=planned.threshold, name=LEDGER_NAME, own=True
    )
    called = _called_again(ledger, predictions.labels, planned.threshold)
    write_table(out / "predictions.csv", called)
    sizes = None
    if (folder / "training_size_predictions.csv").exists():
        sizes = _sizes_again(folder, called, planned.threshold, predictions.labels)
        write_table(out / "training_size_predictions.csv", sizes)
    data = AnalysisInput(
        ledger,
        options.get("positive"),
        planned,
        divided=_divided_cohort(folder, record, predictions.labels, ledger, result),
        averaged=tuple(configured["networks"]["names"]) if configured.get("ensembles", {}).get("seeds") else (),
        sizes=sizes,
        printed=_printed(folder),
    )
    tables = analyse_run(data).tables
    configuration = folder / "experiment.json"
    if configuration.is_file() and json.loads(configuration.read_text(encoding="utf-8")) != options.get("experiment"):
        result.notes.append("experiment.json is not the configuration that provenance.json records")
    undescribed = {(name, str(c)): Column("", "") for name, table in tables.items() for c in table.columns}
    write_tables(out, tables, command="run", further_columns=undescribed)
    for path in out.glob("*.csv"):  # tables of trainings, images or the cohort have only headers here
        if path.stem not in (*tables, "predictions", "training_size_predictions") and (
            path.name in REASONS or not _no_rows(folder / path.name)
        ):
            path.unlink()
    return result


def _called_again(rows: pd.DataFrame, labels: Sequence[str], threshold: float) -> pd.DataFrame:
    """Rows of predictions with calls computed again from the scores, also for disputed cases."""
    called = np.array(labels, dtype=object)[(rows["score"].to_numpy(float) >= threshold).astype(int)]
    return rows.assign(y_pred=pd.Series(called, index=rows.index, dtype=object))


def _printed(folder: Path) -> pd.DataFrame | None:
    """The published table of a run, with its numbers as numbers; None where the run had none."""
    if not (folder / "printed.csv").exists():
        return None
    printed = read_written(folder / "printed.csv")
    return printed.assign(**{c: printed[c].astype(float) for c in ("printed", "half.unit")})


def _sizes_again(folder: Path, ledger: pd.DataFrame, threshold: float, labels: Sequence[str]) -> pd.DataFrame:
    """training_size_predictions.csv with calls computed again from the scores; the rows of the full training set come from the ledger."""
    rows = read_written(folder / "training_size_predictions.csv")
    for column in ("score", "share"):
        rows[column] = rows[column].astype(float)
    parts, whole = rows[rows["share"] < 1], rows[rows["share"] == 1]
    n_train = {int(s): int(n) for s, n in zip(whole["seed"], whole["n_train"], strict=True)}
    return size_ledger(_called_again(parts, labels, threshold), ledger, n_train)


def _no_rows(path: Path) -> bool:
    return path.is_file() and path.read_bytes().count(b"\n") <= 1


def _divided_cohort(
    folder: Path, record: Mapping[str, Any], labels: tuple[str, str], ledger: pd.DataFrame, result: Recomputed
) -> DividedCohort | None:
    """Cohort and division from cohort.csv and split.csv, None without cohort.csv.

    Adds a note to `result` for each case whose split or truth differs in predictions.csv, and for a split with another hash than recorded.
    """
    if not (folder / "cohort.csv").exists():
        return None
    cohort, split = cohort_of(read_written(folder / "cohort.csv"), labels, record["options"].get("votes", ()))
    several = not (cohort.frame["split"] != "").any()  # trainings that divide the cohort differently
    result.notes += _differing_cases(ledger, cohort.frame, ("y_true",) if several else ("split", "y_true"))
    table = read_written(folder / "split.csv") if several else split.frame()
    sha256 = _divisions_sha256(table) if several else split.sha256
    if several:
        result.notes += _differing_divisions(ledger, table)
    if record.get("split_sha256", sha256) != sha256:
        result.notes.append("the split is not the one whose hash provenance.json records")
    return DividedCohort(cohort, None if several else split, table)


def _differing_cases(ledger: pd.DataFrame, cohort: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The cases whose `columns` (split, y_true) in predictions.csv are not those of cohort.csv."""
    in_ledger = ledger[["case_id", "split", "y_true"]].drop_duplicates()
    in_cohort = cohort[["case_id", "split", "label"]].rename(columns={"label": "y_true"})
    both = in_ledger[in_ledger["split"] != "disputed"].merge(
        in_cohort, on="case_id", how="left", suffixes=("", ".cohort")
    )
    return [
        f"case {row['case_id']}: {c} {row[c]} in predictions.csv, {row[f'{c}.cohort']} in cohort.csv"
        for row in both.to_dict("records")
        for c in columns
        if row[c] != row[f"{c}.cohort"]
    ]


def _divisions_sha256(divisions: pd.DataFrame) -> str:
    """The hash that a run of several divisions records, from its split.csv."""
    splits = [
        Split(part.set_index("case_id")["split"], pd.DataFrame(), "file")
        for _, part in divisions.groupby(["seed", "fold"], sort=False, dropna=False)
    ]
    return hashes_sha256([s.sha256 for s in splits])


def _differing_divisions(ledger: pd.DataFrame, divisions: pd.DataFrame) -> list[str]:
    """The cases whose part, in one seed and fold, differs between predictions.csv and split.csv."""
    keys = ["case_id", "seed", *(["fold"] if "fold" in ledger else [])]
    parts = ledger[ledger["split"] != "disputed"][[*keys, "split"]].drop_duplicates().astype(str)
    both = parts.merge(divisions[[*keys, "split"]].astype(str), on=keys, how="left", suffixes=("", ".file"))
    return [
        f"case {row['case_id']}, seed {row['seed']}: split {row['split']} in predictions.csv, {row['split.file']} in split.csv"
        for row in both[both["split"] != both["split.file"]].to_dict("records")
    ]
