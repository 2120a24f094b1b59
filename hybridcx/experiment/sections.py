"""The tables [repeat] and [ensembles] of the experiment file: trainings beyond the first, and models that are made of several."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hybridcx.experiment.train import Section
from hybridcx.experiment.train import Section as _Section


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
            raise ValueError("a repeated entry")
        return value


class LabelsSection(BaseModel):
    """Consensus: how the label of each case comes from the readers' calls (columns `reader_<name>[_<occasion>]`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rule: Literal["given", "agreement", "majority", "reader", "adjudicated"] = Field(
        "given",
        description="`given`: the column `label`; `agreement`: the call of all readers, others are in dispute; `majority`: most readings, "
        "ties are in dispute; `reader`: the calls of one reader; `adjudicated`: agreement, and the column `adjudicator` where they differ",
    )
    readers: list[str] | None = Field(None, description="names of the readers who vote; default all of the manifest")
    occasion: Literal["first", "last", "all"] = Field(
        "first", description="which occasion of each reader counts; `all`: every reading is a vote"
    )
    reader: str | None = Field(None, description='the reader whose calls are the truth, for rule = "reader"')
    adjudicator: str | None = Field(None, description='the column of the adjudicator, for rule = "adjudicated"')
    dispute_reasons: list[str] = Field(
        [],
        description="reasons in the column `excluded` that mean a dispute between readers: such cases are not excluded for that, but "
        'labelled by the rule or in dispute (rule = "given": in dispute)',
    )

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> LabelsSection:
        for rule, key in (("reader", "reader"), ("adjudicated", "adjudicator")):
            if self.rule == rule and getattr(self, key) is None:
                raise ValueError(f'rule = "{rule}" needs the key `{key}`')
            if self.rule != rule and getattr(self, key) is not None:
                raise ValueError(f'the key `{key}` belongs to rule = "{rule}", not to "{self.rule}"')
        if self.readers is not None and len(set(self.readers)) != len(self.readers):
            raise ValueError("a reader is named twice in `readers`")
        return self


class TrainingSizeSection(Section):
    """Everything trained again on shares of the training cases, beside the whole."""

    shares: list[float] = Field(
        [],
        max_length=20,
        description="shares of the training cases on which everything is trained too, such as [0.25, 0.5, 0.75]; the whole is always the last point. "
        "Drawn for each seed, nested, by class and with whole patients; validation and test cases stay the same. [] for no learning curve",
    )

    @field_validator("shares")
    @classmethod
    def _parts_of_the_whole(cls, value: list[float]) -> list[float]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("a share lies between 0 and 1, both exclusive (the whole is there anyway)")
        if sorted(set(value)) != value:
            raise ValueError("give the shares once each and in rising order")
        return value
