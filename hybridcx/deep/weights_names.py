"""Names of tensors in files of weights that other programs saved, as torchvision's names.

A training loop that wraps the network saves its names with a prefix (`module.` of DataParallel, `model.`, `backbone.`, `encoder.`), a checkpoint
holds the state dict under a key, timm has other names for VGG and MobileNetV2 (those of ResNet and DenseNet are torchvision's), and an
`nn.Sequential` of a network's children, as RadImageNet exports it, has their numbers for names (`backbone.4.0.conv1.weight` is
`layer1.0.conv1.weight`). Values are never changed: timm's fully connected layers of VGG are convolutions over the whole map, whose numbers lie in
the same order. Of EfficientNet, ConvNeXt, ViT, Swin and others timm cuts the layers in another way; such a file belongs to `timm:NAME`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from hybridcx.vocabulary.networks import Family

CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
"""Keys of a checkpoint that may hold the state dict; the first that does is taken."""

_VGG = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
_MOBILENET = {
    "conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.18.0", "bn2": "features.18.1", "classifier": "classifier.1",
}  # fmt: skip
_FIRST_BLOCK = {"conv_dw": "conv.0.0", "bn1": "conv.0.1", "conv_pw": "conv.1", "bn2": "conv.2"}
_BLOCK = {
    "conv_pw": "conv.0.0",
    "bn1": "conv.0.1",
    "conv_dw": "conv.1.0",
    "bn2": "conv.1.1",
    "conv_pwl": "conv.2",
    "bn3": "conv.3",
}
_BLOCKS_BEFORE = (0, 1, 3, 6, 10, 13, 16)
"""MobileNetV2: inverted residuals before each of timm's stages; these have 1, 2, 3, 4, 3, 3 and 1 of them."""

_OF_TIMM = re.compile(r"(^|\.)(conv_stem|patch_embed|cls_token|stages\.\d+\.blocks|blocks\.\d+\.|head\.fc|qkv)")

BESIDE = re.compile(r"criterion|loss|loss_fn|loss_function|train_metrics|val_metrics|metrics|ema_updates|n_averaged")
"""Modules of a trainer (Lightning's and others') that are saved beside a network."""
LEFT_OUT = re.compile(r"(aux1|aux2|AuxLogits)\..*|op_threshs")
"""Tensors beside the network: the auxiliary heads of GoogLeNet and Inception v3, and TorchXRayVision's operating points."""


def looks_like_timm(names: Collection[str]) -> bool:
    """Whether names are of the kind that timm has and torchvision has not."""
    return any(_OF_TIMM.search(n) for n in names)


def torchvision_names(
    names: Collection[str], expected: Collection[str], family: Family, children: Sequence[str] = ()
) -> tuple[dict[str, str], str]:
    """Each name as torchvision's where it is another name for it, and in words what was done; "" where nothing was.

    `children`: the names of the network's children in their order, for an export by their numbers.

    >>> torchvision_names(["module.fc.weight"], {"fc.weight"}, "resnet")
    ({'module.fc.weight': 'fc.weight'}, 'all names begin with "module.", which is left out')
    """
    renamed = {n: _present_name(n) for n in names}
    notes = []
    if prefix := _prefix(renamed.values(), expected, family, children):
        n = sum(name.startswith(prefix) for name in renamed.values())
        renamed = {old: new.removeprefix(prefix) for old, new in renamed.items()}
        how_many = "all" if n == len(renamed) else f"{n} of {len(renamed)}"
        notes.append(f'{how_many} names begin with "{prefix}", which is left out')
    timm = {old: _of_timm(new, family) for old, new in renamed.items() if new not in expected}
    if timm := {old: new for old, new in timm.items() if new in expected}:
        renamed |= {old: str(new) for old, new in timm.items()}
        notes.append(f"{len(timm)} names are those of timm")
    numbered = {old: _of_sequential(new, children) for old, new in renamed.items() if new not in expected}
    if numbered := {old: new for old, new in numbered.items() if new in expected}:
        renamed |= {old: str(new) for old, new in numbered.items()}
        notes.append(f"{len(numbered)} names are the numbers of the network's children in their order")
    if len(set(renamed.values())) < len(renamed):  # two tensors of one name: which is meant is not known
        return {n: _present_name(n) for n in names}, ""
    return renamed, "; ".join(notes)


def _prefix(names: Collection[str], expected: Collection[str], family: Family, children: Sequence[str]) -> str:
    """The prefix that more than half of the names have before a name of the network; "" without one."""
    prefixes: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        rests = (".".join(parts[i:]) for i in range(len(parts)))
        rest = next(
            (
                r
                for r in rests
                if r in expected or _of_timm(r, family) in expected or _of_sequential(r, children) in expected
            ),
            None,
        )
        if rest is not None:
            prefixes[name.removesuffix(rest)] += 1
    prefix, count = prefixes.most_common(1)[0] if prefixes else ("", 0)
    return prefix if 2 * count > len(names) else ""


def _of_sequential(name: str, children: Sequence[str]) -> str | None:
    """`4.0.conv1.weight` as `layer1.0.conv1.weight`, where layer1 is the fifth child; None for a name that begins with no such number."""
    number, _, rest = name.partition(".")
    return f"{children[int(number)]}.{rest}" if number.isdecimal() and int(number) < len(children) else None


def _of_timm(name: str, family: Family) -> str | None:
    """timm's name of a tensor as torchvision's; None where it is none."""
    module, _, tensor = name.rpartition(".")
    if family == "vgg":
        return f"{_VGG[module]}.{tensor}" if module in _VGG else None
    if family != "mobilenet":
        return None
    if module in _MOBILENET:
        return f"{_MOBILENET[module]}.{tensor}"
    match = re.fullmatch(r"blocks\.([0-6])\.([0-9])\.(\w+)", module)
    if match is None:
        return None
    stage, block = int(match[1]), int(match[2])
    within: Mapping[str, str] = _BLOCK if stage else _FIRST_BLOCK
    return f"features.{1 + _BLOCKS_BEFORE[stage] + block}.{within[match[3]]}.{tensor}" if match[3] in within else None


def _present_name(name: str) -> str:
    # torchvision's DenseNet files have the names of 2017, when a module's name could contain dots.
    return re.sub(
        r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$", r"\1\2", name
    )
