"""The stage of ensembles over the networks of one training: further models of the ledger, in every unit, compared as any model is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from hybridcx.analysis.repeats.ensembles import MEAN
from hybridcx.cohort.cohort import Cohort
from hybridcx.experiment.file import Experiment
from hybridcx.heads.stack import fit_stack
from hybridcx.pipeline.cases import Cases
from hybridcx.pipeline.units import Unit
from hybridcx.records.lineage import Fit, Lineage
from hybridcx.vocabulary.repeats import ENSEMBLES

TINY = 1e-12
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""


def ensemble_names(experiment: Experiment) -> tuple[str, ...]:
    """The ensembles over networks that an experiment makes."""
    return tuple(f"ensemble:{kind}" for kind in experiment.ensembles.networks)


@dataclass(frozen=True, slots=True)
class NetworkEnsembles:
    """The ledger with the rows of the ensembles over networks, the table ensembles.csv, and what the ensembles were fitted on."""

    ledger: pd.DataFrame
    table: pd.DataFrame
    fits: tuple[Fit, ...]


def network_ensembles(
    experiment: Experiment,
    cohort: Cohort,
    units: Sequence[Unit],
    ledger: pd.DataFrame,
    lineage: Lineage,
    of_unit: Mapping[str, Cases],
) -> NetworkEnsembles:
    """The ensembles over networks in every unit. `lineage` has the fits of the networks, `of_unit` the cases by the unit's name."""
    names, members = ensemble_names(experiment), experiment.networks.names
    if not names:
        return NetworkEnsembles(ledger, pd.DataFrame(), ())
    parts, rows = [ledger], []
    fits: list[Fit] = []
    for unit in units:
        here = ledger["seed"] == unit.seed
        if unit.fold is not None:
            here &= ledger["fold"] == str(unit.fold)
        own = ledger[here]
        tables = [own[own["model"] == m].reset_index(drop=True) for m in members]
        scores = np.stack([t["score"].to_numpy(float) for t in tables], axis=1)
        for name in names:
            row: dict[str, object] = {
                "model": name,
                "members": ", ".join(members),
                "seed": unit.seed,
                "fold": unit.fold,
            }
            if name == MEAN:
                score = scores.mean(axis=1)
                row |= {"weights": json.dumps([1 / len(members)] * len(members)), "intercept": None, "n_fitted": 0}
                seen = set().union(*(lineage.saw(m, unit.name) for m in members))
            else:
                score, more = _stacked(tables[0], scores, cohort.positive)
                row |= more
                seen = set(of_unit[unit.name].case_ids[of_unit[unit.name].index("validation")].tolist())
            labels = np.array(cohort.labels, dtype=object)
            calls = labels[(score >= experiment.analysis.threshold).astype(int)]
            parts.append(tables[0].assign(model=name, score=score, y_pred=calls))
            rows.append(row)
            fits.append(Fit.of(name, "head", seen, parents=members, unit=unit.name))
    return NetworkEnsembles(pd.concat(parts, ignore_index=True), pd.DataFrame(rows)[ENSEMBLES.header], tuple(fits))


def _stacked(table: pd.DataFrame, scores: np.ndarray, positive: str) -> tuple[np.ndarray, dict[str, object]]:
    logits = logit(np.clip(scores, TINY, 1 - TINY))
    rows = (table["split"] == "validation").to_numpy()
    y = (table["y_true"] == positive).to_numpy().astype(np.int64)
    stack = fit_stack(logits[rows], y[rows])
    weights = json.dumps([float(w) for w in stack.weights])
    return stack.predict_proba_positive(logits), {
        "weights": weights,
        "intercept": stack.intercept,
        "n_fitted": int(rows.sum()),
    }
