"""Whatever is altered in a stored fact is found: each column of each table, each row taken away, put in, or put elsewhere."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from journals import answer, body, comes, document, keyed, moves, number, open_journal, receipt, submission, written
from sqlalchemy import Integer, LargeBinary, Table

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import CountedLine
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import State
from tongguan.gateway.model.notification import Notification
from tongguan.gateway.model.outcome import Number, RelatedPart, Relation, Reservation, Take, TakenLine
from tongguan.gateway.model.queueing import QueueDelivery

pytestmark = pytest.mark.requirement("GW-11")

#: what may change without a word in the history: marks of work, no facts. Every other column of every table is held.
MARKS_OF_WORK = {
    "message": {"lane", "due_at", "waiting_for"},
    "answer": {"id", "written"},
    "notification": {"next_at", "attempts"},
    "lane": {"probe_at"},
    "claim": {"token", "station", "until", "in_hand"},
    "crash": {"key", "count", "together"},
    "event_count": {"document_id", "count"},
}
TABLES = list(tables.metadata.sorted_tables)
COLUMNS = [(table, column) for table in TABLES for column in table.columns]


def lived(journal: Journal) -> None:
    """Rows in every table, some of them written several times."""
    line = CountedLine(202611, "2601", "铁矿砂", "035", 1, 2, True, True)
    for n in range(3):
        message = submission(f"m{n}", reference=f"r{n}", document_id=f"d{n}", source=f"f{n}.xml", extra={"route": "x"})
        first = document(
            f"d{n}", content={"a": "1"}, facts={"code": "8409", "name": "x"}, counted_at=1, counted=(line, line), round=1,
            changing=f"m{n}", keyed=keyed(n, merge="m"),
        )  # fmt: skip
        written(
            journal,
            comes(
                message,
                documents=(first,),
                numbers=(Number("a", "licence", f"L{n}", f"d{n}", "demo"),),
                reserve=(Reservation("entry", f"E{n}", f"d{n}"), Reservation("gone", f"E{n}", f"d{n}")),
                takes=(Take(f"d{n}", (TakenLine("l", "2601 035", 7, 100), TakenLine("l", f"{n}", 10**18 + n, None))),),
                bodies=(body(f"m{n}", b"<xml>%d</xml>" % n),),
                relations=(Relation(f"whole{n}", (RelatedPart(f"d{n}", b"\1\2"), RelatedPart("other", b"\1"))),),
                delivery=QueueDelivery(f"m{n}", "demo", f"k{n}", "tongguan.reply.demo", "c"),
            ),
        )
        second = document(
            f"d{n}",
            version=2,
            content={"a": "2"},
            facts={"code": "84", "name": "x"},
            status="sent",
            keyed=keyed(n + 1, merge="m"),
        )
        written(
            journal,
            moves(
                message,
                State.SENT,
                documents=(second,),
                release=(Reservation("gone", f"E{n}", f"d{n}"),),
                takes=(Take(f"d{n}", (TakenLine("l", "2601 035", 5, 100), TakenLine("l", "old", n + 1, None))),),
                receipts=(receipt(f"rc{n}", message_id=f"m{n}", document_id=f"d{n}"),),
                answers=(answer(f"m{n}"),),
                relations=(Relation(f"whole{n}", alive=False),),
                notifications=(Notification(f"n{n}", "demo", f"a:rc{n}", f"m{n}", f"d{n}", "k", f"1380000000{n}", "t", 1, 1),),
            ),
        )
    journal.notifications.tried(["n1"], {"n2": 5})
    journal.set_told("events", journal.begin_following("events"), {"d0": 3, "d1": 7})
    journal.close_lane(ClosedLane(Lane("account:demo"), "paused", "stocktaking", 1, None, "tongguan resume account demo", "wang"))
    number(journal, "a")
    journal.set_markers({"environment": "test"})
    journal.give_order("wang", "why", {"do": "pause"})
    journal.carry_out_orders(lambda *_: {"done": "pause"})
    journal.claim("s", ["read"], limit=5)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("past")
    journal = open_journal(home)
    lived(journal)
    journal.claim_keys("door", ["k"], lease_ms=-1)
    journal.claim_keys("door", ["other"])
    journal.close()
    open_journal(home).close()
    return home


@pytest.fixture
def home(past: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(past, tmp_path / "home"))


def broken(home: Path) -> str | None:
    with JournalClient.open("sqlite:///tongguan.db", home) as client:
        return client.verify().broken


def change(home: Path, statement: str, values: tuple[Any, ...] = ()) -> None:
    with sqlite3.connect(home / "tongguan.db") as base:
        assert base.execute(statement, values).rowcount == 1
    base.close()


def other(value: Any, type_: Any) -> Any:
    if isinstance(type_, LargeBinary):
        return bytes([*value[:-1], value[-1] ^ 1]) if value else b"\0"
    if isinstance(type_, Integer):
        return (value or 0) + 1_000_000
    return (value or "") + "x"


def rows(home: Path, table: Table) -> list[dict[str, Any]]:
    base = sqlite3.connect(home / "tongguan.db")
    base.row_factory = sqlite3.Row
    found = [dict(row) for row in base.execute(f'SELECT * FROM "{table.name}"')]
    base.close()
    # A count of nothing says nothing; where the clocks stood is a mark of work.
    return [row for row in found if not (table.name == "tally" and row["count"] == 0) and row.get("name") != "clock"]


def only(table: Table, row: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    key = [c.name for c in table.primary_key.columns]
    return " AND ".join(f'"{name}" = ?' for name in key), tuple(row[name] for name in key)


def test_the_untouched_history_is_whole(home: Path) -> None:
    assert broken(home) is None


def test_every_table_that_is_held_has_rows_here(home: Path) -> None:
    assert [t.name for t in TABLES if not rows(home, t) and t.name not in ("claim",)] == []


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{t.name}.{c.name}" for t, c in COLUMNS])
def test_each_column_that_is_altered_is_found(home: Path, table: Table, column: Any) -> None:
    for place in (0, -1):
        stored = rows(home, table)
        if not stored:
            assert table.name == "claim"
            return
        where, key = only(table, stored[place])
        before = stored[place][column.name]
        after = other(before, column.type)
        if any(row[column.name] == after for row in stored):
            continue
        change(home, f'UPDATE "{table.name}" SET "{column.name}" = ? WHERE {where}', (after, *key))
        found = broken(home)
        if column.name in MARKS_OF_WORK.get(table.name, ()):
            assert found is None
        else:
            assert found is not None
        altered = {**stored[place], column.name: after}
        where, key = only(table, altered)
        change(home, f'UPDATE "{table.name}" SET "{column.name}" = ? WHERE {where}', (before, *key))
        assert broken(home) is None


HELD = [t for t in TABLES if t.name not in digests.WITHOUT]


@pytest.mark.parametrize("table", HELD, ids=lambda t: t.name)
def test_each_row_that_is_taken_away_is_missed(home: Path, table: Table) -> None:
    where, key = only(table, rows(home, table)[0])
    change(home, f'DELETE FROM "{table.name}" WHERE {where}', key)

    assert broken(home) is not None


@pytest.mark.parametrize("table", HELD, ids=lambda t: t.name)
def test_each_row_that_nobody_made_is_found(home: Path, table: Table) -> None:
    row = dict(rows(home, table)[-1])
    unique = {c.name for c in table.primary_key.columns} | {"sequence", "file", "reference", "key", "phone"} & set(row)
    for name in unique:
        row[name] = other(row[name], table.c[name].type)
    marks = ", ".join("?" * len(row))
    change(
        home,
        f'INSERT INTO "{table.name}" ({", ".join(f"{chr(34)}{n}{chr(34)}" for n in row)}) VALUES ({marks})',
        tuple(row.values()),
    )

    assert broken(home) is not None


def test_rows_copied_from_one_account_to_another_are_found(home: Path) -> None:
    for table in ("answer", "number", "document", "message"):
        change(home, f"UPDATE {table} SET account = 'other' WHERE rowid = 1" if table != "number" else
               "UPDATE number SET account = 'other' WHERE value = 'L0'")  # fmt: skip
        assert broken(home) is not None
        change(home, f"UPDATE {table} SET account = 'demo' WHERE account = 'other'")
        assert broken(home) is None


def test_the_row_is_named(home: Path) -> None:
    change(
        home,
        "UPDATE document SET content = (SELECT content FROM document WHERE id = 'd0'), numbers = '{\"x\":\"1\"}' WHERE id = 'd1'",
    )

    assert "document d1 was altered: run " in (broken(home) or "")


def test_a_missing_receipt_is_named(home: Path) -> None:
    change(home, "DELETE FROM receipt WHERE id = 'rc1'")

    assert "receipt a rc1 is missing" in (broken(home) or "")


def test_columns_that_come_later_leave_older_digests_as_they_are() -> None:
    """Facts are taken in the order of the columns: what is new stands last, and is null in older rows."""
    known = {
        "message": ["type", "operation", "state", "updated_at", "deadline_at", "attempts"],
        "document": ["profile", "version", "status", "updated_at", "numbers", "marks", "attachments", "round", "rank"],
        "receipt": ["authority", "id", "code", "zh", "en", "issued_at", "message_id", "document_id", "round", "rank", "applied", "file"],
        "run": ["id", "started_at", "ended_at", "number"],
        "lane": ["name", "reason", "text", "since", "do", "who"],
    }  # fmt: skip

    assert {name: list(digests.FORMS[name][0].facts[: len(facts)]) for name, facts in known.items()} == known
