"""What a broker files for one client rests on what it filed for that client, and on nothing of another one's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office, open_office
from endpoint import RECEIPT
from filings import ACCOUNT, CHANGE, GOODS, LIST, QUALIFICATION
from lxml import etree

from tongguan.gateway.flow.query.filters import MOST_SIZE

pytestmark = pytest.mark.requirement("ID-06")
NA, OWN = "NA.application", "2102960001"
ALPHA, BETA = "2102961111", "2102962222"  #: two clients
CLIENTS = """
[[account.acts_for]]
uscc = "91210200MA0CLNT01X"
customs_code = "2102961111"
mofcom_code = "2102000000111"
title = "甲委托示例有限公司"
powers = ["CD", "NA"]

[[account.acts_for]]
uscc = "91210200MA0CLNT02X"
customs_code = "2102962222"
mofcom_code = "2102000000222"
title = "乙委托示例有限公司"
powers = ["CD", "NA"]

"""
UNTIL = "<ValidUntil>2098-05-31</ValidUntil>"
VOLUMES = {ALPHA: "B09082699001", BETA: "B09082699002"}


def as_broker(home: Path, clients: str = CLIENTS) -> None:
    path = home / "tongguan.toml"
    text = path.read_text("utf-8").replace('kind = "enterprise"', 'kind = "broker"', 1)
    path.write_text(text.replace("\n[route.", f"\n{clients}[route.", 1), "utf-8")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A broker that has filed for two clients; customs has approved all of it."""
    with open_office(tmp_path_factory.mktemp("broker"), customs=True) as office:
        as_broker(office.shop.site.home)
        for client, word in ((ALPHA, "alpha"), (BETA, "beta")):
            filed = sent(office, QUALIFICATION, f"Q-{word}", TradeCode=client)
            office.issue(office.receipt(QUALIFICATION, filed, "A1", content=UNTIL, numbers={"filing": f"JB{client}"}))
            goods = sent(office, GOODS, f"G-{word}", FilingNo=f"Q-{word}", TradeCode=client)
            office.issue(office.receipt(GOODS, goods, "A1", content=UNTIL, numbers={"volume": VOLUMES[client]}))
        yield office


def declared(office: Office, type_: str, key: str, **set_: Any) -> dict[str, Any]:
    root = b.message(type_, "declare", like="ok-save.xml", set_=set_, document=key, reference=b.fresh("cd"))
    status: dict[str, Any] = office.shop.play(office.shop.site.drop(b.xml(root)), "sent", "refused", "rejected")
    return status


def sent(office: Office, type_: str, key: str, **set_: Any) -> dict[str, Any]:
    status = declared(office, type_, key, **set_)
    assert status["state"] == "sent", status["faults"]
    return status


def listed(office: Office, client: str, volume: str, **set_: Any) -> dict[str, Any]:
    return declared(office, LIST, b.fresh("L"), TradeCode=client, ManualNo=volume, **set_)


def told(status: dict[str, Any]) -> list[tuple[str, str]]:
    assert status["state"] == "refused", status
    return [(one["code"], one["path"].rpartition("/")[2]) for one in status["faults"] if one["severity"] == "error"]


def said(status: dict[str, Any], code: str) -> str:
    return next(str(one["message"]) for one in status["faults"] if one["code"] == code)


def test_a_clients_list_has_its_data_and_what_was_filed_for_it(broker: Office) -> None:
    status = listed(broker, BETA, VOLUMES[BETA])

    assert status["state"] == "sent", status["faults"]
    body = broker.document(LIST, status["document"])["body"]
    head = [body[name] for name in ("TradeCode", "TradeName", "TradeCoScc", "OwnerCode", "OwnerName", "AgentCode")]
    assert head == [BETA, "乙委托示例有限公司", "91210200MA0CLNT02X", BETA, "乙委托示例有限公司", OWN]
    assert body["DecList"][0]["GName"] == "冻蟹"
    (package,) = [call.body for call in broker.authority.calls if call.what == "post" and call.reference == status["reference"]]
    assert etree.fromstring(package).findtext(".//{*}sender_id") == OWN


