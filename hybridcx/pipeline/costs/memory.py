"""The memory and disk that a run needs, estimated before its first stage and compared with those of the machine.

The stages run one after another, so the memory of a run is that of its largest stage; what it leaves on disk adds up. The estimates are formulas
over the numbers of cases, the networks' sizes and the options, with constants measured on Linux (docs/limits.md); they should be right within
a factor of two. A run is refused only where an estimate exceeds what the machine (or its container) has in all; less free memory at
the moment is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import hybridcx.deep  # noqa: F401  (makes the rows of timm's networks known; no torch)
from hybridcx.errors import Problem
from hybridcx.experiment.file import Experiment, FeatureSet
from hybridcx.heads.table import HEADS
from hybridcx.images.near_duplicates import ALL_PAIRS
from hybridcx.store.machine import Memory, disk_free, gb, memory_there
from hybridcx.vocabulary.networks import Network, network
from hybridcx.workers.local import default_jobs

LIBRARIES = 650_000_000
"""A process with torch, scikit-learn and the rest, before it has any data."""
WORKER = 300_000_000
"""A process that fits heads, before it has any data."""
RESAMPLING = 450_000_000
"""The bootstrap's chunk with its scratch, once there are 16,000 cases (`stats.draws.CHUNK_FLOATS`)."""
SCREENING = 1_000_000_000
"""Blocks and products of the search for nearly identical images in a large cohort (50,000 images: 1.44 GB in all)."""
CASE = 2_200
"""Bytes of memory that a run holds for each case through all its stages: manifest, hashes, notes of the images (with 500,000 cases 1.7 to 2.8 kB)."""
LEDGER_ROW = 700
"""Bytes of memory for a prediction in a run's ledger and the tables computed from it."""
LEDGER_ROW_ON_DISK = 130
"""Bytes of a prediction in predictions.csv and predictions.parquet."""
CASE_ON_DISK = 500
"""Bytes of a case in the image store's notes, split.csv and cohort.csv."""
FEATURE_BATCH = 32
COMPUTED_SHARE = 1.25
"""Memory of training over the tensors that it keeps: gradients on their way, workspaces of convolutions."""
SPACES = 3.5
"""Copies of the fitted rows in float64 that fitting holds beside the folds' matrices: the rows, scaled, transformed, and decomposed in part."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Cases of a run: all that are prepared, those that one training learns from, is validated on, and tests."""

    cases: int
    train: int
    validation: int
    test: int = 0

    def __str__(self) -> str:
        return f"{self.cases:,} images ({self.train:,} to train on, {self.validation:,} to validate on)"


@dataclass(frozen=True, slots=True)
class OnDisk:
    """Files of one kind in the cache: `pattern` matches those that exist already, below the cache's folder; `each` is the size of each."""

    what: str
    each: tuple[int, ...]
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """`memory`: bytes that each stage adds up to at its peak, by its name, without `held`, what the run holds all along; `cache` and `report`:
    files; `passing`: bytes in the cache that go again.
    """

    memory: Mapping[str, int]
    cache: tuple[OnDisk, ...]
    report: int
    passing: int
    remedies: Mapping[str, str] = field(default_factory=dict)
    held: int = 0

    @property
    def peaks(self) -> dict[str, int]:
        """Bytes at the peak of each stage."""
        return {stage: own + self.held for stage, own in self.memory.items()}

    @property
    def largest(self) -> tuple[str, int]:
        """The stage that needs most memory, and how much."""
        return max(self.peaks.items(), key=lambda item: item[1])


