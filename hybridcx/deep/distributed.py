"""One training in several processes, under torchrun, by data parallelism: every process takes its share of each mini-batch.

    torchrun --nproc-per-node 2 -m hybridcx run EXPERIMENT.toml          with compute.processes = 2 in the experiment

The first process is the run; the others (`team`) wait for its trainings, take part and end with it. All of them draw the same mini-batches and the
same augmentation, so that the gradient of a step is that of one process up to rounding, where no layer looks at its share alone: batch norm on a
processor does (on CUDA devices its statistics are taken over all processes), and dropout draws another mask. torch's DistributedDataParallel
adds the gradients up, through gloo between processors and NCCL between CUDA devices.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from hybridcx.deep.devices import out_of_memory
from hybridcx.deep.steps import StepResult, read_all
from hybridcx.errors import DivergedError, InputError, Problem, StoppedError
from hybridcx.experiment.file import ComputeSection

PATIENCE = timedelta(days=1)
"""How long a process waits for the others; one that has ended is noticed at once."""
ENDED = (
    "A process of the training has ended, so that the others cannot go on. The memory of the machine is the likeliest cause: lower "
    "train.batch_size or compute.processes. The last checkpoint is kept; the same torchrun command continues."
)
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of one training; a single one by default, for which every method returns its argument."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the run: it alone writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module, batch_norm: bool, torch_device: str) -> nn.Module:
        """The module whose backward pass averages the gradients over the team."""
        if self.size == 1:
            return model
        cuda = torch_device.startswith("cuda")
        if cuda and batch_norm:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return nn.parallel.DistributedDataParallel(model, device_ids=[torch.device(torch_device)] if cuda else None)

    def share(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
        """This process's rows of a mini-batch, and the weight of their mean loss: averaged over the team it is the mean over all rows.

        A process without a row takes the first with weight 0, since all must take part in the sum.
        """
        if self.size == 1:
            return x, y, 1.0
        first, last = (len(x) * (self.rank + k) // self.size for k in (0, 1))
        if first == last:
            return x[:1], y[:1], 0.0
        return x[first:last], y[first:last], (last - first) * self.size / len(x)

    def totals(self, results: Sequence[tuple[StepResult, float]]) -> list[tuple[float, float]]:
        """Losses and accuracies of whole mini-batches from those of this process's shares and their weights; one sum over the team for all."""
        read = read_all([result for result, _ in results])
        if self.size == 1 or not results:
            return read
        sizes = [sum(size for *_, size in result.pieces) if weight else 0 for result, weight in results]
        shares = [
            [loss * n, accuracy * n, n] if n else [0.0, 0.0, 0.0]
            for (loss, accuracy), n in zip(read, sizes, strict=True)
        ]
        sums = torch.tensor(shares, dtype=torch.float64)
        distributed.all_reduce(sums)
        return [(loss / n, right / n) for loss, right, n in sums.tolist()]

    def of_leader(self, value: Any) -> Any:
        """The leader's value, in every process."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=_CPU)
        return held[0]

    def torch_device(self, name: str) -> str:
        """The device of this process: of several CUDA devices the one with its number on this machine."""
        return name if self.size == 1 or not name.startswith("cuda") else f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


_current = Team()
_failed = False
"""Whether the leader left a training before its end: the others then wait for a sum that never comes and stop when the leader's process ends."""


def current() -> Team:
    """The team that this process belongs to."""
    return _current


def world() -> int:
    """How many processes the launcher began; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def team(compute: ComputeSection, take_part: Callable[[dict[str, Any]], object], *, elsewhere: bool) -> Iterator[None]:
    """Join the processes that torchrun began. The leader goes on; in the others `take_part` is called for every training, and the process ends
    with the run, by SystemExit.

    Raises InputError where there are not as many processes as `compute.processes` says, which affects the results, and where tasks are to run
    `elsewhere` (--jobs, --scheduler), which the team does not reach.
    """
    global _current, _failed
    if compute.processes > 1 and elsewhere:
        rule = "compute.processes above 1 divides one training at a time"
        raise InputError(Problem(rule, remedy="leave out --jobs and --scheduler"))
    if compute.processes != world():
        rule = f"compute.processes is {compute.processes}, but {world()} process{'es were' if world() > 1 else ' was'} started"
        remedy = f"torchrun --nproc-per-node {compute.processes} -m hybridcx run EXPERIMENT.toml"
        raise InputError(
            Problem(
                rule, remedy=remedy if compute.processes > 1 else "start it without torchrun, or set compute.processes"
            )
        )
    if compute.processes == 1:
        yield
        return
    signal.signal(signal.SIGTERM, _ended)  # the signal that torchrun sends to the others when one process has died
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    _current, _failed = Team(distributed.get_rank(), distributed.get_world_size()), False
    try:
        if not _current.leads:
            while (work := _work()) is not None:
                try:
                    take_part(work)
                except DivergedError:
                    continue  # the leader meets the same error and reports it; any other error concerns this process alone and ends it
            sys.exit(0)
        try:
            yield
        finally:
            if not _failed:
                with _someone_gone():
                    _current.of_leader(None)
    finally:
        _current = Team()
        distributed.destroy_process_group()


def _work() -> dict[str, Any] | None:
    """The next training to take part in; None at the end of the run."""
    with _someone_gone():
        work: dict[str, Any] | None = _current.of_leader(None)
    return work


@contextmanager
def _someone_gone() -> Iterator[None]:
    """Report in words that another process has ended, which torch raises as a connection error."""
    try:
        yield
    except (RuntimeError, MemoryError, distributed.DistError) as error:
        if out_of_memory(error):
            raise StoppedError(
                f"The device of process {_current.rank} has too little memory; lower train.batch_size."
            ) from error
        if _current.size > 1:
            raise StoppedError(ENDED) from error
        raise


@contextmanager
def together(work: dict[str, Any]) -> Iterator[None]:
    """A block that the whole team runs: the leader first sends the others their `work`."""
    global _failed
    with _someone_gone():
        if _current.leads:
            _current.of_leader(work)
        try:
            yield
        except DivergedError:
            raise
        except BaseException:
            _failed = True
            # The signal for the end of another process must not arrive before the message with the reason.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise


def _ended(*_: object) -> None:
    raise StoppedError(ENDED)
