"""What a step may read: one moment of the journal, plus the outcomes decided earlier in the same batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import document_of, message_of
from tongguan.gateway.journal.reading.keyed import (
    BEGINNING,
    KeyedInMonth,
    KeyedPlace,
    KeyedWithLines,
    OpenMessage,
    RelatedDocument,
    StandingDocument,
)
from tongguan.gateway.journal.reading.licences import TakenQuantities
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.reading.restrictions import Restriction
from tongguan.gateway.journal.reading.search import CountedSum, PeriodSum, Search
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import FREES_REFERENCE, Kind, Message, State
from tongguan.gateway.model.outcome import Number, Outcome, Reservation

T = TypeVar("T")
Round = tuple[int, str, int]
"""Its number, the message that opened it, when."""
_NEW = 1 << 60  #: stands for the sequence of a message that has none yet


class Snapshot:
    """What a decision may ask: one moment of the journal, and on top of it the outcomes decided earlier in the same batch.

    Every question sees both, so that deciding messages in one batch comes to the same as deciding them one after another; the
    same question gives the same answer until an outcome is seen. Five kinds of questions are asked of what is stored alone:
    `unchanged` compares with that on purpose; the items of a batch never move in the batch of their parent; what is kept for merging and
    what became of it is asked for portion by portion, and each document is fenced by its version; where documents stand and what is open
    of a type is asked by a look at all of them, which comes again; and `find`,
    `list_documents` and `counted` make the lists and sums that an enterprise asks for: like every list they may lack what is not
    committed yet, and nothing but the answer rests on them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection, self._stored = connection, Search(connection)
        self._messages: dict[str, Message | None] = {}
        self._documents: dict[str, Document | None] = {}
        self._of_reference: dict[tuple[str, str], dict[str, Message]] = {}  #: that hold or held it, and were read or seen
        self._by_key: dict[tuple[str, str, str], Document | None] = {}
        self._by_number: dict[tuple[str, str], list[str]] = {}
        self._by_name: dict[tuple[str, str], Message | None] = {}
        self._references: set[tuple[str, str]] = set()  #: that were read
        self._reserved: dict[tuple[str, str], str | None] = {}
        self._taken = TakenQuantities(self._stored)
        self._reserved_by: dict[str, list[tuple[str, str]]] = {}  #: by document, what is stored
        self._ordered: dict[str, list[tuple[int, str]]] = {}
        self._opened: dict[str, Any] = {}
        #: of the batch's own outcomes
        self._of_document: dict[str, dict[str, Message]] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._brought: dict[str, dict[str, str | None]] = {}  #: by a receipt's reference: who brought it, and its bytes
        self._numbers: dict[str, list[Number]] = {}  #: by value
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._delivered: dict[tuple[str, str], str] = {}  #: by account and key
        self._rounds: dict[str, list[Round]] = {}

    def see(self, outcome: Outcome) -> None:
        """Let later decisions of the batch see this one."""
        for message in (outcome.message, *outcome.others):
            self._messages[message.id] = message
            if message.kind is Kind.RECEIPT and message.reference is not None:
                self._brought.setdefault(message.reference, {})[message.id] = message.sha256
            if message.source is not None and message.batch is None:
                self._by_name[(message.account, message.source)] = message
            if message.reference is not None:
                self._of_reference.setdefault((message.account, message.reference), {})[message.id] = message
            if message.document_id is not None:
                self._of_document.setdefault(message.document_id, {})[message.id] = message
        for document in outcome.documents:
            self._documents[document.id] = document
            if document.round and document.changing == outcome.message.id:
                opened = (document.round, outcome.message.id, document.round_opened_at or document.updated_at)
                self._rounds.setdefault(document.id, []).append(opened)
            key = (document.account, document.type, document.key)
            self._by_key[key] = None if document.deleted else document
        for number in outcome.numbers:
            self._numbers.setdefault(number.value, []).append(number)
        self._receipts.update({(r.authority, r.id): r for r in outcome.receipts})
        self._bodies.update({(b.message_id, b.role): b.content for b in outcome.bodies})
        if outcome.delivery is not None:
            self._delivered.setdefault((outcome.delivery.account, outcome.delivery.key), outcome.delivery.message_id)
        for gone in outcome.release:
            self._reserved[(gone.kind, gone.value)] = None
        for kept in outcome.reserve:
            self._reserved[(kept.kind, kept.value)] = kept.document_id
        for take in outcome.takes:
            self._taken.see(take)
        for follow_on in outcome.follow_ons:
            self.see(follow_on)

    def messages(self, ids: Iterable[str]) -> dict[str, Message]:
        return _known(self._messages, ids, self._stored.messages)

    def unchanged(self, messages: Sequence[Message]) -> set[str]:
        """Which of these are still as they were when they were read: state, seal, deadline and moment of the last change."""
        as_read = {
            message.id: (message.state, message.seal_number, message.updated_at, message.deadline_at) for message in messages
        }
        same: set[str] = set()
        for part in slices(as_read):
            rows = statements.MOMENTS.rows(self._connection, values=part)
            same.update(row[0] for row in rows if as_read[row[0]] == tuple(row[1:]))
        return same

    def message(self, id_: str) -> Message | None:
        return self.messages([id_]).get(id_)

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        return _known(self._documents, ids, self._stored.documents)

    def document(self, id_: str | None) -> Document | None:
        return self.documents([id_]).get(id_) if id_ else None

    def fetch_references(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the messages that hold these (account, reference), and those that had them and came to nothing."""
        for (account,), part in _unread(pairs, self._references):
            self._references.update((account, reference) for reference in part)
            for message in map(message_of, statements.OF_REFERENCES.rows(self._connection, account=account, values=part)):
                known = self._of_reference.setdefault((account, message.reference or ""), {})
                known.setdefault(message.id, message)  # what the batch has seen of it is newer

    def _with_reference(self, account: str, reference: str) -> Iterable[Message]:
        if (account, reference) not in self._references:
            self.fetch_references([(account, reference)])
        return self._of_reference.get((account, reference), {}).values()

    def holder_of(self, account: str, reference: str) -> Message | None:
        """The message that holds a reference now."""
        return next((m for m in self._with_reference(account, reference) if m.holds_reference), None)

    def last_freed(self, account: str, reference: str) -> Message | None:
        """The newest message that had this reference and came to nothing."""
        freed = (m for m in self._with_reference(account, reference) if m.state in FREES_REFERENCE)
        return max(freed, key=lambda m: m.sequence or _NEW, default=None)

    def delivered(self, account: str, keys: Sequence[str]) -> dict[str, str]:
        """Of deliveries that came before, by their keys: the first message that each became."""
        known: dict[str, str] = {}
        for part in slices(dict.fromkeys(keys)):
            found = statements.DELIVERED.rows(self._connection, account=account, values=part)
            known.update((key, message_id) for _, key, message_id in sorted(found, reverse=True))
        seen = {key: self._delivered[account, key] for key in keys if (account, key) in self._delivered}
        return seen | known

    def is_deleted(self, document_id: str) -> bool:
        """Did a document with this id live once and end?"""
        document = self.document(document_id)
        return document is not None and document.deleted

    def fetch_keys(self, keys: Iterable[tuple[str, str, str]]) -> None:
        for (account, type_), part in _unread(keys, self._by_key):
            rows = statements.KEYS.rows(self._connection, account=account, type=type_, values=part)
            found = {document.key: document for document in map(document_of, rows)}
            for name in part:
                document = found.get(name)
                self._by_key[(account, type_, name)] = document
                if document is not None:
                    self._documents.setdefault(document.id, document)

    def document_of_key(self, account: str, type_: str, key: str) -> Document | None:
        """The living document with the ERP's own key."""
        if (account, type_, key) not in self._by_key:
            self.fetch_keys([(account, type_, key)])
        known = self._by_key[(account, type_, key)]
        return self.document(known.id) if known else None

    def document_in(self, account: str, type_: str, statuses: Collection[str], *, party: str = "") -> Document | None:
        """A living document of this type, account and party in one of these statuses; which, where there are several, is the journal's choice."""
        of: dict[str, Any] = {"account": account, "type": type_, "values": sorted(statuses)}
        stored = statements.IN_STATUS_FOR if party else statements.IN_STATUS
        ids = stored.column(self._connection, **of, **({"party": party} if party else {}))
        seen = [d for d in self._documents.values() if d is not None and d.account == account and d.type == type_]
        every = (*self.documents(ids).values(), *seen)
        return next((d for d in every if d.status in statuses and d.party == party and not d.deleted), None)

    def documents_of_number(self, account: str, value: str) -> list[Document]:
        """Documents of the account that have this official number (hyphens and case as given)."""
        if (account, value) not in self._by_number:
            rows = statements.OF_NUMBER.rows(self._connection, value=value, account=account)
            self._by_number[(account, value)] = [row[0] for row in rows]
        seen = [n.document_id for n in self._numbers.get(value, ()) if n.account == account]
        found = self.documents([*self._by_number[(account, value)], *seen]).values()
        return [d for d in found if not d.deleted]

    def documents_naming(self, account: str, type_: str, name: str, values: Collection[str]) -> list[Document]:
        """Living documents of this type of which lists find one of these values under a name."""
        ids = {*statements.NAMING.column(self._connection, name=name, values=list(values))}
        for seen in self._documents.values():
            if seen is not None and seen.facts is not None:
                (ids.add if seen.facts.get(name) in values else ids.discard)(seen.id)
        found = self.documents(sorted(ids)).values()
        return [d for d in found if d.account == account and d.type == type_ and not d.deleted]

    def receipts_of_messages(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        wanted = set(ids)
        return self._with_seen("message_id", wanted, self._stored.receipts_of_messages(wanted))

    def receipts_of_documents(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        wanted = set(ids)
        return self._with_seen("document_id", wanted, self._stored.receipts_of_documents(wanted))

    def _with_seen(self, column: str, wanted: set[str], found: dict[str, list[Receipt]]) -> dict[str, list[Receipt]]:
        for receipt in self._receipts.values():
            if (of := getattr(receipt, column)) in wanted:
                found.setdefault(of, []).append(receipt)
        return found

    def has_receipt(self, authority: str, id_: str) -> bool:
        return (authority, id_) in self._receipts or self._stored.has_receipt(authority, id_)

    def receipt_bytes(self, authority: str, id_: str, *, but: str) -> str | None:
        """SHA-256 of the bytes under which a receipt was first stored; None when no other message brought it."""
        brought = self._brought.get(f"{authority}:{id_}", {})
        seen = next((sha256 for message_id, sha256 in brought.items() if message_id != but), None)
        return seen or self._stored.receipt_bytes(authority, id_, but=but)

    def rounds(self, document_id: str) -> list[Round]:
        """Each round of a document in order."""
        found = self._stored.rounds(document_id)
        known = {round_ for round_, *_ in found}
        return [*found, *(opened for opened in self._rounds.get(document_id, ()) if opened[0] not in known)]

    def messages_of_documents(self, ids: Iterable[str]) -> dict[str, list[Message]]:
        """By document, in order of sequence; new ones last."""
        wanted = set(ids)
        stored = self._stored.messages_of_documents(wanted)
        found: dict[str, list[Message]] = {}
        for id_ in wanted:
            every = {m.id: m for m in stored.get(id_, ())} | self._of_document.get(id_, {})
            found[id_] = sorted(every.values(), key=lambda m: m.sequence or _NEW)
        return found

    def body(self, message_id: str, role: str) -> bytes | None:
        seen = self._bodies.get((message_id, role))
        return seen if seen is not None else self._stored.body(message_id, role)

    def bodies(self, ids: Sequence[str], role: str) -> dict[str, bytes]:
        seen = {id_: self._bodies[(id_, role)] for id_ in ids if (id_, role) in self._bodies}
        return self._stored.bodies([id_ for id_ in ids if id_ not in seen], role) | seen

    def sealed_of(self, messages: Sequence[Message]) -> dict[str, bytes]:
        """The sealed bytes of each message's present seal."""
        found: dict[str, bytes] = {}
        by_number: dict[int, list[str]] = defaultdict(list)
        for message in messages:
            by_number[message.seal_number].append(message.id)
        for number, ids in by_number.items():
            found.update(self.bodies(ids, f"sealed:{number}"))
        return found

    def owners_of_number(self, series: str, value: str) -> set[str]:
        """The documents, of any account, that have this official number in a series."""
        stored = statements.OWNERS.column(self._connection, value=value, series=series)
        return {*stored, *(n.document_id for n in self._numbers.get(value, ()) if n.series == series)}

    def reserved_by(self, kind: str, value: str) -> str | None:
        """The document that has reserved a value."""
        if (kind, value) not in self._reserved:
            self._reserved[(kind, value)] = statements.RESERVED.value(self._connection, kind=kind, value=value)
        return self._reserved[(kind, value)]

    def held_by(self, document_id: str) -> dict[tuple[str, str], int]:
        """What a document holds of licences, by licence and line."""
        return self._taken.held_by(document_id)

    def used_of(self, licence_id: str) -> dict[str, int]:
        """What all documents together hold of a licence, by line."""
        return self._taken.used_of(licence_id)

    def reservations_of(self, document_id: str) -> tuple[Reservation, ...]:
        """Everything that a document has reserved."""
        if document_id not in self._reserved_by:
            self._reserved_by[document_id] = statements.RESERVED_BY.rows(self._connection, document_id=document_id)
        stored = {pair for pair in self._reserved_by[document_id] if self._reserved.get(pair, document_id) == document_id}
        seen = {pair for pair, owner in self._reserved.items() if owner == document_id}
        return tuple(Reservation(kind, value, document_id) for kind, value in sorted(stored | seen))

    def fetch_ordered(self, document_ids: Iterable[str]) -> None:
        for part in slices(d for d in dict.fromkeys(document_ids) if d not in self._ordered):
            self._ordered.update({d: [] for d in part})
            for row in statements.ORDERED.rows(self._connection, values=part):
                self._ordered[row[0]].append((row[1], row[2]))

    def waits_for_earlier(self, message: Message) -> bool:
        """Is an earlier submission of the same document still on its way out?"""
        if message.document_id is None or not message.waits:
            return False
        self.fetch_ordered([message.document_id])
        mine, seen = message.sequence or _NEW + 1, self._of_document.get(message.document_id, {})
        before = [other for sequence, other in self._ordered[message.document_id] if sequence < mine and other not in seen]
        before += [m.id for m in seen.values() if m.makes_others_wait and (m.sequence or _NEW) < mine]
        return any(other != message.id for other in before)

    def opened(self, message_id: str, read: Callable[[bytes], T]) -> T:
        """What `read` makes of a message's source, once for all the items of a batch."""
        if message_id not in self._opened:
            self._opened[message_id] = read(self.body(message_id, "source") or b"")
        found: T = self._opened[message_id]
        return found

    def fetch_names(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the newest message of each (account, file name)."""
        for (account,), part in _unread(pairs, self._by_name):
            self._by_name.update({(account, name): None for name in part})
            for message in map(message_of, statements.NEWEST.rows(self._connection, account=account, values=part)):
                self._by_name[(account, message.source or "")] = message

    def newest_under(self, account: str, name: str) -> Message | None:
        """The newest message that came under a file name."""
        if (account, name) not in self._by_name:
            self.fetch_names([(account, name)])
        return self._by_name[(account, name)]

    # Of what is stored alone

    def items(self, batch_ids: Iterable[str]) -> dict[str, list[Message]]:
        return self._stored.items(batch_ids)

    def item_states(self, batch: str) -> dict[State, int]:
        """How many items of a batch are in each state."""
        return self._stored.item_states(batch)

    def find(self, text: str, account: str) -> list[Message]:
        """Messages by message id, reference, or any official number of their document, newest last."""
        return self._stored.find(text, account)

    def list_documents(self, where: Sequence[Restriction], *, offset: int, limit: int, order: str) -> tuple[int, list[Document]]:
        """How many documents satisfy `where`, and one page of them."""
        return self._stored.list_documents(where, offset=offset, limit=limit, order=order)

    def counted(self, account: str, type_: str, *, first: int, last: int, where: Mapping[int, str]) -> list[CountedSum]:
        """Exact sums of the counted lines of these months (`202601` to `202611`), each dimension of `where` having its value."""
        return self._stored.counted(account, type_, first=first, last=last, where=where)

    def keyed_of(
        self,
        account: str,
        type_: str,
        *,
        pool: str,
        month: int,
        where: Sequence[Restriction] = (),
        after: KeyedPlace = BEGINNING,
        limit: int,
    ) -> list[KeyedInMonth]:
        """What the first documents of a pool and month behind a place are merged by."""
        return self._stored.keyed_of(account, type_, pool=pool, month=month, where=where, after=after, limit=limit)

    def months_of(self, account: str, type_: str, pool: str) -> list[int]:
        """The months of which something is kept in a pool, in their order."""
        return self._stored.months_of(account, type_, pool)

    def standing(self, account: str, type_: str, statuses: Iterable[str]) -> Iterator[StandingDocument]:
        """All living documents in these statuses, without their contents."""
        return self._stored.standing(account, type_, statuses)

    def standing_of(self, ids: Iterable[str]) -> dict[str, StandingDocument]:
        """The same of given documents, deleted ones too."""
        return self._stored.standing_of(ids)

    def values_reserved(self, document_id: str, kinds: Iterable[str], most: int) -> list[tuple[str, str]]:
        """Of what a document has reserved in these kinds the first: kind and value, of so many values at most."""
        return self._stored.values_reserved(document_id, kinds, most)

    def reserved_by_type(self, kind: str, type_: str) -> dict[str, tuple[str, str]]:
        """What documents of a type have reserved in a kind: of each value the key and the status of the document."""
        return self._stored.reserved_by_type(kind, type_)

    def open_of_type(self, account: str, type_: str) -> Iterator[OpenMessage]:
        """The account's open submissions of a type, oldest first."""
        return self._stored.open_of_type(account, type_)

    def keyed_in_hand(self, merge: str, *, after: KeyedPlace = BEGINNING) -> Iterator[KeyedWithLines]:
        """All that something has in hand, behind a place, with their lines."""
        return self._stored.keyed_in_hand(merge, after=after)

    def became(self, part_ids: Iterable[str]) -> list[RelatedDocument]:
        """What these documents became part of."""
        return self._stored.became(part_ids)

    def came_of(self, whole_ids: Iterable[str]) -> list[RelatedDocument]:
        """What became these documents, of each in its order."""
        return self._stored.came_of(whole_ids)

    def counted_by(
        self, dimension: int | None, account: str, type_: str, *, months: tuple[int, int], where: Mapping[int, str]
    ) -> list[PeriodSum]:
        """The same of a period, grouped by the dimension at a place; None: by commodity."""
        return self._stored.counted_by(dimension, account, type_, months=months, where=where)


def _known(known: dict[str, T | None], ids: Iterable[str], read: Callable[[Iterable[str]], dict[str, T]]) -> dict[str, T]:
    """Those of these ids that there are; what is not `known` yet is read, and known from then on, also as absent."""
    ids = list(dict.fromkeys(ids))
    if unread := [id_ for id_ in ids if id_ not in known]:
        known.update(dict.fromkeys(unread))
        known.update(read(unread))
    return {id_: found for id_ in ids if (found := known[id_]) is not None}


def _unread(keys: Iterable[tuple[str, ...]], known: Collection[Any]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys that are not known, by all but their last part, in parts that one statement can take."""
    grouped: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for key in keys:
        if key not in known:
            grouped[key[:-1]].add(key[-1])
    for of, values in grouped.items():
        for part in slices(values):
            yield of, part
