"""The table [cohort.labels] of the experiment file: who says what a case is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
