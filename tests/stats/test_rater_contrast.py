"""Models beside readers: coefficients against those of agreement, and the laws of their contrast."""

from __future__ import annotations

import numpy as np
import pytest

from hybridcx.stats import agreement
from hybridcx.stats.agreement.rater_contrast import pair_coefficients, rater_contrasts


def drawn(raters=5, n=80, missing=0.1, seed=4):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    calls = np.array([np.where(rng.random(n) < 0.8, truth, ~truth) for _ in range(raters)]).astype(int)
    calls[2:][rng.random((raters - 2, n)) < missing] = -1
    return calls


def rng():
    return np.random.default_rng(1)


def table(a, b):
    both = (a >= 0) & (b >= 0)
    a, b = a[both], b[both]
    return [int((x & y).sum()) for x, y in ((a == 1, b == 1), (a == 1, b == 0), (a == 0, b == 1), (a == 0, b == 0))]


def test_coefficients_are_those_of_the_agreement_of_two():
    calls = drawn(2, missing=0)
    found = pair_coefficients(table(*calls))
    assert float(found["cohen_kappa"]) == pytest.approx(agreement.cohen_kappa(*calls).estimate)
    assert float(found["gwet_ac1"]) == pytest.approx(agreement.gwet_ac1(calls.T).estimate)
    assert float(found["percent_agreement"]) == pytest.approx(agreement.percent_agreement(calls.T).estimate)


def test_means_and_differences():
    calls = drawn()
    found = rater_contrasts(calls, 2, rng(), 200)["cohen_kappa"]
    pair = lambda i, j: float(pair_coefficients(table(calls[i], calls[j]))["cohen_kappa"])  # noqa: E731
    of_model = np.mean([pair(0, r) for r in (2, 3, 4)])
    of_readers = np.mean([pair(2, 3), pair(2, 4), pair(3, 4)])
    assert found.models[0].estimate == pytest.approx(of_model)
    assert found.readers.estimate == pytest.approx(of_readers)
    assert found.differences[0].estimate == pytest.approx(of_model - of_readers)
    assert found.differences[0].conf_low < of_model - of_readers < found.differences[0].conf_high
    assert found.differences[0].n_resamples == 200


def test_a_model_that_is_a_reader_has_his_agreement_and_more():
    calls = drawn(5, missing=0)
    calls[0] = calls[2]
    found = rater_contrasts(calls, 2, rng(), 50)["percent_agreement"]
    others = np.mean([(calls[2] == calls[r]).mean() for r in (3, 4)])
    assert found.models[0].estimate == pytest.approx((1 + 2 * others) / 3)


def test_the_order_of_cases_changes_nothing():
    calls = drawn()
    order = np.random.default_rng(9).permutation(calls.shape[1])
    assert rater_contrasts(calls, 2, rng(), 100) == rater_contrasts(calls[:, order], 2, rng(), 100)


def test_clusters_are_drawn_whole():
    calls = np.repeat(drawn(missing=0), 4, axis=1)
    groups = np.repeat(np.arange(80), 4)
    alone = rater_contrasts(calls, 2, rng(), 800)["gwet_ac1"].models[0]
    whole = rater_contrasts(calls, 2, rng(), 800, groups=groups)["gwet_ac1"].models[0]
    assert whole.estimate == alone.estimate
    ratio = (whole.conf_high - whole.conf_low) / (alone.conf_high - alone.conf_low)
    assert 1.7 < ratio < 2.3  # four copies of each case are worth one


def test_one_reader_has_no_other():
    found = rater_contrasts(drawn(3, missing=0), 2, rng(), 20)["gwet_ac1"]
    assert found.readers.status == found.differences[1].status == "not_estimable"
    assert "one reader" in found.readers.warning
    assert found.models[0].status == "ok"


