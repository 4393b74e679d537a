"""Nothing that must be declared is forgotten: where it stands, until when, told in time, and loud once it is late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daily_slots import it_is
from merge_desk import Counting, open_counting
from merges import INVOICE, MERGE, NOTE

from tongguan.gateway.flow.merging.deadlines import merging_types, undeclared

pytestmark = pytest.mark.requirement("CD-17")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counting]:
    with open_counting(tmp_path) as counting:
        counting.today = "2030-06-20T12:00:00"
        yield counting


def left(desk: Counting) -> dict[str, tuple[str, str]]:
    """Of each note that is not declared: until when it must be, and where it stands."""
    desk.play()
    (types,) = merging_types(desk.shop.daemon.site.rules)
    with desk.shop.daemon.journal.search() as records:
        return {one.number: (one.deadline, one.why.zh) for one in undeclared(types, ["demo"], records)}


def told(desk: Counting) -> list[str]:
    """What the standing alerts say of months."""
    it_is(desk.shop.daemon, desk.today)
    desk.shop.daemon.watching.months.look()
    return [p.text.partition("\n")[0] for p in desk.shop.daemon.alerts.problems() if p.code == "month"]


def own(desk: Counting, key: str) -> str:
    return str(desk.document(NOTE, key)["numbers"]["own"])


def test_whatever_is_not_declared_is_named_until_it_is(desk: Counting) -> None:
    ready, underway = desk.note("2030-06-03"), desk.note("2030-06-04", ready=False)
    other = desk.note("2030-06-05", kind="2")
    until = "2030-07-10"
    assert left(desk) == {
        own(desk, ready): (until, "已签收"),
        own(desk, underway): (until, "在途"),
        own(desk, other): ("2030-07-31", "已签收"),
    }

    merge = desk.merge("M-1")
    assert left(desk)[own(desk, ready)] == (until, "发票 M-1-1 为“暂存”")
    desk.send(INVOICE, "declare", {}, "M-1-1")
    assert own(desk, ready) not in left(desk) and own(desk, underway) in left(desk)
    assert merge["state"] == "accepted"


def test_a_note_of_which_nothing_is_kept_for_merging_is_named_like_the_others(desk: Counting) -> None:
    note, other = desk.note("2030-06-03"), desk.note("2030-06-04", ready=False)
    desk.play()
    with desk.shop.daemon.journal._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM keyed")

    assert left(desk) == {own(desk, note): ("2030-07-10", "已签收"), own(desk, other): ("2030-07-10", "在途")}


def test_an_invoice_that_is_still_to_be_made_is_named_for_each_of_its_notes(
    desk: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [desk.note("2030-06-03"), desk.note("2030-06-04")]
    desk.shop.site.drop(
        json.dumps({"type": MERGE, "operation": "merge", "reference": "M-1", "body": {"Kind": "1", "Month": "2030-06"}}),
        suffix=".json",
    )
    seen = list[dict[str, tuple[str, str]]]()

    def made_and_not_checked() -> bool:
        with desk.shop.daemon.journal.search() as records:
            (types,) = merging_types(desk.shop.daemon.site.rules)
            seen.append({one.number: (one.deadline, one.why.zh) for one in undeclared(types, ["demo"], records)})
        return any("尚未生成" in why for _, why in seen[-1].values())

    it_is(desk.shop.daemon, desk.today)
    desk.shop.turns(made_and_not_checked)

    assert seen[-1] == {own(desk, note): ("2030-07-10", "发票 M-1-1 尚未生成") for note in notes}


def test_what_was_freed_is_named_again(desk: Counting) -> None:
    note = desk.note("2030-06-03")
    desk.merge("M-1")
    desk.send(INVOICE, "delete", {}, "M-1-1")

    assert left(desk) == {own(desk, note): ("2030-07-10", "已签收")}


def test_across_the_year_a_note_is_named_until_a_person_says_that_it_was_declared_singly(desk: Counting) -> None:
    desk.today = "2030-12-20T12:00:00"
    note = desk.note("2030-12-03")
    desk.today = "2031-02-01T12:00:00"
    assert left(desk) == {own(desk, note): ("2030-12-31", "已签收")}

    desk.send(NOTE, "confirm", {}, note)
    assert (left(desk), desk.words(NOTE, note)) == ({}, ["已单独申报"])


def test_a_deadline_is_told_in_time_loud_once_it_is_over_and_no_more_when_all_is_declared(desk: Counting) -> None:
    desk.note("2030-06-03")
    desk.note("2030-06-04")
    desk.today = "2030-07-04T12:00:00"
    assert told(desk) == []
    (shown,) = health(desk)
    assert shown == {
        "account": "demo", "type": NOTE, "month": "2030-06", "deadline": "2030-07-10", "documents": 2, "late": False,
    }  # fmt: skip

    desk.today = "2030-07-05T12:00:00"
    assert told(desk) == ["demo 2030-06 有 2 份送货单未申报，期限为 2030-07-10"]
    desk.today = "2030-07-11T00:00:00"
    assert told(desk) == ["已逾期：demo 2030-06 有 2 份送货单未申报，期限为 2030-07-10"]
    desk.merge("M-1")
    assert len(told(desk)) == 1, "a draft is not declared"
    desk.send(INVOICE, "declare", {}, "M-1-1")
    assert (told(desk), health(desk)) == ([], [])


def test_what_an_account_has_to_declare_is_told_although_it_has_left_the_settings(desk: Counting) -> None:
    desk.note("2030-06-03")
    settings = desk.shop.site.home / "tongguan.toml"
    settings.write_text(
        settings.read_text().replace('name = "demo"\n', 'name = "renamed"\n').replace("mailboxes/demo", "mailboxes/other")
    )
    desk.shop.stop()
    desk.today = "2030-07-05T12:00:00"

    assert told(desk) == ["demo 2030-06 有 1 份送货单未申报，期限为 2030-07-10"]


def health(desk: Counting) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps(desk.shop.daemon.watching.health()["deadlines"]))
    return found


def test_merges_alone_are_no_type_that_deadlines_name(desk: Counting) -> None:
    desk.merge("M-1")

    assert (left(desk), desk.words(MERGE, "M-1")) == ({}, ["无单据"])
