"""The work loop: claim, act, decide, finish.

A step is `act` (card or wire; may be absent) and `decide`, which is pure; only `decide` is ever run again. What a step
raises says what happens next; ten equal tracebacks close its lane.
"""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.claims import Claim
from tongguan.gateway.kernel.errors import Deferred, Held, Refused, StationBroken
from tongguan.gateway.kernel.journal import Finished, Journal
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.outcome import Chain, Outcome
from tongguan.gateway.kernel.records import Records

_TRIES = 5  #: of a decision whose ground moved
_MACHINE = (OSError, MemoryError)
EQUAL_TRACEBACKS = 10
CRASHES = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One station's work. `act` gives an answer or an exception for each message, in order; without it the answer is None."""

    name: str
    decide: Callable[[Message, Any, Records], Outcome]
    act: Callable[[Sequence[Message]], Sequence[Any]] | None = None
    refuse: Callable[[Message, Refused, Records], Outcome] | None = None  #: how a refusal undoes what the message began
    wait: Callable[[Message, Deferred], int] | None = None  #: when to try again, milliseconds since the epoch


class Bugs:
    """Counts equal tracebacks, so that a bug in a step does not hold every message that passes."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def tenth(self, step: str, bug: BaseException) -> bool:
        """Note one more; True when it is the tenth of its kind, after which it is counted from the start."""
        frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(bug.__traceback__) if f.filename != __file__]
        place = "|".join(list(dict.fromkeys(frames))[-4:])  # each line once: one exception may be raised for many messages
        key = hashlib.sha256(f"{step}{type(bug)}{place}".encode()).hexdigest()
        self._seen[key] += 1
        if self._seen[key] < EQUAL_TRACEBACKS:
            return False
        del self._seen[key]
        return True


_bugs: WeakKeyDictionary[Journal, Bugs] = WeakKeyDictionary()  #: of each journal's run


def attempt(step: Step, message: Message, answer: Any, records: Records) -> Outcome:
    """Decide one message, turning what the step raises into the outcome that it means.

    Raises StationBroken when journal, disk or machine failed; any other exception holds the message with its traceback.
    """
    outcome, _ = _attempt(step, message, answer, records)
    return outcome


def _attempt(step: Step, message: Message, answer: Any, records: Records) -> tuple[Outcome, Exception | None]:
    """The outcome, and what was raised: a Deferred may close a lane, a bug is counted."""
    try:
        try:
            if isinstance(answer, BaseException):
                raise answer
            return step.decide(message, answer, records), None
        except Refused as refused:
            if step.refuse is not None:
                return step.refuse(message, refused, records), None
            return end(message, State.REFUSED, step.name, faults=refused.faults), None
        except Deferred as deferred:
            return defer(step, message, deferred), deferred
        except Held as held:
            return hold(message, step.name, held), None
    except StationBroken:
        raise
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        return _with_traceback(step, message, bug), bug


def _with_traceback(step: Step, message: Message, bug: Exception) -> Outcome:
    why = Held(f"{type(bug).__name__} in {step.name}", do=f"tongguan show {message.id}; tongguan retry {message.id}")
    outcome = hold(message, step.name, why)
    text = "".join(traceback.format_exception(bug))[-4000:]
    extra = {**(outcome.message.extra or {}), "traceback": text}
    return replace(outcome, message=replace(outcome.message, extra=extra), why=type(bug).__name__)


def end(message: Message, state: State, step: str, **changes: Any) -> Outcome:
    """The outcome of a message that moves to `state` and is nobody's work any more."""
    ended = replace(message, state=state, lane=None, due_at=None, waiting_for=None, updated_at=clock.now_ms(), **changes)
    return Outcome(ended, message.state, step)


def hold(message: Message, step: str, held: Held) -> Outcome:
    """A person must look; the state to go back to is kept."""
    now = clock.now_ms()
    kept = replace(
        message,
        state=State.HELD,
        lane=None,
        due_at=None,
        updated_at=now,
        waiting_for="person",
        hold_reason=held.reason,
        hold_since=now,
        hold_do=held.do,
        held_from=message.state if message.state is not State.HELD else message.held_from,
        extra={**(message.extra or {}), "lane": message.lane},
    )
    return Outcome(kept, message.state, step, why=held.reason)


def defer(step: Step, message: Message, deferred: Deferred) -> Outcome:
    """The same station, later; a message whose lane closes stays due and is found again when the lane opens."""
    now = clock.now_ms()
    if deferred.closes:
        due = now
    elif deferred.after is not None:
        due = now + round(deferred.after.total_seconds() * 1000)
    else:
        due = step.wait(message, deferred) if step.wait else now + 1000
    waiting = replace(
        message,
        due_at=due,
        updated_at=now,
        waiting_for=deferred.waiting_for,
        attempts=message.attempts + 1,
    )
    return Outcome(waiting, message.state, step.name, why=deferred.why)


