"""Write the files that tell an enterprise how its messages and documents stand, and carry originals to their boxes.

Nothing is forced to disk here: after a crash all of it is written again from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system import clock
from tongguan.outbox.news import News
from tongguan.outbox.pen import MailboxFolders, Pen
from tongguan.outbox.status import NamedAnswer, document_status, message_status


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the outbox is told by the daemon."""

    mailboxes: Mapping[str, MailboxFolders]
    environment: str
    version: str
    language: Callable[[str], str]  #: of an account; of "", the gateway's own
    profile: Callable[[str], Profile | None]  #: of a document type
    health: Callable[[], Mapping[str, Any]] = dict  #: `cards`, `routes`, `deadlines` of the heartbeat
    paused: Callable[[str], Any] = lambda account: None  #: why an account is paused; None: it is not
    shut: Callable[[str | None], str | None] = lambda lane: None  #: what a lane waits for; None: it is open

    def say(self, zh: str, en: str) -> str:
        """The one in the gateway's language."""
        return en if self.language("") == "en" else zh


def tell_message(message: Message, news: News, around: Surroundings, pen: Pen) -> None:
    """Write a message's status files and carry its original to the box that its state asks for; OSError when a disk fails.

    RowDamaged when that is done, but without its document, which cannot be read.
    """
    named = message.source if news.newest.get(message.source or "") == message.id else None
    pen.message(message.id, _status(message, news, around), named)
    if message.batch is None and message.source is not None and (box := news.box(message)) is not None:
        _place(message, news.shown(message), box, pen.mailbox)
    if (damaged := news.damaged.get(news.shown(message).document_id or "")) is not None:
        raise damaged


def tell_document(document_id: str, news: News, around: Surroundings, pen: Pen) -> None:
    """Write a document's own file; OSError when a disk fails."""
    document = news.documents[document_id]
    content = document_status(
        document,
        [m for m in news.document_messages.get(document_id, ()) if m.kind is Kind.SUBMISSION and m.state is not State.REPEATED],
        news.document_receipts.get(document_id, ()),
        missing=news.missing,
        environment=around.environment,
        language=around.language(document.account),
        profile=around.profile(document.type),
    )
    pen.document(document.type, document.key, content)


def _status(message: Message, news: News, around: Surroundings) -> bytes:
    shown = news.shown(message)
    document = news.documents.get(shown.document_id) if shown.document_id is not None else None
    return message_status(
        shown if shown is message else replace(shown, source=message.source),
        document=document,
        receipts=news.receipts.get(shown.id, ()),
        items=[(item, named_answers(item, news)) for item in news.items.get(shown.id, ())],
        answers=named_answers(shown, news),
        missing=news.missing,
        environment=around.environment,
        language=around.language(shown.account),
        profile=around.profile(document.type) if document is not None else None,
        shut=around.shut(shown.lane),
    )


def named_answers(message: Message, news: News) -> list[NamedAnswer]:
    """All files in InBox that answer a message: its own, and the receipts that speak of it."""
    named = {name.file: name.kind for name in news.answers.get(message.id, ())}
    for receipt in news.receipts.get(message.id, ()):
        if receipt.file is not None and receipt.file not in news.missing:
            named.setdefault(receipt.file, "receipt")
    return [(kind, file) for file, kind in named.items()]


def _place(message: Message, shown: Message, box: str, mailbox: MailboxFolders) -> None:
    """The time in the name is that of the first arrival, so the same file dropped again lies there once."""
    source = message.source or ""
    came = shown.received_at if shown.source == source else message.received_at
    mailbox.place(message.id, source, folder=box, stamp=clock.stamp(came))
