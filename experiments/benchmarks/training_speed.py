"""Speed of training, extraction and heads, side by side with what else one would use: measured and printed, with the target beside it.

    python experiments/benchmarks/training_speed.py PART [PART ...] [options]

        steps        a training step of each network: hybridcx, a plain float32 loop, timm as its train script does it with its best flags
        last_stage   a step of the last stage on kept activations of the frozen trunk, and of the head alone, against a full step
        extraction   penultimate features in bfloat16 and float32, against a plain float32 loop
        process      whole processes from start to saved model with validation: `hybridcx run`, a bare loop, timm, fastai; seconds and peak memory
        again        a second experiment on the same cohort: what is decoded and extracted anew
        heads        7 heads x 2 feature sets x 4 networks with tuning, 331 cases
        precision    predicted classes that bfloat16 would have changed
        table        steps and extraction of hybridcx alone, written to hybridcx/pipeline/costs/speeds.csv, which `hybridcx run --dry-run` reads

timm and fastai are no dependencies: install them beside hybridcx in an environment of its own and run this there (pip install -c constraints.txt -e
".[deep]" timm fastai). Both sides are processes of their own that take turns step by step, so that another load on the machine meets both; the
ratio is the median of the ratios of neighbours. On a machine that others use, set OMP_NUM_THREADS=1 (threads that wait for a busy core spin) and
read the ratios of processor times. GPUs: gpu_table2.py. What each side does, and what is made easier for the rivals, stands in training_sides.py.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from figures import keep

HERE = Path(__file__).parent
NETWORKS = ("vgg16", "vgg19", "resnet101", "densenet201")
BATCH, EXTRACTED, SIZE_PX = 16, 32, 224
TABLE = HERE.parents[1] / "hybridcx" / "pipeline" / "costs" / "speeds.csv"
EXPERIMENT = """name = "speed"
seed = {seed}
[cohort]
manifest = "manifest.csv"
[split]
method = "manifest"
[networks]
names = ["{network}"]
weights = "none"
[train]
epochs = {epochs}
validate_every = {per_epoch}
[heads]
names = ["logistic"]
features = ["fine_tuned"]
[compute]
ledger_precision = "{precision}"
"""


def target(what: str, value: float, bound: float, unit: str = "times", *, at_most: bool = False) -> None:
    """Print a figure with its target."""
    keep("training_speed", what, value, unit)
    met = value <= bound if at_most else value >= bound
    sign = "at most" if at_most else "at least"
    print(
        f"{'=> ' + what:<72}{value:>9.2f} {unit} (target: {sign} {bound:g}): {'met' if met else 'MISSED'}", flush=True
    )


def target_of_ratios(what: str, ratios: tuple[float, float], bound: float) -> None:
    """A ratio with its target: of wall times, and beside it of processor times, which another load on the machine changes less."""
    target(f"{what} (processor time: {ratios[1]:.2f})", ratios[0], bound)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


class Side:
    """A process that does one step for every line that it is sent."""

    def __init__(self, side: str, network: str):
        self.name = side
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "training_sides.py"), "step", side, network], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended: run training_sides.py step {self.name!r} by hand to see why")
        return line

    def step(self) -> tuple[float, float]:
        """Wall time and processor time of one more step (seconds)."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, processor = self._line().split()
        return float(wall), float(processor)

    def peak_gib(self) -> float:
        """The process's largest resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 2**20

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Turns:
    """Wall and processor times per step of several sides that took turns, and the peak memory of each."""

    seconds: dict[str, list[tuple[float, float]]]
    peak_gib: dict[str, float]

    def median(self, side: str, *, processor: bool = False) -> float:
        return statistics.median(p if processor else wall for wall, p in self.seconds[side])

    def ratios(self, slow: str, fast: str) -> tuple[float, float]:
        """How many times as fast `fast` is: the medians of the ratios of neighbouring steps' wall and processor times."""
        pairs = list(zip(self.seconds[slow], self.seconds[fast], strict=True))
        return statistics.median(a[0] / b[0] for a, b in pairs), statistics.median(a[1] / b[1] for a, b in pairs)


def taking_turns(sides: list[str], network: str, rounds: int, warm_up: int = 2) -> Turns:
    """One step of each side after the other, `rounds` times after the warm-up; every second round in the opposite order."""
    running = [Side(s, network) for s in sides]
    times: dict[str, list[tuple[float, float]]] = {s: [] for s in sides}
    for k in range(warm_up + rounds):
        for side in running if k % 2 else running[::-1]:
            took = side.step()
            if k >= warm_up:
                times[side.name].append(took)
    peaks = {side.name: side.peak_gib() for side in running}
    for side in running:
        side.end()
    return Turns(times, peaks)


