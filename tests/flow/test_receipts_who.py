"""Who may say what: a receipt counts only if the authority that signed it may say this, of this document, on this way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from endpoint import Endpoint, running_with_endpoints, site_with_endpoints
from receipt_desk import FIRST, STORED, Desk, alerts
from sites import wait_until

from tongguan.gateway.home.home import CODES, USCC

pytestmark = pytest.mark.requirement("GW-06")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Endpoint]]:
    with running_with_endpoints(tmp_path_factory.mktemp("who")) as (site, mofcom, customs):
        yield Desk(site, mofcom), customs


@pytest.fixture
def desk(both: tuple[Desk, Endpoint]) -> Desk:
    return both[0]


def test_another_authoritys_key_and_route_approve_nothing(both: tuple[Desk, Endpoint]) -> None:
    desk, customs = both
    declared = desk.declare()
    said = declared.said("30")
    kept = desk.quarantined(
        customs.receipt(**said), customs.receipt(**{**said, "message": ""}), customs.receipt(**{**said, "code": "52"}), at=customs
    )

    assert all("customs" in r["why"] for r in kept)
    assert desk.text(declared) == "上报中"
    assert desk.site.status(declared.file)["state"] == "sent"
    wait_until(lambda: alerts(desk.site, "quarantined"), "the alert")
    desk.still_believes(declared)


def test_the_kind_decides_which_codes_may_be_in_it(desk: Desk) -> None:
    declared = desk.declare()
    kept = desk.quarantined(
        *(desk.mofcom.receipt(kind="technical", **declared.said(code)) for code in ("30", "10", "21", "Q0", "999")),
        *(desk.mofcom.receipt(**declared.said(code)) for code in ("0", "1", "Q0", "Q1")),
        *(desk.mofcom.receipt(kind=kind, **declared.said("30")) for kind in ("", "Business", "query", "business ")),
    )

    assert len(kept) == 13
    assert desk.text(declared) == "上报中"
    assert desk.site.status(declared.file)["state"] == "sent"
    desk.still_believes(declared)


def test_a_receipt_is_for_the_accounts_code_at_this_authority(desk: Desk) -> None:
    declared = desk.declare()
    desk.quarantined(
        *(desk.mofcom.receipt(**declared.said("30", account=code)) for code in (USCC, CODES["customs"], CODES["mofcom"] + "x"))
    )

    assert desk.text(declared) == "上报中"
    desk.still_believes(declared)


def test_a_receipt_that_names_a_message_that_never_was_is_matched_with_nothing(desk: Desk) -> None:
    """Its number is not enough: it was given again, or it is another one's."""
    declared = desk.declare()
    id_ = declared.wire_id.rpartition("-")[0]
    names = ("0193b3c0-0000-7000-8000-000000000000-1", f"{id_}-0", f"{id_}-99", f"{id_}-x", id_)
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said("30", message=name)) for name in names))

    wait_until(lambda: len(unmatched(desk, declared.number)) == len(names), "unmatched receipts")
    assert desk.text(declared) == "上报中"
    desk.still_believes(declared)


def unmatched(desk: Desk, number: str) -> list[dict[str, Any]]:
    ids = [r["message_id"] for r in desk.kept() if r["state"] == "unmatched"]
    pages = [json.loads(desk.site.command("quarantine", "show", i, "--json", check=True).stdout) for i in ids]
    return [p for p in pages if number in p["content"]]


def test_a_receipt_that_names_two_documents_moves_neither(desk: Desk) -> None:
    one, other = desk.declare(), desk.declare()
    desk.quarantined(
        desk.mofcom.receipt(**one.said("30", number=other.number)),
        desk.mofcom.receipt(**one.said("30", numbers={"application": other.number})),
    )
    desk.mofcom.issue(desk.mofcom.receipt(**one.said("10", numbers={"licence": "26AA777001"})))
    desk.becomes(one, STORED)
    (clash,) = desk.quarantined(desk.mofcom.receipt(**other.said("30", numbers={"licence": "26AA777001"})))

    assert "26AA777001" in clash["why"]
    assert (desk.text(one), desk.text(other)) == (STORED, "上报中")
    desk.still_believes(other)


def test_a_receipt_that_names_the_number_of_another_types_document_moves_neither(desk: Desk) -> None:
    declared = desk.declare()
    name = desk.site.drop(b.xml(b.message("EX.application", "declare", like="ok-declare.xml", reference=b.fresh("ex"))))
    export = desk.site.wait(name, "sent")
    number = export["numbers"]["application"]
    wire_id = desk.mofcom.wire_id(export["reference"])
    desk.quarantined(
        desk.mofcom.receipt(**declared.said("30", number=number)),
        desk.mofcom.receipt(code="30", type="EX.application", number=declared.number, message=wire_id),
    )

    assert desk.text(declared) == "上报中"
    assert (desk.site.status(name) or {})["state"] == "sent"
    desk.still_believes(declared)


def test_of_two_receipts_with_one_id_in_one_page_the_second_is_kept_aside(desk: Desk) -> None:
    declared = desk.declare()
    twice = b.fresh("id")
    step, verdict = (desk.mofcom.receipt(**declared.said(code, id=twice)) for code in ("20", "30"))
    before = {r["message_id"] for r in desk.kept()}
    desk.mofcom.issue(step, verdict)
    (kept,) = wait_until(lambda: [r for r in desk.kept() if r["message_id"] not in before], "the second in quarantine")

    assert "内容却不同" in kept["why"]
    desk.becomes(declared, FIRST)
    assert (desk.site.status(declared.file) or {})["state"] == "sent"


