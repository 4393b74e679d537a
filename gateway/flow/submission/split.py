"""More rows than a document takes: one message becomes several documents, all of them or none.

The first is the one that it names; the others have its key with `-2`, `-3` and so on, numbers of their own, and are told in its
answer. Where card or wire are wanted, each of them goes by a message of its own, made in the same commit. The same again changes
nothing: what a further document says already, and may not be changed any more, stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson

from tongguan.codecs.checking.changing.row_changes import entered
from tongguan.codecs.checking.check import Checked
from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.reading.read import read
from tongguan.codecs.reading.vocabulary import MOST_NAME
from tongguan.codecs.writing.render import render_document
from tongguan.gateway.document.changes import born
from tongguan.gateway.flow.intake.accept import free_id
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.message import EARLIER, Message, State
from tongguan.gateway.model.outcome import Body, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Operation
from tongguan.gateway.system.storage import file_names

PART_OF = "part_of"  #: the mark of a further document: the key of the first
_ROOM = 240  #: bytes of a further message's name


@record
class Part:
    """A further document that a message makes or changes."""

    number: int  #: from 2 on
    key: str
    content: Content
    first_row: int  #: in the message, from 1 on
    last_row: int
    document: Document | None  #: as it is now; None also where a message of its own takes care of it
    stays: bool  #: such a message does, or the document says this already

    @property
    def rows(self) -> str:
        return f"{self.first_row}-{self.last_row}"


def further_documents(message: Message, records: Snapshot) -> Callable[[int], Document | None]:
    """The further documents of the message's key as they are now; another document with such a key is none of them."""

    def of_part(number: int) -> Document | None:
        document = records.document_of_key(message.account, message.type, _key(message, number))
        return document if document is not None and document.marks.get(PART_OF) == message.document else None

    return of_part


def _key(message: Message, number: int) -> str:
    return f"{message.document}-{number}"


def parts_of(rules: Rules, message: Message, checked: Checked, records: Snapshot) -> tuple[Part, ...]:
    """What the rows become for which the first document has no room."""
    if not checked.further:
        return ()
    compiled, of_part = rules.compiled(message.type), further_documents(message, records)
    operation = compiled.profile.operations[message.operation]
    last, parts = _rows(operation, checked.content), []
    for number, content in enumerate(checked.further, 2):
        first, last = last + 1, last + _rows(operation, content)
        apart = records.message(_message_id(message, number)) is not None
        document = None if apart else of_part(number)
        stays = apart or _says_it(compiled, operation, document, content)
        parts.append(Part(number, _key(message, number), content, first, last, document, stays))
    return tuple(parts)


def _rows(operation: Operation, content: Content) -> int:
    return len(content.get(operation.splits.removesuffix("[]"), ()))


def _message_id(message: Message, number: int) -> str:
    return derived_id("part", message.id, str(number))


def _says_it(compiled: Compiled, operation: Operation, document: Document | None, content: Content) -> bool:
    """Is it beyond this operation, and what was entered the same?"""
    if document is None or document.status in operation.allowed:
        return False
    return entered(compiled, document.content) == entered(compiled, content)


def part_faults(rules: Rules, message: Message, part: Part, records: Snapshot) -> list[Fault]:
    """Why a further document cannot be made or changed; whatever it says."""
    profile = rules.profile(message.type)
    operation = profile.operations[message.operation]
    named = {"path": "@document", "label": "document", "key": part.key}
    reference = _reference(message, part) if operation.way == "message" else ""
    if max(len(part.key), len(reference)) > MOST_NAME:
        return [fault("GW-F53", most=MOST_NAME, **named)]
    if part.stays:
        return []
    if part.document is None and records.document_of_key(message.account, message.type, part.key) is not None:
        return [fault("GW-F51", **named)]
    if part.document is not None and part.document.status not in operation.allowed:
        return [fault("GW-F52", status=profile.status_words(part.document.status), operation=operation.name, **named)]
    holder = records.holder_of(message.account, reference) if reference else None
    return [fault("GW-F01", path="@reference", label="reference", reference=reference, first=holder.id)] if holder else []


def _reference(message: Message, part: Part) -> str:
    return f"{message.reference or ''}-{part.number}"


def left_over(message: Message, parts: Sequence[Part], records: Snapshot) -> list[Fault]:
    """A warning where fewer documents are needed than there were: what is left over says what it said."""
    of_part, number, keys = further_documents(message, records), len(parts) + 2, list[str]()
    while (document := of_part(number)) is not None:
        keys.append(document.key)
        number += 1
    told = fault("GW-F54", path="@document", label="document", keys=" ".join(keys))
    return [replace(told, severity="warning")] if keys else []


