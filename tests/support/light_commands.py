"""Every command and every Python function where the extra `deep` is absent. A script that needs hybridcx alone:

    python light_commands.py FOLDER RUN

FOLDER is new and is filled; RUN is the folder of a finished run, which was made elsewhere. Ends with 1 at the first surprise, and prints ALL DONE.
"""

from __future__ import annotations

import contextlib
import io
import os
import pydoc
import sys
from collections.abc import Callable
from pathlib import Path

LINE = 'pip install "hybridcx[deep]"'
DEEP = ("torch", "torchvision", "sklearn", "xgboost", "safetensors", "skops", "joblib")
PLANS = (
    "mcnemar --p10 0.15 --p01 0.05",
    "precision --proportion 0.9 --halfwidth 0.05",
    "noninferiority --margin 0.05 --discordance 0.1",
    "auc --auc 0.90 --comparator-auc 0.85 --correlation 0.5 --prevalence 0.3",
    "detectable --n 49",
)
EXPERIMENT = """
name = "tiny"
seed = 1
[cohort]
manifest = "phantom/manifest.csv"
positive = "abnormal"
[images]
size_px = 48
[networks]
names = ["squeezenet1_1"]
weights = "imagenet"
[train]
epochs = 1
[heads]
names = ["lda"]
folds = 2
"""


def call(*arguments: str, code: int = 0) -> str:
    """Call the command line in this process; its output, both streams."""
    from hybridcx.cli.app import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(list(arguments))
        except SystemExit as end:
            got = int(end.code or 0)
        else:
            got = 0
    assert got == code, (arguments, got, out.getvalue())
    assert "Traceback" not in out.getvalue(), out.getvalue()
    return out.getvalue()


def sentence(text: str) -> None:
    """One line, with the line to type."""
    assert text.count("\n") == 1, text
    assert LINE in text, text


def inputs() -> None:
    """Small predictions with ties, ratings of numbers and of categories, a published table."""
    rows = [
        f"c{i},{('normal', 'abnormal')[i % 2]},{m},{(i * 7 + 3 * j) % 10 / 10},{'AB'[i % 3 == 0]}"
        for j, m in enumerate("AB")
        for i in range(24)
    ]
    Path("p.csv").write_text("\n".join(["case_id,y_true,model,score,scanner", *rows]) + "\n", encoding="utf-8")
    ratings = "".join(f"c{i},{i}.5,{i + i % 3}\n" for i in range(12))
    Path("r.csv").write_text(f"case_id,rating_a,rating_b\n{ratings}", encoding="utf-8")
    calls = "".join(f"c{i},{'yn'[i % 2]},{'yn'[i % 3 == 0]}\n" for i in range(20))
    Path("k.csv").write_text(f"case_id,reader_a,reader_b\n{calls}", encoding="utf-8")
    Path("t.csv").write_text("model,metric,value\nA,accuracy,0.75\nA,sensitivity,0.70\n", encoding="utf-8")


def class_folders() -> None:
    """The phantom's images in a folder for each class."""
    import pandas as pd

    for row in pd.read_csv("phantom/manifest.csv").itertuples():
        target = Path("classes") / str(row.label) / Path(str(row.image)).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((Path("phantom") / str(row.image)).read_bytes())


def first_steps() -> None:
    """Help, version, and what importing the statistics loads."""
    import hybridcx.stats

    assert not {"pandas", *DEEP} & set(sys.modules), sorted({"pandas", *DEEP} & set(sys.modules))
    import numpy as np

    rng = np.random.default_rng(1)
    y = np.array([0, 1] * 20)
    assert 0 <= hybridcx.stats.delong_paired(y, rng.random(40), rng.random(40)).pvalue <= 1
    verbs = "run demo compare agreement audit plan verify qualify check cohort phantom weights cache"
    for verb in ("", *verbs.split()):
        assert "Usage" in call(*([verb] if verb else []), "--help")
    assert call("--version")[0].isdigit()


