"""Structure of a JPEG file: its coding, its scans, where it ends, and whether every scan is complete.

libjpeg fills what a scan lacks with grey (or, in progressive files, with less detail) and gives no error. Two checks find that. The scans must
send every coefficient of every component in full (T.81, G.1.1). And the pixels must not depend on bytes put behind a scan's data: a decoder that
has all the blocks of a scan ignores what follows, one that lacks some decodes them from it.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image

from hybridcx.images.decoded import RefusedError, article, bands
from hybridcx.images.tiff import is_sound_exif

_CODINGS = {0xC0: "baseline", 0xC1: "extended sequential", 0xC2: "progressive"}
_UNREAD = {0xC3: "lossless JPEG", 0xC5: "hierarchical JPEG", 0xC6: "hierarchical JPEG", 0xC7: "hierarchical lossless JPEG"} | {
    0xC9: "arithmetic-coded JPEG", 0xCA: "arithmetic-coded JPEG", 0xCB: "arithmetic-coded lossless JPEG", 0xCD: "hierarchical JPEG",
    0xCE: "hierarchical JPEG", 0xCF: "hierarchical lossless JPEG", 0xF7: "JPEG-LS",
}  # fmt: skip
_CONVERT = "convert it to PNG or TIFF without loss, with 16 bits where it has more than 8 (the program that wrote it can, or ffmpeg)"
_MAX_SEGMENTS = 10_000
_MAX_SCANS, _MAX_WORK = 100, 1_600_000_000
"""Progressive files have about 10 scans. `_MAX_WORK`: scans times pixels, for each scan visits the whole image."""

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# The next marker within coded data: neither a stuffed zero nor a restart marker.
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_PROBE = bytes(b % 255 for b in random.Random(0).randbytes(256))  # without 0xFF, which would begin a marker


@dataclass(frozen=True, slots=True)
class Jpeg:
    """`stripped`: the picture up to its end marker, without metadata except the first Exif and XMP blocks. `trailing`: bytes behind the marker."""

    height: int
    width: int
    stripped: bytes
    trailing: bytes


@dataclass(slots=True)
class _Frame:
    """Of a frame header (T.81, B.2.2): size, and of each component its sampling factors (across, down). `levels`: the lowest bit of each of its 64
    coefficients that a scan has sent, -1 where none has."""

    height: int
    width: int
    sampling: dict[int, tuple[int, int]]
    levels: dict[int, list[int]]

    def units(self, components: bytes) -> int:
        """How many units (MCU) a scan of these components codes (T.81, A.2)."""
        across, down = (max(s[i] for s in self.sampling.values()) for i in (0, 1))
        if len(components) > 1:
            return ceil(self.width / (8 * across)) * ceil(self.height / (8 * down))
        h, v = self.sampling[components[0]]
        return ceil(ceil(self.width * h / across) / 8) * ceil(ceil(self.height * v / down) / 8)


def read_jpeg(data: bytes) -> Jpeg:
    """Read the structure. Raises RefusedError for a coding that is not read and for too many scans, ValueError for a file that is damaged."""
    frame: _Frame | None = None
    blocks: set[bytes] = set()
    parts, n_scans, interval, end = [data[:2]], 0, 0, 2
    for marker, at, start, end in _segments(data):
        body = data[at + 4 : start]
        if marker in _UNREAD:
            raise RefusedError(f"{article(_UNREAD[marker])} file, which is not read", _CONVERT)
        if marker in _CODINGS:
            frame = _frame(body, marker)
        elif marker == 0xDD:
            interval = int.from_bytes(body[:2], "big")
        elif marker == 0xDA:
            if frame is None:
                raise ValueError("a scan before the frame's header")
            if n_scans >= min(_MAX_SCANS, max(1, _MAX_WORK // (frame.height * frame.width))):
                rule = f"a JPEG of more than {n_scans} scans for its size, not decoded"
                raise RefusedError(rule, "convert it to a baseline JPEG, or check whether it is an image")
            components = _scan(body, frame)
            if interval and len(_RESTART.findall(data, start, end)) < ceil(frame.units(components) / interval) - 1:
                raise ValueError("restart intervals that are not there")
            n_scans += 1
        if _is_picture(marker, body, blocks):
            parts.append(data[at:end])
    if frame is None or any(level for levels in frame.levels.values() for level in levels):
        raise ValueError("coefficients that no scan sends")
    return Jpeg(frame.height, frame.width, b"".join([*parts, b"\xff\xd9"]), data[end + 2 :])


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Marker, its place, the end of its parameters, and the end of the coded data that follow them, for each segment up to the end marker, which is
    the last. Bytes between segments are skipped, as libjpeg does."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            break
        marker, at = found[1][0], found.end() - 2
        if marker == 0xD9:
            yield marker, at, at, at
            return
        start = end = at + 2 + (int.from_bytes(data[at + 2 : at + 4], "big") if marker >= 0xC0 else 0)
        if start > len(data):
            break
        if marker == 0xDA:
            following = _MARKER.search(data, start)
            end = following.start() if following else len(data)
        if marker >= 0xC0:
            yield marker, at, start, end
        at = end
    raise ValueError("no end marker")


def _frame(body: bytes, marker: int) -> _Frame:
    if len(body) < 9 or len(body) != 6 + 3 * body[5]:
        raise ValueError("a frame header of another length than it says")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if body[0] != 8:
        raise RefusedError(f"a JPEG of {body[0]} bits a sample ({_CODINGS[marker]}), which is not read", _CONVERT)
    if not height or not width:
        raise RefusedError("a JPEG that states its height after its pixels (a DNL marker), which is not read", _CONVERT)
    sampling = {c: (factors >> 4, factors & 15) for c, factors in zip(body[6::3], body[7::3], strict=True)}
    if not all(h and v for h, v in sampling.values()):
        raise ValueError("a sampling factor of zero")
    return _Frame(height, width, sampling, {c: [-1] * 64 for c in sampling})


def _scan(body: bytes, frame: _Frame) -> bytes:
    """Note in `frame.levels` what a scan header announces (T.81, B.2.3), and return the scan's components."""
    n = body[0] if body else 0
    if not n or len(body) != 4 + 2 * n:
        raise ValueError("a scan header of another length than it says")
    start, end, low = body[1 + 2 * n], body[2 + 2 * n], body[3 + 2 * n] & 15
    components = body[1 : 1 + 2 * n : 2]
    for component in components:
        if component not in frame.levels or not start <= end <= 63:
            raise ValueError("a scan of a component or of coefficients that do not exist")
        frame.levels[component][start : end + 1] = [low] * (end + 1 - start)
    return components