def part_document(rules: Rules, message: Message, part: Part, records: Snapshot, at: int) -> Document:
    """The further document as it is before this, if only as one that does not exist yet."""
    if part.document is not None:
        return part.document
    id_ = free_id(message.account, message.type, part.key, records)
    fresh = born(replace(message, document=part.key, document_id=id_), rules.profile(message.type), at)
    return replace(fresh, marks={PART_OF: message.document or ""})


def part_message(
    rules: Rules, message: Message, part: Part, document: Document, records: Snapshot, now: int
) -> tuple[Message, Body]:
    """The message by which a further document goes out, with what it would be had it come by itself.

    Raises Deferred while an earlier message of that document is still on its way.
    """
    reference = _reference(message, part)
    freed = records.last_freed(message.account, reference)
    own = Message(
        id=_message_id(message, part.number),
        kind=message.kind,
        account=message.account,
        type=message.type,
        operation=message.operation,
        state=State.RECEIVED,
        received_at=message.received_at,
        updated_at=now,
        deadline_at=message.deadline_at,
        reference=reference,
        document=part.key,
        document_id=document.id,
        source=_source(message, part.number),
        form=message.form,
        profile=message.profile,
        replaces=freed.id if freed else None,
        extra={PART_OF: message.id},
    )
    if records.waits_for_earlier(own):
        raise Deferred(EARLIER, after=timedelta(seconds=1))
    raw = _written(rules.compiled(message.type), own, part.content)
    content = read(own.source or "", raw, most_bytes=len(raw)).items[0]
    return replace(own, sha256=hashlib.sha256(raw).hexdigest(), content_sha256=content.sha256), Body(own.id, "source", raw)


def _source(message: Message, number: int) -> str:
    """A name like that of the file which the message came in; of an item of a batch also by its place there."""
    item = f"-{message.item + 1}" if message.item is not None else ""
    stem = file_names.stem(message.source or message.id)
    return f"{file_names.fitting(f'{stem}{item}-{number}', _ROOM)}.{message.form}"


def _written(compiled: Compiled, message: Message, content: Content) -> bytes:
    """The further message as the sender would have written it."""
    own = entered(compiled, content)
    if message.form == "xml":
        return render_document(compiled, message, own, ())
    frame = {"type": message.type, "operation": message.operation, "reference": message.reference, "document": message.document}
    return orjson.dumps({**frame, "body": own}, option=orjson.OPT_SORT_KEYS)


def with_parts(outcome: Outcome, parts: Sequence[Part], made: Mapping[int, Outcome]) -> Outcome:
    """The first document's outcome with those of the others; its message tells of all of them.

    `made`: what becomes of each part that does not stay as it is; a message of its own follows the first.
    """
    message, extra = outcome.message, outcome.message.extra or {}
    if "parts" not in extra:
        first = {"document": message.document, "numbers": outcome.documents[0].numbers, "rows": f"1-{parts[0].first_row - 1}"}
        message = replace(message, extra={**extra, "parts": [first, *(_told(part, made.get(part.number)) for part in parts)]})
    further = [one for one in made.values() if one.message.id != message.id]
    beside = [one for one in made.values() if one.message.id == message.id]
    return replace(
        outcome,
        message=message,
        documents=(*outcome.documents, *(document for one in beside for document in one.documents)),
        numbers=(*outcome.numbers, *(number for one in beside for number in one.numbers)),
        release=(*outcome.release, *(reservation for one in beside for reservation in one.release)),
        takes=(*outcome.takes, *(take for one in beside for take in one.takes)),
        relied_on={**outcome.relied_on, **_untouched(parts, made)},
        follow_ons=(*outcome.follow_ons, *further),
    )


def _told(part: Part, made: Outcome | None) -> dict[str, Any]:
    """What the answer says of a further document."""
    document = made.documents[0] if made is not None and made.documents else part.document
    told: dict[str, Any] = {"document": part.key, "numbers": document.numbers if document is not None else {}, "rows": part.rows}
    if made is not None and made.was is None:
        told |= {"reference": made.message.reference, "message_id": made.message.id}
    return told


def _untouched(parts: Sequence[Part], made: Mapping[int, Outcome]) -> dict[str, int]:
    documents = (part.document for part in parts if part.number not in made)
    return {document.id: document.version for document in documents if document is not None}
