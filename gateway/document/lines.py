"""What is kept of a document for merging it with others: pure functions from what its profile says of `[lines]`.

Promises: two keys are equal exactly where all fields of the key are equal; numbers are whole numbers of their last decimal, never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from tongguan.gateway.document.changes import value_at
from tongguan.gateway.document.counting import counted
from tongguan.gateway.document.licences import bare
from tongguan.gateway.model.document import Content, Document, KeyedDocument, KeyedLine
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import HeadCondition, KeyPart, LinesRule, Profile, SumPart

VERSION = 1  #: of how keys are made: another one makes all of them anew
KEY = 16  #: bytes of a key
PART = 10**18  #: what the high part of a sum that is kept stands for
MERGE = "merge"  #: the mark of a document that names what has taken it in hand
NOT_KEPT = KeyedDocument()
_VERSION = bytes([VERSION])
_JOINT = "+"  #: between the values of a pool's name


def pool_of(rule: LinesRule, content: Content) -> str:
    """The name of the pool that a document is in: only those of one pool are ever merged."""
    return pool_named(value_at(content, path) for path in rule.pool)


def pool_named(values: Iterable[str]) -> str:
    """The name of a pool, of the values of its fields in their order."""
    return _JOINT.join(values)


def values_of_pool(rule: LinesRule, pool: str) -> dict[str, str]:
    """The fields of which a pool's name was made; codes have no `+`."""
    return dict(zip(rule.pool, pool.split(_JOINT), strict=False))


def rule_hash(rule: LinesRule | None) -> str:
    """Of all that what is kept is made by; empty for nothing."""
    if rule is None:
        return ""
    told = {field.name: getattr(rule, field.name) for field in fields(rule)}
    told["status"] = sorted(rule.status)
    return blake2b(repr((VERSION, told)).encode(), digest_size=8).hexdigest()


def with_keys(profile: Profile, before: Document | None, after: Document) -> Document:
    """`after`, with what is kept of it for merging where this step changes that."""
    rule = profile.lines
    if rule is None:
        return after
    was = before is not None and _is_kept(rule, before)
    if not _is_kept(rule, after):
        return replace(after, keyed=NOT_KEPT) if was else after
    if before is None or not was:
        return replace(after, keyed=keys_of(profile, rule, after))
    if before.content == after.content and _beside(profile, before) == _beside(profile, after):
        return after
    same = _lines(rule, before.content) == _lines(rule, after.content)
    return replace(after, keyed=keys_of(profile, rule, after, lines=not same))


def kept_beside(profile: Profile, before: Document | None, after: Document, *, at: int) -> Document:
    """`after`, with what statistics and merging keep of it where this step changes that; a new status is one that was told of `at` this moment."""
    told_of = after.status if before is None or before.status != after.status else ""
    return with_keys(profile, before, counted(profile, before, after, status=told_of, at=at))


def _is_kept(rule: LinesRule, document: Document) -> bool:
    return document.status in rule.status and not document.deleted


def keys_of(profile: Profile, rule: LinesRule, document: Document, *, lines: bool = True) -> KeyedDocument:
    """What is kept of a document; without `lines` they stay as they were."""
    content = document.content
    makers = _makers(rule).of(content)
    day = value_at(content, rule.day)
    rows = _rows(rule, content)
    made = tuple(KeyedLine(makers.line_key(row), makers.line_sums(row)) for row in rows) if lines else None
    return KeyedDocument(
        key=makers.head_key(content),
        pool=pool_of(rule, content),
        month=int(day[:7].replace("-", "") or 0),
        day=day,
        number=document.numbers.get(profile.own_number, ""),
        rates=value_at(content, rule.rates) if rule.rates else "",
        merge=document.marks.get(MERGE),
        sums=makers.head_sums(content),
        count=len(rows),
        totals=tuple(sum(line.sums[n] for line in made or ()) for n in range(len(rule.line_sums))),
        lines=made,
    )


