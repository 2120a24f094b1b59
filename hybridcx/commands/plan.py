"""`hybridcx.plan` and `hybridcx plan QUESTION`: how many cases a study needs, or what differences a finished test set could have shown.

>>> from hybridcx import plan
>>> int(plan.mcnemar(p10=0.15, p01=0.05).plan["size"].iloc[0])
168

One function per question: `mcnemar` (a difference of two models' accuracies), `precision` (the half-width of a confidence interval),
`noninferiority` (not worse by a margin), `auc` (a difference of two correlated AUROCs) and `detectable` (the smallest difference that a test set
could have shown). Each returns a Report, whose table `plan` has the rows of plan.csv: the part `answer`, then the curves around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from numbers import Real

from hybridcx.analysis.planned import Assumptions, plan_table
from hybridcx.commands.options import (
    P01,
    P10,
    Alpha,
    AssumedAuc,
    Auc,
    ComparatorAuc,
    Correlation,
    CountMetric,
    DetectableMetric,
    Difference,
    Discordance,
    Discordances,
    Halfwidth,
    NCases,
    OneSidedAlpha,
    Out,
    PlanLevel,
    PlanMargin,
    PlanPrevalence,
    Power,
    Proportion,
    Ratio,
    ReportsProgress,
    SomeCorrelation,
    documented,
    recorded,
    value_problems,
)
from hybridcx.commands.publish import Clock, finish, page_provenance
from hybridcx.commands.result import Report, output
from hybridcx.errors import Problem, raise_if_any
from hybridcx.narrative import planning as planning_words
from hybridcx.progress import OfPython
from hybridcx.report.content import Content
from hybridcx.store.report_folder import OutputFolder

__all__ = ["auc", "detectable", "mcnemar", "noninferiority", "precision"]

# The discordances for which `detectable` is answered by default.
_USUAL_DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4)


def __dir__() -> list[str]:
    return sorted(__all__)


@documented
def mcnemar(
    *,
    p10: P10 = None,
    p01: P01 = None,
    difference: Difference = None,
    discordance: Discordance = None,
    power: Power = 0.8,
    alpha: Alpha = 0.05,
    metric: CountMetric = "accuracy",
    prevalence: PlanPrevalence = None,
    out: Out = None,
    progress: ReportsProgress = None,
) -> Report:
    """Cases for McNemar's test of two models.

    Exact and mid-p test, both models on the same cases. Give `p10` and `p01`, or `difference` and `discordance`.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = recorded(mcnemar, locals())
    pair, problems = _pair(p10, p01, difference, discordance)
    raise_if_any([*value_problems(mcnemar, options), *problems, *_power_problems(power, alpha)])
    assumptions = Assumptions(
        "mcnemar",
        metric,
        powers=_numbers(power),
        alpha=alpha,
        p10=pair[0],
        p01=pair[1],
        prevalence=_number(prevalence),
    )
    return _report(assumptions, options, out, progress)


@documented
def precision(
    *,
    proportion: Proportion,
    halfwidth: Halfwidth,
    confidence_level: PlanLevel = 0.95,
    metric: CountMetric = "accuracy",
    prevalence: PlanPrevalence = None,
    out: Out = None,
    progress: ReportsProgress = None,
) -> Report:
    """Cases for a confidence interval of a given half-width.

    Wilson and Clopper-Pearson intervals.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = recorded(precision, locals())
    raise_if_any(value_problems(precision, options))
    assumptions = Assumptions(
        "precision",
        metric,
        conf_level=confidence_level,
        proportions=_numbers(proportion),
        halfwidths=_numbers(halfwidth),
        prevalence=_number(prevalence),
    )
    return _report(assumptions, options, out, progress)


@documented
def noninferiority(
    *,
    margin: PlanMargin,
    p10: P10 = None,
    p01: P01 = None,
    difference: Difference = None,
    discordance: Discordance = None,
    power: Power = 0.8,
    alpha: OneSidedAlpha = 0.025,
    metric: CountMetric = "accuracy",
    prevalence: PlanPrevalence = None,
    out: Out = None,
    progress: ReportsProgress = None,
) -> Report:
    """Cases to show that a model is not worse by a margin.

    Tango's score test, both models on the same cases. Give `discordance` (with `difference` where the models differ), or `p10` and `p01`.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = recorded(noninferiority, locals())
    pair, problems = _pair(p10, p01, difference, discordance, margin=_number(margin))
    raise_if_any([*value_problems(noninferiority, options), *problems, *_power_problems(power, alpha)])
    assumptions = Assumptions(
        "noninferiority",
        metric,
        powers=_numbers(power),
        alpha=alpha,
        p10=pair[0],
        p01=pair[1],
        margin=margin,
        prevalence=_number(prevalence),
    )
    return _report(assumptions, options, out, progress)


