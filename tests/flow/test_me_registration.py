"""Registration of an importer of mechanical and electrical products (企业信息备案): without it nobody applies."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import bodies as b
import machines as m
import pytest
from pypdf import PdfReader
from sites import Site, wait_until
from test_secret_fields import everything

NOT_REGISTERED = "您的企业尚未在本系统备案，请录入并提交备案信息"
REQUIRED = ("Level", "Province", "BusinessScope", "SystemAccount", "Password", "ContactName", "ContactPhone", "ProvinceOffice")


def password(site: Site) -> str:
    return (site.home / "secrets" / "demo" / "mofcom-password").read_text().strip()


def start(site: Site) -> Site:
    site.simulate("--fast")
    site.run()
    return site


def on_record(site: Site) -> dict[str, Any]:
    """The document file of the registration."""
    document = site.document(m.REGISTRATION, b.REGISTRATION)
    assert document is not None
    return document


@pytest.mark.requirement("ME-01")
def test_an_enterprise_that_is_not_registered_is_told_so_and_can_fetch_its_record_from_mofcom(own_site: Site) -> None:
    site = start(own_site)
    refused = b.refused(site, m.application())
    assert list(b.faults(refused).values()) == [NOT_REGISTERED]

    status = b.done(site, m.registration("fetch"))
    assert status["business_status"]["text"] == "已备案"
    body = on_record(site)["body"]
    assert (body["Name"], body["FilingNo"], body["FilingDate"]) == ("大连示例进出口有限公司", "2019-0001", "2019-05-06")
    assert (body["OrganizationCode"], body["ProvinceOffice"]) == ("MA0EXAMPL", "2100")
    (row,) = b.rows(site, b.query(m.REGISTRATION, "registration", document=b.REGISTRATION))
    assert (row["status"], row["filing"]) == ("已备案", "2019-0001")

    assert b.done(site, m.application())["business_status"]["text"] == m.APPROVED


@pytest.mark.requirement("ME-01")
def test_where_mofcom_has_no_record_the_enterprise_enters_saves_and_declares_its_own(own_site: Site) -> None:
    settings = own_site.home / "simulators" / "simulators.toml"
    settings.write_text(re.sub(r"\[\[registration\]\].*?(?=\n\[|\n#)", "", settings.read_text("utf-8"), flags=re.DOTALL), "utf-8")
    site = start(own_site)
    nothing = b.do(site, m.registration("fetch"))
    assert (nothing["state"], [f["message"] for f in nothing["faults"]]) == ("rejected", ["没有企业 2100MA0EXAMPL 的备案信息"])

    draft = b.done(site, m.registration("save", Password=None, BusinessScope=None))
    assert draft["business_status"]["text"] == "暂存"
    assert list(b.faults(b.refused(site, m.application())).values()) == [NOT_REGISTERED]
    status = b.done(site, m.registration("declare"))

    assert [r["text"] for r in status["receipts"] if "技术" not in r["text"]] == ["已申报", "已备案"]
    number = wait_until(lambda: on_record(site)["body"].get("FilingNo"), "the number on record")
    assert re.fullmatch(r"ME20[0-9]{8}", number)
    assert b.codes(b.refused(site, m.registration("save", document="another"))) == {"GW-F07"}, (
        "an enterprise has one registration"
    )
    assert b.done(site, m.application())["business_status"]["text"] == m.APPROVED


@pytest.mark.requirement("ME-01")
@pytest.mark.parametrize(("marker", "text"), [("!return", "退回修改"), ("!refuse", "备案未通过")])
def test_a_returned_or_refused_registration_is_corrected_and_declared_again(own_site: Site, marker: str, text: str) -> None:
    site = start(own_site)
    status = b.done(site, m.registration("declare", marker), "rejected")

    assert status["business_status"]["text"] == text
    assert status["faults"], "the authority's reason is told"
    assert list(b.faults(b.refused(site, m.application())).values()) == [NOT_REGISTERED]
    assert b.done(site, m.registration("declare"))["business_status"]["text"] == "已备案"


@pytest.mark.requirement("ME-01")
@pytest.mark.parametrize("field", REQUIRED)
def test_a_declared_registration_needs_this_field(site: Site, field: str) -> None:
    status = b.refused(site, m.registration("declare", document="incomplete", **{field: None}))

    assert [f["path"].rpartition("/")[2] for f in status["faults"] if f["code"] == "GW-C03"] == [field]


@pytest.mark.requirement("ME-01")
def test_the_printed_registration_shows_all_but_the_password(site: Site) -> None:
    b.registered(site, m.REGISTRATION)
    name = site.drop(b.xml(b.message(m.REGISTRATION, "print", document=b.REGISTRATION)))
    shown = "".join(page.extract_text() for page in PdfReader(BytesIO(site.result(name).read_bytes())).pages)

    for word in (
        "机电产品进口企业信息备案表",
        "91210200MA0EXAMPLC",
        "3 市级",
        "21 辽宁省",
        "辽宁省机电办",
        "辽宁省大连市机电办",
        "dlexample",
    ):
        assert word in shown
    assert "mofcom-password" not in shown
    assert "密码" not in shown


def stored_password(site: Site) -> str:
    """What MOFCOM reads in the password that it was sent, by a program that is not ours."""
    base = sqlite3.connect(site.home / "simulators" / "mofcom.db")
    (body,) = base.execute("SELECT body FROM document WHERE type = ?", (m.REGISTRATION,)).fetchone()
    base.close()
    found = re.search(rb"<Password>([^<]*)</Password>", body)
    assert found
    key = site.home / "simulators" / "mofcom-encryption.key"
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", str(key)]
    return subprocess.run(command, input=b64decode(found[1]), capture_output=True, check=True).stdout.decode()


@pytest.mark.requirement("ME-01")
def test_the_password_reaches_mofcom_encrypted_and_is_nowhere_else_in_the_home(own_site: Site) -> None:
    site = start(own_site)
    b.done(site, m.registration("save"))
    b.done(site, m.registration("declare"))
    b.done(site, b.message(m.REGISTRATION, "print", document=b.REGISTRATION))
    b.rows(site, b.query(m.REGISTRATION, "list"))
    shown = site.command("show", b.REGISTRATION, "--json").stdout + site.command("documents", "--json").stdout
    site.stop()

    secret = password(site)
    assert stored_password(site) == secret
    whole = {**everything(site.home), "commands": shown.encode()}
    assert [name for name, content in whole.items() if secret.encode() in content] == []
    assert [name for name, content in whole.items() if b"file:mofcom-password" in content], "the search finds what is there"


@pytest.mark.requirement("ME-01")
def test_a_password_that_is_written_openly_is_refused_and_not_repeated(site: Site) -> None:
    open_secret = "Geheim-Wort-4711"
    status = b.refused(site, m.registration("declare", Password=open_secret))

    assert [f["path"].rpartition("/")[2] for f in status["faults"]] == ["Password"]
    assert [
        path.name
        for folder in ("Status", "InBox")
        for path in Path(site.mailbox / folder).rglob("*")
        if path.is_file() and open_secret.encode() in path.read_bytes()
    ] == []


@pytest.mark.requirement("ME-01")
def test_a_granted_registration_is_changed_and_declared_again_without_a_word_of_its_number_and_date(own_site: Site) -> None:
    settings = own_site.home / "simulators" / "simulators.toml"
    settings.write_text(re.sub(r"\[\[registration\]\].*?(?=\n\[|\n#)", "", settings.read_text("utf-8"), flags=re.DOTALL), "utf-8")
    site = start(own_site)
    b.done(site, m.registration("declare"))
    granted = wait_until(lambda: "FilingDate" in on_record(site)["body"] and on_record(site)["body"], "the day on record")
    again = b.done(site, m.registration("declare", BusinessScope="自营和代理各类商品的进出口"))
    body = on_record(site)["body"]

    assert again["business_status"]["text"] == "已备案"
    assert (body["FilingNo"], body["FilingDate"]) == (granted["FilingNo"], granted["FilingDate"])
    assert body["BusinessScope"] == "自营和代理各类商品的进出口"


@pytest.mark.requirement("ME-01")
def test_whether_it_is_registered_is_asked_without_a_document_and_answered_in_the_pages_columns(site: Site) -> None:
    b.registered(site, m.REGISTRATION)
    (row,) = b.rows(site, b.query(m.REGISTRATION, "registration"))

    assert set(row) == {"status", "name", "credit_code", "filing"}
    assert row["status"] == "已备案"
    assert row["filing"]
