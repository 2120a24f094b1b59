"""The bootstrap engine: every metric of every resample equals the metric computed from the drawn cases."""

from math import isnan

import numpy as np
import pytest

from hybridcx.stats import calibration, roc, utility
from hybridcx.stats.confusion import count_metrics
from hybridcx.stats.resampling import bootstrap as bs
from hybridcx.stats.resampling import ranks as rank_resampling
from hybridcx.stats.resampling import scores as score_resampling
from hybridcx.stats.resampling.draws import UnitDraws
from hybridcx.vocabulary import METRICS

SCORES = ("auroc", "auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece", "net_benefit")
COUNTS = tuple(name for name, m in METRICS.items() if m.kind == "count")


def data(n=60, k=3, seed=1, digits=2):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.45
    s = 1 / (1 + np.exp(-(rng.normal(size=(k, n)) + rng.normal(size=n) + 1.2 * (2 * y - 1))))
    return y, s.round(digits), rng.integers(0, n // 3, n)


def direct(y, s, threshold=0.5):
    """Every metric of one model from its cases, by the public functions."""
    tp, fp = int((s[y] >= 0.5).sum()), int((s[~y] >= 0.5).sum())
    slope, intercept = calibration.calibration_line(y, s)
    return {k: float(v) for k, v in count_metrics(tp, y.sum() - tp, fp, (~y).sum() - fp).items()} | {
        "auroc": roc.auroc(y, s),
        "auprc": roc.average_precision(y, s),
        "brier": calibration.brier(y, s),
        "log_loss": calibration.log_loss(y, s).estimate,
        "calibration_slope": slope.estimate,
        "calibration_intercept": intercept.estimate,
        "ece": calibration.expected_calibration_error(y, s),
        "net_benefit": utility.net_benefit(y, s, threshold)[0, 0],
    }


def capture(monkeypatch):
    """Keep the weights that the engine draws."""
    kept = []
    original = UnitDraws.draw

    def draw(self, columns, rng, out):
        kept.append(original(self, columns, rng, out).copy())
        return kept[-1]

    monkeypatch.setattr(UnitDraws, "draw", draw)
    return kept


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("digits", [1, 6])
def test_score_metrics_of_every_resample(monkeypatch, clustered, digits):
    y, s, groups = data(digits=digits)
    kept = capture(monkeypatch)
    found = bs.bootstrap_replicates(
        y, None, s, metrics=SCORES, n_resamples=25, rng=np.random.default_rng(2),
        groups=groups if clustered else None, net_benefit_threshold=0.3,
    )  # fmt: skip
    (weights,) = kept
    if clustered:
        _, unit = np.unique(groups, return_inverse=True)
        rows_y, rows_s = y, s
    else:
        rows = score_resampling.score_patterns(y, s)
        rows_y, rows_s, unit = rows.y, rows.scores, rows.unit
    for b in range(25):
        times = weights[unit, b].astype(int)
        for j in range(3):
            want = direct(np.repeat(rows_y, times), np.repeat(rows_s[j], times), 0.3)
            for name in SCORES:
                got = found.replicates[name][b, j]
                assert got == pytest.approx(want[name], rel=2e-6, abs=2e-6, nan_ok=True), (name, b, j)
    for j in range(3):
        want = direct(y, s[j], 0.3)
        for name in SCORES:
            assert found.observed[name][j] == pytest.approx(want[name], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("clustered", [False, True])
def test_count_metrics_of_every_resample(monkeypatch, clustered):
    y, s, groups = data()
    kept = capture(monkeypatch)
    found = bs.bootstrap_replicates(
        y, s >= 0.5, None, metrics=COUNTS, n_resamples=40, rng=np.random.default_rng(2),
        groups=groups if clustered else None,
    )  # fmt: skip
    (weights,) = kept
    if clustered:
        rows_y, rows_p, unit = y, s >= 0.5, np.unique(groups, return_inverse=True)[1]
        assert (found.n_units, found.n_clusters) == (weights.shape[0],) * 2
    else:
        rows_y, rows_p, _ = bs._count_patterns(y, s >= 0.5)
        unit = np.arange(rows_y.size)
        assert found.n_units == 60
        assert isnan(found.n_clusters)
    for b in range(40):
        times = weights[unit, b].astype(int)
        for j in range(3):
            want = direct(np.repeat(rows_y, times), np.repeat(rows_p[j], times).astype(float))
            for name in COUNTS:
                assert found.replicates[name][b, j] == pytest.approx(want[name], rel=1e-12, nan_ok=True), (name, b)


@pytest.mark.parametrize("clustered", [False, True])
def test_jackknife_is_leaving_out(clustered):
    y, s, groups = data(40, 2, digits=1)
    found = bs.bootstrap_replicates(
        y, s >= 0.5, s, metrics=[*COUNTS, *SCORES], n_resamples=2, rng=np.random.default_rng(2),
        groups=groups if clustered else None,
    )  # fmt: skip
    label = groups if clustered else np.arange(40)
    left = [[direct(y[label != g], s[j, label != g]) for j in range(2)] for g in np.unique(label)]
    for name in (*COUNTS, *SCORES):
        got = [tuple(np.round(r, 7)) for r in found.jackknife[name]]
        weights = found.jackknife_weights[name]
        want = [tuple(np.round([each[name] for each in models], 7)) for models in left]
        expanded = [g for g, w in zip(got, weights, strict=True) for _ in range(int(w))]
        assert np.array(sorted(expanded)) == pytest.approx(np.array(sorted(want)), abs=3e-6, nan_ok=True), name


def test_one_step_jackknife_of_large_sets(monkeypatch):
    y, s, groups = data(600, 2, digits=6)
    metrics = ("calibration_slope", "calibration_intercept")
    for g in (None, groups):
        exact = bs.bootstrap_replicates(
            y, None, s, metrics=metrics, n_resamples=1, rng=np.random.default_rng(1), groups=g
        )
        with monkeypatch.context() as patch:
            patch.setattr(bs, "REFIT_BUDGET", 1)
            fast = bs.bootstrap_replicates(
                y, None, s, metrics=metrics, n_resamples=1, rng=np.random.default_rng(1), groups=g
            )
        for name in metrics:
            spread = np.abs(exact.jackknife[name] - exact.observed[name]).max()
            assert np.abs(fast.jackknife[name] - exact.jackknife[name]).max() < 0.1 * spread
            only = bs.bootstrap_replicates(y, None, s, metrics=[name], n_resamples=1, rng=np.random.default_rng(1))
            assert list(only.observed) == [name]
            with monkeypatch.context() as patch:
                patch.setattr(bs, "REFIT_BUDGET", 1)
                single = bs.bootstrap_replicates(
                    y, None, s, metrics=[name], n_resamples=1, rng=np.random.default_rng(1)
                )
            assert list(single.jackknife) == [name]


def test_bootstrap_spread_is_the_sampling_spread():
    y, s, _ = data(300, 2, digits=6)
    found = bs.bootstrap_replicates(
        y, s >= 0.5, s, metrics=["accuracy", "auroc"], n_resamples=4000, rng=np.random.default_rng(3)
    )
    p = found.observed["accuracy"]
    assert found.replicates["accuracy"].std(axis=0) == pytest.approx(np.sqrt(p * (1 - p) / 300), rel=0.06)
    assert found.replicates["auroc"].std(axis=0) == pytest.approx([roc.delong(y, v).std_error for v in s], rel=0.06)
    pair = found.replicates["auroc"] @ [1, -1]
    assert pair.std() == pytest.approx(roc.delong_paired(y, *s).std_error, rel=0.06)


def test_order_of_cases_does_not_matter():
    y, s, groups = data(80, 2)
    order = np.random.default_rng(4).permutation(80)
    for g in (None, groups):
        a, b = (
            bs.bootstrap_replicates(
                y[i], s[:, i] >= 0.5, s[:, i], metrics=[*COUNTS, *SCORES], n_resamples=50,
                rng=np.random.default_rng(2), groups=None if g is None else g[i],
            )
            for i in (np.arange(80), order)
        )  # fmt: skip
        for name in a.replicates:
            assert np.array_equal(a.replicates[name], b.replicates[name], equal_nan=True), name


def test_count_metrics_do_not_depend_on_scores():
    y, s, _ = data()
    both, alone = (
        bs.bootstrap_replicates(y, s >= 0.5, v, metrics=m, n_resamples=20, rng=np.random.default_rng(2))
        for v, m in ((s, ["accuracy", "auroc"]), (None, ["accuracy"]))
    )
    assert np.array_equal(both.replicates["accuracy"], alone.replicates["accuracy"])


def test_stratified_keeps_the_classes(monkeypatch):
    y, s, _ = data()
    found = bs.bootstrap_replicates(
        y,
        np.ones((1, 60), bool),
        s,
        metrics=["accuracy", "auroc"],
        n_resamples=200,
        rng=np.random.default_rng(2),
        stratified=True,
    )
    assert np.ptp(found.replicates["accuracy"]) == 0  # all called positive: the prevalence, which is held fixed
    assert np.ptp(found.replicates["auroc"][:, 0]) > 0
    free = bs.bootstrap_replicates(
        y, np.ones((1, 60), bool), None, metrics=["accuracy"], n_resamples=200, rng=np.random.default_rng(2)
    )
    assert np.ptp(free.replicates["accuracy"]) > 0


def test_resamples_without_a_class_are_undefined():
    y, s = np.r_[True, np.zeros(9, bool)], np.linspace(0.05, 0.95, 10)[None]
    found = bs.bootstrap_replicates(
        y, s >= 0.5, s, metrics=["sensitivity", "auroc", "auprc", "brier", "calibration_intercept"], n_resamples=400,
        rng=np.random.default_rng(2),
    )  # fmt: skip
    share = 0.9**10
    for name in ("sensitivity", "auroc", "auprc", "calibration_intercept"):
        failed = np.isnan(found.replicates[name]).mean()
        assert 0 < failed == pytest.approx(share, abs=0.1)
    assert not np.isnan(found.replicates["brier"]).any()
    assert np.isnan(found.jackknife["auroc"]).sum() == 1


def test_fewer_refits():
    y, s, _ = data()
    found = bs.bootstrap_replicates(
        y, None, s, metrics=["auroc", "calibration_slope"], n_resamples=5000, rng=np.random.default_rng(2), n_refits=30
    )
    assert found.replicates["auroc"].shape == (5000, 3)
    assert found.replicates["calibration_slope"].shape == (30, 3)


def test_take():
    y, s, _ = data()
    found = bs.bootstrap_replicates(
        y, s >= 0.5, s, metrics=["accuracy", "auroc"], n_resamples=5, rng=np.random.default_rng(2)
    )
    turned = found.take([2, 0])
    for name in ("accuracy", "auroc"):
        assert np.array_equal(turned.observed[name], found.observed[name][[2, 0]])
        assert np.array_equal(turned.replicates[name], found.replicates[name][:, [2, 0]])
        assert np.array_equal(turned.jackknife[name], found.jackknife[name][:, [2, 0]])


def test_each_rank_metric_alone():
    y, s, _ = data()
    both = bs.bootstrap_replicates(y, None, s, metrics=["auroc", "auprc"], n_resamples=5, rng=np.random.default_rng(2))
    for name in ("auroc", "auprc"):
        alone = bs.bootstrap_replicates(y, None, s, metrics=[name], n_resamples=5, rng=np.random.default_rng(2))
        assert list(alone.observed) == [name]
        assert np.array_equal(alone.replicates[name], both.replicates[name])
        assert np.array_equal(alone.jackknife[name], both.jackknife[name])


def test_many_models_and_many_cases(monkeypatch):
    """More models than 63 bits hold; and sums in float64 where float32 would not be exact."""
    rng = np.random.default_rng(1)
    y, p = rng.random(50) < 0.5, rng.random((70, 50)) < 0.5
    found = bs.bootstrap_replicates(y, p, None, metrics=["accuracy"], n_resamples=3, rng=rng)
    assert found.observed["accuracy"] == pytest.approx((p == y).mean(axis=1))
    part = bs._CountPart(np.repeat([True, False], 5_000_000), np.ones((1, 10_000_000), bool), ["accuracy"], None, False)
    assert part.product.dtype == np.float64
    assert part.evaluate(part.counts[:, None].astype(np.float32))["accuracy"][0, 0] == 0.5


def test_sums_stay_exact_when_flushed():
    y, s, _ = data(200, 1, digits=6)
    rows = score_resampling.score_patterns(y, s)
    plan = rank_resampling.RankPlan(rows, 0)
    weights = np.random.default_rng(1).multinomial(200, np.full(200, 1 / 200), 50).T.astype(np.float32)
    often, never = (plan.evaluate(weights, True, every) for every in (1, 10**9))
    assert np.array_equal(often[0], never[0])
    assert often[1] == pytest.approx(never[1], rel=1e-6)


def test_sums_beyond_float32_are_flushed_more_often():
    """Weights so heavy that a sum of 256 steps would be rounded: the wins are still whole numbers."""
    y, s, _ = data(400, 1, digits=6)
    rows = score_resampling.score_patterns(y, s)
    heavy = np.random.default_rng(1).integers(1, 100, (rows.y.size, 3)).astype(np.float32)
    found = rank_resampling.rank_metrics([rank_resampling.RankPlan(rows, 0)], heavy, ["auroc"])["auroc"][0]
    for weight, got in zip(heavy.T.astype(np.int64), found, strict=True):
        w, n = weight[rows.y], weight[~rows.y]
        wins = (rows.scores[0, rows.y][:, None] > rows.scores[0, ~rows.y]) * w[:, None] * n
        assert got == wins.sum() / (w.sum() * n.sum())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"metrics": ["acuracy"]}, "unknown metrics"),
        ({"n_resamples": 0}, "at least one"),
        ({"y_pred": None}, "need predictions"),
        ({"y_score": None}, "need scores"),
        ({"y_pred": np.ones((1, 3))}, "shape"),
        ({"y_pred": np.full((1, 4), 2)}, "0 and 1"),
        ({"y_score": np.full((1, 4), 2.0)}, "within 0 and 1"),
        ({"groups": [1, 2]}, "groups"),
        ({"net_benefit_threshold": 1.0}, r"\[0, 1\)"),
    ],
)
def test_bad_input(change, word):
    given = {
        "y_true": [0, 1, 0, 1], "y_pred": np.ones((1, 4)), "y_score": np.full((1, 4), 0.5),
        "metrics": ["accuracy", "net_benefit"], "n_resamples": 2, "rng": np.random.default_rng(1),
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=word):
        bs.bootstrap_replicates(**given)


