"""Rows of a document one by one: inserted and removed in drafts, added and stopped where they are approved; copies, and what goes with what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from volumes import FILING, TYPE, goods, message, rows, send, write_volumes
from workshop import Workshop, open_workshop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    made = open_workshop(tmp_path, monkeypatch, types=write_volumes(tmp_path / "types"))
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def approved(shop: Workshop, key: str, names: str, *, named: str = "") -> None:
    """A volume that the authority has approved, of the filing that it names."""
    of = f"<FilingNo>{named}</FilingNo>" if named else ""
    send(shop, "declare", key, of + goods(names), "sent")
    shop.decide(key, "30", TYPE)
    shop.turns(lambda: shop.business(TYPE, key) == "海关审批通过")


def filing(shop: Workshop, operation: str, reference: str, *, document: str = "", body: str = "") -> dict[str, Any]:
    return shop.play(shop.site.drop(message(operation, reference, body, document=document, type_=FILING)))


def codes(status: dict[str, Any]) -> list[str]:
    return [f["code"] for f in status["faults"]]


@pytest.mark.requirement("CD-03")
@pytest.mark.requirement("CD-07")
def test_rows_of_a_draft_are_inserted_and_removed_and_numbered_anew(shop: Workshop) -> None:
    before = send(shop, "save", "v", goods("ac"))

    inserted = send(shop, "insert", "i", f"<Before>2</Before>{goods('b')}", document="v")
    after_insert = rows(shop, "v")
    removed = send(shop, "remove", "r", "<Rows>1</Rows>", document="v")

    assert (inserted["state"], removed["state"]) == ("accepted", "accepted")
    assert after_insert == [("1", "a"), ("2", "b"), ("3", "c")]
    assert rows(shop, "v") == [("1", "b"), ("2", "c")]
    document = shop.site.document(TYPE, "v") or {}
    assert (document["numbers"], document["business_status"]["text"]) == (before["numbers"], "暂存")


def test_a_refused_document_stays_refused_while_its_rows_change(shop: Workshop) -> None:
    send(shop, "declare", "v", goods("ab"), "sent")
    shop.decide("v", "31", TYPE)
    shop.turns(lambda: shop.business(TYPE, "v") == "核准拒绝")

    send(shop, "remove", "r", "<Rows>1</Rows>", document="v")

    assert (shop.business(TYPE, "v"), rows(shop, "v")) == ("核准拒绝", [("1", "b")])


@pytest.mark.parametrize(
    ("operation", "body", "code", "path"),
    [
        ("insert", f"<Before>3</Before>{goods('x')}", "GW-C34", "Before"),
        ("insert", goods("xy"), "GW-C18", "Goods"),
        ("remove", "<Rows>2-4</Rows>", "GW-C34", "Rows"),
        ("remove", "", "GW-C03", "Rows"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    shop: Workshop, operation: str, body: str, code: str, path: str
) -> None:
    send(shop, "save", "v", goods("ab"))

    status = send(shop, operation, "wrong", body, document="v")

    assert [(f["code"], f["path"]) for f in status["faults"]] == [(code, f"/{TYPE}/{path}")]
    assert rows(shop, "v") == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(("operation", "body"), [("insert", goods("x")), ("remove", "<Rows>1</Rows>"), ("save", goods("x"))])
def test_approved_rows_are_neither_inserted_before_nor_removed(shop: Workshop, operation: str, body: str) -> None:
    approved(shop, "v", "ab")

    status = send(shop, operation, "wrong", body, document="v")

    assert codes(status) == ["GW-F05"]
    assert rows(shop, "v") == [("1", "a"), ("2", "b")]


@pytest.mark.requirement("CD-05")
def test_an_amendment_adds_rows_behind_those_that_are_approved(shop: Workshop) -> None:
    approved(shop, "v", "ab")

    send(shop, "amend", "m", goods("c"), "sent", document="v")

    (call,) = shop.mofcom.posts("m")
    assert (
        b"<GNo>1</GNo><Name>a</Name></Goods><Goods><GNo>2</GNo><Name>b</Name></Goods><Goods><GNo>3</GNo><Name>c</Name>"
        in call.body
    )


@pytest.mark.requirement("CD-05")
def test_an_amendment_changes_nothing_that_is_approved(shop: Workshop) -> None:
    approved(shop, "v", "ab")

    status = send(shop, "amend", "m", "<FilingNo>F</FilingNo>" + goods("cd"), document="v")

    assert sorted(codes(status)) == ["GW-C18", "GW-C20"]
    assert shop.business(TYPE, "v") == "海关审批通过"


@pytest.mark.requirement("CD-05")
def test_rows_are_stopped_by_their_numbers_and_once(shop: Workshop) -> None:
    approved(shop, "v", "abc")
    send(shop, "stop", "s", "<Rows>1,3</Rows>", "sent", document="v")
    (call,) = shop.mofcom.posts("s")
    shop.decide("s", "30", TYPE)
    shop.turns(lambda: shop.business(TYPE, "v") == "海关审批通过")

    again = send(shop, "stop", "again", "<Rows>2-3</Rows>", document="v")

    assert call.body.count(b"<Stopped>1</Stopped>") == 2
    assert [row.get("Stopped") for row in (shop.site.document(TYPE, "v") or {})["body"]["Goods"]] == ["1", None, "1"]
    assert [(f["code"], f["message"]) for f in again["faults"]] == [("GW-C35", "行号：第 3 行已是“停用”")]


@pytest.mark.requirement("CD-02")
def test_a_copy_is_a_draft_with_what_was_entered(shop: Workshop) -> None:
    approved(shop, "v", "ab")
    send(shop, "stop", "s", "<Rows>1</Rows>", "sent", document="v")
    shop.decide("s", "30", TYPE)
    shop.turns(lambda: shop.business(TYPE, "v") == "海关审批通过")

    copies = send(shop, "copy", "c", document="v")["copies"]

    (copy,) = copies
    body = (shop.site.document(TYPE, copy["document"]) or {})["body"]
    number = copy["numbers"]["own"]
    goods_ = [{"GNo": "1", "Name": "a"}, {"GNo": "2", "Name": "b"}]
    assert body == {"Number": number, "Status": "1", "Volume": "1", "Goods": goods_}
    assert number != (shop.site.document(TYPE, "v") or {})["numbers"]["own"]
    assert send(shop, "declare", "cd", "", "sent", document=copy["document"])["state"] == "sent"


@pytest.mark.requirement("CD-02")
def test_what_is_deleted_takes_along_what_names_it_by_number_or_key(shop: Workshop) -> None:
    number = filing(shop, "save", "f", body="<Title>t</Title>")["numbers"]["own"]
    send(shop, "save", "v", f"<FilingNo>{number}</FilingNo>" + goods("abcd"))
    send(shop, "save", "w", "<FilingNo>f</FilingNo>" + goods("a"))
    send(shop, "save", "other", "<FilingNo>g</FilingNo>" + goods("a"))

    status = filing(shop, "delete", "d", document="f")

    assert status["state"] == "accepted"
    deleted = {key: (shop.site.document(TYPE, key) or {})["deleted"] for key in ("v", "v-2", "w", "other")}
    assert deleted == {"v": True, "v-2": True, "w": True, "other": False}
    assert (shop.site.document(FILING, "f") or {})["deleted"]
    again = filing(shop, "save", "f2", body="<Title>t</Title>")
    assert again["state"] == "accepted", "what it had reserved is free"


@pytest.mark.requirement("CD-02")
def test_it_is_not_deleted_while_one_of_them_cannot_be(shop: Workshop) -> None:
    shop.play(shop.site.drop(message("declare", "f", "<Title>t</Title>", type_=FILING)), "sent")
    shop.decide("f", "30", FILING)
    shop.turns(lambda: shop.business(FILING, "f") == "海关审批通过")
    approved(shop, "v", "a", named="f")
    send(shop, "save", "w", "<FilingNo>f</FilingNo>" + goods("a"))
    shop.decide("f", "90", FILING)
    shop.turns(lambda: shop.business(FILING, "f") == "取消资质")

    status = filing(shop, "delete", "d", document="f")

    assert [(f["code"], f["message"]) for f in status["faults"]] == [
        ("GW-F55", "引用此单证的分册 v 状态为“海关审批通过”，不能随之删除")
    ]
    assert [(shop.site.document(*which) or {})["deleted"] for which in ((FILING, "f"), (TYPE, "v"), (TYPE, "w"))] == [False] * 3


def test_documents_of_other_accounts_and_types_are_not_found(shop: Workshop) -> None:
    send(shop, "save", "v", "<FilingNo>f</FilingNo>" + goods("a"))

    with shop.daemon.journal.read() as records:
        found = [records.documents_naming(*of, "filing", {"f"}) for of in (("demo", TYPE), ("other", TYPE), ("demo", FILING))]

    assert [[document.key for document in some] for some in found] == [["v"], [], []]
