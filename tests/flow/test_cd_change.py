"""修撤单: a request to change or to cancel a list of collective declaration, as customs answers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bodies as b
import filings as f
import pytest
from agreement_desk import Office, open_office
from filings import CHANGE, GOODS, LIST, QUALIFICATION
from journals import comes, submission, written
from lists import kept_rows
from lxml import etree

from tongguan.gateway.model.message import State
from tongguan.gateway.model.record import replace

pytestmark = pytest.mark.requirement("CD-10")
VOLUME, CUSTOMS = "B09082699001", "0908"


@contextmanager
def filed_office(folder: Path) -> Iterator[Office]:
    """A customs that has approved a qualification and a volume of the example's goods."""
    with open_office(folder, customs=True) as office:
        file_goods(office)
        yield office


def file_goods(office: Office) -> None:
    """The qualification and the volume, declared and approved."""
    until = "<ValidUntil>2098-05-31</ValidUntil>"
    filed = sent(office, QUALIFICATION, "Q-1", like="ok-save.xml")
    office.issue(office.receipt(QUALIFICATION, filed, "A1", content=until, numbers={"filing": "JB0908990001"}))
    goods = sent(office, GOODS, "G-1", like="ok-save.xml", FilingNo="Q-1")
    office.issue(office.receipt(GOODS, goods, "A1", content=until, numbers={"volume": VOLUME}))


@pytest.fixture(scope="module")
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with filed_office(tmp_path_factory.mktemp("customs")) as office:
        yield office


def sent(office: Office, type_: str, key: str, *, like: str, **set_: Any) -> dict[str, Any]:
    """A declared document of an example's content, which customs has."""
    root = b.message(type_, "declare", like=like, set_=set_, document=key, reference=b.fresh("cd"))
    status = office.shop.play(office.shop.site.drop(b.xml(root)), "sent", "refused", "rejected")
    assert status["state"] == "sent", status["faults"]
    return status


def approved_list(office: Office, *codes: str, **set_: Any) -> str:
    """The key of a list that customs has approved, and of which it then said these."""
    key = b.fresh("L")
    message = sent(office, LIST, key, like="ok-save.xml", ManualNo=VOLUME, **set_)
    entry = f"09082026I9{office.fresh():08d}"
    office.issue(office.receipt(LIST, message, "7", numbers={"entry": entry}))
    office.issue(*(office.receipt(LIST, message, code) for code in codes))
    return key


def row(place: str, new: str, **more: str) -> dict[str, str]:
    return {"Place": place, "New": new, **more}


def request(operation: str, key: str, to: str, *rows: dict[str, str], kind: str = "1") -> etree._Element:
    head = {"ChangeKind": kind, "ListNo": to, "Reason": "录入有误", "Contact": "李示例", "Phone": "0411-80000002"}
    root = b.message(CHANGE, operation, set_=head, document=key, reference=b.fresh("x"))
    for cells in rows:
        change = etree.SubElement(root, f"{{urn:tongguan:{CHANGE}:1}}Change")
        for name, value in cells.items():
            etree.SubElement(change, f"{{urn:tongguan:{CHANGE}:1}}{name}").text = value
    return root


def asked(office: Office, to: str, *rows: dict[str, str], kind: str = "1", key: str = "") -> dict[str, Any]:
    """The status of a request that was declared."""
    root = request("declare", key or b.fresh("X"), to, *rows, kind=kind)
    status: dict[str, Any] = office.shop.play(office.shop.site.drop(b.xml(root)), "sent", "refused")
    return status


def faults(status: dict[str, Any]) -> list[tuple[str, str]]:
    assert status["state"] == "refused"
    return [(fault["code"], fault["path"].removeprefix(f"/{CHANGE}/")) for fault in status["faults"]]


def text(office: Office, type_: str, key: str) -> str:
    found: str = office.document(type_, key)["business_status"]["text"]
    return found


def test_old_and_new_are_shown_and_the_new_ones_hold_once_customs_agrees(customs: Office) -> None:
    key = approved_list(customs, "9")
    request_ = asked(customs, key, row("GrossWet", "821.5"), row("DecList[1]/GQty", "510"), row("DecList[1]/DeclTotal", "6375"))
    changes = customs.document(CHANGE, request_["document"])["body"]["Change"]
    assert [(c["Label"], c["Old"], c["New"]) for c in changes] == [
        ("毛重", "820.5", "821.5"),
        ("集报清单表体申报数量", "500", "510"),
        ("集报清单表体总价", "6250", "6375"),
    ]
    assert customs.document(LIST, key)["body"]["GrossWet"] == "820.5"

    customs.say(CHANGE, request_, "R1")
    customs.say(CHANGE, request_, "A1")
    body = customs.document(LIST, key)["body"]
    assert (body["GrossWet"], body["DecList"][0]["GQty"], body["DecList"][0]["DeclTotal"]) == ("821.5", "510", "6375")
    assert (text(customs, LIST, key), text(customs, CHANGE, request_["document"])) == ("已委托", "同意")


