"""What is not declared yet of what must be, month by month: nothing is forgotten, wherever it stands.

Promises: every document that is on its way, ready, in hand, or in something that is made and not declared, with the reason; none that a declaration of its own declared. No content
is read of any of which something is kept for merging, and each is read once, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tongguan.gateway.document.lines import pool_of
from tongguan.gateway.flow.merging.letting_go import in_work, owner_of
from tongguan.gateway.flow.merging.selection import MergeTypes, in_whole
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.keyed import StandingDocument
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import LinesRule, Text


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
    party: str = ""  #: credit code of the client that it is for; empty: its account's own

    def overdue(self, today: str) -> bool:
        return bool(self.deadline) and self.deadline < today


def merging_types(rules: Rules) -> list[MergeTypes]:
    """Every type that merges others."""
    return [MergeTypes(rules, profile) for profile in rules.types.values() if profile.merge is not None]


def declarants(rules: Rules, records: Search) -> list[str]:
    """Every account, also one that has left the settings: what it was to declare is still to be declared."""
    return sorted({*rules.accounts, *(account for account, *_ in records.tally())})


def undeclared(types: MergeTypes, accounts: Collection[str], records: Search) -> Iterator[Undeclared]:
    """All of these accounts, in no order; what is made of theirs may be another account's."""
    rule, statuses = types.rule, types.merged.statuses
    still = list(dict.fromkeys([rule.ready, rule.taken, *sorted(rule.underway)]))
    singly = types.named_singly(records)
    for account in accounts:
        for document in records.standing(account, rule.merges, still):
            by = singly.get(document.id)
            if by is None:
                yield _told(types, document, statuses[document.status].text, records)
            elif by[1] not in rule.declared:
                yield _told(types, document, in_whole(types, *by), records)
    going = _going(types, records)
    wholes = {**_wholes(types, records), **going}
    parts = [each for each in records.came_of(wholes) if each.alive or each.whole_id in going]
    documents = records.standing_of(each.part_id for each in parts)
    for each in parts:
        part = documents.get(each.part_id)
        if part is not None and part.status == rule.merged and part.account in accounts:
            into, status = wholes[each.whole_id]
            why = _in_whole(types, into, status) if each.alive else _out_of_whole(types, into)
            yield _told(types, part, why, records)


def _wholes(types: MergeTypes, records: Search) -> dict[str, tuple[str, str | None]]:
    """Key and status of what is made and not declared, of every account; None for one whose first message has not made it yet."""
    rule, found = types.rule, dict[str, tuple[str, str | None]]()
    still = [status for status in types.made.profile.statuses if status not in rule.declared]
    for account in declarants(types.rules, records):
        found |= {each.id: (each.key, each.status) for each in records.standing(account, rule.makes, still)}
        coming = {each.document_id: each.document for each in records.open_of_type(account, rule.makes) if each.document_id}
        there = records.standing_of(coming)
        found |= {id_: (key, None) for id_, key in coming.items() if id_ not in there}
        merges = records.messages(each.id for each in records.open_of_type(account, types.profile.type))
        found |= {whole: (key, None) for whole, key in map(in_work, merges.values()) if whole}
    return found


def _going(types: MergeTypes, records: Search) -> dict[str, tuple[str, str | None]]:
    """The same of what has come to nothing, and what went into it is let go just now."""
    messages = (
        each for account in declarants(types.rules, records) for each in records.open_of_type(account, types.profile.type)
    )
    owners = map(owner_of, records.messages(each.id for each in messages if each.document_id is None).values())
    found = records.standing_of(owner for owner in owners if owner is not None)
    return {each.id: (each.key, each.status) for each in found.values()}


def _out_of_whole(types: MergeTypes, into: str) -> Text:
    title = types.made.profile.title
    return Text(
        f"{title.zh} {into} 已作废，即将可再次汇总", f"{title.en} {into} has come to nothing; it is about to be ready again"
    )


def _in_whole(types: MergeTypes, into: str, status: str | None) -> Text:
    """Into what it went, and how that stands."""
    title = types.made.profile.title
    if status is None:
        return Text(f"{title.zh} {into} 尚未生成", f"{title.en} {into} is not made yet")
    return in_whole(types, into, status)


def _told(types: MergeTypes, document: StandingDocument, why: Text, records: Search) -> Undeclared:
    lines = types.merged.lines
    assert lines is not None
    kept = document if document.pool is not None else _as_kept(types, lines, document, records)
    until = types.until(kept.pool or "", kept.day[:7])
    return Undeclared(kept.account, types.rule.merges, kept.day[:7], until, kept.number or kept.key, kept.day, why, kept.party)


def _as_kept(types: MergeTypes, lines: LinesRule, stands: StandingDocument, records: Search) -> StandingDocument:
    """One of which nothing is kept for merging, as its content says it."""
    document = records.document(stands.id)
    assert document is not None
    number = document.numbers.get(types.merged.own_number, "")
    return replace(stands, pool=pool_of(lines, document.content), day=types.day_of(document.content), number=number)
