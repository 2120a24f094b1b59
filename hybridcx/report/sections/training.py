"""The training of the networks: its options, and the learning curves."""

from __future__ import annotations

import pandas as pd

from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.frame_table import frame_table

FIRST_LEARNING_FIGURE = 2


def section(content: Content) -> Section:
    """Table II (training options) and one figure per network, from Figure 2 on."""
    section = Section()
    settings = content.training_settings
    if settings is not None and len(settings):
        if not isinstance(settings, pd.DataFrame):
            settings = pd.DataFrame(settings, columns=["option", "value", "note"])
        section.table(frame_table("options", "Training options.", settings.astype(str)), study_number=2)
    source = "learning_curves.csv" if "learning_curves" in content.tables else ""
    histories = [(i, name, history) for i, (name, history) in enumerate(content.histories.items()) if len(history)]
    section.figures(*(_learning_curves(i, name, history, source) for i, name, history in histories))
    return section


def _learning_curves(i: int, name: str, history: pd.DataFrame, source: str) -> Figure:
    drawing = plots.learning_curves(history, name=name, prefix=f"learning-{i}")
    caption = f"{name}: accuracy and loss in training (each mini-batch) and validation against iteration."
    trainings = len(history[["seed", "fold"]].drop_duplicates()) if {"seed", "fold"} <= set(history) else 1
    if trainings > 1:
        caption += f" Median of {trainings} trainings at the iterations that all of them have; bands from the minimum to the maximum."
    if plots.rate_drops(
        plots.over_trainings(history)[0]
    ):  # as drawn: several trainings put end to end have other drops
        caption += " Dotted lines: the learning rate drops."
    return Figure(f"learning-{i}", drawing, caption, source, study_number=FIRST_LEARNING_FIGURE)