def show(network: str, turns: Turns, images: int) -> None:
    for side, seconds in turns.seconds.items():
        keep(
            "training_speed",
            f"{network}, {side}",
            statistics.median(images / p for _, p in seconds),
            "images/s processor",
        )
        rates = sorted(images / wall for wall, _ in seconds)
        processor = statistics.median(images / p for _, p in seconds)
        print(
            f"{network:<14}{side:<32}{statistics.median(rates):>8.2f} images/s ({rates[0]:.2f} to {rates[-1]:.2f}); {processor:.2f} a second of "
            f"processor time{turns.peak_gib[side]:>7.2f} GiB   {load()}",
            flush=True,
        )


def steps(o: argparse.Namespace) -> None:
    """Training steps."""
    for network in o.networks:
        turns = taking_turns(["hybridcx", "plain", "timm"], network, o.rounds)
        show(network, turns, BATCH)
        target_of_ratios(f"{network}: step against plain float32", turns.ratios("plain", "hybridcx"), 2.2)
        target_of_ratios(f"{network}: step against timm", turns.ratios("timm", "hybridcx"), 1.0)


def last_stage(o: argparse.Namespace) -> None:
    """Steps of a part of the network."""
    parts = ("hybridcx last stage, cached", "hybridcx head alone", "hybridcx head alone, cached")
    for network in o.networks:
        turns = taking_turns(["hybridcx", *parts], network, o.rounds)
        show(network, turns, BATCH)
        for part, bound in zip(parts, (8, 3, 8), strict=True):
            target_of_ratios(f"{network}: {part.removeprefix('hybridcx ')}", turns.ratios("hybridcx", part), bound)


def extraction(o: argparse.Namespace) -> None:
    """Batches of features."""
    ours = {"bfloat16": 2.2, "float32": 1.2}
    for network in o.networks:
        turns = taking_turns([*(f"hybridcx extraction {p}" for p in ours), "plain extraction"], network, o.rounds)
        show(network, turns, EXTRACTED)
        for precision, bound in ours.items():
            ratios = turns.ratios("plain extraction", f"hybridcx extraction {precision}")
            target_of_ratios(f"{network}: extraction in {precision} against plain", ratios, bound)


def table(o: argparse.Namespace) -> None:
    """hybridcx's own speeds, for the cost estimate. With OMP_NUM_THREADS=1 they are those of the processor time, which another load changes less."""
    from hybridcx.deep.devices import has_bfloat16, processor_name

    one = os.environ.get("OMP_NUM_THREADS") == "1"
    threads = 1 if one else o.threads
    machine = f"{processor_name()}, {threads} thread{'s' if threads != 1 else ''}"
    rows = []
    if TABLE.exists():
        with TABLE.open(encoding="utf-8", newline="") as file:
            rows = [r for r in csv.DictReader(file) if not (r["machine"] == machine and r["network"] in o.networks)]
    precision = "bfloat16" if has_bfloat16("cpu") else "float32"
    for network in o.networks:
        trained = taking_turns(["hybridcx"], network, o.rounds)
        extracted = taking_turns(["hybridcx extraction float32"], network, o.rounds)
        show(network, trained, BATCH)
        show(network, extracted, EXTRACTED)
        rows.append({
            "machine": machine, "network": network, "size_px": SIZE_PX, "training_precision": precision,
            "training_images_per_s": f"{BATCH / trained.median('hybridcx', processor=one):.2f}", "ledger_precision": "float32",
            "extraction_images_per_s": f"{EXTRACTED / extracted.median('hybridcx extraction float32', processor=one):.2f}",
            "measured": date.today().isoformat(),
        })  # fmt: skip
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"written: {TABLE}")


