"""The layouts of predictions, each brought to one row per model and case: other column names, a column per model, both columns of
`predict_proba`, a single model without a column `model`, no case ids.

Nothing that changes a number is inferred silently: every step adds a warning. Names that are only probably ours are proposed as a ready
command, and taken with `guess`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from hybridcx.errors import InputError, Problem, printable
from hybridcx.records.cells import as_mask, is_blank, is_number, nearest, some, squash, text_array, to_float
from hybridcx.records.labels import two_labels
from hybridcx.records.score_meaning import ScoreKind, decimal_points, parse_scores
from hybridcx.records.strict_csv import Table, name_problems

REQUIRED = ("case_id", "y_true", "model")
OPTIONAL = ("y_pred", "score", "patient_id", "split", "seed", "fold")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "y_true": _names(
        "ytrue true truth truelabel truelabels trueclass groundtruth gt gtlabel reference referencestandard goldstandard target targets label "
        "labels actual actuallabel actualclass yactual ytest gtclass groundtruthlabel labeltrue classtrue "
        "targ targs labelnumeric labelencoded labelid labelidx labelcode expected observed outcome diagnosis class y"
    ),
    "case_id": _names(
        "caseid case fname imageid imageindex image imagename imagefile imagepath img imgid imgname imgpath filename file filepath path samplename "
        "sampleid sample samplenumber slide slideid scan scanid volume video examid exam "
        "accessionnumber accession studyid study sopinstanceuid instanceid recordid record id idx uid key name index"
    ),
    "model": _names("model modelname modelid classifier algorithm algo network net architecture arch method estimator"),
    "y_pred": _names(
        "ypred ypredicted predictedlabel predictedlabels predictedclass predlabel predclass labelpred classpred predictionlabel predictionclass "
        "prediction predictions predicted pred preds yhat call decision classification"
    ),
    "score": _names(
        "score scores yscore yscores yprob yproba yprobability ypredproba ypredprob probability probabilities prob probs proba probas "
        "predictedprobability predictedprob predictedscore predictionprobability predictionscore probabilityscore "
        "predprob predproba predscore modelscore riskscore risk likelihood posterior ppositive probpositive "
        "probapositive positiveprobability positiveprob posprob p logit logits output"
    ),
    "patient_id": _names(
        "patientid patient patientno subjectid subject personid person participantid participant pid groupid clusterid mrn usubjid ptid patid"
    ),
    "split": _names("split subset partition set"),
    "seed": _names("seed randomseed"),
    "fold": _names("fold foldid cvfold kfold"),
}
"""Usual names of our columns, without case and separators, the likeliest first."""

GROUPS = _names(
    "studyuid studyinstanceuid studyid study examid exam slideid slide recordid record accessionnumber accession case caseid"
)
"""Names of what several cases may share, where no column has patients."""

CONFIDENCE = _names(
    "confidence conf confidencescore predictionconfidence predconfidence maxprob maxprobability maxproba"
)
"""Names of a score that is usually the probability of the predicted class."""

_SINGLE = frozenset((*SYNONYMS["score"], *SYNONYMS["y_pred"], *CONFIDENCE))
"""Names of the score or the calls of a single model."""

_SCORE_WORDS = "y_score|y_prob|y_proba|pred_proba|pred_prob|probability|probabilities|probs|proba|prob|scores|score|confidence|conf|p|logits|logit"
_CALL_WORDS = (
    "y_pred|predicted_label|predicted_class|predictions|prediction|predicted|preds|pred|calls|call|class|label"
)
_WORDS = f"{_SCORE_WORDS}|{_CALL_WORDS}"
_AFFIX = re.compile(
    rf"\.?(?:(?P<first>{_WORDS})[_. :-]+(?:of[_. :-]+)?(?P<after>.+)|(?P<before>.+?)[_. :-]+(?P<last>{_WORDS}))",
    re.IGNORECASE,
)
_IS_SCORE = re.compile(_SCORE_WORDS, re.IGNORECASE)
_LOOKS_LIKE_SCORE = re.compile(
    r"(^|[_. -])(score|prob|proba|probability|logits?|confidence|conf)s?([_. -]|$)", re.IGNORECASE
)
_MANY_CLASSES = 50
_COVARIATES = frozenset(
    _names(
        "sex gender male female age race ethnicity smoker smoking diabetes site center centre hospital scanner vendor view side laterality "
        "width height weight bmi stage grade size correct iscorrect error loss outcome index"
    )
)
"""Names that are not taken for models where values alone would allow it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the caller says the file is laid out: `columns` maps our names to the file's (several for `score` or `y_pred`: one per model)."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guess: bool = False


