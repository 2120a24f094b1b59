"""A report whose models have names that break what does not escape them, and its page."""

from __future__ import annotations

import pytest
import sample

from hybridcx.report.blocks import Page
from hybridcx.report.content import Content
from hybridcx.report.page import assemble


@pytest.fixture(scope="package")
def content() -> Content:
    names = sample.HOSTILE_NAMES
    models = sample.models(1)[:3] + names
    return sample.content(
        sample.tables(models, pairs=[(models[0], m) for m in models[1:]]),
        title=f"Of {names[0]} & {names[11]}",
        question=f"Which is better, {names[2]} or {names[1]}?",
        caveats=names,
        methods=["Proportions: Wilson (1927).", *names],
        study_methods=["The positive class is 'a_b & c'."],
        primary_models=models[:8],
        provenance={"hybridcx": "1.2.3", names[0]: names[1]},
    )


@pytest.fixture(scope="package")
def page(content: Content) -> Page:
    return assemble(content)
