"""`hybridcx plan`: how many cases a study needs, or what differences a finished test set could have shown.

The options of each question, and those that it needs, are in `options.QUESTIONS`; here are the rules between options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from numbers import Real

from hybridcx.analysis.planned import Assumptions, plan_table
from hybridcx.commands.options import (
    P01,
    P10,
    QUESTIONS,
    Alpha,
    Auc,
    ComparatorAuc,
    Correlation,
    Difference,
    Discordance,
    Halfwidth,
    NCases,
    Out,
    PlanLevel,
    PlanMargin,
    PlanMetric,
    PlanPrevalence,
    Power,
    Proportion,
    Question,
    QuestionName,
    Ratio,
    ReportsProgress,
    documented,
    flag_of,
    options_of,
    recorded,
    value_problems,
)
from hybridcx.commands.publish import Clock, finish, page_provenance
from hybridcx.commands.result import Report, output
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.narrative import planning as planning_words
from hybridcx.progress import Progress
from hybridcx.report.content import Content
from hybridcx.store.report_folder import OutputFolder

_PAIR = ("p10", "p01", "difference", "discordance")
# The discordances for which the question `detectable` is answered by default.
_USUAL_DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4)


@documented
def plan(
    question: QuestionName,
    *,
    out: Out = None,
    metric: PlanMetric = None,
    p10: P10 = None,
    p01: P01 = None,
    difference: Difference = None,
    discordance: Discordance = None,
    power: Power = None,
    alpha: Alpha = None,
    margin: PlanMargin = None,
    proportion: Proportion = None,
    halfwidth: Halfwidth = None,
    confidence_level: PlanLevel = None,
    auc: Auc = None,
    comparator_auc: ComparatorAuc = None,
    correlation: Correlation = None,
    ratio: Ratio = None,
    prevalence: PlanPrevalence = None,
    n: NCases = None,
    progress: ReportsProgress = None,
) -> Report:
    """Sample size and power: how many cases a question needs.

    Questions: mcnemar (a difference of two models' accuracies), precision (the half-width of a confidence interval), noninferiority (not worse
    by `margin`), auc (a difference of two correlated AUROCs), detectable (the smallest difference that `n` cases could have shown). Each needs
    its own options; the others are refused.

    Returns
    -------
    Report: `tables["plan"]` holds the rows of plan.csv, of which the part `answer` answers the question;
    `hybridcx.narrative.planning.sentence(tables["plan"])` is the sentence for a protocol.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = {k: v for k, v in recorded(plan, locals()).items() if v not in (None, [])}
    progress = progress or Progress(quiet=True)
    assumptions = _assumptions(question, {k: v for k, v in options.items() if k != "question"})
    clock = Clock()
    table = plan_table(assumptions)
    with output(out, f"plan_{question}", "plan", progress) as folder:
        content = Content(
            title=planning_words.TITLES[question],
            command="plan",
            question=planning_words.question(assumptions),
            tables={"plan": table},
            answers=[s.replace(" %", "\u00a0%") for s in planning_words.sentence(table)],
            caveats=planning_words.CAVEATS[question],
            methods=[planning_words.METHODS["auc" if assumptions.metric == "auroc" else question]],
            plan_wording=planning_words.wording(assumptions),
            provenance={k: v for k, v in page_provenance(0, {}).items() if k != "seed"},  # nothing is drawn
        )

        def write(folder: OutputFolder) -> None:
            folder.begin()
            finish(folder, content, {"plan": table}, inputs={}, options=options, clock=clock, progress=progress)

        return Report({"plan": table}, content, _write=write).written(folder)


def _assumptions(name: str, options: Mapping[str, object]) -> Assumptions:
    """The assumptions of the question `name`, from the options that were given. Raises InputError with every problem."""
    if name not in QUESTIONS:
        raise InputError(Problem("unknown question", value=name, remedy=f"choose {', '.join(QUESTIONS)}"))
    question = QUESTIONS[name]
    metric = str(options.get("metric", question.metrics[0]))
    values = {k: _numbers(v) for k, v in options.items() if k in question.options and k != "metric"}
    one = {k: v[0] for k, v in values.items()}
    alpha = one.get("alpha", question.alpha)
    powers = values.get("power", (0.8,)) if "power" in question.options else ()
    problems = [*_option_problems(name, options, values, metric), *_area_problems(one)]
    problems += [Problem("--power must exceed --alpha", value=p) for p in powers if alpha >= p > 0]
    pair = (nan, nan)
    if name in ("mcnemar", "noninferiority"):
        pair, pair_problems = _pair(one, equal=name == "noninferiority", margin=one.get("margin", nan))
        problems += pair_problems
    raise_if_any(problems)
    areas, prevalence = metric == "auroc", one.get("prevalence", nan)
    ratio = nan if not areas else one.get("ratio", 1.0) if isnan(prevalence) else (1 - prevalence) / prevalence
    return Assumptions(
        question=name,
        metric=metric,
        powers=tuple(powers),
        alpha=alpha if "alpha" in question.options else nan,
        conf_level=one.get("confidence_level", 0.95) if "confidence_level" in question.options else nan,
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
        discordances=values.get("discordance", _USUAL_DISCORDANCES) if name == "detectable" and not areas else (),
    )


def _option_problems(
    name: str, options: Mapping[str, object], values: Mapping[str, tuple[float, ...]], metric: str
) -> list[Problem]:
    """Options that the question does not have, lacks or takes once, and values outside their range."""
    question = QUESTIONS[name]
    problems = [
        Problem(f"{_flag(k)} has no part in the question {name}", value=v)
        for k, v in options.items()
        if k not in question.options
    ]
    problems += value_problems(plan, {k: list(v) for k, v in values.items()})
    problems += [
        Problem(f"{_flag(k)} has one value in the question {name}", value=v)
        for k, v in values.items()
        if len(v) > 1 and k not in question.several
    ]
    if metric not in question.metrics:
        remedy = f"choose {', '.join(question.metrics)}"
        problems.append(Problem("--metric is not one of this question", value=metric, remedy=remedy))
    required: tuple[str, ...] = question.required
    idle: tuple[str, ...] = ()
    if name == "detectable":
        required, idle = _of_detectable(question, metric)
    problems += [Problem(f"{_flag(k)} is missing") for k in required if k not in values]
    problems += [
        Problem(f"{_flag(k)} has no part where --metric is {metric}", value=values[k]) for k in idle if k in values
    ]
    return problems


def _of_detectable(question: Question, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options that `detectable` needs, and those that it does not use, with this metric."""
    if metric == "auroc":
        return (*question.required, "comparator_auc", "correlation"), ("discordance",)
    return question.required, ("comparator_auc", "correlation", "ratio")


def _area_problems(one: Mapping[str, float]) -> list[Problem]:
    """Options on AUROCs and classes that contradict each other."""
    problems = []
    if one.get("auc", -1) == one.get("comparator_auc", -2):
        problems.append(Problem("--auc and --comparator-auc must differ", value=one["auc"]))
    if "ratio" in one and "prevalence" in one:
        value = one["ratio"], one["prevalence"]
        problems.append(Problem("--ratio and --prevalence say the same", value=value, remedy="give one"))
    return problems


def _flag(name: str) -> str:
    return flag_of(name, options_of(plan)[name])


def _numbers(value: object) -> tuple[float, ...]:
    """One number or several as a tuple, each once, in rising order; what is no number becomes NaN, which every range excludes."""
    several = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    numbers = [float(v) if isinstance(v, Real) and not isinstance(v, bool) else nan for v in several]
    return tuple(sorted(set(numbers))) or (nan,)


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