def parse_columns(
    columns: Mapping[str, str | Sequence[str]] | str | Sequence[str] | None,
) -> dict[str, tuple[str, ...]]:
    """The mapping of `--columns`: a mapping, or texts of the form `y_true=label,score=prob`; a name may be given several times.

    >>> parse_columns("y_true=label,score=vgg,score=resnet")
    {'y_true': ('label',), 'score': ('vgg', 'resnet')}

    Raises InputError for a text without `=` and for a name that is none of ours.
    """
    pairs: list[tuple[str, str]] = []
    if isinstance(columns, Mapping):
        pairs = [(k, v) for k, values in columns.items() for v in ([values] if isinstance(values, str) else values)]
    elif columns:
        ours = "|".join((*REQUIRED, *OPTIONAL))
        for text in [columns] if isinstance(columns, str) else columns:
            # a comma separates only where one of our names follows, so that names of columns may have commas
            for part in re.split(rf",(?=\s*(?:{ours})\s*=)", text):
                name, equals, source = part.partition("=")
                if not equals or not source:
                    remedy = "write OURS=YOURS, for example --columns y_true=label,score=prob"
                    raise InputError(
                        Problem("--columns has a part without a name on both sides of =", value=part, remedy=remedy)
                    )
                pairs.append((name.strip(), source.strip()))
    out: dict[str, tuple[str, ...]] = {}
    for name, source in pairs:
        if name not in (*REQUIRED, *OPTIONAL):
            remedy = f"our names are {', '.join((*REQUIRED, *OPTIONAL))}; they stand before the ="
            raise InputError(Problem("--columns names no column of predictions", value=name, remedy=remedy))
        out[name] = (*out.get(name, ()), source)
    for name, sources in out.items():
        if len(sources) > 1 and name not in ("score", "y_pred"):
            remedy = "only score and y_pred can have several, one per model"
            raise InputError(Problem(f"--columns maps {name} to several columns", value=some(sources), remedy=remedy))
    return out


@dataclass(frozen=True, slots=True)
class Arranged:
    """The table with one row per model and case, None where a needed column is absent; the problems; the file's name of each renamed column;
    and a kind of score that `guess` inferred."""

    table: Table | None
    problems: list[Problem]
    sources: dict[str, str]
    score_kind: ScoreKind | None = None


def arrange(
    table: Table, layout: Layout, *, model: str, positive: str | None, cluster: str | None, ids_needed: bool = False
) -> Arranged:
    """Bring a table to one row per model and case.

    `model` names a single model without a column `model`. `ids_needed`: rows are not numbered as cases, since other files hold other models.
    """
    problems: list[Problem] = []
    frame, several, sources = _mapped(table, layout.columns, problems)
    if any(p.severity == "error" for p in problems):
        return Arranged(None, problems, sources)
    candidates = _candidates(frame, several, cluster)
    kind: ScoreKind | None = None
    asked = [] if layout.guess else _asked(table, frame, several, candidates)
    if layout.guess:
        confidence = _confidence(frame, candidates)
        kind = "confidence" if confidence else None
        frame = frame.rename(columns={source: role for role, source in candidates.items()})
        sources |= candidates
        if candidates:
            rule = f"columns taken by --guess: {_pairs(candidates)}" + (
                f"; {confidence} as the confidence in the predicted class" if kind else ""
            )
            problems.append(Problem(rule, table.file, severity="warning"))
    if asked:
        return Arranged(None, [*problems, *asked], sources)
    table = replace(table, frame=frame)
    if "y_true" in frame.columns and "score" not in frame.columns and not several:
        table, more = _with_score_of_class(table, positive)
        problems += more
        if any(p.severity == "error" for p in more):
            return Arranged(None, problems, sources)
        frame = table.frame
    problems += _unused(table, frame, several, {r: c for r, c in candidates.items() if c in frame.columns})
    if "model" not in frame.columns and "y_true" in frame.columns:
        if "case_id" not in frame.columns and not ids_needed and not {"seed", "fold"} & set(frame.columns):
            table, more = _numbered(table)
            problems += more
        before = table.frame
        table, more = _with_models(table, several, model)
        problems += more
        if table.frame is not before and not any(p.severity == "error" for p in more):
            problems += _left_out(table, cluster)
    lacking = [c for c in REQUIRED if c not in table.frame.columns]
    names = [c for c in table.frame.columns.tolist() if c != cluster]
    problems += name_problems(names, table.file, _header_line(table), REQUIRED, ())
    for p in name_problems(names, table.file, _header_line(table), (), OPTIONAL):
        ours = next(o for o in OPTIONAL if squash(o) == squash(str(p.column)))
        problems.append(replace(p, remedy=f"use --columns {shlex.quote(f'{ours}={p.column}')}, or --guess"))
    return Arranged(None if lacking else table, problems, sources, kind)


