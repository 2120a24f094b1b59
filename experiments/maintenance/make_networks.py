"""Make hybridcx/vocabulary/networks.csv: read and measure every classifier of the installed torchvision.

    python experiments/maintenance/make_networks.py            # writes the table (a minute)
    python experiments/maintenance/make_networks.py NAME ...   # prints these rows

Names, weights, sizes and normalisation come from torchvision's weight enums and builders. Stages, last map and bytes are found by one pass of
images of 224 x 224 pixels (ViT: of its own size) through the units of `deep/stages.py`, on the meta device:

- a stage begins at the first unit; at the first unit with parameters whose map is smaller by a third or more than that of the one before; at a
  hidden linear layer, and at the last layer, with the dropout before it. DenseNet's stages begin at its blocks, AlexNet's at every convolution,
  and a ViT, which never reduces its map, has quarters of its layers;
- the last map is the last output of at least 2 x 2 places before the classifier that is not pooled; there is none in a network with attention;
- training_bytes_px: the tensors that autograd saves for a training step, parameters apart, each storage once;
- forward_bytes_px: the largest sum of a layer's input and output in evaluation mode.

Both are float32, per image and pixel, rounded to three digits. Rows of earlier versions keep their figures (`KEPT`).
"""

from __future__ import annotations

import csv
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model_weights, list_models

from hybridcx.deep.architectures import architecture
from hybridcx.deep.measured import forward_bytes_px, training_bytes_px
from hybridcx.deep.stages import units
from hybridcx.vocabulary.networks import Network

TARGET = Path(__file__).parents[2] / "hybridcx" / "vocabulary" / "networks.csv"
COLUMNS = (
    "name", "title", "feature_dim", "last_layer", "weights_file", "family", "stages", "min_size_px", "fixed_size_px", "n_parameters",
    "n_dropout", "batch_norm", "training_bytes_px", "forward_bytes_px", "last_map", "mean", "std", "known_sha256",
)  # fmt: skip
KEPT = {
    "vgg16": (1460, 512), "vgg19": (1565, 512), "resnet101": (2530, 128), "densenet201": (4060, 128), "alexnet": (75, 32),
    "mobilenet_v2": (1560, 192), "squeezenet1_1": (420, 128),
}  # fmt: skip
"""training_bytes_px and forward_bytes_px of the networks of version 0.3, on which the estimates of earlier reports rest."""
KNOWN_SHA256 = {
    "vgg16": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "resnet101": "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
    # A re-saved copy of the same weights, as some mirrors carry it.
    "squeezenet1_1": "b5ce7fe7aa5911d813483c987a40ecafa76dbb7e23945a8f0f917319569c80a1",
}
FAMILIES = {
    "vgg": "vgg", "alexnet": "vgg", "efficientnet": "vgg", "mobilenet_v3": "vgg", "resnet": "resnet", "resnext": "resnet", "wide_resnet": "resnet",
    "densenet": "densenet", "mobilenet_v2": "mobilenet", "squeezenet": "squeezenet", "convnext": "convnext", "googlenet": "googlenet",
    "inception": "inception", "maxvit": "maxvit", "mnasnet": "mnasnet", "regnet": "regnet", "shufflenet": "shufflenet", "swin": "swin", "vit": "vit",
}  # fmt: skip
ATTENTION = ("maxvit", "swin", "vit")
TITLES = (
    (r"alexnet", "AlexNet"), (r"googlenet", "GoogLeNet"), (r"inception_v3", "Inception v3"), (r"mobilenet_v2", "MobileNetV2"),
    (r"mobilenet_v3_(\w+)", r"MobileNetV3-{0}"), (r"vgg(\d+)_bn", r"VGG-{0} with batch norm"), (r"vgg(\d+)", r"VGG-{0}"),
    (r"resnet(\d+)", r"ResNet-{0}"), (r"resnext(\d+)_(\w+)", r"ResNeXt-{0} {1}"), (r"wide_resnet(\d+)_2", r"Wide ResNet-{0}-2"),
    (r"densenet(\d+)", r"DenseNet-{0}"), (r"squeezenet(\d)_(\d)", r"SqueezeNet {0}.{1}"), (r"shufflenet_v2_x(\d)_(\d)", r"ShuffleNetV2 x{0}.{1}"),
    (r"mnasnet(\d)_(\d+)", r"MNASNet {0}.{1}"), (r"convnext_(\w+)", r"ConvNeXt-{0}"), (r"maxvit_t", "MaxViT-T"),
    (r"efficientnet_(b\d)", r"EfficientNet-{0}"), (r"efficientnet_v2_(\w)", r"EfficientNetV2-{0}"), (r"regnet_([xy])_(\w+)", r"RegNet{0} {1}"),
    (r"swin_v2_(\w)", r"Swin V2-{0}"), (r"swin_(\w)", r"Swin-{0}"), (r"vit_(\w)_(\d+)", r"ViT-{0}/{1}"),
)  # fmt: skip
_AS_WRITTEN = re.compile(r"\d+x\d+d")


@dataclass(frozen=True, slots=True)
class Passed:
    """A unit after the pass: whether it has parameters, the side of its map (None without one)."""

    name: str
    module: nn.Module
    parametric: bool
    side: int | None


def title_of(name: str) -> str:
    """The name in print."""
    for pattern, form in TITLES:
        if match := re.fullmatch(pattern, name):
            return form.format(*(_word(g) for g in match.groups()))
    raise SystemExit(f"{name}: no title; add a pattern to TITLES")


