"""What an authority holds a document against: its fields, what was filed before, its books; and what becomes of pending content."""

from __future__ import annotations

from decimal import Decimal

import pytest
from counter_desk import OTHER, CounterDesk, codes, codes_of, content, faults, number, package, write_types
from lxml import etree

from tongguan.simulators.books.answers import answered
from tongguan.simulators.customs.ledger import Line, Permit, left

HEADER = (
    "path,name,label,label_en,type,length,precision,least,most,pattern,occurs,code_table,unit,required_at,changeable_by,"
    "fill,find,line,key,sum,sign_order,source\n"
)
COMMON = """
number_at = ["No"]
keys_at = ["No", "Given"]
[choice.free]
default = "1"
"""
FILING = (
    COMMON
    + """
[numbers]
given = "F{serial:03d}"
[day.Until]
months = 12
at = ["Guarantee"]
marker = "until"
[choice.nature]
default = ""
case = [{ at = "Nature", begins = [""], first = 1 }]
[[code]]
code = "A1"
text = "approved"
gives = ["given"]
tells = ["Until"]
[[code]]
code = "A2"
text = "refused"
reason = "no"
[[code]]
code = "B1"
text = "changed"
moves = false
pending = "applies"
[[code]]
code = "B2"
text = "not changed"
moves = false
pending = "drops"
reason = "no"
[[code]]
code = "X1"
text = "extended"
moves = false
pending = "drops"
tells = ["Until"]
[[code]]
code = "X2"
text = "not extended"
moves = false
pending = "drops"
[[code]]
code = "C1"
text = "cancelled"
stops = true
[[flow]]
operation = "declare"
unsigned = "free=1"
when = ["", "A2"]
opens_round = true
steps = [{ code = "A1", otherwise = "A2", days = 1 }]
[[flow]]
operation = "amend"
unsigned = "free=1"
when = ["A1"]
known = true
pending = true
steps = [{ code = "B1", otherwise = "B2" }]
[[flow]]
operation = "extend"
unsigned = "free=1"
when = ["A1"]
known = true
pending = true
steps = [{ code = "X1", otherwise = "X2" }]
[[turn]]
marker = "refuse"
at = "B1"
operations = ["amend"]
steps = [{ code = "B2" }]
[[turn]]
marker = "cancel"
at = "B1"
steps = [{ code = "C1" }, { code = "B1" }]
[[check]]
check = "fields"
operations = ["declare"]
code = "S1"
says = "{label}: {value}"
[[check]]
check = "unchanged"
operations = ["amend"]
columns = ["Nature"]
code = "S2"
says = "{label} {there} -> {value}"
[[check]]
check = "pattern"
before = ["A1"]
only = "nature=3"
at = "Place"
pattern = "07.*"
code = "S3"
says = "{value}"
[[check]]
check = "unclaimed"
before = ["A1"]
at = "Place+Nature"
kind = "filing"
frees = ["C1"]
until = "Until"
code = "S4"
says = "{value}"
[[check]]
check = "last_days"
before = ["X1"]
until = "Until"
days = 10
code = "S5"
says = "{value}"
"""
)
FILING_FIELDS = HEADER + (
    "No,No,编号,no.,text,8,,,,,0..1,,,declare,,,,,,,,\n"
    "Given,Given,海关编号,given,text,8,,,,,0..1,,,,,,,,,,,\n"
    "Place,Place,海关,place,code,4,,,,,0..1,customs,,declare,,,,,,,,\n"
    "Nature,Nature,性质,nature,text,1,,,,[1-4],0..1,,,,,,,,,,,\n"
    "Amount,Amount,额度,amount,number,6,2,1,5000,,0..1,,,,,,,,,,,\n"
    "Guarantee,Guarantee,担保有效期,guarantee,date,,,,,,0..1,,,,,,,,,,,\n"
    "Flag,Flag,标志,flag,flag,,,,,,0..1,,,,,,,,,,,\n"
    "At,At,时间,at,datetime,,,,,,0..1,,,,,,,,,,,\n"
    "Goods[],Goods,商品,goods,table,,,,,,0..2,,,,,,,,,,,\n"
    "Goods[]/GNo,GNo,序号,no.,number,2,0,,,,0..1,,,declare,,,,,,,,\n"
    "Goods[]/Name,Name,品名,name,text,9,,,,,0..1,,,,,,,,,,,\n"
    "Goods[]/Stopped,Stopped,停用,stopped,flag,,,,,,0..1,,,,,,,,,,,\n"
)
LIST = (
    COMMON
    + """
[numbers]
entry = "09082026I{serial:09d}"
[cites]
goods = "Line"
number = "entry"
direction = "import"
port = "Place"
trader = ["Trader"]
licence = ["Licence"]
line_licence = "Licence"
code = "Code"
unit = "Unit"
quantity = "Quantity"
[[code]]
code = "7"
text = "passed"
gives = ["entry"]
takes = true
[[code]]
code = "D"
text = "deleted"
gives_back = true
stops = true
[[code]]
code = "9"
text = "on its way"
[[code]]
code = "E"
text = "refused"
[choice.bonded]
default = "0"
case = [{ at = "Nature", begins = ["2"], gives = "1" }]
[choice.water]
default = "0"
case = [{ at = "Bill", begins = [""], gives = "1" }]
[[flow]]
operation = "declare"
unsigned = "free=1"
when = ["", "E"]
opens_round = true
steps = [{ code = "7", otherwise = "E" }, { code = "9" }]
[[turn]]
marker = "deleted"
at = "9"
steps = [{ code = "D" }]
[states]
16 = "cancelled"
[[query]]
kind = "account"
answer = "rows"
of = "records"
table = "bonded_account"
field = "owner"
at = "DecList"
filters = { AccountNo = "number", Code = "CodeTS" }
head = ["Account=number", "Mode=TradeMode"]
columns = ["GNo=GNo", "CodeTS=CodeTS", "Account=number"]
[[check]]
check = "covered"
before = ["7", "change"]
code = "L6"
says = "{value}"
[[check]]
check = "named"
before = ["7"]
at = "Place+Nature"
claim = "filing"
status = ["A1"]
until = "Until"
same = ["Nature", "Amount"]
code = "L1"
says = "none: {value}"
differs = "{label} {value}/{there}"
[[check]]
check = "filed"
before = ["7"]
only = "bonded=0"
at = "Filed"
kind = "XX.filing"
rows = "Line"
there = "Goods"
key = "Item=GNo"
stopped = "Stopped"
code = "L2"
says = "{row} {value} {there}"
[[check]]
check = "alike"
before = ["7", "change"]
only = "bonded=0"
at = "Filed"
kind = "XX.filing"
rows = "Line"
there = "Goods"
key = "Item=GNo"
columns = ["Name"]
code = "L3"
says = "{row} {label} {value}/{there}"
[[check]]
check = "filed"
before = ["7"]
only = "bonded=1"
at = "Filed"
table = "bonded_account"
rows = "Line"
there = "DecList"
key = "Item=GNo"
code = "L4"
says = "{row} {value} {there}"
[[check]]
check = "record"
before = ["7", "change"]
only = "water=1"
at = "Bill"
table = "manifest"
columns = ["Weight=GrossWet", "Ship=TrafName"]
code = "L5"
says = "{label} {value}/{there}"
"""
)
LIST_FIELDS = HEADER + (
    "No,No,编号,no.,text,8,,,,,0..1,,,,,,,,,,,\n"
    "Place,Place,海关,place,text,4,,,,,0..1,,,,,,,,,,,\n"
    "Nature,Nature,性质,nature,text,1,,,,,0..1,,,,,,,,,,,\n"
    "Amount,Amount,额度,amount,number,6,2,,,,0..1,,,,,,,,,,,\n"
    "Filed,Filed,备案号,filed,text,12,,,,,0..1,,,,,,,,,,,\n"
    "Bill,Bill,提运单号,bill,text,12,,,,,0..1,,,,,,,,,,,\n"
    "Ship,Ship,运输工具名称,ship,text,12,,,,,0..1,,,,,,,,,,,\n"
    "Weight,Weight,毛重,weight,number,9,2,,,,0..1,,,,,,,,,,,\n"
    "Trader,Trader,企业,trader,text,10,,,,,0..1,,,,,,,,,,,\n"
    "Licence,Licence,许可证号,licence,text,20,,,,,0..1,,,,,,,,,,,\n"
    "Line[],Line,表体,lines,table,,,,,,0..9,,,,,,,,,,,\n"
    "Line[]/Item,Item,备案序号,item,number,9,0,,,,0..1,,,,,,,,,,,\n"
    "Line[]/Name,Name,品名,name,text,9,,,,,0..1,,,,,,,,,,,\n"
    "Line[]/Code,Code,商品编号,code,text,10,,,,,0..1,,,,,,,,,,,\n"
    "Line[]/Unit,Unit,单位,unit,text,3,,,,,0..1,,,,,,,,,,,\n"
    "Line[]/Licence,Licence,许可证号,licence,text,20,,,,,0..1,,,,,,,,,,,\n"
    "Line[]/Quantity,Quantity,数量,quantity,number,9,2,,,,0..1,,,,,,,,,,,\n"
)
CHANGE = (
    COMMON
    + """
[changes]
kind = "XX.list"
named = "List"
rows = "Change"
cancels = "kind=2"
cancelled = "16"
[choice.kind]
default = "1"
case = [{ at = "Kind", begins = ["2"], gives = "2" }]
[[code]]
code = "R1"
text = "received"
[[code]]
code = "R2"
text = "not received"
[[code]]
code = "A1"
text = "agreed"
changes = true
[[code]]
code = "A2"
text = "not agreed"
[[flow]]
operation = "declare"
unsigned = "free=1"
when = ["", "R2", "A2"]
opens_round = true
steps = [{ code = "R1", otherwise = "R2" }, { code = "A1", otherwise = "A2" }]
[[check]]
check = "named"
before = ["R1"]
at = "List"
kind = "XX.list"
status = ["7", "9"]
code = "C1"
says = "{value}"
[[check]]
check = "unclaimed"
before = ["R1"]
at = "List"
kind = "change"
named = "XX.list"
frees = ["R2", "A1", "A2"]
code = "C2"
says = "{value}"
[[check]]
check = "old"
before = ["A1"]
code = "C3"
says = "{label} {value}/{there}"
[[check]]
check = "changed"
before = ["A1"]
code = "C4"
says = "{label} {value}"
"""
)
TYPES = {
    "XX.filing": {"replies.toml": FILING, "fields.csv": FILING_FIELDS},
    "XX.list": {"replies.toml": LIST, "fields.csv": LIST_FIELDS},
    "XX.change": {"replies.toml": CHANGE},
}
BOOKS = """
[[bonded_account]]
number = "H1"
owner = "2102960001"
TradeMode = "0615"
[[bonded_account.DecList]]
GNo = "1"
CodeTS = "8542319000"
[[bonded_account.DecList]]
GNo = "2"
CodeTS = "8542329000"

[[bonded_account]]
number = "H2"
owner = "2102960099"
[[bonded_account.DecList]]
GNo = "1"

[[manifest]]
number = "B1"
TrafName = "HAI XING"
GrossWet = "10.50"
"""
GOODS = "<Goods><GNo>1</GNo><Name>甲</Name></Goods><Goods><GNo>2</GNo><Name>乙</Name><Stopped>1</Stopped></Goods>"


