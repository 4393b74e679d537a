"""A message rests on another document: it waits for it, goes or is refused with it, and is filled from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from endpoint import RECEIPT, Call
from lxml import etree
from other_types import write_types_alone
from workshop import Workshop, open_workshop

from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.journal.database import rows as journal_rows

FILING, VOLUME, LIST, ACCOUNT = "XX.filing", "XX.volume", "XX.list", "XX.account"
GOODS = "<DecList><CodeTS>0101210010</CodeTS><GName>马</GName></DecList><DecList><CodeTS>0102</CodeTS><GName>牛</GName><Unit>035</Unit><Stopped>1</Stopped></DecList>"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway with types that rest on each other."""
    made = open_workshop(tmp_path, monkeypatch, types=write_types_alone(tmp_path / "types"))
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def declare_filing(shop: Workshop, reference: str = "q", *, port: str = "5301", nature: str = "1", more: str = "") -> None:
    status = shop.send(FILING, "declare", reference, f"<Port>{port}</Port><Nature>{nature}</Nature>{more}", "sent", "refused")
    assert status["state"] == "sent", status["faults"]


def declare_volume(shop: Workshop, reference: str = "v", *, filing: str = "q", goods: str = GOODS) -> dict[str, Any]:
    """Its status once nothing more is to be done for it."""
    content = f"<FilingNo>{filing}</FilingNo>{goods}"
    return shop.send(VOLUME, "declare", reference, content, "received", "sent", "refused")


def approved_filing(shop: Workshop, reference: str = "q", **what: str) -> None:
    declare_filing(shop, reference, **what)
    verdict(shop, FILING, reference, "A1", "备案成功")


def approved_volume(shop: Workshop, reference: str = "v", **what: str) -> None:
    status = declare_volume(shop, reference, **what)
    assert status["state"] == "sent", status["faults"]
    verdict(shop, VOLUME, reference, "A1", "备案成功")


def verdict(shop: Workshop, type_: str, reference: str, code: str, words: str) -> None:
    shop.decide(reference, code, type_)
    shop.turns(lambda: shop.business(type_, reference) == words)


def lines(*numbers: int, **more: str) -> str:
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return "".join(f"<DecList><ContrItem>{n}</ContrItem>{elements}</DecList>" for n in numbers)


def declare_list(shop: Workshop, reference: str, rows: str, *, volume: str = "v", port: str = "5301") -> dict[str, Any]:
    content = f"<ManualNo>{volume}</ManualNo><Port>{port}</Port><Nature>1</Nature>{rows}"
    return shop.send(LIST, "declare", reference, content, "received", "sent", "refused")


def about(type_: str, operation: str, reference: str, document: str, body: str = "") -> str:
    """A message about a document that is there."""
    named = f'operation="{operation}" reference="{reference}" document="{document}"'
    return f'<{type_} xmlns="urn:tongguan:{type_}:1" {named}>{body}</{type_}>'


def order(shop: Workshop, do: str, message_id: str) -> None:
    """What an operator orders, carried out."""
    carry_out(shop.daemon.site, {"do": do, "ids": [message_id]}, who="li", why="test")


def open_message(shop: Workshop, type_: str, key: str) -> str:
    """The message that is on its way for a document."""
    document = shop.site.document(type_, key)
    assert document is not None
    return str(next(m["message_id"] for m in document["messages"] if not m["final"]))


def moves_of(shop: Workshop, status: dict[str, Any]) -> list[int]:
    with shop.daemon.journal.search() as records:
        return [move.entry for move in records.moves(status["message_id"])]


def faults(status: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(f["code"], f["path"], f["message"]) for f in status["faults"]]


def test_a_message_waits_for_the_document_that_it_names_and_goes_with_its_approval(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)

    assert (status["state"], status["waiting_for"], status["deadline_at"], status["next_attempt_at"]) == (
        *("received", "other document", None, None),
    )
    number = shop.site.document(FILING, "q")["numbers"]["own"]  # type: ignore[index]
    assert status["waits_on"] == {
        "type": FILING,
        "document": "q",
        "numbers": {"own": number},
        "business_status": {"code": "3", "text": "已申报"},
    }
    assert shop.business(VOLUME, "v") == "等待"
    assert shop.mofcom.posts("v") == []

    verdict(shop, FILING, "q", "A1", "备案成功")
    status = shop.play(status["file"], "sent")

    assert (status["waiting_for"], status.get("waits_on"), status["deadline_at"] is not None) == ("authority", None, True)
    assert shop.business(VOLUME, "v") == "已申报"
    assert len(shop.mofcom.posts("v")) == 1


