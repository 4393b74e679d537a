"""Chains of outcomes: is everything that they rely on still as they found it?

Promises: read in bulk, once a group; a chain that fits is known to the next one as if it were written.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import amount_of, decoded
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.message import EARLIER, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome, Take
from tongguan.gateway.model.record import replace

LineAmounts = dict[tuple[str, str], int]
"""Amounts by licence and line."""


class Overtaken(Exception):
    """A row is not as it was read in the same transaction: another process has written it, in a database that lets it."""


@dataclass(slots=True)
class PresentState:
    """The present state of what the chains touch, moved on by each chain that is taken."""

    stored: dict[str, State] = field(default_factory=dict)  #: states before the first chain
    states: dict[str, State] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)  #: of documents before the first chain
    waiting: dict[str, set[str]] = field(default_factory=dict)  #: document to its messages that make others wait
    behind: set[str] = field(default_factory=set)  #: new messages that came while an earlier one of their document waited
    held: dict[str, LineAmounts] = field(default_factory=dict)  #: by document: what it holds of licences, by line
    used: dict[tuple[str, str], int] = field(default_factory=dict)  #: what all hold of these lines together
    #: claimed by somebody; read only where something is to be stopped (a sealed one may be on the wire)
    in_hand: set[str] = field(default_factory=set)


def flat(chains: Iterable[Chain]) -> Iterator[Outcome]:
    """Every outcome of the chains, each before its follow-ons."""
    for chain in chains:
        for outcome in chain:
            yield outcome
            yield from flat([outcome.follow_ons])


def read_known(group: Group, chains: Sequence[Chain]) -> PresentState:
    """Read in bulk what the chains rely on."""
    known = PresentState()
    messages: set[str] = set()
    documents: set[str] = set()
    ordered: set[str] = set()
    made: set[str] = set()  #: messages and documents that these chains make: there is nothing to read of them
    for outcome in flat(chains):
        message = outcome.message
        if outcome.was is None:
            made.add(message.id)
            if message.waits and message.document_id:
                ordered.add(message.document_id)
        else:
            messages.add(message.id)
        messages.update(other.id for other in outcome.others)
        for document in outcome.documents:
            (made if document.version == 1 else documents).add(document.id)
        documents.update(outcome.relied_on)
    for part in slices(messages - made):
        known.states.update({row[0]: State(row[1]) for row in statements.STATES.rows(group.connection, values=part)})
    known.stored = dict(known.states)
    for part in slices(documents - made):
        for id_, version, status in statements.VERSIONS.rows(group.connection, values=part):
            known.versions[id_], known.statuses[id_] = version, status
    if any(m.state is State.STOPPED for outcome in flat(chains) for m in (outcome.message, *outcome.others)):
        for keys in statements.IN_HAND.column(group.connection):
            known.in_hand.update(decoded(keys, "a claim"))
    _read_taken(group, chains, known)
    for part in slices(ordered):
        for document_id, _, id_ in statements.ORDERED.rows(group.connection, values=part):
            known.waiting.setdefault(document_id, set()).add(id_)
    return known


def _read_taken(group: Group, chains: Sequence[Chain], known: PresentState) -> None:
    takes = [take for outcome in flat(chains) for take in outcome.takes]
    for part in slices(dict.fromkeys(take.document_id for take in takes)):
        for document_id, licence_id, line, *parts in statements.TAKEN.rows(group.connection, values=part):
            known.held.setdefault(document_id, {})[licence_id, line] = amount_of(*parts)
    for part in slices(dict.fromkeys(line.licence_id for take in takes for line in take.lines)):
        for licence_id, line, *parts in statements.USED.rows(group.connection, values=part):
            known.used[licence_id, line] = amount_of(*parts)


def fits(chain: Chain, known: PresentState) -> bool:
    """Is everything as the chain found it? If so, `known` moves on as if it were written."""
    states, versions, waiting = dict[str, State](), dict[str, int](), dict[str, set[str]]()
    behind = set[str]()
    held, used = ChainMap({}, known.held), ChainMap({}, known.used)
    for outcome in flat([chain]):
        message = outcome.message
        if states.get(message.id, known.states.get(message.id)) != outcome.was:
            return False
        states[message.id] = message.state
        if outcome.was is State.SEALED and message.state is State.STOPPED and message.id in known.in_hand:
            return False  # it may be on the wire at this moment
        for other in outcome.others:
            present = states.get(other.id, known.states.get(other.id))
            if present is State.SEALED and other.state is State.STOPPED and other.id in known.in_hand:
                return False
            if present is None or present != outcome.others_were.get(other.id, present):
                return False
            states[other.id] = other.state
        for document in outcome.documents:
            if versions.get(document.id, known.versions.get(document.id, 0)) != document.version - 1:
                return False
            versions[document.id] = document.version
        for id_, version in outcome.relied_on.items():
            if versions.get(id_, known.versions.get(id_, 0)) not in (version, version + (1 if id_ in versions else 0)):
                return False
        for take in outcome.takes:
            if not _is_left(take, held, used):
                return False
        if message.document_id and message.waits:
            others = waiting.setdefault(message.document_id, set(known.waiting.get(message.document_id, ())))
            others.discard(message.id)
            if others and outcome.was is None:
                behind.add(message.id)
            if message.id in behind and message.state is not State.RECEIVED:
                return False  # it would pass an earlier one
            if message.makes_others_wait:
                others.add(message.id)
    known.states.update(states)
    known.versions.update(versions)
    known.waiting.update(waiting)
    known.held.update(held.maps[0])
    known.used.update(used.maps[0])
    known.behind |= behind
    return True


def _is_left(take: Take, held: MutableMapping[str, LineAmounts], used: MutableMapping[tuple[str, str], int]) -> bool:
    """Is what a document wants more than before there to be taken? If so, `held` and `used` move on as if it were taken."""
    before = held.get(take.document_id, {})
    wanted = {(line.licence_id, line.line): line for line in take.lines}
    for key in {**before, **wanted}:
        amount, most = (wanted[key].amount, wanted[key].most) if key in wanted else (0, None)
        after = used.get(key, 0) + amount - before.get(key, 0)
        if most is not None and amount > before.get(key, 0) and after > most:
            return False
        used[key] = after
    held[take.document_id] = {key: line.amount for key, line in wanted.items()}
    return True


def behind_earlier(message: Message, known: PresentState) -> Message:
    """A new message behind an earlier one of its document waits until that is sent or ends."""
    if message.id in known.behind and message.makes_others_wait:
        return replace(message, due_at=None, waiting_for=EARLIER)
    return message
