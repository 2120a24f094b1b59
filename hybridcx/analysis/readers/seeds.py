"""Models of several seeds compared with readers, who have no seeds: rows over the seeds, then rows of each seed. Seeds are never stacked as cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd

from hybridcx.analysis.methods import CORRECT
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers import rows as reader_rows
from hybridcx.analysis.readers.rows import MadeTruth, ReaderCalls
from hybridcx.analysis.repeats.slices import SeedSlices
from hybridcx.analysis.rows import Row
from hybridcx.analysis.slices import Slice
from hybridcx.stats.agreement.rater_contrast import Contrast, RaterContrasts
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.stats.results import PairedTest
from hybridcx.streams import rng_for

OWN_TEST_SETS = (
    "every seed has a test set of its own: seeds and cases are not crossed, and there are no limits over the seeds"
)


@dataclass(frozen=True)
class SeedsAndReaders:
    """The slices of the seeds, the cases of all of them (`whole`, without models), and the readers' calls on these.

    `place` (per seed): where its cases stand in `whole`. Seeds that share their test cases all have the cases of `whole`, in that order.
    """

    slices: SeedSlices
    whole: Slice
    read: ReaderCalls
    place: tuple[np.ndarray, ...]

    @property
    def crossed(self) -> bool:
        """Whether the seeds share their test cases."""
        return all(p.n == self.whole.n for p in self.slices.parts)

    def read_of(self, number: int) -> ReaderCalls:
        """The readers' calls on the cases of one seed."""
        return replace(self.read, calls=self.read.calls[:, self.place[number]])

    def agreement_table(self, plan: Plan, made_truth: MadeTruth) -> pd.DataFrame:
        """reader_agreement.csv: pairs of readers and means over seeds (`seed` empty), then the models of each seed."""
        total = len(self.slices.seeds)
        of_seeds = []
        for number, part in enumerate(self.slices.parts):
            own = self.read_of(number)
            own_contrasts = reader_rows.contrasts(part, reader_rows.model_calls(part), own, plan)
            rows = list(reader_rows.model_pair_rows(part, own, plan, made_truth))
            for metric, contrast in own_contrasts.items():
                rows += reader_rows.mean_rows(metric, contrast, part.models, own, made_truth)
            # On shared cases the readers' mean is the same for every seed, and stands above.
            rows = [r for r in rows if r["kind"] != "mean_reader_reader" or not self.crossed]
            of_seeds.append((own_contrasts, reader_rows.by_coefficient(rows)))
        above = list(reader_rows.reader_pair_rows(self.whole, self.read, plan))
        few = hierarchical.few_seeds(total)
        if self.crossed:
            calls = np.stack([reader_rows.model_calls(p) for p in self.slices.parts], axis=1)
            calls = calls.reshape(-1, self.whole.n)
            for metric, contrast in reader_rows.contrasts(self.whole, calls, self.read, plan, total).items():
                above += reader_rows.mean_rows(
                    metric, contrast, self.slices.models, self.read, made_truth, hierarchical.METHOD, few
                )
        else:
            none = np.empty((0, self.whole.n), dtype=np.int64)
            for metric, contrast in reader_rows.contrasts(self.whole, none, self.read, plan).items():
                contrast = _mean_of([own_contrasts[metric] for own_contrasts, _ in of_seeds], contrast.readers)
                above += reader_rows.mean_rows(metric, contrast, self.slices.models, self.read, made_truth, "", few)
        rows = [
            r | {"seed": nan, "n.seeds": nan if _of_readers(r) else total} for r in reader_rows.by_coefficient(above)
        ]
        for seed, (_, own_rows) in zip(self.slices.seeds, of_seeds, strict=True):
            rows += [r | {"seed": seed, "n.seeds": nan} for r in own_rows]
        return pd.DataFrame(rows)

    def performance_table(self, plan: Plan, made_truth: MadeTruth) -> pd.DataFrame:
        """reader_performance.csv, which does not depend on seeds."""
        return pd.DataFrame(reader_rows.performance_rows(self.whole, self.read, plan, made_truth))

    def comparisons_table(self, plan: Plan, made_truth: MadeTruth) -> pd.DataFrame:
        """reader_comparisons.csv: the means over seeds against each reader (`seed` empty), then the tests of each seed."""
        total = len(self.slices.seeds)
        rows = [r | {"seed": nan, "n.seeds": total} for r in self._over_seeds(plan, made_truth)]
        for number, (seed, part) in enumerate(zip(self.slices.seeds, self.slices.parts, strict=True)):
            own = reader_rows.comparison_rows(part, self.read_of(number), plan, made_truth)
            rows += [r | {"seed": seed, "n.seeds": nan} for r in own]
        return reader_rows.adjusted(pd.DataFrame(rows))

    def _over_seeds(self, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
        tests = [self._tests_of(i, plan) for i in range(len(self.read.names))]
        for j, model in enumerate(self.slices.models):
            for i, reader in enumerate(self.read.names):
                n = int((self.read.calls[i] >= 0).sum())
                for metric in CORRECT:
                    result = tests[i][metric][j]
                    yield reader_rows.comparison_row(metric, model, reader, result, n, made_truth)

    def _tests_of(self, i: int, plan: Plan) -> dict[str, list[PairedTest]]:
        """Each model's mean over seeds minus the reader, on the cases that the reader read: the bootstrap over seeds and cases."""
        models, total = self.slices.models, len(self.slices.seeds)
        seen = self.read.calls[i] >= 0
        if not self.crossed or not seen.any():
            reason = OWN_TEST_SETS if seen.any() else "the reader read none of the test cases"
            none = PairedTest(hierarchical.METHOD, nan, status="not_estimable", warning=reason)
            return {metric: [none] * len(models) for metric in CORRECT}
        # Models in the order of their names, so that the draws depend on no other; the reader comes last, the same for every seed.
        order = sorted(range(len(models)), key=lambda m: models[m])
        calls = [p.y_pred[m] for m in order for p in self.slices.parts if p.y_pred is not None]
        reader = self.read.calls[i] == 1
        groups = self.whole.groups[seen] if self.whole.clustered and self.whole.groups is not None else None
        drawn = bootstrap_replicates(
            self.whole.y_true[seen],
            np.stack([*calls, *[reader] * total])[:, seen],
            None,
            metrics=CORRECT,
            n_resamples=plan.n_resamples,
            rng=rng_for(plan.seed, "readers", self.read.names[i]),
            groups=groups,
        )
        seeds = hierarchical.combine_seeds(drawn, total, rng_for(plan.seed, "seeds", "readers", self.read.names[i]))
        last = len(models)
        return {
            metric: [
                hierarchical.hierarchical_difference(seeds, metric, order.index(m), last, plan.confidence_level)
                for m in range(last)
            ]
            for metric in CORRECT
        }


def _of_readers(row: Row) -> bool:
    return row["kind"] in ("reader_reader", "mean_reader_reader")


def _mean_of(contrasts: list[RaterContrasts], readers: Contrast) -> RaterContrasts:
    """The means over seeds with test sets of their own: estimates without limits."""

    def mean(each: list[Contrast]) -> Contrast:
        estimate = float(np.mean([c.estimate for c in each]))
        if np.isnan(estimate):
            return Contrast(nan, status="not_estimable", warning="a seed has no such coefficient")
        return Contrast(estimate, status="caution", warning=OWN_TEST_SETS)

    models = tuple(mean(list(each)) for each in zip(*(f.models for f in contrasts), strict=True))
    differences = tuple(mean(list(each)) for each in zip(*(f.differences for f in contrasts), strict=True))
    return RaterContrasts(readers, models, differences)
