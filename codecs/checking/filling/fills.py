"""What the system sets: one small function for each kind of fill, made once.

A fill gives the value that the gateway holds, or None while it holds none. All but defaults are the system's own: the sender may
repeat the value, another one is a fault showing both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from decimal import Decimal
from functools import reduce
from typing import Any

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.field_tree import Node, Row, Rows, Trail, at, first, getter, split
from tongguan.codecs.checking.fields import EXACT, rounded
from tongguan.codecs.checking.filling.filed import Filed, FiledLook, RowsFound
from tongguan.gateway.document.changes import told_of_row
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import Changes, CodeTable, Profile, ReceiptRows
from tongguan.gateway.profile.sections.other_documents import DEFAULT
from tongguan.gateway.profile.source import unknown
from tongguan.gateway.settings import Account, ActsFor
from tongguan.gateway.system.times import china_date

KINDS = (
    "account", "default", "number", "status", "now", "index", "part", "is", "joined", "name", "column", "product", "sum", "usd", "query",
    "mark", "receipt", "changes", "filed", "party",
)  # fmt: skip
ACCOUNT = ("uscc", "title", "mofcom_code", "customs_code", "organization_code")


@record
class FillContext:
    """What fills may look at beside the content."""

    account: Account
    document: Document | None
    numbers: Mapping[str, str]
    now_ms: int
    operation: str = ""
    part: int = 1  #: which of the documents that one message makes it is
    filed: Filed | None = None  #: looks up other documents; None: nothing is known of them
    changed: ChangedDocument | None = None  #: the other document that this one changes, where it is known
    rows_found: RowsFound = field(default_factory=dict)  #: what was looked up

    @property
    def before(self) -> Row:
        return self.document.content if self.document else {}


Fill = Callable[[Rows, Trail, FillContext], str | None]


class Unfit(TongguanError, ValueError):
    """A fill that names something which does not exist."""

    def __init__(self, node: Node, zh: str = "没有这种填法", en: str = "there is no such fill") -> None:
        super().__init__(*(f"fill {node.field.fill!r}: {said}" for said in (zh, en)))


def filler(node: Node, profile: Profile, nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]) -> Fill:
    """The fill of this field; Unfit when it names something unknown."""
    kind, argument = _kind(node)
    match kind:
        case "account" if argument in ACCOUNT:
            return lambda rows, trail, known: attribute(known.account, argument)
        case "party" if argument in ACCOUNT and profile.party is not None and profile.party.names:
            return _of_party(node, profile, nodes, argument)
        case "number" if argument in profile.numbers:
            return lambda rows, trail, known: known.numbers.get(argument)
        case "status" if not argument:
            return _status(profile)
        case "now" if argument in ("date", ""):
            names = _names(node)
            return lambda rows, trail, known: at(known.before, names) or china_date(known.now_ms)
        case "now" if argument in profile.operations:
            own = _names(node)
            return lambda rows, trail, known: china_date(known.now_ms) if known.operation == argument else at(known.before, own)
        case "index" if not argument:
            return lambda rows, trail, known: str(trail[-1] + 1) if trail else None  # type: ignore[operator]  # a row's number
        case "part" if not argument:
            own = _names(node)
            return lambda rows, trail, known: at(known.before, own) or str(known.part)
        case "is" if argument:
            return lambda rows, trail, known: argument
        case "name":
            return _column(node, argument, "zh", nodes=nodes, tables=tables)
        case "column":
            path, _, column = argument.rpartition(".")
            return _column(node, path, column, nodes=nodes, tables=tables)
        case "joined":
            return _joined([_part(node, part, nodes, tables) for part in argument.split("+")])
        case "product":
            return _product(node, [_sibling(node, part, nodes) for part in argument.split("*")])
        case "sum":
            return _sum(node, argument, nodes)
        case "usd":
            return _usd(node, _sibling(node, argument, nodes), nodes, tables)
        case "query":
            return _answered(node, profile)
        case "receipt" if not argument and (told := profile.told_in(node.field.path.rpartition("/")[0])) is not None:
            return _told_of_row(node, told)
        case "mark" | "receipt" if not argument:
            return _kept(node)
        case "changes" if profile.changes is not None and not argument:
            return _of_changed(node, profile.changes)
        case "filed":
            return _filed(node, profile, nodes)
    raise Unfit(node)


def _kind(node: Node) -> tuple[str, str]:
    """Kind and argument; a default is any fill, that of the account by its attribute's name alone."""
    said = node.field.fill.removeprefix(DEFAULT)
    kind, _, argument = (f"account:{said}" if node.field.fill != said and said in ACCOUNT else said).partition(":")
    return kind, argument


def is_of_account(node: Node) -> bool:
    """Is it a fact of the account that fills it?"""
    return _kind(node)[0] == "account"


