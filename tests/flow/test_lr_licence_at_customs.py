"""A licence applied for through the mailbox is what customs checks a declaration against."""

from __future__ import annotations

import json
from typing import Any

import bodies as b
import pytest
from customs_desk import Desk, declaration, desk_at, line, today
from sites import Site, wait_until

pytestmark = pytest.mark.requirement("LR-03")
ORE, PLAIN, STORED = "2601111000", b.PLAIN, "海关入库成功"


@pytest.fixture(scope="module")
def desk(site: Site) -> Desk:
    """Customs' desk for declarations."""
    return desk_at(site)


def licence_of(site: Site, commodity: str = PLAIN, **set_: Any) -> tuple[str, str]:
    """An issued licence for 100 units that customs has stored: its number, and the importer's code."""
    set_ = {"CustomsPort1": "0908", "CustomsPort2": "0940", "TradeMode": "0110", **set_}
    root = b.application("declare", reference=b.fresh("cited"), goods_=[b.goods(commodity, quantity="100")], **set_)
    key = b.done(site, root, "sent", "accepted")["document"]
    document = site.wait_business(b.APPLICATION, key, "已打印或生成电子许可证")
    asked = b.query(b.APPLICATION, "customs", filters={"application": document["numbers"]["application"]})
    wait_until(lambda: b.rows(site, asked)[0]["customs"] == STORED, STORED)
    importer = document["body"]["Importer"]
    return document["numbers"]["licence"], str(importer.get("CreditCode") or importer["Code"])


def remaining(site: Site, licence: str) -> dict[str, Any]:
    """What the enterprise is told of a licence of several batches."""
    name = site.drop(b.xml(b.query(b.APPLICATION, "remaining", filters={"licence": licence}, format="json")))
    (row,) = json.loads(site.result(name).read_bytes())["rows"]
    return dict(row)


def test_reserved_written_off_and_given_back_as_the_enterprise_is_told(site: Site, desk: Desk) -> None:
    licence, importer = licence_of(site, OneBatchOneLicence="0")
    shown = f"{licence[:2]}-{licence[2:4]}-{licence[4:]}"
    left = [remaining(site, licence)["remaining"]]
    entries = [declaration(line(shown, quantity, PLAIN), trader=importer) for quantity in ("20.5", "30", "40")]
    for entry, event in zip(entries, ("release", "refuse", "delete"), strict=True):
        assert desk.declare(entry) == (200, {"accepted": True, "entry": entry["entry"]})
        left.append(remaining(site, licence)["remaining"])
        assert desk.happen(entry["entry"], event)[0] == 200
        left.append(remaining(site, licence)["remaining"])

    assert left == ["100", "79.5", "79.5", "49.5", "79.5", "39.5", "79.5"]
    uses = remaining(site, licence)["uses"]
    assert [(use["entry"], use["state"], use["state_code"]) for use in uses] == [(entries[0]["entry"], "已放行", "released")]


def test_a_licence_of_one_batch_is_good_for_one_declaration(site: Site, desk: Desk) -> None:
    licence, importer = licence_of(site, OneBatchOneLicence="1")
    first, second = (declaration(line(licence, "40", PLAIN), trader=importer) for _ in range(2))

    assert (desk.faults(first), desk.faults(second)) == ([], ["LIC-20"])
    desk.happen(first["entry"], "refuse")
    assert desk.declare(second)[0] == 200


def test_a_licence_of_several_batches_is_good_for_six_and_the_last_may_exceed_in_bulk(site: Site, desk: Desk) -> None:
    contracts = [{"ContractNo": "C-1", "Seller": "Example Mining", "Quantity": "0.1"}]
    licence, importer = licence_of(site, ORE, OneBatchOneLicence="0", IronOreContract=contracts)

    found = [desk.faults(declaration(line(licence, "16", ORE), trader=importer)) for _ in range(5)]
    beyond = desk.faults(declaration(line(licence, "21.1", ORE), trader=importer))
    last = desk.faults(declaration(line(licence, "21", ORE), trader=importer))

    assert (found, beyond, last) == ([[]] * 5, ["LIC-19"], [])
    assert "LIC-20" in desk.faults(declaration(line(licence, "1", ORE), trader=importer))
    assert remaining(site, licence)["remaining"] == "0"


def test_what_does_not_fit_the_licence_is_refused_with_its_reason(site: Site, desk: Desk) -> None:
    licence, importer = licence_of(site)
    wanted: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("LIC-11", {"number": "26ZZ999999"}, {}),
        ("LIC-12", {"supervision": "O"}, {}),
        ("LIC-14", {}, {"trader": {"codes": ["2102960099"], "name": "他人"}}),
        ("LIC-15", {}, {"date": today(400)}),
        ("LIC-16", {}, {"port": "5301"}),
        ("LIC-17", {"code": ORE}, {}),
        ("LIC-18", {"unit": "070"}, {}),
        ("LIC-19", {"quantity": "100.1"}, {}),
    ]
    for code, cited, head in wanted:
        one = line(**{"number": licence, "code": PLAIN, "quantity": "100", **cited})
        assert desk.faults(declaration(one, trader=importer) | head) == [code]

    assert desk.declare(declaration(line(licence, "100", PLAIN), trader=importer))[0] == 200
