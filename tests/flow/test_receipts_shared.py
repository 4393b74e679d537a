"""Two accounts of one enterprise, one for each ERP: the authority knows one code, and each receipt is of one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from endpoint import Place
from receipt_desk import FIRST, SECOND, STORED, Declared, Desk, alerts
from sites import Site, second_account, wait_until

pytestmark = pytest.mark.requirement("GW-06")


@pytest.fixture
def both(place: Place) -> Iterator[tuple[Desk, Desk]]:
    site, mofcom, _ = place
    other = second_account(site)
    site.run()
    yield Desk(site, mofcom), Desk(other, mofcom)


def leaves(desk: Desk) -> None:
    """Its account is taken out of the settings, and the gateway told so."""
    settings = desk.site.home / "tongguan.toml"
    whole = settings.read_text()
    accounts = whole[whole.index("[[account]]\n") : whole.index("[route.mofcom]")]
    others = [a for a in accounts.split("[[account]]\n")[1:] if f'name = "{desk.site.account}"\n' not in a]
    settings.write_text(whole.replace(accounts, "".join(f"[[account]]\n{a}" for a in others)))
    desk.site.command("reload", check=True)


def told(desk: Desk, declared: Declared) -> int:
    return len(desk.site.inbox(f"Receipt_{declared.number}"))


def nobody_else_heard(both: tuple[Desk, Desk], receipts: int) -> None:
    """Each has its own answers and no other; nothing is kept aside, nothing is told."""
    for desk in both:
        wait_until(lambda d=desk: len(d.site.inbox("Receipt_")) >= receipts, "the receipts")
        assert len(desk.site.inbox("Receipt_")) == receipts
    assert both[0].kept() == []
    assert alerts(both[0].site, "quarantined") == []


@pytest.mark.parametrize("names", ["the message", "the number"])
def test_a_receipt_is_given_to_the_account_of_which_it_speaks_and_the_other_hears_nothing(
    both: tuple[Desk, Desk], names: str
) -> None:
    declared = [desk.declare() for desk in both]
    for desk, each in zip(both, declared, strict=True):
        for code in ("10", "20"):
            more = {} if names == "the message" else {"message": ""}
            desk.mofcom.issue(desk.mofcom.receipt(**each.said(code, **more)))
    for desk, each in zip(both, declared, strict=True):
        desk.becomes(each, FIRST)

    nobody_else_heard(both, 2)


def test_one_that_fits_neither_waits_once_and_goes_to_the_account_that_its_number_comes_to(both: tuple[Desk, Desk]) -> None:
    _, second = both
    declared = second.declare()
    second.mofcom.issue(second.mofcom.receipt(**declared.said("40", number="26AA000777", message="")))
    (waiting,) = wait_until(second.kept, "the receipt that fits nothing")
    second.mofcom.issue(second.mofcom.receipt(**declared.said("30", numbers={"licence": "26AA000777"})))
    second.becomes(declared, "已打印或生成电子许可证")

    assert waiting["state"] == "unmatched"
    assert second.kept() == []
    wait_until(lambda: told(second, declared) == 2, "both receipts")


def test_what_comes_while_one_is_paused_and_over_a_crash_is_given_to_each_all_the_same(both: tuple[Desk, Desk]) -> None:
    first, _ = both
    declared = [(desk, desk.declare()) for _ in range(5) for desk in both]
    first.site.command("pause", "account", "demo", "--why", "盘点", check=True)
    for code in ("10", "20", "30"):
        first.mofcom.issue(*(desk.mofcom.receipt(**each.said(code)) for desk, each in declared))
        first.site.stop("run", kill=True)
        first.site.run()
    for desk, each in declared:
        desk.becomes(each, SECOND)

    nobody_else_heard(both, 15)


def test_on_a_real_authority_each_account_has_its_own_licence(own_site: Site) -> None:
    accounts = own_site, second_account(own_site)
    own_site.simulate("--fast")
    own_site.run()
    dropped = []
    for site in accounts:
        reference = b.fresh("shared")
        dropped.append((site, site.drop(b.xml(b.application("declare", reference=reference)))))
    for site, name in dropped:
        assert site.wait(name)["state"] == "accepted"

    desk = Desk(own_site, None)  # type: ignore[arg-type]
    assert desk.kept() == []
    assert alerts(own_site, "quarantined") == []
    numbers = [{p.name.split("_")[1] for p in site.inbox("Receipt_")} for site in accounts]
    assert len(numbers[0]) == len(numbers[1]) == 1
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize("names", ["the message", "the number"])
@pytest.mark.parametrize("gone", [0, 1], ids=["the first leaves", "the second leaves"])
def test_what_comes_while_its_account_has_left_the_settings_waits_and_is_given_to_it_when_it_is_back(
    both: tuple[Desk, Desk], names: str, gone: int
) -> None:
    away, other = both[gone], both[1 - gone]
    declared, others = away.declare(), other.declare()
    more = {} if names == "the message" else {"message": ""}
    settings = away.site.home / "tongguan.toml"
    whole = settings.read_text()
    leaves(away)
    away.mofcom.issue(away.mofcom.receipt(**declared.said("10", **more)), away.mofcom.receipt(**others.said("10", **more)))
    other.becomes(others, STORED)
    held = wait_until(lambda: waiting_for_a_person(away.site), "the receipt that waits for its account")

    shown = away.site.command("show", held[0]["message_id"], "--lang", "en").stdout
    status = away.site.command("status", "--lang", "en").stdout

    assert [(each["account"], each["why"]) for each in held] == [
        (other.site.account, f"account {away.site.account} is not in the settings")
    ]
    assert f"put account {away.site.account} back" in shown
    assert "held: 1 message held for a person\n    tongguan quarantine list" in status

    settings.write_text(whole)
    away.site.command("reload", check=True)
    away.becomes(declared, STORED)

    assert away.kept() == []
    nobody_else_heard(both, 1)


@pytest.mark.parametrize("gone", [0, 1], ids=["the first leaves", "the second leaves"])
def test_what_was_held_is_given_to_its_account_although_the_one_that_fetched_it_has_left_the_settings(
    both: tuple[Desk, Desk], gone: int
) -> None:
    away, other = both[gone], both[1 - gone]
    declared = away.declare()
    settings = away.site.home / "tongguan.toml"
    whole = settings.read_text()
    leaves(away)
    away.mofcom.issue(away.mofcom.receipt(**declared.said("10")))
    wait_until(lambda: waiting_for_a_person(away.site), "the receipt that waits for its account")
    settings.write_text(whole)
    leaves(other)

    away.becomes(declared, STORED)
    assert away.kept() == []


@pytest.mark.requirement("GW-05")
def test_nothing_is_sent_of_an_account_that_has_left_the_settings_and_it_can_be_stopped_when_it_is_back(
    both: tuple[Desk, Desk],
) -> None:
    away, _ = both
    away.site.command("pause", "route", "mofcom", "--why", "维护", check=True)
    name = away.site.drop(b.xml(b.application("declare", reference=(reference := b.fresh("unsent")))))
    id_ = away.site.wait(name, "sealed")["message_id"]
    settings = away.site.home / "tongguan.toml"
    whole = settings.read_text()
    leaves(away)
    away.site.command("resume", "route", "mofcom", "--why", "维护", check=True)
    wait_until(lambda: "is not in the settings" in away.site.command("show", id_, "--lang", "en").stdout, "it to be held")
    away.site.command("pause", "route", "mofcom", "--why", "维护", check=True)
    settings.write_text(whole)
    away.site.command("reload", check=True)
    away.site.wait(name, "sealed")
    away.site.command("stop", id_, "--why", "不报了", check=True)

    assert away.site.wait(name)["state"] == "stopped"
    assert away.mofcom.posts(reference) == []


def test_a_held_receipt_is_tried_again_or_given_up_by_the_orders_that_are_printed(both: tuple[Desk, Desk]) -> None:
    first, second = both
    declared = [second.declare() for _ in range(2)]
    leaves(second)
    first.mofcom.issue(*(first.mofcom.receipt(**each.said("10")) for each in declared))
    held = wait_until(lambda: len(found := waiting_for_a_person(first.site)) == 2 and found, "both to be held")
    ids = [each["message_id"] for each in held]

    refused = first.site.command("retry", ids[0], "--lang", "en").stdout
    assert "account second is not in the settings" in refused
    assert first.site.command("give-up", ids[0], "--why", "x").returncode == 0
    assert first.site.command("quarantine", "drop", ids[1], "--why", "x").returncode == 0
    assert first.kept() == []


def waiting_for_a_person(site: Site) -> list[dict[str, Any]]:
    kept = json.loads(site.command("quarantine", "list", "--json", "--lang", "en", check=True).stdout)
    return [each for each in kept if each["state"] == "held"]
