"""The public names as a typed program uses them. mypy --strict and pyright (strict) check it; nothing runs it.

Its configuration is in pyproject.toml beside it; `.ci/run` has the commands.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.linear_model import LogisticRegression

import hybridcx
from hybridcx.stats import ConfidenceInterval, PairedTest, delong_paired, mcnemar_midp, paired_table, tango


def compared(frame: pd.DataFrame, folder: Path) -> hybridcx.Report:
    result = hybridcx.compare(frame, positive="abnormal", by=["sex"], margin=0.05, prevalences=[0.1])
    metrics: pd.DataFrame = result.metrics
    rows: pd.DataFrame = result.rows("metrics", recommended=True)
    text: str = result.summary()
    axes: Axes = result.plot.roc(models=["a"])
    result.plot.forest(ax=axes)
    table = result.table(metrics=["auroc"], models=["a"])
    cells: pd.DataFrame = table.to_frame()
    html: str = table.to_html()
    page: Path = result.to_html(folder / "page.html")
    predictions: pd.DataFrame = result.predictions
    print(metrics, rows, text, cells, html, page, predictions)
    saved: hybridcx.Report = result.save(folder)
    return saved


def of_arrays(y: np.ndarray[tuple[int], np.dtype[np.int64]], p: list[float]) -> None:
    result = hybridcx.compare(y_true=y, scores={"a": p, "b": y}, groups=[1, 2], subgroups={"sex": ["f"]}, positive=1)
    print(hybridcx.compare(y_true=y, y_pred=p).tables["metrics"], result)


def planned() -> int:
    report = hybridcx.plan.mcnemar(p10=0.15, p01=0.05, power=[0.8, 0.9])
    hybridcx.plan.precision(proportion=0.9, halfwidth=0.05)
    hybridcx.plan.noninferiority(margin=0.05, discordance=0.1)
    hybridcx.plan.auc(auc=0.9, comparator_auc=0.85, correlation=0.5)
    hybridcx.plan.detectable(n=49, out="x")
    return len(report.tables["plan"])


def others(folder: Path) -> bool:
    hybridcx.agreement(pd.DataFrame(), scale="nominal")
    hybridcx.audit(folder / "published.csv", positives=25, negatives=24)
    hybridcx.read_predictions(folder / "p.csv", truth={"a": 1}, columns={"case_id": "filename"})
    hybridcx.compare_estimators({"l": LogisticRegression()}, pd.DataFrame(), [0, 1], cv=3, repeats=2)
    checked = hybridcx.check(folder / "p.csv")
    experiment: hybridcx.Experiment = hybridcx.read_experiment(folder / "e.toml")
    hybridcx.run(experiment, out=folder)
    problems: list[str] = [str(p) for p in checked.problems]
    print(problems)
    return hybridcx.verify(folder).agrees


def in_scikit_learn(images: list[str], labels: list[str]) -> None:
    features = hybridcx.PenultimateFeatures("resnet101", image_size_px=224)
    network = hybridcx.FineTunedNetwork("vgg16", epochs=2, random_state=0).fit(images, labels)
    classes: list[str] = network.classes_.tolist()
    print(features.fit(images, labels).transform(images), network.predict_proba(images), classes)


def tested(y: list[int], a: list[float], b: list[float]) -> float:
    test: PairedTest = delong_paired(y, a, b)
    table = paired_table([True, False], [True, True])
    interval: ConfidenceInterval = tango(*table).confidence_interval
    return test.pvalue + interval.low + mcnemar_midp(table.b, table.c, table.n).pvalue


try:
    planned()
except hybridcx.InputError as error:
    first: hybridcx.Problem = error.problems[0]
    print(first.rule)
