"""Image files as arrays of 8-bit grey or colour, decoded whole, by stated rules.

Rules. Greyscale stays greyscale, colour is RGB; colour profiles are not applied. 16-bit greyscale is divided by its declared range (65,535, or what
BitsPerSample or MaxSampleValue of a TIFF, or sBIT of a PNG, says) and rounded to 0 to 255, never clipped; a caution says where that leaves few grey
levels. A TIFF that counts white as zero is inverted. 16-bit colour keeps its upper 8 bits. Transparency is laid over white, a palette is replaced
by its colours, CMYK becomes RGB by Pillow's formula (1 - C)(1 - K).
The EXIF orientation is applied, and crop boxes refer to the image after it. Nothing else of the metadata is read or kept. DICOM has rules of its own:
`images.dicom`.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from hybridcx.errors import InputError, Problem
from hybridcx.images import tiff
from hybridcx.images.decoded import FEW_LEVELS_CAUTION, Decoded, RefusedError, article, bands, few_levels, room
from hybridcx.images.jpeg import check_complete, read_jpeg
from hybridcx.images.png import Png, read_png
from hybridcx.vocabulary.extras import remedy

MAX_PIXELS = 80_000_000
"""Images of more pixels are refused before they are decoded; a large mammogram has 30 million."""

# Pillow writes the values of TIFF and EXIF tags, and so patients' names, to its log at DEBUG.
logging.getLogger("PIL").setLevel(logging.INFO)

_ORIENTATION = int(ExifTags.Base.Orientation)
_MIN_SAMPLE, _MAX_SAMPLE = 280, 281
_READ = ("JPEG", "PNG", "TIFF")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"II\xbc", "JPEG XR"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x89HDF", "HDF5"),
    *((b"P%d" % n + end, "Netpbm") for n in range(1, 8) for end in (b"\n", b" ", b"\r")),
)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
}
"""Of the ISO base media format (ISO/IEC 14496-12), in bytes 8 to 12; other brands are films."""
_TRAILING = "data after the image's end marker (a motion photo, a second picture?), which is not read and may identify the patient"


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
    kind = image_kind(data)
    if kind == "DICOM":
        return _decode_dicom(data, frame, max_pixels)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RefusedError("Pillow is set to load truncated images", "set PIL.ImageFile.LOAD_TRUNCATED_IMAGES to False")
    refusal = RefusedError(
        f"a {kind} that is truncated or damaged", "copy it again from its source, or exclude the case"
    )
    try:
        return {"JPEG": _jpeg, "PNG": _png, "TIFF": _tiff}[kind](data, frame, max_pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        refusal = _bomb(max_pixels)
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
    ) as e:
        # Pillow raises all of these on damaged files (struct.error and UnidentifiedImageError are among them or below).
        if "MAX_TEXT_" in str(e):
            refusal = RefusedError("a PNG whose text is too large when unpacked", "write it again without text chunks")
    except Exception as e:
        if type(e).__module__ not in ("struct", "zlib"):
            raise
    raise refusal


def _jpeg(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    jpeg = read_jpeg(data)
    _check_size(jpeg.width, jpeg.height, max_pixels)
    _check_frame(frame, 1, "JPEG")
    with room(jpeg.width * jpeg.height):
        with Image.open(io.BytesIO(jpeg.stripped), formats=("JPEG",)) as im:
            orientation, mode = _orientation(im), im.mode
            pixels, notes = _by_mode(im, grey_16=None)
        check_complete(jpeg, pixels)
    return _decoded(pixels, "JPEG", mode, 8, orientation, orientation, notes, trailing=jpeg.trailing)


def _png(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    png = read_png(data)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as im:
        _check_size(im.width, im.height, max_pixels)
        _check_frame(frame, getattr(im, "n_frames", 1), "PNG")
        if frame is not None and frame > 1:
            im.seek(frame - 1)
            _check_size(im.width, im.height, max_pixels)
        orientation, mode = _orientation(im), im.mode
        with room(im.width * im.height):
            pixels, notes = _png_pixels(im, png)
        bits = 1 if mode == "1" else max(png.depth, 8)
    return _decoded(pixels, "PNG", mode, bits, orientation, orientation, notes, trailing=png.trailing)


def _png_pixels(im: Image.Image, png: Png) -> tuple[np.ndarray, list[str]]:
    im.load()
    if png.depth == 16 and im.mode == "RGB" and "transparency" in im.info:
        rule = "16-bit colour with a transparent colour, which is not read"
        raise RefusedError(rule, "write it with an alpha channel")
    high = 65_535
    if im.mode.startswith("I;16") and png.significant is not None and _is_unscaled(np.asarray(im), png.significant):
        high = 2**png.significant - 1
    return _by_mode(im, grey_16=(0, high, False))


def _tiff(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    offsets = tiff.directories(data)
    _check_frame(frame, len(offsets), "TIFF")
    at = offsets[(frame or 1) - 1]
    tags = tiff.read_directory(data, at)
    tiff.check_samples(tags)
    _check_size(tags[tiff.WIDTH][0], tags[tiff.HEIGHT][0], max_pixels)
    bits = max(tags.get(tiff.BITS, (1,)))
    low, high = tags.get(_MIN_SAMPLE, (0,))[0], tags.get(_MAX_SAMPLE, (2**bits - 1,))[0]
    try:
        im = Image.open(io.BytesIO(data if len(offsets) == 1 else tiff.with_frame(data, at)), formats=("TIFF",))
    except (UnidentifiedImageError, KeyError):
        refusal = tiff.unread(tags)
    else:
        with im, room(im.width * im.height):
            orientation, mode = _orientation(im), im.mode
            im.load()
            # Pillow turns TIFFs upright while loading and removes the tag; a tag that is still present has yet to be applied.
            remaining = _orientation(im)
            pixels, notes = _by_mode(im, grey_16=(low, high, tags[tiff.PHOTOMETRIC][0] == 0))
        return _decoded(pixels, "TIFF", mode, bits, orientation, remaining, notes)
    raise refusal


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _bomb(max_pixels)


def _bomb(max_pixels: int) -> RefusedError:
    return RefusedError(
        f"an image of more than {max_pixels:,} pixels, not decoded", "reduce it, or check whether it is an image"
    )


def _check_frame(frame: int | None, n_frames: int, kind: str) -> None:
    if n_frames > 1 and frame is None:
        raise RefusedError(
            f"a file of {n_frames} frames",
            f"name the one that is meant in the manifest: image.{kind[:3].lower()}#frame=1",
        )
    if frame is not None and not 1 <= frame <= n_frames:
        raise RefusedError(f"there is no frame {frame}, frames are 1 to {n_frames}", "name another")


def is_dicom(head: bytes) -> bool:
    """Return whether a file's first 132 bytes are a DICOM file's. Its preamble may be that of a TIFF, so that one file is both."""
    return head[128:132] == b"DICM"


def _decode_dicom(data: bytes, frame: int | None, max_pixels: int) -> Decoded:
    try:
        from hybridcx.images.dicom import decode_dicom  # pydicom: only where a DICOM file is met
    except ImportError:
        refusal = RefusedError("a DICOM file, and pydicom is not installed", remedy("dicom"))
    else:
        return decode_dicom(data, frame=frame, max_pixels=max_pixels)
    raise refusal


def image_kind(data: bytes) -> str:
    """JPEG, PNG, TIFF or DICOM, from the first kilobyte of a file. Raises RefusedError, which names what else it is."""
    if not data:
        raise RefusedError("an image file of zero bytes", "copy it again, or exclude the case")
    if is_dicom(data):
        return "DICOM"
    kind_name = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if kind_name in _READ:
        return kind_name
    convert = "convert it to PNG or TIFF (ImageMagick: magick OLD NEW.png), JPEG or DICOM"
    if kind_name is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind_name = "WebP"
    if kind_name is None and data[4:8] == b"ftyp":
        kind_name = _BRANDS.get(data[8:12], "film (MP4, QuickTime)")
    if kind_name is None and data[344:348] in (b"n+1\0", b"ni1\0"):
        kind_name = "NIfTI"
    if kind_name is not None:
        raise RefusedError(f"{article(kind_name)} file, not JPEG, PNG, TIFF or DICOM", convert)
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) or (head.startswith(b"<") and b"<html" in head):
        raise RefusedError("an HTML page, not an image", "the download failed (a login or error page?); fetch it again")
    if head.startswith((b"<?xml", b"<svg", b"{", b"<")):
        raise RefusedError("a text file (XML, SVG or JSON), not an image", convert)
    if data[:2] in (b"\x08\0", b"\x02\0") and data[3:4] == b"\0":
        rule = "what may be DICOM, without the preamble and the letters DICM that a file begins with"
        raise RefusedError(rule, "write it again as a DICOM file (dcmtk's dcmconv does)")
    raise RefusedError("not an image in a known format", "check the file; JPEG, PNG, TIFF and DICOM are read")


def _by_mode(im: Image.Image, grey_16: tuple[int, int, bool] | None) -> tuple[np.ndarray, list[str]]:
    """The pixels by the rule for the image's mode, and the rules used. `grey_16`: declared range of 16-bit grey, and whether white is zero."""
    mode, notes = im.mode, []
    if mode.startswith("I;16") and grey_16:
        pixels = _scale_16_bit(np.asarray(im), *grey_16)
        low, high, inverted = grey_16
        notes.append(f"16-bit grey scaled from {low}..{high}" + (", inverted (white is zero)" if inverted else ""))
        if "transparency" in im.info:
            pixels[np.asarray(im) == im.info["transparency"]] = 255
            notes.append("transparency laid over white")
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
    return pixels, notes


