"""Text for a paper: methods with citations, results in the sentences of the page, limitations; and the works cited (BibTeX).

Citations are Pandoc's (`[@key]`). `citations.toml` has the works of each method, `references.bib` the works. The text has only the methods of rows
that the page shows, and `references.bib` of a report only the works that the text cites.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers, numbers, shown_rows
from hybridcx.report.blocks import Page
from hybridcx.report.content import Content
from hybridcx.report.formats.html import literal
from hybridcx.report.shown_rows import Pair

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&!^@#])|:(?=//)|(?<=www)\.")
_START = re.compile(r"^(?:[-+](?=\s|$)|=+$|\d+(?=[.)](?:\s|$)))")
"""At the start of a line a list, a rule or a heading."""
_KEY = re.compile(r"@(?:article|book|inproceedings|misc)\{([a-z0-9]+),")
_ABOUT = (
    "<!-- Written by hybridcx from the tables of this folder. A draft: please add what the study is about, where its cases come from and what the "
    "results mean. `pandoc --citeproc paper.md -o paper.docx` resolves the citations. -->"
)
Cited = dict[str, None]
"""The keys of the works cited so far, in order."""


def escaped(text: str) -> str:
    """`text` with every character that has a meaning in Markdown escaped: no markup, link, entity or formula, on one line.

    >>> escaped("vgg16_a [x]")
    'vgg16\\\\_a \\\\[x\\\\]'
    """
    text = literal(text).replace("\n", "\\n")
    text = _SPECIAL.sub(lambda m: "\\" + m.group(), text)
    return _START.sub(lambda m: m.group() + "\\" if m.group().isdecimal() else "\\" + m.group(), text)


@cache
def citations() -> dict[str, dict[str, list[str]]]:
    """Group of methods -> method, or method and metric -> [its name in a paper, keys of works ...]."""
    file = resources.files("hybridcx.vocabulary").joinpath("citations.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@cache
def works() -> dict[str, str]:
    """Key of a work -> its BibTeX entry."""
    text = resources.files("hybridcx.vocabulary").joinpath("references.bib").read_text(encoding="utf-8")
    entries = [e.strip() + "\n" for e in re.split(r"\n(?=@)", text) if e.startswith("@")]
    return {m.group(1): e for e in entries if (m := _KEY.match(e))}


def paper(content: Content, page: Page) -> dict[str, str]:
    """File name -> text: `paper.md`, and `references.bib` with the works that it cites."""
    cited: Cited = {}
    own = list(content.study_methods)
    statistics = _statistics(content, cited)
    methods = [escaped(p) for p in (own or content.methods)]
    parts = _parts(content, cited)
    before = [] if content.answers is not None else answers.before_results(content.primary_pairs)
    results = [escaped(answers.unbroken(s)) for s in (*before, *answers.sentences(content))]
    out = [f"---\nbibliography: references.bib\n---\n\n{_ABOUT}", "# Methods"]
    out += ["## Cases, models and calls" if own else "## Analysis", *methods, *parts]
    out += ["## Statistical analysis", *statistics] if statistics else []
    out += [_software(content), "# Results", *results, *_performance(content, page)]
    if content.caveats:
        out += ["# Limitations", *[escaped(c) for c in content.caveats]]
    out += ["# References"] if cited else []
    return {"paper.md": "\n\n".join(out) + "\n", "references.bib": "\n".join(works()[k] for k in sorted(cited))}


def _cite(group: str, name: str, cited: Cited) -> str:
    """The name of a method with its citation; without citation where the list does not have it."""
    title, *keys = citations()[group].get(name, [vocabulary.method_label(name)])
    cited.update(dict.fromkeys(keys))
    return escaped(title) + (f" [{'; '.join('@' + k for k in keys)}]" if keys else "")


def _entry(group: str, method: str, metric: str) -> str:
    """The entry of a method for a metric: "METHOD METRIC" where the group has it, else the method."""
    own = f"{method} {metric}"
    return own if own in citations()[group] else method


def _enumeration(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _metrics(names: Iterable[str]) -> str:
    return _enumeration(escaped(answers.in_sentence(m)) for m in vocabulary.in_order(names, vocabulary.METRICS))


def _statistics(content: Content, cited: Cited) -> list[str]:
    """Paragraphs on intervals, comparisons, tests of all models, agreement and audit, as far as the page has them."""
    paragraphs = [
        _intervals(content.table("metrics"), cited),
        _comparisons(content.pairs, cited),
        _omnibus(content.table("omnibus"), cited),
        _agreement(content.table("agreement"), cited),
        _audit(content.table("audit_comparisons"), cited),
    ]
    return [p for p in paragraphs if p]


def _intervals(metrics: pd.DataFrame, cited: Cited) -> str:
    if metrics.empty:
        return ""
    values = shown_rows.shown_values(shown_rows.overall(metrics))
    by_method: dict[str, list[str]] = {}
    for (_, name), row in values.items():
        by_method.setdefault(_entry("intervals", str(row["method"]), name), []).append(name)
    level = shown_rows.level(metrics)
    order = vocabulary.in_order((m.split()[0] for m in by_method), vocabulary.INTERVAL_ORDER)
    by_text: dict[str, list[str]] = {}  # two metrics may have entries of one text
    for m in sorted(by_method, key=lambda m: order.index(m.split()[0])):
        by_text.setdefault(_cite("intervals", m, cited), []).extend(by_method[m])
    parts = [f"{text} for {_metrics(names)}" for text, names in by_text.items()]
    text = f"Confidence intervals{f' are at the {level} level' if level else ''}: {'; '.join(parts)}."
    resampled = [
        r for r in values.values() if str(r["method"]).startswith("bootstrap") and pd.notna(r.get("n.resamples"))
    ]
    if resampled:
        units = "clusters (such as patients)" if any(pd.notna(r.get("n.clusters")) for r in resampled) else "cases"
        n = max(float(r["n.resamples"]) for r in resampled)
        text += f" The bootstrap drew {numbers.count(n)} resamples of {units}."
    defined = citations()["metrics"]
    names = [m for m in vocabulary.in_order({name for _, name in values}, vocabulary.METRICS) if m in defined]
    if names:
        text += f" Definitions: {_enumeration(_cite('metrics', m, cited) for m in names)}."
    return text


def _comparisons(pairs: Sequence[Pair], cited: Cited) -> str:
    if not pairs:
        return ""
    by_text: dict[str, list[str]] = {}
    for p in pairs:
        methods = [_cite("differences", _entry("differences", p.method, p.metric), cited)] if p.method else []
        methods += [_cite("tests", _entry("tests", p.test, p.metric), cited)] if p.test and p.test != p.method else []
        if methods:
            by_text.setdefault(" with ".join(methods), []).append(p.metric)
    parts = [f"{text} for {_metrics(metrics)}" for text, metrics in by_text.items()]
    text = f"Models were compared on the same cases: {'; '.join(parts)}."
    adjustments = [a for a in dict.fromkeys(p.adjustment for p in pairs) if a and a != "none"]
    if adjustments:
        names = _enumeration(_cite("adjustments", a, cited) for a in adjustments)
        text += f" p-values were adjusted by {names} within each family of comparisons."
    margins = sorted({p.margin for p in pairs if isfinite(p.margin)})
    if margins:
        text += f" The margin of equivalence and non-inferiority was {_enumeration(f'{m:g}' for m in margins)}."
    planned = [p.metric for p in pairs if p.role == "confirmatory"]
    if not planned:
        return text + " No plan named comparisons before the results: all are exploratory."
    return text + (
        f" Comparisons of {_metrics(planned)} that the plan named before the results are confirmatory, all others exploratory."
    )


def _omnibus(omnibus: pd.DataFrame, cited: Cited) -> str:
    if omnibus.empty:
        return ""
    pairs = omnibus[["metric", "method"]].drop_duplicates().itertuples(index=False)
    tests = "; ".join(
        f"{_cite('omnibus', str(method), cited)} for {_metrics([str(metric)])}" for metric, method in pairs
    )
    return f"All models at once: {tests}."


def _agreement(agreement: pd.DataFrame, cited: Cited) -> str:
    names = list(dict.fromkeys(agreement["metric"].astype(str))) if len(agreement) else []
    coefficients = _enumeration(_cite("agreement", n, cited) for n in names if n in citations()["agreement"])
    return f"Agreement of readers: {coefficients}." if coefficients else ""


def _audit(comparisons: pd.DataFrame, cited: Cited) -> str:
    names = list(dict.fromkeys(comparisons["method"].astype(str))) if len(comparisons) else []
    tests = citations()["tests"]
    methods = [_cite("tests" if n in tests else "differences", n, cited) for n in names]
    return f"Over all confusion matrices that give the printed values: {_enumeration(methods)}." if methods else ""


def _parts(content: Content, cited: Cited) -> list[str]:
    """The networks and heads of a run, with their citations; other commands do not know what their models are."""
    metrics = content.table("metrics")
    if content.command != "run" or metrics.empty:
        return []
    names = [part for m in dict.fromkeys(metrics["model"].astype(str)) for part in re.split(r"[+:]", m)]
    known = [n for n in dict.fromkeys(names) if n in citations()["parts"]]
    return [f"Networks and heads: {_enumeration(_cite('parts', n, cited) for n in known)}."] if known else []


def _software(content: Content) -> str:
    version = content.provenance.get("hybridcx")
    return f"Analyses were made with hybridcx{f' {escaped(str(version))}' if version else ''}."


def _performance(content: Content, page: Page) -> list[str]:
    """The main metrics of each model with the number of their table, where the answers are about differences."""
    if content.table("comparisons").empty or content.table("metrics").empty:
        return []
    number = next((number for number, table in page.tables if table.key == "table-iii"), "")
    reference = [f"All metrics of the models: {number} of the report."] if number else []
    return [escaped(s) for s in answers.model_sentences(content.tables)] + reference
