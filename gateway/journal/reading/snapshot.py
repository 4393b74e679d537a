"""What a step may read: one moment of the journal, plus the outcomes decided earlier in the same batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import document_of, message_of
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.reading.searches import Searches
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import Kind, Message
from tongguan.gateway.model.outcome import Outcome

T = TypeVar("T")


class Snapshot(Searches):
    """A read-only view; the same question gives the same answer for its whole life.

    What is asked here sees the earlier outcomes of the batch; what its bases are asked (particulars and lists) does not.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._messages: dict[str, Message | None] = {}
        self._documents: dict[str, Document | None] = {}
        self._by_reference: dict[tuple[str, str], Message | None] = {}
        self._by_key: dict[tuple[str, str, str], Document | None] = {}
        self._by_number: dict[tuple[str, str], list[str]] = {}
        self._by_name: dict[tuple[str, str], Message | None] = {}
        self._freed: dict[tuple[str, str], Message | None] = {}
        self._reserved: dict[tuple[str, str], str | None] = {}
        self._ordered: dict[str, list[tuple[int, str]]] = {}
        self._opened: dict[str, Any] = {}
        self._told: dict[tuple[str, str], Receipt] = {}
        self._brought: dict[
            str, dict[str, str | None]
        ] = {}  # by a receipt's reference: messages that brought it, and their bytes

    def see(self, outcome: Outcome) -> None:
        """Let later decisions of the batch see this one."""
        for message in (outcome.message, *outcome.others):
            self._messages[message.id] = message
            if message.kind is Kind.RECEIPT and message.reference is not None:
                self._brought.setdefault(message.reference, {})[message.id] = message.sha256
            if message.source is not None and message.batch is None:
                self._by_name[(message.account, message.source)] = message
            if message.holds_reference:
                self._by_reference[(message.account, message.reference or "")] = message
            if message.document_id in self._ordered:
                waiting = [w for w in self._ordered[message.document_id] if w[1] != message.id]
                if message.makes_others_wait:
                    waiting.append((message.sequence or 1 << 60, message.id))
                self._ordered[message.document_id] = waiting
        for document in outcome.documents:
            self._documents[document.id] = document
            key = (document.account, document.type, document.key)
            self._by_key[key] = None if document.deleted else document
        for number in outcome.numbers:
            self._by_number.setdefault((number.account, number.value), []).append(number.document_id)
        self._told.update({(r.authority, r.id): r for r in outcome.receipts})
        for gone in outcome.release:
            self._reserved[(gone.kind, gone.value)] = None
        for kept in outcome.reserve:
            self._reserved[(kept.kind, kept.value)] = kept.document_id
        for follow_on in outcome.follow_ons:
            self.see(follow_on)

    def messages(self, ids: Iterable[str]) -> dict[str, Message]:
        ids = list(dict.fromkeys(ids))
        for part in slices(i for i in ids if i not in self._messages):
            rows = self._all(statements.MESSAGES, values=part)
            self._messages.update(dict.fromkeys(part))
            self._messages.update({m.id: m for m in self._nouns(message_of, rows)})
        return {i: m for i in ids if (m := self._messages[i]) is not None}

    def unchanged(self, messages: Sequence[Message]) -> set[str]:
        """Which of these are still as they were when they were read: state, seal, deadline and moment of the last change."""
        as_read = {
            message.id: (message.state, message.seal_number, message.updated_at, message.deadline_at) for message in messages
        }
        same: set[str] = set()
        for part in slices(as_read):
            rows = self._connection.execute(statements.MOMENTS, {"values": part})
            same.update(row[0] for row in rows if as_read[row[0]] == tuple(row[1:]))
        return same

    def message(self, id_: str) -> Message | None:
        return self.messages([id_]).get(id_)

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        ids = list(dict.fromkeys(ids))
        for part in slices(i for i in ids if i not in self._documents):
            rows = self._all(statements.DOCUMENTS, values=part)
            self._documents.update(dict.fromkeys(part))
            self._documents.update({d.id: d for d in self._nouns(document_of, rows)})
        return {i: d for i in ids if (d := self._documents[i]) is not None}

    def document(self, id_: str | None) -> Document | None:
        return self.documents([id_]).get(id_) if id_ else None

    def fetch_references(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the messages that hold these (account, reference), and the newest that had each and came to nothing."""
        for (account,), part in _unread(pairs, self._freed):
            held: dict[str | None, Message] = {}
            self._freed.update({(account, reference): None for reference in part})
            for message in map(message_of, self._all(statements.OF_REFERENCES, account=account, values=part)):
                if message.holds_reference:
                    held[message.reference] = message
                else:
                    self._freed[(account, message.reference or "")] = message
            for reference in part:  # what the batch has seen of it is newer
                self._by_reference.setdefault((account, reference), held.get(reference))

    def holder_of(self, account: str, reference: str) -> Message | None:
        """The message that holds a reference now."""
        if (account, reference) not in self._by_reference:
            self.fetch_references([(account, reference)])
        return self._by_reference[(account, reference)]

    def last_freed(self, account: str, reference: str) -> Message | None:
        """The newest message that had this reference and came to nothing."""
        if (account, reference) not in self._freed:
            self.fetch_references([(account, reference)])
        return self._freed[(account, reference)]

    def is_deleted(self, document_id: str) -> bool:
        """Did a document with this id live once and end?"""
        document = self.document(document_id)
        return document is not None and document.deleted

    def fetch_keys(self, keys: Iterable[tuple[str, str, str]]) -> None:
        for (account, type_), part in _unread(keys, self._by_key):
            rows = self._all(statements.KEYS, account=account, type=type_, values=part)
            found = {row["key"]: document_of(row) for row in rows}
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

    def has_document(self, account: str, type_: str, statuses: Collection[str]) -> bool:
        """Has the account a living document of this type in one of these statuses?"""
        rows = self._connection.execute(statements.IN_STATUS, {"account": account, "type": type_, "values": list(statuses)})
        ids = rows.scalars().all()
        seen = [d for d in self._documents.values() if d is not None and d.account == account and d.type == type_]
        return any(d.status in statuses and not d.deleted for d in (*self.documents(ids).values(), *seen))

    def documents_of_number(self, account: str, value: str) -> list[Document]:
        """Documents of the account that have this official number (hyphens and case as given)."""
        if (account, value) not in self._by_number:
            rows = self._connection.execute(statements.OF_NUMBER, {"value": value, "account": account})
            self._by_number[(account, value)] = [row[0] for row in rows]
        found = self.documents(self._by_number[(account, value)]).values()
        return [d for d in found if not d.deleted]

    def receipts_of_messages(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        wanted = set(ids)
        found = super().receipts_of_messages(wanted)
        for receipt in self._told.values():
            if receipt.message_id in wanted:
                found.setdefault(receipt.message_id, []).append(receipt)
        return found

    def has_receipt(self, authority: str, id_: str) -> bool:
        return (authority, id_) in self._told or super().has_receipt(authority, id_)

    def receipt_bytes(self, authority: str, id_: str, *, but: str) -> str | None:
        brought = self._brought.get(f"{authority}:{id_}", {})
        for message_id, sha256 in brought.items():
            if message_id != but:
                return sha256
        return super().receipt_bytes(authority, id_, but=but)

    def owners_of_number(self, series: str, value: str) -> set[str]:
        """The documents, of any account, that have this official number in a series."""
        return set(self._connection.execute(statements.OWNERS, {"value": value, "series": series}).scalars())

    def reserved_by(self, kind: str, value: str) -> str | None:
        """The document that has reserved a value."""
        if (kind, value) not in self._reserved:
            known = self._connection.execute(statements.RESERVED, {"kind": kind, "value": value})
            self._reserved[(kind, value)] = known.scalar()
        return self._reserved[(kind, value)]

    def fetch_ordered(self, document_ids: Iterable[str]) -> None:
        for part in slices(d for d in dict.fromkeys(document_ids) if d not in self._ordered):
            self._ordered.update({d: [] for d in part})
            for row in self._connection.execute(statements.ORDERED, {"values": part}):
                self._ordered[row[0]].append((row[1], row[2]))

    def waits_for_earlier(self, message: Message) -> bool:
        """Is an earlier submission of the same document still on its way out?"""
        if message.document_id is None or not message.waits:
            return False
        self.fetch_ordered([message.document_id])
        mine = message.sequence or 1 << 61
        return any(sequence < mine and other != message.id for sequence, other in self._ordered[message.document_id])

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
            for row in self._all(statements.NEWEST, account=account, values=part):
                self._by_name[(account, row["source"])] = message_of(row)

    def newest_under(self, account: str, name: str) -> Message | None:
        """The newest message that came under a file name."""
        if (account, name) not in self._by_name:
            self.fetch_names([(account, name)])
        return self._by_name[(account, name)]


def _unread(keys: Iterable[tuple[str, ...]], known: Collection[Any]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys that are not known, by all but their last part, in parts that one statement can take."""
    grouped: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for key in keys:
        if key not in known:
            grouped[key[:-1]].add(key[-1])
    for of, values in grouped.items():
        for part in slices(values):
            yield of, part
