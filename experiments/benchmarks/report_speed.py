"""How long the report of a run with 60 models takes: 4 networks, their softmax and 7 heads on 2 feature sets; 331 cases, 49 of them test cases.

    python experiments/benchmarks/report_speed.py             all of it, or the parts named:
        run         the last stage of `hybridcx run`: its plan's 10 comparisons, 2,000 resamples
        readers     the same with labels by agreement: each comparison under every labelling rule, cases in dispute
        all-pairs   `hybridcx compare --all-pairs` on the same predictions: 1,770 pairs

Measured and printed, with the target beside it; nothing is asserted. What comes before is not made: images are noise, and a stand-in for the
networks and heads gives every model simulated scores of its name, so that all later code runs as it is. Time is counted from the end of that
stage to the finished folder: the analysis, then tables and page. `--profile` prints where the time goes, which takes longer.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from figures import keep
from PIL import Image

import hybridcx
from hybridcx.analysis import compare as analysis
from hybridcx.commands import experiment as running
from hybridcx.phantoms.cohort import manifest_rows, plan_phantom
from hybridcx.pipeline import run as steps
from hybridcx.pipeline import stages as pipeline
from hybridcx.pipeline.heads import HeadWork
from hybridcx.pipeline.networks import NetworkStage
from hybridcx.streams import rng_for

NETWORKS = ("vgg16", "vgg19", "resnet101", "densenet201")
HEADS = ("logistic", "svm_linear", "svm_rbf", "knn", "random_forest", "lda", "xgboost")
ITERATIONS = 280
TARGET_S, TARGET_MB = 20, 2

EXPERIMENT = f"""
name = "sixty"
seed = 1
[cohort]
manifest = "manifest.csv"
positive = "abnormal"
[images]
size_px = 64
[networks]
names = [{", ".join(f'"{n}"' for n in NETWORKS)}]
weights = "none"
[heads]
names = [{", ".join(f'"{h}"' for h in HEADS)}]
features = ["fine_tuned", "pretrained"]
[analysis]
primary_metric = "accuracy"
n_bootstrap = 2000
"""
BY_AGREEMENT = """
[cohort.labels]
rule = "agreement"
dispute_reasons = ["reader disagreement"]
"""


class SimulatedStage(NetworkStage):
    """A network whose scores, and those of its heads, are drawn: correlated over models as the scores of one set of images are."""

    def run(self) -> None:
        rng = rng_for(1, "report_speed", self.name, "curve")
        step = np.arange(1, ITERATIONS + 1)
        loss = 0.7 * np.exp(-step / 90) + rng.normal(0, 0.02, ITERATIONS)
        validated = np.where(step % 16 == 0, loss + 0.05, np.nan)
        self.history = pd.DataFrame(
            {
                "iteration": step, "epoch": (step - 1) // 14 + 1, "train_loss": loss, "train_accuracy": 1 - loss / 2,
                "learning_rate": 3e-4, "validation_loss": validated, "validation_accuracy": 1 - validated / 2,
                "seed": self.unit.seed, "fold": self.unit.fold,
            }
        )  # fmt: skip
        self.network_fits.append(self._fit(self.name, "network", "train"))
        self._add(self.name, self._score(self.name))

    def use_heads(self, folders: Mapping[HeadWork, Path]) -> None:
        for which in ("fine_tuned", "pretrained"):
            base = self.name if which == "fine_tuned" else f"{self.name}:{self.initial}"
            fitted_on = "validation" if which == "fine_tuned" else "train"
            for head in HEADS:
                model = f"{base}+{head}"
                parents = (self.name,) if which == "fine_tuned" else ()
                self.head_fits.append(self._fit(model, "head", fitted_on, parents=parents))
                score = self._score(model)
                self._add(model, score)
                self.heads.append(
                    {
                        "model": model, "network": self.name, "head": head, "parameters": '{"C": 1.0}',
                        "features": which if which == "fine_tuned" else self.initial, "notes": "",
                        "n_fitted": self.cases.index(fitted_on).size,
                        "cv_auroc": 0.7 + 0.2 * float(score[0]), "cv_log_loss": 0.5,
                    }
                )  # fmt: skip

    def _score(self, model: str) -> np.ndarray:
        y = self.cases.y
        shared = rng_for(1, "report_speed", "shared").normal(1.4 * y - 0.7, 1.0)
        own = rng_for(1, "report_speed", model).normal(0.0, 1.0, y.size)
        return np.asarray(1 / (1 + np.exp(-(1.5 * shared + own))))


def write_cohort(folder: Path) -> None:
    """The phantom's manifest of 416 screened patients, with noise in the place of the films."""
    rows = pd.DataFrame(manifest_rows(plan_phantom(n_patients=416, seed=1)))
    rows.drop(columns=[c for c in rows if c.startswith("crop_")]).to_csv(folder / "manifest.csv", index=False)
    (folder / "images").mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (len(rows), 80, 64), dtype=np.uint8)
    for name, pixels in zip(rows["image"], noise, strict=True):
        Image.fromarray(pixels).save(folder / name)


