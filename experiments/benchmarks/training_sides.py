"""The two sides of training_speed.py, each run in a process of its own: what is timed, and nothing else.

    python training_sides.py step SIDE NETWORK      one step (or one batch) for every line on standard input; its seconds are printed
    python training_sides.py whole SIDE NETWORK ... a whole process, from the first import to the saved model

The rivals are driven as well as we know how, and where a choice costs something it is made in their favour.

- plain: torchvision's network, a DataLoader over images in memory (no decoding), float32, torch's own memory order.
- timm: what its train.py does with `--amp --amp-dtype bfloat16 --channels-last`, from the same parts of the library in the same order
  (create_model, create_dataset, create_loader with workers, create_optimizer_v2, create_scheduler_v2, LabelSmoothingCrossEntropy, autocast,
  one validation an epoch, CheckpointSaver). train.py is not in timm's wheel; `--timm-train PATH` runs the script itself. Augmentation is a flip
  alone, no random crops and no colour, which are timm's defaults and cost more. As a single step it gets its images from memory.
- bare: no framework: the files decoded once, the loop that anyone has to run, the weights saved. Nothing can be much faster on the same steps, so its
  time is the bound that a target of the whole process has to be read against.
- fastai: vision_learner and fit, with autocast to bfloat16 and channels_last added by a callback; a flip of each item, no augmentation of batches
  (an affine one costs more), fastai's SGD.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH, SIZE_PX, N_IMAGES = 16, 224, 64
EXTRACTED = 32
THREADS = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as each side chooses


class Paced:
    """Times steps: one line of standard input starts a step, its wall and processor time (all threads, seconds) answer it."""

    def __init__(self) -> None:
        self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            sys.stdout.flush()
            os._exit(0)  # threads and half a training are left behind
        self._begun = time.perf_counter(), time.process_time()

    def done(self) -> None:
        """The step is done."""
        print(f"{time.perf_counter() - self._begun[0]:.6f} {time.process_time() - self._begun[1]:.6f}", flush=True)
        self._wait()

    def __call__(self, done: int, total: int) -> None:
        """The same as a progress callback."""
        self.done()


def plain_step(network: str, *, bf16: bool = False, channels_last: bool = False) -> None:
    """A loop as tutorials have it."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    from torchvision.models import get_model

    torch.manual_seed(0)
    images = TensorDataset(torch.rand(N_IMAGES, 3, SIZE_PX, SIZE_PX), torch.randint(0, 2, (N_IMAGES,)))
    loader = DataLoader(images, batch_size=BATCH, shuffle=True, drop_last=True)
    model = get_model(network, weights=None, num_classes=2).train()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=3e-4, momentum=0.9, weight_decay=0.004)
    loss_of = nn.CrossEntropyLoss()
    pace = Paced()
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = loss_of(model(x.contiguous(memory_format=torch.channels_last) if channels_last else x), y)
            loss.backward()
            optimizer.step()
            loss.item()
            pace.done()


def plain_extraction(network: str) -> None:
    """Outputs of the last layer's input, float32."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    from torchvision.models import get_model

    torch.manual_seed(0)
    model = get_model(network, weights=None).eval()
    if network.startswith("vgg"):
        model.classifier[-1] = nn.Identity()
    elif network == "resnet101":
        model.fc = nn.Identity()
    else:
        model.classifier = nn.Identity()
    loader = DataLoader(TensorDataset(torch.rand(N_IMAGES, 3, SIZE_PX, SIZE_PX)), batch_size=EXTRACTED)
    pace = Paced()
    while True:
        with torch.no_grad():
            for (x,) in loader:
                model(x).numpy()
                pace.done()


def timm_parts(network: str) -> tuple[Any, Any, Any]:
    """Model, optimiser and loss as train.py makes them."""
    import torch
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.models import create_model
    from timm.optim import create_optimizer_v2

    torch.manual_seed(42)
    model = create_model(network, pretrained=False, num_classes=2).to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=3e-4, weight_decay=0.004, momentum=0.9)
    return model, optimizer, LabelSmoothingCrossEntropy(smoothing=0.1)


def timm_step(network: str) -> None:
    """timm's step on images that are there already, in its own memory order."""
    import torch

    model, optimizer, loss_of = timm_parts(network)
    model.train()
    images, labels = torch.rand(N_IMAGES, 3, SIZE_PX, SIZE_PX), torch.randint(0, 2, (N_IMAGES,))
    pace = Paced()
    while True:
        for begin in range(0, N_IMAGES, BATCH):
            x = images[begin : begin + BATCH].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model(x), labels[begin : begin + BATCH])
            loss.backward()
            optimizer.step()
            loss.item()
            optimizer.zero_grad()
            pace.done()


