"""hybridcx: evaluate medical image classifiers, deep and classical together, with the statistics that belong to it.

Every command has a twin here: `hybridcx.run`, `hybridcx.compare`, `hybridcx.agreement`, `hybridcx.audit`, `hybridcx.plan`,
`hybridcx.check`, `hybridcx.verify`, `hybridcx.demo`, `hybridcx.phantom`; `hybridcx.estimate` is `run --dry-run`. They are loaded when they are
first used, so that `import hybridcx` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridcx.api import Report, agreement, audit, check, compare, demo, phantom, run
    from hybridcx.dry_run import Estimate, estimate
    from hybridcx.errors import HybridcxError, InputError, Problem, StoppedError
    from hybridcx.experiment.file import Experiment, read_experiment
    from hybridcx.planning import plan
    from hybridcx.verifying import Verification, verify

_PLACES = {
    **dict.fromkeys(
        ("Estimate", "Report", "agreement", "audit", "check", "compare", "demo", "estimate", "phantom", "run"),
        "hybridcx.api",
    ),
    **dict.fromkeys(("HybridcxError", "InputError", "Problem", "StoppedError"), "hybridcx.errors"),
    **dict.fromkeys(("Experiment", "read_experiment"), "hybridcx.experiment.file"),
    **dict.fromkeys(("Estimate", "estimate"), "hybridcx.dry_run"),
    "plan": "hybridcx.planning",
    **dict.fromkeys(("Verification", "verify"), "hybridcx.verifying"),
}

__all__ = [
    "Estimate",
    "Experiment",
    "HybridcxError",
    "InputError",
    "Problem",
    "Report",
    "StoppedError",
    "Verification",
    "agreement",
    "audit",
    "check",
    "compare",
    "demo",
    "estimate",
    "phantom",
    "plan",
    "read_experiment",
    "run",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'hybridcx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
