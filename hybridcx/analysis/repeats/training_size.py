"""Learning curves over the number of training cases: each model's metrics at every size, the fitted power law, and its predictions.

Sizes are treated as models of one comparison: one draw of the test cases and one of the seeds for all of them. Each model has draws of its
own, so that no curve depends on the other models. No formula lives here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, nan

import numpy as np
import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.slices import SeedSlices, spread
from hybridcx.analysis.rows import Keys, Row, also
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.stats.power.learning_curve import METHOD, MIN_SIZES, LearningCurve, learning_curve
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.results import Interval
from hybridcx.streams import rng_for
from hybridcx.vocabulary import METRICS
from hybridcx.workers.dask import Workers

GAINS = (0.01, 0.02, 0.05)
_DRAWN_AHEAD = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Multiples of the present training set through which the curve is drawn."""
_STEPS = 9
_ALWAYS = ("auroc", "accuracy")
TOO_FEW = f"a power law has three parameters: at least {MIN_SIZES} sizes are needed"


def training_size_tables(
    sizes: pd.DataFrame,
    positive: str,
    plan: Plan,
    on_progress: Callable[[int, int], None] | None = None,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> dict[str, pd.DataFrame]:
    """`training_size` (one row per model, metric, size and kind) and `training_size_fit` (one per model, metric and term of the law).

    `sizes`: test rows of the ledger of every size, with columns share and n_train (size_ledger.COLUMNS).
    """
    metrics = tuple(dict.fromkeys([plan.primary_metric, *_ALWAYS]))
    rows: list[Row] = []
    terms: list[Row] = []
    names = list(dict.fromkeys(sizes["model"]))
    for done, model in enumerate(names, 1):
        part = sizes[sizes["model"] == model]
        each = part.groupby("share")["n_train"].agg(lambda n: n.astype(float).mean()).sort_index()
        joint, seeds = _replicates(part, each, positive, plan, metrics, workers)
        for metric in metrics:
            key = {"model": model, "metric": metric}
            few = hierarchical.few_seeds(joint.n_seeds)
            curve = _curve(joint, metric, each.to_numpy(), plan)
            rows += [key | r for r in _points(joint, seeds, metric, each, few, curve, plan)]
            terms += [
                key | {"term": term, **_limits(also(row, "caution", few), joint.n_seeds)} | {"n.sizes": len(each)}
                | {"on.bound": nan if curve is None else curve.share_on_bound}
                for term, row in _terms(curve, joint, metric, plan)
            ]  # fmt: skip
        if on_progress:
            on_progress(done, len(names))
    return {"training_size": pd.DataFrame(rows), "training_size_fit": pd.DataFrame(terms)}


def _replicates(
    part: pd.DataFrame, each: pd.Series, positive: str, plan: Plan, metrics: tuple[str, ...], workers: Workers
) -> tuple[hierarchical.SeedReplicates, dict[str, np.ndarray]]:
    """Replicates of the means over seeds of one model at each size, in rising order, and (sizes, seeds) each seed's own values."""
    place = {share: f"{i:04d}" for i, share in enumerate(each.index)}
    frame = part.assign(model=part["share"].map(place)).drop(columns=["share", "n_train"])
    predictions = predictions_from_frame(
        frame.sort_values("model", kind="stable"),
        positive=positive,
        threshold=plan.threshold,
        name="the predictions over training sizes",
    )
    slices = SeedSlices.of(predictions, Keys())
    joint = slices.stacked().replicates(
        plan.n_resamples,
        plan.n_refits,
        plan.seed,
        stratified=plan.stratified,
        threshold=plan.threshold,
        metrics=metrics,
        workers=workers,
    )
    total = len(slices.seeds)
    combined = hierarchical.combine_seeds(joint, total, rng_for(plan.seed, "seeds", "training_size"))
    return combined, {m: v.reshape(-1, total) for m, v in joint.observed.items()}


def _curve(joint: hierarchical.SeedReplicates, metric: str, n: np.ndarray, plan: Plan) -> LearningCurve | None:
    """The power law fitted to one metric; None for too few sizes."""
    if len(n) < MIN_SIZES:
        return None
    meaning, means = METRICS[metric], joint.means
    return learning_curve(
        n,
        means.observed[metric],
        means.replicates[metric],
        low=meaning.low,
        high=meaning.high,
        rising=meaning.higher_is_better,
        confidence_level=plan.confidence_level,
        n_cases=float(means.n_cases),
    )


def _points(
    joint: hierarchical.SeedReplicates,
    seeds: dict[str, np.ndarray],
    metric: str,
    each: pd.Series,
    few: str,
    curve: LearningCurve | None,
    plan: Plan,
) -> Iterator[Row]:
    """Observed values at each size, the curve between the sizes, and predictions beyond them."""
    whole = float(each.iloc[-1])
    for i, n in enumerate(each):
        result = hierarchical.hierarchical_interval(joint, metric, i, plan.confidence_level)
        values = seeds[metric][i]
        yield {
            **_place(n, whole, "observed"),
            **_limits(result, joint.n_seeds),
            **spread(values),
            "seed.min": values.min(),
            "seed.max": values.max(),
        }
    between = {*each, *np.round(np.geomspace(each.iloc[0], whole, _STEPS))}
    for kind, at in (("fitted", sorted(between)), ("predicted", [float(ceil(f * whole)) for f in _DRAWN_AHEAD])):
        for n in at if curve is not None or kind == "predicted" else ():
            result = _refused(joint, plan) if curve is None else curve.at(n)
            row = _place(n, whole, kind) | _limits(also(result, "caution", few), joint.n_seeds)
            yield row | {"sd.seeds": nan, "seed.min": nan, "seed.max": nan}


def _terms(
    curve: LearningCurve | None, joint: hierarchical.SeedReplicates, metric: str, plan: Plan
) -> Iterator[tuple[str, Interval]]:
    better = "plus" if METRICS[metric].higher_is_better else "minus"
    gains = {f"n_for_{better}_{gain:g}": gain for gain in GAINS}
    if curve is None:
        yield from ((t, _refused(joint, plan)) for t in ("asymptote", "scale", "exponent", *gains))
        return
    yield from (("asymptote", curve.asymptote()), ("scale", curve.scale()), ("exponent", curve.exponent()))
    yield from ((term, curve.size_for(gain)) for term, gain in gains.items())


def _refused(joint: hierarchical.SeedReplicates, plan: Plan) -> Interval:
    return Interval(
        METHOD,
        nan,
        conf_level=plan.confidence_level,
        n=float(joint.means.n_cases),
        status="not_estimable",
        warning=TOO_FEW,
    )


def _place(n: float, whole: float, kind: str) -> Row:
    return {"n.train": n, "share": n / whole, "kind": kind}


def _limits(interval: Interval, n_seeds: int) -> Row:
    return {
        "method": interval.method,
        "estimate": interval.estimate,
        "conf.low": interval.conf_low,
        "conf.high": interval.conf_high,
        "conf.level": interval.conf_level,
        "n.seeds": n_seeds,
        "n": interval.n,
        "n.resamples": interval.n_resamples,
        "n.resamples.failed": interval.n_resamples_failed,
        "status": interval.status,
        "warning": interval.warning or None,
    }
