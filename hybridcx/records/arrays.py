"""Predictions given as arrays, brought to the long table that is read from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import some
from hybridcx.records.labels import two_labels
from hybridcx.records.tables import text_of

SUM_TOLERANCE = 1e-3
"""Rows of probabilities in single precision sum to 1 within this."""
RESERVED = ("case_id", "y_true", "model", "y_pred", "score", "patient_id", "split", "seed", "fold")
MAX_LEVELS = 20
"""Different numbers with decimals that may be levels of a subgroup."""
ONE_MODEL = "model"
"""The name of the model of a single array."""


def label_text(label: str | float | bool | None) -> str | None:
    """A label as text, as it is written in a table: 1 and 1.0 are "1", True is "true".

    >>> label_text(1), label_text(True), label_text("abnormal"), label_text(None)
    ('1', 'true', 'abnormal', None)
    """
    return None if label is None else str(text_of(pd.Series([label]))[0])


def subgroup_names(subgroups: Mapping[str, ArrayLike] | pd.DataFrame | None) -> tuple[str, ...]:
    """The names of the subgroup variables as text."""
    return () if subgroups is None else tuple(map(str, subgroups))


def frame_of_arrays(
    y_true: ArrayLike,
    *,
    scores: Mapping[str, ArrayLike] | ArrayLike | None = None,
    y_pred: Mapping[str, ArrayLike] | ArrayLike | None = None,
    groups: ArrayLike | None = None,
    subgroups: Mapping[str, ArrayLike] | pd.DataFrame | None = None,
    case_ids: ArrayLike | None = None,
    positive: str | None = None,
) -> pd.DataFrame:
    """The long table of predictions of arrays.

    Parameters
    ----------
    y_true : shape (n,), the labels.
    scores : model -> scores, shape (n,), or as `predict_proba` gives them, shape (n, k), a column per label in sorted order; one array for a
        single model.
    y_pred : model -> predicted labels, shape (n,); one array for a single model.
    groups : shape (n,), the patient or other cluster of each case.
    subgroups : name -> values, shape (n,).
    case_ids : shape (n,); default the index of `y_true` where it is a Series, else the positions from 0.
    positive : the positive class, as text.

    Raises
    ------
    InputError
        for arrays of different lengths or with different indexes, models without scores that others have, and names that a column has already.
    """
    truth = _whole(_column(y_true, "y_true"))
    index = truth.index
    of_scores = _models(scores, "scores", index)
    of_calls = {m: _whole(v) for m, v in _models(y_pred, "y_pred", index).items() if isinstance(v, pd.Series)}
    models = list(dict.fromkeys([*of_scores, *of_calls]))
    problems = _model_problems(of_scores, of_calls)
    of_names = () if subgroups is None else subgroups.items()
    further = {str(name): _column(values, f"subgroups[{name!r}]", index) for name, values in of_names}
    problems += [
        Problem(f"a subgroup cannot have the name {name!r}", remedy="rename it") for name in further if name in RESERVED
    ]
    problems += [_many_levels(name, v) for name, v in further.items() if _is_continuous(v)]
    if groups is not None:
        further["patient_id"] = _column(groups, "groups", index)
    ids = index.to_series() if case_ids is None else _column(case_ids, "case_ids", index)
    given = {f"scores[{m!r}]": v for m, v in of_scores.items()} | {f"y_pred[{m!r}]": v for m, v in of_calls.items()}
    named = {"groups" if n == "patient_id" else f"subgroups[{n!r}]": v for n, v in further.items()}
    aligned = {"y_true": truth, **given, **named, **({} if case_ids is None else {"case_ids": ids})}
    raise_if_any([*problems, *_alignment_problems(aligned, len(truth))])
    of_scores = {m: _positive_scores(v, m, truth, positive) for m, v in of_scores.items()}
    parts = []
    for model in models:
        part = {"case_id": ids.to_numpy(), "y_true": truth.to_numpy(), "model": model}
        if of_calls:
            part["y_pred"] = of_calls[model].to_numpy()
        if of_scores:
            part["score"] = of_scores[model].to_numpy()
        parts.append(pd.DataFrame({**part, **{n: v.to_numpy() for n, v in further.items()}}))
    return pd.concat(parts, ignore_index=True)


def _is_continuous(values: pd.Series) -> bool:
    """Whether a variable has so many different numbers, not whole ones, that its values are no subgroups."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return False
    known = values.dropna()
    return known.nunique() > MAX_LEVELS and bool((known % 1 != 0).any())


def _many_levels(name: str, values: pd.Series) -> Problem:
    rule = f"subgroups[{name!r}] has {values.nunique():,} different numbers, which are no subgroups"
    return Problem(rule, remedy="cut them into classes, with pandas.cut for example")


def _whole(values: pd.Series) -> pd.Series:
    """Booleans as 1 and 0, so that calls such as `score > 0.5` are calls of the labels 0 and 1; others as they are."""
    return values.astype(np.int64) if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any() else values


