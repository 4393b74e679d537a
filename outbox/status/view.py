"""What there is to tell of a group of messages and documents, read from the journal in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tongguan.gateway.journal.database.rows import RowDamaged
from tongguan.gateway.journal.reading.lookups import AnswerName
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile
from tongguan.outbox.status.render import DocumentContent, document_content

_Told = TypeVar("_Told", Message, Receipt, AnswerName)

SENT_STATES = frozenset({State.SENT, State.ACCEPTED, State.REJECTED})
FAIL_STATES = frozenset({State.REFUSED, State.STOPPED, State.GIVEN_UP})
#: nothing can have been answered yet
_BEFORE_RECEIPTS = frozenset({State.RECEIVED, State.CHECKED})


@dataclass(frozen=True, slots=True)
class StatusView:
    """One moment of the journal, as far as a group of one account's status files needs it."""

    messages: Mapping[str, Message]  #: submissions to tell of
    firsts: Mapping[str, Message]  #: what repeats among them repeat
    documents: Mapping[str, Document]  #: without their content
    contents: Mapping[str, DocumentContent]  #: of those whose own file is to be written
    receipts: Mapping[str, list[Receipt]]  #: by message
    items: Mapping[str, list[Message]]  #: by batch
    newest: Mapping[str, str]  #: the newest message of a file name
    moved_documents: tuple[str, ...]  #: documents whose own file is to be written
    document_messages: Mapping[str, list[Message]]
    document_receipts: Mapping[str, list[Receipt]]
    answers: Mapping[str, list[AnswerName]]  #: by message, those that are in InBox
    missing: frozenset[str]  #: names of answers that are not in InBox yet: nothing tells of them
    short: frozenset[str]  #: messages and documents of which therefore not all can be told
    damaged: Mapping[str, RowDamaged]  #: what cannot be read, by its id, and is left out

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


def read_view(
    records: Search,
    account: str,
    message_ids: Iterable[str],
    document_ids: Sequence[str],
    *,
    profile: Callable[[str], Profile | None] = lambda type_: None,
    shows: Mapping[str, int] | None = None,
    in_inbox: Container[int] = (),
) -> StatusView:
    """Read all that the status files of these messages and documents show, as far as they are this account's.

    `profile`: of a type of which a document's own file is told of. `shows`: versions of documents in their own files; a document that these messages moved and that is at another one is told of
    too. `in_inbox`: answers written but not yet marked.
    """
    damaged = records.leave_out_damaged()
    ids = set(message_ids)
    around = records.around(ids, document_ids)
    found = {m.id: m for m in around if m.id in ids and m.kind is Kind.SUBMISSION and m.account == account}
    found.update({m.id: m for m in around if m.same_as in found})
    firsts = records.messages({m.same_as for m in found.values() if m.same_as is not None})
    told = [*found, *firsts]
    items = records.items([i for i in told if not (found.get(i) or firsts[i]).type])
    parts = {item.id for group in items.values() for item in group}
    versions = records.versions_moved({*told, *parts}) if shows is not None else {}
    already = {*document_ids, *(i for i, version in versions.items() if shows is not None and shows.get(i) == version)}
    if behind := [i for i in versions if i not in already]:
        known = {m.id for m in around}
        around = [*around, *(m for m in records.around((), behind) if m.id not in known)]
        around.sort(key=lambda message: message.sequence)
        document_ids = [*behind, *document_ids]
    shown = {id_ for m in (*found.values(), *firsts.values()) for id_ in (m.document_id, m.waits_on) if id_ is not None}
    documents = records.heads(shown.difference(document_ids))
    contents, used = {}, records.licences_used(document_ids)
    for document, json in records.documents_and_json(document_ids):  # one by one: whole contents of many are much to keep
        documents[document.id] = replace(document, content={}, pending=None)
        contents[document.id] = document_content(document, profile(document.type), json=json, used=used.get(document.id))
    mine = {i: documents[i] for i in document_ids if i in documents and documents[i].account == account}
    # One file for a key: of those who had it the last one is told of, and one that is deleted never after its successor.
    told_of = sorted(mine.keys() - records.succeeded(mine.values()), key=lambda i: mine[i].created_at)
    answered = {i for i in told if (found.get(i) or firsts[i]).state not in _BEFORE_RECEIPTS}
    receipts = records.receipts_around(answered | parts, mine)
    unwritten = records.unwritten_names(account)
    names = [*records.written_names(answered | parts), *(name for name in unwritten if name.id in in_inbox)]
    missing = {name.file: name.message_id for name in unwritten if name.id not in in_inbox}
    lacking = [receipt for receipt in receipts if receipt.file in missing] if missing else []
    return StatusView(
        messages=found,
        firsts=firsts,
        documents=documents,
        contents=contents,
        receipts=_by("message_id", receipts, answered | parts),
        items=items,
        newest=records.newest_of_name(account, sorted({m.source for m in found.values() if m.source and m.batch is None})),
        moved_documents=tuple(told_of),
        document_messages=_by("document_id", around, mine),
        document_receipts=_by("document_id", receipts, mine),
        answers=_by("message_id", names, answered | parts),
        missing=frozenset(missing),
        damaged=damaged,
        short=frozenset([*missing.values(), *(id_ for r in lacking for id_ in (r.message_id, r.document_id) if id_)]),
    )


def _by(name: str, rows: Iterable[_Told], keys: Container[str]) -> dict[str, list[_Told]]:
    """The rows under each of these keys, in their order."""
    found: dict[str, list[_Told]] = defaultdict(list)
    for row in rows:
        if (key := getattr(row, name)) in keys:
            found[key].append(row)
    return dict(found)
