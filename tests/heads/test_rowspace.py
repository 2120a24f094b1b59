"""The rotation changes no inner product, no distance and no estimator."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from hybridcx.heads.rowspace import RowSpace


@pytest.fixture(params=[(20, 300), (20, 8)], ids=["wide", "narrow"])
def rows(request):
    n, d = request.param
    rng = np.random.default_rng(1)
    train = rng.normal(size=(n, d))
    return train - train.mean(axis=0), rng.normal(size=(30, d)), (np.arange(n) % 2)


def test_inner_products_and_distances_to_training_rows_are_kept(rows):
    train, new, _ = rows
    rotation = RowSpace().fit(train)
    a, b = rotation.transform(train), rotation.transform(new)
    s2 = np.mean(np.sum(train**2, axis=1))
    assert np.mean(np.sum(a**2, axis=1)) == pytest.approx(1)
    np.testing.assert_allclose(b @ a.T, new @ train.T / s2, atol=1e-12)
    original = ((new[:, None] - train[None]) ** 2).sum(-1) / s2
    np.testing.assert_allclose(((b[:, None] - a[None]) ** 2).sum(-1), original, rtol=1e-10)


def test_training_rows_have_no_part_outside_their_span():
    train = np.random.default_rng(2).normal(size=(15, 100))
    z = RowSpace().fit(train).transform(train)
    assert z.shape == (15, 16)
    assert (z[:, -1] == 0).all()


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda s2: LogisticRegression(C=3.0 * s2, tol=1e-10, max_iter=10_000), "decision_function"),
        (lambda s2: SVC(kernel="linear", C=2.0 * s2, tol=1e-8), "decision_function"),
        (lambda s2: SVC(kernel="rbf", gamma=0.7 / s2, C=2.0, tol=1e-8), "decision_function"),
        (lambda s2: KNeighborsClassifier(5), "predict_proba"),
    ],
    ids=["logistic", "svm_linear", "svm_rbf", "knn"],
)
def test_estimators_are_the_same_as_on_the_original_columns(rows, make, values):
    # Dividing the rows by s turns C into C s^2 and gamma into gamma / s^2 of the rotated problem.
    train, new, y = rows
    s2 = np.mean(np.sum(train**2, axis=1))
    rotation = RowSpace().fit(train)
    rotated = make(1.0).fit(rotation.transform(train), y)
    plain = make(s2)
    if values == "decision_function" and not isinstance(plain, SVC):
        plain.set_params(C=3.0 / s2)
    elif isinstance(plain, SVC) and plain.kernel == "linear":
        plain.set_params(C=2.0 / s2)
    plain.fit(train, y)
    np.testing.assert_allclose(
        getattr(rotated, values)(rotation.transform(new)), getattr(plain, values)(new), atol=2e-4
    )


def test_rows_of_zeros_are_divided_by_one():
    z = RowSpace().fit(np.zeros((4, 9))).transform(np.zeros((2, 9)))
    assert (z == 0).all()
