"""How a document changes: pure functions from one version to the next. `at`: when, by the business clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tongguan.gateway.model.characters import normal
from tongguan.gateway.model.document import Attachment, Content, Document
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Number, Reservation
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Operation, Profile, ReceiptRows


class FoundBy(NamedTuple):
    """What has found a document that a message rests on: a need, and the row that named it, where rows do."""

    need: str
    row: int | None = None


FoundDocuments = Mapping[FoundBy, Document]
"""The other documents that a message rests on."""


def born(message: Message, profile: Profile, at: int) -> Document:
    """A document that does not exist yet: version 0, no status."""
    return Document(
        id=message.document_id or "",
        account=message.account,
        type=message.type,
        key=message.document or "",
        profile=profile.version,
        version=0,
        status="",
        created_at=at,
        updated_at=at,
    )


def value_at(content: Content, path: str) -> str:
    """The text at a path of plain elements; empty where there is none (or a table)."""
    value: Any = content
    for part in path.split("/"):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return value if isinstance(value, str) else ""


def values_at(content: Any, path: str) -> list[str]:
    """All texts at a path, tables (`Goods[]/CodeTS`) included, in order."""
    part, _, rest = path.partition("/")
    below = content.get(part.removesuffix("[]")) if isinstance(content, dict) else None
    if below is None:
        return []
    rows = below if isinstance(below, list) else [below]
    if rest:
        return [value for row in rows for value in values_at(row, rest)]
    return [row for row in rows if isinstance(row, str)]


def rows_of(content: Content, table: str) -> list[Content]:
    """The rows of a table of the head; without a table the content is the one row."""
    if not table:
        return [content]
    rows = content.get(table.removesuffix("[]"), [])
    return rows if isinstance(rows, list) else []


def facts_of(profile: Profile, content: Content) -> dict[str, str]:
    """The indexed facts of a document: fields with a `find` name; of a table the first row's."""
    found = ((field.find, values_at(content, field.path)) for field in profile.fields if field.find)
    return {name: values[0] for name, values in found if values}


def with_numbers(content: Content, profile: Profile, numbers: Mapping[str, str]) -> Content:
    """The content with each known number in the element that its profile names."""
    rules = ((profile.numbers.get(kind), value) for kind, value in numbers.items())
    return with_values(content, {rule.field: value for rule, value in rules if rule is not None and rule.field})


def with_values(content: Content, values: Mapping[str, str]) -> Content:
    """The content with a text at each path of plain elements."""
    filled = dict(content)
    for path, value in values.items():
        *groups, name = path.split("/")
        row = filled
        for group in groups:
            row[group] = dict(row.get(group, {}))
            row = row[group]
        row[name] = value
    return filled


def numbers_given(
    profile: Profile, operation: Operation, content: Content, numbers: Mapping[str, str], *, give: Callable[[str], str]
) -> dict[str, str]:
    """The document's numbers, completed by those that the gateway gives at this operation; none for which the sender has one of his own."""
    given = (kind for kind in operation.give_numbers if not value_at(content, profile.numbers[kind].field))
    return {**{kind: give(kind) for kind in given if kind not in numbers}, **numbers}


def learned(now: Document, before: Document, profile: Profile) -> tuple[Number, ...]:
    """Numbers that the document did not have before."""
    return tuple(
        Number(profile.type, kind, value, now.id, now.account)
        for kind, value in now.numbers.items()
        if before.numbers.get(kind) != value
    )


def changed(document: Document, at: int, **changes: Any) -> Document:
    """The next version."""
    return replace(document, version=document.version + 1, updated_at=at, **changes)


def status_on(profile: Profile, document: Document, day: str) -> str:
    """Its status on a day: when its time is over it is another one, though nothing has moved it yet."""
    rule = profile.expires
    until = value_at(document.content, rule.until) if rule is not None and document.status in rule.status else ""
    return rule.to if rule is not None and until and until < day else document.status


def opened(document: Document, at: int) -> Document:
    """A new attempt at a verdict begins; the ranks of the one before count no more, and what it asked agreement for is forgotten."""
    return replace(document, round=document.round + 1, rank=0, round_opened_at=at, pending=None)


def settled_down(document: Document) -> Document:
    """Nobody is changing it any more."""
    return replace(document, changing=None, status_before=None)


