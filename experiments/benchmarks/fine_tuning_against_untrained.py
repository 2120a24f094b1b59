"""Does fine-tuning learn something that untrained features do not have? Mean of three seeds on the phantom cohort.

    python experiments/benchmarks/fine_tuning_against_untrained.py [NETWORK [EPOCHS]]

For each seed: its own phantom cohort, split, initialisation and training, from random weights, with the demo's options (epochs aside). Printed
are test AUROCs: the network's fine-tuned softmax, and the best of the seven heads on its untrained features, best by the test set itself, which
favours the heads. Default densenet201, 12 epochs: about 10 minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd
from figures import keep

import hybridcx
from hybridcx.experiment.file import Experiment
from hybridcx.progress import Progress

DEMO = Path(__file__).resolve().parents[1] / "demo.toml"
SEEDS = (1, 2, 3)


def main(network: str, epochs: int) -> None:
    """Run the three seeds and print the table."""
    base = hybridcx.read_experiment(DEMO).model_dump()
    base["train"]["network"] = {}
    rows = []
    for seed in SEEDS:
        options = {
            **base,
            "name": f"{network}_{seed}",
            "seed": seed,
            "cohort": {"phantom": {**base["cohort"]["phantom"], "seed": seed}},
            "networks": {"names": [network], "weights": "none"},
            "train": {**base["train"], "epochs": epochs},
            "heads": {**base["heads"], "features": ["pretrained"]},
        }
        with tempfile.TemporaryDirectory() as folder, Progress() as progress:
            report = hybridcx.run(Experiment.model_validate(options), out=Path(folder) / "report", progress=progress)
        found = report.tables["metrics"].query("metric == 'auroc' and recommended").set_index("model")["estimate"]
        heads = found.drop(network)
        rows.append(
            {"seed": seed, "softmax": found[network], "best head, untrained": heads.max(), "which": heads.idxmax()}
        )
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    untrained = float(table["best head, untrained"].mean())
    keep(
        "fine_tuning_against_untrained", f"{network}, {epochs} epochs: mean AUROC of the softmax", float(table["softmax"].mean()), "", "best head",
        untrained, more_is_better=True,
    )  # fmt: skip
    print(
        f"mean: softmax {table['softmax'].mean():.3f}, best head on untrained features {table['best head, untrained'].mean():.3f}"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "densenet201", int(sys.argv[2]) if len(sys.argv) > 2 else 12)
