"""Delivery: at least once on the wire, once in effect; waits that grow, a deadline, order for each document alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import Endpoint, add_settings, running_with_endpoints, site_with_endpoints
from patience import here
from sites import FINAL, Site, wait_until

from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("GW-05")
Place = tuple[Site, Endpoint]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A running gateway and its MOFCOM; each test leaves both up and open."""
    with running_with_endpoints(tmp_path_factory.mktemp("delivery")) as (site, mofcom, _):
        yield site, mofcom


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """The same, of the test's own and not running yet."""
    site, mofcom, customs = site_with_endpoints(tmp_path)
    yield site, mofcom
    for name in list(site.processes):
        site.stop(name, kill=True)
    mofcom.down()
    customs.down()


def declare(place: Place, *says: str, reference: str | None = None, **more: Any) -> tuple[str, str]:
    """Drop a declare whose tries MOFCOM answers like this; file name and reference."""
    site, mofcom = place
    reference = reference or b.fresh("d")
    mofcom.says[reference] = list(says)
    return site.drop(b.xml(b.application("declare", reference=reference, **more))), reference


def verdict(place: Place, reference: str, code: str, **more: Any) -> None:
    """MOFCOM issues a receipt of a message."""
    _, mofcom = place
    mofcom.issue(mofcom.receipt(code=code, type=b.APPLICATION, message=mofcom.wire_id(reference), **more))


def refused_before_sending(site: Site, name: str, code: str) -> dict[str, Any]:
    status = site.wait(name)
    assert status["state"] == "refused", status
    assert code in b.codes(status)
    return status


def lanes(site: Site) -> list[str]:
    found: list[dict[str, Any]] = json.loads(site.command("status", "--json").stdout)["lanes"]
    return [lane["name"] for lane in found]


def test_while_the_authority_is_away_all_waits_and_then_all_goes_once_in_order(place: Place) -> None:
    site, mofcom = place
    mofcom.down()
    sent = [declare(place) for _ in range(5)]
    for name, _ in sent:
        status = site.wait(name, "sealed")
    wait_until(lambda: site.status(sent[0][0])["waiting_for"] == "route", "the status to say what is waited for")  # type: ignore[index]
    told = site.command("status")
    assert told.returncode >= 1
    assert "route:mofcom" in told.stdout
    assert not any(mofcom.posts(reference) for _, reference in sent)
    mofcom.up()
    for name, _ in sent:
        status = site.wait(name, "sent")
        assert site.places(name) == ["SentBox"] or wait_until(lambda n=name: site.places(n) == ["SentBox"], "the original")
        assert status["final"] is False

    firsts = [mofcom.posts(reference) for _, reference in sent]
    assert [len(posts) for posts in firsts] == [1] * 5
    assert lanes(site) == []


def test_a_busy_authority_is_left_alone_for_as_long_as_it_asks(place: Place) -> None:
    site, mofcom = place
    name, reference = declare(place, "busy", "busy")
    site.wait(name, "sent")

    posts = mofcom.posts(reference)
    assert len(posts) == 3
    assert all(later.at - earlier.at >= 0.95 for earlier, later in pairwise(posts))
    assert mofcom.about(reference) == ["post"] * 3, "what was surely not taken is not asked for"


def test_an_answer_lost_after_storing_is_asked_for_and_nothing_is_sent_twice(place: Place) -> None:
    site, mofcom = place
    name, reference = declare(place, "drop")
    site.wait(name, "sent")

    assert mofcom.about(reference) == ["post", "ask"]
    assert len([c for c in mofcom.kept if c == mofcom.wire_id(reference)]) == 1


@pytest.mark.parametrize("say", ["lose", "503", "garbage", "forged", "corrupt"])
def test_after_any_doubt_the_authority_is_asked_before_the_same_bytes_go_out_again(place: Place, say: str) -> None:
    site, mofcom = place
    name, reference = declare(place, say)
    status = site.wait(name, "sent")

    posts = mofcom.posts(reference)
    calls = mofcom.about(reference)
    assert calls[:2] == ["post", "ask"], calls
    assert len({(c.message_id, c.body) for c in posts}) == 1, "a resend is the same bytes under the same id"
    assert posts[0].message_id == f"{status['message_id']}-1"
    assert len(posts) == (1 if say in ("forged", "corrupt") else 2)