def ours_step(network: str, **options: Any) -> None:
    """hybridcx.deep.finetune, as a run calls it."""
    import numpy as np

    from hybridcx.deep.finetune import finetune
    from hybridcx.experiment.file import ComputeSection, TrainSection

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N_IMAGES, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    train = TrainSection(epochs=10_000, batch_size=BATCH, **options)
    with tempfile.TemporaryDirectory() as folder:
        pace = Paced()
        finetune(
            network, images, np.arange(N_IMAGES) % 2, np.arange(N_IMAGES), np.arange(0), train, ComputeSection(threads=THREADS), seed=0,
            weights=None, folder=Path(folder), on_progress=pace, checkpoint_every_s=1e9,
        )  # fmt: skip


def ours_extraction(network: str, precision: str) -> None:
    """hybridcx.deep.features.extract, as a run calls it."""
    import numpy as np

    from hybridcx.deep.features import extract
    from hybridcx.deep.model import untrained_state
    from hybridcx.experiment.file import ComputeSection

    images = np.random.default_rng(0).integers(0, 256, (EXTRACTED * 1000, 1), dtype=np.uint8)
    shown = np.broadcast_to(images[:, :, None, None], (len(images), SIZE_PX, SIZE_PX, 3))
    compute = ComputeSection(ledger_precision=precision, threads=THREADS)  # type: ignore[arg-type]
    state = untrained_state(network, 0)
    extract(network, state, shown, compute, batch_size=EXTRACTED, on_progress=Paced())


STEPS = {
    "plain": plain_step,
    "plain bf16": lambda n: plain_step(n, bf16=True, channels_last=True),
    "timm": timm_step,
    "hybridcx": ours_step,
    "hybridcx last stage, cached": lambda n: ours_step(n, trainable_stages=1, cached_copies=1),
    "hybridcx head alone": lambda n: ours_step(n, trainable_stages=0),
    "hybridcx head alone, cached": lambda n: ours_step(n, trainable_stages=0, cached_copies=1),
    "plain extraction": plain_extraction,
    "hybridcx extraction float32": lambda n: ours_extraction(n, "float32"),
    "hybridcx extraction bfloat16": lambda n: ours_extraction(n, "bfloat16"),
}


def timm_whole(network: str, data: Path, out: Path, epochs: int, workers: int) -> None:
    """train.py's main, with its data on the processor."""
    import torch
    from timm import utils
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.scheduler import create_scheduler_v2
    from torch import nn

    model, optimizer, train_loss = timm_parts(network)
    config = resolve_data_config({"input_size": (3, SIZE_PX, SIZE_PX)}, model=model)
    shared = {
        "input_size": config["input_size"], "batch_size": BATCH, "mean": config["mean"], "std": config["std"], "num_workers": workers,
        "device": torch.device("cpu"),
    }  # fmt: skip
    loader = create_loader(
        create_dataset("", root=str(data), split="train", is_training=True, batch_size=BATCH), is_training=True, scale=(1.0, 1.0),
        ratio=(1.0, 1.0), hflip=0.5, color_jitter=0.0, interpolation="bilinear", **shared,
    )  # fmt: skip
    held = create_loader(
        create_dataset("", root=str(data), split="validation", is_training=False, batch_size=BATCH), is_training=False,
        interpolation=config["interpolation"], crop_pct=config["crop_pct"], **shared,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    saver = utils.CheckpointSaver(model=model, optimizer=optimizer, checkpoint_dir=str(out), recovery_dir=str(out))
    scheduler, _ = create_scheduler_v2(
        optimizer, sched="cosine", num_epochs=epochs, warmup_epochs=0, updates_per_epoch=len(loader)
    )
    validation_loss = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        losses = utils.AverageMeter()
        model.train()
        for i, (x, y) in enumerate(loader):
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = train_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), x.size(0))
            optimizer.zero_grad()
            scheduler.step_update(num_updates=epoch * len(loader) + i + 1, metric=losses.avg)
        model.eval()
        right, lost = utils.AverageMeter(), utils.AverageMeter()
        with torch.no_grad():
            for x, y in held:
                with torch.autocast("cpu", torch.bfloat16):
                    output = model(x.contiguous(memory_format=torch.channels_last))
                    loss = validation_loss(output, y)
                lost.update(loss.item(), x.size(0))
                right.update(utils.accuracy(output, y, topk=(1,))[0].item(), x.size(0))
        saver.save_checkpoint(epoch, metric=right.avg)
        scheduler.step(epoch + 1, right.avg)
    print(f"{lost.count} validated, loss {lost.avg:.3f}")