@pytest.fixture
def desk(tmp_path):
    made = CounterDesk(tmp_path / "home", write_types(tmp_path / "types", TYPES))
    made.settings(BOOKS)
    yield made
    made.office.store.close()


def filing(no="F-1", place="0908", nature="1", more=""):
    return f"<No>{no}</No><Place>{place}</Place><Nature>{nature}</Nature>{more}"


def listed(no="L-1", nature="1", filed="F-1", lines="<Line><Item>1</Item><Name>甲</Name></Line>", more=""):
    return f"<No>{no}</No><Place>0908</Place><Nature>{nature}</Nature><Filed>{filed}</Filed>{more}{lines}"


def change(*rows, no="C-1", of="L-1", kind="1"):
    written = "".join(f"<Change><Place>{place}</Place><Old>{old}</Old><New>{new}</New></Change>" for place, old, new in rows)
    return f"<No>{no}</No><Kind>{kind}</Kind><List>{of}</List>{written}"


WRONG_FIELDS = [
    ("<Colour>red</Colour>", "Colour", "Colour: 没有这一栏"),
    ("<Amount>1</Amount><Amount>2</Amount>", "Amount", "额度: 最多 1 项"),
    ("<Amount>1e3</Amount>", "Amount", "额度: 不是数字: 1e3"),
    ("<Amount>1.005</Amount>", "Amount", "额度: 最多 6 位，其中小数 2 位: 1.005"),
    ("<Amount>12345.67</Amount>", "Amount", "额度: 最多 6 位，其中小数 2 位: 12345.67"),
    ("<Amount>0.5</Amount>", "Amount", "额度: 不得小于 1: 0.5"),
    ("<Amount>5001</Amount>", "Amount", "额度: 不得大于 5000: 5001"),
    ("<Guarantee>2027-02-29</Guarantee>", "Guarantee", "担保有效期: 不是日期: 2027-02-29"),
    ("<Guarantee>20270228</Guarantee>", "Guarantee", "担保有效期: 日期应写成 2026-11-20: 20270228"),
    ("<Flag>yes</Flag>", "Flag", "标志: 应为 1 或 0: yes"),
    ("<At>noon</At>", "At", "时间: 不是时间: noon"),
    ("<Goods><GNo>1</GNo></Goods>" * 3, "Goods", "商品: 最多 2 项"),
    ("<Goods><Name>甲</Name></Goods>", "Goods[1]/GNo", "序号: 必填"),
    ("<Goods><GNo>1</GNo></Goods><Goods><GNo>2</GNo><Name>一二三四五六七八九十</Name></Goods>", "Goods[2]/Name", "品名: 长度 10，最多 9"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "place", "text"), WRONG_FIELDS)
