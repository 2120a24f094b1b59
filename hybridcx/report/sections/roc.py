"""ROC curves."""

from __future__ import annotations

from hybridcx.report import shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots


def section(content: Content) -> Section:
    """The figure of the curves."""
    section = Section()
    roc = content.table("roc")
    if roc.empty:
        return section
    roc, seed = shown_rows.one_seed(roc)
    roc, fold = shown_rows.one_seed(roc, "fold")
    which = "".join(f", {name} {value}" for name, value in (("seed", seed), ("fold", fold)) if value is not None)
    models = content.models_of(roc)
    caption = f"Receiver operating characteristic{which}.{plots.omitted_note(roc, models)}"
    section.figures(Figure("roc", plots.roc(roc, models=models), caption, "roc.csv"))
    return section
