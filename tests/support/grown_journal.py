"""Journals that are years old: many messages, written in bulk, as their commits would have left them (`audit verify` agrees).

For measurements, in a home that stands still: `PYTHONPATH=src:tests/support python -m grown_journal HOME --finished 100000`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from journals import answer, body, comes, document, keyed, receipt, receipt_message, submission

from tongguan.gateway.flow.query.recount import MARKER, rules_of
from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import document_row, keyed_line_rows, keyed_row, message_row, pack, receipt_row
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.history import line_of
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.message import FREES_REFERENCE, State
from tongguan.gateway.model.outcome import Number, Outcome
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings
from tongguan.outbox.status.teller import NAME

_HAND = 1000  #: messages of one commit
_DAY_MS = 86_400_000
_DONE: Mapping[str, Any] = {"lane": None, "due_at": None}
_XML = b"<Message>" + b"<Goods>8409</Goods>" * 40 + b"</Message>"


class Growth:
    """Fills a journal, for one account; each message has a name, a reference and a document of its own unless its kind says else."""

    def __init__(self, journal: Journal, *, account: str = "demo", type_: str = "T") -> None:
        self._journal, self._account, self._type = journal, account, type_

    def add(self, kind: str, count: int) -> None:
        """So many more messages of a kind (`KINDS`); nobody is told of them, and no line is logged."""
        begun = self._journal.opened_at - 30 * _DAY_MS
        make = partial(KINDS[kind], self, begun)
        writer, first = self._journal._writer, self._next_sequence()
        told, writer._told = writer._told, lambda group: None
        try:
            for start in range(first, first + count, _HAND):
                outcomes = [make(n) for n in range(start, min(start + _HAND, first + count))]
                writer.submit(partial(_write, outcomes=outcomes), durable=False)
            writer.submit(self._journal._finisher.begin)  # it numbers what comes next
        finally:
            writer._told = told

    def _next_sequence(self) -> int:
        with self._journal._reading() as connection:
            return int(connection.exec_driver_sql("SELECT coalesce(max(sequence), 0) + 1 FROM message").scalar() or 1)

    def _came(self, begun: int, n: int, **more: Any) -> Any:
        at = begun + n
        given = {"account": self._account, "type": self._type, "received_at": at, "updated_at": at, "sequence": n, **_DONE}
        named = {"reference": f"grown-{n}", "document": f"grown-{n}", "source": f"grown-{n}.xml", "sha256": f"{n:064x}"}
        return submission(derived_id("grown", str(n)), **{**given, **named, **more})

    def finished(self, begun: int, n: int) -> Outcome:
        """Accepted, with all that belongs to one."""
        message = self._came(begun, n, state=State.ACCEPTED, document_id=derived_id("grown document", str(n)), seal_number=1)
        own = {"message_id": message.id, "document_id": message.document_id}
        return comes(
            message,
            documents=(
                document(
                    str(message.document_id),
                    key=str(message.document),
                    account=self._account,
                    type=self._type,
                    facts={"code": str(n % 97)},
                    keyed=keyed(n % 250, number=f"{n:09d}", merge=f"grown-{n}"),
                ),
            ),
            numbers=(Number(self._type, "licence", f"GROWN{n}", str(message.document_id), self._account),),
            receipts=(receipt(f"grown-{n}", issued_at=message.received_at, **own),),
            answers=(answer(message.id, account=self._account, name=f"Successed_grown-{n}"),),
            bodies=(body(message.id, _XML), body(message.id, _XML, "sealed:1")),
        )

    def failed(self, begun: int, n: int) -> Outcome:
        """Refused, rejected, stopped or given up; each frees its reference."""
        faults = (Fault("GW-C01", "必填", "is required", "/Goods", 1, "goods"),)
        state = sorted(FREES_REFERENCE)[n % len(FREES_REFERENCE)]
        return comes(self._came(begun, n, state=state, faults=faults), bodies=(body(derived_id("grown", str(n)), _XML),))

    def tried_again(self, begun: int, n: int) -> Outcome:
        """Refused, and all of one reference."""
        return comes(self._came(begun, n, state=State.REFUSED, reference="again"))

    def same_named(self, begun: int, n: int) -> Outcome:
        """All of one file name; each was refused."""
        return comes(self._came(begun, n, state=State.REFUSED, source="order.xml"))

    def repeated(self, begun: int, n: int) -> Outcome:
        """All the same as one before, of one reference and one name."""
        named = {"reference": "repeated", "source": "repeated.xml", "same_as": derived_id("grown", "0"), "waits": False}
        return comes(self._came(begun, n, state=State.REPEATED, **named))

    def unmatched(self, begun: int, n: int) -> Outcome:
        """Receipts of nothing that is known; every other one of a code that nobody knows."""
        at = begun + n
        noted = {"hold_reason": "code 77", "hold_since": at, "waiting_for": "code", "code": "77"} if n % 2 else {}
        given = {"account": self._account, "type": self._type, "received_at": at, "updated_at": at, "sequence": n, **_DONE}
        known = {"reference": f"authority:grown-{n}", "number": f"UNKNOWN{n}", "state": State.UNMATCHED, **noted}
        return comes(receipt_message(derived_id("grown", str(n)), **given, **known))

    def sent(self, begun: int, n: int) -> Outcome:
        """Sent, of another account: its verdict is awaited."""
        due = begun + 400 * _DAY_MS + n
        return comes(self._came(begun, n, state=State.SENT, account="other", deadline_at=due, seal_number=1))

    def needing(self, begun: int, n: int) -> Outcome:
        """Held for an account that is not in the settings."""
        held = {"needs": "account gone", "hold_since": begun + n, "hold_reason": "gone", "held_from": "received"}
        return comes(self._came(begun, n, state=State.HELD, account="gone", **held))

    def held_back(self, begun: int, n: int) -> Outcome:
        """Was held, and given up while it was."""
        noted = {"hold_since": begun + n, "hold_reason": "looked at"}
        return comes(self._came(begun, n, state=State.GIVEN_UP, **noted))


KINDS: Mapping[str, Callable[[Growth, int, int], Outcome]] = {
    "finished": Growth.finished,
    "failed": Growth.failed,
    "tried-again": Growth.tried_again,
    "same-named": Growth.same_named,
    "repeated": Growth.repeated,
    "unmatched": Growth.unmatched,
    "sent": Growth.sent,
    "held-back": Growth.held_back,
    "needing": Growth.needing,
}


def _write(group: Group, outcomes: list[Outcome]) -> None:
    """The rows that these would have left, under the history's rules."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _WRITTEN}
    counts: Counter[tuple[str, str, str]] = Counter()
    for outcome in outcomes:
        m = outcome.message
        counts[(m.account, m.kind, m.state)] += 1
        rows["message"].append(message_row(m))
        for d in outcome.documents:
            rows["document"].append(document_row(d))
            if d.keyed is not None:
                rows["keyed"].append(keyed_row(d, d.keyed))
                rows["keyed_line"] += keyed_line_rows(d.id, d.keyed)
            rows["fact"] += [{"document_id": d.id, "name": name, "value": value} for name, value in (d.facts or {}).items()]
        rows["number"] += [{f.name: getattr(number, f.name) for f in fields(number)} for number in outcome.numbers]
        rows["receipt"] += [receipt_row(r) for r in outcome.receipts]
        rows["body"] += [_body(b) for b in outcome.bodies]
        rows["answer"] += [_answer(a, at=m.received_at) for a in outcome.answers]
        group.moves.append((m.id, outcome.documents[0].id if outcome.documents else m.document_id, line_of(outcome)))
    for name, mine in rows.items():
        if mine:
            group.sql.insert(group.connection, tables.metadata.tables[name], mine)
            if name not in digests.CHAINED:
                group.left += digests.records_of(name, mine)
    changed = ({"account": a, "kind": k, "state": s, "change": count} for (a, k, s), count in counts.items())
    statements.COUNT.write(group.connection, *changed)


