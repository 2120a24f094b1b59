"""The command `hybridcx plan`, one subcommand a question. Each parses, calls `hybridcx.plan`, and prints the page's path and the answer."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from hybridcx.cli.options import Debug, Out, Quiet, Verbose, progress_of

plan_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Floats = Optional[list[float]]  # noqa: UP045
P10 = Annotated[float | None, typer.Option("--p10", help="Share of cases that only the model gets right.")]
P01 = Annotated[float | None, typer.Option("--p01", help="Share of cases that only the comparator gets right.")]
Difference = Annotated[float | None, typer.Option("--difference", help="p10 - p01, the difference of the accuracies.")]
Discordance = Annotated[float | None, typer.Option("--discordance", help="p10 + p01, cases that one alone gets right.")]
Power = Annotated[Floats, typer.Option("--power", help="Power; may be given again. Default 0.8.", show_default=False)]
Alpha = Annotated[float | None, typer.Option("--alpha", help="Two-sided level of the test. Default 0.05.")]
Metric = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--metric", help="accuracy (default), sensitivity or specificity: sizes then count cases of the class."
    ),
]
Prevalence = Annotated[
    float | None, typer.Option("--prevalence", help="Share of positive cases: gives the cases of both classes.")
]
Correlation = Annotated[
    float | None,
    typer.Option("--correlation", help="Of the two estimated AUROCs over samples of cases (often 0.4 to 0.7)."),
]
Ratio = Annotated[float | None, typer.Option("--ratio", help="Negative cases per positive case. Default 1.")]
ComparatorAuc = Annotated[float | None, typer.Option("--comparator-auc", help="AUROC expected of the comparator.")]


@plan_app.callback()
def _plan() -> None:
    """Sample size and power: before a study, or for what a finished test set could have shown.

    Each question writes a report folder (report.html with a table, curves and a sentence for the protocol; plan.csv) and prints
    where the page is, and the sentence.

    \b
    Examples:
      hybridcx plan mcnemar --p10 0.15 --p01 0.05 --power 0.8 --power 0.9
      hybridcx plan mcnemar --difference 0.1 --discordance 0.2 --metric sensitivity --prevalence 0.3
      hybridcx plan precision --proportion 0.9 --halfwidth 0.05
      hybridcx plan noninferiority --margin 0.05 --discordance 0.1
      hybridcx plan auc --auc 0.90 --comparator-auc 0.85 --correlation 0.5 --prevalence 0.3
      hybridcx plan detectable --n 49
      hybridcx plan detectable --n 331 --metric auroc --comparator-auc 0.85 --correlation 0.5
    """


def _answer(quiet: bool, verbose: bool, question: str, options: dict[str, Any]) -> None:
    from hybridcx.commands.plan import plan
    from hybridcx.narrative.planning import sentence

    with progress_of(quiet, verbose) as progress:
        made = plan(question, progress=progress, **options)
        print(made.page)
        print(" ".join(sentence(made.tables["plan"])))


@plan_app.command()
def mcnemar(
    p10: P10 = None,
    p01: P01 = None,
    difference: Difference = None,
    discordance: Discordance = None,
    power: Power = None,
    alpha: Alpha = None,
    metric: Metric = None,
    prevalence: Prevalence = None,
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Cases for McNemar's test (exact and mid-p) of two models on the same cases.

    Give --p10 and --p01, or --difference and --discordance.
    """
    _answer(quiet, verbose, "mcnemar", {
        "p10": p10, "p01": p01, "difference": difference, "discordance": discordance, "power": power, "alpha": alpha,
        "metric": metric, "prevalence": prevalence, "out": out,
    })  # fmt: skip


@plan_app.command()
def precision(
    proportion: Annotated[
        Floats, typer.Option("--proportion", help="Anticipated proportion; may be given again.")
    ] = None,
    halfwidth: Annotated[
        Floats, typer.Option("--halfwidth", help="Half the interval's width, such as 0.05; may be given again.")
    ] = None,
    confidence_level: Annotated[
        float | None, typer.Option("--confidence-level", help="Level of the interval. Default 0.95.")
    ] = None,
    metric: Metric = None,
    prevalence: Prevalence = None,
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Cases for a confidence interval (Wilson, Clopper-Pearson) of a given half-width."""
    _answer(quiet, verbose, "precision", {
        "proportion": proportion, "halfwidth": halfwidth, "confidence_level": confidence_level, "metric": metric,
        "prevalence": prevalence, "out": out,
    })  # fmt: skip


@plan_app.command()
def noninferiority(
    margin: Annotated[
        float | None, typer.Option("--margin", help="Largest loss that is tolerated, such as 0.05.")
    ] = None,
    p10: P10 = None,
    p01: P01 = None,
    difference: Annotated[
        float | None, typer.Option("--difference", help="True difference p10 - p01. Default 0.", show_default=False)
    ] = None,
    discordance: Discordance = None,
    power: Power = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="One-sided level of the test. Default 0.025.")] = None,
    metric: Metric = None,
    prevalence: Prevalence = None,
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Cases to show that a model is not worse than another by a margin (Tango's score test, same cases).

    Give --discordance (with --difference where the models are not alike), or --p10 and --p01.
    """
    _answer(quiet, verbose, "noninferiority", {
        "margin": margin, "p10": p10, "p01": p01, "difference": difference, "discordance": discordance, "power": power,
        "alpha": alpha, "metric": metric, "prevalence": prevalence, "out": out,
    })  # fmt: skip


@plan_app.command()
def auc(
    auc: Annotated[float | None, typer.Option("--auc", help="AUROC expected of the model.")] = None,
    comparator_auc: ComparatorAuc = None,
    correlation: Correlation = None,
    ratio: Ratio = None,
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Share of positive cases, in place of --ratio.")
    ] = None,
    power: Power = None,
    alpha: Alpha = None,
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Cases to show a difference of two AUROCs on the same cases."""
    _answer(quiet, verbose, "auc", {
        "auc": auc, "comparator_auc": comparator_auc, "correlation": correlation, "ratio": ratio, "prevalence": prevalence,
        "power": power, "alpha": alpha, "out": out,
    })  # fmt: skip


@plan_app.command()
def detectable(
    n: Annotated[
        int | None, typer.Option("--n", help="Cases of the test set (of the class, for sensitivity or specificity).")
    ] = None,
    discordance: Annotated[
        Floats,
        typer.Option(
            "--discordance",
            help="Cases that one alone gets right; may be given again. Default 5 to 40 %.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        Optional[str], typer.Option("--metric", help="accuracy (default), sensitivity, specificity or auroc.")  # noqa: UP045
    ] = None,
    comparator_auc: ComparatorAuc = None,
    correlation: Correlation = None,
    ratio: Ratio = None,
    prevalence: Annotated[float | None, typer.Option("--prevalence", help="Share of positive cases.")] = None,
    power: Power = None,
    alpha: Alpha = None,
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """The smallest difference that a test set of so many cases could have shown."""
    _answer(quiet, verbose, "detectable", {
        "n": n, "discordance": discordance, "metric": metric, "comparator_auc": comparator_auc, "correlation": correlation,
        "ratio": ratio, "prevalence": prevalence, "power": power, "alpha": alpha, "out": out,
    })  # fmt: skip
