"""The teller: what changed is told, whatever a disk does; what was told of once is never forgotten."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from patience import STILL, here, wait_until

from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.errors import Fault, StationBroken, in_language
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import FINAL, Kind, Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.system import times
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.status import index
from tongguan.outbox.status.answers import technical_name
from tongguan.outbox.status.file_writer import FileWriter
from tongguan.outbox.status.index import Index
from tongguan.outbox.status.pending import FOLLOW, PASSING
from tongguan.outbox.status.rewriting import Rewriter
from tongguan.outbox.status.teller import MANY, SOON
from tongguan.outbox.status.tellers import Tellers

from .conftest import RECEIVED_AT, Home, answer, document, receipt, submission

STAMP = "20261118190640000"


def test_the_stamp_of_these_tests_is_the_time_of_arrival() -> None:
    assert times.stamp(RECEIVED_AT) == STAMP


def test_a_new_message_has_a_status_under_its_name_and_its_id(home: Home) -> None:
    home.comes(submission("m1"))
    home.told()

    assert home.page("m1.xml.status.json")["state"] == "received"
    assert home.page("by-id/m1.json") == home.page("m1.xml.status.json")


def test_a_status_follows_its_message(home: Home) -> None:
    message = home.comes(submission("m1", document_id="d1", document="PO/1"))
    home.told()
    home.moves(message, State.SENT, documents=(document(),), receipts=(receipt("r1", "m1"),), answers=(answer("m1"),))
    home.told()

    status = home.page("m1.xml.status.json")
    assert (status["state"], status["waiting_for"]) == ("sent", "authority")
    assert status["business_status"] == {"code": "3", "text": "待初审"}
    assert status["numbers"] == {"licence": "26AA000001"}
    assert [r["file"] for r in status["receipts"]] == home.files("InBox") != []
    assert home.page("documents/T_PO_1~" + home.files("Status/documents")[0].split("~")[1])["versions"]["document"] == 1


@pytest.mark.parametrize(
    ("state", "box"),
    [
        (State.RECEIVED, "work"),
        (State.CHECKED, "work"),
        (State.SEALED, "work"),
        (State.HELD, "work"),
        (State.SENT, "SentBox"),
        (State.ACCEPTED, "SentBox"),
        (State.REJECTED, "SentBox"),
        (State.REFUSED, "FailBox"),
        (State.STOPPED, "FailBox"),
        (State.GIVEN_UP, "FailBox"),
    ],
)
def test_the_original_lies_where_the_state_says(home: Home, state: State, box: str) -> None:
    home.comes(submission("m1", state))
    home.told()

    places = {name: home.files(name) for name in ("work", "SentBox", "FailBox")}
    expected = {"work": [], "SentBox": [], "FailBox": [], box: ["m1.xml" if box == "work" else f"m1_{STAMP}.xml"]}
    assert places == expected


@pytest.mark.parametrize("late", [False, True], ids=["told of together", "the deleted one is told of last"])
def test_the_file_of_a_key_is_its_living_documents(home: Home, late: bool) -> None:
    """A draft is deleted and another made under its key; whatever still comes for the first."""
    first, second = document("d9"), document("d1")
    message = home.comes(submission("m1", State.SENT, document_id="d9"), documents=(first,))
    deleted = home.comes(submission("m2", State.ACCEPTED), documents=(replace(first, version=2, deleted=True),))
    home.comes(submission("m3", State.SENT, document_id="d1"), documents=(second,))
    home.told()
    if late:
        home.moves(message, State.REJECTED, documents=(replace(first, version=3, deleted=True),))
        home.moves(deleted, State.ACCEPTED)
        home.told()

    (name,) = home.files("Status/documents")
    assert home.page(f"documents/{name}")["versions"]["document"] == 1


def test_an_original_in_sentbox_stays_there_whatever_comes_later(home: Home) -> None:
    message = home.comes(submission("m1", State.SENT))
    home.told()
    home.moves(message, State.REJECTED)
    home.told()

    assert (home.files("SentBox"), home.files("FailBox")) == ([f"m1_{STAMP}.xml"], [])


def test_only_the_newest_message_of_a_name_has_the_name(home: Home) -> None:
    old = home.comes(submission("m1", source="a.xml"))
    home.comes(submission("m2", source="a.xml"))
    home.told()
    home.moves(old, State.REFUSED)
    home.told()

    assert home.page("a.xml.status.json")["message_id"] == "m2"
    assert home.page("by-id/m1.json")["state"] == "refused"


def test_a_repeat_tells_what_the_first_one_came_to(home: Home) -> None:
    first = home.comes(submission("m1", source="a.xml"))
    home.told()
    repeat = submission("m2", State.REPEATED, source="a.xml", same_as="m1")
    (home.folder / "work" / "m2.xml").write_bytes(b"m1")
    home.journal.finish([(Outcome(repeat, None, "read"),)])
    home.told()
    home.moves(first, State.SENT)
    home.told()

    assert home.page("a.xml.status.json")["message_id"] == "m1"
    assert home.page("by-id/m2.json")["state"] == "sent"
    assert (home.files("work"), home.files("SentBox")) == ([], [f"a_{STAMP}.xml"])


def test_a_batch_lists_its_items_and_goes_to_sentbox_when_any_left(home: Home) -> None:
    whole = submission("b", type="", operation="batch", source="b.xml", reference="B")
    items = [submission(f"i{n}", batch="b", source="b.xml") for n in (1, 2)]
    home.comes(whole, follow_ons=tuple(Outcome(i, None, "read") for i in items))
    home.told()
    assert [i["state"] for i in home.page("b.xml.status.json")["items"]] == ["received", "received"]

    home.moves(items[0], State.REFUSED)
    home.moves(items[1], State.SENT)
    home.told()
    home.clock.pass_(1)
    home.told()

    assert [i["state"] for i in home.page("b.xml.status.json")["items"]] == ["refused", "sent"]
    assert home.files("SentBox") == [f"b_{STAMP}.xml"]


def test_a_receipt_is_a_message_without_a_status_file(home: Home) -> None:
    home.comes(replace(submission("r", source=None), kind=Kind.RECEIPT))
    home.told()

    assert home.files("Status/by-id") == []


def test_answers_are_written_once_and_marked(home: Home) -> None:
    home.comes(submission("m1"), answers=(answer("m1"), answer("m1")))
    home.told()
    [one, two] = home.files("InBox")

    assert (one.endswith(".xml"), two.endswith("-2.xml") or one.endswith("-2.xml")) == (True, True)
    assert (home.folder / "InBox" / one).read_bytes() == b"<Response/>"
    (home.folder / "InBox" / one).unlink()
    home.comes(submission("m2"))
    home.told()
    assert home.files("InBox") == [two]


def test_answers_not_marked_before_a_crash_are_written_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.comes(submission("m1"), answers=(answer("m1"),))
    monkeypatch.setattr(home.journal, "mark_written", lambda ids: (_ for _ in ()).throw(StationBroken("crash")))
    home.told()
    monkeypatch.undo()
    [file] = home.files("InBox")
    (home.folder / "InBox" / file).unlink()
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()

    assert home.files("InBox") == [file]


def test_every_answer_of_a_message_is_named_in_its_status_and_every_name_lies_in_inbox(home: Home) -> None:
    message = home.comes(submission("m1", document_id="d1", document="PO/1"))
    kinds = [("Failed_a", "technical"), ("Result_a", "result")]
    own = tuple(answer("m1", name, kind=kind) for name, kind in kinds)
    home.moves(message, State.SENT, documents=(document(),), receipts=(receipt("r0", "m1"),), answers=(answer("m1"),))
    home.journal.finish([(Outcome(submission("x", source=None), None, "read", answers=own),)])
    incoming = replace(submission("r", source=None, reference="a:r1", document_id="d1", document=None), kind=Kind.RECEIPT)
    told = answer("r", "Receipt_N1", kind="receipt", number="N1")
    told = replace(told, document_id="d1")
    home.journal.finish([(Outcome(incoming, None, "settle", receipts=(receipt("r1", "m1"),), answers=(told,)),)])
    home.told()

    status = home.page("m1.xml.status.json")
    named = [line["file"] for line in status["answers"]]
    assert sorted(named) == home.files("InBox") and len(named) == 4
    assert {line["file"].split("_")[0]: line["kind"] for line in status["answers"]} == {
        "Successed": "technical",
        "Failed": "technical",
        "Result": "result",
        "Receipt": "receipt",
    }
    home.clock.pass_(2)
    home.told()
    index = {line["file"]: line for line in home.page("index.json")["answers"]}
    assert sorted(index) == home.files("InBox")
    assert {(line["message_id"], line["reference"], line["document"]) for line in index.values()} == {("m1", "m1", "PO/1")}


def test_an_answer_that_cannot_be_written_is_named_only_once_it_is_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    home.told()
    monkeypatch.setattr(FileWriter, "answer", full)
    home.comes(
        submission("m1", State.SENT, document_id="d1"),
        documents=(document(),),
        receipts=(receipt("r1", "m1"),),
        answers=(answer("m1"),),
    )
    home.told()
    page = f"documents/{home.files('Status/documents')[0]}"
    assert (home.page("m1.xml.status.json")["state"], home.page("m1.xml.status.json")["answers"]) == ("sent", [])
    assert [r["file"] for name in ("m1.xml.status.json", page) for r in home.page(name)["receipts"]] == [None, None]
    assert home.page("index.json")["answers"] == []

    monkeypatch.undo()
    home.clock.pass_(2)
    home.told()
    [file] = home.files("InBox")
    assert [line["file"] for line in home.page("m1.xml.status.json")["answers"]] == [file]
    assert [r["file"] for name in ("m1.xml.status.json", page) for r in home.page(name)["receipts"]] == [file, file]
    home.clock.pass_(2)
    home.told()
    assert [line["file"] for line in home.page("index.json")["answers"]] == [file]


def test_no_reader_ever_sees_a_name_of_a_file_that_is_not_in_inbox(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at after every single write of the teller, whatever the order in which things are committed."""
    seen: list[str] = []
    lies: list[str] = []

    def looked(write: Any) -> Any:
        def writes(self: FileWriter, place: str, target: str, content: bytes) -> None:
            write(self, place, target, content)
            for folder, _, names in os.walk(home.folder / "Status"):
                for name in names:
                    if name.endswith(".json"):
                        page = orjson.loads((home.folder / folder / name).read_bytes())
                        told = [r["file"] for r in (*page.get("receipts", ()), *page.get("answers", ())) if r["file"]]
                        seen.extend(told)
                        lies.extend(set(told) - set(home.files("InBox")))
            if late and target.endswith("m3.json"):  # committed while the status files are being written
                home.moves(late.pop(), State.SENT, receipts=(receipt("late", "m7"),), answers=(answer("m7", "Late"),))

        return writes

    late = [home.comes(submission("m7", State.SEALED))]
    monkeypatch.setattr(FileWriter, "_write", looked(FileWriter._write))
    for n in range(6):
        home.comes(
            submission(f"m{n}", State.SENT, document_id=f"d{n}"),
            documents=(document(f"d{n}", key=f"k{n}", numbers={}),),
            receipts=(replace(receipt(f"r{n}", f"m{n}"), document_id=f"d{n}"),),
            answers=(answer(f"m{n}", f"Receipt_{n}"),),
        )
        if n % 2:
            home.told()
    home.told()
    home.told()

    assert (late, len(set(seen)), lies) == ([], 7, [])