def _is_picture(marker: int, body: bytes, blocks: set[bytes]) -> bool:
    """Whether a segment is needed to decode (JFIF and Adobe define the colours), or is the first sound Exif or XMP block, for the orientation."""
    if marker != 0xE1:
        return not (0xE2 <= marker <= 0xED or marker in (0xEF, 0xFE))
    kind = next((k for k in (_EXIF, _XMP) if body.startswith(k)), b"")
    if not kind or kind in blocks or (kind == _EXIF and not is_sound_exif(body[len(_EXIF) :])):
        return False
    blocks.add(kind)
    return True


def probed(data: bytes) -> bytes:
    """The JPEG with other bytes put behind the data of each scan and of each restart interval: a complete one is decoded to the same pixels."""
    parts, at = [data[:2]], 2
    for marker, _, start, end in _segments(data):
        if marker == 0xDA:
            coded = _RESTART.sub(lambda restart: _PROBE[:32] + restart[0], data[start:end])
            parts += [data[at:start], coded, _PROBE]
            at = end
    return b"".join([*parts, data[at:]])


def check_complete(jpeg: Jpeg, pixels: np.ndarray) -> None:
    """Raise ValueError where a scan lacks data. `pixels`: as Pillow decodes `stripped`, grey or RGB."""
    with Image.open(io.BytesIO(probed(jpeg.stripped)), formats=("JPEG",)) as again:
        for top, band in bands(again):
            rows = np.asarray(band.convert("L" if pixels.ndim == 2 else "RGB"))
            if not np.array_equal(rows, pixels[top : top + band.height]):
                raise ValueError("a scan without all its data")
