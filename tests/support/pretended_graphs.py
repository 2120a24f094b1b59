"""Pretended CUDA graphs on the pretended device of `accelerators`: what torch records during a capture is run again at each replay.

As on the device, a capture computes nothing: tensors of before and the random state are afterwards what they were, and new ones hold no
numbers (NaN). A replay reads and writes the memory that the capture saw, with the numbers of Python that it saw, so that inputs that were not
copied and results that were not copied in time show as wrong numbers. What makes the processor wait is refused. What it cannot show: kernels,
the order of streams, memory that is used again within a graph, and what torch leaves behind after a capture that failed, except the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerators import Accelerator, pretend
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class Graphs:
    """The graphs of a device. `captures`, `replays` : how many there were. `failing` : an error for every capture; `wrong` : factor of the results of
    convolutions in replays."""

    def __init__(self, device: Accelerator, failing: Exception | None = None, wrong: float = 1.0):
        self.device, self.failing, self.wrong = device, failing, wrong
        self.captures = self.replays = 0
        self.streams = [_Stream()]  # the last one is the current stream

    @property
    def namespace(self) -> dict[str, Any]:
        """What takes the place of the names in torch.cuda."""
        return {
            "CUDAGraph": lambda: _Graph(self),
            "graph": self._graph,
            "Stream": lambda device=None: _Stream(),
            "stream": self._stream,
            "current_stream": lambda device=None: self.streams[-1],
            "get_rng_state": lambda device=None: torch.get_rng_state(),
            "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
            "get_sync_debug_mode": lambda: self.device.sync_debug_mode,
            "set_sync_debug_mode": lambda mode: setattr(self.device, "sync_debug_mode", int(mode in (1, "warn"))),
        }

    @contextmanager
    def _stream(self, stream: _Stream) -> Iterator[None]:
        depth = len(self.streams)
        self.streams.append(stream)
        try:
            yield
        finally:
            del self.streams[depth:]

    @contextmanager
    def _graph(self, graph: _Graph, stream: _Stream, capture_error_mode: str) -> Iterator[None]:
        assert stream is not self.streams[0], "CUDA graphs must be captured on a non-default stream."
        self.streams.append(stream)
        self.captures += 1
        with graph.captured():
            yield
            if self.failing is not None:
                raise self.failing
        self.streams.pop()  # not after an error, as torch


class _Stream:
    def wait_stream(self, other: _Stream) -> None:
        pass


def _storage(t: Tensor) -> torch.UntypedStorage:
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        return t.untyped_storage()


class _Graph(TorchDispatchMode):
    def __init__(self, graphs: Graphs):
        super().__init__()
        self._graphs, self._operations = graphs, []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: dict[int, torch.UntypedStorage] = {}

    @contextmanager
    def captured(self) -> Iterator[None]:
        device, drawn = self._graphs.device, torch.get_rng_state()
        device.capturing = True
        try:
            with self:
                yield
        finally:
            device.capturing = False
            torch.set_rng_state(drawn)
            with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
                for storage, content in self._before.values():
                    storage.copy_(content)
                for storage in self._made.values():
                    storage.fill_(255)
            self._before.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = (args, kwargs or {})
        for t in tree_leaves(given):
            if isinstance(t, Tensor) and (s := _storage(t))._cdata not in self._made and s._cdata not in self._before:
                with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
                    self._before[s._cdata] = s, s.clone()
        kept = tree_map(self._kept, given)
        out = func(*args, **given[1])
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and (s := _storage(t))._cdata not in self._before:
                self._made[s._cdata] = s
        self._operations.append((func, kept, tree_map(lambda t: t.detach() if isinstance(t, Tensor) else t, out)))
        return out

    def _kept(self, t: Any) -> Any:
        """The same memory, without a history of gradients; a number on the processor is what it was at the capture."""
        if not isinstance(t, Tensor):
            return t
        return t.detach() if self._graphs.device.has(t) else t.detach().clone()

    @torch.no_grad()
    def replay(self) -> None:
        graphs = self._graphs
        graphs.replays += 1
        for func, (args, kwargs), out in self._operations:
            name = func._schema.name
            found = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(found), strict=True):
                if isinstance(old, Tensor) and _storage(old)._cdata != _storage(new)._cdata:
                    old.copy_(new * graphs.wrong if name == "aten::convolution" and graphs.wrong != 1 else new)


def pretend_graphs(
    monkeypatch: Any, device: Accelerator, *, failing: Exception | None = None, wrong: float = 1.0, **changes: Any
) -> Graphs:
    """As `accelerators.pretend` for CUDA, with graphs."""
    pretend(monkeypatch, "cuda", **{"cuda_graphs": True, **changes})
    graphs = Graphs(device, failing, wrong)
    for name, value in graphs.namespace.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return graphs
