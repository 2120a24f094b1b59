"""Speed and memory, measured and printed; nothing is asserted.

    python experiments/benchmarks/speed.py start        import hybridcx, hybridcx --help (byte-compiled first)
    python experiments/benchmarks/speed.py networks     images per second of training and extraction, four networks at 224
    python experiments/benchmarks/speed.py demo         the demo from an empty cache: seconds and peak memory

`networks` takes about ten minutes on two cores. It sets float32 in torch's own memory order beside channels_last and, where the processor computes in
it, bfloat16, in one run; medians of a few steps at batch 16 after one warm-up step. Beside other tools: training_speed.py.
"""

from __future__ import annotations

import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import keep

NETWORKS = ("vgg16", "vgg19", "resnet101", "densenet201")
BATCH, SIZE_PX, STEPS = 16, 224, 3


def seconds(command: list[str], runs: int = 5) -> float:
    """Median wall time of a command after a warm-up."""
    times = []
    for run in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if run:
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def start() -> None:
    """Start-up, byte-compiled."""
    import hybridcx

    compileall.compile_dir(Path(hybridcx.__file__).parent, quiet=2)
    bare = seconds([sys.executable, "-c", "pass"])
    print(f"python -c pass          {bare:.3f} s")
    for what, command in {
        "import hybridcx": ["-c", "import hybridcx"],
        "hybridcx --help": ["-m", "hybridcx.cli.app", "--help"],
    }.items():
        took = seconds([sys.executable, *command])
        print(f"{what:<24}{took:.3f} s")
        keep("speed", what, took, "s")


def networks() -> None:
    """Images per second, plain float32 against what a run does."""
    import torch
    from torch import nn
    from torchvision.models import get_model

    import hybridcx.deep  # noqa: F401  (sets the environment before torch is loaded)
    from hybridcx.deep.devices import has_bfloat16, processor_name

    modes = [("float32", False, False), ("channels_last", True, False)]
    if has_bfloat16("cpu"):
        modes.append(("bf16 + channels_last", True, True))
    print(
        f"{processor_name()}, {torch.get_num_threads()} threads, batch {BATCH}, {SIZE_PX} px, torch {torch.__version__}"
    )
    if not has_bfloat16("cpu"):
        print("no bfloat16 arithmetic on this processor: hybridcx trains in float32 here")
    print(f"{'network':<14}{'mode':<24}{'training':>10}{'extraction':>12}   images/s")
    for name in NETWORKS:
        for mode, last, bf16 in modes:
            torch.manual_seed(0)
            model = get_model(name, weights=None, num_classes=2)
            x, y = torch.rand(BATCH, 3, SIZE_PX, SIZE_PX), torch.randint(0, 2, (BATCH,))
            if last:
                model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.004, fused=last)
            loss_of = nn.CrossEntropyLoss()
            trained, extracted = [], []
            model.train()
            for step in range(STEPS + 1):
                begun = time.perf_counter()
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    loss = loss_of(model(x), y)
                loss.backward()
                optimizer.step()
                if step:
                    trained.append(BATCH / (time.perf_counter() - begun))
            model.eval()
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                for step in range(STEPS + 1):
                    begun = time.perf_counter()
                    model(x)
                    if step:
                        extracted.append(BATCH / (time.perf_counter() - begun))
            print(
                f"{name:<14}{mode:<24}{statistics.median(trained):>10.2f}{statistics.median(extracted):>12.2f}",
                flush=True,
            )
            what = f"{name}, {mode}, batch {BATCH}, {SIZE_PX} px"
            keep("speed", f"{what}: training", statistics.median(trained), "images/s")
            keep("speed", f"{what}: extraction", statistics.median(extracted), "images/s")


def demo() -> None:
    """The demo from an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "hybridcx.cli.app", "demo", "--out", str(Path(folder) / "demo")],
            check=True,
            env={**os.environ, "HYBRIDCX_CACHE": str(Path(folder) / "cache")},
        )
        elapsed = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # KiB on Linux
        print(f"demo                    {elapsed:.1f} s, largest process {peak:.2f} GiB")
        keep("speed", "demo", elapsed, "s")
        keep("speed", "demo: largest process", peak, "GiB")


if __name__ == "__main__":
    chosen = {"start": start, "networks": networks, "demo": demo}.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if chosen is None:
        sys.exit(__doc__)
    chosen()