def _column(values: ArrayLike, name: str, index: pd.Index | None = None) -> pd.Series:
    """The values as a Series; arrays get the index of y_true where they have its length. Raises InputError unless they have one dimension."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        return values.iloc[:, 0]
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        raise InputError(Problem(f"{name} is no array", remedy="give one value per case")) from None
    if hasattr(values, "predict") or (array.dtype == object and any(hasattr(v, "predict") for v in array.ravel()[:1])):
        remedy = "give its scores, such as model.predict_proba(X), or use compare_estimators"
        raise InputError(Problem(f"{name} is an estimator, not its predictions", remedy=remedy))
    if array.ndim == 2 and array.shape[1] == 1:  # as Keras gives them
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(Problem(f"{name} has the shape {array.shape}, not (n,)", remedy="give one value per case"))
    return pd.Series(array, index=index if index is not None and len(index) == len(array) else None)


def _models(
    values: Mapping[str, ArrayLike] | ArrayLike | None, name: str, index: pd.Index
) -> dict[str, pd.Series | pd.DataFrame]:
    """The arrays by model, scores with a column per label as a DataFrame."""
    if values is None:
        return {}
    if isinstance(values, pd.DataFrame):
        values = {str(c): values.iloc[:, i] for i, c in enumerate(values.columns)}
    elif isinstance(values, Sequence) and values and all(isinstance(v, tuple) and len(v) == 2 for v in values):
        raise InputError(Problem(f"{name} is a list of pairs", remedy=f"give a mapping: dict({name})"))
    elif not isinstance(values, Mapping):
        values = {ONE_MODEL: values}
    found: dict[str, pd.Series | pd.DataFrame] = {}
    for model, array in values.items():
        label = f"{name}[{model!r}]"
        if name == "scores" and _is_matrix(array):
            matrix = array if isinstance(array, pd.DataFrame) else pd.DataFrame(np.asarray(array))
            own = isinstance(array, pd.DataFrame) or len(matrix) != len(index)
            found[str(model)] = matrix if own else matrix.set_axis(index)
        else:
            found[str(model)] = _column(array, label, index)
    return found


def _is_matrix(values: ArrayLike) -> bool:
    """Whether scores have a column per label."""
    try:
        shape = np.shape(values)
    except ValueError:  # rows of different lengths
        return False
    return len(shape) == 2 and shape[1] > 1


def _model_problems(scores: Mapping[str, object], calls: Mapping[str, object]) -> list[Problem]:
    """No model at all, or models that have one of scores and calls where others have both."""
    if not scores and not calls:
        return [
            Problem("neither scores nor y_pred", remedy="give scores={model: array}, y_pred={model: array} or both")
        ]
    if not scores or not calls or set(scores) == set(calls):
        return []
    lacking = sorted(set(scores) ^ set(calls))
    rule = f"models with either scores or y_pred where others have both: {some(lacking)}"
    return [Problem(rule, remedy="give both for every model, or leave y_pred out")]


def _alignment_problems(columns: Mapping[str, pd.Series | pd.DataFrame], n: int) -> list[Problem]:
    """Another length than that of y_true, or another index, by which rows would be taken for other cases.

    An index that counts from 0 says nothing, unless another one has the same numbers in another order.
    """
    remedy = "give one value per case, in the order of y_true"
    problems = [
        Problem(f"{name} has {len(values):,} values and y_true {n:,}", remedy=remedy)
        for name, values in columns.items()
        if len(values) != n
    ]
    if problems:
        return problems
    positions = pd.RangeIndex(n)
    labelled = {name: v.index for name, v in columns.items() if not v.index.equals(positions)}
    if not labelled:
        return []
    first = next(iter(labelled.values()))
    if first.sort_values().equals(positions):
        labelled = {name: v.index for name, v in columns.items()}
    owner = next(iter(labelled))
    remedy = f"put its rows into the order of {owner}, .reindex({owner}.index); .to_numpy() leaves the index aside"
    return [
        Problem(f"{name} has another index than {owner}", remedy=remedy)
        for name, index in labelled.items()
        if not index.equals(labelled[owner])
    ]


def _positive_scores(values: pd.Series | pd.DataFrame, model: str, truth: pd.Series, positive: str | None) -> pd.Series:
    """The positive class's score: the values, or its column where there is one per label, in sorted order as scikit-learn has them."""
    if isinstance(values, pd.Series):
        return _whole(values)
    name, matrix = f"scores[{model!r}]", values.to_numpy(dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise InputError(Problem(f"{name} has values that are no finite numbers"))
    labels = np.unique(truth.dropna().to_numpy())
    texts = [str(t) for t in text_of(pd.Series(labels))]
    if matrix.shape[1] != len(labels):
        rule = f"{name} has {matrix.shape[1]} columns and y_true {len(labels)} labels"
        raise InputError(Problem(rule, remedy="give the positive class's scores, shape (n,)"))
    if np.abs(matrix.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        rule = f"the rows of {name} do not sum to 1"
        raise InputError(Problem(rule, remedy="give probabilities, or the positive class's scores, shape (n,)"))
    pair, problems = two_labels(texts, positive, file=None, column="y_true", one_vs_rest=True)
    if pair is None:
        raise InputError(problems)
    return pd.Series(matrix[:, texts.index(pair[1])])
