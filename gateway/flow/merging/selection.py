"""Which documents a merge is of, and why others are not.

Promises: asked portion by portion, in the order in which they are merged; whoever asks twice is told the same of the same journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

from tongguan.gateway.document.changes import value_at, values_at
from tongguan.gateway.document.lines import pool_named, values_of_pool
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import named
from tongguan.gateway.journal.reading.keyed import BEGINNING, KeyedHead, KeyedPlace
from tongguan.gateway.journal.reading.restrictions import Restriction, has_fact, of_documents
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import CodeTable, MergeCase, MergeRule, Profile, Text


@record
class Candidate:
    """A document of the month, and why it is left out (None: it is not)."""

    head: KeyedHead
    version: int
    status: str
    why: Text | None


class MergeTypes:
    """What the three types of a merge say, together."""

    def __init__(self, rules: Rules, profile: Profile) -> None:
        assert profile.merge is not None
        self.rules, self.profile, self.rule = rules, profile, profile.merge
        self.merged, self.made = rules.profile(self.rule.merges), rules.compiled(self.rule.makes)
        self._until: dict[tuple[str, str], str] = {}

    @cached_property
    def fences(self) -> tuple[str, ...]:
        """What a document that changes one of these reserves: whoever has it keeps all others off."""
        return fences(self.rules.types, self.rule)

    @property
    def held_by(self) -> str:
        """The kind of reservation by which what is made has the documents that went into it."""
        return held_kind(self.rule)

    def named_singly(self, records: Snapshot | Search) -> dict[str, tuple[str, str]]:
        """Of the documents that something of the made type names by itself, without a merge: its key and status."""
        return {id_: found for kind in self.fences for id_, found in records.reserved_by_type(kind, self.rule.makes).items()}

    @cached_property
    def rates(self) -> tuple[CodeTable, ...]:
        tables = self.rules.compiled(self.profile.type).tables
        return tuple(tables[name] for name in self.rule.rates)

    def case_of(self, content: Content) -> MergeCase | None:
        """The first case that speaks of such a merge: it says until when."""
        return next(iter(self.cases_of(content)), None)

    def across(self, content: Content, day: str, today: str) -> Text | None:
        """What is said of a day, or month, of an earlier year, where a merge is not to go across the year."""
        return next((c.within_year for c in self.cases_of(content) if c.within_year.zh and day[:4] < today[:4]), None)

    def day_of(self, content: Content) -> str:
        """The day by which a document that is merged belongs to a month."""
        assert self.merged.lines is not None
        return value_at(content, self.merged.lines.day)

    def until(self, pool: str, month: str) -> str:
        """The last day on which a pool's month, `2026-11`, is merged in time; empty where nothing says so."""
        if (pool, month) not in self._until:
            assert self.merged.lines is not None
            case = self.case_of(dict(values_of_pool(self.merged.lines, pool)))
            self._until[pool, month] = deadline(case, month_number(month)) if month else ""
        return self._until[pool, month]

    def cases_of(self, content: Content) -> list[MergeCase]:
        return cases_of(self.rule, content)

    def rates_at(self, day: str) -> str | None:
        """Which rates hold on a day, of each table the row; None where one has none."""
        found = [rate_at(table, day) for table in self.rates]
        return "/".join(each or "" for each in found) if all(found) else None


def cases_of(rule: MergeRule, content: Mapping[str, object]) -> list[MergeCase]:
    """The cases that speak of such a merge."""
    return [case for case in rule.cases if all(content.get(name) in values for name, values in case.of.items())]


def fences(types: Mapping[str, Profile], rule: MergeRule) -> tuple[str, ...]:
    """The kinds of reservations that a document which changes a merged one has, sorted; one of its own where no type changes them."""
    found = {
        f"{profile.authority}:@{profile.changes.need}"
        for profile in types.values()
        if profile.changes is not None and profile.needs[profile.changes.need].type == rule.merges
    }
    return tuple(sorted(found)) or (f"{types[rule.merges].authority}:@{rule.merges}",)


def held_kind(rule: MergeRule) -> str:
    """The kind of reservation by which what is made has the documents that went into it: no operation's of its type."""
    return f"merge:@{rule.merges}"


def rate_at(table: CodeTable, day: str) -> str | None:
    """The row of a table of days that holds on a day: the last that begins by then, unless it says that it is over (`until`)."""
    begun = [row for code, row in table.rows.items() if code <= day]
    last = max(begun, key=lambda row: row["code"], default=None)
    return last["code"] if last is not None and day <= (last.get("until") or day) else None


@record
class Selection:
    """What a merge is of."""

    account: str
    pool: str
    months: tuple[int, ...]
    first: str = ""  #: days
    last: str = ""
    where: tuple[tuple[str, str], ...] = ()  #: names under which lists find something, with its value
    chosen: frozenset[str] = frozenset()  #: ids; none: all

    def restrictions(self, statuses: Sequence[str]) -> list[Restriction]:
        return [*of_documents(statuses=statuses), *(has_fact(name, [value]) for name, value in self.where)]

    def holds(self, head: KeyedHead) -> bool:
        """Is it one of those meant?"""
        if self.chosen and head.id not in self.chosen:
            return False
        return (not self.first or self.first <= head.day) and (not self.last or head.day <= self.last)