def test_the_form_is_held_against_the_fields_of_the_type(desk, more, place, text):
    http, receipt = desk.send("XX.filing", "declare", filing(more=more))

    assert (http, faults(receipt)) == (400, [("S1", place, text)])


def test_presence_pattern_and_code_table_are_looked_at(desk):
    _, receipt = desk.send("XX.filing", "declare", filing("", "999", "7"))

    assert [text for *_, text in faults(receipt)] == ["海关: 代码表中没有 999", "性质: 格式不正确: 7", "编号: 必填"]


def test_an_approval_gives_a_number_and_tells_how_long_it_holds(desk):
    desk.at("2026-11-20")
    (plain,) = desk.declared("XX.filing", filing())
    (bounded,) = desk.declared("XX.filing", filing("F-2", "0902", more="<Guarantee>2027-05-31</Guarantee>"))
    (ordered,) = desk.declared("XX.filing", filing("F-3", "0901"), markers_="!until=20261130")
    (no_day,) = desk.declared("XX.filing", filing("F-4", "0903"), markers_="!until=20269930")

    receipts = (plain, bounded, ordered, no_day)
    assert [number(one, "given") for one in receipts] == ["F001", "F002", "F003", "F004"]
    assert [content(one, "Until") for one in receipts] == ["2027-11-20", "2027-05-31", "2026-11-30", "2027-11-20"]


