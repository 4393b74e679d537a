"""What is wrong with a merge, or with what declares lists, is told where it stands, and holds up nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office
from declarations import TYPE, client, for_trader
from filings import DECLARATION, LIST, MERGE, today
from sites import Site, second_account
from test_cards import CODES
from test_cd_change import VOLUME, filed_office, sent, text
from test_cd_merge import CLEARED, drop, merged, rows, unified

from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("CD-11")


@pytest.fixture(scope="module")
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A customs that has approved a filing; exchange rates are known from today on; the enterprise has a second account."""
    with filed_office(tmp_path_factory.mktemp("customs")) as office:
        office.shop.stop()
        second_account(office.shop.site)
        tables = office.shop.home / "tables"
        tables.mkdir(exist_ok=True)
        (tables / "exchange_month.csv").write_text(
            f"code,zh,en,until\n{today()},本月计征汇率,rates of this month,2099-12-31\n", "utf-8"
        )
        yield office


def cleared(office: Office, *, accepted: int = 0, **set_: Any) -> str:
    """The key of a cleared list that customs accepted so many days ago."""
    key = b.fresh("L")
    message = sent(office, LIST, key, like="ok-save.xml", ManualNo=VOLUME, **set_)
    at = (datetime.now(timezone(timedelta(hours=8))) - timedelta(days=accepted)).isoformat(timespec="seconds")
    office.issue(office.receipt(LIST, message, "7", numbers={"entry": f"09082026I7{office.fresh():08d}"}, issued_at=at))
    office.issue(*(office.receipt(LIST, message, code) for code in CLEARED))
    return key


def codes(status: dict[str, Any]) -> list[tuple[str, str]]:
    assert status["state"] == "refused", status
    return [(one["code"], one["path"]) for one in status["faults"] if one["severity"] == "error"]


@pytest.mark.requirement("CD-12")
def test_lists_of_days_without_rates_wait_naming_the_day_and_the_others_go_on(customs: Office) -> None:
    good, early = cleared(customs), cleared(customs, accepted=3)
    day = customs.document(LIST, early)["body"]["AcceptDate"]
    assert day < today()

    merge = merged(customs, "HZ-gap")

    told = rows(customs, merge)
    assert told[unified(customs, early)]["why"] == f"代码表 exchange_month 没有适用于 {day} 的行"
    assert (told[unified(customs, good)]["taken"], told[unified(customs, early)]["taken"]) == ("1", "0")
    assert [text(customs, LIST, key) for key in (good, early)] == ["已汇总", "已结关"]
    assert text(customs, DECLARATION, "HZ-gap-1") == "暂存"


def test_a_list_that_is_merged_already_is_merged_by_nobody_else(customs: Office) -> None:
    key = cleared(customs)
    assert merged(customs, "HZ-first", Lists=[{"ListNo": key}])["state"] == "accepted"

    again = merged(customs, "HZ-again", Lists=[{"ListNo": key}])

    assert codes(again) == [("GW-F72", "/body/Lists/0/ListNo")]
    assert re.search(r"“已汇总”（集报报关单 \S+-1），不能汇总", again["faults"][0]["message"]), "in which declaration it is"


def test_a_list_of_another_account_is_not_there(customs: Office) -> None:
    """Two accounts of one enterprise see nothing of each other."""
    key = cleared(customs)
    number = unified(customs, key)
    second = Site(customs.shop.home, account="second")
    body = {"IEFlag": "I", "Month": today()[:7], "NoAgent": "1", "Lists": [{"ListNo": number}]}
    frame = {"type": MERGE, "operation": "merge", "reference": "HZ-other", "body": body}
    name = second.drop(json.dumps(frame), suffix=".json")

    customs.shop.turns(lambda: (second.status(name) or {}).get("state") in ("refused", "accepted"))

    assert codes(second.status(name) or {}) == [("GW-F71", "/body/Lists/0/ListNo")]
    assert text(customs, LIST, key) == "已结关"


def test_lists_of_two_natures_are_not_one_merge(customs: Office) -> None:
    key, other = cleared(customs), cleared(customs)
    status = merged(customs, Nature="3", Lists=[{"ListNo": key}, {"ListNo": other}])

    assert codes(status) == [("GW-F73", "/body/Lists/0/ListNo"), ("GW-F73", "/body/Lists/1/ListNo")]
    assert "货物性质" in status["faults"][0]["message"]


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"NoAgent": None}, "CD-M01", "/body/AgentCode"),
        ({"NoAgent": "0"}, "CD-M02", "/body/AgentCode"),
        ({"AgentCode": "2102980011"}, "CD-M03", "/body/AgentCode"),
        ({"NoAgent": None, "AgentCode": "9999999999"}, "GW-F70", "/body/AgentCode"),
        ({"Month": "2099-01"}, "GW-F74", "/body/Month"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_declares_and_which_month_is_said_rightly(customs: Office, body: dict[str, Any], code: str, path: str) -> None:
    assert codes(merged(customs, **body)) == [(code, path)]


def test_of_two_merges_of_one_month_at_once_each_list_is_in_one(customs: Office) -> None:
    keys = [cleared(customs) for _ in range(3)]
    names = [drop(customs, f"HZ-at-once-{n}") for n in (1, 2)]

    done = [customs.shop.play(name) for name in names]
    merged(customs, "HZ-at-once-3")

    assert {status["state"] for status in done} == {"accepted"}
    told = [rows(customs, status) for status in done]
    for key in keys:
        assert sum(each.get(unified(customs, key), {}).get("taken") == "1" for each in told) == 1
        assert text(customs, LIST, key) == "已汇总"


@pytest.mark.requirement("ID-05")
@pytest.mark.requirement("CD-13")
def test_with_another_enterprises_card_no_declaration_is_signed(customs: Office) -> None:
    own, place = client(), customs.shop.home / "cards"
    customs.shop.stop()
    kept = {name: (place / name).read_bytes() for name in ("demo-customs.key", "demo-customs.pem")}
    settings = (customs.shop.home / "tongguan.toml").read_text("utf-8")
    others(place)
    for name, value in (("bound", "8900000000991"), ("fingerprint", "")):
        change_settings(customs.shop.home, "account.card", name, value, named="demo-customs")

    status = customs.shop.play(customs.shop.site.drop(for_trader(CODES[2], own)), "refused", "sent")
    customs.shop.stop()
    for name, content in kept.items():
        (place / name).write_bytes(content)
    (customs.shop.home / "tongguan.toml").write_text(settings, "utf-8")

    assert [code for code, _ in codes(status)] == ["GW-F20"]
    assert "91310000MA1OTHER13" in status["faults"][0]["message"]
    assert not any(own.encode() in call.body for call in customs.authority.calls if call.what == "post")
    assert text(customs, TYPE, own) == "暂存"


def others(place: Path) -> None:
    """Another enterprise's card in place of the own one."""
    validity = Validity(clock.now() - timedelta(days=1), 1000)
    holder = Holder("某公司", "8900000000991", ("91310000MA1OTHER13", "3100961234"))
    made = make_software_card(make_authority("发卡", validity), holder, validity=validity)
    (place / "demo-customs.key").write_bytes(made.key)
    (place / "demo-customs.pem").write_bytes(made.certificates)
