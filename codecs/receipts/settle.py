"""What a receipt does to its document, by its rank in its round.

Promises: receipts that come late, twice or in another order lead to the same document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lxml import etree

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.field_tree import Node
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.document.changes import agreed, rows_of, value_at, with_values
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import ISSUED_DATE, Operation, Profile, ReceiptRule
from tongguan.gateway.system.times import china_date, show


class ValueUnreadable(TongguanError):
    """A receipt tells a value that its field does not take."""


ValuesByRow = Mapping[str, Mapping[str, str]]
"""What a receipt tells of rows: the row's key to its values by column."""


@dataclass(frozen=True, slots=True)
class RoundSoFar:
    """What is known of a receipt's round before it: the rules of its earlier receipts, and the content that awaits agreement."""

    profile: Profile
    told: Sequence[ReceiptRule] = ()
    asked: Content | None = None  #: None: agreement is asked for nothing
    values: Mapping[str, str] = field(default_factory=dict)  #: that the receipt tells, by path (`values_told`)
    rows: ValuesByRow = field(default_factory=dict)  #: that it tells of rows (`rows_told`)


def in_round(rule: ReceiptRule, operation: Operation | None) -> ReceiptRule:
    """A receipt's rule in a round that this operation opened: it may bring another status there, and then frees nothing."""
    status = operation.brings.get(rule.code) if operation is not None else None
    return rule if status is None else replace(rule, status=status, releases=False)


def values_told(compiled: Compiled, rule: ReceiptRule, content: ReceiptContent) -> dict[str, str]:
    """The values that a receipt tells, as their fields hold them; raises ValueUnreadable."""
    told = {path: _leaf(content.content, leaf, content) for path, leaf in rule.sets.items()}
    return {path: _converted(compiled.nodes[path], text) for path, text in told.items() if text}


def rows_told(compiled: Compiled, rule: ReceiptRule, content: ReceiptContent, document: Document) -> ValuesByRow:
    """What a receipt tells of rows of its document, each row as a whole; ValueUnreadable for a row that is not there, or stands twice."""
    rows, told = rule.rows, dict[str, Mapping[str, str]]()
    if rows is None or content.content is None:
        return told
    known = {row.get(rows.key) for row in rows_of(document.content, rows.table)}
    table, at = compiled.nodes[rows.table], compiled.nodes[f"{rows.table}/{rows.at}"]
    for element in content.content.iterchildren(f"{{*}}{rows.element}"):
        key = _leaf(element, rows.key, content)
        if key not in known or key in told:
            zh, en = ("重复", "stands twice") if key in told else ("单证中没有", "is not in the document")
            raise ValueUnreadable(
                f"它所告知的{table.label} {key[:100]!r} {zh}", f"{table.label_en} {key[:100]!r}, of which it tells, {en}"
            )
        leaves = {column: _leaf(element, leaf, content) for column, leaf in rows.sets.items()}
        values = {name: _converted(compiled.nodes[f"{rows.table}/{name}"], text) for name, text in leaves.items() if text}
        told[key] = {**values, rows.at: _converted(at, show(content.issued_at) or "")}
    return told


def _converted(node: Node, told: str) -> str:
    try:
        return node.convert(told)  # type: ignore[misc]  # loading has made sure that it is a field with a value
    except ValueWrong:
        raise ValueUnreadable(
            f"它所告知的{node.label} {told[:100]!r} 不可用", f"the {node.label_en} that it tells is {told[:100]!r}"
        ) from None


def _leaf(inside: etree._Element | None, path: str, content: ReceiptContent) -> str:
    """The text of an element below this one, whatever its namespace, or the receipt's day; empty where there is none."""
    if path == ISSUED_DATE:
        return china_date(content.issued_at)
    found = inside.find("/".join(f"{{*}}{name}" for name in path.split("/"))) if inside is not None else None
    return (found.text or "").strip() if found is not None else ""