def test_what_is_filed_already_is_refused_until_the_first_one_is_over(desk):
    desk.at("2026-11-20")
    desk.declared("XX.filing", filing(), markers_="!until=20261130")

    (second,) = desk.declared("XX.filing", filing("F-2"))
    (elsewhere,) = desk.declared("XX.filing", filing("F-3", "0902"))
    desk.at("2026-12-01")
    (later,) = desk.declared("XX.filing", filing("F-2"))

    assert [one.get("code") for one in (second, elsewhere, later)] == ["A2", "A1", "A1"]
    assert faults(second) == [("S4", "Place+Nature", "0908+1")]


def test_a_check_is_made_only_of_the_documents_that_it_names(desk):
    (ordinary,) = desk.declared("XX.filing", filing())
    (border,) = desk.declared("XX.filing", filing("F-2", nature="3"))

    assert (ordinary.get("code"), border.get("code"), codes_of(border)) == ("A1", "A2", ["S3"])


def body_of(desk, no="F-1"):
    return desk.office.store.find_document(desk.account, "XX.filing", [no]).body.decode()


def test_a_change_holds_once_it_is_agreed_and_the_approved_content_until_then(desk):
    desk.declared("XX.filing", filing(more="<Amount>10</Amount>"))

    desk.send("XX.filing", "amend", filing(more="<Amount>20</Amount>"))
    before = body_of(desk)
    receipts = desk.play()

    assert (codes(receipts), "<Amount>10</Amount>" in before, "<Amount>20</Amount>" in body_of(desk)) == (["B1"], True, True)
    assert desk.office.store.find_document(desk.account, "XX.filing", ["F-1"]).status == "A1"


