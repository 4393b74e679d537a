"""Rows of the journal's tables to nouns and back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import zip_longest
from operator import attrgetter, is_, is_not, itemgetter
from typing import Any, TypeVar

import orjson
import zstandard

from tongguan.gateway.document.lines import PART as KEYED_PART
from tongguan.gateway.journal.database import tables
from tongguan.gateway.model.document import Attachment, Content, Document, KeyedDocument, Receipt
from tongguan.gateway.model.errors import Fault, TongguanError
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Relation, Take
from tongguan.gateway.model.record import record

_Noun = TypeVar("_Noun")
_MESSAGE_COLUMNS, _DOCUMENT_COLUMNS, _RECEIPT_COLUMNS = (
    [column.name for column in table.columns] for table in (tables.message, tables.document, tables.receipt)
)
_FIXED = ("id", "kind", "account", "received_at", "sequence", "source", "sha256", "form", "item")
#: columns of a message, and of a document, that a move may change
MESSAGE_MOVES = [name for name in _MESSAGE_COLUMNS if name not in _FIXED]
DOCUMENT_MOVES = [name for name in _DOCUMENT_COLUMNS if name not in ("id", "account", "type", "key", "created_at")]
#: columns of a document without its content, and what goes with that
DOCUMENT_HEAD = [name for name in _DOCUMENT_COLUMNS if name not in ("content", "attachments", "quantities", "pending")]


class _Frames(threading.local):
    """Each thread's own compressor: making one costs more than a small body does, and none may be shared."""

    def __init__(self) -> None:
        self.pack = zstandard.ZstdCompressor(level=1).compress
        self.unpack = zstandard.ZstdDecompressor().decompress


_frames = _Frames()


class RowDamaged(TongguanError):
    """A row holds what no gateway wrote, in a database that is sound."""

    def __init__(self, what: str, id_: str = "") -> None:
        self.id = id_ or what
        super().__init__(f"{what} 的内容已损坏", f"what is stored of {what} is damaged")


_FACTS = 9  #: in a move's line at least (`history`)
#: what decoding raises when the bytes are not what was written
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, zstandard.ZstdError)


def decoded(text: str | bytes, what: str) -> Any:
    """The JSON of a column; RowDamaged, naming `what`, when it is none."""
    try:
        return orjson.loads(text)
    except _UNREADABLE as wrong:
        raise RowDamaged(what) from wrong


def facts_of(line: str, what: str) -> list[Any]:
    """The facts in a move's line; RowDamaged, naming `what`, when it is none."""
    facts = decoded(line, what)
    if not isinstance(facts, list) or len(facts) < _FACTS:
        raise RowDamaged(what)
    return facts


def unpacked(frame: bytes, what: str) -> bytes:
    """What is in a frame; RowDamaged, naming `what`, when it is none."""
    try:
        return unpack(frame)
    except _UNREADABLE as wrong:
        raise RowDamaged(what) from wrong


def _reads(
    noun: str, columns: Sequence[str]
) -> Callable[[Callable[[Mapping[str, Any]], _Noun]], Callable[[Sequence[Any]], _Noun]]:
    """Decode a row of these columns by their names; name the row when it cannot be decoded."""

    def wrap(decode: Callable[[Mapping[str, Any]], _Noun]) -> Callable[[Sequence[Any]], _Noun]:
        def read(row: Sequence[Any]) -> _Noun:
            values = dict(zip(columns, row, strict=True))
            try:
                return decode(values)
            except _UNREADABLE as wrong:
                raise RowDamaged(f"{noun} {values['id']}", values["id"]) from wrong

        return read

    return wrap


def pack(raw: bytes) -> bytes:
    """A zstd frame; level 1 with its length inside."""
    return _frames.pack(raw)


def unpack(frame: bytes) -> bytes:
    return _frames.unpack(frame)


def _json(value: Any) -> str | None:
    return orjson.dumps(value).decode() if value else None


_FLAGS = ("together", "doubtful", "answered", "handed_on")  #: 1 is yes, null is no


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _lane(name: str | None) -> Lane | None:
    return None if name is None else Lane(name)


def _faults(text: str | None) -> tuple[Fault, ...]:
    return tuple(Fault(*fault) for fault in orjson.loads(text)) if text else ()


_PLAIN = [
    name for name in _MESSAGE_COLUMNS if name in {f.name for f in fields(Message)} - {"faults", "contradicted", "extra", *_FLAGS}
]
_plain = attrgetter(*_PLAIN)