def test_what_is_in_inbox_is_not_written_again_while_it_cannot_be_marked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(ids: Any) -> None:
        raise StationBroken("database is locked")

    monkeypatch.setattr(home.journal, "mark_written", locked)
    home.comes(submission("m1", State.SENT), answers=(answer("m1"),))
    home.told()
    [file] = home.files("InBox")
    assert [line["file"] for line in home.page("m1.xml.status.json")["answers"]] == [file]
    assert [p.code for p in home.alerts.problems()] == ["GW-A01"]
    (home.folder / "InBox" / file).unlink()  # the enterprise takes it
    home.clock.pass_(2)
    home.told()
    monkeypatch.undo()
    home.clock.pass_(5)
    home.told()

    assert (home.files("InBox"), home.alerts.problems()) == ([], [])
    with home.journal.search() as records:
        assert records.unwritten_answers("demo", 10) == []


def test_an_answer_to_a_file_of_any_name_finds_room(home: Home) -> None:
    source = "𠀀" * 62 + ".xml"
    home.comes(submission("m1", source=source), answers=(answer("m1", technical_name(source, accepted=False)),))
    home.told()

    assert len(home.files("InBox")) == 1


def test_the_index_lists_what_is_open_and_what_was_answered(home: Home) -> None:
    home.comes(submission("m1", document="K"), answers=(answer("m1", number="N1"),))
    home.comes(submission("m2", State.ACCEPTED))
    home.told()
    home.clock.pass_(2)
    home.told()

    index = home.page("index.json")
    assert [m["message_id"] for m in index["open"]] == ["m1"]
    [line] = index["answers"]
    assert (line["file"], line["reference"], line["document"], line["number"]) == (home.files("InBox")[0], "m1", "K", "N1")
    assert (index["environment"], index["ignored"], index["paused"]) == ("test", [], None)