def test_a_refused_change_leaves_the_approved_content(desk):
    desk.declared("XX.filing", filing(more="<Amount>10</Amount>"))

    receipts = desk.declared("XX.filing", filing(more="<Amount>20</Amount>"), "amend", markers_="!refuse")

    assert (codes(receipts), "<Amount>10</Amount>" in body_of(desk)) == (["B2"], True)


def test_one_change_waits_at_a_time_and_what_may_not_change_is_refused(desk):
    desk.declared("XX.filing", filing())
    first = desk.send("XX.filing", "amend", filing(more="<Amount>20</Amount>"))[0]

    second = desk.refused("XX.filing", "amend", filing(more="<Amount>30</Amount>"))
    desk.play()
    third = desk.refused("XX.filing", "amend", filing(nature="3"))
    unknown = desk.refused("XX.filing", "amend", filing("F-9"))

    assert (first, second, third, unknown) == (202, ["DOC-03"], ["S2"], ["DOC-01"])


def test_a_cancellation_ends_all_that_is_on_its_way(desk):
    desk.declared("XX.filing", filing())

    receipts = desk.declared("XX.filing", filing(more="<Amount>20</Amount>"), "amend", markers_="!cancel")

    assert (codes(receipts), desk.refused("XX.filing", "amend", filing())) == (["C1"], ["DOC-02"])
    assert "Amount" not in body_of(desk)


@pytest.mark.parametrize(
    ("day", "code", "until"),
    [
        ("2026-11-19", "X2", None),
        ("2026-11-20", "X1", "2027-11-30"),
        ("2026-11-30", "X1", "2027-11-30"),
        ("2026-12-01", "X2", None),
    ],
)
def test_an_extension_is_for_the_last_days(desk, day, code, until):
    desk.at("2026-11-01")
    desk.declared("XX.filing", filing(), markers_="!until=20261130")
    desk.at(day)

    (receipt,) = desk.declared("XX.filing", filing(), "extend")

    assert (receipt.get("code"), content(receipt, "Until")) == (code, until)


