"""The work loop: what a step raises says what happens next, and only what it decides is ever done twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from journals import moment

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Deferred, Fault, Held, Refused, StationBroken
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Number, Outcome
from tongguan.gateway.system import clock
from tongguan.gateway.work import loop as work_loop
from tongguan.gateway.work.loop import BUGS_WINDOW, EQUAL_TRACEBACKS, Bugs, Step, each, run
from tongguan.gateway.work.moment import Moment


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open("sqlite:///tongguan.db", tmp_path)
    yield opened
    opened.close()


def came(journal: Journal, *ids: str, **more: Any) -> None:
    now = clock.now_ms()
    given: dict[str, Any] = {"state": State.RECEIVED, "lane": Lane("read"), "due_at": now - 1, **more}
    messages = [
        Message(
            id=i, kind=Kind.SUBMISSION, account="demo", type="T", operation="declare", received_at=now, updated_at=now, **given
        )
        for i in ids
    ]
    words = journal.finish([(Outcome(m, None, "read"),) for m in messages])
    assert {word.value for word in words} <= {"written"}


def check(message: Message, answer: Any, records: Snapshot) -> Outcome:
    return Outcome(replace(message, state=State.CHECKED, lane=Lane("card:c")), message.state, "check")


def step(
    name: str, decide: Callable[..., Outcome], act: Callable[[Sequence[Message]], Sequence[Any]] | None = None, **more: Any
) -> Step:
    """A step that decides one move for each message."""
    acts = (lambda claim: act(claim.messages)) if act is not None else None
    return Step(name, lambda moment, message, answer, records: (decide(message, answer, records),), act=acts, **more)


def raising(error: BaseException) -> Callable[[Message, Any, Snapshot], Outcome]:
    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        raise error

    return decide


def shut(name: str) -> ClosedLane:
    return ClosedLane(Lane(name), "card", "", 1, 2, "do")


def work(journal: Journal, step: Step, **more: Any) -> None:
    claim = journal.claim(step.name, ["read"], limit=99)
    assert claim
    run(journal, step, claim, moment=lambda: moment(journal), **more)


def stored(journal: Journal, id_: str = "m") -> Message:
    with journal.read() as records:
        message = records.message(id_)
    assert message is not None
    return message


def free(journal: Journal) -> tuple[str, ...]:
    """What could be claimed right now."""
    claim = journal.claim("looker", ["read"], limit=99)
    if claim is None:
        return ()
    assert not claim.suspects
    journal.give_back(claim.token)
    return claim.keys


def test_a_decision_is_written_and_its_message_free_for_the_next_station(journal: Journal) -> None:
    came(journal, "a", "b")
    work(journal, step("check", check))
    claim = journal.claim("seal", ["card:c"], limit=9)

    assert claim and claim.keys == ("a", "b")


def test_a_batch_of_which_nothing_was_overtaken_is_two_commits_its_claim_and_its_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    came(journal, "a", "b")
    commits: list[object] = []
    submit = journal._writer.submit
    monkeypatch.setattr(journal._writer, "submit", lambda work, **how: commits.append(work) or submit(work, **how))
    work(journal, step("check", check, overtaken=lambda *_: None))

    assert len(commits) == 2


def test_refused_ends_the_message_with_every_fault(journal: Journal) -> None:
    faults = (Fault("X1", "一", "one"), Fault("X2", "二", "two", "/a", 3))
    came(journal, "m")
    work(journal, step("check", raising(Refused(faults))))

    assert (stored(journal).state, stored(journal).faults, stored(journal).due_at) == (State.REFUSED, faults, None)


def test_a_step_may_say_how_a_refusal_undoes_what_the_message_began(journal: Journal) -> None:
    def refuse(moment: Moment, message: Message, refused: Refused, records: Snapshot) -> Outcome:
        return Outcome(replace(message, state=State.REFUSED, lane=None, due_at=None, number="undone"), message.state, "check")

    came(journal, "m")
    work(journal, step("check", raising(Refused([])), refuse=refuse))

    assert stored(journal).number == "undone"


def test_deferred_leaves_the_message_where_it_is_until_later(journal: Journal) -> None:
    came(journal, "m")
    work(journal, step("check", raising(Deferred("route", after=timedelta(hours=1)))))
    message = stored(journal)

    assert (message.state, message.waiting_for, message.attempts, message.lane) == (State.RECEIVED, "route", 1, "read")
    assert message.due_at is not None and message.due_at > clock.now_ms() + 3_000_000
    assert free(journal) == ()


def test_deferred_without_a_time_waits_as_the_step_says(journal: Journal) -> None:
    came(journal, "m")
    work(journal, step("check", raising(Deferred("route")), wait=lambda message, now: 1 << 50))

    assert stored(journal).due_at == 1 << 50


@pytest.mark.parametrize("where", ["act", "decide"])
def test_deferred_may_close_its_lane(journal: Journal, where: str) -> None:
    trouble = Deferred("pin", closes="read", why="wrong PIN")
    doing = step("seal", check, act=lambda messages: [trouble for _ in messages])
    if where == "decide":
        doing = step("seal", raising(trouble))
    came(journal, "a", "b")
    work(journal, doing, closed=shut)

    assert journal.lanes["read"] == replace(shut("read"), text="wrong PIN", reason="pin")
    assert free(journal) == ()
    journal.open_lane(Lane("read"))
    assert free(journal) == ("a", "b")


def test_held_waits_for_a_person_and_remembers_where_it_was(journal: Journal) -> None:
    came(journal, "m", state=State.SEALED)
    work(journal, step("send", raising(Held("问不到", "cannot be asked", do="tongguan retry m"))))
    message = stored(journal)

    assert (message.state, message.held_from, message.hold_reason) == (State.HELD, "sealed", "问不到\ncannot be asked")
    assert message.hold_do == "tongguan retry m" and message.held_lane == "read" and message.due_at is None


def test_a_bug_holds_its_message_with_the_traceback_and_no_other(journal: Journal) -> None:
    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        if message.id == "m":
            raise KeyError("missing piece")
        return check(message, answer, records)

    came(journal, "l", "m", "n")
    work(journal, step("check", decide))
    message = stored(journal)

    assert message.state is State.HELD
    assert message.extra and "missing piece" in message.extra["traceback"] and "test_work.py" in message.extra["traceback"]
    assert [stored(journal, i).state for i in "ln"] == [State.CHECKED, State.CHECKED]


def test_a_traceback_shows_no_values(journal: Journal) -> None:
    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        pin = "1" * 3 + "771"
        raise ZeroDivisionError(len(pin))

    came(journal, "m")
    work(journal, step("check", decide))
    message = stored(journal)

    assert message.extra and "ZeroDivisionError" in message.extra["traceback"]
    assert "111771" not in str(message)


def test_a_bug_in_undoing_a_refusal_holds_too(journal: Journal) -> None:
    def refuse(moment: Moment, message: Message, refused: Refused, records: Snapshot) -> Outcome:
        raise ZeroDivisionError

    came(journal, "m")
    work(journal, step("check", raising(Refused([])), refuse=refuse))

    assert stored(journal).state is State.HELD


def test_a_bug_in_act_holds_what_it_had_in_hand_and_is_not_run_again(journal: Journal) -> None:
    calls = []

    def act(messages: Sequence[Message]) -> Sequence[Any]:
        calls.append(len(messages))
        raise KeyError

    came(journal, "a", "b")
    work(journal, step("send", check, act=act))

    assert calls == [2]
    assert [stored(journal, i).state for i in "ab"] == [State.HELD, State.HELD]


def test_an_answer_too_few_is_a_bug(journal: Journal) -> None:
    came(journal, "a", "b")
    work(journal, step("send", check, act=lambda messages: [None]))

    assert [stored(journal, i).state for i in "ab"] == [State.HELD, State.HELD]


@pytest.mark.parametrize("error", [OSError("disk"), MemoryError(), StationBroken("journal")], ids=repr)
@pytest.mark.parametrize("where", ["act", "answer", "decide"])
def test_an_error_of_the_machine_stops_the_station_and_leaves_the_messages(
    journal: Journal, error: Exception, where: str
) -> None:
    def act(messages: Sequence[Message]) -> Sequence[Any]:
        if where == "act":
            raise error
        return [error if where == "answer" else None for _ in messages]

    came(journal, "a", "b")
    before = stored(journal, "a"), stored(journal, "b")
    with pytest.raises(StationBroken):
        work(journal, step("send", raising(error) if where == "decide" else check, act=act))

    assert (stored(journal, "a"), stored(journal, "b")) == before
    assert free(journal) == ("a", "b"), "they are in nobody's hand"


def document(version: int) -> Document:
    return Document("d", "demo", "T", "d", "p", version, "draft", 1, 1)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decisions play what another thread writes meanwhile."""
    monkeypatch.setattr(work_loop, "deciding", contextlib.nullcontext)