def test_it_is_refused_with_it_naming_it_and_its_status_and_stays_as_a_draft(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)
    number = shop.site.document(VOLUME, "v")["numbers"]["own"]  # type: ignore[index]

    verdict(shop, FILING, "q", "A2", "不予备案")
    status = shop.play(status["file"])

    assert status["state"] == "refused"
    assert faults(status) == [("GW-F30", "/XX.volume/FilingNo", "企业备案 q 不予备案")]
    assert shop.business(VOLUME, "v") == "暂存"
    document = shop.site.document(VOLUME, "v")
    assert document is not None
    assert (document["numbers"], document["body"]["DecList"][0]["CodeTS"]) == ({"own": number}, "0101210010")
    assert shop.mofcom.posts("v") == []


def test_a_document_that_waits_keeps_what_it_was_but_for_its_status(shop: Workshop) -> None:
    declare_filing(shop)
    shop.send(VOLUME, "save", "v", "<FilingNo>q</FilingNo>")
    name = shop.site.drop(about(VOLUME, "declare", "v2", "v", f"<FilingNo>q</FilingNo>{GOODS}"))
    shop.play(name, "received")
    shop.turns(lambda: shop.business(VOLUME, "v") == "等待")

    assert "DecList" not in shop.site.document(VOLUME, "v")["body"]  # type: ignore[index]
    verdict(shop, FILING, "q", "A2", "不予备案")
    shop.play(name)
    assert shop.business(VOLUME, "v") == "暂存"
    assert "DecList" not in shop.site.document(VOLUME, "v")["body"]  # type: ignore[index]


@pytest.mark.parametrize("filing", ["q9", "q"])
def test_what_is_not_there_or_a_draft_is_not_waited_for(shop: Workshop, filing: str) -> None:
    shop.send(FILING, "save", "q", "<Port>5301</Port><Nature>1</Nature>")
    status = declare_volume(shop, filing=filing)

    words = {"q": "暂存", "q9": "不存在"}[filing]
    assert status["state"] == "refused"
    assert ("GW-F30", "/XX.volume/FilingNo", f"企业备案 {filing} {words}") in faults(status)


def test_a_document_may_be_named_by_its_number(shop: Workshop) -> None:
    approved_filing(shop)
    number = shop.site.document(FILING, "q")["numbers"]["own"]  # type: ignore[index]

    assert declare_volume(shop, filing=number)["state"] == "sent"
    assert shop.site.document(VOLUME, "v")["body"]["Port"] == "5301"  # type: ignore[index]


def test_a_date_in_it_that_has_passed_ends_it(shop: Workshop) -> None:
    approved_filing(shop, more="<Until>2026-01-31</Until>")
    status = declare_volume(shop)

    assert faults(status) == [("GW-F30", "/XX.volume/FilingNo", "企业备案 q 有效期至 2026-01-31")]


def test_it_waits_again_where_the_document_is_being_changed_once_more(shop: Workshop) -> None:
    approved_filing(shop)
    shop.play(shop.site.drop(about(FILING, "cancel", "qc", "q")), "sent")
    status = declare_volume(shop)
    assert status["waits_on"]["business_status"]["text"] == "变更中"

    shop.decide("qc", "X1", FILING)
    status = shop.play(status["file"])

    assert faults(status) == [("GW-F30", "/XX.volume/FilingNo", "企业备案 q 已注销")]


def test_a_receipt_that_brings_no_status_wakes_nobody(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)
    before = moves_of(shop, status)

    shop.decide("q", "N1", FILING)
    shop.turns(lambda: any(r["code"] == "N1" for r in (shop.site.document(FILING, "q") or {"receipts": []})["receipts"]))

    assert moves_of(shop, status) == before


def test_one_whose_own_message_is_given_up_is_named_to_those_that_waited_for_it(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)
    order(shop, "give-up", open_message(shop, FILING, "q"))
    status = shop.play(status["file"])

    assert faults(status) == [("GW-F30", "/XX.volume/FilingNo", "企业备案 q 暂存")]


