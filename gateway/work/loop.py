"""The work loop: claim, act, decide, finish.

A step is `act` (card or wire; may be absent) and `decide`, which is pure; only `decide` is ever run again, with a new moment. What a step
raises says what happens next; ten equal tracebacks within an hour close its lane.
"""

from __future__ import annotations

import hashlib
import re
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tongguan.gateway.journal.port import Claim, WorkJournal
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Deferred, Held, Refused, StationBroken
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Finished, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.moment import Moment

A = TypeVar("A")
deciding: Callable[[], AbstractContextManager[object]] = (
    nullcontext  #: around each decision; tests put a guard of its purity here
)
_TRIES = 5  #: of a decision whose ground moved
_MACHINE = (OSError, MemoryError)
_BROKEN = (StationBroken, *_MACHINE)
#: the facts of a hold, gone
NOT_HELD: dict[str, Any] = dict.fromkeys(("hold_reason", "hold_since", "hold_do", "held_from", "held_lane", "needs"))
EQUAL_TRACEBACKS = 10
BUGS_WINDOW = 3600.0  #: seconds: ten in a year are ten messages, ten in an hour are a step that does not work
CRASHES = 3


def _as_decided(outcome: Outcome) -> Outcome:
    """Most steps have nothing to add."""
    return outcome


@dataclass(frozen=True, slots=True)
class Step:
    """One station's work. `act` gives an answer or an exception for each message, in order; without it the answer is None.

    A message may be new (its `sequence` is 0): a file in hand. Then its first outcome makes it, whatever came of it.

    All but `act` and `prepare` is pure: functions of modules, bound to the rules that they go by, so that the same are found in another
    process. What they are given of the world is the moment.
    """

    name: str
    decide: Callable[[Moment, Message, Any, Snapshot], Chain]  #: consecutive moves in one hand; (): it stays as it is
    act: Callable[[Claim], Sequence[Any]] | None = None
    prepare: Callable[[Sequence[Any], Snapshot], None] | None = None  #: reads in bulk what deciding these answers will ask for
    refuse: Callable[[Moment, Message, Refused, Snapshot], Outcome] | None = None  #: how a refusal undoes what the message began
    wait: Callable[[Message, int], int] | None = None  #: when to try again, from now; milliseconds since the epoch
    respond: Callable[[Outcome], Outcome] = _as_decided  #: adds what the sender is told of a move
    #: ends one whose numbers are another document's; held without it
    clashed: Callable[[Moment, Message, Held], Outcome] | None = None
    #: ends one that it failed with, or `Crashed`; held without it
    failed: Callable[[Moment, Message, Exception], Outcome] | None = None
    #: what is kept of an answer whose message moved meanwhile
    overtaken: Callable[[Moment, Message, Any], Outcome | None] | None = None
    shuts: bool = True  #: equal bugs one after the other close the lane
    onward: tuple[Onward, ...] = ()


@dataclass(frozen=True, slots=True)
class Onward:
    """A station that messages go through in the hand that they are in. Where it cannot act on one, that one waits for it as usual."""

    step: Step
    takes: Callable[[Moment, Message, Snapshot], bool]
    act: Callable[[Sequence[Message], Snapshot], Sequence[Any]]  #: quick; an answer or an exception for each
    together: bool = False  #: acts on all of the hand at once, after the stations that take one by one


class Crashed(Exception):
    """The answer for a message in whose lone hand the gateway crashed three times: nothing was done with it."""


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


_bugs: WeakKeyDictionary[WorkJournal, Bugs] = WeakKeyDictionary()  #: of each journal's run


def lane_of(claim: Claim) -> Lane:
    """Where its messages wait: a card's, a route's or an authority's station has one lane."""
    lane = claim.messages[0].lane
    assert lane is not None
    return lane


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