def _beside(profile: Profile, document: Document) -> tuple[str | None, str | None]:
    """What is kept besides what the content says."""
    return document.numbers.get(profile.own_number), document.marks.get(MERGE)


def _rows(rule: LinesRule, content: Content) -> list[Content]:
    rows = content.get(rule.table.removesuffix("[]"), [])
    return rows if isinstance(rows, list) else []


def _lines(rule: LinesRule, content: Content) -> tuple[Any, ...]:
    """All that the keys and sums of its lines are made of."""
    return _rows(rule, content), _makers(rule).holding(content)


def holds(condition: HeadCondition, content: Content) -> bool:
    return (content.get(condition.path, "") in condition.values) is not condition.no


def scaled(text: str, places: int) -> int:
    """A canonical number as a whole number of its last decimal (of so many); ValueError when it has finer ones."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > places:
        raise ValueError(f"{text} has more than {places} decimals")
    return int(whole + fraction.ljust(places, "0"))


def _worth(text: str) -> str:
    """A plain number as it is compared: 1.50 is 1.5, and 01 is 1."""
    whole, _, fraction = text.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


_READS: dict[tuple[bool, bool], Callable[[str], str] | None] = {
    (False, False): None,
    (False, True): bare,
    (True, False): _worth,
    (True, True): _worth,
}


class _KeyMaker:
    """Of each part that says something: the length of its name, its name, the length of its value, its value."""

    def __init__(self, parts: Iterable[KeyPart]) -> None:
        self._parts = [(part.name, f"{len(part.name)}:{part.name}", _READS[part.number, part.bare]) for part in parts]

    def __call__(self, content: Content) -> bytes:
        said = []
        for name, prefix, read in self._parts:
            value = content.get(name)
            if value:
                if read is not None:
                    value = read(value)
                said.append(f"{prefix}{len(value)}:{value}")
        return blake2b(_VERSION + "".join(said).encode("utf-8", "surrogatepass"), digest_size=KEY).digest()


class _SumMaker:
    """The numbers, in the order of their parts; zero where one is absent, or its condition does not hold."""

    def __init__(self, parts: Iterable[SumPart], counts: Callable[[SumPart], bool]) -> None:
        self._parts = [(part.name if counts(part) else "", part.places) for part in parts]

    def __call__(self, content: Content) -> tuple[int, ...]:
        return tuple([scaled(content[name], places) if name in content else 0 for name, places in self._parts])


class _Makers:
    """The functions that make keys and sums where certain conditions hold."""

    def __init__(self, rule: LinesRule, conditions: Sequence[HeadCondition], holding: Sequence[bool]) -> None:
        held = dict(zip(conditions, holding, strict=True))

        def counts(part: KeyPart | SumPart) -> bool:
            return part.only is None or held[part.only]

        self.head_key, self.line_key = (_KeyMaker(filter(counts, each)) for each in (rule.head_key, rule.line_key))
        self.head_sums, self.line_sums = (_SumMaker(each, counts) for each in (rule.head_sums, rule.line_sums))


class _RuleMakers:
    """Those of one rule, by which of its conditions hold."""

    def __init__(self, rule: LinesRule) -> None:
        parts: tuple[KeyPart | SumPart, ...] = (*rule.head_key, *rule.line_key, *rule.head_sums, *rule.line_sums)
        self._rule = rule
        self._conditions = tuple(dict.fromkeys(part.only for part in parts if part.only is not None))
        self._made: dict[tuple[bool, ...], _Makers] = {}

    def holding(self, content: Content) -> tuple[bool, ...]:
        """Which conditions hold of a document, in their order."""
        return tuple([holds(each, content) for each in self._conditions])

    def of(self, content: Content) -> _Makers:
        holding = self.holding(content)
        if holding not in self._made:
            self._made[holding] = _Makers(self._rule, self._conditions, holding)
        return self._made[holding]


@lru_cache(maxsize=64)
def _makers(rule: LinesRule) -> _RuleMakers:
    return _RuleMakers(rule)
