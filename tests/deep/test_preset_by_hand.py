"""Every option of the presets against a training written out by hand (by_hand.py), to 1e-5: matlab_r2018b
as a whole, each option changed alone, and modern as a whole."""

import math

import numpy as np
import pytest
import torch
from by_hand import CHANNELS, NAME, ROW, SIZE, forward, get_model, log_softmax, normalised, train_by_hand, units
from safetensors.torch import load_file

from hybridcx.deep import architectures, stages
from hybridcx.deep.finetune import finetune
from hybridcx.deep.model import new_last_layer
from hybridcx.deep.task import batches_of
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.streams import rng_for
from hybridcx.vocabulary import networks

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
N, SEED = 40, 3
Y = np.arange(N) % 2
TRAIN, VALIDATION = np.arange(3, 29), np.arange(29, 40)
TOLERANCE = 1e-5  # ten times what float32 rounds away over 18 iterations, a hundredth of what any option changes
# 26 training cases, batches of 4: 6 iterations an epoch, 2 cases dropped; the rate falls after epochs 1 and 2.
SMALL = {
    "batch_size": 4,
    "epochs": 3,
    "lr_drop_epochs": 1,
    "learning_rate": 0.02,
    "validate_every": 4,
    "flip_horizontal": 0.0,
    "translate_px": 0.0,
}


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(networks, "NETWORKS", {**networks.NETWORKS, NAME: ROW})
    monkeypatch.setattr(architectures, "get_model", get_model)
    monkeypatch.setattr(stages, "units", units)


@pytest.fixture(scope="module")
def images():
    made = np.random.default_rng(0).integers(0, 200, (N, SIZE, SIZE, 3), dtype=np.uint8)
    made[Y == 1] += 55
    return made


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(1)
    shapes = {
        "conv.weight": (CHANNELS, 3, 3, 3), "conv.bias": (CHANNELS,), "norm.weight": (CHANNELS,), "norm.bias": (CHANNELS,),
        "fc.weight": (2, CHANNELS), "fc.bias": (2,),
    }  # fmt: skip
    state = {k: torch.from_numpy(rng.normal(0.2, 0.3, s)).float() for k, s in shapes.items()}
    return {
        **state, "norm.running_mean": torch.zeros(CHANNELS), "norm.running_var": torch.ones(CHANNELS),
        "norm.num_batches_tracked": torch.tensor(0),
    }  # fmt: skip


def trained_with(keys):
    still = {"rotate_deg": 0.0, "scale": 0.0, "brightness": 0.0, "contrast": 0.0}
    # A bias before a normalisation has no gradient but rounding errors, which Adam would blow up to whole steps.
    modern = {**still, "convolution_biases": "frozen"} if keys.get("preset") == "modern" else {}
    return TrainSection.model_validate({"preset": "matlab_r2018b", **SMALL, **modern, **keys})


def tuned(images, start, folder, **keys):
    train = trained_with(keys)
    found = finetune(NAME, images, Y, TRAIN, VALIDATION, train, CPU, seed=SEED, weights=start, folder=folder)
    return train, found, {k: v.double().numpy() for k, v in load_file(found.weights_path).items()}


ONE_AT_A_TIME = [
    {},
    {"rate_in_velocity": False},
    {"momentum": 0.5},
    {"weight_decay_on": "weights"},
    {"weight_decay_on": "last_layer"},
    {"weight_decay_on": "all"},
    {"weight_decay": 0.1},
    {"convolution_biases": "learn", "weight_decay_on": "all"},
    {"head_rate_factor": 1.0},
    {"shuffle": "every_epoch"},
    {"shuffle": "never"},
    {"batch_norm_statistics": "running"},
    {"lr_schedule": "constant"},
    {"lr_schedule": "cosine", "warmup_epochs": 1},
    {"lr_drop_epochs": 2},
    {"label_smoothing": 0.2},
    {"layer_rate_decay": 0.5},
    {"unfreeze_every": 1},
    {"trainable_stages": 0},
    {"trainable_stages": 1},
    {"trainable_stages": 0, "cached_copies": 1},
    {"trainable_stages": 1, "cached_copies": 3},
    {"ema_decay": 0.8},
    {"ema_decay": 0.8, "batch_norm_statistics": "running"},
    {"mixup": 0.4},
    {"clip_gradient_norm": 0.1},
    {"preset": "modern"},
    {"preset": "modern", "mixup": 0.2, "ema_decay": 0.5, "learning_rate": 0.01, "convolution_biases": "frozen"},
]


