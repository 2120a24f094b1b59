"""The domains of the methods agree with the simulations that ship with the package."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from hybridcx.vocabulary.domains import DOMAINS

SIMULATED = [
    (d, m) for d in DOMAINS if d.clustered is False and not d.never for m in d.metrics if d.method != "clopper_pearson"
]
SIMULATED = [
    (d, m) for d, m in SIMULATED if (d.method, m) != ("tango", "specificity")
]  # as sensitivity, with the classes exchanged


@pytest.fixture(scope="module")
def rows():
    with files("hybridcx.vocabulary").joinpath("simulations.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


@pytest.mark.parametrize(
    ("domain", "metric"), SIMULATED, ids=[f"{d.use}-{m}-{d.method}-{'-'.join(d.least)}" for d, m in SIMULATED]
)
def test_a_method_holds_wherever_its_domain_says(rows, domain, metric):
    """At each simulated size in the domain: mean coverage at least 93.5 %, no setting below 92 %, type I error at most 6 %, but for what the
    numbers of replicates leave to chance."""
    own = rows[(rows["use"] == domain.use) & (rows["metric"] == metric) & (rows["method"] == domain.method)]
    sizes = {"cases": own["n"], "events": own["events"], "share": 100 * own["prevalence"]}
    inside = own[np.all([sizes[k] >= v for k, v in domain.least.items()], axis=0)] if domain.least else own
    inside = inside.dropna(subset="coverage")  # without limits in any data set: as few discordant cases as possible
    assert len(inside) >= 4
    error = np.sqrt(0.08 * 0.92 / inside["replicates"])
    assert (inside["coverage"] >= 0.92 - 3 * error).all()
    assert (inside["type1"].fillna(0) <= 0.06 + 3 * error).all()
    for _, size in inside.groupby(["n", "prevalence"]):
        assert size["coverage"].mean() >= 0.935 - 3 * np.sqrt(0.06 * 0.94 / size["replicates"].sum())


def test_recommended_methods_have_many_replicates(rows):
    """5,000 where no case is resampled; fewer where each data set takes hundreds of resamples."""
    least = rows.groupby("method")["replicates"].min()
    for method in (
        "permutation_paired",
        "tango",
        "lr_regression",
        "wilson",
        "mover_wilson",
        "delong_logit",
        "newcombe_auc",
        "delong_paired",
    ):
        own = rows[(rows["method"] == method) & ~rows["metric"].isin(("brier", "log_loss"))]
        assert own["replicates"].min() >= 5000, method
    assert (least >= 75).all()