def test_constant_raters():
    calls = drawn(4, missing=0)
    calls[1:] = 1
    found = rater_contrasts(calls, 1, rng(), 50)
    assert found["cohen_kappa"].readers.status == "not_estimable"
    assert found["percent_agreement"].readers.status == "caution"
    assert found["percent_agreement"].readers.estimate == 1.0
    assert found["cohen_kappa"].models[0].estimate == 0.0


def test_resamples_without_a_coefficient_are_counted():
    calls = drawn(4, 12, missing=0)
    calls[2:] = 0
    calls[2:, 0] = 1
    found = rater_contrasts(calls, 2, rng(), 400)["cohen_kappa"].readers
    assert 0.2 < found.n_resamples_failed / 400 < 0.55  # (11/12)^12 = 0.35
    assert found.status == "caution"


@pytest.mark.parametrize(
    ("calls", "models"), [([[0, 2]], 1), ([[0, 1], [1, 1]], 2), ([0, 1], 1), ([[0, 1], [1, 1]], -1)]
)
def test_refused(calls, models):
    with pytest.raises(ValueError, match=r"calls|one reader"):
        rater_contrasts(calls, models, rng(), 10)


def test_a_model_of_several_seeds_has_their_mean_and_the_spread_of_its_seeds():
    calls = drawn(5, missing=0)
    readers = calls[3:]
    of_seeds = [rater_contrasts(np.vstack([calls[s], readers]), 1, rng(), 50) for s in range(3)]
    found = rater_contrasts(calls, 1, rng(), 2000, n_seeds=3)
    for name, of in found.items():
        assert of.models[0].estimate == pytest.approx(np.mean([f[name].models[0].estimate for f in of_seeds]))
        assert of.readers.estimate == pytest.approx(of_seeds[0][name].readers.estimate)
        assert of.models[0].conf_low < of.models[0].estimate < of.models[0].conf_high
    # Equal seeds have no spread: as one seed, but for chance.
    same = rater_contrasts(np.vstack([calls[:1]] * 3 + [readers]), 1, rng(), 2000, n_seeds=3)["gwet_ac1"].models[0]
    one = rater_contrasts(np.vstack([calls[:1], readers]), 1, rng(), 2000)["gwet_ac1"].models[0]
    assert (same.estimate, same.conf_low) == (pytest.approx(one.estimate), pytest.approx(one.conf_low, abs=0.02))
    assert (same.status, same.warning) == ("ok", "")
    # A seed that is always wrong and one that is always right: the mean's interval reaches far to both sides.
    apart = np.vstack([readers[0], 1 - readers[0], readers[0]])
    wide = rater_contrasts(apart, 1, rng(), 2000, n_seeds=2)["percent_agreement"].models[0]
    assert (wide.estimate, wide.conf_low, wide.conf_high) == (0.5, 0.0, 1.0)


def test_limits_that_few_seeds_make_too_narrow_say_so_of_the_mean_and_of_the_difference():
    """Three seeds turn 5, 40 and 30 % of one reader's 400 calls round: they differ by far more than the cases' error."""
    readers = drawn(2, n=400, missing=0)
    flips = rng().random((3, 400)) < np.array([[0.05], [0.4], [0.3]])
    models = np.where(flips, 1 - readers[0], readers[0])
    found = rater_contrasts(np.vstack([models, readers]), 1, rng(), 500, n_seeds=3)["percent_agreement"]
    for of in (found.models[0], found.differences[0]):
        assert of.status == "caution"
        assert "of the variance is that of 3 seeds" in of.warning
        assert "times too narrow" in of.warning
    assert found.readers.status == "ok"


def test_readers_alone():
    calls = drawn(3, missing=0)
    found = rater_contrasts(calls, 0, rng(), 100)["gwet_ac1"]
    assert found.models == found.differences == ()
    assert found.readers.estimate == pytest.approx(
        rater_contrasts(np.vstack([calls[:1], calls]), 1, rng(), 100)["gwet_ac1"].readers.estimate
    )
