"""DICOM: bad_input.md 25 and 26, the order of steps from stored value to grey, compressed syntaxes, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import CANARY, RAMP, made
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from hybridcx.errors import InputError
from hybridcx.images import dicom
from hybridcx.images import isolated as apart
from hybridcx.images.decode import decode, decode_bytes
from hybridcx.images.gdcm import HEADER

SHARED = Path(__file__).parents[2] / "../shared/data/dicom"
# Files of pydicom's own tests, which its wheel brings (MIT).
THEIRS = Path(pydicom.__file__).parent / "data/test_files"


def refused(data: bytes, **options) -> str:
    with pytest.raises(InputError) as e:
        decode_bytes(data, "x.dcm", **options)
    assert e.value.__cause__ is None
    assert e.value.__context__ is None
    assert CANARY not in str(e.value)
    return str(e.value)


def outcome(data: bytes) -> str:
    """What is said of a file, whether it is read or refused."""
    try:
        return repr(decode_bytes(data, "x"))
    except InputError as e:
        return str(e)


def grey(data: bytes) -> np.ndarray:
    return decode_bytes(data, "x.dcm").pixels.astype(int)


def rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(int)


# From stored value to grey


def test_without_a_window_the_declared_range_is_scaled_never_the_images_own():
    d = decode_bytes(made(RAMP // 2), "x")
    assert np.array_equal(d.pixels, rounded(RAMP // 2 / 4095))
    assert (d.kind, d.mode, d.bits, d.orientation) == ("DICOM", "MONOCHROME2", 12, 1)
    assert "no VOI window; declared range 0 to 4095" in d.notes
    signed = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    assert np.array_equal(grey(made(signed)), rounded(RAMP / 4095))


def test_rescale_then_window_by_the_standards_formula():
    data = made(RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=1000, WindowWidth=2000)
    x = 2.0 * RAMP - 1024
    expected = np.select([x <= 1000 - 0.5 - 1999 / 2, x > 1000 - 0.5 + 1999 / 2], [0, 1], (x - 999.5) / 1999 + 0.5)
    assert np.array_equal(grey(data), rounded(expected))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_pydicom(function):
    data = made(WindowCenter=1500, WindowWidth=800, VOILUTFunction=function)
    ds = pydicom.dcmread(io.BytesIO(data))
    theirs = apply_windowing(ds.pixel_array, ds) / 4095
    assert np.abs(grey(data) - rounded(theirs)).max() <= 1
    assert (grey(data) != rounded(theirs)).mean() < 0.01


def test_the_first_window_counts_and_it_is_said():
    d = decode_bytes(made(WindowCenter=[2048, 100], WindowWidth=[4096, 10]), "x")
    assert np.array_equal(d.pixels, rounded(RAMP / 4095))
    assert "VOI window applied: center 2048, width 4096, LINEAR (the first of 2)" in d.notes


def test_a_window_of_one_value_and_of_none():
    assert np.array_equal(grey(made(WindowCenter=100, WindowWidth=1)), 255 * (RAMP > 99.5))
    d = decode_bytes(made(WindowCenter=100, WindowWidth=0), "x")
    assert d.cautions == ("the VOI window has no width and is not applied",)


def test_a_voi_lut_comes_before_a_window():
    item = Dataset()
    table = np.linspace(255, 0, 4096).round().astype(np.uint16)
    item.LUTDescriptor, item.LUTData = [4096, 0, 8], table.tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    d = decode_bytes(made(VOILUTSequence=[item], WindowCenter=1, WindowWidth=2), "x")
    assert np.array_equal(d.pixels, table[RAMP])
    assert "VOI LUT applied" in d.notes
    short = Dataset()
    short.LUTDescriptor, short.LUTData = [3, 100, 16], [0, 30000, 65535]
    short["LUTDescriptor"].VR = short["LUTData"].VR = "US"
    expected = rounded(np.array([0, 30000, 65535])[np.clip(RAMP.astype(int) - 100, 0, 2)] / 65535)
    assert np.array_equal(grey(made(VOILUTSequence=[short])), expected)
    short.LUTDescriptor = [9, 100, 16]
    assert "does not hold what it declares" in refused(made(VOILUTSequence=[short]))


def test_a_modality_lut_comes_first():
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 16], (np.arange(4096) * 10).tolist()
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    data = made(ModalityLUTSequence=[item], WindowCenter=10_000, WindowWidth=20_000)
    assert np.array_equal(grey(data), rounded((RAMP * 10.0 - 9999.5) / 19999 + 0.5))


def test_monochrome1_is_inverted_and_recorded():
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    d = decode_bytes(made(PhotometricInterpretation="MONOCHROME1", **window), "x")
    assert np.array_equal(d.pixels, rounded(1 - RAMP / 4095))
    assert "MONOCHROME1 inverted" in d.notes
    assert d.mode == "MONOCHROME1"


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black(interpretation):
    data = made(PhotometricInterpretation=interpretation, PixelPaddingValue=0, PixelPaddingRangeLimit=9)
    assert (grey(data)[RAMP <= 9] == 0).all()
    assert "padding set to black" in decode_bytes(data, "x").notes


def test_bits_above_those_stored_are_not_part_of_the_image_where_they_are_an_overlay_or_the_sign():
    ds = pydicom.dcmread(io.BytesIO(made(RAMP | 0x8000)))
    ds.add_new(0x60000102, "US", 15)  # OverlayBitPosition
    out = io.BytesIO()
    ds.save_as(out)
    assert np.array_equal(grey(out.getvalue()), grey(made(RAMP)))
    signed = ((RAMP.astype(np.int32) - 2048) & 0x0FFF).astype(np.int16)  # not sign-extended, as some machines write it
    assert np.array_equal(grey(made(signed)), rounded(RAMP / 4095))


def test_other_bits_above_those_stored_are_refused_since_the_image_may_have_more_bits_than_it_says():
    pixels = RAMP.copy()
    pixels[0, :3] = 4096, 5000, 65535
    text = refused(made(pixels))
    assert "stored values above what BitsStored 12 allows (up to 65,535)" in text
    assert "Correct BitsStored and HighBit" in text
    assert "BitsStored 12" in refused(made((RAMP.astype(np.int16) - 2048) ^ 0x1000))  # neither zero nor the sign
    assert "BitsStored 8" in refused(made(np.full((2, 2, 3), 300, dtype=np.uint16), bits=8))


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("dtype", "bits", "header", "vr", "cells"),
    [
        (np.int16, 16, 63536, "US", [-2000, -1000, 1000, 2000]),
        (np.int16, 16, -2000, "SS", [-2000, -1000, 1000, 2000]),
        (np.int16, 12, 63536, "US", [-2000, -1000, 1000, 2000]),
        (np.int16, 12, 2096, "US", [-2000, -1000, 1000, 2000]),  # -2000 in 12 bits
        (np.uint16, 16, -2000, "SS", [63536, 1000, 2000, 65535]),
        (np.uint16, 12, -2000, "SS", [63536, 1000, 2000, 4095]),  # beyond BitsStored, but padding
        (np.uint16, 12, 63536, "US", [63536, 1000, 2000, 4095]),
        (np.uint8, 8, 200, "SS", [200, 10, 20, 255]),
        (np.int8, 8, 200, "US", [-56, 10, 20, 100]),
    ],
)
def test_padding_is_found_in_either_representation(dtype, bits, header, vr, cells, implicit):
    pixels = np.array([cells], dtype=dtype)
    ds = pydicom.dcmread(io.BytesIO(made(pixels, bits=bits, PixelPaddingValue=0)))
    del ds.PixelPaddingValue
    if implicit:  # the file then has the bytes alone
        ds.add_new("PixelPaddingValue", "US" if dtype in (np.uint8, np.uint16) else "SS", 0)
        ds["PixelPaddingValue"].value = (
            np.array(header).astype(np.uint16 if dtype in (np.uint8, np.uint16) else np.int16).item()
        )
        ds.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    else:
        ds.add_new("PixelPaddingValue", vr, header)
    out = io.BytesIO()
    ds.save_as(out, implicit_vr=implicit, little_endian=True)
    d = decode_bytes(out.getvalue(), "x")
    assert d.pixels[0, 0] == 0
    assert (d.pixels[0, 1:] > 0).all()
    assert "padding set to black" in d.notes


def test_the_padding_range_is_found_in_either_representation():
    pixels = np.array([[-2000, -1990, -1980, 0, 1000]], dtype=np.int16)
    ds = pydicom.dcmread(io.BytesIO(made(pixels, bits=16)))
    ds.add_new("PixelPaddingValue", "SS", -2000)
    ds.add_new("PixelPaddingRangeLimit", "US", 65536 - 1990)
    out = io.BytesIO()
    ds.save_as(out)
    assert (decode_bytes(out.getvalue(), "x").pixels == 0).tolist() == [[True, True, False, False, False]]


@pytest.mark.parametrize(
    "keyword",
    ["Rows", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation"],
)
def test_a_required_field_that_is_absent_is_named(keyword):
    ds = pydicom.dcmread(io.BytesIO(made()))
    delattr(ds, keyword)
    out = io.BytesIO()
    ds.save_as(out)
    assert f"a DICOM image without {keyword}, " in refused(out.getvalue())


def test_few_grey_levels_without_a_window_are_said():
    d = decode_bytes(made(RAMP % 256, bits=16), "x")
    assert d.cautions == (
        "no window, and the values fill fewer than 32 of the 256 grey levels of their declared range",
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_marker_does_not_hide_few_grey_levels(photometric):
    values = np.random.default_rng(0).integers(0, 4096, (40, 50)).astype(np.uint16)
    values[3, 4] = 65535
    d = decode_bytes(made(values, bits=16, PhotometricInterpretation=photometric), "x")
    assert d.cautions == (
        "no window, and the values fill fewer than 32 of the 256 grey levels of their declared range",
    )


def test_colour():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    d = decode_bytes(made(rgb, bits=8), "x")
    assert np.array_equal(d.pixels, rgb)
    wide = rgb.astype(np.uint16) * 257
    d = decode_bytes(made(wide, bits=16), "x")
    assert np.array_equal(d.pixels, rgb)
    assert "16-bit colour cut to its upper 8 bits" in d.notes
    # ITU-R 601, full range, as PS3.3 C.7.6.3.1.2 has it, inverted by hand
    ybr = made(np.array([[[76, 85, 255], [150, 44, 21]]], dtype=np.uint8), bits=8, PhotometricInterpretation="YBR_FULL")
    assert np.abs(decode_bytes(ybr, "x").pixels.astype(int) - [[[254, 0, 0], [0, 255, 1]]]).max() <= 2


# Frames


def test_frames_are_refused_unless_one_is_named_and_count_from_1():
    data = made(np.stack([RAMP * 0, RAMP]), NumberOfFrames=2)
    assert "a file of 2 frames" in refused(data)
    assert "#frame=1" in refused(data)
    assert "there is no frame 3, frames are 1 to 2" in refused(data, frame=3)
    assert decode_bytes(data, "x", frame=1).pixels.max() == 0
    second = decode_bytes(data, "x", frame=2)
    assert np.array_equal(second.pixels, rounded(RAMP / 4095))
    assert "frame 2 of 2" in second.notes


def test_a_frame_has_its_own_window_and_shares_the_files_rescaling():
    def group(center):
        window, per_frame = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, 1
        per_frame.FrameVOILUTSequence = [window]
        return per_frame

    shared, rescale = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, 0
    shared.PixelValueTransformationSequence = [rescale]
    groups = {
        "PerFrameFunctionalGroupsSequence": [group(100), group(200)],
        "SharedFunctionalGroupsSequence": [shared],
    }
    data = made(np.stack([RAMP, RAMP]), NumberOfFrames=2, **groups)
    assert np.array_equal(decode_bytes(data, "x", frame=2).pixels, 255 * (2.0 * RAMP > 199.5))


# What is refused


def test_bombs_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(dicom, "_stored", lambda *a: pytest.fail("decoded"))
    assert "more than 80,000,000 pixels" in refused(made(Rows=60_000, Columns=60_000))
    deflated = (THEIRS / "image_dfl.dcm").read_bytes()
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **k: pytest.fail("unpacked"))
    assert "a deflated DICOM file" in refused(deflated)


def test_a_deflated_file_is_refused_wherever_its_transfer_syntax_stands(monkeypatch):
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **k: pytest.fail("unpacked"))
    data = (THEIRS / "image_dfl.dcm").read_bytes()
    at = data.index(b"\x02\0\x10\0UI")
    for filling in (
        b"\x02\0\x01\0OB\0\0" + struct.pack("<I", 9000) + b"\0" * 9000,
        b"\x02\0\x03\0UI\x04\x001.2\0" * 2000,
    ):
        assert "a deflated DICOM file" in refused(data[:at] + filling + data[at:])


def test_sequences_of_too_many_items_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **k: pytest.fail("read"))
    items = b"\xfe\xff\0\xe0\0\0\0\0" * 100_001
    assert "more than 100,000 items" in refused(made() + items)


@pytest.mark.parametrize("part", [0.3, 0.8, 0.95])
def test_a_lossless_jpeg_cut_off_and_closed_by_an_end_marker_is_found(part):
    ds = pydicom.dcmread(THEIRS / "SC_rgb_jpeg_gdcm.dcm")
    coded = get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([coded[: int(part * len(coded))].rstrip(b"\xff") + b"\xff\xd9"])
    out = io.BytesIO()
    ds.save_as(out)
    assert "truncated or damaged" in refused(out.getvalue())


def test_a_baseline_jpeg_cut_off_and_closed_by_an_end_marker_is_found():
    ds = pydicom.dcmread(THEIRS / "SC_rgb_jpeg_dcmtk.dcm")
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(pixels).save(whole, "JPEG")
    for keep, text in ((None, None), (2000, "truncated or damaged")):
        coded = whole.getvalue() if keep is None else whole.getvalue()[:keep] + b"\xff\xd9"
        ds.PixelData = encapsulate([coded])
        ds.Rows, ds.Columns, ds.PhotometricInterpretation = 100, 100, "YBR_FULL_422"
        ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
        out = io.BytesIO()
        ds.save_as(out)
        if text is None:
            theirs = np.asarray(Image.open(whole).convert("RGB")).astype(int)
            assert np.abs(decode_bytes(out.getvalue(), "x").pixels - theirs).max() <= 1
        else:
            assert text in refused(out.getvalue())


def test_a_compressed_frame_of_another_size_than_the_header_says_is_refused(monkeypatch):
    monkeypatch.setattr(dicom, "get_decoder", lambda *a: pytest.fail("decoded"))
    for name in ("MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "SC_rgb_jpeg_gdcm"):
        ds = pydicom.dcmread(THEIRS / f"{name}.dcm")
        ds.Rows = 33
        out = io.BytesIO()
        ds.save_as(out)
        assert "where the header says" in refused(out.getvalue())


@pytest.mark.parametrize("cut", [1, 100, 5000, 8400])
def test_truncated_pixels_are_found(cut):
    assert "truncated or damaged" in refused(made()[:-cut])


COMPRESSED = [
    "MR_small_jp2klossless",
    "MR_small_jpeg_ls_lossless",
    "MR_small_RLE",
    "SC_rgb_jpeg_gdcm",
    "SC_rgb_jpeg_dcmtk",
]


@pytest.mark.parametrize("name", COMPRESSED)
def test_truncated_compressed_pixels_are_found(name):
    path = THEIRS / f"{name}.dcm"
    assert decode(path).pixels.size
    whole = path.read_bytes()
    assert "truncated or damaged" in refused(whole[: len(whole) * 9 // 10])
    ds = pydicom.dcmread(path)
    coded = get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([coded[: len(coded) * 9 // 10]])
    out = io.BytesIO()
    ds.save_as(out)
    assert "truncated or damaged" in refused(out.getvalue())


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"PixelData": None}, "truncated or damaged"),
        ({"PixelData": None, "Rows": None, "SOPClassUID": uid.RTPlanStorage}, "without an image"),
        ({"Rows": 0}, "without pixels"),
        ({"HighBit": 15}, "arrangement that is not read"),
        ({"PhotometricInterpretation": "CANARY^PATIENT"}, "arrangement that is not read"),
        ({"RescaleSlope": 0}, "RescaleSlope"),
        ({"WindowCenter": 5, "WindowWidth": 5, "VOILUTFunction": "CANARY^PATIENT"}, "unknown function"),
    ],
)
def test_headers_that_make_no_sense_are_refused_without_being_quoted(fields, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = made(**fields)
    assert text in refused(data)


def test_a_missing_codec_names_the_package(monkeypatch):
    data = (THEIRS / "SC_rgb_jpeg_gdcm.dcm").read_bytes()  # lossless JPEG
    decoder = dicom.get_decoder(uid.JPEGLosslessSV1)
    monkeypatch.setattr(type(decoder), "available_plugins", property(lambda self: ()))
    monkeypatch.setattr(type(decoder), "is_available", property(lambda self: False))
    text = refused(data)
    assert "JPEG Lossless" in text
    assert 'Run pip install python-gdcm (pip install "hybridcx[dicom]" brings it)' in text


def test_a_file_that_does_not_say_its_transfer_syntax():
    assert "no transfer syntax" in refused((THEIRS / "meta_missing_tsyntax.dcm").read_bytes())


def test_lossy_jpeg_of_12_bits_is_refused_in_words():
    assert "lossy JPEG of 12 bits" in refused((THEIRS / "JPGExtended.dcm").read_bytes())


def test_without_pydicom_the_error_says_what_to_install(tmp_path):
    (tmp_path / "x.dcm").write_bytes(made())
    script = (
        "import sys; sys.modules['pydicom'] = None\n"
        "from hybridcx.errors import InputError\nfrom hybridcx.images.decode import decode\n"
        "try:\n    decode(sys.argv[1])\nexcept InputError as e:\n    print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.dcm")], capture_output=True, text=True)
    assert 'x.dcm: a DICOM file, and pydicom is not installed. Run pip install "hybridcx[dicom]".' in done.stdout


def test_pydicom_is_imported_only_when_a_dicom_file_is_met():
    script = "import sys, hybridcx.images.store, hybridcx.images.decode; print('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


def test_damaged_files_are_refused_or_read_but_never_crash():
    for data in (
        made(),
        (THEIRS / "MR_small_RLE.dcm").read_bytes(),
        (THEIRS / "MR_small_jp2klossless.dcm").read_bytes(),
    ):
        for i in range(40):
            rng = np.random.default_rng(i)
            broken = bytearray(data)
            for at in rng.integers(132, min(len(data), 3000), 4):
                broken[at] = rng.integers(256)
            said = outcome(bytes(broken))
            assert CANARY not in said


def test_a_decoder_that_aborts_costs_its_image_not_the_process(capfd):
    """Of this damaged JPEG GDCM 3.2.6 aborts; it does so in a child, and the next image gets a new one."""
    broken = bytearray((THEIRS / "SC_rgb_jpeg_dcmtk.dcm").read_bytes())
    rng = np.random.default_rng(106)
    for at in rng.integers(400, 3400, 3):
        broken[at] = rng.integers(256)
    outcome(bytes(broken))
    aborts = version("python-gdcm").split(".") >= ["3", "2"]  # 3.0 makes an image of it
    with pytest.raises(apart.DamagedError) if aborts else nullcontext():
        apart.decode_apart(bytes(broken), 0)
    whole = (THEIRS / "SC_rgb_jpeg_gdcm.dcm").read_bytes()
    sound = decode_bytes(whole, "x").pixels
    apart._idle[-1].kill()
    apart._idle[-1].wait()
    assert np.array_equal(decode_bytes(whole, "x").pixels, sound)
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("script", ["import os; os.abort()", "import time; time.sleep(60)", "print('x' * 99)"])
def test_a_child_that_dies_hangs_or_babbles_is_given_up(monkeypatch, script):
    real = subprocess.Popen
    monkeypatch.setattr(apart, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(apart, "_idle", [])
    monkeypatch.setattr(apart.subprocess, "Popen", lambda _, **k: real([sys.executable, "-c", script], **k))
    with pytest.raises(apart.DamagedError):
        apart.decode_apart(b"x" * 200_000, 0)
    assert apart._idle == []


# Patients


def test_the_fields_that_are_read_name_nobody():
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    for keyword in HEADER:
        assert tag_for_keyword(keyword) >> 16 not in (0x0010, 0x0032, 0x0038, 0x0040), keyword
        assert dictionary_VR(keyword) not in ("PN", "DA", "DT", "TM", "LO", "SH", "ST", "LT", "UT", "AS"), keyword


def test_nothing_of_the_header_reaches_a_message_a_note_or_a_log(caplog, recwarn, capfd):
    data = made()
    assert data.count(CANARY.encode()) == 5
    with caplog.at_level("DEBUG"):
        assert CANARY not in repr(decode_bytes(data, "x"))
        for cut in range(300, len(data), 700):
            assert CANARY not in outcome(data[:cut])
    said = caplog.text + "".join(str(w.message) for w in recwarn) + "".join(capfd.readouterr())
    assert CANARY not in said


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned-in annotation: the header says"),
        ({"BurnedInAnnotation": "NO"}, None),
        ({"SOPClassUID": uid.UltrasoundImageStorage}, "burned-in annotation is possible"),
        ({"SOPClassUID": uid.UltrasoundImageStorage, "BurnedInAnnotation": "NO"}, None),
        ({"RecognizableVisualFeatures": "YES"}, "can be recognised"),
    ],
)
def test_burned_in_annotation_is_warned_of(fields, text):
    cautions = decode_bytes(made(**fields), "x").cautions
    assert [text in c for c in cautions] == ([True] if text else [])


# Real files, and decoders other than the one that was used


@pytest.mark.parametrize(
    ("compressed", "plain", "tolerance"),
    [
        ("MR_small_RLE", "MR_small", 0),
        ("MR_small_jp2klossless", "MR_small", 0),
        ("MR_small_jpeg_ls_lossless", "MR_small", 0),
        ("MR_small_bigendian", "MR_small", 0),
        ("MR_small_implicit", "MR_small", 0),
        ("SC_rgb_jpeg_dcmd", "SC_rgb_jpeg", 2),  # baseline JPEG, unpacked by another program (dcmtk)
        ("SC_rgb_rle", "SC_rgb_jpeg_gdcm", 0),  # RLE and lossless JPEG of one image
    ],
)
def test_compressed_files_are_what_their_plain_twins_are(compressed, plain, tolerance):
    a, b = (decode(THEIRS / f"{name}.dcm").pixels.astype(int) for name in (compressed, plain))
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance


def _shared() -> Path:
    if not SHARED.exists():
        pytest.skip("../shared/data/dicom is not here: the test on real radiographs did not run")
    return SHARED


@pytest.mark.shared
@pytest.mark.parametrize("name", ["RG1_J2KI", "RG3_J2KI", "CT_small", "vlut_04"])
def test_real_files_against_gdcm_and_pydicoms_lut(name):
    path = _shared() / f"{name}.dcm"
    mine = decode(path)
    ds = pydicom.dcmread(path)
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        stored = pydicom.pixels.get_decoder(ds.file_meta.TransferSyntaxUID).as_array(ds, decoding_plugin="gdcm")[0]
    else:
        stored = ds.pixel_array
    theirs = apply_voi_lut(apply_modality_lut(stored, ds), ds).astype(float)
    if name == "CT_small":  # neither LUT nor window: the declared range of 16 signed bits less 1024
        theirs = (theirs + 33792) / 65535
    else:
        top = 65535 if name == "vlut_04" else 2**ds.BitsStored - 1
        theirs = theirs / top
    expected = rounded(1 - theirs if ds.PhotometricInterpretation == "MONOCHROME1" else theirs)
    assert mine.pixels.shape == (ds.Rows, ds.Columns)
    off = np.abs(mine.pixels.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01  # rounding of the window's ends alone
    assert mine.bits == ds.BitsStored


@pytest.mark.shared
def test_a_real_truncated_file_is_found():
    with pytest.raises(InputError, match=r"MR_truncated\.dcm: a DICOM file that is truncated or damaged"):
        decode(_shared() / "MR_truncated.dcm")
