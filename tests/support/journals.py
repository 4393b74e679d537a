"""Real journals in real files, and the nouns to fill them with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Answer, Body, Chain, Finished, Outcome
from tongguan.gateway.system import clock


def submission(id_: str | None = None, **more: Any) -> Message:
    """A message that waits to be read."""
    now = clock.now_ms()
    given: dict[str, Any] = {
        "kind": Kind.SUBMISSION,
        "account": "demo",
        "type": "T",
        "operation": "declare",
        "state": State.RECEIVED,
        "received_at": now,
        "updated_at": now,
        "lane": Lane("read"),
        "due_at": now - 1,
        **more,
    }
    return Message(id=id_ or new_id(), **given)


def receipt_message(id_: str, **more: Any) -> Message:
    return submission(id_, **{"kind": Kind.RECEIPT, "operation": "receipt", "lane": Lane("verify"), "waits": False, **more})


def document(id_: str = "d1", **more: Any) -> Document:
    now = clock.now_ms()
    given = {"account": "demo", "type": "T", "key": id_, "profile": "p", "version": 1, "status": "draft", **more}
    return Document(id=id_, created_at=now, updated_at=now, **given)


def receipt(id_: str, **more: Any) -> Receipt:
    given = {"authority": "a", "code": "10", "zh": "入库成功", "en": "stored", "issued_at": 1, "message_id": None, **more}
    return Receipt(id=id_, **{"document_id": None, **given})


def answer(message_id: str, **more: Any) -> Answer:
    given = {"kind": "technical", "name": "Successed_a", "suffix": ".xml", "content": b"<Response/>", "account": "demo", **more}
    return Answer(message_id=message_id, document_id=None, **given)


def body(message_id: str, content: bytes, role: str = "source") -> Body:
    return Body(message_id, role, content)


def comes(message: Message, **more: Any) -> Outcome:
    return Outcome(message, None, "read", **more)


def moves(message: Message, state: State, **more: Any) -> Outcome:
    """The outcome that takes a message to another state; `with_` changes its row too."""
    changes = more.pop("with_", {})
    if state not in (State.RECEIVED, State.CHECKED, State.SEALED, State.VERIFIED):
        changes = {"lane": None, "due_at": None, **changes}
    return Outcome(replace(message, state=state, **changes), message.state, "step", **more)


def written(journal: Journal, *chains: Chain | Outcome, token: int | None = None) -> None:
    """Finish and insist that all of it was written."""
    whole = [chain if isinstance(chain, tuple) else (chain,) for chain in chains]
    assert journal.finish(whole, token=token) == [Finished.WRITTEN] * len(whole)


def stored(journal: Journal, id_: str) -> Message:
    with journal.read() as records:
        message = records.message(id_)
    assert message is not None
    return message


def stored_document(journal: Journal, id_: str = "d1") -> Document:
    with journal.read() as records:
        found = records.document(id_)
    assert found is not None
    return found


def open_journal(home: Path) -> Journal:
    return Journal.open("sqlite:///tongguan.db", home)
