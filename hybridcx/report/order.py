"""The order of the page: its sections with their anchors, titles and groups. A section without data is omitted.

A new section needs an entry here and a file in `report/sections/` with `section(content) -> Section`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.sections import (
    agreement,
    audit,
    calibration,
    case_mix,
    casebook,
    checklists,
    cohort,
    comparisons,
    disagreements,
    external,
    full_answer,
    hybrid,
    label_rules,
    leakage,
    methods,
    performance,
    plan,
    printed,
    provenance,
    readers,
    recalibration,
    roc,
    runs,
    subgroups,
    training,
    training_size,
    utility,
    variance,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A section of the page: `key` is its anchor, `group` the heading of the sections that answer the same question."""

    key: str
    title: str
    group: str
    section: Callable[[Content], Section]


PAGE = (
    Entry("full-answer", "The answer in full", "", full_answer.section),
    Entry("runs", "Runs compared", "", runs.section),
    Entry("external", "Inside against outside", "", external.section),
    Entry("case-mix", "Case mix", "", case_mix.section),
    Entry("recalibration", "Recalibration", "", recalibration.section),
    Entry("cohort", "Cohort", "", cohort.section),
    Entry("training", "Models and training", "", training.section),
    Entry("leakage", "Duplicates and shortcuts", "", leakage.section),
    Entry("agreement", "Reader agreement", "", agreement.section),
    Entry("performance", "Performance of each model", "Discrimination", performance.section),
    Entry("printed", "Comparison with published values", "Discrimination", printed.section),
    Entry("comparisons", "Paired comparisons", "Discrimination", comparisons.section),
    Entry("hybrid", "Deep against hybrid", "Discrimination", hybrid.section),
    Entry("roc", "ROC curves", "Discrimination", roc.section),
    Entry("readers", "Models compared with readers", "Discrimination", readers.section),
    Entry("calibration", "Calibration", "", calibration.section),
    Entry("utility", "Decision curves", "", utility.section),
    Entry("variance", "Variance over seeds", "Robustness", variance.section),
    Entry("training-size", "How many more cases would help", "Robustness", training_size.section),
    Entry("label-rules", "Labelling rules", "Robustness", label_rules.section),
    Entry("subgroups", "Subgroups", "Robustness", subgroups.section),
    Entry("disagreements", "Disagreements", "", disagreements.section),
    Entry("casebook", "Case by case", "", casebook.section),
    Entry("audit", "Audit of the published table", "", audit.section),
    Entry("plan", "Cases, power and assumptions", "", plan.section),
    Entry("methods", "Methods", "", methods.section),
    Entry("checklists", "Reporting checklists", "", checklists.section),
    Entry("provenance", "Provenance", "", provenance.section),
)
