"""What may be entered into an import licence application, and what the system fills in."""

from __future__ import annotations

import re
from typing import Any

import bodies as b
import pytest
from sites import Site


def body(site: Site, status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = b.document(site, status)["body"]
    return found


def precheck(goods: list[str], **set_: Any) -> Any:
    rows = [{"CodeTS": code} for code in goods]
    changes = {"Year": b.YEAR, "OneBatchOneLicence": "1", "CustomsPort1": "0908", "Goods": rows, **set_}
    return b.message(b.APPLICATION, "check", set_=changes)


FOUR = ["2303300011", "2303300019", "2503000000", "4707100000"]


@pytest.mark.requirement("NA-01")
@pytest.mark.parametrize(
    ("goods", "ports", "form"),
    [
        (FOUR[:1], {}, "electronic"),
        (FOUR, {"CustomsPort2": "0901"}, "electronic"),
        (["2402200000"], {}, "paper"),
        (FOUR[:1], {"CustomsPort2": "5303"}, "paper"),
    ],
)
def test_mofcom_answers_whether_the_licence_can_be_electronic(
    site: Site, goods: list[str], ports: dict[str, str], form: str
) -> None:
    status = b.done(site, precheck(goods, **ports))

    assert body(site, status)["LicenceForm"] == form
    kept = {name: body(site, status)[name] for name in ("Year", "OneBatchOneLicence", "CustomsPort1")}
    kept["CustomsPort2"] = ports.get("CustomsPort2")
    same = b.application("save", document=status["document"], goods_=[b.goods(code) for code in goods], **kept)
    assert body(site, b.done(site, same))["LicenceForm"] == form


@pytest.mark.requirement("NA-01")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Year": None}, "GW-C03"),
        ({"OneBatchOneLicence": None}, "GW-C03"),
        ({"CustomsPort1": None}, "GW-C03"),
        ({"Goods": []}, "GW-C03"),
        ({"Goods": [{"CodeTS": c} for c in [*FOUR, "2603000010"]]}, "GW-C18"),
        ({"CustomsPort3": "0901"}, "GW-C01"),
    ],
)
def test_a_precheck_needs_year_flag_ports_and_one_to_four_goods(site: Site, change: dict[str, Any], code: str) -> None:
    assert code in b.codes(b.refused(site, precheck(FOUR[:1], **change)))


@pytest.mark.requirement("NA-01")
def test_the_form_that_mofcom_answered_cannot_be_overruled(site: Site) -> None:
    status = b.done(site, precheck(["2402200000"]))

    wrong = b.refused(site, b.application("save", document=status["document"], LicenceForm="electronic"))
    assert "GW-C19" in b.codes(wrong)


EVERYTHING: dict[str, Any] = {
    "User": None,
    "Importer": None,
    "TradeMode": "0110",
    "ForeignExchange": "1",
    "TradeCountry1": "USA",
    "TradeCountry2": "CAN",
    "OriginCountry1": "USA",
    "OriginCountry2": "CAN",
    "OriginCountry3": "BRA",
    "OriginCountry4": "ARG",
    "CustomsPort1": "0908",
    "CustomsPort2": "0901",
    "Remark": "分两批到港",
    "StateTrading": "不分区",
    "BondedWarehouse": "0",
    "OneBatchOneLicence": "1",
    "TransactionKind": "长期合同",
    "ExtendPrint": "1",
    "PrintTerminal": "0201",
    "IssuingAgency": "0000",
    "OffSite": "1",
    "OffSiteAgency": "0300",
    "Supplier": "Example Grain Inc.",
    "Producer": "Example Ethanol LLC",
    "ImportedThisYear": "12000.00",
    "ShippingDate": "20261125",
    "ContractNo": "DL-2026-1",
    "NotifyBySms": "true",
    "NotifyPhone": "13800000000",
    "ExtraInformation": "无",
}
CONTRACT = {"SignedOn": "2026-09-15", "Seller": "卖方", "Quantity": "5000", "Unit": "070", "Currency": "USD", "Amount": "1425000"}