def _attempt(step: Step, moment: Moment, message: Message, answer: Any, records: Snapshot) -> tuple[Chain, Exception | None]:
    """The outcomes, and what was raised: a Deferred may close a lane, a bug is counted.

    Raises StationBroken when journal, disk or machine failed; any other exception holds the message with its traceback.
    """
    with deciding():
        return _decide(step, moment, message, answer, records)


def _decide(step: Step, moment: Moment, message: Message, answer: Any, records: Snapshot) -> tuple[Chain, Exception | None]:
    try:
        try:
            if isinstance(answer, BaseException):
                raise answer
            return tuple(step.respond(outcome) for outcome in step.decide(moment, message, answer, records)), None
        except Refused as refused:
            if step.refuse is not None:
                return (step.respond(step.refuse(moment, message, refused, records)),), None
            return (step.respond(end(message, State.REFUSED, step.name, moment.now, faults=refused.faults)),), None
        except Deferred as deferred:
            return (defer(step, message, deferred, moment.now),), deferred
    except StationBroken:
        raise
    except (Held, Crashed) as failed:  # a Held also where the way out of a refusal needs what is not there
        return (_failed(step, moment, message, failed),), None
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        return (_failed(step, moment, message, bug),), bug


def _failed(step: Step, moment: Moment, message: Message, why: Exception) -> Outcome:
    """The end, for now, of a message that its step failed with: held, unless the step knows better."""
    return step.respond(step.failed(moment, message, why) if step.failed is not None else _held(step, message, why, moment.now))


def _held(step: Step, message: Message, why: Exception, now: int) -> Outcome:
    do = f"tongguan show {message.id}; tongguan retry {message.id}"
    if isinstance(why, Held):
        return hold(message, step.name, why, now)
    if isinstance(why, Crashed):
        zh, en = "处理此报文时网关三次崩溃", "the gateway crashed three times with this message in hand"
        return hold(message, step.name, Held(zh, en, do=f"{do}; tongguan give-up {message.id}"), now)
    name = type(why).__name__
    outcome = hold(message, step.name, Held(f"程序错误：{step.name} 中的 {name}", f"{name} in {step.name}", do=do), now)
    text = "".join(traceback.format_exception(why))[-4000:]
    extra = {**(outcome.message.extra or {}), "traceback": text}
    return replace(outcome, message=replace(outcome.message, extra=extra), why=name)


def end(message: Message, state: State, step: str, now: int, **changes: Any) -> Outcome:
    """The outcome of a message that moves to `state` and is nobody's work any more."""
    ended = replace(message, state=state, lane=None, due_at=None, waiting_for=None, waits_on=None, updated_at=now, **changes)
    return Outcome(ended, message.state, step)


def hold(message: Message, step: str, held: Held, now: int) -> Outcome:
    """A person must look; the state to go back to is kept."""
    kept = replace(
        message,
        state=State.HELD,
        lane=None,
        due_at=None,
        updated_at=now,
        waiting_for="person",
        hold_reason=held.both,
        hold_since=now,
        hold_do=re.sub(r"\bID\b", message.id, held.do),
        held_from=message.state if message.state is not State.HELD else message.held_from,
        held_lane=message.lane if message.state is not State.HELD else message.held_lane,
        needs=held.needs or None,
    )
    return Outcome(kept, message.state, step, why=held.both)


def defer(step: Step, message: Message, deferred: Deferred, now: int) -> Outcome:
    """The same station, later; a message whose lane closes stays due and is found again when the lane opens."""
    if deferred.closes:
        due = now
    elif deferred.after is not None:
        due = now + round(deferred.after.total_seconds() * 1000)
    else:
        due = step.wait(message, now) if step.wait else now + 1000
    waiting = replace(
        message,
        due_at=due,
        updated_at=now,
        waiting_for=deferred.waiting_for,
        attempts=message.attempts + 1,
        **deferred.marks,
    )
    return Outcome(waiting, message.state, step.name, why=deferred.why)


