"""Public signatures are complete and have no `Any`. What type checkers say of a program that uses them: tests/example_project."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest

import hybridcx
from hybridcx.commands import options
from hybridcx.commands.options import Option, option_of
from hybridcx.commands.plots import Plots
from hybridcx.report.manuscript_table import ManuscriptTable


def public_functions():
    """Name -> function, for the functions, and the public methods of the classes, of every public name."""
    for name in hybridcx.__all__:
        value = getattr(hybridcx, name)
        if isinstance(value, ModuleType):
            yield from (
                (f"{name}.{n}", getattr(value, n)) for n in value.__all__ if inspect.isfunction(getattr(value, n))
            )
        elif inspect.isclass(value):
            yield from methods_of(value)
        else:
            yield name, value
    for kind in (Plots, ManuscriptTable):
        yield from methods_of(kind)


def methods_of(kind):
    for base in kind.__mro__:
        if base.__module__.startswith("hybridcx"):
            for name, value in vars(base).items():
                function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if inspect.isfunction(function) and (not name.startswith("_") or name == "__init__"):
                    yield f"{kind.__name__}.{name}", function


@pytest.mark.parametrize("name", [n for n in dir(hybridcx) if not n.startswith("__")])
def test_help_of_every_public_name_says_something(name):
    assert len(inspect.getdoc(getattr(hybridcx, name)) or "") > 40


ALIASES = {
    name
    for name, value in vars(options).items()
    if any(isinstance(m, Option) for m in getattr(value, "__metadata__", ()))
}
FUNCTIONS = {name: f for name, f in public_functions() if f.__module__.startswith("hybridcx")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_and_return_has_a_type_without_any(name):
    function = FUNCTIONS[name]
    generated = name.endswith("__init__") and inspect.isclass(getattr(hybridcx, name.split(".")[0], None))
    annotations = dict(inspect.get_annotations(function))
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or name.startswith(
            "Experiment"
        ), parameter
        assert parameter.name in ("self", "cls") or parameter.name in annotations, parameter
    assert generated or "return" in annotations or name.endswith("__init__")
    for annotation in annotations.values():
        text = str(annotation)
        if text in ALIASES:
            text = str(option_of(text)[1])
        assert not re.search(r"\bAny\b", text), text


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not n.endswith("__init__")])
def test_help_documents_every_parameter(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    documented = {n.strip() for line in section.splitlines() if " : " in line for n in line.split(" : ")[0].split(",")}
    assert set(inspect.signature(function).parameters) - {"self", "cls"} <= documented


@pytest.mark.parametrize("name", [n for n in hybridcx.__all__ if inspect.isclass(getattr(hybridcx, n))])
def test_help_of_a_class_names_what_its_constructor_takes(name):
    kind = getattr(hybridcx, name)
    if issubclass(kind, Exception) or name == "Experiment":  # the keys of an experiment are in docs/experiment.md
        return
    text = inspect.getdoc(kind) or ""
    taken = [p for p in inspect.signature(kind).parameters if not p.startswith("_")]
    assert [p for p in taken if not re.search(rf"\b{p}\b", text)] == []