def test_a_list_needs_a_filing_in_force_that_says_the_same(desk):
    desk.at("2026-11-20")
    nothing = desk.declared("XX.list", listed())
    desk.declared("XX.filing", filing(more="<Amount>10.0</Amount>" + GOODS), markers_="!until=20261130")

    other = desk.declared("XX.list", listed(more="<Amount>11</Amount>"))
    fine = desk.declared("XX.list", listed(more="<Amount>10</Amount>"))
    desk.at("2026-12-01")
    late = desk.declared("XX.list", listed("L-2", more="<Amount>10</Amount>"))

    assert [codes(one) for one in (nothing, other, fine, late)] == [["E"], ["E"], ["7", "9"], ["E"]]
    assert faults(nothing[0])[0] == ("L1", "Place", "none: 0908+1")
    assert faults(other[0]) == [("L1", "Amount", "额度 11/10.0")]


@pytest.mark.parametrize(
    ("item", "name", "told"),
    [
        ("1", "丙", ("L3", "Line[1]/Name", "1 品名 丙/甲")),
        ("2", "乙", ("L2", "Line[1]/Item", "1 2 已停用")),
        ("3", "甲", ("L2", "Line[1]/Item", "1 3 没有这一项")),
    ],
)
def test_lines_that_differ_from_the_filed_goods_are_told_with_the_field(desk, item, name, told):
    desk.declared("XX.filing", filing(more=GOODS))

    (receipt,) = desk.declared("XX.list", listed(lines=f"<Line><Item>{item}</Item><Name>{name}</Name></Line>"))

    assert (receipt.get("code"), faults(receipt)) == ("E", [told])


def test_another_enterprises_filing_is_none(desk):
    desk.declared("XX.filing", filing(more=GOODS))

    desk.send("XX.list", "declare", listed(), account=OTHER)
    desk.cursor = 0
    (receipt,) = desk.play(account=OTHER)

    assert (receipt.get("code"), codes_of(receipt)[0]) == ("E", "L1")


def test_bonded_goods_are_those_of_the_book(desk):
    desk.declared("XX.filing", filing(nature="2"))

    known = desk.declared("XX.list", listed(nature="2", filed="H1", lines="<Line><Item>1</Item></Line>"))
    unknown = desk.declared("XX.list", listed("L-2", nature="2", filed="H1", lines="<Line><Item>3</Item></Line>"))

    assert (codes(known), codes(unknown), codes_of(unknown[0])) == (["7", "9"], ["E"], ["L4"])


def test_what_the_manifest_says_otherwise_is_told_with_the_field(desk):
    desk.declared("XX.filing", filing(more=GOODS))

    alike = desk.declared("XX.list", listed(more="<Bill>B1</Bill><Ship>HAI XING</Ship><Weight>10.5</Weight>"))
    (other,) = desk.declared("XX.list", listed("L-2", more="<Bill>B1</Bill><Ship>HAI XING</Ship><Weight>10.51</Weight>"))

    assert (codes(alike), faults(other)) == (["7", "9"], [("L5", "Weight", "毛重 10.51/10.50")])


@pytest.fixture
def passed(desk):
    """A list that has passed, and its desk."""
    desk.declared("XX.filing", filing(more=GOODS))
    lines = "<Line><Item>1</Item><Name>甲</Name><Quantity>5</Quantity></Line>"
    desk.declared("XX.list", listed(lines=lines, more="<Bill>B1</Bill><Ship>HAI XING</Ship><Weight>10.5</Weight>"))
    return desk


def list_of(desk):
    return desk.office.store.find_document(desk.account, "XX.list", ["L-1"])


