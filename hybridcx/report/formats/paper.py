"""Text for a paper: methods with citations, results in the page's own sentences, limitations; and the works cited (BibTeX).

Citations are Pandoc's (`[@key]`). Which method cites which work stands in `citations.toml`, the works in `references.bib`; only methods of rows
that the page shows are told, and only what is told is cited.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.content import Content, ReportData
from hybridcx.report.formats.markdown import escaped, phrased

_KEY = re.compile(r"@(?:article|book|inproceedings|misc)\{([a-z0-9]+),")
_ABOUT = (
    "<!-- Written by hybridcx from the tables of this folder. A draft: what the study is about, where its cases come from and what the results "
    "mean is yours to say. `pandoc --citeproc paper.md -o paper.docx` sets the citations. -->"
)
Used = dict[str, None]
"""The works cited so far, in order."""


@cache
def _citations() -> dict[str, dict[str, list[str]]]:
    file = resources.files("hybridcx.vocabulary").joinpath("citations.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@cache
def _works() -> dict[str, str]:
    text = resources.files("hybridcx.vocabulary").joinpath("references.bib").read_text(encoding="utf-8")
    entries = [e.strip() + "\n" for e in re.split(r"\n(?=@)", text) if e.startswith("@")]
    return {m.group(1): e for e in entries if (m := _KEY.match(e))}


def paper(data: ReportData, content: Content) -> dict[str, str]:
    """File name -> text: `paper.md`, and `references.bib` with the works that it cites."""
    first, _ = content
    used: Used = {}
    own = list(data.study_methods)
    statistics = _statistics(data, used)
    methods = [phrased(p) for p in (own or data.methods)]
    parts = _parts(data, used)
    results = [phrased(s) for s in (*first.before, first.lead, *(a + rest for a, rest in first.answers)) if s]
    out = [f"---\nbibliography: references.bib\n---\n\n{_ABOUT}", "# Methods"]
    out += ["## Cases, models and calls" if own else "## Analysis", *methods, *parts]
    out += ["## Statistical analysis", *statistics] if statistics else []
    out += [_software(data), "# Results", *results, *_performance(data, content)]
    if first.caveats:
        out += ["# Limitations", *[phrased(c) for c in first.caveats]]
    out += ["# References"] if used else []
    return {"paper.md": "\n\n".join(out) + "\n", "references.bib": "\n".join(_works()[k] for k in sorted(used))}


def _said(group: str, name: str, used: Used) -> str:
    """What the method is called, with its citation; the name itself where the list does not have it."""
    said, *keys = _citations()[group].get(name, [vocabulary.method_label(name)])
    used.update(dict.fromkeys(keys))
    return escaped(said) + (f" [{'; '.join('@' + k for k in keys)}]" if keys else "")


def _several(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _metrics(names: Iterable[str]) -> str:
    return _several(escaped(answers.in_sentence(m)) for m in vocabulary.in_order(names, vocabulary.METRICS))


def _table(data: ReportData, name: str) -> pd.DataFrame:
    found = data.tables.get(name)
    return pd.DataFrame() if found is None else found


def _statistics(data: ReportData, used: Used) -> list[str]:
    """Paragraphs on intervals, comparisons, adjustments, tests of all models, agreement and audit: what the page shows."""
    metrics, comparisons = _table(data, "metrics"), _table(data, "comparisons")
    made = [
        _intervals(metrics, used),
        _comparisons(select.pairs(comparisons, data.tables.get("verdicts")), used),
        _omnibus(_table(data, "omnibus"), used),
        _agreement(_table(data, "agreement"), used),
        _audit(_table(data, "audit_comparisons"), used),
    ]
    return [m for m in made if m]


def _intervals(metrics: pd.DataFrame, used: Used) -> str:
    if metrics.empty:
        return ""
    shown = select.shown_values(select.overall(metrics))
    by_method: dict[str, list[str]] = {}
    for (_, name), row in shown.items():
        by_method.setdefault(str(row["method"]), []).append(name)
    level = next((tables.level(x) for x in metrics["conf.level"] if pd.notna(x)), "")
    order = vocabulary.in_order(by_method, vocabulary.INTERVAL_ORDER)
    parts = [f"{_said('intervals', m, used)} for {_metrics(by_method[m])}" for m in order]
    text = f"Confidence intervals{f' are at the {level} level' if level else ''}: {'; '.join(parts)}."
    drawn = [r for r in shown.values() if str(r["method"]).startswith("bootstrap") and pd.notna(r.get("n.resamples"))]
    if drawn:
        units = "clusters (such as patients)" if any(pd.notna(r.get("n.clusters")) for r in drawn) else "cases"
        n = max(float(r["n.resamples"]) for r in drawn)
        text += f" The bootstrap drew {tables.count(n)} resamples of {units}."
    defined = _citations()["metrics"]
    cited = [m for m in vocabulary.in_order({name for _, name in shown}, vocabulary.METRICS) if m in defined]
    if cited:
        text += f" Definitions: {_several(_said('metrics', m, used) for m in cited)}."
    return text


def _comparisons(pairs: Sequence[select.Pair], used: Used) -> str:
    if not pairs:
        return ""
    by_method: dict[tuple[str, str], list[str]] = {}
    for p in pairs:
        by_method.setdefault((p.method, p.test), []).append(p.metric)
    parts = []
    for (method, test), names in by_method.items():
        said = _said("differences", method, used) if method else ""
        if test and test != method:
            said += (" with " if said else "") + _said("tests", test, used)
        parts += [f"{said} for {_metrics(names)}"] if said else []
    text = f"Models were compared on the same cases: {'; '.join(dict.fromkeys(parts))}."
    adjustments = [a for a in dict.fromkeys(p.adjustment for p in pairs) if a and a != "none"]
    if adjustments:
        text += f" p-values were adjusted by {_several(_said('adjustments', a, used) for a in adjustments)} within each family of comparisons."
    margins = sorted({p.margin for p in pairs if isfinite(p.margin)})
    if margins:
        text += f" The margin of equivalence and non-inferiority was {_several(f'{m:g}' for m in margins)}."
    planned = [p.metric for p in pairs if p.role == "confirmatory"]
    return text + (
        f" Comparisons of {_metrics(planned)} that the plan named before the results are confirmatory, all others exploratory."
        if planned
        else " No plan named comparisons before the results: all are exploratory."
    )


def _omnibus(omnibus: pd.DataFrame, used: Used) -> str:
    if omnibus.empty:
        return ""
    pairs = omnibus[["metric", "method"]].drop_duplicates().itertuples(index=False)
    return (
        "All models at once: "
        + "; ".join(f"{_said('omnibus', str(b), used)} for {_metrics([str(a)])}" for a, b in pairs)
        + "."
    )


def _agreement(agreement: pd.DataFrame, used: Used) -> str:
    names = list(dict.fromkeys(agreement["metric"].astype(str))) if len(agreement) else []
    said = _several(_said("agreement", n, used) for n in names if n in _citations()["agreement"])
    return f"Agreement of readers: {said}." if said else ""


def _audit(compared: pd.DataFrame, used: Used) -> str:
    names = list(dict.fromkeys(compared["method"].astype(str))) if len(compared) else []
    known = _citations()
    said = [_said("tests" if n in known["tests"] else "differences", n, used) for n in names]
    return f"Over all confusion matrices that give the printed values: {_several(said)}." if said else ""


def _parts(data: ReportData, used: Used) -> list[str]:
    """The networks and heads of a run, with their citations; the models of other commands are anyone's."""
    frame = _table(data, "metrics")
    if data.command != "run" or frame.empty:
        return []
    names = [part for m in dict.fromkeys(frame["model"].astype(str)) for part in re.split(r"[+:]", m)]
    known = [n for n in dict.fromkeys(names) if n in _citations()["parts"]]
    return [f"Networks and heads: {_several(_said('parts', n, used) for n in known)}."] if known else []


def _software(data: ReportData) -> str:
    version = data.provenance.get("hybridcx")
    return f"Analyses were made with hybridcx{f' {escaped(str(version))}' if version else ''}."


def _performance(data: ReportData, content: Content) -> list[str]:
    """Each model's main metrics, where the answers are about differences; with the number of the page's table."""
    if _table(data, "comparisons").empty or _table(data, "metrics").empty:
        return []
    numbers = {b.table.key: b.number for s in content[1] for b in s.blocks if b.table is not None}
    where = numbers.get("table-iii", "")
    said: Mapping[str, pd.DataFrame] = data.tables
    return [phrased(s) for s in answers.of_models(said)] + (
        [f"All metrics of the models: {where} of the report."] if where else []
    )
