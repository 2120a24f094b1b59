"""Training, extraction and saliency on pretended accelerators (tests/support/accelerators.py): nothing that the real ones refuse, few copies."""

import math
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from accelerators import Accelerator, pretend
from small_trainings import CPU, KEYS, pictures, tune
from torch import nn

from hybridcx.deep import device_check, task
from hybridcx.deep.features import extract, untrained_state
from hybridcx.deep.folding import fold_batch_norm
from hybridcx.deep.model import build
from hybridcx.deep.pooling import AdaptiveAverage
from hybridcx.deep.saliency import saliency
from hybridcx.errors import InputError
from hybridcx.vocabulary.networks import NETWORKS


@pytest.fixture(scope="module", name="pictures")
def _pictures():
    return pictures()


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch):
    monkeypatch.setattr(device_check, "_checked", set())


@pytest.mark.parametrize("kind", ["mps", "cuda"])
@pytest.mark.parametrize("options", KEYS)
def test_a_training_asks_for_nothing_that_the_device_refuses(pictures, tmp_path, monkeypatch, kind, options):
    here = tune(pictures, tmp_path / "here", "squeezenet1_1", **KEYS[options])
    pretend(monkeypatch, kind)
    with Accelerator(kind):
        there = tune(pictures, tmp_path / "there", "squeezenet1_1", **KEYS[options])
    assert there.validation_loss == pytest.approx(here.validation_loss, rel=1e-3)
    assert there.history["train_loss"] == pytest.approx(here.history["train_loss"], rel=1e-3)


def test_small_images_of_alexnet_on_mps(pictures, tmp_path, monkeypatch):
    """Its last map of 1 x 1 is pooled to 6 x 6."""
    here = tune(pictures, tmp_path / "here", "alexnet", epochs=1)
    state = untrained_state("alexnet", 0)
    features, maps = extract("alexnet", state, pictures[:3], CPU), saliency("alexnet", state, pictures[:2], CPU)
    pretend(monkeypatch, "mps")
    with Accelerator("mps"):
        there = tune(pictures, tmp_path / "there", "alexnet", epochs=1)
        again, maps_there = extract("alexnet", state, pictures[:3], CPU), saliency("alexnet", state, pictures[:2], CPU)
    assert there.validation_loss == pytest.approx(here.validation_loss, rel=1e-3)
    np.testing.assert_allclose(again.features, features.features, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(maps_there.occlusion, maps.occlusion, atol=1e-5)


@pytest.mark.parametrize("act", [
    lambda t: t.to("cpu", torch.float64), lambda t: t.double(), lambda t: nn.AdaptiveAvgPool2d(7)(t), lambda t: t + torch.ones(2),
    lambda t: torch.zeros(2, dtype=torch.float64, device="mps"),
])  # fmt: skip
def test_the_pretended_device_refuses_what_mps_refuses(act):
    with Accelerator("mps"):
        t = torch.rand(1, 1, 2, 2).to("mps")
        assert t.device.type == "mps"
        assert float(t.cpu().double().sum()) == pytest.approx(float(t.sum()), rel=1e-6)
        with pytest.raises((TypeError, RuntimeError), match=r"float64|divisible|same device"):
            act(t)


def test_an_epoch_on_cuda_copies_once_and_reads_at_its_end(pictures, tmp_path, monkeypatch):
    """Per step: nothing is copied and nothing is read; a longer epoch needs as many copies as a short one."""
    pretend(monkeypatch, "cuda")
    counts = []
    for size in (9, 3):  # 2 and 6 steps an epoch
        monkeypatch.setattr(device_check, "_checked", set())
        with Accelerator("cuda") as device:
            tune(
                pictures,
                tmp_path / str(size),
                "squeezenet1_1",
                batch_size=size,
                mixup=0.3,
                rotate_deg=3.0,
                contrast=0.1,
                validate_every=1000,
            )
        counts.append(device.counts)
    assert counts[0]["host_to_device"] > 50  # the network's weights
    assert counts[0] == counts[1]


def test_adaptive_pooling_elsewhere_is_that_of_the_processor():
    rng = torch.Generator().manual_seed(0)
    for n, m in ((2, 7), (1, 6), (3, 7), (9, 7), (14, 7), (7, 7)):
        x = torch.randn(2, 5, n, n + 1, generator=rng, requires_grad=True)
        weight = torch.randn(2, 5, m, m, generator=rng)
        expected = nn.AdaptiveAvgPool2d(m)(x)
        (gradient,) = torch.autograd.grad((expected * weight).sum(), x)
        assert torch.equal(AdaptiveAverage(m)(x), expected)
        with Accelerator("cuda"):
            there = x.detach().to("cuda").requires_grad_(True)
            found = AdaptiveAverage(m)(there)
            (found_gradient,) = torch.autograd.grad((found * weight.to("cuda")).sum(), there)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found_gradient, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1.001, math.nan])
