"""Write the generated parts of docs/.

    python experiments/maintenance/make_docs.py

experiment.md (every key of the experiment file), presets.md, experiment.schema.json (for editors), reference/files.md (every CSV and column),
reference/vocabulary.md, the tables of which_test.md from analysis/methods.py, a page for each method in methods/ and the tables of methods.md
from the method cards, traceability.md from these and from the cases of `hybridcx qualify`, figures.md from the benchmarks'
table, the tables of statistics.md from the docstrings. Tests compare the committed files with this script's output.
"""

from __future__ import annotations

import csv
import importlib
import inspect
import json
import re
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from hybridcx import stats
from hybridcx.analysis.methods import ONE_MODEL, TWO_MODELS, interval_method, verdict_method
from hybridcx.analysis.rows import Keys
from hybridcx.analysis.slices import Slice
from hybridcx.experiment.file import Experiment, keys_table
from hybridcx.experiment.presets import PRESETS, preset
from hybridcx.experiment.train import TrainSection
from hybridcx.qualification import qualify as qualification
from hybridcx.qualification.case import Case
from hybridcx.vocabulary import METHODS, METRICS, VERDICTS, Evidence
from hybridcx.vocabulary.domains import DOMAINS, Domain, domains_of
from hybridcx.vocabulary.methods import Method, Use
from hybridcx.vocabulary.run import LEDGER
from hybridcx.vocabulary.tables import TABLES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NOTES = tomllib.loads((ROOT / "hybridcx/vocabulary/method_notes.toml").read_text(encoding="utf-8"))
USES: dict[Use, str] = {
    "interval": "interval of one model's metric",
    "comparison": "comparison of two models",
    "omnibus": "test of all models at once",
    "external": "difference of two independent estimates",
    "adjustment": "adjustment for multiplicity",
    "agreement": "agreement and reliability",
}
TITLES = {  # pages of several methods
    "icc1": "Intraclass correlations",
    "bland_altman_bias": "Bland and Altman's limits of agreement",
}


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
        "The ledger, with the columns of the input that apply. `compare` writes more than 1,000,000 predictions as compressed Parquet (zstd) alone.",
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
        "external": "Differences of two independent estimates",
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
        if use == "index":
            return _index()
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
            linked = ", ".join(f"[`{n}`](methods/{page_of(n)}.md)" for n in names)
            cells = [linked, *(", ".join(f"`{n}`" for n in part) for part in (e.functions, e.tests))]
            lines.append(f"| {cells[0]} | {cells[1]} | {e.source} | {e.reference} | {e.tolerance} | {cells[2]} |")
        return "\n".join(lines)

    return re.sub(
        r"(<!-- cards: (\w+) -->\n).*?(\n<!-- end -->)", lambda m: m[1] + rows(m[2]) + m[3], page, flags=re.DOTALL
    )


def _domains(domains: Iterable[Domain] = DOMAINS) -> str:
    lines = ["| use | metrics | method | patients with several cases | holds |", "| --- | --- | --- | --- | --- |"]
    for d in domains:
        clustered = {True: "yes", False: "no", None: "either"}[d.clustered]
        lines.append(f"| {d.use} | {', '.join(f'`{m}`' for m in d.metrics)} | `{d.method}` | {clustered} | {d.text} |")
    return "\n".join(lines)


def _index() -> str:
    lines = ["| method | for | metrics |", "| --- | --- | --- |"]
    for name, cards in method_groups().items():
        uses = "; ".join(dict.fromkeys(USES[e.use] for e in cards[0].evidence))
        metrics = ", ".join(f"`{m}`" for m in _metrics_of(name))
        lines.append(f"| [{_title(name, cards)}](methods/{name}.md) | {uses} | {metrics} |")
    return "\n".join(lines)


def method_groups() -> dict[str, list[Method]]:
    """Page of docs/methods/ -> its methods: those of one function share a page under the name of the first."""
    groups: dict[tuple[str, ...], list[Method]] = {}
    for card in METHODS.values():
        groups.setdefault(tuple(f for e in card.evidence for f in e.functions), []).append(card)
    return {cards[0].name: cards for cards in groups.values()}