def test_an_answer_that_is_no_receipt_is_no_refusal(place: Place) -> None:
    """A proxy's own 400 page says nothing about the message."""
    site, mofcom = place
    name, reference = declare(place, "400", "400")
    site.wait(name, "sent")

    assert mofcom.about(reference) == ["post"] * 3


def test_the_waits_grow_and_each_try_is_counted(place: Place) -> None:
    site, mofcom = place
    name, reference = declare(place, *["400"] * 4)
    seen = wait_until(lambda: (s := site.status(name)) and s["attempts"] >= 2 and s, "some attempts")
    assert seen["state"] == "sealed" and seen["next_attempt_at"]
    site.wait(name, "sent")

    times = [c.at for c in mofcom.posts(reference)]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(waits) == 4
    assert waits[-1] > 1.5 * waits[0]
    assert max(waits) < here(6)


@pytest.mark.long
def test_a_slow_answer_keeps_nobody_waiting(place: Place) -> None:
    site, mofcom = place
    slow, reference = declare(place, "later")
    wait_until(lambda: mofcom.posts(reference), "the slow one on its way")
    quick, _ = declare(place)
    site.wait(quick, "sent")
    assert (site.status(slow) or {})["state"] == "sealed"
    mofcom.let_go.set()

    site.wait(slow, "sent")


def test_a_refusal_by_the_authority_frees_draft_and_reference(place: Place) -> None:
    site, mofcom = place
    name, reference = declare(place, "refuse")
    status = site.wait(name)
    assert status["state"] == "rejected"
    assert wait_until(lambda: site.places(name) == ["SentBox"], "the original")
    site.wait_business(b.APPLICATION, status["document"], "暂存")
    again, _ = declare(place, reference=reference, document=status["document"], Remark="已更正")
    second = site.wait(again, "sent")

    assert second["replaces"] == status["message_id"]
    assert second["numbers"] == status["numbers"]
    assert len(mofcom.posts(reference)) == 2


def test_a_document_waits_for_its_own_earlier_message_and_for_no_other(place: Place) -> None:
    site, mofcom = place
    first, reference = declare(place, *["busy"] * 3)
    key = site.wait(first, "sealed")["document"]
    second = site.drop(b.xml(b.application("save", document=key)))
    other, _ = declare(place)
    site.wait(other, "sent")

    assert site.status(first)["state"] == "sealed"  # type: ignore[index]
    waiting = site.status(second)
    assert waiting is None or (waiting["state"], waiting["waiting_for"]) in (("received", "earlier message"), ("received", None))
    site.wait(first, "sent")
    assert "上报中" in b.faults(refused_before_sending(site, second, "GW-F05"))["GW-F05 @operation"]
    assert [c.reference for c in mofcom.posts(reference)] == [reference] * 4


def test_withdrawals_queries_and_receipts_wait_for_nothing(place: Place) -> None:
    """One message of the document is stuck on its way; all the same, what comes in for it is worked on at once."""
    site, mofcom = place
    first, reference = declare(place, *["busy"] * 30)
    status = site.wait(first, "sealed")
    wait_until(lambda: mofcom.posts(reference), "the message on its way")
    key, number = status["document"], status["numbers"]["application"]
    withdraw = site.drop(b.xml(b.message(b.APPLICATION, "withdraw", document=key)))
    assert "上报中" in b.faults(refused_before_sending(site, withdraw, "GW-F05"))["GW-F05 @operation"]
    (row,) = b.rows(site, b.query(b.APPLICATION, "list", filters={"application": number}))
    assert row["status"] == "上报中"
    verdict(place, reference, "10", number=number)
    site.wait_business(b.APPLICATION, key, "入库成功待初审")
    withdraw = site.drop(b.xml(b.message(b.APPLICATION, "withdraw", document=key)))

    site.wait(withdraw, "sent")