def test_disagreed_the_list_stays_and_may_be_asked_about_again(customs: Office) -> None:
    key = approved_list(customs)
    refused = asked(customs, key, row("GrossWet", "821.5"))
    customs.say(CHANGE, refused, "A2")
    assert customs.document(LIST, key)["body"]["GrossWet"] == "820.5"
    assert (customs.status(refused)["state"], text(customs, CHANGE, refused["document"])) == ("rejected", "不同意")

    assert asked(customs, key, row("GrossWet", "822"))["state"] == "sent"


@pytest.mark.requirement("CD-09")
def test_a_cancelled_list_stays_cancelled_whatever_customs_says_late(customs: Office) -> None:
    key = approved_list(customs, "9", "10")
    request_ = asked(customs, key, kind="2")
    customs.say(CHANGE, request_, "A1")
    assert text(customs, LIST, key) == "已撤销"

    number = customs.document(LIST, key)["numbers"]["unified"]
    customs.issue(*(customs.receipt(LIST, None, code, number=number) for code in ("12", "15")))
    assert text(customs, LIST, key) == "已撤销"
    assert ("GW-F30", "ListNo") in faults(asked(customs, key, row("GrossWet", "821.5")))


@pytest.mark.parametrize("codes", [("9", "10", "11", "12", "15"), ()], ids=["cleared", "approved"])
def test_a_list_is_named_by_either_of_its_numbers_or_its_key(customs: Office, codes: tuple[str, ...]) -> None:
    key = approved_list(customs, *codes)
    numbers = customs.document(LIST, key)["numbers"]
    for name, weight in ((numbers["unified"], "821"), (numbers["entry"], "822"), (key, "823")):
        customs.say(CHANGE, asked(customs, name, row("GrossWet", weight)), "A1")
        assert customs.document(LIST, key)["body"]["GrossWet"] == weight


def test_a_list_that_was_not_approved_or_is_deleted_is_not_changed(customs: Office) -> None:
    declared = b.fresh("L")
    sent(customs, LIST, declared, like="ok-save.xml", ManualNo=VOLUME)
    deleted = approved_list(customs, "D")

    for key, words in ((declared, "已申报"), (deleted, "海关删除")):
        status = asked(customs, key, row("GrossWet", "821.5"))
        assert faults(status) == [("GW-F30", "ListNo")]
        number = customs.document(LIST, key)["numbers"]["unified"]
        assert words in status["faults"][0]["message"] and number in status["faults"][0]["message"]


@pytest.mark.parametrize(("status", "words"), [("merging", "汇总中"), ("merged", "已汇总")])
def test_a_list_that_is_being_merged_or_was_is_not_changed(customs: Office, status: str, words: str) -> None:
    key = approved_list(customs, "9", "10", "11", "12", "15")
    journal = customs.shop.daemon.journal
    with journal.read() as records:
        (before,) = records.documents_of_number("demo", customs.document(LIST, key)["numbers"]["unified"])
    merged = replace(before, status=status, version=before.version + 1)
    mover = submission(type=LIST, document_id=before.id, state=State.ACCEPTED, lane=None, due_at=None)
    written(journal, comes(mover, documents=(merged,)))

    for refused in (asked(customs, key, row("GrossWet", "821.5")), asked(customs, key, kind="2")):
        assert faults(refused) == [("GW-F30", "ListNo")]
        assert words in refused["faults"][0]["message"]


def test_of_a_list_one_request_at_a_time_is_with_customs(customs: Office) -> None:
    key = approved_list(customs)
    first = asked(customs, key, row("GrossWet", "821.5"))

    second = asked(customs, key, row("PackNo", "41"))
    assert faults(second) == [("GW-F07", "ListNo")]
    number = customs.document(CHANGE, first["document"])["numbers"]["unified"]
    assert f"（集报清单修撤单 {number}，状态为“已申报”）" in second["faults"][0]["message"], "which one, and how that stands"
    assert faults(asked(customs, key, kind="2")) == [("GW-F07", "ListNo")]


