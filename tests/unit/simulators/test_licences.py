"""MOFCOM plays an application from the declare to the licence at customs."""

import base64
import io
import re
import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import pikepdf
import pytest
from pypdf import PdfReader

NA = "NA.application"
CHINA = ZoneInfo("Asia/Shanghai")


def test_a_declared_application_becomes_a_licence_stored_at_customs(mofcom, fresh, application, codes, number):
    own = fresh.application()

    status, receipt = mofcom.send(NA, "declare", application(own), reference=fresh.reference())
    receipts = mofcom.until("52")

    assert (status, receipt.get("kind"), receipt.get("code"), receipt.get("number")) == (202, "technical", "0", own)
    assert codes(receipts) == ["10", "20", "30", "40", "50", "52"]
    assert {(one.get("account"), one.get("type"), one.get("number"), one.get("kind")) for one in receipts} == {
        (mofcom.account, NA, own, "business")
    }
    assert re.fullmatch(r"\d\d" + mofcom.account + r"\d{6}", number(receipts[0], "mofcom"))
    assert re.fullmatch(r"\d\dAA\d{6}", number(receipts[3], "licence"))
    assert len({one.get("id") for one in receipts}) == 6
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00", one.get("issued_at")) for one in receipts)


@pytest.mark.parametrize(
    ("marker", "last", "expected"),
    [
        ("!store-fail", "11", ["11"]),
        ("!refuse", "22", ["10", "22"]),
        ("!second-refuse", "31", ["10", "20", "31"]),
        ("!centre-fail", "54", ["10", "20", "30", "40", "50", "54"]),
        ("!customs-fail", "52", ["10", "20", "30", "40", "50", "53", "52"]),
        ("!nameless!customs-fail", "52", ["10", "20", "30", "40", "50", "53", "52"]),
    ],
)
def test_a_marker_in_the_reference_turns_the_flow(mofcom, fresh, application, codes, marker, last, expected):
    mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference(marker))

    receipts = mofcom.until(last)

    assert codes(receipts) == expected
    assert all((one.get("message") is None) == ("nameless" in marker) for one in receipts)


def test_a_returned_application_is_declared_again_under_the_same_number(mofcom, fresh, application, codes, number):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!return"))
    first = mofcom.until("21")

    status, _ = mofcom.send(NA, "declare", application(own), reference=fresh.reference("!return"))
    second = mofcom.until("40")

    assert (codes(first), status) == (["10", "21"], 202)
    assert codes(second)[:4] == ["10", "20", "30", "40"]
    assert number(first[0], "mofcom") == number(second[0], "mofcom")


def test_an_application_under_way_cannot_be_declared_again(mofcom, fresh, application, faults):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference())

    status, receipt = mofcom.send(NA, "declare", application(own), reference=fresh.reference())

    assert (status, receipt.get("code"), faults(receipt)[0][0]) == (400, "1", "DOC-02")


def test_a_stored_application_can_be_withdrawn(mofcom, fresh, application, codes):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!stay=10"))
    mofcom.until("10")

    status, receipt = mofcom.send(NA, "withdraw", reference=fresh.reference(), attributes=f'number="{own}"')
    receipts = mofcom.until("60", "61")

    assert (status, receipt.get("number"), codes(receipts)) == (202, own, ["60"])


def test_what_was_to_come_is_dropped_by_a_withdrawal(mofcom, fresh, application, codes):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!pace=1s"))
    mofcom.until("10")
    mofcom.send(NA, "withdraw", reference=fresh.reference(), attributes=f'number="{own}"')

    receipts = mofcom.until("60", "61") + [mofcom.read(body) for body in mofcom.poll(wait=2)]

    assert codes(receipts) == ["60"]


def test_a_withdrawal_after_the_first_examination_is_not_accepted(mofcom, fresh, application, codes):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!stay=20"))
    mofcom.until("20")

    mofcom.send(NA, "withdraw", reference=fresh.reference(), attributes=f'number="{own}"')

    assert codes(mofcom.until("60", "61")) == ["61"]


def test_a_withdrawal_of_what_nobody_knows_is_refused(mofcom, fresh, faults):
    status, receipt = mofcom.send(NA, "withdraw", reference=fresh.reference(), attributes='number="NA2699999999999999"')

    assert (status, faults(receipt)[0][0]) == (400, "DOC-01")


def test_several_faults_of_a_document_are_told_at_once(mofcom, fresh, application, faults):
    body = application("NA1", more="<Applicant><Code>2100MA0OTHERX</Code></Applicant>")

    status, receipt = mofcom.send(NA, "declare", body, reference=fresh.reference())

    assert (status, {code for code, _ in faults(receipt)}) == (400, {"NA-S01", "NA-S02"})


def test_an_attachment_that_differs_from_its_digest_is_refused(mofcom, tools, fresh, application, faults):
    def with_digest(digest):
        text = base64.b64encode(b"a scan").decode()
        return f'<Attachments><Attachment name="a.pdf" category="1" sha256="{digest}">{text}</Attachment></Attachments>'

    bad = application(fresh.application(), more=with_digest(tools.sha256(b"another scan")))
    good = application(fresh.application(), more=with_digest(tools.sha256(b"a scan")))

    status, receipt = mofcom.send(NA, "declare", bad, reference=fresh.reference())

    assert (status, faults(receipt)[0][0]) == (400, "ATT-01")
    assert mofcom.send(NA, "declare", good, reference=fresh.reference())[0] == 202