def test_of_two_declares_of_one_draft_at_once_one_wins(place: Place) -> None:
    site, mofcom = place
    key = b.done(site, b.application("save"))["document"]
    roots = [b.application("declare", document=key, Remark=f"{n}") for n in range(4)]
    names = [site.drop(b.xml(root)) for root in roots]
    found = [site.wait(name, "sent", *FINAL) for name in names]

    states = sorted(s["state"] for s in found)
    assert states == ["refused"] * 3 + ["sent"]
    for status in found:
        if status["state"] == "refused":
            assert "上报中" in b.faults(status)["GW-F05 @operation"]
    assert sum(len(mofcom.posts(str(root.get("reference")))) for root in roots) == 1


def past_deadline(site: Site, name: str) -> str:
    """Stop the gateway and let the message's deadline be a minute ago; its id."""
    status = site.status(name)
    assert status is not None and status["deadline_at"]
    site.stop("run")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        base.execute("UPDATE message SET deadline_at = ? WHERE id = ?", (clock.now_ms() - 60_000, status["message_id"]))
    return str(status["message_id"])


def test_past_its_deadline_a_message_is_held_with_the_commands_to_type(own: Place) -> None:
    site, mofcom = own
    mofcom.down()
    site.run()
    kept, dropped = declare(own), declare(own)
    ids = []
    for name, _ in (kept, dropped):
        site.wait(name, "sealed")
    wait_until(lambda: "route:mofcom" in lanes(site), "the route to be found shut")
    time.sleep(0.3)
    with sqlite3.connect(site.home / "tongguan.db") as base:
        base.execute("UPDATE message SET deadline_at = ?", (clock.now_ms() - 60_000,))
    for name, _ in (kept, dropped):
        status = site.wait(name, "held")
        ids.append(status["message_id"])
        assert status["waiting_for"] == "person"
        assert status["hold"]["reason"] == "期限前没有送达"
        for word in ("retry", "give-up"):
            assert f"tongguan {word} {status['message_id']}" in status["hold"]["do"]
    assert site.places(kept[0]) == []
    mofcom.up()
    time.sleep(1)
    assert not mofcom.posts(kept[1]), "held is held, whatever comes up again"
    _, command, id_, *_ = site.status(kept[0])["hold"]["do"].partition(";")[0].split()  # type: ignore[index]
    site.command(command, id_, "--why", "back again", check=True)
    assert site.wait(kept[0], "sent")["deadline_at"]
    site.command("give-up", ids[1], "--why", "done by hand", check=True)

    status = site.wait(dropped[0])
    assert status["state"] == "given_up"
    wait_until(lambda: site.places(dropped[0]) == ["FailBox"], "the original")
    site.wait_business(b.APPLICATION, status["document"], "暂存")
    assert not mofcom.posts(dropped[1])


def test_a_retried_message_has_a_deadline_again(own: Place) -> None:
    site, mofcom = own
    mofcom.down()
    site.run()
    name, _ = declare(own)
    site.wait(name, "sealed")
    past_deadline(site, name)
    site.run()
    id_ = site.wait(name, "held")["message_id"]
    site.command("retry", id_, "--why", "test", check=True)

    status = site.wait(name, "sealed")
    assert status["deadline_at"] and status["deadline_at"] > status["updated_at"]


def test_no_verdict_in_time_is_told_and_never_final(own: Place) -> None:
    site, _ = own
    site.run()
    name, reference = declare(own)
    site.wait(name, "sent")
    id_ = past_deadline(site, name)
    site.run()
    alert = wait_until(lambda: [a for a in alerts(site) if a["code"] == "deadline"], "the alert")[0]

    assert alert["do"].startswith(f"tongguan show {id_} --home ")
    assert site.status(name)["state"] == "sent"  # type: ignore[index]
    verdict(own, reference, "30")
    assert site.wait(name)["state"] == "accepted"


