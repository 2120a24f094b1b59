"""Help of the command line: options in groups, examples at the end.

Plain text: Typer's panels need rich's markup, which swallows what stands in square brackets, draws boxes into pipes and doubles the start-up time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from typer.core import TyperCommand

from hybridcx.commands.options import Group

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": ("hybridcx compare predictions.csv", "hybridcx compare --help", "hybridcx --install-completion"),
    "demo": ("hybridcx demo", "hybridcx demo --out reports/demo --jobs 2"),
    "run": ("hybridcx run experiment.toml --dry-run", "hybridcx run experiment.toml --out reports/study --device cuda"),
    "predict": (
        "hybridcx predict reports/study new.csv",
        "hybridcx predict reports/study new.csv --out reports/new --device cuda",
    ),
    "validate": (
        "hybridcx validate reports/study new.csv",
        "hybridcx validate reports/study new.csv --recalibrate 0.3 --by site",
    ),
    "compare": (
        "hybridcx compare predictions.csv --positive abnormal",
        "hybridcx compare vgg.csv resnet.csv --by sex --also word",
        "hybridcx compare scores.xlsx --columns y_true=label,score=prob",
    ),
    "agreement": (
        "hybridcx agreement ratings.csv",
        "hybridcx agreement calls.csv --scale nominal --positive abnormal",
    ),
    "audit": ("hybridcx audit table.csv --positives 51 --negatives 49",),
    "check": ("hybridcx check predictions.csv", "hybridcx check experiment.toml"),
    "verify": ("hybridcx verify reports/predictions",),
    "qualify": ("hybridcx qualify", "hybridcx qualify --thorough --cases our_cases.csv"),
    "phantom": ("hybridcx phantom phantom --patients 60",),
    "cohort": (
        "hybridcx cohort images",
        "hybridcx cohort images --labels labels.csv --label-column finding",
    ),
    "plan": ("hybridcx plan mcnemar --p10 0.15 --p01 0.05", "hybridcx plan detectable --n 49"),
    "plan.mcnemar": (
        "hybridcx plan mcnemar --p10 0.15 --p01 0.05 --power 0.8 --power 0.9",
        "hybridcx plan mcnemar --difference 0.1 --discordance 0.2",
    ),
    "plan.precision": ("hybridcx plan precision --proportion 0.9 --halfwidth 0.05",),
    "plan.noninferiority": ("hybridcx plan noninferiority --margin 0.05 --discordance 0.1",),
    "plan.auc": ("hybridcx plan auc --auc 0.90 --comparator-auc 0.85 --correlation 0.5",),
    "plan.detectable": (
        "hybridcx plan detectable --n 49",
        "hybridcx plan detectable --n 331 --metric sensitivity --power 0.9",
    ),
    "cache": ("hybridcx cache list",),
    "cache.list": ("hybridcx cache list",),
    "cache.prune": ("hybridcx cache prune --limit-mb 5000", "hybridcx cache prune --limit-mb 0"),
    "weights": ("hybridcx weights list",),
    "weights.list": ("hybridcx weights list", "hybridcx weights list --dir weights"),
    "weights.verify": ("hybridcx weights verify",),
    "weights.fetch": ("hybridcx weights fetch vgg16 resnet101",),
}
"""Command (`plan.auc`; "" for hybridcx itself) -> examples that stand at the end of its help. A line has at most 76 characters."""


def examples(command: str) -> str:
    """The examples as the epilog of a command; `\\b` keeps their lines."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command])])


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under the headings of `Group`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ("Arguments", *get_args(Group))}
        for parameter in self.get_params(ctx):
            is_argument = parameter.param_type_name == "argument"
            heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "General"
            if record := parameter.get_help_record(ctx):
                name = record[0].partition(" <")[0] if is_argument else record[0]  # without Python's type
                groups[heading].append((name, record[1]))
        for heading, rows in groups.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
