"""The teller: what changed is told, whatever a disk does; what was told of once is never forgotten."""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.gateway.kernel.message import Kind, State
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.rewriting import Rewriter
from tongguan.outbox.answers import technical_name
from tongguan.outbox.teller import Teller

from .conftest import RECEIVED_AT, Home, answer, document, receipt, submission

STAMP = "20261118190640000"


def test_the_stamp_of_these_tests_is_the_time_of_arrival() -> None:
    assert clock.stamp(RECEIVED_AT) == STAMP


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


def test_the_heartbeat_says_what_is_wrong(home: Home) -> None:
    home.alerts.tell("X-1", "card is out", do="tongguan card test")
    home.told()

    page = home.page("heartbeat.json")
    assert (page["ok"], page["problems"][0]["do"], page["version"]) == (False, "tongguan card test", "1.0")


def test_a_folder_that_somebody_deleted_is_made_again(home: Home) -> None:
    home.told()
    shutil.rmtree(home.folder / "Status")
    shutil.rmtree(home.folder / "InBox")
    home.comes(submission("m1"), answers=(answer("m1"),))
    home.told()

    assert home.page("by-id/m1.json")["state"] == "received"
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
    monkeypatch.setattr(home.journal, "read", broken)
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
    home.teller = Teller(home.journal, around, home.alerts, monotonic=home.clock)
    home.teller.recover()
    home.told()

    assert home.files("Status/by-id") == ["good.json"]
    assert {p.code for p in home.alerts.problems()} == {"GW-A02"}


def test_what_moved_after_the_checkpoint_is_told_again_after_a_crash(home: Home) -> None:
    home.comes(submission("m1"))
    home.told()
    for _ in range(3):
        home.clock.pass_(16)
        home.told()
    kept = home.journal.checkpoint("teller")
    message = home.comes(submission("m2"))
    home.moves(message, State.SENT)
    shutil.rmtree(home.folder / "Status" / "by-id")
    home.teller = home.new_teller()
    home.teller.recover()
    home.told()

    assert kept > 0
    assert "m2.json" in home.files("Status/by-id")
    assert home.files("SentBox") == [f"m2_{STAMP}.xml"]


def test_an_original_left_in_work_by_a_crash_is_placed(home: Home) -> None:
    home.comes(submission("m1", State.REFUSED))
    home.teller = home.new_teller()
    home.teller.recover(since_move=10**6)
    home.told()

    assert (home.files("work"), home.files("FailBox")) == ([], [f"m1_{STAMP}.xml"])


def test_temporaries_of_a_crash_are_cleared(home: Home) -> None:
    left = home.folder / "Status" / "by-id" / ".m1.json.1-abc.tmp"
    left.write_bytes(b"{")
    os.utime(left, (1, 1))
    home.teller.recover()

    assert home.files("Status/by-id") == []


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

    assert home.journal.checkpoint("teller") > 0


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
    with home.journal.read() as records:
        assert [a.account for a in records.unwritten_answers(10)] == ["gone"]


def test_the_checkpoint_waits_for_what_failed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.told()
    monkeypatch.setattr(Rewriter, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EACCES, "no")))
    home.comes(submission("m1"))
    for _ in range(4):
        home.told()
        home.clock.pass_(40)

    assert home.journal.checkpoint("teller") == 0


def test_the_thread_tells_within_milliseconds_and_stops_with_nothing_left(home: Home) -> None:
    home.teller = Teller(home.journal, home.around, home.alerts)
    home.teller.start()
    time.sleep(0.1)
    start = time.monotonic()
    home.comes(submission("m1"))
    while not (home.folder / "Status" / "m1.xml.status.json").exists() and time.monotonic() - start < 5:
        time.sleep(0.001)
    late = time.monotonic() - start
    home.comes(submission("m2"))
    home.teller.stop()

    assert late < 1
    assert home.files("Status/by-id") == ["m1.json", "m2.json"]
    assert home.journal.checkpoint("teller") > 0
