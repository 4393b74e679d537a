"""What customs reads out of a licence that is handed over: validity, goods, who holds it, and which words decide it."""

from decimal import Decimal

import pytest
from lxml import etree

from tongguan.simulators.customs.permits import Unfit, read_permit
from tongguan.simulators.script.loading import load_scripts
from tongguan.simulators.settings import Enterprise, Settings

SCRIPT = """
number_at = ["No"]
keys_at = ["No"]

[choice.codes]
default = "4"
case = [{ at = "Mode", begins = ["02"], gives = "x" }]

[choice.over]
default = "0"
case = [{ at = "Code", begins = ["72"], gives = "3" }]

[licence]
codes = "choice:codes"
direction = "export"
batch = "several"
uses = 12
trader = ["Exporter"]
valid_until = ["Until"]
ports = ["Port"]
goods = "Goods"
code = "Code"
quantity = "Quantity"
over = "choice:over"
"""
BODY = "<No>A1</No><Mode>0214</Mode><Exporter>M2</Exporter><Port>0908</Port><Port>0901</Port>"
GOODS = "<Goods><Code>7204100000</Code><Quantity>10.50</Quantity></Goods><Goods><Code>1006</Code></Goods>"


@pytest.fixture
def read(tmp_path):
    """Read a licence with that body, issued that day, under a script with these words in place of others."""

    def read(body=BODY + GOODS, issued="2026-08-31", more="", attributes=()):
        folder = tmp_path / "mofcom" / "XX.one"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "replies.toml").write_text(SCRIPT + more)
        known = (
            Enterprise("甲", "U1", {"mofcom": "M1", "customs": "C1"}, ()),
            Enterprise("乙", "U2", {"mofcom": "M2", "customs": "C2"}, ()),
        )
        root = etree.fromstring(f"<Licence><XX.one>{body}</XX.one></Licence>")
        for name, value in {"account": "M1", "licence": "26-AB-000001", "issued_on": issued, **dict(attributes)}.items():
            root.set(name, value)
        script = load_scripts("mofcom", tmp_path)["XX.one"]
        return read_permit(Settings(tmp_path, "test", True, "", {}, known, {}, {}), script, root)

    return read


def test_choices_decide_by_the_document_and_by_each_goods_line(read):
    permit = read()

    assert (permit.codes, permit.direction, permit.uses) == (("x",), "export", 12)
    assert [(line.code, line.approved, line.over) for line in permit.lines] == [
        ("7204100000", Decimal("10.50"), Decimal(3)),
        ("1006", Decimal(0), Decimal(0)),
    ]


def test_ports_count_by_their_customs_district(read):
    assert read().regions == ("09",)


def test_the_applicant_and_the_trader_may_both_ask_and_only_the_trader_declare(read):
    permit = read()

    assert set(permit.traders) == {"M2", "U2", "C2"}
    assert set(permit.holders) == {"M1", "U1", "C1", "M2", "U2", "C2"}
    assert permit.trader_name == "乙"


def test_without_a_trader_the_applicant_is_it(read):
    assert set(read(GOODS).traders) == {"M1", "U1", "C1"}


@pytest.mark.requirement("LR-03")
@pytest.mark.parametrize(
    ("more", "issued", "asked", "until"),
    [
        ("", "2026-08-31", "", "9999-12-31"),
        ("", "2026-08-31", "2027-06-30", "2027-06-30"),
        ("months = 6", "2026-08-31", "", "2027-02-28"),
        ("months = 6", "2027-08-31", "", "2028-02-29"),
        ("months = 6", "2026-08-31", "2026-10-01", "2026-10-01"),
        ("months = 6", "2026-12-01", "2027-12-31", "2027-06-01"),
        ("months = 6\nwithin_year = true", "2026-08-31", "2027-06-30", "2026-12-31"),
        ("within_year = true", "2026-01-01", "", "2026-12-31"),
    ],
)
def test_a_licence_is_valid_no_longer_than_its_months_and_its_year(read, more, issued, asked, until):
    permit = read(BODY + GOODS + (f"<Until>{asked}</Until>" if asked else ""), issued, more)

    assert (permit.valid_from, permit.valid_until) == (issued, until)


@pytest.mark.parametrize(
    "wrong", ["<Until>soon</Until>", "<Goods><Quantity>-1</Quantity></Goods>", "<Goods><Quantity>1e9</Quantity></Goods>"]
)
def test_a_licence_that_makes_no_sense_is_unfit(read, wrong):
    with pytest.raises(Unfit):
        read(BODY + wrong)
