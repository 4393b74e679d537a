"""Real journals in real files, and the nouns to fill them with."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Document, KeyedDocument, KeyedLine, Receipt
from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Answer, Body, Chain, Finished, Outcome
from tongguan.gateway.system import clock
from tongguan.gateway.work.moment import Moment


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


def keyed(n: int = 1, **more: Any) -> KeyedDocument:
    """What is kept of a document for merging: two lines, each sum of which but the last has a high part."""
    lines = tuple(KeyedLine(bytes([n, line]) * 8, (10**15 + n, 7, 0, 10**18 + line)) for line in range(2))
    given: dict[str, Any] = {
        "pool": "1+I",
        "month": 202611,
        "day": f"2026-11-{n % 28 + 1:02d}",
        "number": f"N{n:06d}",
        "rates": "2026-11-30",
    }
    given |= {"key": bytes([n % 7]) * 16, "sums": (n, 10**15), "count": 2, "lines": lines, **more}
    every = zip(*(line.sums for line in given["lines"] or ()), strict=True)
    return KeyedDocument(**{"totals": tuple(map(sum, every)), **given})


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


def number(journal: Journal, series: str, digits: int = 9) -> int:
    """The next number of a series, from a block that is leased now where none is in hand."""
    journal.serials_ahead([(series, digits)])
    return journal.numbers().take(series, digits=digits)


def moment(journal: Journal) -> Moment:
    """Now, as far as a journal tells."""
    now = clock.now_ms()
    return Moment(now, now, journal.numbers(), journal.lanes)


def open_journal(home: Path) -> Journal:
    return Journal.open("sqlite:///tongguan.db", home)


class Database(Protocol):
    """What stands behind the journal's port, and one home that uses it."""

    def open(self, home: Path | None = None) -> Journal:
        """Begin a run, of another home where one is given; what a run before it left open is as after a kill."""

    def in_trouble(self, table: str) -> AbstractContextManager[None]:
        """Whoever needs this table meanwhile meets an error of the database."""


@dataclass(frozen=True)
class Sqlite:
    """A file in the home."""

    home: Path

    def open(self, home: Path | None = None) -> Journal:
        return Journal.open(f"sqlite:///{self.home / 'tongguan.db'}", home or self.home)

    @contextmanager
    def in_trouble(self, table: str) -> Iterator[None]:
        with closing(sqlite3.connect(self.home / "tongguan.db")) as base:
            base.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
            yield
            base.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


#: each stands behind the port in all tests of `tests/unit/journal` but those of `sqlite/`
DATABASES: Mapping[str, Callable[[Path], Database]] = {"sqlite": Sqlite}


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in so many threads at once, all let go together; raises what one of them raised."""
    gate, raised = threading.Barrier(count), list[BaseException]()

    def one(n: int) -> None:
        try:
            gate.wait()
            work(n)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in raised:
        raise error


def numbers(journal: Journal, count: int, digits: int = 6) -> list[int]:
    """So many numbers, as a step gets them: where none is in hand it is decided again a moment later."""
    given: list[int] = []
    while len(given) < count:
        try:
            given.append(journal.numbers().take("application", digits=digits))
        except Deferred:
            clock.pause(0.002)
    return given