def case_id_column(frame: pd.DataFrame, layout: Layout) -> str | None:
    """The column of case ids: the one that the caller names, `case_id`, or with `guess` the one that probably is it."""
    named = layout.columns.get("case_id", ("case_id",))[0]
    if named in frame.columns:
        return named
    return _candidates(frame, {}, None).get("case_id") if layout.guess else None


def _header_line(table: Table) -> int | None:
    return None if table.file.endswith(")") else 1


def _mapped(
    table: Table, columns: Mapping[str, tuple[str, ...]], problems: list[Problem]
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]], dict[str, str]]:
    """The frame with the columns of `--columns` renamed, those of which there is one per model, and the renamed ones."""
    frame = table.frame
    header = [str(c) for c in frame.columns]
    several, sources = {}, {}
    for role, named in columns.items():
        for source in named:
            if source not in header:
                guess = nearest(source, header)
                remedy = f"did you mean {printable(guess)!r}?" if guess else f"the columns are {some(header)}"
                problems.append(
                    Problem("--columns names a column that the file lacks", table.file, column=source, remedy=remedy)
                )
        if len(named) > 1:
            several[role] = named
        elif named[0] != role:
            sources[role] = named[0]
    if any(p.severity == "error" for p in problems):
        return frame, several, {}
    replaced = [role for role in sources if role in header]
    if replaced:
        rule = f"columns not used, since --columns takes others for them: {some(replaced)}"
        problems.append(Problem(rule, table.file, severity="warning"))
    frame = frame.drop(columns=[r for r in replaced if r not in sources.values()])
    swap = {source: role for role, source in sources.items()}
    # a column that is mapped away under its own name, as in --columns y_true=label,case_id=y_true
    return frame.rename(columns=swap), several, sources


def _candidates(frame: pd.DataFrame, several: Mapping[str, tuple[str, ...]], cluster: str | None) -> dict[str, str]:
    """Our name -> the column that probably is it, for each of our columns that is absent."""
    free = {squash(str(c)): str(c) for c in reversed(frame.columns) if c not in (*REQUIRED, *OPTIONAL)}
    for source in (*(c for named in several.values() for c in named), cluster):
        free = {k: v for k, v in free.items() if v != source}
    out: dict[str, str] = {}
    for role, names in SYNONYMS.items():
        if role in frame.columns or role in several or (role == "patient_id" and cluster is not None):
            continue
        known = (*names, *GROUPS) if role == "patient_id" else names
        fitting = [
            free[n] for n in known if n in free and free[n] not in out.values() and _plausible(frame, role, free[n])
        ]
        if role == "score":
            fitting = _scores(frame, fitting, free)
            # probabilities under the name of calls: Keras' `prediction`
            fitting += [free[n] for n in SYNONYMS["y_pred"] if n in free and _is_continuous(frame[free[n]])]
        if fitting:
            out[role] = fitting[0]
    if "y_true" in out and "y_pred" in {*out, *frame.columns}:
        # a truth in words beside calls in numbers: another column may have the truth in numbers
        calls = set(frame[out.get("y_pred", "y_pred")].unique())
        fitting = [free[n] for n in SYNONYMS["y_true"] if n in free and free[n] not in (out.get("y_pred"),)]
        out["y_true"] = next((c for c in fitting if calls <= set(frame[c].unique())), out["y_true"])
    if "score" not in out and "score" not in frame.columns and "score" not in several:
        named = next((free[n] for n in CONFIDENCE if n in free), None)
        calls_of = out.get("y_pred", "y_pred")
        # of more than two classes, the confidence in the predicted one does not give the probability of another
        if (
            named is not None
            and _numbers(frame[named]) is not None
            and (calls_of not in frame.columns or frame[calls_of].nunique() == 2)
        ):
            out["score"] = named
    return out


