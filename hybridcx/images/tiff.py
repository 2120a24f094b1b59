"""Structure of a TIFF file, read before Pillow sees it: its directories, and whether its samples are of a kind that is decoded as they are stored."""

from __future__ import annotations

import struct
from mmap import mmap

from hybridcx.images.decoded import RefusedError

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, SAMPLE_FORMAT = 256, 257, 258, 259, 262, 277, 284, 339
_REDUCED, _STRIPS, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _SUBDIRECTORIES, _DNG = (
    254,
    273,
    278,
    322,
    323,
    324,
    330,
    50706,
)
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_FORMATS = {
    2: "signed integers",
    3: "floating-point numbers",
    5: "complex integers",
    6: "complex floating-point numbers",
}
_PHOTOMETRICS = {
    8: "CIELab colours",
    9: "ICCLab colours",
    10: "ITULab colours",
    32803: "the raw data of a camera",
    34892: "the raw data of a camera",
}
_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000, 50001}  # Pillow's
_MAX_DIRECTORIES = 65_535
_MAX_VALUES = 1_000_000  # of one tag; a mammogram of 5,000 rows has at most 5,000 strips
_MAX_PIECES = 100_000
_GREY = "convert it to unsigned greyscale of 8 or 16 bits, all files by the same rule"
_CONVERT = "convert it to an uncompressed TIFF or a PNG of 8 or 16 bits"

Directory = dict[int, tuple[int, ...]]
"""The numbers of each tag; those of text, rationals and opaque bytes are left out."""


def directories(data: bytes | mmap) -> list[int]:
    """Offsets of the file's directories, one for each frame. Raises ValueError where the chain leaves the file."""
    order = _order(data)
    offsets: dict[int, None] = {}
    at = _number(data, 4, order, 4)
    while at and at not in offsets:
        offsets[at] = None
        if len(offsets) > _MAX_DIRECTORIES:
            raise RefusedError(
                f"a TIFF of more than {_MAX_DIRECTORIES:,} frames, not decoded",
                "split it, or check whether it is an image",
            )
        at = _number(data, at + 2 + 12 * _number(data, at, order, 2), order, 4)
    return list(offsets)


def with_frame(data: bytes, offset: int) -> bytes:
    """The file with the directory at `offset` as its first and only one."""
    order = _order(data)
    out = bytearray(data)
    struct.pack_into(order + "I", out, 4, offset)
    struct.pack_into(order + "I", out, offset + 2 + 12 * _number(data, offset, order, 2), 0)
    return bytes(out)


def read_directory(data: bytes, offset: int) -> Directory:
    """Read a directory. Raises ValueError where it leaves the file or its values take more room than the file (they may overlap), and RefusedError
    for a tag of too many values."""
    order = _order(data)
    tags: Directory = {}
    room = len(data)
    for i in range(_number(data, offset, order, 2)):
        tag, kind, n, at = struct.unpack_from(order + "HHII", data, offset + 2 + 12 * i)
        size = n * _TYPE_BYTES.get(kind, 0)
        room -= size if size > 4 else 0
        if room < 0:
            raise ValueError("values beyond the file")
        if kind not in (3, 4, 1) or tag in tags:
            continue
        if n > _MAX_VALUES and kind != 1:
            raise RefusedError(
                f"a TIFF with a tag of {n:,} values, not decoded", "convert it, or check whether it is an image"
            )
        start = at if size > 4 else offset + 2 + 12 * i + 8
        if start + size > len(data):
            raise ValueError("values beyond the file")
        tags[tag] = struct.unpack_from(f"{order}{min(n, _MAX_VALUES)}{'BHI'[(1, 3, 4).index(kind)]}", data, start)
    return tags


def is_sound_exif(exif: bytes) -> bool:
    """Whether an Exif block's first directory lies within it, so that reading it takes no more room than the block."""
    try:
        read_directory(exif, _number(exif, 4, _order(exif), 4))
    except (ValueError, struct.error, RefusedError):
        return False
    return True


