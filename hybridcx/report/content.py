"""What a report shows: the tables of a command and what it says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hybridcx.report import shown_rows
from hybridcx.report.casebook_view import CasebookView
from hybridcx.report.shown_rows import Pair

if TYPE_CHECKING:
    from hybridcx.records.ratings import Ratings

Command = Literal["run", "compare", "agreement", "audit", "plan", "validate"]


@dataclass(frozen=True, slots=True)
class PlanWording:
    """The words of a question of `plan` on the page.

    `target`, `value` : labels of the target and of the value. `assumption`, `axis` : the column that the second figure varies, and its label.
    `value_is_answer` : the value answers the question; otherwise the number of cases does. `lines` : the columns whose values give a line each in
    the first figure. `target_unit` : the target is a power in percent, or a half-width in percentage points.
    """

    target: str
    value: str
    assumption: str
    axis: str
    value_is_answer: bool = False
    lines: Sequence[str] = ("method",)
    target_unit: Literal["percent", "points"] = "percent"


@dataclass(frozen=True)
class Content:
    """What a command reports. Sections read it, and nothing else.

    Parameters
    ----------
    title, question : as the user gave them, or as the command words them.
    command : the command that made it.
    study_numbers : tables and figures have the numbers of the study (Tables I to III, Figures 2 to 6): under its preset.
    tables : name (a CSV's name without `.csv`) -> rows; without a table, or without rows in it, its section is omitted.
    answers : the sentences of the first screen; None for those that the tables give (`report.answers`).
    caveats : what limits the answer, most important first.
    cohort_flow : columns step, n and, optionally, kind ("kept" or "excluded").
    split_table : Table I; columns label (or the labels as index), train, validation, test, total; with a row "total".
    training_settings : Table II; (option, value, note) of each, or a table whose first column is the option.
    histories : network -> columns iteration, epoch, train_loss, train_accuracy, learning_rate, validation_loss,
        validation_accuracy (NaN at iterations without validation).
    heads_table : one row per head, with the columns that the page shows.
    methods : paragraphs.
    provenance : name -> value (versions, seed, hashes), or name -> (name -> value).
    primary_models : the models of the figures, which cannot show all of many.
    primary_metric : the metric of the answer; None for the plan's (`shown_rows.primary_metric`).
    warnings : warnings of the run.
    reader_notes : paragraphs before the comparison of models with readers.
    plan_note : what the page says about a plan that was changed after results existed; "" otherwise.
    casebook : where the pictures of the shown cases are; None without a casebook.
    readings : the ratings of the readers, for figures of them; None in other reports than those of agreement.
    plan_wording : the words of the question of `plan`; None for other commands.
    ledger : the file of the predictions.
    study_methods : the paragraphs of `methods` on cases, models and calls; the text of a paper has its own on statistics.
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
    ledger: str = "predictions.csv"
    study_methods: Sequence[str] = ()
    plan_wording: PlanWording | None = None
    study_numbers: bool = False
    readings: Ratings | None = None

    def table(self, name: str) -> pd.DataFrame:
        """The table of this name; an empty one where there is none."""
        table = self.tables.get(name)
        return pd.DataFrame() if table is None else table

    @cached_property
    def metric(self) -> str:
        """The metric of the answer."""
        return shown_rows.primary_metric(self.tables, self.primary_metric)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every comparison of two models on the whole test set."""
        return shown_rows.pairs(self.table("comparisons"), self.table("verdicts"))

    @cached_property
    def values(self) -> dict[tuple[str, ...], shown_rows.Row]:
        """(model, metric) -> its shown row on the whole test set."""
        metrics = self.table("metrics")
        return {} if metrics.empty else shown_rows.shown_values(shown_rows.overall(metrics))

    @property
    def primary_pairs(self) -> list[Pair]:
        """The comparisons that answer the question."""
        return shown_rows.primary_pairs(self.pairs, self.metric)[0]

    @property
    def planned(self) -> bool:
        """Whether a plan named the primary comparisons."""
        return shown_rows.primary_pairs(self.pairs, self.metric)[1]

    def models_of(self, table: pd.DataFrame) -> list[str] | None:
        """The primary models that the table has; None where none of them is there."""
        available = set(table["model"].astype(str))
        return [m for m in self.primary_models if m in available] or None
