"""What the [compute] table becomes on this machine and on others."""

import platform
import subprocess
import sys

import pytest
import torch

from hybridcx.deep import devices
from hybridcx.deep.devices import computing, has_bfloat16, resolve
from hybridcx.experiment.file import ComputeSection


def test_processor(monkeypatch):
    device = resolve(ComputeSection(device="cpu", threads=3))
    assert (device.torch_device, device.threads, device.ledger_dtype) == ("cpu", 3, torch.float32)
    assert "3 threads" in device.description
    assert device.training_dtype == (torch.bfloat16 if has_bfloat16("cpu") else torch.float32)
    assert resolve(ComputeSection(device="cpu")).threads == devices.physical_cores() >= 1


@pytest.mark.parametrize(
    ("capability", "bf16", "amx", "expected"),
    [
        ("AVX2", True, True, False),
        ("AVX512", True, False, True),
        ("AVX512", False, True, True),
        ("AVX512", False, False, False),
    ],
)
def test_bfloat16_only_where_the_processor_computes_in_it(monkeypatch, capability, bf16, amx, expected):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    device = resolve(ComputeSection(device="cpu", threads=1))
    assert device.training_dtype == (torch.bfloat16 if expected else torch.float32)
    assert device.notes == ()
    asked = resolve(ComputeSection(device="cpu", threads=1, training_precision="bfloat16"))
    assert asked.training_dtype == torch.bfloat16
    assert bool(asked.notes) == (not expected)
    plain = resolve(ComputeSection(device="cpu", threads=1, training_precision="float32"))
    assert plain.training_dtype == torch.float32


def test_bfloat16_by_the_flags_where_torch_has_no_probe(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.setattr(devices, "_cpu_flags", lambda: frozenset({"avx512f", "avx512_bf16"}))
    assert has_bfloat16("cpu")
    monkeypatch.setattr(devices, "_cpu_flags", lambda: frozenset({"avx512f"}))
    assert not has_bfloat16("cpu")


@pytest.mark.parametrize(
    ("cap", "expected"), [("AVX2", False), ("avx512_core", False), ("AVX512_CORE_AMX", True), ("DEFAULT", True)]
)
def test_a_cap_on_the_instructions_of_onednn_leaves_bfloat16_out(monkeypatch, cap, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert has_bfloat16("cpu") == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_cuda_by_compute_capability(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert has_bfloat16("cuda:0") == expected
    assert not has_bfloat16("mps")


def test_a_missing_accelerator_is_replaced_and_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for wanted in ("cuda", "cuda:1", "mps"):
        device = resolve(ComputeSection(device=wanted, threads=1))
        assert device.torch_device == "cpu"
        assert wanted in device.notes[0]
    assert resolve(ComputeSection(device="auto", threads=1)).notes == ()


def settings_now():
    return (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32)


def test_the_settings_hold_inside_and_are_restored_after():
    before = settings_now()
    inside = []

    def fail():
        with computing(resolve(ComputeSection(device="cpu", threads=before[0] + 1))):
            inside.append(settings_now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == [(before[0] + 1, True, False)]
    assert settings_now() == before


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library keeps no memory that it could be asked for"
)
def test_freed_memory_goes_back_to_the_system():
    """Blocks below glibc's threshold stay with the process as long as a later one lives: here 300 MB of them."""
    program = """
import resource
from hybridcx.deep.devices import return_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
blocks = [bytearray(100_000) for _ in range(3000)]
last = bytearray(100_000)
full = resident()
del blocks
kept = resident()
return_freed_memory()
print(full - kept, kept - resident())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    by_itself, asked = map(int, done.stdout.split())
    assert by_itself < 50e6
    assert asked > 250e6
