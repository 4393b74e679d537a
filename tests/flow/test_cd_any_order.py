"""Any order, loss and repetition of customs' receipts lead to the same qualification, list and change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import bodies as b
import filings as f
import pytest
from agreement_desk import Office
from filings import CHANGE, LIST, QUALIFICATION
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_cd_change import VOLUME, approved_list, asked, filed_office, row, sent, text

UNHURRIED = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
WAY = {"S1": "发往海关成功", "7": "海关审批通过", "9": "已委托", "10": "已承运", "11": "已过境", "12": "待汇总", "15": "已结关"}


@pytest.fixture(scope="module")
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with filed_office(tmp_path_factory.mktemp("customs")) as office:
        yield office


def told(codes: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Some of these in any order, the last one among them, and some of them twice."""
    some = st.sets(st.sampled_from(codes)).map(lambda kept: sorted({*kept, codes[-1]}))
    return some.flatmap(
        lambda kept: st.lists(st.sampled_from(kept), max_size=3).flatmap(lambda more: st.permutations([*kept, *more]))
    )


@pytest.mark.requirement("CD-01", "CD-02")
@UNHURRIED
@given(told(["S1", "R1", "A1"]), st.booleans())
def test_a_qualification(customs: Office, codes: list[str], refused: bool) -> None:
    key, at = b.fresh("Q"), f.fresh_customs()
    message = sent(customs, QUALIFICATION, key, like="ok-save.xml", CustomMaster=at)
    approval = {"content": "<ValidUntil>2098-05-31</ValidUntil>", "numbers": {"filing": f"Q{at}{customs.fresh():07d}"}}
    for code in codes:
        said = "A2" if code == "A1" and refused else code
        customs.say(QUALIFICATION, message, said, **(approval if said == "A1" else {}))  # type: ignore[arg-type]

    document = customs.document(QUALIFICATION, key)
    assert document["business_status"]["text"] == ("核准拒绝" if refused else "海关审批通过")
    assert document["body"].get("ApprovedUntil") == (None if refused else "2098-05-31")
    assert customs.status(message)["state"] == ("rejected" if refused else "accepted")


@pytest.mark.requirement("CD-09")
@UNHURRIED
@given(told([*WAY]), st.booleans())
def test_a_list(customs: Office, codes: list[str], deleted: bool) -> None:
    key = b.fresh("L")
    message = sent(customs, LIST, key, like="ok-save.xml", ManualNo=VOLUME)
    entry = {"numbers": {"entry": f"09082026I8{customs.fresh():08d}"}}
    for code in [*codes[:1], *(["D"] if deleted else []), *codes[1:]]:
        customs.say(LIST, message, code, **(entry if code == "7" else {}))  # type: ignore[arg-type]

    document = customs.document(LIST, key)
    assert document["business_status"]["text"] == ("海关删除" if deleted else "已结关")
    assert ("entry" in document["numbers"]) == ("7" in codes)
    assert ("AcceptDate" in document["body"]) == ("7" in codes)
    assert customs.status(message)["state"] == "accepted"


@pytest.mark.requirement("CD-10")
@UNHURRIED
@given(
    st.sampled_from(["A1", "A2", "R2"]),
    st.booleans(),
    st.sets(st.sampled_from(["9", "10", "11", "12", "15"])),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_change_and_its_list(customs: Office, verdict: str, cancels: bool, moves: set[str], twice: bool, chance: Any) -> None:
    key = approved_list(customs)
    number = customs.document(LIST, key)["numbers"]["unified"]
    request = asked(customs, key, *(() if cancels else [row("GrossWet", "821.5")]), kind="2" if cancels else "1")
    assert request["state"] == "sent", request["faults"]
    said = [*((CHANGE, code) for code in ("R1", verdict)), *((LIST, code) for code in sorted(moves))] * (2 if twice else 1)
    chance.shuffle(said)
    for type_, code in said:
        about = customs.receipt(CHANGE, request, code) if type_ == CHANGE else customs.receipt(LIST, None, code, number=number)
        customs.issue(about)

    document, words = customs.document(LIST, key), {"A1": "同意", "A2": "不同意", "R2": "接收失败"}[verdict]
    agreed = verdict == "A1"
    assert text(customs, CHANGE, request["document"]) == words
    assert document["business_status"]["text"] == ("已撤销" if agreed and cancels else WAY[max(moves, key=int, default="7")])
    assert document["body"]["GrossWet"] == ("821.5" if agreed and not cancels else "820.5")
    assert customs.status(request)["state"] == ("accepted" if agreed else "rejected")
    assert asked(customs, key, row("PackNo", "41"))["state"] == ("refused" if agreed and cancels else "sent"), "and is free again"