def test_another_clients_volume_is_not_relied_on_and_it_says_why(broker: Office) -> None:
    status = listed(broker, ALPHA, VOLUMES[BETA])

    assert told(status) == [("GW-F30", "ManualNo")]
    assert f"集中申报企业商品信息备案 {VOLUMES[BETA]} 属于另一企业" in said(status, "GW-F30")


def test_nor_is_it_by_its_own_account(broker: Office) -> None:
    """What is filed for clients is nothing that the broker trades by."""
    status = listed(broker, OWN, VOLUMES[ALPHA])

    assert sorted(told(status)) == [("GW-F30", "CustomMaster"), ("GW-F30", "ManualNo")]


def test_a_volume_goes_under_its_own_clients_qualification(broker: Office) -> None:
    status = declared(broker, GOODS, b.fresh("G"), FilingNo="Q-alpha", TradeCode=BETA)

    assert told(status) == [("GW-F30", "FilingNo")]
    assert "属于另一企业" in said(status, "GW-F30")


def test_a_client_has_one_qualification_beside_those_of_others(broker: Office) -> None:
    again = declared(broker, QUALIFICATION, b.fresh("Q"), TradeCode=ALPHA)
    own = declared(broker, QUALIFICATION, b.fresh("Q"), TradeCode=None)

    assert [code for code, _ in told(again)] == ["GW-F07"]
    assert own["state"] == "sent", own["faults"]
    assert broker.document(QUALIFICATION, own["document"])["body"]["TradeCode"] == OWN


def test_what_was_approved_for_a_client_becomes_nobody_elses(broker: Office) -> None:
    change = b.message(QUALIFICATION, "amend", set_={"TradeCode": BETA}, document="Q-alpha", reference=b.fresh("am"))
    status = broker.shop.play(broker.shop.site.drop(b.xml(change)), "sent", "refused")

    assert ("GW-C20", "TradeCode") in told(status)
    assert broker.document(QUALIFICATION, "Q-alpha")["body"]["TradeCode"] == ALPHA


def test_a_bonded_account_that_was_fetched_for_a_client_is_that_clients(broker: Office) -> None:
    bonded = {"Nature": "2", "GuaranteeAmount": None, "GuaranteeUntil": None, "CustomMaster": "0900"}
    for client in (ALPHA, BETA):
        filed = sent(broker, QUALIFICATION, b.fresh("Q"), TradeCode=client, **bonded)
        broker.issue(broker.receipt(QUALIFICATION, filed, "A1", content=UNTIL, numbers={"filing": f"JC{client}"}))
    fetched(broker, BETA, "C09002600007")
    row = {"Nature": "2", "CustomMaster": "0900", "TradeMode": "0615"}

    alphas, betas = (listed(broker, client, "C09002600007", **row) for client in (ALPHA, BETA))

    assert told(alphas) == [("GW-F30", "ManualNo")]
    assert "属于另一企业" in said(alphas, "GW-F30")
    assert betas["state"] == "sent", betas["faults"]


def fetched(office: Office, client: str, number: str) -> None:
    """A bonded account, as customs answers the question for it: the example's goods."""
    goods = b.example(LIST, "ok-save.xml").findall("{*}DecList")
    rows = "".join(
        f"<Row><GNo>{row.findtext('{*}ContrItem')}</GNo>"
        + "".join(f"<{n}>{row.findtext('{*}' + n)}</{n}>" for n in ("CodeTS", "GName", "GModel", "GUnit", "FirstUnit"))
        + (f"<SecondUnit>{unit}</SecondUnit>" if (unit := row.findtext("{*}SecondUnit")) else "")
        + "</Row>"
        for row in goods
    )
    authority, usual = office.authority, office.authority.answer

    def answer(call: Any) -> Any:
        if call.what != "query":
            return usual(call)
        authority.answer = usual  # type: ignore[method-assign]
        root = authority.unsigned(code="Q0", message=call.message_id, type=ACCOUNT)
        content = f'<AccountNo>{number}</AccountNo><Rows total="{len(goods)}" page="1" size="{MOST_SIZE}">{rows}</Rows>'
        root.append(etree.fromstring(f'<Content xmlns="{RECEIPT}">{content}</Content>'))
        return 202, authority.sealer.seal(root), {}

    authority.answer = answer  # type: ignore[method-assign]
    frame = {"type": ACCOUNT, "operation": "fetch", "reference": b.fresh("f"), "body": {"AccountNo": number, "TradeCode": client}}
    status = office.shop.play(office.shop.site.drop(json.dumps(frame), suffix=".json"))
    assert status["state"] == "accepted", status["faults"]


