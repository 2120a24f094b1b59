"""The type of a network's name in an experiment file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from hybridcx.vocabulary.networks import NETWORKS, TIMM_NAME, name_problem


def _known(name: str) -> str:
    if (problem := name_problem(name)) is not None:
        raise ValueError(f"{problem.rule}; {problem.remedy}")
    return name


NetworkName = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"anyOf": [{"enum": list(NETWORKS)}, {"type": "string", "pattern": f"^{TIMM_NAME}$"}]}),
]
"""A name of the table of networks, or timm:NAME; whether timm has it is asked where it is used."""