def cohort(folder: Path, n_train: int, n_validation: int, n_test: int) -> None:
    """Drawn films, cropped and enlarged to 1,000 x 1,000 pixels with noise, as a manifest and as folders by class."""
    import pandas as pd
    from PIL import Image

    from hybridcx.phantoms.cohort import write_phantom

    need = n_train + n_validation + n_test
    films = folder / "films"
    write_phantom(films, n_patients=max(40, int(need * 416 / 331) + 16), seed=3)
    drawn = pd.read_csv(films / "manifest.csv", dtype=str, keep_default_na=False)
    drawn = drawn[drawn["excluded"] == ""].head(need)
    rng, rows = np.random.default_rng(0), []
    splits = ["train"] * n_train + ["validation"] * n_validation + ["test"] * n_test
    for i, (film, split) in enumerate(zip(drawn.to_dict("records"), splits, strict=True)):
        box = tuple(int(film[f"crop_{edge}"]) for edge in ("left", "top", "right", "bottom"))
        large = Image.open(films / film["image"]).crop(box).resize((1000, 1000), Image.Resampling.BICUBIC)  # type: ignore[arg-type]
        grey = np.clip(np.asarray(large, dtype=float) + rng.normal(0, 3, (1000, 1000)), 0, 255).astype(np.uint8)
        place = folder / ("test" if split == "test" else "classes") / split / film["label"]
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{i:04d}.jpg"
        Image.fromarray(grey).convert("RGB").save(file, quality=90)
        rows.append((f"c{i:04d}", f"p{i:04d}", file.relative_to(folder).as_posix(), film["label"], split))
    columns = ["case_id", "patient_id", "image", "label", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "manifest.csv", index=False)
    shutil.rmtree(films)


