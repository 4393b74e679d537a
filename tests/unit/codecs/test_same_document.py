"""XML and JSON are the same document: one field table, one rule set, one content; and what was checked reads back the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import pytest
from first_look import with_and_without
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.checking.field_tree import Node
from tongguan.codecs.reading.read import read
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

COMPILED = compile_all(load_profiles())
ACCOUNT = Account(
    name="demo", title="示例公司", uscc="91210200MA0EXAMPLC", customs_code="2102960001", mofcom_code="2100MA0EXAMPL"
)
NOON = 1_795_147_200_000
WITH_FIELDS = sorted(t for t, c in COMPILED.items() if any(o == "save" for o in c.profile.operations))
#: types that share a form have the same fields: one of each form is searched in depth
FORMS = {tuple(f.path for f in COMPILED[t].profile.fields): t for t in reversed(WITH_FIELDS)}
EXAMPLES = {t: 60 if t in FORMS.values() else 8 for t in WITH_FIELDS}
#: faults of a value's form, and of a value that is the system's
OF_VALUES = {*(f"GW-C{n:02}" for n in range(4, 17)), "GW-C19"}

printable = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp"), exclude_characters="\ufeff"), min_size=1, max_size=12
)
figures = st.decimals(min_value=-1, max_value=10**9, places=5, allow_nan=False).map(lambda d: f"{d:f}")
odd = st.sampled_from(
    ["0", "007", "-0", "1.50", "1,000", "20261120", "2026-11-20", "2026-02-30", "true", "是", "一般贸易", "USD", "美元"]
)


def _leaf(node: Node) -> st.SearchStrategy[str]:
    """Texts that the field takes, and texts that it does not."""
    usual: list[st.SearchStrategy[str]] = [printable, odd]
    if node.field.type == "number":
        usual.append(figures)
    if node.field.code_table:
        table = COMPILED["NA.application"].tables[node.field.code_table]
        usual.append(st.sampled_from([*table.rows, *table.codes]))
    return st.one_of(usual)


def _content(node: Node) -> st.SearchStrategy[dict[str, Any]]:
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for name, below in node.children.items():
        if below.convert is not None:
            parts[name] = _leaf(below)
        elif below.table:
            parts[name] = st.lists(_content(below), min_size=1, max_size=3)
        else:
            parts[name] = _content(below)
    return st.fixed_dictionaries({}, optional=parts)


def _xml(content: dict[str, Any]) -> str:
    out = []
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            inner = _xml(one) if isinstance(one, dict) else escape(one)
            out.append(f"<{name}>{inner}</{name}>")
    return "".join(out)


def _checked(type_: str, form: str, content: dict[str, Any], operation: str = "save") -> Checked:
    if form == "xml":
        inner = _xml(content)
        raw = f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="{operation}" reference="r">{inner}</{type_}>'
    else:
        raw = json.dumps({"type": type_, "operation": operation, "reference": "r", "body": content}, ensure_ascii=False)
    item = read(f"m.{form}", raw.encode(), most_bytes=10**7).items[0]
    return check(COMPILED[type_], item, account=ACCOUNT, document=None, operation=operation, numbers={}, now_ms=NOON)


def _without_empty(content: dict[str, Any]) -> dict[str, Any]:
    """Groups without anything in them are no part of a document."""
    kept = {}
    for name, value in content.items():
        if isinstance(value, dict):
            value = _without_empty(value)
        elif isinstance(value, list):
            value = [_without_empty(row) for row in value]
        if value:
            kept[name] = value
    return kept


def searched(holds: Callable[[str, st.DataObject], None]) -> Callable[[str], None]:
    """A property of each type, tried with as many examples as the type is worth."""

    @pytest.mark.parametrize("type_", WITH_FIELDS)
    def test(type_: str) -> None:
        @settings(max_examples=EXAMPLES[type_], deadline=None)
        @given(data=st.data())
        def tried(data: st.DataObject) -> None:
            holds(type_, data)

        tried()

    return test


@searched
def test_the_same_texts_give_the_same_content_and_the_same_faults(type_: str, data: st.DataObject) -> None:
    content = data.draw(_content(COMPILED[type_].root).filter(bool))

    as_xml, as_json = _checked(type_, "xml", content), _checked(type_, "json", content)

    assert _without_empty(as_xml.content) == _without_empty(as_json.content)
    assert sorted((f.code, f.label, f.zh) for f in as_xml.faults) == sorted((f.code, f.label, f.zh) for f in as_json.faults)


@searched
def test_what_was_checked_is_canonical_and_stays_as_it_is(type_: str, data: st.DataObject) -> None:
    content = data.draw(_content(COMPILED[type_].root).filter(bool))
    checked = _checked(type_, "json", content)
    first = _without_empty(checked.content)
    assume(first)
    # a wrong value is left out, and where that has a default, the default is filled the second time
    assume(not {f.label for f in checked.faults} & {one.node.label for one in COMPILED[type_].defaults})

    again = _checked(type_, "xml", first)

    told = {(f.code, f.label) for f in checked.faults}  # a product that is too large for its field is, both times
    assert _without_empty(again.content) == first
    assert [f for f in again.faults if f.code in OF_VALUES and (f.code, f.label) not in told] == []


@searched
def test_the_first_look_finds_what_the_walk_finds(type_: str, data: st.DataObject) -> None:
    content = data.draw(_content(COMPILED[type_].root).filter(bool))

    first, walked = with_and_without(lambda: _checked(type_, "xml", content))

    assert first == walked