def fastai_whole(network: str, data: Path, out: Path, epochs: int, workers: int) -> None:
    """vision_learner and fit, bfloat16 and channels_last by hand."""
    import torch
    from fastai.vision.all import (
        SGD,
        Callback,
        FlipItem,
        ImageDataLoaders,
        Resize,
        accuracy,
        set_seed,
        vision_learner,
    )  # fmt: skip
    from torchvision import models

    class ByHand(Callback):  # type: ignore[misc]
        order = -1

        def before_fit(self) -> None:
            self.learn.model.to(memory_format=torch.channels_last)

        def before_batch(self) -> None:
            self.learn.xb = tuple(x.contiguous(memory_format=torch.channels_last) for x in self.xb)
            self.autocast = torch.autocast("cpu", torch.bfloat16)
            self.autocast.__enter__()

        def after_loss(self) -> None:
            self.autocast.__exit__(None, None, None)

    set_seed(42)
    dls = ImageDataLoaders.from_folder(
        data, train="train", valid="validation", item_tfms=[Resize(SIZE_PX), FlipItem()], bs=BATCH, num_workers=workers,
        device=torch.device("cpu"),
    )  # fmt: skip
    learner = vision_learner(
        dls, getattr(models, network), pretrained=False, metrics=accuracy, opt_func=SGD, lr=3e-4, cbs=ByHand(), path=out
    )
    with learner.no_bar():
        learner.fit(epochs)
    out.mkdir(parents=True, exist_ok=True)
    learner.save("model", with_opt=False)


def bare_whole(network: str, data: Path, out: Path, epochs: int, workers: int) -> None:
    """No framework at all: what has to be done by anyone, with the least around it. Files decoded once, bfloat16, channels_last, a flip."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.nn import functional
    from torchvision.models import get_model

    def decoded(split: str) -> tuple[torch.Tensor, torch.Tensor]:
        files = sorted((data / split).glob("*/*.jpg"))
        classes = sorted({f.parent.name for f in files})
        pixels = []
        for file in files:
            image = Image.open(file)
            image.draft("RGB", (SIZE_PX, SIZE_PX))
            pixels.append(np.asarray(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)))
        x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
            1, 3, 1, 1
        )
        return x.contiguous(memory_format=torch.channels_last), torch.tensor(
            [classes.index(f.parent.name) for f in files]
        )

    torch.manual_seed(42)
    (x, y), (held, held_y) = decoded("train"), decoded("validation")
    model = get_model(network, weights=None, num_classes=2).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=3e-4, momentum=0.9, weight_decay=0.004)
    for _ in range(epochs):
        model.train()
        order = torch.randperm(len(x))
        for begin in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[begin : begin + BATCH]
            batch = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, x[rows], x[rows].flip(3))
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(model(batch.contiguous(memory_format=torch.channels_last)), y[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            lost = sum(
                functional.cross_entropy(model(held[b : b + BATCH]), held_y[b : b + BATCH], reduction="sum").item()
                for b in range(0, len(held), BATCH)
            )
    out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), out / "model.pt")
    print(f"{len(held)} validated, loss {lost / len(held):.3f}")


def ours_whole(network: str, data: Path, out: Path, epochs: int, workers: int) -> None:
    """`hybridcx run`; `data` is the experiment file, training_speed.py looks when the model is there."""
    from hybridcx.cli.app import main

    main(["run", str(data), "--out", str(out), "--quiet"])


WHOLE = {"bare": bare_whole, "timm": timm_whole, "fastai": fastai_whole, "hybridcx": ours_whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "whole"])
    parser.add_argument("side")
    parser.add_argument("network")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.what == "step":
        print("begun", flush=True)
        STEPS[given.side](given.network)
    else:
        WHOLE[given.side](given.network, given.data, given.out, given.epochs, given.workers)


if __name__ == "__main__":
    main()
