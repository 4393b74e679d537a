"""The life of an import licence application: drafts, declares, verdicts, withdrawals."""

from __future__ import annotations

import re
from typing import Any

import bodies as b
import pytest
from sites import Site, wait_until


def act(operation: str, document: str, **body: str) -> Any:
    return b.message(b.APPLICATION, operation, document=document, set_=body)


def saved(site: Site, **set_: Any) -> str:
    """The key of a new draft."""
    key: str = b.done(site, b.application("save", **set_))["document"]
    return key


def declared(site: Site, marker: str = "", *states: str) -> dict[str, Any]:
    return b.done(site, b.application("declare", reference=b.fresh("d") + marker), *states)


def text(site: Site, key: str) -> str:
    document = site.document(b.APPLICATION, key)
    assert document is not None
    status: str = document["business_status"]["text"]
    return status


@pytest.mark.requirement("NA-06")
def test_a_save_gives_a_number_and_the_status_draft(site: Site) -> None:
    status = b.done(site, b.application("save"))

    assert re.fullmatch(f"NA{b.YY}[0-9]{{14}}", status["numbers"]["application"])
    assert status["business_status"]["text"] == "暂存"
    again = b.done(site, b.application("save", document=status["document"], Remark="第二次"))
    assert again["numbers"] == status["numbers"], "a draft keeps its number"
    assert b.done(site, b.application("save"))["numbers"] != status["numbers"]


@pytest.mark.requirement("NA-06")
def test_a_save_needs_less_than_a_declare(site: Site) -> None:
    bare = {"Year": b.YEAR}
    status = b.done(site, b.message(b.APPLICATION, "save", set_=bare))

    assert status["business_status"]["text"] == "暂存"
    assert b.refused(site, act("declare", status["document"]))["faults"]


@pytest.mark.requirement("NA-07")
def test_a_copy_makes_so_many_drafts_with_new_numbers_listed_in_the_answer(site: Site) -> None:
    origin = declared(site)
    site.wait_business(b.APPLICATION, origin["document"], "已打印或生成电子许可证")
    status = b.done(site, act("copy", origin["document"], Copies="3"))

    copies = status["copies"]
    assert len({c["numbers"]["application"] for c in copies} | {origin["numbers"]["application"]}) == 4
    for each in copies:
        draft = wait_until(lambda key=each["document"]: site.document(b.APPLICATION, key), "the copy's file")
        assert draft["business_status"]["text"] == "暂存"
        assert draft["numbers"] == each["numbers"]
        assert set(draft["numbers"]) == {"application"}, "neither licence nor MOFCOM number is copied"
        assert not {"MofcomNo", "LicenceNo"} & set(draft["body"])
        assert draft["body"]["Goods"][0]["CodeTS"] == b.PLAIN
    changed = b.application("declare", document=copies[0]["document"], Remark="副本")
    assert b.done(site, changed)["numbers"]["licence"] != origin["numbers"].get("licence")


@pytest.mark.requirement("NA-07")
@pytest.mark.parametrize(("copies", "made"), [("", 1), ("1", 1), ("100", 100)])
def test_one_copy_unless_told_otherwise_and_a_hundred_at_most(site: Site, copies: str, made: int) -> None:
    body = {"Copies": copies} if copies else {}
    assert len(b.done(site, act("copy", saved(site), **body))["copies"]) == made


@pytest.mark.requirement("NA-07")
@pytest.mark.parametrize("copies", ["0", "101", "many", "２", "9" * 5000])
def test_other_numbers_of_copies_are_refused(site: Site, copies: str) -> None:
    assert b.codes(b.refused(site, act("copy", saved(site), Copies=copies))) == {"GW-F15"}


@pytest.mark.requirement("NA-08")
def test_a_draft_is_deleted_and_gone(site: Site) -> None:
    draft = b.done(site, b.application("save"))
    key, number = draft["document"], draft["numbers"]["application"]
    b.done(site, act("delete", key))

    assert wait_until(lambda: (d := site.document(b.APPLICATION, key)) is None or d["deleted"], "the draft to be gone")
    assert b.rows(site, b.query(b.APPLICATION, "list", filters={"application": number})) == []
    assert "GW-F04" in b.codes(b.refused(site, act("declare", key)))


@pytest.mark.requirement("NA-08")
def test_a_submitted_one_is_not_deleted_and_the_answer_names_its_status(site: Site) -> None:
    key = declared(site, "!stay=10", "sent")["document"]
    site.wait_business(b.APPLICATION, key, "入库成功待初审")
    status = b.refused(site, act("delete", key))

    assert "入库成功待初审" in b.faults(status)["GW-F05 @operation"]
    assert text(site, key) == "入库成功待初审"


@pytest.mark.requirement("NA-08")
def test_in_a_batch_of_deletes_the_refused_one_spoils_no_other(site: Site) -> None:
    drafts = [saved(site), saved(site)]
    submitted = declared(site, "!stay=10", "sent")["document"]
    site.wait_business(b.APPLICATION, submitted, "入库成功待初审")
    name = site.drop(b.batch([act("delete", key) for key in (drafts[0], submitted, drafts[1])]))
    status = site.wait(name)

    assert [item["state"] for item in status["items"]] == ["accepted", "refused", "accepted"]
    assert "入库成功待初审" in status["items"][1]["faults"][0]["message"]
    assert wait_until(lambda: site.places(name) == ["SentBox"], "the batch in SentBox")