def test_a_change_is_for_whom_the_list_is_and_wants_the_power_for_it(broker: Office) -> None:
    status = listed(broker, BETA, VOLUMES[BETA])
    broker.issue(broker.receipt(LIST, status, "7", numbers={"entry": f"09082026I8{broker.fresh():08d}"}))
    head = {"ChangeKind": "2", "ListNo": status["document"], "Reason": "录入有误", "Contact": "李示例", "Phone": "0411-80000002"}

    def cancel() -> dict[str, Any]:
        root = b.message(CHANGE, "declare", set_=head, document=b.fresh("X"), reference=b.fresh("x"))
        found: dict[str, Any] = broker.shop.play(broker.shop.site.drop(b.xml(root)), "sent", "refused")
        return found

    text = (broker.shop.site.home / "tongguan.toml").read_text("utf-8")
    over = text.replace('uscc = "91210200MA0CLNT02X"', 'uscc = "91210200MA0CLNT02X"\nuntil = "2025-12-31"')
    with settings(broker, over):
        refused = cancel()
    agreed = cancel()

    assert told(refused) == [("GW-F80", "ListNo")]
    assert agreed["state"] == "sent", agreed["faults"]


@contextmanager
def settings(office: Office, text: str) -> Iterator[None]:
    """The gateway begun anew with other settings, and then with those from before."""
    path = office.shop.site.home / "tongguan.toml"
    before = path.read_text("utf-8")
    assert text != before
    office.shop.stop()
    path.write_text(text, "utf-8")
    try:
        yield
    finally:
        office.shop.stop()
        path.write_text(before, "utf-8")


def test_what_is_there_can_be_looked_at_and_deleted_without_a_power_and_not_sent(broker: Office) -> None:
    key = b.fresh("L")
    draft = b.message(LIST, "save", like="ok-save.xml", set_={"TradeCode": BETA, "ManualNo": VOLUMES[BETA]}, document=key)
    assert broker.shop.play(broker.shop.site.drop(b.xml(draft)))["state"] == "accepted"
    text = (broker.shop.site.home / "tongguan.toml").read_text("utf-8")
    gone = text.replace(CLIENTS[CLIENTS.rindex("[[account") :], "")

    def asked(operation: str) -> dict[str, Any]:
        root = b.message(LIST, operation, document=key, reference=b.fresh("do"))
        found: dict[str, Any] = broker.shop.play(broker.shop.site.drop(b.xml(root)), "sent", "refused", "accepted")
        return found

    with settings(broker, gone):
        declared_, printed, deleted = asked("declare"), asked("print"), asked("delete")

    assert ("GW-F78", "TradeCode") in told(declared_)
    assert [printed["state"], deleted["state"]] == ["accepted", "accepted"], (printed["faults"], deleted["faults"])


