"""What stands in lists and results for readers: names beside codes, words for an authority's signs, and the sender's own key in every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.writing.results import InnerRow, ResultRow
from tongguan.gateway.document.changes import values_at
from tongguan.gateway.flow.query.answers.details import shown
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.profile import CodeTable, Column, Profile, Text

KEY = Column("document", Text("单证号", "document"), "key")
_NAME = "name:"  #: how the `of` of a column begins that shows what the code of a field is called; a column that is called a code shows that
_CODED = Text("代码", "code")


def table_of(compiled: Compiled, of: str) -> CodeTable | None:
    """The code table of what a column or filter is made of."""
    node = compiled.nodes.get(of)
    return compiled.tables.get(node.field.code_table) if node is not None else None


def list_columns(compiled: Compiled, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of a list of documents, with the sender's key first and a column of codes beside each of names."""
    found = [] if any(column.of == KEY.of for column in columns) else [KEY]
    for column in columns:
        if table_of(compiled, column.of) is None or _CODED.zh in column.label.zh:
            found.append(column)
        else:
            found += [replace(column, of=_NAME + column.of), coded(column, column.of)]
    return tuple(found)


def coded(column: Column, of: str) -> Column:
    """The column beside another that holds its codes."""
    label = Text(f"{column.label.zh}{_CODED.zh}", f"{column.label.en} {_CODED.en}")
    return Column(f"{column.name}_code", label, of)


def list_cell(compiled: Compiled, document: Document, of: str, language: str) -> str:
    """One cell of a list: of a code its name."""
    path = of.removeprefix(_NAME)
    table = table_of(compiled, path) if path != of else None
    if table is not None:
        return "; ".join(table.name_of(code, language) for code in values_at(document.content, path)) or "-"
    return shown(compiled.profile, document, of, language)


def worded(
    profile: Profile,
    columns: Sequence[Column],
    rows: Sequence[ResultRow],
    language: str,
    key_of: Callable[[ResultRow], str] | None,
) -> tuple[tuple[Column, ...], list[ResultRow]]:
    """What an authority answered for readers: its signs in words, each with the sign beside it, and the key of the document that a row is about.

    Its words for statuses, which are Chinese, in the reader's language; what the type does not know stays as it is.

    Rows of a table of the authority's are about none: they have no `key_of`.
    """
    if language != "zh":
        known = _known_words(profile)
        rows = [{**row, **{c.name: _translated(row[c.name], known, language) for c in columns if _is_status(c)}} for row in rows]
    told: list[ResultRow] = [{**({KEY.name: key_of(row)} if key_of else {}), **_in_words(row, columns, language)} for row in rows]
    beside = tuple(each for column in columns for each in _with_code(column))
    return (KEY, *beside) if key_of else beside, told


def _known_words(profile: Profile) -> Mapping[str, Text]:
    """The Chinese words of the type for statuses and receipts."""
    receipts = {rule.text.zh: rule.text for rule in profile.receipts.values()}
    return receipts | {text.zh: text for status in profile.statuses.values() for text in (status.list_text, status.text)}


def _is_status(column: Column) -> bool:
    return column.of == "status" or column.of.startswith("mark.")


def _translated(value: str | Sequence[InnerRow], known: Mapping[str, Text], language: str) -> str | Sequence[InnerRow]:
    return known[value][language] if isinstance(value, str) and value in known else value


def _with_code(column: Column) -> tuple[Column, ...]:
    if column.words:
        return column, coded(column, "")
    inner = tuple(each for one in column.columns for each in _with_code(one))
    return (Column(column.name, column.label, column.of, inner, column.row) if inner else column,)


def _in_words(row: ResultRow, columns: Sequence[Column], language: str) -> dict[str, str | Sequence[InnerRow]]:
    found: dict[str, str | Sequence[InnerRow]] = {}
    for column in columns:
        value = row[column.name]
        if isinstance(value, str):
            found |= _said(column, value, language)
        else:
            found[column.name] = [
                {name: text for inner in column.columns for name, text in _said(inner, one[inner.name], language).items()}
                for one in value
            ]
    return found


def _said(column: Column, value: str, language: str) -> dict[str, str]:
    """A cell, and the one beside it where the authority writes signs."""
    if not column.words:
        return {column.name: value}
    word = column.words.get(value)
    return {column.name: word[language] if word is not None else value, f"{column.name}_code": value}
