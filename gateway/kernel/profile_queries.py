"""`[query.<kind>]`: what may be asked about a document type, and what a line of the answer shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tongguan.gateway.kernel.profile import Authority, CodeTable, Column, NumberRule, Query, Text
from tongguan.gateway.kernel.profile_source import Part, both, text, whole

_NOTHING = Text("", "")
_COLUMN = {"name", "zh", "en", "of"}
Known = tuple[Mapping[str, NumberRule], Collection[str], Mapping[str, Authority], Mapping[str, CodeTable]]


def read_query(part: Part, kind: str, known: Known) -> Query:
    numbers, paths, authorities, tables = known
    filters = part.texts_by_name("filters")
    query = Query(
        kind=kind,
        source=part.one_of("source", ("journal", "authority", "table"), "journal"),
        ask=part.take("ask", text, ""),
        filters=filters,
        columns=tuple(_column(part, column) for column in part.rows("columns")),
        required=part.names("required", filters, "filter"),
        most_days=part.take("most_days", whole, 0),
        route=part.one_of("route", authorities, ""),
        table=part.one_of("table", tables, ""),
        note=part.take("note", both, _NOTHING),
    )
    part.rest_is_unknown()
    if query.source == "table" and not query.table:
        part.complain("source", f"query {kind} is answered from a table but names none")
    inner = [c.of for column in query.columns for c in column.columns]
    for of in [*filters.values(), *(c.of for c in query.columns), *inner]:
        _known_of(part, of, query, numbers, paths, tables)
    return query


def _column(part: Part, given: Mapping[str, object]) -> Column:
    if not isinstance(given, dict) or set(given) - {"columns"} != _COLUMN:
        part.complain("columns", f"a column has name, zh, en and of, not {given}")
        return Column("", _NOTHING, "key")
    inner = tuple(_column(part, one) for one in given.get("columns", ()))
    return Column(given["name"], Text(given["zh"], given["en"]), given["of"], inner)


def _known_of(
    part: Part, of: str, query: Query, numbers: Mapping[str, NumberRule], paths: Collection[str], tables: Mapping[str, CodeTable]
) -> None:
    word, _, rest = of.replace("~", ".", 1).partition(".")
    if word == "table" and query.table in tables:
        if rest not in tables[query.table].columns:
            part.file.complaints.unknown(part.place("columns"), f"column of {query.table}", rest, tables[query.table].columns)
        return
    if (
        of in ("status", "key")
        or (word in ("mark", "time", "receipt", "attachment", "message", "row") and rest)
        or (word == "number" and rest in numbers)
    ):
        return
    if query.source == "journal" and of not in paths:
        ways = [*paths, "status", "key", *(f"number.{n}" for n in numbers)]
        part.file.complaints.unknown(part.place("columns"), "field", of, ways)