@documented
def auc(
    *,
    auc: Auc,
    comparator_auc: ComparatorAuc,
    correlation: Correlation,
    ratio: Ratio = None,
    prevalence: PlanPrevalence = None,
    power: Power = 0.8,
    alpha: Alpha = 0.05,
    out: Out = None,
    progress: ReportsProgress = None,
) -> Report:
    """Cases to show a difference of two AUROCs.

    Both models on the same cases.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = recorded(globals()["auc"], locals())  # the parameter has the name of the function
    problems = [*value_problems(globals()["auc"], options), *_ratio_problems(ratio, prevalence)]
    if _number(auc) == _number(comparator_auc):
        problems.append(Problem("--auc and --comparator-auc must differ", value=auc))
    raise_if_any([*problems, *_power_problems(power, alpha)])
    assumptions = Assumptions(
        "auc",
        "auroc",
        powers=_numbers(power),
        alpha=alpha,
        auc=auc,
        comparator_auc=comparator_auc,
        correlation=correlation,
        ratio=_ratio(ratio, prevalence),
        prevalence=_number(prevalence),
    )
    return _report(assumptions, options, out, progress)


@documented
def detectable(
    *,
    n: NCases,
    discordance: Discordances = None,
    metric: DetectableMetric = "accuracy",
    comparator_auc: AssumedAuc = None,
    correlation: SomeCorrelation = None,
    ratio: Ratio = None,
    prevalence: PlanPrevalence = None,
    power: Power = 0.8,
    alpha: Alpha = 0.05,
    out: Out = None,
    progress: ReportsProgress = None,
) -> Report:
    """Smallest difference that a test set could have shown.

    Raises
    ------
    InputError
        with every problem of the options; nothing has been written.
    """
    options = recorded(detectable, locals())
    areas = metric == "auroc"
    of_areas = {"--comparator-auc": comparator_auc, "--correlation": correlation}
    problems = [*value_problems(detectable, options), *_ratio_problems(ratio, prevalence)]
    if areas:
        problems += [Problem(f"{flag} is missing") for flag, value in of_areas.items() if value is None]
    idle = {"--discordance": discordance} if areas else {**of_areas, "--ratio": ratio}
    problems += [
        Problem(f"{flag} has no part where --metric is {metric}", value=value)
        for flag, value in idle.items()
        if value is not None
    ]
    raise_if_any([*problems, *_power_problems(power, alpha)])
    usual = () if areas else _USUAL_DISCORDANCES
    assumptions = Assumptions(
        "detectable",
        metric,
        powers=_numbers(power),
        alpha=alpha,
        comparator_auc=_number(comparator_auc),
        correlation=_number(correlation),
        ratio=_ratio(ratio, prevalence) if areas else nan,
        prevalence=_number(prevalence),
        n=int(n),
        discordances=usual if discordance is None else _numbers(discordance),
    )
    return _report(assumptions, options, out, progress)


def _report(assumptions: Assumptions, options: Mapping[str, object], out: Out, progress: ReportsProgress) -> Report:
    """The table, the page and, where `out` is given, the folder."""
    question = assumptions.question
    progress = progress or OfPython()
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
            methods=[
                planning_words.METHODS["auc" if assumptions.metric == "auroc" else question],
                planning_words.software(),
            ],
            plan_wording=planning_words.wording(assumptions),
            provenance={k: v for k, v in page_provenance(0, {}).items() if k != "seed"},  # nothing is drawn
        )
        given = {"question": question, **{k: v for k, v in options.items() if v is not None}}

        def write(folder: OutputFolder) -> None:
            folder.begin()
            finish(folder, content, {"plan": table}, inputs={}, options=given, clock=clock, progress=progress)

        return Report({"plan": table}, content, _write=write).written(folder)


def _power_problems(power: Power, alpha: float) -> list[Problem]:
    """Powers that do not exceed the level of the test."""
    return [Problem("--power must exceed --alpha", value=p) for p in _numbers(power) if _number(alpha) >= p > 0]


def _ratio_problems(ratio: Ratio, prevalence: PlanPrevalence) -> list[Problem]:
    if ratio is None or prevalence is None:
        return []
    return [Problem("--ratio and --prevalence say the same", value=(ratio, prevalence), remedy="give one")]


def _ratio(ratio: Ratio, prevalence: PlanPrevalence) -> float:
    """Negative cases per positive case."""
    if prevalence is not None:
        return (1 - prevalence) / prevalence
    return 1.0 if ratio is None else ratio


def _number(value: object) -> float:
    """A number; NaN, which every range excludes, of None and of what is no number."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else nan


