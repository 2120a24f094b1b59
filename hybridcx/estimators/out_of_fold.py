"""Out-of-fold predictions of scikit-learn estimators: every case is predicted by fits that have not seen it, nor another case of its group."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils.metadata_routing import get_routing_for_object

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.progress import OnProgress
from hybridcx.records.arrays import label_text
from hybridcx.records.cells import some
from hybridcx.records.lineage import Fit, Lineage, unit_name
from hybridcx.streams import seed_for

RANDOM_SPLITS = (ShuffleSplit, StratifiedShuffleSplit, GroupShuffleSplit)
SEARCHED = ("param_grid", "param_distributions", "search_spaces")
"""Parameters by which a search over parameters is known: scikit-learn's, and those of packages that follow it."""
TUNING_COLUMNS = ("model", "seed", "fold", "parameters", "inner.score")


@dataclass(frozen=True, slots=True)
class Part:
    """One division of the cases: positions of the training and the test cases, the repeat (from 0) and the fold (from 1; None in hold-out)."""

    repeat: int
    fold: int | None
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of all parts.

    Attributes
    ----------
    frame : a row per model, repeat and case: case (its position), model, repeat, fold, y_pred, and score where `score_kind` is not None.
    lineage : the fits, with the cases of each.
    tuning : a row per search and part: the parameters that it chose (JSON) and its inner score.
    score_kind : "probability" where every estimator has predict_proba, "rank" where it or decision_function; None where one has neither.
    notes : sentences for the report.
    """

    frame: pd.DataFrame
    lineage: Lineage
    tuning: pd.DataFrame
    score_kind: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The predictions of one fit on its test cases, and what a search chose."""

    y_pred: np.ndarray
    score: np.ndarray | None
    scored_by: str | None
    chosen: str | None
    inner_score: float


def divisions(
    cv: int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]],
    repeats: int,
    X: object,
    y: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
) -> list[Part]:
    """The divisions of the cases, the same for every estimator.

    A number of folds means stratified folds, with groups kept whole where there are any, drawn anew in each repeat. Splits in which every case is
    tested once are the folds of one repeat; those of ShuffleSplit and its kin, and splits that overlap, are random splits, a repeat each.

    Raises
    ------
    InputError
        for a case, or a group, in the training and the test cases of one split, and for repeats that do not test the same cases.
    """
    if isinstance(cv, int | np.integer):
        if cv < 2:
            raise InputError(Problem("cv is at least 2 folds", value=int(cv)))
        splits: list[tuple[np.ndarray, np.ndarray]] = []
        for repeat in range(repeats):
            kind = StratifiedKFold if groups is None else StratifiedGroupKFold
            folds = kind(int(cv), shuffle=True, random_state=seed + repeat)
            splits += list(folds.split(np.zeros(len(y)), y, groups))
    else:
        if repeats != 1:
            remedy = "use RepeatedStratifiedKFold(n_splits=..., n_repeats=...), or give cv as a number"
            raise InputError(Problem("repeats is for a number of folds", value=repeats, remedy=remedy))
        if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
            remedy = "give a number of folds, a splitter, or pairs of positions (training, test)"
            raise InputError(Problem("cv is no cross-validation", value=cv, remedy=remedy))
        found = cv.split(X, y, groups) if hasattr(cv, "split") else cv
        splits = [(_positions(train, len(y)), _positions(test, len(y))) for train, test in found]
        if not splits:
            raise InputError(Problem("cv gives no split"))
    random = isinstance(cv, RANDOM_SPLITS)
    parts = [Part(i, None, *split) for i, split in enumerate(splits)] if random else _arranged(splits, len(y))
    raise_if_any(_split_problems(parts, y, groups))
    return parts


