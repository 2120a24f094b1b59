"""Damaged files: every reader takes them or refuses them with InputError, within 10 s and 2 GiB of further address space a case.

CI runs some dozens of repeatable cases of each kind; `-m slow` thousands of each, `--hypothesis-profile=search` new ones in every run. A name in a
DICOM header, in EXIF or in a column that no check reads never stands in a message.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_files import CANARY, made
from hypothesis import assume, given
from hypothesis import strategies as st
from mutations import BYTES, TEXT, TOML, bounded, cell, column, damaged, damages, examples
from PIL import Image
from pydicom import uid

from hybridcx.cohort.manifest import read_manifest
from hybridcx.errors import InputError
from hybridcx.experiment.file import read_experiment
from hybridcx.images.decode import decode_bytes
from hybridcx.records.predictions import read_predictions
from hybridcx.records.published import read_published
from hybridcx.records.ratings import read_ratings
from hybridcx.store.artefacts import sha256_file

MANY = 3000

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's about damaged tags


def accepted(call, *arguments, nameless: bool = False) -> bool:
    """Call a reader within the bounds: True if it takes the file, False if it refuses it; any other exception comes out.

    `nameless`: the refusal must not quote the canary. (A table whose cells moved may have it in the place of an id, which is quoted.)
    """
    try:
        with bounded():
            call(*arguments)
    except InputError as error:
        refusal = error
    else:
        return True
    assert refusal.problems
    assert all(p.severity == "error" for p in refusal.problems)
    assert not (nameless and CANARY in str(refusal))
    return False


def text_files() -> dict[str, bytes]:
    """A sound file of each kind that is a table, with a column of names that nothing reads."""
    two = ("normal", "abnormal")
    predictions = ["case_id,y_true,model,y_pred,score,patient_id,split,seed,fold,site,note"]
    manifest = [
        "case_id,patient_id,image,label,crop_left,crop_top,crop_right,crop_bottom,split,excluded,reader_a,reader_b,note"
    ]
    ratings = ["case_id,rating_a_1,rating_a_2,rating_b_1"]
    for i in range(12):
        for j, model in enumerate(("vgg16", "vgg16+lda")):
            score = (i * 7 + 3 * j) % 10 / 10
            predictions.append(
                f"c{i},{two[i % 2]},{model},{two[score >= 0.5]},{score},p{i},test,1,1,{'AB'[i % 3 > 0]},{CANARY}"
            )
        manifest.append(
            f"c{i},p{i},{i}.png,{two[i % 2]},0,0,8,8,{('train', 'validation', 'test')[i // 2 % 3]},,{two[i % 2]},{two[i % 3 > 0]},{CANARY}"
        )
        ratings.append(f"c{i},{i + 0.5},{i + 0.25},{i * 2}")
    published = ["model,metric,value,positives,negatives"]
    for model, values in (("A", (95.2, 90.0, 93.1, 0.958)), ("B", (88.9, 92.5, 90.3, 0.931))):
        published += [
            f"{model},{m},{v},63,40"
            for m, v in zip(("sensitivity", "specificity", "accuracy", "auc"), values, strict=True)
        ]
    tables = {"predictions": predictions, "manifest": manifest, "ratings": ratings, "published": published}
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in tables.items()}


TABLES = text_files()
READERS = {
    "predictions": lambda path: read_predictions(path),
    "ranks": lambda path: read_predictions(path, score_kind="rank"),
    "manifest": lambda path: read_manifest(path),
    "ratings": lambda path: read_ratings(path),
    "ordinal": lambda path: read_ratings(path, "ordinal"),
    "nominal": lambda path: read_ratings(path, "nominal"),
    "published": lambda path: read_published(path),
}
FILE_OF = {"ranks": "predictions", "ordinal": "ratings", "nominal": "ratings"}
EXPERIMENT = (Path(__file__).parents[2] / "hybridcx/commands/demo.toml").read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The images of the manifest; damaged tables are written beside them."""
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (12, 10), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def images() -> dict[str, bytes]:
    """A sound file of each format and kind of sample, with a name in EXIF where it can hold one."""
    rng = np.random.default_rng(1)
    grey, colour = rng.integers(0, 256, (20, 30), dtype=np.uint8), rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    deep = rng.integers(0, 65536, (20, 30)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B] = 6, CANARY, CANARY
    out = {}
    for name, pixels, kind, options in (
        ("grey.png", grey, "PNG", {}), ("colour.png", colour, "PNG", {"exif": exif}), ("deep.png", deep, "PNG", {}),
        ("grey.jpg", grey, "JPEG", {"exif": exif}), ("colour.jpg", colour, "JPEG", {"exif": exif, "progressive": True}),
        ("grey.tif", grey, "TIFF", {"description": CANARY}), ("deep.tif", deep, "TIFF", {"description": CANARY}),
        ("lzw.tif", colour, "TIFF", {"compression": "tiff_lzw", "artist": CANARY}), ("jpeg.tif", colour, "TIFF", {"compression": "jpeg"}),
        ("deflate.tif", grey, "TIFF", {"compression": "tiff_deflate"}),
    ):  # fmt: skip
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind, **options)
        out[name] = file.getvalue()
    palette, file = Image.fromarray(colour).quantize(16), io.BytesIO()
    palette.save(file, "PNG", transparency=3)
    pages, stack = [Image.fromarray(grey), Image.fromarray(grey)], io.BytesIO()
    pages[0].save(stack, "TIFF", save_all=True, append_images=pages[1:])
    return out | {"palette.png": file.getvalue(), "pages.tif": stack.getvalue()}