def run(
    journal: WorkJournal,
    step: Step,
    claim: Claim,
    *,
    moment: Callable[[], Moment],
    closed: Callable[[Lane], ClosedLane] | None = None,
    wrote: Callable[[Chain], None] | None = None,
) -> list[Chain]:
    """Do one claimed batch to its end; the chains that were written, of which `wrote` hears at once.

    `moment` tells what decisions may know of now, once each time that the batch is decided. `closed` makes the lane's row when a step
    says that a lane must not be tried for now. Raises StationBroken when journal, disk or machine failed: the messages stay as they
    were, and are given back; where it failed for some, the others go on before.
    """
    shut = _Shut(journal, closed)
    try:
        answers = [Crashed()] if claim.crashes >= CRASHES else _act(step, claim)
        for answer in answers:
            if isinstance(answer, Deferred):
                shut.for_now(answer)
        shut.write()
    except Exception:
        journal.give_back(claim.token)
        raise
    try:
        written = _Batch(journal, step, claim, answers, shut, moment).conclude(wrote)
    finally:
        shut.write()
    for answer in answers:
        if isinstance(answer, _BROKEN):
            raise StationBroken(f"{step.name}: {answer}") from answer
    return written


def prepared(journal: WorkJournal, step: Step, claim: Claim, *, moment: Callable[[], Moment]) -> list[Chain]:
    """What `run` would write of a batch, for another process to write: nothing is written here, and no lane closed.

    It ends before the first message to which anything out of the ordinary happens (a bug, a wait, a hold): that one, and those after
    it, are left to `run`. Raises StationBroken when journal, disk or machine failed.
    """
    return _Preparation(journal, step, claim, _act(step, claim), moment).chains()


def _act(step: Step, claim: Claim) -> Sequence[Any]:
    """An answer for each message; a bug in `act` itself is everyone's answer: it is never run again to find the culprit."""
    if step.act is None:
        return [None] * len(claim.messages)
    try:
        answers = step.act(claim)
        if len(answers) != len(claim.messages):
            raise ValueError(f"{step.name} answered {len(answers)} of {len(claim.messages)} messages")
    except StationBroken:
        raise
    except _MACHINE as broken:
        raise StationBroken(f"{step.name}: {broken}") from broken
    except Exception as bug:
        return [bug] * len(claim.messages)
    return answers


class _Shut:
    """The lanes that one batch closes: noted while it is decided, written apart from that."""

    def __init__(self, journal: WorkJournal, closed: Callable[[Lane], ClosedLane] | None) -> None:
        self._journal = journal
        self._closed = closed
        self._names: set[str] = set()
        self._unwritten: list[ClosedLane] = []

    def for_now(self, deferred: Deferred) -> None:
        """Close the lane that must not be tried before a probe has opened it."""
        if deferred.closes and deferred.closes not in self._names and self._closed is not None:
            lane = self._closed(deferred.closes)
            probe = None if deferred.by_person else lane.probe_at
            text, do = deferred.why or lane.text, deferred.do or lane.do
            self._close(replace(lane, text=text, reason=deferred.waiting_for, do=do, probe_at=probe))

    def by_bug(self, step: Step, message: Message, bug: Exception) -> bool:
        """Count a bug; True when it has closed the message's lane until a person opens it: the message stays where it is."""
        name = message.lane or Lane(step.name)
        if name not in self._names and _bugs.setdefault(self._journal, Bugs()).tenth(step.name, bug):
            text = f"{type(bug).__name__} in {step.name}, {EQUAL_TRACEBACKS} times: {bug}"[:400]
            self._close(ClosedLane(name, "bug", text, clock.now_ms(), None, f"tongguan resume lane {name}"))
        return name in self._names

    def _close(self, lane: ClosedLane) -> None:
        self._unwritten.append(lane)
        self._names.add(lane.name)

    def write(self) -> None:
        """Close what was noted."""
        while self._unwritten:
            self._journal.close_lane(self._unwritten.pop())


