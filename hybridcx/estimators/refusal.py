"""The error of the estimators for bad input: ours, and a ValueError, as scikit-learn's users and tools expect."""

from __future__ import annotations

from importlib.util import find_spec

from hybridcx.errors import InputError, Problem
from hybridcx.vocabulary import extras


class RefusedInputError(InputError, ValueError):
    """Input or a parameter that an estimator refuses, with rule, value and remedy."""


def refused(
    rule: str, value: object = None, remedy: str | None = None, *, where: str | None = None
) -> RefusedInputError:
    """The error for one problem; `where` names the place, such as `image 3 of X`."""
    return RefusedInputError(Problem(rule, where, value=value, remedy=remedy))


def require_torch() -> None:
    """Raise MissingExtraError, with the command that installs it, where torch or torchvision is absent."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        extras.need("deep", "a network")
