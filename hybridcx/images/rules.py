"""Which rules of decoding were used on how many images, in words for the methods of a report."""

from __future__ import annotations

from collections import Counter

import pandas as pd


def image_rules(notes: pd.DataFrame) -> list[str]:
    """Return one sentence on the kinds of files and the rules of `images.decode` and `images.dicom`, or none where no rule was needed.

    `notes`: an `ImageStore`'s. Values that belong to one image (a window's center) are left out.

    >>> image_rules(pd.DataFrame({"kind": ["DICOM", "PNG"], "note": ["VOI window applied: center 40, width 80, LINEAR", ""]}))
    ['Image files: 1 DICOM, 1 PNG. Rules of decoding (images): VOI window applied (1).']
    """
    rules = Counter(
        rule.split(":")[0].split(" (the first")[0] for note in notes["note"] for rule in str(note).split("; ") if rule
    )
    if not rules:
        return []
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(notes["kind"]).items()))
    used = ", ".join(f"{rule} ({n})" for rule, n in sorted(rules.items(), key=lambda r: (-r[1], r[0])))
    return [f"Image files: {kinds}. Rules of decoding (images): {used}."]
