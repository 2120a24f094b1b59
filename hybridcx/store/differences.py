"""Why a result is computed although the cache holds one like it: the inputs in which the most similar cached result differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from hybridcx.errors import printable

MAX_NAMED = 4
MAX_SHOWN_CHARS = 40
_STAGES = {
    "phantom": "the phantom cohort",
    "features": "features",
    "finetune": "the fine-tuning",
    "heads": "the heads",
    "saliency": "saliency maps",
    "casebook": "the casebook's pictures",
    "untrained": "random weights",
}
_FEATURES = {"initial": "on features before fine-tuning", "trained": "on fine-tuned features"}
# Inputs whose values are hashes or describe single cases: messages name them without their values.
_PARTS = {
    "images": "the images",
    "all images": "the images",
    "cases": "the cases, their labels or the split",
    "code": "the code of hybridcx",
    "weights": "the weights to start from",
    "features": "the features",
    "rows": "the cases to fit on",  # of artefacts of earlier versions
    "y": "the labels of the cases to fit on",
    "groups": "the patients of the cases to fit on",
    "maps": "the maps",
    "device": "the device",
}
Parts = Mapping[str, object]


def result_words(stage: str, parts: Parts) -> str:
    """The result of a stage in words, without cases and paths.

    >>> result_words("features", {"network": "vgg16", "which": "initial"})
    'features of vgg16 before fine-tuning'
    """
    words = _STAGES.get(stage, stage)
    network = f" of {printable(parts['network'])}" if "network" in parts else ""
    which = _FEATURES.get(str(parts.get("which")), "")
    if stage == "features":
        which = {"initial": "before fine-tuning", "trained": "after fine-tuning"}.get(str(parts.get("which")), "")
    return words + network + (f" {which}" if which else "")


def differences(a: object, b: object, at: str = "") -> list[tuple[str, object, object]]:
    """The dotted names at which two JSON values differ, with both values (None where it is absent)."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        rows = []
        for key in sorted({*map(str, a), *map(str, b)}):
            name = f"{at}.{key}" if at else key
            if (key in a) != (key in b):
                rows.append((name, a.get(key), b.get(key)))
            else:
                rows += differences(a[key], b[key], name)
        return rows
    same = json.dumps(a, sort_keys=True, default=str) == json.dumps(b, sort_keys=True, default=str)
    return [] if same else [(at, a, b)]


def nearest(parts: Parts, others: Iterable[Parts]) -> Parts | None:
    """Of `others`, the youngest first, those that differ from `parts` in the fewest entries."""
    closest, smallest = None, None
    for other in others:
        changed = differences(other, parts)
        distance = (len({name.partition(".")[0] for name, _, _ in changed}), len(changed))
        if smallest is None or distance < smallest:
            closest, smallest = other, distance
    return closest


def difference_words(then: Parts, now: Parts) -> str:
    """The differences of two sets of inputs in words; "" where there are none.

    >>> difference_words({"train": {"batch_size": 16}, "code": "ab"}, {"train": {"batch_size": 8}, "code": "cd"})
    'the code of hybridcx and train.batch_size (16 in the cache, 8 now)'
    """
    phrases: dict[str, None] = {}
    for name, a, b in differences(then, now):
        top, _, rest = name.partition(".")
        if top == "packages":
            phrases[f"the version of {printable(rest)} ({_value(a)} in the cache, {_value(b)} now)"] = None
        elif top in _PARTS:
            phrases[_PARTS[top]] = None
        elif len(f"{a}{b}") <= MAX_SHOWN_CHARS:
            phrases[f"{printable(name)} ({_value(a)} in the cache, {_value(b)} now)"] = None
        else:
            phrases[printable(name)] = None
    words = list(phrases)
    if len(words) > MAX_NAMED:
        words = [*words[:MAX_NAMED], f"{len(words) - MAX_NAMED} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(printable(v) for v in value) or "none"
    return "none" if value is None else printable(value)
