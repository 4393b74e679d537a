"""Receipts that name no message: they belong to the message that the authority had when it issued them."""

from __future__ import annotations

from typing import Any

import bodies as b
import pytest
from receipt_desk import STORED, Declared, Desk
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-06")
WITHDRAWN, PASSED = "已撤销", "初审通过"


def stored(desk: Desk) -> Declared:
    declared = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("10")))
    desk.becomes(declared, STORED)
    return declared


def withdraw(desk: Desk, declared: Declared) -> str:
    """Ask for a withdrawal that MOFCOM then has; the name of its file."""
    name = desk.site.drop(b.xml(b.message(b.APPLICATION, "withdraw", document=declared.key, reference=b.fresh("w"))))
    desk.site.wait(name, "sent")
    return name


def shown(desk: Desk, name: str, code: str) -> dict[str, Any]:
    look = lambda: (s := desk.site.status(name)) and any(r["code"] == code for r in s["receipts"]) and s
    found: dict[str, Any] = wait_until(look, f"receipt {code} at {name}")
    return found


@pytest.mark.requirement("NA-12")
@pytest.mark.parametrize("names", ["nothing", "the application's message"])
@pytest.mark.parametrize(("code", "state", "text"), [("60", "accepted", WITHDRAWN), ("61", "rejected", STORED)])
def test_what_answers_a_withdrawal_ends_the_withdrawal(desk: Desk, code: str, state: str, text: str, names: str) -> None:
    declared = stored(desk)
    name = withdraw(desk, declared)
    named = "" if names == "nothing" else declared.wire_id
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said(code, message=named)))

    status = desk.site.wait(name)
    assert (status["state"], desk.text(declared)) == (state, text)
    assert [r["code"] for r in status["receipts"]][-1] == code
    application = desk.site.status(declared.file)
    assert application is not None and application["state"] == "sent"


@pytest.mark.requirement("NA-12")
def test_what_was_said_of_an_earlier_withdrawal_leaves_the_present_one(desk: Desk) -> None:
    declared = stored(desk)
    first = withdraw(desk, declared)
    refusal, late = (desk.mofcom.receipt(**declared.said("61", message="")) for _ in range(2))
    desk.mofcom.issue(refusal)
    assert desk.site.wait(first)["state"] == "rejected"
    second = withdraw(desk, declared)
    desk.mofcom.issue(late)
    shown_again = wait_until(lambda: len(desk.document(declared)["receipts"]) >= 6 and desk.document(declared), "the late one")

    assert [r["code"] for r in shown_again["receipts"]].count("61") == 2
    status = desk.site.status(second)
    assert status is not None and status["state"] == "sent"
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("60", message="")))
    assert desk.site.wait(second)["state"] == "accepted"


@pytest.mark.requirement("NA-12")
def test_a_withdrawal_that_was_refused_and_then_granted_is_marked(desk: Desk) -> None:
    declared = stored(desk)
    name = withdraw(desk, declared)
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code, message="")) for code in ("61", "60")))
    status = wait_until(lambda: (s := desk.site.status(name)) and s.get("contradicted") and s, "the mark")

    assert (status["state"], status["contradicted"]["code"], desk.text(declared)) == ("rejected", "60", WITHDRAWN)


@pytest.mark.requirement("NA-12")
def test_the_application_itself_still_hears_its_verdict(desk: Desk) -> None:
    declared = stored(desk)
    name = withdraw(desk, declared)
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("61", message="")))
    desk.site.wait(name)
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code, message="")) for code in ("20", "30")))

    assert desk.site.wait(declared.file)["state"] == "accepted"
