"""Coverage of every interval of one model's metrics.

Count metrics: every confusion matrix that can come from the class sizes is enumerated with its probability (all but 1e-7), so that analytic
intervals have no Monte Carlo error. Settings are the four networks of Table III as the audit reads them. Score metrics and resampled
intervals are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np
from scipy import special, stats
from tally import Key, Tally

from hybridcx.stats import calibration, roc
from hybridcx.stats import proportions as pr
from hybridcx.stats.confusion import Confusion, count_metrics, fraction
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.vocabulary import COUNT_METRICS, PROPORTIONS

TABLE_III = {  # sensitivity and specificity of 25 abnormal and 24 normal cases
    "vgg16": (23 / 25, 23 / 24),
    "vgg19": (23 / 25, 22 / 24),
    "resnet101": (21 / 25, 23 / 24),
    "densenet201": (22 / 25, 20 / 24),
}
PREVALENCE = 0.2
SCORE_METRICS = (
    "auroc", "auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece", "net_benefit",
)  # fmt: skip
RESAMPLED = {"bootstrap_percentile": bi.percentile, "bootstrap_basic": bi.basic, "bootstrap_bca": bi.bca}


def enumerated(n1: int, n0: int, se: float, sp: float, least: float = 1e-7) -> Iterator[tuple[Confusion, float]]:
    """Yield confusion matrices and probabilities, the most likely first, until less than `least` is left."""
    p = np.outer(stats.binom.pmf(np.arange(n1 + 1), n1, se), stats.binom.pmf(np.arange(n0 + 1), n0, sp)).ravel()
    left = 1.0
    for index in np.argsort(-p):
        if left < least:
            return
        tp, tn = divmod(int(index), n0 + 1)
        yield Confusion(tp, n1 - tp, n0 - tn, tn), float(p[index])
        left -= float(p[index])


def analytic(c: Confusion) -> Iterator[tuple[str, pr.Interval]]:
    """Every analytic interval of the count metrics."""
    for metric in PROPORTIONS:
        for method in (pr.wilson, pr.clopper_pearson, pr.agresti_coull, pr.jeffreys):
            yield metric, method(*fraction(metric, c))
    yield "balanced_accuracy", pr.balanced_accuracy_mover(c)
    yield "youden_j", pr.youden_mover(c)
    yield "lr_positive", pr.likelihood_ratio_log(c, "lr_positive")
    yield "lr_negative", pr.likelihood_ratio_log(c, "lr_negative")
    yield "diagnostic_odds_ratio", pr.diagnostic_odds_ratio_log(c)
    for metric in ("ppv", "npv"):
        yield f"{metric}", pr.predictive_value_mercaldo(c, metric, PREVALENCE)


def count_truth(n1: int, n0: int, se: float, sp: float) -> dict[str, float]:
    """The metrics of the population with the class sizes' own prevalence; `ppv@`, `npv@` at PREVALENCE."""
    found = count_metrics(n1 * se, n1 * (1 - se), n0 * (1 - sp), n0 * sp)
    truth = {name: float(value) for name, value in found.items()}
    q = PREVALENCE
    truth["ppv@"] = se * q / (se * q + (1 - sp) * (1 - q))
    truth["npv@"] = sp * (1 - q) / (sp * (1 - q) + (1 - se) * q)
    return truth


def counts(tally: Tally, n1: int, n0: int, resampled: int, n_resamples: int, rng: np.random.Generator) -> None:
    """Enumerate the analytic intervals, draw the resampled ones."""
    for network, (se, sp) in TABLE_III.items():
        truth = count_truth(n1, n0, se, sp)
        for c, weight in enumerated(n1, n0, se, sp):
            for metric, found in analytic(c):
                at = f"{metric}@" if found.method == "mercaldo_logit" else metric
                key = Key("one model, counts", str(n1 + n0), network, "", metric, found.method, "coverage")
                tally.interval(key, found.conf_low, found.conf_high, truth[at], weight, drawn=False)
        y = np.repeat([True, False], [n1, n0])
        for _ in range(resampled):
            tp, tn = rng.binomial(n1, se), rng.binomial(n0, sp)
            predicted = np.r_[np.arange(n1) < tp, np.arange(n0) >= tn]
            drawn = bootstrap_replicates(
                y, predicted[None], None, metrics=COUNT_METRICS, n_resamples=n_resamples, rng=rng
            )
            for metric in COUNT_METRICS:
                for method, function in RESAMPLED.items():
                    found = function(drawn, metric, 0)
                    key = Key("one model, counts", str(n1 + n0), network, "", metric, method, "coverage")
                    tally.interval(key, found.conf_low, found.conf_high, truth[metric])


