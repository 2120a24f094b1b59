"""Finished report folders as the input of a comparison: their predictions as one table, and what differs in their configuration.

Runs that differ in nothing but the seed of one experiment are seeds of the same models: a column `seed`. Anything else are models of their own, named
`<run>/<model>`, on identical test cases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.records.finished_lineage import LINEAGE, lineage_problems
from hybridcx.records.report_parquet import read_report_parquet
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.json_file import read_json
from hybridcx.store.provenance import SCHEMA_VERSION
from hybridcx.store.report_folder import PROVENANCE
from hybridcx.vocabulary.run import RUNS

LEDGERS = ("predictions.parquet", "predictions.csv")
COMMANDS = ("run", "compare", "predict", "validate")
DEFAULT_THRESHOLD = 0.5
NAMING = ("name", "title", "description")
"""Keys of an experiment that name it and change no number."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One folder: the name in messages, what its provenance.json says, its predictions, and the file that they are from."""

    name: str
    record: dict[str, Any]
    frame: pd.DataFrame
    file: Path
    positive: str | None
    notes: tuple[str, ...] = ()

    @property
    def experiment(self) -> dict[str, Any] | None:
        """The experiment of a run, without its names and its seed; None for a comparison."""
        whole = self.record.get("options", {}).get("experiment")
        return None if whole is None else {k: v for k, v in whole.items() if k not in (*NAMING, "seed")}

    @property
    def seed(self) -> int:
        return int(self.record["options"]["experiment"]["seed"])

    def cases(self, part: str = "test") -> frozenset[str]:
        """The cases of one part of the cohort; without a column `split` all are test cases."""
        rows = self.frame if "split" not in self.frame else self.frame[self.frame["split"] == part]
        return frozenset(rows["case_id"]) if part == "test" or "split" in self.frame else frozenset()


@dataclass(frozen=True, slots=True)
class Joined:
    """Several folders as one: predictions, `runs` (run, key, value), the positive label, hashes of the files read, and what must be said."""

    frame: pd.DataFrame
    runs: pd.DataFrame
    positive: str | None
    inputs: dict[str, str]
    notes: tuple[str, ...]


