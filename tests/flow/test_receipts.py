"""Receipts: only what the authority signed, for us, counts; each counts once, by its rank in its round; the rest is kept and shown."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import bodies as b
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from endpoint import site_with_endpoints
from lxml import etree
from receipt_desk import FIRST, ISSUED, RETURNED, SECOND, STORED, Desk, alerts
from sites import wait_until

from tongguan.simulators.server.office import stranger_like

pytestmark = pytest.mark.requirement("GW-06")


def wrapping_shapes() -> list[Callable[[bytes, bytes], bytes]]:
    """Every way of moving and wrapping a signature that the verifier's own tests know."""
    path = Path(__file__).parent.parent / "unit" / "signer" / "test_verify.py"
    spec = importlib.util.spec_from_file_location("shapes_of_signatures", path)
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shapes: list[Callable[[bytes, bytes], bytes]] = module.WRAPPED
    return shapes


def test_a_receipt_is_stored_as_received_and_applied(desk: Desk) -> None:
    declared = desk.declare()
    receipt = desk.mofcom.receipt(**declared.said("10", numbers={"mofcom": "262100MA0EXAMPL000001"}))
    desk.mofcom.issue(receipt)
    desk.becomes(declared, STORED)

    document = desk.document(declared)
    assert document["numbers"]["mofcom"] == "262100MA0EXAMPL000001"
    file = document["receipts"][-1]["file"]
    assert file.startswith(f"Receipt_{declared.number}_")
    wait_until(lambda: (desk.site.mailbox / "InBox" / file).exists(), "the receipt in InBox")
    assert (desk.site.mailbox / "InBox" / file).read_bytes() == receipt


def test_a_forged_receipt_is_kept_aside_and_told(desk: Desk) -> None:
    declared = desk.declare()
    forged = desk.mofcom.stranger.seal(desk.mofcom.unsigned(**declared.said("40")))
    (kept,) = desk.quarantined(forged)

    assert desk.text(declared) == "上报中"
    assert "certificate" in kept["why"]
    shown = json.loads(desk.site.command("quarantine", "show", kept["message_id"], "--json", check=True).stdout)
    assert shown["content"].encode() == forged
    alert = wait_until(lambda: alerts(desk.site, "quarantined"), "the alert")[0]
    assert alert["do"].startswith("tongguan quarantine list --home ")
    assert desk.site.command("status").returncode >= 1
    desk.still_believes(declared)


def test_wrapped_signatures_of_every_shape_are_kept_aside(desk: Desk) -> None:
    declared = desk.declare()
    good = desk.mofcom.receipt(**declared.said("10", numbers={"mofcom": "262100MA0EXAMPL000777"}))
    evil = etree.tostring(desk.mofcom.unsigned(**declared.said("40", numbers={"licence": "26AA999999"})), method="c14n")
    good = good.partition(b"?>\n")[2]
    wrapped = [shape(good, evil) for shape in wrapping_shapes()]
    assert len(wrapped) >= 10
    desk.quarantined(*wrapped)

    assert desk.text(declared) == "上报中"
    assert "licence" not in desk.document(declared)["numbers"]
    desk.still_believes(declared)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'code="10"', b'code="40"'),
        (b'issued_at="2', b'issued_at="3'),
        (b">NAME<", b">OTHER<"),
        (b"</Numbers>", b'<Number name="licence">26AA000001</Number></Numbers>'),
        (b'kind="business"', b'kind="technical"'),
        (b"<DigestValue", b"<DigestValue "),
    ],
)
def test_a_receipt_changed_after_signing_is_kept_aside(desk: Desk, before: bytes, after: bytes) -> None:
    declared = desk.declare()
    good = desk.mofcom.receipt(**declared.said("10", numbers={"mofcom": "NAME"}))
    changed = good.replace(before, after, 1) if before in good else good.replace(b"<ds:DigestValue>", b"<ds:DigestValue>A", 1)
    desk.quarantined(changed)

    assert desk.text(declared) == "上报中"


def test_receipts_for_others_or_from_others_are_kept_aside(desk: Desk) -> None:
    declared = desk.declare()
    desk.quarantined(
        desk.mofcom.receipt(**declared.said("40", account="2100MA0OTHERX")),
        desk.mofcom.receipt(**declared.said("40", authority="customs")),
        desk.mofcom.stranger.seal(desk.mofcom.unsigned(**declared.said("40", authority="customs"))),
        desk.mofcom.receipt(**declared.said("40", type=b.INSPECTION)),
    )

    assert desk.text(declared) == "上报中"
    desk.still_believes(declared)


