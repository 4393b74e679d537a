"""What profiles began, or ceased, to count or to keep for merging since this journal was last served is made anew, a slice at a time.

Promises: a document that moves meanwhile is read again; a run that ends halfway goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import orjson

from tongguan.gateway.document.counting import counted
from tongguan.gateway.document.lines import NOT_KEPT, rule_hash, with_keys
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile

MARKER = "counted"
_SLICE = 200
Counting = dict[str, str]  #: document type to a hash of what it counts; `<type> lines` to one of what it keeps


class Recount:
    """Walks once through all documents, in the order of their ids, for the types whose rules have changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._rules = rules_of(compiled.profile for compiled in site.rules.profiles.values())
        with site.journal.search() as records:
            kept = orjson.loads(records.marker(MARKER) or "{}")
        self._known: Counting = kept.get("known", {})
        self._after: str = kept.get("after", "") if kept.get("wanted") == self._rules else ""

    def turn(self) -> bool:
        """Count the next documents; False when none is left."""
        if _counting(self._known) == _counting(self._rules):
            return False
        with self._site.journal.search() as records:
            documents = records.documents_after(self._after, _SLICE)
            receipts = records.receipts_of_documents(d.id for d in documents)
            told = {d.id: self._first_told(d, receipts.get(d.id, ()), records) for d in documents if self._is_new(d.type)}
            kept = records.kept(d.id for d in documents if self._is_new(_lines_of(d.type)))
        anew = [d for each in documents if (d := self._anew(each, told.get(each.id), kept=each.id in kept)) is not None]
        known, after = (self._known, documents[-1].id) if documents else (self._rules, "")
        value = orjson.dumps({"known": known, "wanted": self._rules, "after": after}).decode()
        if self._site.journal.recount(anew, marker=MARKER, value=value):
            self._known, self._after = known, after
        return True

    def _is_new(self, name: str) -> bool:
        """Is what a type counts, or keeps, not what its documents were counted, or kept, by?"""
        rules = self._rules.get(name)
        return rules is not None and rules != self._known.get(name, "")

    def _first_told(self, document: Document, receipts: Sequence[Receipt], records: Search) -> int:
        """When a document was first said to be where it is counted since; a round that began there goes on with that."""
        profile = self._site.rules.profile(document.type)
        going_on = _going_on(profile)
        rounds = records.rounds(document.id) if going_on else []
        openers = records.messages(message_id for _, message_id, _ in rounds)
        amended = {n for n, message_id, _ in rounds if message_id in openers and openers[message_id].operation in going_on}
        return _told_at(profile, document, [r for r in receipts if r.round not in amended])

    def _anew(self, document: Document, told_at: int | None, *, kept: bool) -> Document | None:
        """The document as it is to be counted, and kept; None where nothing changes."""
        after = document if told_at is None else self._counted(document, told_at)
        if self._is_new(_lines_of(document.type)):
            after = with_keys(self._site.rules.profile(document.type), None, after)
            after = replace(after, keyed=NOT_KEPT) if kept and after.keyed is None else after
        return None if after is document else replace(after, version=document.version + 1)

    def _counted(self, document: Document, told_at: int) -> Document:
        profile = self._site.rules.profile(document.type)
        after = counted(profile, None, replace(document, counted_at=None), status="", at=told_at)
        if after.counted is None:
            return document if document.counted_at is None else replace(after, counted=())
        return after


def rules_of(profiles: Iterable[Profile]) -> Counting:
    """What these types count, by type."""
    every = list(profiles)
    return {p.type: _hash(p) for p in every} | {_lines_of(p.type): rule_hash(p.lines) for p in every}


def _lines_of(type_: str) -> str:
    """Under which name it is known what a type keeps."""
    return f"{type_} lines"


def _counting(rules: Counting) -> Counting:
    """Without the types that count nothing: that such a one is new changes no sum."""
    return {type_: rule for type_, rule in rules.items() if rule}


def _going_on(profile: Profile) -> frozenset[str]:
    """The operations that open a round of what is counted already: an amendment, an extension."""
    counted_in = profile.statistics.status if profile.statistics else frozenset()
    return frozenset(o.name for o in profile.operations.values() if o.opens_round and o.allowed and o.allowed <= counted_in)


def _told_at(profile: Profile, document: Document, receipts: Sequence[Receipt]) -> int:
    """When the newest round that came to a counted status was first said to have come there; else the last change."""
    statuses = profile.statistics.status if profile.statistics else frozenset()
    told = [
        (r.round, r.issued_at) for r in receipts if r.code in profile.receipts and profile.receipts[r.code].status in statuses
    ]
    newest = max((round_ for round_, _ in told), default=0)
    return min((at for round_, at in told if round_ == newest), default=document.updated_at)


def _hash(profile: Profile) -> str:
    """Of what a type counts; empty for nothing."""
    rule = profile.statistics
    if rule is None:
        return ""
    told = [sorted(rule.status), rule.table, dict(rule.row), list(rule.dimensions.items()), rule.day]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