def test_a_receipt_of_another_environment_is_kept_aside(desk: Desk) -> None:
    declared = desk.declare()
    desk.quarantined(desk.mofcom.receipt(**declared.said("30", environment="production")))

    assert desk.text(declared) == "上报中"


def test_facts_that_cannot_be_are_kept_aside_in_words(desk: Desk) -> None:
    declared = desk.declare()
    times = ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59+08:00", "0001-01-01T00:00:00", "yesterday", "2098-05-05T00:00:00Z"]
    absurd: list[dict[str, Any]] = [
        *({"issued_at": time} for time in times),
        *({name: "9" * 10_001} for name in ("number", "id", "code", "type", "message", "text")),
        *({"numbers": {"licence": said}} for said in ("9" * 10_001, " ", "26\u200bAA")),
        {"code": "3\u00a00"},
        {"number": "NA\n1"},
        {"id": " "},
    ]
    kept = desk.quarantined(*(desk.mofcom.receipt(**{**declared.said("30"), **said}) for said in absurd))

    assert all("格式不正确" in r["why"] or "尚未到来" in r["why"] for r in kept)
    assert desk.text(declared) == "上报中"
    desk.still_believes(declared)


def test_a_number_given_again_is_not_approved_by_what_was_said_before_it_was_given(desk: Desk) -> None:
    declared = desk.declare()
    old = [
        desk.mofcom.receipt(**declared.said(code, message="", issued_at=at))
        for code in ("10", "30")
        for at in ("2026-01-05T10:00:00+08:00",)
    ]
    desk.mofcom.issue(*old)
    wait_until(lambda: len(unmatched(desk, declared.number)) == len(old), "the old receipts to be unmatched")

    assert desk.text(declared) == "上报中"
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("20", message="")))
    desk.becomes(declared, FIRST)


def test_a_genuine_receipt_with_an_unknown_code_is_handed_on_and_moves_nothing(desk: Desk) -> None:
    declared = desk.declare()
    receipt = desk.mofcom.receipt(**declared.said("999", text="新状态"))
    desk.mofcom.issue(receipt, receipt)
    status = wait_until(lambda: (s := desk.site.status(declared.file)) and len(s["receipts"]) == 2 and s, "it to be listed")
    shown = status["receipts"][-1]

    assert (shown["code"], shown["text"], status["state"]) == ("999", "新状态", "sent")
    assert desk.text(declared) == "上报中"
    file = wait_until(lambda: desk.site.inbox(f"Receipt_{declared.number}"), "the file in InBox")
    assert [f.name for f in file] == [shown["file"]]
    assert file[0].read_bytes() == receipt
    (kept,) = unmatched(desk, declared.number)
    assert "999" in kept["why"]
    assert [r for r in desk.document(declared)["receipts"] if r["code"] == "999"]

    alert = wait_until(lambda: alerts(desk.site, "unknown-code"), "the alert")[0]
    assert "quarantine" in alert["do"]
    desk.site.command("retry", kept["message_id"], check=True)
    wait_until(lambda: unmatched(desk, declared.number), "it to wait again")
    assert len(desk.site.inbox(f"Receipt_{declared.number}")) == 1, "handed on once"
    desk.site.command("quarantine", "drop", kept["message_id"], "--why", "seen", check=True)
    wait_until(lambda: any(a.get("over") for a in alerts(desk.site, "unknown-code")), "the alert to be over")
    desk.still_believes(declared)


def test_an_answer_to_a_message_must_be_its_own(desk: Desk) -> None:
    """Signed by the authority, and still no technical receipt of this message: asked again, kept aside, nothing moved."""
    odd: dict[str, Any] = {
        "kind": {"kind": "business"},
        "code": {"code": "30"},
        "verdict": {"kind": "business", "code": "30"},
        "type": {"type": b.INSPECTION},
        "account": {"account": USCC},
        "message": {"message": "another-1"},
        "authority": {"authority": "customs"},
    }
    before = len(desk.kept())
    for what, changes in odd.items():
        reference = b.fresh("odd")
        desk.mofcom.says[reference] = [{"code": "0", "kind": "technical", **changes}]  # type: ignore[list-item]
        name = desk.site.drop(b.xml(b.application("declare", reference=reference)))
        assert desk.site.wait(name, "sent")["business_status"]["text"] == "上报中", what
        assert desk.mofcom.about(reference)[0] == "post" and len(desk.mofcom.about(reference)) > 1, what

    assert len(desk.kept()) == before + len(odd)


def test_a_key_that_two_routes_trust_proves_neither(desk: Desk, tmp_path: Any) -> None:
    site, mofcom, customs = site_with_endpoints(tmp_path)
    trust = site.home / "trust" / "mofcom.pem"
    trust.write_bytes(trust.read_bytes() + (site.home / "trust" / "customs.pem").read_bytes())
    assert "one_platform" in site.command("config", "check").stdout
    site.run()
    own = Desk(site, mofcom)
    try:
        declared = own.declare()
        own.quarantined(mofcom.stranger.seal(mofcom.unsigned(**declared.said("30"))))
        assert own.text(declared) == "上报中"
        wait_until(lambda: alerts(site, "certificate"), "the alert")
        own.still_believes(declared)
    finally:
        site.stop("run", kill=True)
        mofcom.down()
        customs.down()
