"""Device and precision of the networks' computations, with their fallbacks.

`resolve` turns the experiment's [compute] table into a `Device`; `computing` is the context in which training and extraction run:
thread count, deterministic algorithms and full float32 (no TF32) are set there and restored afterwards.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from hybridcx.errors import InputError, Problem
from hybridcx.experiment.file import ComputeSection
from hybridcx.workers.local import worker_number


@dataclass(frozen=True, slots=True)
class Device:
    """A resolved [compute] table.

    Attributes
    ----------
    torch_device : "cpu", "cuda:0", "mps"
    training_dtype : torch.float32, or torch.bfloat16 or torch.float16 for autocast during training (weights and optimiser stay float32)
    ledger_dtype : torch.float32 or torch.bfloat16, for features and predictions that are kept, and for validation
    channels_last : memory layout of images and convolution weights
    threads : threads within one operation on the processor
    description : one line for the report
    notes : fallbacks, one sentence each
    cuda_graphs : whether the steps of a training may be captured in a CUDA graph
    """

    torch_device: str
    training_dtype: torch.dtype
    ledger_dtype: torch.dtype
    channels_last: bool
    threads: int
    description: str
    notes: tuple[str, ...] = ()
    cuda_graphs: bool = False

    @property
    def kind(self) -> str:
        """`cpu`, `cuda` or `mps`: the device without its number."""
        return self.torch_device.partition(":")[0]

    def on_cpu(self, note: str) -> Device:
        """The same settings on the processor in float32, with `note` added."""
        return replace(
            self,
            torch_device="cpu",
            training_dtype=torch.float32,
            description=_describe("cpu", torch.float32, self.threads),
            notes=(*self.notes, note),
            cuda_graphs=False,
        )

    def without_graphs(self, note: str) -> Device:
        """The same device without CUDA graphs, with `note` added."""
        return replace(self, cuda_graphs=False, notes=(*self.notes, note))


def return_freed_memory() -> None:
    """Return the memory of freed tensors to the system: glibc keeps it, and later tensors do not always fit into the gaps."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


OUT_OF_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "MPS backend out of memory",
    "std::bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What torch's errors say where memory ran out: only CUDA's own allocator raises OutOfMemoryError, all others a RuntimeError."""


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that the memory of the processor or of an accelerator did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in OUT_OF_MEMORY)


def empty_cache(torch_device: str) -> None:
    """Return the memory that an accelerator's allocator holds for tensors that are gone."""
    if torch_device.startswith("cuda") and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch_device == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def precision_name(dtype: torch.dtype) -> str:
    """`float32`, `bfloat16` or `float16`, as the experiment file spells it."""
    return str(dtype).removeprefix("torch.")


def resolve(compute: ComputeSection) -> Device:
    """Choose device, precision and threads.

    `device = "auto"` takes CUDA, then MPS, then the processor. A requested device that is absent is replaced by the processor, with a sentence in
    `notes`. Of several CUDA devices `auto` and `cuda` take the first; the processes of `--jobs` take them in turn. `training_precision = "auto"` is
    bfloat16 where the hardware computes in it (AVX512-BF16 or AMX-BF16; CUDA from compute capability 8.0), float16 on earlier CUDA devices
    from 5.3 on, float32 elsewhere. `threads = 0` takes the physical cores that this process may use.

    Raises
    ------
    InputError
        for a CUDA device number that does not exist while others do; for float16 on a device that does not train in it.
    """
    torch_device, notes = _device(compute.device)
    if compute.training_precision == "auto":
        training = torch.bfloat16 if has_bfloat16(torch_device) else torch.float32
        if training is torch.float32 and has_float16(torch_device):
            training = torch.float16
    else:
        training = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(compute.training_precision, torch.float32)
    if training is torch.float16 and not has_float16(torch_device):
        raise InputError(
            Problem(
                "float16 is for training on CUDA devices: elsewhere it is slower than float32, and overflows where float32 does not",
                column="compute.training_precision",
                value=f"float16 on {torch_device}",
                remedy='set compute.training_precision = "auto"',
            )
        )
    ledger = torch.bfloat16 if compute.ledger_precision == "bfloat16" else torch.float32
    if torch.bfloat16 in (training, ledger) and not has_bfloat16(torch_device):
        notes.append(
            "bfloat16 was asked for on a processor that does not compute in it: it is emulated, and slower than float32."
        )
    threads = compute.threads or physical_cores()
    return Device(
        torch_device=torch_device,
        training_dtype=training,
        ledger_dtype=ledger,
        channels_last=compute.channels_last,
        threads=threads,
        description=_describe(torch_device, training, threads),
        notes=tuple(notes),
        cuda_graphs=compute.cuda_graphs and torch_device.startswith("cuda"),
    )


