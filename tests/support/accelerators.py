"""A pretended accelerator on the processor: tensors that are "there" compute as always, and what the real device refuses is refused.

Inside `Accelerator(kind)` the devices `cuda:0` or `mps` exist as marks on the memory of tensors. A copy there or back is a copy, its kind is
counted, and an operation on tensors of both sides raises as torch does. MPS refuses float64 and adaptive pooling to sizes that do not divide.
What it cannot show: numbers, speed and the memory of a real device, its kernels and streams. Graphs: `pretended_graphs`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_AWAY = {"cuda": torch.device("cuda:0"), "mps": torch.device("mps:0")}
_CPU = torch.device("cpu")


class Accelerator:
    """The pretended device. `counts`: `host_to_device`, of which `pageable` ones; `device_to_host`; `reads` (item, nonzero). `wrong`: factor of the
    results of its convolutions."""

    def __init__(self, kind: str, wrong: float = 1.0):
        self.kind, self.wrong, self.counts = kind, wrong, Counter[str]()
        self._marked: dict[int, StorageWeakRef] = {}
        self._pinned: dict[int, StorageWeakRef] = {}
        self._functions, self._operations = _Functions(self), _Operations(self)
        self._full = 1000
        self.capturing, self.sync_debug_mode = False, 0

    def __enter__(self) -> Accelerator:
        self._operations.__enter__()
        self._functions.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._functions.__exit__(*error)
        self._operations.__exit__(*error)

    def has(self, t: Tensor, among: dict[int, StorageWeakRef] | None = None) -> bool:
        """Whether a tensor is on the device. A weak reference keeps the address of its memory from being used again."""
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            found = (self._marked if among is None else among).get(t.untyped_storage()._cdata)
        return found is not None

    def mark(self, t: Tensor, among: dict[int, StorageWeakRef] | None = None) -> Tensor:
        among = self._marked if among is None else among
        if len(among) > self._full:
            for address in [a for a, ref in among.items() if ref.expired()]:
                del among[address]
            self._full = 2 * len(among) + 1000
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            ref = StorageWeakRef(t.untyped_storage())
        among[ref.cdata] = ref
        if self.kind == "mps" and t.dtype is torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        return t

    def waits(self) -> None:
        """The processor waits for the device: refused during a capture, and warned of on request, in torch's words."""
        if self.capturing:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand further lines")
        if self.sync_debug_mode == 1:
            warnings.warn("called a synchronizing CUDA operation", stacklevel=2)

    def moved(self, t: Tensor, there: bool, dtype: torch.dtype | None = None) -> Tensor:
        """A copy on the other side; torch converts on the side of the accelerator where one call moves and converts."""
        if self.kind == "mps" and dtype is torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        if there == self.has(t):
            return t
        self.counts["host_to_device" if there else "device_to_host"] += 1
        if not (there and self.has(t, self._pinned)):
            self.waits()
        if there and t.ndim and not self.has(t, self._pinned):
            self.counts["pageable"] += 1
        self._operations.copying = True
        try:
            copy = t.clone()
        finally:
            self._operations.copying = False
        return self.mark(copy) if there else copy

    def pinned(self, t: Tensor) -> Tensor:
        return self.mark(t.clone(), self._pinned)


def _device_of(value: Any) -> torch.device | None:
    if isinstance(value, torch.device) and value.type != "meta":
        return value
    if isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda", "mps"):
        return torch.device(value)
    return None


class _Functions(TorchFunctionMode):
    """What is asked of tensors in Python: their device, copies, and new tensors on a device."""

    def __init__(self, device: Accelerator):
        super().__init__()
        self._device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, d = dict(kwargs or {}), self._device
        if func == Tensor.device.__get__:
            return _AWAY[d.kind] if d.has(args[0]) else func(*args)
        if func is Tensor.cpu:
            return d.moved(args[0], False)
        if func is Tensor.pin_memory:
            return d.pinned(args[0])
        if func is Tensor.is_pinned:
            return d.has(args[0], d._pinned)
        if func is Tensor.to:
            t, given = args[0], [*args[1:], *kwargs.values()]
            target = next((w for w in map(_device_of, given) if w is not None), None)
            dtype = next((w for w in given if isinstance(w, torch.dtype)), None)
            if target is not None:
                t = d.moved(t, target.type != "cpu", dtype)
            kept = {k: v for k, v in kwargs.items() if k in ("copy", "memory_format") and v is not None}
            return func(t, dtype or t.dtype, **kept) if kept or dtype else t
        target = _device_of(kwargs.get("device"))
        if target is not None and target.type != "cpu":
            if d.kind == "mps" and kwargs.get("dtype") is torch.float64:
                raise TypeError("the MPS framework doesn't support float64")
            if func in (torch.tensor, torch.as_tensor):  # a copy from the processor; other new tensors are filled there
                d.waits()
            return d.mark(func(*args, **{**kwargs, "device": _CPU}))
        return func(*args, **kwargs)


class _Operations(TorchDispatchMode):
    """What is computed, below autograd, so that backward passes are seen as well."""

    def __init__(self, device: Accelerator):
        super().__init__()
        self._device, self.copying = device, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, d = kwargs or {}, self._device
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        there = [d.has(t) for t in tensors]
        name = func._schema.name
        if self.copying or not any(there) or name == "aten::_has_compatible_shallow_copy_type":
            return func(*args, **kwargs)
        if name in ("aten::_local_scalar_dense", "aten::nonzero"):
            d.counts["reads"] += 1
            d.waits()
            if name == "aten::_local_scalar_dense":
                return func(*args, **kwargs)
        if any(t.ndim and not here for t, here in zip(tensors, there, strict=True)) and name != "aten::copy_":
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found cpu and {d.kind} ({name}, {there})"
            )
        if name == "aten::copy_" and len(set(there)) == 2:
            d.counts["host_to_device" if there[0] else "device_to_host"] += 1
            d.waits()
        if d.kind == "mps":
            if any(t.dtype is torch.float64 for t in tensors) or kwargs.get("dtype") is torch.float64:
                raise TypeError("the MPS framework doesn't support float64")
            if name == "aten::_adaptive_avg_pool2d":
                sizes = zip(tensors[0].shape[-2:], args[1], strict=True)
                if any(n % m for n, m in sizes):
                    raise RuntimeError("Adaptive pool MPS: input sizes must be divisible by output sizes.")
        out = func(*args, **kwargs)
        if name in ("aten::convolution", "aten::conv2d") and d.wrong != 1:
            out = out * d.wrong
        if name not in ("aten::copy_",):
            tree_map(lambda t: d.mark(t) if isinstance(t, Tensor) else t, out)
        return out


def pretend(monkeypatch: Any, kind: str, **changes: Any) -> None:
    """Let `devices.resolve` give this device, and spare what only a real one has: its generators."""
    from dataclasses import replace

    from hybridcx.deep import devices, finetune

    resolve = devices.resolve

    def resolved(compute: Any) -> Any:
        return replace(resolve(compute.model_copy(update={"device": "cpu"})), torch_device=str(_AWAY[kind]), **changes)

    monkeypatch.setattr(devices, "resolve", resolved)
    monkeypatch.setattr(finetune, "_cuda_index", lambda _: [])
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(**{**vars(torch.cuda), "is_available": lambda: False}))