def dicoms() -> dict[str, bytes]:
    """A sound DICOM file of each kind that has rules of its own."""
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 4096, (16, 16)).astype(np.uint16)
    return {
        "plain.dcm": made(grey),
        "implicit.dcm": made(grey, syntax=uid.ImplicitVRLittleEndian),
        "window.dcm": made(
            grey,
            PhotometricInterpretation="MONOCHROME1",
            WindowCenter=2000,
            WindowWidth=900,
            RescaleSlope=1,
            RescaleIntercept=-10,
        ),
        "colour.dcm": made(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), bits=8),
        "frames.dcm": made(rng.integers(0, 4096, (3, 16, 16)).astype(np.uint16), NumberOfFrames=3),
        "signed.dcm": made((grey.astype(np.int16) - 2000), bits=16),
    }


IMAGES, DICOMS = images(), dicoms()


def without_fuss(data: bytes, name: str, frame: int | None) -> None:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()) as said:
        warnings.simplefilter("ignore")
        decode_bytes(data, name, frame=frame)
    assert CANARY not in said.getvalue()


def fuzz_table(reader: str, n: int, folder: Path) -> None:
    @examples(n)
    @given(damage=damages(TEXT))
    def holds(damage):
        path = folder / f"{reader}.csv"
        path.write_bytes(damaged(TABLES[FILE_OF.get(reader, reader)], damage))
        accepted(READERS[reader], path)

    holds()


def fuzz_experiment(n: int, folder: Path) -> None:
    @examples(n)
    @given(damage=damages(TOML))
    def holds(damage):
        path = folder / "experiment.toml"
        path.write_bytes(damaged(EXPERIMENT, damage))
        accepted(read_experiment, path)

    holds()


def fuzz_images(files: dict[str, bytes], n: int) -> None:
    @examples(n)
    @given(name=st.sampled_from(sorted(files)), damage=damages(BYTES), frame=st.sampled_from([None, None, 1, 2]))
    def holds(name, damage, frame):
        accepted(without_fuss, damaged(files[name], damage), name, frame, nameless=True)

    holds()


def test_the_undamaged_files_are_taken(folder):
    """Otherwise the damaged ones would be refused for another reason, and nothing tested."""
    for reader, call in READERS.items():
        path = folder / f"{reader}.csv"
        path.write_bytes(TABLES[FILE_OF.get(reader, reader)])
        assert reader == "ordinal" or accepted(call, path), reader
    for name, data in (IMAGES | DICOMS).items():
        assert accepted(without_fuss, data, name, 1 if name in ("pages.tif", "frames.dcm") else None), name


