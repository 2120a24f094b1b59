"""Problems say where, what and what to do, in text that is safe to print."""

from __future__ import annotations

import pytest

from hybridcx.errors import (
    MAX_VALUE_CHARS,
    HybridcxError,
    InputError,
    Problem,
    StoppedError,
    printable,
    printable_path,
    raise_if_any,
)


def test_a_problem_names_file_row_column_value_and_remedy():
    text = str(Problem("a score outside 0 to 1", "p.csv", 7, "score", 1.2, "give the probability"))
    assert text == "p.csv, line 7, column score: a score outside 0 to 1 (found: '1.2'). Give the probability."


def test_parts_that_are_not_known_are_left_out():
    assert str(Problem("no models")) == "no models."
    assert str(Problem("which class?", remedy="name it")) == "which class?. Name it."
    assert str(Problem("unknown key", remedy="did you mean `n_bootstrap`?")).endswith("`n_bootstrap`?")
    assert str(Problem("a row", row=0, value=0)) == "line 0: a row (found: '0')."


@pytest.mark.parametrize(
    "nasty", ["\x1b[2J", "\x00", "\u202e", "\u2066", "\r\n", "\u2028", "\u2029", "\udc80", "\ufeff", "\x9b31m"]
)
def test_nothing_that_moves_a_cursor_or_turns_a_line_is_printed(nasty):
    shown = printable(f"a{nasty}b")
    assert shown.isprintable()
    assert not set(nasty) & set(shown) - set("[2J31m")
    assert shown[0] == "a"
    assert shown[-1] == "b"
    problem = str(Problem("odd", f"f{nasty}.csv", 1, f"c{nasty}", f"v{nasty}"))
    assert problem.isprintable()


def test_ordinary_text_of_any_script_stays():
    for text in ("café", "naïve Bayes", "مدل", "模型", "β-Modell", "🙂"):
        assert printable(text) == text


def test_long_values_are_cut_at_their_end():
    shown = printable("x" * 500)
    assert len(shown) == MAX_VALUE_CHARS
    assert shown.endswith("…")


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_long_paths_are_cut_in_their_middle(separator):
    path = separator.join(["", "data", *["deep" * 5] * 8, "predictions_of_site_7.csv"])
    shown = printable_path(path)
    assert len(shown) == MAX_VALUE_CHARS
    assert shown.startswith(f"{separator}data")
    assert shown.endswith(f"…{separator}predictions_of_site_7.csv")
    assert "predictions_of_site_7.csv" in str(Problem("there is no such file", path))


def test_a_very_long_file_name_keeps_both_of_its_ends():
    shown = printable_path("/data/start" + "n" * 300 + "_end.csv")
    assert len(shown) == MAX_VALUE_CHARS
    assert shown.startswith("/data/start")
    assert shown.endswith("_end.csv")
    assert printable_path("short.csv") == "short.csv"


def test_input_errors_carry_every_problem():
    a, b = Problem("one"), Problem("two")
    assert InputError([a, b]).problems == (a, b)
    assert InputError(a).problems == (a,)
    assert InputError("three").problems == (Problem("three"),)
    assert str(InputError([a, b])) == "one.\ntwo."
    assert InputError(p for p in (a, b)).problems == (a, b)


def test_exit_codes():
    assert (InputError("x").exit_code, StoppedError("x").exit_code, HybridcxError("x").exit_code) == (2, 3, 70)
    assert issubclass(InputError, HybridcxError)
    assert issubclass(StoppedError, HybridcxError)


def test_warnings_alone_pass():
    warning, error = Problem("said", severity="warning"), Problem("refused")
    raise_if_any([])
    raise_if_any([warning])
    with pytest.raises(InputError) as e:
        raise_if_any(iter([warning, error]))
    assert e.value.problems == (error,)
