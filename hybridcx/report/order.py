"""What stands in a report, in which order: from `ReportData` to sections of tables, figures and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Figure, Numbers, Section
from hybridcx.report.content import First, ReportData
from hybridcx.report.figures import flow
from hybridcx.report.figures import plots as figures
from hybridcx.report.numbers import Cell, Table
from hybridcx.report.repeat_tables import ensembles_table, seed_verdicts_table
from hybridcx.report.sections import (
    audit as audit_page,
)
from hybridcx.report.sections import (
    casebook as casebook_section,
)
from hybridcx.report.sections import (
    checklist,
    label_rules,
    leakage,
    subgroups,
    training_size,
)
from hybridcx.report.sections import (
    comparisons as result_tables,
)
from hybridcx.report.sections import (
    further as further_results,
)
from hybridcx.report.sections import (
    hybrid as hybrid_results,
)
from hybridcx.report.sections import (
    readers as reader_results,
)
from hybridcx.report.sections import (
    runs as runs_section,
)
from hybridcx.report.sections import (
    scores as score_sections,
)
from hybridcx.report.sections.plan import plan_section
from hybridcx.report.sections.printed import printed_table
from hybridcx.report.sections.scores import figure_of as _figure
from hybridcx.report.sections.scores import models_of as _models
from hybridcx.report.sections.scores import table_of as _frame
from hybridcx.report.sections.variance import obuchowski_table, variance_table

MAX_FOREST_ROWS = 14
GROUPS = {
    **dict.fromkeys(("performance", "printed", "comparisons", "hybrid", "roc", "readers"), "Discrimination"),
    **dict.fromkeys(("variance", "training-size", "label-rules", "subgroups"), "Robustness"),
}
"""What sections answer together: it stands above their titles and before the first of them in the contents list."""
ROLES = "Confirmatory: named in a plan that was locked before the results existed. Exploratory: everything else."


def build(report: ReportData) -> tuple[First, list[Section]]:
    """The first screen and the sections that have content, numbered in the order in which they stand."""
    numbers = Numbers(study=report.command == "run")
    found = dict(report.tables)
    metric = answers.primary_metric(found, report.primary_metric)
    pairs = select.pairs(_frame(found, "comparisons"), _frame(found, "verdicts"))
    primary, planned = select.primary_pairs(pairs, metric)
    made = [
        runs_section.section(found, numbers),
        _cohort(report, numbers),
        _training(report, numbers),
        leakage.section(found, report.casebook.folder if report.casebook else None, numbers),
        label_rules.agreement_section(found, numbers),
        _performance(report, numbers),
        _printed(report, numbers),
        _comparisons(report, numbers, metric, pairs, primary),
        hybrid_results.section(found, numbers),
        score_sections.curves(report, numbers),
        reader_results.readers_section(report.tables, report.reader_notes, numbers),
        score_sections.calibration(report, numbers),
        score_sections.utility(report, numbers),
        _variance(report, numbers, metric),
        training_size.section(found, report.primary_models, metric, numbers),
        label_rules.section(found, metric, primary, numbers),
        subgroups.section(found, metric, primary, planned, numbers),
        _disagreements(report, numbers),
        casebook_section.section(found, report.casebook, numbers),
        audit_page.section(found, numbers),
        plan_section(_frame(found, "plan"), numbers),
        _methods(report),
        checklist.section(found, numbers),
        _provenance(report),
    ]
    for part in made:
        part.group = GROUPS.get(part.key, "")
    sentences = report.answers
    if sentences is None:
        sentences = answers.answers(found, report.primary_metric, changed=bool(report.plan_note))
    first = First(
        tuple(answers.before(primary)) if report.answers is None else (),
        _unbroken("".join(sentences[:1])),
        tuple(_split(s) for s in sentences[1:]),
        _forest(primary, planned, found),
        tuple(report.caveats),
        tuple(report.warnings),
    )
    return first, [s for s in made if s.blocks]


def _unbroken(sentence: str) -> str:
    """No line breaks inside "p = 0.013" and "mid-p"."""
    for sign in "=<>":
        sentence = sentence.replace(f" {sign} ", f"\u00a0{sign}\u00a0")
    return sentence.replace("mid-p", "mid\u2011p")


def _split(sentence: str) -> tuple[str, str]:
    sentence = _unbroken(sentence)
    subject, colon, rest = sentence.partition(": ")
    return (subject + colon, rest) if colon and " against " in subject else ("", sentence)


def _forest(primary: Sequence[select.Pair], planned: bool, found: Mapping[str, pd.DataFrame]) -> Figure | None:
    if not primary:
        return None
    metric = primary[0].metric
    shown, best = answers.leading([p for p in primary if p.metric == metric], planned, found, MAX_FOREST_ROWS)
    columns = ["model", "comparator", "estimate", "conf.low", "conf.high"]
    rows = pd.DataFrame([(p.model, p.comparator, p.estimate, p.low, p.high) for p in shown], columns=columns)
    margins = {p.margin for p in shown if p.margin == p.margin}
    margin = margins.pop() if len(margins) == 1 else None
    methods = ", ".join(dict.fromkeys(vocabulary.method_label(p.method) for p in shown))
    level = next((tables.level(p.conf_level) for p in shown if p.conf_level == p.conf_level), "")
    caption = f"Differences in {answers.in_sentence(metric)}, model minus comparator, with "
    caption += f"{level + ' ' if level else ''}confidence intervals ({methods})."
    caption += " The band is the margin." if margin is not None else ""
    left = len(primary) - len(shown)
    picked = f" Shown are those of {answers.named(best)}, whose observed value is the best." if best else ""
    caption += f" {left} more are in the file.{picked}" if left > 0 else ""
    return _figure("forest", figures.forest(rows, metric=metric, margin=margin), caption, source="comparisons.csv")


def _plain(
    key: str, caption: str, frame: pd.DataFrame, *, decimals: int = 3, source: str = "", cap: int | None = None
) -> Table:
    """A table as it was handed over: counts as counts, other numbers with so many decimals; a named index is its first column."""
    frame = _with_index(frame)
    rows = []
    for record in frame.to_dict("records"):
        cells = []
        for v in record.values():
            if isinstance(v, Real) and not isinstance(v, bool):
                x = float(v)
                cells.append(Cell(tables.count(x) if x == x and x == round(x) else tables.fixed(x, decimals)))
            else:
                cells.append(Cell(tables.NA if pd.isna(v) else str(v), number=False))
        rows.append(cells)
    head = [str(c)[:1].upper() + str(c)[1:] for c in frame.columns]
    return tables.table(key, caption, head, rows, source=source, cap=cap)


def _with_index(frame: pd.DataFrame, name: str = "label") -> pd.DataFrame:
    return (
        frame
        if isinstance(frame.index, pd.RangeIndex)
        else frame.rename_axis(str(frame.index.name or name)).reset_index()
    )


def _cohort(report: ReportData, numbers: Numbers) -> Section:
    section = Section("cohort", "Cohort")
    if report.cohort_flow is not None and len(report.cohort_flow):
        svg = flow.cohort_flow(flow.drawn(report.cohort_flow))
        caption, file = (
            "Flow of the cohort." + flow.apart(report.cohort_flow),
            "flow.csv" if "flow" in report.tables else "",
        )
        section.figures(_figure("flow", svg, caption, numbers.figure(), file))
    if report.split_table is not None and len(report.split_table):
        own = "seed" in _frame(report.tables, "split")  # each seed or fold has a division of its own
        caption = f"Cases of the training, validation and test sets{' of each division of the cohort' if own else ''}."
        section.table(_plain("split", caption, report.split_table), numbers.table(1))
    if report.cohort_flow is not None and len(report.cohort_flow):
        made = flow.flow_table(report.cohort_flow, "Every case from screened to analysed.")
        section.table(made, numbers.table() if made else "")
    return section


def _training(report: ReportData, numbers: Numbers) -> Section:
    section = Section("training", "Models and training")
    settings = report.training_settings
    if settings is not None and len(settings):
        named = (
            settings
            if isinstance(settings, pd.DataFrame)
            else pd.DataFrame(settings, columns=["option", "value", "note"])
        )
        section.table(_plain("options", "Training options.", named.astype(str)), numbers.table(2))
    drawn = []
    for i, (name, history) in enumerate(report.histories.items()):
        if len(history):
            svg = figures.learning_curves(history, name=name, prefix=f"learning-{i}")
            drops = figures.rate_drops(history)
            caption = f"{name}: accuracy and loss in training (each mini-batch) and validation against iteration."
            trainings = len(history[["seed", "fold"]].drop_duplicates()) if {"seed", "fold"} <= set(history) else 1
            if trainings > 1:
                caption += f" Median of {trainings} trainings, as far as all of them went; bands from the smallest to the largest value."
            caption += " Dotted lines: the learning rate drops." if drops else ""
            file = "learning_curves.csv" if "learning_curves" in report.tables else ""
            drawn.append(_figure(f"learning-{i}", svg, caption, numbers.learning(), file))
    section.figures(*drawn)
    return section


def _performance(report: ReportData, numbers: Numbers) -> Section:
    section = Section("performance", "Performance of each model")
    metrics, confusion = _frame(report.tables, "metrics"), _frame(report.tables, "confusion")
    caption = "Performance on the test set with confidence intervals."
    made = result_tables.metrics_table(metrics, result_tables.TABLE_III, "table-iii", caption)
    section.table(made, numbers.table(3) if made else "", whole=True)
    if len(confusion):
        matrices, seed = select.one_seed(confusion)
        models = _models(report, matrices)
        caption = "Confusion matrices" + (f" of seed {seed}." if seed is not None else ".")
        shown = min(len(models) if models else matrices["model"].nunique(), figures.MAX_MATRICES)
        caption += (
            ""
            if shown == matrices["model"].nunique()
            else f" {shown} of {matrices['model'].nunique()} models; all are in the table below."
        )
        svg = figures.confusion(matrices, models=models, negative=_negative(report, matrices))
        section.figures(_figure("confusion", svg, caption, numbers.figure(), "confusion.csv"))
        counts = result_tables.confusion_table(matrices, "Counts behind the confusion matrices.")
        section.table(counts, numbers.table() if counts else "")
    chosen = further_results.thresholds_table(
        _frame(report.tables, "thresholds"), "Thresholds, chosen on validation cases."
    )
    section.table(chosen, numbers.table() if chosen else "")
    further = result_tables.metrics_table(metrics, result_tables.OF_CALLS, "calls", "Further metrics of the calls.")
    section.table(further, numbers.table() if further else "")
    assumed = result_tables.prevalence_table(metrics, "Predictive values at assumed prevalences.")
    section.table(assumed, numbers.table() if assumed else "")
    if report.heads_table is not None and len(report.heads_table):
        caption = "Heads: what each was fitted on, and what cross-validation in training chose."
        section.table(_plain("heads", caption, report.heads_table), numbers.table())
    return section


def _printed(report: ReportData, numbers: Numbers) -> Section:
    section = Section("printed", "Printed in the study, found here")
    made = printed_table(_frame(report.tables, "published"))
    section.table(made, numbers.table() if made else "")
    return section


def _negative(report: ReportData, confusion: pd.DataFrame) -> str:
    """The other label, where the tables name two labels in all."""
    labels: set[str] = set(confusion["positive"].astype(str))
    if report.split_table is not None and len(report.split_table):
        labels |= set(_with_index(report.split_table).iloc[:, 0].astype(str)) - {"total"}
    cases = _frame(report.tables, "disagreements")
    if len(cases):
        labels |= set(cases["y_true"].astype(str))
    others = sorted(labels - set(confusion["positive"].astype(str)))
    return others[0] if len(others) == 1 else ""


def _comparisons(
    report: ReportData, numbers: Numbers, metric: str, pairs: Sequence[select.Pair], primary: Sequence[select.Pair]
) -> Section:
    section = Section("comparisons", "Paired comparisons")
    if not pairs:
        return section
    section.text(
        ROLES
        if any(p.role == "confirmatory" for p in pairs)
        else report.plan_note or "No plan named comparisons beforehand: all are exploratory."
    )
    own = vocabulary.in_order([metric, *("accuracy", "auroc", "sensitivity", "specificity")], [metric])
    for name in own:
        chosen = [p for p in pairs if p.metric == name]
        role = ", ".join(dict.fromkeys(p.role for p in chosen if p.role))
        caption = f"Paired comparisons of {answers.in_sentence(name)}{f' ({role})' if role else ''}."
        made = result_tables.pairs_table(chosen, name, caption)
        section.table(made, numbers.table() if made else "", whole=name == metric)
    made = result_tables.multiplicity_table(
        _frame(report.tables, "multiplicity"),
        primary,
        "Primary comparisons under each adjustment for multiplicity: p-values.",
    )
    section.table(made, numbers.table() if made else "")
    made = result_tables.omnibus_table(_frame(report.tables, "omnibus"), "Tests of all models at once.")
    section.table(made, numbers.table() if made else "")
    made = further_results.ranking_table(_frame(report.tables, "ranking"), "Probability that each model is the best.")
    section.table(made, numbers.table() if made else "")
    made = further_results.overlap_table(_frame(report.tables, "error_overlap"), "Overlap of the errors of each pair.")
    section.table(made, numbers.table() if made else "")
    rest = [p for p in pairs if p.metric not in own]
    made = result_tables.other_pairs_table(rest, "Paired comparisons of the other metrics (exploratory).")
    section.table(made, numbers.table() if made else "")
    return section


def _variance(report: ReportData, numbers: Numbers, metric: str) -> Section:
    section = Section("variance", "Variance over seeds")
    for made in (
        variance_table(_frame(report.tables, "variance"), metric),
        obuchowski_table(_frame(report.tables, "comparisons"), metric),
        seed_verdicts_table(_frame(report.tables, "seed_verdicts"), metric),
        ensembles_table(
            _frame(report.tables, "ensemble_metrics"), _frame(report.tables, "ensemble_comparisons"), metric
        ),
    ):
        section.table(made, numbers.table() if made else "")
    return section


def _disagreements(report: ReportData, numbers: Numbers) -> Section:
    section = Section("disagreements", "Disagreements")
    cases = _frame(report.tables, "disagreements")
    one = len(cases.columns.difference(["case_id", "y_true", "n.models.wrong", "seed"])) == 1
    caption = "Cases that the model calls wrongly." if one else "Cases on which the models differ or all err."
    made = further_results.disagreements_table(cases, report.primary_models, caption)
    section.table(made, numbers.table() if made else "", whole=True)
    return section


def _methods(report: ReportData) -> Section:
    section = Section("methods", "Methods")
    section.text(*report.methods)
    return section


def _provenance(report: ReportData) -> Section:
    section = Section("provenance", "Provenance")
    pairs: list[tuple[str, str]] = []
    for name, value in report.provenance.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}: {k}", _said(v)) for k, v in value.items()]
        else:
            pairs.append((str(name), _said(value)))
    section.definitions(pairs)
    return section


def _said(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "NA" if value is None else str(value)
