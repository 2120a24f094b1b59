"""Decoding: bad_input.md 18 to 23 and 26, and the stated rules on modes and orientation."""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from hybridcx.errors import InputError
from hybridcx.images.decode import decode, decode_bytes

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning", "ignore:Tag data larger:UserWarning")

SHARED = Path(__file__).parents[2] / "../shared/data"
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def refused(data: bytes, **options) -> str:
    with pytest.raises(InputError) as e:
        decode_bytes(data, "x.png", **options)
    assert e.value.__cause__ is None
    assert e.value.__context__ is None
    return str(e.value)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_lossless_formats_come_back_exactly(kind, pixels):
    d = decode_bytes(encoded(Image.fromarray(pixels), kind), "x")
    assert np.array_equal(d.pixels, pixels)
    assert (d.kind, d.bits, d.orientation, d.notes) == (kind, 8, 1, ())


def test_jpeg_is_decoded_as_pillow_does():
    data = encoded(Image.fromarray(COLOUR), "JPEG", quality=95)
    assert np.array_equal(decode_bytes(data, "x").pixels, np.asarray(Image.open(io.BytesIO(data))))


# bad_input.md 18, 19


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.png: the image cannot be read"):
        decode(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "zero bytes"),
        (b"<!DOCTYPE html><html><body>Login</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf\n  <HTML>", "an HTML page"),
        (b"<!-- x --><html>", "an HTML page"),
        (b'<svg xmlns="x">', "a text file"),
        (b'{"error": 1}', "a text file"),
        (b"GIF89a....", "a GIF file"),
        (b"RIFF....WEBPVP8 ", "a WebP file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"hello", "not an image"),
        (b"\0" * 128 + b"DICM....", "does not say how its pixels are stored"),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100", "what may be DICOM, without the preamble"),
        (b"\x89PNG\r\n\x1a\n", "truncated or damaged"),
        (b"\xff\xd8\xff\xe0", "truncated or damaged"),
        (b"II*\0\x08\0\0\0", "truncated or damaged"),
    ],
)
def test_what_is_no_image_is_named(data, text):
    assert text in refused(data)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", [2, 3, 50, 200])
def test_a_truncated_jpeg_is_found(progressive, cut):
    data = encoded(Image.fromarray(COLOUR), "JPEG", progressive=progressive, exif=_exif_with_thumbnail())
    assert decode_bytes(data, "x").pixels.shape == (20, 30, 3)
    assert "a JPEG that is truncated or damaged" in refused(data[:-cut])


def _exif_with_thumbnail() -> bytes:
    # A whole JPEG inside the EXIF block, whose end marker must not be taken for the image's.
    exif = Image.Exif()
    exif[0x010E] = encoded(Image.fromarray(GREY), "JPEG").decode("latin-1")
    return exif.tobytes()


