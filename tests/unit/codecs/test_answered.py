"""Rows that an authority answers with: taken as texts, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tongguan.codecs.receipts.answer_rows import Malformed, read_answer
from tongguan.codecs.writing.markup import text
from tongguan.gateway.profile.profile import Column, Text

NOTHING = Text("", "")
COLUMNS = (
    Column("entry", NOTHING, "row.EntryNo", row="EntryNo"),
    Column("here", NOTHING, "status"),
    Column("goods", NOTHING, "row.Goods[]", (Column("code", NOTHING, "row.Code", row="Code"),), "Goods[]"),
)


def content(rows: str, *, head: str = 'total="1" page="1" size="50"') -> etree._Element:
    return etree.fromstring(f'<Content xmlns="urn:tongguan:receipt:1"><Rows {head}>{rows}</Rows></Content>')


def test_texts_are_taken_as_they_are_and_what_is_not_there_is_a_dash() -> None:
    rows = "<Row><EntryNo> 007 </EntryNo><Goods><Code>0100</Code></Goods><Goods><Code/></Goods><More>x</More></Row>"

    assert read_answer(content(rows), COLUMNS, page=1, size=50) == (
        1,
        [{"entry": "007", "here": "-", "goods": [{"code": "0100"}, {"code": "-"}]}],
    )


def test_a_page_behind_the_last_one_is_empty() -> None:
    assert read_answer(content("", head='total="3" page="4" size="1"'), COLUMNS, page=4, size=1) == (3, [])


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        ("<Row/>", 'total="1" page="1"', "its size is ''"),
        ("<Row/>", 'total="-1" page="1" size="50"', "its total is '-1'"),
        ("<Row/>", 'total="١" page="1" size="50"', "its total is"),
        ("<Row/>", 'total="1" page="2" size="50"', "it is page 2"),
        ("<Row/><Row/>", 'total="1" page="1" size="50"', "it has 2 rows"),
        ("", 'total="1" page="1" size="50"', "it has 0 rows"),
        ("<Row/><Line/>", 'total="1" page="1" size="50"', "something else than a Row"),
        ("<Row><EntryNo>1</EntryNo><EntryNo>2</EntryNo></Row>", 'total="1" page="1" size="50"', "EntryNo stands twice in row 1"),
        ("<Row><EntryNo><No>1</No></EntryNo></Row>", 'total="1" page="1" size="50"', "holds elements instead of a text"),
        ("<Row><Goods>1</Goods></Row>", 'total="1" page="1" size="50"', "holds a text instead of elements"),
        (
            "<Row><Goods><Code>1</Code><Code>2</Code></Goods></Row>",
            'total="1" page="1" size="50"',
            "Code stands twice in row 1",
        ),
    ],
)
def test_what_is_not_an_answer_to_the_question_is_never_guessed_at(rows: str, head: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_answer(content(rows, head=head), COLUMNS, page=1, size=50)


@pytest.mark.parametrize("given_", [None, etree.fromstring('<Content xmlns="urn:tongguan:receipt:1"/>')])
def test_an_answer_without_a_table_is_no_answer(given_: etree._Element | None) -> None:
    with pytest.raises(Malformed, match="0 tables"):
        read_answer(given_, COLUMNS, page=1, size=50)


@given(st.lists(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1), max_size=5))
def test_every_text_comes_through(texts: list[str]) -> None:
    rows = "".join(f"<Row><EntryNo>{text(one)}</EntryNo></Row>" for one in texts)
    answer = read_answer(content(rows, head=f'total="{len(texts)}" page="1" size="50"'), COLUMNS, page=1, size=50)

    assert [row["entry"] for row in answer.rows] == texts
