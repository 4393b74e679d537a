"""What awaits agreement, and values that receipts tell: the round's weightiest word holds, whatever the order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from agreements import write_agreements
from journals import submission
from lxml import etree

from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.receipts.receipt import NAMESPACE, ReceiptContent
from tongguan.codecs.receipts.settle import RoundSoFar, ValueUnreadable, carries_out, in_round, settle, values_told
from tongguan.gateway.document.changes import opened, sent, undone
from tongguan.gateway.flow.receipts.agreement import OpenedRound
from tongguan.gateway.flow.receipts.authority_updates import PresentRound, StatusUpdate, status_told
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import ReceiptRule

APPROVED = {"Amount": "100", "ApprovedUntil": "2027-05-31"}
ASKED = {"Amount": "250", "ApprovedUntil": "2027-05-31"}


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiled]:
    return compile_all(load_profiles(write_agreements(tmp_path_factory.mktemp("types"))))


@pytest.fixture(scope="module")
def filing(types: dict[str, Compiled]) -> Compiled:
    return types["XX.filing"]


def document(**more: object) -> Document:
    first = Document("d", "demo", "XX.filing", "k", "v", 1, "changing", 0, 0, content=APPROVED, round=2, changing="m")
    return replace(first, **{"status_before": "approved", "pending": ASKED, **more})  # type: ignore[arg-type]


def content(code: str, inside: str = "", at: int = 0, **numbers: str) -> ReceiptContent:
    element = etree.fromstring(f'<Content xmlns="{NAMESPACE}">{inside}</Content>') if inside else None
    return ReceiptContent(f"{code}-{at}", "business", "mofcom", "a", None, "XX.filing", None, code, "", at, numbers, (), element)


def after(filing: Compiled, codes: list[tuple[str, str]], now: Document, *, operation: str = "amend") -> Document:
    """The document after receipts (code, what is inside `<Content>`) of its present round."""
    told: list[ReceiptRule] = []
    for code, inside in codes:
        rule = in_round(filing.profile.receipts[code], filing.profile.operations[operation])
        said = content(code, inside)
        so_far = RoundSoFar(filing.profile, tuple(told), ASKED, values_told(filing, rule, said))
        now, _ = settle(rule, said, now, round_=2, so_far=so_far)
        told.append(rule)
    return replace(now, version=0)


def test_the_document_keeps_its_content_until_a_receipt_applies(filing: Compiled) -> None:
    waiting = after(filing, [("S1", ""), ("R1", "")], document())
    agreed = after(filing, [("S1", ""), ("B1", "")], document())

    assert (waiting.content["Amount"], waiting.pending, waiting.status) == ("100", ASKED, "changing")
    assert (agreed.content, agreed.pending, agreed.status) == (ASKED, None, "approved")


@pytest.mark.parametrize("code", ["S2", "R2", "B2"])
def test_a_refusal_drops_it_and_brings_the_approved_status_back(filing: Compiled, code: str) -> None:
    refused = after(filing, [(code, "")], document())

    assert (refused.content, refused.pending, refused.status) == (APPROVED, None, "approved")


@pytest.mark.parametrize("codes", list(permutations(["S1", "R2", "B1", "C1"])), ids="-".join)
def test_verdicts_of_different_weight_come_to_the_same_in_any_order(filing: Compiled, codes: tuple[str, ...]) -> None:
    end = after(filing, [(code, "") for code in codes], document())

    assert (end.content["Amount"], end.pending, end.status, end.rank) == ("250", None, "cancelled", 90)


def test_of_equal_verdicts_the_first_holds(filing: Compiled) -> None:
    assert after(filing, [("B2", ""), ("B1", "")], document()).content == APPROVED
    assert after(filing, [("B1", ""), ("B2", "")], document()).content == ASKED


def test_a_receipt_of_another_round_touches_neither_content_nor_values(filing: Compiled) -> None:
    for code in ("B1", "B2", "A1"):
        rule, said = filing.profile.receipts[code], content(code, "<ValidUntil>2029-01-01</ValidUntil>")
        so_far = RoundSoFar(filing.profile, (), ASKED, values_told(filing, rule, said))
        late, _ = settle(rule, said, document(), round_=1, so_far=so_far)

        assert (late.content, late.pending, late.status) == (APPROVED, ASKED, "changing")


def test_what_was_told_while_it_waited_stays(filing: Compiled) -> None:
    codes = [("R1", ""), ("B1", "")]
    now = document(numbers={"customs": "JB1"})
    for order in (codes, codes[::-1]):
        end = after(filing, order, now)

        assert end.content == {**ASKED, "CustomsNo": "JB1", "AcceptDate": "1970-01-01"}


VALUES = [("A1", "<ValidUntil>20280101</ValidUntil>"), ("C1", ""), ("R1", "")]


@pytest.mark.parametrize("codes", list(permutations(VALUES)), ids=lambda codes: "-".join(code for code, _ in codes))
def test_values_come_to_the_same_in_any_order_though_one_of_a_former_round_is_there(
    filing: Compiled, codes: tuple[tuple[str, str], ...]
) -> None:
    end = after(filing, list(codes), document(pending=None), operation="extend")

    assert end.content == {"Amount": "100", "ApprovedUntil": "2028-01-01", "AcceptDate": "1970-01-01"}


def test_of_values_told_twice_by_the_same_weight_the_first_holds(filing: Compiled) -> None:
    twice = [("X1", "<ValidUntil>2028-01-01</ValidUntil>"), ("X1", "<ValidUntil>2029-01-01</ValidUntil>")]
    end = after(filing, twice, document(pending=None), operation="extend")

    assert end.content["ApprovedUntil"] == "2028-01-01"


def test_a_value_that_is_not_told_sets_nothing(filing: Compiled) -> None:
    end = after(filing, [("X1", "<Other>1</Other>")], document(pending=None), operation="extend")

    assert end.content == APPROVED


def test_a_value_that_its_field_does_not_take_is_told(filing: Compiled) -> None:
    with pytest.raises(ValueUnreadable) as caught:
        values_told(filing, filing.profile.receipts["X1"], content("X1", "<ValidUntil>soon</ValidUntil>"))

    assert "核准有效期" in caught.value.zh and "approved until" in caught.value.en


def test_a_status_that_an_operation_brings_frees_nothing(filing: Compiled) -> None:
    rule = filing.profile.receipts["R2"]
    declared, amended = (in_round(rule, filing.profile.operations[name]) for name in ("declare", "amend"))

    assert (declared.status, declared.releases) == ("refused", True)
    assert (amended.status, amended.releases) == ("approved", False)


@pytest.mark.parametrize(
    ("before", "carries"),
    [((), True), (("R1",), True), (("R2",), True), (("A2",), False), (("A1",), False)],
    ids=lambda given: "-".join(given) if isinstance(given, tuple) else str(given),
)
def test_a_change_is_carried_out_once_and_not_after_a_refusal_of_the_same_weight(
    types: dict[str, Compiled], before: tuple[str, ...], carries: bool
) -> None:
    profile = types["XX.change"].profile
    rules = profile.receipts

    assert carries_out(rules["A1"], RoundSoFar(profile, tuple(rules[code] for code in before), ASKED)) == carries
    assert not carries_out(rules["R1"], RoundSoFar(profile, (), ASKED))


def test_a_status_question_carries_nothing_out(types: dict[str, Compiled]) -> None:
    profile = types["XX.change"].profile
    declared = replace(document(), type="XX.change", status="declared", rank=0)
    told = StatusUpdate([("R1", 5), ("A1", 6)], {})
    after = status_told(profile, declared, told, PresentRound(OpenedRound(declared, 2), 0, ASKED), at=7)

    assert after is not None and after.status == "received"


def test_what_is_sent_is_what_is_asked_for(filing: Compiled) -> None:
    operations = filing.profile.operations

    assert sent(document(), operations["amend"]) == ASKED
    assert sent(document(), operations["extend"]) == APPROVED
    assert sent(document(pending=None), operations["amend"]) == APPROVED


def test_a_new_round_forgets_what_the_one_before_asked_for() -> None:
    assert opened(document(), 5).pending is None


def test_what_comes_to_nothing_forgets_what_it_asked_for(filing: Compiled) -> None:

    amendment = submission("m", type="XX.filing", operation="amend", document_id="d")
    back = undone(document(), amendment, filing.profile, 5)

    assert back is not None
    assert (back.content, back.pending, back.status, back.changing) == (APPROVED, None, "approved", None)
    assert undone(document(changing="other"), amendment, filing.profile, 5) is None
