"""The blocks of docs/r.md run in R, one after another, on a folder that compare wrote, and have the numbers of its CSVs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hybridcx

PAGE = Path(__file__).parents[1] / "docs" / "r.md"
PACKAGES = ("readr", "dplyr", "tidyr", "ggplot2", "scales")
MODELS = {"densenet201": 1.3, "resnet101+svm_rbf": 1.9, "vgg16": 1.5}
pytestmark = pytest.mark.r


def blocks() -> list[str]:
    """The fenced R blocks of the page."""
    return re.findall(r"^```r\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def r(folder: Path, program: str) -> str:
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    (folder / "program.R").write_text(program, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "RETICULATE_PYTHON"}
    done = subprocess.run(
        [rscript, "program.R"], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning message" not in done.stderr, done.stderr
    return done.stdout


def need_packages(folder: Path, *names: str) -> None:
    words = ", ".join(f'"{n}"' for n in names)
    absent = r(folder, f"names <- c({words})\ncat(names[!sapply(names, requireNamespace, quietly = TRUE)])").split()
    if absent:
        pytest.skip(f"R has no {', '.join(absent)} here")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with predictions.csv and its report, as the page supposes."""
    folder = tmp_path_factory.mktemp("r")
    rng = np.random.default_rng(7)
    truth = np.arange(160) % 2
    lines = ["case_id,patient_id,y_true,model,y_pred,score"]
    for model, gain in MODELS.items():
        score = 1 / (1 + np.exp(-(rng.normal(0, 1, 160) + gain * 0.8 * (2 * truth - 1))))
        for i in range(160):
            true, call = ("abnormal" if x else "normal" for x in (truth[i], score[i] >= 0.5))
            lines.append(f"c{i:03d},p{i:03d},{true},{model},{call},{score[i]:.4f}")
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    hybridcx.compare(
        folder / "predictions.csv",
        positive="abnormal",
        margin=0.05,
        n_bootstrap=200,
        out=folder / "reports/predictions",
    )
    return folder


def main_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["recommended"].eq(True) & table[["subgroup", "seed", "label.rule"]].isna().all(axis=1)]


def test_the_tables_and_the_forest_plot(here):
    need_packages(here, *PACKAGES)
    program = "\n".join(b for b in blocks() if "reticulate" not in b and 'import("' not in b)
    r(here, program + '\nwrite_csv(table1, "table1.csv"); write_csv(shown, "shown.csv")')
    for name in ("forest.png", "forest.pdf", "forest_base.pdf"):
        assert (here / name).stat().st_size > 3000, name
    assert (here / "forest.png").read_bytes().startswith(b"\x89PNG")
    ours = main_rows(pd.read_csv(here / "reports/predictions/comparisons.csv"))
    pairs = pd.read_csv(here / "pairs.csv").set_index(["metric", "model", "comparator"])
    limits = ours[ours["conf.low"].notna()].set_index(["metric", "model", "comparator"])
    tests = ours.groupby(["metric", "model", "comparator"]).last()
    assert set(pairs.index) == set(tests.index)
    for column in ("estimate", "conf.low", "conf.high"):
        assert pairs.loc[limits.index, column].to_numpy() == pytest.approx(limits[column].to_numpy(), rel=1e-12)
    tested = tests[tests["p.value"].notna()]
    assert pairs.loc[tested.index, "p.value"].to_numpy() == pytest.approx(tested["p.value"].to_numpy(), rel=1e-12)
    shown = pd.read_csv(here / "shown.csv")
    assert len(shown) == 4 * 3
    metrics = main_rows(pd.read_csv(here / "reports/predictions/metrics.csv")).set_index(["model", "metric"])
    table = pd.read_csv(here / "table1.csv").set_index("model")
    for model in MODELS:
        row = metrics.loc[(model, "auroc")]
        assert table.loc[model, "auroc"] == f"{row['estimate']:.3f} ({row['conf.low']:.3f} to {row['conf.high']:.3f})"


def test_reticulate(here):
    need_packages(here, "reticulate")
    link = here / ".venv"
    if not link.exists():
        link.symlink_to(sys.prefix, target_is_directory=True)
    further = """
write.csv(from_python, "from_python.csv", row.names = FALSE)
numbers <- transform(predictions, y_true = as.numeric(y_true == "abnormal"), y_pred = as.integer(y_pred == "abnormal"))
again <- hybridcx$compare(numbers, positive = 1, margin = 0.05, n_bootstrap = 200, by = "half")
logicals <- transform(predictions, y_true = y_true == "abnormal", y_pred = y_pred == "abnormal")
third <- hybridcx$compare(logicals, positive = TRUE, n_bootstrap = 200L)
same <- function(x, y) isTRUE(all.equal(x$estimate, y$estimate))
stopifnot(same(as_frame(third$metrics), as_frame(result$metrics)))
stopifnot(nrow(subset(as_frame(again$metrics), !is.na(subgroup))) > 0)
cat("DONE", format(delong$pvalue, digits = 15), delong$estimate)
"""
    program = "\n".join(b for b in blocks() if "reticulate" in b or 'import("' in b)
    program = program.replace("margin = 0.05)", "margin = 0.05, n_bootstrap = 200)")
    further = further.replace(
        "again <-", 'numbers$half <- ifelse(as.integer(numbers$case_id) %% 4 < 2, "a", "b")\nagain <-'
    )
    out = r(here, program + further)
    pvalue, estimate = map(float, out.rsplit("DONE", 1)[1].split())
    ours = pd.read_csv(here / "reports/predictions/comparisons.csv")
    theirs = pd.read_csv(here / "from_python.csv")
    further_ones = [c for c in ours if c not in theirs]  # the CSV has every column of its table
    assert ours[further_ones].isna().all(axis=None)
    shared = [c for c in ours if c in theirs]
    pd.testing.assert_frame_equal(theirs[shared], ours[shared], check_dtype=False, rtol=1e-12)
    row = main_rows(ours).query("metric == 'auroc' and model == 'densenet201' and comparator == 'vgg16'").iloc[0]
    assert abs(estimate) == pytest.approx(abs(row["estimate"]), rel=1e-6)
    assert pvalue == pytest.approx(row["p.value"], rel=1e-9)
