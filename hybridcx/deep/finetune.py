"""Fine-tuning one network end to end, from the images to a file of weights.

Only training and validation cases are ever touched: there is no argument for test cases. Everything random is drawn from streams
named (seed, network, purpose, epoch), so that an interrupted training continues to the same bytes, and no other network's training changes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridcx.deep import checkpoint, devices, distributed, optimizer
from hybridcx.deep.averaging import WeightAverage
from hybridcx.deep.device_check import move_checked
from hybridcx.deep.fitted_last_layer import fit_last_layer
from hybridcx.deep.graphs import CapturedGradients
from hybridcx.deep.history import HISTORY_COLUMNS, Record, diverged, last_rate
from hybridcx.deep.inputs import Batch, CachedInputs, ImageInputs
from hybridcx.deep.model import build, initial_state, metadata, set_dropout
from hybridcx.deep.stages import Learner, learning_stages
from hybridcx.deep.steps import Forward, batch_norm_over_training_set, evaluate, mixed, weights_in_batch
from hybridcx.deep.steps import gradients as _gradients
from hybridcx.deep.task import (
    Task,
    batches_of,
    check_task,
    class_weights,
    fingerprint_of,
    order_of_epoch,
    setting_notes,
    with_less_memory,
)
from hybridcx.deep.weights_file import WeightsFile
from hybridcx.errors import DivergedError
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.streams import seed_for
from hybridcx.vocabulary.networks import Network, network

WEIGHTS_NAME = "weights.safetensors"
READ_AT_ONCE = ("cpu",)
"""Where every step's loss is read at once; an accelerator would stand idle meanwhile, so there it is read at validations and ends of epochs."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A finished fine-tuning.

    Attributes
    ----------
    network : its name
    weights_path, weights_sha256 : safetensors, float32, torchvision's names, last layer for two classes
    history : columns of equal length, one entry an iteration: iteration and epoch (from 1), train_loss and train_accuracy (of the mini-batch, in
        training mode, with label smoothing and augmentation), learning_rate (before head_rate_factor), validation_loss (cross-entropy, nats)
        and validation_accuracy, NaN where it was not validated
    kept_iteration : the iteration whose weights were kept
    best_iteration : the one with the lowest validation loss (the first of equals); None without validation
    validation_loss, validation_accuracy : of the weights in the file; NaN without validation cases
    precision, ledger_precision, threads, device : what it was computed in; `device` is one line for the report
    n_iterations, stopped_early : iterations done, and whether early stopping ended them
    notes : deviations from the options, one sentence each
    """

    network: str
    weights_path: Path
    weights_sha256: str
    history: Mapping[str, list[float]]
    kept_iteration: int
    best_iteration: int | None
    validation_loss: float
    validation_accuracy: float
    precision: str
    ledger_precision: str
    threads: int
    device: str
    n_iterations: int
    stopped_early: bool
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Progress:
    """The state of a training except its tensors; stored in the checkpoint."""

    epoch: int = 0
    iteration: int = 0
    best_loss: float = math.inf
    best_iteration: int | None = None
    stale: int = 0
    stopped_early: bool = False
    history: dict[str, list[float]] = field(default_factory=lambda: {c: [] for c in HISTORY_COLUMNS})
    scaler: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Training:
    """A training under way.

    Attributes
    ----------
    model : the network; its state dict is written at the end
    learner : the same network in stages, where some of them are frozen
    trained : `learner` if there is one, otherwise `model`
    forward : from `inputs` to logits
    shared : `forward` for the gradients; with several processes it averages them
    captured : computes the gradients from a CUDA graph, where the device has them
    labels, class_weights : on the device
    scaler : of the loss, in float16 alone: it leaves out steps whose gradients overflow
    per_epoch : iterations per epoch
    best : a copy of the weights with the lowest validation loss, where these are the ones to write
    best_changed : whether `best` is newer than the last checkpoint
    validation : loss and accuracy of the last validation, made after iteration `validated_iteration` (-1: none yet)
    saved_at : time of the last checkpoint
    """

    task: Task
    fingerprint: str
    notes: list[str]
    model: nn.Module
    learner: Learner | None
    optim: torch.optim.Optimizer
    average: WeightAverage | None
    trained: nn.Module
    inputs: ImageInputs
    forward: Forward
    shared: Forward
    captured: CapturedGradients | None
    labels: Tensor
    class_weights: Tensor | None
    scaler: torch.amp.GradScaler | None
    per_epoch: int
    record: Record
    progress: _Progress
    best: dict[str, Tensor] | None
    best_changed: bool = False
    validation: tuple[float, float] = (math.nan, math.nan)
    validated_iteration: int = -1
    saved_at: float = field(default_factory=time.monotonic)


def finetune(
    network_name: str | Network,
    images: np.ndarray,
    y: np.ndarray,
    train_idx: np.ndarray,
    validation_idx: np.ndarray,
    train: TrainSection,
    compute: ComputeSection,
    *,
    seed: int,
    weights: WeightsFile | Mapping[str, Tensor] | None,
    folder: Path,
    fill: float | None = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
    checkpoint_every_s: float = 30.0,
) -> FineTuned:
    """Fine-tune a network on `train_idx`, validate it on `validation_idx`, write its weights into `folder`.

    Parameters
    ----------
    network_name : a network's name, or its row
    images : uint8, (N, H, H, 3); a read-only memory map will do. Only the rows of the two index arrays are read
    y : (N,), 0 or 1
    train_idx, validation_idx : disjoint rows; the second may be empty
    train, compute : the experiment's tables
    seed : the experiment's seed
    weights : ImageNet weights (a located file, or a state dict), a state dict with two classes to start from, or None for random
    folder : of this training alone; made if absent. Holds the checkpoint while it trains and `weights.safetensors` at the end
    fill : grey value (0 to 1) of what augmentation moves in from outside the image; None: the image's own edge
    on_progress : called with (iterations done, iterations in all) after each
    checkpoint_every_s : a checkpoint is written at the end of an epoch if the last one is so old (VGG's are of a gigabyte)

    An interrupted training is continued by the same call, from the end of an epoch, and ends in the same bytes as an uninterrupted one. A
    damaged checkpoint, or one of other data or settings, is reported in `notes`, and training starts again.

    Conventions: validation comes after the first iteration, every `validate_every`-th and the last, in evaluation mode, without label
    smoothing, in the ledger's precision. "Best" is the lowest validation loss. A batch size above the number of training cases means
    all of them; an incomplete last batch of one image joins the one before, as batch norm needs two.

    Raises
    ------
    InputError
        for arrays and settings that do not fit together, weights that are not what they should be, and an accelerator that computes something
        else than the processor (`device_check`).
    DivergedError
        when the loss is no longer finite: the epoch, the iteration and what to change.
    """
    row = network(network_name)
    train_idx, validation_idx = np.asarray(train_idx, dtype=np.int64), np.asarray(validation_idx, dtype=np.int64)
    check_task(row, images, y, train_idx, validation_idx, train)
    folder.mkdir(parents=True, exist_ok=True)
    device, team = devices.resolve(compute), distributed.current()
    device = replace(device, torch_device=team.torch_device(device.torch_device))
    task = Task(
        row, images, np.asarray(y), train_idx, validation_idx, train, device, seed, folder, fill, 1, checkpoint_every_s
    )
    if team.size > 1:
        arguments: dict[str, Any] = {
            "network_name": network_name,
            "y": y,
            "train_idx": train_idx,
            "validation_idx": validation_idx,
            "train": train,
        }
        arguments |= {"compute": compute, "seed": seed, "weights": weights, "folder": folder, "fill": fill}
        arguments["images"] = images.filename if isinstance(images, np.memmap) else images
        with (
            distributed.together(arguments),
            devices.computing(device),
            torch.random.fork_rng(devices=_cuda_index(device.torch_device)),
        ):
            return _train(task, weights, on_progress)
    while True:
        try:
            with devices.computing(task.device), torch.random.fork_rng(devices=_cuda_index(task.device.torch_device)):
                return _train(task, weights, on_progress)
        except (RuntimeError, MemoryError) as error:
            if not devices.out_of_memory(error):
                raise
            task = with_less_memory(task)


def take_part(arguments: dict[str, Any]) -> None:
    """Take a share of a training that another process leads (`distributed.team`); nothing is written."""
    if not isinstance(arguments["images"], np.ndarray):
        arguments["images"] = np.load(arguments["images"], mmap_mode="r", allow_pickle=False)
    finetune(**arguments)


def _train(
    task: Task, weights: WeightsFile | Mapping[str, Tensor] | None, on_progress: Callable[[int, int], None] | None
) -> FineTuned:
    training = _prepare(task, weights)
    for epoch in range(training.progress.epoch, task.train.epochs):
        if training.progress.stopped_early:
            break
        _train_epoch(training, epoch, on_progress)
        _write_checkpoint(training)
    return _finish(training)


def _prepare(task: Task, weights: WeightsFile | Mapping[str, Tensor] | None) -> _Training:
    """The network with its initial weights, or with the state of the checkpoint."""
    row, train, device, team = task.row, task.train, task.device, distributed.current()
    notes = [*device.notes, *setting_notes(task)]
    start = initial_state(
        row, task.seed, weights, last_layer_sd=train.last_layer_sd, zero_init_residual=train.zero_init_residual
    )
    fingerprint = fingerprint_of(task, weights)
    model = build(row, start, channels_last=device.channels_last)
    move_checked(row, model, device, (device.training_dtype, device.ledger_dtype))
    del start  # 0.5 GB for a VGG
    set_dropout(model, train.dropout)
    saved = _read_checkpoint(task, fingerprint, notes)
    if train.last_layer == "fitted" and saved is None:
        fit_last_layer(row, model, ImageInputs(task), task)
    if train.convolution_biases == "frozen":
        optimizer.freeze_convolution_biases(row, model)
    learner = Learner(row, model) if in_stages(train) else None
    if learner is not None:
        learner.learn(learning_stages(row, train.trainable_stages, 0, 0))  # all parameters that learn at any time
    optim = optimizer.make_optimizer(row, model, train)
    if device.training_dtype is torch.float16:
        optimizer.begin_velocity(optim)
    average = None if train.ema_decay is None else WeightAverage(model, train.ema_decay)

    per_epoch = len(batches_of(np.arange(len(task.train_idx)), train))
    progress, best = _Progress(), None
    if saved is not None:
        progress, best = _Progress(**saved.counters), saved.best
        _restore(model, optim, average, saved.tensors)
        rate = optimizer.rate_at(train, progress.epoch - 1, progress.iteration - 1, per_epoch)
        optimizer.set_rate(optim, rate, rate_in_velocity=False)
        del saved

    weights_of_classes = class_weights(task)
    trained: nn.Module = model if learner is None else learner
    cached = learner is not None and train.cached_copies > 0
    inputs = CachedInputs(task, learner) if learner is not None and cached else ImageInputs(task)
    forward = learner.tail if learner is not None and cached else trained
    shared = team.wrap(trained, row.batch_norm, device.torch_device) if team.size > 1 else forward
    return _Training(
        task=task,
        fingerprint=fingerprint,
        notes=notes,
        model=model,
        learner=learner,
        optim=optim,
        average=average,
        trained=trained,
        inputs=inputs,
        forward=forward,
        shared=shared,
        captured=CapturedGradients(row.title, model, device.torch_device, notes)
        if device.cuda_graphs and team.size == 1
        else None,
        labels=torch.from_numpy(task.y[task.train_idx].astype(np.int64)).to(device.torch_device),
        class_weights=None
        if weights_of_classes is None
        else torch.from_numpy(weights_of_classes.astype(np.float32)).to(device.torch_device),
        scaler=_scaler(device, progress.scaler),
        per_epoch=per_epoch,
        record=Record(row, train, progress.history),
        progress=progress,
        best=best,
    )


def _train_epoch(training: _Training, epoch: int, on_progress: Callable[[int, int], None] | None) -> None:
    """Train for one epoch (from 0), or until early stopping ends it."""
    task, progress, learner, rank = training.task, training.progress, training.learner, distributed.current().rank
    total = training.per_epoch * task.train.epochs
    torch.manual_seed(seed_for(task.seed, task.row.name, "dropout", epoch, *([rank] if rank else [])))
    if learner is not None:
        learner.learn(learning_stages(task.row, task.train.trainable_stages, task.train.unfreeze_every, epoch))
    batches = batches_of(order_of_epoch(task, epoch), task.train)
    for batch in training.inputs.epoch(batches, epoch, progress.iteration):
        _step(training, batch, epoch)
        if _validates(task, progress.iteration, total):
            _validate(training)
        if progress.iteration == 1:
            devices.return_freed_memory()  # needed only by the first step and validation
        if on_progress is not None:
            on_progress(progress.iteration, total)
        if progress.stopped_early:
            break
    training.record.read(task.folder)
    progress.epoch = epoch + 1


def _step(training: _Training, batch: Batch, epoch: int) -> None:
    """One iteration: gradients of a mini-batch, a step of the optimiser, the average of the weights."""
    task, train, progress, team = training.task, training.task.train, training.progress, distributed.current()
    rate = optimizer.rate_at(train, epoch, progress.iteration, training.per_epoch)
    optimizer.set_rate(training.optim, rate, rate_in_velocity=train.rate_in_velocity)
    x, y = mixed(training.inputs.training(batch, epoch), training.labels[batch.on_device], batch.mixing)
    training.trained.train()
    options: dict[str, Any] = {} if training.scaler is None else {"scaler": training.scaler}
    if training.class_weights is not None:
        options["class_weights"] = weights_in_batch(training.class_weights, y)
    x, y, weight = team.share(x, y)
    compute = training.captured or _gradients
    result = compute(training.shared, x, y, task, weight, **options)
    progress.iteration += 1
    training.record.add(progress.iteration, epoch + 1, rate, result, weight)
    if task.device.torch_device in READ_AT_ONCE:
        training.record.read(task.folder)
    if training.scaler is not None:
        training.scaler.unscale_(training.optim)
    if train.clip_gradient_norm is not None:
        nn.utils.clip_grad_norm_(training.model.parameters(), train.clip_gradient_norm)
    if training.scaler is None:
        training.optim.step()
    else:
        training.scaler.step(training.optim)
        training.scaler.update()
    training.optim.zero_grad(set_to_none=True)
    if training.average is not None:
        training.average.update(progress.iteration - 1)


def _validate(training: _Training) -> None:
    """Validate, copy the weights if they are the best so far, and decide on early stopping."""
    task, progress = training.task, training.progress
    training.record.read(task.folder)
    with nullcontext() if training.average is None else training.average.in_place():
        loss, accuracy = distributed.current().of_leader(
            evaluate(training.trained, training.forward, training.inputs, task)
        )
        better = loss < progress.best_loss
        if better and task.train.keep == "best_validation":
            training.best, training.best_changed = _copy(training.model, training.best), True
    if better:
        progress.best_loss, progress.best_iteration, progress.stale = loss, progress.iteration, 0
    else:
        progress.stale += 1
    progress.stopped_early = 0 < task.train.early_stopping <= progress.stale
    training.record.validated(loss, accuracy)
    training.validation, training.validated_iteration = (loss, accuracy), progress.iteration


def _finish(training: _Training) -> FineTuned:
    """Choose the weights (the best on validation, the average or the last), validate and write them."""
    task, model, progress, device = training.task, training.model, training.progress, training.task.device
    row, train, best, average, n_validation = (
        task.row,
        task.train,
        training.best,
        training.average,
        len(task.validation_idx),
    )
    if best is not None:
        model.load_state_dict(best)
    elif average is not None:
        average.put()
    validated = training.validated_iteration
    as_validated = validated == progress.iteration and (best is None or progress.best_iteration == validated)
    if train.batch_norm_statistics == "training_set" and row.batch_norm:
        batch_norm_over_training_set(training.trained, training.inputs, task)
        as_validated = False
    loss, accuracy = training.validation
    if not as_validated:
        loss, accuracy = math.nan, math.nan
        if n_validation:
            loss, accuracy = evaluate(training.trained, training.forward, training.inputs, task)
    finite = bool(torch.stack([torch.isfinite(p).all() for p in model.parameters()]).all())
    leads = distributed.current().leads
    if not finite or (n_validation and not math.isfinite(loss)):
        if leads:
            checkpoint.delete_checkpoint(task.folder)
        raise DivergedError(diverged(row, progress.epoch, progress.iteration, last_rate(progress.history), train))
    path, sha256 = task.folder / WEIGHTS_NAME, ""
    if leads:
        sha256 = checkpoint.save_tensors(path, model.state_dict(), ("hybridcx", metadata(row, task.images.shape[1])))
        checkpoint.delete_checkpoint(task.folder)
    return FineTuned(
        network=row.name,
        weights_path=path,
        weights_sha256=sha256,
        history=progress.history,
        kept_iteration=progress.best_iteration if best is not None and progress.best_iteration else progress.iteration,
        best_iteration=progress.best_iteration,
        validation_loss=loss,
        validation_accuracy=accuracy,
        precision=devices.precision_name(device.training_dtype),
        ledger_precision=devices.precision_name(device.ledger_dtype),
        threads=device.threads,
        device=device.description,
        n_iterations=progress.iteration,
        stopped_early=progress.stopped_early,
        notes=tuple(training.notes),
    )


def _read_checkpoint(task: Task, fingerprint: str, notes: list[str]) -> checkpoint.Checkpoint | None:
    """The checkpoint of this training, if there is one; a damaged one is deleted and reported in `notes`."""
    team, saved = distributed.current(), None
    try:
        saved = checkpoint.read_checkpoint(task.folder, fingerprint) if team.leads else None
    except checkpoint.DamagedCheckpointError as error:
        notes.append(f"The checkpoint of {task.row.name} was not used ({error}): training started from the beginning.")
        log.warning(notes[-1])
        checkpoint.delete_checkpoint(task.folder)
    if team.of_leader(saved is not None) and saved is None:
        saved = checkpoint.read_checkpoint(task.folder, fingerprint)
    return saved


def _write_checkpoint(training: _Training) -> None:
    """Write a checkpoint if the training goes on and the last checkpoint is old enough."""
    task, progress = training.task, training.progress
    finished = progress.epoch >= task.train.epochs or progress.stopped_early
    if finished or time.monotonic() - training.saved_at < task.checkpoint_every_s:
        return
    devices.return_freed_memory()
    if distributed.current().leads:
        tensors = _tensors(training.model, training.optim, training.average)
        progress.scaler = {} if training.scaler is None else training.scaler.state_dict()
        state = checkpoint.Checkpoint(training.fingerprint, _counters(progress), tensors, training.best)
        checkpoint.write_checkpoint(task.folder, state, best_changed=training.best_changed)
    training.saved_at, training.best_changed = time.monotonic(), False


def _validates(task: Task, iteration: int, total: int) -> bool:
    return len(task.validation_idx) > 0 and (iteration in (1, total) or iteration % task.train.validate_every == 0)


def in_stages(train: TrainSection) -> bool:
    """Whether some stages of the network learn later than others, or not at all."""
    return train.unfreeze_every > 0 or train.trainable_stages is not None


def _tensors(model: nn.Module, optim: torch.optim.Optimizer, average: WeightAverage | None) -> dict[str, Tensor]:
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    tensors |= {f"average.{name}": t for name, t in (average.tensors.items() if average else ())}
    for name, parameter in model.named_parameters():
        state = optim.state.get(parameter, {})  # nothing for a parameter that does not learn
        tensors |= {f"optimizer.{name}.{key}": t for key, t in state.items() if isinstance(t, Tensor)}
    return tensors


def _restore(
    model: nn.Module, optim: torch.optim.Optimizer, average: WeightAverage | None, tensors: Mapping[str, Tensor]
) -> None:
    if average is not None:
        average.load({k.removeprefix("average."): t for k, t in tensors.items() if k.startswith("average.")})
    model.load_state_dict({k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")})
    parameters = dict(model.named_parameters())
    for name, t in tensors.items():
        if name.startswith("optimizer."):
            parameter_name, _, key = name.removeprefix("optimizer.").rpartition(".")
            parameter = parameters[parameter_name]
            # The parameter's own layout, so that the update walks through memory as it did before. Counts of steps lie where torch puts them: on
            # the device for its fused optimisers, otherwise on the processor.
            of_steps = parameter.device if optim.defaults.get("fused") else None
            like = torch.empty_like(parameter) if t.shape == parameter.shape else torch.empty_like(t, device=of_steps)
            optim.state[parameter][key] = like.detach().copy_(t)


def _scaler(device: devices.Device, state: dict[str, float]) -> torch.amp.GradScaler | None:
    """The scaler of the loss for float16, with the state of a checkpoint; None in other precisions."""
    if device.training_dtype is not torch.float16:
        return None
    scaler = torch.amp.GradScaler(device.kind)
    if state:
        scaler.load_state_dict(state)
    return scaler


def _copy(model: nn.Module, into: dict[str, Tensor] | None) -> dict[str, Tensor]:
    if into is None:
        return {name: t.detach().to("cpu", copy=True) for name, t in model.state_dict().items()}
    for name, t in model.state_dict().items():
        into[name].copy_(t)
    return into


def _counters(progress: _Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in _Progress.__slots__}


def _cuda_index(torch_device: str) -> list[int]:
    return [int(torch_device.partition(":")[2] or 0)] if torch_device.startswith("cuda") else []
