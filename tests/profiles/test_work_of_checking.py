"""A table of any length is checked in little more than its length, by the rules of every document type."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from effort import effort
from lxml import etree

from tongguan.codecs.checking.check import check
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.reading.read import read
from tongguan.gateway.cli.demo.examples import read_examples
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

MOST = 40  #: times the reading of an ordinary document of that size
ROWS = 1500
ACCOUNT = Account(
    name="demo", kind="enterprise", title="大连示例进出口有限公司", uscc="91210200MA0EXAMPLC", customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL", mailbox="m",
)  # fmt: skip
PROFILES = compile_all(load_profiles(home=Path("none")))
EXAMPLES = [e for e in read_examples(load_profiles(), "2026-11-20") if e.file.endswith(".xml")]


def tables() -> dict[str, bytes]:
    """For each table of a type an example with a row of it."""
    found: dict[str, bytes] = {}
    for example in EXAMPLES:
        root = etree.fromstring(example.content)
        compiled = PROFILES.get(etree.QName(root).localname)
        for field in compiled.profile.fields if compiled else ():
            if field.type == "table" and _rows(root, field.path):
                found.setdefault(f"{etree.QName(root).localname} {field.path}", example.content)
    return found


def _rows(root: etree._Element, path: str) -> list[etree._Element]:
    return root.findall("/".join(f"{{*}}{name.removesuffix('[]')}" for name in path.split("/")))


@pytest.mark.parametrize(("table", "raw"), tables().items(), ids=tables().keys())
def test_a_long_table_is_checked_in_little_more_than_its_length(table: str, raw: bytes) -> None:
    root = etree.fromstring(raw)
    row = _rows(root, table.partition(" ")[2])[-1]
    for _ in range(ROWS):
        row.addnext(copy.deepcopy(row))
    long = etree.tostring(root)

    assert effort(lambda: _checked(PROFILES[table.partition(" ")[0]], long), len(long), enough=MOST) < MOST


def _checked(compiled: Compiled, raw: bytes) -> None:
    (item,) = read("m.xml", raw, most_bytes=len(raw)).items
    check(compiled, item, account=ACCOUNT, document=None, operation=item.operation, numbers={}, now_ms=1_795_000_000_000)