def _decoded(
    pixels: np.ndarray, kind: str, mode: str, bits: int, orientation: int, turn: int, notes: list[str], *, trailing: bytes = b"",
) -> Decoded:  # fmt: skip
    """The result: turned upright by the orientation `turn`, with the notes and cautions that every kind of file may need."""
    if bits > 8 and not mode.startswith("I;16"):
        notes.append(f"{bits}-bit colour cut to its upper 8 bits")
    if orientation != 1:
        notes.append(f"EXIF orientation {orientation} applied")
    cautions = []
    if bits > 8 and few_levels(pixels):
        cautions.append(FEW_LEVELS_CAUTION)
    if trailing.strip(b"\0\xff \r\n"):
        cautions.append(_TRAILING)
    upright = _turn(pixels, turn)
    return Decoded(
        np.ascontiguousarray(upright, dtype=np.uint8), kind, mode, bits, orientation, tuple(notes), tuple(cautions)
    )


def _is_unscaled(values: np.ndarray, significant: int) -> bool:
    """Whether a PNG's 16-bit samples are numbers of `significant` bits (sBIT) written as they were.

    The PNG specification has them scaled up to 16 bits; software that writes 12-bit numbers often leaves them. They are unscaled where they fit
    in the bits and are not what scaling gives (within 1, for it may be done by shifting, by repeating bits or by rounding).
    """
    if not 1 <= significant < 16:
        return False
    top = 2**significant - 1
    present = np.flatnonzero(np.bincount(values.ravel(), minlength=65_536))
    scaled = np.rint(present * (top / 65_535)) * (65_535 / top)
    return bool(present[-1] <= top and (np.abs(present - scaled) > 1).any())


