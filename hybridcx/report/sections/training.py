"""The training of the networks: its options, and the learning curves."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.frame_table import frame_table

FIRST_LEARNING_FIGURE = 2


def section(content: Content) -> Section:
    """Table II (training options) and the learning curves; under the study's preset one figure per network, from Figure 2 on."""
    section = Section()
    settings = content.training_settings
    if settings is not None and len(settings):
        if not isinstance(settings, pd.DataFrame):
            settings = pd.DataFrame(settings, columns=["option", "value", "note"])
        options = frame_table("options", "Training options.", settings.astype(str))
        section.table(options, study_number=2, detail=not content.study_numbers)
    source = "learning_curves.csv" if "learning_curves" in content.tables else ""
    histories = {name: history for name, history in content.histories.items() if len(history)}
    if content.study_numbers:  # the study has a figure for each network
        section.figures(
            *(_learning_curves({name: h}, source, f"learning-{i}") for i, (name, h) in enumerate(histories.items()))
        )
    elif histories:
        section.figures(_learning_curves(histories, source, "learning"))
    return section


def _learning_curves(histories: Mapping[str, pd.DataFrame], source: str, key: str) -> Figure:
    drawing = plots.learning_curves(histories, prefix=key)
    of = f"{next(iter(histories))}: accuracy" if len(histories) == 1 else "Accuracy"
    caption = f"{of} and loss in training (each mini-batch) and validation against iteration."
    trainings = max(_trainings(h) for h in histories.values())
    if trainings > 1:
        caption += f" Median of {trainings} trainings at the iterations that all of them have; bands from the minimum to the maximum."
    # as drawn: several trainings put end to end have other drops
    if any(plots.rate_drops(plots.over_trainings(h)[0]) for h in histories.values()):
        caption += " Dotted lines: the learning rate drops."
    return Figure(key, drawing, caption, source, study_number=FIRST_LEARNING_FIGURE)


def _trainings(history: pd.DataFrame) -> int:
    return len(history[["seed", "fold"]].drop_duplicates()) if {"seed", "fold"} <= set(history) else 1