def test_what_is_no_receipt_is_kept_aside_and_stops_no_other(desk: Desk) -> None:
    declared = desk.declare()
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><Receipt xmlns="urn:tongguan:receipt:1">&b;</Receipt>'
    other_root = desk.mofcom.sealer.seal(etree.fromstring(b'<Package xmlns="urn:tongguan:package:1"/>'))
    no_id = desk.mofcom.receipt(**declared.said("40", id=""))
    no_time = desk.mofcom.receipt(**declared.said("40", issued_at="yesterday"))
    mark = time.time_ns()
    desk.quarantined(b"x%d" % mark, b"\0" * 100 + b"%d" % mark, bomb, other_root, no_id, no_time)

    assert desk.text(declared) == "上报中"
    desk.still_believes(declared)


def test_the_same_receipt_again_does_nothing(desk: Desk) -> None:
    declared = desk.declare()
    receipt = desk.mofcom.receipt(**declared.said("10"))
    desk.mofcom.issue(receipt, receipt)
    desk.becomes(declared, STORED)
    desk.mofcom.issue(receipt)
    desk.still_believes(declared)
    desk.mofcom.issue(receipt, desk.mofcom.receipt(**declared.said("30")))
    desk.becomes(declared, SECOND)

    codes = [r["code"] for r in desk.document(declared)["receipts"] if r["code"] != "0"]
    assert codes == ["10", "20", "30"]
    names = [r["file"] for r in desk.document(declared)["receipts"] if r["file"].startswith("Receipt_")]
    wait_until(
        lambda: sorted(names) == [p.name for p in desk.site.inbox(f"Receipt_{declared.number}_")], f"just {names} in InBox"
    )


def test_the_same_id_with_other_bytes_is_kept_aside(desk: Desk) -> None:
    declared = desk.declare()
    first = desk.mofcom.receipt(**declared.said("10", id=f"twice-{declared.reference}"))
    desk.mofcom.issue(first)
    desk.becomes(declared, STORED)
    (kept,) = desk.quarantined(desk.mofcom.receipt(**declared.said("40", id=f"twice-{declared.reference}")))

    assert "内容却不同" in kept["why"]
    assert desk.text(declared) == STORED
    desk.still_believes(declared)


def test_receipts_in_the_wrong_order_lead_to_the_same_end(desk: Desk) -> None:
    declared = desk.declare()
    times = [f"2026-11-20T18:00:0{n}.000+08:00" for n in range(4)]
    codes = ("10", "20", "30", "40")
    receipts = [desk.mofcom.receipt(**declared.said(c, issued_at=t)) for c, t in zip(codes, times, strict=True)]
    desk.mofcom.issue(*receipts[::-1])
    wait_until(lambda: len(desk.document(declared)["receipts"]) == 5, "all receipts")

    assert desk.text(declared) == ISSUED
    shown = [r["code"] for r in desk.document(declared)["receipts"] if r["code"] != "0"]
    assert shown == list(codes), "shown in the order issued"
    assert desk.site.wait(declared.file)["state"] == "accepted"


def test_after_the_verdict_the_document_moves_on(desk: Desk) -> None:
    declared = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("30", numbers={"licence": "26AA400001"})))
    assert desk.site.wait(declared.file)["state"] == "accepted"
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("40")))

    desk.becomes(declared, ISSUED)
    status = desk.site.status(declared.file)
    assert status is not None and status["state"] == "accepted"


def test_a_receipt_of_an_older_round_never_moves_the_document(desk: Desk) -> None:
    first = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**first.said("21")))
    desk.becomes(first, RETURNED)
    again = desk.declare(document=first.key)
    wait_until(lambda: desk.document(first)["round"] == 2, "the second round")
    desk.mofcom.issue(
        desk.mofcom.receipt(**first.said("40", numbers={"licence": "26AA500001"})), desk.mofcom.receipt(**again.said("10"))
    )

    desk.becomes(first, STORED)
    assert desk.document(first)["numbers"]["licence"] == "26AA500001", "its numbers are kept"
    desk.mofcom.issue(desk.mofcom.receipt(**again.said("30")))
    desk.becomes(first, SECOND)
    assert desk.site.wait(again.file)["state"] == "accepted"
    assert desk.site.wait(first.file)["state"] == "rejected"


def test_a_receipt_without_a_message_is_matched_by_number(desk: Desk) -> None:
    declared = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("20", message="")))
    desk.becomes(declared, FIRST)
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("30", message="")))

    assert desk.site.wait(declared.file)["state"] == "accepted"