def _arranged(splits: Sequence[tuple[np.ndarray, np.ndarray]], n: int) -> list[Part]:
    """The splits as folds of one or more repeats, or as random splits."""
    parts: list[Part] = []
    repeat, fold, tested = 0, 1, np.zeros(n, dtype=int)
    for train, test in splits:
        tested[test] += 1
        parts.append(Part(repeat, fold, train, test))
        fold += 1
        if tested.max() > 1:  # not folds
            return [Part(i, None, *split) for i, split in enumerate(splits)]
        if tested.all():
            repeat, fold, tested = repeat + 1, 1, np.zeros(n, dtype=int)
    if tested.any() and repeat:
        never = np.flatnonzero(tested == 0)
        rule = f"the last repeat of cv does not test these cases (positions from 0): {some(map(str, never))}"
        raise InputError(Problem(rule, remedy="give every repeat the same cases"))
    return parts if len(parts) > 1 else [Part(0, None, *splits[0])]


def _positions(part: ArrayLike, n: int) -> np.ndarray:
    """The positions of the cases of a part, from 0; a mask is taken as its positions. Raises InputError for positions that are none of 0 to n - 1."""
    at = np.asarray(part)
    if at.dtype == bool and at.shape == (n,):
        return np.flatnonzero(at)
    if at.ndim != 1 or (len(at) and not np.issubdtype(at.dtype, np.integer)):
        raise InputError(
            Problem("cv has positions that are no whole numbers", remedy="give pairs of positions (training, test)")
        )
    if len(at) and (at.min() < 0 or at.max() >= n):
        wrong = at[(at < 0) | (at >= n)][0]
        raise InputError(Problem(f"cv has positions outside 0 to {n - 1}", value=int(wrong)))
    if len(np.unique(at)) < len(at):
        raise InputError(Problem("cv has a position twice in one part of a split"))
    return at.astype(np.int64)


def _split_problems(parts: Sequence[Part], y: np.ndarray, groups: np.ndarray | None) -> list[Problem]:
    """Splits with a case, or a group, on both sides, with nothing on one of them, or with a class that is not trained on."""
    for i, part in enumerate(parts, 1):
        if not len(part.train) or not len(part.test):
            return [Problem(f"split {i} of cv has no {'training' if not len(part.train) else 'test'} cases")]
        if len(np.intersect1d(part.train, part.test)):
            return [
                Problem(f"split {i} of cv has cases in training and test", remedy="predictions on them are no test")
            ]
        if groups is not None and len(shared := np.intersect1d(groups[part.train], groups[part.test])):
            remedy = "use StratifiedGroupKFold or another splitter that keeps groups whole"
            return [
                Problem(f"split {i} of cv divides {len(shared)} group{'s' if len(shared) > 1 else ''}", remedy=remedy)
            ]
        if len(absent := np.setdiff1d(y, y[part.train])):
            remedy = "use stratified folds, or fewer of them"
            return [Problem(f"split {i} of cv has no training case of the class {absent[0]!r}", remedy=remedy)]
    return []


