"""What a merge offers, and what came of it: a row for each document that is meant, taken or not, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from tongguan.codecs.writing.results import Result
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.merging.selection import (
    Candidate,
    MergeTypes,
    candidates,
    chosen_ids,
    deadline,
    selected,
)
from tongguan.gateway.flow.query.answers.lists import code_of
from tongguan.gateway.flow.query.results import WRITERS, Found, page_of
from tongguan.gateway.journal.reading.keyed import BEGINNING, KeyedPlace
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Answer
from tongguan.gateway.profile.profile import Query, Text
from tongguan.gateway.profile.sections.queries import MERGE
from tongguan.gateway.system import times
from tongguan.gateway.work.moment import Moment

OfferedRow = Mapping[str, str]
"""A document of a merge: number, day, status, taken (1 or 0), made, why."""


def every(types: MergeTypes, content: Content, account: str, records: Snapshot, today: str) -> Iterator[Candidate]:
    """All documents that a merge is of, in their order."""
    selection = selected(types, content, account, records, chosen=chosen_ids(types, content, account, records))
    for month in selection.months:
        after: KeyedPlace | None = BEGINNING
        while after is not None:
            found, after = candidates(types, selection, content, records, month=month, after=after, today=today)
            yield from found


def offered(
    types: MergeTypes, content: Content, account: str, records: Snapshot, *, today: str, language: str
) -> list[OfferedRow]:
    """What would be taken, and why others would not."""
    found = every(types, content, account, records, today)
    return [_told(types, each.head.number, each.head.day, each.status, each.why, language) for each in found]


def _told(
    types: MergeTypes, number: str, day: str, status: str, why: Text | None, language: str, *, made: str = ""
) -> OfferedRow:
    words = types.merged.statuses[status].text[language] if status in types.merged.statuses else status
    taken, reason = ("1", "") if why is None else ("0", why[language])
    return {"number": number, "day": day, "status": words, "taken": taken, "made": made, "why": reason}


def offer(types: MergeTypes, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot, today: str) -> Found:
    """The page that is asked for."""
    compiled = types.rules.compiled(types.profile.type)
    told = {of.removeprefix(MERGE): filters[name] for name, of in query.filters.items() if filters.get(name)}
    content: Content = {path: code_of(compiled, path, value) for path, value in told.items()}
    language = types.rules.language(types.rules.account(message.account))
    rows = offered(types, content, message.account, records, today=today, language=language)
    return page_of(_rows(query, rows), filters)


def _rows(query: Query, told: Iterable[OfferedRow]) -> list[dict[str, str]]:
    return [{column.name: each.get(column.of.removeprefix(MERGE), "") for column in query.columns} for each in told]


def result_of(types: MergeTypes, moment: Moment, message: Message, merge: Document, records: Snapshot) -> tuple[Answer, ...]:
    """The result of a merge as a file: what was taken into what, what was left out and why, who declares, until when, and the sums."""
    rules, query = types.rules, types.profile.queries[types.rule.offer]
    account = rules.account(message.account)
    language = rules.language(account)
    far = (message.extra or {})["merge"]
    told = [*_taken(types, message, merge, far, records, language), *_left(types, message, far, records, language)]
    agent = value_at(merge.content, types.rule.agent_name)
    days = [each["day"] for each in told if each["taken"] == "1"]
    head: dict[str, str | int] = {
        "total": len(told),
        "taken": far["taken"],
        "left": far["left"],
        "declarations": far["made"],
        "declares": agent or account.title,
        "deadline": deadline(types.case_of(merge.content), int(min(days)[:7].replace("-", ""))) if days else "",
        "as_of": times.show(moment.business) or "",
    }
    for word, sums in (("before", far.get("before", {})), ("after", far.get("after_sums", {}))):
        head |= {f"{name}_{word}": value for name, value in sums.items()}
    result = Result(types.profile.title[language], head, query.columns, _rows(query, told), language)
    return answers.results(message, [(f".{message.form}", WRITERS[message.form](result))])


def made_name(message: Message, merge: Document, whose: str, number: int) -> str:
    """The key of what a merge makes; in another account's mailbox it says whose it is."""
    return f"{merge.key}-{number}" if whose == message.account else f"{message.account}-{merge.key}-{number}"


def _bodies(message: Message, role: str, count: int, records: Snapshot) -> Iterator[Any]:
    for n in range(count):
        yield from orjson.loads(records.body(message.id, f"{role}:{n}") or b"[]")


def _taken(
    types: MergeTypes, message: Message, merge: Document, far: Mapping[str, Any], records: Snapshot, language: str
) -> Iterator[OfferedRow]:
    back = {row[0] for row in _bodies(message, "left", far["told"], records)}
    for whole in _bodies(message, "plan", far["planned"], records):
        for id_, number, day in whole["parts"]:
            if id_ not in back:
                made = made_name(message, merge, far["whose"], whole["number"])
                yield _told(types, number, day, types.rule.merged, None, language, made=made)


def _left(types: MergeTypes, message: Message, far: Mapping[str, Any], records: Snapshot, language: str) -> Iterator[OfferedRow]:
    for _, number, day, status, zh, en in _bodies(message, "left", far["told"], records):
        yield _told(types, number, day, status, Text(zh, en), language)
