"""The table [training_size] of the experiment file: a learning curve over the number of training cases."""

from __future__ import annotations

from pydantic import Field, field_validator

from hybridcx.training_options import Section


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
