"""The caveats of the first screen: each is there when its fact is, and only then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.cohort.cohort import Cohort
from hybridcx.narrative.caveats import caveats
from hybridcx.records.predictions import predictions_from_frame


def frame(n: int = 120, positive: float = 0.5, models=("a", "b"), twin: bool = False, seeds=(None,)) -> pd.DataFrame:
    """Predictions of models that are right in about three of four cases; `twin`: on the same cases."""
    rng = np.random.default_rng(5)
    truth = np.arange(n) < round(n * positive)
    parts = []
    for seed in seeds:
        right = rng.random(n) < 0.75
        for model in models:
            own = right if twin else rng.random(n) < 0.75
            score = np.where(own == truth, 0.9, 0.1) - 0.05 * rng.random(n)
            part = pd.DataFrame(
                {"case_id": [f"c{i}" for i in range(n)], "y_true": np.where(truth, "yes", "no"), "model": model}
            )
            parts.append(part.assign(score=score, **({} if seed is None else {"seed": seed})))
    return pd.concat(parts, ignore_index=True)


def said(table: pd.DataFrame, outcome=None) -> str:
    read = predictions_from_frame(table, positive="yes")
    tables = analyse(read, Plan(n_resamples=50, n_refits=5))
    return "\n".join(caveats(read, tables, outcome))


def outcome(weights: str = "imagenet", excluded: str = ""):
    """What a run hands over, as far as the caveats look at it; the last of six cases is excluded where a reason is given."""
    calls = ["yes", "no", "yes", "no", "yes", "no"]
    table = pd.DataFrame(
        {"case_id": list("uvwxyz"), "patient_id": list("uvwxyz"), "label": calls, "excluded": [""] * 5 + [excluded]}
    )
    table = table.assign(reader_a=calls, reader_b=[*calls[:5], "yes" if excluded else "no"])
    votes = ("reader_a", "reader_b")
    cohort = Cohort(table, np.arange(2, 8), Path(), Path("manifest.csv"), ("no", "yes"), votes=votes)
    networks = pd.DataFrame({"network": ["vgg16", "resnet101"], "weights": [weights, "imagenet"]})
    return SimpleNamespace(cohort=cohort, units=(None,), warnings=[], ledger=pd.DataFrame(), networks=networks)


def test_few_cases() -> None:
    assert "Only 80 test cases: intervals are wide" in said(frame(80))
    assert "intervals are wide" not in said(frame(120))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.1, "Sensitivity is imprecise (12 positives)."),
        (0.7, "Specificity is imprecise (36 negatives)."),
    ],
)
def test_few_cases_of_a_class(share: float, words: str) -> None:
    assert words in said(frame(120, share))
    assert "imprecise" not in said(frame(120, 0.5))


def test_no_discordant_case() -> None:
    assert "No discordant case: a and b are right and wrong on the same cases" in said(frame(twin=True))
    assert "No discordant case" not in said(frame())


def test_no_discordant_case_in_any_seed_and_a_few_of_many_pairs_are_named() -> None:
    assert "No discordant case: a and b" in said(frame(twin=True, seeds=(1, 2)))
    assert "and 4 more pairs are right" in said(frame(twin=True, models=("a", "b", "c", "d", "e")))


def test_one_seed_of_predictions_made_by_anyone() -> None:
    assert "One training per model: no interval includes the variation between trainings." in said(frame())
    several = said(frame(seeds=(1, 2)))
    assert "One training" not in several
    assert "share one division into training and test cases" in several


def test_one_split_and_one_seed_of_a_run() -> None:
    assert "One split and one seed: other trainings" in said(frame(), outcome())


def test_random_initialisation() -> None:
    assert "Random weights: vgg16 learnt from these cases alone" in said(frame(), outcome("untrained"))
    assert "Random weights" not in said(frame(), outcome())


def test_easier_cases_because_the_readers_had_to_agree() -> None:
    told = said(frame(), outcome(excluded="readers disagree"))
    assert (
        "The case on which the readers disagreed is excluded: those left are easier, and accuracy on all comers would be lower"
        in told
    )
    assert "the readers agree by construction" in told
    assert "easier" not in said(frame(), outcome())


def test_scores_that_rank_the_wrong_way_round() -> None:
    turned = frame()
    turned["score"] = 1 - turned["score"]
    assert "AUROC below 0.5: a, b rank the cases the wrong way round" in said(turned)
    assert "AUROC below" not in said(frame())
