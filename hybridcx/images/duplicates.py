"""Identical images among the cases: with two labels one truth is wrong, across splits data leak, otherwise a case counts twice."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hybridcx.errors import Problem, printable
from hybridcx.images.store import ImageStore


def pixel_identical(
    store: ImageStore,
    labels: Mapping[str, object] | pd.Series,
    splits: Mapping[str, str] | pd.Series | None = None,
    *,
    file: str | None = None,
) -> list[Problem]:
    """Return a warning for each group of cases whose decoded images are the same pixel for pixel, whatever their files.

    `labels` and `splits` map case ids (a Series by its index). What is compared is the whole decoded image, before the crop, so
    that two crops of one image count as identical too. Groups stand in the order of their first case.
    """
    out = []
    by_pixels = store.notes.groupby("pixel_sha256", sort=False)["case_id"].agg(list)
    for ids in by_pixels[by_pixels.map(len) > 1]:
        cases = ", ".join(
            f"{printable(c)} ({printable(labels[c])}{', ' + printable(splits[c]) if splits is not None else ''})"
            for c in ids
        )
        rule = f"{len(ids)} cases with identical images: {cases}"
        if len({labels[c] for c in ids}) > 1:
            rule += "; their labels differ, so at least one is wrong"
        if splits is not None and len({splits[c] for c in ids}) > 1:
            rule += "; they stand in different splits, so that the test is not independent of the training"
        remedy = "keep one and give the others a reason in the column `excluded`"
        out.append(Problem(rule, file, column="image", remedy=remedy, severity="warning"))
    return out
