"""A query's result on paper: what was asked in boxes, the rows as a table; sums of statistics stand under the span they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tongguan.codecs.writing.results import HEAD, Result, as_table, width_of
from tongguan.gateway.profile.profile import Column, Text
from tongguan.outbox.prints.form import printed_at, word_of
from tongguan.outbox.prints.sheet import UNITS, Box, Boxes, Grid, GridColumn, Sheet

_SAID = {
    "commodity": Text("发证商品", "commodity"),
    "category": Text("商品大类", "category"),
    "journal": Text("网关记录", "journal"),
    "authority": Text("主管部门", "authority"),
}
#: of sums: what they are of, and what of their labels says it
_SPANS = {
    "statistics.month_": (Text("本月", "this month"), Text("本月", ", month")),
    "statistics.period_": (Text("所选期间", "the period"), Text("期间", ", period")),
    "statistics.year_": (Text("截至本月", "to date"), Text("截至本月", " to date")),
}
_A_ROW = 4  #: boxes of the head side by side
_LEAST, _MOST = 4, 36  #: letters that a column is made for
_MOST_UPRIGHT = 90  #: letters of all columns that fit an upright page
_NUMBER = frozenset("0123456789.-")
_NONE = Text("", "")


def result_sheet(title: str, result: Result, *, environment: str, at: int) -> Sheet:
    """The page of an answer as a sheet; lying on its side where its columns are many or wide."""
    language = result.language
    lines = tuple(tuple(line) for line in as_table(_noteless(result)).lines)
    columns = tuple(_columns(result, lines))
    return Sheet(
        title=title,
        blocks=(Boxes("", tuple(_head(result))), *((Grid("", columns, lines),) if columns else ())),
        foot=printed_at(at, language),
        environment=word_of(environment),
        language=language,
        landscape=sum(column.width for column in columns) > _MOST_UPRIGHT,
    )


def _noteless(result: Result) -> Result:
    """The note is said once, in the head, not on every line."""
    head = {name: value for name, value in result.head.items() if name != "note"}
    return Result(result.title, head, result.columns, result.rows, result.language)


def _head(result: Result) -> Iterator[tuple[Box, ...]]:
    language = result.language
    said = [(HEAD[name][language], _value(name, str(value), language)) for name, value in result.head.items() if name in HEAD]
    note = HEAD["note"][language]
    for row in _rows([pair for pair in said if pair[0] != note]):
        yield tuple(Box(label, value, UNITS // _A_ROW) for label, value in row)
    yield from ((Box(label, value),) for label, value in said if label == note)


def _rows(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    for at in range(0, len(pairs), _A_ROW):
        yield pairs[at : at + _A_ROW]


def _value(name: str, value: str, language: str) -> str:
    if name == "as_of":
        return value[:16].replace("T", " ")
    return _SAID[value][language] if value in _SAID else value


def _columns(result: Result, lines: Sequence[Sequence[str]]) -> Iterator[GridColumn]:
    leaves = [(outer, inner) for outer in result.columns for inner in outer.columns or (None,)]
    for n, (outer, inner) in enumerate(leaves):
        group, label = _labels(outer, inner, result.language)
        cells = [line[n] for line in lines]
        width = max((width_of(text) for text in (label, *cells)), default=_LEAST)
        align = "right" if cells and all(set(cell) <= _NUMBER for cell in cells) and _summed(outer) else "left"
        yield GridColumn(label, min(max(width, _LEAST), _MOST), align, group)


def _labels(outer: Column, inner: Column | None, language: str) -> tuple[str, str]:
    if inner is not None:
        return outer.label[language], inner.label[language]
    group, words = next((span for begin, span in _SPANS.items() if outer.of.startswith(begin)), (_NONE, _NONE))
    label = outer.label[language]
    return group[language], label.removeprefix(words[language]).removesuffix(words[language])


def _summed(column: Column) -> bool:
    return any(column.of.startswith(begin) for begin in _SPANS)