def _scale_16_bit(values: np.ndarray, low: int, high: int, invert: bool) -> np.ndarray:
    """Map low..high to 0..255, rounded half up; a value outside is refused, for clipping would hide it."""
    if high <= low or values.min() < low or values.max() > high:
        rule = f"samples of {values.min()} to {values.max()} outside the declared range {low} to {high}"
        raise RefusedError(rule, "correct the tags MinSampleValue and MaxSampleValue, or remove them")
    span = high - low
    table = ((np.arange(65_536) - low).clip(0, span) * 510 + span) // (2 * span)
    return (255 - table if invert else table).astype(np.uint8)[values]


def _over_white(im: Image.Image, *, grey: bool) -> np.ndarray:
    out = np.empty((im.height, im.width, 3), dtype=np.uint8)
    for top, band in bands(im):
        white = Image.new("RGBA", band.size, (255, 255, 255, 255))
        out[top : top + band.height] = np.asarray(Image.alpha_composite(white, band.convert("RGBA")).convert("RGB"))
    return out[..., 0] if grey else out


def _orientation(im: Image.Image) -> int:
    exif = im.info.get("exif", b"")
    try:
        if "Raw profile type exif" in im.info:
            exif = exif or bytes.fromhex("".join(im.info["Raw profile type exif"].split("\n")[3:]))
        if exif and not tiff.is_sound_exif(exif.removeprefix(b"Exif\0\0")):
            return 1
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
