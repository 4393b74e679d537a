"""Write the files that tell an enterprise how its messages and documents stand, and carry originals to their boxes.

Nothing is forced to disk here: after a crash all of it is written again from the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tongguan.gateway.kernel import clock, file_names, files
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.profile import Profile
from tongguan.outbox.answers import Mailbox
from tongguan.outbox.news import News
from tongguan.outbox.status import document_status, message_status


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the outbox is told by the daemon."""

    mailboxes: Mapping[str, Mailbox]
    environment: str
    version: str
    language: Callable[[str], str]  #: of an account; of "", the gateway's own
    profile: Callable[[str], Profile | None]  #: of a document type
    health: Callable[[], Mapping[str, Any]] = dict  #: `cards`, `routes`, `deadlines` of the heartbeat
    paused: Callable[[str], Any] = lambda account: None  #: why an account is paused; None: it is not


def tell_message(message: Message, news: News, around: Surroundings) -> None:
    """Write a message's status files and carry its original to the box that its state asks for; OSError when a disk fails."""
    mailbox = around.mailboxes[message.account]
    content = _status(message, news, around)
    named = message.source if news.newest.get((message.account, message.source or "")) == message.id else None
    try:
        _write_status(mailbox, message.id, content, named)
    except FileNotFoundError:
        mailbox.prepare()
        _write_status(mailbox, message.id, content, named)
    if message.batch is None and message.source is not None and (box := news.box(message)) is not None:
        _place(message, news.shown(message), box, mailbox)


def tell_document(document_id: str, news: News, around: Surroundings) -> None:
    """Write a document's own file; OSError when a disk fails."""
    document = news.documents[document_id]
    mailbox = around.mailboxes[document.account]
    content = document_status(
        document,
        [m for m in news.document_messages.get(document_id, ()) if m.state is not State.REPEATED],
        news.document_receipts.get(document_id, ()),
        environment=around.environment,
        language=around.language(document.account),
        profile=around.profile(document.type),
    )
    target = f"{mailbox.folder}/Status/documents/{file_names.document_name(document.type, document.key)}"
    try:
        files.write(target, content)
    except FileNotFoundError:
        mailbox.prepare()
        files.write(target, content)


def _status(message: Message, news: News, around: Surroundings) -> bytes:
    shown = news.shown(message)
    document = news.documents.get(shown.document_id) if shown.document_id is not None else None
    return message_status(
        shown if shown is message else replace(shown, source=message.source),
        document=document,
        receipts=news.receipts.get(shown.id, ()),
        items=news.items.get(shown.id, ()),
        environment=around.environment,
        language=around.language(shown.account),
        profile=around.profile(document.type) if document is not None else None,
    )


def _write_status(mailbox: Mailbox, message_id: str, content: bytes, source: str | None) -> None:
    """Put the status under its id and, as a second name of the same file, under the name of the file that came."""
    by_id = f"{mailbox.folder}/Status/by-id/{message_id}.json"
    files.write(by_id, content)
    if source is None:
        return
    target = f"{mailbox.folder}/Status/{file_names.status_name(source)}"
    second = f"{mailbox.folder}/Status/.{message_id}.tmp"
    try:
        os.link(by_id, second)
    except FileNotFoundError:
        raise
    except OSError:
        files.write(target, content)
    else:
        files.move(second, target)


def _place(message: Message, shown: Message, box: str, mailbox: Mailbox) -> None:
    """The time in the name is that of the first arrival, so the same file dropped again lies there once."""
    source = message.source or ""
    came = shown.received_at if shown.source == source else message.received_at
    mailbox.place(message.id, source, folder=box, stamp=clock.stamp(came))


def clear_leftovers(mailbox: Mailbox, *, older_than_ms: int = 60_000) -> int:
    """Remove temporaries that a crash left in the folders that the outbox writes; how many there were."""
    gone, now = 0, clock.now_ms()
    for name in ("InBox", "Status", "Status/by-id", "Status/documents"):
        with os.scandir(mailbox.folder / name) as entries:
            for entry in entries:
                if entry.name[0] == "." and entry.name.endswith(".tmp") and now - entry.stat().st_mtime * 1000 > older_than_ms:
                    os.unlink(entry.path)
                    gone += 1
    return gone