def test_a_change_is_carried_out_once_it_is_agreed(passed):
    passed.send(
        "XX.change", "declare", change(("Line[1]/Quantity", "5.00", "4"), ("Amount", "", "3"), ("Ship", "HAI XING", "HAI XING"))
    )
    before = list_of(passed).body
    receipts = passed.play()

    after = list_of(passed).body.decode()
    assert (codes(receipts), b"<Quantity>5<" in before) == (["R1", "A1"], True)
    assert ("<Quantity>4<" in after, "<Amount>3<" in after, list_of(passed).status) == (True, True, "9")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("Line[1]/Quantity", "6", "4"), ("C3", "Change[1]/Old", "数量 6/5")),
        (("Line[2]/Quantity", "6", "4"), ("C3", "Change[1]/Old", "数量 6/没有 Line[2]/Quantity 一栏")),
        (("Colour", "", "red"), ("C3", "Change[1]/Old", "Colour -/没有 Colour 一栏")),
        (("Line[1]/Quantity", "5", "many"), ("C4", "Line[1]/Quantity", "数量 不是数字: many")),
        (("Line[1]/Name", "甲", "乙"), ("L3", "Line[1]/Name", "1 品名 乙/甲")),
        (("Weight", "10.5", "11"), ("L5", "Weight", "毛重 11/10.50")),
    ],
)
def test_a_change_that_does_not_fit_the_list_or_the_books_is_not_agreed(passed, row, told):
    receipts = passed.declared("XX.change", change(row))

    assert (codes(receipts), faults(receipts[-1])) == (["R1", "A2"], [told])
    assert b"<Quantity>5<" in list_of(passed).body


def test_a_list_is_changed_by_one_at_a_time_and_only_where_it_may_be(passed):
    passed.send("XX.change", "declare", change(("Line[1]/Quantity", "5", "4")))
    passed.step()
    second = passed.send("XX.change", "declare", change(("Amount", "", "3"), no="C-2"))[0]
    receipts = passed.play()
    unknown = passed.declared("XX.change", change(no="C-3", of="L-9"))

    assert second == 202
    assert sorted((one.get("number"), one.get("code")) for one in receipts) == [("C-1", "A1"), ("C-2", "R2")]
    assert (codes(unknown), codes_of(unknown[0])) == (["R2"], ["C1"])


def test_a_cancelled_list_goes_no_further(desk):
    desk.declared("XX.filing", filing(more=GOODS))
    desk.send("XX.list", "declare", listed(), markers_="!pace=1h")
    desk.step()
    desk.send("XX.change", "declare", change(kind="2"))

    receipts = desk.play()
    again = desk.declared("XX.change", change(kind="2", no="C-2"))

    assert (codes(receipts), list_of(desk).status, codes(again)) == (["R1", "A1"], "16", ["R2"])


def test_what_is_pending_and_what_was_told_outlive_a_restart(desk):
    desk.at("2026-11-20")
    desk.declared("XX.filing", filing(), markers_="!until=20261130")
    desk.send("XX.filing", "amend", filing(more="<Amount>20</Amount>"), message="m-1")
    desk.restart()

    receipts = desk.play()
    (extended,) = desk.declared("XX.filing", filing(), "extend")

    assert (codes(receipts), "<Amount>20</Amount>" in body_of(desk), content(extended, "Until")) == (["B1"], True, "2027-11-30")


def permit(desk, quantity="100", *, code="1"):
    """Let customs keep a licence of 26-AA-000001 for that much of one commodity."""
    desk.office.store.ledger.keep_permit(
        Permit(
            number="26-AA-000001", sender="mofcom", type="XX.licence", account="2100MA0EXAMPL", application="A", applied="2026-01-01",
            issued="2026-01-01", valid_from="2026-01-01", valid_until="9999-12-31", codes=(code,), direction="import", batch="several",
            uses=0, regions=("09",), traders=("2102960001",), holders=("2102960001",), trader_name="", owner_name="",
            lines=(Line(1, "2601111000", "", "035", Decimal(quantity), Decimal(0), "", ""),),
        )
    )  # fmt: skip


def left_of(desk):
    kept = desk.office.store.ledger.permit("26AA000001")
    return left(kept.lines[0], [use for use, entry in desk.office.store.ledger.uses_of(kept.id) if entry.stands])


