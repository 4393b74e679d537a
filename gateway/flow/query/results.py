"""Results of queries: what was found, as a file in the form that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tongguan.codecs.writing.results import Result, ResultRow, as_csv, as_json, as_xml
from tongguan.codecs.writing.xlsx import as_xlsx
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.printing.prints import to_pdf
from tongguan.gateway.flow.printing.result_sheet import result_sheet
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Column, Query, Text
from tongguan.gateway.system import times
from tongguan.gateway.work.loop import end
from tongguan.gateway.work.moment import Moment

ResultRows = Sequence[ResultRow]
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
#: forms of a result file, each with its writer; the form's name is the file's ending
WRITERS: Mapping[str, Callable[[Result], bytes]] = {"xml": as_xml, "json": as_json, "csv": as_csv, "xlsx": as_xlsx}
PDF = "pdf"  #: made by the PDF worker, like every print
FORMATS = (*WRITERS, PDF)
RESULT = Text("查询结果", "query result")
PRINTED = {"statistics": Text("统计表", "statistics")}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer, and how many rows there are in all."""

    total: int
    rows: ResultRows
    source: str = "journal"  #: journal | authority
    as_of: int | None = None  #: None: now
    head: Mapping[str, str] = field(default_factory=dict)  #: more words of the result's head
    columns: Sequence[Column] | None = None  #: None: those of the query


def answer(rules: Rules, message: Message, asked: tuple[Query, Mapping[str, str]], found: Found, moment: Moment) -> Outcome:
    """accepted, with the result as a file in the form asked for (default: the form of the question)."""
    query, filters = asked
    form = filters.get("format") or message.form
    language = rules.language(rules.account(message.account))
    page, size = paging(filters)
    head: dict[str, str | int] = {"total": found.total, "page": page, "size": size}
    head |= {
        "as_of": times.show(moment.business if found.as_of is None else found.as_of) or "",
        "source": found.source,
        **found.head,
    }
    if query.note[language]:
        head["note"] = query.note[language]
    columns = query.columns if found.columns is None else found.columns
    title = f"{rules.profile(message.type).title[language]} {query.kind}"
    result = Result(title, head, columns, found.rows, language)
    if form == PDF:
        heading = f"{rules.profile(message.type).title[language]} {PRINTED.get(query.kind, RESULT)[language]}"
        environment = rules.settings.gateway.environment
        return to_pdf(message, result_sheet(heading, result, environment=environment, at=moment.business), moment.now)
    content = WRITERS[form](result)
    outcome = end(message, State.ACCEPTED, "query", moment.now, deadline_at=None)
    return replace(outcome, answers=answers.results(message, [(f".{form}", content)]))


def paging(filters: Mapping[str, str]) -> tuple[int, int]:
    """Page and rows a page that a question asks for."""
    return int(filters.get("page") or 1), int(filters.get("size") or 50)


def page_of(rows: Sequence[ResultRow], filters: Mapping[str, str]) -> Found:
    """The page that is asked for, out of all rows, sorted by a column where that is asked for."""
    sort = filters.get("sort") or ""
    if sort:
        rows = sorted(rows, key=lambda row: _weight(str(row.get(sort.lstrip("-"), ""))), reverse=sort.startswith("-"))
    page, size = paging(filters)
    return Found(len(rows), rows[(page - 1) * size : page * size])


def _weight(cell: str) -> tuple[int, Decimal, str]:
    """Numbers in the order of their size, before other texts in the order of their letters."""
    return (0, Decimal(cell), cell) if _NUMBER.fullmatch(cell) else (1, Decimal(0), cell)
