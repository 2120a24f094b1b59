"""Several seeds: rows over all of them, rows of each, and the variance components. Seeds are never stacked as cases.

Seeds that share their test cases are crossed with them: the bootstrap over seeds and cases, and Obuchowski and Rockette's analysis.
Seeds that have test sets of their own are repeated hold-out (`holdout`). No formula lives here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan, sqrt

import numpy as np
import pandas as pd
from scipy import special

from hybridcx.analysis import comparisons, curves, extras, families, folds, hybrid, metrics, verdicts
from hybridcx.analysis.domains import no_interval
from hybridcx.analysis.methods import CORRECT, within
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats import interactions as seed_interactions
from hybridcx.analysis.repeats import verdicts as seed_verdicts
from hybridcx.analysis.repeats.holdout import HoldOut
from hybridcx.analysis.repeats.slices import SeedSlices, spread
from hybridcx.analysis.rows import Keys, Row, also, comparison_row, metric_row, without_limits
from hybridcx.analysis.verdicts import WITHOUT_VERDICT, margin_tests
from hybridcx.records.predictions import Predictions
from hybridcx.stats import readers
from hybridcx.stats.prevalence import at_prevalence
from hybridcx.stats.resampling import hierarchical, seed_limits
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.stats.variance import VarianceComponents
from hybridcx.streams import rng_for
from hybridcx.vocabulary import METRICS, RATIOS
from hybridcx.workers.dask import Workers

Pairs = tuple[tuple[str, str], ...]
ENOUGH_SEEDS = 3
"""From so many seeds on Obuchowski-Rockette's and Student's t keep their type I error (vocabulary/simulations_dependent.csv)."""
CASES_FOR_READERS = 100
"""From so many cases on Obuchowski-Rockette's analysis of a share of correct answers rejects at most 6 % (6 to 7 % at 50)."""
NO_METHOD = ", and no method keeps its type I error with so few"


@dataclass(frozen=True, slots=True)
class Hierarchical:
    """The interval of a pair over seeds and cases as a function of its level (`seed_limits.student_difference`), which knows its own inverse."""

    seeds: hierarchical.SeedReplicates
    metric: str
    i: int
    j: int
    design: readers.Design

    def __call__(self, level: float) -> PairedTest:
        """The interval at `level`."""
        result = seed_limits.student_difference(self.seeds, self.metric, self.i, self.j, level, self.design)
        return without_limits(result, no_interval(self.metric))

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null"."""
        result = self(0.95)
        if isnan(result.statistic):  # percentile limits, where the variance cannot be estimated
            means = self.seeds.means
            return bootstrap_intervals.one_sided_pvalues(
                means, self.metric, self.i, self.j, null, "bootstrap_percentile"
            )
        return _student(result, null)


@dataclass(frozen=True, slots=True)
class Readers:
    """Obuchowski and Rockette's interval of a pair as a function of its level, from figures of merit (2, S) and their covariance (2 S, 2 S)."""

    estimates: np.ndarray
    cov: np.ndarray
    n: int
    design: readers.Design

    def __call__(self, level: float) -> PairedTest:
        """The interval at `level`."""
        result = readers.obuchowski_rockette_from(self.estimates, self.cov, self.n, self.design, level)
        return also(result, "caution", hierarchical.few_seeds(self.estimates.shape[1]))

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null"."""
        return _student(self(0.95), null)


def _student(result: PairedTest, null: float) -> tuple[float, float]:
    """One-sided p-values of a difference with Student's t (normal without degrees of freedom); NaN without a standard error."""
    if not result.std_error > 0.0:
        return nan, nan
    t = (result.estimate - null) / result.std_error
    if isnan(result.parameter):
        return float(special.ndtr(-t)), float(special.ndtr(t))
    return float(special.stdtr(result.parameter, -t)), float(special.stdtr(result.parameter, t))


