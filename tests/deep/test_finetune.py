"""Fine-tuning: one step by hand, resumption to the byte, what stops it and what is kept."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from constructed import brightness_state
from safetensors.torch import load_file
from torch.nn import functional

from hybridcx.deep import checkpoint, devices
from hybridcx.deep import finetune as module
from hybridcx.deep.features import extract, softmax_positive, untrained_state
from hybridcx.deep.finetune import finetune
from hybridcx.deep.model import build
from hybridcx.deep.task import Task, batches_of, order_of_epoch, with_less_memory
from hybridcx.errors import InputError, StoppedError
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.vocabulary.networks import NETWORKS

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")
PLAIN = {"flip_horizontal": 0.0, "translate_px": 0.0, "dropout": 0.0}
N, SIZE = 30, 32
TRAIN, VALIDATION, TEST = np.arange(2, 20), np.arange(20, 28), np.array([0, 1, 28, 29])
LABELS = np.arange(N) % 2


@pytest.fixture(scope="module")
def pictures():
    images = np.random.default_rng(0).integers(0, 120, (N, SIZE, SIZE, 3), dtype=np.uint8)
    images[LABELS == 1] += 100  # class 1 is brighter
    images.setflags(write=False)
    return images


def tune(
    pictures,
    folder,
    name="squeezenet1_1",
    *,
    seed=0,
    weights=None,
    on_progress=None,
    compute=CPU,
    labels=LABELS,
    **keys,
):
    settings = {"epochs": 3, "batch_size": 6, "learning_rate": 0.01, "validate_every": 2, **keys}
    return finetune(
        name, pictures, labels, TRAIN, VALIDATION, TrainSection(**settings), compute,
        seed=seed, weights=weights, folder=folder, on_progress=on_progress, checkpoint_every_s=0,
    )  # fmt: skip


def interrupt_after(iteration):
    def on_progress(done, _):
        if done == iteration:
            raise KeyboardInterrupt

    return on_progress


def best_at(iteration, monkeypatch):
    """Let validation losses fall up to an iteration, where they are what they are, and rise after it, whatever the training learns."""
    validates, evaluate, at = module._validates, module.evaluate, []

    def noted(task, now, total):
        at[:] = [now] if validates(task, now, total) else []
        return bool(at)

    def steep(*arguments):
        loss, accuracy = evaluate(*arguments)
        rise = 1000 * abs(at.pop() - iteration) if at else 0  # none is left when the kept weights are validated
        return loss + rise, accuracy

    monkeypatch.setattr(module, "_validates", noted)
    monkeypatch.setattr(module, "evaluate", steep)


def normalised(row, images):
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(row.mean).view(1, 3, 1, 1)) / torch.tensor(row.std).view(1, 3, 1, 1)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_one_iteration_is_the_step_derived_by_hand(pictures, tmp_path, clip):
    row = NETWORKS["squeezenet1_1"]
    state = untrained_state(row.name, 4)
    found = tune(
        pictures, tmp_path, weights=state, **PLAIN,
        epochs=1, batch_size=64, shuffle="never", label_smoothing=0.1, weight_decay=0.02, head_rate_factor=3.0, clip_gradient_norm=clip,
    )  # fmt: skip
    assert found.n_iterations == 1  # a batch larger than the training set is all of it
    model = build(row, state)
    logits = model(normalised(row, pictures[TRAIN]))
    onehot = functional.one_hot(torch.from_numpy(LABELS[TRAIN]), 2).float() * 0.9 + 0.05
    loss = -(onehot * logits.log_softmax(1)).sum(1).mean()
    loss.backward()
    gradients = {n: p.grad.double() for n, p in model.named_parameters()}
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    factor = 1.0 if clip is None else min(1.0, clip / norm)
    assert clip is None or factor < 0.5
    after = load_file(found.weights_path)
    assert all(t.dtype == torch.float32 for t in after.values())
    for name, g in gradients.items():
        w = state[name].double()
        rate = 0.01 * (3.0 if name.startswith("classifier.1") else 1.0)
        expected = w - rate * (factor * g + (0.02 * w if name.endswith("weight") else 0))
        torch.testing.assert_close(after[name].double(), expected, rtol=1e-5, atol=1e-6)
    assert found.history["train_loss"] == [pytest.approx(loss.item(), rel=1e-5)]
    assert found.history["train_accuracy"] == [float((logits.argmax(1).numpy() == LABELS[TRAIN]).mean())]
    with torch.inference_mode():
        x = normalised(row, pictures[VALIDATION])
        again = functional.cross_entropy(build(row, after)(x), torch.from_numpy(LABELS[VALIDATION]))
    assert found.validation_loss == pytest.approx(float(again), rel=1e-5)


SGD = {"rate_in_velocity": True, "lr_drop_epochs": 1, "lr_drop_factor": 0.5, "rotate_deg": 5.0, "translate_px": 60.0}
ADAMW = {
    "optimizer": "adamw", "learning_rate": 1e-3, "lr_schedule": "cosine", "warmup_epochs": 1, "keep": "best_validation",
    "batch_norm_statistics": "training_set", "drop_last": False, "epochs": 4, "early_stopping": 4, "validate_every": 1,
}  # fmt: skip
BEST = 4  # its best iteration


MATLAB = {"preset": "matlab_r2018b", "learning_rate": 0.003, "lr_drop_epochs": 1, "translate_px": 30.0}
MODERN = {
    "preset": "modern", "mixup": 0.3, "learning_rate": 0.003, "keep": "best_validation", "epochs": 4, "warmup_epochs": 1,
    "layer_rate_decay": 0.5,
}  # fmt: skip
UNFROZEN = {"unfreeze_every": 1, "rate_in_velocity": True, "lr_drop_epochs": 1, "ema_decay": 0.5}
CACHED = {
    "trainable_stages": 1,
    "cached_copies": 2,
    "dropout": 0.3,
    "batch_norm_statistics": "training_set",
    "ema_decay": 0.9,
}


@pytest.mark.parametrize(
    ("name", "keys", "stops"),
    [
        ("squeezenet1_1", SGD, (2, 5)),
        ("mobilenet_v2", ADAMW, (4, 7)),
        ("mobilenet_v2", MATLAB, (4, 7)),
        ("mobilenet_v2", MODERN, (4, 8)),
        ("squeezenet1_1", UNFROZEN, (4, 7)),
        ("mobilenet_v2", CACHED, (4, 8)),
    ],
    ids=("sgd", "adamw", "matlab", "modern", "unfrozen", "cached"),
)
def test_an_interrupted_training_ends_in_the_same_bytes(pictures, tmp_path, monkeypatch, name, keys, stops):
    if "early_stopping" in keys:  # the counter has to survive an interruption after the best iteration
        best_at(BEST, monkeypatch)
    whole = tune(pictures, tmp_path / "whole", name, **keys)
    assert whole.stopped_early == ("early_stopping" in keys)
    assert not whole.stopped_early or (whole.kept_iteration, whole.n_iterations) == (BEST, BEST + 4)
    broken = tmp_path / "broken"
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            tune(pictures, broken, name, on_progress=interrupt_after(stop), **keys)
    assert (broken / checkpoint.INDEX).exists()
    seen = []
    resumed = tune(pictures, broken, name, on_progress=lambda done, _: seen.append(done), **keys)
    assert 1 < seen[0] <= stops[-1]  # it did go on, not start again
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    np.testing.assert_equal(dict(resumed.history), dict(whole.history))
    assert resumed == replace(whole, weights_path=resumed.weights_path, history=resumed.history)
    assert [p.name for p in broken.iterdir()] == ["weights.safetensors"]  # checkpoints are gone


def test_only_training_and_validation_cases_and_the_seed_matter(pictures, tmp_path):
    one = tune(pictures, tmp_path / "1", epochs=1)
    poisoned = pictures.copy()
    poisoned[TEST] = 255 - poisoned[TEST]
    assert tune(poisoned, tmp_path / "2", epochs=1).weights_sha256 == one.weights_sha256
    torch.manual_seed(99)
    assert tune(pictures, tmp_path / "3", epochs=1).weights_sha256 == one.weights_sha256
    assert tune(pictures, tmp_path / "4", epochs=1, seed=1).weights_sha256 != one.weights_sha256
    poisoned[TRAIN[0]] += 1
    assert tune(poisoned, tmp_path / "5", epochs=1).weights_sha256 != one.weights_sha256


def test_damaged_and_foreign_checkpoints_are_not_continued_and_it_is_said(pictures, tmp_path):
    whole = tune(pictures, tmp_path / "whole", epochs=2)

    def damage_tensors(folder):
        path = next(folder.glob("checkpoint-*.safetensors"))
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)

    def damage_index(folder):
        path = folder / checkpoint.INDEX
        path.write_text(path.read_text(encoding="utf-8").replace('"iteration": 3', '"iteration": 2'), encoding="utf-8")

    cut = lambda folder: (folder / checkpoint.INDEX).write_bytes((folder / checkpoint.INDEX).read_bytes()[:50])  # noqa: E731
    remove = lambda folder: next(folder.glob("checkpoint-*.safetensors")).unlink()  # noqa: E731
    for i, damage in enumerate((damage_tensors, damage_index, cut, remove)):
        folder = tmp_path / str(i)
        with pytest.raises(KeyboardInterrupt):
            tune(pictures, folder, epochs=2, on_progress=interrupt_after(4))
        damage(folder)
        again = tune(pictures, folder, epochs=2)
        assert again.weights_sha256 == whole.weights_sha256
        assert "started from the beginning" in again.notes[0]
    folder = tmp_path / "foreign"
    with pytest.raises(KeyboardInterrupt):
        tune(pictures, folder, epochs=2, seed=1, on_progress=interrupt_after(4))
    again = tune(pictures, folder, epochs=2)
    assert again.weights_sha256 == whole.weights_sha256
    assert "other data, settings or versions" in again.notes[0]


def test_divergence_names_epoch_iteration_and_advice(pictures, tmp_path):
    with pytest.raises(StoppedError) as error:
        tune(pictures, tmp_path, learning_rate=1e20)
    for part in ("squeezenet1_1", "epoch 1, iteration", "train.learning_rate", "train.clip_gradient_norm"):
        assert part in str(error.value)
    assert list(tmp_path.iterdir()) == []
    # ... and where only the last step diverges, after its loss was taken
    with pytest.raises(StoppedError, match="diverged"):
        tune(pictures, tmp_path, learning_rate=1e38, epochs=1, batch_size=64)


@pytest.mark.parametrize("keys", [{}, {"keep": "best_validation", "early_stopping": 2}])
def test_losses_read_late_as_on_an_accelerator_are_the_same(pictures, tmp_path, monkeypatch, keys):
    best_at(2, monkeypatch)
    at_once = tune(pictures, tmp_path / "once", **keys)
    assert (at_once.best_iteration, at_once.n_iterations) == (2, 6 if keys else 9)
    monkeypatch.setattr(module, "READ_AT_ONCE", ())
    late = tune(pictures, tmp_path / "late", **keys)
    assert late.weights_sha256 == at_once.weights_sha256
    for column, values in at_once.history.items():
        np.testing.assert_array_equal(late.history[column], values)


def test_divergence_read_late_names_the_iteration_where_it_began(pictures, tmp_path, monkeypatch):
    with pytest.raises(StoppedError) as at_once:
        tune(pictures, tmp_path / "once", learning_rate=1e30, momentum=0.0, validate_every=100)
    monkeypatch.setattr(module, "READ_AT_ONCE", ())
    with pytest.raises(StoppedError) as late:
        tune(pictures, tmp_path / "late", learning_rate=1e30, momentum=0.0, validate_every=100)
    assert str(late.value) == str(at_once.value)
    assert not list((tmp_path / "late").iterdir())


@pytest.mark.parametrize("keys", [{}, {"ema_decay": 0.9}, {"keep": "best_validation"}])
def test_what_is_told_of_the_kept_weights_is_their_validation(pictures, tmp_path, monkeypatch, keys):
    if "keep" in keys:
        best_at(4, monkeypatch)
    found = tune(pictures, tmp_path, **keys)
    assert found.kept_iteration == (4 if "keep" in keys else 9)
    with torch.inference_mode():
        x = normalised(NETWORKS["squeezenet1_1"], pictures[VALIDATION])
        logits = build(NETWORKS["squeezenet1_1"], load_file(found.weights_path))(
            x.contiguous(memory_format=torch.channels_last)
        )
    loss = functional.cross_entropy(logits.double(), torch.from_numpy(LABELS[VALIDATION]))
    # an error of the logits is one of the loss, which may itself be small
    assert found.validation_loss == pytest.approx(float(loss), rel=1e-5, abs=1e-5)
    kept = found.history["iteration"].index(found.kept_iteration)
    assert found.validation_loss == pytest.approx(found.history["validation_loss"][kept], rel=1e-12)


def test_early_stopping_counts_validations_without_improvement(pictures, tmp_path):
    # The steps are too small to change a weight: the first validation is the best for good.
    found = tune(pictures, tmp_path, **PLAIN, learning_rate=1e-30, early_stopping=3, validate_every=1)
    assert (found.stopped_early, found.n_iterations, found.best_iteration, found.kept_iteration) == (True, 4, 1, 4)
    found = tune(pictures, tmp_path, **PLAIN, learning_rate=1e-30, validate_every=1)
    assert (found.stopped_early, found.n_iterations) == (False, 9)


def test_the_best_weights_are_those_of_the_lowest_validation_loss(pictures, tmp_path, monkeypatch):
    best_at(4, monkeypatch)
    keys = {"validate_every": 1, "epochs": 2, "lr_schedule": "constant"}
    best = tune(pictures, tmp_path / "best", keep="best_validation", **keys)
    last = tune(pictures, tmp_path / "last", keep="last", **keys)
    losses = best.history["validation_loss"]
    np.testing.assert_equal(dict(best.history), dict(last.history))
    assert best.kept_iteration == best.best_iteration == int(np.argmin(losses)) + 1 == 4
    assert best.validation_loss == min(losses)
    assert (last.kept_iteration, last.validation_loss) == (6, losses[-1])
    assert best.weights_sha256 != last.weights_sha256


def test_validation_comes_first_last_and_every_k(pictures, tmp_path):
    found = tune(pictures, tmp_path, validate_every=4)
    validated = [
        i
        for i, v in zip(found.history["iteration"], found.history["validation_loss"], strict=True)
        if not math.isnan(v)
    ]
    assert validated == [1, 4, 8, 9]
    assert found.history["epoch"] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len({len(column) for column in found.history.values()}) == 1


def test_batch_norm_statistics_over_the_training_set(pictures, tmp_path):
    running = tune(pictures, tmp_path / "r", "mobilenet_v2", epochs=1)
    whole = tune(pictures, tmp_path / "t", "mobilenet_v2", epochs=1, batch_norm_statistics="training_set")
    a, b = load_file(running.weights_path), load_file(whole.weights_path)
    row = NETWORKS["mobilenet_v2"]
    for name, tensor in a.items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(tensor, b[name])
    # The first normalisation sees the first convolution of unaugmented training images: the mean over its batches.
    with torch.inference_mode():
        out = build(row, b).get_submodule("features.0.0")(normalised(row, pictures[TRAIN]))
    torch.testing.assert_close(b["features.0.1.running_mean"], out.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    batches = out.split(6)
    torch.testing.assert_close(
        b["features.0.1.running_var"],
        torch.stack([o.var(dim=(0, 2, 3)) for o in batches]).mean(0),
        rtol=1e-4,
        atol=1e-6,
    )
    assert not torch.allclose(a["features.0.1.running_mean"], b["features.0.1.running_mean"], rtol=1e-3)


def test_orders_and_batches_of_the_study():
    def task(shuffle):
        return Task(
            NETWORKS["vgg16"], np.empty(0), np.empty(0), np.arange(232), np.arange(0), TrainSection(shuffle=shuffle),
            devices.resolve(CPU), 0, Path(), 1.0, 1, 0.0,
        )  # fmt: skip

    once = [order_of_epoch(task("once"), e) for e in range(3)]
    assert np.array_equal(once[0], once[2])
    every = [order_of_epoch(task("every_epoch"), e) for e in range(3)]
    assert not np.array_equal(every[0], every[1])
    assert np.array_equal(order_of_epoch(task("never"), 2), np.arange(232))
    for order in (*once, *every):
        assert np.array_equal(np.sort(order), np.arange(232))
    dropped = batches_of(once[0], TrainSection())
    assert [len(b) for b in dropped] == [16] * 14
    assert [len(b) for b in batches_of(once[0], TrainSection(drop_last=False))] == [16] * 14 + [8]
    assert [len(b) for b in batches_of(np.arange(33), TrainSection(drop_last=False))] == [16, 17]
    assert [len(b) for b in batches_of(np.arange(7), TrainSection())] == [7]
    assert [len(b) for b in batches_of(np.arange(16), TrainSection())] == [16]


def test_notes_say_what_a_key_cannot_do(pictures, tmp_path):
    found = tune(pictures, tmp_path, epochs=1, shuffle="once", batch_size=4, batch_norm_statistics="training_set")
    assert any("2 training cases are never trained on" in n for n in found.notes)
    assert any("no batch normalisation" in n for n in found.notes)


def test_dropout_is_replaced_and_drawn_from_its_stream(pictures, tmp_path):
    half = tune(pictures, tmp_path / "a", epochs=1)
    same = tune(pictures, tmp_path / "b", epochs=1, dropout=0.5)
    none = tune(pictures, tmp_path / "c", epochs=1, dropout=0.0)
    assert half.weights_sha256 == same.weights_sha256 != none.weights_sha256


def test_pieces_of_a_batch_add_up_to_its_gradient(pictures):
    row = NETWORKS["squeezenet1_1"]
    state = untrained_state(row.name, 0)
    task = Task(row, pictures, LABELS, TRAIN, VALIDATION, TrainSection(), devices.resolve(CPU), 0, Path(), 1.0, 1, 0.0)
    gradients = []
    for parts in (1, 4):
        model = build(row, state)
        x, y = normalised(row, pictures[TRAIN]), torch.from_numpy(LABELS[TRAIN])
        result = module._gradients(model, x, y, replace(task, parts=parts)).read()
        gradients.append((result, {n: p.grad for n, p in model.named_parameters()}))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    for name, gradient in gradients[0][1].items():
        torch.testing.assert_close(gradients[1][1][name], gradient, rtol=1e-3, atol=1e-6)


def test_too_little_memory_on_an_accelerator(tmp_path):
    gpu = replace(devices.resolve(CPU), torch_device="cuda:0", training_dtype=torch.bfloat16)
    empty = np.empty(0)
    task = Task(NETWORKS["vgg16"], empty, empty, empty, empty, TrainSection(), gpu, 0, tmp_path, 1.0, 1, 0.0)
    steps = []
    for _ in range(4):
        task = with_less_memory(task)
        steps.append((task.device.torch_device, task.parts))
    assert steps == [("cuda:0", 2), ("cuda:0", 4), ("cuda:0", 8), ("cpu", 1)]
    assert task.device.training_dtype == torch.float32
    assert "trained on the processor" in task.device.notes[-1]
    # Batch norm would see other batches: straight to the processor
    assert with_less_memory(replace(task, row=NETWORKS["resnet101"], device=gpu)).device.torch_device == "cpu"
    with pytest.raises(StoppedError, match=r"train\.batch_size"):
        with_less_memory(task)


def test_out_of_memory_starts_again_smaller(pictures, tmp_path, monkeypatch):
    real, sizes = module._gradients, []

    def tight(model, x, y, task, weight):
        sizes.append(len(x) // task.parts)
        if len(sizes) == 2:
            raise torch.OutOfMemoryError
        return real(model, x, y, task, weight)

    monkeypatch.setattr(module, "_gradients", tight)
    monkeypatch.setattr(module, "with_less_memory", lambda task: replace(task, parts=2))
    found = tune(pictures, tmp_path, epochs=1)
    assert sizes == [6, 6, 3, 3, 3]
    assert found.n_iterations == 3
    assert any("2 parts" in n for n in found.notes)


def test_it_learns_and_the_file_carries_it(pictures, tmp_path):
    """From weights set by hand, of which the first step separates the classes: what is learnt is known on every processor."""
    keys = {
        "learning_rate": 0.001,
        "translate_px": 0.0,
        "dropout": 0.0,
        "batch_size": 18,
        "batch_norm_statistics": "training_set",
        "lr_schedule": "cosine",
    }
    for way, labels in enumerate((1 - LABELS, LABELS)):
        tuned = tune(
            pictures, tmp_path / str(way), "mobilenet_v2", weights=brightness_state(), epochs=8, labels=labels, **keys
        )
        logits = extract("mobilenet_v2", tuned.weights_path, pictures, CPU).logits
        odds = logits[:, 1] - logits[:, 0]
        assert odds[labels == 1].min() > odds[labels == 0].max() + 1
        assert tuned.history["train_loss"][0] == pytest.approx(math.log(2), rel=1e-6)
        assert tuned.history["train_loss"][-1] < 0.5
    score = softmax_positive(logits)
    loss = -np.log(np.where(LABELS == 1, score, 1 - score))[VALIDATION].mean()
    assert tuned.validation_loss == pytest.approx(loss, rel=1e-3)  # of scores from features with folded normalisations
    assert (tuned.precision, tuned.ledger_precision, tuned.threads) == ("float32", "float32", 1)


def test_what_is_refused(pictures, tmp_path):
    def refused(match, images=pictures, y=LABELS, train_idx=TRAIN, validation_idx=VALIDATION, **keys):
        with pytest.raises(InputError, match=match):
            finetune(
                "squeezenet1_1", images, y, train_idx, validation_idx, TrainSection(**keys), CPU,
                seed=0, weights=None, folder=tmp_path / "none",
            )  # fmt: skip
        assert not (tmp_path / "none").exists()

    refused("uint8", images=pictures.astype(np.float32))
    refused("one label an image", y=LABELS[:-1])
    refused("outside the images", train_idx=np.arange(10, 31))
    refused("0 or 1", y=LABELS + 1)
    refused("both classes", train_idx=TRAIN[::2])
    refused("a repeated case", validation_idx=np.arange(19, 25))
    refused("need validation cases", validation_idx=np.arange(0), early_stopping=2)
    refused("belongs to SGD", optimizer="adamw", rate_in_velocity=True)
    refused("4 stages before its last layer", trainable_stages=5)
    refused("needs train.trainable_stages", cached_copies=2)
    refused("exclude each other", cached_copies=2, trainable_stages=1, unfreeze_every=1)


def test_frozen_stages_keep_their_weights_and_statistics(pictures, tmp_path):
    state = untrained_state("mobilenet_v2", 0)
    keys = {"trainable_stages": 1, "batch_norm_statistics": "training_set", "weight_decay_on": "all", "epochs": 1}
    for copies in (0, 2):
        found = tune(pictures, tmp_path / str(copies), "mobilenet_v2", weights=state, cached_copies=copies, **keys)
        after = load_file(found.weights_path)
        moved = {n for n, t in after.items() if not torch.equal(t, state[n])}
        assert moved
        assert all(
            n.startswith(("features.14", "features.15", "features.16", "features.17", "features.18", "classifier"))
            for n in moved
        )
        assert {"features.14.conv.0.1.running_mean", "classifier.1.weight"} <= moved
        assert any("1 stage before it learned" in n for n in found.notes)


def test_kept_activations_of_unaugmented_images_are_the_training_without_them(pictures, tmp_path):
    anew = tune(pictures, tmp_path / "a", **PLAIN, trainable_stages=1, batch_size=32)
    kept = tune(pictures, tmp_path / "b", **PLAIN, trainable_stages=1, batch_size=32, cached_copies=1)
    one, two = load_file(anew.weights_path), load_file(kept.weights_path)
    for name, t in one.items():
        torch.testing.assert_close(two[name], t, rtol=1e-5, atol=1e-6)
    # ... and the epochs take the augmented copies in turn
    three = tune(
        pictures,
        tmp_path / "c",
        weights=untrained_state("squeezenet1_1", 0, last_layer_sd=1.0),
        trainable_stages=0,
        cached_copies=3,
        batch_size=32,
        dropout=0.0,
        learning_rate=1e-30,
        epochs=6,
    )
    losses = three.history["train_loss"]
    assert losses[:3] == pytest.approx(losses[3:], rel=1e-5)
    assert np.diff(sorted(losses[:3])).min() > 100 * 1e-5 * max(losses)


def test_residual_blocks_start_at_zero_and_all_else_as_drawn():
    drawn, zero = untrained_state("resnet101", 3), untrained_state("resnet101", 3, zero_init_residual=True)
    scales = {name for name in drawn if name.endswith("bn3.weight")}
    assert len(scales) == 33
    assert all(not zero[name].any() for name in scales)
    assert all(torch.equal(drawn[name], zero[name]) for name in drawn if name not in scales)


def test_an_option_without_effect_is_noted(pictures, tmp_path):
    found = tune(pictures, tmp_path, epochs=1, zero_init_residual=True)
    assert "SqueezeNet 1.1 is no ResNet: train.zero_init_residual does nothing there." in found.notes
