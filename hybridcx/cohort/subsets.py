"""Parts of the training cases, for a learning curve over their number: nested, by class, whole patients; validation and test are unchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import Split, make_split
from hybridcx.errors import Problem, raise_if_any
from hybridcx.streams import rng_for


def training_subsets(cohort: Cohort, split: Split, shares: Sequence[float], *, seed: int) -> tuple[Split, ...]:
    """The split with a share of its training cases each; those left out have no split. A smaller part lies within every larger one.

    Patients are shuffled by the stream `training_size` of `seed` (from the sorted ids) apart for those with positive, with negative and with
    both kinds of cases; of each kind the first are taken, so many that their cases come nearest to the share of that kind's (halves up,
    as in `splits.quotas`). Where nobody has several cases, that is round(share x n) of each class.

    Raises InputError: a part without one of the classes; a part that is no smaller than the next one.
    """
    frame = cohort.analysed
    train = frame[frame["case_id"].map(split.of_case) == "train"]
    size = pd.crosstab(train["patient_id"], train["label"]).reindex(columns=list(cohort.labels), fill_value=0)
    counts = size.sort_index().to_numpy()
    order = rng_for(seed, "training_size").permutation(len(counts))
    kind = (counts > 0) @ np.array([1, 2])
    names = size.sort_index().index.to_numpy()
    found, problems = [], []
    larger = len(train)
    for share in sorted(shares, reverse=True):
        taken: set[str] = set()
        for k in np.unique(kind):
            own = order[kind[order] == k]
            taken |= set(names[own[: _prefix(counts[own].sum(axis=1), share)]])
        part = train[train["patient_id"].isin(taken)]
        lacking = [label for label in cohort.labels if not (part["label"] == label).any()]
        what = f"the share {share:g} of the {len(train)} training cases"
        problems += [
            Problem(f"{what} would have no case of the class {label!r}", remedy="take a larger share, or leave it out")
            for label in lacking
        ]
        if len(part) >= larger and not lacking:
            next_one = "all of them" if larger == len(train) else f"the {larger} of the next larger share"
            problems.append(Problem(f"{what} is no smaller than {next_one}", remedy="leave one of the shares out"))
        larger = min(larger, len(part))
        found.append((share, set(part["case_id"])))
    raise_if_any(problems)
    subsets = {}
    for share, cases in found:
        kept_parts = {c: p for c, p in split.of_case.items() if p != "train" or c in cases}
        subset = make_split(cohort, list(kept_parts), list(kept_parts.values()), "subset", seed)
        subsets[share] = replace(subset, disputed=split.disputed)
    return tuple(subsets[share] for share in shares)


def _prefix(cases: np.ndarray, share: float) -> int:
    """How many of the first patients come nearest to the share of all their cases; of two equally near the fewer."""
    wanted = math.floor(round(share * int(cases.sum()), 9) + 0.5)
    return int(np.abs(np.concatenate([[0], np.cumsum(cases)]) - wanted).argmin())
