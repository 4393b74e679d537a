"""What is not declared yet of what must be, month by month: nothing is forgotten, wherever it stands.

Promises: every document that is on its way, ready, in hand, or in something that is made and not declared, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from tongguan.gateway.flow.merging.letting_go import INTO
from tongguan.gateway.flow.merging.selection import MergeTypes, cases_of, deadline, month_number
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import Text

_PAGE = 500  #: documents that are read at once
_OPEN = 10_000  #: open messages that are looked at


@record
class Undeclared:
    """A document that is not declared yet: until when it must be (empty: nothing says so), and where it stands."""

    account: str
    type: str
    month: str
    deadline: str
    number: str
    day: str
    why: Text

    def overdue(self, today: str) -> bool:
        return bool(self.deadline) and self.deadline < today


def merging_types(rules: Rules) -> list[MergeTypes]:
    """Every type that merges others."""
    return [MergeTypes(rules, profile) for profile in rules.types.values() if profile.merge is not None]


def undeclared(types: MergeTypes, accounts: Collection[str], records: Search) -> Iterator[Undeclared]:
    """All of these accounts, in no order; what is made of theirs may be another account's."""
    rule, statuses = types.rule, types.merged.statuses
    for account in accounts:
        for document in _in(account, rule.merges, [rule.ready, rule.taken, *sorted(rule.underway)], records):
            yield _stands(types, document, statuses[document.status].text)
    wholes = _wholes(types, records)
    parts = [each for each in records.came_of(wholes) if each.alive]
    documents = records.documents(each.part_id for each in parts)
    for each in parts:
        part = documents.get(each.part_id)
        if part is not None and part.status == rule.merged and part.account in accounts:
            yield _stands(types, part, _in_whole(types, part, wholes[each.whole_id]))


def _wholes(types: MergeTypes, records: Search) -> dict[str, Document | None]:
    """What is made and not declared, of every account; None for one whose first message has not made it yet."""
    rule, found = types.rule, dict[str, Document | None]()
    still = [status for status in types.made.profile.statuses if status not in rule.declared]
    for account in types.rules.accounts:
        found |= {each.id: each for each in _in(account, rule.makes, still, records)}
        coming = {m.document_id for m in records.open_messages(account, _OPEN) if m.type == rule.makes and m.document_id}
        found |= dict.fromkeys(coming - records.documents(coming).keys())
    return found


def _in(account: str, type_: str, statuses: Sequence[str], records: Search) -> Iterator[Document]:
    where, offset, total = of_documents(account=account, type_=type_, statuses=statuses), 0, 1
    while offset < total:
        total, found = records.list_documents(where, offset=offset, limit=_PAGE, order="created")
        yield from found
        offset += _PAGE


def _in_whole(types: MergeTypes, document: Document, whole: Document | None) -> Text:
    """Into what it went, and how that stands."""
    title, into = types.made.profile.title, document.marks.get(INTO, "")
    if whole is None:
        return Text(f"{title.zh} {into} 尚未生成", f"{title.en} {into} is not made yet")
    words = types.made.profile.statuses[whole.status].text
    return Text(f"{title.zh} {into} 为“{words.zh}”", f"{title.en} {into} is “{words.en}”")


def _stands(types: MergeTypes, document: Document, why: Text) -> Undeclared:
    day = types.day_of(document.content)
    case = next(iter(cases_of(types.rule, document.content)), None)
    number = document.numbers.get(types.merged.own_number, document.key)
    month = day[:7]
    until = deadline(case, month_number(month)) if month else ""
    return Undeclared(document.account, document.type, month, until, number, day, why)