def experiment(folder: Path, network: str, o: argparse.Namespace, seed: int = 0, precision: str = "bfloat16") -> Path:
    """The experiment file: the validation is computed in bfloat16, as the rivals' is, and comes once at the end (and after the first step)."""
    file = folder / f"{network}-{seed}.toml"
    file.write_text(
        EXPERIMENT.format(
            network=network, epochs=o.epochs, per_epoch=max(o.files[0] // BATCH, 1), seed=seed, precision=precision
        ),
        encoding="utf-8",
    )
    return file


@dataclass(frozen=True)
class Ran:
    """Seconds until the model was saved and until the process ended, peak memory of the process (GiB), its processor time."""

    saved_s: float
    ended_s: float
    peak_gib: float
    processor_s: float


def whole(side: str, network: str, data: Path, out: Path, o: argparse.Namespace, cache: Path | None = None) -> Ran:
    """Run a whole process. With `cache`, the model is saved when fine-tuning's artefact has got its name there."""
    command = [sys.executable, str(HERE / "training_sides.py"), "whole", side, network, "--data", str(data), "--out", str(out),
               "--epochs", str(o.epochs), "--workers", str(o.workers)]  # fmt: skip
    if side == "timm" and o.timm_train:
        command = [sys.executable, str(o.timm_train), "--data-dir", str(data), "--model", network, "--num-classes", "2", "--epochs",
                   str(o.epochs), "--warmup-epochs", "0", "-b", str(BATCH), "--device", "cpu", "--amp", "--amp-dtype", "bfloat16",
                   "--channels-last", "--opt", "sgd", "--lr", "3e-4", "--scale", "1", "1", "--ratio", "1", "1", "--color-jitter", "0",
                   "--train-interpolation", "bilinear", "-j", str(o.workers), "--output", str(out)]  # fmt: skip
    environment = {**os.environ, **({"HYBRIDCX_CACHE": str(cache)} if cache else {})}
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    saved: list[float] = []

    def look() -> None:
        while process.returncode is None and not saved:
            if any((cache or out).glob("finetune/*/artefact.json")) and not any(cache.glob("finetune/*.partial")):  # type: ignore[union-attr]
                saved.append(time.perf_counter() - begun)
            time.sleep(0.02)

    looking = threading.Thread(target=look) if cache else None
    errors: list[str] = []
    assert process.stderr is not None
    reading = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    reading.start()
    if looking:
        looking.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    ended = time.perf_counter() - begun
    for thread in (looking, reading):
        if thread:
            thread.join()
    if process.returncode:
        raise SystemExit(f"{side} {network} failed:\n{errors[0][-3000:]}")
    return Ran(saved[0] if saved else ended, ended, used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime)


def process(o: argparse.Namespace) -> None:
    """Whole processes, taking turns."""
    compileall.compile_dir(HERE.parents[1] / "hybridcx", quiet=1)  # as an installation does
    n_train, n_validation = o.files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort(folder, n_train, n_validation, 10)
        print(
            f"{n_train} + {n_validation} JPEG files of 1,000 x 1,000 pixels, {o.epochs} epochs, batch {BATCH}, {SIZE_PX} px; hybridcx has 10 test "
            f"files more. timm: {o.timm_train or 'driven as train.py does'}, {o.workers} workers"
        )
        for network in o.networks:
            ran: dict[str, list[Ran]] = {"hybridcx": [], "bare": [], "timm": [], "fastai": []}
            for k in range(o.rounds):
                for side in list(ran)[:: 1 if k % 2 else -1]:
                    out, cache = folder / f"out-{side}", folder / "cache"
                    for old in (out, cache):
                        shutil.rmtree(old, ignore_errors=True)
                    own = side == "hybridcx"
                    data = experiment(folder, network, o) if own else folder / "classes"
                    one = whole(side, network, data, out, o, cache if own else None)
                    ran[side].append(one)
                    print(
                        f"{network:<14}{side:<10} saved {one.saved_s:.2f} s, processor {one.processor_s:.1f} s   {load()}",
                        flush=True,
                    )
            for side, runs in ran.items():
                print(
                    f"{network:<14}{side:<10} model saved {statistics.median(r.saved_s for r in runs):7.2f} s "
                    f"({min(r.saved_s for r in runs):.2f} to {max(r.saved_s for r in runs):.2f}), process ended "
                    f"{statistics.median(r.ended_s for r in runs):7.2f} s, processor {statistics.median(r.processor_s for r in runs):.1f} s, "
                    f"peak {max(r.peak_gib for r in runs):.2f} GiB   {load()}",
                    flush=True,
                )
            for side, bound in (("timm", 1.8), ("fastai", 2.0)) if o.epochs == 1 else (("timm", 1.0), ("fastai", 1.0)):
                pairs = list(zip(ran[side], ran["hybridcx"], strict=True))
                ratio = statistics.median(a.saved_s / b.saved_s for a, b in pairs)
                bare = statistics.median(a.saved_s / b.saved_s for a, b in zip(ran[side], ran["bare"], strict=True))
                target(f"{network}: from start to saved model against {side} (a bare loop: {bare:.2f})", ratio, bound)
                memory = max(b.peak_gib for _, b in pairs) / max(a.peak_gib for a, _ in pairs)
                target(f"{network}: peak memory over {side}'s", memory, 1.0, at_most=True)


def again(o: argparse.Namespace) -> None:
    """The same cohort once more."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort(folder, *o.files, 10)
        network, cache = o.networks[-1], folder / "cache"
        first = whole("hybridcx", network, experiment(folder, network, o), folder / "first", o, cache)
        before = {p: p.stat().st_mtime_ns for p in cache.rglob("*.np[yz]")}
        same = whole("hybridcx", network, experiment(folder, network, o), folder / "same", o, cache)
        other = whole("hybridcx", network, experiment(folder, network, o, seed=1), folder / "other", o, cache)
        images = list(cache.rglob("images-*.npy"))
        print(
            f"first run {first.ended_s:.2f} s; the same again {same.ended_s:.2f} s; another seed {other.ended_s:.2f} s   {load()}"
        )
        kept = len(images) == 1 and before[images[0]] == images[0].stat().st_mtime_ns
        print(
            f"=> prepared images in the cache: {len(images)}, {'none decoded again: met' if kept else 'decoded again: MISSED'}"
        )
        untouched = all(p.exists() and p.stat().st_mtime_ns == t for p, t in before.items())
        print(f"=> features of the first run: {'untouched, none extracted again: met' if untouched else 'MISSED'}")


def heads(o: argparse.Namespace) -> None:
    """All heads on the features of untrained networks, as a run fits them."""
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.deep.features import extract
    from hybridcx.deep.model import untrained_state
    from hybridcx.experiment.file import ALL_HEADS, ComputeSection
    from hybridcx.images.store import prepare_store
    from hybridcx.phantoms.cohort import write_phantom
    from hybridcx.pipeline.heads import HeadWork, fit_all
    from hybridcx.store.artefacts import Store, content_key
    from hybridcx.workers.dask import Workers

    def write(features: np.ndarray, into: Path) -> None:
        np.save(into / "features.npy", features)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        write_phantom(folder / "cohort", n_patients=416, seed=0)
        drawn = read_manifest(folder / "cohort" / "manifest.csv")
        images = prepare_store(drawn, size_px=64, cache=folder / "images")
        at = images.positions(drawn.analysed["case_id"])
        y = np.empty(len(at), np.int64)
        y[at] = drawn.y_true
        order = np.random.default_rng(0).permutation(len(y))
        parts = {"train": np.sort(order[:232]), "validation": np.sort(order[232:282])}
        works = []
        for network in NETWORKS:
            found = extract(network, untrained_state(network, 0), images.images, ComputeSection()).features
            parts_of_key = {"network": network, "which": "initial"}
            kept = store.make("features", content_key(parts_of_key), partial(write, found), parts_of_key)
            file = kept / "features.npy"
            works += [
                HeadWork(folder / "store", ALL_HEADS, file, rows, y[rows], np.arange(len(rows)), 5, 64, 0)
                for rows in parts.values()
            ]
        print(
            f"{len(y)} cases: {len(works)} feature sets (four networks, 232 training or 50 validation cases), {len(ALL_HEADS)} heads each"
        )
        begun, used = time.perf_counter(), os.times()
        fit_all(works, store, Workers())
        took, now = time.perf_counter() - begun, os.times()
        spent = (now.user + now.children_user) - (used.user + used.children_user)
        print(f"{took:.1f} s, processor {spent:.1f} s in this process and those that have ended   {load()}")
        target("heads with tuning", took, 60, "s", at_most=True)


def precision(o: argparse.Namespace) -> None:
    """Predicted classes and features in bfloat16 against float32."""
    import pandas as pd

    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.deep.features import extract, softmax_positive
    from hybridcx.deep.finetune import finetune
    from hybridcx.experiment.file import ComputeSection, TrainSection
    from hybridcx.images.store import prepare_store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort(folder, *o.files, 40)
        drawn = read_manifest(folder / "manifest.csv")
        images = prepare_store(drawn, size_px=SIZE_PX, cache=folder / "images")
        table = drawn.analysed.set_index("case_id").loc[list(images.case_ids)]
        y, part = (table["label"] == drawn.positive).to_numpy().astype(np.int64), table["split"].to_numpy()
        for network in o.networks:
            made = finetune(
                network, images.images, y, np.flatnonzero(part == "train"), np.flatnonzero(part == "validation"),
                TrainSection(optimizer="adamw", learning_rate=1e-4, epochs=o.epochs), ComputeSection(), seed=0, weights=None,
                folder=folder / network,
            )  # fmt: skip
            both = {
                p: extract(network, made.weights_path, images.images, ComputeSection(ledger_precision=p))  # type: ignore[arg-type]
                for p in ("float32", "bfloat16")
            }
            a, b = (softmax_positive(np.asarray(e.logits)) for e in both.values())
            f, g = both["float32"].features, both["bfloat16"].features
            moved = float(np.linalg.norm(f - g) / np.linalg.norm(f))
            near = pd.Series(np.abs(a - 0.5)).quantile(0.1)
            print(
                f"{network:<14}{int(((a >= 0.5) != (b >= 0.5)).sum())} of {len(a)} predicted classes differ; scores by up to "
                f"{np.abs(a - b).max():.4f}, features by {100 * moved:.1f} % (a tenth of the scores lies within {near:.4f} of the threshold)",
                flush=True,
            )


PARTS = {
    "steps": steps, "last_stage": last_stage, "extraction": extraction, "process": process, "again": again, "heads": heads,
    "precision": precision, "table": table,
}  # fmt: skip


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=None, help="default: all; process: the last two"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side that count")
    parser.add_argument(
        "--files",
        type=int,
        nargs=2,
        default=(64, 16),
        help="training and validation files of process, again, precision",
    )
    parser.add_argument(
        "--epochs", type=int, default=1, help="of process, again, precision; the long one: --files 232 50 --epochs 20"
    )
    parser.add_argument("--workers", type=int, default=2, help="the rivals' loading processes")
    parser.add_argument(
        "--timm-train",
        type=Path,
        help="timm's train.py, from its repository pytorch-image-models (it is not in the wheel)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="table: physical cores, for the machine's name",
    )
    given = parser.parse_args()
    if given.networks is None:
        given.networks = NETWORKS[2:] if set(given.parts) <= {"process", "again"} else NETWORKS
    import torch

    from hybridcx.deep.devices import processor_name

    print(
        f"{processor_name()}, {given.threads} cores, Python {sys.version.split()[0]}, torch {torch.__version__}; {load()} at the start\n"
    )
    for part in given.parts:
        PARTS[part](given)
        print(flush=True)


if __name__ == "__main__":
    main()