@pytest.mark.requirement("NA-02")
def test_every_field_of_the_form_is_taken_and_the_systems_own_are_filled(site: Site) -> None:
    root = b.application("declare", Contract=[CONTRACT], **EVERYTHING)
    status = b.done(site, root)

    document = site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")
    kept = document["body"]
    for name in ("TradeCountry2", "OriginCountry4", "CustomsPort2", "Remark", "PrintTerminal", "OffSiteAgency", "Supplier"):
        assert kept[name] == EVERYTHING[name]
    assert (kept["StateTrading"], kept["TransactionKind"], kept["NotifyBySms"]) == ("0", "2", "1"), "names become codes"
    assert (kept["ImportedThisYear"], kept["ShippingDate"]) == ("12000", "2026-11-25")
    assert kept["Applicant"] == {
        "Code": "2100MA0EXAMPL",
        "CreditCode": "91210200MA0EXAMPLC",
        "Name": "大连示例进出口有限公司",
    }
    assert kept["User"] == kept["Importer"] == kept["Applicant"], "the account is user and importer unless another is given"
    assert set(status["filled"]) >= {"Importer/Code", "Importer/CreditCode", "Importer/Name", "User/Code"}
    assert re.fullmatch(b.YY + "2100MA0EXAMPL" + r"[0-9]{6}", document["numbers"]["mofcom"])
    assert re.fullmatch(b.YY + "AA[0-9]{6}", document["numbers"]["licence"])
    assert (kept["MofcomNo"], kept["LicenceNo"]) == (document["numbers"]["mofcom"], document["numbers"]["licence"])


@pytest.mark.requirement("NA-02")
def test_another_importer_and_user_than_the_account_may_be_given(site: Site) -> None:
    other = {"Code": "3100MA1OTHER1", "CreditCode": "91310000MA1OTHER13", "Name": "上海示例贸易有限公司"}
    status = b.done(site, b.application("save", **{f"Importer__{k}": v for k, v in other.items()}))

    assert body(site, status)["Importer"] == other
    assert body(site, status)["User"]["Name"] == "大连示例进出口有限公司"
    assert [f["severity"] for f in status["faults"]] == ["warning"], "a wrong check character of a credit code is only a warning"


REQUIRED = [
    "Year", "TradeMode", "ForeignExchange", "TradeCountry1", "OriginCountry1", "CustomsPort1", "ValidUntil", "StateTrading",
    "BondedWarehouse", "OneBatchOneLicence", "TransactionKind", "IssuingAgency", "ContactName", "ContactPhone",
]  # fmt: skip


@pytest.mark.requirement("NA-02")
def test_a_declare_lists_every_missing_field_at_once(site: Site) -> None:
    status = b.refused(site, b.application("declare", **dict.fromkeys(REQUIRED)))

    missing = {f["path"].rsplit("/", 1)[-1].rsplit(":", 1)[-1] for f in status["faults"] if f["code"] == "GW-C03"}
    assert missing >= set(REQUIRED)
    assert all(f["label"] and f["message"] for f in status["faults"])


@pytest.mark.requirement("NA-02")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Remark": "备" * 33}, "GW-C04"),
        ({"ExtraInformation": "附" * 331}, "GW-C04"),
        ({"OffSite": "1", "OffSiteAgency": "0000"}, "NA-R18"),
        ({"OffSite": "1", "OffSiteAgency": None}, "NA-R16"),
        ({"ExtendPrint": "1", "PrintTerminal": None}, "NA-R14"),
        ({"NotifyBySms": "1", "NotifyPhone": None}, "NA-R19"),
        ({"NotifyPhone": "12345"}, "NA-R20"),
        ({"TransactionKind": "赊销"}, "GW-C14"),
        ({"StateTrading": "9"}, "GW-C14"),
        ({"Importer__Code": "21", "Importer__CreditCode": "91210200MA0EXAMPLC", "Importer__Name": "示例"}, "NA-R05"),
        ({"Status": "9"}, "GW-C19"),
        ({"Applicant__Code": "3100MA1OTHER1"}, "GW-C19"),
        ({"LicenceNo": "26AA999999"}, "GW-C19"),
        ({"TradeCountry3": "USA"}, "GW-C01"),
    ],
)
def test_a_wrong_field_is_refused_with_its_code(site: Site, change: dict[str, Any], code: str) -> None:
    assert b.codes(b.refused(site, b.application("declare", **change))) == {code}