class Timed:
    """A function of a module, replaced by itself with the time of its last call: `begun` and `ended`."""

    def __init__(self, module: ModuleType, name: str):
        self.work: Callable[..., Any] = getattr(module, name)
        self.begun = self.ended = 0.0
        setattr(module, name, self)

    def __call__(self, *given: object, **named: object) -> Any:
        self.begun = time.perf_counter()
        try:
            return self.work(*given, **named)
        finally:
            self.ended = time.perf_counter()


def told(what: str, seconds: Mapping[str, float], folder: Path) -> None:
    """Print the times and the sizes of one report."""
    total, page = sum(seconds.values()), (folder / "report.html").stat().st_size / 1e6
    tables = sum(f.stat().st_size for f in folder.glob("*.csv")) / 1e6
    keep("report_speed", what, total, "s")
    keep("report_speed", f"{what}: page", page, "MB")
    print(f"{what}: {total:.1f} s (target: at most {TARGET_S}: {'met' if total <= TARGET_S else 'MISSED'})")
    print("    " + ", ".join(f"{name} {s:.1f} s" for name, s in seconds.items()))
    print(
        f"    report.html {page:.2f} MB (target: at most {TARGET_MB}: {'met' if page <= TARGET_MB else 'MISSED'})",
        end="",
    )
    print(f", CSV files {tables:.1f} MB", flush=True)


def run(work: Path, name: str, more: str = "") -> None:
    """The last stage of a run."""
    experiment = work / f"{name}.toml"
    experiment.write_text(EXPERIMENT + more, encoding="utf-8")
    hybridcx.run(experiment, out=work / name)
    began = STAGES.ended
    told(
        f"{name}: 60 models, the plan's comparisons",
        {
            "analysis": ANALYSIS.ended - began,
            "records and agreement": FINISH.begun - ANALYSIS.ended,
            "tables and page": FINISH.ended - FINISH.begun,
        },
        work / name,
    )


def all_pairs(work: Path) -> None:
    """The same predictions through `compare`."""
    if not (work / "run").exists():
        run(work, "run")
    begun = time.perf_counter()
    hybridcx.compare(work / "run" / "predictions.parquet", out=work / "all-pairs", all_pairs=True)
    ended = time.perf_counter()
    told(
        "all-pairs: 60 models, 1,770 pairs",
        {
            "reading": COMPARED.begun - begun,
            "analysis": COMPARED.ended - COMPARED.begun,
            "tables and page": ended - COMPARED.ended,
        },
        work / "all-pairs",
    )


PARTS = {
    "run": lambda work: run(work, "run"),
    "readers": lambda work: run(work, "readers", BY_AGREEMENT),
    "all-pairs": all_pairs,
}
STAGES, ANALYSIS = (Timed(steps, name) for name in ("run_stages", "analyse_run"))
FINISH = Timed(running, "finish")
COMPARED = Timed(analysis, "analyse")


def main() -> None:
    """Run the parts asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--profile", action="store_true", help="print the functions that take most of the time")
    parser.add_argument("--keep", type=Path, help="a new folder for the reports; default: a temporary one")
    given = parser.parse_args()
    print(
        f"Python {sys.version.split()[0]}, pandas {pd.__version__}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n"
    )
    pipeline.NetworkStage = SimulatedStage
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary)
        work.mkdir(exist_ok=True)
        os.environ["HYBRIDCX_CACHE"] = str(work / "cache")
        write_cohort(work)
        for name in given.parts or PARTS:
            profile = cProfile.Profile()
            if given.profile:
                profile.enable()
            PARTS[name](work)
            if given.profile:
                profile.disable()
                text = io.StringIO()
                pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats(60)
                print(text.getvalue())


if __name__ == "__main__":
    main()
