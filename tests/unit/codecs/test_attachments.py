"""Attachments are judged by their bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from effort import effort

from tongguan.codecs.reading.attachments import check_attachments, media_type
from tongguan.gateway.model.document import Attachment, Document
from tongguan.gateway.profile.profile import AttachmentRule, Profile, Text

RULE = AttachmentRule(
    types=("application/pdf", "image/png"),
    most_bytes=4000,
    most_files=2,
    categories="kinds",
    category_names={code: Text(f"第{code}类", f"kind {code}") for code in ("1", "2", "3")},
    one_of=("1", "2"),
    required_at=frozenset({"declare"}),
    one_a_category=True,
)
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 10


def pdf(pages: int = 1) -> bytes:
    made = pikepdf.new()
    for _ in range(pages):
        made.add_blank_page()
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


def profile(rule: AttachmentRule) -> Profile:
    return Profile(
        "XX.test", "customs", Path(), "v", Text("", ""), "XX", "", "customs_code", "", (), (), {}, {}, {}, {}, {}, rule
    )


def document(*attachments: tuple[str, str]) -> Document:
    kept = tuple(Attachment(name, category, "application/pdf", 1, "", "m") for name, category in attachments)
    return Document("d", "demo", "XX.test", "k", "v", 1, "draft", 0, 0, attachments=kept)


def codes(given: list[tuple[str, str]], files: dict[str, bytes], *, rule: AttachmentRule = RULE, **rest: Any) -> list[str]:
    rest = {"document": None, "operation": "attach", **rest}
    return [f.code for f in check_attachments(profile(rule), given, files, **rest)]


def zip_with(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, "x")
    return target.getvalue()


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        (pdf(), "application/pdf"),
        (b"\n\n%PDF-1.4", "application/pdf"),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (zip_with("a.txt"), "application/zip"),
        (zip_with("word/document.xml"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (zip_with("xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("说明".encode(), "text/plain"),
        ("说明".encode("gb18030"), "text/plain"),
        (b"<?xml version='1.0'?><a/>", "application/xml"),
        (b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
        (b"\0\1\2", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_media_type_is_read_from_the_bytes(raw, type_):
    assert media_type(raw) == type_


def test_good_attachments_have_no_fault():
    assert codes([("a.pdf", "1"), ("b.png", "3")], {"a.pdf": pdf(), "b.png": PNG}, operation="declare") == []
    assert codes([], {}) == []


def test_a_name_does_not_make_a_type():
    assert codes([("a.pdf", "1")], {"a.pdf": b"MZ\x90\0"}) == ["GW-E04"]
    assert codes([("a.exe", "1")], {"a.exe": PNG}) == []


def test_size_and_emptiness_are_faults():
    assert codes([("a.png", "1")], {"a.png": PNG + b"x" * 4000}) == ["GW-E05"]
    assert codes([("a.png", "1")], {"a.png": b""}) == ["GW-E16"]


def test_the_size_of_a_page_counts():
    rule = replace(RULE, most_bytes_a_page=1)
    assert codes([("a.pdf", "1")], {"a.pdf": pdf()}, rule=rule) == ["GW-E06"]

    one = len(pdf(1))
    assert codes([("a.pdf", "1")], {"a.pdf": pdf(3)}, rule=replace(RULE, most_bytes_a_page=one)) == []


def test_a_broken_pdf_is_a_fault_where_pages_count():
    assert codes([("a.pdf", "1")], {"a.pdf": b"%PDF-1.4 broken"}, rule=replace(RULE, most_bytes_a_page=100)) == ["GW-E07"]


def test_pages_are_counted_without_unpacking_what_unpacks_beyond_belief():
    """A list of objects that unpacks to 320 MB: qpdf gives it up, and finds the pages without it."""
    table, out = b"\0" * 8, b"%PDF-1.5\n"
    for n, said in enumerate(
        (b"/Catalog /Pages 2 0 R", b"/Pages /Count 1 /Kids [3 0 R]", b"/Page /Parent 2 0 R /MediaBox [0 0 9 9]"), 1
    ):
        table += struct.pack(">BIHB", 1, len(out), 0, 0)
        out += b"%d 0 obj\n<< /Type %s >>\nendobj\n" % (n, said)
    packed = zlib.compress(table + struct.pack(">BIHB", 1, len(out), 0, 0) + bytes(320_000_000), 9)
    listed = b"/Size 10000000 /W [1 4 3] /Root 1 0 R /Filter /FlateDecode /Length %d" % len(packed)
    stream = b"4 0 obj\n<< /Type /XRef %s >>\nstream\n%s\nendstream\nendobj\n" % (listed, packed)
    raw = out + stream + b"startxref\n%d\n%%%%EOF" % len(out)
    rule = replace(RULE, most_bytes=len(raw), most_bytes_a_page=len(raw))

    assert codes([("a.pdf", "1")], {"a.pdf": raw}, rule=rule) in ([], ["GW-E07"])
    assert effort(lambda: codes([("a.pdf", "1")], {"a.pdf": raw}, rule=rule), len(raw), enough=25) < 25


def test_categories_must_be_known_and_given():
    faults = check_attachments(
        profile(RULE), [("a.png", "9"), ("b.png", "")], {"a.png": PNG, "b.png": PNG}, document=None, operation="attach"
    )

    assert [f.code for f in faults] == ["GW-E08", "GW-E13"]
    assert "1 第1类、2 第2类、3 第3类" in faults[0].zh and "1 kind 1, 2 kind 2, 3 kind 3" in faults[0].en


def test_one_file_a_category():
    assert codes([("a.png", "1"), ("b.png", "1")], {"a.png": PNG, "b.png": PNG}) == ["GW-E14"]


def test_a_required_category_may_be_there_already():
    assert codes([], {}, operation="declare") == ["GW-E09"]
    assert codes([], {}, operation="declare", document=document(("x.pdf", "3"))) == ["GW-E09"]
    assert codes([], {}, operation="declare", document=document(("x.pdf", "2"))) == []


def test_files_already_there_are_counted_but_replaced_ones_are_not():
    there = document(("x.png", "1"), ("y.png", "2"))

    assert codes([("z.png", "3")], {"z.png": PNG}, document=there) == ["GW-E10"]
    assert codes([("x.png", "1")], {"x.png": PNG}, document=there) == []
    assert codes([("z.png", "2")], {"z.png": PNG}, document=there) == []


def test_a_document_that_takes_none_says_so():
    assert codes([("a.png", "")], {"a.png": PNG}, rule=AttachmentRule()) == ["GW-E11"]


def test_where_the_document_allows_none_it_says_what_is_to_be_done_first():
    rule = replace(RULE, says=Text("请先查询版别", "ask for the edition first"))

    (fault,) = check_attachments(profile(rule), [("a.png", "1")], {"a.png": PNG}, document=None, operation="save", allowed=False)

    assert (fault.zh, fault.en) == (
        "此单证不能带随附文件：请先查询版别",
        "this document cannot have attachments: ask for the edition first",
    )


def test_where_the_document_allows_none_each_is_a_fault():
    assert codes([("a.png", "1")], {"a.png": PNG}, allowed=False) == ["GW-E11"]
    assert codes([], {}, allowed=False) == []


def test_a_detach_is_not_checked_here():
    assert codes([("gone.pdf", "")], {}, operation="detach") == []
