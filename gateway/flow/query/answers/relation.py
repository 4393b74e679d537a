"""归并关系查询: which documents became one, and where their lines went; asked of either side, kept when the whole has come to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from tongguan.gateway.flow.query.answers.details import asked_for
from tongguan.gateway.flow.query.results import Found, paging
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.keyed import RelatedDocument
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import Profile, Query, Text
from tongguan.gateway.profile.sections.queries import RELATION

_WORD = f"{RELATION}."
_HOLDS, _ENDED = Text("有效", "holds"), Text("已失效", "ended")
_NOTHING = "-"


def relation(rules: Rules, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot) -> Found:
    """A row for each line, in the order of wholes as they were made, of their documents and of the lines of these; raises Refused
    without a document."""
    document = asked_for(message, records)
    related = [*records.became([document.id]), *records.came_of([document.id])]
    known = records.documents({id_ for each in related for id_ in (each.whole_id, each.part_id)})
    related.sort(key=lambda each: known[each.whole_id].created_at if each.whole_id in known else 0)
    names = {id_: _name(rules.types.get(one.type), one) for id_, one in known.items()}
    of = {column.name: column.of.removeprefix(_WORD) for column in query.columns}
    language = rules.language(rules.account(message.account))
    page, size = paging(filters)
    rows = islice(_rows(related, names, language), (page - 1) * size, page * size)
    shown = [{name: row[word] for name, word in of.items()} for row in rows]
    return Found(sum(len(each.places) for each in related), shown)


def _rows(related: list[RelatedDocument], names: Mapping[str, str], language: str) -> Iterator[dict[str, str]]:
    for each in related:
        whole, part = names.get(each.whole_id, _NOTHING), names.get(each.part_id, _NOTHING)
        state = (_HOLDS if each.alive else _ENDED)[language]
        for line, at in enumerate(each.places, 1):
            yield {"part": part, "part_line": str(line), "whole": whole, "whole_line": str(at), "state": state}


def _name(profile: Profile | None, document: Document) -> str:
    """What users call it: its own number, else the first that it has, else its key."""
    kinds = (profile.own_number, *profile.numbers) if profile is not None else ()
    return next((document.numbers[kind] for kind in kinds if kind in document.numbers), document.key)