_WRITTEN = ("message", "document", "fact", "keyed", "keyed_line", "number", "receipt", "body", "answer")


def _body(b: Any) -> dict[str, Any]:
    return {"message_id": b.message_id, "role": b.role, "sha256": b.sha256, "content": pack(b.content)}


def _answer(a: Any, *, at: int) -> dict[str, Any]:
    named = {"message_id": a.message_id, "document_id": a.document_id, "account": a.account, "kind": a.kind}
    return {
        **named,
        "file": f"{a.name}{a.suffix}",
        "content": pack(a.content),
        "number": a.number,
        "at": at,
        "written": 1,
        "kept_until": None,
    }


def main() -> None:
    """Grow a home's journal, as if a gateway had told and counted all of it."""
    asked = argparse.ArgumentParser(description=main.__doc__)
    asked.add_argument("home", type=Path)
    asked.add_argument("--account", default="demo")
    asked.add_argument("--type", default="NA.application")
    for kind, make in KINDS.items():
        asked.add_argument(f"--{kind}", type=int, default=0, help=make.__doc__)
    given = asked.parse_args()
    settings = read_settings(given.home)
    journal = Journal.open(settings.database.url, settings.home)
    for kind in KINDS:
        Growth(journal, account=given.account, type_=given.type).add(kind, getattr(given, kind.replace("-", "_")))
    with journal.search() as records:
        end = records.end()
    for account in settings.account:
        journal.set_checkpoint(f"{NAME}:{account.name}", end)
    journal.set_markers({MARKER: json.dumps({"known": rules_of(load_profiles(home=settings.home).values())})})
    journal.close()


if __name__ == "__main__":
    main()