def attribute(account: Account | ActsFor, name: str) -> str | None:
    """An attribute of the account; the organisation code is a part of the unified social credit code (GB 32100)."""
    value = account.uscc[8:17] if name == "organization_code" else getattr(account, name)
    return value or None


def _names(node: Node) -> list[str]:
    return split(node.field.path)[1]


def _beside(node: Node, path: str) -> str:
    parent = node.field.path.rpartition("/")[0]
    return f"{parent}/{path}" if parent else path


def _sibling(node: Node, path: str, nodes: Mapping[str, Node]) -> Callable[[Rows], Any]:
    full = _beside(node, path)
    if full not in nodes:
        raise Unfit(node, f"没有字段 {full}", f"there is no field {full}")
    return first(full, split(node.field.path)[0])


def depends(node: Node, profile: Profile, nodes: Mapping[str, Node]) -> list[str]:
    """Paths whose values the fill needs; they are filled before it."""
    kind, argument = _kind(node)
    match kind:
        case "name" | "usd":
            return [_beside(node, argument)]
        case "column":
            return [_beside(node, argument.rpartition(".")[0])]
        case "product":
            return [_beside(node, part) for part in argument.split("*")]
        case "joined":
            return [_beside(node, part.partition(".")[0]) for part in argument.split("+")]
        case "party" if profile.party is not None:
            return [profile.party.names]
        case "receipt" if (told := profile.told_in(node.field.path.rpartition("/")[0])) is not None:
            return [f"{told.table}/{told.key}"]
        case "sum":
            return [argument]
        case "changes" if (changes := profile.changes) is not None and node.field.path != changes.version:
            return [f"{changes.table}/{changes.place}"]
        case "filed" if source := profile.filed.get(argument.partition(".")[0]):
            named = [profile.party.names] if profile.party is not None and profile.party.names else []
            return [source.names, *named, *(_beside(node, path) for path in source.key)]
    return []


def clients_of(account: Account) -> tuple[ActsFor, ...]:
    """Whom an account acts for: only a broker does."""
    return account.acts_for if account.kind == "broker" else ()


def _of_party(node: Node, profile: Profile, nodes: Mapping[str, Node], name: str) -> Fill:
    """An attribute of whom the document is for: the account, or the client whose code it names; nothing of anybody else."""
    assert profile.party is not None
    if profile.party.names not in nodes:
        raise Unfit(node, *unknown("field", profile.party.names, nodes))
    told, code = first(profile.party.names, split(node.field.path)[0]), profile.party.by or profile.account_code

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        of, account = told(rows), known.account
        enterprises: tuple[Account | ActsFor, ...] = (account, *clients_of(account))
        found = next((one for one in enterprises if of in (None, getattr(one, code))), None)
        return attribute(found, name) if found is not None else None

    return fill


def _status(profile: Profile) -> Fill:
    codes = {name: status.code for name, status in profile.statuses.items()}
    first = next(iter(codes.values()), None)
    return lambda rows, trail, known: codes.get(known.document.status, first) if known.document else first


def _column(node: Node, path: str, column: str, *, nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]) -> Fill:
    """What the code table of another field says of its code in a column; an empty cell is no value."""
    code = _sibling(node, path, nodes)
    table = nodes[_beside(node, path)].field.code_table
    if not table:
        raise Unfit(node, f"{path} 没有代码表", f"{path} has no code table")
    if column not in tables[table].columns:
        raise Unfit(node, f"代码表 {table} 没有列 {column!r}", f"code table {table} has no column {column!r}")
    lookup = tables[table].rows

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        row = lookup.get(code(rows))
        return row[column] or None if row else None

    return _given_of_unknown(node, fill, code, lookup) if tables[table].sample else fill


def _given_of_unknown(node: Node, fill: Fill, code: Callable[[Rows], Any], lookup: Mapping[str, Any]) -> Fill:
    """What a sample of a table cannot say of a code, the sender does: it stays as it is, or as the document has it."""
    names, kept = _names(node), _kept(node)

    def said(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        given = code(rows)
        if given is None or given in lookup:
            return fill(rows, trail, known)
        value = at(rows[-1], names)
        return value if isinstance(value, str) else kept(rows, (*trail, *names[:-1]), known)

    return said


def _part(node: Node, part: str, nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]) -> Fill:
    """A field beside, or what the code table of one says in a column (`Field.column`)."""
    path, _, column = part.partition(".")
    if column:
        return _column(node, path, column, nodes=nodes, tables=tables)
    value = _sibling(node, path, nodes)
    return lambda rows, trail, known: value(rows)


def _joined(parts: list[Fill]) -> Fill:
    """The texts one behind the other, where all of them are there."""

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        texts = [part(rows, trail, known) for part in parts]
        return "".join(text for text in texts if text) if all(texts) else None

    return fill