def test_the_index_is_written_once_a_second_at_most(home: Home) -> None:
    home.told()
    home.comes(submission("m1"))
    home.told()
    assert home.page("index.json")["open"] == []
    home.clock.pass_(1.1)
    home.told()

    assert len(home.page("index.json")["open"]) == 1


def page_from_the_journal(home: Home) -> dict[str, Any]:
    """What the index of a teller would say that has just begun."""
    kept = (home.folder / "Status" / "index.json").read_bytes()
    with home.journal.search() as records:
        Index("demo", FileWriter(home.mailbox), home.around).write(records)
    made = home.page("index.json")
    (home.folder / "Status" / "index.json").write_bytes(kept)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_an_index_that_is_kept_says_what_one_made_from_the_journal_says(
    home: Home, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(index, "MOST_LISTED", 5)
    monkeypatch.setattr(index, "_MOST_KNOWN", 7)
    chance = Random(seed)
    there: dict[str, Message] = {}
    for turn in range(60):
        for _ in range(chance.randrange(4)):
            if there and chance.random() < 0.6:
                message = chance.choice([*there.values()])
                state = chance.choice([State.CHECKED, State.SEALED, State.SENT, State.HELD, State.REFUSED, State.ACCEPTED])
                given = (answer(message.id, f"Successed_{message.id}"),) if chance.random() < 0.5 else ()
                with home.journal.search() as records:
                    present = records.messages([message.id])[message.id]
                there[message.id] = home.moves(present, state, answers=given)
                if state in FINAL:
                    del there[message.id]
            else:
                id_ = f"m{len(there)}-{turn}-{chance.random()}"
                waits = {"document_id": "d1", "document": "PO/1"} if chance.random() < 0.5 else {}
                there[id_] = home.comes(submission(id_, due_at=RECEIVED_AT, **waits))
        if chance.random() < 0.1:
            home.teller = home.new_teller()
            home.teller.recover()
        home.clock.pass_(1.5)
        home.told()
        kept, made = home.page("index.json"), page_from_the_journal(home)

        assert {**kept, "updated_at": None} == {**made, "updated_at": None}


def test_when_a_lane_is_shut_what_stands_in_it_tells_what_it_waits_for(home: Home) -> None:
    home.comes(submission("m1", State.CHECKED, lane=Lane("card:c"), due_at=RECEIVED_AT))
    home.comes(submission("m2", State.CHECKED, lane=Lane("card:d"), due_at=RECEIVED_AT))
    home.told()
    before = home.page("by-id/m1.json")["waiting_for"]
    home.journal.close_lane(ClosedLane(Lane("card:c"), "card", "gone", RECEIVED_AT, None, "tongguan card list"))
    home.told()

    assert (before, home.page("by-id/m1.json")["waiting_for"], home.page("by-id/m2.json")["waiting_for"]) == (None, "card", None)


def test_an_index_that_could_not_be_written_is_written_when_there_is_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.comes(submission("m1"))
    home.told()
    home.comes(submission("m2"), answers=(answer("m2"),))
    home.clock.pass_(2)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(FileWriter, "page", full)
        home.told()
    home.clock.pass_(20)
    home.told()

    assert [line["file"] for line in home.page("index.json")["answers"]] == home.files("InBox")
    assert len(home.files("InBox")) == 1


def test_the_heartbeat_says_what_is_wrong(home: Home) -> None:
    home.alerts.tell("X-1", "card is out", do="tongguan card test")
    home.told()

    page = home.page("heartbeat.json")
    assert (page["ok"], page["problems"][0]["do"], page["version"]) == (False, "tongguan card test", "1.0")


def test_what_an_enterprise_empties_below_status_is_made_and_written_again(home: Home) -> None:
    home.comes(submission("m1", document_id="d1"), documents=(document(),))
    home.told()
    for each in (home.folder / "Status").iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    home.clock.pass_(2)
    home.told()
    home.told()

    assert home.page("by-id/m1.json") == home.page("m1.xml.status.json")
    assert len(home.files("Status/documents")) == 1
    assert home.alerts.problems() == []


@pytest.fixture
def read_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, list[str]]]:
    """What an enterprise finds that opens the document's file the moment a message's file changed: message, state, and its states there."""
    found: list[tuple[str, str, list[str]]] = []
    write = FileWriter.message

    def and_look(writer: FileWriter, message_id: str, content: bytes, source: str | None) -> None:
        write(writer, message_id, content, source)
        for name in home.files("Status/documents"):
            lines = home.page(f"documents/{name}")["messages"]
            found.append(
                (message_id, orjson.loads(content)["state"], [x["state"] for x in lines if x["message_id"] == message_id])
            )

    monkeypatch.setattr(FileWriter, "message", and_look)
    return found


