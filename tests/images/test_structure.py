"""Structure of JPEG, PNG and TIFF: incomplete files, what Pillow would read wrongly, formats that are not read, files made to exhaust a machine.

bad_input.md 19 to 21.
"""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from hybridcx.errors import InputError
from hybridcx.images import decoded
from hybridcx.images.decode import decode_bytes
from hybridcx.images.jpeg import _segments, read_jpeg

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (90, 121, 3), dtype=np.uint8)
FEW = "the values fill fewer than 32 of the 256 grey levels of their declared range"


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(out, kind, **options)
    return out.getvalue()


def refused(data: bytes, **options) -> str:
    with pytest.raises(InputError) as e:
        decode_bytes(data, "x.jpg", **options)
    return str(e.value)


# JPEG

KINDS = [
    {"progressive": progressive, "subsampling": subsampling, "restart_marker_blocks": restarts}
    for progressive in (False, True)
    for subsampling in (0, 2)
    for restarts in (0, 1, 5)
]


@pytest.fixture(autouse=True)
def _large_buffer(monkeypatch):
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 22)


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_half_a_scan_closed_by_an_end_marker_is_found_and_a_whole_one_is_read(options, mode):
    data = encoded(Image.fromarray(COLOUR).convert(mode), "JPEG", quality=90, **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L" if mode == "L" else "RGB"))
    assert np.array_equal(decode_bytes(data, "x").pixels, expected)
    for marker, _, start, end in _segments(data):
        if marker == 0xDA and end - start > 100:
            for part in (0.1, 0.5, 0.9):
                cut = data[: start + int(part * (end - start))].rstrip(b"\xff")
                assert "truncated or damaged" in refused(cut + b"\xff\xd9")
                assert "truncated or damaged" in refused(cut + data[end:])


def test_a_progressive_jpeg_without_its_last_scans_is_found():
    data = encoded(COLOUR, "JPEG", progressive=True)
    ends = [end for marker, _, _, end in _segments(data) if marker == 0xDA]
    for end in ends[:-1]:
        assert "truncated or damaged" in refused(data[:end] + b"\xff\xd9")


@pytest.mark.parametrize("film", [b"\0\0\0\x18ftypmp42" + b"\0\1\2\3" * 99, None])
def test_data_behind_the_end_marker_are_reported_and_the_picture_is_the_plain_one(film):
    plain = encoded(COLOUR, "JPEG")
    d = decode_bytes(plain + (plain if film is None else film), "x")  # a second picture, or a film
    assert np.array_equal(d.pixels, decode_bytes(plain, "x").pixels)
    assert "data after the image's end marker" in d.cautions[0]
    assert decode_bytes(plain + b"\0\0\r\n", "x").cautions == ()


def test_the_first_picture_of_a_multi_picture_file_is_read():
    plain = encoded(COLOUR, "JPEG")
    out = io.BytesIO()
    Image.fromarray(COLOUR).save(out, "MPO", save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
    d = decode_bytes(out.getvalue(), "x")
    assert np.array_equal(d.pixels, decode_bytes(plain, "x").pixels)
    assert "a second picture" in d.cautions[0]
    assert "there is no frame 2" in refused(out.getvalue(), frame=2)


def _sof(data: bytes, marker: int, bits: int = 8) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 1] + bytes([marker]) + data[at + 2 : at + 4] + bytes([bits]) + data[at + 5 :]


@pytest.mark.parametrize(
    ("marker", "bits", "name"),
    [
        (0xC1, 12, "a JPEG of 12 bits a sample"),
        (0xC2, 12, "a JPEG of 12 bits a sample"),
        (0xC3, 16, "a lossless JPEG file"),
        (0xC9, 8, "an arithmetic-coded JPEG file"),
        (0xCA, 8, "an arithmetic-coded JPEG file"),
        (0xF7, 8, "a JPEG-LS file"),
    ],
)
def test_codings_that_are_not_read_are_named_with_the_way_to_convert(marker, bits, name):
    text = refused(_sof(encoded(COLOUR, "JPEG"), marker, bits))
    assert name in text
    assert "Convert it to PNG or TIFF" in text
    assert "damaged" not in text


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC file"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film (MP4, QuickTime) file"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP file"),
        (b"BM\0\0\0\0", "a BMP file"),
        (b"GIF89a", "a GIF file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"\xff\x4f\xff\x51\0\0", "a JPEG 2000 file"),
        (b"\xff\x0a\0\0", "a JPEG XL file"),
        (b"II+\0\x08\0\0\0", "a BigTIFF file"),
        (b"P5\n4 4 255\n", "a Netpbm file"),
        (b"\x5c\x01\0\0" + b"\0" * 340 + b"n+1\0", "a NIfTI file"),
    ],
)
def test_other_formats_are_named_whatever_the_files_ending(data, name):
    text = refused(data)
    assert f"{name}, not JPEG" in text
    assert "Convert it" in text


