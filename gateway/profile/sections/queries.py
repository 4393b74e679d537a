"""`[query.<kind>]`: what may be asked about a document type, and what a line of the answer shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tongguan.gateway.profile.profile import NOTHING, PAGING, Authority, CodeTable, Column, NumberRule, Query, Status, Text
from tongguan.gateway.profile.source import TomlTable, both, table_of, tables_of, words_of

_COLUMN = {"name", "zh", "en", "of"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
TIME = "time."  #: how the `of` of a filter by date begins
RELATION = "relation"  #: `ask` of a query that shows which documents became one
#: and what a line of that says
RELATED = ("part", "part_line", "whole", "whole_line", "state")
LOG = "log"  #: `ask` of a query that shows which rows files were got of, when and by which message
#: and what a line of that says
LOGGED = ("entry", "operation", "at", "reference", "file")
LOG_TIME = "time.log"  #: `of` of its filter by day
ROWS = "rows"  #: `ask` of a query that lists the rows of a table of the documents
OFFER = "offer"  #: `ask` of a query that shows what a merge would be of
MERGE = "merge."  #: how the `of` of its filters begins, each a field of the merge, and of its columns
#: what a line of that says
OFFERED = ("number", "day", "status", "taken", "made", "why")
#: facts of a licence that an answer may tell
QUANTITIES = ("licence", "commodity", "name", "unit", "approved", "used", "remaining")
#: what statistics can be asked with, and what a line of them says
STATISTICS = (
    *("month", "first_month", "last_month", "by", "index", "code", "name", "unit"),
    *(f"{span}_{what}" for span in ("month", "year", "period") for what in ("quantity", "amount", "count")),
    "period_lines",
)


class QueryScope(NamedTuple):
    """What a query may speak of."""

    numbers: Mapping[str, NumberRule]
    paths: Collection[str]
    found: Collection[str]  #: paths of the fields that lists find
    authorities: Mapping[str, Authority]
    tables: Mapping[str, CodeTable]
    statuses: Mapping[str, Status]
    authority: str  #: the profile's own
    dimensions: Collection[str]  #: by which its statistics are found again


def names_of(name: str, of: str) -> tuple[str, ...]:
    """The names that a filter is given by: a date is asked for as a range, `name_from` and `name_to`."""
    return (f"{name}_from", f"{name}_to") if of.startswith(TIME) else (name,)


def table_of_rows(query: Query) -> str:
    """The table whose rows a query lists, as the paths of its columns begin; empty where it lists documents."""
    return (
        next(
            (f"{table}/" for table, below, _ in (c.of.partition("/") for c in query.columns) if below and table.endswith("[]")),
            "",
        )
        if query.ask == ROWS
        else ""
    )


def read_query(part: TomlTable, kind: str, known: QueryScope) -> Query:
    filters = part.take("filters", words_of, dict[str, str]())
    route = part.one_of("route", known.authorities, "")
    asked = known.authorities.get(route or known.authority)
    query = part.made(
        Query,
        {"required": filters, "table": known.tables},
        kind=kind,
        source=part.one_of("source", ("journal", "authority", "table"), "journal"),
        filters=filters,
        columns=tuple(_column(part, column) for column in part.take("columns", tables_of, list[Any]())),
        route=route,
        account_code=asked.account_code if asked else "",
        units=known.tables[units].codes if (units := part.one_of("units", known.tables, "")) in known.tables else {},
    )
    _sound(part, query, known)
    return query


def _sound(part: TomlTable, query: Query, known: QueryScope) -> None:
    complaints = part.file.complaints
    if query.source == "table" and not query.table:
        part.complain(
            "source",
            f"查询 {query.kind} 由代码表答复，却没有指明代码表",
            f"query {query.kind} is answered from a table but names none",
        )
    inner = [c for column in query.columns for c in column.columns]
    for key, names in (("filters", query.filters), ("columns", [c.name for c in [*query.columns, *inner]])):
        for name in names:
            if not _NAME.fullmatch(name):
                zh, en = f"{name!r} 不能作元素名", f"{name!r} cannot be the name of an element"
                part.complain(key, f"{zh}：只用字母、数字和 _", f"{en}: letters, digits and _ only")
    for of in [*query.filters.values(), *(c.of for c in query.columns), *(c.of for c in inner), *query.only]:
        _known_of(part, of, query, known)
    for of in (*query.filters.values(), *query.only):
        found = table_of_rows(query) and of.startswith(table_of_rows(query))
        if query.source == "journal" and not found and of.removeprefix("~") in set(known.paths) - set(known.found):
            part.complain("filters", f"列表查不到 {of}：其字段没有 `find`", f"lists cannot find {of}: its field has no `find`")
    for name in query.defaults:
        if name not in query.filters:
            complaints.unknown(part.place("defaults"), "filter", name, query.filters)
    for name in query.all_words:
        if name not in query.filters:
            complaints.unknown(part.place("all_words"), "filter", name, query.filters)
    if query.ask == ROWS and not table_of_rows(query):
        part.complain("columns", "没有一列出自表格", "none of the columns is of a table")
    for name in query.filters:
        if name in PAGING:
            part.complain(
                "filters",
                f"每个查询都有 {name!r}：筛选条件请用别的名字",
                f"{name!r} is a word of every query: a filter needs another name",
            )
    for word in query.only.get("status", ()):
        if word not in known.statuses:
            complaints.unknown(part.place("only"), "status", word, known.statuses)
    for name, form in query.several.items():
        if name not in query.filters:
            complaints.unknown(part.place("several"), "filter", name, query.filters)
        try:
            re.compile(form)
        except re.error as wrong:
            complaints.raised(part.place("several"), wrong, ("several: ", "several: "))
    columns = {c.name for c in query.columns}
    for fact, name in query.quantities.items():
        if fact not in QUANTITIES:
            complaints.unknown(part.place("quantities"), "fact of a licence", fact, QUANTITIES)
        if name not in columns:
            complaints.unknown(part.place("quantities"), "column", name, columns)


def _column(part: TomlTable, given: Mapping[str, object]) -> Column:
    if not isinstance(given, dict) or set(given) - {"columns", "row", "words"} != _COLUMN:
        part.complain("columns", f"列要有 name、zh、en 和 of，而不是 {given}", f"a column has name, zh, en and of, not {given}")
        return Column("", NOTHING, "key")
    inner = tuple(_column(part, one) for one in given.get("columns", ()))
    word, _, element = given["of"].partition(".")
    row = element if word in ("row", "table") else given.get("row", "")
    if bool(inner) != row.endswith("[]"):
        name = given["name"]
        part.complain(
            "columns",
            f"列 {name}：行内的行属于带 [] 的元素，且有列",
            f"column {name}: rows inside a row are of an element with [] and have columns",
        )
    return Column(given["name"], Text(given["zh"], given["en"]), given["of"], inner, row, _words(part, given.get("words", {})))


def _words(part: TomlTable, given: object) -> Mapping[str, Text]:
    """`words = { used_up = { zh = "…", en = "…" } }`."""
    try:
        return {word: both(said) for word, said in table_of(given).items()}
    except (TypeError, ValueError) as wrong:
        part.file.complaints.raised(part.place("columns"), wrong, ("words: ", "words: "))
        return {}


def _known_of(part: TomlTable, of: str, query: Query, known: QueryScope) -> None:
    word, _, rest = of.replace("~", ".", 1).partition(".")
    if word == "table" and query.table in known.tables:
        table = known.tables[query.table]
        if rest not in table.columns:
            part.file.complaints.unknown(part.place("columns"), "column", rest, table.columns, query.table)
        return
    if (
        of in ("status", "key")
        or (word in ("mark", "time", "receipt", "attachment", "message", "row") and rest)
        or (word == "number" and rest in known.numbers)
        or (word == LOG and query.ask == LOG and rest in LOGGED)
        or (word == RELATION and query.ask == RELATION and rest in RELATED)
        or (word == "merge" and query.ask == OFFER and (rest in OFFERED or rest in known.paths))
        or (word == "statistics" and (rest in STATISTICS or rest in known.dimensions))
    ):
        return
    if query.source == "journal" and of.removeprefix("~") not in known.paths:
        ways = [*known.paths, "status", "key", *(f"number.{n}" for n in known.numbers)]
        part.file.complaints.unknown(part.place("columns"), "field", of, ways)
