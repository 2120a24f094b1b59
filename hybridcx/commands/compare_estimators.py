"""`hybridcx.compare_estimators`: scikit-learn estimators, fitted and predicted out of fold, then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.thresholds import parse_threshold
from hybridcx.commands.comparison_report import comparison_report
from hybridcx.commands.inputs import Compared
from hybridcx.commands.options import (
    AllPairs,
    Also,
    CaseIds,
    ConfidenceLevel,
    Cv,
    Estimators,
    Features,
    Groups,
    Margin,
    NBootstrap,
    NJobs,
    Out,
    OwnThreshold,
    Positive,
    Prevalences,
    Reference,
    Repeats,
    ReportsProgress,
    Seed,
    Stratified,
    Subgroups,
    Target,
    checked,
    documented,
)
from hybridcx.commands.result import Report, output
from hybridcx.errors import InputError, Problem
from hybridcx.progress import OfPython, Progress
from hybridcx.records.arrays import frame_of_arrays, label_text, subgroup_names
from hybridcx.records.labels import two_labels
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.records.tables import text_of
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.provenance import versions_of
from hybridcx.vocabulary import extras

if TYPE_CHECKING:
    from hybridcx.estimators.out_of_fold import OutOfFold, Part

_NAME = "estimators"


@documented
def compare_estimators(
    estimators: Estimators,
    X: Features,
    y: Target,
    *,
    groups: Groups = None,
    cv: Cv = 5,
    repeats: Repeats = 1,
    subgroups: Subgroups = None,
    case_ids: CaseIds = None,
    positive: Positive = None,
    threshold: OwnThreshold = None,
    prevalences: Prevalences = (),
    margin: Margin = None,
    reference: Reference = None,
    all_pairs: AllPairs = False,
    stratified: Stratified = False,
    confidence_level: ConfidenceLevel = 0.95,
    n_bootstrap: NBootstrap = 2000,
    seed: Seed = 0,
    n_jobs: NJobs = None,
    out: Out = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Compare scikit-learn estimators by out-of-fold predictions: statistics and report.

    Every estimator is cloned and fitted on the training cases of each split, and predicts its test cases; all have the same splits. A search
    (GridSearchCV) tunes within the training cases alone, which makes the cross-validation nested; the table `tuning` has what it chose. Then
    the predictions are compared as `compare` does. Repeats draw the folds anew: they are seeds, and intervals draw seeds and cases. The
    result, and its folder, have the lineage: which fit saw which cases.

    The scores are those of predict_proba, else of decision_function (ranks); calls are those of predict. Parameters `random_state` that are None
    get seeds, so that the result repeats.

    Returns
    -------
    Report: as of `compare`; `predictions` has the out-of-fold predictions.

    Raises
    ------
    InputError
        for estimators, splits, labels or options that cannot be used: nothing has been fitted.

    Notes
    -----
    The models of different folds share training cases, so no interval accounts for the variance of training (Bengio and Grandvalet 2004,
    https://jmlr.org/papers/v5/grandvalet04a.html). Random splits, such as StratifiedShuffleSplit(20), get Nadeau and Bengio's (2003) corrected
    test, https://doi.org/10.1023/A:1024068626366.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = {"bayes": GaussianNB(), "logistic": LogisticRegression(max_iter=5000)}
    >>> result = compare_estimators(models, X[:200], y[:200], cv=3, n_bootstrap=100)
    >>> result.predictions.shape
    (400, 7)
    """
    extras.need("sklearn", "compare_estimators")
    from hybridcx.estimators.out_of_fold import divisions, out_of_fold

    if not isinstance(estimators, Mapping) or not estimators:
        raise InputError(
            Problem("estimators is a mapping of names to estimators", remedy='write {"forest": forest, ...}')
        )
    named = {str(name): estimator for name, estimator in estimators.items()}
    if len(named) < len(estimators) or "" in named or "None" in named:
        raise InputError(Problem("estimators have names that are equal or empty", remedy="give each a name of its own"))
    estimators = named
    positive = label_text(int(positive) if isinstance(positive, bool) else positive)
    by = subgroup_names(subgroups)
    options = checked(compare_estimators, locals())
    progress = progress or OfPython()
    forms, rule = forms_of(also), parse_threshold(0.5 if threshold is None else threshold)
    plan = Plan.of({**options, "by": by, "threshold": rule.value})
    labels, cases, pair = _cases(X, y, groups, subgroups, case_ids, positive)
    of_groups = cases["patient_id"].to_numpy() if "patient_id" in cases else None
    parts = divisions(5 if cv is None else cv, repeats, X, labels, of_groups, seed)
    _check_before_fits(tuple(sorted(estimators)), plan, out, parts)
    fitted = out_of_fold(
        estimators,
        X,
        labels,
        parts=parts,
        groups=of_groups,
        positive=pair[1],
        case_ids=text_of(cases["case_id"]).tolist(),
        seed=seed,
        n_jobs=n_jobs,
        on_progress=progress.track("fitting"),
    )
    frame = _frame(fitted, cases, seed, own_calls=threshold is None)
    read = predictions_from_frame(
        frame,
        positive=positive,
        threshold=rule.value,
        score_kind="rank" if fitted.score_kind == "rank" else "probability",
        name="the out-of-fold predictions",
        own=True,
    )
    if parts[0].fold is None and len(parts) > 1:
        # random splits: the smallest training set, for which the correction for shared training cases is largest
        plan = replace(plan, n_train=min(len(p.train) for p in parts))
    source = Compared(
        read,
        _NAME,
        {},
        tables={} if fitted.tuning.empty else {"tuning": fitted.tuning},
        notes=fitted.notes,
        lineage=fitted.lineage,
        methods=(_methods(estimators, cv, parts, of_groups is not None),),
        estimators=_record(estimators, cv, repeats),
    )
    return comparison_report(source, plan, rule, {**options, "by": list(by)}, out=out, forms=forms, progress=progress)


