"""What an authority's rows tell of the account's documents is kept with them: side statuses, and what is left of licences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tongguan.codecs.receipts.settle import RoundSoFar, decided
from tongguan.codecs.writing.results import ResultRow
from tongguan.gateway.document import quantities
from tongguan.gateway.document.changes import changed, facts_of, settled_down, with_numbers
from tongguan.gateway.document.licences import with_others
from tongguan.gateway.document.lines import kept_beside
from tongguan.gateway.flow.receipts.agreement import OpenedRound, opened_round
from tongguan.gateway.flow.receipts.matching import begun_at
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document, Quantity
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, Query
from tongguan.gateway.system import times


@dataclass(frozen=True, slots=True)
class _KnownDocuments:
    """The documents that rows speak of, as they are known by now."""

    message: Message
    records: Snapshot
    after: dict[str, Document] = field(default_factory=dict)

    def of(self, number: str) -> Document | None:
        """The document of a number; None when the number is nobody's, or several documents'."""
        every = self.records.documents_of_number(self.message.account, number.replace("-", ""))
        found = [d for d in every if d.type == self.message.type]
        return self.after.get(found[0].id, found[0]) if len(found) == 1 else None


def documents_told(
    profile: Profile, message: Message, rows: Sequence[ResultRow], records: Snapshot, *, as_of: int
) -> tuple[Document, ...]:
    """The documents that know something new by these rows, each in its next version.

    Their times stay: nothing happened to them. What is known newer stays too.
    """
    query, known = profile.queries[message.query_kind or ""], _KnownDocuments(message, records)
    _marks(profile, query, rows, known)
    for licence, lines in _by_licence(query, rows, as_of).items():
        document = known.of(licence)
        if document is not None and not _newer(document, licence, as_of):
            others = [q for q in document.quantities if q.get("licence") != licence]
            told = with_others(profile, lines, records.used_of(document.id))
            known.after[document.id] = replace(document, quantities=(*others, *told))
    return tuple(replace(d, version=d.version + 1) for d in known.after.values())


def _marks(profile: Profile, query: Query, rows: Sequence[ResultRow], known: _KnownDocuments) -> None:
    """Side statuses in the words of a receipt: the row's document is that of its first number."""
    numbers = [c.name for c in query.columns if c.row and c.of.startswith("number.")]
    marks = [(c.name, c.of.removeprefix("mark.")) for c in query.columns if c.row and c.of.startswith("mark.")]
    for row in rows if numbers else ():
        document = known.of(str(row[numbers[0]]))
        for column, mark in marks if document is not None else ():
            rules = [r for r in profile.receipts.values() if r.text.zh == row[column] and mark in r.marks]
            if len(rules) == 1 and document is not None and document.marks.get(mark) != rules[0].marks[mark]:
                document = replace(document, marks={**document.marks, mark: rules[0].marks[mark]})
                known.after[document.id] = document


def _by_licence(query: Query, rows: Sequence[ResultRow], as_of: int) -> dict[str, list[Quantity]]:
    """Lines by licence number, which is told without hyphens."""
    by_licence: dict[str, list[Quantity]] = defaultdict(list)
    for row in rows if "licence" in query.quantities else ():
        facts = {fact: str(row.get(column, "")) for fact, column in query.quantities.items()}
        facts["licence"] = facts["licence"].replace("-", "")
        by_licence[facts["licence"]].append(quantities.told(facts, as_of=as_of, source="authority"))
    return by_licence


def _newer(document: Document, licence: str, as_of: int) -> bool:
    moment = times.show(as_of) or ""
    return any(str(q.get("as_of")) > moment for q in document.quantities if q.get("licence") == licence)


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What an authority's answer to a status question says: its receipts' codes with their times, and its numbers."""

    codes: Sequence[tuple[str, int | None]]  #: None: no time is told
    numbers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PresentRound:
    """The round that a document is in: the answer lists earlier ones too, and what was issued before it moves nothing."""

    opened: OpenedRound
    since: int | None  #: since when the authority has it; None: it has nothing of it
    asked: Content | None  #: the content that it asks agreement for


def present_round(profile: Profile, document: Document, records: Snapshot) -> PresentRound:
    opened = opened_round(profile, document, document.round, records)
    return PresentRound(opened, begun_at(document, records), opened.asked(records))


def status_told(profile: Profile, document: Document, told: StatusUpdate, present: PresentRound, *, at: int) -> Document | None:
    """The document after an answer to a status question; None when nothing is new.

    What changes another document is carried out by its receipt, and is not known without it.
    """
    after = replace(document, numbers={**document.numbers, **told.numbers})
    for code, issued_at in told.codes:
        known = profile.receipts.get(code)
        if known is None:
            continue
        rule = present.opened.rule(known)
        after = replace(after, marks={**after.marks, **rule.marks})
        of_now = present.since is not None and (document.changing is None if issued_at is None else issued_at >= present.since)
        if of_now and rule.rank > after.rank and not rule.changes:
            after = decided(rule, RoundSoFar(profile, asked=present.asked), after)
            after = settled_down(replace(after, status=rule.status, rank=rule.rank)) if rule.status else after
    if after == document:
        return None
    after = replace(after, content=with_numbers(after.content, profile, after.numbers))
    after = replace(changed(after, at), facts=facts_of(profile, after.content))
    return kept_beside(profile, document, after, at=at)