@pytest.mark.parametrize("keys", ONE_AT_A_TIME, ids=lambda k: ", ".join(f"{a}={b}" for a, b in k.items()) or "preset")
def test_training_is_the_one_written_out_by_hand(images, start, tmp_path, keys):
    train, found, after = tuned(images, start, tmp_path, **keys)
    parameters, (mean, var), losses = train_by_hand(start, images, Y, TRAIN, train, SEED)
    assert found.n_iterations == len(losses) == 18
    np.testing.assert_allclose(found.history["train_loss"], losses, rtol=0, atol=TOLERANCE)
    for name, expected in parameters.items():
        np.testing.assert_allclose(after[name], expected, rtol=0, atol=TOLERANCE, err_msg=name)
    np.testing.assert_allclose(after["norm.running_mean"], mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(after["norm.running_var"], var, rtol=TOLERANCE, atol=TOLERANCE)
    logits, _ = forward(parameters, normalised(images[VALIDATION]), (mean, var))
    loss = -log_softmax(logits)[np.arange(len(VALIDATION)), Y[VALIDATION]].mean()
    assert found.validation_loss == pytest.approx(loss, abs=TOLERANCE)


@pytest.mark.parametrize("keys", ONE_AT_A_TIME[1:], ids=lambda k: next(iter(k)))
def test_each_option_changes_the_training_by_hand_beyond_the_tolerance(images, start, keys):
    """So that the agreement above could not come about without the option."""
    results = []
    for changed in ({}, keys):
        train = trained_with(changed)
        p, (mean, var), losses = train_by_hand(start, images, Y, TRAIN, train, SEED)
        results.append(np.concatenate([*(v.ravel() for v in p.values()), mean, var, losses]))
    assert np.abs(results[0] - results[1]).max() > 100 * TOLERANCE


def test_frozen_biases_do_not_move_at_all(images, start, tmp_path):
    _, _, after = tuned(images, start, tmp_path, weight_decay_on="all")
    assert np.array_equal(after["conv.bias"], start["conv.bias"].double().numpy())
    assert not np.array_equal(after["fc.bias"], start["fc.bias"].double().numpy())


def test_the_same_images_are_dropped_in_every_epoch(images, start, tmp_path):
    """Their content changes no weight; that of any other training image does."""
    order = rng_for(SEED, NAME, "shuffle", 0).permutation(len(TRAIN))
    batches = batches_of(order, TrainSection.model_validate({"preset": "matlab_r2018b", **SMALL}))
    dropped = np.setdiff1d(order, np.concatenate(batches))
    assert len(dropped) == 2
    _, base, _ = tuned(images, start, tmp_path / "a", batch_norm_statistics="running")
    for positions, same in ((dropped, True), (order[:1], False)):
        changed = images.copy()
        changed[TRAIN[positions]] //= 2
        _, found, _ = tuned(changed, start, tmp_path / str(same), batch_norm_statistics="running")
        assert (found.weights_sha256 == base.weights_sha256) is same
    # ... but the statistics of the normalisation are taken over all training images
    changed = images.copy()
    changed[TRAIN[dropped]] //= 2
    _, _, one = tuned(images, start, tmp_path / "c")
    _, _, two = tuned(changed, start, tmp_path / "d")
    assert np.array_equal(one["conv.weight"], two["conv.weight"])
    assert not np.array_equal(one["norm.running_mean"], two["norm.running_mean"])


def test_validation_at_the_first_iteration_every_kth_and_the_last(images, start, tmp_path):
    _, found, _ = tuned(images, start, tmp_path)
    pairs = zip(found.history["iteration"], found.history["validation_loss"], strict=True)
    assert [i for i, loss in pairs if not math.isnan(loss)] == [1, 4, 8, 12, 16, 18]
    study = TrainSection(preset="matlab_r2018b")
    assert len(batches_of(np.arange(232), study)) * study.epochs == 280


def test_the_new_last_layer_is_normal_with_bias_zero():
    drawn = new_last_layer(networks.NETWORKS["vgg16"], SEED, TrainSection(preset="matlab_r2018b").last_layer_sd)
    assert torch.equal(drawn["classifier.6.bias"], torch.zeros(2))
    assert float(drawn["classifier.6.weight"].std()) == pytest.approx(0.01, rel=0.05)
    assert float(drawn["classifier.6.weight"].mean()) == pytest.approx(0, abs=5e-4)