@pytest.mark.parametrize(
    ("commodity", "port", "form"),
    [("2601111000", "0902", "electronic"), ("2402200000", "0902", "paper"), ("2601111000", "5303", "paper")],
)
def test_the_precheck_tells_which_form_the_licence_takes(mofcom, tools, application, commodity, port, form):
    receipt = mofcom.ask(NA, "precheck", application("", commodity=commodity, port=port), operation="check")

    assert receipt.get("code") == "Q0"
    assert receipt.findtext("r:Content/r:LicenceForm", namespaces=tools.NS) == form


def test_a_precheck_of_five_commodities_is_told_what_is_wrong(mofcom, application, faults):
    receipt = mofcom.ask(NA, "precheck", application("", more="<Goods><CodeTS>2601111000</CodeTS></Goods>" * 4))

    assert (receipt.get("code"), faults(receipt)[0][0]) == ("Q1", "NA-S03")


def test_a_paper_licence_never_goes_to_customs_and_cannot_be_downloaded(mofcom, fresh, application, codes, faults):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own, commodity="2402200000"), reference=fresh.reference())
    receipts = mofcom.until("40") + [mofcom.read(body) for body in mofcom.poll(wait=1)]

    refused = mofcom.ask(NA, "licence", number=own, operation="export")

    assert codes(receipts) == ["10", "20", "30", "40"]
    assert (refused.get("code"), faults(refused)[0][0]) == ("Q1", "QRY-04")


def test_the_status_is_told_on_request(mofcom, tools, fresh, application):
    own = fresh.application()
    before = mofcom.ask(NA, "status", number=own)
    mofcom.send(NA, "declare", application(own), reference=fresh.reference())
    mofcom.until("52")

    status = mofcom.ask(NA, "status", number=own)

    assert (before.get("code"), status.get("code"), status.get("number")) == ("Q1", "Q0", own)
    assert status.find("r:Content/r:Status", tools.NS).get("code") == "40"
    listed = [one.get("code") for one in status.iterfind("r:Content/r:Receipts/r:Receipt", tools.NS)]
    assert listed == ["10", "20", "30", "40", "50", "52"]


def test_the_state_of_a_withdrawal_is_told_with_the_status(mofcom, tools, fresh, application):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!stay=20"))
    mofcom.until("20")
    mofcom.send(NA, "withdraw", reference=fresh.reference(), attributes=f'number="{own}"')
    mofcom.until("61")

    status = mofcom.ask(NA, "status", number=own)

    side = status.find("r:Content/r:Side[@group='withdrawal']", tools.NS)
    assert (status.find("r:Content/r:Status", tools.NS).get("code"), side.get("code")) == ("20", "61")


def test_the_issued_licence_is_a_pdf(mofcom, tools, fresh, application, number):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference())
    licence = number(mofcom.until("40")[-1], "licence")

    answer = mofcom.ask(NA, "", number=own, operation="export")

    file = answer.find("r:Content/r:File", tools.NS)
    assert (file.get("name"), file.get("media_type")) == (f"{licence}.pdf", "application/pdf")
    paper = base64.b64decode(file.text)
    with pikepdf.open(io.BytesIO(paper)) as pdf:
        assert not pdf.check_pdf_syntax()
        fonts = [*pdf.pages[0].Resources.Font.values()]
        assert fonts
        assert all("/FontFile2" in font.FontDescriptor for font in fonts if "/FontDescriptor" in font)
    shown = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    day = datetime.now(CHINA).date()
    for said in (
        licence,
        own,
        "2601111000",
        "有效期",
        f"{day} 至 ",
        "SAMPLE",
        "商务部（模拟）许可证专用章",
    ):
        assert said in shown, said


def test_the_queries_of_another_account_find_nothing(simulators, mofcom, fresh, application):
    own = fresh.application()
    mofcom.send(NA, "declare", application(own), reference=fresh.reference("!stay=10"))
    mofcom.until("10")

    other = simulators.client("mofcom", account="2100MA0OTHERX")

    assert other.ask(NA, "status", number=own).get("code") == "Q1"


def test_a_query_that_nobody_answers_is_told_so(mofcom, faults):
    receipt = mofcom.ask(NA, "weather")

    assert (receipt.get("code"), faults(receipt)[0][0]) == ("Q1", "QRY-01")


def test_a_licence_is_signed_by_a_server_that_has_read_signed_messages_before(tmp_path):
    script = """
from io import BytesIO
from asn1crypto import cms as names
from cryptography.hazmat.primitives.asymmetric import ec
from reportlab.pdfgen.canvas import Canvas
from tongguan.simulators.messages import cms
from tongguan.simulators.messages.signing import sealer
from tongguan.simulators.setup import self_signed

names.CMSAttributeType("content_type")  # as reading a signed message does
key = ec.generate_private_key(ec.SECP256R1())
from tongguan.simulators.messages import pdf  # as late as servers do
page = BytesIO()
canvas = Canvas(page)
canvas.showPage()
canvas.save()
print(pdf.signed(page.getvalue(), sealer(key, self_signed("商务部", key)), "许可证")[:5].decode())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "%PDF-", done.stderr
