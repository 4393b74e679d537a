"""Flat cost: no question of the daemon walks through all messages, documents or moves, or leaves it to the planner to see how not to.

How much is really read, in a young journal and in an old one, is counted in `test_growth.py`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from journals import (
    answer,
    body,
    comes,
    document,
    keyed,
    moves,
    number,
    open_journal,
    receipt,
    receipt_message,
    submission,
    written,
)
from sqlalchemy import Connection, Engine, event

from tongguan.gateway.journal.database import prepared as driver
from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.prepared import PreparedStatement
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import CountedLine
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import FINAL, FREES_REFERENCE, State
from tongguan.gateway.model.outcome import Number, RelatedPart, Relation, Reservation, Take, TakenLine
from tongguan.gateway.model.queueing import QueueDelivery

#: tables that grow with every message for ever
GROWING = (
    "message",
    "document",
    "fact",
    "counted",
    "keyed",
    "keyed_line",
    "relation",
    "licence_taken",
    "licence_used",
    "number",
    "reservation",
    "round",
    "receipt",
    "body",
    "answer",
    "move",
    "history",
    "notification",
    "queue_delivery",
    "event_count",
)

DATA = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")  #: how statements begin that have a plan

#: what may be walked through: a partial index is as long as what it is about, whatever is stored
SHORT = {
    "answer_unwritten": "what waits to be written",
    "move_event": "starts, stops and lanes; read from its end to a limit",
}
#: statements that sort what they found, by a part of their text: that never is more than what was asked for, or is part of
SORTS = {
    "ORDER BY message.sequence": "items of batches, or messages of documents, that were asked for by their ids",
    "ORDER BY receipt.issued_at": "receipts of messages, or of documents, that were asked for by their ids",
    "ORDER BY answer.id": "answers of messages that were asked for by their ids",
    "GROUP BY message.state": "a batch",
    "SELECT DISTINCT document.id": "documents that given messages moved",
    "ORDER BY orders.rowid": "orders that are not carried out yet",
    "count(DISTINCT counted.document_id)": "statistics of the months that a person asks for, by what the key is not ordered by",
}
#: statements that need no index, by a part of their text
ASKED = {
    "SELECT history.run FROM history": "is there an entry at all: one row",
}

LINE = CountedLine(202611, "2601", "铁矿砂", "035", 1, 2, True, True)


_prepared: dict[str, Any] = {}  #: texts of prepared statements that were run, with the values of the last run


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared and bulk statements pass Core by."""
    filled, run_many = PreparedStatement._filled, driver._run_many

    def note(statement: PreparedStatement, dialect: Any, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        text, given = filled(statement, dialect, values)
        if text.startswith(DATA):
            _prepared[text] = given
        return text, given

    def note_many(connection: Connection, text: str, values: Sequence[Sequence[Any]]) -> int:
        if text.startswith(DATA):
            _prepared[text] = values[0]
        return run_many(connection, text, values)

    monkeypatch.setattr(PreparedStatement, "_filled", note)
    monkeypatch.setattr(driver, "_run_many", note_many)


class Plans:
    """Notes every statement of a journal and asks SQLite how it is carried out; one at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        _prepared.clear()
        self.statements = _prepared
        for engine in (journal._engine, journal._readers):
            event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if statement.lstrip().startswith(DATA):
            self.statements[statement] = parameters[0] if executemany else parameters

    def plan(self, statement: str) -> list[str]:
        with self._journal._engine.connect() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(self.statements[statement]))
            return [row[3] for row in rows]

    def walks(self) -> list[str]:
        """What is wrong with the plans of all statements."""
        return [wrong for statement in list(self.statements) for wrong in faults(statement, self.plan(statement))]


def faults(statement: str, plan: list[str]) -> list[str]:
    """Steps that walk through a growing table, sort what may be long, or find their way by an index that nobody named."""
    statement = " ".join(statement.split())
    if any(part in statement for part in ASKED):
        return []
    named = re.findall(r"INDEXED BY (\w+)", statement)
    found = []
    for step in plan:
        by = re.match(
            rf"(SEARCH|SCAN) (?:{'|'.join(GROWING)}|other|own|item)\b(?: USING (?:COVERING )?(?:INDEX (\w+)|.*PRIMARY KEY))?",
            step,
        )
        if by is None:
            if step.startswith("USE TEMP B-TREE") and not any(part in statement for part in SORTS):
                found.append(step)
        elif by[1] == "SCAN":
            found += [] if by[2] in SHORT else [step]
        elif by[2] is not None and by[2] not in named and not by[2].startswith("sqlite_autoindex"):
            found.append(step)
    return [f"{step}: {statement}" for step in found]


@pytest.fixture
def filled(journal: Journal) -> Journal:
    """Some rows; SQLite plans as it does in a new home, without figures of them."""
    for n in range(60):
        message = submission(f"m{n}", reference=f"r{n}", document_id=f"d{n}", source=f"f{n}.xml", deadline_at=n)
        written(
            journal,
            comes(
                message,
                documents=(document(f"d{n}", facts={"code": "8409"}, counted_at=1, counted=(LINE,), keyed=keyed(n, merge="m")),),
                relations=(Relation(f"w{n}", (RelatedPart(f"d{n}", b"\1\2"),)),),
                numbers=(Number("a", "licence", f"L{n}", f"d{n}", "demo"),),
                takes=(Take(f"d{n}", (TakenLine(f"l{n}", "2601 035", 1, None),)),),
                receipts=(receipt(f"rc{n}", message_id=f"m{n}", document_id=f"d{n}"),),
                answers=(answer(f"m{n}"),),
                bodies=(body(f"m{n}", b"<xml/>"),),
                delivery=QueueDelivery(f"m{n}", "demo", f"k{n}", "tongguan.reply.demo"),
            ),
        )
    return journal


def test_a_walk_would_be_found(filled: Journal) -> None:
    plans = Plans(filled)
    with filled._reading() as connection:
        connection.exec_driver_sql("SELECT id FROM message WHERE waiting_for = 'x'")

    assert len(plans.walks()) == 1


def test_a_sorting_and_an_index_by_chance_would_be_found(filled: Journal) -> None:
    plans = Plans(filled)
    with filled._reading() as connection:
        connection.exec_driver_sql("SELECT id FROM message WHERE state = 'sent' ORDER BY attempts")

    assert [wrong.partition(":")[0] for wrong in plans.walks()] == [
        "SEARCH message USING INDEX message_state (state=?)",
        "USE TEMP B-TREE FOR ORDER BY",
    ]


def prepared() -> dict[str, PreparedStatement]:
    """All that were made once, by their names."""
    found = {}
    for name, made in vars(statements).items():
        each = made.items() if isinstance(made, dict) else [("", made)]
        found.update({f"{name} {key}".rstrip(): one for key, one in each if isinstance(one, PreparedStatement)})
    return found


@pytest.mark.parametrize("statistics", ["none", "of today", "of another journal"])
def test_what_is_asked_again_and_again_goes_by_a_key_or_the_index_that_it_names(filled: Journal, statistics: str) -> None:
    with filled._engine.connect() as connection:
        if statistics != "none":
            connection.exec_driver_sql("ANALYZE")
        if statistics == "of another journal":  # a million rows, of which one value of any column but a key finds nearly all
            rows = "CASE WHEN idx LIKE 'sqlite_auto%' THEN '1000000 1 1 1' ELSE '1000000 900000 900000 900000 900000' END"
            connection.exec_driver_sql(f"UPDATE sqlite_stat1 SET stat = {rows}")
            connection.exec_driver_sql("ANALYZE sqlite_master")
        wrong = {name: faults(*_planned(connection, statement)) for name, statement in prepared().items()}

    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(wrong) > 60


def _planned(connection: Connection, statement: PreparedStatement) -> tuple[str, list[str]]:
    """The text of a statement, each list in it two long, and its plan."""
    with contextlib.suppress(KeyError):
        statement._filled(connection.dialect, {})
    lists = re.findall(r"POSTCOMPILE_(\w+)]", statement._texts[None])
    wanted = {value: ["a", "b"] if value in lists else 1 for value, usual in statement._names if usual is None}
    text, given = statement._filled(connection.dialect, wanted)
    return text, [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(given))]


def test_what_is_free_again_and_what_is_open_are_the_states_that_the_indexes_speak_of() -> None:
    def states(where: str) -> set[str]:
        return set(re.findall(r"'(\w+)'", where.partition("state IN")[2]))

    assert states(tables.FREED) == set(FREES_REFERENCE)
    assert states(tables.OPEN) == set(State) - FINAL - {State.VERIFIED, State.UNMATCHED, State.QUARANTINED}


def test_starting_walks_through_nothing(filled: Journal, tmp_path: Path) -> None:
    filled.close()
    heard: dict[str, Any] = {}

    def note(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, executemany: bool) -> None:
        if statement.lstrip().startswith(DATA):
            heard[statement] = parameters[0] if executemany else parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        journal = open_journal(tmp_path)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    plans = Plans(journal)
    plans.statements.update(heard)

    assert plans.walks() == []
    assert len(heard) > 15
    journal.close()


def test_writing_walks_through_nothing(filled: Journal) -> None:
    plans = Plans(filled)
    claim = filled.claim("s", ["read", "verify"], limit=5)
    assert claim
    checked = [
        moves(
            m,
            State.SENT,
            documents=(document(m.document_id or "", version=2, facts={"code": "1"}, counted=(), keyed=keyed()),),
            relations=(Relation("w1", alive=False),),
            relied_on={"d50": 1},
            takes=(Take(m.document_id or "", (TakenLine("l0", "2601 035", 2, 1000),)),),
        )
        for m in claim.messages
    ]
    written(filled, *checked, token=claim.token)
    release = Reservation("k", "v", "d1")
    told = receipt_message("r", state=State.UNMATCHED, number="N", lane=None, due_at=None)
    written(filled, comes(told, reserve=(release,)), comes(submission("n", document_id="d9", reference="r99")))
    written(filled, comes(submission("o"), release=(release,), numbers=(Number("a", "k", "N", "d1", "demo"),)))
    items = [submission(f"i{n}", batch="bt", reference=f"i{n}") for n in range(3)]
    written(filled, comes(submission("bt", operation="batch", lane=Lane("batch"), due_at=1 << 50)), *(comes(i) for i in items))
    written(filled, *(moves(i, State.ACCEPTED) for i in items))
    filled.claim_keys("door", ["k"], lease_ms=-1)
    filled.claim_keys("door", ["k"])
    filled.close_lane(ClosedLane(Lane("x"), "r", "t", 1, None, "d"))
    filled.open_lane(Lane("x"))
    filled.mark_written([1, 2])
    filled.notifications.due(1, 5)
    filled.notifications.tried(["n1"], {"n2": 5})
    filled.recount([document("d55", version=2, counted=(LINE,), keyed=keyed())], marker="counted", value="x")
    filled.write_again("m1")
    number(filled, "a")
    filled.set_checkpoint("told", Cursor(1))
    filled.set_told("events", filled.begin_following("events"), {"d1": 2, "d2": 3})
    filled.give_order("li", "why", {})
    filled.carry_out_orders(lambda *_: None)

    assert plans.walks() == []
    assert len(plans.statements) > 25


DECIDES: dict[str, Callable[[Snapshot], Any]] = {
    "messages": lambda r: r.messages(["m1", "m2"]),
    "documents": lambda r: r.documents(["d1", "d2"]),
    "references": lambda r: r.fetch_references([("demo", "r1"), ("demo", "r2")]),
    "deleted": lambda r: r.is_deleted("d1"),
    "delivered": lambda r: r.delivered("demo", ["k1", "k2"]),
    "keys": lambda r: r.fetch_keys([("demo", "T", "d1")]),
    "document in": lambda r: r.document_in("demo", "T", {"draft", "done"}),
    "document in, for a party": lambda r: r.document_in("demo", "T", {"draft", "done"}, party="p"),
    "reservations": lambda r: r.reservations_of("d1"),
    "number": lambda r: r.documents_of_number("demo", "L1"),
    "naming": lambda r: r.documents_naming("demo", "T", "code", {"8409", "x"}),
    "reserved": lambda r: r.reserved_by("k", "v"),
    "held of licences": lambda r: r.held_by("d1"),
    "used of a licence": lambda r: r.used_of("l1"),
    "ordered": lambda r: r.fetch_ordered(["d1"]),
    "bodies": lambda r: r.bodies(["m1", "m2"], "source"),
    "names": lambda r: r.fetch_names([("demo", "f1.xml")]),
    "receipts of documents": lambda r: r.receipts_of_documents(["d1"]),
    "receipt bytes": lambda r: r.receipt_bytes("a", "rc1", but="m1"),
    "rounds": lambda r: r.rounds("d1"),
    "messages of documents": lambda r: r.messages_of_documents(["d1"]),
    "owners of number": lambda r: r.owners_of_number("T", "L1"),
    "holder and freed": lambda r: (r.holder_of("demo", "r1"), r.last_freed("demo", "r1")),
    "of names": lambda r: (r.newest_under("demo", "f1.xml"), r.document_of_key("demo", "T", "d1")),
    "unchanged": lambda r: r.unchanged([r.message("m1")]),
    "sealed": lambda r: r.sealed_of([r.message("m1")]),
    "waits": lambda r: r.waits_for_earlier(r.message("m1")),
    "of a message": lambda r: (r.message("m1"), r.document("d1"), r.body("m1", "source"), r.has_receipt("a", "rc1")),
    "receipts of messages": lambda r: r.receipts_of_messages(["m1"]),
    "items": lambda r: (r.items(["m1"]), r.item_states("m1")),
    "find": lambda r: r.find("L1", "demo"),
    "counted": lambda r: r.counted("demo", "T", first=202601, last=202611, where={}),
    "kept": lambda r: (
        r.keyed_of("demo", "T", pool="1+I", month=202611, where=of_documents(statuses=["draft"]), limit=5),
        r.months_of("demo", "T", "1+I"),
    ),
    "in hand": lambda r: list(r.keyed_in_hand("m")),
    "relation": lambda r: (r.became(["d1"]), r.came_of(["w1"])),
    "standing": lambda r: (list(r.standing("demo", "T", ["draft"])), r.standing_of(["d1", "d2"])),
    "open of a type": lambda r: list(r.open_of_type("demo", "T")),
    "reserved in kinds": lambda r: r.values_reserved("d1", ["k", "l"], 5),
    "reserved by a type": lambda r: r.reserved_by_type("k", "T"),
    "counted_by": lambda r: r.counted_by(0, "demo", "T", months=(202601, 202611), where={}),
}
SEARCHES: dict[str, Callable[[Search], Any]] = {
    "item_states": lambda r: r.item_states("bt"),
    "messages": lambda r: r.messages(["m1", "m2"]),
    "documents": lambda r: r.documents(["d1", "d2"]),
    "documents after": lambda r: r.documents_after("d1", 5),
    "documents and json": lambda r: list(r.documents_and_json(["d1", "d2"])),
    "statistics": lambda r: r.counted("demo", "T", first=202601, last=202611),
    "statistics of a period": lambda r: r.counted_by(1, "demo", "T", months=(202601, 202611), where={0: "142"}),
    "statistics of a country": lambda r: r.counted("demo", "T", first=202601, last=202611, where={0: "142"}),
    "kept": lambda r: (r.keyed_of("demo", "T", pool="1+I", month=202611), r.months_of("demo", "T", "1+I")),
    "in hand": lambda r: list(r.keyed_in_hand("m")),
    "relation": lambda r: (r.became(["d1"]), r.came_of(["w1"]), r.kept(["d1", "d2"])),
    "standing": lambda r: (list(r.standing("demo", "T", ["draft"])), r.standing_of(["d1", "d2"])),
    "open of a type": lambda r: list(r.open_of_type("demo", "T")),
    "reserved in kinds": lambda r: r.values_reserved("d1", ["k", "l"], 5),
    "reserved by a type": lambda r: r.reserved_by_type("k", "T"),
    "body": lambda r: r.body("m1", "source"),
    "bodies": lambda r: r.bodies(["m1", "m2"], "source"),
    "newest of name": lambda r: r.newest_of_name("demo", ["f1.xml"]),
    "receipts of messages": lambda r: r.receipts_of_messages(["m1"]),
    "receipts of documents": lambda r: r.receipts_of_documents(["d1"]),
    "has receipt": lambda r: r.has_receipt("a", "rc1"),
    "receipt bytes": lambda r: r.receipt_bytes("a", "rc1", but="m1"),
    "rounds": lambda r: r.rounds("d1"),
    "items": lambda r: r.items(["m1"]),
    "around": lambda r: (r.around(["m1"], ["d1"]), r.around(["m1"], []), r.around([], ["d1"])),
    "receipts around": lambda r: (r.receipts_around(["m1"], ["d1"]), r.receipts_around(["m1"], [])),
    "messages of documents": lambda r: r.messages_of_documents(["d1"]),
    "held of licences": lambda r: r.held_by(["d1", "d2"]),
    "used of licences": lambda r: r.licences_used(["l1", "l2"]),
    "end": lambda r: r.end(),
    "noted": lambda r: r.noted([State.UNMATCHED, State.SENT], 10),
    "in state": lambda r: r.in_state(State.SENT, 5),
    "codes": lambda r: (r.codes_waited_for(), r.waiting_for_code("T", "77", 0, 5)),
    "clock": lambda r: r.waiting_for_clock(0, 5),
    "needed": lambda r: (r.needed(), r.held_for("account x", 0, 5)),
    "lanes in use": lambda r: r.lanes_in_use("route"),
    "answers after": lambda r: r.answers_after("demo", r.end()),
    "events": lambda r: r.events(5),
    "succeeded": lambda r: r.succeeded(r.documents(["d1"]).values()),
    "versions moved": lambda r: r.versions_moved(["m1", "m2"]),
    "heads": lambda r: r.heads(["d1"]),
    "written names": lambda r: r.written_names(["m1", "m2"]),
    "order result": lambda r: r.order_result("x"),
    "message": lambda r: (r.message("m1"), r.document("d1")),
    "moves after": lambda r: list(r.moves_after("demo", Cursor())),
    "moves": lambda r: r.moves("m1"),
    "unwritten answers": lambda r: (r.unwritten_answers("demo", 10), r.unwritten_names("demo")),
    "accounts with unwritten": lambda r: r.accounts_with_unwritten(),
    "answers of": lambda r: r.answers_of("m1"),
    "recent answers": lambda r: (r.recent_answers("demo", 0), r.answers_numbered([1, 2]), r.references(["m1", "m2"])),
    "open messages": lambda r: r.open_messages("demo", 10),
    "tally": lambda r: r.tally(),
    "oldest": lambda r: r.oldest(State.RECEIVED),
    "find": lambda r: r.find("L1"),
    "overdue": lambda r: r.overdue(1, 10),
    "marker": lambda r: r.marker("x"),
    "lanes": lambda r: r.lanes(),
    "moves behind": lambda r: (
        r.has_entry("x", 1),
        r.moves_behind(Cursor(), 10),
        r.first_entry_since(r.runs_behind(Cursor())[0][0], 1),
    ),
    "what moved": lambda r: (r.moved_messages(["m1", "m2"]), r.moved_documents(["d1", "d2"])),
    "event counts": lambda r: r.event_counts(["d1", "d2"]),
    "deliveries": lambda r: (r.has_deliveries(), r.deliveries_about(["m1", "m2"])),
    "receipts named": lambda r: r.receipts_named([("a", "rc1")]),
    "answers made": lambda r: r.answers_made(["m1", "m2"]),
    "answers under": lambda r: r.answers_under("demo", ["a.xml", "b.xml"]),
}


#: what a person asks, or a measurement: it takes as long as the answer, or reads back from the newest to its limit
BY_HAND = {"list_messages", "count_messages", "list_documents", "orders_done", "spans", "leave_out_damaged", "see", "opened"}


@pytest.mark.parametrize(("kind", "asked"), [(Snapshot, DECIDES), (Search, SEARCHES)])
def test_no_question_is_left_out(filled: Journal, kind: type, asked: Mapping[str, Callable[[Any], Any]]) -> None:
    heard: set[str] = set()

    class Listening(kind):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            heard.add(name)
            return super().__getattribute__(name)

    with filled._reading() as connection:
        for ask in asked.values():
            ask(Listening(connection))

    assert {name for name in dir(kind) if not name.startswith("_")} - heard - BY_HAND == set()


def test_open_messages_of_an_account_are_found_oldest_first(journal: Journal) -> None:
    states = [State.SENT, State.RECEIVED, State.ACCEPTED, State.HELD, State.CHECKED]
    written(journal, *(comes(submission(str(n), state=state)) for n, state in enumerate(states)))
    written(journal, comes(submission("x", account="other")), comes(receipt_message("r")))
    with journal.search() as records:
        assert [m.id for m in records.open_messages("demo", 9)] == ["0", "1", "3", "4"]
        assert [m.id for m in records.open_messages("demo", 2)] == ["0", "1"]


def test_the_open_messages_of_one_type_are_found_past_those_of_others(journal: Journal) -> None:
    for n, (type_, state) in enumerate([("T", State.SENT), ("U", State.RECEIVED), ("T", State.ACCEPTED), ("T", State.RECEIVED)]):
        written(journal, comes(submission(str(n), type=type_, state=state, document_id=f"d{n}", document=f"k{n}")))
    with journal.search() as records:
        found = [
            (each.id, each.operation, each.state, each.document_id, each.document) for each in records.open_of_type("demo", "T")
        ]

    assert found == [("0", "declare", "sent", "d0", "k0"), ("3", "declare", "received", "d3", "k3")]


def test_what_a_paused_account_has_waiting_is_passed_over_in_the_index(filled: Journal) -> None:
    plans = Plans(filled)
    filled.close_lane(ClosedLane(Lane("account:demo"), "paused", "why", 1, None, "do"))
    assert filled.claim("s", ["read"], limit=5) is None
    (claiming,) = [s for s in plans.statements if "due_at <= " in s]

    assert "message_due" in str(plans.plan(claiming))


@pytest.mark.parametrize("name", DECIDES)
def test_what_a_decision_asks_walks_through_nothing(filled: Journal, name: str) -> None:
    plans = Plans(filled)
    with filled.read() as records:
        DECIDES[name](records)

    assert plans.walks() == []
    assert plans.statements


@pytest.mark.parametrize("name", SEARCHES)
def test_searching_walks_through_nothing(filled: Journal, name: str) -> None:
    plans = Plans(filled)
    with filled.search() as records:
        SEARCHES[name](records)

    assert plans.walks() == []
    assert plans.statements


def test_what_waits_for_one_mailbox_is_found_whatever_waits_for_others(filled: Journal) -> None:
    plans = Plans(filled)
    with filled.search() as records:
        records.unwritten_answers("demo", 10)
        records.unwritten_names("demo")
        list(records.moves_after("demo", records.end()))

    for statement in plans.statements:
        if "answer" in statement:
            assert any("answer_unwritten (account=?)" in step for step in plans.plan(statement)), plans.plan(statement)
        elif "FROM move" in statement:
            assert plans.plan(statement)[0] == "SEARCH move USING INDEX move_entry (run=? AND entry>?)"


def test_statistics_are_grouped_in_the_order_of_their_key(filled: Journal) -> None:
    plans = Plans(filled)
    with filled.search() as records:
        records.counted("demo", "T", first=202601, last=202611, where={0: "142"})
    (statement,) = [s for s in plans.statements if "counted" in s]

    assert plans.plan(statement) == ["SEARCH counted USING PRIMARY KEY (account=? AND type=? AND month>? AND month<?)"]
