"""Training from CUDA graphs on a pretended device (tests/support/pretended_graphs.py): the numbers of eager steps, or eager steps with the reason."""

import math

import numpy as np
import pytest
import torch
from accelerators import Accelerator
from pretended_graphs import pretend_graphs
from safetensors.torch import load_file
from small_trainings import KEYS, pictures, tune
from torch import nn

from hybridcx.deep import device_check, devices, finetune, graphs, steps, task
from hybridcx.errors import DivergedError
from hybridcx.experiment.file import ComputeSection

SAID = "The steps of SqueezeNet 1.1 were computed without a CUDA graph: "


@pytest.fixture(scope="module", name="pictures")
def _pictures():
    return pictures()


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch):
    monkeypatch.setattr(device_check, "_checked", set())
    monkeypatch.setattr(graphs, "_failed", [])


def both(monkeypatch, pictures, folder, name="squeezenet1_1", *, options=None, **keys):
    """The training on the processor, that on the pretended device, and the graphs of the latter."""
    here = tune(pictures, folder / "here", name, **keys)
    device = Accelerator("cuda")
    made = pretend_graphs(monkeypatch, device, **(options or {}))
    with device:
        there = tune(pictures, folder / "there", name, **keys)
    assert len(made.streams) == 1  # the current stream is the first again
    assert (device.capturing, device.sync_debug_mode) == (False, 0)
    return here, there, made


def assert_same(here, there, rel=1e-5):
    for column in ("train_loss", "train_accuracy", "validation_loss"):
        np.testing.assert_allclose(there.history[column], here.history[column], rtol=rel)
    assert there.validation_loss == pytest.approx(here.validation_loss, rel=rel)
    a, b = load_file(here.weights_path), load_file(there.weights_path)
    for name, t in a.items():
        torch.testing.assert_close(b[name], t, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", KEYS)
def test_the_numbers_are_those_of_eager_steps(pictures, tmp_path, monkeypatch, options):
    """6 steps: 3 before the capture, one computed both ways, two from the graph."""
    here, there, made = both(monkeypatch, pictures, tmp_path, **KEYS[options])
    assert (made.captures, made.replays) == (1, 3)
    assert_same(here, there)
    assert there.notes == here.notes


def test_dropout_draws_what_eager_steps_draw_and_mini_batches_in_pieces_add_up(pictures, tmp_path, monkeypatch):
    """SqueezeNet's dropout; validation between all steps; two pieces of three images."""
    real = task.Task
    monkeypatch.setattr(finetune, "Task", lambda *a: real(*a[:10], 2, a[11]))
    here, there, made = both(monkeypatch, pictures, tmp_path, dropout=0.7, validate_every=1, epochs=3)
    assert (made.captures, made.replays) == (1, 6)
    assert_same(here, there)


def test_running_statistics_count_each_step_once(pictures, tmp_path, monkeypatch):
    here, there, made = both(monkeypatch, pictures, tmp_path, "mobilenet_v2", learning_rate=1e-4)
    assert made.replays == 3
    state, expected = load_file(there.weights_path), load_file(here.weights_path)
    counted = [name for name in state if name.endswith("num_batches_tracked")]
    assert counted
    assert {int(state[name]) for name in counted} == {6}
    for name, t in expected.items():
        torch.testing.assert_close(state[name], t, rtol=1e-3, atol=1e-4, msg=name)
    assert there.notes == ()


def test_stages_that_join_are_captured_anew(pictures, tmp_path, monkeypatch):
    """3 epochs with 6 steps each, the last stage alone first: 3 captures, 3 replays after each."""
    here, there, made = both(
        monkeypatch, pictures, tmp_path, epochs=3, batch_size=3, unfreeze_every=1, validate_every=100
    )
    assert (made.captures, made.replays) == (3, 9)
    assert_same(here, there)


def test_an_incomplete_batch_stays_eager(pictures, tmp_path, monkeypatch):
    """5, 5, 5 and 3 images: the shape of the 5 is captured after three steps, all but one of the others come from the graph."""
    here, there, made = both(monkeypatch, pictures, tmp_path, epochs=4, batch_size=5, drop_last=False)
    assert here.n_iterations == 16
    assert (made.captures, made.replays) == (1, 9)
    assert_same(here, there)


class _Scaler(torch.amp.GradScaler):
    """torch's scaler, with its numbers on the pretended device."""

    def __init__(self, kind):
        super().__init__("cpu", init_scale=2.0**127)  # the first gradients overflow

    def _lazy_init_scale_growth_tracker(self, device):
        super()._lazy_init_scale_growth_tracker(torch.device("cpu"))
        self._scale, self._growth_tracker = self._scale.to("cuda:0"), self._growth_tracker.to("cuda:0")


def test_a_scaled_loss_follows_its_scale(pictures, tmp_path, monkeypatch):
    """Steps that overflow are left out, also those of the graph, whose scale is the one of the moment. Powers of 2 change no other number."""
    scales = {}
    for name, with_graphs in (("eager", False), ("graph", True)):
        device, made = Accelerator("cuda"), []
        changes = {"training_dtype": torch.float16, "cuda_graphs": with_graphs}
        counted = pretend_graphs(monkeypatch, device, **changes)
        monkeypatch.setattr(torch.amp, "GradScaler", lambda kind, made=made: made.append(_Scaler(kind)) or made[-1])
        monkeypatch.setattr(device_check, "_checked", set())
        with device, pytest.warns(UserWarning, match="CUDA is not available"):
            done = tune(pictures, tmp_path / name, "squeezenet1_1", epochs=5, validate_every=100)
        scales[name] = done, float(made[0]._scale), counted.replays
        monkeypatch.undo()
        monkeypatch.setattr(graphs, "_failed", [])
    (eager, scale, _), (graph, graph_scale, replays) = scales["eager"], scales["graph"]
    assert 1 < graph_scale == scale < 2.0**125
    assert replays >= 10
    assert_same(eager, graph)
    assert graph.notes == eager.notes


@pytest.mark.parametrize("wrong", [1.001, math.nan])
def test_a_graph_that_computes_something_else_is_not_used(pictures, tmp_path, monkeypatch, wrong):
    here, there, made = both(monkeypatch, pictures, tmp_path, options={"wrong": wrong})
    assert (made.captures, made.replays) == (1, 1)
    assert_same(here, there)
    (note,) = there.notes
    assert note.startswith(f"{SAID}it computes something else (a loss of ")
    assert "tolerance 0.0003" in note


@pytest.mark.parametrize(
    ("name", "layer", "said"),
    [
        ("shufflenet_v2_x0_5", nn.BatchNorm2d, "relative deviations of 0, of 0 in the gradients and of "),
        ("squeezenet1_1", nn.Dropout, "a loss of "),
    ],
)
def test_a_graph_that_forgets_something_changes_nothing(pictures, tmp_path, monkeypatch, name, layer, said):
    """Its running statistics, or its draws of random numbers: those that remain are the eager step's."""
    keys = {"epochs": 1, "batch_size": 3}
    here = tune(pictures, tmp_path / "here", name, **keys)
    real, device = layer.forward, Accelerator("cuda")

    def forgetful(self, x):
        if not (device.capturing and self.training):
            return real(self, x)
        if layer is nn.Dropout:
            return x
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, True, 0.1, self.eps)

    made = pretend_graphs(monkeypatch, device)
    monkeypatch.setattr(layer, "forward", forgetful)
    with device:
        there = tune(pictures, tmp_path / "there", name, **keys)
    assert (made.captures, made.replays) == (1, 1)
    assert said in there.notes[0]
    assert_same(here, there)