def run(journal: Journal, step: Step, claim: Claim, *, closed: Callable[[str], Lane] | None = None) -> list[Chain]:
    """Do one claimed batch to its end; the chains that were written.

    `closed` makes the lane's row when a step says that a lane must not be tried for now.
    Raises StationBroken when journal, disk or machine failed: the messages stay as they were, and are given back.
    """
    messages = list(claim.messages)
    if claim.crashes >= CRASHES:
        why = Held("the gateway crashed three times with this message in hand", do=f"tongguan show {messages[0].id}")
        return conclude(journal, messages, lambda m, _records: (hold(m, step.name, why),), token=claim.token)
    shut = _Shut(journal, closed)
    try:
        answers = _act(step, messages)
        for answer in answers:
            if isinstance(answer, Deferred):
                shut.for_now(answer)
    except Exception:
        journal.give_back(claim.token)
        raise
    by_id = {m.id: answer for m, answer in zip(messages, answers, strict=True)}

    def decide(message: Message, records: Records) -> Chain:
        outcome, raised = _attempt(step, message, by_id[message.id], records)
        if isinstance(raised, Deferred):
            shut.for_now(raised)
        elif raised is not None and shut.by_bug(step, message, raised):
            return ()
        return (outcome,)

    return conclude(journal, messages, decide, token=claim.token)


def _act(step: Step, messages: Sequence[Message]) -> Sequence[Any]:
    """An answer for each message; a bug in `act` itself is everyone's answer: it is never run again to find the culprit."""
    if step.act is None:
        return [None] * len(messages)
    try:
        answers = step.act(messages)
        if len(answers) != len(messages):
            raise ValueError(f"{step.name} answered {len(answers)} of {len(messages)} messages")
    except StationBroken:
        raise
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        return [bug] * len(messages)
    return answers


class _Shut:
    """The lanes that one batch closes."""

    def __init__(self, journal: Journal, closed: Callable[[str], Lane] | None) -> None:
        self._journal = journal
        self._closed = closed
        self._names: set[str] = set()

    def for_now(self, deferred: Deferred) -> None:
        """Close the lane that must not be tried before a probe has opened it."""
        if deferred.closes and deferred.closes not in self._names and self._closed is not None:
            lane = self._closed(deferred.closes)
            self._close(replace(lane, text=deferred.why or lane.text, reason=deferred.waiting_for))

    def by_bug(self, step: Step, message: Message, bug: Exception) -> bool:
        """Count a bug; True when it has closed the message's lane until a person opens it: the message stays where it is."""
        name = message.lane or step.name
        if name not in self._names and _bugs.setdefault(self._journal, Bugs()).tenth(step.name, bug):
            text = f"{type(bug).__name__} in {step.name}, {EQUAL_TRACEBACKS} times: {bug}"[:400]
            self._close(Lane(name, "bug", text, clock.now_ms(), None, f"tongguan resume lane {name}"))
        return name in self._names

    def _close(self, lane: Lane) -> None:
        self._journal.close_lane(lane)
        self._names.add(lane.name)


def conclude(
    journal: Journal, messages: Sequence[Message], decide: Callable[[Message, Records], Chain], *, token: int | None
) -> list[Chain]:
    """Decide each message and write it; where something moved underneath, only `decide` runs again. The chains written.

    `decide` gives () for a message that stays as it is. A message that was moved, or sealed anew, meanwhile is left alone.
    """
    written: list[Chain] = []
    clashes: dict[str, Held] = {}

    def again(message: Message, records: Records) -> Chain:
        return (hold(message, "finish", clashes[message.id]),) if message.id in clashes else decide(message, records)

    try:
        for left in range(_TRIES, -1, -1):
            chains = _decided(journal, messages, again if left else _later)
            words = journal.finish_or_keep(chains, token=token) if left else journal.finish(chains, token=token)
            ended = list(zip(chains, words, strict=True))
            written += [chain for chain, word in ended if word is Finished.WRITTEN]
            clashes |= {chain[0].message.id: _clash(chain) for chain, word in ended if word is Finished.CLASH}
            open_ = {chain[0].message.id for chain, word in ended if word in (Finished.CONFLICT, Finished.CLASH)}
            messages = [m for m in messages if m.id in open_]
            if not messages:
                break
    except Exception:
        if token is not None:
            journal.give_back(token)
        raise
    return written


def _decided(journal: Journal, messages: Sequence[Message], decide: Callable[[Message, Records], Chain]) -> list[Chain]:
    chains: list[Chain] = []
    with journal.read() as records:
        unchanged = records.unchanged(messages)
        fresh = records.messages(m.id for m in messages if m.id not in unchanged)
        for message in messages:
            present = message if message.id in unchanged else fresh.get(message.id)
            if present is None or (present.state, present.seal_number) != (message.state, message.seal_number):
                continue
            chain = decide(present, records)
            for outcome in chain:
                records.see(outcome)
            if chain:
                chains.append(chain)
    return chains


def _clash(chain: Chain) -> Held:
    numbers = " ".join(number.value for outcome in chain for number in outcome.numbers)
    return Held(f"of the numbers {numbers} one is another document's", do=f"tongguan show {chain[0].message.id}")


def _later(message: Message, _records: Records) -> Chain:
    """After so many conflicts: once more in a while, so that other work is done first."""
    now = clock.now_ms()
    later = replace(message, due_at=now + 1000, updated_at=now, attempts=message.attempts + 1)
    return (Outcome(later, message.state, "again", why="what it relies on keeps changing"),)