def agreed(document: Document, profile: Profile, asked: Content) -> Content:
    """The content that an authority agreed to, with what receipts and numbers have told since it was asked for."""
    told = {f.path: value_at(document.content, f.path) for f in profile.fields if f.fill == "receipt"}
    content = with_values(asked, {path: value for path, value in told.items() if value})
    tables = {rule.rows.table: rule.rows for rule in profile.receipts.values() if rule.rows is not None}
    for table, rows in tables.items():
        if rows_of(asked, table):
            content[rows.element] = [{**row, **told_of_row(rows, document.content, row)} for row in rows_of(asked, table)]
    return with_numbers(content, profile, document.numbers)


def told_of_row(rows: ReceiptRows, content: Content, row: Content) -> Content:
    """What receipts have told of the row of this content that has the same key."""
    same = next((one for one in rows_of(content, rows.table) if one.get(rows.key) == row.get(rows.key)), {})
    return {column: same[column] for column in (rows.at, *rows.sets) if column in same}


def sent(document: Document, operation: Operation | None) -> Content:
    """What a message of this operation tells the authority: the content that it asks agreement for, or the present one."""
    asks = operation is not None and operation.pending
    return document.pending if asks and document.pending is not None else document.content


def undone(document: Document, message: Message, profile: Profile, at: int) -> Document | None:
    """Back from the in-between status where this message had put it; None when it had not.

    A document that the message itself made stays as a draft: what was entered is not lost. What it asked agreement for is forgotten.
    """
    if document.changing != message.id:
        return None
    save = profile.operations.get("save")
    status = document.status_before or (save.to if save else "")
    operation = profile.operations.get(message.operation)
    pending = None if operation is not None and operation.pending else document.pending
    return settled_down(changed(document, at, status=status, pending=pending))


def reserves(profile: Profile | None, message: Message) -> bool:
    """Has a message of this operation reserved something at once: is there anything to let go when it comes to nothing?"""
    operation = profile.operations.get(message.operation) if profile is not None else None
    return operation is not None and bool(operation.reserve) and not operation.pending


def attached(
    present: Sequence[Attachment],
    message: Message,
    given: Sequence[tuple[str, str]],
    files: Mapping[str, bytes],
    *,
    types: Mapping[str, str],
    one: bool,
) -> tuple[Attachment, ...]:
    """The attachments after these were added: the same name (in whatever normal form), or (`one`) the same category, is replaced."""
    kept = list(present)
    for name, category in given:
        raw = files.get(name)
        if raw is None:
            continue
        kept = [a for a in kept if normal(a.name) != normal(name) and not (one and a.category == category)]
        digest = hashlib.sha256(raw).hexdigest()
        kept.append(Attachment(name, category, types.get(name, "application/octet-stream"), len(raw), digest, message.id))
    return tuple(kept)


def joined_value(content: Content, expression: str) -> str:
    """The value of a path, or of several joined by `+`; empty when one of them is absent."""
    values = [value_at(content, path) for path in expression.split("+")]
    return "+".join(values) if all(values) else ""


def reservations(profile: Profile, operation: Operation, document: Document, found: FoundDocuments) -> tuple[Reservation, ...]:
    """What only this document may have, as its operation says. `found`: the other documents that it rests on."""
    pairs = [
        (f"{profile.authority}:{expression}", value)
        for expression in operation.reserve
        for value in reserved_values(document.content, expression, found).values()
    ]
    return tuple(Reservation(kind, value, document.id) for kind, value in dict.fromkeys(pairs))


def own_reservations(profile: Profile, held: Iterable[Reservation]) -> tuple[Reservation, ...]:
    """Of what a document has reserved, what operations of its type say; not what others have reserved in its name."""
    kinds = {f"{profile.authority}:{expression}" for operation in profile.operations.values() for expression in operation.reserve}
    return tuple(one for one in held if one.kind in kinds)


def reserved_values(content: Content, expression: str, found: FoundDocuments) -> dict[int | None, str]:
    """What an expression of `reserve` comes to: the value of paths, or the ids of what a need found, by the rows that named it."""
    if expression.startswith("@"):
        return {by.row: other.id for by, other in found.items() if by.need == expression[1:]}
    value = joined_value(content, expression)
    return {None: value} if value else {}