def test_one_that_is_deleted_in_the_end_is_named_too(shop: Workshop) -> None:
    declare_filing(shop)
    listed = shop.send(LIST, "declare", "l", "<Port>5301</Port><Nature>1</Nature>", "received")
    number = shop.site.document(FILING, "q")["numbers"]["own"]  # type: ignore[index]
    order(shop, "hold", listed["message_id"])
    verdict(shop, FILING, "q", "A2", "不予备案")
    shop.play(shop.site.drop(about(FILING, "delete", "qd", "q")))
    order(shop, "release", listed["message_id"])
    status = shop.play(listed["file"])

    assert faults(status) == [("GW-F30", "/XX.list/Port", f"本口岸的企业备案 {number} 已删除")]


def test_one_that_waits_can_be_stopped_and_its_document_is_a_draft_again(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)
    order(shop, "stop", status["message_id"])
    status = shop.play(status["file"])

    assert (status["state"], status.get("waits_on"), shop.business(VOLUME, "v")) == ("stopped", None, "暂存")
    verdict(shop, FILING, "q", "A1", "备案成功")
    assert shop.play(status["file"])["state"] == "stopped"


def test_a_later_message_of_the_same_document_does_not_stand_behind_it(shop: Workshop) -> None:
    declare_filing(shop)
    declare_volume(shop)
    status = shop.play(shop.site.drop(about(VOLUME, "delete", "d", "v")))

    assert (status["state"], status["faults"][0]["code"]) == ("refused", "GW-F05")
    assert "等待" in status["faults"][0]["message"]


def test_the_document_that_has_reserved_values_is_found_by_them(shop: Workshop) -> None:
    approved_filing(shop, "q1", port="5301")
    approved_volume(shop, filing="q1")
    status = declare_list(shop, "l0", lines(1), port="5302")

    assert ("GW-F30", "/XX.list/Port", "本口岸的企业备案 5302 1 不存在") in faults(status)
    declare_filing(shop, "q2", port="5302")
    status = declare_list(shop, "l1", "", port="5302", volume="")
    assert status["waits_on"]["document"] == "q2"
    assert declare_list(shop, "l2", lines(1))["state"] == "sent"


def test_values_that_must_be_the_same_in_both_are_shown_where_they_differ(shop: Workshop) -> None:
    approved_filing(shop, "q1", port="5301")
    approved_filing(shop, "q2", port="5302")
    approved_volume(shop, filing="q1")
    number = shop.site.document(VOLUME, "v")["numbers"]["own"]  # type: ignore[index]
    status = declare_list(shop, "l", lines(1), port="5302")

    assert faults(status) == [("GW-F47", "/XX.list/Port", f"口岸须与商品分册 {number} 相同：该单证为 5301，报文为 5302")]


def test_the_second_filing_for_the_same_values_is_refused(shop: Workshop) -> None:
    declare_filing(shop, "q1")
    status = shop.send(FILING, "declare", "q2", "<Port>5301</Port><Nature>1</Nature>")

    number = shop.site.document(FILING, "q1")["numbers"]["own"]  # type: ignore[index]
    said = f"口岸+性质 5301 1 已被申请（企业备案 {number}，状态为“已申报”），不能重复申请"
    assert faults(status) == [("GW-F07", "/XX.filing/Port", said)]
    verdict(shop, FILING, "q1", "A2", "不予备案")
    declare_filing(shop, "q2")


def test_what_a_need_found_can_be_reserved(shop: Workshop) -> None:
    approved_filing(shop)
    approved_volume(shop)
    assert declare_list(shop, "l1", lines(1))["state"] == "sent"
    status = declare_list(shop, "l2", lines(1))
    number = shop.site.document(LIST, "l1")["numbers"]["own"]  # type: ignore[index]
    said = f"备案号 v 已被申请（集报清单 {number}，状态为“已申报”），不能重复申请"
    assert faults(status) == [("GW-F07", "/XX.list/ManualNo", said)]

    verdict(shop, LIST, "l1", "A2", "不予备案")
    assert declare_list(shop, "l2", lines(1))["state"] == "sent"


def test_lines_are_filled_from_the_rows_that_they_name(shop: Workshop) -> None:
    approved_filing(shop)
    approved_volume(shop)
    status = declare_list(shop, "l", lines(1, 1))

    assert status["state"] == "sent", status["faults"]
    rows = shop.site.document(LIST, "l")["body"]["DecList"]  # type: ignore[index]
    assert rows == [{"ContrItem": "1", "CodeTS": "0101210010", "GName": "马"}] * 2


