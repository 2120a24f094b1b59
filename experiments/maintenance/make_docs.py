"""Write the generated parts of docs/.

    python experiments/maintenance/make_docs.py

experiment.md (every key of the experiment file), presets.md, experiment.schema.json (for editors), reference/files.md (every CSV and column),
reference/vocabulary.md, the tables of methods.md from the method cards, and those of statistics.md from the docstrings. Tests compare the committed
files with this script's output.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from hybridcx import stats
from hybridcx.experiment.file import Experiment, keys_table
from hybridcx.experiment.presets import PRESETS, preset
from hybridcx.experiment.train import TrainSection
from hybridcx.vocabulary import METHODS, METRICS, VERDICTS, Evidence
from hybridcx.vocabulary.domains import DOMAINS
from hybridcx.vocabulary.methods import Use
from hybridcx.vocabulary.run import LEDGER
from hybridcx.vocabulary.tables import TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"


PLAN = (
    "## The plan",
    "",
    "`[analysis]`, `[repeat]`, `[ensembles]`, `[training_size]` and the labelling rule are the plan of the analysis. `hybridcx run` locks it, with",
    "its SHA-256 and the time, before the first stage: in the output folder, in the cache and in provenance.json (`plan`). The primary metric of its",
    "comparisons, and of the models in them, is",
    "`confirmatory` (column `role` of metrics.csv, comparisons.csv, verdicts.csv and hybrid_matrix.csv); everything else is `exploratory`.",
    "",
    "A changed plan is a new analysis. It needs another `--out`, or `--fresh`, and trains nothing again. Where predictions of one of the networks",
    "(same data, split, seed, weights and training) already existed under another plan, the report says that the plan was changed after results",
    "existed, and everything in it is exploratory, whatever the folder. The first plan stays confirmatory when run again. Not part of the plan:",
    "`published`, the names, the heads that are fitted. What cannot be known: results seen with another cache, or on another machine.",
)


def table() -> str:
    """The Markdown page."""
    lines = [
        "# Keys of the experiment file",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from `hybridcx/experiment/`. The file is TOML; a dotted name is a key in a table:",
        "`images.size_px` belongs to the table `[images]`. Paths are relative to the experiment file.",
        "",
        "| key | values | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{k}` | {v} | `{d}` | {t} |"
        for k, v, d, t in ((k, v.replace("|", "or"), d, t) for k, v, d, t in keys_table())
    ]
    lines += ["", *PLAN]
    return "\n".join(lines) + "\n"


def presets() -> str:
    """The Markdown page of the presets: every key on which they or the defaults differ, then their assumptions and deviations."""
    columns = {"none": TrainSection()} | {name: TrainSection.model_validate({"preset": name}) for name in PRESETS}
    lines = [
        "# Presets of fine-tuning",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from the tables in `hybridcx/experiment/presets`, whose comments "
        "name the source of each value.",
        "`train.preset` fills in the keys that the experiment file leaves out; a key in the file wins, also over what the preset says for",
        "single networks. Keys that are the same in all columns are left out.",
        "",
        "| key | " + " | ".join(f"`{name}`" for name in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for key in TrainSection.model_fields:
        values = [getattr(options, key) for options in columns.values()]
        if key not in ("preset", "network") and any(v != values[0] for v in values):
            lines.append(f"| `{key}` | " + " | ".join(json.dumps(v) for v in values) + " |")
    networks = dict.fromkeys(n for options in columns.values() for n in options.network)
    for network in networks:
        own = [
            o.network[network].model_dump(exclude_none=True) if network in o.network else {} for o in columns.values()
        ]
        said = [", ".join(f"{k} = {json.dumps(v)}" for k, v in o.items()) for o in own]
        lines.append(f"| `network.{network}` | " + " | ".join(said) + " |")
    for name in PRESETS:
        chosen = preset(name)
        lines += ["", f"## {name}", "", f"{chosen.title[:1].upper()}{chosen.title[1:]}."]
        for heading, statements in (("Assumptions", chosen.assumptions), ("Deviations", chosen.deviations)):
            if statements:
                lines += ["", f"{heading}:", ""]
                lines += [f"- {s.text}" + (f" ({', '.join(s.networks)})" if s.networks else "") for s in statements]
    return "\n".join(lines) + "\n"


def schema() -> str:
    """The JSON Schema."""
    return json.dumps(Experiment.model_json_schema(), indent=1, sort_keys=True) + "\n"


def files() -> str:
    """The Markdown page of every CSV: its columns in order, their meaning and values."""
    lines = [
        "# Files and columns",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from `hybridcx/vocabulary/`. CSV: UTF-8, full precision, `NA` for what does not "
        "exist. Columns in this",
        "order; columns marked *may follow* stand after them where they apply. `data_dictionary.csv` in every report "
        "folder says the same of its files.",
    ]
    for name, table in TABLES.items():
        commands = f" Always written by {', '.join(f'`{c}`' for c in table.commands)}." if table.commands else ""
        lines += [
            "",
            f"## {name}.csv",
            "",
            f"{len(table.columns)} columns{', further ones may follow' if table.further else ''}.{commands}",
            "",
        ]
        lines += ["| column | meaning | values |", "| --- | --- | --- |"]
        lines += [f"| `{c}` | {m.description} | {m.values} |" for c, m in table.columns.items()]
        lines += [f"| `{c}` (may follow) | {m.description} | {m.values} |" for c, m in table.further.items()]
    ledger = [f"| `{c}` | {m.description} | {m.values} |" for c, m in LEDGER.items()]
    lines += [
        "",
        "## predictions.csv and predictions.parquet",
        "",
        "The ledger, with the columns of the input that apply.",
        "",
    ]
    lines += ["| column | meaning | values |", "| --- | --- | --- |", *ledger]
    return "\n".join(lines) + "\n"


def vocabulary_page() -> str:
    """The Markdown page of all names: metrics with formula, range and direction; methods by use; adjustments, verdicts, roles."""
    direction = {1: "higher", -1: "lower", 0: "target"}
    lines = [
        "# Vocabulary",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from `hybridcx/vocabulary/`. These names stand in the CSVs.",
        "",
        "## Metrics",
        "",
        "| name | label | formula | range | better |",
        "| --- | --- | --- | --- | --- |",
    ]
    for m in METRICS.values():
        better = direction[m.better] if m.target is None else f"nearest to {m.target:g}"
        lines.append(f"| `{m.name}` | {m.label} | {m.formula} | {m.low:g} to {m.high:g} | {better} |")
    uses: dict[Use, str] = {
        "interval": "Intervals of one model's metric",
        "comparison": "Comparisons of two models",
        "omnibus": "Tests of all models at once",
        "adjustment": "Adjustments for multiplicity (with `none`)",
        "agreement": "Coefficients of agreement and reliability",
    }
    for use, heading in uses.items():
        names = [m for m in METHODS.values() if any(e.use == use for e in m.evidence)]
        lines += ["", f"## {heading}", "", ", ".join(f"`{m.name}` ({m.label})" for m in names) + "."]
    lines += ["", "## Verdicts", "", ", ".join(f"`{v}` ({words})" for v, words in VERDICTS.items()) + ".", ""]
    lines += [
        "## Roles and states",
        "",
        "Role: `confirmatory`, `exploratory`. Status: `ok`, `not_estimable` (estimate `NA`, the reason in",
    ]
    lines += ["`warning`), `caution` (a number, or an estimate without limits, that needs its warning)."]
    return "\n".join(lines) + "\n"


def methods(page: str) -> str:
    """The page of methods with its tables made again: each stands between `<!-- cards: USE -->` and `<!-- end -->`."""

    def rows(use: str) -> str:
        if use == "domains":
            return _domains()
        grouped: dict[Evidence, list[str]] = {}
        for name, card in METHODS.items():
            for evidence in card.evidence:
                if evidence.use == use:
                    grouped.setdefault(evidence, []).append(name)
        lines = [
            "| method | function | source | reference | tolerance | tests |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for e, names in grouped.items():
            cells = [", ".join(f"`{n}`" for n in part) for part in (names, e.functions, e.tests)]
            lines.append(f"| {cells[0]} | {cells[1]} | {e.source} | {e.reference} | {e.tolerance} | {cells[2]} |")
        return "\n".join(lines)

    return re.sub(
        r"(<!-- cards: (\w+) -->\n).*?(\n<!-- end -->)", lambda m: m[1] + rows(m[2]) + m[3], page, flags=re.DOTALL
    )


def _domains() -> str:
    lines = ["| use | metrics | method | patients with several cases | holds |", "| --- | --- | --- | --- | --- |"]
    for d in DOMAINS:
        clustered = {True: "yes", False: "no", None: "either"}[d.clustered]
        lines.append(f"| {d.use} | {', '.join(f'`{m}`' for m in d.metrics)} | `{d.method}` | {clustered} | {d.text} |")
    return "\n".join(lines)


STATISTICS = {  # heading in statistics.md -> modules of hybridcx.stats
    "One model: counts and proportions": ("confusion", "proportions", "clusters_one_model"),
    "One model: scores and probabilities": ("roc", "precision_recall", "calibration", "utility"),
    "Two or more models on the same cases": (
        "paired", "mcnemar", "predictive_values", "clusters", "roc_permutation", "clusters_roc", "readers", "variance", "multiplicity"
    ),
    "Agreement and reliability": ("agreement.icc", "agreement.bland_altman", "agreement.kappa", "agreement.coefficients"),
    "Sample size and power": ("power.paired", "power.precision"),
    "Results": ("results",),
}  # fmt: skip


def statistics(page: str) -> str:
    """statistics.md with a row for each public name: the first line of its docstring and the works it cites."""
    lines = []
    for heading, modules in STATISTICS.items():
        lines += ["", f"### {heading}", "", "| name | what it is | source |", "| --- | --- | --- |"]
        for module in modules:
            for name in sorted(n for n, m in stats.MODULES.items() if m == module):
                text = inspect.getdoc(getattr(stats, name)) or ""
                sources = "; ".join(re.findall(r"^\.\. \[\d+\] (.*?\(\d{4}\))", text, re.MULTILINE))
                lines.append(f"| `{name}` | {text.splitlines()[0]} | {sources} |")
    table = "\n".join([*lines, ""])
    return re.sub(
        r"(<!-- public names -->\n).*?(<!-- end -->)", lambda m: m[1] + table + "\n" + m[2], page, flags=re.DOTALL
    )


def pages() -> dict[str, str]:
    """File below docs/ -> its text."""
    return {
        "experiment.md": table(),
        "presets.md": presets(),
        "experiment.schema.json": schema(),
        "reference/files.md": files(),
        "reference/vocabulary.md": vocabulary_page(),
        "methods.md": methods((DOCS / "methods.md").read_text(encoding="utf-8")),
        "statistics.md": statistics((DOCS / "statistics.md").read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")
