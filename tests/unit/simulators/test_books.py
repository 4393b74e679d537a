"""What rows can show of an authority's own documents, and of code tables: a small script with every kind of column."""

import pytest
from customs_desk import rows
from lxml import etree

from tongguan.simulators.books.answers import answered
from tongguan.simulators.books.store import Issued
from tongguan.simulators.serve import open_office
from tongguan.simulators.setup import SampleEnterprise, make_simulators

ACCOUNT = "2100MA0EXAMPL"
SCRIPT = """
number_at = ["No", "@number"]
keys_at = ["No", "@number", "@document"]

[numbers]
licence = "{yy}AA{serial:06d}"

[[code]]
code = "10"
text = "待初审"

[[code]]
code = "20"
text = "初审通过"
opinion = "材料齐全"
officer = "张审"

[[code]]
code = "40"
text = "已签发"
gives = ["licence"]

[[code]]
code = "52"
text = "海关入库成功"
moves = false
group = "customs"

[[query]]
kind = "history"
answer = "rows"
of = "documents"
status = ["40"]
filters = { licence = "number.licence", name = "~Exporter/Name", issued = "date.40" }
columns = [
  "LicenceNo=number.licence",
  "Exporter=Exporter/Name",
  "Total=sum:Goods/Quantity",
  "Source='单一窗口'",
  "IssuedOn=date.40",
  "IssuedAt=time.40",
  "Customs=group.customs",
  "CustomsCode=group.customs.code",
  "Country=Country@country",
]
inner = { element = "Goods", of = "Goods", columns = ["Name=Name", "Quantity=Quantity"] }

[[query]]
kind = "opinions"
answer = "rows"
of = "opinions"
filters = { application = "number" }
columns = ["No=number", "Step=step.text", "Opinion=step.opinion", "Officer=step.officer", "Time=step.at"]

[[query]]
kind = "catalogue"
answer = "rows"
of = "table"
table = "goods"
filters = { year = "year", code = "code", name = "~zh" }
columns = ["Code=code", "Name=zh", "Mode=mode@mode"]
"""
GOODS = "code,year,zh,en,mode\n001,2025,Crude OIL,,a\n002,2026,crude oil,,b\n003,2026,大米,,c\n"
BOOK = """
[[goods]]
number = "003"
year = "2027"
zh = "稻米"
mode = "a"

[[goods]]
number = "004"
year = "2027"
zh = "小麦"
announced = "2020-01-01"

[[goods]]
number = "005"
year = "2027"
zh = "玉米"
announced = "2199-01-01"
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    home = tmp_path_factory.mktemp("books")
    root = home / "profiles"
    (root / "mofcom" / "XX.one").mkdir(parents=True)
    (root / "tables").mkdir()
    (root / "mofcom" / "XX.one" / "replies.toml").write_text(SCRIPT)
    (root / "tables" / "goods.csv").write_text(GOODS)
    (root / "tables" / "mode.csv").write_text("code,zh,en\na,直接进口,\nb,机电办签发,\n")
    (root / "tables" / "country.csv").write_text("code,zh,en\nAUS,澳大利亚,Australia\n")
    make_simulators(home, [SampleEnterprise("demo", "91210200MA0EXAMPLC", ACCOUNT, "2102960001")])
    with (home / "simulators" / "simulators.toml").open("a") as book:
        book.write(BOOK)
    office = open_office(home, "mofcom", fast=True, profiles=root)
    _document(office, "A1", "26AA000001", ("10", "20", "40", "52"), day=1)
    _document(office, "A2", "26AA000002", ("10", "20", "40"), day=2)
    _document(office, "A3", "", ("10",), day=3)
    yield office
    office.store.close()


def _document(office, number, licence, codes, *, day):
    body = (
        f"<XX.one><No>{number}</No><Exporter><Name>出口 Company {number}</Name></Exporter><Country>AUS</Country>"
        f"<Goods><Name>甲</Name><Quantity>10.5</Quantity></Goods><Goods><Name>乙</Name><Quantity>0.25</Quantity></Goods></XX.one>"
    ).encode()
    store = office.store
    document = store.new_document(ACCOUNT, "XX.one", number)
    status = [code for code in codes if code != "52"][-1]
    store.write_document(type(document)(**{**vars(document), "status": status, "round": 1, "body": body}))
    store.name_document(document, [number])
    if licence:
        store.keep_number(document.id, "licence", licence)
    for hour, code in enumerate(codes):
        at = f"2026-11-{day:02d}T{hour:02d}:00:00.000+08:00"
        store.issue(Issued(document.id, ACCOUNT, code, 1, at, b""))


def ask(office, kind, inside="", attributes=""):
    envelope = {
        "version": "1.0",
        "message_id": "m-1",
        "message_type": "XX.one",
        "operation": "query",
        "sender_id": ACCOUNT,
        "receiver_id": "mofcom",
        "send_time": "2026-11-20T18:00:00.000+08:00",
        "environment": "test",
    }
    head = "".join(f"<{name}>{value}</{name}>" for name, value in envelope.items())
    body = (
        f'<Package xmlns="urn:tongguan:package:1"><EnvelopInfo>{head}</EnvelopInfo><DataInfo><BussinessData>'
        f'<XX.one xmlns="urn:tongguan:XX.one:1" operation="query" kind="{kind}" {attributes}>{inside}</XX.one>'
        "</BussinessData></DataInfo></Package>"
    )
    _, answer = answered(office, "m-1", body.encode())
    return etree.fromstring(answer)


def test_documents_are_shown_with_numbers_sums_fixed_texts_names_and_inner_rows(office):
    total, found = rows(ask(office, "history", "<licence>26-AA-000001</licence>"))

    assert (total, found) == (
        1,
        [
            {
                "LicenceNo": "26AA000001",
                "Exporter": "出口 Company A1",
                "Total": "10.75",
                "Source": "单一窗口",
                "IssuedOn": "2026-11-01",
                "IssuedAt": "2026-11-01T02:00:00.000+08:00",
                "Customs": "海关入库成功",
                "CustomsCode": "52",
                "Country": "澳大利亚",
                "Goods": [{"Name": "甲", "Quantity": "10.5"}, {"Name": "乙", "Quantity": "0.25"}],
            }
        ],
    )


def test_documents_are_found_by_part_of_a_name_and_by_days(office):
    def numbers(inside):
        return [row["LicenceNo"] for row in rows(ask(office, "history", inside))[1]]

    assert numbers("") == ["26AA000002", "26AA000001"]
    assert numbers("<name>company a2</name>") == ["26AA000002"]
    assert numbers("<issued_from>2026-11-02</issued_from>") == ["26AA000002"]
    assert numbers("<issued_to>2026-11-01</issued_to>") == ["26AA000001"]


def test_a_question_about_one_document_is_answered_about_it(office):
    found = rows(ask(office, "opinions", attributes='number="A1"'))[1]

    assert found == [
        {"No": "A1", "Step": "初审通过", "Opinion": "材料齐全", "Officer": "张审", "Time": "2026-11-01T01:00:00.000+08:00"}
    ]
    assert rows(ask(office, "opinions", attributes='document="my own name"'))[0] == 2
    assert ask(office, "opinions", attributes='number="A9"').get("code") == "Q1"


def test_a_code_table_is_searched_like_a_book(office):
    def codes(inside):
        return [(row["Code"], row["Mode"]) for row in rows(ask(office, "catalogue", inside))[1]]

    assert codes("<name>Oil</name>") == [("001", "直接进口"), ("002", "机电办签发")]
    assert codes("<year>2026</year>") == [("002", "机电办签发")]
    assert codes("<year>2025</year><name>oil</name>") == [("001", "直接进口")]
    assert codes("<code>01</code>") == []


def test_the_authoritys_own_book_comes_before_the_table_and_tells_what_is_announced_by_now(office):
    _, found = rows(ask(office, "catalogue", "<year>2027</year>"))

    assert [(row["Code"], row["Name"]) for row in found] == [("003", "稻米"), ("004", "小麦")]


def test_a_query_is_refused_by_its_marker(office):
    assert ask(office, "catalogue", attributes='reference="q!refuse-query"').get("code") == "Q1"
    assert ask(office, "catalogue", attributes='reference="q!refuse"').get("code") == "Q0"