def test_rank_metrics_over_folds_are_means_of_the_folds():
    rng = np.random.default_rng(5)
    y, s = rng.random(60) < 0.5, rng.random((2, 60))
    folds = np.stack([np.arange(60) % 3, np.arange(60) % 2])  # each row of scores may have folds of its own
    s[0] += folds[0]  # scores of different folds have no common scale
    found = bs.bootstrap_replicates(
        y, None, s, metrics=["auroc", "auprc"], n_resamples=200, rng=np.random.default_rng(1), folds=folds
    )
    for j in range(2):
        apart = [roc.auroc(y[folds[j] == f], s[j, folds[j] == f]) for f in np.unique(folds[j])]
        assert found.observed["auroc"][j] == pytest.approx(np.mean(apart))
    assert found.observed["auroc"][0] != pytest.approx(roc.auroc(y, s[0]))
    # the jackknife leaves a case out of its own fold alone
    kept = np.arange(60) != 7
    apart = [roc.auroc(y[kept & (folds[0] == f)], s[0, kept & (folds[0] == f)]) for f in range(3)]
    assert found.jackknife["auroc"].shape == (60, 2)
    assert np.isclose(found.jackknife["auroc"][:, 0], np.mean(apart)).any()
    assert abs(found.replicates["auroc"].mean(axis=0) - found.observed["auroc"]).max() < 0.02