@pytest.mark.parametrize("many", [0, MANY])
def test_when_a_message_tells_of_a_move_its_documents_show_it_already(
    home: Home, read_at_once: list[tuple[str, str, list[str]]], many: int
) -> None:
    """However many move with it, and although it is told of a moment later."""
    message = home.comes(submission("m1", document_id="d1"), documents=(document(),))
    home.told()
    for n in range(many):
        home.comes(submission(f"other{n}"))
    home.moves(message, State.ACCEPTED, documents=(document(version=2, status="approved"),))
    for _ in range(2):
        home.told()
        home.clock.pass_(0.3)

    assert [each for each in read_at_once if each[0] == "m1"][-1] == ("m1", "accepted", ["accepted"])


def test_of_many_those_that_move_on_at_once_are_written_once_they_rest_or_after_a_while(home: Home) -> None:
    home.told()
    lane = Lane("card:c")
    passing = [
        home.comes(
            submission(f"m{n:02}", State.CHECKED, lane=lane, due_at=RECEIVED_AT, document_id=f"d{n:02}"),
            documents=(document(f"d{n:02}", key=f"PO/{n}"),),
        )
        for n in range(MANY)
    ]
    home.comes(submission("waits", State.CHECKED, lane=lane, due_at=RECEIVED_AT, waiting_for="card"))
    for _ in range(2):
        home.told()
        home.clock.pass_(FOLLOW)
    assert home.files("Status/by-id") == ["waits.json"]

    for message in passing[1:]:
        home.moves(message, State.SENT, with_={"lane": None, "due_at": None})
    for _ in range(2):
        home.told()
        home.clock.pass_(FOLLOW)
    assert {home.page(f"by-id/{m.id}.json")["state"] for m in passing[1:]} == {"sent"}
    assert not (home.folder / "Status/by-id/m00.json").exists()

    home.clock.pass_(PASSING)
    home.told()
    assert home.page("by-id/m00.json")["state"] == "checked"
    assert len(home.files("Status/documents")) == MANY


def test_a_move_that_was_read_before_it_was_told_of_shows_in_the_document_first(
    home: Home, read_at_once: list[tuple[str, str, list[str]]]
) -> None:
    """The journal can be read the moment it has committed; who is told of it hears a moment later."""
    message = home.comes(submission("m1", document_id="d1"), documents=(document(),))
    home.told()
    sent = home.moves(message, State.SENT)
    home.journal.listeners.clear()
    home.moves(sent, State.ACCEPTED, documents=(document(version=2),))
    home.told()

    assert read_at_once[-1] == ("m1", "accepted", ["accepted"])