def commands(run: str) -> None:
    """All commands that train nothing."""
    call("compare", "p.csv", "--out", "c", "--n-bootstrap", "100", "--by", "scanner", "--also", "paper,latex,figures")
    call("compare", run, "--out", "again", "--n-bootstrap", "100")
    call("agreement", "r.csv", "--out", "a", "--n-bootstrap", "100")
    call("agreement", "k.csv", "--out", "k", "--positive", "y", "--n-bootstrap", "100")
    call("audit", "t.csv", "--positives", "20", "--negatives", "20", "--out", "t")
    for i, plan in enumerate(PLANS):
        call("plan", *plan.split(), "--out", f"plan{i}")
    for folder in ("c", "again", "a", "k", "t", "plan0", run):
        text = call("verify", folder)
        assert "hybridcx[" not in text, text
    assert "PASS: all" in call("qualify", "--out", "qualification")
    call("phantom", "phantom", "--patients", "60")
    class_folders()
    call("cohort", "classes")
    call("cache", "list")
    call("cache", "prune", "--limit-mb", "0")
    assert "squeezenet1_1" in call("weights", "list")
    for file in ("p.csv", "r.csv", "phantom/manifest.csv"):
        call("check", file)
    Path("divided.toml").write_text(EXPERIMENT, encoding="utf-8")
    Path("folds.toml").write_text(EXPERIMENT + '[repeat]\ndesign = "kfold"\nfolds = 3\n', encoding="utf-8")
    for name in ("divided", "folds"):
        text = call("check", f"{name}.toml")
        assert "`hybridcx run` needs packages that are not installed" in text, text
        assert LINE in text, text
        assert ("the folds that are drawn" in text) == (name == "folds"), text
    assert "Estimate" in call("run", "divided.toml", "--dry-run")
    Path("drawn.toml").write_text(
        EXPERIMENT.replace('manifest = "phantom/manifest.csv"\npositive = "abnormal"', "phantom = { patients = 60 }"),
        encoding="utf-8",
    )
    assert "Estimate" in call("run", "drawn.toml", "--dry-run")


def refused() -> None:
    """What trains, and what reads weights: one sentence, exit code 2, nothing written."""
    before = sorted(Path().iterdir())
    sentence(call("demo", code=2))
    sentence(call("run", "drawn.toml", code=2))
    sentence(call("run", "folds.toml", "--dry-run", code=2))
    sentence(call("weights", "verify", code=2))
    sentence(call("weights", "fetch", "squeezenet1_1", code=2))
    assert sorted(Path().iterdir()) == before


def functions(run: str) -> None:
    """The same from Python."""
    import pandas as pd

    import hybridcx

    result = hybridcx.compare(pd.read_csv("p.csv"), n_bootstrap=100)
    assert len(result.comparisons)
    assert len(hybridcx.agreement("r.csv", n_bootstrap=100).tables)
    assert len(hybridcx.audit("t.csv", positives=20, negatives=20).tables)
    arrays = hybridcx.compare(
        y_true=[0, 1] * 20, scores={"a": [0.2, 0.7, 0.4, 0.9] * 10, "b": [0.1, 0.3] * 20}, n_bootstrap=100
    )
    assert len(repr(arrays)) <= 600
    assert "&lt;svg" in arrays._repr_html_()
    assert arrays.plot.roc().has_data()
    assert "AUROC" in arrays.table(["auroc"]).to_html()
    assert len(hybridcx.read_predictions("p.csv")) == 48
    assert len(hybridcx.plan.precision(proportion=0.9, halfwidth=0.05).tables)
    assert hybridcx.verify(run).agrees
    assert hybridcx.check("p.csv").sound
    hybridcx.phantom("phantom2", patients=60)
    hybridcx.cohort("classes")
    hybridcx.read_experiment("drawn.toml")
    assert "Estimate" in hybridcx.estimate("drawn.toml").text
    for train in (lambda: hybridcx.run("drawn.toml"), hybridcx.demo, lambda: hybridcx.FineTunedNetwork()):
        error = raised(train)
        assert isinstance(error, hybridcx.InputError), error
        assert LINE in str(error)
    assert "hybridcx[sklearn]" in str(raised(lambda: hybridcx.compare_estimators({}, [], [])))
    assert "FineTunedNetwork" not in dir(hybridcx)
    help_text = pydoc.render_doc(hybridcx)
    assert "compare_estimators" in help_text


def raised(function: Callable[[], object]) -> Exception:
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def main(folder: str, run: str) -> None:
    run = str(Path(run).resolve())
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["HYBRIDCX_CACHE"] = str(Path("cache").resolve())
    first_steps()
    inputs()
    commands(run)
    refused()
    functions(run)
    assert not set(DEEP) & set(sys.modules), sorted(set(DEEP) & set(sys.modules))
    print("ALL DONE")


if __name__ == "__main__":
    main(*sys.argv[1:])