def disturb(journal: Journal, version: int) -> None:
    """Somebody else changes the document."""
    came(journal, f"x{version}", lane=None, due_at=None)
    moved = stored(journal, f"x{version}")
    words = journal.finish([(Outcome(moved, moved.state, "save", documents=(document(version),)),)])
    assert words[0].value == "written"


@pytest.mark.usefixtures("unguarded")
def test_when_something_moved_underneath_only_the_decision_is_made_again(journal: Journal) -> None:
    calls: list[str] = []

    def act(messages: Sequence[Message]) -> Sequence[Any]:
        calls.append("act")
        disturb(journal, 1)
        return ["signature" for _ in messages]

    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        calls.append(f"decide {answer}")
        known = records.document("d")
        if len(calls) < 4:
            disturb(journal, (known.version if known else 0) + 1)
        version = known.version if known else 0
        return Outcome(replace(message, state=State.SEALED), message.state, "seal", relied_on={"d": version})

    came(journal, "m")
    work(journal, step("seal", decide, act=act))

    assert calls == ["act", "decide signature", "decide signature", "decide signature"]
    assert stored(journal).state is State.SEALED


@pytest.mark.usefixtures("unguarded")
def test_a_message_in_conflict_stays_in_hand_until_it_is_decided(journal: Journal) -> None:
    seen = []

    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        seen.append(journal.claim("other", ["read"], limit=1))
        known = records.document("d")
        if known is None:
            disturb(journal, 1)
        return Outcome(
            replace(message, state=State.SEALED), message.state, "seal", relied_on={"d": known.version if known else 0}
        )

    came(journal, "m")
    work(journal, step("seal", decide))

    assert seen == [None, None]