@pytest.mark.parametrize(
    ("rows", "volume", "told"),
    [
        (lines(1, 3), "v", ("GW-C30", "/XX.list/DecList[2]/ContrItem", "商品分册 v 中没有表体备案序号 3")),
        (lines(1, 2), "v", ("GW-C31", "/XX.list/DecList[2]/ContrItem", "商品分册 v 中的表体备案序号 2 已停用")),
        (
            lines(1, Unit="035"),
            "v",
            ("GW-C19", "/XX.list/DecList[1]/Unit", "表体第二单位由系统填写：系统值为 （空），报文值为 035"),
        ),
        (lines(1, GName="牛"), "v", ("GW-C19", "/XX.list/DecList[1]/GName", "表体商品名称由系统填写：系统值为 马，报文值为 牛")),
    ],
)
def test_what_is_not_in_the_volume_is_told_at_its_place(
    shop: Workshop, rows: str, volume: str, told: tuple[str, str, str]
) -> None:
    approved_filing(shop)
    approved_volume(shop)
    status = declare_list(shop, "l", rows, volume=volume)

    assert [f for f in faults(status) if f[0] != "GW-F30"][:1] == [told]
    assert {f[0] for f in faults(status)} <= {told[0], "GW-F30", "GW-C03", "GW-F47"}


def test_a_document_that_is_not_there_is_told_once_in_the_words_of_who_needs_it(shop: Workshop) -> None:
    approved_filing(shop)
    status = declare_list(shop, "l", lines(1, CodeTS="01"), volume="v8")

    told = [(code, path) for code, path, _ in faults(status) if path == "/XX.list/ManualNo"]
    assert told == [("GW-F30", "/XX.list/ManualNo")]


def test_a_chain_of_waits_goes_one_by_one(shop: Workshop) -> None:
    declare_filing(shop)
    volume = declare_volume(shop)
    listed = declare_list(shop, "l", lines(1))
    assert [s["waits_on"]["document"] for s in (volume, listed)] == ["q", "q"]

    verdict(shop, FILING, "q", "A1", "备案成功")
    shop.play(volume["file"], "sent")
    shop.turns(lambda: (shop.site.status(listed["file"]) or {})["waits_on"]["document"] == "v")
    verdict(shop, VOLUME, "v", "A1", "备案成功")

    assert shop.play(listed["file"], "sent")["state"] == "sent"


def test_the_command_line_shows_what_a_message_waits_for(shop: Workshop) -> None:
    declare_filing(shop)
    status = declare_volume(shop)
    shop.stop()

    shown = json.loads(shop.site.command("show", status["message_id"], "--json", check=True).stdout)[0]
    assert (shown["waiting_for"], shown["waits_on"]["document"]) == ("other document", "q")
    assert f"{FILING} q XF" in shop.site.command("show", status["message_id"], check=True).stdout


