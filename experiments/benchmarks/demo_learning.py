"""What the networks of the demo learn: test AUROC of each softmax over three seeds, and the seconds of each stage.

    python experiments/benchmarks/demo_learning.py [SEED ...]      default 1 2 3

Each seed runs the whole demo from an empty cache, with its own phantom cohort, split and initialisation. Seconds are those of the clock and of the
processors (helper processes included).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from figures import keep

import hybridcx
from hybridcx.experiment.file import Experiment
from hybridcx.progress import Progress

DEMO = Path(__file__).resolve().parents[1] / "demo.toml"
SEEDS = (1, 2, 3)


class Clock(Progress):
    """Notes the time whenever a task begins or a message comes."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.marks: list[tuple[str, float, float]] = []
        self.mark("start")

    def mark(self, what: str) -> None:
        self.marks.append((what, time.perf_counter(), sum(os.times()[:4])))

    def say(self, text: str) -> None:
        self.mark(text)

    def track(self, what: str) -> Callable[[int, int | None], None]:
        self.mark(what)
        return super().track(what)

    def track_epochs(self, what: str, epochs: int) -> Callable[[int, int], None]:
        self.mark(what)
        return super().track_epochs(what, epochs)

    def table(self) -> pd.DataFrame:
        """Seconds from each mark to the next."""
        rows = [
            {"stage": stage, "clock": end - begin, "processors": used_after - used}
            for (stage, begin, used), (_, end, used_after) in zip(self.marks, self.marks[1:], strict=False)
        ]
        return pd.DataFrame(rows).groupby("stage", sort=False).sum().query("clock >= 0.1").reset_index()


def main(seeds: list[int]) -> None:
    """Run the demo with each seed and print its stages and the AUROCs so far."""
    base = hybridcx.read_experiment(DEMO).model_dump()
    aurocs = {}
    for seed in seeds:
        phantom = {**base["cohort"]["phantom"], "seed": seed}
        experiment = Experiment.model_validate({**base, "seed": seed, "cohort": {"phantom": phantom}})
        with tempfile.TemporaryDirectory() as folder, Clock() as clock:
            report = hybridcx.run(experiment, out=Path(folder) / "report", cache=Path(folder) / "cache", progress=clock)
            clock.mark("end")
        stages = clock.table()
        print(f"seed {seed}: {stages['clock'].sum():.0f} s, processors {stages['processors'].sum():.0f} s")
        print(stages.round(1).to_string(index=False), flush=True)
        keep("demo_learning", f"demo, seed {seed}", float(stages["processors"].sum()), "s processor")
        metrics = report.tables["metrics"]
        rows = metrics[(metrics["metric"] == "auroc") & metrics["recommended"] & metrics["subgroup"].isna()]
        aurocs[seed] = rows.drop_duplicates("model").set_index("model")["estimate"][experiment.networks.names]
        print(pd.DataFrame(aurocs).assign(mean=lambda t: t.mean(axis=1)).round(3).to_string(), flush=True)


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or list(SEEDS))
