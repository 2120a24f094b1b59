"""docs/recipes.md: R, scikit-learn and timm (a file like its) write what compare reads; the other Python parses."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import hybridcx

PAGE = (Path(__file__).parents[1] / "docs/recipes.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def block(recipe: str, language: str) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", RECIPES[recipe], re.M | re.S)
    return code


def compared(models: list[str], **options: object) -> hybridcx.Report:
    result = hybridcx.compare("predictions.csv", n_bootstrap=100, **options)
    assert sorted(result.metrics["model"].unique()) == models
    return result


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scikit_learn(here):
    exec(compile(block("scikit-learn", "python"), "recipes.md", "exec"), {})
    auroc = compared(["forest", "logistic"]).rows("metrics", recommended=True).query("metric == 'auroc'")
    assert (auroc["estimate"] > 0.8).all()


@pytest.mark.r
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_r(here):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    (here / "recipe.R").write_text(block("R", "r"), encoding="utf-8")
    done = subprocess.run([rscript, "recipe.R"], cwd=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(compared(["age", "age_marker"]).predictions) == 2 * 150


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_timm(here):
    cases = [f"{('normal', 'pneumonia')[i % 2]}/{i}.png" for i in range(40)]
    positive = [(i * 7 + 5 * (i % 2)) % 11 / 11 for i in range(40)]
    table = pd.DataFrame({"filename": cases, "prob_0": [1 - p for p in positive], "prob_1": positive})
    table.to_csv("timm.csv", index=False)
    exec(compile(block("timm", "python"), "recipes.md", "exec"), {})
    compared(["resnet50"], positive="pneumonia")


@pytest.mark.parametrize("recipe", ["fastai", "Keras"])
def test_python_that_is_not_run_parses(recipe):
    assert "predictions.csv" in ast.unparse(ast.parse(block(recipe, "python")))