def _product(node: Node, factors: list[Callable[[Rows], Any]]) -> Fill:
    places = node.field.precision
    first, *others = factors

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        given = first(rows)
        if given is None:
            return None
        value = Decimal(given)
        for factor in others:
            given = factor(rows)
            if given is None:
                return None
            value = EXACT.multiply(value, Decimal(given))
        return rounded(value, places)

    return fill


def _sum(node: Node, argument: str, nodes: Mapping[str, Node]) -> Fill:
    if argument not in nodes:
        raise Unfit(node, f"没有字段 {argument}", f"there is no field {argument}")
    values, places = getter(argument, split(node.field.path)[0]), node.field.precision
    of = nodes[argument].field
    whole = (
        of.type == "number" and not of.precision and not of.fill.startswith("query")
    )  # what an authority says is as it says it

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        given = values(rows)
        if given and whole:
            return str(sum(map(int, given)))
        return rounded(reduce(EXACT.add, map(Decimal, given)), places) if given else None

    return fill


def _usd(node: Node, amount: Callable[[Rows], Any], nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]) -> Fill:
    """The amount times the rate of the nearest currency: of its own row, else of the rows around it."""
    if "usd_rate" not in tables:
        raise Unfit(node, "没有代码表 usd_rate", "there is no code table usd_rate")
    rates = {code: Decimal(row["rate"]) for code, row in tables["usd_rate"].rows.items()}
    currency = _currency(node, nodes)
    places = node.field.precision

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        given, rate = amount(rows), rates.get(currency(rows))
        return None if given is None or rate is None else rounded(EXACT.multiply(Decimal(given), rate), places)

    return fill


def _currency(node: Node, nodes: Mapping[str, Node]) -> Callable[[Rows], Any]:
    parent = node.field.path
    while parent:
        parent = parent.rpartition("/")[0]
        for child in nodes[parent].children.values():
            if child.field.code_table == "currency":
                return first(child.field.path, split(node.field.path)[0])
    raise Unfit(node, "近处没有币制", "no currency is near")


def _of_changed(node: Node, changes: Changes) -> Fill:
    """What is known of the document that is changed: its version, what a place is called, and what stands there."""

    def version(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        return str(known.changed.document.version) if known.changed is not None else None

    def of_place(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        place = known.changed.place(rows[-1].get(changes.place)) if known.changed is not None else None
        if known.changed is None or place is None:
            return None
        return place.node.label if node.name == changes.label else known.changed.value(place)

    return version if node.field.path == changes.version else of_place


def _kept(node: Node) -> Fill:
    """What an authority answered or told in a receipt, or an operation marked, kept on the document."""
    names = _names(node)

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        row: Any = known.before
        for step in trail:
            if isinstance(step, int):
                row = row[step] if isinstance(row, list) and step < len(row) else None
            else:
                row = row.get(step) if isinstance(row, dict) else None
        value = at(row, names)
        return value if isinstance(value, str) else None

    return fill


def _answered(node: Node, profile: Profile) -> Fill:
    """What an authority answered, as long as the fields that it was asked for (`while_same`) are what they were then."""
    kept = _kept(node)
    same = {path for one in profile.operations.values() if node.field.path in one.keep for path in one.while_same}
    looks = [getter(path, ()) for path in sorted(same)]

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        value = kept(rows, trail, known)
        return value if value is None or all(look(rows[:1]) == look((known.before,)) for look in looks) else None

    return fill if looks else kept


def _told_of_row(node: Node, told: ReceiptRows) -> Fill:
    """What receipts have told of the row with this key, wherever it stands by now."""
    name = node.name

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        return told_of_row(told, known.before, rows[-1]).get(name)

    return fill


def filed_look(node: Node, profile: Profile, nodes: Mapping[str, Node]) -> FiledLook:
    """Where a field that is filled from another document has its value from; Unfit when it names something unknown."""
    name = _kind(node)[1].partition(".")[0]
    source = profile.filed.get(name)
    if source is None:
        raise Unfit(node, *unknown("source", name, profile.filed))
    beside = [_beside(node, path) for path in source.key]
    for path in (source.names, *beside):
        if path not in nodes:
            raise Unfit(node, *unknown("field", path, nodes))
    party = profile.party.names if profile.party is not None else ""
    return FiledLook.of(source, nodes[source.names], split(node.field.path)[0], tuple(nodes[path] for path in beside), party)


def _filed(node: Node, profile: Profile, nodes: Mapping[str, Node]) -> Fill:
    """The column of the row there; where there is no such row nothing is known, and what was said stands."""
    look, names = filed_look(node, profile, nodes), _names(node)
    column = _kind(node)[1].partition(".")[2].split("/")

    def fill(rows: Rows, trail: Trail, known: FillContext) -> str | None:
        row = look.row(rows, known.filed, known.rows_found)
        value = at(rows[-1], names) if row is None else at(row, column)
        return value if isinstance(value, str) else None

    return fill
