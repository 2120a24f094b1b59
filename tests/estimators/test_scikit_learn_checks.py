"""scikit-learn's own checks of estimators, on tables whose rows are taken as images of one row of pixels."""

from __future__ import annotations

import pytest
from estimator_samples import features, network
from sklearn.utils.estimator_checks import parametrize_with_checks

from hybridcx import PenultimateFeatures

ROWS = {"image_shape": (1, -1), "pixel_range": (-200, 200), "pad": "none"}
EXCEPTIONS: dict[str, str] = {}
"""Checks that fail, with the reason: none. docs/scikit_learn.md says under which tags they pass."""


@pytest.mark.filterwarnings("ignore:image .* are constant:UserWarning")  # two pixels of nearly the same value
@pytest.mark.filterwarnings("ignore:No case validates:UserWarning")
@parametrize_with_checks(
    [network(**ROWS), features(**ROWS), PenultimateFeatures(network(**ROWS))],
    expected_failed_checks=lambda _: EXCEPTIONS,
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_the_documented_tags():
    tags = network(**ROWS).__sklearn_tags__()
    assert not tags.classifier_tags.multi_class
    assert tags.classifier_tags.poor_score
    assert tags.input_tags.two_d_array
    assert not network().__sklearn_tags__().input_tags.two_d_array
    assert PenultimateFeatures(network()).__sklearn_tags__().target_tags.required
    assert not features().__sklearn_tags__().target_tags.required