@pytest.mark.parametrize("cut", [1, 12, 30, 100])
def test_a_truncated_png_or_tiff_is_found(cut):
    assert "truncated or damaged" in refused(encoded(Image.fromarray(COLOUR), "PNG")[:-cut])
    tiff = encoded(Image.fromarray(COLOUR), "TIFF")
    assert "truncated or damaged" in refused(tiff[: len(tiff) // 2 - cut])


def test_a_png_with_a_wrong_checksum_is_found():
    data = bytearray(encoded(Image.fromarray(GREY), "PNG"))
    data[data.index(b"IDAT") + 10] ^= 255
    assert "truncated or damaged" in refused(bytes(data))


def test_pillows_leniency_is_refused(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert "LOAD_TRUNCATED_IMAGES" in refused(encoded(Image.fromarray(GREY), "PNG"))


# bad_input.md 20


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 10_000, 60_000])
def test_a_decompression_bomb_is_never_decoded(side, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert "more than 80,000,000 pixels" in refused(_png(side, side))


def test_the_limit_can_be_set():
    assert "more than 599 pixels" in refused(encoded(Image.fromarray(GREY), "PNG"), max_pixels=599)
    assert decode_bytes(encoded(Image.fromarray(GREY), "PNG"), "x", max_pixels=600).pixels.size == 600


# bad_input.md 21

WIDE = np.array([[0, 128, 129], [256, 32768, 65535]], dtype=np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_by_its_range(kind):
    d = decode_bytes(encoded(Image.fromarray(WIDE), kind), "x")
    assert d.pixels.tolist() == [[0, 0, 1], [1, 128, 255]]
    assert d.bits == 16
    assert "0..65535" in d.notes[0]


def _tiff(pixels: np.ndarray, **tags: int) -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        info[{"photometric": 262, "low": 280, "high": 281, "orientation": 274}[name]] = value
    return encoded(Image.fromarray(pixels), "TIFF", tiffinfo=info)


def test_16_bit_grey_with_a_declared_maximum():
    d = decode_bytes(_tiff(np.array([[0, 2048, 4095]], dtype=np.uint16), high=4095), "x")
    assert d.pixels.tolist() == [[0, 128, 255]]
    d = decode_bytes(_tiff(np.array([[100, 1100]], dtype=np.uint16), low=100, high=1100), "x")
    assert d.pixels.tolist() == [[0, 255]]


def test_samples_beyond_the_declared_maximum_are_refused_not_clipped():
    assert "outside the declared range 0 to 4095" in refused(_tiff(np.array([[0, 5000]], dtype=np.uint16), high=4095))


def _white_is_zero(pixels: np.ndarray) -> bytes:
    # Pillow writes BlackIsZero whatever it is told; the tag's value is changed in the file.
    data = encoded(Image.fromarray(pixels), "TIFF")
    at = data.index(struct.pack("<HHIH", 262, 3, 1, 1))
    return data[: at + 8] + b"\0" + data[at + 9 :]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_inverted(dtype):
    top = np.iinfo(dtype).max
    d = decode_bytes(_white_is_zero(np.array([[0, top, top]], dtype=dtype)), "x")
    assert d.pixels.tolist() == [[255, 0, 0]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_samples_are_refused(dtype):
    assert "whose range is not known" in refused(encoded(Image.fromarray(np.ones((4, 4), dtype=dtype)), "TIFF"))


# bad_input.md 22


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_the_exif_orientation_is_applied_and_recorded(kind, orientation):
    upright = np.kron(np.array([[0, 255], [60, 120], [200, 30]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    # How a camera would have stored it: the inverse of each turn, written out independently of the code.
    stored = {
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.T,
        6: np.rot90(upright),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    if kind == "TIFF":
        data = _tiff(np.ascontiguousarray(stored), orientation=orientation)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
        data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    d = decode_bytes(data, "x")
    assert d.orientation == orientation
    assert d.pixels.shape == upright.shape
    assert np.abs(d.pixels.astype(int) - upright).max() <= 3
    assert any("orientation" in n for n in d.notes) == (orientation != 1)


def test_an_orientation_beyond_8_is_none():
    exif = Image.Exif()
    exif[0x0112] = 99
    assert decode_bytes(encoded(Image.fromarray(GREY), "JPEG", exif=exif), "x").orientation == 1


def test_transparency_is_laid_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], dtype=np.uint8)
    d = decode_bytes(encoded(Image.fromarray(rgba), "PNG"), "x")
    assert d.pixels.tolist() == [[[10, 20, 30], [255, 255, 255], [127, 127, 127]]]
    la = np.array([[[10, 255], [10, 0]]], dtype=np.uint8)
    d = decode_bytes(encoded(Image.fromarray(la), "PNG"), "x")
    assert d.pixels.tolist() == [[10, 255]]
    assert "over white" in d.notes[0]
    d = decode_bytes(encoded(Image.fromarray(np.array([[5, 9]], dtype=np.uint8)), "PNG", transparency=9), "x")
    assert d.pixels.tolist() == [[5, 255]]


def test_a_palette_becomes_its_colours():
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "L").convert("P")
    image.putpalette([1, 2, 3, 40, 50, 60, 7, 7, 7])
    assert decode_bytes(encoded(image, "PNG"), "x").pixels.tolist() == [[[1, 2, 3], [40, 50, 60], [7, 7, 7]]]
    image.putpalette([9, 9, 9, 50, 50, 50, 7, 7, 7])
    d = decode_bytes(encoded(image, "PNG"), "x")
    assert d.pixels.tolist() == [[9, 50, 7]]
    assert "palette" in d.notes[0]


def test_cmyk_becomes_rgb():
    cmyk = Image.merge("CMYK", [Image.new("L", (4, 4), v) for v in (255, 0, 0, 51)])
    d = decode_bytes(encoded(cmyk, "TIFF"), "x")
    assert d.pixels[0, 0].tolist() == [0, 204, 204]
    assert "CMYK" in d.notes[0]


def test_one_bit_images():
    bits = np.array([[True, False]])
    d = decode_bytes(encoded(Image.fromarray(bits), "PNG"), "x")
    assert d.pixels.tolist() == [[255, 0]]
    assert d.bits == 1


# bad_input.md 23


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_several_frames_are_refused_unless_one_is_named(kind):
    frames = [Image.fromarray(np.full((4, 4), v, dtype=np.uint8)) for v in (1, 2)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "a file of 2 frames" in refused(data)
    assert decode_bytes(data, "x", frame=1).pixels[0, 0] == 1
    assert decode_bytes(data, "x", frame=2).pixels[0, 0] == 2
    assert "there is no frame 3" in refused(data, frame=3)
    assert "there is no frame 0" in refused(data, frame=0)


def test_an_animation_is_refused_as_gif():
    frames = [Image.fromarray(np.full((4, 4), v, dtype=np.uint8)) for v in (1, 200)]
    assert "a GIF file" in refused(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


# bad_input.md 26


def test_what_exif_says_of_the_patient_reaches_no_message_note_or_log(caplog):
    canary = "CANARY^PATIENT"
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x8298] = canary
    with caplog.at_level(logging.DEBUG):
        for kind in ("JPEG", "TIFF", "PNG"):
            data = encoded(Image.fromarray(GREY), kind, exif=exif)
            assert canary.encode() in data
            d = decode_bytes(data, "x")
            assert canary not in repr(d)
            for cut in (len(data) // 2, len(data) - 5, 60):
                assert canary not in refused(data[:cut])
    assert canary not in caplog.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_damaged_files_are_refused_or_read_but_never_crash(kind):
    data = encoded(Image.fromarray(COLOUR), kind)
    for i in range(60):
        broken = bytearray(data)
        for at in np.random.default_rng(i).integers(8, len(data), 4):
            broken[at] = np.random.default_rng(i + 1000).integers(256)
        with contextlib.suppress(InputError):
            assert decode_bytes(bytes(broken), "x").pixels.dtype == np.uint8


@pytest.mark.shared
def test_real_files():
    if not SHARED.exists():
        pytest.skip("../shared/data is not here")
    assert decode(SHARED / "busi/images/benign_1.jpg").pixels.shape == (256, 256)
