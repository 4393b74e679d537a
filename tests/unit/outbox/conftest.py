"""A real journal and real mailboxes for the outbox."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import orjson
import pytest

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Changed
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Answer, Body, Outcome
from tongguan.gateway.profile.profile import Profile, Status, Text
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.tellers import Tellers

RECEIVED_AT = 1_795_000_000_000


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class OneStatus:
    """As much of a profile as the outbox reads."""

    statuses = MappingProxyType({"pending": Status("pending", "3", Text("待初审", "awaiting review"), Text("待初审", ""))})
    statistics = None
    fields = ()


def submission(id_: str, state: State = State.RECEIVED, **more: Any) -> Message:
    given = {"source": f"{id_}.xml", "reference": id_, "type": "T", "operation": "declare", **more}
    return Message(
        id=id_, kind=Kind.SUBMISSION, account="demo", state=state, received_at=RECEIVED_AT, updated_at=RECEIVED_AT, **given
    )


def document(id_: str = "d1", **more: Any) -> Document:
    given = {"key": "PO/1", "status": "pending", "version": 1, "numbers": {"licence": "26AA000001"}, **more}
    return Document(id=id_, account="demo", type="T", profile="p1", created_at=RECEIVED_AT, updated_at=RECEIVED_AT, **given)


def receipt(id_: str, message_id: str, **more: Any) -> Receipt:
    given = {"code": "10", "zh": "入库成功", "en": "stored", "issued_at": RECEIVED_AT, **more}
    return Receipt(id=id_, authority="a", message_id=message_id, document_id="d1", **given)


def answer(message_id: str, name: str = "Successed_a", **more: Any) -> Answer:
    given: dict[str, Any] = {"kind": "technical", "suffix": ".xml", "content": b"<Response/>", "account": "demo", **more}
    return Answer(message_id=message_id, document_id=None, name=name, **given)


@dataclass
class Home:
    """A mailbox, a journal that tells, and the tellers that listen; no thread runs."""

    folder: Path
    journal: Journal
    mailbox: Mailbox
    alerts: Alerts
    around: StatusContext
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.teller = self.new_teller()
        self.journal.listeners.append(self._committed)

    def _committed(self, changed: Mapping[str, Changed]) -> None:
        for account, ids in changed.items():
            self.teller.tell(account, ids.messages, ids.documents, passing=ids.passing)

    def new_teller(self) -> Tellers:
        return Tellers(self.journal, self.around, self.alerts, monotonic=self.clock)

    def comes(self, message: Message, **more: Any) -> Message:
        """A new message, with its original in `work/` when it has one of its own."""
        if message.source is not None and message.batch is None:
            (self.folder / "work" / f"{message.id}.xml").write_bytes(message.id.encode())
        return self.comes_without_file(message, **more)

    def comes_without_file(self, message: Message, **more: Any) -> Message:
        bodies = (Body(message.id, "source", b"<the source/>"),)
        self.journal.finish([(Outcome(message, None, "read", **{"bodies": bodies, **more}),)])
        return message

    def moves(self, message: Message, state: State, **more: Any) -> Message:
        moved = replace(message, state=state, **more.pop("with_", {}))
        self.journal.finish([(Outcome(moved, message.state, "step", **more),)])
        return moved

    def outcome(self, message: Message, was: State | None) -> Outcome:
        """A move that brings nothing else."""
        return Outcome(message, was, "step")

    def receives(self, id_: str, *, ends: Message, **more: Any) -> None:
        """A receipt, which takes a submission to `accepted`."""
        came = replace(submission(id_, State.SETTLED, source=None, reference=f"a:{id_}"), kind=Kind.RECEIPT)
        ended = replace(ends, state=State.ACCEPTED)
        self.finish(came, others=(ended,), others_were={ended.id: ends.state}, **more)

    def finish(self, message: Message, **more: Any) -> None:
        """A message that comes as it is."""
        self.journal.finish([(Outcome(message, None, "settle", **more),)])

    def spoil(self, statement: str) -> None:
        """Alter what is stored, behind the journal's back."""
        with closing(sqlite3.connect(self.journal_file)) as base, base:
            assert base.execute(statement).rowcount

    @property
    def journal_file(self) -> Path:
        return self.folder.parent / "journal.db"

    def told(self) -> Home:
        self.teller.catch_up()
        return self

    def page(self, name: str) -> dict[str, Any]:
        return cast(dict[str, Any], orjson.loads((self.folder / "Status" / name).read_bytes()))

    def files(self, name: str) -> list[str]:
        return sorted(n for n in os.listdir(self.folder / name) if n not in (".clock", ".spare"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    journal = Journal.open(f"sqlite:///{tmp_path}/journal.db", tmp_path)
    mailbox = Mailbox(
        tmp_path / "box", "demo", settle=timedelta(seconds=2), ignored_after=timedelta(minutes=10), most_bytes=1 << 20
    )
    around = StatusContext(
        mailboxes={"demo": mailbox},
        environment="test",
        version="1.0",
        language=lambda account: "zh",
        profile=lambda type_: cast(Profile, OneStatus()),
        shut=lambda name: lane.waits_for if (lane := journal.lanes.get(name or "")) else None,
    )
    yield Home(tmp_path / "box", journal, mailbox, Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4)), around)
    journal.close()
