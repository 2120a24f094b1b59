"""Hours, memory and disk of an experiment, estimated from measured speeds before anything is trained.

The speeds stand in `speeds.csv`, one row per machine and network, which `experiments/benchmarks/training_speed.py table` writes. A rate measured
at one image size is scaled with the number of pixels, which is right for convolutions alone (the VGGs' fully connected layers cost the same at
any size). Heads, statistics and report are not counted.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import NamedTuple

import pandas as pd

from hybridcx.experiment.file import Experiment, TrainSection
from hybridcx.pipeline.costs.memory import Counts, feature_sets, features_memory, parameters, training_memory
from hybridcx.vocabulary.networks import network as row_of

MAPPED_CASES, PASSES_PER_MAP = 16, 50  # the casebook's occlusion: 49 tiles and the bare image
COLUMNS = (
    "machine",
    "network",
    "trainings",
    "training.hours",
    "features.hours",
    "total.hours",
    "peak.gib",
    "disk.gib",
    "note",
)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one machine is with one network.

    machine : the processor (or card) and its threads; network, size_px : what was measured
    training_images_per_s : of training steps at a batch of 16, all stages learning, in `training_precision`
    extraction_images_per_s : of the network's forward pass in `ledger_precision`
    measured : the day
    """

    machine: str
    network: str
    size_px: int
    training_precision: str
    training_images_per_s: float
    ledger_precision: str
    extraction_images_per_s: float
    measured: str


def read_speeds() -> tuple[Speed, ...]:
    """The measured speeds that come with hybridcx."""
    text = (resources.files("hybridcx.pipeline.costs") / "speeds.csv").read_text(encoding="utf-8")
    numbers = {f.name: {"int": int, "float": float}.get(str(f.type), str) for f in fields(Speed)}
    return tuple(Speed(**{k: numbers[k](v) for k, v in row.items()}) for row in csv.DictReader(text.splitlines()))


class Passes(NamedTuple):
    """Images that one training of a network takes through training steps, and through the network forwards alone."""

    trained: int
    forwards: int


def passes_of(train: TrainSection, sizes: Counts) -> Passes:
    """Training and validation of one network in one unit, and the features of every case afterwards.

    Validated are the first and the last iteration and every `validate_every`-th. With batch_norm_statistics = "training_set" the training
    images pass once more (and the validation, which is left out here), with last_layer = "fitted" once before. Early stopping is not foreseen.
    """
    per_epoch, batches = _epoch(train, sizes.train)
    iterations, every = train.epochs * batches, train.validate_every
    validations = len({1, iterations, *range(every, iterations + 1, every)})
    forwards = validations * sizes.validation + sizes.cases
    again = (train.batch_norm_statistics == "training_set") + (train.last_layer == "fitted")
    return Passes(train.epochs * per_epoch, forwards + again * sizes.train)


def _epoch(train: TrainSection, n: int) -> tuple[int, int]:
    """Images and mini-batches of an epoch over n cases, as `deep.task.batches_of` makes them."""
    whole, rest = divmod(n, train.batch_size)
    if n <= train.batch_size:
        return n, 1
    if train.drop_last or rest == 0:
        return whole * train.batch_size, whole
    return n, whole + (rest > 1)