class Binormal:
    """Scores of a model with sensitivity and specificity `accuracy` at the middle: latent N(-+d/2, 1) and the true probability of it.

    score = logistic(d x + log(n1/n0)) is perfectly calibrated at the class sizes' prevalence, so the true slope is 1, the intercept 0 and
    the calibration error 0.
    """

    def __init__(self, accuracy: float, n1: int, n0: int) -> None:
        self.d = 2 * float(special.ndtri(accuracy))
        self.offset, self.prevalence = log(n1 / n0), n1 / (n1 + n0)

    def score(self, x: np.ndarray) -> np.ndarray:
        """The probability of the positive class at latent values x."""
        return np.asarray(special.expit(self.d * x + self.offset))

    def truth(self) -> dict[str, float]:
        """The population's values, by quadrature over the latent scale."""
        x = np.linspace(-12, 12, 240_001)
        one = self.prevalence * stats.norm.pdf(x - self.d / 2)
        other = (1 - self.prevalence) * stats.norm.pdf(x + self.d / 2)
        s, dx = self.score(x), x[1] - x[0]
        above = self.prevalence * stats.norm.sf(x - self.d / 2)
        called = above + (1 - self.prevalence) * stats.norm.sf(x + self.d / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(called > 0, above / called, 1.0)
        # loss of the other class at score s, on scales where neither logarithm is of 0
        t = self.d * x + self.offset
        at = -self.offset / self.d  # latent value of the score 1/2
        return {
            "auroc": float(special.ndtr(self.d / np.sqrt(2))),
            "auprc": float((precision * one).sum() * dx / self.prevalence),
            "brier": float((one * (1 - s) ** 2 + other * s**2).sum() * dx),
            "log_loss": float((one * np.logaddexp(0, -t) + other * np.logaddexp(0, t)).sum() * dx),
            "calibration_slope": 1.0,
            "calibration_intercept": 0.0,
            "ece": 0.0,
            "net_benefit": float(
                self.prevalence * stats.norm.sf(at - self.d / 2)
                - (1 - self.prevalence) * stats.norm.sf(at + self.d / 2)
            ),
        }


def scores(
    tally: Tally, n1: int, n0: int, analytic_runs: int, resampled: int, n_resamples: int, rng: np.random.Generator
) -> None:
    """Draw the score metrics' intervals, analytic and resampled."""
    y = np.repeat([True, False], [n1, n0])
    centre = np.where(y, 0.5, -0.5)
    for accuracy in (0.86, 0.90, 0.94):
        law = Binormal(accuracy, n1, n0)
        truth = law.truth()
        setting = f"accuracy {accuracy:.2f}, AUROC {truth['auroc']:.3f}"

        def key(metric: str, method: str, setting: str = setting) -> Key:
            return Key("one model, scores", str(n1 + n0), setting, "", metric, method, "coverage")

        for run in range(max(analytic_runs, resampled)):
            x = rng.normal(size=y.size) + law.d * centre
            s = law.score(x)
            if run < analytic_runs:
                for found in (roc.delong(y, x), roc.delong_logit(y, x), roc.newcombe_auc(y, x)):
                    tally.interval(key("auroc", found.method), found.conf_low, found.conf_high, truth["auroc"])
                slope, intercept = calibration.calibration_line(y, s)
                tally.interval(key("calibration_slope", "wald"), slope.conf_low, slope.conf_high, 1.0)
                tally.interval(key("calibration_intercept", "wald"), intercept.conf_low, intercept.conf_high, 0.0)
            if run < resampled:
                drawn = bootstrap_replicates(y, None, s[None], metrics=SCORE_METRICS, n_resamples=n_resamples, rng=rng)
                for metric in SCORE_METRICS:
                    for method, function in RESAMPLED.items():
                        found = function(drawn, metric, 0)
                        tally.interval(key(metric, method), found.conf_low, found.conf_high, truth[metric])