def out_of_fold(
    estimators: Mapping[str, BaseEstimator],
    X: object,
    y: np.ndarray,
    *,
    parts: Sequence[Part],
    groups: np.ndarray | None,
    positive: str,
    case_ids: Sequence[str],
    seed: int,
    n_jobs: int | None = None,
    on_progress: OnProgress | None = None,
) -> OutOfFold:
    """Fit a clone of every estimator in every part, and predict its test cases.

    Parameters
    ----------
    estimators : name -> classifier; parameters `random_state` that are None get a seed of the estimator's name and the part.
    X : n rows, indexed by position: an array, a sparse matrix, a DataFrame or a list.
    y : shape (n,), the labels.
    parts : as `divisions` gives them.
    groups : shape (n,); passed to `fit` where the estimator asks for them.
    positive : the positive class as text, whose probability is the score.
    case_ids : the names of the cases in the lineage.
    """
    lacking = [
        name
        for name, e in estimators.items()
        if not (hasattr(e, "fit") and hasattr(e, "predict") and hasattr(e, "get_params"))
    ]
    if lacking:
        remedy = "give estimators with fit, predict and get_params, as scikit-learn's classifiers have them"
        raise InputError(Problem(f"these are no classifiers: {some(lacking)}", remedy=remedy))
    if regressors := [name for name, e in estimators.items() if _predicts_numbers(e)]:
        raise InputError(
            Problem(f"these are regressors, which predict numbers: {some(regressors)}", remedy="give classifiers")
        )
    jobs = [(name, part) for part in parts for name in estimators]
    several = parts[-1].repeat > 0
    fitted: list[_Fitted] = []
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_fit_and_predict)(_seeded(estimators[name], seed, name, part), X, y, part, groups, positive, name)
        for name, part in jobs
    )
    for done in work:
        fitted.append(done)
        if on_progress is not None:
            on_progress(len(fitted), len(jobs))
    ids = np.asarray(case_ids, dtype=object)
    frames, lineage, tuning = [], Lineage(), []
    for (name, part), result in zip(jobs, fitted, strict=True):
        at = {"model": name, "repeat": part.repeat, "fold": part.fold}
        score = np.nan if result.score is None else result.score
        frames.append(pd.DataFrame({"case": part.test, **at, "y_pred": result.y_pred, "score": score}))
        unit = unit_name(seed + part.repeat if several else None, part.fold)
        lineage.add(Fit.of(name, "estimator", ids[part.train], unit=unit))
        if result.chosen is not None:
            tuning.append((name, seed + part.repeat, part.fold, result.chosen, result.inner_score))
    frame = pd.concat(frames, ignore_index=True)
    scored_by = {name: result.scored_by for (name, _), result in zip(jobs, fitted, strict=True)}
    without = [name for name, how in scored_by.items() if how is None]
    ranks = [name for name, how in scored_by.items() if how == "decision_function"]
    kind = None if without else "rank" if ranks else "probability"
    return OutOfFold(
        frame.drop(columns="score") if kind is None else frame,
        lineage,
        pd.DataFrame(tuning, columns=list(TUNING_COLUMNS)),
        kind,
        tuple(_notes(estimators, without, ranks, groups, [len(np.unique(y[p.test])) for p in parts])),
    )


def _notes(
    estimators: Mapping[str, BaseEstimator],
    without: Sequence[str],
    ranks: Sequence[str],
    groups: np.ndarray | None,
    classes: Sequence[int],
) -> list[str]:
    """What the predictions lack, and searches whose inner folds divide groups. `classes`: the number of classes that each part tests."""
    notes = []
    if single := sum(n < 2 for n in classes):
        notes.append(
            f"{single} of the {len(classes)} splits test cases of one class alone: AUROC, which is computed in each split, does not exist there. "
            "Fewer and stratified folds have both classes."
        )
    if without:
        notes.append(
            f"No scores: {', '.join(without)} has neither predict_proba nor decision_function. Only calls are compared."
        )
    elif ranks:
        notes.append(
            f"Scores are ranks: {', '.join(ranks)} has no predict_proba, so nothing is said of calibration and net benefit. "
            "scikit-learn's CalibratedClassifierCV gives it one."
        )
    if groups is not None:
        divided = [n for n, e in estimators.items() if _is_search(e) and not _keeps_groups(e)]
        if divided:
            notes.append(
                f"The inner folds of {', '.join(divided)} divide groups: its parameters were chosen too optimistically. "
                "cv=GroupKFold() in the search keeps groups whole."
            )
    return notes


def _predicts_numbers(estimator: BaseEstimator) -> bool:
    """Whether an estimator is a regressor by its tags; one without tags is taken as a classifier."""
    try:
        return bool(is_regressor(estimator))
    except AttributeError:
        return False


def _is_search(estimator: BaseEstimator) -> bool:
    """Whether an estimator searches parameters by cross-validation within the cases it is fitted on."""
    return any(name in estimator.get_params(deep=False) for name in SEARCHED)


