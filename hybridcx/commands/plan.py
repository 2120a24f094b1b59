"""The command `hybridcx plan` and its twin `hybridcx.plan`: how many cases a study needs, and what a finished test set could have shown.

(The module is not called `plan`, which would hide the function of that name.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import get_args

from hybridcx.analysis.planned import Assumptions, Question, plan_table
from hybridcx.commands.publish import Clock, finish, page_provenance
from hybridcx.commands.result import Report, default_out
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.narrative import planning as planning_words
from hybridcx.progress import Progress
from hybridcx.report.content import Content
from hybridcx.store.report_folder import open_output

QUESTIONS: tuple[Question, ...] = get_args(Question)
Values = float | Sequence[float] | None

_PAIR = ("p10", "p01", "difference", "discordance")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "mcnemar": (*_PAIR, "power", "alpha", "metric", "prevalence"),
    "precision": ("proportion", "halfwidth", "confidence_level", "metric", "prevalence"),
    "noninferiority": ("margin", *_PAIR, "power", "alpha", "metric", "prevalence"),
    "auc": ("auc", "comparator_auc", "correlation", "ratio", "prevalence", "power", "alpha"),
    "detectable": ("n", "discordance", "power", "alpha", "metric", "prevalence", "comparator_auc", "correlation", "ratio"),
}  # fmt: skip
_METRICS = ("accuracy", "sensitivity", "specificity")
_ALPHA = {"noninferiority": 0.025}
# Discordances of a finished test set that are answered where none is given.
_USUAL_DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4)
_RANGES: Mapping[str, tuple[str, float, float, bool]] = {  # words, low, high, ends included
    "p10": ("lies between 0 and 1", 0, 1, True),
    "p01": ("lies between 0 and 1", 0, 1, True),
    "difference": ("lies between -1 and 1", -1, 1, False),
    "discordance": ("lies between 0 and 1", 0, 1, True),
    "power": ("lies between 0 and 1", 0, 1, False),
    "alpha": ("lies between 0 and 0.5", 0, 0.5, False),
    "margin": ("lies between 0 and 1", 0, 1, False),
    "proportion": ("lies between 0 and 1", 0, 1, True),
    "halfwidth": ("lies between 0 and 0.5", 0, 0.5, False),
    "confidence_level": ("lies between 0.5 and 1", 0.5, 1, False),
    "auc": ("lies between 0 and 1", 0, 1, False),
    "comparator_auc": ("lies between 0 and 1", 0, 1, False),
    "prevalence": ("lies between 0 and 1", 0, 1, False),
    "ratio": ("is above 0", 0, 1e9, False),
    "n": ("is at least 2", 1, 1e7, False),
}


def plan(
    question: str,
    *,
    out: str | Path | None = None,
    metric: str | None = None,
    p10: float | None = None,
    p01: float | None = None,
    difference: float | None = None,
    discordance: Values = None,
    power: Values = None,
    alpha: float | None = None,
    margin: float | None = None,
    proportion: Values = None,
    halfwidth: Values = None,
    confidence_level: float | None = None,
    auc: float | None = None,
    comparator_auc: float | None = None,
    correlation: float | None = None,
    ratio: float | None = None,
    prevalence: float | None = None,
    n: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """How many cases a question needs, or what a given test set could have shown; a report folder with table, curves and a sentence.

    Parameters
    ----------
    question : "mcnemar" (a difference of two models' accuracies), "precision" (an interval's half-width), "noninferiority" (not worse by
        `margin`), "auc" (a difference of two correlated AUROCs), "detectable" (the smallest difference that `n` cases could have shown).
    metric : accuracy (default), sensitivity or specificity: sizes count the cases of that class then; for "detectable" also auroc.
    p10, p01 : probabilities that only the model, only the comparator is right; or `difference` (p10 - p01) and `discordance` (p10 + p01).
    discordance : for "detectable" one or several; default 5, 10, 20, 30 and 40 %.
    power : one or several, default 0.8.
    alpha : default 0.05 two-sided; 0.025 one-sided for "noninferiority".
    proportion, halfwidth : one or several.
    correlation : of the two estimated AUROCs over samples of cases.
    ratio, prevalence : negatives per positive case, or the share of positive cases; for auc a ratio of 1 where neither is given. For sensitivity and
        specificity the prevalence gives the cases of both classes.

    Returns
    -------
    Report: `tables["plan"]` holds the rows of plan.csv, whose part `answer` answers; `hybridcx.narrative.planning.sentence(tables["plan"])` words it.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    progress = progress or Progress(quiet=True)
    given: dict[str, object] = {
        "metric": metric, "p10": p10, "p01": p01, "difference": difference, "discordance": discordance, "power": power, "alpha": alpha,
        "margin": margin, "proportion": proportion, "halfwidth": halfwidth, "confidence_level": confidence_level, "auc": auc,
        "comparator_auc": comparator_auc, "correlation": correlation, "ratio": ratio, "prevalence": prevalence, "n": n,
    }  # fmt: skip
    asked = _assumptions(question, {k: v for k, v in given.items() if v is not None and v != () and v != []})
    target = Path(out) if out is not None else default_out(f"plan_{question}")
    clock = Clock()
    table = plan_table(asked)
    with open_output(target, "plan", progress.notice) as folder:
        folder.begin()
        content = Content(
            title=planning_words.TITLES[asked.question],
            command="plan",
            question=planning_words.question(asked),
            tables={"plan": table},
            answers=[s.replace(" %", "\u00a0%") for s in planning_words.sentence(table)],
            caveats=planning_words.CAVEATS[asked.question],
            methods=[planning_words.METHODS["auc" if asked.metric == "auroc" else asked.question]],
            provenance={k: v for k, v in page_provenance(0, {}).items() if k != "seed"},  # nothing is drawn
        )
        options = {"question": question, **{k: v for k, v in given.items() if v is not None}}
        finish(folder, content, {"plan": table}, inputs={}, options=options, clock=clock, progress=progress)
    return Report(target, target / "report.html", {"plan": table})