def _scores(frame: pd.DataFrame, named: Sequence[str], free: Mapping[str, str]) -> list[str]:
    """The columns that could be the score, best first: a usual name and values in 0 to 1; the only other name that speaks of a score and has such
    values (probability_malignant); a usual name alone."""
    within = [c for c in named if _is_within(frame[c])]
    others = [
        c for c in free.values() if squash(c) not in CONFIDENCE and _LOOKS_LIKE_SCORE.search(c) and _is_within(frame[c])
    ]
    return [*within, *(others if len(others) == 1 else []), *([] if len(others) > 1 else named)]


def _is_continuous(column: pd.Series) -> bool:
    """Whether a column has numbers in 0 to 1, and others than 0 and 1."""
    values = _numbers(column)
    return values is not None and _is_within(column) and not set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0}


def _is_within(column: pd.Series) -> bool:
    values = _numbers(column)
    return values is not None and bool(np.nanmin(values) >= -1e-6 and np.nanmax(values) <= 1 + 1e-6)


def _plausible(frame: pd.DataFrame, role: str, column: str) -> bool:
    """Whether the values of a column could be those of our column."""
    if role == "case_id" and not {"model", "seed", "fold"} & set(frame.columns):
        return bool(frame[column].is_unique) or squash(column) in ("caseid", "case")
    if role == "y_pred":
        return not _is_continuous(frame[column])
    if role == "score":
        return _numbers(frame[column]) is not None
    if role == "seed":
        return bool(
            as_mask(pc.match_substring_regex(text_array(frame[column].astype("str")), r"\A[0-9]{1,18}\z")).all()
        )
    if role == "split":
        return set(frame[column].unique()) <= {"train", "validation", "test", "disputed"}
    if role == "patient_id":
        return int(frame[column].nunique()) < len(frame)
    return True


