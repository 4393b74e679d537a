"""What a message and a document look like to the enterprise: the status files, as bytes.

Pure: the same records give the same bytes. The fields are those of the manual and only ever added to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from tongguan.gateway.document import quantities
from tongguan.gateway.document.changes import value_at, with_values
from tongguan.gateway.document.differences import ValueChange, differences
from tongguan.gateway.document.licences import with_taken
from tongguan.gateway.model.batch import ITEMS_COUNT, items_count
from tongguan.gateway.model.document import Attachment, Document, Quantity, Receipt
from tongguan.gateway.model.errors import in_language
from tongguan.gateway.model.message import FINAL, OTHER, Message, State
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system import times
from tongguan.gateway.system.printed import at_home
from tongguan.gateway.system.storage import file_names

SCHEMA = 1
#: kind and name of an answer that is in InBox
NamedAnswer = tuple[str, str]
#: the same few times stand in a message's and its document's files, move after move
show = lru_cache(8192)(times.show)


@record
class DocumentContent:
    """What a document's own file shows of its content."""

    body: bytes  #: JSON
    quantities: Sequence[Quantity] | None
    changes: Sequence[ValueChange] | None = None  #: that await agreement; None: nothing does


OtherDocument = tuple[Document, Profile | None]
"""A document of another type, with its profile."""
#: facts of `Message.extra` that the enterprise sees
_SHOWN = ("check", "filled", "licence", "copies", "parts", "part_of")


