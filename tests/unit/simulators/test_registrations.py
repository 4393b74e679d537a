"""Enterprises that must be registered first, records of an authority's own books, and numbers that name an office."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

REGISTRATION = """
number_at = ["Code"]
keys_at = ["Code"]
[[code]]
code = "30"
text = "已备案"
[[code]]
code = "31"
text = "备案未通过"
[[flow]]
operation = "declare"
steps = [{ code = "30", fast = "10ms" }]
[[turn]]
marker = "refuse"
at = "30"
steps = [{ code = "31", fast = "10ms" }]
[[query]]
kind = "record"
also = ["fetch"]
answer = "record"
table = "registration"
columns = ["Name=name", "Filing=filing", "Fax=fax"]
[[query]]
kind = "status"
answer = "status"
table = "registration"
status = ["30"]
"""
APPLICATION = """
number_at = ["No"]
keys_at = ["No"]
[numbers]
theirs = "{yy}{mm}{dd}{office}{serial:09d}"
[[code]]
code = "30"
text = "审批通过"
gives = ["theirs"]
[[flow]]
operation = "declare"
opens_round = true
steps = [{ code = "30", fast = "10ms" }]
[choice.office]
default = "99"
case = [{ at = "CodeTS", begins = ["88"], gives = "00" }, { at = "Office", begins = [""], first = 2 }]
[[check]]
check = "registered"
operations = ["declare"]
at = "@operation"
kind = "XX.registration"
status = ["30"]
table = "registration"
code = "S1"
says = "尚未备案"
"""
ON_RECORD = '[[registration]]\nnumber = "2100MA0EXAMPL"\nname = "示例公司"\nfiling = "2019-0001"\n'


@pytest.fixture
def started(own_home, tmp_path_factory):
    """Start MOFCOM with the two types; with a record of the enterprise in its books, or none."""
    home, begin, _ = own_home

    def start(*, record: bool):
        root: Path = tmp_path_factory.mktemp("types")
        for name, script in (("XX.registration", REGISTRATION), ("XX.application", APPLICATION)):
            (root / "mofcom" / name).mkdir(parents=True)
            (root / "mofcom" / name / "replies.toml").write_text(script, "utf-8")
        (root / "customs").mkdir()
        settings = home / "simulators" / "simulators.toml"
        bare = re.sub(r"\[\[registration\]\].*?(?=\n\[|\n#)", "", settings.read_text("utf-8"), flags=re.DOTALL)
        settings.write_text(bare + ("\n" + ON_RECORD if record else ""), "utf-8")
        return begin("--profiles", str(root)).client("mofcom")

    return start


def told(receipt):
    return [(fault.get("code"), fault.text) for fault in receipt.iter("{*}Fault")]


def texts(receipt):
    return {element.tag.partition("}")[2]: element.text for element in receipt.find("{*}Content")}


def test_an_enterprise_in_no_book_is_refused_until_its_registration_has_the_status(started):
    mofcom = started(record=False)
    application = "<No>1</No><Office>2102</Office>"
    assert told(mofcom.send("XX.application", "declare", application, reference="a1")[1]) == [("S1", "尚未备案")]

    mofcom.send("XX.registration", "declare", "<Code>R1</Code>", reference="r1!refuse")
    mofcom.until("31")
    assert told(mofcom.send("XX.application", "declare", application, reference="a2")[1]) == [("S1", "尚未备案")]

    mofcom.send("XX.registration", "declare", "<Code>R2</Code>", reference="r2")
    mofcom.until("30")
    assert mofcom.send("XX.application", "declare", application, reference="a3")[0] == 202


def test_one_that_stands_in_a_book_is_registered_and_its_record_is_told(started):
    mofcom = started(record=True)

    assert texts(mofcom.ask("XX.registration", "record")) == {"Name": "示例公司", "Filing": "2019-0001"}
    status = mofcom.ask("XX.registration", "status").find("{*}Content/{*}Status")
    assert (status.get("code"), status.text) == ("30", "已备案")
    assert mofcom.send("XX.application", "declare", "<No>1</No>", reference="a1")[0] == 202


def test_without_a_record_there_is_nothing_to_tell(started):
    mofcom = started(record=False)

    assert [code for code, _ in told(mofcom.ask("XX.registration", "record"))] == ["QRY-06"]
    assert [code for code, _ in told(mofcom.ask("XX.registration", "status"))] == ["QRY-03"]


@pytest.mark.parametrize(
    ("content", "office"),
    [
        ("<Office>3204</Office>", "32"),
        ("<CodeTS>8802401000</CodeTS><Office>3204</Office>", "00"),
        ("<CodeTS>9022</CodeTS>", "99"),
    ],
)
def test_a_number_holds_its_day_and_the_office_that_a_choice_gives(started, content, office):
    mofcom = started(record=True)
    mofcom.send("XX.application", "declare", f"<No>1</No>{content}", reference="a1")
    receipt = mofcom.until("30")[-1]
    today = datetime.now(UTC).astimezone(timezone(timedelta(hours=8))).strftime("%y%m%d")

    assert receipt.find("{*}Numbers/{*}Number").text == f"{today}{office}000000001"
