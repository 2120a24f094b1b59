"""Ensembles over seeds, in tables of their own.

An ensemble over all seeds exists only once, so its variance over other seeds cannot be estimated. It is therefore compared with the single seeds,
conditional on these trained models, and kept separate from the analysis over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from hybridcx.analysis.one_seed import metrics_and_comparisons
from hybridcx.analysis.plan import Plan
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.workers.dask import Workers

MEAN = "ensemble:mean"
TABLES = ("ensemble_metrics", "ensemble_comparisons")
_KEPT = ("case_id", "y_true", "model", "score", "patient_id", "split", "seed", "fold")


def over_seeds(
    ledger: pd.DataFrame,
    networks: Sequence[str],
    positive: str,
    plan: Plan,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> dict[str, pd.DataFrame]:
    """The tables ensemble_metrics and ensemble_comparisons: of the mean probability over all seeds, beside each single seed.

    `ledger`: that of a run with several seeds on the same split; `networks`: whose softmax is averaged (and `ensemble:mean`, where
    the ledger has it). Compared are each ensemble with each of its seeds, and the ensembles with each other. Everything is exploratory and
    conditional on these trainings.
    """
    test = ledger[(ledger["split"] == "test") & ledger["model"].isin([*networks, MEAN])]
    test = test[[c for c in _KEPT if c in test]]
    single = test.assign(model=[f"{m} (seed {s})" for m, s in zip(test["model"], test["seed"], strict=True)])
    by = [c for c in test.columns if c not in ("score", "seed")]
    mean = test.groupby(by, sort=False)["score"].mean().reset_index()
    mean = mean.assign(model=[f"{m} (mean of seeds)" for m in mean["model"]])
    frame = pd.concat([mean, single.drop(columns="seed")], ignore_index=True)
    models = [m for m in (*networks, MEAN) if (test["model"] == m).any()]
    seeds = sorted(test["seed"].unique().tolist(), key=int)
    names = [f"{m} (mean of seeds)" for m in models]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    pairs += [(e, f"{m} (seed {s})") for e, m in zip(names, models, strict=True) for s in seeds]
    predictions = predictions_from_frame(frame, positive=positive, threshold=plan.threshold, name="the ensembles")
    tables = metrics_and_comparisons(predictions, replace(plan, pairs=tuple(pairs), locked=False, by=()), workers)
    return dict(zip(TABLES, tables, strict=True))
