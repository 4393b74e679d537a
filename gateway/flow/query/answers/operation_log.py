"""操作记录: of which rows files were got, when, and by which message: whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tongguan.gateway.flow.query.answers.details import asked_for, shown
from tongguan.gateway.flow.query.answers.document_rows import every_document
from tongguan.gateway.flow.query.answers.lists import several_of
from tongguan.gateway.flow.query.results import Found, page_of
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.profile.profile import Profile, Query, Text
from tongguan.gateway.profile.sections.queries import LOG_TIME, names_of
from tongguan.gateway.system import times

PICKED = "picked"  #: fact of a message: the rows of which it had files
_WORDS = {
    "export": Text("导出", "exported"),
    "print": Text("打印", "printed"),
    "confirm": Text("确认导出", "exported, confirmed"),
}


def operation_log(
    rules: Rules, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot, *, today: str
) -> Found:
    """A line for each row and message, the newest first; of one document where the question names it."""
    profile, language = rules.profile(message.type), rules.language(rules.account(message.account))
    documents = (
        [asked_for(message, records)] if message.document_id else every_document(message, profile, query, filters, records, today)
    )
    by_id, wanted = {document.id: document for document in documents}, set[str]()
    for name in query.several:
        wanted |= set(several_of(filters.get(name, "")))
    spans = [[filters.get(word, "") for word in names_of(name, of)] for name, of in query.filters.items() if of == LOG_TIME]
    rows = []
    for one in _done(records, list(by_id)):
        day = times.china_date(one.updated_at)
        if all((not first or first <= day) and (not last or day <= last) for first, last in spans):
            entries = [entry for entry in (one.extra or {}).get(PICKED, ()) if not wanted or entry in wanted]
            rows += [_line(profile, by_id[one.document_id or ""], query, one, entry, language) for entry in entries]
    return page_of(rows, filters)


def _done(records: Snapshot, ids: Sequence[str]) -> list[Message]:
    every = [one for found in records.messages_of_documents(ids).values() for one in found]
    done = [one for one in every if one.state is State.ACCEPTED and PICKED in (one.extra or {})]
    return sorted(done, key=lambda one: one.updated_at, reverse=True)


def _line(profile: Profile, document: Document, query: Query, message: Message, entry: str, language: str) -> dict[str, str]:
    told = {
        "entry": entry,
        "operation": _WORDS[message.operation][language] if message.operation in _WORDS else message.operation,
        "at": times.show(message.updated_at) or "",
        "reference": message.reference or "",
        "file": message.source or "",
    }
    cells = ((column.name, column.of.partition(".")) for column in query.columns)
    return {
        name: told[rest] if word == "log" else shown(profile, document, f"{word}.{rest}", language)
        for name, (word, _, rest) in cells
    }
