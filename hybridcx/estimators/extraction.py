"""Logits and penultimate features of a fitted estimator's network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hybridcx.estimators.refusal import require_torch
from hybridcx.experiment.file import Experiment

if TYPE_CHECKING:
    from hybridcx.deep.features import Extracted


def extract_images(experiment: Experiment, weights: Mapping[str, np.ndarray], images: np.ndarray) -> Extracted:
    """Features (n, d), float32, and logits (n, 2), float64, of images (n, S, S, 3), uint8; deviations of the device are warnings.

    Raises
    ------
    InputError
        for weights that are not those of the experiment's network.
    MissingExtraError
        without torch.
    """
    require_torch()

    from hybridcx.deep.features import extract
    from hybridcx.deep.model import state_of

    found = extract(experiment.networks.names[0], state_of(weights), images, experiment.compute)
    for note in found.notes:
        warnings.warn(note, UserWarning, stacklevel=4)
    return found
