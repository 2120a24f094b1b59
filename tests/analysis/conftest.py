"""Predictions drawn for the analysis: each model's scores depend on its name and the cases alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.streams import rng_for

SKILL = {"vgg16": 1.6, "lda": 0.9, "knn": 0.5, "svm": 1.2, "twin": 1.6}


def drawn(models=("vgg16", "lda", "knn"), n=80, patients=False):
    """A frame of predictions with scores, calls at 0.5 and a subgroup; `patients` gives each patient two cases."""
    truth = rng_for(7, "truth").random(n) < 0.45
    sex = np.where(rng_for(7, "sex").random(n) < 0.5, "f", "m")
    frames = []
    for model in models:
        noise = rng_for(7, model if model != "twin" else "vgg16").normal(size=n)
        score = 1 / (1 + np.exp(-(SKILL.get(model, 1.0) * (2 * truth - 1) + noise)))
        frames.append(
            pd.DataFrame(
                {
                    "case_id": [f"c{i:03d}" for i in range(n)],
                    "y_true": np.where(truth, "abnormal", "normal"),
                    "model": model,
                    "y_pred": np.where(score >= 0.5, "abnormal", "normal"),
                    "score": score,
                    "sex": sex,
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    if patients:
        frame["patient_id"] = "p" + (frame["case_id"].str[1:].astype(int) // 2).astype(str)
    return frame


def tables_of(frame, score_kind="probability", **options):
    """All tables of a frame, with few resamples."""
    plan = Plan(**{"n_resamples": 200, "n_refits": 20, **options})
    return analyse(predictions_from_frame(frame, score_kind=score_kind), plan)


@pytest.fixture(scope="session")
def draw():
    return drawn


@pytest.fixture(scope="session")
def analysed():
    return tables_of


@pytest.fixture(scope="session")
def full(draw, analysed):
    """Three models with scores and calls; a margin, a subgroup and a prevalence asked for."""
    return analysed(draw(), margin=0.1, by=("sex",), prevalences=(0.2,))


@pytest.fixture(scope="session")
def clustered(draw, analysed):
    """Two models on patients with two cases each."""
    return analysed(draw(("vgg16", "lda"), patients=True), margin=0.1)