def _numbers(value: object) -> tuple[float, ...]:
    """One number or several as a tuple, each once, in rising order."""
    several = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(sorted(set(map(_number, several)))) or (nan,)


def _pair(
    p10: P10, p01: P01, difference: Difference, discordance: Discordance, *, margin: float = nan
) -> tuple[tuple[float, float], list[Problem]]:
    """p10 and p01, given as such or as difference and discordance; with a margin (non-inferiority) the difference may be 0 and left out."""
    equal = not isnan(margin)
    direct = [v for v in (p10, p01) if v is not None]
    if direct and not (difference is None and discordance is None):
        return (nan, nan), [Problem("give --p10 and --p01, or --difference and --discordance, not both")]
    if p10 is not None and p01 is not None:
        only_model, only_comparator = _number(p10), _number(p01)
    elif not direct and discordance is not None and (equal or difference is not None):
        d, psi = 0.0 if difference is None else _number(difference), _number(discordance)
        if abs(d) > psi:
            rule = "the difference cannot exceed the discordance"
            return (nan, nan), [Problem(rule, value=(d, psi), remedy="p10 - p01 lies within p10 + p01")]
        # the half-sums of decimals are rounded back to decimals: 0.2 and 0.1 are 0.15 and 0.05
        only_model, only_comparator = round((psi + d) / 2, 12), round((psi - d) / 2, 12)
    else:
        unless = " and, unless it is 0, --difference" if equal else " and --difference"
        remedy = f"give --p10 and --p01, or --discordance{unless}"
        return (nan, nan), [Problem("the discordant probabilities are missing", remedy=remedy)]
    found = only_model, only_comparator
    problems = []
    if only_model + only_comparator > 1 + 1e-12:
        problems.append(Problem("--p10 and --p01 are exclusive: they sum to 1 at most", value=found))
    if not equal and only_model == only_comparator:
        remedy = "for models that are alike plan for non-inferiority"
        problems.append(Problem("--p10 and --p01 must differ", value=only_model, remedy=remedy))
    if only_model - only_comparator <= -margin:
        rule = "the difference assumed is at or below minus the margin: no test set shows non-inferiority"
        problems.append(Problem(rule, value=only_model - only_comparator))
    return found, problems