def check_samples(tags: Directory) -> None:
    """Raise RefusedError for samples that are not read or whose range is not known, ValueError for a directory that lacks parts of its image."""
    if _DNG in tags or (tags.get(_REDUCED, (0,))[0] & 1 and _SUBDIRECTORIES in tags):
        raise RefusedError(
            "a camera's raw file, whose first image is a thumbnail", "convert it to a TIFF of 8 or 16 bits"
        )
    if not {WIDTH, HEIGHT} <= tags.keys():
        raise ValueError("no size")
    if PHOTOMETRIC not in tags:
        rule = "a TIFF without PhotometricInterpretation, which says whether zero is black or white"
        raise RefusedError(rule, "write it again with that tag (262)")
    photometric, compression = tags[PHOTOMETRIC][0], tags.get(COMPRESSION, (1,))[0]
    bits, formats, n = tags.get(BITS, (1,)), tags.get(SAMPLE_FORMAT, (1,)), tags.get(SAMPLES, (1,))[0]
    unread = next((name for code, name in _FORMATS.items() if code in formats), None)
    if unread or max(bits) > 16:
        rule = f"samples that are {unread or 'unsigned integers'} of {max(bits)} bits, whose range is not known"
        raise RefusedError(f"a TIFF of {rule}", _GREY)
    if photometric in _PHOTOMETRICS:
        raise RefusedError(
            f"a TIFF of {_PHOTOMETRICS[photometric]}, which is not read",
            "convert it to RGB or greyscale of 8 or 16 bits",
        )
    if compression not in _COMPRESSIONS or (compression == 7 and bits[0] != 8):
        what = {
            33003: "JPEG 2000",
            33005: "JPEG 2000",
            34712: "JPEG 2000",
            50002: "JPEG XL",
            7: f"JPEG of {bits[0]} bits",
        }.get(compression)
        raise RefusedError(f"a TIFF compressed as {what or f'number {compression}'}, which is not read", _CONVERT)
    planes = tags.get(PLANAR, (1,))[0] == 2 and n > 1
    if planes and max(bits) > 8:
        rule = f"a TIFF of {max(bits)}-bit colour in separate planes (PlanarConfiguration 2), which is not read"
        raise RefusedError(rule, "store the samples of each pixel together (libtiff's tiffcp -p contig OLD NEW)")
    _check_pieces(tags, n if planes else 1)


def unread(tags: Directory) -> RefusedError:
    """The refusal of a sound file whose arrangement Pillow does not know."""
    bits = ", ".join(map(str, tags.get(BITS, (1,))[:8]))
    photometric, compression = tags[PHOTOMETRIC][0], tags.get(COMPRESSION, (1,))[0]
    rule = f"a TIFF in an arrangement that is not read (bits {bits}, PhotometricInterpretation {photometric}, Compression {compression})"
    return RefusedError(rule, _CONVERT)


def _check_pieces(tags: Directory, planes: int) -> None:
    """Compare the number of strips or tiles with the size: Pillow leaves those that are not listed black."""
    width, height = tags[WIDTH][0], tags[HEIGHT][0]
    if _TILES in tags and _STRIPS not in tags:
        tile = tags.get(_TILE_WIDTH, (0,))[0], tags.get(_TILE_HEIGHT, (0,))[0]
        if not all(tile):
            raise ValueError("tiles without a size")
        need, have = -(-width // tile[0]) * -(-height // tile[1]), len(tags[_TILES])
    else:
        rows = tags.get(_ROWS_PER_STRIP, (height,))[0]
        need, have = -(-height // max(rows, 1)), len(tags.get(_STRIPS, ()))
    if have < need * planes or not have:
        raise ValueError("strips or tiles that are not there")
    if have > _MAX_PIECES:
        raise RefusedError(
            f"a TIFF in {have:,} strips or tiles, not decoded",
            "write it again with fewer rows in a strip, or check whether it is an image",
        )


def _order(data: bytes | mmap) -> str:
    if data[:2] not in (b"II", b"MM"):
        raise ValueError("no byte order")
    return "<" if data[:2] == b"II" else ">"


def _number(data: bytes | mmap, at: int, order: str, size: int) -> int:
    if at + size > len(data):
        raise ValueError("an offset beyond the file")
    return int.from_bytes(data[at : at + size], "little" if order == "<" else "big")
