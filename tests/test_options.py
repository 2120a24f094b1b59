"""The options of every command: written once, the same on the command line, in Python, in help() and in provenance.json."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from operator import attrgetter

import pytest

import hybridcx
from hybridcx.cli.app import VERBS
from hybridcx.cli.signatures import REQUIRED, signature_of
from hybridcx.commands import options
from hybridcx.commands.options import QUESTIONS, Option, choices_of, flag_of, options_of
from hybridcx.errors import InputError
from hybridcx.verification.recompute import _recorded_options

FUNCTIONS = (*VERBS, *(f"plan.{q}" for q in QUESTIONS), "estimate", "read_predictions", "compare_estimators")
HEADER = "case_id,y_true,model,score,sex\n"
PREDICTIONS = HEADER + "".join(
    f"c{i},{('normal', 'abnormal')[i % 2]},{m},{(i * 7 + 3 * j + 4 * (i % 2)) % 11 / 11},{'fm'[i % 3 > 0]}\n"
    for j, m in enumerate("AB")
    for i in range(24)
)


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_the_command_line_reads_the_signature_of_the_function(verb):
    function = attrgetter(verb)(hybridcx)
    parameters = inspect.signature(inspect.unwrap(function)).parameters
    assert list(inspect.signature(function).parameters) == list(parameters)  # of types in place of names of options
    read = signature_of(verb).parameters
    assert list(read) == list(parameters)
    for name, parameter in parameters.items():
        assert read[name].alias == parameter.annotation, name
        assert read[name].default == (REQUIRED if parameter.default is parameter.empty else parameter.default), name
        assert read[name].positional == (parameter.kind is parameter.POSITIONAL_OR_KEYWORD), name
    assert inspect.getdoc(attrgetter(verb)(hybridcx)).startswith(signature_of(verb).help)


@pytest.mark.parametrize("verb", [*VERBS, *(f"plan.{q}" for q in QUESTIONS)])
def test_every_option_is_in_the_help_of_the_command_line(call, verb):
    code, out, err = call(*verb.split("."), "--help")
    assert (code, err) == (0, "")
    assert words(signature_of(verb).help) in words(out)
    for name, parameter in signature_of(verb).parameters.items():
        shown = name if parameter.positional else flag_of(name, parameter.option)
        assert (f" {shown}" in out or f"{{{shown}}}" in out) == parameter.option.cli, name
        assert (words(parameter.option.help)[:40] in words(out)) == parameter.option.cli, name


def test_the_list_of_commands_is_not_truncated(call):
    assert "..." not in call("--help")[1].split("Commands:")[1]
    assert "..." not in call("plan", "--help")[1].split("Commands:")[1]


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_help_of_the_function_documents_every_parameter(verb):
    function = attrgetter(verb)(hybridcx)
    text = inspect.getdoc(function)
    section = text.split("Parameters\n----------\n")[1].split("\n\n")[0]
    documented = [line.split(" : ")[0] for line in section.splitlines() if not line.startswith(" ")]
    assert documented == list(inspect.signature(function).parameters)
    for name, option in options_of(function).items():
        assert words(option.help.removeprefix("Omit ")) in words(section), name


def test_public_names():
    public = [n for n in dir(hybridcx) if not n.startswith("__")]
    assert public == sorted(hybridcx.__all__) == sorted([*hybridcx.MODULES, *hybridcx.NAMESPACES])


def test_every_alias_is_used_and_has_a_default_within_its_range():
    used = set()
    for verb in FUNCTIONS:
        for name, parameter in signature_of(verb).parameters.items():
            used.add(parameter.alias)
            default, option = parameter.default, parameter.option
            if choices_of(parameter.alias) and default is not None:
                assert default in choices_of(parameter.alias), name
            elif option.parse in (int, float) and isinstance(default, (int, float)):
                assert option.contains(default), name
    aliases = {
        n for n, v in vars(options).items() if any(isinstance(m, Option) for m in getattr(v, "__metadata__", ()))
    }
    assert used == aliases


# Values


def ranged():
    for verb in ("compare", "agreement", "audit", "phantom", "run"):
        for name, parameter in signature_of(verb).parameters.items():
            option, choices = parameter.option, choices_of(parameter.alias)
            if option.cli and not option.file and (choices or option.low is not None):
                yield verb, name, "no such choice" if choices else option.low - 1


@pytest.mark.parametrize(("verb", "name", "value"), list(ranged()))
def test_a_wrong_value_has_the_same_message_from_python_and_from_the_command_line(here, call, verb, name, value):
    (here / "x.csv").write_text(PREDICTIONS, encoding="utf-8")
    option = signature_of(verb).parameters[name].option
    with pytest.raises(InputError) as python:
        getattr(hybridcx, verb)("x.csv", **{name: [value] if option.repeatable else value})
    code, out, err = call(verb, "x.csv", flag_of(name, option), value)
    assert (code, out) == (2, "")
    (problem,) = python.value.problems
    assert problem.rule.startswith(f"{name} ")  # in Python the name of the parameter
    assert problem.rule.replace(name, flag_of(name, option), 1) in err
    assert [p.name for p in here.iterdir()] == ["x.csv"]


def test_ranges():
    both = Option("", float, low=0, high=1, open_ends="both")
    assert [both.contains(v) for v in (0, 0.5, 1, float("nan"), "0.5", True, None)] == [False, True, *[False] * 5]
    high = Option("", float, low=-1, high=1, open_ends="high")
    assert [high.contains(v) for v in (-1, 1, -1.1)] == [True, False, False]
    assert high.range_words == "at least -1 and below 1"
    whole = Option("", int, low=2)
    assert [whole.contains(v) for v in (1, 2, 2.0, 2.5)] == [False, True, True, False]
    assert whole.range_words == "at least 2"
    assert Option("", float, low=0, high=2, open_ends="low").range_words == "above 0 and at most 2"


# Provenance and its repetition


def test_provenance_records_every_option_of_compare_and_verify_repeats_it(here):
    (here / "p.csv").write_text(PREDICTIONS, encoding="utf-8")
    (here / "r.csv").write_text(
        "case_id,reader_a,reader_b\n"
        + "".join(f"c{i},{('normal', 'abnormal')[i % 4 > 1]},abnormal\n" for i in range(24)),
        encoding="utf-8",
    )
    values = {
        "positive": "abnormal", "threshold": 0.4, "score_kind": "probability", "cluster": "patient_id", "readers": "r.csv",
        "readers_made_truth": "no", "by": ["sex"], "prevalences": [0.2, 0.1], "margin": 0.1, "reference": "A", "all_pairs": True,
        "stratified": True, "confidence_level": 0.9, "n_bootstrap": 120, "seed": 7, "seed_design": "fixed", "n_train": 30,
        "columns": {"case_id": "id"}, "guess": True,
        "model_names": ["m"],
    }  # fmt: skip
    parameters = options_of(hybridcx.compare)
    assert {"predictions", *values} == {n for n, o in parameters.items() if o.recorded}
    (here / "p.csv").write_text(PREDICTIONS.replace("case_id", "id", 1), encoding="utf-8")
    for unused in ("cluster", "seed_design", "n_train"):  # these data have no patients and one seed
        del values[unused]
    report = hybridcx.compare("p.csv", out="o", **values)
    record = json.loads((report.folder / "provenance.json").read_text(encoding="utf-8"))["options"]
    assert (record["predictions_file"], record["readers_file"]) == ("p.csv", "r.csv")
    values.pop("readers")
    assert {n: record[n] for n in values} == values
    again = _recorded_options(hybridcx.compare, record)
    assert {n: again[n] for n in values} == values
    assert hybridcx.verify("o").agrees


def test_options_recorded_by_version_0_3_are_repeated():
    old = {"n_resamples": 300, "seed": 1, "margin": None, "plan_sha256": "x", "readers_file": "r.csv", "by": ["sex"]}
    assert _recorded_options(hybridcx.compare, old) == {"n_bootstrap": 300, "seed": 1, "by": ["sex"]}


@pytest.mark.parametrize("verb", ["agreement", "audit"])
def test_provenance_records_every_option_of_the_other_commands(here, verb):
    file = here / "x.csv"
    if verb == "agreement":
        rows = "".join(f"c{i},{i % 3},{i % 2}\n" for i in range(12))
        file.write_text("case_id,reader_a,reader_b\n" + rows, encoding="utf-8")
        values = {"scale": "nominal", "positive": "1", "confidence_level": 0.9, "n_bootstrap": 150, "seed": 3}
    else:
        file.write_text("model,metric,value\nA,accuracy,90.0\nA,sensitivity,80.0\n", encoding="utf-8")
        values = {"positives": 10, "negatives": 10, "unit": {"accuracy": "percent"}, "confidence_level": 0.9}
    function = getattr(hybridcx, verb)
    assert set(values) == {n for n, o in options_of(function).items() if o.recorded and not o.file}
    report = function(file, out="o", **values)
    record = json.loads((report.folder / "provenance.json").read_text(encoding="utf-8"))["options"]
    assert {n: record[n] for n in values} == values
    assert _recorded_options(function, record) == values
    assert hybridcx.verify("o").agrees


def test_provenance_of_plan_repeats_the_call(here):
    values = {
        "p10": 0.2,
        "p01": 0.1,
        "power": [0.8, 0.9],
        "alpha": 0.05,
        "metric": "sensitivity",
        "prevalence": 0.4,
    }
    report = hybridcx.plan.mcnemar(out="o", **values)
    record = json.loads((report.folder / "provenance.json").read_text(encoding="utf-8"))["options"]
    assert record == {"question": "mcnemar", **values}
    assert _recorded_options(hybridcx.plan.mcnemar, record) == values
    assert isinstance(record["power"], Sequence)
    assert hybridcx.verify("o").agrees


def test_options_as_r_gives_them():
    """R has doubles for whole numbers, numbers and logicals for labels, and one text for a list of one; a fraction is still refused."""
    import pandas as pd

    rows = [
        (f"c{i}", i % 2, m, (i * 7 + 3 * j) % 10 / 10, "ab"[i % 3 == 0]) for j, m in enumerate("AB") for i in range(24)
    ]
    numbers = pd.DataFrame(rows, columns=["case_id", "y_true", "model", "score", "half"])
    expected = hybridcx.compare(numbers, positive="1", n_bootstrap=100, by=["half"]).metrics
    for truth, positive in ((int, 1), (float, 1.0), (bool, True)):
        frame = numbers.assign(y_true=numbers["y_true"].astype(truth))
        result = hybridcx.compare(frame, positive=positive, n_bootstrap=100.0, seed=0.0, by="half")
        pd.testing.assert_frame_equal(result.metrics, expected)
    with pytest.raises(InputError, match="bootstrap"):
        hybridcx.compare(numbers, positive=1, n_bootstrap=100.5)
    assert hybridcx.compare.__name__ == "compare"
    assert "n_bootstrap" in inspect.signature(hybridcx.compare).parameters
