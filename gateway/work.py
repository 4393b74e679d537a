"""The work loop: claim, act, decide, finish.

A step is `act` (card or wire; may be absent) and `decide`, which is pure; only `decide` is ever run again. What a step
raises says what happens next; ten equal tracebacks close its lane.
"""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import Deferred, Held, Refused, StationBroken
from tongguan.gateway.kernel.journal import Claim, Finished, Journal
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.outcome import Chain, Outcome
from tongguan.gateway.kernel.records import Lane, Records

_TRIES = 5  #: of a decision whose ground moved
_MACHINE = (OSError, MemoryError)
EQUAL_TRACEBACKS = 10


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
        self.seen: Counter[str] = Counter()

    def add(self, step: str, error: BaseException) -> int:
        frames = traceback.extract_tb(error.__traceback__)
        place = "|".join(f"{f.filename}:{f.lineno}" for f in frames[-4:])
        key = hashlib.sha256(f"{step}{type(error)}{place}".encode()).hexdigest()
        self.seen[key] += 1
        return self.seen[key]


def attempt(step: Step, message: Message, answer: Any, records: Records) -> Outcome:
    """Decide one message, turning what the step raises into the outcome that it means.

    Raises StationBroken when journal, disk or machine failed; any other exception holds the message with its traceback.
    """
    try:
        if isinstance(answer, BaseException):
            raise answer
        return step.decide(message, answer, records)
    except Refused as refused:
        if step.refuse is not None:
            return step.refuse(message, refused, records)
        return end(message, State.REFUSED, step.name, faults=refused.faults)
    except Deferred as deferred:
        return defer(step, message, deferred)
    except Held as held:
        return hold(message, step.name, held)
    except StationBroken:
        raise
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        text = "".join(traceback.format_exception(bug))[-4000:]
        why = Held(f"{type(bug).__name__} in {step.name}", do=f"tongguan show {message.id}; tongguan retry {message.id}")
        outcome = hold(message, step.name, why)
        return replace(
            outcome, message=replace(outcome.message, extra={**(message.extra or {}), "traceback": text}), why=type(bug).__name__
        )


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
    """
    messages = list(claim.messages)
    if claim.crashes >= 3:
        outcome = hold(
            messages[0],
            step.name,
            Held("the gateway crashed three times with this message in hand", do=f"tongguan show {messages[0].id}"),
        )
        journal.finish([(outcome,)], token=claim.token)
        return [(outcome,)]
    try:
        answers: Sequence[Any] = step.act(messages) if step.act else [None] * len(messages)
    except StationBroken:
        journal.give_back(claim.token)
        raise
    to_close = {a.closes: a for a in answers if isinstance(a, Deferred) and a.closes}
    for name, deferred in to_close.items():
        if closed is not None:
            lane = closed(name)
            journal.close_lane(replace(lane, text=deferred.why or lane.text, reason=deferred.waiting_for))
    return decide(journal, step, list(zip(messages, answers, strict=True)), token=claim.token)


def decide(journal: Journal, step: Step, pairs: Sequence[tuple[Message, Any]], *, token: int | None) -> list[Chain]:
    """Decide each pair and write it; where something moved underneath, only `decide` runs again."""
    written: list[Chain] = []
    for _ in range(_TRIES):
        with journal.read() as records:
            fresh = records.messages(m.id for m, _ in pairs)
            records.documents(m.document_id for m, _ in pairs if m.document_id)
            chains: list[Chain] = []
            for message, answer in pairs:
                present = fresh.get(message.id)
                if present is None or present.state is not message.state:
                    continue
                outcome = attempt(step, message, answer, records)
                records.see(outcome)
                chains.append((outcome,))
        words = journal.finish(chains, token=token)
        token = None
        written += [c for c, word in zip(chains, words, strict=True) if word is Finished.WRITTEN]
        again = {c[0].message.id for c, word in zip(chains, words, strict=True) if word is Finished.CONFLICT}
        pairs = [pair for pair in pairs if pair[0].id in again]
        if not pairs:
            break
    return written
