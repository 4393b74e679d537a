"""An amendment holds once the authority agrees: until then, and after a refusal, the approved content stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from agreement_desk import FILING, GOODS, UNTIL, Office, filing, open_office

from tongguan.gateway.system import clock
from tongguan.gateway.system.times import show

pytestmark = pytest.mark.requirement("CD-05")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


def body_of(office: Office, key: str) -> dict[str, Any]:
    body: dict[str, Any] = office.document(FILING, key)["body"]
    return body


def stored(office: Office, key: str) -> bytes:
    """The content as the journal keeps it."""
    with office.shop.daemon.journal.read() as records:
        document = records.document_of_key("demo", FILING, key)
        assert document is not None
        return next(json for _, json in records._stored.documents_and_json([document.id]))


def test_until_it_is_agreed_to_the_approved_content_holds_and_the_change_is_shown_beside_it(office: Office) -> None:
    key = office.approved()
    before = stored(office, key)
    office.amend(
        key,
        "250",
        more="<Until>20280101</Until>",
        goods=GOODS.replace("3.5", "4") + "<Goods><Name>丙</Name><Quantity>1</Quantity></Goods>",
    )
    document = office.document(FILING, key)

    assert stored(office, key) == before
    assert document["business_status"]["text"] == "变更已申报"
    assert document["pending"]["changes"] == [
        {"path": "Amount", "label": "担保额度", "old": "100", "new": "250"},
        {"path": "Goods[2]/Quantity", "label": "数量", "old": "3.5", "new": "4"},
        {"path": "Total", "label": "总数量", "old": "10.5", "new": "12"},
        {"path": "Until", "label": "担保有效期", "old": None, "new": "2028-01-01"},
        {"path": "Goods[3]/Name", "label": "品名", "old": None, "new": "丙"},
        {"path": "Goods[3]/Quantity", "label": "数量", "old": None, "new": "1"},
        {"path": "Goods[3]/GNo", "label": "序号", "old": None, "new": "3"},
    ]  # fmt: skip


def test_the_authority_is_sent_what_is_asked_for(office: Office) -> None:
    key = office.approved()
    message = office.amend(key, "250")
    (call,) = office.shop.mofcom.posts(message["reference"])

    assert re.findall(rb"<Amount>(.*?)</Amount>", call.body) == [b"250"]
    assert re.findall(rb"<ApprovedUntil>(.*?)</ApprovedUntil>", call.body) == [UNTIL.encode()]


def test_agreed_to_it_is_the_content(office: Office) -> None:
    key = office.approved()
    message = office.amend(key, "250")
    office.say(FILING, message, "B1")
    document = office.document(FILING, key)

    assert (document["body"]["Amount"], document["body"]["ApprovedUntil"], document["pending"]) == ("250", UNTIL, None)
    assert document["business_status"]["text"] == "审批通过"
    assert office.status(message)["state"] == "accepted"


@pytest.mark.parametrize("code", ["B2", "R2", "S2"])
def test_refused_the_approved_content_is_what_it_was_to_the_byte(office: Office, code: str) -> None:
    key = office.approved()
    before = stored(office, key)
    message = office.amend(key, "250")
    office.say(FILING, message, code)
    document = office.document(FILING, key)

    assert stored(office, key) == before
    assert (document["business_status"]["text"], document["pending"]) == ("审批通过", None)
    assert office.status(message)["state"] == "rejected"


def test_not_taken_by_the_authority_it_is_forgotten(office: Office) -> None:
    key = office.approved()
    before = stored(office, key)
    office.shop.mofcom.says[f"m-{key}"] = ["refuse"]
    status = office.send(FILING, "amend", key, filing("250", code=key), reference=f"m-{key}")
    document = office.document(FILING, key)

    assert (status["state"], document["pending"], document["business_status"]["text"]) == ("rejected", None, "审批通过")
    assert stored(office, key) == before
    other = office.send(FILING, "declare", f"{key}-2", filing(code=key))
    assert [f["code"] for f in other["faults"]] == ["GW-F07"], "what the filing has reserved is still its own"


def test_stopped_before_it_left_it_is_forgotten(office: Office) -> None:
    key = office.approved()
    before = stored(office, key)
    office.pause()
    name = office.drop(FILING, "amend", key, filing("250", code=key))
    message = office.shop.play(name, "sealed")
    assert office.document(FILING, key)["pending"] is not None
    office.order("stop", message)
    office.pause(again=False)
    document = office.document(FILING, key)

    assert (office.status(message)["state"], document["pending"], document["business_status"]["text"]) == (
        "stopped",
        None,
        "审批通过",
    )
    assert stored(office, key) == before
    assert office.shop.mofcom.posts(message["reference"]) == []


def test_given_up_it_is_forgotten_and_a_late_agreement_still_holds(office: Office) -> None:
    key = office.approved()
    before = stored(office, key)
    message = office.amend(key, "250")
    office.order("give-up", message)
    document = office.document(FILING, key)
    assert (stored(office, key), document["pending"], document["business_status"]["text"]) == (before, None, "审批通过")

    office.say(FILING, message, "B1")
    assert body_of(office, key)["Amount"] == "250", "the authority has it so"
    assert office.status(message)["contradicted"]["says"] == "accepted"


@pytest.mark.parametrize("order", list(permutations(["S1", "R1", "B1"])), ids="-".join)
@pytest.mark.parametrize("times", [1, 2])
def test_any_order_and_any_repetition_of_its_receipts_lead_to_the_same(
    office: Office, order: tuple[str, ...], times: int
) -> None:
    key = office.approved()
    message = office.amend(key, "250")
    office.issue(*(office.receipt(FILING, message, code) for code in order * times))
    document = office.document(FILING, key)

    assert (document["body"]["Amount"], document["pending"], document["business_status"]["text"]) == ("250", None, "审批通过")
    assert not document["contradicted"]


@pytest.mark.parametrize("first", [True, False], ids=["refusal first", "agreement first"])
@pytest.mark.parametrize("refusal", ["R2", "B2"])
def test_of_verdicts_that_contradict_each_other_the_weightier_holds_else_the_first_and_a_person_is_told(
    office: Office, refusal: str, first: bool
) -> None:
    key = office.approved()
    message = office.amend(key, "250")
    office.issue(*(office.receipt(FILING, message, code) for code in ([refusal, "B1"] if first else ["B1", refusal])))
    document = office.document(FILING, key)

    holds = "100" if refusal == "B2" and first else "250"
    assert (document["body"]["Amount"], document["pending"], document["business_status"]["text"]) == (holds, None, "审批通过")
    assert office.status(message)["contradicted"] is not None


def test_what_is_said_late_of_an_earlier_amendment_touches_the_present_one_in_no_way(office: Office) -> None:
    key = office.approved()
    first = office.amend(key, "250")
    office.say(FILING, first, "B2")
    second = office.amend(key, "300")
    office.issue(*(office.receipt(FILING, first, code) for code in ("B1", "B2", "R2")))
    document = office.document(FILING, key)
    assert (document["body"]["Amount"], document["business_status"]["text"]) == ("100", "变更已申报")
    assert [change["new"] for change in document["pending"]["changes"]] == ["300"]

    office.say(FILING, second, "B1")
    assert body_of(office, key)["Amount"] == "300"


def test_the_verdict_may_come_before_the_technical_receipt(office: Office) -> None:
    key = office.approved()
    reference = f"lost-{key}"
    office.shop.mofcom.says[reference] = ["drop-busy"]
    name = office.drop(FILING, "amend", key, filing("250", code=key), reference=reference)
    office.shop.turns(lambda: office.shop.mofcom.posts(reference))
    office.issue(office.receipt(FILING, {"reference": reference}, "B1"))
    status = office.shop.play(name)

    assert (status["state"], body_of(office, key)["Amount"]) == ("accepted", "250")


def test_only_one_amendment_awaits_agreement_at_a_time(office: Office) -> None:
    key = office.approved()
    office.amend(key, "250")
    second = office.send(FILING, "amend", key, filing("300", code=key))

    assert [fault["code"] for fault in second["faults"]] == ["GW-F05"]
    assert [change["new"] for change in office.document(FILING, key)["pending"]["changes"]] == ["250"]


def test_what_an_amendment_may_not_change_is_a_fault(office: Office) -> None:
    key = office.approved()
    second = office.send(FILING, "amend", key, filing("300", code=key).replace("一般", "保税"))

    assert [(fault["code"], fault["path"]) for fault in second["faults"]] == [("GW-C20", f"/{FILING}/Nature")]


def test_lists_statistics_and_reservations_go_by_the_content_that_is_agreed_to(office: Office) -> None:
    key = office.approved("777")
    number = office.document(FILING, key)["numbers"]["own"]

    def found(amount: str) -> list[str]:
        return [row["no"] for row in office.result("list", f"<amount>{amount}</amount>")]

    def free(code: str) -> bool:
        status = office.send(FILING, "save", f"{key}-{code}", filing(code=code))
        return status["state"] == "accepted"

    message = office.amend(key, "888", code=f"{key}n", goods="<Goods><Name>丁</Name><Quantity>9</Quantity></Goods>")
    assert (found("777"), found("888")) == ([number], [])
    assert not free(key)
    assert "丁" not in office.counted()
    office.say(FILING, message, "B1")
    assert (found("777"), found("888")) == ([], [number])
    assert not free(f"{key}n") and free(key)
    assert office.counted()["丁"] == "9"


def test_a_print_shows_what_is_asked_for_while_it_awaits_agreement(office: Office) -> None:
    key = office.approved("100")
    office.amend(key, "98765")
    sheet = office.printed(key)

    assert "98765" in sheet and "变更已申报" in sheet


def test_an_amendment_is_known_by_a_status_question_too(office: Office) -> None:
    key = office.approved()
    office.amend(key, "250")
    now = show(clock.now_ms()) or ""
    office.answer_status(("A1", "2026-01-01T00:00:00+08:00"), ("R1", now), ("B1", now))
    assert office.send(FILING, "query", key, kind="status", source="authority")["state"] == "accepted"
    document = office.document(FILING, key)

    assert (document["body"]["Amount"], document["pending"], document["business_status"]["text"]) == ("250", None, "审批通过")


def test_an_extension_brings_its_own_statuses_and_day(office: Office) -> None:
    key = office.approved()
    refused = office.send(FILING, "extend", key)
    assert office.document(FILING, key)["business_status"]["text"] == "延期已申请"
    office.say(FILING, refused, "R2")
    assert office.document(FILING, key)["business_status"]["text"] == "审批通过"
    assert office.send(FILING, "save", f"{key}-2", filing(code=key))["state"] == "refused", "nothing of the filing is free"

    message = office.send(FILING, "extend", key)
    office.say(FILING, message, "X1", "<ValidUntil>20280531</ValidUntil>")
    document = office.document(FILING, key)
    assert (document["body"]["ApprovedUntil"], document["business_status"]["text"]) == ("2028-05-31", "审批通过")


def test_values_of_an_older_round_never_come_back(office: Office) -> None:
    key = office.approved()
    with office.shop.daemon.journal.read() as records:
        document = records.document_of_key("demo", FILING, key)
        assert document is not None
        first, *_ = records.messages_of_documents([document.id])[document.id]
    message = office.send(FILING, "extend", key)
    office.say(FILING, message, "X1", "<ValidUntil>2028-05-31</ValidUntil>")
    office.say(FILING, {"reference": first.reference}, "A1", "<ValidUntil>2026-01-01</ValidUntil>")

    assert body_of(office, key)["ApprovedUntil"] == "2028-05-31"


def test_a_value_that_cannot_be_read_puts_its_receipt_aside_and_moves_nothing(office: Office) -> None:
    key = office.approved()
    message = office.send(FILING, "extend", key)
    office.say(FILING, message, "X1", "<ValidUntil>next year</ValidUntil>")
    document = office.document(FILING, key)

    assert (document["body"]["ApprovedUntil"], document["business_status"]["text"]) == (UNTIL, "延期已申请")
    (kept,) = [each for each in office.put_aside() if "next year" in each]
    assert "核准有效期" in kept


def test_a_cancellation_leaves_nothing_awaiting_agreement(office: Office) -> None:
    key = office.approved()
    message = office.amend(key, "250")
    office.say(FILING, message, "C1")
    document = office.document(FILING, key)

    assert (document["business_status"]["text"], document["pending"], document["body"]["Amount"]) == ("取消", None, "100")