# PNG


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _png_16(values: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return _png([(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def rounded(values: np.ndarray, top: int) -> np.ndarray:
    return np.floor(values / top * 255 + 0.5)


def test_16_bit_png_colour_is_its_upper_8_bits():
    values = RNG.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    d = decode_bytes(_png_16(values), "x")
    assert np.array_equal(d.pixels, values >> 8)
    assert d.bits == 16


def test_12_bit_values_in_a_16_bit_png_or_tiff_get_a_caution():
    values = RNG.integers(0, 4096, (20, 30)).astype(np.uint16)
    for data in (_png_16(values), encoded(values, "TIFF")):
        d = decode_bytes(data, "x")
        assert np.array_equal(d.pixels, rounded(values, 65535))
        assert d.cautions == (FEW,)
    assert decode_bytes(_png_16(values << 4), "x").cautions == ()
    assert decode_bytes(_png_16(np.dstack([values] * 3)), "x").cautions == (FEW,)
    values[:, 0] = 65535  # more than 0.1 %: bright values are part of the image
    assert decode_bytes(encoded(values, "TIFF"), "x").cautions == ()


@pytest.mark.parametrize("shape", [(20, 30), (200, 300)])
@pytest.mark.parametrize("marker", [0, 65535])
def test_a_marker_does_not_hide_12_bit_values_in_16_bits(shape, marker):
    values = RNG.integers(0, 4096, shape).astype(np.uint16)
    values = values if marker else 65535 - values
    values.ravel()[: max(1, values.size // 1000)] = marker
    for data in (_png_16(values), encoded(values, "TIFF")):
        d = decode_bytes(data, "x")
        assert np.array_equal(d.pixels, rounded(values, 65535))
        assert d.cautions == (FEW,)


def test_sbit_is_the_declared_range_of_values_that_were_not_scaled_up():
    values = RNG.integers(0, 4096, (20, 30)).astype(np.uint16)
    d = decode_bytes(_png_16(values, (b"sBIT", b"\x0c")), "x")
    assert np.array_equal(d.pixels, rounded(values, 4095))
    assert d.notes[0] == "16-bit grey scaled from 0..4095"
    assert d.cautions == ()


@pytest.mark.parametrize("how", ["shifted", "repeated", "rounded"])
@pytest.mark.parametrize("top", [4095, 255])
def test_values_that_were_scaled_up_as_the_png_specification_has_it_keep_16_bits(how, top):
    twelve = np.arange(top + 1).reshape(16, -1)
    values = {
        "shifted": twelve << 4,
        "repeated": (twelve << 4) | (twelve >> 8),
        "rounded": np.rint(twelve * 65535 / 4095).astype(int),
    }[how].astype(np.uint16)
    d = decode_bytes(_png_16(values, (b"sBIT", b"\x0c")), "x")
    assert np.array_equal(d.pixels, rounded(values, 65535))


def test_the_transparent_value_of_16_bit_grey_is_white():
    d = decode_bytes(_png_16(np.array([[1000, 30000]], dtype=np.uint16), (b"tRNS", struct.pack(">H", 1000))), "x")
    assert d.pixels.tolist() == [[255, 117]]


# TIFF


def tiff(pixels: np.ndarray, *, order: str = "<", planar: bool = False, spec: dict[int, int] | None = None) -> bytes:
    """An uncompressed TIFF of one strip a plane, written by hand (TIFF 6.0, section 2). `spec`: tags of SHORT type to add or to change."""
    height, width = pixels.shape[:2]
    n = 1 if pixels.ndim == 2 else pixels.shape[2]
    values = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [values[..., i].tobytes() for i in range(n)] if planar else [values.tobytes()]
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    body = b"".join(planes)
    starts, sizes = [8 + i * len(planes[0]) for i in range(len(planes))], [len(p) for p in planes]
    tags = {256: [width], 257: [height], 258: [8 * pixels.dtype.itemsize] * n, 259: [1], 262: [2 if n > 1 else 1]} | {
        273: starts, 277: [n], 278: [height], 279: sizes, 284: [2 if planar else 1], 339: [kind] * n,
    }  # fmt: skip
    tags |= {tag: [value] for tag, value in (spec or {}).items()}
    at = 8 + len(body)
    entries, more = b"", b""
    for tag, numbers in sorted(tags.items()):
        code, letter = (4, "I") if tag in (273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) > 4:
            entries += struct.pack(order + "HHII", tag, code, len(numbers), at + 2 + 12 * len(tags) + 4 + len(more))
            more += packed
        else:
            entries += struct.pack(order + "HHI", tag, code, len(numbers)) + packed.ljust(4, b"\0")
    magic = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return magic + body + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0) + more


@pytest.mark.parametrize("order", ["<", ">"])
def test_colour_in_planes_is_right_at_8_bits_and_refused_at_16(order):
    assert np.array_equal(decode_bytes(tiff(COLOUR, order=order, planar=True), "x").pixels, COLOUR)
    assert np.array_equal(decode_bytes(tiff(COLOUR, order=order), "x").pixels, COLOUR)
    wide = RNG.integers(0, 65536, (9, 11, 3)).astype(np.uint16)
    assert np.array_equal(decode_bytes(tiff(wide, order=order), "x").pixels, wide >> 8)
    text = refused(tiff(wide, order=order, planar=True))
    assert "16-bit colour in separate planes (PlanarConfiguration 2), which is not read" in text
    assert "tiffcp -p contig" in text


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("i1", "signed integers of 8 bits"),
        ("i2", "signed integers of 16 bits"),
        ("u4", "unsigned integers of 32 bits"),
        ("f2", "floating-point numbers of 16 bits"),
        ("f4", "floating-point numbers of 32 bits"),
        ("f8", "floating-point numbers of 64 bits"),
        ("c8", "complex floating-point numbers of 64 bits"),
    ],
)
def test_samples_whose_range_is_not_known_are_refused_by_name(order, dtype, name):
    text = refused(tiff(np.arange(12).reshape(3, 4).astype(dtype), order=order))
    assert f"samples that are {name}, whose range is not known" in text
    assert "Convert it to unsigned greyscale" in text


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({262: 8}, "CIELab"),
        ({259: 34712}, "compressed as JPEG 2000"),
        ({259: 50002}, "compressed as JPEG XL"),
        ({259: 9}, "compressed as number 9"),
        ({258: 14}, "an arrangement that is not read (bits 14"),
        ({278: 1}, "truncated or damaged"),  # 90 strips, of which one is listed
        ({50706: 1}, "a camera's raw file"),
    ],
)
def test_other_arrangements_are_refused_by_name(spec, text):
    assert text in refused(tiff(COLOUR[..., 0].copy(), spec=spec))


def test_a_tiff_that_does_not_say_whether_zero_is_black_is_refused():
    data = tiff(COLOUR[..., 0].copy())
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    assert "without PhotometricInterpretation" in refused(data[:at] + struct.pack("<H", 261) + data[at + 2 :])


def test_frames_far_down_a_chain_are_read_without_walking_it_again():
    frames = [Image.fromarray(np.array([[i, 1], [2, 3]], dtype=np.uint8)) for i in range(200)]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert "a file of 200 frames" in refused(data)
    for frame in (1, 2, 117, 200):
        assert decode_bytes(data, "x", frame=frame).pixels[0, 0] == frame - 1


# Files made to exhaust a machine


def chain(n: int) -> bytes:
    tags = [
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 64),
    ]
    length = 2 + 12 * len(tags) + 4
    entries = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    following = (struct.pack("<I", 72 + (i + 1) * length if i < n - 1 else 0) for i in range(n))
    return b"II*\0" + struct.pack("<I", 72) + b"\x80" * 64 + b"".join(entries + at for at in following)


