"""Write the files that tell an enterprise how its messages and documents stand, and carry originals to their boxes.

Nothing is forced to disk here: after a crash all of it is written again from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system import times
from tongguan.outbox.status.file_writer import FileWriter, MailboxFolders
from tongguan.outbox.status.render import NamedAnswer, document_status, message_status
from tongguan.outbox.status.view import StatusView


@dataclass(frozen=True, slots=True)
class StatusContext:
    """What the outbox is told by the daemon."""

    mailboxes: Mapping[str, MailboxFolders]
    environment: str
    version: str
    language: Callable[[str], str]  #: of an account; of "", the gateway's own
    profile: Callable[[str], Profile | None]  #: of a document type
    health: Callable[[], Mapping[str, Any]] = dict  #: `cards`, `routes`, `deadlines` of the heartbeat
    paused: Callable[[str], Any] = lambda account: None  #: why an account is paused; None: it is not
    home: Path | None = None  #: that commands in status files are about
    shut: Callable[[Lane | None], str | None] = lambda lane: None  #: what a lane waits for; None: it is open

    def say(self, zh: str, en: str) -> str:
        """The one in the gateway's language."""
        return en if self.language("") == "en" else zh


def write_message_files(message: Message, view: StatusView, context: StatusContext, writer: FileWriter) -> None:
    """Write a message's status files and carry its original to the box that its state asks for; OSError when a disk fails.

    RowDamaged when that is done, but without its document, which cannot be read.
    """
    named = message.source if view.newest.get(message.source or "") == message.id else None
    writer.message(message.id, shown_status(message, view, context), named)
    if message.batch is None and message.source is not None and (box := view.box(message)) is not None:
        _place(message, view.shown(message), box, writer.mailbox)
    if (damaged := view.damaged.get(view.shown(message).document_id or "")) is not None:
        raise damaged


def write_document_file(document_id: str, view: StatusView, context: StatusContext, writer: FileWriter) -> None:
    """Write a document's own file; OSError when a disk fails."""
    document = view.documents[document_id]
    content = document_status(
        document,
        [m for m in view.document_messages.get(document_id, ()) if m.kind is Kind.SUBMISSION and m.state is not State.REPEATED],
        view.document_receipts.get(document_id, ()),
        content=view.contents[document_id],
        missing=view.missing,
        environment=context.environment,
        language=context.language(document.account),
        profile=context.profile(document.type),
    )
    writer.document(document.type, document.key, content)


def shown_status(message: Message, view: StatusView, context: StatusContext) -> bytes:
    """The status of a message as its file shows it."""
    shown = view.shown(message)
    document = view.documents.get(shown.document_id) if shown.document_id is not None else None
    other = view.documents.get(shown.waits_on) if shown.waits_on is not None else None
    return message_status(
        shown if shown is message else replace(shown, source=message.source),
        document=document,
        receipts=view.receipts.get(shown.id, ()),
        items=[(item, named_answers(item, view)) for item in view.items.get(shown.id, ())],
        answers=named_answers(shown, view),
        missing=view.missing,
        environment=context.environment,
        language=context.language(shown.account),
        profile=context.profile(document.type) if document is not None else None,
        shut=context.shut(shown.lane),
        home=context.home,
        awaited=(other, context.profile(other.type)) if other is not None else None,
    )


def named_answers(message: Message, view: StatusView) -> list[NamedAnswer]:
    """All files in InBox that answer a message: its own, and the receipts that speak of it."""
    named = {name.file: name.kind for name in view.answers.get(message.id, ())}
    for receipt in view.receipts.get(message.id, ()):
        if receipt.file is not None and receipt.file not in view.missing:
            named.setdefault(receipt.file, "receipt")
    return [(kind, file) for file, kind in named.items()]


def _place(message: Message, shown: Message, box: str, mailbox: MailboxFolders) -> None:
    """The time in the name is that of the first arrival, so the same file dropped again lies there once."""
    source = message.source or ""
    came = shown.received_at if shown.source == source else message.received_at
    mailbox.place(message.id, source, folder=box, stamp=times.stamp(came))
