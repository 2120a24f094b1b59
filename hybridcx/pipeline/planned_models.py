"""The models that an experiment makes, known before anything is trained, and the comparisons of its plan."""

from __future__ import annotations

import difflib

from hybridcx.analysis.plan import Plan
from hybridcx.errors import Problem, raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.ensembles import ensemble_names
from hybridcx.pipeline.outcome import COPY, Outcome
from hybridcx.records.model_names import CHOSEN


def model_names(experiment: Experiment) -> tuple[str, ...]:
    """The models that an experiment makes, known before anything is trained."""
    heads, initial = experiment.heads, "untrained" if experiment.networks.weights == "none" else "pretrained"
    names: list[str] = []
    for network in experiment.networks.names:
        if experiment.train.enabled:
            names.append(network)
        bases = {"fine_tuned": network if experiment.train.enabled else None, "pretrained": f"{network}:{initial}"}
        own = [f"{bases[f]}+{h}" for f in heads.on(network) if bases[f] for h in heads.names]
        names += own
        if experiment.repeat.several_divisions and len(own) > 1:
            names.append(f"{network}+{CHOSEN}")
    names += ensemble_names(experiment)
    return tuple(names)


def check_plan(experiment: Experiment) -> None:
    """Refuse, before anything is trained, comparisons of models that the experiment does not make. Raises InputError."""
    names = model_names(experiment)
    wanted = experiment.analysis.comparisons or []
    unknown = dict.fromkeys(m for pair in wanted for m in pair if m not in names)
    problems = []
    for m in unknown:
        near = difflib.get_close_matches(m, names, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"it makes: {', '.join(names[:20])}"
        problems.append(
            Problem("analysis.comparisons names a model that the experiment does not make", value=m, remedy=remedy)
        )
    problems += [Problem("analysis.comparisons compares a model with itself", value=a) for a, b in wanted if a == b]
    if len(names) < 2 and not wanted:
        problems.append(Problem("the experiment makes fewer than two models, so there is nothing to compare"))
    raise_if_any(problems)


def planned_pairs(experiment: Experiment, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The comparisons of the plan: named ones, or the networks with each other, each network's chosen head with its softmax, and each ensemble of
    networks with each of them."""
    if experiment.analysis.comparisons is not None:
        return tuple((a, b) for a, b in experiment.analysis.comparisons)
    names: list[str] = [n for n in experiment.networks.names if experiment.train.enabled]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    pairs += [(outcome.chosen[n], n) for n in names if n in outcome.chosen]
    pairs += [(e, n) for e in ensemble_names(experiment) for n in names]
    if not pairs:  # no softmax: the chosen heads with each other
        heads = list(outcome.chosen.values())
        pairs = [(a, b) for i, a in enumerate(heads) for b in heads[i + 1 :]]
    return tuple(pairs)


def run_plan(experiment: Experiment, outcome: Outcome, *, locked: bool) -> Plan:
    """The plan of the statistics, with the pairs to compare; `locked`: it was fixed before there were predictions."""
    options = experiment.analysis
    return Plan(
        seed=experiment.seed,
        confidence_level=options.confidence_level,
        n_resamples=options.n_bootstrap,
        threshold=options.threshold,
        primary_metric=options.primary_metric,
        pairs=planned_pairs(experiment, outcome),
        locked=locked,
        margin=options.margin,
        by=(COPY,) if COPY in outcome.ledger else (),
    )