def device_line(compute: ComputeSection) -> str:
    """One line with all that affects the last bits of results: device, instruction set, precision, threads."""
    device = resolve(compute)
    return f"{device.description}, {device.threads} to a task"


def _device(wanted: str) -> tuple[str, list[str]]:
    kind, _, number = wanted.partition(":")
    if kind == "cpu":
        return "cpu", []
    if kind in ("auto", "cuda") and torch.cuda.is_available():
        index = int(number) if number else worker_number() % max(torch.cuda.device_count(), 1)
        if index >= torch.cuda.device_count():
            remedy = f"use cuda:0 to cuda:{torch.cuda.device_count() - 1}"
            raise InputError(
                Problem("there is no such CUDA device", column="compute.device", value=wanted, remedy=remedy)
            )
        return f"cuda:{index}", []
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps", []
    if kind == "auto":
        return "cpu", []
    return "cpu", [f"The requested device {wanted} is not available: everything was computed on the processor."]


def _describe(torch_device: str, training: torch.dtype, threads: int) -> str:
    precision = precision_name(training)
    if torch_device.startswith("cuda"):
        # without the device's number: the second of two equal cards computes what the first does
        return f"{torch.cuda.get_device_name(torch_device)} (cuda), training in {precision}"
    if torch_device == "mps":
        return f"Apple GPU (mps), training in {precision}"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{processor_name()} ({capability}, {threads} thread{'s' if threads != 1 else ''}), training in {precision}"


_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Values of oneDNN's cap on instruction sets that leave bfloat16 out."""


def has_bfloat16(torch_device: str) -> bool:
    """Whether the hardware behind `torch_device` multiplies in bfloat16 natively. False where it cannot be known."""
    if torch_device.startswith("cuda"):
        return torch.version.hip is not None or torch.cuda.get_device_capability(torch_device) >= (8, 0)
    if torch_device == "mps":
        return False
    # torch's own probes are private names; /proc/cpuinfo is the fallback where they are gone. What torch itself uses is capped by
    # ATEN_CPU_CAPABILITY, which get_cpu_capability reports.
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    # below this cap oneDNN emulates bfloat16, several times slower than float32
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BFLOAT16:
        return False
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    if any(callable(p) for p in probes):
        return any(bool(p()) for p in probes if callable(p))
    return bool(_cpu_flags() & {"avx512_bf16", "amx_bf16"})


def has_float16(torch_device: str) -> bool:
    """Whether float16 is worth training in on `torch_device`: CUDA from compute capability 5.3, the first with its arithmetic."""
    if not torch_device.startswith("cuda"):
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(torch_device) >= (5, 3)


def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.partition(":")[2].split()) for line in text.splitlines() if line.startswith("flags")),
        frozenset(),
    )


@cache
def processor_name() -> str:
    """The processor's model, or its architecture where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or "processor"


@cache
def physical_cores() -> int:
    """Physical cores that this process may use (affinity and container limits counted), at least 1."""
    from loky import cpu_count

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # if the number of physical cores is unknown, loky warns and returns the number of logical cores
        return max(1, int(cpu_count(only_physical_cores=True)))


@contextmanager
def computing(device: Device) -> Iterator[None]:
    """Set threads, deterministic algorithms and full float32 for the block, and restore what was there before.

    Deterministic algorithms are asked for with `warn_only`: a few operations (adaptive pooling's backward on CUDA) have none.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    if device.torch_device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its first use
    try:
        torch.set_num_threads(device.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # filling new tensors would write each of them twice
        with (
            warnings.catch_warnings(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
