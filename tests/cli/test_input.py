"""Bad input through the command line: what is said, and that nothing is touched. bad_input.md 1-14, 17, 35, 45, 48, 49 by their numbers."""

from __future__ import annotations

import re

import pytest
from command_inputs import GOOD, HEADER, RATINGS, rows, tree, write

# Bad predictions: each says file, row, column, value or remedy; nothing is written


def swapped(line, old, new):
    """GOOD with one replacement on one line (as an editor counts)."""
    lines = GOOD.splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    return "\n".join(lines) + "\n"


LINES = GOOD.splitlines()
BAD_PREDICTIONS = {
    "1 spaces": (GOOD.replace(",", " "), ["separated by spaces", "line 1"]),
    "2 Latin-1": (GOOD.replace("lda", "modèle").encode("latin-1"), ["not UTF-8", "Latin-1"]),
    "2 UTF-16": (GOOD.encode("utf-16"), ["UTF-16", "save it as UTF-8"]),
    "5 blank label": (swapped(3, "abnormal,vgg16", ",vgg16"), ["line 3", "column y_true", "blank"]),
    "5 blank id": (swapped(4, "c02", ""), ["line 4", "column case_id", "blank"]),
    "6 too few fields": (swapped(5, LINES[4], "c03,abnormal,vgg16"), ["line 5", "too few fields"]),
    "6 too many fields": (swapped(5, "vgg16", "vgg16,x"), ["line 5", "too many fields"]),
    "7 header twice": (GOOD.replace("y_pred", "model", 1), ["model", "repeated"]),
    "7 absent column": (GOOD.replace("case_id", "caseid", 1), ["case_id", "--columns case_id=caseid", "--guess"]),
    "9 spellings": (swapped(2, "normal,vgg16", "Normal,vgg16"), ["spellings", "'Normal'", "'normal'"]),
    "10 empty": ("", ["empty"]),
    "10 header alone": (HEADER, ["no rows"]),
    "10 single class": (HEADER + "".join(r + "\n" for r in rows() if r.split(",")[1] == "normal").replace("abnormal", "normal"), ["single class"]),
    "12 other cases": (GOOD.replace("c03,abnormal,lda", "c99,abnormal,lda"), ["different cases", "c03", "c99"]),
    "12 case twice": (GOOD + LINES[-1] + "\n", ["more than once", "c19 (lda)"]),
    "13 no number": (swapped(6, LINES[5].split(",")[-1], "NaN"), ["line 6", "column score", "'NaN'", "no finite number"]),
    "13 infinite": (swapped(6, LINES[5].split(",")[-1], "inf"), ["line 6", "column score", "no finite number"]),
    "13 outside": (swapped(6, LINES[5].split(",")[-1], "1.2"), ["line 6", "outside 0 to 1", "1.2", "--score-kind rank"]),
    "14 unknown call": (swapped(2, LINES[1].split(",")[3] + "," + LINES[1].split(",")[4], "benign,0.1"), ["line 2", "column y_pred", "'benign'"]),
    "48 formula in an id": (GOOD.replace("c05", "=1+1"), ["line 7", "column case_id", "formula", "'=1+1'"]),
    "48 formula in a model": (GOOD.replace("lda", "@lda"), ["column model", "formula"]),
    "48 formula in a header": (GOOD.replace("score\n", "score,+x\n", 1).replace("\n", ",1\n").replace("+x,1", "+x"), ["formula", "+x"]),
    "49 escape": (GOOD.replace("lda", "l\x1b[2Jda"), ["control character"]),
    "49 right-to-left": (GOOD.replace("lda", "l\u202eda"), ["bidirectional"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_PREDICTIONS)
def test_bad_predictions(fault, here, call, earlier):
    text, expected = BAD_PREDICTIONS[fault]
    write(here / "bad predictions.csv", text)
    before = tree(earlier)
    for out in ("new/report", earlier):
        code, said, err = call("compare", "bad predictions.csv", "--out", out)
        assert (code, said) == (2, "")
        assert "nothing was written" in err
        assert "bad predictions.csv" in err
        for part in expected:
            assert part.casefold() in err.casefold(), (part, err)
        assert "Traceback" not in err
        assert all(c.isprintable() or c == "\n" for c in err)
    assert sorted(p.name for p in here.iterdir()) == ["bad predictions.csv"]
    assert tree(earlier) == before


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_gives_the_same_report(here, call, separator, name):
    for folder, text in (("a", GOOD), ("b", GOOD.replace(",", separator))):
        (here / folder).mkdir()
        write(here / folder / "p.csv", text)
        code, _, err = call("compare", f"{folder}/p.csv", "--n-bootstrap", "100", "--out", f"{folder}/out")
        assert code == 0
        assert (f"read as separated by {name}" in err) == (folder == "b")
    assert (here / "a/out/metrics.csv").read_bytes() == (here / "b/out/metrics.csv").read_bytes()


def test_every_problem_in_one_go(here, call):
    text = swapped(2, "c00", "").replace("lda,normal,", "lda,benign,", 1)
    lines = text.splitlines()
    lines[9] = lines[9].rsplit(",", 1)[0] + ",7"
    write(here / "p.csv", "\n".join(lines) + "\n")
    code, _, err = call("compare", "p.csv")
    assert code == 2
    assert "line 2, column case_id" in err
    assert "column y_pred" in err
    assert "line 10, column score" in err
    assert int(re.search(r"hybridcx: (\d+) problems", err)[1]) >= 3


def test_every_bad_option_in_one_go(here, call):
    write(here / "p.csv", GOOD)
    code, _, err = call(
        "compare", "p.csv", "--confidence-level", 95, "--n-bootstrap", 5, "--margin", 2, "--prevalence", 0
    )
    assert code == 2
    assert "4 problems" in err
    for text in ("--confidence-level", "--n-bootstrap", "--margin", "--prevalence"):
        assert text in err
    assert [p.name for p in here.iterdir()] == ["p.csv"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--positive", "abnormall"), "did you mean 'abnormal'"), (("--by", "age"), "'age'"), (("--reference", "knn"), "lda, vgg16"),
        (("--cluster", "age"), "--cluster"), (("--threshold", "yuden"), "youden"),
        (("--threshold", "youden"), "y_pred"),
        (("--threshold", "nan"), "threshold"), (("--score-kind", "odds"), "rank"),
    ],
)  # fmt: skip
def test_options_that_name_what_is_not_there(here, call, options, expected):
    write(here / "p.csv", GOOD)
    code, _, err = call("compare", "p.csv", "--out", "out", *options)
    assert code == 2
    assert expected.casefold() in err.casefold()
    assert [p.name for p in here.iterdir()] == ["p.csv"]


def test_which_class_is_positive_is_asked(here, call):
    write(here / "p.csv", GOOD.replace("abnormal", "sick").replace("normal", "well"))
    code, _, err = call("compare", "p.csv")
    assert code == 2
    assert "--positive" in err
    assert "sick" in err


def test_more_than_twelve_models_need_a_choice(here, call):
    write(here / "p.csv", HEADER + "\n".join(rows([f"m{i:02d}" for i in range(13)])) + "\n")
    code, _, err = call("compare", "p.csv")
    assert code == 2
    assert "--reference" in err
    assert "--all-pairs" in err
    assert [p.name for p in here.iterdir()] == ["p.csv"]


# Bad ratings

BAD_RATINGS = {
    "1 spaces": (RATINGS.replace(",", " "), ["separated by spaces"]),
    "2 UTF-16": (RATINGS.encode("utf-16"), ["UTF-16"]),
    "5 blank id": (RATINGS.replace("c3,", ",", 1), ["line 5", "case_id", "blank"]),
    "6 fields": (RATINGS + "c99,1\n", ["line 22", "too few fields"]),
    "7 header": (RATINGS.replace("case_id", "CaseID", 1), ["case_id", "CaseID"]),
    "7 twice": (RATINGS.replace("reader_b", "reader_a", 1), ["reader_a", "repeated"]),
    "10 empty": ("", ["empty"]),
    "10 header alone": ("case_id,reader_a,reader_b\n", ["no rows"]),
    "12 case twice": (RATINGS + "c3,1,2\n", ["line 22", "c3", "repeated"]),
    "17 text among numbers": (RATINGS.replace("c3,42", "c3,two", 1), ["line 5", "reader_a", "'two'", "text among"]),
    "35 words on an ordinal scale": (RATINGS.replace("c3,42", "c3,two", 1), ["text on an ordinal scale"]),
    "48 formula": (RATINGS.replace("c3,", "=c3,", 1), ["line 5", "formula"]),
    "one reader": ("case_id,reader_a\nc1,1\n", ["two readings"]),
}


@pytest.mark.parametrize("fault", BAD_RATINGS)
def test_bad_ratings(fault, here, call):
    text, expected = BAD_RATINGS[fault]
    write(here / "r.csv", text)
    scale = ["--scale", "ordinal"] if "ordinal" in fault else []
    code, out, err = call("agreement", "r.csv", *scale)
    assert (code, out) == (2, "")
    for part in ["r.csv", *expected]:
        assert part.casefold() in err.casefold(), (part, err)
    assert [p.name for p in here.iterdir()] == ["r.csv"]


def test_bad_options_of_agreement(here, call):
    write(here / "r.csv", RATINGS)
    for options in (["--scale", "interval"], ["--confidence-level", "2"], ["--scale", "nominal", "--positive", "zzz"]):
        code, _, err = call("agreement", "r.csv", *options)
        assert code == 2, options
        assert "Traceback" not in err
        assert [p.name for p in here.iterdir()] == ["r.csv"]


# Bad experiments (45)


def test_45_typos_of_an_experiment(here, call):
    write(
        here / "e.toml",
        'name = "x"\n[cohort]\nmanifest = "m.csv"\n[analysis]\nn_boostrap = 500\n[trian]\nepochs = 3\n[networks]\nweights = "none"\n',
    )
    code, out, err = call("run", "e.toml")
    assert (code, out) == (2, "")
    assert "3 problems" in err  # the sound keys are looked into all the same
    assert "there is no such manifest (found: 'm.csv')" in err
    assert "e.toml, line 5: unknown key `analysis.n_boostrap`. Did you mean `n_bootstrap`?" in err
    assert "e.toml, line 6: unknown key `trian`. Did you mean `train`?" in err
    assert [p.name for p in here.iterdir()] == ["e.toml"]


def test_missing_files_of_an_experiment(here, call):
    assert "none.toml" in call("run", "none.toml")[2]
    write(here / "e.toml", 'name = "x"\n[cohort]\nmanifest = "m.csv"\n')
    code, _, err = call("run", "e.toml")
    assert code == 2
    assert "m.csv" in err
    assert not (here / "reports").exists()
