"""Class weights and balanced sampling: gradients by hand, the draws of an epoch, notes and refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hybridcx.deep import devices, finetune
from hybridcx.deep.distributed import Team
from hybridcx.deep.fitted_last_layer import logistic_regression
from hybridcx.deep.steps import gradients, mixed, weights_in_batch
from hybridcx.deep.task import Task, class_weights, order_of_epoch
from hybridcx.errors import InputError
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.vocabulary.networks import NETWORKS

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
Y = np.array([0] * 14 + [1] * 4)


def task(y=Y, **keys):
    return Task(
        NETWORKS["squeezenet1_1"], np.empty(0), y, np.arange(len(y)), np.arange(0), TrainSection(**keys),
        devices.resolve(CPU), 0, Path(), 1.0, keys.pop("parts", 1), 0.0,
    )  # fmt: skip


def by_hand(logits, target, weights, smoothing):
    """d loss / d logits of the weighted mean cross-entropy, from its definition; `target` (n, 2) of probabilities or (n,) of classes."""
    n, p = len(logits), torch.softmax(logits.double(), 1)
    w = torch.tensor(weights, dtype=torch.float64)
    hard = target.ndim == 1
    t = torch.eye(2, dtype=torch.float64)[target] if hard else target.double()
    total = w[target].sum() if hard else n
    wt = w * ((1 - smoothing) * t + smoothing / 2)  # the weighted target of each class
    return (wt.sum(1, keepdim=True) * p - wt) / total


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("mixing", [None, (0.3, torch.tensor([4, 2, 0, 1, 3, 6, 5]))])
@pytest.mark.parametrize(("parts", "processes"), [(1, 1), (3, 1), (1, 3), (2, 2)])
def test_the_gradient_is_that_of_the_weighted_mean_of_the_mini_batch(smoothing, mixing, parts, processes):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(7, 5, generator=rng)
    y = torch.tensor([0, 0, 1, 0, 0, 0, 1])
    weights = torch.tensor([0.4, 3.0])
    x, target = mixed(x, y, mixing)
    layer = torch.nn.Linear(5, 2)
    expected = by_hand(layer(x).detach(), target, [0.4, 3.0], smoothing)
    in_batch = weights_in_batch(weights, target)
    of_team = []
    for rank in range(processes):
        share, share_target, weight = Team(rank, processes).share(x, target)
        layer.zero_grad()
        t = replace(task(class_weights=(0.4, 3.0), label_smoothing=smoothing), parts=parts)
        result = gradients(layer, share, share_target, t, weight, class_weights=in_batch)
        of_team.append((layer.weight.grad.clone(), layer.bias.grad.clone(), result.read()[0], len(share)))
    torch.testing.assert_close(
        sum(g for g, *_ in of_team).double() / processes, expected.T @ x.double(), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(
        sum(b for _, b, *_ in of_team).double() / processes, expected.sum(0), rtol=1e-5, atol=1e-6
    )
    loss = torch.nn.functional.cross_entropy(layer(x), target, weights, label_smoothing=smoothing)
    assert sum(v * n for *_, v, n in of_team) / 7 == pytest.approx(loss.item(), rel=1e-5)


def test_weights_of_the_classes():
    assert class_weights(task()) is None
    np.testing.assert_allclose(class_weights(task(class_weights="balanced")), [18 / 28, 18 / 8])
    np.testing.assert_allclose(class_weights(task(class_weights=(1.0, 5.0))), [1.0, 5.0])


@pytest.mark.parametrize("positives", [4, 9, 13])
def test_balanced_sampling_draws_as_many_of_each_class(positives):
    y = np.arange(19) < positives
    epochs = [order_of_epoch(task(y.astype(int), sampling="balanced"), e) for e in range(4)]
    again = order_of_epoch(task(y.astype(int), sampling="balanced"), 2)
    assert np.array_equal(epochs[2], again)
    assert positives == 9 or not np.array_equal(np.sort(epochs[0]), np.sort(epochs[1]))
    larger = y if positives > 9 else ~y
    for order in epochs:
        assert len(order) == 19
        assert larger[order].sum() == 10  # the odd one
        of_larger = order[larger[order]]
        assert len(np.unique(of_larger)) == 10  # without replacement
    fixed = [order_of_epoch(task(y.astype(int), sampling="balanced", shuffle="never"), e) for e in (0, 3)]
    assert np.array_equal(*fixed)
    assert np.array_equal(fixed[0], np.sort(fixed[0]))


def test_the_fitted_last_layer_is_weighted():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(18, 3)), Y.astype(float)
    weights = np.where(Y == 1, 3.0, 1.0)
    a = logistic_regression(torch.from_numpy(x), torch.from_numpy(y), 0.1, torch.from_numpy(weights))
    w, b = (t.numpy() for t in a)
    residual = weights * (1 / (1 + np.exp(-(x @ w + b))) - y)
    assert abs(residual.sum()) < 1e-6  # the intercept carries no penalty
    scale = np.sqrt(x.var(axis=0).sum())
    np.testing.assert_allclose((x - x.mean(0)).T @ residual / scale, -0.1 * w * scale, atol=1e-6)
    plain = logistic_regression(torch.from_numpy(x), torch.from_numpy(y), 0.1)
    assert plain[1] < a[1]


@pytest.mark.parametrize(("keys", "said"), [
    ({"class_weights": "balanced", "last_layer": "fitted"},
     "by 0.6429 (negative) and 2.25 (positive): its probabilities are those of a population with equal classes"),
    ({"class_weights": (1.0, 4.0), "mixup": 0.2},
     "by 1 (negative) and 4 (positive): its probabilities are those of a population so weighted"),
    ({"sampling": "balanced", "trainable_stages": 1, "cached_copies": 2}, "drew as many cases of each class"),
])  # fmt: skip
def test_a_training_says_so(tmp_path, keys, said):
    images = np.random.default_rng(0).integers(0, 256, (18, 32, 32, 3), dtype=np.uint8)

    def tune(folder, **keys):
        train = TrainSection(epochs=1, batch_size=6, **keys)
        return finetune.finetune(
            "squeezenet1_1", images, Y, np.arange(18), np.arange(0), train, CPU, seed=0, weights=None, folder=folder
        )

    plain = {k: v for k, v in keys.items() if k not in ("class_weights", "sampling")}
    found, without = tune(tmp_path / "a", **keys), tune(tmp_path / "b", **plain)
    notes = [n for n in found.notes if said in n]
    assert len(notes) == 1
    assert "not of this cohort; calibrate before use" in notes[0]
    assert found.weights_sha256 != without.weights_sha256
    equal = tune(
        tmp_path / "c",
        **{**keys, **({"class_weights": (1.0, 1.0)} if "class_weights" in keys else {"sampling": "none"})},
    )
    np.testing.assert_allclose(equal.history["train_loss"], without.history["train_loss"], rtol=1e-4)


def test_what_is_refused(tmp_path):
    images = np.zeros((18, 32, 32, 3), np.uint8)
    train = TrainSection(class_weights="balanced", sampling="balanced")
    with pytest.raises(InputError, match="exclude each other"):
        finetune.finetune(
            "squeezenet1_1", images, Y, np.arange(18), np.arange(0), train, CPU, seed=0, weights=None, folder=tmp_path
        )
    with pytest.raises(ValueError, match="above 0"):
        TrainSection(class_weights=(0.0, 1.0))