def test_the_document_is_read_as_often_for_fifty_lines_as_for_one(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    approved_filing(shop)
    goods = "".join(f"<DecList><CodeTS>{n:010d}</CodeTS><GName>货物 {n}</GName></DecList>" for n in range(99))
    approved_volume(shop, goods=goods)
    decoded: list[str] = []
    unpacked = journal_rows.unpack

    def unpack(frame: bytes) -> bytes:
        raw = unpacked(frame)
        decoded.extend(["volume"] * ("货物 98".encode() in raw))
        return raw

    def read_for(reference: str, count: int) -> int:
        decoded.clear()
        status = declare_list(shop, reference, lines(*range(1, count + 1)))
        assert status["state"] == "sent", status["faults"]
        seen = len(decoded)
        verdict(shop, LIST, reference, "A2", "不予备案")  # which lets the volume go
        return seen

    monkeypatch.setattr(journal_rows, "unpack", unpack)

    assert read_for("l50", 50) == read_for("l1", 1) > 0


def test_five_hundred_that_wait_for_one_document_all_go_with_its_approval(shop: Workshop) -> None:
    declare_filing(shop)
    names = [f"v{n}" for n in range(500)]
    items = "".join(
        f'<XX.volume xmlns="urn:tongguan:XX.volume:1" operation="declare" reference="{n}"><FilingNo>q</FilingNo></XX.volume>'
        for n in names
    )
    shop.play(shop.site.drop(f'<Batch xmlns="urn:tongguan:batch:1" reference="b">{items}</Batch>'), "received")
    shop.turns(lambda: waiting(shop) == 500)

    shop.decide("q", "A1", FILING)
    shop.turns(lambda: len({call.reference for call in shop.mofcom.calls if call.reference in names}) == 500)

    assert waiting(shop) == 0


def waiting(shop: Workshop) -> int:
    """How many messages wait for another document."""
    with shop.daemon.journal.search() as records:
        return sum(m.waiting_for == "other document" for m in records.open_messages("demo", 1000))


def pages_of(shop: Workshop, rows: Sequence[str], *, total: int | None = None) -> None:
    """Let the authority answer each question with the page that it asks for."""

    def answer(call: Call) -> tuple[int, bytes, dict[str, str]]:
        asked = etree.fromstring(call.body).find(".//{*}XX.account")
        assert asked is not None
        page, size = int(asked.get("page", "1")), int(asked.get("size", "50"))
        said = shop.mofcom.unsigned(code="Q0", message=call.message_id)
        content = etree.SubElement(said, f"{{{RECEIPT}}}Content")
        etree.SubElement(content, f"{{{RECEIPT}}}AccountNo").text = "C1"
        head = {"total": str(total or len(rows)), "page": str(page), "size": str(size)}
        table = etree.SubElement(content, f"{{{RECEIPT}}}Rows", head)
        table.extend(etree.fromstring(f'<Row xmlns="{RECEIPT}">{row}</Row>') for row in rows[(page - 1) * size : page * size])
        return 202, shop.mofcom.sealer.seal(said), {}

    shop.mofcom.answer = answer  # type: ignore[method-assign]


def fetch(shop: Workshop, reference: str, *states: str) -> dict[str, Any]:
    return shop.send(ACCOUNT, "fetch", reference, "<AccountNo>C1</AccountNo>", *states)


def test_a_table_is_fetched_from_the_authority_page_by_page_and_again(shop: Workshop) -> None:
    pages_of(shop, [f"<GNo>{n:05d}</GNo><CodeTS>{n:010d}</CodeTS><Other>x</Other>" for n in range(1, 2502)])
    status = fetch(shop, "f1")

    assert status["state"] == "accepted", status["faults"]
    assert status["numbers"] == {"account": "C1"}
    rows = shop.site.document(ACCOUNT, "f1")["body"]["DecList"]  # type: ignore[index]
    assert (len(rows), rows[0], rows[-1]["GNo"]) == (2501, {"GNo": "1", "CodeTS": "0000000001"}, "2501")

    pages_of(shop, ["<GNo>7</GNo>"])
    again = '<XX.account xmlns="urn:tongguan:XX.account:1" operation="fetch" reference="f2" document="f1"><AccountNo>C1</AccountNo></XX.account>'
    assert shop.play(shop.site.drop(again))["state"] == "accepted"
    assert shop.site.document(ACCOUNT, "f1")["body"]["DecList"] == [{"GNo": "7"}]  # type: ignore[index]


def test_what_is_fetched_again_under_no_name_is_the_document_that_has_its_number(shop: Workshop) -> None:
    pages_of(shop, ["<GNo>7</GNo>"])
    fetch(shop, "f1")
    pages_of(shop, ["<GNo>8</GNo>"])

    status = fetch(shop, "f2")

    assert (status["state"], status["document"], status["numbers"]) == ("accepted", "f1", {"account": "C1"})
    assert shop.site.document(ACCOUNT, "f1")["body"]["DecList"] == [{"GNo": "8"}]  # type: ignore[index]
    assert shop.site.document(ACCOUNT, "f2") is None


def test_what_is_fetched_under_another_name_than_it_has_is_refused(shop: Workshop) -> None:
    pages_of(shop, ["<GNo>7</GNo>"])
    fetch(shop, "f1")

    named = '<XX.account xmlns="urn:tongguan:XX.account:1" operation="fetch" reference="f2" document="other"><AccountNo>C1</AccountNo></XX.account>'
    status = shop.play(shop.site.drop(named))

    assert [(code, path) for code, path, _ in faults(status)] == [("GW-F56", "/XX.account/@document")]
    assert "f1" in status["faults"][0]["message"]
    assert shop.site.document(ACCOUNT, "other") is None


@pytest.mark.parametrize(
    ("rows", "total", "why"), [(["<GNo>x</GNo>"], None, "GNo of row 1"), (["<GNo>1</GNo>"], 3, "it has 1 rows")]
)
def test_a_table_that_cannot_be_holds_the_message(shop: Workshop, rows: list[str], total: int | None, why: str) -> None:
    pages_of(shop, rows, total=total)
    status = fetch(shop, "f1", "held")

    assert why in status["hold"]["reason"]
    assert shop.site.document(ACCOUNT, "f1") is None