def page_of(method: str) -> str:
    """The page of a method."""
    return next(page for page, cards in method_groups().items() if method in [c.name for c in cards])


def _title(page: str, cards: list[Method]) -> str:
    label = TITLES.get(page, cards[0].label)
    return label[:1].upper() + label[1:]


def _metrics_of(method: str) -> list[str]:
    """The metrics of a method's rows, in the order of the vocabulary; [] for resampling, which takes all, and for agreement."""
    metrics = {m for table in (ONE_MODEL, TWO_MODELS) for entry in table if entry.name == method for m in entry.metrics}
    return [m for m in METRICS if m in metrics]


def _section(text: str, heading: str) -> str:
    """A section of a docstring in NumPy's layout, "" where it has none."""
    match = re.search(rf"{heading}\n-+\n(.*?)(?=\n\n[A-Z][A-Za-z ]+\n---|\Z)", text, re.DOTALL)
    return match[1].strip("\n") if match else ""


def _function(name: str) -> str:
    module, _, function = name.rpartition(".")
    return inspect.getdoc(getattr(importlib.import_module(f"hybridcx.stats.{module}"), function)) or ""


def _formula(name: str) -> str:
    """What the docstring says besides its first line: the section Notes, or the paragraphs before the sections."""
    text = _function(name)
    notes = _section(text, "Notes") or re.split(r"\n\n[A-Z][A-Za-z ]+\n---", text.partition("\n")[2])[0].strip("\n")
    blocks = []
    for paragraph in notes.split("\n\n"):
        if "\n    " in paragraph or paragraph.startswith(" "):  # a formula with lines of its own
            blocks.append(paragraph)
            continue
        items = re.split(r"\n(?=- )", paragraph)
        indent = "  " if paragraph.startswith("- ") else ""
        wrapped = (
            textwrap.fill(" ".join(i.split()), 76, subsequent_indent=indent, break_on_hyphens=False) for i in items
        )
        blocks.append("\n".join(wrapped))
    return "\n\n".join(blocks).strip("\n")


def method_page(page: str, cards: list[Method]) -> str:
    """The Markdown page of a method: formula, assumptions, domain, pitfalls, R, what it was checked against, references."""
    notes, evidence = NOTES[page], cards[0].evidence
    names = ", ".join(f"`{c.name}` ({c.label})" if len(cards) > 1 else f"`{c.name}`" for c in cards)
    lines = [
        f"# {_title(page, cards)}",
        "",
        f"In the CSVs: {names}. For: {'; '.join(dict.fromkeys(USES[e.use] for e in evidence))}.",
    ]
    if metrics := _metrics_of(page):
        lines += ["", f"Metrics: {', '.join(f'`{m}`' for m in metrics)}."]
    lines += ["", "## Formula", ""]
    functions = dict.fromkeys(f for e in evidence for f in e.functions)
    for name in functions:
        text = _formula(name)
        lines += [f"`{name}`: {_function(name).splitlines()[0].rstrip(':')}", ""]
        lines += ["```text", text, "```", ""] if text else []
    lines += ["## Assumptions", "", notes["assumptions"], "", "## Where it holds", ""]
    domains = [d for d in DOMAINS if d.method == page]
    if domains:
        lines += [
            "By simulation; outside it the row is `caution` and carries no verdict ([domains](../methods.md#domains)).",
            "",
        ]
        lines += _domains(domains).splitlines()
    else:
        lines += [
            "No domain is stated for it. Coverage and type I error that were simulated are in "
            "[coverage.md](../../reports/coverage/coverage.md)."
        ]
    lines += ["", "## Pitfalls", "", notes["pitfalls"], "", "## In R", ""]
    lines += [
        f"`{notes['r']}`"
        if "r" in notes
        else "No function of an R package was compared; the test holds a second implementation or printed values.",
        "",
    ]
    lines += ["## Checked against", "", "| source | reference | tolerance | tests |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {e.source} | {e.reference} | {e.tolerance} | {', '.join(f'`{t}`' for t in e.tests)} |" for e in evidence
    ]
    references = dict.fromkeys(r for f in functions for r in _references(f))
    if references:
        lines += ["", "## References", "", *(f"- {r}" for r in references)]
    return "\n".join(lines) + "\n"