def scans(n: int) -> bytes:
    data = encoded(COLOUR, "JPEG", progressive=True)
    last = [segment for segment in _segments(data) if segment[0] == 0xDA][-1]
    return data[: last[1]] + data[last[1] : last[3]] * n + data[last[3] :]


def tags_over_one_place(n: int) -> bytes:
    """An Exif block or TIFF of n tags whose values are all the same megabyte."""
    entries = b"".join(struct.pack("<HHII", 50_000 + i % 9_000, 7, 1 << 20, 8) for i in range(n))
    return b"II*\0" + struct.pack("<I", 8 + (1 << 20)) + b"\0" * (1 << 20) + struct.pack("<H", n) + entries + b"\0" * 4


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda: chain(60_000), "a file of 60000 frames"),
        (lambda: chain(160_000), "more than 65,535 frames"),
        (lambda: tags_over_one_place(60_000), "truncated or damaged"),
        (lambda: tiff(COLOUR[..., 0].copy(), spec={278: 1}).replace(struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 273, 4, 1 << 29)), "damaged"),
        (lambda: scans(3_000), "more than 100 scans"),
        (lambda: b"\xff\xd8" + b"\xff\xe1\0\x02" * 2_000_000 + encoded(COLOUR, "JPEG")[2:], "truncated or damaged"),
        (lambda: _png([(b"tEXt", b"")] * 200_000), "more than 100,000 chunks"),
        (lambda: _png_16(np.zeros((2, 2), int), (b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 99_000_000))), "text is too large"),
        (lambda: _png_16(np.zeros((2, 2), int), (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"\0" * 99_000_000))), "text is too large"),
        (
            lambda: _png_16(np.zeros((2, 2), int), *[(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 1_000_000))] * 99),
            "text is too large",
        ),
    ],
    ids=["frames", "too many frames", "tags", "offsets", "scans", "segments", "chunks", "zTXt", "iTXt", "many zTXt"],
)  # fmt: skip
def test_files_made_to_exhaust_a_machine_are_refused_at_once(data, text):
    made = data()
    begun = time.perf_counter()
    assert text in refused(made)
    assert time.perf_counter() - begun < 5


