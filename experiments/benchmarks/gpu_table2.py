"""Table II of the study on one GPU: seconds, images per second, share of the card's peak, and whether it computes what the processor computes.

    python experiments/benchmarks/gpu_table2.py                          on a machine with a GPU: four networks, 331 images of 224 px, 20 epochs
    python experiments/benchmarks/gpu_table2.py --device cpu --quick     anywhere, in minutes: two networks, small images, 2 epochs

For each network: fine-tuning with the defaults (232 training and 50 validation cases, random weights, random images), then the features of all
images; seconds of both, images per second of the training from its second epoch on (validations included), and 3 x the operations of a forward pass
over the peak. The peak is the manufacturer's dense one of the training's precision (`PEAKS`, or --peak-tflops); for another card it is
measured by large matrix products, which reach less, so that the share is higher. Then, against the processor in float32:

- predictions: features and logits of the trained weights on 16 images, and how many predicted classes differ;
- training: 4 epochs (--quick: 1) at 64 px in float32 without dropout on both; the largest relative difference of the losses of the first epoch.

Everything is printed as it was measured, with its target where there is one. The exit status is 1 if a target is missed (not with --quick).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from figures import keep
from torch.utils.flop_counter import FlopCounterMode

from hybridcx.deep import devices
from hybridcx.deep.features import extract
from hybridcx.deep.finetune import finetune
from hybridcx.deep.model import build, untrained_state
from hybridcx.experiment.file import STUDY_NETWORKS, ComputeSection, TrainSection
from hybridcx.vocabulary.networks import NETWORKS, network

PEAKS = {
    "B200": 2250, "H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L40": 181, "L4": 121, "A40": 150, "A30": 165,
    "A10": 125, "RTX A6000": 155, "RTX 4090": 165, "RTX 3090": 71, "V100": 125, "T4": 65,
}  # fmt: skip
"""TFLOP/s, dense, in bfloat16 or float16 with sums in float32, by a part of the card's name; the first that fits."""
TARGET_S = 60.0
AGREEMENT = {"features": 1e-3, "losses": 0.02}
"""Largest relative deviations from the processor, both in float32; those of losses grow from step to step."""


def peak_of(device: devices.Device, given: float | None, *, quick: bool) -> tuple[float, str]:
    """TFLOP/s in the training's precision, and where the number is from."""
    if given is not None:
        return given, "--peak-tflops"
    half = device.training_dtype in (torch.bfloat16, torch.float16)
    if device.kind == "cuda" and half:
        for name, peak in PEAKS.items():
            if name in torch.cuda.get_device_name(device.torch_device):
                return float(peak), f"the manufacturer's for {name}"
    n = 1024 if quick or device.kind == "cpu" else 8192
    a = torch.randn(n, n).to(device.torch_device, device.training_dtype)
    best = float("inf")
    for _ in range(5):
        wait(device)
        begun = time.perf_counter()
        for _ in range(4):
            b = a @ a
        wait(device)
        best = min(best, (time.perf_counter() - begun) / 4)
    del b
    return 2 * n**3 / best / 1e12, f"measured by products of {n} x {n} matrices"


def wait(device: devices.Device) -> None:
    """Until the device has done what it was given."""
    if device.kind == "cuda":
        torch.cuda.synchronize(device.torch_device)
    elif device.kind == "mps":
        torch.mps.synchronize()


