"""The gradients of mini-batches on a CUDA device from a captured graph: one launch a step in place of a thousand from Python.

The rules are those of torch's notes on CUDA graphs (whole-network capture): eager steps on a side stream come first, memory that the graph reads and
writes stays where it is, nothing waits for the device during the capture. A graph is used after it has given the gradients of an eager step.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hybridcx.deep import devices
from hybridcx.deep.device_check import TOLERANCE
from hybridcx.deep.steps import Forward, StepResult, gradients
from hybridcx.deep.task import Task

WARM_UP = 3
"""Eager steps of a shape before its capture: libraries choose their kernels and take their memory in the first ones."""
NEGLIGIBLE = 1e-3
"""Tensors with less than this share of the gradients' norm are compared with that share: those of a bias before batch norm are rounding alone."""
WAITED = "called a synchronizing CUDA operation"
"""What torch warns of, on request, where the processor waits for the device: a capture would fail there."""
_failed: list[torch.cuda.CUDAGraph] = []
"""Graphs whose capture the device ended. torch's allocator may still refer to them; no other capture is tried in this process."""
_Step = Callable[..., StepResult]


@dataclass(slots=True)
class _Captured:
    """A graph with the memory that it reads (`inputs`) and writes (`result`, `gradients`); `agreed`: it gave what an eager step gave."""

    graph: torch.cuda.CUDAGraph
    shapes: tuple[object, ...]
    inputs: list[Tensor]
    result: StepResult
    gradients: list[Tensor | None]
    agreed: bool = False


