"""Files that hang on an import licence application."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

import bodies as b
import pytest
from sites import Site

CONTRACT, PHOTO = b.pdf(), b"\x89PNG\r\n\x1a\n" + b"\x00" * 60


def draft(site: Site, *, code: str = b.PLAIN) -> str:
    """A draft whose form MOFCOM has told: electronic, or paper for tobacco."""
    changes = {"Year": b.YEAR, "OneBatchOneLicence": "1", "CustomsPort1": "0908", "Goods": [{"CodeTS": code}]}
    key: str = b.done(site, b.message(b.APPLICATION, "check", set_=changes))["document"]
    return key


def files(operation: str, key: str, *names: str) -> Any:
    return b.with_files(b.message(b.APPLICATION, operation, document=key), *((name, "") for name in names))


def listed(site: Site, status: dict[str, Any]) -> list[str]:
    """The files of the document after the message with this status."""
    return [each["name"] for each in b.document(site, status)["attachments"]]


@pytest.mark.requirement("NA-10")
def test_files_are_attached_listed_downloaded_and_deleted(site: Site) -> None:
    key = draft(site)
    changed = b.done(site, files("attach", key, "合同.pdf", "照片.png"), files={"合同.pdf": CONTRACT, "照片.png": PHOTO})

    assert listed(site, changed) == ["合同.pdf", "照片.png"]
    rows = b.rows(site, b.query(b.APPLICATION, "attachments", document=key))
    assert [(row["name"], row["media_type"], row["size_bytes"]) for row in rows] == [
        ("合同.pdf", "application/pdf", str(len(CONTRACT))),
        ("照片.png", "image/png", str(len(PHOTO))),
    ]
    name = site.drop(b.xml(b.query(b.APPLICATION, "attachments", document=key, filters={"name": "合同.pdf"})))
    file = site.result(name)
    assert (file.suffix, file.read_bytes()) == (".pdf", CONTRACT)
    changed = b.done(site, files("detach", key, "照片.png"))
    assert listed(site, changed) == ["合同.pdf"]
    assert b.refused(site, files("detach", key, "照片.png"))["faults"]
    assert b.refused(site, b.query(b.APPLICATION, "attachments", document=key, filters={"name": "照片.png"}))["faults"]


@pytest.mark.requirement("NA-10")
def test_a_file_of_the_same_name_replaces_the_one_before(site: Site) -> None:
    key = draft(site)
    other = b.pdf()
    b.done(site, files("attach", key, "合同.pdf"), files={"合同.pdf": CONTRACT})
    changed = b.done(site, files("attach", key, "合同.pdf"), files={"合同.pdf": other})

    assert listed(site, changed) == ["合同.pdf"]
    name = site.drop(b.xml(b.query(b.APPLICATION, "attachments", document=key, filters={"name": "合同.pdf"})))
    assert site.result(name).read_bytes() == other


@pytest.mark.requirement("NA-10")
def test_a_file_is_the_same_in_either_normal_form_of_its_name(site: Site) -> None:
    """A Mac writes é as two letters, which nobody sees: such a file replaces, is brought and is deleted as the other."""
    composed, apart = (unicodedata.normalize(form, "Café合同.pdf") for form in ("NFC", "NFD"))
    key, other = draft(site), b.pdf()
    b.done(site, files("attach", key, composed), files={composed: CONTRACT})
    changed = b.done(site, files("attach", key, apart), files={apart: other})

    assert listed(site, changed) == [apart]
    name = site.drop(b.xml(b.query(b.APPLICATION, "attachments", document=key, filters={"name": composed})))
    assert site.result(name).read_bytes() == other
    (twice,) = b.refused(site, files("attach", key, composed, apart), files={composed: CONTRACT})["faults"]
    assert (twice["code"], twice["label"]) == ("GW-E03", "附件")
    assert listed(site, b.done(site, files("detach", key, composed))) == []


@pytest.mark.requirement("NA-10")
@pytest.mark.parametrize("operation", ["attach", "declare"])
def test_a_paper_licence_takes_no_files(site: Site, operation: str) -> None:
    key = draft(site, code="2402200000")
    root = (
        b.application(operation, document=key, goods_=[b.goods("2402200000")]) if operation == "declare" else files("attach", key)
    )
    if operation == "declare":
        b.with_files(root, ("合同.pdf", ""))
    else:
        root = files("attach", key, "合同.pdf")

    status = b.refused(site, root, files={"合同.pdf": CONTRACT})

    assert b.codes(status) == {"GW-E11"}
    (fault,) = (one for one in status["faults"] if one["code"] == "GW-E11")
    assert "电子版" in fault["message"] and "check" in fault["message"]


@pytest.mark.requirement("NA-10")
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("大.pdf", CONTRACT + os.urandom(1024 * 1024), "GW-E05"),
        ("表.xlsx", b"PK\x03\x04" + b"x" * 50, "GW-E04"),
        ("假.pdf", b"MZ\x90\x00" + b"x" * 50, "GW-E04"),
        ("空.pdf", b"", "GW-E16"),
    ],
)
def test_a_file_that_is_too_big_or_of_a_wrong_kind_is_refused_by_name(site: Site, name: str, content: bytes, code: str) -> None:
    status = b.refused(site, files("attach", draft(site), name), files={name: content})

    assert b.codes(status) == {code}
    assert name in status["faults"][0]["message"]


@pytest.mark.requirement("NA-10")
def test_a_file_of_just_one_megabyte_is_taken(site: Site) -> None:
    full = CONTRACT + os.urandom(1024 * 1024 - len(CONTRACT))
    b.done(site, files("attach", draft(site), "满.pdf"), files={"满.pdf": full})


@pytest.mark.requirement("NA-10")
def test_files_come_with_a_declare_and_stay_as_they_were_sent(site: Site) -> None:
    key = draft(site)
    root = b.with_files(b.application("declare", document=key), ("合同.pdf", ""))
    declared = b.done(site, root, files={"合同.pdf": CONTRACT})

    site.wait_business(b.APPLICATION, key, "已打印或生成电子许可证")
    assert listed(site, declared) == ["合同.pdf"]
    assert "GW-F05" in b.codes(b.refused(site, files("detach", key, "合同.pdf")))
