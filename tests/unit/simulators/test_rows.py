"""Questions whose answer is a table: customs' ledger, the authority's own documents, and code tables."""

import pytest
from customs_desk import RECEIPT, TYPE, Desk, content, declaration, goods, line, rows, today

from tongguan.simulators.settings import load_settings


@pytest.fixture(scope="module")
def desk(simulators):
    return Desk(f"http://127.0.0.1:{simulators.ports['customs']}", load_settings(simulators.home).admin_token)


@pytest.fixture
def at_customs(simulators, mofcom):
    """The same enterprise as at MOFCOM, by its customs code."""
    own = next(one for one in load_settings(simulators.home).enterprises if one.codes["mofcom"] == mofcom.account)
    return simulators.client("customs", account=own.codes["customs"], card="customs-card")


@pytest.fixture
def issue(mofcom, fresh, number):
    """Have a licence issued and stored at customs; gives the application's number and the licence's."""

    def issue(*lines, **more):
        own = fresh.application()
        mofcom.send(TYPE, "declare", content(own, *lines, **more), reference=fresh.reference())
        return own, next(found for one in mofcom.until("52") if (found := number(one, "licence")))

    return issue


@pytest.fixture
def used(desk, issue, mofcom):
    """A licence of several batches with three declarations: cleared, released, reserved; gives it and the entry numbers."""
    own, licence = issue(batch="0")
    wanted = [declaration(line(licence, quantity), trader=mofcom.account) for quantity in ("10", "20.5", "30")]
    for one, events in zip(wanted, (("release", "clear"), ("release",), ()), strict=True):
        assert desk.declare(one)[0] == 200
        for event in events:
            assert desk.happen(one["entry"], event)[0] == 200
    return own, licence, [one["entry"] for one in wanted]


@pytest.mark.requirement("NA-18")
def test_clearance_data_has_the_declarations_columns_and_its_goods(at_customs, used):
    _, licence, entries = used

    total, found = rows(at_customs.ask(TYPE, "clearance", f"<licence>{licence}</licence>"))

    assert total == 1
    assert found[0] == {
        "EntryNo": entries[0],
        "LicenceNo": licence,
        "Trader": "示例公司",
        "Owner": "货主公司",
        "TradeCountry": "澳大利亚",
        "Port": found[0]["Port"],
        "BillNo": "B-1",
        "District": "大连市",
        "ContractNo": "C-1",
        "Packages": "3",
        "Date": today(),
        "Goods": [
            {
                "LicenceNo": licence,
                "CodeTS": "2601111000",
                "Name": "铁矿砂",
                "Model": "粉",
                "Quantity": "10",
                "Unit": found[0]["Goods"][0]["Unit"],
                "Price": "80.5",
                "Currency": "美元",
            }
        ],
    }
    assert found[0]["Port"] != "0908" and found[0]["Goods"][0]["Unit"] == "千克"


@pytest.mark.requirement("LR-03")
def test_written_off_declarations_are_listed_by_their_day(desk, at_customs, issue, mofcom):
    _, licence = issue(batch="0")
    days = ("2026-11-01", "2026-11-15", "2026-12-01")
    wanted = [declaration(line(licence, "1"), trader=mofcom.account) for _ in days]
    for one, day in zip(wanted, days, strict=True):
        desk.declare(one)
        desk.happen(one["entry"], "release", date=day)

    def ask(*dates):
        asked = "".join(f"<released_{way}>{day}</released_{way}>" for way, day in zip(("from", "to"), dates, strict=False))
        return [row["ReleasedOn"] for row in rows(at_customs.ask(TYPE, "writeoff", f"<licence>{licence}</licence>{asked}"))[1]]

    assert ask() == ["2026-12-01", "2026-11-15", "2026-11-01"]
    assert ask("2026-11-15") == ["2026-12-01", "2026-11-15"]
    assert ask("2026-11-02", "2026-11-15") == ["2026-11-15"]


def test_what_remains_is_told_with_each_use(at_customs, used):
    own, licence, entries = used

    _, found = rows(at_customs.ask(TYPE, "remaining", f"<licence>{licence[:2]}-{licence[2:]}</licence>"))

    shown = {name: found[0][name] for name in ("ApplicationNo", "LicenceNo", "CodeTS", "Approved", "Remaining", "AppliedOn")}
    assert shown == {
        "ApplicationNo": own,
        "LicenceNo": licence,
        "CodeTS": "2601111000",
        "Approved": "100",
        "Remaining": "39.5",
        "AppliedOn": today(),
    }
    assert [(use["EntryNo"], use["Quantity"], use["State"]) for use in found[0]["Use"]] == [
        (entries[0], "10", "cleared"),
        (entries[1], "20.5", "released"),
        (entries[2], "30", "reserved"),
    ]


def test_what_remains_is_told_of_licences_of_several_batches_only(at_customs, issue):
    _, one = issue(batch="1")

    assert rows(at_customs.ask(TYPE, "remaining", f"<licence>{one}</licence>")) == (0, [])


