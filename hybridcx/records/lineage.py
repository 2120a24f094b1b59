"""Record of which fits used which cases, so that a model fitted on a test case is detected and refused.

A model is the end of a chain of fits: `vgg16+xgboost` is a head on features of the fine-tuned `vgg16`, so its cases are those of the head's fit and
those of the network's fit. Each fit names its parents, which are models; the cases of a model are the union over its own fits (training, early
stopping, threshold, calibration) and over all fits of its parents and theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from hybridcx.errors import InputError, Problem, printable

if TYPE_CHECKING:
    pass

FitKind = Literal["network", "scaler", "head", "threshold", "calibration", "early_stopping", "estimator"]
SCHEMA = 1
_NAMED = 5


def cases_sha256(case_ids: Iterable[str]) -> str:
    """SHA-256 of a set of case ids: sorted, each preceded by its length, so that neither order nor separators matter.

    >>> cases_sha256(["a", "b"]) == cases_sha256(["b", "a"]) != cases_sha256(["ab"])
    True
    """
    digest = hashlib.sha256()
    for case in sorted(set(case_ids)):
        raw = case.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def unit_name(seed: object = None, fold: object = None) -> str:
    """The name of one seed, fold, or both; empty where a run has one seed and no folds.

    >>> unit_name(5, 2), unit_name(fold=2), unit_name()
    ('seed 5, fold 2', 'fold 2', '')
    """
    return ", ".join(f"{what} {which}" for what, which in (("seed", seed), ("fold", fold)) if which is not None)


@dataclass(frozen=True, slots=True)
class Fit:
    """One fit: the part `kind` of `model` was fitted or chosen on `case_ids` (sorted, distinct).

    `parents` are the models whose result went into this fit (the network whose features a head uses). `unit` separates the seeds, repeats and
    folds of one experiment: a model of one fold may have been fitted on another fold's test cases. `fit_id` is unique in a lineage.
    """

    fit_id: str
    kind: FitKind
    model: str
    case_ids: tuple[str, ...]
    parents: tuple[str, ...] = ()
    unit: str = ""

    @classmethod
    def of(
        cls,
        model: str,
        kind: FitKind,
        case_ids: Iterable[str],
        *,
        parents: Iterable[str] = (),
        unit: str = "",
        fit_id: str | None = None,
    ) -> Fit:
        """A fit with its cases sorted; its id is `unit/model/kind` unless given (as where a model has two fits of one kind).

        Raises InputError for an unknown kind, an empty model, no cases, or a single string in place of a list of ids.
        """
        if isinstance(case_ids, str) or isinstance(parents, str):
            raise InputError(Problem("case ids and parents are lists of names, not one string", value=model))
        cases = tuple(sorted({str(c) for c in case_ids}))
        if kind not in get_args(FitKind):
            raise InputError(
                Problem("unknown kind of fit", value=kind, remedy=f"one of {', '.join(get_args(FitKind))}")
            )
        if not model:
            raise InputError(Problem("a fit needs the name of its model", value=fit_id))
        if not cases:
            raise InputError(Problem("a fit needs the cases that it saw", value=f"{model}, {kind}"))
        name = fit_id or "/".join(part for part in (unit, model, kind) if part)
        return cls(name, kind, model, cases, tuple(parents), unit)

    @property
    def n_cases(self) -> int:
        return len(self.case_ids)

    @property
    def cases_sha256(self) -> str:
        return cases_sha256(self.case_ids)


class Lineage:
    """The fits of an experiment, parents before children."""

    def __init__(self, fits: Iterable[Fit] = ()) -> None:
        self._fits: dict[str, Fit] = {}
        for fit in fits:
            self.add(fit)

    def __iter__(self) -> Iterator[Fit]:
        return iter(self._fits.values())

    def __len__(self) -> int:
        return len(self._fits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lineage) and self._fits == other._fits

    __hash__ = None  # type: ignore[assignment]

    def add(self, fit: Fit) -> None:
        """Record `fit`. Recording the same fit again changes nothing (a continued run does so).

        Raises InputError if its id stands for another fit, or a parent has no fit in the same unit yet (a head recorded before its network would pass
        the check).
        """
        known = self._fits.get(fit.fit_id)
        if known is not None and known != fit:
            raise InputError(Problem("two different fits have one id", value=fit.fit_id))
        missing = [p for p in fit.parents if p not in self.models(fit.unit)]
        if missing:
            raise InputError(
                Problem(
                    f"the fit {printable(fit.fit_id)} names a parent that has no record",
                    value=", ".join(missing),
                    remedy="record the parent first",
                )
            )
        self._fits[fit.fit_id] = fit

    def models(self, unit: str = "") -> tuple[str, ...]:
        """Names of the models that have a fit in `unit`, in the order of recording."""
        return tuple(dict.fromkeys(f.model for f in self if f.unit == unit))

    def fits_of(self, model: str, unit: str = "") -> tuple[Fit, ...]:
        """The fits of `model` in `unit` and all their ancestors, in the order of recording.

        Raises InputError if there is none: a model without a record cannot be checked.
        """
        if model not in self.models(unit):
            raise InputError(
                Problem(
                    "the model has no record of what it was fitted on",
                    value=model,
                    remedy="record its fits before its predictions",
                )
            )
        ancestors, waiting = set(), [model]
        while waiting:
            name = waiting.pop()
            if name not in ancestors:
                ancestors.add(name)
                waiting.extend(p for f in self if f.model == name and f.unit == unit for p in f.parents)
        return tuple(f for f in self if f.unit == unit and f.model in ancestors)

    def saw(self, model: str, unit: str = "") -> frozenset[str]:
        """The ids of all cases used in any fit of `model`. Raises InputError as `fits_of`."""
        return frozenset(case for fit in self.fits_of(model, unit) for case in fit.case_ids)

    def check(
        self, model: str, test_cases: Iterable[str], *, patient_of: Mapping[str, str] | None = None, unit: str = ""
    ) -> None:
        """Pass if `model` saw none of `test_cases`, nor, with `patient_of` (case -> patient), another case of their patients.

        Raises InputError with one problem per fit that saw some, naming the model, the fit and the cases; patients are counted, never named.
        """
        problems = []
        test = set(test_cases)
        if patient_of is not None:
            unknown = sorted(c for c in test if c not in patient_of)
            if unknown:
                raise InputError(Problem("test cases without a patient cannot be checked", value=_some(unknown)))
            test_patients = {patient_of[c] for c in test}
        for fit in self.fits_of(model, unit):
            same = sorted(test.intersection(fit.case_ids))
            what = f"the {fit.kind} fit {printable(fit.fit_id)} of the model {printable(model)}"
            if same:
                problems.append(
                    Problem(
                        f"{what} saw {len(same)} of the test cases",
                        value=_some(same),
                        remedy="predictions on them are no test; refit without them",
                    )
                )
            if patient_of is None:
                continue
            kin = sorted(c for c in fit.case_ids if c not in test and patient_of.get(c) in test_patients)
            if kin:
                n = len({patient_of[c] for c in kin})
                problems.append(
                    Problem(
                        f"{what} saw other cases of {n} patient{'s' if n > 1 else ''} whose cases are in the test set",
                        value=_some(kin),
                        remedy="keep a patient's cases in one split",
                    )
                )
        if problems:
            raise InputError(problems)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary for JSON; each distinct set of cases is stored once, under its hash."""
        return {
            "schema": SCHEMA,
            "case_sets": {f.cases_sha256: list(f.case_ids) for f in self},
            "fits": [
                {
                    "fit_id": f.fit_id,
                    "kind": f.kind,
                    "model": f.model,
                    "unit": f.unit,
                    "n_cases": f.n_cases,
                    "cases_sha256": f.cases_sha256,
                    "parents": list(f.parents),
                }
                for f in self
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], file: str | None = None) -> Lineage:
        """Read `to_dict`'s form back. Raises InputError if it is incomplete, of a newer schema, or a set of cases does not have its hash."""
        try:
            if data["schema"] > SCHEMA:
                raise InputError(
                    Problem(
                        "the lineage was written by a newer hybridcx",
                        file,
                        value=data["schema"],
                        remedy="update hybridcx to read it",
                    )
                )
            sets: dict[str, list[str]] = dict(data["case_sets"])
            texts = [f[k] for f in data["fits"] for k in ("model", "kind", "unit", "fit_id", "cases_sha256")]
            texts += [x for listed in (*sets.values(), *(f["parents"] for f in data["fits"])) for x in _list(listed)]
            if not all(isinstance(t, str) for t in texts):
                raise TypeError("a name that is no text")
            for digest, cases in sets.items():
                if cases_sha256(cases) != digest:
                    raise InputError(
                        Problem("a set of cases does not have its hash: the lineage was changed", file, value=digest)
                    )
            return cls(
                Fit.of(
                    f["model"],
                    f["kind"],
                    sets[f["cases_sha256"]],
                    parents=f["parents"],
                    unit=f["unit"],
                    fit_id=f["fit_id"],
                )
                for f in data["fits"]
            )
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise InputError(
                Problem(f"this is no lineage as hybridcx writes it ({printable(repr(error))})", file)
            ) from None


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _some(cases: list[str]) -> str:
    """The first few ids, to keep messages short."""
    rest = len(cases) - _NAMED
    return ", ".join(cases[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