def _references(function: str) -> list[str]:
    text = _section(_function(function), "References")
    return [" ".join(r.split()) for r in re.split(r"^\.\. \[\d+\] ", text, flags=re.MULTILINE) if r.strip()]


# Which test when


def _slice(*, clustered: bool, folds: bool) -> Slice:
    """A large test set of two models, for which the rules of analysis/methods.py are asked."""
    rng = np.random.default_rng(0)
    n = 600
    truth = np.arange(n) % 2 == 1
    score = np.clip(0.5 + 0.15 * (2 * truth - 1) + rng.normal(0, 0.2, (2, n)), 0, 1)
    return Slice(
        ("A", "B"),
        truth,
        score >= 0.5,
        score,
        np.arange(n) // 3 if clustered else None,
        Keys(),
        folds=np.arange(n) % 5 if folds else None,
    )


def _linked(method: str) -> str:
    return f"[{METHODS[method].label}](methods/{page_of(method)}.md)"


def _choices(use: Literal["interval", "comparison"]) -> str:
    """The recommended method of each metric in each design; metrics with the same methods share a row."""
    designs = [(False, False), (True, False), (False, True)]
    grouped: dict[tuple[str, ...], list[str]] = {}
    for metric in METRICS:
        cells = []
        for clustered, folds in designs:
            part = _slice(clustered=clustered, folds=folds)
            method = interval_method(part, metric, 0) if use == "interval" else verdict_method(part, metric)
            never = [d.never for d in domains_of(use, metric, method, clustered=clustered)]
            cells.append(_linked(method) + (f" ({never[0]})" if any(never) else ""))
        grouped.setdefault(tuple(cells), []).append(METRICS[metric].label)
    lines = [
        "| metric | independent cases | patients with several cases | scores of several folds |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {', '.join(labels)} | {' | '.join(cells)} |" for cells, labels in grouped.items()]
    return "\n".join(lines)


def which_test(page: str) -> str:
    """which_test.md with its tables made again from the rules by which `compare` chooses."""
    tables = {"one model": _choices("interval"), "two models": _choices("comparison")}
    return re.sub(
        r"(<!-- (one model|two models) -->\n).*?(<!-- end -->)",
        lambda m: f"{m[1]}\n{tables[m[2]]}\n\n{m[3]}",
        page,
        flags=re.DOTALL,
    )


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


SIMULATED = {  # files with simulated coverage and type I error
    "hybridcx/vocabulary/simulations.csv": ("use", "method"),
    "hybridcx/vocabulary/simulations_dependent.csv": ("use", "method"),
    "reports/coverage/coverage.csv": ("", "method"),
}


