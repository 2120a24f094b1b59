"""Evaluation of the resamples of a comparison in this process or by the workers of a run.

A large comparison is divided by models. Every share draws the same resamples of the same cases, which depend on all models, and evaluates its own
models on them; a model's replicates do not depend on the other models of its share. Every matrix product uses one thread of linear algebra, in this
process and in workers, because its last bits depend on the number of threads. So the result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.vocabulary import METRICS
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks

SHARED_FROM = 2_000_000_000
"""Cases x models x resamples from which they are shared out: about ten seconds of one processor."""

Work = Callable[..., Replicates]


def joint_replicates(work: Work, metrics: Sequence[str], n_models: int, size: int, workers: Workers) -> Replicates:
    """Call `work(metrics=…, evaluated=…)`, a prepared `bootstrap_replicates` of `size` = cases x models x resamples.

    From `SHARED_FROM` on, several `workers` evaluate the models in shares.
    """
    counted = [m for m in metrics if METRICS[m].kind == "count"]
    scored = [m for m in metrics if METRICS[m].kind != "count"]
    if not (workers.several and size >= SHARED_FROM and scored and n_models > 1):
        return _evaluated(partial(work, metrics=metrics))
    n_shares = min(n_models, workers.jobs or n_models)
    shares = [part.tolist() for part in np.array_split(np.arange(n_models), n_shares)]
    tasks = [partial(work, metrics=scored, evaluated=share) for share in shares]
    tasks += [partial(work, metrics=counted)] if counted else []
    # Each task gets a copy of the generator in its present state: tasks are pickled, and none runs in this process.
    results = run_tasks(_evaluated, [(task,) for task in tasks], workers=workers)
    return _joined(results[:n_shares], results[n_shares:])


def _evaluated(work: Callable[[], Replicates]) -> Replicates:
    with threadpool_limits(limits=1, user_api="blas"):
        return work()


def _joined(shares: Sequence[Replicates], counted: Sequence[Replicates]) -> Replicates:
    """The replicates of all models: scores of the shares side by side, and the count metrics of all."""

    def beside(of: Callable[[Replicates], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        joined = {m: np.concatenate([of(share)[m] for share in shares], axis=-1) for m in of(shares[0])}
        return {m: values for c in counted for m, values in of(c).items()} | joined

    return replace(
        shares[0],
        observed=beside(lambda r: dict(r.observed)),
        replicates=beside(lambda r: dict(r.replicates)),
        jackknife=beside(lambda r: dict(r.jackknife)),
        jackknife_weights={m: w for r in (*counted, shares[0]) for m, w in r.jackknife_weights.items()},
    )
