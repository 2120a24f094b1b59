"""What a report is made from, and its parts in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from hybridcx.report.blocks import Figure, Section
from hybridcx.report.casebook_view import CasebookView

Command = Literal["run", "compare", "agreement", "audit", "plan"]


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows.

    Parameters
    ----------
    title, question : as the user gave them, or as the command words them.
    command : decides the numbering (a run's report keeps the study's Tables I to III and Figures 2 to 6).
    tables : contract name without `.csv` -> rows; an absent or empty one leaves its section out.
    answers : the sentences of the first screen; None has them computed from the tables (`report.answers`).
    caveats : what limits the answer, most important first.
    cohort_flow : columns step, n and, optionally, kind ("kept" or "excluded").
    split_table : Table I; columns label (or the labels as index), train, validation, test, total; the row "total" included.
    training_settings : Table II; (option, value, note) each, or a frame whose first column is the option.
    histories : network -> columns iteration, epoch, train_loss, train_accuracy, learning_rate, validation_loss,
        validation_accuracy (NaN where there was no validation).
    heads_table : one row a head, columns as they are to stand in the page.
    methods : paragraphs.
    provenance : name -> value (versions, seed, hashes); one level of nesting is allowed.
    primary_models : those shown in the figures, where all of them could not be told apart.
    primary_metric : the metric of the answer; None takes the plan's (see `answers.primary_metric`).
    warnings : what the run noted besides.
    reader_notes : what must be said where models are set beside readers.
    plan_note : what must be said of a plan that was changed after results; "" where there is nothing.
    casebook : where the pictures of the shown cases are; None where there are none.
    study_methods : those paragraphs of `methods` that tell of cases, models and calls; a paper's text says the statistics itself.
    """

    title: str
    command: Command
    question: str
    tables: Mapping[str, pd.DataFrame]
    answers: Sequence[str] | None = None
    caveats: Sequence[str] = ()
    cohort_flow: pd.DataFrame | None = None
    split_table: pd.DataFrame | None = None
    training_settings: pd.DataFrame | Sequence[tuple[str, str, str]] | None = None
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    heads_table: pd.DataFrame | None = None
    methods: Sequence[str] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    primary_models: Sequence[str] = ()
    primary_metric: str | None = None
    warnings: Sequence[str] = ()
    reader_notes: Sequence[str] = ()
    plan_note: str = ""
    casebook: CasebookView | None = None
    study_methods: Sequence[str] = ()


Content = tuple["First", list[Section]]
"""The first screen and the sections of a report, which the page and every other form of it are made of."""


@dataclass(frozen=True, slots=True)
class First:
    """The first screen: what the cases could show (`before`), the answer, its forest plot, its caveats."""

    before: tuple[str, ...]
    lead: str
    answers: tuple[tuple[str, str], ...]  # what it is about (set bold), the rest of the sentence
    forest: Figure | None
    caveats: tuple[str, ...]
    warnings: tuple[str, ...]
