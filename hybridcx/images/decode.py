"""Image files as arrays of 8-bit grey or colour, decoded whole, by stated rules.

Rules. Greyscale stays greyscale, colour is RGB; colour profiles are not applied. 16-bit greyscale is divided by its declared range (65,535, or what
BitsPerSample or MaxSampleValue of a TIFF says) and rounded to 0 to 255, never clipped; a TIFF that counts white as zero is inverted. 16-bit colour
keeps its upper 8 bits. Transparency is laid over white, a palette is replaced by its colours, CMYK becomes RGB by Pillow's formula (1 - C)(1 - K).
The EXIF orientation is applied, and crop boxes refer to the image after it. Nothing else of the metadata is read or kept. DICOM has rules of its own:
`images.dicom`.
"""

from __future__ import annotations

import io
import logging
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile

from hybridcx.errors import InputError, Problem
from hybridcx.images.decoded import Decoded, RefusedError

MAX_PIXELS = 80_000_000
"""Images of more pixels are refused before they are decoded; a large mammogram has 30 million."""

# Pillow writes the values of TIFF and EXIF tags, and so patients' names, to its log at DEBUG.
logging.getLogger("PIL").setLevel(logging.INFO)

_ORIENTATION = int(ExifTags.Base.Orientation)
_PHOTOMETRIC, _BITS, _MIN_SAMPLE, _MAX_SAMPLE = 262, 258, 280, 281
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
)
_READ = ("JPEG", "PNG", "TIFF")


def decode(path: str | Path, *, frame: int | None = None, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode a JPEG, PNG, TIFF or DICOM file.

    Parameters: `frame`, the frame (from 1) of a file with several, which is refused without it; `max_pixels`, the largest
    image that is decoded.

    Raises InputError, with the file and nothing of its metadata: unreadable, zero bytes, no image, another format, truncated or
    damaged, too large, several frames, samples whose range is not known, DICOM without pydicom or a codec.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise InputError(Problem(f"the image cannot be read: {e.strerror or type(e).__name__}", path.name)) from None
    return decode_bytes(data, path.name, frame=frame, max_pixels=max_pixels)


def decode_bytes(data: bytes, name: str, *, frame: int | None = None, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the bytes of an image file; `name` stands for it in messages. See `decode`."""
    try:
        return _decode(data, frame, max_pixels)
    except RefusedError as e:
        problem = Problem(e.rule, name, remedy=e.remedy)
    # Raised outside the handler: Pillow's messages can quote the file's metadata and must not be attached as a context.
    raise InputError(problem)


def _decode(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    kind = _kind(data)
    if kind == "DICOM":
        return _decode_dicom(data, frame, max_pixels)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RefusedError("Pillow is set to load truncated images", "set PIL.ImageFile.LOAD_TRUNCATED_IMAGES to False")
    damaged = RefusedError(
        f"a {kind} that is truncated or damaged", "copy it again from its source, or exclude the case"
    )
    if (kind == "JPEG" and not _jpeg_ends(data)) or (kind == "PNG" and not _png_is_sound(data)):
        raise damaged
    bomb = RefusedError(
        f"an image of more than {max_pixels:,} pixels, not decoded", "reduce it, or check whether it is an image"
    )
    try:
        with Image.open(io.BytesIO(data), formats=_READ) as im:
            if im.width * im.height > max_pixels:
                raise bomb
            n_frames = getattr(im, "n_frames", 1)
            if n_frames > 1 and frame is None:
                raise RefusedError(
                    f"a file of {n_frames} frames",
                    f"name the one that is meant in the manifest: image.{kind[:3].lower()}#frame=1",
                )
            if frame is not None and not 1 <= frame <= n_frames:
                raise RefusedError(f"there is no frame {frame}, frames are 1 to {n_frames}", "name another")
            if frame is not None and frame > 1:
                im.seek(frame - 1)
                if im.width * im.height > max_pixels:
                    raise bomb
            return _pixels(im, kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        refusal = bomb
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        IndexError,
        OverflowError,
        ArithmeticError,
    ):
        # Pillow raises all of these on damaged files (struct.error and UnidentifiedImageError are among them or below).
        refusal = damaged
    except Exception as e:
        if type(e).__module__ not in ("struct", "zlib"):
            raise
        refusal = damaged
    raise refusal


def is_dicom(head: bytes) -> bool:
    """Return whether a file's first 132 bytes are a DICOM file's. Its preamble may be that of a TIFF, so that one file is both."""
    return head[128:132] == b"DICM"


def _decode_dicom(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    try:
        from hybridcx.images.dicom import decode_dicom  # pydicom: only where a DICOM file is met
    except ImportError:
        refusal = RefusedError("a DICOM file, and pydicom is not installed", "run pip install 'hybridcx[dicom]'")
    else:
        return decode_dicom(data, frame=frame, max_pixels=max_pixels)
    raise refusal


def _jpeg_ends(data: bytes) -> bool:
    """Return whether the last scan has an end marker; libjpeg fills missing data without a warning."""
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _png_is_sound(data: bytes) -> bool:
    """Return whether every chunk up to IEND is there and has its checksum; Pillow leaves those of the pixels unread."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 8 + length
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big") or end + 4 > len(
            data
        ):
            return False
        if name == b"IEND":
            return True
        at = end + 4
    return False


def _kind(data: bytes) -> str:
    if not data:
        raise RefusedError("an image file of zero bytes", "copy it again, or exclude the case")
    if is_dicom(data):
        return "DICOM"
    kind_name = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if kind_name in _READ:
        return kind_name
    convert = "convert it to PNG, JPEG, TIFF or DICOM"
    if kind_name is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind_name = "WebP"
    if kind_name is not None:
        raise RefusedError(f"a {kind_name} file, not JPEG, PNG, TIFF or DICOM", convert)
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) or (head.startswith(b"<") and b"<html" in head):
        raise RefusedError("an HTML page, not an image", "the download failed (a login or error page?); fetch it again")
    if head.startswith((b"<?xml", b"<svg", b"{", b"<")):
        raise RefusedError("a text file (XML, SVG or JSON), not an image", convert)
    if data[:2] in (b"\x08\0", b"\x02\0") and data[3:4] == b"\0":
        rule = "what may be DICOM, without the preamble and the letters DICM that a file begins with"
        raise RefusedError(rule, "write it again as a DICOM file (dcmtk's dcmconv does)")
    raise RefusedError("not an image in a known format", "check the file; JPEG, PNG, TIFF and DICOM are read")


