"""Rows for which one document has no room become further documents: all of them or none, each told, and once."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from volumes import FILING, TYPE, goods, message, rows, send, write_volumes
from workshop import Workshop, open_workshop

SEVEN = goods("abcdefg")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    made = open_workshop(tmp_path, monkeypatch, types=write_volumes(tmp_path / "types"))
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def answer(shop: Workshop, reference: str) -> str:
    """The newest technical response about a message."""
    found = [
        p.read_text("utf-8")
        for p in sorted((shop.site.mailbox / "InBox").iterdir())
        if f'reference="{reference}"' in p.read_text("utf-8")
    ]
    return found[-1]


def approve(shop: Workshop, reference: str, code: str = "30") -> None:
    shop.decide(reference, code, TYPE)


@pytest.mark.requirement("CD-03")
def test_rows_without_room_become_further_drafts_with_keys_and_numbers_of_their_own(shop: Workshop) -> None:
    status = send(shop, "save", "v", SEVEN)

    assert (status["state"], status["document"]) == ("accepted", "v")
    assert [rows(shop, key) for key in ("v", "v-2", "v-3")] == [
        [("1", "a"), ("2", "b"), ("3", "c")],
        [("1", "d"), ("2", "e"), ("3", "f")],
        [("1", "g")],
    ]
    documents = [shop.site.document(TYPE, key) or {} for key in ("v", "v-2", "v-3")]
    assert [d["body"]["Volume"] for d in documents] == ["1", "2", "3"]
    assert len({d["numbers"]["own"] for d in documents}) == 3
    assert [d["body"]["Number"] for d in documents] == [d["numbers"]["own"] for d in documents]
    assert [d["marks"] for d in documents] == [{}, {"part_of": "v"}, {"part_of": "v"}]


@pytest.mark.requirement("CD-03")
def test_the_answer_tells_every_document_with_its_numbers_and_rows(shop: Workshop) -> None:
    status = send(shop, "save", "v", SEVEN)

    numbers = [(shop.site.document(TYPE, key) or {})["numbers"] for key in ("v", "v-2", "v-3")]
    assert status["parts"] == [
        {"document": key, "numbers": own, "rows": which}
        for key, own, which in zip(("v", "v-2", "v-3"), numbers, ("1-3", "4-6", "7-7"), strict=True)
    ]
    assert re.findall(r'<Part document="([^"]*)" rows="([^"]*)"><Number name="own">([^<]*)</Number></Part>', answer(shop, "v")) == [
        ("v", "1-3", numbers[0]["own"]), ("v-2", "4-6", numbers[1]["own"]), ("v-3", "7-7", numbers[2]["own"])
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (4, [3, 1]), (6, [3, 3]), (20, [3, 3, 3, 3, 3, 3, 2])])
def test_as_many_documents_as_are_needed(shop: Workshop, count: int, sizes: list[int]) -> None:
    status = send(shop, "save", "v", goods(f"n{n}" for n in range(count)))

    keys = ["v", *(f"v-{n}" for n in range(2, len(sizes) + 1))]
    assert [len(rows(shop, key)) for key in keys] == sizes
    assert shop.site.document(TYPE, f"v-{len(sizes) + 1}") is None
    assert ("parts" in status) == (len(sizes) > 1)


def test_the_same_in_json_is_answered_in_json(shop: Workshop) -> None:
    path = shop.home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace('answers = "xml"', 'answers = "json"'), "utf-8")
    body = {"Goods": [{"Name": name} for name in "abcd"]}
    file = {"type": TYPE, "operation": "declare", "reference": "v", "body": body}

    status = shop.play(shop.site.drop(json.dumps(file), suffix=".json"), "sent")
    shop.turns(lambda: len(shop.site.inbox("Successed_")) == 2)

    told = [json.loads(path.read_bytes()) for path in shop.site.inbox("Successed_")]
    assert sorted(one["reference"] for one in told) == ["v", "v-2"]
    assert next(one for one in told if one["reference"] == "v")["parts"] == status["parts"]
    assert [rows(shop, key) for key in ("v", "v-2")] == [[("1", "a"), ("2", "b"), ("3", "c")], [("1", "d")]]


@pytest.mark.requirement("CD-03")
def test_the_same_file_again_does_nothing(shop: Workshop) -> None:
    content = message("save", "v", SEVEN)
    first = shop.play(shop.site.drop(content))
    documents = [shop.site.document(TYPE, key) for key in ("v", "v-2", "v-3")]

    again = shop.play(shop.site.drop(content), "accepted")

    assert again["message_id"] == first["message_id"]
    assert [shop.site.document(TYPE, key) for key in ("v", "v-2", "v-3")] == documents
    assert shop.site.document(TYPE, "v-4") is None


def test_the_same_rows_saved_again_stay_in_their_documents(shop: Workshop) -> None:
    before = send(shop, "save", "v", SEVEN)

    after = send(shop, "save", "again", goods("abcdeFgh"), document="v")

    assert [part["numbers"] for part in after["parts"]] == [part["numbers"] for part in before["parts"]]
    assert [rows(shop, key) for key in ("v-2", "v-3")] == [[("1", "d"), ("2", "e"), ("3", "F")], [("1", "g"), ("2", "h")]]
    assert after["faults"] == []


def test_what_is_left_over_stays_and_is_told(shop: Workshop) -> None:
    send(shop, "save", "v", SEVEN)

    fewer = send(shop, "save", "fewer", goods("abcd"), document="v")
    one = send(shop, "save", "one", goods("ab"), document="v")

    assert [(s["state"], [(f["code"], f["severity"]) for f in s["faults"]]) for s in (fewer, one)] == [
        ("accepted", [("GW-F54", "warning")]),
        ("accepted", [("GW-F54", "warning")]),
    ]
    assert ("v-3" in fewer["faults"][0]["message"], "v-2 v-3" in one["faults"][0]["message"]) == (True, True)
    assert rows(shop, "v-3") == [("1", "g")]


@pytest.mark.requirement("CD-03")
def test_each_document_goes_out_by_a_message_of_its_own(shop: Workshop) -> None:
    name = shop.site.drop(message("declare", "v", SEVEN))
    status = shop.play(name, "sent")
    shop.turns(lambda: len(shop.site.inbox("Successed_")) == 3)

    assert [(p["document"], p.get("reference")) for p in status["parts"]] == [("v", None), ("v-2", "v-2"), ("v-3", "v-3")]
    for reference, names in (("v", "abc"), ("v-2", "def"), ("v-3", "g")):
        (call,) = shop.mofcom.posts(reference)
        assert re.findall(rb"<Name>(.)</Name>", call.body) == [n.encode() for n in names]
        assert b"SignatureValue" in call.body
        assert shop.business(TYPE, reference) == "已申报"
    stem = name.removesuffix(".xml")
    own = shop.site.status(f"{stem}-2.xml")
    assert own is not None
    assert (own["reference"], own["document"], own["state"], own["part_of"]) == ("v-2", "v-2", "sent", status["message_id"])
    assert own["message_id"] == status["parts"][1]["message_id"]


def test_each_has_its_own_verdict(shop: Workshop) -> None:
    name = shop.site.drop(message("declare", "v", goods("abcd")))
    shop.play(name, "sent")
    shop.turns(lambda: shop.mofcom.posts("v-2"))

    approve(shop, "v-2")
    approve(shop, "v", "31")

    assert shop.play(name, "rejected")["state"] == "rejected"
    shop.turns(lambda: shop.business(TYPE, "v-2") == "海关审批通过")
    assert shop.business(TYPE, "v") == "核准拒绝"


def test_a_further_message_is_kept_as_the_sender_would_have_written_it(shop: Workshop) -> None:
    status = shop.play(shop.site.drop(message("declare", "v", goods("abcd"))), "sent")

    with shop.daemon.journal.read() as records:
        source = records.body(status["parts"][1]["message_id"], "source")

    assert (
        source
        == (
            f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" document="v-2" operation="declare" reference="v-2">'
            "<Goods><Name>d</Name></Goods></XX.volume>"
        ).encode()
    )


def test_who_sends_a_further_message_himself_repeats_it(shop: Workshop) -> None:
    status = shop.play(shop.site.drop(message("declare", "v", goods("abcd"))), "sent")

    own = shop.play(shop.site.drop(message("declare", "v-2", goods("d"), document="v-2")), "sent")

    assert own["message_id"] == status["parts"][1]["message_id"]


@pytest.mark.requirement("CD-03")
def test_a_fault_in_one_document_refuses_the_whole_at_its_place(shop: Workshop) -> None:
    body = goods("abc") + "<Goods/>" + goods("ef") + "<Goods><Name>g</Name><Stopped>1</Stopped></Goods>"

    status = send(shop, "declare", "v", body)

    assert [(f["code"], f["path"]) for f in status["faults"]] == [
        ("GW-C03", f"/{TYPE}/Goods[4]/Name"),
        ("GW-C19", f"/{TYPE}/Goods[7]/Stopped"),
    ]
    assert [shop.site.document(TYPE, key) for key in ("v", "v-2", "v-3")] == [None, None, None]
    assert shop.mofcom.calls == []


def test_after_a_refusal_the_mended_file_goes_through_under_its_reference(shop: Workshop) -> None:
    assert send(shop, "declare", "v", goods("abc") + "<Goods/>")["state"] == "refused"

    status = send(shop, "declare", "v", goods("abcd"), "sent")

    assert [part["document"] for part in status["parts"]] == ["v", "v-2"]


def test_a_file_that_is_only_checked_makes_no_documents(shop: Workshop) -> None:
    well = shop.play(shop.site.drop(message("declare", "v", SEVEN, more=' check="true"')))
    ill = shop.play(shop.site.drop(message("declare", "w", goods("abc") + "<Goods/>", more=' check="true"')))

    assert (well["state"], well["faults"]) == ("accepted", [])
    assert [(f["code"], f["path"]) for f in ill["faults"]] == [("GW-C03", f"/{TYPE}/Goods[4]/Name")]
    assert shop.site.document(TYPE, "v-2") is None
    assert shop.mofcom.calls == []


def test_once_one_is_refused_by_the_authority_the_file_may_come_again_and_what_is_approved_stays(shop: Workshop) -> None:
    name = shop.site.drop(message("declare", "v", goods("abcd")))
    shop.play(name, "sent")
    shop.turns(lambda: shop.mofcom.posts("v-2"))
    approve(shop, "v-2")
    approve(shop, "v", "31")
    shop.play(name, "rejected")
    shop.turns(lambda: shop.business(TYPE, "v-2") == "海关审批通过")
    before = shop.site.document(TYPE, "v-2")

    status = send(shop, "declare", "v", goods("aBcd"), "sent")

    assert status["state"] == "sent", status["faults"]
    assert rows(shop, "v") == [("1", "a"), ("2", "B"), ("3", "c")]
    assert shop.site.document(TYPE, "v-2") == before
    assert (len(shop.mofcom.posts("v")), len(shop.mofcom.posts("v-2"))) == (2, 1)
    assert [(p["document"], p.get("reference")) for p in status["parts"]] == [("v", None), ("v-2", None)]


def test_what_is_approved_is_not_changed_by_a_file_that_says_otherwise(shop: Workshop) -> None:
    name = shop.site.drop(message("declare", "v", goods("abcd")))
    shop.play(name, "sent")
    shop.turns(lambda: shop.mofcom.posts("v-2"))
    approve(shop, "v-2")
    approve(shop, "v", "31")
    shop.play(name, "rejected")
    shop.turns(lambda: shop.business(TYPE, "v-2") == "海关审批通过")

    status = send(shop, "declare", "v", goods("abcD"))

    assert [(f["code"], f["message"]) for f in status["faults"]] == [
        ("GW-F52", "分出的单证 v-2 当前状态为“海关审批通过”，内容又与报文不同，不能申报")
    ]
    assert shop.business(TYPE, "v") == "核准拒绝"


def test_a_key_that_is_another_documents_is_told_and_nothing_is_taken(shop: Workshop) -> None:
    send(shop, "save", "v-2", goods("x"))

    status = send(shop, "save", "v", goods("abcd"))

    assert [f["code"] for f in status["faults"]] == ["GW-F51"]
    assert (shop.site.document(TYPE, "v"), rows(shop, "v-2")) == (None, [("1", "x")])


def test_a_reference_that_is_another_messages_is_told_and_nothing_is_taken(shop: Workshop) -> None:
    send(shop, "save", "v-2", goods("x"), document="another")

    status = send(shop, "declare", "v", goods("abcd"))

    assert [f["code"] for f in status["faults"]] == ["GW-F01"]
    assert [shop.site.document(TYPE, key) for key in ("v", "v-2")] == [None, None]


def test_a_key_that_leaves_no_room_for_a_number_is_told(shop: Workshop) -> None:
    status = send(shop, "save", "v" * 63, goods("abcd"))

    assert [f["code"] for f in status["faults"]] == ["GW-F53"]


def test_a_deleted_further_document_is_made_anew(shop: Workshop) -> None:
    before = send(shop, "save", "v", goods("abcd"))
    send(shop, "delete", "gone", document="v-2")

    after = send(shop, "save", "again", goods("abcd"), document="v")

    assert after["parts"][0]["numbers"] == before["parts"][0]["numbers"]
    assert after["parts"][1]["numbers"] != before["parts"][1]["numbers"]
    assert rows(shop, "v-2") == [("1", "d")]


def test_drafts_go_out_one_by_one_as_they_stand(shop: Workshop) -> None:
    send(shop, "save", "v", goods("abcd"))

    first = send(shop, "declare", "d1", "", "sent", document="v")
    second = send(shop, "declare", "d2", "", "sent", document="v-2")

    assert [(s["state"], s["faults"], "parts" in s) for s in (first, second)] == [("sent", [], False)] * 2
    assert (shop.site.document(TYPE, "v-2") or {})["body"]["Volume"] == "2"


def test_an_item_of_a_batch_that_is_split_spoils_none_of_the_others(shop: Workshop) -> None:
    items = (
        message("declare", "b1", goods("abcd"))
        + message("declare", "b2", goods("abc") + "<Goods/>")
        + message("declare", "b3", goods("x"))
    )

    name = shop.site.drop(f'<Batch reference="b">{items}</Batch>')
    shop.play(name, "sent")
    shop.turns(lambda: all(shop.mofcom.posts(reference) for reference in ("b1", "b1-2", "b3")))

    status = shop.site.status(name) or {}
    assert [(item["reference"], item["state"]) for item in status["items"]] == [("b1", "sent"), ("b2", "refused"), ("b3", "sent")]
    assert (rows(shop, "b1-2"), shop.site.document(TYPE, "b2")) == ([("1", "d")], None)


def test_an_item_whose_further_reference_is_another_items_is_told_so(shop: Workshop) -> None:
    items = message("declare", "b", goods("abcd")) + message("declare", "b-2", goods("x"))

    name = shop.site.drop(f"<Batch>{items}</Batch>")
    shop.turns(lambda: shop.mofcom.posts("b-2"))

    (first, _) = (shop.site.status(name) or {})["items"]
    assert {f["code"] for f in first["faults"]} <= {"GW-F01", "GW-F51"}
    assert first["state"] == "refused"


def test_nothing_of_it_concerns_another_account(shop: Workshop) -> None:
    send(shop, "save", "v", goods("abcd"))
    with shop.daemon.journal.read() as records:
        ours = records.document_of_key("demo", TYPE, "v-2")
        theirs = records.document_of_key("other", TYPE, "v-2")

    assert (ours is not None, theirs) == (True, None)


def waiting_for_a_filing(shop: Workshop) -> dict[str, Any]:
    """A file with many rows whose filing is still on its way; its status."""
    shop.play(shop.site.drop(message("declare", "f", "<Title>t</Title>", type_=FILING)), "sent")
    name = shop.site.drop(message("declare", "v", "<FilingNo>f</FilingNo>" + SEVEN))
    shop.turns(lambda: (shop.site.status(name) or {}).get("waiting_for") == "other document")
    return shop.site.status(name) or {}


@pytest.mark.requirement("CD-03")
@pytest.mark.requirement("CD-04")
def test_documents_that_wait_for_another_one_are_there_and_told_and_each_goes_by_itself(shop: Workshop) -> None:
    status = waiting_for_a_filing(shop)

    numbers = {part["document"]: part["numbers"] for part in status["parts"]}
    assert [rows(shop, key) for key in numbers] == [
        [("1", "a"), ("2", "b"), ("3", "c")],
        [("1", "d"), ("2", "e"), ("3", "f")],
        [("1", "g")],
    ]
    assert [shop.business(TYPE, key) for key in numbers] == ["等待备案"] * 3
    shop.decide("f", "30", FILING)
    shop.turns(lambda: all(shop.mofcom.posts(key) for key in numbers))

    assert [re.findall(rb"<Name>(.)</Name>", shop.mofcom.posts(key)[0].body) for key in numbers] == [
        [b"a", b"b", b"c"], [b"d", b"e", b"f"], [b"g"]
    ]  # fmt: skip
    assert [len(shop.mofcom.posts(key)) for key in numbers] == [1, 1, 1]
    assert {key: (shop.site.document(TYPE, key) or {})["numbers"] for key in numbers} == numbers
    assert [(shop.site.document(TYPE, key) or {})["body"]["Volume"] for key in numbers] == ["1", "2", "3"]


# Files that come with them: what belongs to the whole belongs to each, as each is looked at by itself


def with_contract(operation: str, reference: str, body: str, *, document: str = "", raw: bytes = b"%PDF-1.4 one") -> bytes:
    content = message(operation, reference, body, document=document)
    named = content.replace("><", '><Attachments><Attachment file="合同.pdf"/></Attachments><', 1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("message.xml", named)
        archive.writestr("合同.pdf", raw)
    return packed.getvalue()


def files(shop: Workshop, *keys: str) -> list[list[str]]:
    return [[each["name"] for each in (shop.site.document(TYPE, key) or {})["attachments"]] for key in keys]


@pytest.mark.requirement("CD-03")
def test_a_file_that_comes_with_them_belongs_to_every_document(shop: Workshop) -> None:
    status = shop.play(shop.site.drop(with_contract("save", "v", SEVEN), suffix=".zip"))

    assert (status["state"], status["faults"]) == ("accepted", [])
    assert files(shop, "v", "v-2", "v-3") == [["合同.pdf"]] * 3


@pytest.mark.requirement("CD-03")
def test_a_file_goes_out_with_every_document(shop: Workshop) -> None:
    shop.play(shop.site.drop(with_contract("declare", "v", SEVEN), suffix=".zip"), "sent")
    shop.turns(lambda: all(shop.mofcom.posts(key) for key in ("v", "v-2", "v-3")))

    assert files(shop, "v", "v-2", "v-3") == [["合同.pdf"]] * 3
    assert all("合同.pdf".encode() in shop.mofcom.posts(key)[0].body for key in ("v", "v-2", "v-3"))


@pytest.mark.requirement("CD-04")
@pytest.mark.parametrize("drafts", [False, True], ids=["new", "saved before"])
def test_a_file_goes_out_with_every_document_that_had_to_wait(shop: Workshop, drafts: bool) -> None:
    shop.play(shop.site.drop(message("declare", "f", "<Title>t</Title>", type_=FILING)), "sent")
    if drafts:
        send(shop, "save", "s", "<FilingNo>f</FilingNo>" + SEVEN, document="v")
    declared = with_contract("declare", "v", "<FilingNo>f</FilingNo>" + SEVEN, document="v" if drafts else "")
    name = shop.site.drop(declared, suffix=".zip")
    shop.turns(lambda: (shop.site.status(name) or {}).get("waiting_for") == "other document")

    shop.decide("f", "30", FILING)
    shop.turns(lambda: all(shop.mofcom.posts(key) for key in ("v", "v-2", "v-3")))

    assert files(shop, "v", "v-2", "v-3") == [["合同.pdf"]] * 3
    assert all("合同.pdf".encode() in shop.mofcom.posts(key)[0].body for key in ("v", "v-2", "v-3"))


def test_what_is_wrong_with_a_file_refuses_all_of_them_and_is_told_once(shop: Workshop) -> None:
    status = shop.play(shop.site.drop(with_contract("save", "v", SEVEN, raw=b"no pdf"), suffix=".zip"))

    assert [(f["code"], f["path"]) for f in status["faults"]] == [("GW-E04", f"/{TYPE}/Attachments")]
    assert shop.site.document(TYPE, "v-2") is None


@pytest.mark.requirement("CD-04")
def test_all_of_them_are_refused_with_what_they_waited_for(shop: Workshop) -> None:
    status = waiting_for_a_filing(shop)

    shop.decide("f", "31", FILING)
    shop.turns(lambda: all(shop.business(TYPE, key) == "暂存" for key in ("v", "v-2", "v-3")))

    by_id = [shop.site.mailbox / "Status" / "by-id" / f"{part['message_id']}.json" for part in status["parts"][1:]]
    told = [json.loads(path.read_bytes()) for path in by_id] + [shop.site.status(status["file"]) or {}]
    assert [(one["state"], [f["code"] for f in one["faults"]]) for one in told] == [("refused", ["GW-F30"])] * 3
    assert shop.mofcom.posts("v") == []


def test_what_waits_may_be_sent_again_after_its_refusal(shop: Workshop) -> None:
    waiting_for_a_filing(shop)
    shop.decide("f", "31", FILING)
    shop.turns(lambda: all(shop.business(TYPE, key) == "暂存" for key in ("v", "v-2", "v-3")))

    status = send(shop, "declare", "v", goods("abcde"), "sent")

    assert [part.get("reference") for part in status["parts"]] == [None, "v-2"]
    assert [f["code"] for f in status["faults"]] == ["GW-F54"]


def test_documents_of_one_file_are_written_in_one_commit(shop: Workshop) -> None:
    status = send(shop, "declare", "v", SEVEN, "sent")

    with shop.daemon.journal.search() as records:
        moves = [records.moves(part["message_id"])[0] for part in status["parts"][1:]]
        first = next(move for move in records.moves(status["message_id"]) if move.state == "checked")
    assert {(move.run, move.entry) for move in moves} == {(first.run, first.entry)}
    assert [(move.was, move.state) for move in moves] == [(None, "checked")] * 2
