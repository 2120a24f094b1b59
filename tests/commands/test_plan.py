"""`hybridcx plan` and `hybridcx.plan`: questions, tables, sentences, pages, bad input. The formulas: tests/stats/test_power.py."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from math import ceil
from pathlib import Path

import pandas as pd
import pytest

import hybridcx
from hybridcx.commands.options import QUESTIONS
from hybridcx.errors import InputError
from hybridcx.narrative.planning import sentence
from hybridcx.stats import power

EXAMPLES = {
    "mcnemar": ("--p10", 0.15, "--p01", 0.05),
    "precision": ("--proportion", 0.9, "--halfwidth", 0.05),
    "noninferiority": ("--margin", 0.1, "--discordance", 0.2),
    "auc": ("--auc", 0.9, "--comparator-auc", 0.8, "--correlation", 0.5),
    "detectable": ("--n", 49),
}


def answer(made, method=None):
    rows = made.tables["plan"].query("part == 'answer'")
    return rows if method is None else rows[rows["method"] == method]


def pair(**options):
    return hybridcx.plan.mcnemar(**options)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_makes_a_report(here, call, question):
    code, out, err = call("plan", question, *EXAMPLES[question])
    assert (code, err) == (0, "")
    folder = here / "reports" / f"plan_{question}"
    page, said = out.rstrip("\n").split("\n")
    assert page == str(Path("reports") / f"plan_{question}" / "report.html")
    assert {p.name for p in folder.iterdir() if not p.name.startswith(".")} == {
        "report.html", "plan.csv", "data_dictionary.csv", "provenance.json",
    }  # fmt: skip
    with (folder / "plan.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["question", "metric", "size", "value"]
    assert {r["question"] for r in rows} == {question}
    assert list(dict.fromkeys(r["part"] for r in rows)) == ["answer", "by_size", "by_assumption"]
    assert all(re.fullmatch(r"\d+|NA", r["size"]) for r in rows)
    described = {
        r["column"]
        for r in csv.DictReader((folder / "data_dictionary.csv").open(encoding="utf-8"))
        if r["file"] == "plan.csv"
    }
    assert described == set(rows[0])
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert (record["command"], record["options"]["question"]) == ("plan", question)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    first = re.sub(r"<[^>]+>", "", html).replace("&#39;", "'").replace("\u00a0", " ").replace("\u2011", "-")
    assert said.split(". ")[0] in first
    sizes = [r["size"] for r in rows if r["part"] == "answer"]
    assert sizes[0] in said


def test_the_sizes_are_those_of_the_formulas(here):
    made = pair(p10=0.15, p01=0.05, power=[0.9, 0.8])
    assert answer(made, "exact")["target"].tolist() == [0.8, 0.9]
    for _, row in answer(made).iterrows():
        assert row["size"] == power.mcnemar_sample_size(0.15, 0.05, row["target"], 0.05, row["method"]).n
    by_size = made.tables["plan"].query("part == 'by_size' and method == 'midp'")
    n, value = int(by_size["size"].iloc[7]), by_size["value"].iloc[7]
    assert value == power.mcnemar_power(n, 0.15, 0.05, 0.05, "midp")


def test_difference_and_discordance_are_p10_and_p01(here):
    a, b = pair(p10=0.15, p01=0.05), pair(difference=0.1, discordance=0.2)
    pd.testing.assert_frame_equal(a.tables["plan"], b.tables["plan"])


def test_the_curve_over_the_assumption_goes_through_the_answer(here):
    for question, options, column in (
        ("mcnemar", {"p10": 0.15, "p01": 0.05}, "discordance"),
        ("precision", {"proportion": 0.87, "halfwidth": 0.04}, "proportion"),
        ("noninferiority", {"margin": 0.1, "discordance": 0.15}, "discordance"),
        ("auc", {"auc": 0.9, "comparator_auc": 0.8, "correlation": 0.33}, "correlation"),
        ("detectable", {"n": 80, "discordance": 0.27}, "discordance"),
    ):
        table = getattr(hybridcx.plan, question)(out=here / question, **options).tables["plan"]
        curve = table.query("part == 'by_assumption'")
        row = table.query("part == 'answer'")
        row = row[row["method"] == curve["method"].iloc[0]].iloc[0]
        (at,) = curve.index[(curve[column] - row[column]).abs() < 1e-9]
        assert (curve.loc[at, "size"], curve.loc[at, "value"]) == (row["size"], row["value"])


def test_the_cases_of_both_classes(here):
    made = pair(p10=0.15, p01=0.05, metric="sensitivity", prevalence=0.3)
    row = answer(made, "exact").iloc[0]
    assert (row["size"], row["cases.all"]) == (168, 560)
    made = pair(p10=0.15, p01=0.05, metric="specificity", prevalence=0.3)
    assert answer(made, "exact")["cases.all"].iloc[0] == 240
    assert "negative cases" in sentence(made.tables["plan"])[0]
    assert answer(pair(p10=0.15, p01=0.05, prevalence=0.3))["cases.all"].isna().all()


def test_a_prevalence_is_a_ratio_for_areas(here):
    made = hybridcx.plan.auc(auc=0.9, comparator_auc=0.85, correlation=0.5, prevalence=0.25)
    row = answer(made, "obuchowski").iloc[0]
    assert row["ratio"] == 3
    assert row["n.negative"] == ceil(3 * row["n.positive"])
    assert row["size"] == power.auc_paired_n(0.85, 0.9, 0.5, 3).n


def test_what_a_test_set_could_have_shown(here):
    made = hybridcx.plan.detectable(n=49, discordance=[0.05, 0.3])
    rows = answer(made, "exact")
    assert rows["status"].tolist() == ["not_estimable", "ok"]
    assert rows["value"].iloc[1] == power.detectable_difference_mcnemar(49, 0.3)
    said = sentence(made.tables["plan"])[0]
    assert "22.1 percentage points" in said
    assert "5 % none, however large" in said


def test_what_a_test_set_could_have_shown_of_areas(here):
    made = hybridcx.plan.detectable(n=331, metric="auroc", comparator_auc=0.85, correlation=0.5)
    row = answer(made, "obuchowski").iloc[0]
    assert (row["n.positive"], row["n.negative"]) == (166, 165)
    assert power.auc_paired_power(166, 165, 0.85, 0.85 + row["value"], 0.5) == pytest.approx(0.8, abs=1e-9)
    assert "AUROC of 0.85" in sentence(made.tables["plan"])[0]


def test_noninferiority_beyond_what_is_enumerated_uses_the_formula(here):
    small = hybridcx.plan.noninferiority(margin=0.1, discordance=0.2)
    assert set(answer(small)["method"]) == {"exact", "asymptotic"}
    large = hybridcx.plan.noninferiority(margin=0.02, discordance=0.2)
    assert set(answer(large)["method"]) == {"asymptotic"}
    assert "formula" in sentence(large.tables["plan"])[0]


def test_a_large_study_is_planned_in_seconds(here):
    made = pair(p10=0.011, p01=0.009, power=0.9)
    assert answer(made, "exact")["size"].iloc[0] > 50_000
    assert set(made.tables["plan"].query("part == 'by_assumption'")["method"]) == {"connor"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mcnemar",), ["discordant probabilities are missing"]),
        (("mcnemar", "--p10", 1.5, "--alpha", 0.7, "--power", 2, "--metric", "ppv"), ["--p10", "--alpha", "--power", "--metric"]),
        (("mcnemar", "--p10", 0.2, "--p01", 0.1, "--margin", 0.1), ["No such option: --margin"]),
        (("mcnemar", "--p10", 0.1, "--p01", 0.1), ["must differ"]),
        (("mcnemar", "--p10", 0.7, "--p01", 0.6), ["exclusive"]),
        (("mcnemar", "--p10", 0.1, "--difference", 0.1, "--discordance", 0.2), ["not both"]),
        (("mcnemar", "--difference", 0.3, "--discordance", 0.2), ["cannot exceed"]),
        (("mcnemar", "--p10", 0.2, "--p01", 0.1, "--power", 0.04), ["must exceed --alpha"]),
        (("mcnemar", "--p10", 0.1000001, "--p01", 0.1), ["10000000 cases"]),
        (("precision",), ["--proportion is missing", "--halfwidth is missing"]),
        (("precision", "--proportion", "nan", "--halfwidth", 0.6), ["--proportion lies", "--halfwidth lies"]),
        (("noninferiority", "--p10", 0.05, "--p01", 0.2, "--margin", 0.1), ["at or below minus the margin"]),
        (("noninferiority", "--discordance", 0.1), ["--margin is missing"]),
        (("auc", "--auc", 0.9), ["--comparator-auc is missing", "--correlation is missing"]),
        (("auc", "--auc", 0.9, "--comparator-auc", 0.9, "--correlation", 1), ["must differ", "--correlation is at least -1 and below 1"]),
        (("auc", "--auc", 0.9, "--comparator-auc", 0.8, "--correlation", 0.5, "--ratio", 1, "--prevalence", 0.5), ["say the same"]),
        (("detectable",), ["--n is missing"]),
        (("detectable", "--n", 1), ["--n is at least 2"]),
        (("detectable", "--n", 49, "--correlation", 0.5, "--ratio", 2), ["--correlation has no part", "--ratio has no part"]),
        (("detectable", "--n", 49, "--metric", "auroc", "--discordance", 0.1), ["--discordance has no part", "--comparator-auc is missing"]),
    ],
)  # fmt: skip
def test_bad_input_is_exit_2_with_every_problem(here, call, arguments, said):
    code, out, err = call("plan", *arguments)
    assert (code, out) == (2, "")
    for words in said:
        assert words in err
    assert "Traceback" not in err
    assert list(here.iterdir()) == []


def test_wrong_calls_from_python():
    with pytest.raises(TypeError, match="margin"):
        hybridcx.plan.auc(auc=0.9, comparator_auc=0.8, correlation=0.5, margin=0.1)  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"^p10 lies between"):
        hybridcx.plan.mcnemar(p10="much", p01=0.1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="power must lie"):
        hybridcx.plan.mcnemar(p10=0.2, p01=0.1, power=[])
    assert dir(hybridcx.plan) == sorted(QUESTIONS)


def test_the_same_plan_repeats_to_the_byte_and_another_command_keeps_its_folder(here, call):
    for out in ("a", "b"):
        assert call("plan", "mcnemar", *EXAMPLES["mcnemar"], "--out", out)[0] == 0
    for name in ("plan.csv", "report.html", "data_dictionary.csv"):
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes()
    assert call("plan", "detectable", "--n", 49, "--out", "a")[0] == 0  # the same command: replaced
    assert "detectable" in (here / "a/plan.csv").read_text(encoding="utf-8")
    (here / "mine").mkdir()
    (here / "mine/notes.txt").write_text("x", encoding="utf-8")
    code, _, err = call("plan", "detectable", "--n", 49, "--out", "mine")
    assert code == 2
    assert "hybridcx did not make it" in err


def test_the_help_explains_with_examples(call):
    code, out, _ = call("plan", "--help")
    assert code == 0
    for question in QUESTIONS:
        assert question in out
        code, own, _ = call("plan", question, "--help")
        assert code == 0
        assert f"hybridcx plan {question} " in own


def test_the_examples_of_the_help_run(here, call):
    texts = [call("plan", "--help")[1], *(call("plan", q, "--help")[1] for q in QUESTIONS)]
    lines = re.findall(r"^ +hybridcx (plan .*)$", "\n".join(texts), re.M)
    assert len(lines) >= len(QUESTIONS)
    for line in lines:
        assert call(*line.split(), "--quiet")[0] == 0


@pytest.mark.browser
@pytest.mark.parametrize("question", QUESTIONS)
def test_chromium_shows_the_page_without_complaint(here, call, question):
    found = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    assert found, "the browser tests need Chromium"
    assert call("plan", question, *EXAMPLES[question], "--out", "p")[0] == 0
    r = subprocess.run(
        [found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--enable-logging=stderr",
         f"--user-data-dir={here / 'profile'}", "--window-size=390,900", "--dump-dom", (here / "p/report.html").as_uri()],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in r.stderr
    assert r.stdout.count("<svg") == 2


def test_the_unit_stands_with_the_first_size_that_exists():
    answer = hybridcx.plan.detectable(n=156).summary().replace("\u00a0", " ")
    assert "could have shown is none (4.6 percentage points) at a discordance" in answer
    assert ", 7.2 (6.8) at 10 %" in answer
