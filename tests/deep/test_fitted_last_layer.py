"""The last layer fitted before the training: the regression of scikit-learn, and where a training then starts."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from hybridcx.deep.features import extract, softmax_positive
from hybridcx.deep.finetune import finetune
from hybridcx.deep.fitted_last_layer import PENALTY, logistic_regression
from hybridcx.experiment.file import ComputeSection, TrainSection

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
STILL = {
    "last_layer": "fitted", "epochs": 2, "batch_size": 8, "learning_rate": 1e-12, "weight_decay": 0.0, "dropout": 0.0,
    "flip_horizontal": 0.0, "translate_px": 0.0,
}  # fmt: skip
N, TRAIN, VALIDATION = 40, np.arange(4, 32), np.arange(32, 40)
Y = np.random.default_rng(3).permutation(np.arange(N) % 2)


@pytest.fixture(scope="module")
def pictures():
    images = np.random.default_rng(0).integers(0, 200, (N, 32, 32, 3), dtype=np.uint8)
    images[Y == 1] += 5
    images.setflags(write=False)
    return images


def sklearn_log_odds(x, y, at):
    scale = np.sqrt(x.var(axis=0).sum())
    z, z_at = ((a - x.mean(axis=0)) / scale for a in (x, at))
    fitted = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=10_000).fit(z, y)
    return fitted.decision_function(z_at)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (20, 300)])
def test_the_regression_is_that_of_scikit_learn(n, d):
    rng = np.random.default_rng(n)
    x = rng.normal(5, 1, (n, d)) * rng.uniform(0.5, 2, d)
    x[:, 2] = 7.0  # a constant feature
    y = (x[:, 0] / x[:, 0].std() + rng.normal(size=n) > x[:, 0].mean() / x[:, 0].std()).astype(float)
    w, b = logistic_regression(torch.from_numpy(x), torch.from_numpy(y), PENALTY)
    np.testing.assert_allclose(x @ w.numpy() + float(b), sklearn_log_odds(x, y, x), rtol=1e-4, atol=1e-5)
    assert abs(w[2]) < 1e-12


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_a_training_starts_from_the_regression_on_the_training_cases(pictures, tmp_path, name):
    # batch norm's statistics would change with the first mini-batch
    still = STILL | ({"trainable_stages": 0} if name == "mobilenet_v2" else {})
    tuned = finetune(
        name, pictures, Y, TRAIN, VALIDATION, TrainSection(**still), CPU, seed=1, weights=None, folder=tmp_path
    )  # fmt: skip
    found = extract(name, tuned.weights_path, pictures, CPU)
    log_odds = sklearn_log_odds(found.features[TRAIN].astype(float), Y[TRAIN], found.features.astype(float))
    np.testing.assert_allclose(softmax_positive(found.logits), 1 / (1 + np.exp(-log_odds)), atol=2e-3)
    assert np.abs(log_odds).max() > 0.2


def test_an_interrupted_training_goes_on_and_does_not_fit_again(pictures, tmp_path):
    settings = TrainSection(**{**STILL, "learning_rate": 1e-3, "epochs": 3})

    def tune(folder, on_progress=None):
        return finetune(
            "squeezenet1_1", pictures, Y, TRAIN, VALIDATION, settings, CPU,
            seed=1, weights=None, folder=folder, on_progress=on_progress, checkpoint_every_s=0,
        )  # fmt: skip

    def stop(done, _):
        if done == 5:
            raise KeyboardInterrupt

    whole = tune(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "interrupted", stop)
    again = tune(tmp_path / "interrupted")
    assert again.weights_sha256 == whole.weights_sha256
    assert load_file(again.weights_path).keys() == load_file(whole.weights_path).keys()
