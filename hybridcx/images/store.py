"""The cohort's images, prepared once and kept as one uint8 array on disk, keyed by a hash of their inputs.

Two files in the cache: `images-<key>.npy`, the array, opened as a memory map, and `images-<key>.json`, its SHA-256 and the notes on each image. The
key is a SHA-256 over every file's content, its frame and crop box, the options, the code that decodes and the versions of Pillow and, where a file is
DICOM, of pydicom and GDCM; neither paths nor ids are in it, nor anything of the files' metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings as python_warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from hybridcx.cohort.cohort import CROP, Cohort
from hybridcx.cohort.files import hash_files
from hybridcx.errors import InputError, Problem, StoppedError, printable_path, raise_if_any
from hybridcx.images.decode import decode_bytes, is_dicom
from hybridcx.images.prepare import Box, Pad, Resample, check_options, prepare
from hybridcx.store.artefacts import Say, code_hash, content_key, exclusive, write_atomic
from hybridcx.store.differences import difference_words
from hybridcx.store.disk import disk_faults, size_words
from hybridcx.store.provenance import versions_of

NOTES = ("kind", "mode", "bits", "width_px", "height_px", "orientation", "note", "caution", "pixel_sha256")
_T = TypeVar("_T")
_AHEAD = (
    64  # largest number of images decoded but not yet written, so that a large cohort is never in memory as a whole
)


@dataclass(frozen=True, slots=True)
class ImageStore:
    """Prepared images: `images` uint8 (n, size_px, size_px, channels), read-only memory map, in the order of `case_ids` (sorted).

    `key`: SHA-256 of the inputs; `sha256`: of the array's file. `notes`: one row per case, columns case_id, kind, mode, bits, width_px, height_px,
    orientation (applied), note, caution, pixel_sha256 (of the decoded pixels and their shape). `reused`: whether it was there already. `cautions`:
    warnings with the rows of images to check first (burned-in annotation), repeated when the store is reused.
    """

    images: np.ndarray
    case_ids: tuple[str, ...]
    key: str
    sha256: str
    path: Path
    notes: pd.DataFrame
    reused: bool
    warnings: tuple[Problem, ...] = ()
    cautions: tuple[Problem, ...] = ()

    def positions(self, case_ids: list[str] | np.ndarray | pd.Series) -> np.ndarray:
        """Return the index in `images` of each case, (n,) int64. Raises InputError for a case that has no image."""
        wanted = pd.Index(list(case_ids))
        indices = pd.Index(self.case_ids).get_indexer(wanted)
        if (indices < 0).any():
            raise InputError(Problem("a case without a prepared image", column="case_id", value=wanted[indices < 0][0]))
        return np.asarray(indices, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Item:
    path: Path
    name: str
    row: int
    box: Box | None
    sha256: str
    frame: int | None = None


def prepare_store(
    cohort: Cohort,
    *,
    size_px: int,
    pad: Pad = "white",
    resample: Resample = "bicubic",
    channels: int = 3,
    cache: str | Path,
    on_progress: Callable[[int, int], None] | None = None,
    max_workers: int | None = None,
    say: Say = lambda _: None,
    notice: Say = lambda _: None,
) -> ImageStore:
    """Decode and prepare the images of the analysed cases, or open them where that was done before.

    Parameters: `size_px`, `pad`, `resample`, `channels` as in `images.prepare.prepare`; `cache`, the folder (made if absent); `on_progress`, called
    with (done, total) after each image; `max_workers` threads, by default one per processor; `say` gets the differences to the most similar kept
    images, `notice` a message that another run is preparing the same images, for which this call waits.

    An array whose hash differs is made again, and a warning says so. A half-written file never has its final name.

    Raises InputError with the row of every image that cannot be used (bad_input.md 18 to 24); StoppedError where the disk is full.
    """
    check_options(size_px, pad, resample, channels)
    cache = Path(cache)
    items, case_ids = _items(cohort)
    workers = max_workers or os.cpu_count() or 1
    options = {"size_px": size_px, "pad": pad, "resample": resample, "channels": channels}
    made_from = [[item.sha256, item.box, item.frame] for item in items]
    decoders = ["pillow", *(("pydicom", "python-gdcm") if _any_dicom(items) else ())]
    record: dict[str, object] = {
        "images": made_from,
        **options,
        "code": code_hash(
            "images/decode",
            "images/decoded",
            "images/dicom",
            "images/gdcm",
            "images/isolated",
            "images/jpeg",
            "images/png",
            "images/prepare",
            "images/tiff",
        ),
        "decoders": versions_of(*decoders),
    }
    key = content_key(record)
    path = cache / f"images-{key}.npy"
    shape = (len(items), size_px, size_px, channels)
    found, messages = _find(path, shape)
    if found is None:
        try:
            need = int(np.prod(shape))
            with (
                disk_faults(cache, f"the prepared images ({size_words(need)})"),
                _held(path.with_suffix(".lock"), notice),
            ):
                found, more = _find(path, shape)
                messages = messages or more
                if found is None:
                    if why := _nearest_stored(cache, key, record):
                        say(why)
                    _room(cache, need)
                    found = _make(
                        path, shape, items, cohort.source.name, workers, on_progress, size_px, pad, resample, channels,
                        record,
                    )  # fmt: skip
        except OSError as e:
            raise StoppedError(f"The prepared images cannot be written to {cache}: {e.strerror or e}.") from e
        reused = False
    else:
        reused = True
        if on_progress:
            on_progress(len(items), len(items))
    digest, notes = found
    frame = pd.DataFrame(notes, columns=list(NOTES))
    frame.insert(0, "case_id", list(case_ids))
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    return ImageStore(
        images, case_ids, key, digest, path, frame, reused, messages, _cautions(frame, items, cohort.source.name)
    )


def _any_dicom(items: list[_Item]) -> bool:
    for item in items:
        try:
            with item.path.open("rb") as file:
                if is_dicom(file.read(132)):
                    return True
        except OSError:
            continue
    return False


def _cautions(notes: pd.DataFrame, items: list[_Item], file: str) -> tuple[Problem, ...]:
    """One warning for each finding to check, with the lines of its images."""
    rows: dict[str, list[int]] = {}
    for item, text in zip(items, notes["caution"], strict=True):
        for caution in filter(None, str(text).split("; ")):
            rows.setdefault(caution, []).append(item.row)
    out = []
    for caution, lines in rows.items():
        lines = sorted(lines)
        lines_text = ", ".join(map(str, lines[:20])) + (f" and {len(lines) - 20} more" if len(lines) > 20 else "")
        rule = f"{len(lines)} image{'s' if len(lines) > 1 else ''} (line{'s' if len(lines) > 1 else ''} {lines_text}): {caution}"
        out.append(Problem(rule, file, column="image", severity="warning"))
    return tuple(out)


def _items(cohort: Cohort) -> tuple[list[_Item], tuple[str, ...]]:
    """Return the analysed cases sorted by id, so that neither key nor array depends on the manifest's order."""
    frame = cohort.analysed
    paths, rows = cohort.image_paths, cohort.analysed_rows
    crop = frame[list(CROP)]
    has_box = crop.notna().all(axis=1).to_numpy()
    edges = crop.fillna(0).to_numpy(dtype=np.int64)
    digests = cohort.image_sha256
    if len(digests) != len(frame):
        hashed, unread = hash_files(dict(enumerate(paths)))
        raise_if_any(
            Problem("the image cannot be read", cohort.source.name, int(rows[i]), "image", frame["image"].iloc[i])
            for i in unread
        )
        digests = tuple(hashed[i] for i in range(len(frame)))
    order = np.argsort(frame["case_id"].to_numpy(dtype=object), kind="stable")
    images, ids, frames = frame["image"].tolist(), frame["case_id"].tolist(), cohort.frames
    items = []
    for i in order.tolist():
        left, top, right, bottom = (int(v) for v in edges[i])
        items.append(
            _Item(
                paths[i],
                images[i],
                int(rows[i]),
                (left, top, right, bottom) if has_box[i] else None,
                digests[i],
                frames[i],
            )
        )
    return items, tuple(ids[i] for i in order)


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[_Item], _T], items: list[_Item]
) -> Iterator[tuple[_Item, Future[_T]]]:
    """Yield each item and its future in order, with at most `_AHEAD` of them under way."""
    waiting = iter(items)
    queue = [(item, pool.submit(work, item)) for item in islice(waiting, _AHEAD)]
    while queue:
        yield queue.pop(0)
        queue += [(item, pool.submit(work, item)) for item in islice(waiting, 1)]