def message_row(m: Message) -> dict[str, Any]:
    faults = [[f.code, f.zh, f.en, f.path, f.line, f.label, f.severity, f.label_en] for f in m.faults]
    row = dict(zip(_PLAIN, _plain(m), strict=True))
    row |= {name: 1 if getattr(m, name) else None for name in _FLAGS}
    row["holds_nothing"], row["never_waits"] = None if m.holds else 1, None if m.waits else 1
    row["faults"], row["contradicted"], row["extra"] = _json(faults), _json(m.contradicted), _json(m.extra)
    row["holds_reference"], row["makes_others_wait"] = int(m.holds_reference), int(m.makes_others_wait)
    return row


_FIELDS = [field.name for field in fields(Message)]
_COLUMN_OF = {"holds": "holds_nothing", "waits": "never_waits"}
_in_order = itemgetter(*(_MESSAGE_COLUMNS.index(_COLUMN_OF.get(name, name)) for name in _FIELDS))
_FROM_COLUMN: Mapping[str, Callable[[Any], Any]] = {
    "kind": {kind.value: kind for kind in Kind}.__getitem__,
    "state": {state.value: state for state in State}.__getitem__,
    **dict.fromkeys(("lane", "held_lane"), _lane),
    "faults": _faults,
    **dict.fromkeys(("contradicted", "extra"), _object),
    **dict.fromkeys(_FLAGS, partial(is_not, None)),
    **dict.fromkeys(_COLUMN_OF, partial(is_, None)),
}
_CONVERTED = [(_FIELDS.index(name), convert) for name, convert in _FROM_COLUMN.items()]


def message_of(row: Sequence[Any]) -> Message:
    """By position, as this is done several times a message."""
    values = list(_in_order(row))
    try:
        for place, convert in _CONVERTED:
            values[place] = convert(values[place])
    except _UNREADABLE as wrong:
        raise RowDamaged(f"message {row[0]}", row[0]) from wrong
    return Message(*values)


def document_row(d: Document) -> dict[str, Any]:
    attachments = [[a.name, a.category, a.media_type, a.size_bytes, a.sha256, a.message_id] for a in d.attachments]
    return {
        **{name: getattr(d, name) for name in _DOCUMENT_PLAIN},
        "content": pack(orjson.dumps(d.content)),
        "numbers": orjson.dumps(d.numbers).decode(),
        "marks": orjson.dumps(d.marks).decode(),
        "attachments": orjson.dumps(attachments).decode(),
        "deleted": int(d.deleted),
        "quantities": orjson.dumps(d.quantities).decode() if d.quantities else None,
        "pending": None if d.pending is None else pack(orjson.dumps(d.pending)),
        "party": d.party or None,
    }


@_reads("document", DOCUMENT_HEAD)
def document_head(row: Mapping[str, Any]) -> Document:
    """A document without content and attachments."""
    return Document(
        **{k: row[k] for k in _DOCUMENT_PLAIN},
        numbers=orjson.loads(row["numbers"]),
        marks=orjson.loads(row["marks"]),
        deleted=bool(row["deleted"]),
        party=row["party"] or "",
    )


@_reads("document", _DOCUMENT_COLUMNS)
def document_of(row: Mapping[str, Any]) -> Document:
    return _document(row, orjson.loads(unpack(row["content"])))


@_reads("document", _DOCUMENT_COLUMNS)
def document_and_json(row: Mapping[str, Any]) -> tuple[Document, bytes]:
    """A document, and its content as it is stored."""
    content = unpack(row["content"])
    return _document(row, orjson.loads(content)), content


def _document(row: Mapping[str, Any], content: Content) -> Document:
    return Document(
        **{k: row[k] for k in _DOCUMENT_PLAIN},
        content=content,
        numbers=orjson.loads(row["numbers"]),
        marks=orjson.loads(row["marks"]),
        attachments=tuple(Attachment(*a) for a in orjson.loads(row["attachments"])),
        deleted=bool(row["deleted"]),
        quantities=tuple(orjson.loads(row["quantities"])) if row["quantities"] else (),
        pending=None if row["pending"] is None else orjson.loads(unpack(row["pending"])),
        party=row["party"] or "",
    )


_DOCUMENT_PLAIN = [name for name in DOCUMENT_HEAD if name not in ("numbers", "marks", "deleted", "party")]


def counted_rows(d: Document) -> list[dict[str, Any]]:
    """The document's lines of the statistics."""
    rows = []
    for n, line in enumerate(d.counted or ()):
        row = {name: getattr(line, name) for name in _COUNTED_PLAIN}
        row |= dict(zip_longest(DIMENSIONS, line.dimensions, fillvalue=""))
        for name, value in (("quantity", line.quantity), ("amount", line.amount)):
            row[f"{name}_high"], row[f"{name}_low"] = divmod(value, PART)
        flags = {"first_of_commodity": int(line.first_of_commodity), "first_of_category": int(line.first_of_category)}
        rows.append({"account": d.account, "type": d.type, "document_id": d.id, "line": n, **row, **flags})
    return rows


