"""hybridcx: evaluate medical image classifiers, deep and classical together, with the statistics that belong to it.

Each command of the command line is a function here: `hybridcx.run`, `hybridcx.predict`, `hybridcx.validate`, `hybridcx.compare`,
`hybridcx.agreement`, `hybridcx.audit`, `hybridcx.check`, `hybridcx.verify`, `hybridcx.qualify`, `hybridcx.demo`, `hybridcx.phantom`,
`hybridcx.cohort`; `hybridcx.estimate` is `run --dry-run`, and `hybridcx.plan` has a function for each question of planning, such as
`hybridcx.plan.mcnemar`.
Python alone has, for scikit-learn, `hybridcx.compare_estimators`, `hybridcx.FineTunedNetwork` and `hybridcx.PenultimateFeatures`;
`hybridcx.read_predictions` (what other programs exported); and `hybridcx.stats` (statistics on arrays). Each is loaded when it is first used,
so that `import hybridcx` is fast.
"""

from __future__ import annotations

import sys as _sys
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridcx import stats as stats
    from hybridcx.commands import plan as plan
    from hybridcx.commands.agreement import agreement
    from hybridcx.commands.audit import audit
    from hybridcx.commands.check import check
    from hybridcx.commands.cohort import cohort
    from hybridcx.commands.compare import compare
    from hybridcx.commands.compare_estimators import compare_estimators
    from hybridcx.commands.estimate import Estimate, estimate
    from hybridcx.commands.phantom import phantom
    from hybridcx.commands.predict import Predicted, predict
    from hybridcx.commands.read_predictions import read_predictions
    from hybridcx.commands.result import Report
    from hybridcx.commands.run import demo, run
    from hybridcx.commands.validate import validate
    from hybridcx.errors import HybridcxError, InputError, InputWarning, Problem, StoppedError
    from hybridcx.estimators.features import PenultimateFeatures
    from hybridcx.estimators.network import FineTunedNetwork
    from hybridcx.experiment.file import Experiment, read_experiment
    from hybridcx.qualification.qualify import Qualification, qualify
    from hybridcx.verification.verify import Verification, verify

MODULES = {  # the module of each public name
    "Estimate": "hybridcx.commands.estimate",
    "Experiment": "hybridcx.experiment.file",
    "FineTunedNetwork": "hybridcx.estimators.network",
    "HybridcxError": "hybridcx.errors",
    "InputError": "hybridcx.errors",
    "InputWarning": "hybridcx.errors",
    "PenultimateFeatures": "hybridcx.estimators.features",
    "Predicted": "hybridcx.commands.predict",
    "Problem": "hybridcx.errors",
    "Qualification": "hybridcx.qualification.qualify",
    "Report": "hybridcx.commands.result",
    "StoppedError": "hybridcx.errors",
    "Verification": "hybridcx.verification.verify",
    "agreement": "hybridcx.commands.agreement",
    "audit": "hybridcx.commands.audit",
    "check": "hybridcx.commands.check",
    "cohort": "hybridcx.commands.cohort",
    "compare": "hybridcx.commands.compare",
    "compare_estimators": "hybridcx.commands.compare_estimators",
    "demo": "hybridcx.commands.run",
    "estimate": "hybridcx.commands.estimate",
    "phantom": "hybridcx.commands.phantom",
    "predict": "hybridcx.commands.predict",
    "qualify": "hybridcx.qualification.qualify",
    "read_experiment": "hybridcx.experiment.file",
    "read_predictions": "hybridcx.commands.read_predictions",
    "run": "hybridcx.commands.run",
    "validate": "hybridcx.commands.validate",
    "verify": "hybridcx.verification.verify",
}
NAMESPACES = {"plan": "hybridcx.commands.plan", "stats": "hybridcx.stats"}
"""The modules that are public as a whole."""

__all__ = [
    "Estimate",
    "Experiment",
    "FineTunedNetwork",
    "HybridcxError",
    "InputError",
    "InputWarning",
    "PenultimateFeatures",
    "Predicted",
    "Problem",
    "Qualification",
    "Report",
    "StoppedError",
    "Verification",
    "agreement",
    "audit",
    "check",
    "cohort",
    "compare",
    "compare_estimators",
    "demo",
    "estimate",
    "phantom",
    "plan",
    "predict",
    "qualify",
    "read_experiment",
    "read_predictions",
    "run",
    "stats",
    "validate",
    "verify",
]


_ESTIMATORS = ("FineTunedNetwork", "PenultimateFeatures")
"""Classes of scikit-learn's kind, which cannot be loaded without it."""


def __getattr__(name: str) -> object:
    if name in _ESTIMATORS:
        extras = _import_module("hybridcx.vocabulary.extras")
        if extras.absent("sklearn"):
            extras.need("deep", f"hybridcx.{name}")
    if name in MODULES:
        return getattr(_import_module(MODULES[name]), name)
    if name == "__version__":
        return _import_module("hybridcx.store.provenance").version()
    if name in NAMESPACES:
        return _import_module(NAMESPACES[name])
    raise AttributeError(f"module 'hybridcx' has no attribute {name!r}")


class _Package(_ModuleType):
    """This package, in which a public name stays a command: `hybridcx.cohort` is the function, also after `hybridcx.cohort.manifest` was imported.

    Importing a subpackage sets it as an attribute of its parent, which would hide the function of the same name. The subpackage is
    found in sys.modules, so that `from hybridcx.cohort.manifest import read_manifest` works as ever.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in MODULES and isinstance(value, _ModuleType)):
            super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    absent = _ESTIMATORS if _import_module("hybridcx.vocabulary.extras").absent("sklearn") else ()
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))}.difference(absent))