def _assumptions(question: str, given: Mapping[str, object]) -> Assumptions:
    """The checked assumptions of a question. Raises InputError with every problem."""
    if question not in QUESTIONS:
        raise InputError(Problem("unknown question", value=question, remedy=f"choose {', '.join(QUESTIONS)}"))
    problems = [
        Problem(f"{_flag(k)} has no part in the question {question}", value=v)
        for k, v in given.items()
        if k not in _OPTIONS[question]
    ]
    values = {k: _numbers(v) for k, v in given.items() if k in _OPTIONS[question] and k != "metric"}
    for name, found in values.items():
        problems += [Problem(f"{_flag(name)} {_rule(name)}", value=v) for v in found if not _inside(name, v)]
    metric = str(given.get("metric", "auroc" if question == "auc" else "accuracy"))
    known = (*_METRICS, "auroc") if question == "detectable" else ("auroc",) if question == "auc" else _METRICS
    if metric not in known:
        problems.append(
            Problem("--metric is not one of this question", value=metric, remedy=f"choose {', '.join(known)}")
        )
    needed = {"precision": ("proportion", "halfwidth"), "noninferiority": ("margin",), "detectable": ("n",)}.get(
        question, ()
    )
    if question == "auc":
        needed = ("auc", "comparator_auc", "correlation")
    elif metric == "auroc":
        needed = ("n", "comparator_auc", "correlation")
    problems += [Problem(f"{_flag(name)} is missing") for name in needed if name not in values]
    if question == "detectable":
        idle = ("discordance",) if metric == "auroc" else ("comparator_auc", "correlation", "ratio")
        problems += [
            Problem(f"{_flag(k)} has no part where --metric is {metric}", value=values[k]) for k in idle if k in values
        ]
    one = {k: v[0] for k, v in values.items()}
    alpha = one.get("alpha", _ALPHA.get(question, 0.05))
    powers = values.get("power", (0.8,)) if question != "precision" else ()
    problems += [Problem("--power must exceed --alpha", value=p) for p in powers if _inside("power", p) and p <= alpha]
    pair = (nan, nan)
    if question in ("mcnemar", "noninferiority"):
        pair, found_wrong = _pair(one, equal=question == "noninferiority", margin=one.get("margin", nan))
        problems += found_wrong
    if one.get("auc", -1) == one.get("comparator_auc", -2):
        problems.append(Problem("--auc and --comparator-auc must differ", value=one["auc"]))
    if "ratio" in one and "prevalence" in one:
        problems.append(
            Problem("--ratio and --prevalence say the same", value=(one["ratio"], one["prevalence"]), remedy="give one")
        )
    raise_if_any(problems)
    areas = question == "auc" or metric == "auroc"
    prevalence = one.get("prevalence", nan)
    ratio = nan if not areas else one.get("ratio", 1.0) if isnan(prevalence) else (1 - prevalence) / prevalence
    return Assumptions(
        question=question,
        metric=metric,
        powers=tuple(powers),
        alpha=nan if question == "precision" else alpha,
        conf_level=one.get("confidence_level", 0.95) if question == "precision" else nan,
        p10=pair[0],
        p01=pair[1],
        margin=one.get("margin", nan),
        proportions=values.get("proportion", ()),
        halfwidths=values.get("halfwidth", ()),
        auc=one.get("auc", nan),
        comparator_auc=one.get("comparator_auc", nan),
        correlation=one.get("correlation", nan),
        ratio=ratio,
        prevalence=prevalence,
        n=int(one.get("n", 0)),
        discordances=values.get("discordance", _USUAL_DISCORDANCES) if question == "detectable" and not areas else (),
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _numbers(value: object) -> tuple[float, ...]:
    """One number or several as a tuple, each once, in rising order; what is no number is NaN and therefore refused."""
    several = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    made = [float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else nan for v in several]
    return tuple(sorted(set(made))) or (nan,)


def _rule(name: str) -> str:
    return "lies in -1 to 1, below 1" if name == "correlation" else _RANGES[name][0]


def _inside(name: str, value: float) -> bool:
    if name == "correlation":
        return -1 <= value < 1
    _, low, high, closed = _RANGES[name]
    whole = name != "n" or value == int(value) if value == value and abs(value) < 1e300 else False
    return whole and (low <= value <= high if closed else low < value < high)


def _pair(one: Mapping[str, float], *, equal: bool, margin: float) -> tuple[tuple[float, float], list[Problem]]:
    """p10 and p01, given as such or as difference and discordance."""
    direct, by_difference = [k for k in _PAIR[:2] if k in one], [k for k in _PAIR[2:] if k in one]
    if direct and by_difference:
        return (nan, nan), [Problem("give --p10 and --p01, or --difference and --discordance, not both")]
    if len(direct) == 2:
        p10, p01 = one["p10"], one["p01"]
    elif not direct and "discordance" in one and (equal or "difference" in one):
        d, psi = one.get("difference", 0.0), one["discordance"]
        if abs(d) > psi:
            return (nan, nan), [
                Problem(
                    "the difference cannot exceed the discordance",
                    value=(d, psi),
                    remedy="p10 - p01 lies within p10 + p01",
                )
            ]
        # the half-sums of decimals are rounded back to decimals: 0.2 and 0.1 are 0.15 and 0.05
        p10, p01 = round((psi + d) / 2, 12), round((psi - d) / 2, 12)
    else:
        ways = "--p10 and --p01, or --discordance" + (
            " and, unless it is 0, --difference" if equal else " and --difference"
        )
        return (nan, nan), [Problem("the discordant probabilities are missing", remedy=f"give {ways}")]
    problems = []
    if p10 + p01 > 1 + 1e-12:
        problems.append(Problem("--p10 and --p01 are exclusive: they sum to 1 at most", value=(p10, p01)))
    if not equal and p10 == p01:
        problems.append(
            Problem(
                "--p10 and --p01 must differ", value=p10, remedy="for models that are alike plan for non-inferiority"
            )
        )
    if equal and p10 - p01 <= -margin:
        problems.append(
            Problem(
                "the difference assumed is at or below minus the margin: no test set shows non-inferiority",
                value=p10 - p01,
            )
        )
    return (p10, p01), problems