def run_needs(
    experiment: Experiment, counts: Counts, models: int, *, on_processor: bool = True, jobs: int | None = None
) -> Needs:
    """What an experiment needs on so many cases.

    `models`: how many the experiment makes; `on_processor`: the networks compute on the processor, not on an accelerator with memory of its
    own; `jobs`: trainings, and then heads, at a time on this machine (default: one training, heads as `parallel.run_tasks`).
    """
    memory: dict[str, int] = {}
    remedies: dict[str, str] = {}
    size_px, train_options = experiment.images.size_px, experiment.train
    rows = [network(name) for name in experiment.networks.names]
    near = "the search for nearly identical images"
    memory[near] = LIBRARIES + near_duplicates_bytes(counts.cases)
    remedies[near] = "split the cohort"
    trained: list[int] = []
    for row in rows:
        stage = f"features of {row.name}"
        memory[stage] = features_memory(experiment, row, on_processor)
        remedies[stage] = "lower images.size_px"
        if train_options.enabled:
            stage = f"fine-tuning {row.name} with mini-batches of {experiment.train_of(row.name).batch_size}"
            trained.append(training_memory(experiment, row, counts.train, on_processor))
            memory[stage] = trained[-1]
            remedies[stage] = "lower train.batch_size (train.network.NAME.batch_size for one network) or images.size_px"
    side_by_side = min(jobs or 1, len(trained) * experiment.trainings)
    if side_by_side > 1:
        stage = f"{side_by_side} trainings at once"
        memory[stage] = LIBRARIES + sum(sorted(trained * experiment.trainings, reverse=True)[:side_by_side])
        remedies[stage] = "do fewer at a time (--jobs), or lower train.batch_size or images.size_px"
    fits = list(_head_fits(experiment, counts)) * experiment.trainings
    if fits:
        at_once = sorted((size for _, size in fits), reverse=True)[: jobs or default_jobs()]
        own = 0 if len(fits) == 1 or (jobs or default_jobs()) == 1 else WORKER * len(at_once)
        stage = f"heads on features of {max(fits, key=lambda f: f[1])[0].name}, {len(at_once)} fits at once"
        memory[stage] = LIBRARIES + own + sum(at_once)
        remedies[stage] = (
            "leave out networks with wide features, lower heads.folds, or fit heads for one network (heads.networks)"
        )
    stage = f"statistics and report of {models} models"
    predictions = models * counts.cases * experiment.repeat.seeds
    memory[stage] = LIBRARIES + RESAMPLING + LEDGER_ROW * predictions
    remedies[stage] = "make fewer models (networks.names, heads.names), or set some cases aside"
    cache = [
        OnDisk("prepared images", (counts.cases * size_px**2 * 3,), "images/*.npy"),
        OnDisk("features", tuple(_features(experiment, counts)), "features/*/features.npy"),
    ]
    if experiment.networks.weights == "none":
        starts = [r for r in rows if "pretrained" in experiment.heads.on(r.name)]
        drawn = tuple(parameters(r) * 4 for r in starts) * experiment.repeat.seeds
        cache.append(OnDisk("random weights", drawn, "untrained/*/weights.safetensors"))
    passing, trainings = 0, experiment.trainings
    if train_options.enabled:
        cache.append(
            OnDisk("weights", tuple(parameters(r) * 4 for r in rows) * trainings, "finetune/*/weights.safetensors")
        )
        checkpoints = sorted([2 * _checkpoint(experiment, r) for r in rows] * experiment.trainings, reverse=True)
        passing = sum(checkpoints[:side_by_side])
    cache.append(OnDisk("heads", tuple(_kept_rows(experiment, counts)) * trainings, ""))
    report = predictions * LEDGER_ROW_ON_DISK + counts.cases * CASE_ON_DISK
    return Needs(memory, tuple(cache), report, passing, remedies, CASE * counts.cases)


def parameters(row: Network) -> int:
    """Learnable parameters with two classes in the place of ImageNet's thousand."""
    return row.n_parameters - 998 * (row.feature_dim + 1)


def near_duplicates_bytes(cases: int) -> int:
    """Memory of `images.near_duplicates` at its peak: prints of 16 KiB, twice, and a block of correlations; above `ALL_PAIRS` what screening
    keeps."""
    if cases > ALL_PAIRS:
        return cases * 6 * 1024 + SCREENING
    return cases * 4096 * 4 * 2 + cases * 1024 * 5


