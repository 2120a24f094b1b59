"""A fine-tuned network as an ONNX file, compared with ours on real images before it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hybridcx.deep.features import extract, softmax_positive
from hybridcx.deep.model import build, last_layer, normaliser
from hybridcx.errors import StoppedError
from hybridcx.experiment.file import ComputeSection
from hybridcx.vocabulary.networks import Network

TOLERANCE = 1e-4
"""Largest difference of a probability between ONNX Runtime and ours, and of a feature in units of the largest feature."""


class _Exported(nn.Module):
    """From RGB images scaled to 0..1, (n, 3, H, W), to logits (n, 2) and penultimate features (n, d); the normalisation is part of it."""

    def __init__(self, row: Network, model: nn.Module):
        super().__init__()
        self.model, self._caught = model, list[Tensor]()
        self.mean, self.std = (nn.Buffer(t) for t in normaliser(row, "cpu"))
        last_layer(row, model).register_forward_pre_hook(lambda _, inputs: self._caught.append(inputs[0]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self._caught.clear()
        logits = self.model((images - self.mean) / self.std)
        features = self._caught.pop()
        return logits, features.mean(dim=(2, 3)) if features.ndim == 4 else features


def export_onnx(row: Network, weights: Path, path: Path, images: np.ndarray) -> tuple[float, float]:
    """Write the network with these weights as an ONNX file: input `images`, outputs `logits` and `features`, any number of images.

    Parameters
    ----------
    row : the network; weights : its safetensors file; path : the file to write.
    images : uint8, (n, H, H, 3), on which ONNX Runtime is compared with our own extraction (`extract`).

    Returns
    -------
    The largest absolute difference of the positive class's probability, and that of a feature in units of the largest feature.

    Raises
    ------
    StoppedError
        where it is above `TOLERANCE`; no file is left.
    """
    import onnxruntime

    ours = extract(row, weights, images, ComputeSection(device="cpu"))
    assert ours.logits is not None
    module = _Exported(row, build(row, load_file(weights), channels_last=False)).eval()
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
    program = torch.onnx.export(
        module, (x[:2],), dynamo=True, input_names=["images"], output_names=["logits", "features"],
        dynamic_shapes={"images": {0: torch.export.Dim("n")}}, verbose=False,
    )  # fmt: skip
    assert program is not None
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits, features = (np.asarray(a, dtype=np.float64) for a in session.run(None, {"images": x.numpy()}))
    probability = float(np.abs(softmax_positive(ours.logits) - softmax_positive(logits)).max())
    feature = float(np.abs(ours.features - features).max() / np.abs(ours.features).max())
    if not max(probability, feature) <= TOLERANCE:
        path.unlink()
        raise StoppedError(
            f"The ONNX file of {row.name} computes something else: a probability differs by {probability:.2g} and a feature by {feature:.2g} of the "
            f"largest, {TOLERANCE:g} is allowed."
        )
    return probability, feature
