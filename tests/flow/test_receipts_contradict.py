"""Verdicts that contradict each other, and technical receipts that a quicker verdict or a crash swallowed."""

from __future__ import annotations

from typing import Any

import bodies as b
import pytest
from receipt_desk import ISSUED, REFUSED, RETURNED, SECOND, Declared, Desk, alerts
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-06")


def marked(desk: Desk, declared: Declared) -> dict[str, Any]:
    status = wait_until(lambda: (s := desk.site.status(declared.file)) and s.get("contradicted") and s, "the mark")
    (mark,) = wait_until(lambda: desk.document(declared)["contradicted"], "the document's mark")
    assert mark["message_id"] == status["message_id"]
    wait_until(lambda: any(a["about"] == status["message_id"] for a in alerts(desk.site, "contradicted")), "the alert")
    found: dict[str, Any] = status
    return found


def applied_for_again(desk: Desk, declared: Declared) -> dict[str, Any]:
    """What becomes of another application under the same reference."""
    same = desk.site.wait(desk.site.drop(b.xml(b.application("declare", reference=declared.reference))))
    assert same["contradicted"], "the same again is told what became of the first"
    goods = [b.goods(b.PLAIN, quantity="77")]
    return desk.site.wait(desk.site.drop(b.xml(b.application("declare", reference=declared.reference, goods_=goods))))


@pytest.mark.parametrize("together", [True, False], ids=["in one page", "one by one, over a restart"])
def test_refused_and_then_approved_is_not_applied_for_twice(desk: Desk, together: bool) -> None:
    declared = desk.declare()
    refusal, approval = (desk.mofcom.receipt(**declared.said(code)) for code in ("22", "30"))
    if together:
        desk.mofcom.issue(refusal, approval)
    else:
        desk.mofcom.issue(refusal)
        assert desk.site.wait(declared.file)["state"] == "rejected"
        desk.site.stop("run")
        desk.site.run()
        desk.mofcom.issue(approval)
    status = marked(desk, declared)

    assert (status["state"], status["final"], desk.text(declared)) == ("rejected", True, SECOND)
    assert status["contradicted"]["code"] == "30" and not status["contradicted"]["reference_free"]
    again = applied_for_again(desk, declared)
    assert again["state"] == "refused" and {f["code"] for f in again["faults"]} == {"GW-F01"}
    assert len(desk.mofcom.posts(declared.reference)) == 1

    id_ = status["message_id"]
    desk.site.command("release", id_, "--why", "asked: approved", check=True)
    wait_until(
        lambda: any(a["about"] == id_ and a.get("over") for a in alerts(desk.site, "contradicted")), "the alert to be over"
    )
    assert "asked: approved" in desk.site.command("timeline", id_, check=True).stdout
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("40")))
    desk.becomes(declared, ISSUED)
    status = desk.site.status(declared.file)
    assert status is not None and status["contradicted"]["code"] == "30", "the same said once more is nothing new"
    assert applied_for_again(desk, declared)["state"] == "refused", "the reference stays in use"
    desk.site.command("audit", "verify", check=True)


@pytest.mark.parametrize(("codes", "text"), [(("30", "22"), SECOND), (("30", "31"), REFUSED)])
def test_approved_and_then_refused_is_marked_and_follows_the_rank(desk: Desk, codes: tuple[str, str], text: str) -> None:
    declared = desk.declare()
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code)) for code in codes))
    status = marked(desk, declared)

    assert (status["state"], desk.text(declared)) == ("accepted", text)
    assert status["contradicted"]["says"] == "rejected"


def test_verdicts_of_one_direction_contradict_nothing(desk: Desk) -> None:
    approved, refused = desk.declare(), desk.declare()
    desk.mofcom.issue(*(desk.mofcom.receipt(**approved.said(code)) for code in ("30", "40", "20", "52")))
    desk.mofcom.issue(*(desk.mofcom.receipt(**refused.said(code)) for code in ("22", "31", "20", "10")))
    desk.becomes(approved, ISSUED)
    desk.becomes(refused, REFUSED)
    wait_until(lambda: all(len(desk.document(d)["receipts"]) == 5 for d in (approved, refused)), "all receipts")

    assert not desk.document(approved)["contradicted"] and not desk.document(refused)["contradicted"]


SAME_RANK = [(("21", "22"), RETURNED, "first_refused"), (("22", "21"), "初审不通过", "returned")]


