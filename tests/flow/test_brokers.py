"""Brokers (报关行): an account sends for its listed clients what it has the power for, with its own card and their data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office, open_office
from declarations import NS, TYPE, client, for_trader
from lxml import etree

pytestmark = pytest.mark.requirement("ID-06")
DEC = f"{{{NS}}}"
OWN = "2102960001"
CLIENTS = """
[[account.acts_for]]
uscc = "91210200MA0CLNT01X"
customs_code = "2102961111"
title = "大连委托示例有限公司"
powers = ["CD.declaration"]
until = "2099-12-31"

[[account.acts_for]]
uscc = "91210200MA0CLNT02X"
customs_code = "2102962222"
mofcom_code = "2102000000222"
title = "别的委托示例有限公司"
powers = ["NA"]

[[account.acts_for]]
uscc = "91210200MA0CLNT03X"
customs_code = "2102963333"
title = "过期委托示例有限公司"
powers = ["CD"]
until = "2025-12-31"

[[account.acts_for]]
uscc = "91210200MA0CLNT04X"
customs_code = "2102964040"
title = "续签委托示例有限公司"
powers = ["CD"]
until = "2025-12-31"

[[account.acts_for]]
uscc = "91210200MA0CLNT04X"
customs_code = "2102964040"
title = "续签委托示例有限公司"
powers = ["CD.declaration"]
until = "2099-12-31"

"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("broker"), customs=True) as office:
        path = office.shop.site.home / "tongguan.toml"
        text = path.read_text("utf-8").replace('kind = "enterprise"', 'kind = "broker"', 1)
        path.write_text(text.replace("\n[route.", f"\n{CLIENTS}[route.", 1), "utf-8")
        yield office


def played(office: Office, text: str) -> dict[str, Any]:
    status: dict[str, Any] = office.shop.play(office.shop.site.drop(text), "sent", "refused", "accepted")
    return status


def told(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["code"], one["path"]) for one in status["faults"] if one["severity"] == "error"]


def of_frame(status: dict[str, Any]) -> list[tuple[str, str]]:
    """The same of the words of the frame."""
    return [(code, path.rpartition("/")[2]) for code, path in told(status)]


def test_the_data_are_the_clients_and_the_card_the_brokers(broker: Office) -> None:
    own = client()
    status = played(broker, for_trader("2102961111", own))

    assert status["state"] == "sent", status["faults"]
    (body,) = [call.body for call in broker.authority.calls if call.what == "post" and own.encode() in call.body]
    package = etree.fromstring(body)
    head = next(package.iter(f"{DEC}DecHead"))
    told = [head.findtext(f"{DEC}{name}") for name in ("TradeCode", "TradeName", "TradeCoScc", "AgentCode")]
    assert told == ["2102961111", "大连委托示例有限公司", "91210200MA0CLNT01X", OWN]
    assert package.findtext(".//{*}sender_id") == OWN
    assert broker.document(TYPE, own)["business_status"]["text"] == "已申报"


def test_a_list_is_exported_for_the_consignee_only(broker: Office) -> None:
    theirs, own = client(), client()
    played(broker, for_trader("2102961111", theirs))
    played(broker, for_trader(OWN, own))

    assert [row["client"] for row in asked(broker, "list", client=theirs)] == [theirs]
    assert asked(broker, "export", client=theirs) == []
    assert [row["client"] for row in asked(broker, "export", client=own)] == [own]


def asked(office: Office, kind: str, **filters: str) -> list[dict[str, str]]:
    name = office.shop.site.drop(etree.tostring(b.query(TYPE, kind, filters=filters, format="json")))
    assert office.shop.play(name)["state"] == "accepted"
    office.shop.turns(lambda: office.shop.site.inbox(f"Result_{name.rsplit('.', 1)[0]}_"))
    rows: list[dict[str, str]] = json.loads(office.shop.site.result(name).read_bytes())["rows"]
    return rows


def test_customs_tells_the_broker(broker: Office) -> None:
    own = client()
    played(broker, for_trader("2102961111", own))
    wire = next(call.message_id for call in broker.authority.calls if call.what == "post" and own.encode() in call.body)
    number = f"I2026{own[-13:]}"

    broker.issue(broker.authority.receipt(code="L", type=TYPE, message=wire, numbers={"seq": number}))

    found = broker.document(TYPE, own)
    assert (found["business_status"]["text"], found["numbers"]["seq"]) == ("海关已接收", number)


@pytest.mark.parametrize(
    ("trader", "code", "says"),
    [
        ("2102969999", "GW-F78", "2102969999"),
        ("2102962222", "GW-F79", "CD.declaration"),
        ("2102963333", "GW-F80", "2025-12-31"),
    ],
)
def test_without_a_power_that_holds_it_is_refused_saying_why(broker: Office, trader: str, code: str, says: str) -> None:
    status = played(broker, for_trader(trader, TradeName="别的公司"))

    assert status["state"] == "refused"
    assert (code, "/DecMessage/DecHead/TradeCode") in told(status)
    assert says in next(one["message"] for one in status["faults"] if one["code"] == code)


def test_of_two_powers_for_one_client_one_that_holds_is_enough(broker: Office) -> None:
    assert played(broker, for_trader("2102964040"))["state"] == "sent"


def test_what_another_unit_declares_is_kept_for_it_and_is_not_declared_here(broker: Office) -> None:
    own = client()
    text = for_trader("2102961111", own, AgentCode="2102964444")

    refused = played(broker, text)
    saved = played(broker, text.replace("<OperType>C<", "<OperType>G<"))

    assert told(refused) == [("GW-F77", "/DecMessage/DecHead/AgentCode")]
    assert (saved["state"], broker.document(TYPE, own)["business_status"]["text"]) == ("accepted", "待代理申报")
    bare = played(broker, etree.tostring(b.message(TYPE, "declare", document=own)).decode())
    assert ("GW-F05", "@operation") in of_frame(bare)


@pytest.mark.parametrize(
    ("type_", "like"),
    [("EW.declaration", "ok-save"), ("EW.other", "ok-save"), ("DP.print", "ok-declare"), ("DP.export", "ok-declare")],
)
def test_what_wants_the_partys_own_card_says_so_to_a_broker(broker: Office, type_: str, like: str) -> None:
    status = played(broker, etree.tostring(b.message(type_, "declare", like=f"{like}.xml")).decode())

    assert status["state"] == "refused"
    assert ("GW-F81", "@operation") in of_frame(status)
    assert "不能代理" in str(status["faults"])