def test_a_licence_is_used_up_by_its_own_client_only(broker: Office) -> None:
    """Cited by another client it is unknown here, and customs judges."""
    office, mofcom = broker, broker.shop.mofcom
    importer = {
        "Importer/Code": "2102000000111",
        "Importer/CreditCode": "91210200MA0CLNT01X",
        "Importer/Name": "甲委托示例有限公司",
    }
    reference = b.fresh("na")
    root = b.message(NA, "declare", like="ok-declare.xml", set_=importer, document=reference, reference=reference)
    status = office.shop.play(office.shop.site.drop(b.xml(root)), "sent", "refused")
    assert status["state"] == "sent", status["faults"]
    wire = mofcom.wire_id(reference)
    mofcom.issue(mofcom.receipt(code="40", type=NA, message=wire, numbers={"licence": "26AA700001"}))
    office.shop.turns(lambda: office.shop.business(NA, reference) == "已打印或生成电子许可证")
    ore = {"CodeTS": "2601120000", "GName": "球团矿", "GModel": "品位65%", "GUnit": "035", "FirstUnit": "035"}
    volumes = {}
    for client, word, filing in ((ALPHA, "alpha", 3), (BETA, "beta", 4)):
        goods = sent(office, GOODS, b.fresh("G"), FilingNo=f"Q-{word}", TradeCode=client, DecList=[ore])
        volumes[client] = f"B0908269900{filing}"
        office.issue(office.receipt(GOODS, goods, "A1", content=UNTIL, numbers={"volume": volumes[client]}))
    row = {"ContrItem": "1", "GQty": "60000000", "FirstQty": "60000000", "DeclPrice": "0.1", "TradeCurr": "USD"}
    row |= {"OriginCountry": "AUS", "DestinationCountry": "CHN", "DutyMode": "1", "DistrictCode": "21029"}

    def ore_of(client: str) -> dict[str, Any]:
        return listed(office, client, volumes[client], LicenseNo="26AA700001", DecList=[row])

    betas, alphas, more = ore_of(BETA), ore_of(ALPHA), ore_of(ALPHA)

    assert [betas["state"], alphas["state"]] == ["sent", "sent"], (betas["faults"], alphas["faults"])
    assert told(more) == [("GW-F61", "GQty")]
    assert "仅余 0" in said(more, "GW-F61")
    (line,) = [q for q in office.document(NA, reference)["quantities"] if q["commodity"] == "2601120000"]
    assert (line["taken"], line["left"]) == ("60000000", "0")


def test_a_licence_is_applied_for_those_only_whom_the_broker_acts_for(broker: Office) -> None:
    importer = {"Importer/Code": "2102000000999", "Importer/CreditCode": "91210200MA0CLNT09X", "Importer/Name": "别人"}
    root = b.message(NA, "declare", like="ok-declare.xml", set_=importer, reference=b.fresh("na"))

    status = broker.shop.play(broker.shop.site.drop(b.xml(root)), "sent", "refused")

    assert ("GW-F78", "Code") in told(status)


def test_goods_for_which_one_volume_has_no_room_are_filed_for_the_client_too(broker: Office) -> None:
    goods = [
        {"CodeTS": f"03061{n:05d}", "GName": f"冻虾{n}号", "GModel": f"规格{n}", "GUnit": "035", "FirstUnit": "035"}
        for n in range(100)
    ]
    first = sent(broker, GOODS, b.fresh("G"), FilingNo="Q-beta", TradeCode=BETA, DecList=goods)
    broker.shop.turns(lambda: broker.shop.business(GOODS, f"{first['document']}-2") == "已申报")
    further = broker.document(GOODS, f"{first['document']}-2")
    broker.issue(
        broker.authority.receipt(code="A1", type=GOODS, number=further["numbers"]["unified"], numbers={"volume": "B09082699009"})
    )
    broker.shop.turns(lambda: broker.shop.business(GOODS, further["document"]) == "海关审批通过")
    line = {"ContrItem": "1", "GQty": "1", "FirstQty": "1", "DeclPrice": "1", "TradeCurr": "USD"}
    line |= {"OriginCountry": "KOR", "DestinationCountry": "CHN", "DutyMode": "1", "DistrictCode": "21029"}

    betas, alphas = (listed(broker, client, "B09082699009", DecList=[line]) for client in (BETA, ALPHA))

    assert further["body"]["TradeCode"] == BETA
    assert betas["state"] == "sent", betas["faults"]
    assert told(alphas) == [("GW-F30", "ManualNo")]


def test_a_copy_is_for_whom_its_original_is(broker: Office) -> None:
    origin = listed(broker, BETA, VOLUMES[BETA])
    root = b.message(LIST, "copy", document=origin["document"], reference=b.fresh("cp"))
    copied = broker.shop.play(broker.shop.site.drop(b.xml(root)))

    (one,) = copied["copies"]
    assert broker.document(LIST, one["document"])["body"]["TradeCode"] == BETA
    again = b.message(LIST, "declare", document=one["document"], reference=b.fresh("cp"))
    assert broker.shop.play(broker.shop.site.drop(b.xml(again)), "sent", "refused")["state"] == "sent"
