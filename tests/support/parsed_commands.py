"""Lines that call hybridcx, parsed against the command line and not run."""

from __future__ import annotations

import shlex
from operator import attrgetter
from typing import Any

import typer

import hybridcx
from hybridcx.cli.app import VERBS, app
from hybridcx.cli.signatures import arguments_of
from hybridcx.commands.options import QUESTIONS, value_problems

FUNCTIONS = (*VERBS, *(f"plan.{q}" for q in QUESTIONS))
GROUP: Any = typer.main.get_command(app)


def every_command(group: Any = GROUP, name: str = "") -> dict[str, Any]:
    """Dotted name of every command and group of commands ("" for hybridcx) -> what Typer made of it."""
    below: dict[str, Any] = {name: group}
    for own, command in getattr(group, "commands", {}).items():
        below |= every_command(command, f"{name}.{own}".strip("."))
    return below


def _command_of(words: list[str]) -> tuple[Any, str, list[str]]:
    """The command that the words call, its dotted name, and the words after it."""
    command, name = GROUP, ""
    while words and words[0] in getattr(command, "commands", {}):
        command, name = command.commands[words[0]], f"{name}.{words[0]}".strip(".")
        words = words[1:]
    return command, name, words


def unknown_options(line: str) -> list[str]:
    """The words of a line that look like options and are none of its command; of a line in prose, which may lack its arguments."""
    command, _, words = _command_of(line.split()[1:])
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
    return [w for w in words if w.startswith("-") and w != "-" and w.partition("=")[0] not in known]


def parse(line: str) -> str:
    """The dotted name of the command that a line calls. Raises what the command line would: unknown options, wrong values, missing arguments."""
    program, *words = shlex.split(line, comments=True)
    assert program == "hybridcx", line
    command, name, words = _command_of(words)
    values = command.make_context(name, words).params
    if name in FUNCTIONS:
        arguments = arguments_of(name, values)
        assert value_problems(attrgetter(name)(hybridcx).__wrapped__, arguments) == []
    return name