def month_number(text: str) -> int:
    """`2026-11` as 202611."""
    return int(text.replace("-", ""))


def selected(types: MergeTypes, content: Content, account: str, records: Snapshot, *, chosen: Mapping[str, str]) -> Selection:
    """What the content of a merge is about. `chosen`: ids of the documents that it names, with their days."""
    rule, lines = types.rule, types.merged.lines
    assert lines is not None
    pool = pool_named(value_at(content, path) for path in lines.pool)
    first, last = value_at(content, rule.first), value_at(content, rule.last)
    month = value_at(content, rule.month)
    if month:
        months = [month_number(month)]
    elif chosen:
        months = sorted({month_number(day[:7]) for day in chosen.values()})
    else:
        months = records.months_of(account, rule.merges, pool)
        low, high = (month_number(day[:7]) if day else 0 for day in (first, last))
        months = [each for each in months if low <= each and (not high or each <= high)]
    finds = {field.path: field.find for field in types.merged.fields}
    where = tuple((finds[path], value) for element, path in rule.filters.items() if (value := value_at(content, element)))
    return Selection(account, pool, tuple(months), first, last, where, frozenset(chosen))


def chosen_ids(types: MergeTypes, content: Content, account: str, records: Snapshot) -> dict[str, str]:
    """Of the documents that the content names, and that are there: id and day."""
    found = (named(account, (types.rule.merges,), name, records) for name in values_at(content, types.rule.chosen))
    return {document.id: types.day_of(document.content) for document in found if document is not None}


def candidates(
    types: MergeTypes,
    selection: Selection,
    content: Content,
    records: Snapshot,
    *,
    month: int,
    after: KeyedPlace = BEGINNING,
    today: str,
) -> tuple[list[Candidate], KeyedPlace | None]:
    """The next portion of a month's documents that are meant, and behind which place the one after it is; None: there is none."""
    rule = types.rule
    statuses = (rule.ready, rule.taken, *sorted(rule.underway), *([rule.merged] if selection.chosen else []))
    found = records.keyed_of(
        selection.account,
        rule.merges,
        pool=selection.pool,
        month=month,
        where=selection.restrictions(statuses),
        after=after,
        limit=rule.portion,
    )
    meant = [each for each in found if selection.holds(each.head)]
    told = [Candidate(e.head, e.version, e.status, left_out(types, content, e.head, e.status, records, today)) for e in meant]
    return told, found[-1].head.place if len(found) == rule.portion else None


def left_out(types: MergeTypes, content: Content, head: KeyedHead, status: str, records: Snapshot, today: str) -> Text | None:
    """Why a document is not taken."""
    if status != types.rule.ready:
        words = types.merged.statuses[status].text
        return Text(f"{types.merged.title.zh}状态为“{words.zh}”", f"the document is “{words.en}”")
    across = types.across(content, head.day, today)
    if across is not None:
        return across
    holder = next((found for kind in types.fences if (found := records.reserved_by(kind, head.id)) is not None), None)
    if holder is not None:
        return _held_off(types, holder, records)
    gap = next((table.name for table in types.rates if rate_at(table, head.rates) is None), "")
    if gap:
        day = head.rates or "-"
        return Text(f"代码表 {gap} 没有适用于 {day} 的行", f"the code table {gap} has no row for {day}")
    return None


def _held_off(types: MergeTypes, holder: str, records: Snapshot) -> Text:
    """By what a document must not be merged for now: one that changes it, or whatever else it is reserved for."""
    document = records.document(holder)
    title = types.rules.profile(document.type).title if document is not None and document.type in types.rules.types else None
    if document is None or title is None:
        return Text("已被占用", "it is reserved")
    if document.type == types.rule.makes:
        return in_whole(types, document.key, document.status)
    return Text(f"有未办结的{title.zh} {document.key}", f"open: {title.en} {document.key}")


def in_whole(types: MergeTypes, key: str, status: str) -> Text:
    """Into what a document went, and how that stands."""
    title, (zh, en) = types.made.profile.title, types.made.profile.status_words(status)
    return Text(f"{title.zh} {key} 为“{zh}”", f"{title.en} {key} is “{en}”")


def deadline(case: MergeCase | None, month: int) -> str:
    """The last day on which a month's documents are merged in time; empty where nothing says so."""
    if case is None:
        return ""
    year, number = divmod(month, 100)
    if case.within_year.zh and number == 12:
        return f"{year}-12-31"
    year, number = (year + 1, 1) if number == 12 else (year, number + 1)
    if case.day:
        return f"{year}-{number:02d}-{case.day:02d}"
    following = date(year + number // 12, number % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1).isoformat()