#: what the high part of a counted number stands for: 90 million low parts, and 9 million numbers of 17 digits, add up in 64 bits
PART = 10**11
_COUNTED_PLAIN = ("month", "commodity", "name", "unit")
#: columns of what counted lines are found again by, in the order in which a profile names its dimensions
DIMENSIONS = tuple(column.name for column in tables.counted.columns if column.name.startswith("dimension_"))


#: what the high part stands for of an amount that is taken of a licence
TAKEN_PART = 10**12


def taken_rows(take: Take) -> list[dict[str, Any]]:
    """What a document holds of licences."""
    rows = []
    for line in take.lines:
        high, low = divmod(line.amount, TAKEN_PART)
        rows.append({"document_id": take.document_id, "licence_id": line.licence_id, "line": line.line, "high": high, "low": low})
    return rows


def amount_of(high: int, low: int) -> int:
    """An amount that is taken, of its two parts."""
    return high * TAKEN_PART + low


_HEAD_SUMS, _TOTALS, _LINE_SUMS = (
    [column.name for column in table.columns if column.name.startswith(beginning)]
    for table, beginning in ((tables.keyed, "sum_"), (tables.keyed, "total_"), (tables.keyed_line, "sum_"))
)


def _two_parts(names: Sequence[str], sums: Sequence[int]) -> dict[str, int | None]:
    parts = [part for value in sums for part in divmod(value, KEYED_PART)]
    return {name: parts[n] if n < len(parts) else None for n, name in enumerate(names)}


def keyed_row(d: Document, keyed: KeyedDocument, before: Sequence[int | None] = ()) -> dict[str, Any]:
    """What a document is merged by; `before`: the totals of lines that stay as they were, as they are stored."""
    return {
        "document_id": d.id,
        "account": d.account,
        "type": d.type,
        "pool": keyed.pool,
        "month": keyed.month,
        "head_key": keyed.key,
        "day": keyed.day,
        "number": keyed.number,
        "rates": keyed.rates,
        "merge": keyed.merge,
        "count": keyed.count,
        **_two_parts(_HEAD_SUMS, keyed.sums),
        **(_two_parts(_TOTALS, keyed.totals) if keyed.lines is not None else dict(zip(_TOTALS, before, strict=True))),
    }


def keyed_line_rows(id_: str, keyed: KeyedDocument) -> list[dict[str, Any]]:
    """And its lines."""
    return [
        {"document_id": id_, "line": n, "line_key": line.key, **_two_parts(_LINE_SUMS, line.sums)}
        for n, line in enumerate(keyed.lines or ())
    ]


def sums_of(highs: tuple[Any, ...], lows: tuple[Any, ...]) -> tuple[int, ...]:
    """Sums of their two parts; those that a type does not have are null."""
    if not any(highs):
        return lows if None not in lows else tuple([low for low in lows if low is not None])
    return tuple([high * KEYED_PART + low for high, low in zip(highs, lows, strict=True) if high is not None and low is not None])


def relation_rows(relation: Relation) -> list[dict[str, Any]]:
    """The parts of a whole."""
    return [
        {"whole_id": relation.whole_id, "part_id": part.id, "number": n, "places": part.places, "alive": int(relation.alive)}
        for n, part in enumerate(relation.parts)
    ]


def receipt_row(r: Receipt) -> dict[str, Any]:
    row = {name: getattr(r, name) for name in _RECEIPT_COLUMNS}
    row["applied"] = int(r.applied)
    return row


@_reads("receipt", _RECEIPT_COLUMNS)
def receipt_of(row: Mapping[str, Any]) -> Receipt:
    return Receipt(**{**row, "applied": bool(row["applied"])})


@record
class Order:
    """An order that was carried out."""

    id: str
    at: int
    who: str
    why: str
    do: str
    about: tuple[str, ...]  #: messages
    done: bool


@_reads("order", [column.name for column in tables.order.columns])
def order_of(row: Mapping[str, Any]) -> Order:
    command, result = orjson.loads(row["command"]), orjson.loads(row["result"] or "{}")
    about = tuple(map(_text, command.get("ids") or [command[name] for name in ("id",) if name in command]))
    return Order(row["id"], row["at"], row["who"], row["why"], _text(command["do"]), about, "error" not in result)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