def test_a_batch_tells_of_no_item_whose_document_does_not_show_it(
    home: Home, read_at_once: list[tuple[str, str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.comes(submission("whole", type="", operation=""))
    item = home.comes_without_file(submission("item", batch="whole", document_id="d1"), documents=(document(),))
    home.told()
    home.journal.listeners.clear()
    home.moves(item, State.ACCEPTED, documents=(document(version=2),))
    home.teller.tell("demo", ["whole"])
    home.told()

    [line] = home.page("by-id/whole.json")["items"]
    assert line["state"] == "accepted"
    [name] = home.files("Status/documents")
    assert [m["state"] for m in home.page(f"documents/{name}")["messages"]] == ["accepted"]


def test_a_document_whose_file_cannot_be_written_holds_up_no_message(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.told()
    monkeypatch.setattr(FileWriter, "document", lambda *_: (_ for _ in ()).throw(OSError(errno.EACCES, "no")))
    home.comes(submission("m1", document_id="d1"), documents=(document(),))
    home.told()

    assert home.page("by-id/m1.json")["state"] == "received"
    monkeypatch.undo()
    home.clock.pass_(1.1)
    home.told()
    assert len(home.files("Status/documents")) == 1
    assert home.alerts.problems() == []


def test_what_a_mailbox_lost_while_it_was_away_is_shown_by_the_document_first(
    home: Home, tmp_path: Path, read_at_once: list[tuple[str, str, list[str]]]
) -> None:
    message = home.comes(submission("m1", document_id="d1"), documents=(document(),))
    home.told()
    os.rename(home.folder, tmp_path / "gone")
    home.told()
    home.moves(message, State.ACCEPTED, documents=(document(version=2),))
    home.told()
    for file in (tmp_path / "gone" / "Status" / "documents").iterdir():
        file.unlink()
    os.rename(tmp_path / "gone", home.folder)
    home.clock.pass_(2)
    home.told()

    assert read_at_once[-1] == ("m1", "accepted", ["accepted"])


def with_another(home: Home, tmp_path: Path) -> Path:
    """Another account's mailbox beside the first one's; both have threads of their own, in real time."""
    folder = tmp_path / "other"
    other = Mailbox(folder, "other", settle=timedelta(seconds=2), ignored_after=timedelta(minutes=10), most_bytes=1 << 20)
    home.around = replace(home.around, mailboxes={**home.around.mailboxes, "other": other})
    home.teller = Tellers(home.journal, home.around, home.alerts)
    home.teller.start()
    return folder


def comes_to_another(home: Home, id_: str) -> None:
    home.comes_without_file(replace(submission(id_, State.SENT), account="other"), answers=(answer(id_, account="other"),))


def test_a_flood_of_one_account_holds_up_no_other(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes in the midst of it is told, with its answer, before the flood goes on."""
    told: list[str] = []
    write = FileWriter.message
    status = tmp_path / "other" / "Status" / "by-id" / "one.json"

    def and_wait(writer: FileWriter, message_id: str, content: bytes, source: str | None) -> None:
        write(writer, message_id, content, source)
        told.append(message_id)
        if len(told) == 150:
            comes_to_another(home, "one")
            wait_until(lambda: status.exists() and orjson.loads(status.read_bytes())["answers"], "the other's message")

    monkeypatch.setattr(FileWriter, "message", and_wait)
    with_another(home, tmp_path)
    flood = [submission(f"m{n}", source=None) for n in range(500)]
    home.journal.finish([(Outcome(m, None, "read", answers=(answer(m.id, m.id),)),) for m in flood])
    wait_until(lambda: len(told) >= 501, "the flood to be told")
    home.teller.stop(STILL)

    assert len(set(told)) == 501


@pytest.fixture
def hangs(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Every write into the first account's mailbox hangs until this is set, as on a share whose server is away."""
    answers = threading.Event()
    for name in ("_write", "answers", "inbox_changed_ns"):
        call = getattr(FileWriter, name)

        def and_hang(writer: FileWriter, *given: Any, call: Any = call) -> Any:
            if writer.mailbox.folders.account == "demo":
                answers.wait()
            return call(writer, *given)

        monkeypatch.setattr(FileWriter, name, and_hang)
    yield answers
    answers.set()


@pytest.mark.requirement("GW-05")
def test_a_mailbox_that_hangs_holds_no_other_and_nothing_of_it_is_lost(
    home: Home, tmp_path: Path, hangs: threading.Event
) -> None:
    other = with_another(home, tmp_path)
    home.comes(submission("m1", State.SENT), answers=(answer("m1"),))
    beat = other / "Status" / "heartbeat.json"
    wait_until(beat.exists, "the other's heartbeat")
    for n in range(3):
        comes_to_another(home, f"o{n}")
        wait_until((other / "Status" / "by-id" / f"o{n}.json").exists, "the other's status")
        wait_until(lambda n=n: len(os.listdir(other / "InBox")) == n + 1, "the other's answer")
    assert home.files("Status/by-id") == home.files("InBox") == []
    hangs.set()
    wait_until(lambda: len(home.files("Status/by-id")) == len(home.files("InBox")) == 1, "what waited")
    home.teller.stop(STILL)

    assert home.alerts.problems() == []
    assert home.journal.checkpoint("teller:demo") == home.journal.checkpoint("teller:other") != Cursor()


@pytest.mark.requirement("GW-05")
def test_a_mailbox_that_hangs_at_the_end_is_told_and_left_behind_and_comes_next_time(
    home: Home, tmp_path: Path, hangs: threading.Event
) -> None:
    other = with_another(home, tmp_path)
    wait_until((other / "Status" / "heartbeat.json").exists, "the other to run")
    home.comes(submission("m1"))
    home.comes_without_file(replace(submission("last"), account="other"))
    left = home.teller.stop(here(2))

    assert left == {"teller:demo"}
    assert [p.code for p in home.alerts.problems()] == ["GW-A01"]
    assert (other / "Status" / "by-id" / "last.json").exists()
    assert home.journal.checkpoint("teller:demo") == Cursor() != home.journal.checkpoint("teller:other")
    former = home.teller
    home.teller = Tellers(home.journal, home.around, home.alerts, before=former)
    home.teller.start()
    home.moves(submission("m1"), State.SENT)
    assert home.files("Status/by-id") == [], "the former thread is still in the call that hangs"
    hangs.set()
    wait_until(lambda: home.files("Status/by-id") == ["m1.json"] and home.page("by-id/m1.json")["state"] == "sent", "m1")
    wait_until(lambda: home.alerts.problems() == [], "the alert to end")
    home.teller.stop(STILL)


def test_one_accounts_trouble_does_not_end_anothers(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = FileWriter.page

    def full(writer: FileWriter, name: str, content: bytes) -> None:
        if writer.mailbox.folders.account == "demo":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, name, content)

    monkeypatch.setattr(FileWriter, "page", full)
    other = with_another(home, tmp_path)
    comes_to_another(home, "o")
    wait_until((other / "Status" / "index.json").exists, "the other's pages")
    home.teller.stop(STILL)

    [problem] = home.alerts.problems()
    assert problem.code == "GW-A01" and "demo" in problem.text
    assert home.alerts.about("GW-A01") == ["demo: page"]


def put_back(home: Home, path: Path, aside: Path) -> None:
    """The operator removes what lies there, and brings the real thing back."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    os.rename(aside, path)
    home.clock.pass_(2)
    home.told()
    home.told()


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("instead", ["nothing", "link", "file"])
@pytest.mark.parametrize("name", ["InBox", "SentBox", "FailBox", "OutBox", "Status", "Status/by-id", "Status/documents", "work"])
def test_while_a_folder_is_wrong_nothing_is_written_anywhere_and_afterwards_nothing_is_missing(
    home: Home, tmp_path: Path, name: str, instead: str
) -> None:
    if instead == "nothing" and name.startswith("Status/"):
        pytest.skip("made again")
    home.told()
    path, aside, other = home.folder / name, tmp_path / "aside", tmp_path / "another" / "OutBox"
    other.mkdir(parents=True)
    os.rename(path, aside)
    if instead == "link":
        path.symlink_to(other)
    elif instead == "file":
        path.write_bytes(b"")
    before = sorted(os.walk(home.folder))
    for n in range(3):
        comes = submission(f"m{n}", State.SENT, document_id="d1")
        home.journal.finish([(Outcome(comes, None, "read", answers=(answer(f"m{n}"),)),)])
        home.clock.pass_(6)
        home.told()

    [problem] = home.alerts.problems()
    assert problem.code == "mailbox" and str(path) in problem.text and problem.do
    assert (sorted(os.walk(home.folder)), list(other.iterdir())) == (before, [])
    put_back(home, path, aside)
    assert home.alerts.problems() == []
    named = [line["file"] for n in range(3) for line in home.page(f"m{n}.xml.status.json")["answers"]]
    assert sorted(named) == home.files("InBox") and len(named) == 3


def test_a_mailbox_that_comes_and_goes_all_the_time_is_taken_up_once_a_second_at_most(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns one can rename its folders thousands of times a second; the journal is everybody's."""
    marked: list[str] = []
    set_markers = home.journal.set_markers
    monkeypatch.setattr(home.journal, "set_markers", lambda values: (marked.extend(values), set_markers(values)))
    home.told()
    for n in range(100):
        os.rename(home.folder / "InBox", tmp_path / "aside")
        home.told()
        os.rename(tmp_path / "aside", home.folder / "InBox")
        home.told()
        home.comes(submission(f"m{n}"), answers=(answer(f"m{n}"),))
        home.clock.pass_(0.05)
    for _ in range(3):
        home.clock.pass_(2)
        home.told()

    assert len(marked) <= 3 * 6, "it goes, is looked into, is welcome: three times in these five seconds"
    assert len(home.files("InBox")) == len(list((home.folder / "Status" / "by-id").iterdir())) == 100
    assert home.alerts.problems() == []


def test_when_a_mailbox_is_back_nothing_of_another_account_is_told_again(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.comes(submission("mine"))
    home.comes_without_file(replace(submission("theirs"), account="another"))
    home.told()
    os.rename(home.folder / "InBox", tmp_path / "aside")
    home.clock.pass_(6)
    home.told()
    told: list[str] = []
    mine = home.teller.each["demo"]
    tell = mine.tell
    monkeypatch.setattr(mine, "tell", lambda ids, documents=(): (told.extend(ids), tell(ids, documents)))
    put_back(home, home.folder / "InBox", tmp_path / "aside")

    assert set(told) == {"mine"}


def test_answers_that_got_lost_while_the_mailbox_was_away_come_again_and_those_that_were_taken_do_not(
    home: Home, tmp_path: Path
) -> None:
    for name in ("taken", "lost", "there"):
        home.comes(submission(name), answers=(answer(name, name),))
    home.told()
    kept = {file.split("_")[0]: home.folder / "InBox" / file for file in home.files("InBox")}
    kept["taken"].unlink()
    home.clock.pass_(2)
    home.told()
    os.rename(home.folder, tmp_path / "gone")
    home.folder.mkdir()
    home.comes_without_file(submission("late"), answers=(answer("late", "late"),))
    home.told()
    assert list(home.folder.iterdir()) == []
    (tmp_path / "gone" / "InBox" / kept["lost"].name).unlink()
    (tmp_path / "gone" / "Status" / "by-id" / "lost.json").unlink()
    (tmp_path / "gone" / "work" / "lost.xml").unlink()
    put_back(home, home.folder, tmp_path / "gone")

    assert [file.split("_")[0] for file in home.files("InBox")] == ["late", "lost", "there"]
    assert home.page("by-id/lost.json")["state"] == "received"
    assert (home.folder / "work" / "lost.xml").read_bytes() == b"<the source/>"
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()
    assert [file.split("_")[0] for file in home.files("InBox")] == ["late", "lost", "there"]


def test_a_mailbox_that_is_away_at_the_start_gets_what_came_after_the_last_checkpoint(home: Home, tmp_path: Path) -> None:
    home.teller.recover()
    home.comes(submission("old"), answers=(answer("old", "old"),))
    home.told()
    for _ in range(3):
        home.clock.pass_(16)
        home.told()
    home.comes(submission("new"), answers=(answer("new", "new"),))
    home.told()
    for file in home.files("InBox"):
        (home.folder / "InBox" / file).unlink()
    os.rename(home.folder, tmp_path / "gone")
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()
    assert [p.code for p in home.alerts.problems()] == ["mailbox"]
    home.teller = home.new_teller()  # and once more begun while it is away
    home.teller.recover()
    home.told()
    put_back(home, home.folder, tmp_path / "gone")

    assert [file.split("_")[0] for file in home.files("InBox")] == ["new"]
    for _ in range(3):
        home.clock.pass_(16)
        home.told()
    (home.folder / "InBox" / home.files("InBox")[0]).unlink()
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()
    assert home.files("InBox") == []


def test_lost_originals_come_back(home: Home, tmp_path: Path) -> None:
    for n in range(5):
        home.comes(submission(f"m{n}"))
    home.told()
    os.rename(home.folder, tmp_path / "gone")
    home.clock.pass_(2)
    home.told()
    for file in (tmp_path / "gone" / "work").glob("m*.xml"):
        file.unlink()
    (tmp_path / "gone" / "Status" / "by-id" / "m4.json").unlink()
    os.rename(tmp_path / "gone", home.folder)
    home.clock.pass_(2)
    home.told()

    assert len(home.files("work")) == 5
    assert len(home.files("Status/by-id")) == 5
    assert home.alerts.problems() == []


def test_answers_are_not_marked_when_the_mailbox_went_away_under_the_hand(home: Home, tmp_path: Path) -> None:
    home.told()
    write = FileWriter.answer

    def and_gone(writer: FileWriter, file: str, content: bytes) -> None:
        write(writer, file, content)
        os.rename(home.folder, tmp_path / "gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileWriter, "answer", and_gone)
        home.comes(submission("m1"), answers=(answer("m1"),))
        home.told()
    with home.journal.search() as records:
        assert len(records.unwritten_answers("demo", 10)) == 1
    shutil.rmtree(tmp_path / "gone" / "InBox")
    (tmp_path / "gone" / "InBox").mkdir()
    put_back(home, home.folder, tmp_path / "gone")

    assert len(home.files("InBox")) == 1


def test_a_full_disk_forgets_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    home.told()
    monkeypatch.setattr(Rewriter, "write", full)
    home.comes(submission("m1", document_id="d1"), documents=(document(),), answers=(answer("m1"),))
    home.told()
    assert [p.code for p in home.alerts.problems()] == ["GW-A01", "GW-A01"]
    assert home.files("Status/by-id") == []

    monkeypatch.undo()
    home.told()
    assert home.files("Status/by-id") == []
    home.clock.pass_(1.1)
    home.told()
    assert home.files("Status/by-id") == ["m1.json"]
    assert len(home.files("Status/documents")) == len(home.files("InBox")) == 1
    assert home.alerts.problems() == []


def test_a_journal_that_cannot_be_read_stops_nothing_for_good(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def broken() -> Any:
        raise StationBroken("disk")
        yield

    home.told()
    home.comes(submission("m1"))
    monkeypatch.setattr(home.journal, "search", broken)
    home.told()
    assert [p.code for p in home.alerts.problems()] == ["GW-A01"]
    monkeypatch.undo()
    home.clock.pass_(1.1)
    home.told()

    assert home.files("Status/by-id") == ["m1.json"]
    assert home.alerts.problems() == []


def test_one_message_that_cannot_be_shown_hides_no_other(home: Home) -> None:
    home.comes(submission("bad", document_id="d1"), documents=(document(),))
    home.comes(submission("good"))
    around = replace(home.around, profile=lambda type_: 1 / 0)
    home.teller = Tellers(home.journal, around, home.alerts, monotonic=home.clock)
    home.teller.recover()
    home.told()

    assert home.files("Status/by-id") == ["good.json"]
    assert {p.code for p in home.alerts.problems()} == {"GW-A02"}


def damage(tmp_path: Path, where: str, change: str) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as base, base:
        assert base.execute(f"UPDATE {where.split()[0]} SET {change} WHERE id = ?", (where.split()[1],)).rowcount == 1


def with_two_documents(home: Home) -> None:
    """Two messages of one document, the first with a receipt, and one of another."""
    first = {"document_id": "d1", "document": "PO/1"}
    home.comes(
        submission("m1", State.SENT, **first), documents=(document(),), receipts=(receipt("r1", "m1"), receipt("r2", "m1"))
    )
    home.comes(submission("m2", **first, faults=(Fault("X", "错", "wrong"),)))
    home.comes(submission("m3", document_id="d3", document="PO/3"), documents=(document("d3", key="PO/3"),))


@pytest.mark.parametrize("change", ["content = x'00'", "numbers = '{'", "marks = 'x'", "attachments = '[[]]'"])
def test_a_document_that_cannot_be_read_hides_no_message(home: Home, tmp_path: Path, change: str) -> None:
    with_two_documents(home)
    damage(tmp_path, "document d1", change)
    home.told()

    assert home.files("Status/by-id") == ["m1.json", "m2.json", "m3.json"]
    assert home.files("SentBox") == [f"m1_{STAMP}.xml"]
    second = home.page("by-id/m2.json")
    assert (second["business_status"], second["numbers"], second["faults"][0]["message"]) == (None, {}, "错")
    assert [r["id"] for r in home.page("by-id/m1.json")["receipts"]] == ["r1", "r2"]
    assert [name.split("~")[0] for name in home.files("Status/documents")] == ["T_PO_3"]
    wrong = home.alerts.problems()
    assert {p.code for p in wrong} == {"GW-A02"} and all("document d1" in p.text for p in wrong)


def test_when_a_document_can_be_read_again_its_message_is_told_whole(home: Home, tmp_path: Path) -> None:
    with_two_documents(home)
    damage(tmp_path, "document d1", "marks = 'x'")
    home.told()
    damage(tmp_path, "document d1", "marks = '{}'")
    home.teller.tell("demo", ["m1", "m2"])
    home.told()

    assert home.page("by-id/m2.json")["numbers"] == {"licence": "26AA000001"}
    assert len(home.files("Status/documents")) == 2
    assert home.alerts.problems() == []


@pytest.mark.parametrize("change", ["faults = '['", "extra = 'x'", "state = 'lost'"])
def test_a_message_that_cannot_be_read_hides_only_itself(home: Home, tmp_path: Path, change: str) -> None:
    with_two_documents(home)
    damage(tmp_path, "message m2", change)
    home.told()

    assert home.files("Status/by-id") == ["m1.json", "m3.json"]
    documents = [home.page(f"documents/{name}") for name in home.files("Status/documents")]
    assert sorted(m["message_id"] for page in documents for m in page["messages"]) == ["m1", "m3"]
    assert {line["message_id"] for line in home.page("index.json")["open"]} == {"m1", "m3"}
    (told,) = home.alerts.problems()
    assert (told.code, in_language(told.text, "zh")) == ("GW-A02", "账户 demo：message m2 的内容已损坏")


def test_what_moved_after_the_checkpoint_is_told_again_after_a_crash(home: Home) -> None:
    home.comes(submission("m1"))
    home.told()
    for _ in range(3):
        home.clock.pass_(16)
        home.told()
    kept = home.journal.checkpoint("teller:demo")
    message = home.comes(submission("m2"))
    home.moves(message, State.SENT)
    for file in (home.folder / "Status" / "by-id").iterdir():
        file.unlink()
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()

    assert kept != Cursor()
    assert "m2.json" in home.files("Status/by-id")
    assert home.files("SentBox") == [f"m2_{STAMP}.xml"]


@pytest.mark.parametrize("happens", ["a crash", "the mailbox is away"])
def test_a_receipt_after_the_verdict_is_told_by_its_message_whatever_happens_before(
    home: Home, tmp_path: Path, happens: str
) -> None:
    message = home.comes(submission("m1", document_id="d1", document="PO/1"))
    home.moves(message, State.ACCEPTED, documents=(document(),))
    for _ in range(3):
        home.clock.pass_(16)
        home.told()
    if happens != "a crash":
        os.rename(home.folder, tmp_path / "gone")
        home.told()
    incoming = replace(submission("r", source=None, reference="a:r1", document_id="d1", document=None), kind=Kind.RECEIPT)
    told = replace(answer("r", "Receipt_N1", kind="receipt", number="N1"), document_id="d1")
    came = (receipt("r1", "m1"),)
    home.journal.finish([(Outcome(incoming, None, "settle", documents=(document(version=2),), receipts=came, answers=(told,)),)])
    if happens == "a crash":
        home.teller = home.new_teller()
        home.teller.recover()
        home.told()
    else:
        home.told()
        put_back(home, home.folder, tmp_path / "gone")

    assert [line["file"] for line in home.page("by-id/m1.json")["answers"]] == home.files("InBox")
    assert len(home.files("InBox")) == 1


def test_an_original_left_in_work_by_a_crash_is_placed(home: Home) -> None:
    home.comes(submission("m1", State.REFUSED))
    home.teller = home.new_teller()
    home.journal.set_checkpoint("teller:demo", Cursor(10**6))
    home.teller.recover()
    home.told()

    assert (home.files("work"), home.files("FailBox")) == ([], [f"m1_{STAMP}.xml"])


def test_temporaries_of_a_crash_are_cleared(home: Home) -> None:
    left = home.folder / "Status" / "by-id" / ".m1.json.1-abc.tmp"
    left.write_bytes(b"{")
    os.utime(left, (1, 1))
    home.teller.recover()
    home.told()

    assert home.files("Status/by-id") == []


def test_a_folder_that_is_called_like_a_temporary_keeps_no_original_in_work(home: Home) -> None:
    home.comes(submission("m1", State.SENT))
    (home.folder / "Status" / ".theirs.tmp").mkdir()
    os.utime(home.folder / "Status" / ".theirs.tmp", (1, 1))
    home.teller = home.new_teller()
    home.journal.set_checkpoint("teller:demo", Cursor(10**6))
    home.teller.recover()
    home.told()

    assert len(home.files("SentBox")) == 1
    assert home.alerts.problems() == []


def test_the_checkpoint_moves_on_under_constant_load(home: Home) -> None:
    for turn in range(16):
        for n in range(40):
            id_ = f"{turn}-{n}"
            home.comes(
                submission(id_, source=None, document_id=f"d{id_}"),
                documents=(document(f"d{id_}", key=id_, numbers={}),),
            )
        home.told()
        home.clock.pass_(3)

    assert home.journal.checkpoint("teller:demo") != Cursor()


def test_the_files_of_many_messages_follow_a_moment_later_so_that_several_moves_make_one(home: Home) -> None:
    for n in range(40):
        home.comes(submission(f"m{n}", source=None, document_id="d1"), documents=(document(),) if n == 0 else ())
    home.told()
    assert (home.files("Status/by-id"), home.files("Status/documents")) == ([], [])
    home.clock.pass_(0.3)
    home.told()

    assert (len(home.files("Status/by-id")), len(home.files("Status/documents"))) == (40, 1)


def test_answers_of_an_account_without_a_mailbox_stay_in_the_journal_and_hold_up_no_other(home: Home) -> None:
    home.comes(submission("m1"), answers=(answer("m1", account="gone"), answer("m1")))
    home.told()

    assert len(home.files("InBox")) == 1
    assert [p.code for p in home.alerts.problems()] == ["GW-A03"]
    with home.journal.search() as records:
        assert records.accounts_with_unwritten() == {"gone"}


def test_the_checkpoint_waits_for_what_failed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.told()
    monkeypatch.setattr(Rewriter, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EACCES, "no")))
    home.comes(submission("m1"))
    for _ in range(4):
        home.told()
        home.clock.pass_(40)

    assert home.journal.checkpoint("teller:demo") == Cursor()


def test_a_move_that_follows_at_once_is_told_together_with_the_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.told()
    teller, waits, told = home.teller.each["demo"], list[float](), list[str]()
    write = FileWriter.message

    class Bell(threading.Event):
        """While it is waited for the first time a message comes, the second time it moves on, and then the thread is to end."""

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            if len(waits) == 1:
                home.comes(submission("m1"))
            elif len(waits) == 2:
                home.moves(submission("m1"), State.SENT)
            else:
                teller._stopping = True
            return self.is_set()

    def noted(writer: FileWriter, message_id: str, content: bytes, source: str | None) -> None:
        told.append(orjson.loads(content)["state"])
        write(writer, message_id, content, source)

    monkeypatch.setattr(teller, "_bell", Bell())
    monkeypatch.setattr(FileWriter, "message", noted)
    teller.serve(nullcontext())

    assert told == ["sent"]
    assert waits[1] == SOON < 0.05


def test_the_thread_tells_within_milliseconds_and_stops_with_nothing_left(home: Home) -> None:
    home.teller = Tellers(home.journal, home.around, home.alerts)
    home.teller.start()
    time.sleep(0.1)
    start = time.monotonic()
    home.comes(submission("m1"))
    wait_until((home.folder / "Status" / "m1.xml.status.json").exists, "the status file")
    late = time.monotonic() - start
    home.comes(submission("m2"))
    home.teller.stop(STILL)

    assert late < here(1)
    assert home.files("Status/by-id") == ["m1.json", "m2.json"]
    assert home.journal.checkpoint("teller:demo") != Cursor()