def encoded(content: Any) -> bytes:
    """JSON in UTF-8; characters that no UTF-8 can hold become `?`, never an error."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content, ensure_ascii=False, default=_other).encode("utf-8", "replace")


def _other(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value)) if isinstance(value, orjson.Fragment) else str(value)


def waiting_for(message: Message, shut: str | None = None) -> str | None:
    """What the message waits for, as the status file says it; None when it waits for nothing. `shut`: what its lane waits for."""
    if message.state is State.SENT:
        return "authority"
    if message.state is State.HELD:
        return "person"
    return None if message.state in FINAL else message.waiting_for or shut


def message_status(
    message: Message,
    *,
    document: Document | None,
    receipts: Sequence[Receipt],
    items: Sequence[tuple[Message, Sequence[NamedAnswer]]],
    answers: Sequence[NamedAnswer] = (),
    missing: Container[str] = (),
    environment: str,
    language: str,
    profile: Profile | None,
    shut: str | None = None,
    awaited: OtherDocument | None = None,
    home: Path | None = None,
) -> bytes:
    """The status file of a submission; receipts whose file is `missing` in InBox are shown without it.

    `shut`: what the lane that it is in waits for; None while that is open. `awaited`: the other document that it waits for.
    `home`: that the commands in it are about.
    """
    final = message.state in FINAL
    status: dict[str, Any] = {
        "schema": SCHEMA,
        "message_id": message.id,
        "account": message.account,
        "environment": environment,
        "file": file_names.shown(message.source) if message.source is not None else None,
        "reference": message.reference,
        "document": message.document,
        "document_file": _document_file(message),
        "replaces": message.replaces,
        "type": message.type or None,
        "operation": message.operation or None,
        "state": message.state.value,
        "final": final,
        "waiting_for": waiting_for(message, shut),
        "business_status": business_status(document, profile, language),
        "numbers": document.numbers if document is not None else {},
        "faults": _faults(message, language, home),
        "receipts": [_receipt(receipt, language, missing) for receipt in receipts],
        "answers": _answers(answers),
        "items": [_item(item, named, language, home) for item, named in items],
        "attempts": message.attempts,
        "next_attempt_at": None if final else show(message.due_at),
        "deadline_at": None if final else show(message.deadline_at),
        "received_at": show(message.received_at),
        "updated_at": show(message.updated_at),
    }
    if items:
        status[ITEMS_COUNT] = items_count(item.state for item, _ in items)
    if awaited is not None and message.waiting_for == OTHER:
        status["waits_on"] = _awaited(*awaited, language=language)
    if message.state is State.HELD:
        reason, do = (in_language(text, language) for text in (message.hold_reason, message.hold_do))
        status["hold"] = {"reason": reason, "since": show(message.hold_since), "do": at_home(do or "", home)}
    if message.contradicted:
        status["contradicted"] = _contradiction(message)
    if message.batch is not None:
        status["batch"] = message.batch
    if message.extra:
        status.update({name: message.extra[name] for name in _SHOWN if name in message.extra})
    return encoded(status)


def _faults(message: Message, language: str, home: Path | None) -> list[dict[str, Any]]:
    shown = [fault.shown(language) for fault in message.faults]
    return [{**each, "message": at_home(each["message"], home)} for each in shown]


def document_status(
    document: Document,
    messages: Sequence[Message],
    receipts: Sequence[Receipt],
    *,
    content: DocumentContent | None = None,
    missing: Container[str] = (),
    environment: str,
    language: str,
    profile: Profile | None,
) -> bytes:
    """The file of a business document, rewritten at each of its moves. `content`: what is shown of its content, where it comes without."""
    content = content or document_content(document, profile)
    waiting = [m for m in messages if m.state not in FINAL and m.deadline_at is not None]
    return encoded(
        {
            "schema": SCHEMA,
            "type": document.type,
            "document": document.key,
            "account": document.account,
            "environment": environment,
            "numbers": document.numbers,
            "business_status": business_status(document, profile, language),
            "marks": document.marks,
            "deleted": document.deleted,
            "round": document.round,
            "versions": {"document": document.version, "profile": document.profile},
            "body": orjson.Fragment(content.body),
            "pending": _pending(content, language),
            "attachments": [_attachment(attachment) for attachment in document.attachments],
            "messages": [_line(message) for message in messages],
            "receipts": [_receipt(receipt, language, missing) for receipt in receipts],
            "contradicted": [{"message_id": m.id, "state": m.state, **_contradiction(m)} for m in messages if m.contradicted],
            "deadlines": [{"message_id": m.id, "operation": m.operation, "at": show(m.deadline_at)} for m in waiting],
            "quantities": content.quantities,
            "created_at": show(document.created_at),
            "updated_at": show(document.updated_at),
        }
    )


def document_content(
    document: Document, profile: Profile | None, *, json: bytes | None = None, used: Mapping[str, int] | None = None
) -> DocumentContent:
    """What is shown of a document's content; its own status field (单证状态) as the document stands now.

    `json`: the content, written already. `used`: what documents hold of it, where it is a licence, by line.
    """
    known = quantities.shown(document, profile)
    quantity = None if known is None else with_taken(profile, known, used or {})
    changes = _changes(document, profile)
    field = next((f.path for f in profile.fields if f.fill == "status"), "") if profile is not None else ""
    status = profile.statuses.get(document.status) if profile is not None else None
    if status is not None and value_at(document.content, field) not in ("", status.code):
        return DocumentContent(encoded(with_values(document.content, {field: status.code})), quantity, changes)
    return DocumentContent(json if json is not None else encoded(document.content), quantity, changes)


def _changes(document: Document, profile: Profile | None) -> Sequence[ValueChange] | None:
    if document.pending is None or profile is None:
        return None
    return differences(profile, document.content, document.pending)


def _pending(content: DocumentContent, language: str) -> dict[str, Any] | None:
    """What an authority has been asked to agree to, old and new; None while nothing awaits that."""
    if content.changes is None:
        return None
    labelled = ((change, change.field.label_en if language == "en" else change.field.label) for change in content.changes)
    return {"changes": [{"path": each.place, "label": label, "old": each.old, "new": each.new} for each, label in labelled]}


def business_status(document: Document | None, profile: Profile | None, language: str) -> dict[str, str] | None:
    """Code and text of where the document stands; None while there is none."""
    return status_named(document.status, profile, language) if document is not None else None


def status_named(name: str, profile: Profile | None, language: str) -> dict[str, str] | None:
    """The same of a status by its name in the profile."""
    status = profile.statuses.get(name) if profile is not None else None
    if status is None:
        return {"code": name, "text": name} if name else None
    return {"code": status.code, "text": status.text[language]}


def open_line(message: Message) -> dict[str, Any]:
    """An open message in the index."""
    file = file_names.shown(message.source) if message.source is not None else None
    return {**_line(message), "file": file, "type": message.type or None, "document": message.document}


def _line(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.id,
        "reference": message.reference,
        "operation": message.operation or None,
        "state": message.state.value,
        "final": message.state in FINAL,
        "waiting_for": waiting_for(message),
        "received_at": show(message.received_at),
        "updated_at": show(message.updated_at),
    }


def _contradiction(message: Message) -> dict[str, Any]:
    """Which receipt says the opposite of how the message ended, and whether the reference may be used again."""
    told = {name: (message.contradicted or {}).get(name) for name in ("code", "text", "says", "issued_at", "receipt", "used_by")}
    return {**told, "reference_free": not message.holds_reference}


def _awaited(document: Document, profile: Profile | None, *, language: str) -> dict[str, Any]:
    status = business_status(document, profile, language)
    return {"type": document.type, "document": document.key, "numbers": document.numbers, "business_status": status}


def _document_file(message: Message) -> str | None:
    """Where below `Status` its document's file is: a key may hold what no file's name can."""
    if not message.type or not message.document:
        return None
    name = os.fsencode(file_names.document_name(message.type, message.document))
    return f"documents/{file_names.shown(file_names.as_text(name))}"


def _item(item: Message, answers: Sequence[NamedAnswer], language: str, home: Path | None) -> dict[str, Any]:
    faults = _faults(item, language, home)
    more = {"type": item.type or None, "document": item.document, "faults": faults, "answers": _answers(answers)}
    return {**_line(item), **more}


def _answers(answers: Sequence[NamedAnswer]) -> list[dict[str, str]]:
    return [{"file": file_names.shown(file), "kind": kind} for kind, file in answers]


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "category": attachment.category or None,
        "media_type": attachment.media_type,
        "size_bytes": attachment.size_bytes,
        "sha256": attachment.sha256,
    }


def _receipt(receipt: Receipt, language: str, missing: Container[str]) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "code": receipt.code,
        "text": receipt.en if language == "en" else receipt.zh,
        "file": receipt.file if receipt.file not in missing else None,
        "issued_at": show(receipt.issued_at),
    }
