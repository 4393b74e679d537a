"""Codes of an account that become others in the settings: by a mistake, or because the authority gave another."""

from __future__ import annotations

from datetime import timedelta

import bodies as b
import pytest
from endpoint import Place
from receipt_desk import SECOND, STORED, Desk
from sites import Site
from test_delivery import second_account

from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("GW-06")
CODES = ("2100MA0EXAMPL", "2100MA0SECOND")
CREDIT = ("91210200MA0EXAMPLC", "91210200MA0SECOND8")


@pytest.fixture
def desk(place: Place) -> Desk:
    """A gateway whose card names both codes, not running yet."""
    site, mofcom, _ = place
    validity = Validity(clock.now() - timedelta(days=1))
    holder = Holder("大连示例进出口有限公司", "8900000000017", (*CODES, *CREDIT))
    card = make_software_card(make_authority("发卡机构", validity), holder, validity=validity)
    (site.home / "cards" / "demo-mofcom.key").write_bytes(card.key)
    (site.home / "cards" / "demo-mofcom.pem").write_bytes(card.certificates)
    change_settings(site.home, "account.card", "fingerprint", "", named="demo-mofcom")
    site.run()
    return Desk(site, mofcom)


def called(desk: Desk, which: int) -> None:
    """MOFCOM knows the enterprise by this code, and so do the settings."""
    change_settings(desk.site.home, "account", "mofcom_code", CODES[which])
    change_settings(desk.site.home, "account", "uscc", CREDIT[which])


def test_receipts_of_a_new_code_are_fetched_from_their_beginning(desk: Desk) -> None:
    declared = desk.declare()
    desk.mofcom.issue(*(desk.mofcom.receipt(**declared.said(code)) for code in ("10", "20", "30")))
    desk.becomes(declared, SECOND)
    called(desk, 1)
    desk.mofcom.account, desk.mofcom.feed = CODES[1], []
    desk.site.command("reload", check=True)
    later = desk.declare()
    desk.mofcom.issue(desk.mofcom.receipt(**later.said("10")))

    desk.becomes(later, STORED)


@pytest.fixture
def two(place: Place) -> tuple[Desk, Desk]:
    """Two enterprises at one gateway, which runs."""
    site, mofcom, _ = place
    other = second_account(site)
    site.run()
    return Desk(site, mofcom), Desk(other, mofcom)


def swapped(site: Site) -> None:
    """Each enterprise under the other's code."""
    settings = site.home / "tongguan.toml"
    first, second = (f'mofcom_code = "{code}"' for code in CODES)
    settings.write_text(settings.read_text().replace(first, "@").replace(second, first).replace("@", second))


def test_codes_that_are_swapped_while_something_awaits_its_answer_are_refused_and_the_old_ones_stay(
    two: tuple[Desk, Desk],
) -> None:
    first, second = two
    sent = first.declare()
    unsent = second.site.drop(b.xml(b.application("declare", reference="unsent")))
    swapped(first.site)
    told = first.site.command("reload", "--lang", "en")
    first.mofcom.issue(first.mofcom.receipt(**sent.said("10")))
    first.becomes(sent, STORED)
    swapped(first.site)
    first.site.command("reload", check=True)

    assert told.returncode == 78
    assert f"account demo: its code at mofcom was {CODES[0]}" in told.stderr
    assert second.site.wait(unsent, "sent")["receipts"][0]["code"] == "0"


def test_a_code_that_is_taken_out_while_something_awaits_its_answer_is_refused_too(two: tuple[Desk, Desk]) -> None:
    first, _ = two
    sent = first.declare()
    change_settings(first.site.home, "account", "mofcom_code", "")
    told = first.site.command("reload", "--lang", "en")
    first.mofcom.issue(first.mofcom.receipt(**sent.said("10")))

    assert told.returncode == 78
    assert f"its code at mofcom was {CODES[0]}" in told.stderr
    first.becomes(sent, STORED)


def test_a_gateway_starts_with_no_others_codes_while_something_of_them_is_on_its_way(two: tuple[Desk, Desk]) -> None:
    first, _ = two
    sent = first.declare()
    first.site.stop()
    swapped(first.site)
    started = first.site.command("run", "--lang", "en")
    swapped(first.site)
    first.site.run()
    first.site.command("give-up", first.site.status(sent.file)["message_id"], "--why", "换代码", check=True)  # type: ignore[index]
    first.site.wait(sent.file, "given_up")
    swapped(first.site)
    ended = first.site.command("reload")

    assert started.returncode == 78
    assert "tongguan give-up" in started.stderr
    assert ended.returncode == 0, ended.stderr
