"""The commands of the command line, made from the signatures of their Python functions.

A signature is read from the source text of its module, which is not imported before the command is called: `hybridcx --help` loads no pandas.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import hybridcx
from hybridcx.commands.options import Option, choices_of, flag_of, help_of, option_of
from hybridcx.errors import Problem, raise_if_any

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more messages.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]
COMMON: Mapping[str, Any] = {"quiet": Quiet, "verbose": Verbose, "debug": Debug}
"""The options that every command of the command line has besides its own."""

REQUIRED = inspect.Parameter.empty
VALUES: Mapping[type, str] = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}
"""What the help shows for a value where the option has no name for it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command: the alias of its option, its default, and whether it is given by position."""

    alias: str
    default: object
    positional: bool

    @property
    def option(self) -> Option:
        return option_of(self.alias)[0]


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a command by name, and the first paragraph of its docstring (of a question of plan all of them)."""

    parameters: Mapping[str, Parameter]
    help: str


@cache
def signature_of(verb: str) -> Signature:
    """The signature of `hybridcx.<verb>`, such as compare or plan.mcnemar, read from the source text. Defaults are literals."""
    owner, _, name = verb.rpartition(".")
    spec = find_spec_without_import(hybridcx.NAMESPACES[owner] if owner else hybridcx.MODULES[name])
    tree = ast.parse(spec.read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    arguments = function.args
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults)) + list(
        arguments.defaults
    )
    parameters = {}
    for argument, default, positional in [
        *((a, d, True) for a, d in zip(arguments.args, defaults, strict=True)),
        *((a, d, False) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)),
    ]:
        value = REQUIRED if default is None else ast.literal_eval(default)
        parameters[argument.arg] = Parameter(ast.unparse(argument.annotation or ast.Constant(None)), value, positional)
    text = (ast.get_docstring(function) or "").split("\n\nRaises\n---")[0]
    return Signature(parameters, text if owner else text.split("\n\n")[0])


def find_spec_without_import(module: str) -> Path:
    """The source file of a module of hybridcx; its packages are not imported either."""
    spec = find_spec("hybridcx")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]).joinpath(*module.split(".")[1:]).with_suffix(".py")


def option_parameters(verb: str) -> list[inspect.Parameter]:
    """The parameters of a command as Typer reads them."""
    return [_parameter(name, p) for name, p in signature_of(verb).parameters.items() if p.option.cli]


def _parameter(name: str, parameter: Parameter) -> inspect.Parameter:
    option, default = parameter.option, parameter.default
    kind: Any = list[option.parse] if option.repeatable else option.parse  # type: ignore[name-defined]
    if parameter.positional:
        default = REQUIRED  # in Python arrays may stand instead
        info = typer.Argument(help=help_of(parameter.alias), metavar=name)
    else:
        choices = choices_of(parameter.alias)
        metavar = option.metavar or ("CHOICE" if choices else VALUES.get(option.parse))
        show = default not in (None, (), False, REQUIRED) and default is not True
        text = help_of(parameter.alias) + (" [required]" if default is REQUIRED else "")
        info = typer.Option(
            flag_of(name, option),
            help=text,
            metavar=metavar,
            show_default=show,
            rich_help_panel=option.group,
            autocompletion=(lambda incomplete: [c for c in choices if c.startswith(incomplete)]) if choices else None,
        )
        if default is REQUIRED:  # `arguments_of` names all that are missing
            default = None
        if option.repeatable and isinstance(default, (int, float)):
            default = [default]
        negative = option.parse is bool and default is True  # the flag --no-x sets it to False
        default = False if negative else None if default == () else default
        if option.parse is str and default is not None and default is not REQUIRED:
            default = str(default)
        kind = kind if option.parse is bool else Optional[kind]  # noqa: UP045 (older versions of Typer)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def arguments_of(verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the Python function; an option that was not given keeps the function's default.

    Raises InputError with every required option that is missing.
    """
    signature = signature_of(verb).parameters
    given = {n: v for n, v in values.items() if n in signature and v is not None and v != []}
    missing = [flag_of(n, p.option) for n, p in signature.items() if p.default is REQUIRED and n not in given]
    raise_if_any([Problem(f"{flag} is missing") for flag in missing])
    return {n: not v if signature[n].default is True else v for n, v in given.items()}


def callback(
    name: str, parameters: list[inspect.Parameter], text: str, work: Callable[[dict[str, Any]], int]
) -> Callable[..., None]:
    """A function that Typer makes a command of: it calls `work` with the options' values and ends with its exit code."""

    def call(**values: Any) -> None:
        if code := work(values):
            raise typer.Exit(code)

    common = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=a) for n, a in COMMON.items()
    ]
    every = [*parameters, *common]
    call.__name__, call.__doc__ = name, text
    call.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in every}
    return call