def unmatched(desk: Desk, number: str) -> list[dict[str, Any]]:
    """What the list shows with that number."""
    shown = desk.site.command("quarantine", "list", "--json", check=True).stdout
    ids = [r["message_id"] for r in json.loads(shown) if r["state"] == "unmatched"]
    pages = [json.loads(desk.site.command("quarantine", "show", i, "--json", check=True).stdout) for i in ids]
    return [p for p in pages if number in p["content"]]


def test_an_unmatched_receipt_is_kept_and_matched_when_its_number_is_learned(desk: Desk) -> None:
    declared = desk.declare()
    number = "262100MA0EXAMPL000042"
    early = desk.mofcom.receipt(**declared.said("30", message="", number=number))
    desk.mofcom.issue(early)
    (kept,) = wait_until(lambda: unmatched(desk, number), "an unmatched receipt")
    assert kept["state"] == "unmatched"
    assert desk.text(declared) == "上报中"
    desk.mofcom.issue(desk.mofcom.receipt(**declared.said("10", numbers={"mofcom": number})))

    desk.becomes(declared, SECOND)
    assert desk.site.wait(declared.file)["state"] == "accepted"
    assert not unmatched(desk, number)


def test_an_unmatched_receipt_can_be_tried_again_and_dropped(desk: Desk) -> None:
    number = "262100MA0EXAMPL000099"
    stray = desk.mofcom.receipt(code="10", type=b.APPLICATION, number=number, message="no-such-message-1")
    desk.mofcom.issue(stray)
    (kept,) = wait_until(lambda: unmatched(desk, number), "an unmatched receipt")
    desk.site.command("retry", kept["message_id"], check=True)
    wait_until(lambda: unmatched(desk, number), "it to be unmatched again")
    done = desk.site.command("quarantine", "drop", kept["message_id"], "--why", "not ours", "--json", check=True)

    assert kept["message_id"] in json.loads(done.stdout)["done"]
    assert not unmatched(desk, number)
    timeline = desk.site.command("timeline", kept["message_id"], check=True).stdout
    assert "not ours" in timeline


def test_a_forged_receipt_is_not_believed_by_order_but_can_be_dropped(desk: Desk) -> None:
    declared = desk.declare()
    (kept,) = desk.quarantined(desk.mofcom.stranger.seal(desk.mofcom.unsigned(**declared.said("40"))))
    id_ = kept["message_id"]
    desk.site.command("quarantine", "apply", id_, "--why", "test", check=True)
    wait_until(lambda: any(r["message_id"] == id_ and r["state"] == "quarantined" for r in desk.kept()), "it to be aside again")
    assert desk.text(declared) == "上报中"
    desk.site.command("quarantine", "drop", id_, "--why", "forged", check=True)

    assert all(r["message_id"] != id_ for r in desk.kept())
    assert desk.site.command("quarantine", "apply", id_, "--why", "again").returncode == 1


def test_a_receipt_proves_that_its_message_was_sent(desk: Desk) -> None:
    """MOFCOM has the message but never manages to answer the post or the question."""
    reference = b.fresh("proof")
    desk.mofcom.says[reference] = ["503"] * 200
    name = desk.site.drop(b.xml(b.application("declare", reference=reference)))
    wait_until(lambda: desk.mofcom.posts(reference), "the message to go out")
    status = desk.site.wait(name, "sealed")
    said = {"type": b.APPLICATION, "number": status["numbers"]["application"], "message": desk.mofcom.wire_id(reference)}
    desk.mofcom.issue(desk.mofcom.receipt(code="10", **said))
    desk.site.wait(name, "sent")
    wait_until(lambda: desk.site.places(name) == ["SentBox"], "the original in SentBox")
    count = len(desk.mofcom.posts(reference))
    time.sleep(1.5)

    assert len(desk.mofcom.posts(reference)) <= count + 1, "nothing is sent any more"


def test_a_trusted_certificate_added_later_lets_a_kept_receipt_be_applied(desk: Desk, tmp_path: Path) -> None:
    """The authority changed its key: what it signed meanwhile waits in quarantine until its certificate is trusted."""
    site, mofcom, customs = site_with_endpoints(tmp_path)
    site.run()
    own = Desk(site, mofcom)
    try:
        declared = own.declare()
        new = stranger_like(mofcom.sealer)
        (kept,) = own.quarantined(new.seal(mofcom.unsigned(**declared.said("30"))))
        site.stop("run")
        trust = site.home / "trust" / "mofcom.pem"
        trust.write_bytes(trust.read_bytes() + new.certificate.public_bytes(Encoding.PEM))
        site.run()
        site.command("quarantine", "apply", kept["message_id"], "--why", "new key", check=True)

        own.becomes(declared, SECOND)
        assert own.kept() == []
    finally:
        site.stop("run", kill=True)
        mofcom.down()
        customs.down()
