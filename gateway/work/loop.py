"""The work loop: claim, act, decide, finish.

A step is `act` (card or wire; may be absent) and `decide`, which is pure; only `decide` is ever run again. What a step
raises says what happens next; ten equal tracebacks within an hour close its lane.
"""

from __future__ import annotations

import hashlib
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tongguan.gateway.journal.claims import Claim
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.journal.reading.searches import Lane
from tongguan.gateway.model.errors import Deferred, Held, Refused, StationBroken
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Finished, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock

A = TypeVar("A")
deciding: Callable[[], AbstractContextManager[object]] = (
    nullcontext  #: around each decision; tests put a guard of its purity here
)
_TRIES = 5  #: of a decision whose ground moved
_MACHINE = (OSError, MemoryError)
#: the facts of a hold, gone
NOT_HELD: dict[str, Any] = {"hold_reason": None, "hold_since": None, "hold_do": None, "held_from": None}
EQUAL_TRACEBACKS = 10
BUGS_WINDOW = 3600.0  #: seconds: ten in a year are ten messages, ten in an hour are a step that does not work
CRASHES = 3
NEEDS = "needs"  #: fact of a held message: what was missing in the settings, if that was why


@dataclass(frozen=True, slots=True)
class Step:
    """One station's work. `act` gives an answer or an exception for each message, in order; without it the answer is None."""

    name: str
    decide: Callable[[Message, Any, Records], Outcome | Chain]  #: a chain: several moves in one hand
    act: Callable[[Sequence[Message]], Sequence[Any]] | None = None
    refuse: Callable[[Message, Refused, Records], Outcome] | None = None  #: how a refusal undoes what the message began
    wait: Callable[[Message, Deferred], int] | None = None  #: when to try again, milliseconds since the epoch
    shuts: bool = True  #: equal bugs one after the other close the lane


class Bugs:
    """Counts equal tracebacks of the last while, so that a bug in a step does not hold every message that passes."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def tenth(self, step: str, bug: BaseException) -> bool:
        """Note one more; True when it is the tenth of its kind within the window, after which it is counted from the start."""
        now = clock.monotonic()
        self._seen = {key: times for key, times in self._seen.items() if now - times[-1] < BUGS_WINDOW}
        frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(bug.__traceback__) if f.filename != __file__]
        place = "|".join(list(dict.fromkeys(frames))[-4:])  # each line once: one exception may be raised for many messages
        key = hashlib.sha256(f"{step}{type(bug)}{place}".encode()).hexdigest()
        times = self._seen.setdefault(key, deque(maxlen=EQUAL_TRACEBACKS))
        times.append(now)
        if len(times) < EQUAL_TRACEBACKS or now - times[0] >= BUGS_WINDOW:
            return False
        del self._seen[key]
        return True


_bugs: WeakKeyDictionary[Journal, Bugs] = WeakKeyDictionary()  #: of each journal's run


def each(messages: Sequence[Message], answer: Callable[[Message], A]) -> list[A | Exception]:
    """The answer for each message, in order; what is raised for one is the answer of that one alone."""
    answers: list[A | Exception] = []
    for message in messages:
        try:
            answers.append(answer(message))
        except Exception as error:
            answers.append(error)
    return answers


def parted(messages: Sequence[Message], answers: Sequence[A | Exception]) -> tuple[list[tuple[Message, A]], dict[str, Exception]]:
    """Of the answers of `each`: those to go on with, beside their messages; and what was raised, by message."""
    pairs = list(zip(messages, answers, strict=True))
    good = [(message, answer) for message, answer in pairs if not isinstance(answer, Exception)]
    return good, {message.id: answer for message, answer in pairs if isinstance(answer, Exception)}


def attempt(step: Step, message: Message, answer: Any, records: Records) -> Outcome:
    """Decide one message, turning what the step raises into the outcome that it means: the last one of its chain.

    Raises StationBroken when journal, disk or machine failed; any other exception holds the message with its traceback.
    """
    with deciding():
        chain, _ = _attempt(step, message, answer, records)
    return chain[-1]


def _attempt(step: Step, message: Message, answer: Any, records: Records) -> tuple[Chain, Exception | None]:
    """The outcomes, and what was raised: a Deferred may close a lane, a bug is counted."""
    decided, raised = _decide(step, message, answer, records)
    return decided if isinstance(decided, tuple) else (decided,), raised


def _decide(step: Step, message: Message, answer: Any, records: Records) -> tuple[Outcome | Chain, Exception | None]:
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
    except Held as held:  # the way out of a refusal may need what is not there
        return hold(message, step.name, held), None
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        return _with_traceback(step.name, message, bug), bug


def _with_traceback(step: str, message: Message, bug: Exception) -> Outcome:
    name, do = type(bug).__name__, f"tongguan show {message.id}; tongguan retry {message.id}"
    why = Held(f"程序错误：{step} 中的 {name}", f"{name} in {step}", do=do)
    outcome = hold(message, step, why)
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
        hold_reason=held.both,
        hold_since=now,
        hold_do=held.do,
        held_from=message.state if message.state is not State.HELD else message.held_from,
        extra={**(message.extra or {}), "lane": message.lane, **({NEEDS: held.needs} if held.needs else {})},
    )
    return Outcome(kept, message.state, step, why=held.both)


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


def run(
    journal: Journal,
    step: Step,
    claim: Claim,
    *,
    closed: Callable[[str], Lane] | None = None,
    clashed: Callable[[Message, Held], Outcome] | None = None,
) -> list[Chain]:
    """Do one claimed batch to its end; the chains that were written.

    `closed` makes the lane's row when a step says that a lane must not be tried for now. Raises StationBroken when journal, disk
    or machine failed: the messages stay as they were, and are given back; where it failed for some, the others go on before.
    """
    messages = list(claim.messages)
    if claim.crashes >= CRASHES:
        first = messages[0].id
        do = f"tongguan show {first}; tongguan retry {first}; tongguan give-up {first}"
        why = Held("处理此报文时网关三次崩溃", "the gateway crashed three times with this message in hand", do=do)
        return conclude(journal, messages, lambda m, _records: (hold(m, step.name, why),), token=claim.token)
    shut = _Shut(journal, closed)
    try:
        answers = _act(step, messages)
        for answer in answers:
            if isinstance(answer, Deferred):
                shut.for_now(answer)
        shut.write()
    except Exception:
        journal.give_back(claim.token)
        raise
    by_id = {m.id: answer for m, answer in zip(messages, answers, strict=True)}
    broken = {id_: answer for id_, answer in by_id.items() if isinstance(answer, (StationBroken, *_MACHINE))}

    def decide(message: Message, records: Records) -> Chain:
        if message.id in broken:
            return ()
        chain, raised = _attempt(step, message, by_id[message.id], records)
        if isinstance(raised, Deferred):
            shut.for_now(raised)
        elif raised is not None and step.shuts and shut.by_bug(step, message, raised):
            return ()
        return chain

    try:
        written = conclude(journal, messages, decide, token=claim.token, step=step.name, clashed=clashed)
    finally:
        shut.write()
    for machine in broken.values():
        raise StationBroken(f"{step.name}: {machine}") from machine
    return written


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
    """The lanes that one batch closes: noted while it is decided, written apart from that."""

    def __init__(self, journal: Journal, closed: Callable[[str], Lane] | None) -> None:
        self._journal = journal
        self._closed = closed
        self._names: set[str] = set()
        self._unwritten: list[Lane] = []

    def for_now(self, deferred: Deferred) -> None:
        """Close the lane that must not be tried before a probe has opened it."""
        if deferred.closes and deferred.closes not in self._names and self._closed is not None:
            lane = self._closed(deferred.closes)
            probe = None if deferred.by_person else lane.probe_at
            text, do = deferred.why or lane.text, deferred.do or lane.do
            self._close(replace(lane, text=text, reason=deferred.waiting_for, do=do, probe_at=probe))

    def by_bug(self, step: Step, message: Message, bug: Exception) -> bool:
        """Count a bug; True when it has closed the message's lane until a person opens it: the message stays where it is."""
        name = message.lane or step.name
        if name not in self._names and _bugs.setdefault(self._journal, Bugs()).tenth(step.name, bug):
            text = f"{type(bug).__name__} in {step.name}, {EQUAL_TRACEBACKS} times: {bug}"[:400]
            self._close(Lane(name, "bug", text, clock.now_ms(), None, f"tongguan resume lane {name}"))
        return name in self._names

    def _close(self, lane: Lane) -> None:
        self._unwritten.append(lane)
        self._names.add(lane.name)

    def write(self) -> None:
        """Close what was noted."""
        while self._unwritten:
            self._journal.close_lane(self._unwritten.pop())