def _word(text: str) -> str:
    if _AS_WRITTEN.fullmatch(text) or text.endswith(("gf", "mf")):
        return text.replace("gf", "GF").replace("mf", "MF").replace("_", ".")
    return text.upper() if len(text) <= 2 else text.capitalize()


def family_of(name: str) -> str:
    """The longest beginning of the name that `FAMILIES` has."""
    return FAMILIES[max((k for k in FAMILIES if name.startswith(k)), key=len)]


def row_of(name: str) -> dict[str, object]:
    """The cells of one network."""
    members = list(get_model_weights(name))
    weights = next((w for w in members if w.name == "IMAGENET1K_V1"), members[0])
    family, transforms = family_of(name), weights.transforms()
    crop, (smallest, _) = transforms.crop_size[0], weights.meta["min_size"]
    fixed = crop if family == "vit" else smallest if family == "maxvit" else None
    if family == "swin":
        smallest = 32  # torchvision names the size of its training; windows are padded, and four reductions of 2 leave one place
    scaled = family in ("googlenet", "inception")  # torchvision's transform_input
    row = Network(
        name, title_of(name), 0, "", weights.url.rsplit("/", 1)[1], family, (), smallest if fixed is None else fixed, weights.meta["num_params"],
        0, False, 0, 0, fixed_size_px=fixed,
        mean=(0.5, 0.5, 0.5) if scaled else tuple(transforms.mean), std=(0.5, 0.5, 0.5) if scaled else tuple(transforms.std),
    )  # fmt: skip
    model = architecture(row, 1000, on_meta=True).eval()
    parameters = sum(p.numel() for p in model.parameters())
    if not scaled and parameters != row.n_parameters:
        raise SystemExit(f"{name}: {parameters} parameters, torchvision says {row.n_parameters}")
    last_name, last = [(n, m) for n, m in model.named_modules() if list(m.parameters(recurse=False))][-1]
    size = fixed or max(224, smallest)
    passed = _pass(row, model, size)
    training, forward = KEPT.get(name) or (training_bytes_px(model, size), forward_bytes_px(model, size))
    return {
        "name": name, "title": row.title, "feature_dim": last.weight.shape[1], "last_layer": last_name, "weights_file": row.weights_file,
        "family": family, "stages": " ".join(stages_of(row, passed, last_name)), "min_size_px": row.min_size_px, "fixed_size_px": fixed,
        "n_parameters": parameters, "n_dropout": sum(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules()),
        "batch_norm": "yes" if any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) else "no",
        "training_bytes_px": training, "forward_bytes_px": forward,
        "last_map": None if family in ATTENTION else last_map(passed, last_name), "mean": " ".join(map(str, row.mean)),
        "std": " ".join(map(str, row.std)), "known_sha256": KNOWN_SHA256.get(name, ""),
    }  # fmt: skip


@torch.inference_mode()
def _pass(row: Network, model: nn.Module, size: int) -> list[Passed]:
    x: Tensor = torch.zeros(1, 3, size, size, device="meta")
    found = []
    for name, module in units(row, model):
        x = module(x)
        side = int(x.shape[2]) if x.dim() == 4 else None  # of (n, c, h, w), and of Swin's (n, h, w, c)
        found.append(Passed(name, module, any(True for _ in module.parameters()), side))
    return found


def stages_of(row: Network, passed: list[Passed], last_name: str) -> list[str]:
    """The first units of the stages."""
    names = [u.name for u in passed]
    if row.family == "densenet":
        return ["features.conv0", *(f"features.denseblock{i}" for i in (1, 2, 3, 4)), "classifier"]
    begins, before = [], None
    layers = [n for n in names if n.startswith("encoder.layers")]
    quarters = layers[len(layers) // 4 :: len(layers) // 4][:3] if row.family == "vit" else []
    for i, u in enumerate(passed):
        if not u.parametric:
            continue
        linear = isinstance(u.module, nn.Linear) or u.name == last_name
        reduces = u.side is not None and before is not None and u.side <= before / 1.5 and u.side > 1
        every = row.name == "alexnet" and isinstance(u.module, nn.Conv2d)
        if before is None or linear or reduces or every or u.name in quarters:
            with_dropout = linear and i and isinstance(passed[i - 1].module, nn.Dropout)
            begins.append(passed[i - 1].name if with_dropout else u.name)
        before = u.side or before or 0
    return begins


def last_map(passed: list[Passed], last_name: str) -> str:
    """The unit that puts out the last convolutional map."""
    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout)
    body = passed[: [u.name for u in passed].index(last_name)]
    return [u.name for u in body if (u.side or 0) > 1 and not isinstance(u.module, pools)][-1]


def table_of(rows: list[dict[str, object]]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Write the table, or print rows."""
    torch.manual_seed(0)
    names = sys.argv[1:] or list(list_models(module=torchvision.models))
    rows = []
    for name in names:
        rows.append(row_of(name))
        print(rows[-1], flush=True)
    # The study's networks and the small ones that were there first stand first, as messages and tables have listed them.
    if not sys.argv[1:]:
        first = {n: i for i, n in enumerate(KEPT)}
        rows.sort(key=lambda r: first.get(str(r["name"]), len(first)))
        TARGET.write_text(table_of(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
