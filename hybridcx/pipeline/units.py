"""The units of a run: one training of every network and its heads, by seed and, in a cross-validation, by fold.

`[repeat]` of the experiment says how many there are and whether they share one division of the cohort. What is drawn for a seed is what a
run with that seed draws, so that on the same division (drawn by each seed, or the manifest's) a run of one seed and the same seed among ten
are the same models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from hybridcx.cohort.cohort import SPLITS, Cohort
from hybridcx.cohort.folds import fold_splits
from hybridcx.cohort.splits import Split, manifest_split, stratified_split
from hybridcx.cohort.subsets import training_subsets
from hybridcx.errors import InputError, MissingExtraError, Problem, raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.records.lineage import unit_name


@dataclass(frozen=True, slots=True)
class Unit:
    """One pass through the stages: the seed of everything that is drawn in it, its split, and its fold (from 1) in a cross-validation.

    `share` of the training cases, where it is one of a learning curve over their number.
    `name` is "" where there is one unit alone, so that the records of a single run name no unit.
    """

    seed: int
    split: Split
    fold: int | None = None
    name: str = ""
    share: float | None = None


def split_cohort(experiment: Experiment, cohort: Cohort, seed: int | None = None) -> Split:
    """The split of the experiment, checked: every part has both classes, no patient is in two. `seed` replaces the experiment's."""
    if experiment.split.method == "manifest":
        return manifest_split(cohort)
    shares = (experiment.split.train, experiment.split.validation, experiment.split.test)
    return stratified_split(cohort, shares, seed=experiment.seed if seed is None else seed)


def seeds_of(experiment: Experiment) -> range:
    """The seeds of the trainings."""
    return range(experiment.seed, experiment.seed + experiment.repeat.seeds)


def make_units(experiment: Experiment, cohort: Cohort) -> tuple[Unit, ...]:
    """The units of the experiment, seed by seed and fold by fold. Raises InputError with what is wrong in any of their splits."""
    options, shares = experiment.repeat, experiment.split
    drawn: dict[int, tuple[Split, ...]] = {}
    problems: list[Problem] = []
    for seed in seeds_of(experiment):
        source = seed if options.design in ("holdout", "repeated_kfold") else experiment.seed
        if source not in drawn:
            try:
                if options.in_folds:
                    validation = shares.validation / (shares.train + shares.validation)
                    drawn[source] = fold_splits(cohort, options.folds, validation, seed=source)
                else:
                    drawn[source] = (split_cohort(experiment, cohort, source),)
            except MissingExtraError:
                raise
            except InputError as error:
                problems += [p for p in error.problems if p not in problems]
                drawn[source] = ()
    raise_if_any(problems)
    return tuple(
        Unit(
            seed,
            split,
            fold if options.in_folds else None,
            unit_name(seed if options.seeds > 1 else None, fold if options.in_folds else None),
        )
        for seed in seeds_of(experiment)
        for fold, split in enumerate(drawn[seed if seed in drawn else experiment.seed], 1)
    )


def make_size_units(experiment: Experiment, cohort: Cohort, units: Sequence[Unit]) -> tuple[Unit, ...]:
    """The units of the learning curve over the number of training cases: each of `units` with each share, none where none is asked for.

    Raises InputError with what is wrong in any of the shares.
    """
    shares = experiment.training_size.shares
    problems: list[Problem] = []
    size_units: list[Unit] = []
    for unit in units if shares else ():
        try:
            subsets = training_subsets(cohort, unit.split, shares, seed=unit.seed)
        except InputError as error:
            problems += [p for p in error.problems if p not in problems]
            continue
        names = [", ".join(n for n in (unit.name, f"share {share:g}") if n) for share in shares]
        size_units += [Unit(unit.seed, s, None, n, h) for s, n, h in zip(subsets, names, shares, strict=True)]
    raise_if_any(problems)
    return tuple(size_units)


def divisions_of(units: Sequence[Unit]) -> tuple[Split, ...]:
    """The different splits of the units, each once."""
    return tuple({u.split.sha256: u.split for u in units}.values())


def shared_split(units: Sequence[Unit]) -> Split | None:
    """The one division that all units share; None where they differ."""
    return units[0].split if len(divisions_of(units)) == 1 else None


def divisions_sha256(units: Sequence[Unit]) -> str:
    """The hash of the one split that all units share, or a hash over the hashes of all, in the order of the units."""
    return hashes_sha256([u.split.sha256 for u in units])


def hashes_sha256(each: Sequence[str]) -> str:
    """One hash for those of the units' splits: the hash itself where all are equal."""
    if len(set(each)) == 1:
        return each[0]
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


def scored_disputed(units: Sequence[Unit]) -> tuple[str, ...]:
    """The cases in dispute that are a test case of some unit, sorted."""
    return tuple(sorted({c for u in units for c in u.split.disputed_test}))


def split_frame(units: Sequence[Unit]) -> pd.DataFrame:
    """Table of splits: case_id and split; where there are several divisions, one row per case and unit with its seed and fold."""
    if len(divisions_of(units)) == 1:
        return units[0].split.frame()
    return pd.concat([u.split.frame().assign(seed=u.seed, fold=u.fold) for u in units], ignore_index=True)


def split_counts(units: Sequence[Unit]) -> pd.DataFrame:
    """Table I of the units: label, then train, validation, test and total; the smallest and largest number where divisions differ."""
    tables = [split.counts() for split in divisions_of(units)]
    first = tables[0]
    if len(tables) == 1:
        return first.rename_axis("label").reset_index()
    each = pd.concat(tables, keys=range(len(tables)))
    low, high = each.groupby(level=1, sort=False).min(), each.groupby(level=1, sort=False).max()
    cells = {
        c: [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(low[c], high[c], strict=True)]
        for c in (*SPLITS, "total")
    }
    return pd.DataFrame(cells, index=first.index).rename_axis("label").reset_index()
