"""Nothing that is loaded can execute code: every loader in the package is found by reading its source, and those that could are refused.

`.pth` files are pickles: `torch.load` stands only with `weights_only=True`. `np.load` says `allow_pickle=False` itself, whatever NumPy's default is.
skops loads only the types that are listed beside the call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hybridcx

ROOT = Path(hybridcx.__file__).parent
NEVER = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "cloudpickle.load",
    "cloudpickle.loads", "marshal.load", "marshal.loads", "shelve.open", "dill.load", "dill.loads", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "pandas.read_pickle", "pandas.eval", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter",
    "os.system", "os.popen", "runpy.run_path", "runpy.run_module", "code.interact", "xml.etree.ElementTree.parse", "numexpr.evaluate",
}  # fmt: skip
ONLY_WITH = {
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
    "skops.io.load": ("trusted", None),
    "skops.io.loads": ("trusted", None),
}
"""Allowed only with this argument, at this value where one is named."""
METHODS = {"read_pickle", "eval"}
"""Refused on anything but a network (`model.eval()` takes no argument)."""


def named(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                known[a.asname or a.name.split(".")[0]] = a.name if a.asname else a.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def spelt(function: ast.expr, known: dict[str, str]) -> str:
    """The full dotted name of what is called; empty for what has none."""
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return ""
    return ".".join([known.get(function.id, function.id), *reversed(parts)])


def calls(source: str) -> Iterator[tuple[int, str, ast.Call]]:
    tree = ast.parse(source)
    known = named(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, spelt(node.func, known), node


def unsafe(source: str) -> list[str]:
    """The calls that could execute what they read."""
    found = []
    for line, name, call in calls(source):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in NEVER or (method in METHODS and call.args):
            found.append(f"line {line}: {name or method}")
        if name in ONLY_WITH:
            key, value = ONLY_WITH[name]
            given = next((k.value for k in call.keywords if k.arg == key), None)
            if given is None or (value is not None and not (isinstance(given, ast.Constant) and given.value is value)):
                found.append(f"line {line}: {name} without {key}={value}")
        shells = [k.value for k in call.keywords if k.arg == "shell"]
        found += [
            f"line {line}: {name} with shell" for v in shells if not (isinstance(v, ast.Constant) and v.value is False)
        ]
    return found


def test_no_loader_of_the_package_can_execute_code():
    found = {p.relative_to(ROOT).as_posix(): unsafe(p.read_text(encoding="utf-8")) for p in sorted(ROOT.rglob("*.py"))}
    assert len(found) > 100
    assert {file: what for file, what in found.items() if what} == {}


def test_the_loaders_that_there_are_are_seen():
    """A search that finds nothing anywhere would pass for safe."""
    seen = {name for p in ROOT.rglob("*.py") for _, name, _ in calls(p.read_text(encoding="utf-8"))}
    assert {"torch.load", "numpy.load", "skops.io.loads", "json.loads", "safetensors.torch.load_file"} <= seen


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(p)", "import torch as t\nt.load(p, weights_only=False)", "from torch import load\nload(p)",
        "import numpy as np\nnp.load(p)", "import numpy\nnumpy.load(p, allow_pickle=True)", "import pickle\npickle.loads(b)",
        "from pickle import loads as x\nx(b)", "import joblib\njoblib.load(p)", "import yaml\nyaml.load(p)", "eval(text)", "exec(text)",
        "import pandas as pd\npd.read_pickle(p)", "frame.eval(text)", "import skops.io\nskops.io.loads(b)",
        "import subprocess\nsubprocess.run(c, shell=True)", "__import__(name)",
    ],
)  # fmt: skip
def test_what_is_refused(source):
    assert len(unsafe(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(p, weights_only=True)", "import numpy as np\nnp.load(p, allow_pickle=False)", "model.eval()",
        "import re\nre.compile(x)",
        "import skops.io\nskops.io.loads(b, trusted=T)", "import pickle\npickle.UnpicklingError",
    ],
)  # fmt: skip
def test_what_is_taken(source):
    assert unsafe(source) == []
