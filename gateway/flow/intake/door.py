"""A door's work in one hand: files, or messages of a queue, in; messages sealed (where the key is fast) or checked; one commit for all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

from tongguan.codecs.reading.read import Read
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.intake.accept import (
    BATCH,
    Arrival,
    Carried,
    accept,
    blank,
    carried,
    look_into,
    prefetch,
    without_secrets,
)
from tongguan.gateway.flow.intake.offline import besides_of
from tongguan.gateway.flow.intake.preparer import FileBatch, Preparer, PreparerEnded
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.check import decide_check, read_step
from tongguan.gateway.flow.submission.checks.secrets import look_at_secrets
from tongguan.gateway.flow.table import closed, complete, sealing_onward
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Body, Chain, Finished, Outcome
from tongguan.gateway.model.queueing import QueueDelivery
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import CRASHES, Onward, Step, each, prepared, run
from tongguan.gateway.work.moment import Moment
from tongguan.inbox.file_reader import Drop
from tongguan.inbox.queues.submission import Submission

PART = 64  #: files decided and written together
#: a hand of fewer files, with fewer bytes, is done before another process has heard of it
_FEW, _SMALL = 8, 64_000


class Delivery(Protocol):
    """A file or a message of a queue, as its door hands it over."""

    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def raw(self) -> bytes | None: ...
    @property
    def sha256(self) -> str: ...
    @property
    def problem(self) -> Fault | None: ...
    @property
    def claim_key(self) -> str:
        """What the same delivery has again, after a crash too; no other one of a batch has it."""

    def delivered(self, message_id: str) -> QueueDelivery | None:
        """Where the replies of what it becomes are wanted, besides the mailbox."""


D = TypeVar("D", bound=Delivery)
_Handed_contra = TypeVar("_Handed_contra", bound=Delivery, contravariant=True)


class Door(Protocol[_Handed_contra]):
    """Who handed them over, and hears what is committed: a delivery carries its own acknowledgement."""

    account: str
    station: str  #: whose claims these are

    def committed(self, delivery: _Handed_contra, message_id: str, /) -> None: ...
    def carry(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Came(Generic[D]):
    """A delivery with the message it became."""

    drop: D
    message: Message
    before: bool = False  #: made by an earlier run, which did not carry its file away, or whose acknowledgement was lost


def take(site: Site, door: Door[D], drops: Sequence[D]) -> list[Came[D]]:
    """Journal what came, and tell the door of each that is committed; what becomes of the others is its matter.

    What was in hand when the gateway ended without a word is taken alone, and held after the third time.
    """
    known = _known_already(site, drops)
    for one in known:
        door.committed(one.drop, one.message.id)
    keys = {one.drop.claim_key for one in known}
    drops = [drop for drop in drops if drop.claim_key not in keys]
    return [*known, *(_take(site, door, drops) if drops else ())]


def _known_already(site: Site, drops: Sequence[D]) -> list[Came[D]]:
    """Those whose message is in the journal: a door hands over what is all of one kind."""
    first = drops[0]
    if isinstance(first, Drop):
        return cast(list[Came[D]], _files_known(site, cast(Sequence[Drop], drops)))
    return cast(list[Came[D]], _submissions_known(site, cast(Sequence[Submission], drops)))


def _submissions_known(site: Site, came: Sequence[Submission]) -> list[Came[Submission]]:
    """Messages that the broker hands out again because their acknowledgement was lost.

    What their sender sends again himself is another matter, and so is what has no id: whatever is done already is then found by name and bytes.
    """
    again = {one.key: one for one in came if one.message.redelivered and one.key}
    if not again:
        return []
    account = came[0].account
    with site.journal.read() as records:
        found = records.delivered(account, list(again))
        messages = records.messages(found.values())
    return [Came(again[key], messages[id_], before=True) for key, id_ in found.items() if id_ in messages]


def _files_known(site: Site, drops: Sequence[Drop]) -> list[Came[Drop]]:
    """Files whose message was committed by a run that ended before it could carry them to `work/`.

    Such a file has not been touched (a rename would be, to its change time) since its message was made: what is dropped
    again is another matter. Where the clock was set back meanwhile, its times prove nothing: then the file is taken anew, which tells its
    first outcome again.
    """
    twice = site.journal.came_twice
    old = [drop for drop in drops if drop.changed_at_ms < site.journal.opened_at and not twice(drop.changed_at_ms)]
    if not old:
        return []
    with site.journal.read() as records:
        records.fetch_names([(drop.account, drop.name) for drop in old])
        before = {drop.name: records.newest_under(drop.account, drop.name) for drop in old}
    return [
        Came(drop, message, before=True)
        for drop in old
        if (message := before[drop.name]) is not None
        and message.sha256 == drop.sha256
        and drop.changed_at_ms < message.received_at
        and not twice(message.received_at)
    ]


def _take(site: Site, door: Door[D], drops: Sequence[D]) -> list[Came[D]]:
    """Part by part, a commit for each. A preparer is at the next part while one is written.

    What a preparer leaves (whatever is out of the ordinary), and what something moved under, is decided here; and so is all that comes
    after it, since what was prepared of that may rest on it.
    """
    came: list[Came[D]] = []
    taken: list[_Taken[D]] = []
    preparer = site.preparer
    try:
        for n in range(0, len(drops), PART):
            taken.append(_claimed(site, door, drops[n : n + PART]))
            if taken[-1].claim.suspects:  # apart from all others, and from each other
                _give_back(site, taken[:-1])
                del taken[:-1]
                if preparer is not None and taken[0].claim.crashes < CRASHES and not preparer.ready:
                    _give_back(site, taken)  # in nobody's hand while that one begins
                    preparer = preparer if preparer.begun() else None
                    taken[0] = _claimed(site, door, drops[n : n + PART])
                break
        asked = _asked(preparer, taken)
        while taken:
            left: _Taken[D] | None = taken[0]
            if asked:
                try:
                    left = _write_prepared(site, door, taken[0], asked.pop(0).result(), came)
                except PreparerEnded as ended:
                    if ended.begun:  # over this very part, it seems: it comes in smaller ones from now on
                        _give_back(site, taken[1:])
                        site.journal.abandon(door.station)
                        taken.clear()
                        break
            if left is not None:
                asked = []
                _decide_here(site, door, left, came)
            del taken[0]
            door.carry()
    finally:
        _give_back(site, taken)
    return came


@dataclass(frozen=True, slots=True)
class _Taken(Generic[D]):
    """Files in this hand, claimed, with what they are to become."""

    claim: Claim
    hand: FileBatch
    drops: Mapping[str, D]  #: by id of the message to be


def _claimed(site: Site, door: Door[D], drops: Sequence[D]) -> _Taken[D]:
    keys = {drop.claim_key: drop for drop in drops}
    claim = site.journal.claim_keys(door.station, list(keys))
    by_id = {new_id(): keys[key] for key in claim.keys}
    arrivals = {
        id_: Arrival(id_, d.account, d.name, d.raw or b"", d.sha256, clock.now_ms(), delivery=d.delivered(id_))
        for id_, d in by_id.items()
    }
    problems = {id_: drop.problem for id_, drop in by_id.items() if drop.problem is not None}
    return _Taken(claim, FileBatch(door.station, door.account, arrivals, problems), by_id)


def _give_back(site: Site, taken: Sequence[_Taken[D]]) -> None:
    for part in taken:
        site.journal.give_back(part.claim.token)


def _asked(preparer: Preparer | None, taken: Sequence[_Taken[D]]) -> list[Future[Sequence[Chain]]]:
    """What the preparer is asked, part by part; nothing where it would not pay.

    Suspects are always looked into over there, if anywhere: they may end whoever does.
    """
    claim = taken[0].claim
    if preparer is None or claim.crashes >= CRASHES:
        return []
    files = [arrival for part in taken for arrival in part.hand.arrivals.values()]
    small = len(files) < _FEW and sum(len(file.raw) for file in files) < _SMALL
    if not claim.suspects and (small or not preparer.ready):
        return []
    return [preparer.ask(part.hand, anew=not n, last=part is taken[-1]) for n, part in enumerate(taken)]


def _write_prepared(
    site: Site, door: Door[D], taken: _Taken[D], chains: Sequence[Chain], came: list[Came[D]]
) -> _Taken[D] | None:
    """Write what was prepared; what is left to be decided here, claimed anew, or None."""
    left = dict(taken.drops)
    for chain, fate in zip(chains, site.journal.finish(chains, token=taken.claim.token), strict=True):
        drop = left.get(chain[0].message.id)  # items of a batch have no file of their own
        if fate is Finished.WRITTEN and drop is not None:
            del left[chain[0].message.id]
            _committed(door, drop, chain, came)
    return _claimed(site, door, list(left.values())) if left else None


def _decide_here(site: Site, door: Door[D], taken: _Taken[D], came: list[Came[D]]) -> None:
    def wrote(chain: Chain) -> None:
        drop = taken.drops.get(chain[0].message.id)
        if drop is not None:
            _committed(door, drop, chain, came)

    step, claim = door_step(site, taken.hand), _with_messages(taken.claim, taken.hand)
    run(site.journal, step, claim, moment=site.moment, closed=partial(closed, site), wrote=wrote)


def _committed(door: Door[D], drop: D, chain: Chain, came: list[Came[D]]) -> None:
    door.committed(drop, chain[-1].message.id)
    came.append(Came(drop, chain[-1].message))


def _with_messages(claim: Claim, hand: FileBatch) -> Claim:
    return replace(claim, messages=tuple(blank(arrival) for arrival in hand.arrivals.values()))


def prepare(site: Site, hand: FileBatch) -> list[Chain]:
    """What becomes of a hand, for another process to write: as many of its files as come before one that needs `take`."""
    claim = _with_messages(Claim(0, "", 0), hand)
    return prepared(site.journal, door_step(site, hand), claim, moment=site.moment)


def door_step(site: Site, hand: FileBatch) -> Step:
    """The station of a mailbox: its files become messages, are checked, and sealed where the key is fast, in one hand.

    An item that something moved under stays received, and the read station takes it up.
    """
    rules, came, problems = site.rules, hand.arrivals, hand.problems
    read: dict[str, Read] = {}

    def act(claim: Claim) -> Sequence[Arrival | Exception]:
        found = each(claim.messages, lambda message: look_into(rules, came[message.id], problem=problems.get(message.id)))
        read.update({a.id: a.read for a in found if isinstance(a, Arrival) and a.read is not None})
        look_at_secrets(site, hand.account, {item.type for content in read.values() for item in content.items})
        return found

    def contents(messages: Sequence[Message], _records: Snapshot) -> Sequence[Carried]:
        return [carried(read[message.batch or message.id], message) for message in messages]

    check = replace(complete(site, read_step(site)), decide=partial(decide_check, rules))
    onward = (
        Onward(check, _may_be_checked, contents),
        sealing_onward(site),
    )
    respond = partial(_responded, rules, came)
    return Step("read", partial(decide_arrival, rules), act=act, prepare=prefetch, respond=respond, shuts=False, onward=onward)


def decide_arrival(rules: Rules, moment: Moment, _message: Message, arrival: Arrival, records: Snapshot) -> Chain:
    """What came becomes a message."""
    return (accept(rules, arrival, records, besides_of(rules, moment)),)


def _responded(rules: Rules, came: Mapping[str, Arrival], outcome: Outcome) -> Outcome:
    """With what the sender is told, and, where it is held, with its bytes: a person looks at them."""
    if (arrival := came.get(outcome.message.id)) is not None and arrival.delivery is not None:
        outcome = replace(outcome, delivery=arrival.delivery)
    if outcome.message.state is not State.HELD:
        return answers.responded(rules, outcome)
    kept = without_secrets(rules, came[outcome.message.id])
    message = replace(outcome.message, sha256=kept.sha256)
    return replace(outcome, message=message, bodies=(Body(message.id, "source", kept.raw),))


def _may_be_checked(_moment: Moment, message: Message, records: Snapshot) -> bool:
    return message.state is State.RECEIVED and message.operation != BATCH and not records.waits_for_earlier(message)