def test_an_enterprise_sees_its_own_licences_only(simulators, used):
    stranger = simulators.client("customs", account="2102960099", card="other-customs", pen=simulators.pens["other"])

    for kind in ("remaining", "clearance", "writeoff"):
        assert rows(stranger.ask(TYPE, kind, f"<licence>{used[1]}</licence>")) == (0, [])


def test_an_importer_sees_the_licence_that_another_applied_for(simulators, issue):
    importer = "<Importer><Code>2100MA0OTHERX</Code></Importer>"
    _, licence = issue(batch="0", importer=importer)
    other = simulators.client("customs", account="2102960099", card="other-customs", pen=simulators.pens["other"])

    assert rows(other.ask(TYPE, "remaining", f"<licence>{licence}</licence>"))[0] == 1


@pytest.mark.requirement("NA-17")
def test_customs_status_is_told_of_approved_and_issued_applications_only(mofcom, fresh, codes):
    for marker, last in (("!stay=20", "20"), ("!stay=30", "30"), ("!centre-fail", "54"), ("", "52")):
        mofcom.send(TYPE, "declare", content(fresh.application()), reference=fresh.reference(marker))
        mofcom.until(last)

    total, found = rows(mofcom.ask(TYPE, "customs"))

    assert total == 3
    assert [(row["Status"], row["CustomsStatus"]) for row in found] == [
        ("已打印或生成电子许可证", "海关入库成功"),
        ("已打印或生成电子许可证", "数据中心处理失败"),
        ("复审通过", "-"),
    ]
    assert {(row["GoodsName"], row["AppliedOn"]) for row in found} == {("矿砂", today())}


def test_filters_pages_and_order_are_the_questions(mofcom, fresh, codes):
    own = [fresh.application() for _ in range(3)]
    for one in own:
        mofcom.send(TYPE, "declare", content(one), reference=fresh.reference("!stay=30"))
        mofcom.until("30")

    def ask(inside="", attributes=""):
        message, body = mofcom.package(
            TYPE, "query", inside, reference="Q", sign=False, attributes=f'kind="customs" {attributes}'
        )
        total, found = rows(mofcom.read(mofcom.post(message, body, "queries").body))
        return total, [row["ApplicationNo"] for row in found]

    assert ask(attributes='page="2" size="2"') == (3, [own[0]])
    assert ask(attributes='sort="ApplicationNo"') == (3, sorted(own))
    assert ask(attributes='sort="-ApplicationNo" size="1"') == (3, [max(own)])
    assert ask(f"<application>{own[1]}</application>") == (1, [own[1]])
    assert ask(f"<application>{own[1]}</application><application>{own[2]}</application>") == (2, [own[2], own[1]])
    assert ask("<year>2025</year>") == (0, [])
    assert ask(f"<applied_from>{today()}</applied_from><applied_to>{today()}</applied_to>")[0] == 3
    assert ask(f"<applied_to>{today(-1)}</applied_to>") == (0, [])


@pytest.mark.parametrize(
    ("inside", "attributes", "path"),
    [
        ("<weather>wet</weather>", "", "weather"),
        ("", 'sort="weather"', "@sort"),
        ("", 'page="0"', "@page"),
        ("", 'size="x"', "@size"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(mofcom, faults, tools, inside, attributes, path):
    message, body = mofcom.package(TYPE, "query", inside, reference="Q", sign=False, attributes=f'kind="customs" {attributes}')

    receipt = mofcom.read(mofcom.post(message, body, "queries").body)

    assert (receipt.get("code"), receipt.find(f"{RECEIPT}Faults/{RECEIPT}Fault").get("path")) == ("Q1", path)


def test_each_authority_answers_its_own_questions_only(mofcom, at_customs, faults):
    asked = [mofcom.ask(TYPE, "clearance"), at_customs.ask(TYPE, "customs"), at_customs.ask(TYPE, "status", number="NA1")]

    assert [(one.get("code"), faults(one)[0][0]) for one in asked] == [("Q1", "QRY-01")] * 3


def test_the_steps_of_an_application_are_told_in_their_order(mofcom, fresh):
    own, other = fresh.application(), fresh.application()
    for one in (own, other):
        mofcom.send(TYPE, "declare", content(one), reference=fresh.reference("!stay=20"))
        mofcom.until("20")

    _, found = rows(mofcom.ask(TYPE, "process", number=own))

    assert [(row["ApplicationNo"], row["Step"]) for row in found] == [(own, "入库成功待初审"), (own, "初审通过")]
    assert rows(mofcom.ask(TYPE, "process"))[0] == 4
    assert mofcom.ask(TYPE, "process", number="NA2699999999999999").get("code") == "Q1"


def test_goods_of_several_lines_are_told_apart(at_customs, issue):
    _, licence = issue(goods(), goods("2601120000", "7.25"), batch="0")

    _, found = rows(at_customs.ask(TYPE, "remaining", f"<licence>{licence}</licence>"))

    assert [(row["CodeTS"], row["Remaining"]) for row in found] == [("2601111000", "100"), ("2601120000", "7.25")]
