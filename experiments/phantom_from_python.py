"""The main job from Python: draw a cohort, write an experiment, run it, and read the tables.

    python experiments/phantom_from_python.py [FOLDER]

Draws 200 patients, tunes heads on the features of an untrained SqueezeNet 1.1 and fine-tunes it for two epochs: under two minutes on two cores.
Expect a head on the features well above chance and a softmax that has hardly begun to learn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import hybridcx
from hybridcx.experiment.file import CohortSection, HeadsSection, ImagesSection, NetworksSection, TrainSection
from hybridcx.progress import Progress


def main(folder: Path) -> None:
    """Run the example below `folder`."""
    with Progress() as progress:
        manifest = hybridcx.phantom(folder / "cohort", patients=200, seed=7, progress=progress)
        print(manifest["excluded"].replace("", "analysed").value_counts().to_string())
        experiment = hybridcx.Experiment(
            name="from_python",
            seed=7,
            cohort=CohortSection(manifest="cohort/manifest.csv"),
            images=ImagesSection(size_px=64),
            networks=NetworksSection(names=["squeezenet1_1"], weights="none"),
            train=TrainSection(epochs=2, learning_rate=0.003),
            heads=HeadsSection(names=["logistic", "svm_rbf", "xgboost"]),
        )
        report = hybridcx.run(experiment, base=folder, out=folder / "report", progress=progress)
    metrics = report.tables["metrics"]
    shown = metrics[(metrics["metric"] == "auroc") & metrics["recommended"] & metrics["label.rule"].isna()]
    print(shown[["model", "method", "estimate", "conf.low", "conf.high"]].to_string(index=False))
    print(report.page)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("reports/from_python"))
