"""Checks of a manifest's image files without decoding them: paths, existence, identical bytes."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from hybridcx.errors import Problem
from hybridcx.records.cells import listed

_FRAME = re.compile(r"(?P<path>.*\S)#frame=(?P<frame>[^/]*)", re.DOTALL)


def split_frame(text: str) -> tuple[str, int | None]:
    """Return the path and the frame that an entry of the column `image` names: `scan.dcm#frame=3`, counted from 1 as in DICOM.

    None where no frame is named, 0 where the frame is no whole number from 1.

    >>> split_frame("a/scan.dcm#frame=3")
    ('a/scan.dcm', 3)
    >>> split_frame("a/scan.png")
    ('a/scan.png', None)
    """
    match = _FRAME.fullmatch(text)
    if match is None:
        return text, None
    frame = match["frame"]
    return match["path"], int(frame) if re.fullmatch(r"[1-9][0-9]{0,5}", frame) else 0


def check_files(
    raw: pd.DataFrame, rows: np.ndarray, analysed: np.ndarray, root: Path, file: str, split: pd.Series, same_bytes: str
) -> tuple[dict[int, str], list[Problem]]:
    """Return the SHA-256 of each kept row's image file, and the problems of the files (bad_input.md 8, 11, 15, 18).

    `kept` marks the cases that are analysed. Paths are checked for every row, files for the kept ones. The same bytes under
    two labels are an error (a warning where `same_bytes` is "warn"), under one label a warning, as they are across splits.
    """
    out: list[Problem] = []
    paths: dict[int, Path] = {}
    frames: dict[int, int | None] = {}
    inside = root.resolve()
    reasons: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(raw["image"].tolist()):
        if not text.strip():
            continue
        names, frames[i] = split_frame(text)
        target = root / PurePosixPath(names)
        why = safe_relative(names) or _unusable(target, inside, bool(analysed[i]))
        if frames[i] == 0:
            why = "a frame that is no whole number from 1"
        if why is None and analysed[i]:
            paths[i] = target
        if why is not None:
            reasons[why].append(i)
    for why, at in reasons.items():
        remedy = (
            "check the path; it is relative to the manifest, upper and lower case count"
            if why.startswith(("no such", "a folder", "a pipe", "an image file that"))
            else "copy it again, or exclude the case"
            if "zero" in why
            else "write image.dcm#frame=1 for the first"
            if why.startswith("a frame")
            else "give paths below the folder of the manifest, with forward slashes"
        )
        out += listed(why, rows[at].tolist(), raw["image"].iloc[at].tolist(), file=file, column="image", remedy=remedy)

    by_path: dict[tuple[Path, int | None], list[int]] = defaultdict(list)  # frames of one file are images of their own
    for i, target in paths.items():
        by_path[target.resolve(), frames[i]].append(i)
    for same in by_path.values():
        if len(same) > 1:
            lines = ", ".join(str(rows[i]) for i in same)
            value = raw["image"].iloc[same[0]]
            remedy = "one row per image; an exclusion reason on the others also mends it"
            out.append(
                Problem(
                    f"one image on {len(same)} rows (lines {lines})", file, int(rows[same[1]]), "image", value, remedy
                )
            )
    digests, more = hash_files({i: paths[i] for same in by_path.values() for i in same[:1]})
    out += listed(
        "the image cannot be read", rows[more].tolist(), raw["image"].iloc[more].tolist(), file=file, column="image"
    )
    images = {i: d if frames[i] is None else f"{d}#{frames[i]}" for i, d in digests.items()}
    return digests, out + _same_bytes(images, raw, rows, file, split, same_bytes)


def hash_files(paths: dict[int, Path]) -> tuple[dict[int, str], list[int]]:
    """Return the SHA-256 of each file, and the keys of those that could not be read. Threads help, because hashing releases the interpreter lock."""

    def digest(path: Path) -> str | None:
        try:
            with path.open("rb") as fh:
                return hashlib.file_digest(fh, "sha256").hexdigest()
        except OSError:
            return None

    with ThreadPoolExecutor() as pool:
        hashes = dict(zip(paths, pool.map(digest, paths.values()), strict=True))
    return {i: d for i, d in hashes.items() if d is not None}, sorted(i for i, d in hashes.items() if d is None)


def _unusable(target: Path, inside: Path, needed: bool) -> str | None:
    """Return why a file cannot be used, or None; where it is not `needed` only whether its path stays inside."""
    try:
        if not target.resolve().is_relative_to(inside):
            return "a link that leaves the folder of the manifest"
        if not needed:
            return None
        if not target.exists():
            return "no such image file"
        if not target.is_file():
            return ("a folder" if target.is_dir() else "a pipe or a device") + ", not an image file"
        if not target.stat().st_size:
            return "an image file of zero bytes"
        with target.open("rb"):
            return None
    except (OSError, RuntimeError, ValueError) as e:  # links in a circle, names too long, no permission
        return f"an image file that cannot be opened ({getattr(e, 'strerror', None) or type(e).__name__})"


def _same_bytes(
    digests: dict[int, str], raw: pd.DataFrame, rows: np.ndarray, file: str, split: pd.Series, same_bytes: str
) -> list[Problem]:
    by_hash: dict[str, list[int]] = defaultdict(list)
    for i, digest in digests.items():
        by_hash[digest].append(i)
    out = []
    for same in by_hash.values():
        if len(same) < 2:
            continue
        same = sorted(same)
        lines = ", ".join(str(rows[i]) for i in same)  # never the files' names, which may be those of patients
        labels, splits = set(raw["label"].iloc[same]), set(split.iloc[same]) - {""}
        if len(labels) > 1:
            rule, severity = (
                f"the same bytes under {len(labels)} labels, on the lines {lines}",
                "warning" if same_bytes == "warn" else "error",
            )
            remedy = "find out which label is right, and give the others a reason in the column `excluded`"
        else:
            rule, severity = f"the same bytes in {len(same)} files of one label, on the lines {lines}", "warning"
            remedy = "if it is one case, keep one and give the others a reason in the column `excluded`"
        if len(splits) > 1:
            rule += f"; they stand in different splits ({', '.join(sorted(splits))})"
        cases = tuple(raw["case_id"].iloc[same])
        out.append(Problem(rule, file, int(rows[same[1]]), "image", remedy=remedy, severity=severity, cases=cases))
    return out


def safe_relative(text: str) -> str | None:
    """Return why `text` is no path that stays inside the manifest's folder, or None where it is one.

    >>> safe_relative("images/../../secret.png")
    'a path that leaves the folder of the manifest'
    """
    if re.match(r"[A-Za-z]:", text) or text.startswith(("/", "\\", "~")) or "://" in text:
        return "an absolute path"
    if "\\" in text:
        return "a backslash in a path"
    if ".." in PurePosixPath(text).parts:
        return "a path that leaves the folder of the manifest"
    return None