def _check_before_fits(models: tuple[str, ...], plan: Plan, out: Out, parts: list[Part]) -> None:
    """Refuse names, a reference and a folder that would be refused after the fits."""
    plan.resolved_pairs(models)
    frame = pd.DataFrame({"case_id": ["a", "b"] * len(models), "y_true": ["0", "1"] * len(models)})
    frame["model"] = np.repeat(models, 2)
    predictions_from_frame(frame.assign(score=[0.2, 0.8] * len(models)), name="the estimators", own=True)
    if out is not None:
        with output(out, _NAME, "compare", Progress(quiet=True)):
            pass


def _cases(
    X: Features,
    y: ArrayLike,
    groups: Groups,
    subgroups: Subgroups,
    case_ids: CaseIds,
    positive: str | None,
) -> tuple[np.ndarray, pd.DataFrame, tuple[str, str]]:
    """The labels as an array, a row per case (case_id, y_true, patient_id, subgroups), and the two classes as text."""
    cases = frame_of_arrays(y, y_pred=y, groups=groups, subgroups=subgroups, case_ids=case_ids)
    n = X.shape[0] if hasattr(X, "shape") else len(cast(Sized, X))
    if n != len(cases):
        raise InputError(Problem(f"X has {n:,} rows and y {len(cases):,} labels", remedy="give one row per case"))
    if (
        isinstance(X, pd.DataFrame | pd.Series)
        and isinstance(y, pd.DataFrame | pd.Series)
        and not X.index.equals(y.index)
    ):
        raise InputError(
            Problem("X has another index than y", remedy="put its rows into the order of y, X.loc[y.index]")
        )
    checked_columns = [c for c in ("y_true", "case_id", "patient_id") if c in cases]
    if cases[checked_columns].isna().any(axis=None):
        raise InputError(Problem("a label, a case id or a group is missing", remedy="leave out these cases"))
    if not cases["case_id"].is_unique:
        raise InputError(Problem("case ids that occur twice", remedy="give every row of X an id of its own"))
    pair, problems = two_labels(
        text_of(cases["y_true"]).unique().tolist(), positive, file=None, column="y", one_vs_rest=True
    )
    if pair is None:
        raise InputError(problems)
    return cases["y_true"].to_numpy(), cases.drop(columns=["model", "y_pred"]), pair


def _frame(fitted: OutOfFold, cases: pd.DataFrame, seed: int, *, own_calls: bool) -> pd.DataFrame:
    """The long table of `compare`: repeats are seeds."""
    rows = fitted.frame
    frame = pd.concat(
        [cases.iloc[rows["case"]].reset_index(drop=True), rows.drop(columns=["case", "repeat"]).reset_index(drop=True)],
        axis=1,
    )
    if rows["repeat"].nunique() > 1:
        frame["seed"] = rows["repeat"].to_numpy() + seed
    if frame["fold"].isna().all():
        frame = frame.drop(columns="fold")
    return frame if own_calls or fitted.score_kind is None else frame.drop(columns="y_pred")


def _methods(estimators: Estimators, cv: Cv, parts: list[Part], grouped: bool) -> str:
    """How the predictions were made, in words."""
    names = "; ".join(f"{name}: {_words(e)}" for name, e in estimators.items())
    folds, repeats = max(p.fold or 0 for p in parts), parts[-1].repeat + 1
    if folds == 0:
        how = "one split" if len(parts) == 1 else f"{len(parts)} random splits"
    else:
        how = f"{folds} folds" + (f", drawn {repeats} times" if repeats > 1 else "")
    kept = ", no group in training and test" if grouped else ""
    drawn = "stratified by class" if isinstance(cv, int) else _words(cv)
    return (
        f"Out-of-fold predictions of scikit-learn estimators ({how}, {drawn}{kept}; the same for every estimator). Each was fitted on the training "
        f"cases of a split alone, searches over parameters included, and predicted its test cases. {names}."
    )


def _record(estimators: Estimators, cv: Cv, repeats: int) -> dict[str, object]:
    """The estimators, the splitter and the packages, for provenance.json."""
    packages = {type(e).__module__.split(".")[0] for e in estimators.values()} | {"sklearn"}
    names = sorted({"sklearn": "scikit-learn"}.get(p, p) for p in packages)
    return {
        "fitted": {name: _words(e, limit=None) for name, e in estimators.items()},
        "cv": _words(cv),
        "repeats": repeats,
        "packages": versions_of(*names),
    }


_MAX_WORDS = 160


def _words(value: object, limit: int | None = _MAX_WORDS) -> str:
    """The repr of an estimator or a splitter on one line, without addresses in memory."""
    text = " ".join(repr(value).split()) if " object at 0x" not in repr(value) else type(value).__name__
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
