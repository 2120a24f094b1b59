"""The words of a report on the learning curve over the number of training cases."""

from __future__ import annotations

import pandas as pd

from hybridcx.experiment.file import Experiment


def size_methods(experiment: Experiment, sizes: pd.DataFrame) -> list[str]:
    """A paragraph on what was trained on which shares, and how the curve was fitted; none where there are no sizes."""
    if sizes.empty:
        return []
    each = sizes.groupby("share")["n_train"].agg(["min", "max"])
    said = [f"{low}" if low == high else f"{low} to {high}" for low, high in zip(each["min"], each["max"], strict=True)]
    tuned = experiment.train.enabled and experiment.heads.names and "fine_tuned" in experiment.heads.features
    return [
        f"Everything was trained again on {len(said) - 1} shares of the training cases ({', '.join(said[:-1])} of {said[-1]}): drawn for each seed, "
        "nested, by class, whole patients, with the same validation and test cases and the same options (as many epochs, hence fewer iterations)."
        + (
            " Heads on fine-tuned features are fitted on the validation cases, whose number stays; their curve shows the network's part alone."
            if tuned
            else ""
        )
        + " Learning curves: metric = a - b n^(-c) (Cortes et al. 1993; Figueroa et al. 2012; Hestness et al. 2017), least squares over the sizes, "
        "a within the metric's range, b from 0, c from 0.05 to 2, fitted to the means over seeds and to each joint resample of cases and seeds; "
        "percentile limits. They are given these training cases, and hold as far as the law does."
    ]
