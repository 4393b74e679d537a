"""Answers to questions are receipts too: who signed them, what they may say, and which round of a document they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bodies as b
import pytest
from endpoint import RECEIPT, Call
from lxml import etree
from receipt_desk import RETURNED, SECOND, Desk
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-06")
Answer = Callable[[Call], tuple[int, bytes, dict[str, str]] | None]


def answering(desk: Desk, usual: Answer, said: list[dict[str, Any]], listed: list[tuple[str, str]]) -> Answer:
    """Answer queries with the next of `said` (then rightly), listing these codes with their times."""

    def answer(call: Call) -> tuple[int, bytes, dict[str, str]] | None:
        if call.what != "query":
            return usual(call)
        odd = said.pop(0) if said else {}
        root = desk.mofcom.unsigned(**{"code": "Q0", "message": call.message_id, "type": b.APPLICATION, **odd})
        receipts = etree.SubElement(etree.SubElement(root, f"{{{RECEIPT}}}Content"), f"{{{RECEIPT}}}Receipts")
        for code, at in listed:
            etree.SubElement(receipts, f"{{{RECEIPT}}}Receipt", code=code, issued_at=at)
        return 200, desk.mofcom.sealer.seal(root), {}

    return answer


def ask(desk: Desk, key: str) -> dict[str, Any]:
    question = b.query(b.APPLICATION, "status", document=key, source="authority")
    found: dict[str, Any] = desk.site.wait(desk.site.drop(b.xml(question)))
    return found


def test_what_was_said_of_an_earlier_round_moves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = desk.declare()
    first = desk.mofcom.unsigned(**declared.said("21"))
    desk.mofcom.issue(desk.mofcom.sealer.seal(first))
    desk.becomes(declared, RETURNED)
    again = desk.declare(document=declared.key)
    old = first.get("issued_at") or ""
    listed = [("10", old), ("21", old)]
    monkeypatch.setattr(desk.mofcom, "answer", answering(desk, desk.mofcom.answer, [], listed))

    assert ask(desk, declared.key)["state"] == "accepted"
    assert desk.text(again) == "上报中"
    listed.append(("30", desk.mofcom.unsigned(code="30").get("issued_at") or ""))
    assert ask(desk, declared.key)["state"] == "accepted"
    desk.becomes(again, SECOND)


@pytest.mark.long
def test_an_answer_that_is_not_its_own_is_asked_for_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = desk.declare()
    before = len(desk.kept())
    odd: list[dict[str, Any]] = [
        {"code": "30"},
        {"code": "0", "kind": "technical"},
        {"code": "1"},
        {"kind": "technical"},
        {"code": "Q1", "kind": "technical"},
        {"message": declared.wire_id},
        {"type": b.INSPECTION},
        {"authority": "customs"},
        {"account": "2102960001"},
        {"kind": "odd"},
    ]
    said = list(odd)
    later = desk.mofcom.unsigned(code="30").get("issued_at") or ""
    monkeypatch.setattr(desk.mofcom, "answer", answering(desk, desk.mofcom.answer, said, [("10", later)]))

    assert ask(desk, declared.key)["state"] == "accepted"
    assert said == []
    wait_until(lambda: len(desk.kept()) == before + len(odd), "each odd answer aside")
    status = desk.site.status(declared.file)
    assert status is not None and status["state"] == "sent"