def _pixels(im: Image.Image, kind: str) -> Decoded:
    mode, notes = im.mode, []
    bits = _bits(im, kind)
    white_is_zero = kind == "TIFF" and im.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]
    declared = _declared_range(im, kind, bits)
    orientation = _orientation(im)
    im.load()
    # Pillow turns TIFFs upright while loading and removes the tag; a tag that is still present has yet to be applied.
    remaining = _orientation(im)
    if mode.startswith("I;16") or (mode == "I" and kind == "PNG"):
        pixels = _scale_16_bit(np.asarray(im).astype(np.int64), *declared, invert=white_is_zero)
        notes.append(
            f"16-bit grey scaled from {declared[0]}..{declared[1]}"
            + (", inverted (white is zero)" if white_is_zero else "")
        )
    elif mode in ("1", "L") and "transparency" not in im.info:
        pixels = np.asarray(im.convert("L"))
    elif mode == "RGB" and "transparency" not in im.info:
        pixels = np.asarray(im)
    elif mode in ("RGBA", "RGBa", "LA", "La", "PA") or ("transparency" in im.info and mode in ("P", "L", "RGB", "1")):
        pixels = _over_white(im, grey=mode in ("LA", "La", "L", "1"))
        notes.append("transparency laid over white")
    elif mode in ("P", "CMYK", "YCbCr", "RGBX"):
        pixels = np.asarray(im.convert("RGB"))
    else:
        raise RefusedError(
            f"samples of mode {mode}, whose range is not known", "convert it to 8-bit or unsigned 16-bit greyscale"
        )
    if mode in ("P", "PA"):
        notes.append("palette colours")
        grey = pixels.ndim == 3 and bool((pixels[..., :1] == pixels).all())
        pixels = pixels[..., 0] if grey else pixels
    if mode == "CMYK":
        notes.append("CMYK turned into RGB without a profile")
    if bits > 8 and pixels.ndim == 3:
        notes.append(f"{bits}-bit colour cut to its upper 8 bits")
    if orientation != 1:
        notes.append(f"EXIF orientation {orientation} applied")
    upright = _turn(pixels, remaining)
    return Decoded(np.ascontiguousarray(upright, dtype=np.uint8), kind, mode, bits, orientation, tuple(notes))


def _bits(im: Image.Image, kind: str) -> int:
    if kind == "TIFF":
        tag_bits = im.tag_v2.get(_BITS, (1,))  # type: ignore[attr-defined]
        return int(max(tag_bits) if isinstance(tag_bits, tuple) else tag_bits)
    if kind == "PNG":
        tile = getattr(im, "tile", [])  # Pillow keeps the file's own sample format there alone
        raw = tile[0].args if tile else ""
        return 16 if "16" in str(raw) else 1 if im.mode == "1" else 8
    return 8


def _declared_range(im: Image.Image, kind: str, bits: int) -> tuple[int, int]:
    low, high = 0, 2 ** min(bits, 16) - 1
    if kind == "TIFF":
        tags = im.tag_v2  # type: ignore[attr-defined]
        low, high = (tags.get(tag, default) for tag, default in ((_MIN_SAMPLE, low), (_MAX_SAMPLE, high)))
        low, high = (int(v[0] if isinstance(v, tuple) else v) for v in (low, high))
    return low, high


def _scale_16_bit(values: np.ndarray, low: int, high: int, *, invert: bool) -> np.ndarray:
    """Map low..high to 0..255, rounded half up; a value outside is refused, for clipping would hide it."""
    if high <= low or values.min() < low or values.max() > high:
        rule = f"samples of {values.min()} to {values.max()} outside the declared range {low} to {high}"
        raise RefusedError(rule, "correct the tags MinSampleValue and MaxSampleValue, or remove them")
    span = high - low
    scaled = ((values - low) * 510 + span) // (2 * span)
    return (255 - scaled if invert else scaled).astype(np.uint8)


def _over_white(im: Image.Image, *, grey: bool) -> np.ndarray:
    rgba = im.convert("RGBA")
    out = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
    pixels = np.asarray(out)
    return pixels[..., 0] if grey else pixels


def _orientation(im: Image.Image) -> int:
    try:
        value = im.getexif().get(_ORIENTATION, 1)
    except Exception:  # an image with a damaged EXIF block is still used; Pillow raises many kinds of error here
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (1 to 8) to (height, width[, 3]) pixels."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