@pytest.mark.requirement("NA-11")
def test_declares_of_drafts_in_a_batch_each_get_their_verdict(site: Site) -> None:
    drafts = [saved(site) for _ in range(3)]
    missing = b.message(b.APPLICATION, "save", set_={"Year": b.YEAR})
    drafts.insert(1, b.done(site, missing)["document"])
    status = site.wait(site.drop(b.batch([act("declare", key) for key in drafts])))

    assert [item["state"] for item in status["items"]] == ["accepted", "refused", "accepted", "accepted"]
    for key in drafts[:1] + drafts[2:]:
        site.wait_business(b.APPLICATION, key, "已打印或生成电子许可证")


@pytest.mark.requirement("NA-22")
def test_the_form_of_an_issued_application_says_its_status_too(site: Site) -> None:
    document = site.wait_business(b.APPLICATION, declared(site)["document"], "已打印或生成电子许可证")

    assert document["body"]["Status"] == document["business_status"]["code"]


@pytest.mark.requirement("NA-12")
def test_a_withdrawal_in_the_first_examination_ends_the_application(site: Site) -> None:
    key = declared(site, "!stay=10", "sent")["document"]
    site.wait_business(b.APPLICATION, key, "入库成功待初审")
    status = b.done(site, act("withdraw", key))

    assert status["receipts"][-1]["text"] == "撤销成功"
    document = site.wait_business(b.APPLICATION, key, "已撤销")
    (row,) = b.rows(site, b.query(b.APPLICATION, "list", filters={"application": document["numbers"]["application"]}))
    assert row["withdrawal"] == "撤销成功"
    assert row["status"] == "已撤销"


@pytest.mark.requirement("NA-12")
@pytest.mark.parametrize(("marker", "status"), [("!stay=20", "初审通过"), ("", "已打印或生成电子许可证")])
def test_later_it_is_refused_naming_the_status(site: Site, marker: str, status: str) -> None:
    key = declared(site, marker, "sent", "accepted")["document"]
    site.wait_business(b.APPLICATION, key, status)

    assert status in b.faults(b.refused(site, act("withdraw", key)))["GW-F05 @operation"]


@pytest.mark.requirement("NA-12")
def test_a_draft_is_not_withdrawn(site: Site) -> None:
    assert "暂存" in b.faults(b.refused(site, act("withdraw", saved(site))))["GW-F05 @operation"]


@pytest.mark.requirement("NA-12")
def test_a_withdrawal_that_mofcom_does_not_accept_is_shown_and_changes_nothing(site: Site) -> None:
    """The examiner is quicker than the message: when it arrives, MOFCOM has passed the application."""
    key = declared(site, "!pace=1s!stay=20", "sent")["document"]
    document = site.wait_business(b.APPLICATION, key, "入库成功待初审")
    late = b.message(b.APPLICATION, "withdraw", document=key, reference=b.fresh("w") + "!503=2")
    status = b.do(site, late)

    assert (status["state"], status["receipts"][-1]["text"]) == ("rejected", "撤销不予受理")
    assert status["faults"][0]["message"]
    site.wait_business(b.APPLICATION, key, "初审通过")
    (row,) = b.rows(site, b.query(b.APPLICATION, "list", filters={"application": document["numbers"]["application"]}))
    assert row["withdrawal"] == "撤销不予受理"


@pytest.mark.requirement("NA-22")
def test_each_status_comes_from_its_receipt_in_order(site: Site) -> None:
    status = declared(site)
    document = site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")

    texts = [r["text"] for r in document["receipts"] if "技术" not in r["text"]]
    assert texts[:4] == ["入库成功待初审", "初审通过", "复审通过", "已打印或生成电子许可证"]
    for receipt in document["receipts"]:
        assert wait_until((site.mailbox / "InBox" / receipt["file"]).exists, receipt["file"])


@pytest.mark.requirement("NA-22")
def test_lists_show_pending_and_the_document_the_long_text_of_the_same_code(site: Site) -> None:
    status = declared(site, "!stay=10", "sent")
    document = site.wait_business(b.APPLICATION, status["document"], "入库成功待初审")
    number = document["numbers"]["application"]

    for wanted in ("待初审", "入库成功待初审", document["business_status"]["code"]):
        (row,) = b.rows(site, b.query(b.APPLICATION, "list", filters={"status": wanted, "application": number}))
        assert row["status"] == "待初审"


@pytest.mark.requirement("NA-22")
@pytest.mark.parametrize(
    ("marker", "ended"),
    [("!refuse", "初审不通过"), ("!second-refuse", "复审不通过"), ("!store-fail", "入库失败"), ("!return", "退回修改")],
)
def test_refusals_and_returns_end_the_message_with_a_reason(site: Site, marker: str, ended: str) -> None:
    status = declared(site, marker, "rejected")

    assert status["business_status"]["text"] == ended
    assert status["faults"], "the authority's reason is told"


@pytest.mark.requirement("NA-22")
@pytest.mark.parametrize("marker", ["!return", "!store-fail"])
def test_a_returned_one_is_corrected_and_declared_again_under_the_same_number(site: Site, marker: str) -> None:
    first = declared(site, marker, "rejected")
    second = b.done(site, b.application("declare", document=first["document"], Remark="已更正"))

    document = site.wait_business(b.APPLICATION, first["document"], "已打印或生成电子许可证")
    assert second["numbers"]["application"] == first["numbers"]["application"]
    assert document["round"] == 2
    assert document["body"]["Remark"] == "已更正"


@pytest.mark.requirement("NA-22")
@pytest.mark.parametrize("marker", ["!refuse", ""])
def test_a_refused_or_granted_one_cannot_be_declared_again(site: Site, marker: str) -> None:
    first = declared(site, marker, "rejected", "accepted")

    assert "GW-F05" in b.codes(b.refused(site, b.application("declare", document=first["document"])))
