"""The image files below a folder, and what is left out of them, by cause."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hybridcx.cohort.files import split_frame
from hybridcx.errors import InputError, Problem
from hybridcx.records.cells import text_array, unsafe_characters

_SYSTEM = frozenset(("thumbs.db", "desktop.ini", "__macosx", "@eadir"))
_MASK = re.compile(r"[-_ ](mask|seg|segmentation)([-_ ]?[0-9]+)?$", re.IGNORECASE)
_ENDING = re.compile(r"\.(png|jpe?g|jpe|jfif|tiff?|dcm|dicom|dic|ima|bmp|gif|webp|gz)$", re.IGNORECASE)

HIDDEN = "hidden or made by the system"
LINKED_FOLDER = "a linked folder, which is not followed"
DANGLING = "a link to nothing"
LEAVES = "a link that leaves the folder"
INSIDE = "a link to another place in the folder"
NOT_REGULAR = "a pipe, a socket or a device"
ODD_NAME = "a name with control characters, a backslash, ://, #frame= or bytes that are no text"
MASK = "a mask by its name, beside the image of the same name"


@dataclass(frozen=True, slots=True)
class Header:
    """What is read of an image file: its kind, its frames, and of a DICOM file its identifiers ("" where absent).

    `refused`: why the file is no image that is read, "" where it is; `remedy`: what to do about it.
    """

    kind: str
    n_frames: int = 1
    patient_id: str = ""
    sop_uid: str = ""
    refused: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file: its path relative to the folder, with slashes, and its header."""

    path: str
    header: Header

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


def without_ending(path: str) -> str:
    """A path or a name without the ending of an image file; other text after a point belongs to the name.

    >>> without_ending("a/scan.v2.PNG"), without_ending("1.2.840.7")
    ('a/scan.v2', '1.2.840.7')
    """
    return _ENDING.sub("", path) or path


def list_images(
    folder: Path,
    header_of: Callable[[Path], Header],
    *,
    skip: Path | None = None,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> tuple[list[ImageFile], list[Problem]]:
    """Return the images below a folder, sorted by path, and one warning for each cause by which other files are left out.

    Parameters: `header_of` reads the header of a file; `skip` is a file that is no image and not reported (the table of labels).
    """
    left_out: dict[tuple[str, str], list[str]] = defaultdict(list)
    paths = _paths(folder, left_out)
    if skip is not None:
        paths = [p for p in paths if folder / p != skip]
    images = []
    for i, path in enumerate(paths):
        on_progress(i, len(paths))
        header = header_of(folder / path)
        if header.refused:
            left_out[header.refused, header.remedy].append(path)
        elif header.n_frames > 1:
            remedy = "add a row for each frame that is meant, with image.dcm#frame=1 in the column image"
            left_out[f"several frames ({header.kind})", remedy].append(path)
        else:
            images.append(ImageFile(path, header))
    on_progress(len(paths), len(paths))
    masks = _masks([i.path for i in images])
    left_out[MASK, "rename it if it is an image of its own"] = sorted(masks)
    problems = [_left_out(folder, rule, remedy, sorted(found)) for (rule, remedy), found in left_out.items() if found]
    return [i for i in images if i.path not in masks], problems


def _paths(folder: Path, left_out: dict[tuple[str, str], list[str]]) -> list[str]:
    """The relative paths of the regular files below a folder; the others go to `left_out`."""
    inside = folder.resolve()
    paths: list[str] = []

    def note(cause: str, path: str, remedy: str = "") -> None:
        left_out[cause, remedy].append(path)

    def unreadable(error: OSError) -> None:
        where = Path(str(error.filename)).relative_to(folder).as_posix()
        if where == ".":
            raise InputError(Problem(f"the folder cannot be read: {error.strerror}", str(folder))) from None
        note(f"a folder that cannot be read ({error.strerror})", where)

    for here, folders, files in os.walk(folder, onerror=unreadable):
        base = Path(here).relative_to(folder).as_posix()
        prefix = "" if base == "." else f"{base}/"
        for name in list(folders):
            linked = (Path(here) / name).is_symlink()
            if linked or _is_hidden(name):
                folders.remove(name)
                note(LINKED_FOLDER if linked else HIDDEN, prefix + name)
        for name in files:
            path, file = prefix + name, Path(here) / name
            if _is_hidden(name):
                note(HIDDEN, path)
            elif file.is_symlink():
                note(_link_cause(file, inside), path, "copy the file into the folder")
            elif not file.is_file():
                note(NOT_REGULAR, path)
            else:
                paths.append(path)
    odd = _odd(paths)
    for path in np.asarray(paths, dtype=object)[odd]:
        note(ODD_NAME, path, "rename it")
    return sorted(np.asarray(paths, dtype=object)[~odd].tolist())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


def _link_cause(file: Path, inside: Path) -> str:
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError):  # nothing there, or links in a circle
        return DANGLING
    return INSIDE if target.is_relative_to(inside) else LEAVES


def _odd(paths: list[str]) -> np.ndarray:
    """Which paths a manifest could not name."""
    mask = np.zeros(len(paths), dtype=bool)
    readable = []
    for i, path in enumerate(paths):
        try:
            path.encode("utf-8")
            readable.append(i)
        except UnicodeEncodeError:
            mask[i] = True
        mask[i] |= "\\" in path or "://" in path or split_frame(path)[1] is not None
    mask[readable] |= unsafe_characters(text_array([paths[i] for i in readable]))
    return mask


def _masks(paths: list[str]) -> set[str]:
    """The masks: `x_mask.png` beside `x.png`, and the images of a folder `masks` beside a folder `images`."""
    stems = {without_ending(p) for p in paths}
    folders = {str(PurePosixPath(p).parent).lower() for p in paths}
    masks = set()
    for path in paths:
        stem = without_ending(path)
        shorter = _MASK.sub("", stem)
        folder = PurePosixPath(path).parent
        beside = (
            folder.name.lower() in ("mask", "masks")
            and {str(folder.with_name(n)).lower() for n in ("images", "image")} & folders
        )
        if (shorter != stem and shorter in stems) or beside:
            masks.add(path)
    return masks


def _left_out(folder: Path, rule: str, remedy: str, paths: list[str]) -> Problem:
    n = f"{len(paths):,} file{'s' if len(paths) > 1 else ''}"
    text = f"{n} left out: {rule}"
    first = paths[0].encode("utf-8", "backslashreplace").decode()
    return Problem(text, str(folder), value=first, remedy=remedy or None, severity="warning")