@pytest.mark.parametrize(
    ("error", "said", "kept"),
    [
        (
            RuntimeError("CUDA error: operation not permitted\nmore"),
            "its capture failed (CUDA error: operation not permitted).",
            1,
        ),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory did not suffice for its capture.", 0),
    ],
)
def test_a_capture_that_fails_leaves_eager_steps(pictures, tmp_path, monkeypatch, error, said, kept):
    here, there, made = both(monkeypatch, pictures, tmp_path, options={"failing": error})
    assert (made.captures, made.replays, len(graphs._failed)) == (1, 0, kept)
    assert_same(here, there)
    assert there.notes == (f"{SAID}{said} They are right, and slower.",)
    if kept:  # torch's state is unknown then
        with made.device:
            again = tune(pictures, tmp_path / "again", "squeezenet1_1")
        assert made.captures == 1
        assert again.notes == (
            f"{SAID}the device refused an earlier capture of this process. They are right, and slower.",
        )
        assert again.weights_sha256 == there.weights_sha256


@pytest.mark.parametrize("reads", [lambda x: x * float(x.sum() > -1e9), lambda x: x * torch.ones(1).to(x.device)])
def test_a_step_in_which_the_processor_waits_is_not_captured(pictures, tmp_path, monkeypatch, reads):
    real = steps.gradients
    monkeypatch.setattr(graphs, "gradients", lambda forward, *a, **k: real(lambda x: forward(reads(x)), *a, **k))
    here, there, made = both(monkeypatch, pictures, tmp_path)
    assert made.captures == 0
    assert_same(here, there)
    assert there.notes == (f"{SAID}the processor waits for the device within a step. They are right, and slower.",)


def test_memory_that_does_not_suffice_beside_a_graph(pictures, tmp_path, monkeypatch):
    """The training goes on from its checkpoint, without graphs."""
    here = tune(pictures, tmp_path / "here", "squeezenet1_1", epochs=4)
    device = Accelerator("cuda")
    made = pretend_graphs(monkeypatch, device)
    real, validations = finetune.evaluate, []

    def evaluate(*given):
        validations.append(made.replays)
        if len(validations) == 4 and made.captures:  # after the second epoch
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given)

    monkeypatch.setattr(finetune, "evaluate", evaluate)
    done = []
    with device:
        there = tune(
            pictures,
            tmp_path / "there",
            "squeezenet1_1",
            epochs=4,
            checkpoint_every_s=0,
            on_progress=lambda n, _: done.append(n),
        )
    assert_same(here, there)
    assert there.notes == (
        "The accelerator's memory did not suffice to train squeezenet1_1 with a CUDA graph: it was trained without.",
    )
    assert made.captures == 1
    assert done == [*range(1, 9), *range(7, 13)]  # the third validation, after step 9, has no memory


def test_a_training_that_diverges_says_so(pictures, tmp_path, monkeypatch):
    device = Accelerator("cuda")
    pretend_graphs(monkeypatch, device)
    with device, pytest.raises(DivergedError):
        tune(pictures, tmp_path, "squeezenet1_1", learning_rate=1e6, epochs=4)


def test_the_key_switches_graphs_off(pictures, tmp_path, monkeypatch):
    for device, key, expected in (
        ("cuda:0", True, True),
        ("cuda:0", False, False),
        ("cpu", True, False),
        ("mps", True, False),
    ):
        monkeypatch.setattr(devices, "_device", lambda _, device=device: (device, []))
        monkeypatch.setattr(devices, "_describe", lambda *_: "a card")
        monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)
        compute = ComputeSection(device="auto", cuda_graphs=key)
        assert devices.resolve(compute).cuda_graphs is expected
