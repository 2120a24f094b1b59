"""The help of every command: named groups, no cut or broken line, examples that the command line takes; and completion in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pytest
from parsed_commands import FUNCTIONS, every_command, parse

from hybridcx.cli.help import EXAMPLES
from hybridcx.cli.signatures import signature_of
from hybridcx.commands.options import Group, flag_of

COMMANDS = every_command()


def sections(text):
    """Heading -> lines below it."""
    found, heading = {}, ""
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            heading = line.removesuffix(":")
        found.setdefault(heading, []).append(line)
    return found


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_cut_or_broken(call, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = call(*name.split(".") if name else (), "--help")
    assert (code, err) == (0, "")
    lines = out.splitlines()[1:]  # the first, "Usage: ... {predictions}...", may end in dots
    assert [line for line in lines if len(line) > width or line.endswith(("...", "…"))] == []
    assert [line for line in EXAMPLES[name] if f"\n    {line}\n" not in out] == []
    assert "list[" not in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_its_group(call, name):
    by_heading = sections(call(*name.split(".") if name else (), "--help")[1])
    options = [o for p in COMMANDS[name].params if p.param_type_name == "option" for o in p.opts]
    lines = [line for heading, part in by_heading.items() if heading not in ("", "Commands") for line in part]
    assert [o for o in options if not any(o in line.replace(",", "").split()[:2] for line in lines)] == []
    if name not in FUNCTIONS:
        return
    assert set(by_heading) <= {"", "Arguments", *get_args(Group)}
    for parameter, p in signature_of(name).parameters.items():
        if p.option.cli and not p.positional:
            assert any(line.split()[:1] == [flag_of(parameter, p.option)] for line in by_heading[p.option.group])
    assert {"-q,", "-v,", "-h,", "--debug"} <= {line.split()[0] for line in by_heading["General"][1:] if line.strip()}


def test_every_command_has_examples():
    assert set(EXAMPLES) == set(COMMANDS)
    assert all(EXAMPLES.values())


@pytest.mark.parametrize(("name", "line"), [(n, line) for n, lines in EXAMPLES.items() if n for line in lines])
def test_examples_parse(name, line):
    assert parse(line).startswith(name)


def completed(words, last):
    environment = os.environ | {
        "COMP_WORDS": words, "COMP_CWORD": str(last), "_HYBRIDCX_COMPLETE": "complete_bash", "PYTHONUTF8": "1"
    }  # fmt: skip
    code = "import sys; sys.argv[0] = 'hybridcx'; from hybridcx.cli.app import main; main()"
    r = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (r.returncode, r.stderr) == (0, "")
    return r.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hybridcx com", ["compare"]),
        ("hybridcx plan m", ["mcnemar"]),
        ("hybridcx compare --n-", ["--n-bootstrap", "--n-train"]),
        ("hybridcx compare --seed-design ne", ["nested"]),
    ],
)
def test_a_shell_completes_commands_options_and_choices(words, expected):
    assert sorted(completed(words, len(words.split()) - 1)) == expected