def alerts(site: Site) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (site.home / "alerts.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []


def test_a_gateway_that_died_while_sending_asks_before_it_sends_again(own: Place) -> None:
    site, mofcom = own
    site.run()
    name, reference = declare(own, "slow")
    wait_until(lambda: mofcom.posts(reference), "the message on its way")
    site.stop("run", kill=True)
    (site.home / "daemon.sock").unlink()
    wait_until(lambda: mofcom.wire_id(reference) in mofcom.kept, "the authority to have it")
    site.run()
    site.wait(name, "sent")

    assert mofcom.about(reference) == ["post", "ask"]


def test_the_doubt_outlives_an_authority_that_is_away(own: Place) -> None:
    """The gateway died while it sent, and cannot even ask when it is back."""
    site, mofcom = own
    site.run()
    name, reference = declare(own, "slow")
    wait_until(lambda: mofcom.posts(reference), "the message on its way")
    site.stop("run", kill=True)
    (site.home / "daemon.sock").unlink()
    wait_until(lambda: mofcom.wire_id(reference) in mofcom.kept, "the authority to have it")
    mofcom.down()
    site.run()
    wait_until(lambda: (s := site.status(name)) and s["waiting_for"] == "route", "the route to be found shut")
    time.sleep(0.5)
    mofcom.up()
    site.wait(name, "sent")

    assert mofcom.about(reference) == ["post", "ask"]


SECOND = """
[[account]]
name = "second"
title = "第二示例有限公司"
uscc = "91210200MA0SECOND8"
customs_code = "2102960002"
mofcom_code = "2100MA0SECOND"
mailbox = "mailboxes/second"

[[account.card]]
name = "second-mofcom"
authority = "mofcom"
kind = "software"
key = "cards/second.key"
certificate = "cards/second.pem"
bound = "8900000000990"
"""


def second_account(site: Site, *, delay: str = "") -> Site:
    """The home gets another account with a card of its own; each of its signatures takes `delay`."""
    validity = Validity(clock.now() - timedelta(days=1))
    holder = Holder("第二示例有限公司", "8900000000990", ("91210200MA0SECOND8", "2100MA0SECOND", "2102960002"))
    card = make_software_card(make_authority("发卡机构", validity), holder, validity=validity)
    (site.home / "cards" / "second.key").write_bytes(card.key)
    (site.home / "cards" / "second.pem").write_bytes(card.certificates)
    add_settings(site.home, SECOND + (f'delay = "{delay}"\n' if delay else ""))
    return Site(site.home, site.processes, account="second")


@pytest.mark.long
def test_a_slow_card_leaves_another_accounts_pace_alone(own: Place) -> None:
    site, mofcom = own
    second = second_account(site, delay=f"{here(0.5):.1f}s")
    site.run()
    slow = [declare((second, mofcom))[0] for _ in range(10)]
    wait_until(lambda: second.status(slow[0]), "the slow ones to be taken")
    quick = [declare(own)[0] for _ in range(10)]
    for name in quick:
        site.wait(name, "sent")

    assert any(second.status(name)["state"] == "checked" for name in slow), "the slow card is still at it"  # type: ignore[index]
    for name in slow:
        second.wait(name, "sent")


def test_an_absent_card_leaves_another_account_alone_and_all_goes_when_it_is_back(own: Place) -> None:
    site, mofcom = own
    second = second_account(site, delay="1ms")
    key = site.home / "cards" / "second.key"
    site.run()
    second.wait(declare((second, mofcom))[0], "sent")
    shutil.move(key, key.with_suffix(".away"))
    stuck = [declare((second, mofcom))[0] for _ in range(3)]
    wait_until(lambda: (s := second.status(stuck[0])) and s["waiting_for"] == "card", "the status to say so")
    site.wait(declare(own)[0], "sent")
    alert = wait_until(lambda: [a for a in alerts(site) if a["about"] == "card:second-mofcom"], "the alert")[0]
    assert alert["do"].startswith("tongguan ")
    assert "card:second-mofcom" in site.command("status").stdout
    shutil.move(key.with_suffix(".away"), key)

    for name in stuck:
        second.wait(name, "sent")
    wait_until(lambda: any(a.get("over") and a["about"] == "card:second-mofcom" for a in alerts(site)), "the all-clear")
