"""Progress: sentences on standard error, none with --quiet, everything in the log, no bar in a pipe."""

from __future__ import annotations

import io
import sys

import pytest

from hybridcx import progress as module
from hybridcx.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_sentences_go_to_standard_error(capsys):
    p = Progress()
    p.say("Comparing the models.")
    p.detail("More.")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Comparing the models.\n")
    assert p.log == "Comparing the models.\nMore.\n"


def test_quiet_says_nothing_and_keeps_the_log(capsys):
    p = Progress(quiet=True)
    p.say("Comparing the models.")
    assert capsys.readouterr() == ("", "")
    assert p.log == "Comparing the models.\n"


def test_verbose_says_more(capsys):
    Progress(verbose=True).detail("More.")
    assert capsys.readouterr().err == "More.\n"


def test_no_bar_in_a_pipe(capsys):
    update = Progress().track("comparing")
    for done in range(1, 101):
        update(done, 100)
    assert capsys.readouterr() == ("", "")


def terminal_in_place_of_stderr(monkeypatch):
    """Called in the test itself: pytest puts its own stream there between a fixture and its test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_bar_on_a_terminal_after_two_seconds_alone(monkeypatch):
    terminal = terminal_in_place_of_stderr(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with Progress() as p:
        update = p.track("comparing")
        update(1, 10)
        assert terminal.getvalue() == ""
        now[0] = module.DELAY_S + 1
        update(2, 10)
        p.say("A sentence between.")
        update(3, 10)
        update(10, 10)
    assert "comparing" in terminal.getvalue()
    assert "A sentence between." in terminal.getvalue()


def test_no_bar_on_a_terminal_that_asked_for_quiet(monkeypatch):
    terminal = terminal_in_place_of_stderr(monkeypatch)
    monkeypatch.setattr(module, "DELAY_S", 0.0)
    with Progress(quiet=True) as p:
        p.track("comparing")(1, 10)
    assert terminal.getvalue() == ""


def test_the_bar_goes_when_the_work_fails(monkeypatch):
    terminal = terminal_in_place_of_stderr(monkeypatch)
    monkeypatch.setattr(module, "DELAY_S", 0.0)
    p = Progress()

    def work():
        with p:
            p.track("comparing")(1, 10)
            assert p._rich is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert p._rich is None
    assert "comparing" in terminal.getvalue()