class CapturedGradients:
    """`steps.gradients` of one training on a CUDA device, from a graph as soon as one can be trusted.

    While the same layers learn, the first shape of mini-batches that has come `WARM_UP` times is captured; other shapes (the incomplete batch at the
    end of an epoch) stay eager. Where other layers learn, the graph is dropped and another one captured. The first mini-batch after a capture is
    computed both ways, from the same random numbers and running statistics: the eager step counts, and loss, gradients and statistics of the graph
    must lie within `device_check.TOLERANCE` of it. Deterministic algorithms give the same bits; the few operations without one add in
    another order. If it deviates, or cannot be captured, all steps are eager, and `notes` has a sentence with the reason.
    """

    def __init__(self, title: str, model: nn.Module, torch_device: str, notes: list[str]):
        self._title, self._device, self._notes = title, torch.device(torch_device), notes
        self._parameters, self._buffers = list(model.parameters()), list(model.buffers())
        self._modules = list(model.modules())
        self._stream = torch.cuda.Stream(self._device)
        self._captured: _Captured | None = None
        self._learning: list[bool] = []
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._eager = False
        if _failed:
            self._give_up("the device refused an earlier capture of this process")

    def __call__(
        self,
        forward: Forward,
        x: Tensor,
        y: Tensor,
        task: Task,
        weight: float = 1.0,
        *,
        class_weights: Tensor | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> StepResult:
        """As `steps.gradients`, of which everything but `x`, `y` and `class_weights` must be the same in all calls."""

        def step(x: Tensor, y: Tensor, class_weights: Tensor | None = None) -> StepResult:
            return gradients(forward, x, y, task, weight, class_weights=class_weights, scaler=scaler)

        inputs = [x, y] if class_weights is None else [x, y, class_weights]
        if self._eager:
            return step(*inputs)
        learning = [p.requires_grad for p in self._parameters] + [m.training for m in self._modules]
        if learning != self._learning:
            self._captured, self._learning = None, learning
            self._seen.clear()
        shapes = tuple((t.shape, t.stride(), t.dtype) for t in inputs)
        if self._captured is None:
            return self._warmed_up(step, inputs, shapes)
        if self._captured.shapes != shapes:
            return step(*inputs)
        if self._captured.agreed:
            return self._replayed(self._captured, inputs)
        return self._compared(self._captured, step, inputs, TOLERANCE[task.device.training_dtype])

    def _warmed_up(self, step: _Step, inputs: list[Tensor], shapes: tuple[object, ...]) -> StepResult:
        """An eager step on the stream of the capture, after the last of which the graph is captured."""
        self._seen[shapes] += 1
        if self._seen[shapes] < WARM_UP:
            with self._aside():
                return step(*inputs)
        mode = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with self._aside():
                    result = step(*inputs)
            finally:
                torch.cuda.set_sync_debug_mode(mode)
        if any(WAITED in str(warning.message) for warning in said):
            self._give_up("the processor waits for the device within a step")
        else:
            self._capture(step, inputs, shapes)
        return result

    def _capture(self, step: _Step, inputs: list[Tensor], shapes: tuple[object, ...]) -> None:
        """Capture a step; nothing is computed. The gradients of the step before it are kept."""
        own, graph = self._take_gradients(), torch.cuda.CUDAGraph()
        try:
            static = [t.clone() for t in inputs]
            # The thread that reads images locks memory meanwhile, which a capture of the mode "global" takes for an error. The stream is set
            # outside as well, since torch leaves it set after a capture that failed.
            with self._aside(), torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                result = step(*static)
            self._captured = _Captured(graph, shapes, static, result, self._take_gradients())
        except RuntimeError as error:
            short = devices.out_of_memory(error)
            if not short:
                _failed.append(graph)
            self._give_up(
                "memory did not suffice for its capture" if short else f"its capture failed ({_first(error)})"
            )
        finally:
            self._give_gradients(own)

    def _replayed(self, captured: _Captured, inputs: list[Tensor]) -> StepResult:
        """The step from the graph; what is read later is copied, as the next replay writes it anew."""
        for static, given in zip(captured.inputs, inputs, strict=True):
            static.copy_(given)
        captured.graph.replay()
        self._give_gradients(captured.gradients)
        return StepResult(tuple((loss.clone(), right.clone(), n) for loss, right, n in captured.result.pieces))

    def _compared(self, captured: _Captured, step: _Step, inputs: list[Tensor], tolerance: float) -> StepResult:
        """The eager step, whose gradients, running statistics and random state are those that remain, and a look at the graph's."""
        drawn, before = torch.cuda.get_rng_state(self._device), [b.clone() for b in self._buffers]
        result = step(*inputs)
        drawn_after, after, own = (
            torch.cuda.get_rng_state(self._device),
            [b.clone() for b in self._buffers],
            self._take_gradients(),
        )
        try:
            self._give_buffers(before)
            torch.cuda.set_rng_state(drawn, self._device)
            found = self._replayed(captured, inputs)
            there, here = (float(torch.stack([loss for loss, *_ in r.pieces]).mean()) for r in (found, result))
            same = [p is None for p in captured.gradients] == [p is None for p in own]
            deviations = [
                abs(there - here) / max(abs(here), 1e-30),
                _deviation(captured.gradients, own) if same else math.inf,
                _deviation(self._buffers, after),
            ]
            finite = math.isfinite(float(_norms(own).sum()))
        except RuntimeError as error:
            self._give_up(f"it could not be launched ({_first(error)})")
        else:
            captured.agreed = finite and all(d <= tolerance for d in deviations)  # NaN is above it, too
            if finite and not captured.agreed:  # an overflow in float16 compares nothing: the next step is looked at
                self._give_up(
                    f"it computes something else (a loss of {there:.6g} instead of {here:.6g}; relative deviations of {deviations[0]:.3g}, of "
                    f"{deviations[1]:.3g} in the gradients and of {deviations[2]:.3g} in running statistics, tolerance {tolerance:g})"
                )
        finally:
            self._give_buffers(after)
            torch.cuda.set_rng_state(drawn_after, self._device)
            self._give_gradients(own)
        return result

    def _give_up(self, reason: str) -> None:
        """Compute everything that follows eagerly; the memory of a graph is free then."""
        self._eager, self._captured = True, None
        self._notes.append(
            f"The steps of {self._title} were computed without a CUDA graph: {reason}. They are right, and slower."
        )

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """The block's work on the stream of the capture: after what was asked for before the block, before what is asked for after it."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            yield
        here.wait_stream(self._stream)

    def _take_gradients(self) -> list[Tensor | None]:
        taken = [p.grad for p in self._parameters]
        self._give_gradients([None] * len(taken))
        return taken

    def _give_gradients(self, given: Sequence[Tensor | None]) -> None:
        for parameter, gradient in zip(self._parameters, given, strict=True):
            parameter.grad = gradient

    @torch.no_grad()
    def _give_buffers(self, given: list[Tensor]) -> None:
        for buffer, value in zip(self._buffers, given, strict=True):
            buffer.copy_(value)


def _norms(tensors: Iterable[Tensor | None]) -> Tensor:
    """The Euclidean norms of those that hold fractions."""
    found = [torch.linalg.vector_norm(t.detach().float()) for t in tensors if t is not None and t.is_floating_point()]
    return torch.stack(found) if found else torch.zeros(1)


def _deviation(found: Sequence[Tensor | None], own: Sequence[Tensor | None]) -> float:
    """The largest |a - b| / |b| of the tensors, with at least `NEGLIGIBLE` of the norm of all for |b|."""
    norms = _norms(own)
    least = (NEGLIGIBLE * torch.linalg.vector_norm(norms)).clamp(min=1e-30)
    differences = _norms(a - b for a, b in zip(found, own, strict=True) if a is not None and b is not None)
    return float((differences / norms.maximum(least)).amax())


def _first(error: Exception) -> str:
    """The first line of what torch says."""
    return str(error).partition("\n")[0].rstrip(".")