def features_memory(experiment: Experiment, row: Network, on_processor: bool) -> int:
    """Bytes of a process that computes a network's features: its weights, twice while they are read, and the activations of a batch."""
    states = parameters(row) * 4
    if not on_processor:
        return LIBRARIES + states
    return LIBRARIES + 2 * states + int(FEATURE_BATCH * experiment.images.size_px**2 * row.forward_bytes_px * 1.5)


def training_memory(experiment: Experiment, row: Network, n_train: int, on_processor: bool) -> int:
    """Bytes of a process that fine-tunes: weights, gradients, the optimiser's state, averages and best weights, a checkpoint on its way to disk, and
    the kept activations."""
    train = experiment.train_of(row.name)
    states, saving = parameters(row) * 4, _checkpoint(experiment, row)
    if not on_processor:
        return LIBRARIES + states + saving
    copies = (
        2
        + (1 if train.optimizer == "sgd" else 2)
        + 2 * (train.ema_decay is not None)
        + (train.keep == "best_validation")
    )
    batch = min(train.batch_size, max(n_train, 1)) * experiment.images.size_px**2
    return LIBRARIES + copies * states + max(saving, int(batch * row.training_bytes_px * COMPUTED_SHARE))


def _checkpoint(experiment: Experiment, row: Network) -> int:
    """Bytes of one checkpoint: weights, the optimiser's state, their average, and the best weights."""
    train = experiment.train_of(row.name)
    copies = (
        1 + (1 if train.optimizer == "sgd" else 2) + (train.ema_decay is not None) + (train.keep == "best_validation")
    )
    return copies * parameters(row) * 4


def feature_sets(experiment: Experiment, name: str) -> tuple[int, int]:
    """How often the features of a network are computed: before fine-tuning, and after it.

    Pretrained ones know neither seed nor fold; random weights are drawn for each seed.
    """
    starts = 1 if experiment.networks.weights != "none" else experiment.repeat.seeds
    initial = starts if "pretrained" in experiment.heads.on(name) else 0
    return initial, experiment.trainings if experiment.train.enabled else 0


def _features(experiment: Experiment, counts: Counts) -> Iterator[int]:
    """The size of each file of features."""
    for name in experiment.networks.names:
        yield from [counts.cases * network(name).feature_dim * 4] * sum(feature_sets(experiment, name))


def fitted_rows(experiment: Experiment, counts: Counts) -> Iterator[tuple[Network, FeatureSet, int]]:
    """Each feature set that heads are fitted on, and on how many cases."""
    for name in experiment.networks.names:
        for which in experiment.heads.on(name):
            if which == "pretrained":
                yield network(name), which, counts.train
            elif experiment.train.enabled:
                yield network(name), which, counts.validation


def _head_fits(experiment: Experiment, counts: Counts) -> Iterator[tuple[Network, int]]:
    """The memory of fitting all heads on one feature set: every fold's matrices stay for the candidates, in each space that is used."""
    heads = experiment.heads
    reduces = [HEADS[name].reduces for name in heads.names]
    for row, _, n in fitted_rows(experiment, counts):
        d = row.feature_dim
        width = (0 if all(reduces) else min(d, n)) + (min(heads.max_components, d) if any(reduces) else 0)
        yield row, n * d * 4 + int(SPACES * n * d * 8) + heads.folds * n * width * 8


def _kept_rows(experiment: Experiment, counts: Counts) -> Iterator[int]:
    """Heads that keep the cases that they were fitted on."""
    keeping = sum(name in ("knn", "svm_linear", "svm_rbf") for name in experiment.heads.names)
    for row, _, n in fitted_rows(experiment, counts):
        yield keeping * n * min(row.feature_dim, n) * 8


