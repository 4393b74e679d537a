"""What operators are told, and that their word holds: alerts with the command to type, pauses, orders while things are broken."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import Place
from patience import here
from sites import Site, wait_until

from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("GW-08")


def alerts(site: Site, code: str, about: str = "") -> list[dict[str, Any]]:
    try:
        lines = (site.home / "alerts.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    found = [json.loads(line) for line in lines]
    return [a for a in found if a["code"] == code and (not about or a["about"] == about)]


def heartbeat(site: Site) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((site.mailbox / "Status" / "heartbeat.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def overview(site: Site) -> tuple[int, dict[str, Any]]:
    said = site.command("status", "--json")
    found: dict[str, Any] = json.loads(said.stdout)
    return said.returncode, found


def drop(site: Site, reference: str | None = None) -> str:
    return site.drop(b.xml(b.application("declare", reference=reference)))


def test_an_authority_that_is_away_is_told_with_the_command_to_type_and_then_the_all_clear(place: Place) -> None:
    site, mofcom, _ = place
    mofcom.down()
    site.run()
    name = drop(site)
    alert = wait_until(lambda: alerts(site, "lane", "route:mofcom"), "the alert")[0]
    assert alert["do"].startswith("tongguan ")
    assert "refused" in alert["text"] or "connect" in alert["text"].lower()
    code, said = overview(site)
    assert code >= 1
    assert any("route:mofcom" in problem["text"] and problem["do"] for problem in said["problems"])
    page = wait_until(lambda: (p := heartbeat(site)) and not p["routes"]["mofcom"]["open"] and p, "the heartbeat to say so")
    assert page["ok"] is False
    assert page["routes"]["customs"]["open"] is True
    mofcom.up()

    site.wait(name, "sent")
    wait_until(lambda: any(a.get("over") for a in alerts(site, "lane", "route:mofcom")), "the all-clear")
    wait_until(lambda: overview(site)[0] == 0, "all well")


def test_receipts_that_cannot_be_fetched_are_told(place: Place) -> None:
    site, _, customs = place
    customs.down()
    site.run()

    alert = wait_until(lambda: alerts(site, "receipts", "customs"), "the alert")[0]
    assert alert["do"]
    customs.up()
    wait_until(lambda: any(a.get("over") for a in alerts(site, "receipts", "customs")), "the all-clear", 60)


def test_a_certificate_near_its_end_is_told(place: Place) -> None:
    site, _, _ = place
    validity = Validity(clock.now() - timedelta(days=100), days=110)
    codes = ("91210200MA0EXAMPLC", "2100MA0EXAMPL", "2102960001")
    card = make_software_card(make_authority("发卡机构", validity), Holder("示例", "8900000000017", codes), validity=validity)
    (site.home / "cards" / "demo-mofcom.pem").write_bytes(card.certificates)
    (site.home / "cards" / "demo-mofcom.key").write_bytes(card.key)
    site.run()

    alert = wait_until(lambda: alerts(site, "certificate", "demo-mofcom"), "the alert")[0]
    assert "tongguan card" in alert["do"]
    assert not alerts(site, "certificate", "demo-customs")


def test_a_wrong_pin_is_tried_once_told_and_waits_for_a_person_across_restarts(place: Place, tmp_path: Path) -> None:
    site, _, _ = place
    secret = site.home / "secrets" / "mofcom.pin"
    right = secret.read_text()
    secret.write_text("00000000\n")
    site.run()
    name = drop(site)
    alert = wait_until(lambda: alerts(site, "lane", "card:demo-mofcom"), "the alert")[0]
    assert alert["do"] == f"tongguan card pin demo-mofcom --home {site.home}"
    wait_until(lambda: (s := site.status(name)) and s["waiting_for"] == "pin", "the status to say so")
    assert overview(site)[0] == 2
    secret.write_text(right)
    site.stop("run")
    site.run()
    time.sleep(1)
    status = site.status(name)
    assert status is not None and status["state"] == "checked", "the right PIN in the file is no person's word"
    given = tmp_path / "pin"
    given.write_text(right)
    site.command("card", "pin", "demo-mofcom", "--pin-file", str(given), check=True)

    site.wait(name, "sent")


def test_work_that_lies_too_long_is_told(place: Place) -> None:
    site, _, _ = place
    site.run()
    site.command("pause", "route", "mofcom", "--why", "test", check=True)
    name = drop(site)
    site.wait(name, "sealed")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        base.execute("UPDATE message SET received_at = received_at - 7200000 WHERE state = 'sealed'")

    alert = wait_until(lambda: alerts(site, "backlog"), "the alert")[0]
    assert alert["do"] == f"tongguan status --home {site.home}"
    code, said = overview(site)
    assert code >= 1
    assert any(p["code"] == "backlog" for p in said["problems"])
    site.command("resume", "route", "mofcom", "--why", "test", check=True)
    site.wait(name, "sent")


def test_a_held_message_is_told(place: Place) -> None:
    site, _, _ = place
    site.run()
    site.command("pause", "route", "mofcom", "--why", "test", check=True)
    name = drop(site)
    status = site.wait(name, "sealed")
    id_ = status["message_id"]
    assert status["waiting_for"] == "person"
    site.command("hold", id_, "--why", "ask the customer", check=True)
    status = site.wait(name, "held")
    assert status["hold"]["do"] == f"tongguan release {id_} --home {site.home}"
    assert wait_until(lambda: alerts(site, "held"), "the alert")[0]["do"] == f"tongguan list --state held --home {site.home}"
    site.command("resume", "route", "mofcom", "--why", "test", check=True)
    time.sleep(1)
    assert site.wait(name, "held")["state"] == "held"
    site.command("release", "--state", "held", "--why", "he agreed", check=True)

    site.wait(name, "sent")
    said = site.command("timeline", id_, check=True).stdout
    assert "ask the customer" in said and "he agreed" in said


@pytest.mark.long
def test_a_pause_holds_while_the_authority_is_being_probed(place: Place) -> None:
    """The endpoint hangs; an order meanwhile is carried out at once, and the probe's good end does not undo it."""
    site, mofcom, _ = place
    mofcom.down()
    site.run()
    name = drop(site)
    wait_until(lambda: alerts(site, "lane", "route:mofcom"), "the lane to be shut")
    mofcom.hangs = here(4)
    mofcom.up()
    time.sleep(1)
    began = time.monotonic()
    site.command("pause", "route", "mofcom", "--why", "repairs until noon", check=True)
    assert time.monotonic() - began < here(3), "an operator does not wait for a probe"
    mofcom.hangs, before = 0, mofcom.healthy
    wait_until(lambda: mofcom.healthy > before, "the probe's good end")
    time.sleep(1)

    status = site.status(name)
    assert status is not None and status["state"] == "sealed"
    assert "repairs until noon" in site.command("status").stdout
    site.command("resume", "route", "mofcom", "--why", "done", check=True)
    site.wait(name, "sent")


