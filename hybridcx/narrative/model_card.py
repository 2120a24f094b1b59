"""The model card of a trained network: what it is, what it was trained on, how it performed, what limits it (Mitchell and others 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from hybridcx.experiment.file import Experiment
from hybridcx.report import numbers, shown_rows
from hybridcx.vocabulary import metric as metric_of
from hybridcx.vocabulary.networks import Network

SHOWN = ("auroc", "accuracy", "sensitivity", "specificity", "brier", "calibration_intercept", "calibration_slope")


def model_card(
    row: Network,
    described: Mapping[str, object],
    models: Sequence[str],
    experiment: Experiment,
    labels: tuple[str, str],
    counts: Mapping[str, int],
    metrics: pd.DataFrame,
    caveats: Sequence[str],
    inputs: Mapping[str, str],
) -> str:
    """Markdown, the same for every repetition of the run.

    `described`: the row of the run's networks; `models`: the network's softmax and its heads; `counts`: cases of each part; `inputs`: hashes.
    """
    train, images = experiment.train_of(row.name), experiment.images
    values = shown_rows.shown_values(shown_rows.overall(metrics)) if len(metrics) else {}
    lines = [
        f"# {row.title}",
        "",
        f"{row.title} tells {labels[1]} (positive) from {labels[0]}. Trained by hybridcx in the run {experiment.name}, "
        f"seed {described.get('seed', experiment.seed)}.",
        "",
        "## Use",
        "",
        "Intended use and users: not stated; to be written by those who hand it on. "
        "It was evaluated in one run on one cohort. It is no medical device.",
        "",
        "## Training data",
        "",
        *(f"- {part}: {n} cases" for part, n in counts.items()),
        *(f"- {name}: SHA-256 {digest}" for name, digest in inputs.items()),
        "",
        "## Training",
        "",
        f"- Weights at the start: {described.get('weights')}; SHA-256 {described.get('weights_sha256') or 'none'}.",
        f"- {train.optimizer}, learning rate {train.learning_rate:g}, epochs {train.epochs}, cases per mini-batch {train.batch_size}."
        if experiment.train.enabled
        else "- Not fine-tuned: heads on the features of these weights.",
        f"- Class weights in the loss: {train.class_weights}; sampling: {train.sampling}; heads: {experiment.heads.class_weight}."
        + _weighted(experiment, row.name),
        f"- Images: {images.size_px} x {images.size_px} pixels, padding {images.pad}, resized by {images.resample}; mean {list(row.mean)}, "
        f"standard deviation {list(row.std)}.",
        f"- Trained weights: SHA-256 {described.get('trained_sha256') or 'none'}.",
        "",
        "## Performance on the run's test cases",
        "",
        f"Calls at the threshold {experiment.analysis.threshold:g}. All values: metrics.csv.",
        "",
    ]
    known = [m for m in SHOWN if any((model, m) in values for model in models)]
    lines += [
        "| model | " + " | ".join(metric_of(m).label for m in known) + " |",
        "| --- |" + " --- |" * len(known),
        *(f"| {model} | " + " | ".join(_value(values.get((model, m)), m) for m in known) + " |" for model in models),
        "",
        "## Limits",
        "",
        *(f"- {caveat}" for caveat in caveats),
        "",
        "## Use in other programs",
        "",
        "The second of two outputs is the logit of the positive class. "
        + (
            "`weights.safetensors` opens in torchvision or timm; its metadata say with which options, how images are normalised, and in what the "
            "network differs (docs/networks.md). `hybridcx predict` applies it with its heads."
            if experiment.train.enabled
            else "The network was not fine-tuned; `hybridcx predict` applies its heads."
        ),
    ]
    return "\n".join(lines) + "\n"


def _weighted(experiment: Experiment, name: str) -> str:
    """The effect of class weights on calibration; "" without any."""
    train = experiment.train_of(name)
    if (train.class_weights, train.sampling, experiment.heads.class_weight) == ("none", "none", "none"):
        return ""
    return " Probabilities are those of a population so weighted, not of the cohort: calibrate before use."


def _value(row: shown_rows.Row | None, metric: str) -> str:
    return numbers.NA if row is None else numbers.interval(metric_of(metric), *shown_rows.limits(row))
