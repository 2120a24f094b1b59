"""Standard output and error that are closed, full or read by nobody: the work is done and the exit code is the usual one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_inputs import GOOD, write

from hybridcx.progress import Progress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="redirections of a POSIX shell")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


def shell(line, cwd):
    """The exit code of the first command of `line`, and both outputs. $H is the command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "H": f"{sys.executable} -m hybridcx"}
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "streams",
    [">&-", "<&- >&- 2>&-", "| true", pytest.param(">/dev/full 2>&1", marks=FULL),
     *(pytest.param(s, marks=[pytest.mark.system, FULL]) for s in ("2>&-", ">&- 2>&-", "</dev/null 1<&0", ">/dev/full", "2>/dev/full"))],
)  # fmt: skip
def test_a_comparison_is_written_whatever_its_streams_are(here, streams):
    write(here / "p.csv", GOOD)
    code, out, err = shell(f"$H compare p.csv --n-bootstrap 100 --out o {streams}", here)
    assert code == 0
    assert out in ("", "o/report.html\n")
    assert "fault of hybridcx" not in err
    assert (here / "o/provenance.json").exists()


@pytest.mark.parametrize("streams", ["2>&-", "2>&1 | true"])
@pytest.mark.parametrize("arguments", ["compare none.csv", "compare --no-such", "check none.csv", "verify none"])
def test_errors_keep_their_exit_code_and_never_go_to_standard_output(here, streams, arguments):
    code, out, err = shell(f"$H {arguments} {streams}", here)
    assert (code, out) == (2, "")
    assert "fault of hybridcx" not in err


@pytest.mark.parametrize(
    "streams",
    [
        ">&-",
        pytest.param("| head -n 1", marks=pytest.mark.system),
        pytest.param(">/dev/full", marks=[pytest.mark.system, FULL]),
    ],
)
def test_a_finding_keeps_its_exit_code(here, call, streams):
    write(here / "p.csv", GOOD)
    assert call("compare", "p.csv", "--n-bootstrap", "100", "--out", "o")[0] == 0
    with (here / "o/metrics.csv").open("a", encoding="utf-8") as file:
        file.write("one more line\n")
    code, _, err = shell(f"$H verify o --quiet {streams}", here)
    assert code == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", ["--version", "--help", "weights list", "cache list"])
def test_commands_that_only_print_end_as_usual(here, arguments):
    assert shell(f"$H {arguments} >&- 2>&-", here) == (0, "", "")


@FULL
def test_results_that_could_not_be_printed_are_reported(here):
    assert shell("$H --version >/dev/full", here) == (
        0,
        "",
        "The results could not be printed (No space left on device).\n",
    )


def test_messages_of_the_python_functions_need_no_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    progress = Progress(verbose=True)
    progress.say("one")
    progress.detail("two")
    progress.track("task")(1, 2)
    assert progress.log == "one\ntwo\n"
    assert capsys.readouterr().out == ""