@dataclass(frozen=True)
class Crossed:
    """Seeds that share their test cases: one draw of the cases for all models and seeds, one draw of the seeds for all models.

    `joint` holds the replicates of every model and seed (model by model, its seeds side by side), `combined` those of the means over seeds.
    """

    slices: SeedSlices
    joint: Replicates
    combined: hierarchical.SeedReplicates
    design: readers.Design

    @staticmethod
    def of(slices: SeedSlices, plan: Plan, workers: Workers) -> Crossed:
        """Draw the replicates, models in sorted order so that their order does not matter."""
        joint = slices.stacked().replicates(
            plan.n_resamples,
            plan.n_refits,
            plan.seed,
            stratified=plan.stratified,
            threshold=plan.threshold,
            workers=workers,
        )
        combined = hierarchical.combine_seeds(joint, len(slices.seeds), _seed_stream(slices.keys, plan))
        return Crossed(slices, joint, combined, plan.seed_design)

    def of_seed(self, number: int) -> Replicates:
        """The replicates of one seed's models, on the draw of cases that all share."""
        total = len(self.slices.seeds)
        return self.joint.take([m * total + number for m in range(len(self.slices.models))])

    def values(self, metric: str) -> np.ndarray:
        """(S, k): each seed's value of each model."""
        return np.asarray(self.joint.observed[metric].reshape(-1, len(self.slices.seeds)).T)

    def interval_at(self, metric: str, i: int, j: int) -> verdicts.At | None:
        """The pair's interval as a function of its level: Obuchowski and Rockette's where it applies; None for a metric that is not available."""
        if metric not in self.joint.observed:
            return None
        return self._readers(metric, i, j) or Hierarchical(self.combined, metric, i, j, self.design)

    def outside(self, metric: str, i: int, j: int) -> str:
        """Why the interval is outside its domain; "" where it holds. With fewer seeds no method rejects at most 6 % of true null hypotheses."""
        total = len(self.slices.seeds)
        few = "" if total >= ENOUGH_SEEDS or self.design == "fixed" else hierarchical.few_seeds(total) + NO_METHOD
        small = ""
        if metric in CORRECT and self.slices.n < CASES_FOR_READERS and self.design != "fixed":
            small = f"outside the simulated domain of this method: {self.slices.n} cases, it holds from {CASES_FOR_READERS} on"
        return no_interval(metric) or few or small

    def _readers(self, metric: str, i: int, j: int) -> Readers | None:
        """Obuchowski and Rockette's analysis of a pair; None for other metrics, scores of several folds, and where it has no limits."""
        parts = self.slices.parts
        groups = parts[0].groups if parts[0].clustered else None
        if metric in CORRECT and parts[0].y_pred is not None:
            chosen = within(parts[0], metric)
            if chosen.sum() < 2:
                return None
            a, b = (np.stack([p.correct(m)[chosen] for p in parts]) for m in (i, j))
            estimates, cov = readers.accuracy_covariance(a, b, None if groups is None else groups[chosen])
            at = Readers(estimates, cov, int(chosen.sum()), self.design)
        elif metric == "auroc" and parts[0].y_score is not None and not self.slices.folded:
            both = np.concatenate([np.stack([p.score(m) for p in parts]) for m in (i, j)])
            at = Readers(*readers.auroc_covariance(parts[0].y_true, both, groups), self.slices.n, self.design)
        else:
            return None
        result = at(0.95)
        return at if result.conf_low < result.conf_high else None

    def metric_rows(self, plan: Plan) -> list[Row]:
        """Rows of metrics.csv: means over the seeds, with the spread over seeds beside them."""
        rows = []
        for metric in self.joint.observed:
            keys = self.slices.keys_of(metric, plan)
            for i, model in enumerate(self.slices.models):
                result = seed_limits.student_interval(self.combined, metric, i, plan.confidence_level)
                result = without_limits(also(result, *self.slices.clipped(metric, i)), no_interval(metric))
                error = self._error(result, metric, i, None)
                recommended = result.conf_low < result.conf_high
                row = metric_row(
                    model, metric, result, keys, n_cases=self.slices.n, recommended=recommended, mc_error=error
                )
                rows.append(row | spread(self.values(metric)[:, i]))
        for prevalence in plan.prevalences if self.slices.parts[0].y_pred is not None else ():
            rows += self._prevalence_rows(plan, prevalence)
        return rows

    def _prevalence_rows(self, plan: Plan, prevalence: float) -> list[Row]:
        """PPV and NPV at one prevalence, on the same draws of cases and of seeds."""
        total = len(self.slices.seeds)
        flat = at_prevalence(self.joint, prevalence)
        seeds = hierarchical.combine_seeds(flat, total, _seed_stream(self.slices.keys, plan))
        keys = self.slices.keys.with_(prevalence=prevalence)
        rows = []
        for metric in metrics.PREDICTIVE_VALUES:
            values = flat.observed[metric].reshape(-1, total)
            for i, model in enumerate(self.slices.models):
                result = seed_limits.student_interval(seeds, metric, i, plan.confidence_level)
                row = metric_row(model, metric, result, keys, n_cases=self.slices.n, recommended=True)
                rows.append(row | spread(values[i]))
        return rows

    def comparison_rows(self, plan: Plan, pairs: Pairs) -> list[Row]:
        """Rows of comparisons.csv: the bootstrap over seeds and cases, Obuchowski-Rockette, and the tests at the margin."""
        rows = []
        place = {m: k for k, m in enumerate(self.slices.models)}
        few = hierarchical.few_seeds(len(self.slices.seeds))
        part = self.slices.parts[0]
        for model, comparator in pairs:
            i, j = place[model], place[comparator]
            for metric in self.joint.observed:
                keys = self.slices.keys_of(metric, plan)
                interval = Hierarchical(self.combined, metric, i, j, self.design)(plan.confidence_level)
                interval = also(interval, *self.slices.clipped(metric, i, j))
                error = self._error(interval, metric, i, j)
                recommended = self._readers(metric, i, j) is None and interval.conf_low < interval.conf_high
                row = comparison_row(
                    model, comparator, metric, interval, keys, n_cases=self.slices.n, recommended=recommended,
                    mc_error=error,
                )  # fmt: skip
                rows.append(row)
                tests = [] if metric in WITHOUT_VERDICT else margin_tests(part, metric, i, j, plan, self)
                tests = [t if few in t.warning else also(t, "caution", few) for t in tests]
                rows += [comparison_row(model, comparator, metric, t, keys, n_cases=self.slices.n) for t in tests]
            for metric, result in self._obuchowski_rockette(i, j, plan):
                result = also(result, "caution", few) if few else result
                recommended = self._readers(metric, i, j) is not None
                rows.append(
                    comparison_row(
                        model,
                        comparator,
                        metric,
                        result,
                        self.slices.keys,
                        n_cases=self.slices.n,
                        recommended=recommended,
                    )
                )
        return rows

    def _error(self, result: Interval | PairedTest, metric: str, i: int, j: int | None) -> tuple[float, float]:
        """Monte Carlo errors of the limits: a standard deviation of B resamples has the relative error 1 / sqrt(2 B), and the half widths with it."""
        if isnan(result.conf_low) or result.conf_low == result.conf_high:
            return nan, nan
        if isnan(result.estimate) or not isfinite(result.conf_high):
            means, level = self.combined.means, result.conf_level
            return bootstrap_intervals.monte_carlo_error(means, metric, i, j, "bootstrap_percentile", level)
        share = 1.0 / sqrt(2.0 * max(result.n_resamples - result.n_resamples_failed, 1.0))
        return share * (result.estimate - result.conf_low), share * (result.conf_high - result.estimate)

    def _obuchowski_rockette(self, i: int, j: int, plan: Plan) -> Iterator[tuple[str, PairedTest]]:
        parts, level, design = self.slices.parts, plan.confidence_level, plan.seed_design
        groups = parts[0].groups if parts[0].clustered else None
        if parts[0].y_pred is not None:
            for metric in CORRECT:
                chosen = within(parts[0], metric)
                if chosen.sum() < 2:
                    reason = "fewer than two cases of the class"
                    yield (
                        metric,
                        PairedTest(readers.METHOD, nan, conf_level=level, status="not_estimable", warning=reason),
                    )
                    continue
                a, b = (np.stack([p.correct(m)[chosen] for p in parts]) for m in (i, j))
                inside = None if groups is None else groups[chosen]
                yield metric, readers.obuchowski_rockette_accuracy(a, b, design, level, inside)
        if parts[0].y_score is not None:
            a, b = (np.stack([p.score(m) for p in parts]) for m in (i, j))
            yield "auroc", readers.obuchowski_rockette(parts[0].y_true, a, b, design, level, groups)

    def variance_rows(self, pairs: Pairs) -> list[Row]:
        """Rows of variance.csv: two-way components of every model's metric, and of every difference."""
        models = self.slices.models
        place = {m: k for k, m in enumerate(models)}
        rows = []
        for metric in self.joint.observed:
            for i, model in enumerate(models):
                shares = hierarchical.variance_shares(self.combined, metric, i)
                rows.append(self._variance_row(metric, model, None, self.values(metric)[:, i], shares))
            for model, comparator in pairs if metric not in RATIOS else ():
                i, j = place[model], place[comparator]
                shares = hierarchical.variance_shares(self.combined, metric, i, j)
                with np.errstate(invalid="ignore"):
                    values = self.values(metric)[:, i] - self.values(metric)[:, j]
                rows.append(self._variance_row(metric, model, comparator, values, shares))
        return rows

    def _variance_row(
        self, metric: str, model: str, comparator: str | None, values: np.ndarray, shares: VarianceComponents
    ) -> Row:
        messages, status = [], "ok"
        if isnan(shares.case):
            status, messages = "not_estimable", ["leaving out a case makes the metric undefined or infinite"]
        else:
            few = hierarchical.few_seeds(len(values))
            messages += [few] if few else []
            messages += (
                ["neither cases nor seeds change the value: there is no variance to share"]
                if isnan(shares.share_case)
                else []
            )
            status = "caution" if messages else "ok"
            messages += ["a component came out below 0 and stands as 0"] if shares.truncated else []
        return {
            "metric": metric, "model": model, "comparator": comparator, **spread(values), "seed.min": values.min(),
            "seed.max": values.max(), "variance.case": shares.case, "variance.seed": shares.seed,
            "variance.residual": shares.residual, "share.case": shares.share_case, "share.seed": shares.share_seed,
            "share.residual": shares.share_residual, "n": self.slices.n,
            "n.clusters": self.slices.n_clusters if self.slices.clustered else nan,
            "status": status, "warning": "; ".join(messages) or None,
        }  # fmt: skip