@pytest.mark.usefixtures("unguarded")
def test_what_never_comes_to_rest_is_tried_again_later(journal: Journal) -> None:
    version = 0

    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        nonlocal version
        version += 1
        disturb(journal, version)
        return Outcome(replace(message, state=State.SEALED), message.state, "seal", relied_on={"d": version - 1})

    came(journal, "m")
    work(journal, step("seal", decide))
    message = stored(journal)

    assert (message.state, message.attempts) == (State.RECEIVED, 1)
    assert message.due_at is not None and message.due_at > clock.now_ms()
    assert free(journal) == ()


def test_a_message_that_a_person_moved_meanwhile_is_left_alone(journal: Journal) -> None:
    def act(messages: Sequence[Message]) -> Sequence[Any]:
        moved = replace(stored(journal), state=State.STOPPED, lane=None, due_at=None)
        journal.finish([(Outcome(moved, State.RECEIVED, "stop"),)])
        return [None for _ in messages]

    came(journal, "m", "n")
    work(journal, step("check", check, act=act))

    assert stored(journal).state is State.STOPPED
    assert stored(journal, "n").state is State.CHECKED


def test_what_others_changed_in_the_row_meanwhile_is_kept(journal: Journal) -> None:
    def act(messages: Sequence[Message]) -> Sequence[Any]:
        journal.finish([(Outcome(replace(stored(journal), deadline_at=77, updated_at=78), State.RECEIVED, "deadline"),)])
        return [None for _ in messages]

    came(journal, "m")
    work(journal, step("check", check, act=act))

    assert (stored(journal).state, stored(journal).deadline_at) == (State.CHECKED, 77)


def test_a_number_that_is_another_documents_holds_the_message_and_names_it(journal: Journal) -> None:
    came(journal, "first", lane=None)
    journal.finish(
        [(Outcome(stored(journal, "first"), State.RECEIVED, "x", numbers=(Number("a", "k", "26AA1", "d1", "demo"),)),)]
    )

    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        numbers = (Number("a", "k", "26AA1", "d2", "demo"),)
        return Outcome(replace(message, state=State.SETTLED, lane=None, due_at=None), message.state, "settle", numbers=numbers)

    came(journal, "m")
    work(journal, step("settle", decide))

    assert stored(journal).state is State.HELD
    assert "26AA1" in (stored(journal).hold_reason or "")


def test_the_third_crash_holds_the_message(tmp_path: Path) -> None:
    living = Journal.open("sqlite:///tongguan.db", tmp_path)
    came(living, "m")
    for _ in range(3):
        assert living.claim("s", ["read"], limit=1)
        living = Journal.open("sqlite:///tongguan.db", tmp_path)
    work(living, step("check", check))

    assert stored(living).state is State.HELD
    assert "three times" in (stored(living).hold_reason or "")
    living.close()