def cost(experiment: Experiment, sizes: Counts, speeds: Sequence[Speed]) -> pd.DataFrame:
    """Hours, memory and disk of an experiment on every machine of `speeds`.

    Parameters
    ----------
    sizes : the cases of the cohort and of the parts of one division
    speeds : rows of one or several machines

    Returns
    -------
    One row per machine and network and one per machine for all of them ("all"), `COLUMNS`. Hours are those of one process that does one training
    after the other. peak.gib: the memory of the networks, with which `run` checks its limits. disk.gib: the fine-tuned weights of every training,
    prepared images, features. NA with a note where the machine has no row for the network.

    Time = trained images / training rate + forward passes / extraction rate; a rate at size s is the measured one times (measured size / s)^2.
    """
    rows: list[dict[str, object]] = []
    for machine in dict.fromkeys(s.machine for s in speeds):
        known = {s.network: s for s in speeds if s.machine == machine}
        own = [_row(experiment, sizes, machine, n, known.get(n)) for n in experiment.networks.names]
        rows += own
        frame = pd.DataFrame(own, columns=list(COLUMNS))
        images = sizes.cases * 3 * experiment.images.size_px**2 / 2**30
        missing = frame["total.hours"].isna().any()
        rows.append({
            "machine": machine, "network": "all", "trainings": frame["trainings"].sum(),
            **{c: None if missing else frame[c].sum() for c in ("training.hours", "features.hours", "total.hours")},
            "peak.gib": frame["peak.gib"].max(), "disk.gib": frame["disk.gib"].sum() + images,
            "note": "a network of it was not measured" if missing else "",
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(experiment: Experiment, sizes: Counts, machine: str, name: str, speed: Speed | None) -> dict[str, object]:
    train, size, network = experiment.train_of(name), experiment.images.size_px, row_of(name)
    units = experiment.repeat.trainings if train.enabled else 0
    # every share of the training cases is one more training, on fewer cases
    parts = [*(replace(sizes, train=round(s * sizes.train)) for s in experiment.training_size.shares), sizes]
    initial, tuned = feature_sets(experiment, name)
    peak = features_memory(experiment, network, on_processor=True)
    if train.enabled:
        peak = max(peak, training_memory(experiment, network, sizes.train, on_processor=True))
    row: dict[str, object] = {
        "machine": machine, "network": name, "trainings": tuned, "peak.gib": peak / 2**30,
        "disk.gib": (tuned * parameters(network) + (initial + tuned) * sizes.cases * network.feature_dim) * 4 / 2**30, "note": "",
    }  # fmt: skip
    if speed is None:
        return {**row, "note": "not measured on this machine"}
    scale = (size / speed.size_px) ** 2
    passes = [passes_of(train, part) for part in parts]
    trained_h = units * sum(p.trained for p in passes) * scale / speed.training_images_per_s / 3600
    maps = min(MAPPED_CASES, sizes.test) * PASSES_PER_MAP if train.enabled else 0
    forwards = units * sum(p.forwards for p in passes) + maps + initial * sizes.cases
    features_h = forwards * scale / speed.extraction_images_per_s / 3600
    notes = [] if train.trainable_stages is None else ["all stages are counted as learning; fewer cost less"]
    notes += (
        ["at least: the fully connected layers, and their updates, cost the same at any size"]
        if name.startswith("vgg") and scale < 0.5
        else []
    )
    return {
        **row,
        "training.hours": trained_h,
        "features.hours": features_h,
        "total.hours": trained_h + features_h,
        "note": "; ".join(notes),
    }


def lines_of(costs: pd.DataFrame, speeds: Sequence[Speed], sizes: Counts, units: int, shares: int = 0) -> list[str]:
    """The estimate as text: a table per machine, and its assumptions. `shares`: number of shares of the training cases, besides the whole."""
    each = f" in each of {units} trainings of a network" if units > 1 else ""
    each += f"; all of it again on {shares} shares of the training cases" if shares else ""
    lines = [
        f"Estimate; nothing was trained or written. {sizes.cases} cases, {sizes.train} to train on and {sizes.validation} to validate{each}."
    ]
    for machine, part in costs.groupby("machine", sort=False):
        rows = [s for s in speeds if s.machine == machine]
        lines += ["", f"On {machine} (measured {rows[0].measured} at {rows[0].size_px} px, training in {rows[0].training_precision}, features in "
                  f"{rows[0].ledger_precision}):"]  # fmt: skip
        lines.append(
            f"{'network':<16}{'trainings':>10}{'training':>12}{'features':>12}{'total':>12}{'memory':>10}{'disk':>10}"
        )
        for r in part.to_dict("records"):
            hours = "".join(f"{_time(r[c]):>12}" for c in ("training.hours", "features.hours", "total.hours"))
            rest = f"{_number(r['peak.gib'], 'GiB'):>10}{_number(r['disk.gib'], 'GiB'):>10}"
            lines.append(f"{r['network']:<16}{r['trainings']:>10}{hours}{rest}{'  ' + r['note'] if r['note'] else ''}")
    lines += [
        "",
        "Features: validations, features of all cases and the casebook's maps. One training after the other, nothing reused from an earlier run; "
        "decoding, checks, heads, statistics and report are not estimated (minutes for hundreds of cases; a quarter of an hour was measured for "
        "500,000 and two linear heads). Rates are scaled with the number of pixels.",
    ]
    if costs["total.hours"].isna().any():
        lines.append("NA: the network was not measured on that machine.")
    return lines


def _time(hours: object) -> str:
    if not isinstance(hours, float) or hours != hours:
        return "NA"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _number(value: object, unit: str) -> str:
    if not isinstance(value, float) or value != value:
        return "NA"
    return f"{value:.2f} {unit}" if value < 10 else f"{value:.0f} {unit}"