@pytest.mark.parametrize(("codes", "text", "says"), SAME_RANK)
def test_of_two_verdicts_of_one_rank_the_first_stands_and_the_message_is_marked(
    desk: Desk, codes: tuple[str, str], text: str, says: str
) -> None:
    declared = desk.declare()
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code)) for code in (codes[0], *codes)))
    status = marked(desk, declared)

    assert (status["state"], desk.text(declared)) == ("rejected", text)
    assert (status["contradicted"]["code"], status["contradicted"]["says"]) == (codes[1], says)
    assert status["contradicted"]["reference_free"], "neither lets anybody act on it"
    desk.site.command("release", status["message_id"], "--why", "asked", check=True)
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("30")))
    wait_until(lambda: (desk.site.status(declared.file) or {})["contradicted"]["says"] == "accepted", "the graver mark")


def test_a_verdict_of_the_same_rank_that_comes_when_the_next_round_is_open_marks_the_first_message(desk: Desk) -> None:
    declared = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("21")))
    desk.becomes(declared, RETURNED)
    body = b.application("declare", reference=b.fresh("again"), document=declared.key)
    again = desk.site.drop(b.xml(body))
    desk.site.wait(again, "sent")
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("22")))

    assert marked(desk, declared)["contradicted"]["says"] == "first_refused"
    assert (desk.site.status(again) or {})["state"] == "sent"
    assert desk.text(declared) == "上报中"
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code)) for code in ("30", "22")))
    wait_until(lambda: len(desk.document(declared)["receipts"]) == 6, "all receipts")
    wait_until(lambda: marked(desk, declared)["contradicted"]["says"] == "accepted", "what weighs more")


def test_a_verdict_of_a_message_that_was_given_up_takes_its_reference_out_of_use(desk: Desk) -> None:
    reference = b.fresh("gone")
    desk.mofcom.says[reference] = ["503"] * 500
    name = desk.site.drop(b.xml(b.application("declare", reference=reference)))
    wait_until(lambda: desk.mofcom.posts(reference), "the message to go out")
    status = desk.site.wait(name, "sealed")
    desk.site.command("give-up", status["message_id"], "--why", "test", check=True)
    assert desk.site.wait(name)["state"] == "given_up"
    declared = Declared(name, reference, status["document"], status["numbers"]["application"], desk.mofcom.wire_id(reference))
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("30")))

    assert marked(desk, declared)["state"] == "given_up"
    assert applied_for_again(desk, declared)["state"] == "refused"


def responses(desk: Desk, name: str) -> list[str]:
    return [p.name for p in desk.site.inbox(f"Successed_{name.rsplit('.', 1)[0]}")]


@pytest.mark.parametrize("code", ["10", "30", "22"])
def test_a_lost_technical_receipt_is_asked_for_though_the_verdict_was_quicker(desk: Desk, code: str) -> None:
    reference = b.fresh("owed")
    desk.mofcom.says[reference] = ["drop-busy"]
    name = desk.site.drop(b.xml(b.application("declare", reference=reference)))
    wait_until(lambda: desk.mofcom.posts(reference), "the message to go out")
    status = desk.site.wait(name, "sealed")
    said = {"type": b.APPLICATION, "number": status["numbers"]["application"], "message": desk.mofcom.wire_id(reference)}
    desk.mofcom.issue(desk.mofcom.receipt(code=code, **said))
    wait_until(lambda: responses(desk, name), "the technical response")

    status = desk.site.wait(name, {"10": "sent", "30": "accepted", "22": "rejected"}[code])
    assert sorted(r["code"] for r in status["receipts"]) == ["0", code]
    assert len(desk.mofcom.posts(reference)) == 1, "asked, never sent again"


def test_a_technical_receipt_that_was_never_issued_is_asked_for_once(desk: Desk) -> None:
    reference = b.fresh("never")
    desk.mofcom.says[reference] = ["lose-busy"]
    name = desk.site.drop(b.xml(b.application("declare", reference=reference)))
    wait_until(lambda: desk.mofcom.posts(reference), "the message to go out")
    status = desk.site.wait(name, "sealed")
    said = {"type": b.APPLICATION, "number": status["numbers"]["application"], "message": desk.mofcom.wire_id(reference)}
    desk.mofcom.issue(desk.mofcom.receipt(code="30", **said))
    desk.site.wait(name)
    timeline = lambda: desk.site.command("timeline", status["message_id"], check=True).stdout
    wait_until(lambda: "没有签发技术回执" in timeline(), "the authority to say so")

    assert responses(desk, name) == []
    assert len(desk.mofcom.posts(reference)) == 1