def conclude(
    journal: Journal,
    messages: Sequence[Message],
    decide: Callable[[Message, Records], Chain],
    *,
    token: int | None,
    step: str = "finish",
    clashed: Callable[[Message, Held], Outcome] | None = None,
) -> list[Chain]:
    """Decide each message and write it; where something moved underneath, only `decide` runs again. The chains written.

    `decide` gives () for a message that stays as it is; `clashed` ends one whose numbers are another document's. A message
    whose rows cannot be written is held with the traceback. One that was moved, or sealed anew, meanwhile is left alone.
    """
    written: list[Chain] = []
    clashes: dict[str, Held] = {}
    bugs: dict[str, Exception] = {}

    def again(message: Message, records: Records) -> Chain:
        if message.id in bugs:
            return (_with_traceback(step, message, bugs[message.id]),)
        if message.id in clashes:
            return (clashed(message, clashes[message.id]) if clashed else hold(message, "finish", clashes[message.id]),)
        return decide(message, records)

    try:
        for left in range(_TRIES, -1, -1):
            chains = _decided(journal, messages, again if left else _later)
            words = journal.finish_or_keep(chains, token=token) if left else journal.finish(chains, token=token)
            ended = list(zip(chains, words, strict=True))
            written += [chain for chain, word in ended if word is Finished.WRITTEN]
            clashes |= {chain[0].message.id: _clash(chain) for chain, word in ended if word is Finished.CLASH}
            bugs |= {chain[0].message.id: word for chain, word in ended if isinstance(word, Exception)}
            open_ = {chain[0].message.id for chain, word in ended if word not in (Finished.WRITTEN, Finished.LOST)}
            messages = [m for m in messages if m.id in open_]
            if not messages:
                break
        else:
            for word in words:
                if isinstance(word, Exception):
                    raise word
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
            with deciding():
                chain = decide(present, records)
            for outcome in chain:
                records.see(outcome)
            if chain:
                chains.append(chain)
    return chains


def _clash(chain: Chain) -> Held:
    numbers = " ".join(number.value for outcome in chain for number in outcome.numbers)
    zh, en = f"编号 {numbers} 中有一个属于另一单证", f"of the numbers {numbers} one is another document's"
    return Held(zh, en, do=f"tongguan show {chain[0].message.id}; tongguan give-up {chain[0].message.id}")


def _later(message: Message, _records: Records) -> Chain:
    """After so many conflicts: once more in a while, so that other work is done first."""
    now = clock.now_ms()
    later = replace(message, due_at=now + 1000, updated_at=now, attempts=message.attempts + 1)
    return (Outcome(later, message.state, "again", why="what it relies on keeps changing"),)