@pytest.mark.requirement("NA-02")
def test_the_longest_texts_and_the_accounts_own_values_are_taken(site: Site) -> None:
    long = {"Remark": "备" * 32, "ExtraInformation": "附" * 330, "Applicant__Code": "2100MA0EXAMPL"}
    status = b.done(site, b.application("save", **long))

    assert body(site, status)["Remark"] == "备" * 32


def spec(price: str, quantity: str, **more: str) -> dict[str, str]:
    return {"Model": "散装", "UnitPrice": price, "Quantity": quantity, **more}


def one_good(*specs: dict[str, str], currency: str = "USD", **more: str) -> dict[str, Any]:
    return {"CodeTS": b.PLAIN, "Purpose": "3", "Unit": "035", "Currency": currency, **more, "Spec": list(specs)}


@pytest.mark.requirement("NA-03")
def test_totals_and_amounts_in_usd_are_rounded_half_up_to_whole_units(site: Site) -> None:
    first = one_good(spec("0.5", "3"), spec("2.5", "1"), spec("0.1", "4"), currency="EUR")
    second = {**one_good(spec("10", "7")), "CodeTS": "2303300019"}
    kept = body(site, b.done(site, b.application("save", goods_=[first, second])))

    one, two = kept["Goods"]
    assert [row["Amount"] for row in one["Spec"]] == ["2", "3", "0"], "1.5 and 2.5 are rounded up, 0.4 down"
    assert [row["UsdAmount"] for row in one["Spec"]] == ["2", "3", "0"], "2.32, 3.48 and 0 dollars"
    assert (one["TotalQuantity"], one["TotalAmount"]) == ("8", "5")
    assert (one["Index"], two["Index"], [row["Index"] for row in one["Spec"]]) == ("1", "2", ["1", "2", "3"])
    assert (one["Name"], two["Name"]) == ("干玉米酒糟", "其他玉米酒糟")
    assert kept["UsdTotal"] == "75"


@pytest.mark.requirement("NA-03")
@pytest.mark.parametrize(
    ("goods", "given", "right"),
    [
        (one_good(spec("0.5", "3", Amount="1")), "1", "2"),
        (one_good(spec("2", "3", UsdAmount="7")), "7", "6"),
        (one_good(spec("2", "3"), TotalQuantity="4"), "4", "3"),
        (one_good(spec("2", "3"), TotalAmount="60"), "60", "6"),
        (one_good(spec("2", "3"), TotalAmount="6.5"), "6.5", "6"),
    ],
)
def test_a_given_total_that_differs_is_a_fault_with_both_figures(
    site: Site, goods: dict[str, Any], given: str, right: str
) -> None:
    status = b.refused(site, b.application("save", goods_=[goods]))

    (text,) = b.faults(status).values()
    assert b.codes(status) == {"GW-C19"}
    assert {given, right} <= set(re.findall(r"[0-9.]+[0-9]|[0-9]", text))


@pytest.mark.requirement("NA-03")
def test_a_given_total_that_agrees_is_taken(site: Site) -> None:
    b.done(site, b.application("save", goods_=[one_good(spec("0.5", "3", Amount="2"), TotalQuantity="3.0", TotalAmount="2")]))


@pytest.mark.requirement("NA-03")
def test_one_to_four_goods_each_with_its_required_fields(site: Site) -> None:
    four = [b.goods(code) for code in FOUR]
    assert [row["CodeTS"] for row in body(site, b.done(site, b.application("save", goods_=four)))["Goods"]] == FOUR

    assert b.codes(b.refused(site, b.application("save", goods_=[*four, b.goods("2603000010")]))) == {"GW-C18"}
    bare = b.refused(site, b.application("declare", goods_=[{"CodeTS": b.PLAIN, "Spec": [{"Model": "散装"}]}]))
    missing = {f["label"] for f in bare["faults"] if f["code"] == "GW-C03"}
    assert missing == {"商品信息商品用途", "商品信息商品数量单位", "商品信息单价币别", "规格型号信息单价", "规格型号信息数量"}


@pytest.mark.requirement("NA-04")
def test_the_contract_table_stands_under_the_contract_number(site: Site) -> None:
    status = b.done(site, b.application("save", ContractNo="DL-2026-2", Contract=[CONTRACT, CONTRACT]))

    assert [(row["Index"], row["Amount"]) for row in body(site, status)["Contract"]] == [("1", "1425000"), ("2", "1425000")]
    assert b.codes(b.refused(site, b.application("declare", ContractNo="DL-2026-2"))) == {"NA-R21"}
    assert b.codes(b.refused(site, b.application("declare", Contract=[CONTRACT]))) == {"NA-R22"}