def joined(folders: Sequence[Path], positive: str | None = None) -> Joined:
    """Read folders that `run` or `compare` made, and join their predictions.

    Raises InputError, for all folders at once: no folder of ours, of a newer schema, without predictions or with predictions that are not those
    of the report; a model that saw a test case; runs with different test cases, truths or patients.
    """
    problems: list[Problem] = []
    read: list[RunFolder] = []
    for path, name in zip(folders, _names(folders), strict=True):
        try:
            read.append(_read(path, name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    inputs = {f"{r.name}/{r.file.name}": sha256_file(r.file) for r in read}
    known = {r.positive for r in read}
    positive = positive or (next(iter(known)) if len(known) == 1 else None)
    if len(read) == 1:
        return Joined(read[0].frame, pd.DataFrame(columns=RUNS.header), positive, inputs, read[0].notes)
    runs = differing(read)
    if _seeds_of_one(read):
        frame, notes = _as_seeds(read)
    else:
        frame, notes = _as_models(read)
    return Joined(frame, runs, positive, inputs, (*notes, *(f"{r.name}: {note}" for r in read for note in r.notes)))


def _names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the folders apart."""
    parts = [p.resolve().parts for p in folders]
    if len(set(parts)) < len(parts):
        raise InputError(Problem("a folder is named twice", remedy="name each run once"))
    longest = max(map(len, parts))
    for n in range(1, longest + 1):
        names = ["/".join(p[-n:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [str(p) for p in folders]


def _read(path: Path, name: str) -> RunFolder:
    record = finished_record(
        path, "name a folder that `hybridcx run` or `hybridcx compare` made, or a file of predictions"
    )
    command, files = record["command"], dict(record.get("files", {}))
    if command not in COMMANDS:
        raise InputError(
            Problem(
                f"results of `hybridcx {command}` hold no predictions", str(path), remedy="name a run or a comparison"
            )
        )
    file, ledger = checked_ledger(path, files)
    if command == "run":
        _saw_no_test_case(path / LINEAGE, files, ledger)
    ledger, notes = _labelled(path, ledger, record["options"]) if command == "predict" else (ledger, ())
    return RunFolder(name, record, ledger, file, _positive(path) or record["options"].get("positive"), notes)


def _labelled(path: Path, ledger: pd.DataFrame, options: Mapping[str, Any]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The predictions of cases with a label, and what must be said of them. Raises InputError without any."""
    has_label = ledger["y_true"].notna()
    if not has_label.any():
        remedy = "give the manifest its column label, and predict again"
        raise InputError(
            Problem("these predictions have no labels: there is nothing to compare", str(path), remedy=remedy)
        )
    notes = []
    if not has_label.all():
        cases = ledger.drop_duplicates("case_id")["y_true"]
        notes.append(f"{int(cases.isna().sum())} of {len(cases)} predicted cases have no label and are left out.")
    if (threshold := options.get("threshold", DEFAULT_THRESHOLD)) != DEFAULT_THRESHOLD:
        notes.append(
            f"Calls are those at the run's threshold {threshold:g}. --threshold {threshold:g} takes it for net benefit as well."
        )
    return ledger[has_label].reset_index(drop=True), tuple(notes)


def finished_record(path: Path, remedy: str) -> dict[str, Any]:
    """The provenance of the finished report in a folder: with its command and the hashes of its files.

    Raises InputError for a folder without one, and one of a newer hybridcx.
    """
    try:
        record: dict[str, Any] = read_json(path / PROVENANCE)
        version, _ = int(record.get("schema_version", 0)), str(record["command"])
        dict(record.get("files", {}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            Problem(f"no finished report: there is no {PROVENANCE} of ours", str(path), remedy=remedy)
        ) from None
    if version > SCHEMA_VERSION:
        rule = f"the folder was made by a newer hybridcx (schema {version}, this one knows {SCHEMA_VERSION})"
        raise InputError(Problem(rule, str(path), remedy="update hybridcx"))
    return record


def checked_ledger(path: Path, files: Mapping[str, str]) -> tuple[Path, pd.DataFrame]:
    """The file of the predictions of a report and its rows. Raises InputError where it is absent or not the one of the hashes `files`."""
    file = next((path / f for f in LEDGERS if (path / f).is_file()), None)
    if file is None:
        raise InputError(Problem("the folder has no predictions", str(path), remedy="make the report again"))
    if files.get(file.name) != sha256_file(file):
        rule = "the predictions are not those that the report was made from"
        raise InputError(Problem(rule, str(file), remedy="make the report again, or compare the file itself"))
    return file, _ledger(file)


def _saw_no_test_case(lineage: Path, files: dict[str, str], ledger: pd.DataFrame) -> None:
    """Raises InputError where a model of the run was fitted on a case that it is tested on, or nothing says that it was not."""
    if lineage.is_file() and files.get(lineage.name) != sha256_file(lineage):
        rule = "the record of what was fitted on which cases is not the one that the run wrote"
        raise InputError(Problem(rule, str(lineage), remedy="make the report again"))
    if problems := lineage_problems(lineage, ledger):
        raise InputError(problems)


def _ledger(file: Path) -> pd.DataFrame:
    if file.suffix == ".parquet":
        return read_report_parquet(file)
    return pd.read_csv(
        file,
        dtype={"case_id": str, "patient_id": str, "model": str},
        keep_default_na=False,
        na_values=["NA"],
        float_precision="round_trip",
    )


def _positive(path: Path) -> str | None:
    """The positive label that the report took, as confusion.csv says."""
    try:
        found = pd.read_csv(path / "confusion.csv", dtype=str, keep_default_na=False)["positive"].unique()
    except (OSError, ValueError, KeyError):
        return None
    return str(found[0]) if len(found) == 1 else None


def _flat(value: object, at: str = "") -> dict[str, str]:
    """Nested configuration as dotted keys and texts."""
    if isinstance(value, dict) and value:
        return {
            k: v for key, inner in value.items() for k, v in _flat(inner, f"{at}.{key}" if at else str(key)).items()
        }
    return {at: value if isinstance(value, str) else json.dumps(value, sort_keys=True)}


def differing(read: Sequence[RunFolder]) -> pd.DataFrame:
    """One row per run and key of the configuration that is not the same in all: columns run, key, value (NA where a run has no such key)."""
    each = []
    for r in read:
        options = dict(r.record.get("options", {}))
        experiment = options.pop("experiment", None)
        options.pop("plan_sha256", None)
        flat = {"command": str(r.record["command"])}
        flat |= _flat(experiment, "experiment") if experiment else {}
        flat |= _flat({k: v for k, v in options.items() if k != "pairs"}, "analysis")
        flat |= _flat(r.record.get("inputs", {}), "SHA-256")
        environment = r.record.get("environment", {})
        flat |= {"hybridcx": str(environment.get("hybridcx")), "code SHA-256": str(environment.get("code_sha256"))}
        flat |= _flat(environment.get("packages", {}), "package")
        flat["split SHA-256"] = str(r.record.get("split_sha256"))
        flat["test cases"] = str(len(r.cases()))
        flat["models"] = str(r.frame["model"].nunique())
        each.append(flat)
    keys = dict.fromkeys(k for flat in each for k in flat)
    unlike = [k for k in keys if len({flat.get(k) for flat in each}) > 1 and not k.startswith("experiment.analysis.")]
    rows = [(r.name, k, flat.get(k)) for k in unlike for r, flat in zip(read, each, strict=True)]
    return pd.DataFrame(rows, columns=RUNS.header, dtype=object)


def _seeds_of_one(read: Sequence[RunFolder]) -> bool:
    """Whether the runs are one experiment under different seeds, with the same models."""
    first = read[0]
    models = [frozenset(r.frame["model"]) for r in read]
    return (
        all(r.experiment is not None and r.experiment == first.experiment for r in read)
        and len({str(r.seed) for r in read}) == len(read)
        and all(m == models[0] for m in models)
        and not any("seed" in r.frame and r.frame["seed"].nunique() > 1 for r in read)
    )


def _as_seeds(read: Sequence[RunFolder]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    tests = [r.cases() for r in read]
    _same_truth(read)
    patients = _patients(read)
    frame = pd.concat(
        [_rows_of_run(r, patients, list(r.frame.columns)).assign(seed=r.seed) for r in read], ignore_index=True
    )
    message = f"{len(read)} seeds of one experiment: {', '.join(f'{r.name} (seed {r.seed})' for r in read)}."
    if len(set(tests)) == 1:
        return frame, (message,)
    common = frozenset.intersection(*tests)
    apart = "Each seed drew a split of its own, so that seeds have different test cases (repeated hold-out); "
    return frame, (message, apart + f"{len(common)} cases are test cases of all.")


def _as_models(read: Sequence[RunFolder]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    tests = [r.cases() for r in read]
    common = frozenset.intersection(*tests)
    if any(t != tests[0] for t in tests):
        counts = ", ".join(f"{r.name} has {len(t)}" for r, t in zip(read, tests, strict=True))
        rule = f"the runs have different test cases: {counts}, {len(common)} in common"
        keys = {str(r.record.get("pseudonyms")) for r in read}
        remedy = "their case ids are pseudonyms of different keys; make the reports again with one" if len(keys) > 1 else (
            "models are compared on identical cases: give both experiments one split (split.method = 'manifest') or one seed"
        )  # fmt: skip
        raise InputError(Problem(rule, remedy=remedy))
    _same_truth(read)
    patients = _patients(read)
    parts = ["test", *(["validation"] if len({r.cases("validation") for r in read}) == 1 else [])]
    shared = [str(c) for c in read[0].frame if all(c in r.frame for r in read) and _alike(read, str(c))]
    frames = []
    for r in read:
        rows = _rows_of_run(r, patients, shared)
        rows = rows[rows["split"].isin(parts)] if "split" in rows else rows
        frames.append(rows.assign(model=[f"{r.name}/{m}" for m in rows["model"]]))
    message = f"Models are named by their run: {', '.join(r.name for r in read)}. Their test cases are the same {len(common)}."
    return pd.concat(frames, ignore_index=True), (message,)


def _rows_of_run(r: RunFolder, patients: dict[str, str] | None, columns: list[str]) -> pd.DataFrame:
    frame = r.frame[columns]
    if "patient_id" in frame:
        frame = (
            frame.drop(columns="patient_id")
            if patients is None
            else frame.assign(patient_id=frame["case_id"].map(patients))
        )
    return frame


def _alike(read: Sequence[RunFolder], column: str) -> bool:
    """Whether a further column can stand beside all runs' predictions: the same value for a case in each."""
    from hybridcx.records.predictions import OPTIONAL, REQUIRED

    if column in (*REQUIRED, *OPTIONAL):
        return True
    rows = pd.concat([r.frame[["case_id", column]] for r in read])
    return int(rows.groupby("case_id")[column].nunique(dropna=False).max()) == 1


def _same_truth(read: Sequence[RunFolder]) -> None:
    rows = pd.concat([r.frame.loc[r.frame["case_id"].isin(r.cases()), ["case_id", "y_true"]] for r in read])
    n = rows.astype(str).groupby("case_id")["y_true"].nunique()
    if (n > 1).any():
        cases = tuple(n.index[n > 1])
        remedy = "compare runs whose labels are made by one rule"
        raise InputError(
            Problem(f"the runs have different truths for {len(cases)} test cases", remedy=remedy, cases=cases)
        )


def _patients(read: Sequence[RunFolder]) -> dict[str, str] | None:
    """A code for each case's patient: the codes of a folder are its own, but who belongs together must be the same in all."""
    if any("patient_id" not in r.frame for r in read):
        return None
    code: dict[str, str] = {}
    for r in read:
        own = r.frame[["case_id", "patient_id"]].drop_duplicates("case_id")
        theirs: dict[object, str] = {}
        for case, patient in own.itertuples(index=False):
            if case in code and theirs.setdefault(patient, code[case]) != code[case]:
                raise InputError(
                    Problem("the runs group cases into patients differently", cases=(str(case),), remedy="compare runs of one manifest")
                )  # fmt: skip
        for case, patient in own.itertuples(index=False):
            code.setdefault(case, theirs.setdefault(patient, f"{r.name} {patient}"))
    if len(set(code.values())) < max(r.frame["patient_id"].nunique() for r in read):
        raise InputError(
            Problem("the runs group cases into patients differently", remedy="compare runs of one manifest")
        )
    return code
