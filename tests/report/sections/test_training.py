"""The section on the training of the networks."""

from __future__ import annotations

import pandas as pd
import pytest
import sample

from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.sections import training

RATES = 3e-4, 6e-5  # before and after a drop


def trainings(n: int, rates: tuple[float, ...]) -> pd.DataFrame:
    """The histories of `n` trainings of 20 iterations, at these learning rates in turn."""
    history = sample.history(1).query("iteration <= 20")
    rate = [rates[i * len(rates) // 20] for i in range(20)]
    return pd.concat([history.assign(seed=k, fold=None, learning_rate=rate) for k in range(n)], ignore_index=True)


@pytest.mark.parametrize("n", [1, 2, plots.MAX_RATE_DROPS + 1])
@pytest.mark.parametrize(("rates", "drops"), [(RATES, 1), (RATES[:1], 0), (RATES[::-1], 0)])
def test_the_caption_names_dotted_lines_only_where_the_figure_has_them(n, rates, drops) -> None:
    history = trainings(n, rates)
    content = Content(title="", command="run", question="", tables={}, histories={"resnet101": history})
    (figure,) = training.section(content).blocks[0].figures
    assert ("Dotted lines" in figure.caption) == (drops > 0)