class _Batch:
    """One batch with the answers of its step, from the decisions to the commit."""

    def __init__(
        self, journal: WorkJournal, step: Step, claim: Claim, answers: Sequence[Any], shut: _Shut, moment: Callable[[], Moment]
    ) -> None:
        self._journal = journal
        self._step = step
        self._claim = claim
        self._answers = {m.id: answer for m, answer in zip(claim.messages, answers, strict=True)}
        self._shut = shut
        self._moment = moment
        self._culprits: dict[str, Exception] = {}  #: what their rows raised, or the number that is another document's

    def conclude(self, wrote: Callable[[Chain], None] | None) -> list[Chain]:
        """Decide each message and write it; where something moved underneath, only `decide` runs again. The chains written.

        A message whose rows cannot be written is held with the traceback. One that was moved, or sealed anew, meanwhile is left
        alone, but for what its step keeps of the answer.
        """
        written = self._written(wrote)
        done = {chain[0].message.id for chain in written}
        late = [m for m in self._claim.messages if m.id not in done]
        if late and self._step.overtaken is not None:
            moment = self._moment()
            with deciding():
                kept = [o for m in late if (o := self._step.overtaken(moment, m, self._answers[m.id])) is not None]
            self._journal.finish([(outcome,) for outcome in kept])
        return written

    def _written(self, wrote: Callable[[Chain], None] | None) -> list[Chain]:
        journal, token, messages = self._journal, self._claim.token, self._claim.messages
        written: list[Chain] = []
        try:
            for left in range(_TRIES, -1, -1):
                onward = self._step.onward if left == _TRIES else ()
                chains = self._decided(messages, onward, last=not left)
                words = journal.finish(chains, token=token, keep=left > 0)
                open_: set[str] = set()
                for chain, word in zip(chains, words, strict=True):
                    if word is Finished.WRITTEN:
                        written.append(chain)
                        if wrote is not None:
                            wrote(chain)
                    elif word is not Finished.LOST:
                        open_.add(chain[0].message.id)
                        if word is not Finished.CONFLICT and not onward:  # else the part of a further station may be the cause
                            self._culprits[chain[0].message.id] = word if isinstance(word, Exception) else _clash(chain)
                messages = tuple(m for m in messages if m.id in open_)
                if not messages:
                    break
            else:
                for word in words:
                    if isinstance(word, Exception):
                        raise word
        except Exception:
            journal.give_back(token)
            raise
        return written

    def _decided(self, messages: Sequence[Message], onward: Sequence[Onward], *, last: bool) -> list[Chain]:
        """The chains of these messages, and of those that come of them."""
        chains: dict[str, Chain] = {}
        with self._journal.read() as records:
            moment = self._moment()
            present = {m.id: m for m in _present(messages, records)}
            if self._step.prepare is not None:
                answers = (self._answers[id_] for id_ in present)
                self._step.prepare([answer for answer in answers if not isinstance(answer, Exception)], records)
            for message in list(present.values()):
                chain = _later(message, moment.now) if last else self._first(moment, message, records)
                _seen(chain, chains, present, records)
                family = [message.id, *(item.message.id for outcome in chain for item in outcome.follow_ons)]
                for station in onward:
                    if chain and not station.together:
                        self._go_on(station, moment, family, chains, present, records)
            for station in onward:
                if station.together:
                    self._go_on(station, moment, list(chains), chains, present, records)
        return list(chains.values())

    def _first(self, moment: Moment, message: Message, records: Snapshot) -> Chain:
        """By the hand's own step."""
        culprit, step = self._culprits.get(message.id), self._step
        if culprit is None:
            chain = self._attempt(step, moment, message, self._answers[message.id], records)
        elif isinstance(culprit, Held):
            with deciding():
                ended = step.clashed(moment, message, culprit) if step.clashed else hold(message, "finish", culprit, moment.now)
            chain = (step.respond(ended),)
        else:
            chain = (_failed(step, moment, message, culprit),)
        if chain and not message.sequence:  # whatever came of it, there was no message before
            chain = (replace(chain[0], was=None), *chain[1:])
        return chain

    def _go_on(
        self,
        station: Onward,
        moment: Moment,
        ids: Sequence[str],
        chains: dict[str, Chain],
        present: dict[str, Message],
        records: Snapshot,
    ) -> None:
        with deciding():
            ready = [message for id_ in ids if station.takes(moment, message := present[id_], records)]
        for message, answer in zip(ready, station.act(ready, records) if ready else (), strict=True):
            if not isinstance(answer, Exception):
                _seen(self._attempt(station.step, moment, message, answer, records), chains, present, records)

    def _attempt(self, step: Step, moment: Moment, message: Message, answer: Any, records: Snapshot) -> Chain:
        if isinstance(answer, _BROKEN):
            return ()
        chain, raised = _attempt(step, moment, message, answer, records)
        if isinstance(raised, Deferred):
            self._shut.for_now(raised)
        elif raised is not None and step.shuts and self._shut.by_bug(step, message, raised):
            return ()
        return chain