def _find(path: Path, shape: tuple[int, ...]) -> tuple[tuple[str, list[list[object]]] | None, tuple[Problem, ...]]:
    """Return the hash and notes of a sound store, or None and, where one is damaged, a warning."""
    record = path.with_suffix(".json")
    if not (path.exists() and record.exists()):
        return None, ()
    try:
        stored = json.loads(record.read_text(encoding="utf-8"))
        digest, notes = str(stored["sha256"]), list(stored["notes"])
        with path.open("rb") as fh:
            sound = hashlib.file_digest(fh, "sha256").hexdigest() == digest
        if sound and len(notes) == shape[0] and np.load(path, mmap_mode="r", allow_pickle=False).shape == shape:
            try:
                os.utime(record)  # `cache prune` removes the least recently used files first
            except FileNotFoundError:
                return None, ()  # it has just removed them
            except OSError:
                pass  # a read-only cache can still be read
            return (digest, notes), ()
    except (OSError, ValueError, KeyError, TypeError):
        pass
    rule = "the kept images are damaged (their hash differs); they are made again"
    return None, (Problem(rule, path.name, severity="warning"),)


@contextmanager
def _held(lock: Path, notice: Say) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(lock, "another run prepares these images", say=notice, wait=True):
        yield


def _nearest_stored(cache: Path, key: str, record: Mapping[str, object]) -> str:
    """The differences between these images and the most similar kept ones; "" where none are shared."""
    now = json.loads(json.dumps(dict(record)))
    mine, nearest, best = Counter(map(json.dumps, now["images"])), "", 0
    for path in sorted(cache.glob("images-*.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            then = json.loads(path.read_text(encoding="utf-8"))["made_from"]
            shared = (mine & Counter(map(json.dumps, then["images"]))).total()
            if shared <= best or path.stem == f"images-{key}":
                continue
            best, new = shared, len(now["images"]) - shared
            words = [f"{new} of {len(now['images'])} images"] if new else []
            gone = len(then["images"]) - shared
            words += [f"{gone} images that are no longer used"] if gone and not new else []
            apart = ({k: v for k, v in parts.items() if k != "images"} for parts in (then, now))
            words += [difference] if (difference := difference_words(*apart)) else []
            nearest = (
                f"The images: prepared again, since the cached result differs in {' and '.join(words)}."
                if words
                else ""
            )
    return nearest


def _room(cache: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(cache).free
    if free < n_bytes * 1.01:
        raise StoppedError(
            f"The prepared images need {size_words(n_bytes)} in {printable_path(cache)}, where {size_words(free)} are free. "
            "Free some space, or choose another cache folder with HYBRIDCX_CACHE."
        )


def _make(
    path: Path, shape: tuple[int, ...], items: list[_Item], file: str, workers: int,
    on_progress: Callable[[int, int], None] | None, size_px: int, pad: Pad, resample: Resample, channels: int,
    made_from: Mapping[str, object],
) -> tuple[str, list[list[object]]]:  # fmt: skip
    def work(item: _Item) -> tuple[np.ndarray, list[object]]:
        data = item.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise InputError(
                Problem("the image changed while it was read", remedy="run again when nobody writes to the folder")
            )
        decoded = decode_bytes(data, item.name, frame=item.frame)
        image = prepare(decoded.pixels, item.box, size_px=size_px, pad=pad, resample=resample, channels=channels)
        height, width = decoded.pixels.shape[:2]
        digest = hashlib.sha256(repr(decoded.pixels.shape).encode())
        digest.update(decoded.pixels.data)
        note, caution = "; ".join(decoded.notes), "; ".join(decoded.cautions)
        return image, [
            decoded.kind, decoded.mode, decoded.bits, width, height, decoded.orientation, note, caution, digest.hexdigest(),
        ]  # fmt: skip

    temporary = path.with_suffix(".partial")  # this run's alone, by the lock
    problems: list[Problem] = []
    notes: list[list[object]] = []
    hasher = hashlib.sha256()
    try:
        # The array is written in order through a file, not through a memory map: a full disk is then an error, not a crash.
        with temporary.open("w+b") as out, python_warnings.catch_warnings():
            python_warnings.filterwarnings(
                "ignore", module=r"(PIL|pydicom)"
            )  # warnings about damaged metadata, which is not read
            python_warnings.simplefilter("error", Image.DecompressionBombWarning)
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            out.seek(0)
            hasher.update(out.read())
            with ThreadPoolExecutor(workers) as pool:
                for done, (item, future) in enumerate(_ahead(pool, work, items), start=1):
                    try:
                        image, note = future.result()
                        if not problems:
                            block = image.tobytes()
                            out.write(block)
                            hasher.update(block)
                            notes.append(note)
                    except InputError as e:
                        problems += [
                            Problem(
                                p.rule,
                                file,
                                item.row,
                                "crop_left" if "crop box" in p.rule and p.value else "image",
                                p.value or item.name,
                                p.remedy,
                            )
                            for p in e.problems
                        ]
                    if on_progress:
                        on_progress(done, len(items))
            out.flush()
            os.fsync(out.fileno())
        if problems:
            raise InputError(sorted(problems, key=lambda p: p.row or 0))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    digest = hasher.hexdigest()
    write_atomic(path.with_suffix(".json"), json.dumps({"sha256": digest, "notes": notes, "made_from": made_from}))
    return digest, notes
