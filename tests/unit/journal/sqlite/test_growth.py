"""Flat for ever: what the gateway asks and writes takes as many steps of SQLite in a journal that is years old as in a young one.

Steps of its virtual machine are counted, not time: each row that is looked at takes some. Where a question has a limit, the young
journal fills it too.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from grown_journal import KINDS, Growth
from journals import answer, body, comes, document, keyed, moves, open_journal, receipt, receipt_message, submission, written
from sqlalchemy import event

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.restrictions import of_messages
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import FREES_REFERENCE, State
from tongguan.gateway.model.outcome import Number, RelatedPart, Relation

YOUNG, OLD = 100, 10_000  #: messages of each kind
MOST = 1.2

Pair = tuple[Journal, Journal]


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    young, old = open_journal(tmp_path_factory.mktemp("young")), open_journal(tmp_path_factory.mktemp("old"))
    for journal, count in ((young, YOUNG), (old, OLD)):
        for kind in KINDS:
            Growth(journal).add(kind, count)
    yield young, old
    young.close()
    old.close()


def steps(journal: Journal, work: Callable[[Journal], Any]) -> int:
    """How many steps SQLite takes for it, in all connections."""
    taken, seen = 0, []

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    def begun(connection: Any) -> None:
        raw = connection.connection.driver_connection
        raw.set_progress_handler(step, 1)
        seen.append(raw)

    for engine in (journal._engine, journal._readers):
        event.listen(engine, "begin", begun)
    try:
        work(journal)
    finally:
        for engine in (journal._engine, journal._readers):
            event.remove(engine, "begin", begun)
        for raw in seen:
            raw.set_progress_handler(None, 0)
    return taken


def decides(ask: Callable[[Snapshot], Any]) -> Callable[[Journal], None]:
    def work(journal: Journal) -> None:
        with journal.read() as records:
            ask(records)

    return work


def looks(ask: Callable[[Search], Any]) -> Callable[[Journal], None]:
    def work(journal: Journal) -> None:
        with journal.search() as records:
            ask(records)

    return work


def _comes(journal: Journal) -> None:
    """A message under a name and a reference that thousands had, with a number that receipts may wait for."""
    message = submission("new", document_id="new", reference="again", source="order.xml", state=State.CHECKED)
    made = document("new", facts={"code": "1"}, keyed=keyed(1))
    written(
        journal,
        comes(
            message,
            documents=(made,),
            numbers=(Number("a", "licence", "NEW", "new", "demo"),),
            receipts=(receipt("new", message_id="new", document_id="new"),),
            answers=(answer("new"),),
            bodies=(body("new", b"<xml/>"),),
            relations=(Relation("whole", (RelatedPart("new", b"\1\2"),)),),
        ),
    )
    with journal.read() as records:
        stored = records.message("new")
    assert stored is not None
    written(journal, moves(stored, State.SENT, documents=(document("new", version=2, facts={"code": "2"}, keyed=keyed(2)),)))


def _waits(journal: Journal) -> None:
    """Something to claim, in the lane that leads through all others."""
    written(journal, comes(submission("waits", lane=Lane("read"))), comes(receipt_message("told")))
    assert journal.claim("station", ["read", "verify"], limit=5) is not None


def _shuts_a_lane(journal: Journal) -> None:
    journal.close_lane(ClosedLane(Lane("route:x"), "off", "why", 1, None, "do"))
    journal.open_lane(Lane("route:x"))


def _paused(journal: Journal) -> None:
    journal.close_lane(ClosedLane(Lane("account:other"), "paused", "why", 1, None, "do"))
    journal.claim("station", ["read", "route"], limit=5)
    journal.open_lane(Lane("account:other"))


#: whatever the gateway does by itself
WORKS: Mapping[str, Callable[[Journal], Any]] = {
    "a hand of names": decides(lambda r: r.fetch_names([("demo", name) for name in ("order.xml", "repeated.xml", "new")])),
    "a name": decides(lambda r: r.newest_under("demo", "order.xml")),
    "a hand of references": decides(lambda r: r.fetch_references([("demo", name) for name in ("again", "repeated", "new")])),
    "a reference": decides(lambda r: (r.holder_of("demo", "again"), r.last_freed("demo", "again"))),
    "a key": decides(lambda r: r.document_of_key("demo", "T", "grown-1")),
    "a status": decides(lambda r: r.document_in("demo", "T", ["done"])),
    "a status for a party": decides(lambda r: r.document_in("demo", "T", ["done"], party="nobody")),
    "a number": decides(lambda r: (r.documents_of_number("demo", "GROWN1"), r.owners_of_number("T", "GROWN1"))),
    "who names it": decides(lambda r: r.documents_naming("demo", "T", "code", {"none"})),
    "a receipt": decides(lambda r: (r.has_receipt("a", "grown-1"), r.receipt_bytes("a", "grown-1", but=""))),
    "order": decides(lambda r: r.fetch_ordered(["d"])),
    "a message comes and moves": _comes,
    "a claim": _waits,
    "a lane is shut": _shuts_a_lane,
    "an account is paused": _paused,
    "an answer is written": lambda journal: journal.mark_written([1]),
    "answers are written again": lambda journal: journal.write_again("new"),
    "files are missing": lambda journal: journal.write_missing("demo", ["x", "y"]),
    "short messages": lambda journal: journal.notifications.due(1, 9),
    "the clock": lambda journal: journal.timekeeper.look(),
    "orders": lambda journal: journal.carry_out_orders(lambda *_: None),
    "news": looks(lambda r: [*r.moves_after("demo", r.end())]),
    "what moved behind": looks(lambda r: r.moves_behind(r.end(), 50)),
    "deliveries": looks(lambda r: (r.deliveries_about(["new"]), r.event_counts(["new"]), r.moved_messages(["new"]))),
    "what came before": decides(lambda r: r.delivered("demo", ["k1", "new"])),
    "names of files": looks(lambda r: r.newest_of_name("demo", ["order.xml", "repeated.xml", "new.xml"])),
    "around": looks(lambda r: (r.around(["new"], ["new"]), r.receipts_around(["new"], ["new"]))),
    "open messages": looks(lambda r: r.open_messages("demo", 50)),
    "open messages of another": looks(lambda r: r.open_messages("other", 50)),
    "what is kept for merging": decides(
        lambda r: (r.keyed_of("demo", "T", pool="1+I", month=202611, limit=20), list(r.keyed_in_hand("grown-7")))
    ),
    "months of a pool": looks(lambda r: (r.months_of("demo", "T", "1+I"), r.kept(["new"]))),
    "where documents stand": looks(lambda r: ([*r.standing("demo", "T", ["declared", "sent"])], r.standing_of(["new"]))),
    "open messages of a type": looks(lambda r: [*r.open_of_type("demo", "T")]),
    "what is reserved": looks(lambda r: r.values_reserved("new", ["k"], 20)),
    "what became of it": looks(lambda r: (r.became(["new"]), r.came_of(["new"]))),
    "recent answers": looks(lambda r: r.recent_answers("demo", 0, 50)),
    "answers since": looks(lambda r: r.answers_after("demo", r.end())),
    "unwritten answers": looks(lambda r: (r.unwritten_answers("demo", 50), r.unwritten_names("demo"))),
    "homeless answers": looks(lambda r: r.accounts_with_unwritten()),
    "unknown codes": looks(lambda r: r.noted([State.UNMATCHED], 20)),
    "contradicted": looks(lambda r: r.noted([*FREES_REFERENCE, State.SENT, State.ACCEPTED], 20)),
    "a state": looks(lambda r: r.in_state(State.SENT, 20)),
    "codes that are waited for": looks(lambda r: (r.codes_waited_for(), r.waiting_for_code("T", "77", 0, 20))),
    "what is needed": looks(lambda r: (r.needed(), r.held_for("account gone", 0, 20))),
    "the oldest": looks(lambda r: [r.oldest(state) for state in State]),
    "overdue": looks(lambda r: r.overdue(1, 20)),
    "counts": looks(lambda r: (r.tally(), r.lanes(), r.marker("x"))),
    "lanes in use": looks(lambda r: [r.lanes_in_use(kind) for kind in ("route", "card")]),
    "documents to be counted": looks(lambda r: r.documents_after("", 20)),
    "events": looks(lambda r: r.events(2)),
    "what is looked for": looks(lambda r: [r.find(text, of) for text in ("GROWN5", "new") for of in ("demo", None)]),
    "the newest": looks(lambda r: r.list_messages([], limit=20)),
    "the newest of a state": looks(lambda r: r.list_messages(of_messages(states=["sent"]), limit=20)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
def test_what_the_gateway_does_takes_the_same_steps_however_much_lies_behind(journals: Pair, name: str) -> None:
    young, old = (steps(journal, WORKS[name]) for journal in journals)

    assert old <= MOST * young


def test_where_documents_stand_is_read_once_each_however_many_there_are(journals: Pair) -> None:
    found: list[int] = []
    young, old = (
        steps(journal, looks(lambda r: found.append(sum(1 for _ in r.standing("demo", "T", ["draft"]))))) for journal in journals
    )

    assert found[0] >= YOUNG and found[1] >= OLD
    assert old / found[1] <= MOST * young / found[0]


def test_what_reads_all_of_it_takes_more(journals: Pair) -> None:
    young, old = (steps(journal, looks(lambda r: [*r.moves_after("demo", Cursor())])) for journal in journals)

    assert old > 50 * young


def test_of_very_many_with_one_reference_the_newest_are_found(journals: Pair) -> None:
    written(journals[1], comes(submission("newest of all", reference="again", state=State.REFUSED)))
    with journals[1].search() as records:
        found = records.find("again", "demo")

    assert (len(found), found[-1].id, found[0].reference) == (1000, "newest of all", "again")
    assert found == sorted(found, key=lambda message: message.sequence)


def test_an_old_journal_is_whole(journals: Pair) -> None:
    assert journals[0].verify().broken is None


def open_connections() -> int:
    return sum(isinstance(each, sqlite3.Connection) for each in gc.get_objects())


def test_of_many_reads_at_once_few_connections_are_kept(busy: Journal) -> None:
    """Each keeps pages and statements of its own: of a dozen that once were needed, memory grew for as long as the gateway ran."""
    before = open_connections()
    with ExitStack() as at_once:
        for _ in range(12):
            at_once.enter_context(busy.read())
        assert open_connections() - before >= 8

    assert open_connections() - before <= 4
