"""DICOM images as 8-bit grey or colour, by stated rules; patients' names are never read.

Only the header fields of `gdcm.HEADER` are read at all (pydicom skips the others), none of them names a person, a date or a place, and no
text of a header is repeated in a message or a note.

From stored value to grey, in DICOM's order (PS3.3 C.11.1, C.11.2):

1. Stored values have BitsStored bits; with PixelRepresentation 1 they are signed. Bits above them are dropped where they are an overlay's or
   repeat the sign; other bits are refused, since BitsStored may be wrong.
2. Modality: the Modality LUT where there is one, else RescaleSlope x value + RescaleIntercept.
3. Values of interest: the first VOI LUT where there is one, else the first window (LINEAR, LINEAR_EXACT or SIGMOID), else the whole
   declared range of step 2, from its least to its greatest possible value: never the range that this one image happens to use, for two
   images of one machine must stay comparable.
4. MONOCHROME1 (small values are bright) is inverted. Padding (PixelPaddingValue) becomes black.
5. Rounded to 0 to 255, half up.

Colour: RGB stays, YBR and palettes become RGB; more than 8 bits are cut to the upper 8. A file of several frames is refused unless a
frame is named; enhanced files give modality and window per frame. Sizes are checked before anything is decoded, those that a
compressed frame claims of itself too. Overlays, display shutters and presentation states are not applied.

pydicom (MIT) is imported with this module and nowhere else. Decoders are pydicom's own (RLE), Pillow (JPEG, JPEG 2000) and GDCM
(Apache 2.0: lossless JPEG, JPEG-LS; in a separate process, see `images.isolated`), which the extra `dicom` brings. Lossy JPEG of 12 bits is
refused: its decoder is under the GPL.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_color_lut, convert_color_space, get_decoder

from hybridcx.images.decoded import FEW_LEVELS_CAUTION, Decoded, RefusedError, few_levels, room
from hybridcx.images.gdcm import HEADER_TAGS, OVERLAY_BIT_POSITIONS
from hybridcx.images.isolated import decode_apart
from hybridcx.images.jpeg import check_complete, probed, read_jpeg
from hybridcx.vocabulary.extras import install_line

_GREY, _COLOUR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_YBR = ("YBR_FULL", "YBR_FULL_422")
_OFTEN_BURNED_IN = tuple(f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("3.1", "6", "7"))  # ultrasound, secondary captures
_PLUGINS = ("pydicom", "pillow", "gdcm", "pylibjpeg", "pyjpegls")
_DEFLATED = re.compile(rb"\x02\0\x10\0.{4}(?:.{4})?[ \0]*1\.2\.840\.10008\.1\.2\.1\.99", re.DOTALL)
"""The element TransferSyntaxUID, wherever it stands: pydicom unpacks such a file before it returns anything."""

_MAX_ITEMS = 100_000
"""Items of sequences and fragments of pixels, of which pydicom makes objects."""

_REQUIRED = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation",
)  # fmt: skip

DAMAGED = ("a DICOM file that is truncated or damaged", "copy it again from its source, or exclude the case")


def decode_dicom(data: bytes, *, frame: int | None, max_pixels: int) -> Decoded:
    """Decode the bytes of a DICOM file; `frame` counts from 1. See `images.decode.decode`.

    Raises RefusedError: truncated or damaged, no image, too large, several frames, a codec that is not installed, a window or samples
    that this module has no rule for.
    """
    refuse_hidden_size(data)
    warnings.filterwarnings(
        "ignore", module=r"pydicom(\.|$)"
    )  # set each time, because resetting the warning filters removes it
    try:
        ds = pydicom.dcmread(io.BytesIO(data), specific_tags=HEADER_TAGS)
        syntax = ds.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise RefusedError(
                "a DICOM file that does not say how its pixels are stored (no transfer syntax)",
                "write it again as a DICOM file (dcmtk's dcmconv does)",
            )
        grey, n_frames = _check(ds, max_pixels)
        if n_frames > 1 and frame is None:
            raise RefusedError(
                f"a file of {n_frames} frames", "name the one that is meant in the manifest: image.dcm#frame=1"
            )
        if frame is not None and not 1 <= frame <= n_frames:
            raise RefusedError(f"there is no frame {frame}, frames are 1 to {n_frames}", "name another")
        index = (frame or 1) - 1
        notes, cautions = [], _cautions(ds)
        if syntax.is_compressed:
            notes.append(f"compressed ({syntax.name})")
        if n_frames > 1:
            notes.append(f"frame {index + 1} of {n_frames}")
        with room(int(ds.Rows) * int(ds.Columns)):
            stored = _stored(ds, syntax, data, index, n_frames)
            pixels = _grey(ds, stored, index, notes, cautions) if grey else _colour(ds, stored, notes)
        return Decoded(
            np.ascontiguousarray(pixels),
            "DICOM",
            str(ds.PhotometricInterpretation),
            int(ds.BitsStored),
            1,
            tuple(notes),
            tuple(cautions),
        )
    except RefusedError:
        raise
    except MemoryError:
        raise RefusedError("a DICOM image too large for this machine's memory", "reduce it") from None
    except Exception:  # pydicom and its plugins raise almost every kind of error on damaged files, and quote the header in their messages
        refusal = RefusedError(*DAMAGED)
    raise refusal


def refuse_hidden_size(data: bytes) -> None:
    """Raise RefusedError for a file that is small, but whose header could take much memory or time to read."""
    if _DEFLATED.search(data):
        raise RefusedError(
            "a deflated DICOM file, whose size is not known before it is unpacked", "store it uncompressed"
        )
    if data.count(b"\xfe\xff\0\xe0") + data.count(b"\xff\xfe\xe0\0") > _MAX_ITEMS:
        raise RefusedError(
            f"a DICOM file of more than {_MAX_ITEMS:,} items, not decoded", "check whether it is an image"
        )


def _check(ds: Any, max_pixels: int) -> tuple[bool, int]:
    """Return whether the image is grey, and its number of frames; refuse files without an image and too large images before decoding."""
    if "PixelData" not in ds:
        if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
            raise RefusedError("a DICOM image of floating point numbers", "convert it to 16-bit greyscale")
        directory = ds.file_meta.get("MediaStorageSOPClassUID") == uid.MediaStorageDirectoryStorage
        # pydicom gives an empty or a short data set where a file ends too early.
        if not directory and ("SOPClassUID" not in ds or "Rows" in ds or "Image Storage" in ds.SOPClassUID.name):
            raise RefusedError(*DAMAGED)
        raise RefusedError(
            "a DICOM object without an image (a report, a plan, a DICOMDIR?)", "name the image, or exclude the case"
        )
    if missing := [keyword for keyword in _REQUIRED if ds.get(keyword) in (None, "")]:
        rule = f"a DICOM image without {', '.join(missing)}, which its pixels cannot be read without"
        raise RefusedError(rule, "export it again from its source, or add what is missing (dcmtk's dcmodify -i)")
    rows, columns, samples = int(ds.Rows), int(ds.Columns), int(ds.SamplesPerPixel)
    if samples > 1 and ds.file_meta.TransferSyntaxUID in uid.JPEG2000TransferSyntaxes:
        max_pixels //= 2  # the decoder takes 4 bytes a sample, and Pillow 4 bytes a pixel besides
    if rows * columns > max_pixels:
        raise RefusedError(
            f"an image of more than {max_pixels:,} pixels, not decoded", "reduce it, or check whether it is an image"
        )
    if rows < 1 or columns < 1:
        raise RefusedError("a DICOM image without pixels", "check the file, or exclude the case")
    interpretation = str(ds.PhotometricInterpretation)
    bits, allocated = int(ds.BitsStored), int(ds.BitsAllocated)
    sound = allocated in (8, 16) and 1 <= bits <= allocated and int(ds.get("HighBit", bits - 1)) == bits - 1
    grey = interpretation in _GREY and samples == 1
    colour = (interpretation in _COLOUR and samples == 3) or (interpretation == "PALETTE COLOR" and samples == 1)
    if not (grey or colour) or not sound:
        raise RefusedError(
            f"samples of {bits} bits in {allocated}, {samples} a pixel, in an arrangement that is not read",
            "convert it to MONOCHROME2 or RGB of 8 or 16 bits",
        )
    return grey, max(int(ds.get("NumberOfFrames") or 1), 1)


def _stored(ds: Any, syntax: uid.UID, data: bytes, index: int, n_frames: int) -> np.ndarray:
    """Return the stored values of one frame, (rows, columns[, 3]); colour as RGB."""
    if syntax.is_encapsulated:
        _coded_frame(ds, syntax, index, n_frames)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise RefusedError("a compression that is not read (video, or unknown)", "store it uncompressed") from None
    plugins = [p for p in _PLUGINS if p in decoder.available_plugins]
    if not decoder.is_available or (syntax.is_encapsulated and not plugins):
        package = (
            "pylibjpeg pylibjpeg-openjpeg"
            if "High-Throughput" in syntax.name
            else f"python-gdcm ({install_line('dicom')} brings it)"
        )
        raise RefusedError(
            f"pixels compressed as {syntax.name}, for which no codec is installed",
            f"run pip install {package}, or store it uncompressed",
        )
    if syntax == uid.JPEGExtended12Bit and int(ds.BitsStored) > 8:
        raise RefusedError(
            "pixels compressed as lossy JPEG of 12 bits, which is not read", "store it uncompressed or as JPEG 2000"
        )
    stored = _decoded(decoder, plugins, ds, data, index)
    if syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        again = _probed(ds, syntax, _frame_bytes(ds, index, n_frames))
        if not np.array_equal(stored, _decoded(decoder, plugins, pydicom.dcmread(io.BytesIO(again)), again, 0)):
            raise RefusedError(*DAMAGED)
    return stored


def _decoded(decoder: Any, plugins: list[str], ds: Any, data: bytes, index: int) -> np.ndarray:
    for plugin in plugins or [""]:
        try:
            if plugin == "gdcm":
                return decode_apart(data, index)
            # pydicom would drop the bits above BitsStored, which `_grey` and `_colour` look at.
            options: Any = {"raw": True, "correct_unused_bits": False}
            stored, properties = decoder.as_array(ds, index=index, decoding_plugin=plugin, **options)
            return _as_rgb(stored) if properties["photometric_interpretation"] in _YBR else np.asarray(stored)
        except Exception:
            if plugin == (plugins or [""])[-1]:
                raise
    raise RefusedError(*DAMAGED)


def _as_rgb(stored: np.ndarray) -> np.ndarray:
    """YBR_FULL as RGB, band by band: pydicom computes with 32-bit numbers."""
    out = np.empty_like(stored)
    for top in range(0, len(stored), 512):
        out[top : top + 512] = convert_color_space(stored[top : top + 512], "YBR_FULL", "RGB")
    return out


def _probed(ds: Any, syntax: uid.UID, coded: bytes) -> bytes:
    """A file of one frame with bytes behind the data of its scans, which a complete JPEG ignores (`images.jpeg`)."""
    again = pydicom.Dataset()
    again.preamble = b"\0" * 128
    again.update({e.tag: e for e in ds if e.keyword in (*_REQUIRED, "PlanarConfiguration")})
    again.PixelData = encapsulate([probed(coded)])
    again.file_meta = pydicom.dataset.FileMetaDataset()
    again.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    again.save_as(out)
    return out.getvalue()


def _frame_bytes(ds: Any, index: int, n_frames: int) -> bytes:
    table = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths) if "ExtendedOffsetTableLengths" in ds else None
    return get_frame(ds.PixelData, index, number_of_frames=n_frames, extended_offsets=table)


def _coded_frame(ds: Any, syntax: uid.UID, index: int, n_frames: int) -> None:
    """Refuse a compressed frame that lacks its end, or is of another size than the header says (a bomb, or the wrong frame)."""
    coded = _frame_bytes(ds, index, n_frames)
    if coded[:2] not in (b"\xff\xd8", b"\xff\x4f") and coded[4:8] != b"jP  ":
        return  # RLE, whose segments have their lengths in front
    if b"\xff\xd9" not in coded[-16:]:
        raise RefusedError(*DAMAGED)
    size = _coded_size(coded)
    if size is not None and size != (int(ds.Rows), int(ds.Columns)):
        raise RefusedError(
            f"a compressed frame of {size[1]:,} x {size[0]:,} pixels, where the header says {int(ds.Columns):,} x {int(ds.Rows):,}",
            "export it again from its source",
        )
    if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit) and int(ds.BitsStored) <= 8:
        jpeg = read_jpeg(coded)
        with Image.open(io.BytesIO(jpeg.stripped), formats=("JPEG",)) as im:
            check_complete(jpeg, np.asarray(im if im.mode in ("L", "RGB") else im.convert("RGB")))


def _coded_size(coded: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream, from its own header; None where none is found."""

    def number(at: int, n: int) -> int:
        return int.from_bytes(coded[at : at + n], "big")

    start = coded.find(b"\xff\x4f\xff\x51") if coded[:2] != b"\xff\xd8" else -1
    if start >= 0:  # SIZ: length, capabilities, then width, height and their offsets
        return number(start + 12, 4) - number(start + 20, 4), number(start + 8, 4) - number(start + 16, 4)
    at = 2
    while at + 9 <= len(coded) and coded[at] == 0xFF:
        marker = coded[at + 1]
        if marker == 0xFF:
            at += 1
        elif (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            return number(at + 5, 2), number(at + 7, 2)
        else:
            at += 2 + number(at + 2, 2)
    return None


def _grey(ds: Any, stored: np.ndarray, index: int, notes: list[str], cautions: list[str]) -> np.ndarray:
    """Steps 1 to 5: a table over all values that BitsStored allows, in which each stored value is looked up."""
    bits, signed = int(ds.BitsStored), int(ds.PixelRepresentation) == 1
    low = -(1 << (bits - 1)) if signed else 0
    values = np.arange(low, low + (1 << bits), dtype=np.float64)
    cells = stored.astype(np.uint16) & np.uint16((1 << int(ds.BitsAllocated)) - 1)
    position = (cells - np.uint16(low & 0xFFFF)) & np.uint16((1 << bits) - 1)
    notes.append(f"{bits} bits stored, {'signed' if signed else 'unsigned'}")
    places = _places(ds, index)
    grey_values = _modality(values, places, notes)
    grey, windowed = _values_of_interest(grey_values, places, ds, notes, cautions)
    if str(ds.PhotometricInterpretation) == "MONOCHROME1":
        grey = 1 - grey
        notes.append("MONOCHROME1 inverted")
    table = np.floor(255 * grey + 0.5).astype(np.uint8)
    padding, limit = _stored_number(ds, "PixelPaddingValue"), _stored_number(ds, "PixelPaddingRangeLimit")
    beyond = _beyond_bits_stored(ds, cells, padding)
    padded = np.zeros(len(values), dtype=bool)
    if padding is not None:
        ends = sorted((padding, padding if limit is None else limit))
        padded = (values >= ends[0]) & (values <= ends[1])
    is_padding = padded[position]
    if beyond is not None:
        is_padding |= beyond
    pixels = table[position]
    if is_padding.any():
        pixels[is_padding] = 0
        notes.append("padding set to black")
    if not windowed and bits > 8 and few_levels(pixels):
        cautions.append(f"no window, and {FEW_LEVELS_CAUTION}")
    return pixels


def _beyond_bits_stored(ds: Any, cells: np.ndarray, padding: int | None) -> np.ndarray | None:
    """Which cells are padding with bits above BitsStored; None where no such bits need a reading.

    Bits above are not part of the image where they are zero, repeat the sign or belong to a declared overlay. Refuses others: the image may have
    more bits than its header says, and dropping them would turn its brightest values dark.
    """
    bits, allocated = int(ds.BitsStored), int(ds.BitsAllocated)
    if bits == allocated or any((ds[at].value if at in ds else 0) for at in OVERLAY_BIT_POSITIONS):
        return None
    above = cells >> bits
    odd = above != 0
    if int(ds.PixelRepresentation) == 1:
        odd &= (above != (1 << (allocated - bits)) - 1) | ((cells >> (bits - 1)) & 1 == 0)
    if not odd.any():
        return None
    if padding is not None:
        padded = odd & (cells == padding & ((1 << allocated) - 1))
        if (padded == odd).all():
            return padded
    largest = int(cells[odd].max())
    rule = f"stored values above what BitsStored {bits} allows (up to {largest:,}), and no overlay in the bits above"
    raise RefusedError(rule, "correct BitsStored and HighBit in the header, or clear the bits above")


def _stored_number(ds: Any, keyword: str) -> int | None:
    """A header's stored value as PixelRepresentation has it. Many files write it with the other sign: 63536 (US) for -2000 (SS) or the reverse."""
    value = ds.get(keyword)
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little") if len(value) == 2 else None
    bits, allocated, signed = int(ds.BitsStored), int(ds.BitsAllocated), int(ds.PixelRepresentation) == 1
    low = -(1 << (allocated - 1)) if signed or allocated == 16 else 0  # US and SS have 16 bits
    if not isinstance(value, int) or not low <= value < 1 << allocated:
        return None
    value &= (1 << allocated) - 1
    if signed:
        for width in (allocated, bits):
            if 1 << (width - 1) <= value < 1 << width:
                return value - (1 << width)
    return value


def _places(ds: Any, index: int) -> list[Any]:
    """The places of modality and window: this frame's functional groups, those of all frames, the file."""
    places = []
    groups = ds.get("PerFrameFunctionalGroupsSequence") or []
    for group in [*groups[index : index + 1], *(ds.get("SharedFunctionalGroupsSequence") or [])[:1]]:
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            places += list(group.get(name) or [])[:1]
    return [*places, ds]


def _first(places: list[Any], keyword: str) -> Any:
    return next((p for p in places if p.get(keyword) not in (None, "", [])), None)


def _modality(values: np.ndarray, places: list[Any], notes: list[str]) -> np.ndarray:
    place = _first(places, "ModalityLUTSequence")
    if place is not None:
        lut, bits = _look_up(values, place.ModalityLUTSequence[0])
        notes.append("modality LUT applied")
        return lut * ((1 << bits) - 1)
    place = _first(places, "RescaleSlope")
    if place is None:
        return values
    slope, intercept = _number(place, "RescaleSlope"), _number(place, "RescaleIntercept") or 0.0
    if not slope:
        raise RefusedError("a RescaleSlope that is zero or no number", "correct the header")
    if (slope, intercept) != (1, 0):
        notes.append(f"rescaled: {slope:g} x value {intercept:+g}")
    return slope * values + intercept


def _values_of_interest(
    modality_values: np.ndarray, places: list[Any], ds: Any, notes: list[str], cautions: list[str]
) -> tuple[np.ndarray, bool]:
    """Step 3: grey of each possible value, 0 to 1, and whether it comes from a LUT or a window."""
    place = _first(places, "VOILUTSequence")
    if place is not None:
        grey, _ = _look_up(modality_values, place.VOILUTSequence[0])
        notes.append("VOI LUT applied" + _of_several(len(place.VOILUTSequence)))
        return grey, True
    place = _first(places, "WindowCenter")
    if place is not None and place.get("WindowWidth") not in (None, "", []):
        center, width = _number(place, "WindowCenter"), _number(place, "WindowWidth")
        function = str(place.get("VOILUTFunction") or "LINEAR").upper()
        if center is None or width is None or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            raise RefusedError(
                "a VOI window that is no number, or of an unknown function", "correct WindowCenter and WindowWidth"
            )
        if width >= 1 or (width > 0 and function != "LINEAR"):
            several = _of_several(len(np.atleast_1d(np.asarray(place.WindowCenter, dtype=object))))
            notes.append(f"VOI window applied: center {center:g}, width {width:g}, {function}{several}")
            return window(modality_values, center, width, function), True
        cautions.append("the VOI window has no width and is not applied")
    low, high = modality_values.min(), modality_values.max()
    notes.append(f"no VOI window; declared range {low:g} to {high:g}")
    return (modality_values - low) / (high - low), False


def window(values: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Grey of each value, 0 to 1, after a VOI window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    LINEAR: (x - (c - 1/2)) / (w - 1) + 1/2, for w >= 1; LINEAR_EXACT: (x - c) / w + 1/2, each held within 0 to 1;
    SIGMOID: 1 / (1 + exp(-4 (x - c) / w)).

    >>> window(np.array([0.0, 127.5, 255.0]), 128, 256).tolist()
    [0.0, 0.5, 1.0]
    """
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
        if width == 0:
            return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0, 1)


def _look_up(values: np.ndarray, item: Any) -> tuple[np.ndarray, int]:
    """Values through a DICOM look-up table, scaled to 0 to 1 by its declared bits; values beyond its ends get the ends."""
    n, first, bits = (int(v) for v in item.LUTDescriptor)
    n = n or 1 << 16
    if first > 0x7FFF and values.min() < 0:
        first -= 1 << 16  # the first mapped value is signed where the values are
    data = item.LUTData
    if isinstance(data, bytes):
        table = np.frombuffer(data, np.uint8 if len(data) in (n, n + 1) and bits == 8 else "<u2")
    else:
        table = np.asarray(data, dtype=np.int64)
    table = table[:n].astype(np.int64)
    if len(table) < n or not 8 <= bits <= 16 or table.min() < 0 or table.max() >= 1 << bits:
        raise RefusedError("a look-up table that does not hold what it declares", "correct the header")
    return table[np.clip(np.rint(values) - first, 0, n - 1).astype(np.int64)] / ((1 << bits) - 1), bits


def _colour(ds: Any, stored: np.ndarray, notes: list[str]) -> np.ndarray:
    interpretation, bits = str(ds.PhotometricInterpretation), int(ds.BitsStored)
    if int(ds.PixelRepresentation) == 1:
        raise RefusedError("signed colour", "convert it to RGB of 8 bits")
    _beyond_bits_stored(ds, stored, None)
    stored = stored & ((1 << bits) - 1)
    if interpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, ds)
        bits = 8 * stored.dtype.itemsize
        notes.append("palette colours")
    elif interpretation != "RGB":
        notes.append(f"{interpretation} turned into RGB")
    if bits > 8:
        notes.append(f"{bits}-bit colour cut to its upper 8 bits")
        stored = stored >> (bits - 8)
    return stored.astype(np.uint8)


def _cautions(ds: Any) -> list[str]:
    cautions = []
    if str(ds.get("BurnedInAnnotation") or "").upper() == "YES":
        cautions.append(
            "burned-in annotation: the header says that text which may identify the patient is in the pixels"
        )
    elif "BurnedInAnnotation" not in ds and str(ds.get("SOPClassUID") or "").startswith(_OFTEN_BURNED_IN):
        cautions.append(
            "burned-in annotation is possible: an ultrasound or secondary capture whose header does not rule it out"
        )
    if str(ds.get("RecognizableVisualFeatures") or "").upper() == "YES":
        cautions.append("the header says that the patient can be recognised from the pixels")
    return cautions


def _number(place: Any, keyword: str) -> float | None:
    """The first value of a field as a finite number, or None."""
    value = place.get(keyword)
    if isinstance(value, (bytes, str)) or value is None:
        return None
    try:
        first = float(np.atleast_1d(np.asarray(value, dtype=object))[0])
    except (TypeError, ValueError, IndexError):
        return None
    return first if np.isfinite(first) else None


def _of_several(n: int) -> str:
    return f" (the first of {n})" if n > 1 else ""