def test_a_fold_without_a_class_leaves_the_mean_undefined():
    y, s = np.array([True, False, True, True]), np.array([[0.9, 0.1, 0.2, 0.3]])
    found = bs.bootstrap_replicates(
        y, None, s, metrics=["auroc"], n_resamples=5, rng=np.random.default_rng(1), folds=[[0, 0, 1, 1]],
        groups=[0, 0, 1, 1],
    )  # fmt: skip
    assert np.isnan(found.observed["auroc"]).all()
    with pytest.raises(ValueError, match="folds"):
        bs.bootstrap_replicates(
            y, None, s, metrics=["auroc"], n_resamples=5, rng=np.random.default_rng(1), folds=[0, 0, 1, 1]
        )


def test_some_models_are_evaluated_on_the_draws_of_all():
    y, s, _ = data(60, 4)
    options = {"metrics": ["auroc", "brier"], "n_resamples": 40}
    for more in ({}, {"folds": np.tile(np.arange(60) % 2, (4, 1))}):
        whole = bs.bootstrap_replicates(y, None, s, rng=np.random.default_rng(1), **options, **more)
        some = bs.bootstrap_replicates(y, None, s, rng=np.random.default_rng(1), evaluated=[2, 0], **options, **more)
        for metric in ("auroc", "brier"):
            assert np.array_equal(some.replicates[metric], whole.replicates[metric][:, [2, 0]])
            assert np.array_equal(some.observed[metric], whole.observed[metric][[2, 0]])


def test_sums_of_many_units_in_blocks_are_one_product_to_the_last_digit():
    rng = np.random.default_rng(1)
    y, scores = rng.random(9000) < 0.3, rng.random((2, 9000))
    linear = score_resampling.LinearMetrics(
        score_resampling.score_patterns(y, scores), ("brier", "log_loss", "ece", "net_benefit"), 0.5
    )
    weights = rng.poisson(1.0, (9000, 70)).astype(np.float32)
    assert len(linear.blocks) > 1
    np.testing.assert_array_equal(linear.totals(weights), linear.sums @ weights.astype(np.float64))