def licensed(no="L-1", quantity="40", head="26AA000001", cited="", code="2601111000"):
    line = f"<Line><Item>1</Item><Name>甲</Name><Code>{code}</Code><Unit>035</Unit><Quantity>{quantity}</Quantity>"
    line += f"<Licence>{cited}</Licence></Line>" if cited else "</Line>"
    head = f"<Licence>{head}</Licence>" if head else ""
    return listed(no, lines=line, more=f"<Trader>2102960001</Trader>{head}")


@pytest.fixture
def filled(desk):
    """A desk where goods are filed and a licence of 100 is kept."""
    desk.declared("XX.filing", filing(more=GOODS))
    permit(desk)
    return desk


def test_a_list_takes_from_the_licence_that_it_cites_and_no_more_than_is_left(filled):
    first = filled.declared("XX.list", licensed(quantity="60.5"))
    (second,) = filled.declared("XX.list", licensed("L-2", quantity="39.51"))
    at_the_line = filled.declared("XX.list", licensed("L-2", quantity="39.5", head="", cited="1:26-AA-000001"))

    assert (codes(first), codes(at_the_line), left_of(filled)) == (["7", "9"], ["7", "9"], 0)
    assert faults(second) == [("L6", "Line[1]/Quantity", "许可证 26-AA-000001 商品 2601111000 余量 39.5，不足 39.51")]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"head": "26ZZ000009"}, "Licence"),
        ({"code": "2601112000"}, "Line[1]/Code"),
        ({"head": "", "cited": "4:26AA000001"}, "Line[1]/Licence"),
        ({"head": "", "cited": "26ZZ000009"}, "Line[1]/Licence"),
    ],
)
def test_a_licence_that_does_not_cover_a_line_is_told_at_its_place(filled, more, place):
    (receipt,) = filled.declared("XX.list", licensed(**more))

    assert (receipt.get("code"), [fault[:2] for fault in faults(receipt)], left_of(filled)) == ("E", [("L6", place)], 100)


def test_a_deleted_list_gives_back_what_it_took(filled):
    receipts = filled.declared("XX.list", licensed(), markers_="!deleted")

    assert (codes(receipts), left_of(filled)) == (["7", "D"], 100)


def test_a_change_takes_or_gives_back_the_difference_and_a_cancellation_all(filled):
    filled.declared("XX.list", licensed(quantity="60"))
    less = filled.declared("XX.change", change(("Line[1]/Quantity", "60", "10")))
    after_less = left_of(filled)
    too_much = filled.declared("XX.change", change(("Line[1]/Quantity", "10", "100.01"), no="C-2"))
    all_of_it = filled.declared("XX.change", change(("Line[1]/Quantity", "10", "100"), no="C-3"))
    after_all = left_of(filled)
    filled.declared("XX.change", change(kind="2", no="C-4"))

    assert [codes(one)[-1] for one in (less, too_much, all_of_it)] == ["A1", "A2", "A1"]
    assert (after_less, after_all, left_of(filled)) == (90, 0, 100)


def ask(desk, inside):
    words = {"message_id": "q-1", "message_type": "XX.list", "operation": "query", "sender_id": desk.account}
    _, body = answered(desk.office, "q-1", package(words, "XX.list", 'operation="query" kind="account"', inside))
    return etree.fromstring(body)


def test_an_own_account_is_shown_with_its_goods(desk):
    receipt = ask(desk, "<AccountNo>H1</AccountNo>")

    rows = [[one.text for one in row] for row in receipt.iter("{*}Row")]
    assert rows == [["1", "8542319000", "H1"], ["2", "8542329000", "H1"]]
    assert [content(receipt, name) for name in ("Account", "Mode")] == ["H1", "0615"]


@pytest.mark.parametrize("number", ["H2", "H9"])
def test_an_account_of_another_enterprise_or_of_nobody_is_refused(desk, number):
    receipt = ask(desk, f"<AccountNo>{number}</AccountNo>")

    assert (receipt.get("code"), faults(receipt)) == ("Q1", [("QRY-06", "", f"没有 {number} 的备案信息")])
