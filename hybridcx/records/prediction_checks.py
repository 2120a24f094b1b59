"""The checks behind `predictions.py`: bad_input.md 5 to 14 on a table of text, all of them in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridcx.errors import Problem, printable
from hybridcx.records.cells import (
    NA_WORDS,
    Coded,
    check_spellings,
    check_text,
    is_blank,
    listed,
    nearest,
    some,
    text_array,
    without_missing,
    without_names,
)
from hybridcx.records.labels import misspelt_labels, two_labels
from hybridcx.records.score_meaning import meaning_warnings, of_predicted_class, parse_scores, to_probabilities
from hybridcx.records.seed_checks import check_repeats
from hybridcx.records.strict_csv import Table

SPLITS = ("train", "validation", "test", "disputed")
"""`disputed`: test cases without a truth, since their readers differ; they are scored apart, and their y_true is not checked."""
COLUMNS = ("case_id", "y_true", "model", "y_pred", "score", "patient_id", "split", "seed", "fold")


@dataclass
class Checked:
    """Result of the checks: problems and typed columns of a table."""

    problems: list[Problem] = field(default_factory=list)
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels: tuple[str, str] = ("", "")
    has_score: bool = False
    has_pred: bool = False
    subgroups: tuple[str, ...] = ()
    threshold: float | None = None
    models: tuple[str, ...] = ()
    n_cases: int = 0

    @property
    def failed(self) -> bool:
        """Whether an error was found so far."""
        return any(p.severity == "error" for p in self.problems)


def check_predictions(
    table: Table, *, positive: str | None, threshold: float, score_kind: str, all_columns_known: bool = True
) -> Checked:
    """Check a table with at least case_id, y_true and model, and give its columns their types.

    Where rows of the file could not be read (`table.unread`), a case that is absent from a model is reported only if these rows cannot explain it.
    `all_columns_known` is False where a column may not have been recognised: then the checks across rows are skipped, because they would report
    its absence as further faults. The frame is complete only where no problem is an error.
    """
    raw, missing = without_missing(
        table.frame, table.rows, table.file, texts=("case_id", "y_true", "model", "y_pred", "score")
    )
    empty = [str(c) for c in raw if c not in COLUMNS[:5] and is_blank(text_array(raw[c])).all()] if len(raw) else []
    missing += [Problem("an empty column, which is not used", table.file, column=c, severity="warning") for c in empty]
    raw = raw.drop(columns=empty)
    rows, file = table.rows, table.file
    has_score, has_calls = "score" in raw.columns, "y_pred" in raw.columns
    extra = [c for c in raw.columns if c not in COLUMNS]
    out = Checked(has_score=has_score, problems=missing)
    if not (has_score or has_calls):
        out.problems.append(_no_prediction(extra, file))
    if not len(raw):
        return out

    true = (raw["split"] != "disputed").to_numpy() if "split" in raw.columns else np.ones(len(raw), dtype=bool)
    # Each column is coded once: that takes most of the time.
    coded = {c: Coded.of(raw[c]) for c in raw.columns if c != "score"}
    out.problems += _texts(coded, rows, file, extra, true)
    out.problems += _spellings(coded, rows, file, true)
    frame, problems = _typed(raw, rows, file, score_kind, extra)
    out.problems += problems

    truth = coded["y_true"].where(true)
    blank = is_blank(text_array(truth.values))
    known = [str(v) for v, n, b in zip(truth.values.tolist(), truth.counts, blank, strict=True) if n and not b]
    out.problems += misspelt_labels(truth, rows[true], file=file, column="y_true")
    if len(known) > 2:
        out.problems += _missing_truth(truth, rows[true], file)
    pair, problems = two_labels(known, positive, file=file, column="y_true", one_vs_rest=True)
    out.problems += problems
    if has_calls:
        out.problems += _unknown_predictions(coded["y_pred"], known, rows, file)
    readings = [c for c in extra if c.startswith("reader_")]
    out.problems += _unknown_calls(raw[readings], known, rows, file)
    if all_columns_known:
        out.problems += _across_rows(frame, coded, rows, file, table.unread)
    out.problems = without_names(out.problems, rows, raw["case_id"], ("patient_id", "image"))
    if out.failed or pair is None:
        return out

    if "patient_id" in coded and len(coded["case_id"].values) > 1 and len(coded["patient_id"].values) == 1:
        rule = "every case has the same patient_id: all cases are of one patient, and no interval between patients can be computed"
        out.problems.append(
            Problem(rule, file, column="patient_id", remedy="check the column, or leave it out", severity="warning")
        )
    out.labels = pair
    if has_score and score_kind != "rank":
        out.problems += _meaning(frame, coded, pair[1], len(known), score_kind, file)
        if out.failed:
            return out
    frame["y_true"] = _against_rest(frame["y_true"], pair, known)
    if not true.all():
        frame["y_true"] = frame["y_true"].where(true, None)
    for column in [*readings, *(c for c in extra if c == "label_given")]:
        read = frame[column].isin(known)
        frame[column] = _against_rest(frame[column], pair, known).where(read, None)
    _set_calls(out, frame, known, has_calls, None if score_kind == "rank" else threshold, file)
    _set_subgroups(out, coded, extra, file)
    out.frame = frame
    out.models = tuple(coded["model"].values.tolist())
    test = (frame["split"] == "test").to_numpy()
    out.n_cases = int(np.count_nonzero(coded["case_id"].where(test).counts))
    return out


def _missing_truth(truth: Coded, rows: np.ndarray, file: str) -> list[Problem]:
    """The problem of missing values among more than two labels; of two labels one may well be called NA."""
    words = [str(v) for v in truth.values.tolist() if str(v).strip().casefold() in NA_WORDS]
    at = np.flatnonzero(np.any([_equal(truth, w) for w in words], axis=0)) if words else np.empty(0, dtype=np.int64)
    remedy = "leave these rows out, or give the class another name"
    return listed("a missing truth", rows[at].tolist(), words[:1], file=file, column="y_true", remedy=remedy)


def _no_prediction(extra: list[str], file: str) -> Problem:
    guess = nearest("y_pred", extra) or nearest("score", extra)
    remedy = f"did you mean the column {guess!r}?" if guess else "add y_pred (a label), score (a probability) or both"
    return Problem("neither a column y_pred nor a column score", file, column="y_pred", remedy=remedy)


def _texts(coded: dict[str, Coded], rows: np.ndarray, file: str, extra: list[str], true: np.ndarray) -> list[Problem]:
    """Blank cells and invisible characters in every column except the score; `true` are the rows that need a y_true."""
    out = check_text(coded["y_true"].where(true), rows[true], file=file, column="y_true", warn_na=True)
    for column in [c for c in COLUMNS if c in coded and c != "y_true"] + extra:
        labels = column in ("y_pred", "model")
        out += check_text(coded[column], rows, file=file, column=column, blank_ok=column in extra, warn_na=labels)
    return out


def _typed(
    raw: pd.DataFrame, rows: np.ndarray, file: str, score_kind: str, extra: list[str]
) -> tuple[pd.DataFrame, list[Problem]]:
    """The frame of the typed columns, in the order of the ledger, and the cells that have no such type."""
    score, score_problems = _score(raw, rows, file, score_kind)
    split, split_problems = _split(raw, rows, file)
    seed, seed_problems = _seed(raw, rows, file)
    frame = pd.DataFrame({"case_id": raw["case_id"], "y_true": raw["y_true"], "model": raw["model"]})
    frame["y_pred"] = raw.get("y_pred")
    frame["score"] = score
    frame["patient_id"] = raw.get("patient_id")
    frame["split"] = split
    frame["seed"] = seed
    frame["fold"] = raw.get("fold")
    for column in extra:
        cells = raw[column]
        frame[column] = cells.mask(cells == "", None)  # a blank cell is a missing value, not a level
    return frame, [*score_problems, *split_problems, *seed_problems]


def _meaning(
    frame: pd.DataFrame, coded: dict[str, Coded], positive: str, n_labels: int, score_kind: str, file: str
) -> list[Problem]:
    """Convert the confidence in the predicted class in place, or warn of scores that probably mean something else."""
    called = _equal(coded["y_pred"], positive) if "y_pred" in coded else None
    if score_kind == "confidence" and n_labels > 2:
        rule = f"with {n_labels} labels the confidence in the predicted class does not give the probability of {printable(positive)}"
        return [Problem(rule, file, column="score", remedy="leave the score out, or give that probability")]
    if score_kind == "confidence":
        if called is None:
            remedy = "add the column y_pred, or give the positive class's probability"
            return [Problem("--score-kind confidence needs the predicted class", file, column="y_pred", remedy=remedy)]
        frame["score"] = of_predicted_class(frame["score"].to_numpy(), called)
        return []
    if score_kind not in ("probability", "percent", "logit"):
        return []
    test = (frame["split"] == "test").to_numpy()
    return meaning_warnings(
        coded["model"].where(test),
        _equal(coded["y_true"], positive)[test],
        frame["score"].to_numpy()[test],
        None if called is None else called[test],
        file,
    )


def _equal(column: Coded, value: str) -> np.ndarray:
    """Where a column has a value."""
    return np.array([v == value for v in column.values.tolist()], dtype=bool)[column.codes]


def _set_calls(
    out: Checked, frame: pd.DataFrame, known: list[str], has_calls: bool, threshold: float | None, file: str
) -> None:
    """Fill y_pred: the calls of the file, otherwise score >= threshold; no threshold (None) where the score is no probability."""
    negative, positive = out.labels
    if has_calls:
        out.has_pred = True
        frame["y_pred"] = _against_rest(frame["y_pred"], out.labels, known)
        if out.has_score:
            out.problems += _crossed(frame, positive, file)
    elif threshold is not None:
        out.has_pred, out.threshold = True, threshold
        called = pa.array(frame["score"].to_numpy() >= threshold)
        calls = pc.if_else(called, pa.scalar(positive, pa.large_string()), pa.scalar(negative, pa.large_string()))
        frame["y_pred"] = pa.table([calls], names=["text"]).to_pandas()["text"].astype("str").set_axis(frame.index)


def _set_subgroups(out: Checked, coded: dict[str, Coded], extra: list[str], file: str) -> None:
    """Columns with one value per case are subgroups; a warning lists the others."""
    case = coded["case_id"].codes
    first = _first_rows(case)[case]
    varying = [c for c in extra if not np.array_equal(coded[c].codes, coded[c].codes[first])]
    if varying:
        rule = f"not the same for every row of a case, and so no subgroups: {some(varying)}"
        out.problems.append(Problem(rule, file, severity="warning"))
    out.subgroups = tuple(c for c in extra if c not in varying)


def _spellings(coded: dict[str, Coded], rows: np.ndarray, file: str, true: np.ndarray) -> list[Problem]:
    labels, lines, column = coded["y_true"].where(true), rows[true], "y_true"
    if "y_pred" in coded:
        # One list for both columns: "Benign" in y_pred and "benign" in y_true are the same fault as both within one column.
        calls = coded["y_pred"]
        both = Coded.of(pd.Series([*labels.values.tolist(), *calls.values.tolist()], dtype="object"))
        n = len(labels.values)
        labels = Coded(np.concatenate([both.codes[:n][labels.codes], both.codes[n:][calls.codes]]), both.values)
        lines, column = np.concatenate([lines, rows]), "y_true, y_pred"
    out = check_spellings(labels, lines, file=file, column=column, what="label")
    out += check_spellings(coded["model"], rows, file=file, column="model", what="model")
    return out + check_spellings(coded["case_id"], rows, file=file, column="case_id", what="case id", fold_case=False)


def _score(raw: pd.DataFrame, rows: np.ndarray, file: str, score_kind: str) -> tuple[np.ndarray, list[Problem]]:
    if "score" not in raw.columns:
        return np.full(len(raw), np.nan), []
    values, problems = parse_scores(raw["score"], rows, file, "score")
    values, more = to_probabilities(values, rows, file, "score", score_kind)
    return values, problems + more


def _constant_text(text: str, index: pd.Index) -> pd.Series:
    """A column with the same text everywhere; pandas would make it from one Python object per row."""
    values = pa.repeat(pa.scalar(text, pa.large_string()), len(index))
    return pa.table([values], names=["text"]).to_pandas()["text"].astype("str").set_axis(index)


def _split(raw: pd.DataFrame, rows: np.ndarray, file: str) -> tuple[pd.Series, list[Problem]]:
    if "split" not in raw.columns:
        return _constant_text("test", raw.index), []
    split = raw["split"]
    at = np.flatnonzero((~split.isin(SPLITS)).to_numpy() & ~is_blank(text_array(split)))
    out = listed("an unknown split", rows[at].tolist(), split.iloc[at].tolist(), file=file, column="split",
                 remedy=f"use {', '.join(SPLITS)}")  # fmt: skip
    if not out and not (split == "test").any():
        rule = "no row belongs to the test split, and only that is evaluated"
        out.append(Problem(rule, file, column="split", remedy="add test rows, or leave the column out"))
    return split, out


def _seed(raw: pd.DataFrame, rows: np.ndarray, file: str) -> tuple[pd.Series, list[Problem]]:
    if "seed" not in raw.columns:
        none = pd.arrays.IntegerArray(np.ones(len(raw), dtype=np.int64), np.ones(len(raw), dtype=bool))
        return pd.Series(none, index=raw.index), []
    arr = text_array(raw["seed"])
    whole = np.asarray(
        pc.fill_null(pc.match_substring_regex(arr, r"\A[0-9]{1,18}\z"), False).to_numpy(zero_copy_only=False)
    )
    at = np.flatnonzero(~whole & ~is_blank(arr))
    out = listed("a seed that is no whole number", rows[at].tolist(), raw["seed"].iloc[at].tolist(), file=file, column="seed",
                 remedy="seeds are whole numbers from 0 on")  # fmt: skip
    clean = pc.if_else(pa.array(whole), arr, pa.scalar("0", pa.large_string())).cast(pa.int64())
    return pd.Series(clean.to_numpy(zero_copy_only=False), index=raw.index).astype("Int64"), out


def _unknown_predictions(pred: Coded, known: list[str], rows: np.ndarray, file: str) -> list[Problem]:
    unknown = ~np.isin(np.asarray(pred.values, dtype=object), np.array([*known, None], dtype=object)) & ~is_blank(
        text_array(pred.values)
    )
    at = np.flatnonzero(unknown[pred.codes])
    rule = "a label in y_pred that y_true never has"
    return listed(rule, rows[at].tolist(), [pred.values[c] for c in pred.codes[at[:1]]], file=file, column="y_pred",
                  remedy=f"the labels are {some(sorted(known))}")  # fmt: skip


def _unknown_calls(calls: pd.DataFrame, known: list[str], rows: np.ndarray, file: str) -> list[Problem]:
    """A reader's call is one of the labels, or blank or NA where the case was not read."""
    out: list[Problem] = []
    for column in calls:
        cells = calls[column]
        at = np.flatnonzero(~cells.isin([*known, "NA"]).to_numpy() & ~is_blank(text_array(cells)))
        remedy = f"the labels are {some(sorted(known))}; leave it empty where the case was not read"
        rule = "a reader's call that is none of the labels"
        out += listed(rule, rows[at].tolist(), cells.iloc[at].tolist(), file=file, column=str(column), remedy=remedy)
    return out


