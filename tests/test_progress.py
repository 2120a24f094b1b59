"""Progress: sentences on standard error, none with --quiet, everything in the log, no bar in a pipe but a line per epoch."""

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
    now = clock(monkeypatch)
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


def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_training_has_one_line_per_epoch_in_a_pipe(monkeypatch, capsys):
    now = clock(monkeypatch)
    p = Progress()
    update = p.track_epochs("fine-tuning vgg16, network 1 of 4", 3)
    for iteration in range(1, 13):
        now[0] = 10.0 * iteration
        update(iteration, 12)
    assert capsys.readouterr() == (
        "",
        "fine-tuning vgg16, network 1 of 4: epoch 1 of 3 after 40 s, about 1 min 20 s left.\n"
        "fine-tuning vgg16, network 1 of 4: epoch 2 of 3 after 1 min 20 s, about 40 s left.\n"
        "fine-tuning vgg16, network 1 of 4: epoch 3 of 3 after 2 min 0 s.\n",
    )
    assert p.log == ""  # times differ between repetitions


def test_the_time_left_of_a_continued_training_is_by_what_was_done_now(monkeypatch, capsys):
    now = clock(monkeypatch)
    update = Progress().track_epochs("fine-tuning vgg16", 4)
    for iteration in range(6, 9):  # epochs of three iterations, one of them done before
        now[0] += 20.0
        update(iteration - 2, 12)
    assert capsys.readouterr().err == "fine-tuning vgg16: epoch 2 of 4 after 1 min 0 s, about 2 min 0 s left.\n"


def test_a_training_on_a_terminal_shows_network_epoch_and_time_left(monkeypatch):
    terminal = terminal_in_place_of_stderr(monkeypatch)
    monkeypatch.setenv("COLUMNS", "120")
    now = clock(monkeypatch)
    with Progress() as p:
        update = p.track_epochs("fine-tuning vgg16, network 2 of 4", 3)
        update(1, 9)
        assert terminal.getvalue() == ""
        now[0] = module.DELAY_S + 1
        update(4, 9)
        p._rich.refresh()
        columns = [type(column).__name__ for column in p._rich.columns]
        update(9, 9)
    assert "fine-tuning vgg16, network 2 of 4, epoch 2 of 3" in terminal.getvalue()
    assert "TimeRemainingColumn" in columns
    assert "about" not in terminal.getvalue()  # no lines beside the bar


def test_a_quiet_training_says_nothing(monkeypatch, capsys):
    p = Progress(quiet=True)
    update = p.track_epochs("fine-tuning vgg16", 1)
    update(1, 1)
    p.from_cache("features of vgg16")
    assert capsys.readouterr() == ("", "")


def test_what_comes_from_the_cache_is_a_line_outside_the_log(capsys):
    p = Progress()
    p.from_cache("56 of 56 heads")
    assert capsys.readouterr().err == "From the cache: 56 of 56 heads.\n"
    assert p.log == ""
