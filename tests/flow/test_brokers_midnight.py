"""A broker's power ends at midnight in China while what it declared waits: it is not signed after that, and what was signed in time goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from declarations import TYPE, client, for_trader
from endpoint import Place
from homes import begins
from sites import Site, wait_until
from test_brokers_filings import as_broker

from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import BusinessClock, kept_line

pytestmark = pytest.mark.requirement("ID-06")
ALPHA, LAST_DAY = "2102961111", "2031-03-31"
CLIENT = f"""
[[account.acts_for]]
uscc = "91210200MA0CLNT01X"
customs_code = "{ALPHA}"
title = "甲委托示例有限公司"
powers = ["CD.declaration"]
until = "{LAST_DAY}"

"""


def on(site: Site, time: str) -> None:
    """The gateway begins, at this time of the last day's evening in China, with a clock that is a little too fast."""
    begins(site.home, f"{LAST_DAY}T{time}+08:00", speed=2)
    site.run()


def today(site: Site) -> str:
    return times.china_date(BusinessClock(kept_line(site.home)).now_ms())


def broker(place: Place) -> Site:
    site, _, _ = place
    as_broker(site.home, CLIENT)
    with open(site.home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write("\n[clock]\nspeed = 2\n")
    return site


def key_of(site: Site) -> Path:
    return site.home / "cards" / "demo-customs.key"


def dropped(site: Site, own: str) -> str:
    return site.drop(for_trader(ALPHA, own))


def waits(site: Site, name: str, what: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = site.status(name)
        return status if status is not None and status["waiting_for"] == what else None

    found: dict[str, Any] = wait_until(look, f"{name} to wait for {what}")
    return found


def posted(place: Place, own: str) -> int:
    return sum(call.what == "post" and own.encode() in call.body for call in place[2].calls)


def test_what_waits_for_the_card_past_midnight_is_not_signed_and_says_what_to_do(place: Place) -> None:
    site, own = broker(place), client()
    key = key_of(site)
    on(site, "20:00:00")
    away = key.rename(key.with_suffix(".away"))
    name = dropped(site, own)
    assert waits(site, name, "card")["state"] == "checked", "the power held when it was checked"
    site.stop()
    on(site, "23:59:56")
    wait_until(lambda: today(site) > LAST_DAY, "midnight in China")
    assert waits(site, name, "card")["state"] == "checked"
    away.rename(key)

    status = site.wait(name)

    (told,) = [one for one in status["faults"] if one["severity"] == "error"]
    assert (status["state"], told["code"], told["path"]) == ("refused", "GW-F80", "/DecMessage/DecHead/TradeCode")
    assert told["message"].startswith(f"甲委托示例有限公司 的代理权限到 {LAST_DAY} 为止")
    assert "账户 demo 的 [[account.acts_for]] 改写 until" in told["message"]
    assert posted(place, own) == 0
    site.wait_business(TYPE, own, "暂存")  # what was entered is not lost
    prolonged(site)
    again = site.wait(
        site.drop(json.dumps({"type": TYPE, "operation": "declare", "document": own, "reference": "again"}), suffix=".json"),
        "sent",
    )
    assert (again["document"], posted(place, own)) == (own, 1)


def prolonged(site: Site) -> None:
    site.stop()
    path = site.home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace(f'until = "{LAST_DAY}"', 'until = "2032-03-31"'), "utf-8")
    site.run()


def test_on_the_last_day_it_is_signed_when_the_card_comes_back(place: Place) -> None:
    site, own = broker(place), client()
    key = key_of(site)
    on(site, "20:00:00")
    away = key.rename(key.with_suffix(".away"))
    name = dropped(site, own)
    waits(site, name, "card")
    away.rename(key)

    assert site.wait(name, "sent", "refused")["state"] == "sent"
    assert (today(site), posted(place, own)) == (LAST_DAY, 1)


def test_what_was_signed_in_time_goes_out_when_customs_is_back_after_midnight(place: Place) -> None:
    site, own = broker(place), client()
    place[2].down()
    on(site, "20:00:00")
    name = dropped(site, own)
    wait_until(lambda: (s := site.status(name)) and s["state"] == "sealed", "its signature")
    site.stop()
    on(site, "23:59:56")
    wait_until(lambda: today(site) > LAST_DAY, "midnight in China")
    assert (site.status(name) or {})["state"] == "sealed"
    place[2].up()

    assert site.wait(name, "sent", "refused")["state"] == "sent"
    assert posted(place, own) == 1