def _across_rows(
    frame: pd.DataFrame, coded: dict[str, Coded], rows: np.ndarray, file: str, unread: float
) -> list[Problem]:
    """Checks across rows: repeated cases, cases of one model alone, a truth that differs between rows."""
    out: list[Problem] = []
    split = coded.get("split", Coded(np.zeros(len(frame), dtype=np.int64), np.array(["test"], dtype=object)))
    case = coded["case_id"].codes.astype(np.int64)
    model, models = coded["model"].codes, coded["model"].values
    # A unit is a (seed, fold): within one, each model predicts each case once.
    unit, units = _codes(frame, [c for c in ("seed", "fold") if c in coded])
    n_cases, n_models = int(case.max()) + 1, len(models)
    place = unit.astype(np.int64) * n_cases + case

    out += _repeated_cases(frame, place * n_models + model, rows, file)
    uneven: list[Problem] = []
    absent = 0
    for name in ("test", "validation", "disputed"):
        here = _equal(split, name)
        more, lacking = _same_cases(frame, place, model, models, units, n_cases, here, name, file)
        uneven, absent = uneven + more, absent + lacking
    if absent > unread:
        some_unread = f"{int(unread)} of the absent rows may be those that could not be read: mend these first"
        out += uneven if not unread else [replace(p, remedy=some_unread) for p in uneven]
    by_case = [("y_true", "two truths"), ("patient_id", "two patients")]
    for column, what in by_case:
        if column in coded:
            out += _constant(coded[column].codes, case, coded["case_id"], column, f"a case with {what}", rows, file)
    if "split" in coded:
        evaluated = np.isin(np.asarray(split.values, dtype=object), ("test", "validation", "disputed"))[split.codes]
        part = split.codes[evaluated]
        ids = coded["case_id"].where(evaluated)
        out += _constant(part, place[evaluated], ids, "split", "a case in two splits", rows[evaluated], file)
        if "patient_id" in coded:
            patient = coded["patient_id"]
            key = unit.astype(np.int64) * len(patient.values) + patient.codes
            # Cases in dispute are test cases, so a patient may have them beside others there.
            parts = np.array([0 if v in ("test", "disputed") else 1 + i for i, v in enumerate(split.values.tolist())])
            part = parts[split.codes]
            out += _constant(part, key, patient, "split", "a patient in two splits", rows, file)
    # Repeated rows and models with other cases are reported above; without this they would be reported again as gaps and folds.
    return out or check_repeats(frame, file, whole=not unread)


