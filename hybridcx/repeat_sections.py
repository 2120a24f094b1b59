"""The tables [repeat] and [ensembles] of the experiment file: trainings beyond the first, and models that are made of several."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from hybridcx.training_options import Section as _Section


class RepeatSection(_Section):
    """Trainings beyond the first: other seeds, other divisions of the cohort, folds."""

    design: Literal["split", "holdout", "kfold", "repeated_kfold"] = Field(
        "split",
        description="`split`: every seed trains on the one split; `holdout`: every seed draws a split of its own (repeated hold-out); `kfold`: "
        "cross-validation in place of the test set, with the same folds for every seed; `repeated_kfold`: every seed draws folds of its own",
    )
    seeds: int = Field(
        1, ge=1, le=1000, description="how many trainings: with the experiment's seed, the next number, and so on"
    )
    folds: int = Field(
        5, ge=2, le=50, description="outer folds of kfold and repeated_kfold, stratified, no patient in two"
    )

    @property
    def in_folds(self) -> bool:
        """Whether every case is a test case once per seed."""
        return self.design in ("kfold", "repeated_kfold")

    @property
    def trainings(self) -> int:
        """How often every network is trained."""
        return self.seeds * (self.folds if self.in_folds else 1)

    @property
    def several_divisions(self) -> bool:
        """Whether the trainings differ in which cases they train on."""
        return self.design != "split"

    @model_validator(mode="after")
    def _several(self) -> RepeatSection:
        if self.design in ("holdout", "repeated_kfold") and self.seeds < 2:
            raise ValueError(f"design = {self.design!r} needs seeds = 2 or more")
        return self


class EnsemblesSection(_Section):
    """Models that take the softmax of several trained networks together."""

    networks: list[Literal["mean", "stacking"]] = Field(
        [],
        description="over the networks of one training: `mean` of their probabilities (`ensemble:mean`), `stacking`: a logistic regression on their "
        "logits, fitted on the validation cases (`ensemble:stacking`)",
    )
    seeds: bool = Field(
        False,
        description="over the seeds: the mean probability of each network (and of `ensemble:mean`) over all seeds, beside each single seed, in "
        "tables of its own, as one set of trained models (ensemble_metrics.csv, ensemble_comparisons.csv)",
    )

    @field_validator("networks")
    @classmethod
    def _unique(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("an entry stands twice")
        return value