@pytest.mark.requirement("NA-04")
def test_iron_ore_needs_its_contract_table(site: Site) -> None:
    ore = [b.goods("2601120000")]
    row = {"ContractNo": "FE-1", "Seller": "矿山", "Quantity": "170000", "IronContent": "61.5"}

    assert b.codes(b.refused(site, b.application("declare", goods_=ore))) == {"NA-R23"}
    status = b.done(site, b.application("declare", goods_=ore, IronOreContract=[row]))
    assert body(site, status)["IronOreContract"] == [{"Index": "1", **row}]


BULK = {
    "奶粉": "0402210000", "棕榈油": "1511", "菜籽油": "1514", "豆油": "1507", "乳清": "0404100000", "鲜奶": "0401",
    "大豆": "1201901100", "油菜籽": "1205", "豆粕": "2304", "牛肉": "0201100000", "冻牛肉": "0202", "猪肉": "0203", "羊肉": "0204",
    "副产品": "0206",
}  # fmt: skip


def commodity(beginning: str) -> str:
    table = (b.PROFILES / "tables" / "commodity.csv").read_text("utf-8").splitlines()
    return next(line.split(",")[0] for line in table if line.startswith(beginning))


@pytest.mark.requirement("NA-05")
def test_bulk_agricultural_goods_need_the_number_of_their_contract_filing(site: Site) -> None:
    b.registered(site, "NA.agriculture")
    without = [b.application("declare", goods_=[b.goods(commodity(code))]) for code in BULK.values()]
    name = site.drop(b.batch(without))
    status = site.wait(name)

    assert status["state"] == "refused"
    found = [{f["code"] for f in item["faults"] if f["severity"] == "error"} for item in status["items"]]
    assert found == [{"NA-R24"}] * len(without)


@pytest.mark.requirement("NA-05")
def test_a_number_of_a_form_that_is_not_the_usual_one_is_warned_of(site: Site) -> None:
    b.registered(site, "NA.agriculture")
    status = b.done(site, b.application("declare", goods_=[b.goods("1201901100")], ExtraInformation="许可证申领号后补"))

    assert {(f["code"], f["severity"]) for f in status["faults"]} == {("NA-R25", "warning")}


@pytest.mark.requirement("NA-05")
def test_with_the_number_in_the_additional_information_they_are_declared(site: Site) -> None:
    b.registered(site, "NA.agriculture")
    number = "大宗合同许可证申领号：DZ202611000123"
    status = b.done(site, b.application("declare", goods_=[b.goods("1201901100")], ExtraInformation=number))

    assert status["state"] == "accepted"


@pytest.mark.requirement("NA-21")
def test_enterprise_data_comes_from_the_account_the_authority_and_tables(site: Site) -> None:
    checked = b.done(site, precheck(FOUR[:1]))
    status = b.done(site, b.application("save", document=checked["document"], Enterprise__Province="辽宁省"))

    assert body(site, status)["Enterprise"] == {
        "Name": "大连示例进出口有限公司",
        "RegistrationStatus": "1",
        "OrganizationCode": "MA0EXAMPL",
        "CreditCode": "91210200MA0EXAMPLC",
        "Level": "9",
        "Nature": "3",
        "Province": "21",
        "ValidUntil": "2030-06-30",
        "ExtendPrint": "0",
    }


@pytest.mark.requirement("NA-21")
@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("Name", "别的公司", "GW-C19"),
        ("RegistrationStatus", "2", "GW-C19"),
        ("OrganizationCode", "MA0OTHER0", "GW-C19"),
        ("CreditCode", "91310000MA1OTHER13", "GW-C19"),
        ("Level", "99", "GW-C14"),
        ("Nature", "x", "GW-C14"),
        ("Province", "火星", "GW-C14"),
        ("ValidUntil", "明年", "GW-C11"),
        ("ExtendPrint", "也许", "GW-C13"),
    ],
)
def test_wrong_enterprise_data_is_refused(site: Site, field: str, value: str, code: str) -> None:
    assert b.codes(b.refused(site, b.application("save", **{f"Enterprise__{field}": value}))) == {code}