def table2(
    name: str, o: argparse.Namespace, device: devices.Device, compute: ComputeSection, peak: float, folder: Path
) -> float:
    """Fine-tune and extract; prints a line, leaves the weights in `folder`, returns the seconds of both."""
    rng = np.random.default_rng(0)
    images, y = rng.integers(0, 256, (o.images, o.size_px, o.size_px, 3), dtype=np.uint8), np.arange(o.images) % 2
    n_train, n_validation = round(o.images * 232 / 331), round(o.images * 50 / 331)
    model = build(network(name), untrained_state(name, 0))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model(torch.rand(1, 3, o.size_px, o.size_px))
    forward = counted.get_total_flops()
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    train, paces = TrainSection(epochs=o.epochs), []
    per_epoch = max(n_train // train.batch_size, 1)

    def pace(done: int, total: int) -> None:
        if done in (per_epoch, total):
            wait(device)
            paces.append(time.perf_counter())

    begun = time.perf_counter()
    made = finetune(
        name, images, y, np.arange(n_train), np.arange(n_train, n_train + n_validation), train, compute, seed=0, weights=None,
        folder=folder, on_progress=pace,
    )  # fmt: skip
    trained = time.perf_counter() - begun
    extract(name, made.weights_path, images, compute)
    took = time.perf_counter() - begun
    rate = min(train.batch_size, n_train) * per_epoch * (o.epochs - 1) / (paces[-1] - paces[0])
    memory = f"; {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on the card" if device.kind == "cuda" else ""
    print(
        f"{name:<14}{o.epochs} epochs {trained:7.2f} s, features of {o.images} images {took - trained:6.2f} s; {rate:8.1f} images/s in training, "
        f"{100 * 3 * forward * rate / (peak * 1e12):5.1f} % of the peak (3 x {forward / 1e9:.2f} GFLOP an image){memory}",
        flush=True,
    )
    for note in made.notes:
        print(f"    note: {note}")
    return took


def predictions_agree(name: str, o: argparse.Namespace, compute: ComputeSection, folder: Path) -> bool:
    """Features and classes of the trained weights against the processor's."""
    images = np.random.default_rng(1).integers(0, 256, (16, o.size_px, o.size_px, 3), dtype=np.uint8)
    weights = folder / "weights.safetensors"
    there, here = extract(name, weights, images, compute), extract(name, weights, images, ComputeSection(device="cpu"))
    deviation = float(np.linalg.norm(there.features - here.features) / np.linalg.norm(here.features))
    assert there.logits is not None
    assert here.logits is not None
    odds = [e[:, 1] - e[:, 0] for e in (there.logits, here.logits)]
    differ = int(((odds[0] > 0) != (odds[1] > 0)).sum())
    met = deviation <= AGREEMENT["features"]
    print(
        f"{name:<14}features deviate by {deviation:.2e} of their norm (target: at most {AGREEMENT['features']:g}): {'met' if met else 'MISSED'}; "
        f"log odds by up to {np.abs(odds[0] - odds[1]).max():.2e}; {differ} of {len(images)} predicted classes differ",
        flush=True,
    )
    return met


def trainings_agree(name: str, o: argparse.Namespace, compute: ComputeSection) -> bool:
    """Losses of a small training against the processor's."""
    rng = np.random.default_rng(2)
    images, y = rng.integers(0, 156, (40, 64, 64, 3), dtype=np.uint8), np.arange(40) % 2
    images[y == 1] += 100
    train = TrainSection(epochs=1 if o.quick else 4, batch_size=8, dropout=0.0, learning_rate=1e-4)
    losses, accuracies = [], []
    for where in (compute.device, "cpu"):
        one = compute.model_copy(update={"device": where, "training_precision": "float32"})
        with tempfile.TemporaryDirectory() as folder:
            made = finetune(
                name, images, y, np.arange(32), np.arange(32, 40), train, one, seed=0, weights=None, folder=Path(folder)
            )
        losses.append(np.array(made.history["train_loss"]))
        accuracies.append(made.validation_accuracy)
    deviation = float(np.abs(losses[0][:4] / losses[1][:4] - 1).max())
    met = deviation <= AGREEMENT["losses"]
    said = f"(target: at most {AGREEMENT['losses']:g}): {'met' if met else 'MISSED'}"
    print(
        f"{name:<14}losses of the first epoch deviate by up to {deviation:.2e} {said}; "
        f"last losses {losses[0][-1]:.4f} and {losses[1][-1]:.4f}, accuracies on validation {accuracies[0]:.3f} and {accuracies[1]:.3f}",
        flush=True,
    )
    return met


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument(
        "--quick", action="store_true", help="two networks, 48 images of 64 px, 2 epochs: only that it runs"
    )
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), help="default: those of the study")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16", "float16"], default="auto")
    parser.add_argument("--no-graphs", action="store_true", help="every step eager; without it CUDA graphs are used")
    parser.add_argument("--peak-tflops", type=float, help="the card's dense peak in the training's precision")
    o = parser.parse_args()
    o.images, o.size_px, o.epochs = (48, 64, 2) if o.quick else (331, 224, 20)
    names = o.networks or (["squeezenet1_1", "resnet101"] if o.quick else list(STUDY_NETWORKS))
    compute = ComputeSection(device=o.device, training_precision=o.precision, cuda_graphs=not o.no_graphs)
    device = devices.resolve(compute)
    peak, source = peak_of(device, o.peak_tflops, quick=o.quick)
    for note in device.notes:
        print(f"note: {note}")
    print(f"{device.description}, torch {torch.__version__}; peak {peak:.3g} TFLOP/s ({source})", flush=True)
    met, total = [], 0.0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            total += table2(name, o, device, compute, peak, Path(folder))
            met.append(predictions_agree(name, o, compute, Path(folder)))
        met.append(trainings_agree(name, o, compute))
    keep(
        "gpu_table2",
        f"{', '.join(names)}, {o.epochs} epochs, {o.images} images of {o.size_px} px, {device.description}",
        total,
        "s",
    )
    target = "" if o.quick else f" (target: at most {TARGET_S:g} s): {'met' if total <= TARGET_S else 'MISSED'}"
    print(f"=> {len(names)} networks, {o.epochs} epochs, {o.images} images of {o.size_px} px: {total:.2f} s{target}")
    return 0 if o.quick or (all(met) and total <= TARGET_S) else 1


if __name__ == "__main__":
    sys.exit(main())