@pytest.mark.parametrize("reader", READERS)
def test_damaged_tables(reader, folder):
    fuzz_table(reader, 60, folder)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_thousands_of_damaged_tables(reader, folder):
    fuzz_table(reader, MANY, folder)


def test_damaged_experiments(folder):
    fuzz_experiment(60, folder)


@pytest.mark.slow
def test_thousands_of_damaged_experiments(folder):
    fuzz_experiment(MANY, folder)


@pytest.mark.parametrize("files", [IMAGES, DICOMS], ids=["images", "DICOM"])
def test_damaged_images(files):
    fuzz_images(files, 200)


@pytest.mark.slow
@pytest.mark.parametrize("files", [IMAGES, DICOMS], ids=["images", "DICOM"])
def test_thousands_of_damaged_images(files):
    fuzz_images(files, 4 * MANY)


@pytest.mark.parametrize("reader", ["predictions", "manifest"])
def test_a_name_in_a_column_that_is_not_read_stands_in_no_message(reader, folder):
    """Values of the other columns are replaced, so that what is refused is refused beside the name."""

    @examples(40)
    @given(damage=damages([cell, column]))
    def holds(damage):
        lines = TABLES[reader].decode().splitlines()
        names = [line.rpartition(",")[2] for line in lines]
        kept = damaged("\n".join(line.rpartition(",")[0] for line in lines).encode(), damage).split(b"\n")
        assume(
            len({k.count(b",") for k in kept}) == 1 and not any(b'"' in k for k in kept)
        )  # the name stays in its column
        path = folder / f"named-{reader}.csv"
        path.write_bytes(b"\n".join(k + b"," + n.encode() for k, n in zip(kept, names, strict=False)) + b"\n")
        accepted(READERS[reader], path, nameless=True)

    holds()


# Whole commands: exit codes, and what was there before


COMMANDS = {
    "compare": ("predictions", ("compare", "--n-bootstrap", "100", "--quiet")),
    "agreement": ("ratings", ("agreement", "--n-bootstrap", "100", "--quiet")),
    "audit": ("published", ("audit", "--quiet")),
    "check predictions": ("predictions", ("check", "--quiet")),
    "check cohort": ("manifest", ("check", "--quiet")),
    "check ratings": ("ratings", ("check", "--quiet")),
}


def listing(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): sha256_file(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.name.startswith(".")
    }


def fuzz_command(command: str, n: int, folder: Path, earlier: Path, call) -> None:
    """Exit code 0, 1 (a finding of audit and check) or 2 (refused, and then the earlier results are as they were)."""
    table, arguments = COMMANDS[command]
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)

    @examples(n)
    @given(damage=damages(TEXT))
    def holds(damage):
        data = damaged(TABLES[table], damage)
        path = folder / f"command-{hashlib.sha256(data).hexdigest()[:8]}.csv"
        path.write_bytes(data)
        if arguments[0] != "check" and not out.exists():
            shutil.copytree(earlier, out)
        before = listing(out) if out.exists() else {}
        try:
            with bounded(60):  # an accepted file is compared whole: statistics, figures and page
                code, _, err = call(*arguments, path, *(("--out", out) if arguments[0] != "check" else ()))
        finally:
            path.unlink()
        assert code in ((0, 1, 2) if arguments[0] in ("check", "audit") else (0, 2)), err
        assert "Traceback" not in err
        if code == 2:
            assert (listing(out) if out.exists() else {}) == before
        elif out.exists():
            shutil.rmtree(out)

    holds()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_on_damaged_tables(command, folder, earlier, call):
    fuzz_command(command, 3 if command in ("compare", "agreement") else 6, folder, earlier, call)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_many_commands_on_damaged_tables(command, folder, earlier, call):
    fuzz_command(command, 300, folder, earlier, call)