class _Preparation(_Batch):
    """A batch that is decided once, and not written."""

    def __init__(
        self, journal: WorkJournal, step: Step, claim: Claim, answers: Sequence[Any], moment: Callable[[], Moment]
    ) -> None:
        super().__init__(journal, step, claim, answers, _Shut(journal, None), moment)
        self._hand = {message.id for message in claim.messages}
        self._unusual: set[str] = set()  #: of the hand

    def chains(self) -> list[Chain]:
        found = self._decided(self._claim.messages, self._step.onward, last=False)
        usual = set(takewhile(lambda id_: id_ not in self._unusual, (message.id for message in self._claim.messages)))
        return [chain for chain in found if self._in_hand(chain[0].message) in usual]

    def _attempt(self, step: Step, moment: Moment, message: Message, answer: Any, records: Snapshot) -> Chain:
        chain, raised = ((), answer) if isinstance(answer, _BROKEN) else _attempt(step, moment, message, answer, records)
        if raised is not None or any(outcome.message.state is State.HELD for outcome in chain):
            self._unusual.add(self._in_hand(message))
        return chain

    def _in_hand(self, message: Message) -> str:
        """The message of the hand that it is, or is an item of."""
        return message.id if message.id in self._hand else message.batch or message.id


def _present(messages: Sequence[Message], records: Snapshot) -> Iterator[Message]:
    """Those that are where they were; new ones are nowhere yet."""
    known = [m for m in messages if m.sequence]
    unchanged = records.unchanged(known)
    fresh = records.messages(m.id for m in known if m.id not in unchanged)
    for message in messages:
        present = message if not message.sequence or message.id in unchanged else fresh.get(message.id)
        if present is not None and (present.state, present.seal_number) == (message.state, message.seal_number):
            yield present


def _seen(chain: Chain, chains: dict[str, Chain], present: dict[str, Message], records: Snapshot) -> None:
    """One more part of a message's way; later decisions of the hand know it."""
    for outcome in chain:
        records.see(outcome)
        present.update((moved.message.id, moved.message) for moved in (outcome, *outcome.follow_ons))
    if chain:
        chains[chain[0].message.id] = (*chains.get(chain[0].message.id, ()), *chain)


def _clash(chain: Chain) -> Held:
    numbers = " ".join(number.value for outcome in chain for number in outcome.numbers)
    zh, en = f"编号 {numbers} 中有一个属于另一单证", f"of the numbers {numbers} one is another document's"
    return Held(zh, en, do=f"tongguan show {chain[0].message.id}; tongguan give-up {chain[0].message.id}")


def _later(message: Message, now: int) -> Chain:
    """After so many conflicts: once more in a while, so that other work is done first."""
    if not message.sequence:
        return ()
    later = replace(message, due_at=now + 1000, updated_at=now, attempts=message.attempts + 1)
    return (Outcome(later, message.state, "again", why="what it relies on keeps changing"),)
