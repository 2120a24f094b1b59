"""Penultimate features and logits of a network, frozen.

The features are the input of the last layer in evaluation mode (see networks.py), so that the network's own softmax is one more head on
them: logits = features @ W.T + b, in every network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hybridcx.deep import augment, devices
from hybridcx.deep.device_check import move_checked
from hybridcx.deep.folding import fold_batch_norm
from hybridcx.deep.model import build, initial_state, last_layer, normaliser, untrained_state
from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.experiment.file import ComputeSection
from hybridcx.store.arrays import array_in_pieces
from hybridcx.vocabulary.networks import Network, check_images, network

__all__ = ["Extracted", "extract", "initial_state", "read_state", "softmax_positive", "untrained_state"]


@dataclass(frozen=True, slots=True)
class Extracted:
    """features : float32, (N, d). logits : float64, (N, 2), or None where the last layer was not trained. device, notes : for the report."""

    features: np.ndarray
    logits: np.ndarray | None
    device: str
    notes: tuple[str, ...] = ()


def softmax_positive(logits: np.ndarray) -> np.ndarray:
    """Probability of class 1: exp(l1) / (exp(l0) + exp(l1)) = 1 / (1 + exp(l0 - l1)), float64, from logits (N, 2).

    >>> softmax_positive(np.array([[0.0, 0.0], [0.0, 1000.0], [1000.0, 0.0]]))
    array([0.5, 1. , 0. ])
    """
    difference = np.asarray(logits, dtype=np.float64)
    difference = difference[:, 1] - difference[:, 0]
    small = np.exp(-np.abs(difference))  # never overflows
    return np.where(difference >= 0, 1 / (1 + small), small / (1 + small))


def extract(
    network_name: str | Network,
    state: Mapping[str, Tensor] | Path,
    images: np.ndarray,
    compute: ComputeSection,
    *,
    trained_head: bool = True,
    batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
    features_file: Path | None = None,
) -> Extracted:
    """Compute penultimate features (and logits) of all images, in their order.

    Parameters
    ----------
    network_name : a network's name, or its row
    state : a state dict with two classes (from `initial_state`) or the safetensors file of a fine-tuning
    images : uint8, (N, H, H, 3); a read-only memory map will do
    compute : the experiment's table; `ledger_precision` is used (float32 by default), whatever training used
    trained_head : False for a last layer that was never fitted: then there are no logits
    batch_size : every batch has exactly this size (the last one is filled up with its last image, and cut), so that every image is computed by the
        same kernels and its features do not depend on how many others there are
    on_progress : called with (images done, images in all)
    features_file : an .npy file to write the features into, batch by batch, so that memory does not grow with the images; the result's features are
        then its memory map

    Raises
    ------
    InputError
        for images of another shape or too small, and a state that is not this network's.
    StoppedError
        where the processor's memory does not suffice.
    """
    row = network(network_name)
    check_images(row, images)
    device = devices.resolve(compute)
    while True:
        try:
            with devices.computing(device):
                return _extract(
                    network_name, state, images, device, trained_head, batch_size, on_progress, features_file
                )
        except (RuntimeError, MemoryError) as error:
            if not devices.out_of_memory(error):
                raise
            if device.torch_device == "cpu":
                raise StoppedError(
                    f"There is not enough memory for the features of {row.name}: lower images.size_px, or --jobs."
                ) from error
            devices.empty_cache(device.torch_device)
            device = device.on_cpu(
                f"The accelerator's memory did not suffice for {row.name}: its features were computed on the processor."
            )


@torch.inference_mode()
def _extract(
    network_name: str | Network,
    state: Mapping[str, Tensor] | Path,
    images: np.ndarray,
    device: devices.Device,
    trained_head: bool,
    batch_size: int,
    on_progress: Callable[[int, int], None] | None,
    features_file: Path | None,
) -> Extracted:
    row, n = network(network_name), len(images)
    model = build(row, read_state(state), channels_last=device.channels_last)
    if row.family != "timm":  # its normalisations may hold an activation
        fold_batch_norm(model)
    move_checked(row, model, device, (device.ledger_dtype,))
    caught: list[Tensor] = []
    hook = last_layer(row, model).register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    mean, std = normaliser(row, device.torch_device)
    shape = (n, row.feature_dim)
    features = np.empty(shape if features_file is None else (0, row.feature_dim), dtype=np.float32)
    logits = np.empty((n, 2), dtype=np.float64)
    writing = nullcontext() if features_file is None else array_in_pieces(features_file, shape, np.float32)
    try:
        with writing as append:
            for begin in range(0, n, batch_size):
                rows = np.arange(begin, begin + batch_size)
                n_rows = min(batch_size, n - begin)
                batch = torch.from_numpy(np.asarray(images[rows.clip(max=n - 1)])).to(device.torch_device)
                x = augment.to_unit(batch).sub_(mean).div_(std)
                with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=device.ledger_dtype is torch.bfloat16):
                    out = model(x)
                penultimate = caught.pop().float()
                if (
                    penultimate.ndim == 4
                ):  # the last layer is a 1 x 1 convolution, as SqueezeNet's: the average commutes with it
                    penultimate = penultimate.mean(dim=(2, 3))
                if append is not None:
                    append(penultimate[:n_rows].cpu().numpy())
                elif features is not None:
                    features[begin : begin + n_rows] = penultimate[:n_rows].cpu().numpy()
                logits[begin : begin + n_rows] = out[:n_rows].float().cpu().numpy()
                if on_progress is not None:
                    on_progress(begin + n_rows, n)
    finally:
        hook.remove()
    if features_file is not None:
        features = np.load(features_file, mmap_mode="r", allow_pickle=False)
    assert features is not None
    return Extracted(features, logits if trained_head else None, device.description, device.notes)


def read_state(state: Mapping[str, Tensor] | Path) -> Mapping[str, Tensor]:
    """The state dict, read where it is a safetensors file. Raises InputError where that cannot be."""
    if not isinstance(state, Path):
        return state
    try:
        return load_file(state)
    except FileNotFoundError:
        raise InputError(Problem("the weights are not there", str(state))) from None
    except SafetensorError as error:
        raise InputError(Problem("the weights cannot be read", str(state), value=str(error))) from None