def test_equal_tracebacks_are_counted_within_a_window_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bugs in a year are ten messages for a person; ten in an hour are a step that does not work."""
    now, bug = 0.0, ZeroDivisionError()
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    bugs, seldom, often = Bugs(), [], []
    for _ in range(100):
        now += BUGS_WINDOW / (EQUAL_TRACEBACKS - 1)
        seldom.append(bugs.tenth("step", bug))
    now += BUGS_WINDOW
    for _ in range(EQUAL_TRACEBACKS):
        now += BUGS_WINDOW / EQUAL_TRACEBACKS
        often.append(bugs.tenth("step", bug))

    assert not any(seldom)
    assert often == [False] * (EQUAL_TRACEBACKS - 1) + [True]


def test_the_tenth_equal_traceback_closes_the_lane_and_leaves_the_messages(journal: Journal) -> None:
    ids = [f"m{n:02}" for n in range(EQUAL_TRACEBACKS + 5)]
    came(journal, *ids)
    work(journal, step("check", raising(ZeroDivisionError())))
    states = [stored(journal, i).state for i in ids]

    assert states == [State.HELD] * (EQUAL_TRACEBACKS - 1) + [State.RECEIVED] * 6
    assert journal.lanes["read"].probe_at is None, "only a person opens it"
    assert "ZeroDivisionError" in journal.lanes["read"].text and journal.lanes["read"].do
    assert free(journal) == ()
    journal.open_lane(Lane("read"))
    assert free(journal) == tuple(ids[EQUAL_TRACEBACKS - 1 :])


def test_equal_tracebacks_are_counted_from_batch_to_batch(journal: Journal) -> None:
    for n in range(EQUAL_TRACEBACKS):
        assert "read" not in journal.lanes
        came(journal, f"m{n}")
        work(journal, step("check", raising(ZeroDivisionError())))

    assert "read" in journal.lanes


def test_a_lane_closed_by_a_bug_stays_closed_across_restarts(tmp_path: Path) -> None:
    first = Journal.open("sqlite:///tongguan.db", tmp_path)
    came(first, *(f"m{n}" for n in range(EQUAL_TRACEBACKS)))
    work(first, step("check", raising(ZeroDivisionError())))
    first.close()
    second = Journal.open("sqlite:///tongguan.db", tmp_path)

    assert "read" in second.lanes and free(second) == ()
    second.close()


def test_different_bugs_close_nothing(journal: Journal) -> None:
    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        if int(message.id) % 2:
            raise ZeroDivisionError
        raise KeyError

    came(journal, *(str(n) for n in range(EQUAL_TRACEBACKS)))
    work(journal, step("check", decide))

    assert journal.lanes == {}


@pytest.mark.parametrize("extra", [{"n": 2**70}, {"n": object()}, {"n": "\udc80"}])
def test_a_message_whose_rows_cannot_be_written_is_held_and_its_batch_is_written(journal: Journal, extra: dict[str, Any]) -> None:
    came(journal, "a", "culprit", "z")

    def decide(message: Message, answer: Any, records: Snapshot) -> Outcome:
        outcome = check(message, answer, records)
        return replace(outcome, message=replace(outcome.message, extra=extra)) if message.id == "culprit" else outcome

    work(journal, step("check", decide))

    assert [stored(journal, id_).state for id_ in ("a", "culprit", "z")] == [State.CHECKED, State.HELD, State.CHECKED]
    assert "Traceback" in (stored(journal, "culprit").extra or {})["traceback"]
    assert journal.verify().broken is None


def test_an_answer_that_is_the_machines_failure_stops_the_station_after_the_others_went_on(journal: Journal) -> None:
    came(journal, "a", "b")

    def act(messages: Sequence[Message]) -> list[Any]:
        return [OSError("no such card"), None]

    with pytest.raises(StationBroken, match="no such card"):
        work(journal, step("check", check, act=act))

    assert [stored(journal, id_).state for id_ in ("a", "b")] == [State.RECEIVED, State.CHECKED]
    assert free(journal) == ("a",)


def test_each_turns_what_is_raised_for_one_into_its_own_answer(journal: Journal) -> None:
    came(journal, "a", "b")
    claim = journal.claim("check", ["read"], limit=9)
    assert claim
    answers = each(claim.messages, lambda message: 1 / (message.id != "a"))

    assert isinstance(answers[0], ZeroDivisionError) and answers[1] == 1
