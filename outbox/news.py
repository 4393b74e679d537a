"""What there is to tell of a group of messages and documents, read from the journal in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tongguan.gateway.kernel.document import Document, Receipt
from tongguan.gateway.kernel.message import Kind, Message, State
from tongguan.gateway.kernel.particulars import AnswerRow

_Row = TypeVar("_Row", Message, Receipt)

SENT_STATES = frozenset({State.SENT, State.ACCEPTED, State.REJECTED})
FAIL_STATES = frozenset({State.REFUSED, State.STOPPED, State.GIVEN_UP})
#: nothing can have been answered yet
_BEFORE_RECEIPTS = frozenset({State.RECEIVED, State.CHECKED})


class Records(Protocol):
    """What the outbox reads of the journal."""

    def messages(self, ids: Iterable[str]) -> dict[str, Message]: ...
    def documents(self, ids: Iterable[str]) -> dict[str, Document]: ...
    def heads(self, ids: Iterable[str]) -> dict[str, Document]: ...
    def around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Message]: ...
    def receipts_around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Receipt]: ...
    def items(self, batch_ids: Iterable[str]) -> dict[str, list[Message]]: ...
    def newest_of_name(self, account: str, names: Sequence[str]) -> dict[str, str]: ...
    def moves_after(self, n: int, limit: int) -> list[tuple[int, str, str | None]]: ...
    def unwritten_answers(self, limit: int) -> list[AnswerRow]: ...
    def recent_answers(self, account: str, since: int, limit: int = ...) -> list[AnswerRow]: ...
    def open_messages(self, account: str, limit: int) -> list[Message]: ...


@dataclass(frozen=True, slots=True)
class News:
    """One moment of the journal, as far as a group of status files needs it."""

    messages: Mapping[str, Message]  #: submissions to tell of
    firsts: Mapping[str, Message]  #: what repeats among them repeat
    documents: Mapping[str, Document]
    receipts: Mapping[str, list[Receipt]]  #: by message
    items: Mapping[str, list[Message]]  #: by batch
    newest: Mapping[tuple[str, str], str]  #: the newest message of (account, file name)
    moved_documents: tuple[str, ...]  #: documents whose own file is to be written
    document_messages: Mapping[str, list[Message]]
    document_receipts: Mapping[str, list[Receipt]]

    @property
    def batches(self) -> set[str]:
        """Batches that are not told of here but whose items are."""
        return {m.batch for m in self.messages.values() if m.batch is not None} - self.messages.keys()

    def shown(self, message: Message) -> Message:
        """The message whose outcome is told: of a repeat, the first one."""
        return self.firsts.get(message.same_as, message) if message.same_as is not None else message

    def box(self, message: Message) -> str | None:
        """SentBox, FailBox, or None while the original stays in `work/`."""
        first = self.shown(message)
        if any(item.state in SENT_STATES for item in self.items.get(first.id, ())):
            return "SentBox"
        if first.state in SENT_STATES:
            return "SentBox"
        return "FailBox" if first.state in FAIL_STATES else None


def read_news(records: Records, message_ids: Iterable[str], document_ids: Sequence[str]) -> News:
    """Read all that the status files of these messages and documents show."""
    ids = set(message_ids)
    around = records.around(ids, document_ids)
    found = {m.id: m for m in around if m.id in ids and m.kind is Kind.SUBMISSION}
    found.update({m.id: m for m in around if m.same_as in found})
    firsts = records.messages({m.same_as for m in found.values() if m.same_as is not None})
    told = [*found, *firsts]
    shown = {m.document_id for m in (*found.values(), *firsts.values()) if m.document_id is not None}
    documents = {**records.heads(shown.difference(document_ids)), **records.documents(document_ids)}
    living = dict.fromkeys(i for i in document_ids if i in documents)
    answered = {i for i in told if (found.get(i) or firsts[i]).state not in _BEFORE_RECEIPTS}
    receipts = records.receipts_around(answered, living)
    return News(
        messages=found,
        firsts=firsts,
        documents=documents,
        receipts=_by("message_id", receipts, answered),
        items=records.items([i for i in told if not (found.get(i) or firsts[i]).type]),
        newest=_newest(records, found.values()),
        moved_documents=tuple(living),
        document_messages=_by("document_id", around, living),
        document_receipts=_by("document_id", receipts, living),
    )


def _by(name: str, rows: Iterable[_Row], keys: Container[str]) -> dict[str, list[_Row]]:
    """The rows under each of these keys, in their order."""
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if (key := getattr(row, name)) in keys:
            found[key].append(row)
    return dict(found)


def _newest(records: Records, messages: Iterable[Message]) -> dict[tuple[str, str], str]:
    names: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        if message.source is not None and message.batch is None:
            names[message.account].add(message.source)
    return {
        (account, name): id_
        for account, sources in names.items()
        for name, id_ in records.newest_of_name(account, sorted(sources)).items()
    }