def traceability() -> str:
    """The matrix from each statistic to its source, function, tests, reference values, simulated domain and page. Raises KeyError for a gap."""
    found: dict[tuple[str, str], list[Case]] = {}
    for case in (c for of_file in qualification.STATISTICS for c in of_file()):
        found.setdefault((case.statistic, case.function), []).append(case)
    lines = [
        "# Traceability",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from the method cards, the cases of `hybridcx qualify` and the simulations.",
        "Each line is a use of a method: its source, its functions in `hybridcx.stats`, their tests in `tests/stats`, what they are held against,",
        "how many reference values `hybridcx qualify` compares on the user's machine, where coverage or type I error was simulated, from which size",
        "it is recommended, and its page. A test fails where one of these is missing.",
        "",
        "## Methods",
        "",
        "| method | use | source | functions | tests | held against | qualification | simulated | recommended | page |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, card in METHODS.items():
        for e in card.evidence:
            values = sum(len(found[name, f]) for f in e.functions)
            domains = [d for d in DOMAINS if (d.use, d.method) == (e.use, name)]
            recommended = "; ".join(dict.fromkeys(f"{', '.join(d.metrics)}: {d.text}" for d in domains)) or (
                "not recommended" if e.use in ("interval", "comparison") else "no rule"
            )
            cells = [
                f"`{name}`", USES[e.use], e.source, ", ".join(f"`{f}`" for f in e.functions), ", ".join(f"`{t}`" for t in e.tests), e.reference,
                f"{values} values", ", ".join(f"`{f}`" for f in _simulated(e.use, name)), recommended, f"[page](methods/{page_of(name)}.md)",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Metrics", "", "| metric | formula | functions | qualification |", "| --- | --- | --- | --- |"]
    for name, metric in METRICS.items():
        functions = {f: cases for (statistic, f), cases in found.items() if statistic == name}
        if not functions:
            raise KeyError(f"no reference value for {name}")
        values = sum(map(len, functions.values()))
        lines.append(
            f"| `{name}` | {metric.formula.replace('|', chr(92) + '|')} | {', '.join(f'`{f}`' for f in functions)} | {values} values |"
        )
    return "\n".join(lines) + "\n"


def figures() -> str:
    """The latest figure of every benchmark."""
    lines = [
        "# Measured figures",
        "",
        "Made by `python experiments/maintenance/make_docs.py` from `experiments/benchmarks/figures.csv`, to which every benchmark adds",
        "what it measured: the latest figure of each case. Machines, load and versions differ from row to row. *Ratio*: to a peer that was",
        "measured in the same run; above 1 is better than the peer. Targets are in the scripts, what was tried in `experiments/log.md`.",
    ]
    latest: dict[tuple[str, str], dict[str, str]] = {}
    with (ROOT / "experiments/benchmarks/figures.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            latest[row["benchmark"], row["case"]] = row
    for benchmark in dict.fromkeys(sorted(b for b, _ in latest)):
        lines += [
            "",
            f"## {benchmark}",
            "",
            "| case | figure | peer | ratio | date | machine | versions |",
            "| --- " * 7 + "|",
        ]
        for (of, case), r in latest.items():
            if of == benchmark:
                peer = "" if r["peer"] == "NA" else f"{r['peer']}: {r['peer.figure']} {r['unit']}"
                versions = f"hybridcx {r['hybridcx']}, Python {r['python']}, NumPy {r['numpy']}, torch {r['torch']}"
                ratio = "" if r["ratio"] == "NA" else r["ratio"]
                machine = f"{r['processor']}, {r['cores']} cores, load {r['load']}"
                lines.append(
                    f"| {case.replace('|', '/')} | {r['figure']} {r['unit']} | {peer} | {ratio} | {r['date']} | {machine} | {versions} |"
                )
    return "\n".join(lines) + "\n"


def _simulated(use: str, name: str) -> list[str]:
    """The files with simulations of a method; those of coefficients stand under their metric, those of adjustments after the test they adjust."""
    files = []
    for file, columns in SIMULATED.items():
        with (ROOT / file).open(encoding="utf-8", newline="") as opened:
            for row in csv.DictReader(opened):
                of_use = not columns[0] or row["use"] == use
                if of_use and name in (row["method"].split(", ")[0], row["method"].split(", ")[-1], row["metric"]):
                    files.append(file)
                    break
    if not files:
        raise KeyError(f"no simulation of {name} ({use})")
    return files


def pages() -> dict[str, str]:
    """File below docs/ -> its text."""
    return {
        "experiment.md": table(),
        "presets.md": presets(),
        "experiment.schema.json": schema(),
        "reference/files.md": files(),
        "reference/vocabulary.md": vocabulary_page(),
        **{f"methods/{name}.md": method_page(name, cards) for name, cards in method_groups().items()},
        "which_test.md": which_test((DOCS / "which_test.md").read_text(encoding="utf-8")),
        "methods.md": methods((DOCS / "methods.md").read_text(encoding="utf-8")),
        "traceability.md": traceability(),
        "figures.md": figures(),
        "statistics.md": statistics((DOCS / "statistics.md").read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")
