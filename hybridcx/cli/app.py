"""The command line: parses the options, calls the Python function of the same name, prints its result.

Exit codes: 0 done; 1 done, and the answer is a finding; 2 bad input or usage, nothing written; 3 stopped partway, finished work kept;
70 a fault of hybridcx; 130 interrupted.
"""

from __future__ import annotations

import gc
import inspect
import sys
from operator import attrgetter
from typing import Annotated, Any, NoReturn

import typer

import hybridcx
from hybridcx.cli.faults import explain, our_fault, system_fault
from hybridcx.cli.help import GroupedCommand, examples
from hybridcx.cli.results import PRINTED, answer_of, print_page
from hybridcx.cli.signatures import arguments_of, callback, option_parameters, signature_of
from hybridcx.cli.storage import cache_app, weights_app
from hybridcx.cli.streams import standard_streams
from hybridcx.commands.options import DEFAULT_OUT, QUESTIONS
from hybridcx.errors import HybridcxError
from hybridcx.progress import Progress

# Typer carries its own copy of click in newer versions; both have this base of every usage error.
UsageProblem: Any = typer.BadParameter.__mro__[2]
WRITES = ("compare", "agreement", "audit", "plan", "predict", "validate", "qualify")
"""Commands that write nothing in Python unless `out` is given."""
ANSWERS = ("demo", "run", "validate", "compare", "agreement", "audit")
"""Commands that say their answer in the terminal; `plan` prints its sentence."""
VERBS = (
    "demo",
    "run",
    "predict",
    "validate",
    "compare",
    "agreement",
    "audit",
    "check",
    "verify",
    "qualify",
    "phantom",
    "cohort",
)
PLAN_HELP = """Sample size and power.

Before a study, or for what a finished test set could have shown.

Each question writes a report folder (report.html with a table, curves and a sentence for the protocol; plan.csv) and prints
the path of the page, and the sentence.
"""
app = typer.Typer(
    name="hybridcx",
    help="Evaluate medical image classifiers, deep and classical together, with the statistics that belong to it.",
    epilog=examples(""),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plan_app = typer.Typer(help=PLAN_HELP, epilog=examples("plan"), no_args_is_help=True, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        from hybridcx.store.provenance import version as installed

        print(installed())
        raise typer.Exit


def _call(verb: str, values: dict[str, Any]) -> int:
    """Call `hybridcx.<verb>` with the options that were given, print its result, and return the exit code."""
    command = verb.split(".")[0]
    if command in WRITES and values["out"] is None:
        values = values | {"out": DEFAULT_OUT}
    with Progress(quiet=values["quiet"], verbose=values["verbose"]) as progress:
        result = attrgetter(verb)(hybridcx)(**arguments_of(verb, values), progress=progress)
        if command in ANSWERS and (answer := answer_of(result)):
            progress.say(answer)
        return PRINTED.get(command, print_page)(result, values)


def _run(values: dict[str, Any]) -> int:
    """`hybridcx run`: with --dry-run the estimate instead."""
    return _call("estimate" if values["dry_run"] else "run", values)


def _cohort(values: dict[str, Any]) -> int:
    """`hybridcx cohort`: by default the manifest is written into the folder."""
    return _call("cohort", values | {"out": values["out"] or values["folder"] / "manifest.csv"})


def _add_commands() -> None:
    for verb in VERBS:
        parameters = option_parameters(verb)
        if verb == "run":
            help_text = "Train nothing: print an estimate of hours, memory and disk."
            dry_run = Annotated[bool, typer.Option("--dry-run", help=help_text, rich_help_panel="Computation")]
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter("dry_run", keyword, default=False, annotation=dry_run))
        own = {"run": _run, "cohort": _cohort}
        work = own.get(verb, lambda values, verb=verb: _call(verb, values))
        app.command(verb, cls=GroupedCommand, epilog=examples(verb))(
            callback(verb, parameters, signature_of(verb).help, work)
        )
        if verb == "audit":
            app.add_typer(plan_app, name="plan")
    for name in QUESTIONS:
        verb = f"plan.{name}"
        work = lambda values, verb=verb: _call(verb, values)  # noqa: E731
        command = callback(name, option_parameters(verb), signature_of(verb).help, work)
        plan_app.command(name, cls=GroupedCommand, epilog=examples(verb))(command)
    app.add_typer(cache_app, name="cache")
    app.add_typer(weights_app, name="weights")


_add_commands()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command `hybridcx`: ends the process with the exit code."""
    gc.set_threshold(
        50_000, 50, 100
    )  # fewer scans of the imported modules: a small comparison takes 2.5 s instead of 2.7
    with standard_streams():
        _end(sys.argv[1:] if arguments is None else arguments)


def _end(arguments: list[str]) -> NoReturn:
    """Run the command, print its errors, and raise SystemExit with the exit code."""
    debug = "--debug" in arguments
    try:
        code = app(args=arguments, standalone_mode=False)
        if code == 130:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except UsageProblem as error:
        error.show(file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted. What was finished is kept; the same command continues.", file=sys.stderr)
        sys.exit(130)
    except HybridcxError as error:
        explain(error, debug)
        sys.exit(error.exit_code)
    except OSError as error:
        system_fault(error, debug)
    except Exception as error:
        our_fault(error, debug)


if __name__ == "__main__":
    main()
