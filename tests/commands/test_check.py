"""`hybridcx check`: which kind of file it is, every problem at once and of what it names, exit codes; bad_input.md 18 to 24 in one manifest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from dicom_files import made
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import get_model

import hybridcx
from hybridcx.commands.check import recognise
from hybridcx.errors import InputError

PREDICTIONS = "case_id,y_true,model,y_pred\n" + "".join(
    f"c{i},{('normal', 'abnormal')[i % 2]},{m},{('normal', 'abnormal')[(i + (m == 'b')) % 2]}\n"
    for m in "ab"
    for i in range(10)
)
RATINGS = "case_id,reader_a,reader_b\n" + "".join(f"c{i},{40 + i * 3 % 7},{40 + i * 5 % 7}\n" for i in range(20))
RNG = np.random.default_rng(0)


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe for shortcuts has tests of its own (pipeline/test_shortcuts.py)."""
    monkeypatch.setattr("hybridcx.heads.probe.TREES", 5)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A sound cohort of 40 cases, and its manifest."""
    rows = ["case_id,patient_id,image,label"]
    for i in range(40):
        Image.fromarray(noise(40, 50)).save(tmp_path / f"{i}.png")
        rows.append(f"c{i},p{i},{i}.png,{('normal', 'abnormal')[i % 2]}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def said(found) -> str:
    return "\n".join(str(p) for p in found.problems)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("case_id,patient_id,image,label", "cohort"),
        ("case_id;patient_id;image;label", "cohort"),
        ("case_id,patient,imgae,Label,reader_a_1,reader_b_1", "cohort"),
        ("case_id,y_true,model,score", "predictions"),
        ("case_id,y_true,modell,y_pred,patient_id", "predictions"),
        ("case_id\ty_true\tmodel\tscore", "predictions"),
        ("case_id,reader_a,reader_b", "ratings"),
        ("case_id,rating_a_1,rating_a_2", "ratings"),
    ],
)
def test_kinds_are_recognised_by_their_columns(tmp_path, header, kind):
    path = tmp_path / "file.csv"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(header + "\n", encoding=encoding)
        assert recognise(path) == kind


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n", "model,metric,value\n", "<html>\n"])
def test_what_it_is_cannot_be_told(tmp_path, text):
    path = tmp_path / "file.csv"
    path.write_text(text, encoding="utf-8")
    found = hybridcx.check(path)
    assert (found.kind, found.sound) == ("unknown", False)
    assert "the kind of this file is not recognised" in said(found)
    assert "--kind" in said(found)
    assert ("hybridcx audit" in said(found)) == text.startswith("model,metric")
    with pytest.raises(InputError, match="no such file"):
        hybridcx.check(tmp_path / "none.csv")


def test_a_key_of_pseudonyms_is_not_shown(tmp_path):
    (tmp_path / "key").write_text("0f" * 32 + "\n", encoding="utf-8")
    found = hybridcx.check(tmp_path / "key")
    assert not found.sound
    assert "0f0f" not in said(found)


def test_a_file_that_says_nothing_is_a_finding_and_a_wrong_path_is_not(tmp_path, call):
    path = tmp_path / "file.csv"
    for text, words in (("", "an empty file"), (" \n\n", "an empty file"), ("a,b\n1,2\n", "cannot be told")):
        path.write_text(text, encoding="utf-8")
        code, out, _ = call("check", path, "--quiet")
        assert code == 1
        assert "a file of a kind that cannot be told" in out
        assert words in out
        assert "1 problem, no warnings" in out
    assert call("check", path, "--kind", "ratings", "--quiet")[0] == 1
    assert call("check", tmp_path)[0] == call("check", tmp_path / "none.csv")[0] == 2


def test_sound_predictions_and_ratings(tmp_path):
    (tmp_path / "p.csv").write_text(PREDICTIONS, encoding="utf-8")
    found = hybridcx.check(tmp_path / "p.csv")
    assert (found.kind, found.sound, found.problems) == ("predictions", True, [])
    assert found.holds == "2 models on 10 test cases, positive class 'abnormal'"
    assert found.table.empty
    (tmp_path / "r.csv").write_text(RATINGS, encoding="utf-8")
    assert hybridcx.check(tmp_path / "r.csv").holds == "2 readers, 20 cases, scale measurement"


@pytest.mark.skipif(os.name == "nt", reason="bash and /dev/fd")
@pytest.mark.parametrize("content", ["csv", "parquet", "ratings"])
@pytest.mark.system  # processes of their own; test_containers has the same for compare
def test_standard_input_and_process_substitution_are_checked_like_the_file(tmp_path, content):
    if content == "ratings":
        frame = pd.DataFrame({"case_id": list("abcd"), "reader_a": list("xyxy"), "reader_b": list("xyx ")})
    else:
        frame = pd.DataFrame(
            {"case_id": list("abcd"), "y_true": list("0101"), "model": "m", "score": [0.1, 0.9, 0.2, 2]}
        )
    path = tmp_path / "p"
    frame.to_parquet(path, index=False) if content == "parquet" else frame.to_csv(path, index=False)
    command = f"{sys.executable} -m hybridcx check"
    runs = [
        subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
        for line in (f"{command} p", f"cat p | {command} -", f"{command} <(cat p)")
    ]
    assert {r.returncode for r in runs} == {0 if content == "ratings" else 1}, [r.stdout + r.stderr for r in runs]
    assert len({r.stdout.splitlines()[-1] for r in runs}) == 1
    if content != "ratings":
        assert "- p" in runs[0].stdout
        assert "- standard input" in runs[1].stdout
        assert "- /dev/fd/" in runs[2].stdout


@pytest.mark.skipif(os.name == "nt", reason="bash")
def test_a_manifest_from_a_pipe_is_refused(tmp_path):
    line = f"printf 'patient_id,image,label\\np1,a.png,x\\n' | {sys.executable} -m hybridcx check -"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input" in done.stderr
    assert "give its path" in done.stderr.casefold()


def test_every_problem_of_predictions_at_once(tmp_path):
    bad = PREDICTIONS.replace("c3,abnormal,a", "c3,,a").replace("c5,abnormal,b", "c5,abnormal,=b").replace("c7,", ",")
    (tmp_path / "p.csv").write_text(bad, encoding="utf-8")
    found = hybridcx.check(tmp_path / "p.csv")
    assert not found.sound
    assert {5, 9, 17} <= set(found.table["row"].dropna())
    assert list(found.table.columns) == ["severity", "file", "row", "column", "value", "problem", "remedy"]


def test_options_of_compare_and_agreement_are_taken(tmp_path):
    (tmp_path / "p.csv").write_text(PREDICTIONS.replace("abnormal", "ill").replace("normal", "well"), encoding="utf-8")
    assert not hybridcx.check(tmp_path / "p.csv").sound
    assert hybridcx.check(tmp_path / "p.csv", positive="ill").sound
    (tmp_path / "r.csv").write_text(RATINGS, encoding="utf-8")
    assert hybridcx.check(tmp_path / "r.csv", scale="nominal").holds.endswith("nominal")


def test_exit_codes_and_what_is_printed(tmp_path, cohort, call):
    code, out, err = call("check", cohort, "--quiet")
    assert (code, err) == (0, "")
    assert "a cohort manifest (40 cases, 40 analysed, positive class 'abnormal')" in out
    assert "no problems, no warnings" in out
    (tmp_path / "3.png").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "5.png").read_bytes()[:-20])
    code, out, _ = call("check", cohort, "--quiet")
    assert code == 1
    assert "line 5, column image: an image file of zero bytes (found: '3.png')" in out
    assert "line 6, column image: a PNG that is truncated or damaged (found: '4.png')" in out
    assert "2 problems, no warnings" in out
    assert call("check", tmp_path / "none.csv")[0] == 2
    assert call("check", cohort, "--kind", "poem")[0] == 2


FAULTY = {
    "missing.png": "no such image file",
    "zero.png": "zero bytes",
    "page.png": "an HTML page",
    "cut.jpg": "a JPEG that is truncated",
    "many.tif": "a file of 3 frames",
    "many.tif#frame=4": "there is no frame 4",
    "animation.gif": "a GIF file",
    "flat.png": "a constant image",
    "one.png": "an image of one pixel",
    "half.dcm": "a DICOM file that is truncated",
    "../x.png": "leaves the folder",
}
SOUND = ["deep.png", "turned.jpg", "rgba.png", "cmyk.jpg", "palette.png", "many.tif#frame=2", "whole.dcm"]


def test_every_fault_of_images_in_one_go(tmp_path):
    """bad_input.md 11, 18, 19, 21 to 25: the faulty rows are told, the odd but sound ones are not, with or without a fault of the manifest."""

    def save(pixels: np.ndarray, name: str, mode: str | None = None, **options: object) -> None:
        Image.fromarray(pixels, mode).save(tmp_path / name, **options)

    save(noise(40, 50, 3), "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:-300])
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "page.png").write_text("<!DOCTYPE html><html>login</html>")
    frames = [Image.fromarray(noise(40, 50)) for _ in range(3)]
    frames[0].save(tmp_path / "many.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "animation.gif", save_all=True, append_images=frames[1:])
    save(np.full((40, 50), 7, dtype=np.uint8), "flat.png")
    save(np.array([[3]], dtype=np.uint8), "one.png")
    (tmp_path / "whole.dcm").write_bytes(made())
    (tmp_path / "half.dcm").write_bytes(made()[:-50])
    save(noise(40, 50, dtype=np.uint16), "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    save(noise(40, 50), "turned.jpg", exif=exif)
    save(noise(40, 50, 4), "rgba.png")
    save(noise(40, 50, 4), "cmyk.jpg", "CMYK")
    Image.fromarray(noise(40, 50)).convert("P").save(tmp_path / "palette.png")
    save(noise(40, 50), "crop.png")

    def rows(names: list[str], crop: str) -> list[str]:
        out = [f"c{i},p{i},{n},{('normal', 'abnormal')[i % 2]},,,," for i, n in enumerate(names)]
        return [*out, f"last,last,crop.png,normal,{crop}"]

    head = "case_id,patient_id,image,label,crop_left,crop_top,crop_right,crop_bottom\n"
    path = tmp_path / "manifest.csv"
    for names in (
        [*FAULTY, *SOUND],
        [n for n in [*FAULTY, *SOUND] if n not in ("missing.png", "zero.png", "../x.png")],
    ):
        path.write_text(head + "\n".join(rows(names, "10,10,60,30")) + "\n", encoding="utf-8")
        found = hybridcx.check(path)
        by_row = {p.row: str(p) for p in found.problems if p.severity == "error"}
        expected = {i + 2: FAULTY[n] for i, n in enumerate(names) if n in FAULTY}
        expected[len(names) + 2] = "a crop box outside the image, which has 50 x 40 pixels"
        assert by_row.keys() == expected.keys()
        for row, text in expected.items():
            assert text in by_row[row]


def test_identical_images_and_burned_in_annotation_are_warnings(cohort):
    folder = cohort.parent
    Image.open(folder / "0.png").save(folder / "1.png", compress_level=0)  # other bytes, the same pixels
    (folder / "2.dcm").write_bytes(made(BurnedInAnnotation="YES"))
    cohort.write_text(cohort.read_text(encoding="utf-8").replace("2.png,", "2.dcm,", 1), encoding="utf-8")
    found = hybridcx.check(cohort)
    assert found.sound
    assert "2 cases with identical images: c0 (normal), c1 (abnormal); their labels differ" in said(found)
    assert "burned-in annotation" in said(found)


# Experiments


def experiment(cohort: Path, text: str = "") -> Path:
    path = cohort.parent / "study.toml"
    body = text or 'weights = "none"'
    path.write_text(
        f'name = "study"\n[cohort]\nmanifest = "manifest.csv"\n[images]\nsize_px = 32\n[networks]\nnames = ["squeezenet1_1"]\n{body}\n',
        encoding="utf-8",
    )
    return path


def test_a_sound_experiment_is_checked_with_its_cohort_and_nothing_is_left_behind(cohort):
    path = experiment(cohort)
    before = sorted(cohort.parent.iterdir())
    found = hybridcx.check(path)
    assert (found.kind, said(found)) == ("experiment", "")
    assert found.holds == "15 models; 40 cases, 40 analysed, positive class 'abnormal'"
    assert sorted(cohort.parent.iterdir()) == before


def test_an_experiment_its_images_weights_splits_and_plan_all_at_once(cohort, tmp_path):
    torch.manual_seed(0)
    state = get_model("squeezenet1_1", weights=None).state_dict()
    state["features.0.weight"] = state["features.0.weight"][:5].clone()
    (tmp_path / "weights").mkdir()
    save_file(state, tmp_path / "weights/squeezenet1_1.safetensors")
    (tmp_path / "7.png").write_bytes((tmp_path / "7.png").read_bytes()[:-30])
    path = experiment(
        cohort,
        'weights = "folder"\nweights_dir = "weights"\n[split]\nmethod = "manifest"\n'
        '[analysis]\ncomparisons = [["squeezenet1_1", "squeezenet1_1+knnn"]]',
    )
    found = hybridcx.check(path)
    text = said(found)
    assert "did you mean 'squeezenet1_1+knn'" in text.lower()
    assert "the tensor features.0.weight has the shape (5, 3, 3, 3)" in text
    assert "manifest.csv, line 9, column image: a PNG that is truncated or damaged" in text
    assert "split" in text
    assert not found.sound


def test_absent_weights_of_all_networks_and_too_small_images(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path / "nowhere"))
    path = experiment(cohort)
    text = path.read_text(encoding="utf-8").replace('["squeezenet1_1"]', '["vgg16", "alexnet"]')
    path.write_text(text.replace('weights = "none"', ""), encoding="utf-8")
    text = said(hybridcx.check(path))
    for part in (
        "weights of VGG-16 are not here",
        "weights of AlexNet are not here",
        "AlexNet takes images of at least 63",
    ):
        assert part in text


def test_a_faulty_experiment_is_told_together_with_its_manifest(cohort):
    path = experiment(cohort)
    path.write_text(
        path.read_text(encoding="utf-8") + '[analysis]\nn_boostrap = 5\n[heads]\nnames = ["poem"]\n', encoding="utf-8"
    )
    cohort.write_text(cohort.read_text(encoding="utf-8").replace("c3,p3", "c2,p3"), encoding="utf-8")
    text = said(hybridcx.check(path))
    assert "did you mean `n_bootstrap`" in text.lower()
    assert "heads.names" in text
    assert "manifest.csv, line 5, column case_id: a repeated case" in text


def test_a_published_table_is_checked_too(cohort):
    path = experiment(cohort, 'weights = "none"\n[analysis]\npublished = "table.csv"')
    assert "table.csv" in said(hybridcx.check(path))
    (cohort.parent / "table.csv").write_text("model,metric,value\nsqueezenet1_1,accuracy,high\n", encoding="utf-8")
    assert "a printed value is no number (found: 'high')" in said(hybridcx.check(path))
    (cohort.parent / "table.csv").write_text("model,metric,value\nsqueezenet1_1,accuracy,93.9\n", encoding="utf-8")
    assert hybridcx.check(path).sound


def test_images_of_cases_in_dispute_are_decoded_too(cohort):
    lines = cohort.read_text(encoding="utf-8").splitlines()
    calls = [",".join(("normal,normal", "abnormal,abnormal")[i % 2].split(",")) for i in range(40)]
    calls[6] = "normal,abnormal"
    rows = [f"{line},{call}" for line, call in zip(lines[1:], calls, strict=True)]
    cohort.write_text("\n".join([lines[0] + ",reader_a,reader_b", *rows]) + "\n", encoding="utf-8")
    path = experiment(cohort)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + '[cohort.labels]\nrule = "agreement"\n', encoding="utf-8")
    found = hybridcx.check(path)
    assert found.sound, said(found)
    (cohort.parent / "6.png").write_bytes((cohort.parent / "6.png").read_bytes()[:-30])
    assert "line 8, column image: a PNG that is truncated or damaged" in said(hybridcx.check(path))


def test_a_phantom_experiment_and_a_missing_manifest(tmp_path, monkeypatch):
    demo = Path(hybridcx.__file__).parent / "commands/demo.toml"
    found = hybridcx.check(demo)
    assert found.sound, said(found)
    assert "on a phantom cohort that is drawn when it runs" in found.holds
    found = hybridcx.check(experiment(tmp_path / "manifest.csv"))
    assert "there is no such manifest (found: 'manifest.csv')" in said(found)


MANY_FAULTS = """nmae = "faulty"
name = "x"
[cohort]
manifest = "absent.csv"
[images]
size_px = 64
pda = "white"
[networks]
names = ["squeezenet1_1", "mobilenet_v2"]
weights = "folder"
weights_dir = "nowhere"
[heads]
names = []
[analysis]
n_boostrap = 5
published = "absent_table.csv"
comparisons = [["squeezenet1_1", "mobilenet_v3"]]
"""
EACH = (
    "unknown key `nmae`",
    "unknown key `images.pda`",
    "`n_bootstrap`",
    "there is no such manifest",
    "absent_table.csv",
    "squeezenet1_1",
    "'mobilenet_v2'?",
)


def test_schema_errors_hide_nothing_that_can_be_checked_without_them(tmp_path, call):
    path = tmp_path / "faulty.toml"
    path.write_text(MANY_FAULTS, encoding="utf-8")
    text = said(hybridcx.check(path))
    for part in EACH:
        assert part in text, text
    assert text.count("nowhere") >= 1
    code, _, err = call("run", path, "--out", tmp_path / "out")
    assert code == 2
    for part in EACH:
        assert part in err, err
    assert not (tmp_path / "out").exists()


def test_what_rests_on_a_faulty_key_is_not_judged(cohort):
    path = experiment(cohort, 'weigths = "none"\n[analysis]\ncomparisons = [["squeezenet1_1", "poem"]]')
    text = said(hybridcx.check(path))
    assert "did you mean `weights`" in text.lower()
    assert "poem" in text
    assert "fetch" not in text  # whether weights are needed is not known
    path = experiment(cohort, 'weights = "none"\n[heads]\nnmaes = []\n[analysis]\ncomparisons = [["poem", "vgg16"]]')
    assert "poem" not in said(hybridcx.check(path))
    text = path.read_text(encoding="utf-8").replace("[cohort]", "[cohort]\npostive = 'abnormal'")
    path.write_text(text.replace("nmaes = []", "names = []"), encoding="utf-8")
    cohort.write_text(cohort.read_text(encoding="utf-8").replace("abnormal", "odd"), encoding="utf-8")
    (cohort.parent / "3.png").write_bytes(b"")
    text = said(hybridcx.check(path))
    assert "`positive`" in text
    assert "line 5, column image" in text
    assert text.count("positive") == 1  # the labels are not judged without the key


def test_a_cohort_of_two_sources_and_none(cohort):
    path = experiment(cohort)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "[cohort.phantom]\npatients = 40\n", encoding="utf-8")
    (cohort.parent / "3.png").write_bytes(b"")
    found = said(hybridcx.check(path))
    assert "not both" in found
    assert "line 5, column image" in found
    path.write_text('[networks]\nnames = ["squeezenet1_1"]\nweights = "folder"\nweights_dir = "no"\n', encoding="utf-8")
    found = said(hybridcx.check(path))
    for part in ("`name` is missing", "`cohort` is missing", "squeezenet1_1"):
        assert part in found
    path.write_text("name = \n", encoding="utf-8")
    assert "not valid TOML" in said(hybridcx.check(path))


def test_a_run_is_refused_with_the_problems_of_every_stage(cohort, call):
    path = experiment(cohort, 'weights = "none"\n[analysis]\npublished = "absent_table.csv"')
    (cohort.parent / "3.png").write_bytes(b"")
    (cohort.parent / "7.png").unlink()
    code, _, err = call("run", path, "--out", cohort.parent / "out")
    assert code == 2
    for part in ("absent_table.csv", "line 5, column image", "line 9"):
        assert part in err, err
    assert not (cohort.parent / "out").exists()