def _repeated_cases(frame: pd.DataFrame, cell: np.ndarray, rows: np.ndarray, file: str) -> list[Problem]:
    """One problem for all cases that a model predicts more than once in a seed and fold; `cell` is a code of (seed, fold, case, model)."""
    counts = np.bincount(cell)
    if not (counts > 1).any():
        return []
    repeated = pd.Series(cell).duplicated().to_numpy()
    again, first = np.flatnonzero(repeated), np.flatnonzero((counts[cell] > 1) & ~repeated)
    ids = [f"{frame['case_id'].iloc[i]} ({frame['model'].iloc[i]})" for i in first]
    rule = f"{len(first)} cases stand more than once for one model: {some(ids)}"
    case_id = frame["case_id"].iloc[again[0]]
    return [Problem(rule, file, int(rows[again[0]]), "case_id", case_id, "keep one row of each")]


def _codes(frame: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return a code per distinct row of these columns, and each one's name for messages."""
    names = [""]
    code = np.zeros(len(frame), dtype=np.int64)
    for column in columns:
        if not frame[column].isna().all():
            part, values = pd.factorize(frame[column], use_na_sentinel=False)
            code = code * len(values) + part
            names = [f"{n} {column} {printable(v)}".strip() for n in names for v in values]
    return code, names


def _same_cases(
    frame: pd.DataFrame, place: np.ndarray, model: np.ndarray, models: Any, units: list[str], n_cases: int,
    here: np.ndarray, split: str, file: str,
) -> tuple[list[Problem], int]:  # fmt: skip
    """All models of a split must have the same cases, in every seed and fold; a model may lack the validation rows altogether.

    Returns the problems, and how many rows are absent.
    """
    absent = 0
    if not here.any():
        return [], absent
    # Masks over (seed, fold, case): np.unique would hash every row once for each model.
    everywhere = np.zeros(int(place.max()) + 1, dtype=bool)
    everywhere[place[here]] = True
    out = []
    for m, name in enumerate(models.tolist()):
        own = np.zeros_like(everywhere)
        own[place[here & (model == m)]] = True
        lacking = np.flatnonzero(everywhere & ~own)
        if not len(lacking) or (split == "validation" and not own.any()):
            continue
        absent += len(lacking)
        ids = frame["case_id"].iloc[_first_rows(place)[lacking]].tolist()
        where = sorted({units[p // n_cases] for p in lacking} - {""})
        label = f" ({some(where, 3)})" if where else ""
        rule = f"models scored on different cases: {printable(name)} lacks {len(ids)} of {int(everywhere.sum())} {split} cases{label}: {some(ids)}"
        out.append(
            Problem(
                rule, file, column="model", value=name, remedy="give every model the same cases; none is dropped here"
            )
        )
    return out, absent


def _constant(
    value: np.ndarray, key: np.ndarray, ids: Coded, column: str, rule: str, rows: np.ndarray, file: str
) -> list[Problem]:
    """Return a problem for the keys with more than one code in `value`, at the row where the second one appears."""
    differs = value != value[_first_rows(key)[key]]
    at = np.flatnonzero(differs)
    at = at[np.sort(np.unique(key[at], return_index=True)[1])]
    names = [ids.values[c] for c in ids.codes[at[:1]]]
    return listed(rule, rows[at].tolist(), names, file=file, column=column, remedy="correct the rows that differ")


def _against_rest(labels: pd.Series, pair: tuple[str, str], known: list[str]) -> pd.Series:
    """Labels of which all but the positive one become the negative class; as they are where there are two."""
    return labels if set(known) == set(pair) else labels.where(labels == pair[1], pair[0])


def _crossed(frame: pd.DataFrame, positive: str, file: str) -> list[Problem]:
    """Warn of a model with a predicted positive that has a lower score than a predicted negative: no threshold on the score gives such calls."""
    high = (frame["y_pred"] == positive).to_numpy()
    low_positive = frame["score"][high].groupby(frame["model"][high]).min()
    high_negative = frame["score"][~high].groupby(frame["model"][~high]).max()
    both = low_positive.index.intersection(high_negative.index)
    names = [m for m in both if low_positive[m] < high_negative[m]]
    if not names:
        return []
    rule = f"y_pred is not made from score by one threshold, both are used as they are: {some(names)}"
    remedy = "check that score is the positive class's probability"
    return [Problem(rule, file, column="y_pred", remedy=remedy, severity="warning")]


def _first_rows(key: np.ndarray) -> np.ndarray:
    """Return the first row of each key 0, 1, ...; 0 where a key has no row."""
    first = np.zeros(int(key.max(initial=-1)) + 1, dtype=np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    return first