def test_a_list_that_is_to_be_changed_is_confirmed_once_that_is_over(customs: Office) -> None:
    key = approved_list(customs, "9", "15")
    request_ = asked(customs, key, row("GrossWet", "821.5"))
    unified = customs.document(CHANGE, request_["document"])["numbers"]["unified"]

    def confirmed() -> dict[str, Any]:
        return customs.shop.play(customs.shop.site.drop(b.xml(b.message(LIST, "confirm", document=key, reference=b.fresh("c")))))

    refused = confirmed()
    assert refused["state"] == "refused" and refused["faults"][0]["code"] == "GW-F86"
    assert f"集报清单修撤单 {unified}（已申报）" in refused["faults"][0]["message"] and "确认" in refused["faults"][0]["message"]
    customs.say(CHANGE, request_, "A2")
    assert confirmed()["state"] == "accepted"


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([row("GrossWet", "821.5", Old="820")], ("GW-C19", "Change[1]/Old")),
        ([row("GrossWeight", "821.5")], ("GW-C37", "Change[1]/Place")),
        ([row("DecList[3]/GQty", "1")], ("GW-C37", "Change[1]/Place")),
        ([row("CustomMaster", "0902")], ("GW-C38", "Change[1]/Place")),
        ([row("DecList[1]/ContrItem", "3")], ("GW-C38", "Change[1]/Place")),
        ([row("DecList[1]/CodeTS", "4901990000")], ("GW-C38", "Change[1]/Place")),
        ([row("SeqNo", "JQ2026000000000001")], ("GW-C38", "Change[1]/Place")),
        ([row("PackNo", "41"), row("GrossWet", "820.50")], ("GW-C42", "Change[2]/New")),
        ([row("GrossWet", "a lot")], ("GW-C06", "Change[1]/New")),
        ([row("TradeCountry", "QQ1")], ("GW-C14", "Change[1]/New")),
        ([row("PackNo", "40"), row("NetWt", "821")], ("CD-L06", "Change[2]/New")),
    ],
    ids=lambda given: given[0]["Place"] if isinstance(given, list) else "",
)
def test_what_cannot_be_changed_so_is_told_at_its_own_cell(
    customs: Office, rows: list[dict[str, str]], wrong: tuple[str, str]
) -> None:
    key = approved_list(customs)

    assert wrong in faults(asked(customs, key, *rows))


@pytest.mark.requirement("CD-05", "CD-06")
@pytest.mark.parametrize(("content", "until"), [("<ValidUntil>2098-12-31</ValidUntil>", "2098-12-31"), ("", "2098-05-31")])
def test_the_agreement_to_a_change_of_a_qualification_may_tell_another_end(customs: Office, content: str, until: str) -> None:
    key = b.fresh("Q")
    customs_code = f.fresh_customs()
    message = sent(customs, QUALIFICATION, key, like="ok-save.xml", CustomMaster=customs_code)
    approval = {"filing": f"JB{customs_code}{customs.fresh():06d}"}
    customs.say(QUALIFICATION, message, "A1", "<ValidUntil>2098-05-31</ValidUntil>", numbers=approval)  # type: ignore[arg-type]
    root = b.message(
        QUALIFICATION,
        "amend",
        document=key,
        reference=b.fresh("am"),
        set_={"Batches": "7", "GuaranteeAmount": "50", "GuaranteeUntil": "20991231"},
    )
    amended = customs.shop.play(customs.shop.site.drop(b.xml(root)), "sent", "refused")
    assert amended["state"] == "sent", amended["faults"]

    customs.say(QUALIFICATION, amended, "B1", content)

    assert customs.document(QUALIFICATION, key)["body"]["ApprovedUntil"] == until


@pytest.mark.parametrize("operation", ["save", "declare"])
def test_a_draft_made_from_a_value_that_is_another_one_by_now_is_told_so(customs: Office, operation: str) -> None:
    key, draft = approved_list(customs), b.fresh("X")
    saved = customs.shop.play(customs.shop.site.drop(b.xml(request("save", draft, key, row("GrossWet", "821.5")))))
    assert saved["state"] == "accepted", saved["faults"]
    customs.say(CHANGE, asked(customs, key, row("GrossWet", "900")), "A1")
    if operation == "save":
        again = customs.shop.play(customs.shop.site.drop(b.xml(request("save", draft, key, row("GrossWet", "821.5")))))
        assert again["state"] == "accepted", "what is entered anew is held against what there is now"
        assert customs.document(CHANGE, draft)["body"]["Change"][0]["Old"] == "900"
    else:
        status = customs.shop.play(
            customs.shop.site.drop(b.xml(b.message(CHANGE, "declare", document=draft, reference=b.fresh("x"))))
        )
        assert faults(status) == [("GW-C19", "Change[1]/Old")]
        assert "系统值为 900，单证值为 820.5" in status["faults"][0]["message"], "the message brings none"


@pytest.mark.requirement("CD-12")
def test_what_is_kept_of_lists_for_merging_follows_the_changes_that_customs_agreed_to(customs: Office) -> None:
    key, gone = approved_list(customs, "9", "15"), approved_list(customs)
    changed = asked(customs, key, row("DecList[1]/GQty", "510"), row("DecList[1]/DeclTotal", "6375"))
    cancelled = asked(customs, gone, kind="2")
    customs.say(CHANGE, changed, "A1")
    customs.say(CHANGE, cancelled, "A1")
    stored, made = kept_rows(customs.shop.home)

    assert customs.document(LIST, key)["body"]["DecList"][0]["GQty"] == "510"
    assert text(customs, LIST, gone) == "已撤销"
    assert len(stored) > 4
    assert stored == made