def _keeps_groups(search: BaseEstimator) -> bool:
    """Whether the splitter of a search uses groups."""
    return "Group" in type(search.get_params(deep=False).get("cv")).__name__


def _seeded(estimator: BaseEstimator, seed: int, name: str, part: Part) -> BaseEstimator:
    """A clone, with a seed for every `random_state` that is None, so that the result repeats and repeats differ."""
    copy = clone(estimator)
    unset = [k for k, v in copy.get_params(deep=True).items() if k.split("__")[-1] == "random_state" and v is None]
    drawn = seed_for(seed, "estimator", name, part.repeat, part.fold or 0) % 2**31
    return copy.set_params(**dict.fromkeys(unset, drawn)) if unset else copy


def _fit_and_predict(
    estimator: BaseEstimator, X: object, y: np.ndarray, part: Part, groups: np.ndarray | None, positive: str, name: str
) -> _Fitted:
    """Fit the estimator on the part's training cases and predict its test cases."""
    place = f"of the estimator {name!r}, repeat {part.repeat + 1}" + (
        "" if part.fold is None else f", fold {part.fold}"
    )
    try:
        own: dict[str, np.ndarray] = {} if groups is None else _group_argument(estimator, groups[part.train])
        estimator.fit(rows_of(X, part.train), y[part.train], **own)
        test = rows_of(X, part.test)
        calls = np.asarray(estimator.predict(test))
        score, scored_by = _scores(estimator, test, positive)
    except Exception as error:
        error.add_note(f"In the fit {place}.")
        if groups is not None and "groups" in str(error):
            error.add_note("Inside a pipeline groups arrive with sklearn.set_config(enable_metadata_routing=True).")
        raise
    chosen = getattr(estimator, "best_params_", None)
    return _Fitted(
        calls,
        score,
        scored_by,
        None if chosen is None else json.dumps({k: _plain(v) for k, v in chosen.items()}, sort_keys=True),
        float(getattr(estimator, "best_score_", np.nan)) if chosen is not None else np.nan,
    )


def _scores(estimator: BaseEstimator, X: object, positive: str) -> tuple[np.ndarray | None, str | None]:
    """The positive class's probability, or the decision function turned towards it, and the name of the method; None where it has neither."""
    labels = [label_text(c) for c in estimator.classes_]
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, labels.index(positive)], "predict_proba"
    if not hasattr(estimator, "decision_function"):
        return None, None
    values = np.asarray(estimator.decision_function(X), dtype=np.float64)
    if values.ndim == 2:
        return values[:, labels.index(positive)], "decision_function"
    return (values if labels.index(positive) == 1 else -values), "decision_function"


def _group_argument(estimator: BaseEstimator, groups: np.ndarray) -> dict[str, np.ndarray]:
    """The groups as an argument of `fit`, where the estimator asks for them."""
    if get_config()["enable_metadata_routing"]:
        asks = "groups" in get_routing_for_object(estimator).consumes("fit", ["groups"])
    else:
        asks = (_is_search(estimator) and _keeps_groups(estimator)) or "groups" in inspect.signature(
            estimator.fit
        ).parameters
    return {"groups": groups} if asks else {}


def rows_of(X: object, at: np.ndarray) -> object:
    """The rows of X at these positions."""
    if hasattr(X, "tocsr") and not hasattr(X, "__getitem__"):  # sparse formats without rows
        X = X.tocsr()
    if hasattr(X, "iloc"):
        return X.iloc[at]
    if hasattr(X, "shape"):
        return X[at]  # type: ignore[index]
    return [X[i] for i in at]  # type: ignore[index]


def _plain(value: object) -> object:
    """A parameter as JSON: numbers, texts and None as they are, all else in words."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (bool, int, float, str)) or value is None else " ".join(repr(value).split())