def head_problems(experiment: Experiment, counts: Counts) -> list[Problem]:
    """Heads that would be fitted on more cases than their limit."""
    problems = {}
    for _, which, n in fitted_rows(experiment, counts):
        for name in experiment.heads.names:
            if (why := HEADS[name].too_many(n)) is not None:
                remedy = f"leave {name!r} out of heads.names, or {which!r} out of heads.features"
                problems[name, which] = Problem(
                    f"{which.replace('_', '-')} features: {why}", column="heads.names", value=name, remedy=remedy
                )
    return list(problems.values())


def drawn_counts(experiment: Experiment) -> Counts | None:
    """The most cases that a drawn cohort can have, before it is drawn; None where there is a manifest."""
    phantom = experiment.cohort.phantom
    return None if phantom is None else counts_by_shares(experiment, phantom.patients)


def counts_by_shares(experiment: Experiment, n_cases: int) -> Counts:
    """The parts of a division of `n_cases` cases by the experiment's shares, or by its folds."""
    split, repeat = experiment.split, experiment.repeat
    test = 1 / repeat.folds if repeat.in_folds else split.test
    train = round(n_cases * (1 - test) * split.train / (split.train + split.validation))
    tested = round(n_cases * test)
    return Counts(n_cases, train, n_cases - train - tested, tested)


def check_run(
    needs: Needs, cache: Path, out: Path, *, machine: Memory | None = None, free: Callable[[Path], int] | None = None
) -> tuple[list[str], list[Problem]]:
    """Sentences on the memory and disk that a run needs and the machine has, and the problems where the machine has less.

    Files of the right size in the cache do not count, so that an interrupted run continues where less space is left than at its start.
    """
    machine, free = machine or memory_there(), free or disk_free
    stage, peak = needs.largest
    problems = [
        Problem(
            f"{name} needs about {gb(size)} of memory, and this machine has {gb(machine.total)}",
            remedy=needs.remedies[name],
        )
        for name, size in needs.peaks.items()
        if size > machine.total
    ]
    missing = {kind.what: _missing(kind, cache) for kind in needs.cache}
    missing |= {"checkpoints while it trains": needs.passing}
    in_cache = sum(missing.values())
    places = [(cache, in_cache, "the cache"), (out, needs.report, "the report")]
    if _device(cache) == _device(out):
        places = [(cache, in_cache + needs.report, "the cache and the report")]
    parts = ", ".join(f"{what} {gb(size)}" for what, size in (*missing.items(), ("report", needs.report)) if size)
    messages = [
        f"This run needs about {gb(peak)} of memory ({stage}); this machine has {gb(machine.total)}"
        + ("." if machine.free is None else f", {gb(machine.free)} of them free.")
    ]
    for folder, size, what in places:
        room, need = free(folder), "need" if " and " in what else "needs"
        messages.append(f"{what.capitalize()} {need} about {gb(size)} on disk ({parts}); {gb(room)} are free.")
        if size > room:
            rule = f"{what} {need} about {gb(size)} on disk ({parts}), and {gb(room)} are free"
            other = (
                "`hybridcx cache prune`, another cache folder (HYBRIDCX_CACHE)" if folder == cache else "another --out"
            )
            problems.append(Problem(rule, str(folder), remedy=f"free some space, or choose {other}"))
    if machine.free is not None and machine.free < peak <= machine.total:
        rule = f"Warning: {gb(machine.free)} of memory are free at the moment, and {gb(peak)} will be needed"
        messages.append(rule + ": the run may be slow, or the system may end it.")
    return messages, problems


def _missing(kind: OnDisk, cache: Path) -> int:
    """Bytes of the files of a kind that are not in the cache yet, as far as their sizes tell."""
    wanted = list(kind.each)
    for path in cache.glob(kind.pattern) if kind.pattern else ():
        size = path.stat().st_size
        same = next((w for w in wanted if abs(size - w) <= 0.01 * w + 4096), None)
        if same is not None:
            wanted.remove(same)
    return sum(wanted)


def _device(folder: Path) -> int:
    return next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists()).stat().st_dev