def test_an_exif_block_larger_than_it_is_costs_nothing_and_the_picture_is_read():
    exif = tags_over_one_place(3)[:60_000]
    for kind in ("JPEG", "PNG"):
        data = encoded(COLOUR, kind, exif=b"Exif\0\0" + exif)
        assert decode_bytes(data, "x").orientation == 1


def test_metadata_never_reach_pillow():
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "CANARY", 6
    data = encoded(COLOUR, "JPEG", exif=exif, comment=b"CANARY", icc_profile=b"CANARY" * 99)
    assert b"CANARY" * 9 not in read_jpeg(data).stripped
    assert decode_bytes(data, "x").orientation == 6


def test_threads_share_the_pixels_at_once_and_a_larger_image_goes_alone(monkeypatch):
    monkeypatch.setattr(decoded, "PIXELS_AT_ONCE", 10)
    inside = threading.Event()

    def enter(n: int) -> None:
        with decoded.room(n):
            inside.set()

    for first, second, waits in ((4, 6, False), (4, 7, True), (99, 1, True), (1, 99, True)):
        inside.clear()
        with decoded.room(first):
            thread = threading.Thread(target=enter, args=(second,))
            thread.start()
            assert inside.wait(0.2 if waits else 5) is not waits
        thread.join(5)
        assert inside.is_set()