def settle(
    rule: ReceiptRule,
    content: ReceiptContent,
    document: Document,
    *,
    round_: int,
    so_far: RoundSoFar | None = None,
) -> tuple[Document, bool]:
    """The document's next version, and whether the receipt counted.

    Of the round at hand a higher rank moves the status; a lower or equal one only adds its numbers and marks. A receipt of an
    older round adds the numbers that are not there yet. Of two receipts that set one mark the later issued one holds. What
    awaits agreement, and values: of the receipts of the round at hand that speak of them the highest rank holds, of equals the first.
    What is told of a row replaces what was told of it before: of the receipts of the round at hand the last issued one holds.
    `changing` and `status_before` stay: whether an operation has ended is the flow's question.
    """
    present = round_ == document.round
    moves = bool(rule.status) and present and rule.rank > document.rank
    numbers = {**document.numbers, **content.numbers} if present else {**content.numbers, **document.numbers}
    after = replace(document, version=document.version + 1, numbers=numbers, marks=_marked(document.marks, rule.marks, content))
    if moves:
        after = replace(after, status=rule.status, rank=rule.rank)
    if present and so_far is not None:
        after = _rows_set(rule, so_far, _values_set(rule, so_far, decided(rule, so_far, after)))
    return after, moves or (present and not rule.status)


def decided(rule: ReceiptRule, so_far: RoundSoFar, document: Document) -> Document:
    """The document with what a receipt of its present round makes of the content that awaits agreement."""
    if not rule.pending:
        return document
    after = replace(document, pending=None)
    decided_before = any(map(_verdict, _weightier(rule, so_far)))
    if rule.pending == "applies" and so_far.asked is not None and not decided_before:
        return replace(after, content=agreed(document, so_far.profile, so_far.asked))
    return after


def carries_out(rule: ReceiptRule, so_far: RoundSoFar) -> bool:
    """Is it this receipt that carries out what its document says of another one, and no earlier one has, or refused to?"""
    decided_before = any(earlier.changes or earlier.ends == "rejected" for earlier in _weightier(rule, so_far))
    return rule.changes and so_far.asked is not None and not decided_before


def _verdict(rule: ReceiptRule) -> bool:
    """Does it say yes or no to the content that awaits agreement? One that only forgets it does not."""
    return rule.pending == "applies" or (rule.pending == "drops" and rule.ends == "rejected")


def _values_set(rule: ReceiptRule, so_far: RoundSoFar, document: Document) -> Document:
    before = {path for earlier in _weightier(rule, so_far) for path in earlier.sets if value_at(document.content, path)}
    own = {path: value for path, value in so_far.values.items() if path not in before}
    return replace(document, content=with_values(document.content, own)) if own else document


def _rows_set(rule: ReceiptRule, so_far: RoundSoFar, document: Document) -> Document:
    """The document with what is told of its rows; of two receipts of one moment the one with the greater values holds."""
    rows = rule.rows
    if rows is None or not so_far.rows:
        return document
    columns = (rows.at, *sorted(rows.sets))

    def after(row: Content) -> Content:
        told = so_far.rows.get(row.get(rows.key, ""))
        if told is None or [told.get(name, "") for name in columns] <= [row.get(name, "") for name in columns]:
            return row
        return {**{name: value for name, value in row.items() if name not in columns}, **told}

    content = {**document.content, rows.element: [after(row) for row in rows_of(document.content, rows.table)]}
    return replace(document, content=content)


def _weightier(rule: ReceiptRule, so_far: RoundSoFar) -> list[ReceiptRule]:
    """What was said before in the round by the same rank or a higher one."""
    return [earlier for earlier in so_far.told if earlier.rank >= rule.rank]


def _marked(marks: Mapping[str, str], given: Mapping[str, str], content: ReceiptContent) -> dict[str, str]:
    """The marks with those of a receipt, each with `<mark>_at`: marks have no rank, so only their times can order them."""
    after = dict(marks)
    issued = show(content.issued_at) or ""
    for name, value in given.items():
        if (issued, value) >= (marks.get(f"{name}_at", ""), marks.get(name, "")):
            after[name], after[f"{name}_at"] = value, issued
    return after
