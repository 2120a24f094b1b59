"""Repeated hold-out: each seed is a random split with a test set of its own, compared by Nadeau and Bengio's corrected test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import exp, nan

import numpy as np

from hybridcx.analysis import verdicts
from hybridcx.analysis.metrics import PREDICTIVE_VALUES
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.slices import SeedSlices, spread
from hybridcx.analysis.rows import Row, also, comparison_row, metric_row
from hybridcx.analysis.verdicts import WITHOUT_VERDICT, margin_tests
from hybridcx.records.predictions import Predictions
from hybridcx.stats import ties
from hybridcx.stats.prevalence import at_prevalence
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.resampling.intervals import RATIO_METRICS
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.stats.variance import NADEAU_BENGIO, nadeau_bengio
from hybridcx.workers.dask import Workers

METHOD = NADEAU_BENGIO
NO_TRAINING_SIZE = (
    "the size of the training sets is not known: give the training and validation rows (column split), or --n-train"
)
NO_LIMITS = (
    "a mean over random splits, whose test sets overlap: no interval of one model; the rows of each seed have theirs"
)
NOT_CROSSED = (
    "the seeds have test sets of their own, so that seeds and cases are not crossed: no components of variance"
)


@dataclass(frozen=True)
class HoldOut:
    """Seeds with test sets of their own. `n_test` and `n_train` are totals over the splits: their ratio is the correction's.

    The ratio is that of the whole test sets, for subgroups too; `n_train` counts the validation cases, None where it is unknown.
    """

    slices: SeedSlices
    replicates: tuple[Replicates, ...]
    n_test: int
    n_train: int | None

    @staticmethod
    def of(slices: SeedSlices, plan: Plan, everyone: Predictions, workers: Workers) -> HoldOut:
        """Draw each split's own replicates, and find the sizes of the splits of `everyone`."""
        drawn = tuple(
            part.replicates(
                plan.n_resamples,
                plan.n_refits,
                plan.seed,
                stratified=plan.stratified,
                threshold=plan.threshold,
                workers=workers,
            )
            for part in slices.parts
        )
        training, splits = everyone.training_cases(), len(everyone.seeds)
        if plan.n_train is not None:
            n_train: int | None = plan.n_train * splits
        else:
            n_train = sum(training.values()) if len(training) == splits else None
        n_test = len(everyone.test()[["seed", "case_id"]].drop_duplicates())
        return HoldOut(slices, drawn, n_test, n_train)

    def of_seed(self, number: int) -> Replicates:
        """The replicates of one split's models."""
        return self.replicates[number]

    def values(self, metric: str) -> np.ndarray:
        """(S, k): each split's value of each model."""
        return np.stack([r.observed[metric] for r in self.replicates])

    def interval_at(self, metric: str, i: int, j: int) -> verdicts.At | None:
        """The pair's interval as a function of its level; None for a metric that is not available."""
        return partial(self._corrected, metric, i, j) if metric in self.slices.whole().metrics() else None

    def _corrected(self, metric: str, i: int, j: int, level: float) -> PairedTest:
        """Nadeau and Bengio's test of the splits' differences, for likelihood ratios of their log ratios."""
        a, b = self.values(metric)[:, i], self.values(metric)[:, j]
        ratio = metric in RATIO_METRICS
        with np.errstate(divide="ignore", invalid="ignore"):
            d = ties.difference(np.log(a), np.log(b)) if ratio else ties.difference(a, b)
        if not np.isfinite(d).all():
            reason = f"the comparison is undefined in {int((~np.isfinite(d)).sum())} of {d.size} splits"
            return PairedTest(METHOD, nan, conf_level=level, status="not_estimable", warning=reason)
        if self.n_train is None:
            return PairedTest(METHOD, nan, conf_level=level, status="not_estimable", warning=NO_TRAINING_SIZE)
        result = nadeau_bengio(d, self.n_train, self.n_test, level)
        if not ratio:
            return result
        low, high = exp(result.conf_low), exp(result.conf_high)
        return replace(result, estimate=exp(result.estimate), conf_low=low, conf_high=high)

    def outside(self, metric: str, i: int, j: int) -> str:
        """Why the interval is outside its domain; "" where it holds: from two splits on it rejects at most 6 % of true null hypotheses."""
        total = len(self.slices.seeds)
        return "" if total >= 2 else hierarchical.few_seeds(total)

    def metric_rows(self, plan: Plan) -> list[Row]:
        """Rows of metrics.csv: means over the splits without limits, with the spread over splits and the corrected standard error."""
        rows = []
        for metric in self.slices.whole().metrics():
            for i, model in enumerate(self.slices.models):
                values = self.values(metric)[:, i]
                keys = self.slices.keys_of(metric, plan)
                row = metric_row(model, metric, self._mean(values), keys, n_cases=self.slices.n, recommended=True)
                rows.append(row | {"method": None} | spread(values))
        for prevalence in plan.prevalences if self.slices.parts[0].y_pred is not None else ():
            each = [at_prevalence(r, prevalence) for r in self.replicates]
            keys = self.slices.keys.with_(prevalence=prevalence)
            for metric in PREDICTIVE_VALUES:
                for i, model in enumerate(self.slices.models):
                    values = np.array([r.observed[metric][i] for r in each])
                    row = metric_row(model, metric, self._mean(values), keys, n_cases=self.slices.n, recommended=True)
                    rows.append(row | {"method": None} | spread(values))
        return rows

    def _mean(self, values: np.ndarray) -> Interval:
        if not np.isfinite(values).all():
            reason = f"undefined or infinite in {int((~np.isfinite(values)).sum())} of {values.size} splits"
            return Interval("", nan, status="not_estimable", warning=reason)
        known = self.n_train is not None
        error = nadeau_bengio(values, self.n_train, self.n_test).std_error if self.n_train is not None else nan
        few = hierarchical.few_seeds(values.size)
        warning = "; ".join(w for w in (NO_LIMITS, "" if known else NO_TRAINING_SIZE, few) if w)
        return Interval("", float(values.mean()), std_error=error, status="caution", warning=warning)

    def comparison_rows(self, plan: Plan, pairs: tuple[tuple[str, str], ...]) -> list[Row]:
        """Rows of comparisons.csv: the corrected test of every metric, and the tests at the margin."""
        rows = []
        place = {m: k for k, m in enumerate(self.slices.models)}
        part = self.slices.whole()
        few = hierarchical.few_seeds(len(self.slices.seeds))
        for model, comparator in pairs:
            i, j = place[model], place[comparator]
            for metric in part.metrics():
                keys = self.slices.keys_of(metric, plan)
                tests = [self._corrected(metric, i, j, plan.confidence_level)]
                if metric not in WITHOUT_VERDICT:
                    tests += margin_tests(part, metric, i, j, plan, self)
                for test in tests:
                    row = comparison_row(
                        model, comparator, metric, also(test, "caution", few) if few else test, keys,
                        n_cases=self.slices.n, recommended=test.method == METHOD,
                    )  # fmt: skip
                    rows.append(row)
        return rows

    def variance_rows(self, pairs: tuple[tuple[str, str], ...]) -> list[Row]:
        """Rows of variance.csv: the spread over splits alone, since seeds and cases are not crossed."""
        absent = ("variance.case", "variance.seed", "variance.residual", "share.case", "share.seed", "share.residual")
        rows = []
        for metric in self.slices.whole().metrics():
            for i, model in enumerate(self.slices.models):
                values = self.values(metric)[:, i]
                rows.append(
                    {
                        "metric": metric, "model": model, "comparator": None, **spread(values), "seed.min": values.min(),
                        "seed.max": values.max(), **dict.fromkeys(absent, nan), "n": self.slices.n,
                        "n.clusters": self.slices.n_clusters if self.slices.clustered else nan,
                        "status": "not_estimable", "warning": NOT_CROSSED,
                    }
                )  # fmt: skip
        return rows
