"""The guard of decisions hears of one that goes by anything but what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import impure
import purity
import pytest
from homes import new_home
from journals import number, open_journal, submission
from lxml import etree

from tongguan.gateway.daemon import assembly
from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.settings import read_settings
from tongguan.gateway.work import loop
from tongguan.gateway.work.loop import Step
from tongguan.gateway.work.moment import Moment


def decided(home: Path, decide: Callable[..., loop.Chain], answer: object = None) -> str:
    """What the guard says of one decision."""
    journal = open_journal(home)
    number(journal, "a")
    step = Step("check", decide, respond=replace)  # its own, so that it is no test's
    moment = Moment(1, 1, journal.numbers())
    with journal.read() as records:
        loop._attempt(step, moment, submission(operation=str(decide)), answer, records)
    journal.close()
    return purity.noted()


def test_one_that_goes_by_what_it_is_given_is_the_same_again_and_elsewhere(tmp_path: Path) -> None:
    assert decided(tmp_path, impure.as_it_should_be) == ""


def test_another_process_makes_the_same_rules(tmp_path: Path) -> None:
    rules = assembly.make_rules(read_settings(new_home(tmp_path / "home")))

    assert decided(tmp_path, partial(impure.by_its_rules, rules)) == ""


def test_another_process_is_given_elements_with_their_lines_and_what_was_raised(tmp_path: Path) -> None:
    element = etree.fromstring("<a>\n\n<b><c>x</c></b></a>")[0][0]

    assert decided(tmp_path, impure.by_an_element, element) == ""
    assert (
        decided(tmp_path, impure.as_it_should_be, Deferred("route", closes=Lane("route:r"), why="lost", marks={"number": "1"}))
        == ""
    )


@pytest.mark.parametrize(
    ("decide", "says"),
    [
        (impure.by_a_counter, "check decides otherwise the second time: .0.0.message.attempts: 1\n  is not 2"),
        (impure.by_the_process, "check decides otherwise in another process: .0.0.message.attempts"),
        (impure.by_the_clock, "a decision touched tongguan.gateway.system.clock.now_ms"),
        (impure.by_chance, "check decides otherwise the second time"),
    ],
)
def test_one_that_goes_by_anything_else_is_heard_of(tmp_path: Path, decide: Callable[..., loop.Chain], says: str) -> None:
    assert says in decided(tmp_path, decide)


def test_one_that_cannot_be_told_to_another_process_is_heard_of(tmp_path: Path) -> None:
    def inner(moment: Moment, message: object, answer: object, records: object) -> loop.Chain:
        return impure.as_it_should_be(moment, message, answer, records)

    assert "it cannot be told of it" in decided(tmp_path, inner)
