"""From an estimator's parameters to the keys of an experiment, whose checks and defaults are the same; seeds and initial weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from hybridcx.errors import InputError
from hybridcx.estimators.refusal import RefusedInputError, refused
from hybridcx.experiment.file import CohortSection, Experiment, with_changes
from hybridcx.vocabulary.networks import check_size, network

if TYPE_CHECKING:
    from hybridcx.deep.model import State
    from hybridcx.deep.weights_file import WeightsFile

PARAMETERS = {
    "images.size_px": "image_size_px",
    "images.pad": "pad",
    "images.resample": "resample",
    "networks.names.0": "network",
    "train.preset": "preset",
    "train.epochs": "epochs",
    "train.batch_size": "batch_size",
    "train.learning_rate": "learning_rate",
    "train.weight_decay": "l2",
    "compute.device": "device",
    "compute.threads": "threads",
    "compute.training_precision": "training_precision",
}
"""The parameter for each key of an experiment file that has one; the other keys of [train] are those of `train_options`."""
NOT_OPTIONS = {
    "enabled": "an estimator always trains",
    "network": "an estimator has one network: give the option itself",
}
_KEY = re.compile(r"`((?:images|networks|train|compute)\.[\w.]+)`")
_BLANK = Experiment(name="estimator", cohort=CohortSection(manifest="X"))


def experiment_of(values: Mapping[str, object], train_options: Mapping[str, object] | None = None) -> Experiment:
    """The experiment that has these parameters (by their names; None leaves a key to its default or to the preset) and options of training.

    Raises
    ------
    RefusedInputError
        for values that the experiment file would not take either, by the parameters' names.
    """
    sections: dict[str, dict[str, object]] = {
        "images": {},
        "networks": {},
        "train": _options(train_options),
        "compute": {},
    }
    for key, parameter in PARAMETERS.items():
        section, name = key.split(".")[:2]
        value = _plain(values.get(parameter))
        if value is not None:
            sections[section][name] = [value] if name == "names" else value
    try:
        experiment = with_changes(_BLANK, sections, None)
        check_size(network(experiment.networks.names[0]), experiment.images.size_px)
    except InputError as error:
        raise RefusedInputError(replace(p, rule=_KEY.sub(_parameter, p.rule)) for p in error.problems) from None
    return experiment


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed of one fit, by scikit-learn's conventions: an integer is the seed itself, else it is drawn (None: from NumPy's global state).

    Raises
    ------
    ValueError
        for what is none of these, in scikit-learn's words.
    """
    generator = check_random_state(random_state)
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(generator.randint(2**31 - 1))


def initial_weights(name: str, weights: str | os.PathLike[str]) -> WeightsFile | State | None:
    """The weights to start from, found and checked: `imagenet`, `none`, or a folder or file with weights of the user's own.

    Raises
    ------
    InputError
        where there are none (with how to get them), or they are refused.
    """
    from hybridcx.deep.weights import default_folder, find, load_state_dict, locate

    row, path = network(name), None
    if not isinstance(weights, str | os.PathLike):
        raise refused("weights is `imagenet`, `none`, a folder or a file", weights)
    if weights == "none":
        return None
    if weights != "imagenet":
        path = Path(weights).expanduser()
        if path.is_file():
            return load_state_dict(path, name)
        if not path.is_dir():
            raise refused(
                "weights is `imagenet`, `none`, a folder or a file, and this is neither a folder nor a file", weights
            )
    folder = path or default_folder()
    if find(row, folder) is None:
        raise refused(
            f"the weights of {row.title} are not here",
            remedy=f"run `hybridcx weights fetch {name}` where there is internet, or carry {row.weights_file} (or {name}.safetensors) there "
            'by hand; weights=FOLDER takes them from another folder, weights="none" starts from random ones',
            where=str(folder),
        )
    return locate(name, "imagenet" if path is None else "folder", path)


def _options(options: Mapping[str, object] | None) -> dict[str, object]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise refused(
            "train_options is a mapping of keys of the experiment's table [train]", options, "such as {'dropout': 0.2}"
        )
    own = {key.removeprefix("train."): parameter for key, parameter in PARAMETERS.items() if key.startswith("train.")}
    for key in options:
        if key in own:
            raise refused(
                f"train_options has the key `{key}`, which is the parameter `{own[key]}`", remedy=f"give {own[key]}=..."
            )
        if key in NOT_OPTIONS:
            raise refused(f"train_options cannot have the key `{key}`", remedy=NOT_OPTIONS[str(key)])
    return {str(key): _plain(value) for key, value in options.items()}


def _plain(value: object) -> object:
    """NumPy's scalars as Python's: a grid of np.logspace holds the former."""
    return value.item() if isinstance(value, np.generic) else value


def _parameter(match: re.Match[str]) -> str:
    key = match[1]
    return f"`{PARAMETERS[key]}`" if key in PARAMETERS else f"`train_options[{key.removeprefix('train.')!r}]`"
