"""A status field is the system's; the sender may repeat it by its code or by either of its texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tongguan.codecs.checking.check import check
from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.reading.read import read
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

COMPILED = compile_all(load_profiles())["NA.application"]
ACCOUNT = Account(name="demo", title="示例公司", uscc="91210200MA0EXAMPLC", mofcom_code="2100MA0EXAMPL")
DRAFT = Document("d", "demo", "NA.application", "k", "v", 1, "draft", 0, 0)


def _codes(status: str, document: Document | None) -> list[str]:
    raw = (
        '<NA.application xmlns="urn:tongguan:NA.application:1" operation="save" reference="r">'
        f"<Year>2026</Year><Status>{status}</Status></NA.application>"
    )
    item = read("m.xml", raw.encode(), most_bytes=10_000).items[0]
    checked = check(COMPILED, item, account=ACCOUNT, document=document, operation="save", numbers={}, now_ms=0)
    return [f.code for f in checked.faults if "Status" in f.path]


@pytest.mark.parametrize(
    ("held", "word"),
    [
        ("draft", "1"),
        ("draft", "暂存"),
        ("pending", "3"),
        ("pending", "入库成功待初审"),
        ("pending", "待初审"),
        ("issued", "已打印或生成电子许可证"),
    ],
)
def test_the_status_that_the_document_has_is_no_fault_in_any_of_its_words(held: str, word: str) -> None:
    assert _codes(word, replace(DRAFT, status=held)) == []


def test_a_new_document_has_the_first_status() -> None:
    assert _codes("暂存", None) == []


@pytest.mark.parametrize("word", ["3", "待初审", "入库成功待初审", "没有这个状态"])
def test_another_status_is_a_fault(word: str) -> None:
    assert _codes(word, DRAFT) == ["GW-C19"]
