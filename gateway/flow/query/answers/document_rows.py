"""A list of rows instead of documents: a line for each row of the table that its columns name, with its document's own facts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tongguan.gateway.document.changes import rows_of, status_on
from tongguan.gateway.flow.query.answers.lists import any_of, code_of, conditions, several_of
from tongguan.gateway.flow.query.filters import MOST_SIZE
from tongguan.gateway.flow.query.results import Found, page_of
from tongguan.gateway.flow.query.wording import list_cell, list_columns
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, Query
from tongguan.gateway.profile.sections.queries import LOG_TIME, names_of, table_of_rows


def document_rows(
    rules: Rules, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot, *, today: str
) -> Found:
    """The rows that the filters let through, the newest document's first."""
    compiled, language = rules.compiled(message.type), rules.language(rules.account(message.account))
    profile, table, columns = compiled.profile, table_of_rows(query), list_columns(compiled, query.columns)
    codes = {name: code_of(compiled, of, filters.get(name, "")) for name, of in query.filters.items()}
    wanted = {of.removeprefix(table): codes[name] for name, of in query.filters.items() if of.startswith(table) and codes[name]}
    several = [set(several_of(filters.get(name, ""))) for name in query.several]
    found = []
    for document in every_document(message, profile, query, {**filters, **codes}, records, today):
        stands = replace(document, status=status_on(profile, document, today))
        for row in rows_of(document.content, table.removesuffix("/")):
            if all(row.get(path) == value for path, value in wanted.items()) and all(_has(row, values) for values in several):
                alone = replace(stands, content={**document.content, table.removesuffix("[]/"): [row]})
                found.append({column.name: list_cell(compiled, alone, column.of, language) for column in columns})
    return replace(page_of(found, filters), columns=columns)


def _has(row: Content, values: set[str]) -> bool:
    return not values or not values.isdisjoint(value for value in row.values() if isinstance(value, str))


def every_document(
    message: Message, profile: Profile, query: Query, filters: Mapping[str, str], records: Snapshot, today: str
) -> Sequence[Document]:
    """The account's documents that those filters let through which are about documents, the newest first."""
    where, table = of_documents(account=message.account, type_=message.type), table_of_rows(query)
    for name, of in query.filters.items():
        if name in query.several:
            where += any_of(profile, of, several_of(filters.get(name, "")))
        elif of != LOG_TIME and not (table and of.startswith(table)):
            where += conditions(profile, of, [filters.get(word, "") for word in names_of(name, of)], today)
    found: list[Document] = []
    while page := records.list_documents(where, offset=len(found), limit=MOST_SIZE, order="-created")[1]:
        found += page
    return found