def test_an_operation_that_asks_customs_waits_while_customs_is_away(place: Place) -> None:
    site, _, customs = place
    customs.down()
    site.run()
    name = site.drop(b.xml(b.inspection("save")))
    status = wait_until(lambda: (s := site.status(name)) and s["waiting_for"] == "route" and s, "the status to say so")
    assert status["state"] == "checked"
    declared = drop(site)
    site.wait(declared, "sent")
    customs.up()

    status = site.wait(name)
    assert status["state"] == "rejected", "this customs knows no declaration at all"
    assert wait_until(lambda: site.places(name) == ["SentBox"], "the original")


def test_a_sent_message_without_a_verdict_is_asked_for_and_told_and_stays_sent(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    declare = b.message(b.APPLICATION, "declare", like="ok-declare.xml", reference=b.fresh("late") + "!stay=10")
    name = own_site.drop(b.xml(declare))
    status = own_site.wait(name, "sent")
    own_site.stop()
    with sqlite3.connect(own_site.home / "tongguan.db") as base:
        base.execute("UPDATE message SET deadline_at = ? WHERE id = ?", (clock.now_ms() - 60_000, status["message_id"]))
    own_site.run()
    (alert,) = wait_until(lambda: alerts(own_site, "deadline", status["message_id"]), "the alert")

    assert "到期仍无结论；主管部门已收到" in alert["text"]
    assert alert["do"] == f"tongguan show {status['message_id']} --home {own_site.home}"
    wait_until(lambda: own_site.wait(name, "sent")["deadline_at"] > status["updated_at"], "the next deadline to be told")


def test_metrics_are_prometheus_text_that_counts_what_lists_show(site: Site) -> None:
    name = site.drop(b.xml(b.message(b.APPLICATION, "save", like="ok-save.xml", reference=b.fresh("metrics"))))
    site.wait(name, "accepted")
    lines = site.command("status", "--metrics").stdout.splitlines()
    samples = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    assert samples["tongguan_up"] == 1
    assert samples['tongguan_messages{account="demo",kind="submission",state="accepted"}'] >= 1
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == {
        f"tongguan_{name}" for name in ("up", "messages", "oldest_seconds", "lane_shut", "trouble")
    }


@pytest.mark.requirement("GW-05")
def test_nothing_is_promised_while_another_file_lies_in_the_journals_place(own_site: Site) -> None:
    """What is written to a file that was taken away is lost with it: no file is carried off, none goes out, until it is back."""
    own_site.simulate("--fast")
    own_site.run()
    own_site.wait(drop(own_site), "accepted")
    journal, aside = own_site.home / "tongguan.db", own_site.home / "aside.db"
    shutil.copy(journal, own_site.home / "older.db")
    journal.rename(aside)
    (own_site.home / "older.db").rename(journal)
    late = drop(own_site)
    alert = wait_until(lambda: alerts(own_site, "station"), "the alert")[0]
    assert "移走或换成了另一个" in alert["text"]
    wait_until(lambda: not heartbeat(own_site)["ok"], "the heartbeat to say so")
    assert own_site.status(late) is None
    journal.unlink()
    aside.rename(journal)

    own_site.wait(late, "accepted")
    assert json.loads(own_site.command("audit", "verify", "--json").stdout)["ok"]