def test_a_device_that_computes_something_else_is_refused(pictures, tmp_path, monkeypatch, factor):
    pretend(monkeypatch, "cuda")
    with Accelerator("cuda", wrong=factor), pytest.raises(InputError) as error:
        tune(pictures, tmp_path, "squeezenet1_1")
    for said in (
        "cuda:0 computes other penultimate features of SqueezeNet 1.1 in float32",
        " instead of ",
        "tolerance 0.0003",
        'compute.device = "cpu"',
    ):
        assert said in str(error.value)
    with Accelerator("cuda", wrong=factor), pytest.raises(InputError, match="computes other"):
        extract("squeezenet1_1", untrained_state("squeezenet1_1", 0), pictures[:2], CPU)


@pytest.mark.parametrize("name", ["squeezenet1_1", "alexnet", "mobilenet_v2"])
def test_rounding_is_not_refused(name):
    """Normalisations folded and another memory layout, and the processor's bfloat16, stand for a device: both round otherwise."""
    row, state = NETWORKS[name], untrained_state(name, 0)
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 96, 96))).float()
    features, _ = device_check._outputs(row, build(row, state), x, torch.float32)
    other = build(row, state, channels_last=False)
    fold_batch_norm(other)
    for dtype in (torch.float32, torch.bfloat16):
        found, _ = device_check._outputs(row, other, x, dtype)
        deviation = float((found - features).norm() / features.norm())
        assert 0 < deviation < device_check.TOLERANCE[dtype] / 4


class _AtOnce:
    """In place of the reading thread, in which the pretended device does not exist."""

    def __init__(self, *_):
        pass

    def submit(self, function, *arguments):
        done = Future()
        done.set_result(function(*arguments))
        return done


@pytest.mark.parametrize("options", ["plain", "cached"])
def test_images_that_do_not_fit_are_read_ahead_and_copied_from_locked_memory(pictures, tmp_path, monkeypatch, options):
    here = tune(pictures, tmp_path / "here", "squeezenet1_1", **KEYS[options])
    pretend(monkeypatch, "cuda")
    monkeypatch.setattr(task, "RESIDENT_LIMIT_BYTES", 0)
    monkeypatch.setattr(task, "ThreadPoolExecutor", _AtOnce)
    pageable, steps = [], []
    for size in (9, 3):  # 4 and 12 steps
        monkeypatch.setattr(device_check, "_checked", set())
        with Accelerator("cuda") as device:
            there = tune(
                pictures,
                tmp_path / str(size),
                "squeezenet1_1",
                **{**KEYS[options], "batch_size": size, "validate_every": 1000},
            )
        pageable.append(device.counts["pageable"])
        steps.append(device.counts["host_to_device"])
    assert pageable[0] == pageable[1]
    assert steps[1] - steps[0] == 8  # one a step
    with Accelerator("cuda"):
        there = tune(pictures, tmp_path / "there", "squeezenet1_1", **KEYS[options])
    assert there.history["train_loss"] == pytest.approx(here.history["train_loss"], rel=1e-3)