def _seed_stream(keys: Keys, plan: Plan) -> np.random.Generator:
    """The random stream from which seeds are resampled."""
    return rng_for(plan.seed, "seeds", keys.subgroup or "", keys.level or "")


def analyse_seeds(
    groups: Sequence[tuple[Keys, Predictions]],
    plan: Plan,
    pairs: Pairs,
    on_progress: Callable[[int, int], None] | None = None,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> dict[str, pd.DataFrame]:
    """All tables of a comparison over several seeds, and `variance`.

    `groups` are all cases and then the subgroups. Rows over the seeds come first (column `seed` empty), those of the subgroups after them,
    then the rows of each seed on all cases: methods for independent cases apply only to these.
    """
    everyone = groups[0][1]
    total, done = len(groups) + len(everyone.seeds), 0
    metric_rows: list[Row] = []
    comparison_rows: list[Row] = []
    overall: Crossed | HoldOut | None = None
    levels: list[tuple[SeedSlices, Replicates | None]] = []
    for keys, predictions in groups:
        slices = SeedSlices.of(predictions, keys)
        over = (
            HoldOut.of(slices, plan, everyone, workers)
            if everyone.repeated_holdout
            else Crossed.of(slices, plan, workers)
        )
        overall = overall or over
        if keys.subgroup in plan.by:
            levels.append((slices, over.joint if isinstance(over, Crossed) else None))
        m_rows, c_rows = over.metric_rows(plan), over.comparison_rows(plan, pairs)
        if slices.folded:
            m_rows, c_rows = folds.never_pooled(m_rows), folds.never_pooled(c_rows)
            c_rows += folds.refusals(slices.whole(), plan, pairs) if isinstance(over, Crossed) else []
        metric_rows += metrics.sorted_rows(m_rows, slices.models, tuple(METRICS))
        comparison_rows += [row | {"n.seeds": len(slices.seeds)} for row in _sorted(c_rows, pairs)]
        done += 1
        if on_progress:
            on_progress(done, total)
    if overall is None:
        raise ValueError("there are no cases to analyse")
    tables: dict[str, list[pd.DataFrame]] = {}
    for number, (seed, part) in enumerate(zip(overall.slices.seeds, overall.slices.parts, strict=True)):
        joint = overall.of_seed(number)
        m_rows = metrics.analytic_rows(part, plan) + metrics.resampled_rows(part, plan, joint)
        c_rows = comparisons.analytic_rows(part, plan, pairs, joint)
        c_rows += comparisons.resampled_rows(part, plan, pairs, joint)
        if part.folds is not None:
            m_rows, c_rows = folds.never_pooled(m_rows), folds.never_pooled(c_rows)
        metric_rows += metrics.sorted_rows(m_rows, part.models, tuple(METRICS))
        comparison_rows += _sorted(c_rows, pairs)
        own = curves.tables_of(part, everyone.matrices("test", seed=seed), everyone.labels, plan)
        own |= extras.extra_tables(part, (), plan, pairs, None)
        for name, table in own.items():
            tables.setdefault(name, []).append(table if table.empty else table.assign(seed=seed))
        done += 1
        if on_progress:
            on_progress(done, total)
    compared = families.with_roles(families.adjust(pd.DataFrame(comparison_rows)), plan)
    drawn = overall.combined.means if isinstance(overall, Crossed) else None
    over_all = verdicts.verdicts_table(overall.slices.whole(), compared, plan, pairs, overall)
    return {
        "metrics": families.with_metric_roles(pd.DataFrame(metric_rows), plan, pairs),
        "comparisons": compared,
        "verdicts": over_all,
        "seed_verdicts": seed_verdicts.seed_verdicts(overall, compared, over_all, plan, pairs),
        "multiplicity": families.multiplicity_table(compared, overall.slices.whole(), plan, drawn, hierarchical.METHOD),
        **{name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()},
        "interactions": seed_interactions.interactions(overall.slices, levels, plan, pairs),
        "ranking": pd.DataFrame([] if drawn is None else extras.ranking_rows(overall.slices.whole(), drawn)),
        **hybrid.hybrid_tables(overall.slices.whole(), plan, drawn, overall),
        "thresholds": everyone.chosen_thresholds,
        "variance": pd.DataFrame(overall.variance_rows(pairs)),
    }


def _sorted(rows: list[Row], pairs: Pairs) -> list[Row]:
    of_pair, of_metric = ({name: k for k, name in enumerate(names)} for names in (pairs, METRICS))
    return sorted(rows, key=lambda r: (of_pair[r["model"], r["comparator"]], of_metric[r["metric"]]))