def _cells(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The cells as float64, NaN where they are no numbers, and which of them are missing; decimal commas are read."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64)
        return values, np.isnan(values)
    text, _ = decimal_points(text_array(column), np.zeros(len(column), dtype=int), "", "")
    return to_float(text), is_blank(text) | as_mask(pc.equal(text, "NA"))


def _numbers(column: pd.Series) -> np.ndarray | None:
    """The cells as float64, missing ones as NaN; None where one is no number or all are missing."""
    values, missing = _cells(column)
    number = np.isfinite(values)
    return values if (number | missing).all() and number.any() else None


def _confidence(frame: pd.DataFrame, candidates: Mapping[str, str]) -> str | None:
    """The column that is the probability of the predicted class by its name and its values, beside calls of both classes."""
    source, calls = candidates.get("score"), candidates.get("y_pred", "y_pred")
    if source is None or squash(source) not in CONFIDENCE or calls not in frame.columns:
        return None
    values = _numbers(frame[source])
    high = values is not None and np.nanmin(values) >= 0.5 and np.nanmax(values) <= 1
    return source if high and frame[calls].nunique() == 2 else None


def _pairs(candidates: Mapping[str, str]) -> str:
    return ",".join(f"{role}={source}" for role, source in candidates.items())


def _asked(
    table: Table, frame: pd.DataFrame, several: Mapping[str, tuple[str, ...]], candidates: Mapping[str, str]
) -> list[Problem]:
    """The problem of needed columns that are absent while others probably are these, with the command that takes them."""
    names = {*frame.columns, *several}
    needed = [c for c in ("case_id", "y_true") if c not in names and c in candidates]
    if "model" not in names and "model" in candidates:
        needed.append("model")
    single = set(candidates) & {"score", "y_pred"} and not names & {"score", "y_pred"}
    wide = "y_true" in frame.columns and (single or needed) and bool(_model_columns(frame))
    if single and not wide:
        needed += [c for c in ("y_pred", "score") if c in candidates]
    if not needed:
        return []
    command = f"--columns {shlex.quote(_pairs(candidates))}"
    if "score" not in {*names, *candidates} and not wide:
        scores = [str(c) for c in frame.columns if _LOOKS_LIKE_SCORE.search(str(c)) and _is_within(frame[c])]
        command += f", with score={' or score='.join(map(shlex.quote, scores))}" if len(scores) > 1 else ""
    if _confidence(frame, candidates):
        command += " --score-kind confidence"
    rule = f"no column {' or '.join(needed)}; the columns are {some(map(str, frame.columns))}"
    return [
        Problem(
            rule,
            table.file,
            _header_line(table),
            remedy=f"these look right: {command} (or --guess, which takes the same)",
        )
    ]


def _unused(
    table: Table, frame: pd.DataFrame, several: Mapping[str, tuple[str, ...]], candidates: Mapping[str, str]
) -> list[Problem]:
    """Warnings of columns that look like a score, calls, patients or splits and are not used, with the consequence."""
    out: dict[str, tuple[str, str]] = {}
    if "y_pred" in frame.columns or "y_pred" in several:
        looks = [str(c) for c in frame.columns if c not in (*REQUIRED, *OPTIONAL) and _LOOKS_LIKE_SCORE.search(str(c))]
        looks = [c for c in looks if squash(c) not in CONFIDENCE]
        score = candidates.get("score") or next((c for c in looks if _numbers(frame[c]) is not None), None)
        if score is not None and "score" not in frame.columns and "score" not in several:
            out[score] = ("score", "the report has no AUROC, calibration or decision curve")
    if "patient_id" in candidates and "patient_id" not in frame.columns:
        column = candidates["patient_id"]
        cases = frame["case_id"].nunique() if "case_id" in frame.columns else len(frame)
        groups = frame[column].nunique()
        if 1 < groups < cases:
            out[column] = (
                "patient_id",
                f"the {cases:,} cases of {groups:,} different values are treated as independent, and intervals are too narrow",
            )
    if "split" in candidates and frame[candidates["split"]].nunique() > 1:
        out[candidates["split"]] = ("split", "training and validation cases are evaluated with the test cases")
    problems = []
    for column, (role, consequence) in out.items():
        option = f"--cluster {shlex.quote(column)} or " if role == "patient_id" else ""
        confidence = " --score-kind confidence" if role == "score" and squash(column) in CONFIDENCE else ""
        remedy = f"use {option}--columns {shlex.quote(f'{role}={column}')}{confidence}"
        rule = f"this column looks like {role} and is not used: {consequence}"
        problems.append(Problem(rule, table.file, column=column, remedy=remedy, severity="warning"))
    if "y_pred" in candidates and "score" in frame.columns:
        column = candidates["y_pred"]
        labels = set(frame["y_true"].unique()) if "y_true" in frame.columns else set()
        if set(frame[column].unique()) <= labels:
            rule = "this column looks like y_pred and is not used: calls are made from score by --threshold"
            remedy = f"use --columns {shlex.quote(f'y_pred={column}')}"
            problems.append(Problem(rule, table.file, column=column, remedy=remedy, severity="warning"))
    return problems


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of one model in a wide table: its model, and whether it holds scores or calls."""

    source: str
    model: str
    score: bool


def _with_models(table: Table, several: Mapping[str, tuple[str, ...]], model: str) -> tuple[Table, list[Problem]]:
    """The table with a column `model`: a single model, or one or two columns per model."""
    frame = table.frame
    if not several and {"score", "y_pred"} & set(frame.columns):
        rule = f"no column model: all rows are of one model, called {printable(model)}"
        return replace(table, frame=frame.assign(model=model)), [Problem(rule, table.file, severity="warning")]
    chosen = (
        [_Column(c, _model_of(c), role == "score") for role, named in several.items() for c in named]
        if several
        else _model_columns(frame)
    )
    if not chosen:
        return table, []
    pair = next(
        (pair for pair in combinations([c.source for c in chosen if c.score][:64], 2) if _add_up(frame, pair)), None
    )
    if pair is not None:
        rule = f"the columns {some(pair)} add up to 1 in every row: they are the two classes of one model"
        remedy = f"name the positive class's: --columns score={shlex.quote(pair[1])} or --columns score={shlex.quote(pair[0])}"
        return table, [Problem(rule, table.file, _header_line(table), remedy=remedy)]
    if len(chosen) == 1 and chosen[0].model.isdecimal():  # proba_1
        chosen = [replace(chosen[0], model=model)]
    return _melted(table, chosen)


def _left_out(table: Table, cluster: str | None) -> list[Problem]:
    """A warning of the further columns that could hold a model's scores or calls: they are kept as columns of the cases."""
    frame = table.frame
    labels = set(frame["y_true"].unique())
    left = []
    for column in frame.columns:
        known = column in (*REQUIRED, *OPTIONAL, cluster) or str(column).startswith(("reader_", "rating_"))
        if known or squash(str(column)) in _COVARIATES:
            continue
        cells = frame[column]
        mostly_numbers = np.mean(np.isfinite(_cells(cells)[0])) > 0.5
        if cells.nunique() > 1 and (mostly_numbers or set(cells.unique()) - {"", "NA"} <= labels):
            left.append(str(column))
    if not left:
        return []
    rule = f"columns not taken as models: {some(left)}; they are further columns of the cases"
    remedy = f"if they are models, name the columns of all models: --columns score={shlex.quote(left[0])},score=... (calls: y_pred=)"
    return [Problem(rule, table.file, severity="warning", remedy=remedy)]


def _model_of(column: str) -> str:
    match = _AFFIX.fullmatch(column)
    return (match["after"] or match["before"]) if match else column


def _model_columns(frame: pd.DataFrame) -> list[_Column]:
    """The columns that hold one model's scores or calls each; [] where there are none, or where values alone do not tell."""
    labels = set(frame["y_true"].unique())
    further = [
        str(c)
        for c in frame.columns
        if c not in (*REQUIRED, *OPTIONAL) and not str(c).startswith(("reader_", "rating_"))
    ]
    affixed: list[_Column] = []
    plain: list[_Column] = []
    unclear: list[_Column] = []
    for name in further:
        if squash(name) in _SINGLE:
            continue
        match, values = _AFFIX.fullmatch(name), _numbers(frame[name])
        cells = set(frame[name].unique()) - {"", "NA"}
        calls = bool(cells) and cells <= labels
        if values is None and not calls and squash(name) not in _COVARIATES and _mostly_scores(frame[name]):
            plain.append(_Column(name, _model_of(name), True))  # its other cells are then reported
            continue
        continuous = _is_continuous(frame[name])
        if match and (values is not None or calls):
            word = match["first"] or match["last"]
            affixed.append(_Column(name, _model_of(name), continuous or (not calls) or bool(_IS_SCORE.fullmatch(word))))
        elif continuous:
            plain.append(_Column(name, name, True))
        elif calls and squash(name) not in _COVARIATES:
            numeric = cells <= {"0", "1"}
            (unclear if numeric else plain).append(_Column(name, name, False))
    if affixed:
        return affixed
    # Columns of 0 and 1 are calls only where nothing else in the file could be, or is, a model or a covariate.
    return plain or (unclear if len(unclear) == len(further) else [])


def _with_score_of_class(table: Table, positive: str | None) -> tuple[Table, list[Problem]]:
    """The table with the column `score` from the columns of all classes, as `predict_proba` gives them: named by the labels, or by 0, 1, ... in
    their sorted order, and adding up to 1. The table as it is where there are no such columns."""
    frame = table.frame
    labels = sorted(frame["y_true"].unique())
    if not 2 <= len(labels) <= _MANY_CLASSES:
        return table, []
    named: dict[str, str] = {}
    for column in frame.columns:
        if column not in (*REQUIRED, *OPTIONAL):
            name = squash(_model_of(str(column)))
            named.setdefault(re.sub(r"^class(?=[0-9]+$)", "", name), str(column))
    by_label = [named.get(squash(label)) for label in labels]
    by_number = [named.get(str(i)) for i in range(len(labels))]
    columns = next(([c for c in found if c is not None] for found in (by_label, by_number) if None not in found), None)
    if columns is None or any(_numbers(frame[c]) is None for c in columns):
        return table, []
    if not _add_up(frame, columns):
        if not any(re.search("logit|prob|score|conf", c, re.IGNORECASE) for c in columns):
            return table, []
        rule = f"the columns {some(columns)} are named after the classes and do not add up to 1 in every row"
        remedy = (
            "give probabilities (the softmax of logits), or the positive class's score alone by --columns score=..."
        )
        return table, [Problem(rule, table.file, _header_line(table), remedy=remedy)]
    numbers = np.array([_numbers(frame[c]) for c in columns])
    if len(frame) >= 10 and np.all(np.diff(numbers, axis=0) <= 1e-12):
        rule = f"the columns {some(columns)} fall in every row: these are the most probable classes in their order, not class 0, 1, ..."
        return table, [Problem(rule, table.file, _header_line(table), remedy="give the probability of each class")]
    pair, problems = two_labels(labels, positive, file=table.file, column="y_true", one_vs_rest=True)
    if pair is None:
        return table, [p for p in problems if p.severity == "error"]
    score = columns[labels.index(pair[1])]
    rule = f"the columns {some(columns)} add up to 1, one per class: score is {printable(score)}"
    frame = frame.assign(score=frame[score]).drop(columns=[c for c in columns if c != "score"])
    return replace(table, frame=frame), [Problem(rule, table.file, severity="warning")]


def _add_up(frame: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether columns of numbers add up to 1 in every row, as far as rounding allows, and vary."""
    values = [_numbers(frame[c]) for c in columns]
    if any(v is None for v in values) or len(frame) < 2:
        return False
    numbers = np.array(values, dtype=float)
    return bool(
        np.all(np.abs(numbers.sum(axis=0) - 1) <= 1e-3)
        and np.all((numbers >= 0) & (numbers <= 1))
        and np.ptp(numbers[0]) > 0
    )


def _mostly_scores(column: pd.Series) -> bool:
    """Whether nine in ten cells are numbers in 0 to 1, among them others than 0 and 1."""
    values, _ = _cells(column)
    with np.errstate(invalid="ignore"):
        inside = (values >= 0) & (values <= 1)
    return bool(inside.mean() >= 0.9 and np.any(inside & (values > 0) & (values < 1)))


def _melted(table: Table, chosen: Sequence[_Column]) -> tuple[Table, list[Problem]]:
    """One row per model and case from columns per model; a blank cell is a case that the model has not."""
    frame, problems = table.frame, []
    rest = frame.drop(columns=[c.source for c in chosen])
    models = list(dict.fromkeys(c.model for c in chosen))
    kinds = {score: {c.model: c.source for c in chosen if c.score is score} for score in (True, False)}
    for score, of_model in kinds.items():
        if len(of_model) != sum(c.score is score for c in chosen):
            rule = f"two columns of one model's {'scores' if score else 'calls'}: {some(c.source for c in chosen if c.score is score)}"
            return table, [Problem(rule, table.file, _header_line(table), remedy="name one of them with --columns")]
        if of_model and set(of_model) != set(models):
            absent = [m for m in models if m not in of_model]
            rule = f"models without a column of {'scores' if score else 'calls'}: {some(absent)}"
            return table, [
                Problem(
                    rule,
                    table.file,
                    _header_line(table),
                    remedy="give every model both, or name the columns with --columns",
                )
            ]
    parts, rows = [], []
    for model in models:
        part = rest.assign(model=model)
        if kinds[False]:
            part["y_pred"] = frame[kinds[False][model]]
        read = np.ones(len(part), dtype=bool)
        if kinds[True]:
            source = kinds[True][model]
            cells = frame[source]
            if not pd.api.types.is_numeric_dtype(cells.dtype):
                read = ~(is_blank(text_array(cells)) | (cells == "NA").to_numpy(dtype=bool))
            values, more = parse_scores(cells[read], table.rows[read], table.file, source)
            problems += more
            part = part[read].assign(score=values)
        parts.append(part)
        rows.append(table.rows[read])
    what = "scores and calls" if kinds[True] and kinds[False] else "scores" if kinds[True] else "calls"
    rule = f"read as a wide table, {what} of {len(models)} models from the columns {some(c.source for c in chosen)}"
    problems.insert(0, Problem(rule, table.file, severity="warning"))
    return replace(table, frame=pd.concat(parts, ignore_index=True), rows=np.concatenate(rows)), problems


def _numbered(table: Table) -> tuple[Table, list[Problem]]:
    """The table with case ids: its row names where they are text, otherwise the numbers of its rows."""
    names, n = table.row_names, len(table.frame)
    rule = "no column of case ids: the rows are numbered as cases"
    ids = pd.Series([f"{i + 1:0{len(str(n))}d}" for i in range(n)], dtype="str")
    if names is not None and names.is_unique and not is_number(text_array(names)).all():
        ids, rule = names.reset_index(drop=True), "no column of case ids: the row names are taken"
    frame = table.frame.reset_index(drop=True).assign(case_id=ids)
    return replace(table, frame=frame), [Problem(rule, table.file, severity="warning")]
