"""Any name that a file system allows travels through the journal and comes out as a safe entry of a folder."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.system.storage import file_names

ALLOWED = st.binary(min_size=1, max_size=255).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
)
STAMP = "20261120180000123"


def made(text: str) -> list[str]:
    return [
        file_names.status_name(text),
        file_names.box_name(text, STAMP),
        file_names.box_name(text, STAMP, turn=2),
        file_names.document_name("T", text),
        file_names.on_disk(f"Receipt_{text}.xml"),
        file_names.numbered(file_names.fitting(text, 255), 2),
    ]


@given(ALLOWED)
def test_a_name_on_disk_survives_the_journal(raw: bytes) -> None:
    text = file_names.as_text(raw)

    assert file_names.as_bytes(text) == raw
    assert text.encode("utf-8")
    assert file_names.shown(text).encode("utf-8")


@given(st.one_of(ALLOWED.map(file_names.as_text), st.text()))
def test_every_name_made_is_one_entry_of_a_folder(text: str) -> None:
    for name in made(text):
        raw = os.fsencode(name)

        assert 0 < len(raw) <= 255
        assert b"/" not in raw and b"\0" not in raw
        assert raw not in (b".", b"..")


def test_an_ordinary_name_is_kept_to_the_letter() -> None:
    assert file_names.status_name("申请-1.XML") == "申请-1.XML.status.json"
    assert file_names.box_name("申请-1.XML", STAMP) == f"申请-1_{STAMP}.XML"
    assert file_names.box_name("a.json", STAMP, turn=2) == f"a_{STAMP}-2.json"
    assert file_names.document_name("T", "PO-1") == "T_PO-1.json"


def test_two_long_names_stay_two() -> None:
    one, other = (file_names.status_name("单" * 80 + tail + ".xml") for tail in "甲乙")

    assert one != other


def test_a_name_in_gb18030_is_shown_in_chinese() -> None:
    text = file_names.as_text("进口申请.xml".encode("gb18030"))

    assert file_names.shown(text) == "进口申请.xml"


def test_a_key_with_separators_never_leaves_its_folder() -> None:
    name = file_names.document_name("T", "../../etc/passwd")

    assert "/" not in name
    assert name != file_names.document_name("T", ".._.._etc_passwd")
