"""The command line: exit codes, what is said, whose folder it is (bad input: test_cli_input.py). bad_input.md 2-4, 36, 38, 47 by their numbers."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_inputs import GOOD, RATINGS, tree, write

import hybridcx
from hybridcx.errors import StoppedError
from hybridcx.store import provenance

# What every command does


def test_help_and_version(call):
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    for command in ("demo", "run", "compare", "agreement", "plan", "verify", "phantom", "cache", "weights"):
        assert re.search(rf"^  {command} ", out, re.M)
        assert call(command, "--help")[0] == 0
    assert call("--version") == (0, provenance.version() + "\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("campare",), ("compare",), ("compare", "p.csv", "--no-such"), ("compare", "p.csv", "--seed", "-1"),
        ("compare", "p.csv", "--seed", "x"), ("compare", "p.csv", "--margin", "wide"), ("phantom", "d", "--patients", "3"),
    ],
)  # fmt: skip
def test_usage_is_exit_2(here, call, arguments):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
    assert list(here.iterdir()) == []


def test_no_command_shows_the_help_and_is_exit_2(call):
    code, out, err = call()
    assert code == 2
    assert "compare" in out + err


def test_a_comparison(here, call):
    write(here / "p.csv", GOOD)
    code, out, err = call("compare", "p.csv", "--n-bootstrap", "100")
    assert code == 0
    assert err.startswith(
        "No difference in accuracy is shown between lda and vgg16: 10.0 percentage points in favour of vgg16"
    )
    assert out == str(Path("reports/p/report.html")) + "\n"
    assert (here / "reports/p/metrics.csv").exists()
    record = json.loads((here / "reports/p/provenance.json").read_text(encoding="utf-8"))
    assert record["command"] == "compare"
    assert record["schema_version"] == 1
    assert record["options"]["n_resamples"] == 100
    assert str(here) not in json.dumps(record)


def test_quiet_keeps_the_result_and_drops_the_sentences(here, call):
    write(here / "p.csv", GOOD.replace("normal,", "None,"))  # warned of: R reads it as missing
    code, out, err = call("agreement", write(here / "r.csv", RATINGS + "c90,40,\n"), "--out", "a")
    assert (code, out) == (0, str(Path("a/report.html")) + "\n")
    assert err.startswith("Warning: r.csv")
    code, out, err = call("agreement", here / "r.csv", "--out", "a", "--quiet")
    assert (code, out, err) == (0, str(Path("a/report.html")) + "\n", "")


def test_the_same_seed_repeats_to_the_byte_and_another_does_not(here, call):
    write(here / "r.csv", RATINGS)
    write(here / "p.csv", GOOD)
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert call("compare", "p.csv", "--out", out, "--seed", seed, "--n-bootstrap", 100, "--quiet")[0] == 0
    a, b, c = (tree(here / f) for f in "abc")
    csvs = [n for n in a if n.endswith((".csv", ".html", ".parquet"))]
    assert {n: a[n] for n in csvs} == {n: b[n] for n in csvs}
    assert a["metrics.csv"] != c["metrics.csv"]
    assert a["confusion.csv"] == c["confusion.csv"]


# Exit codes other than 0 and 2


def raising(error):
    def work(*args, **kwargs):
        raise error

    return work


def test_interrupted_is_130(call, monkeypatch):
    monkeypatch.setattr(hybridcx, "compare", raising(KeyboardInterrupt()))
    code, out, err = call("compare", "p.csv")
    assert (code, out) == (130, "")
    assert "Interrupted" in err
    assert "the same command continues" in err


@pytest.mark.parametrize(
    "error",
    [
        StoppedError("training of vgg16 diverged in epoch 3."),
        OSError(errno.ENOSPC, "No space left on device", "x.csv"),
    ],
)
def test_stopped_partway_is_3(call, monkeypatch, error):
    monkeypatch.setattr(hybridcx, "run", raising(error))
    code, out, err = call("run", "e.toml")
    assert (code, out) == (3, "")
    assert "What was finished is kept" in err
    assert "diverged in epoch 3" in err or "No space left on device" in err


def test_our_own_fault_is_70_and_says_how_to_report_it(call, monkeypatch):
    monkeypatch.setattr(hybridcx, "compare", raising(ZeroDivisionError("secret of a patient")))
    code, out, err = call("compare", "p.csv")
    assert (code, out) == (70, "")
    assert "ZeroDivisionError" in err
    assert "test_app.py" in err
    assert "report" in err
    assert "Traceback" not in err
    assert "secret" not in err  # an exception's text may quote the data
    code, _, err = call("compare", "p.csv", "--debug")
    assert code == 70
    assert "Traceback" in err


def test_bad_input_shows_a_traceback_with_debug_alone(here, call):
    assert "Traceback" not in call("compare", "none.csv")[2]
    assert "Traceback" in call("compare", "none.csv", "--debug")[2]


# What is accepted, and said


def test_2_to_4_byte_order_mark_na_and_ids_stay(here, call):
    text = GOOD.replace("c01", "007").replace("c02", "1e5").replace("c03", "NA").replace(",normal,", ",None,")
    text = text.replace(",normal", ",None")
    write(here / "p.csv", "\ufeff" + text.replace("\n", "\r\n"))
    code, _, err = call("compare", "p.csv", "--out", "o", "--n-bootstrap", 100)
    assert code == 0
    assert "R and pandas read it as missing" in err
    assert "'None'" in err
    ledger = (here / "o/predictions.csv").read_text(encoding="utf-8").splitlines()
    ids = {line.split(",")[0] for line in ledger}
    assert {"007", "1e5", '"NA"'} <= ids
    assert any(",None," in line for line in ledger)


def test_47_markup_is_text_in_the_page(here, call):
    nasty = "<script>alert(1)</script>"
    image = 'x"><img src=x onerror=alert(2)>'
    text = GOOD.replace("lda", nasty).replace("vgg16", '"' + image.replace('"', '""') + '"')
    write(here / "<b>p.csv" if os.name != "nt" else here / "p.csv", text)
    (source,) = here.glob("*.csv")
    code, out, _ = call("compare", source, "--n-bootstrap", 100)
    assert code == 0
    page = Path(out.strip()).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>p" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "Content-Security-Policy" in page
    assert Path(out.strip()).resolve().is_relative_to(here / "reports")


# The output folder


def test_a_foreign_folder_is_refused(here, call):
    (here / "thesis").mkdir()
    write(here / "thesis/chapter.txt", "mine")
    write(here / "p.csv", GOOD)
    code, _, err = call("compare", "p.csv", "--out", "thesis", "--n-bootstrap", 100)
    assert code == 2
    assert "hybridcx did not make it" in err
    assert tree(here / "thesis") == {"chapter.txt": b"mine"}
    code, _, err = call("phantom", "thesis")
    assert code == 2
    assert tree(here / "thesis") == {"chapter.txt": b"mine"}


def test_the_folder_of_another_command_is_refused(here, call, earlier):
    write(here / "r.csv", RATINGS)
    before = tree(earlier)
    code, _, err = call("agreement", "r.csv", "--out", earlier)
    assert code == 2
    assert "`hybridcx compare`" in err
    assert tree(earlier) == before


def test_38_the_second_writer_is_told_who_holds_the_folder(here, call, earlier):
    write(here / "p.csv", GOOD)
    code = (
        "import sys; from pathlib import Path; from hybridcx.store.report_folder import open_output\n"
        f"with open_output(Path({str(earlier)!r}), 'compare'):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    before = {n: b for n, b in tree(earlier).items() if ".hybridcx" not in n}
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"held"
        status, _, err = call("compare", "p.csv", "--out", earlier, "--n-bootstrap", 100)
        assert status == 2
        assert "is in use" in err
        assert f"process {other.pid}" in err
        other.stdin.close()
        other.wait(timeout=30)
    assert {n: b for n, b in tree(earlier).items() if ".hybridcx" not in n} == before


def test_36_an_interrupted_replacement_is_finished_by_the_next_command(here, call, monkeypatch):
    from hybridcx.store.report_folder import OutputFolder

    write(here / "p.csv", GOOD)
    arguments = ["compare", "p.csv", "--out", "o", "--n-bootstrap", 100, "--quiet"]
    assert call(*arguments, "--seed", 1)[0] == 0
    old = tree(here / "o")
    forward = OutputFolder._roll_forward

    def killed(self):
        """Moves one file and is gone, as a process is that gets SIGKILL."""
        commit = self.inner / "commit.json"
        if commit.exists():
            first = json.loads(commit.read_text(encoding="utf-8"))["files"][0]
            (self.new / first).replace(self.path / first)
            raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(OutputFolder, "_roll_forward", killed)
        assert call(*arguments, "--seed", 2)[0] == 130
    assert (here / "o/.hybridcx/commit.json").exists()
    assert tree(here / "o")["metrics.csv"] == old["metrics.csv"]
    assert OutputFolder._roll_forward is forward
    # even a command that then finds bad input has put the complete results in place
    assert call(*arguments, "--reference", "nobody")[0] == 2
    assert not (here / "o/.hybridcx/commit.json").exists()
    new = {n: b for n, b in tree(here / "o").items() if ".hybridcx" not in n}
    record = json.loads(new["provenance.json"])
    assert record["options"]["seed"] == 2
    assert set(record["files"]) == set(new) - {"provenance.json"}
    assert new["metrics.csv"] != old["metrics.csv"]


# The cache


def test_cache_list_and_prune(here, call):
    from hybridcx.store.artefacts import Store

    Store(here / "cache").make("features", "ab" * 32, lambda f: (f / "x").write_bytes(b"0" * 2_000_000) and None, {})
    code, out, _ = call("cache", "list")
    assert code == 0
    assert "abababababab" in out
    assert "1 results, 2.0 MB" in out
    assert call("cache", "prune", "--limit-mb", 5) == (0, "0 results removed, 0.0 MB\n", "")
    assert call("cache", "prune", "--limit-mb", 0) == (0, "1 results removed, 2.0 MB\n", "")
    assert call("cache", "prune")[0] == 2
    assert call("cache", "prune", "--limit-mb", -1)[0] == 2


# The installed command in a process of its own


def command(*arguments, cwd, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "hybridcx.cli.app", *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, **options,
    )  # fmt: skip


def test_the_command_in_a_process_of_its_own(here):
    write(here / "p.csv", GOOD)
    r = command("compare", "p.csv", "--out", "o", "--n-bootstrap", 100, cwd=here)
    assert r.returncode == 0
    assert r.stderr.startswith("No difference in accuracy is shown between lda and vgg16")
    assert r.stdout == str(Path("o/report.html")) + "\n"
    r = command("compare", "none.csv", "--out", "o", cwd=here)
    assert (r.returncode, r.stdout) == (2, "")
    assert "none.csv" in r.stderr
    assert "Traceback" not in r.stderr


@pytest.mark.skipif(os.name == "nt", reason="a reader that goes away is a pipe's matter")
def test_a_reader_that_goes_away_is_no_fault(here):
    line = f'"{sys.executable}" -m hybridcx.cli.app --help | head -c 1 >{os.devnull}; echo "${{PIPESTATUS[0]}}"'
    r = subprocess.run(["bash", "-c", line], cwd=here, capture_output=True, text=True, timeout=60)
    assert r.stdout.strip() in ("0", "141")
    assert "Traceback" not in r.stderr
