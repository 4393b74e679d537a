"""A profile's fields as a tree that messages are held against, and paths into a document's content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_of
from typing import Any

from tongguan.codecs.checking.fields import Convert, converter
from tongguan.gateway.profile.profile import CodeTable, Field, Profile

Row = dict[str, Any]
Rows = tuple[Row, ...]
"""The content, then the row of each table on the way to what is looked at: `Goods[]/Spec[]/Model` sees (content, goods, spec)."""

Trail = tuple[str | int, ...]
"""Where a row stands in the content: `("Goods", 0, "Spec", 1)`."""


@dataclass(slots=True, eq=False)
class Node:
    """A field with what is beneath it. Written once while compiling, only read afterwards."""

    field: Field
    name: str
    label: str  #: with the parent's before it
    label_en: str
    convert: Convert | None = None  #: None: a group or table
    table: bool = False
    least: int = 0
    most: int = 0  #: rows; 0: any number
    children: dict[str, Node] = made_of(default_factory=dict)
    by_tag: dict[str, tuple[str, Convert | None, Node]] = made_of(default_factory=dict)  #: by `{namespace}name`, taken apart
    required: dict[str, frozenset[str]] = made_of(default_factory=dict)  #: operation to names of children that it needs
    bounded: tuple[Node, ...] = ()  #: tables among the children with a least or most number of rows
    needy: dict[str, tuple[Node, ...]] = made_of(default_factory=dict)  #: operation to groups and tables that need something


def build(profile: Profile, tables: Mapping[str, CodeTable]) -> tuple[Node, dict[str, Node]]:
    """The root node, and every node by its path."""
    top = Field(
        "", profile.type, "", "", "group", 0, 0, "", "", "", "1", "", "", frozenset(), frozenset(), "", "", "", "", "", "", ""
    )
    root = Node(top, profile.type, "", "")
    nodes = {"": root}
    for one in profile.fields:
        parent = nodes[one.path.rpartition("/")[0]]
        node = _node(one, parent, tables)
        parent.children[node.name] = node
        for namespace in namespaces_of(profile):
            parent.by_tag[f"{{{namespace}}}{node.name}"] = (node.name, node.convert, node)
        nodes[one.path] = node
    for node in reversed(nodes.values()):
        node.bounded = tuple(n for n in node.children.values() if n.table and (n.most or n.least > 1))
        for operation in {o for n in node.children.values() for o in (*n.required, *n.needy)}:
            node.needy[operation] = tuple(n for n in node.children.values() if operation in n.required or operation in n.needy)
        for operation in {o for n in node.children.values() for o in n.field.required_at}:
            node.required[operation] = frozenset(n.name for n in node.children.values() if operation in n.field.required_at)
    return root, nodes


def namespaces_of(profile: Profile) -> tuple[str, ...]:
    """In which a message's elements may stand: ours, and that of the authority's own form."""
    return (profile.namespace, *((profile.own_form.namespace,) if profile.own_form is not None else ()))


def _node(one: Field, parent: Node, tables: Mapping[str, CodeTable]) -> Node:
    label, label_en = one.label or one.name, one.label_en or one.name
    above, above_en = (parent.field.label, parent.field.label_en) if parent.table else (parent.label, parent.label_en)
    if above and one.type != "table" and not label.startswith(above):
        label, label_en = above + label, label_en if label_en.startswith(above_en) else f"{above_en}: {label_en}"
    inner = one.type in ("group", "table")
    least, _, most = (one.occurs or "0..1").partition("..")
    return Node(
        one,
        one.name,
        label,
        label_en,
        convert=None if inner else converter(one, tables),
        table=one.type == "table",
        least=int(least),
        most=0 if most == "n" else int(most or least),
    )


def split(path: str) -> tuple[tuple[str, ...], list[str]]:
    """A path as the tables on its way, and the rest behind the last of them.

    `Goods[]/Spec[]/Model` is (("Goods", "Spec"), ["Model"]); a table on the way may stand in groups: `Group/Goods`.
    """
    tables, rest = [], []
    for part in path.split("/") if path else []:
        rest.append(part.removesuffix("[]"))
        if part.endswith("[]"):
            tables.append("/".join(rest))
            rest = []
    return tuple(tables), rest


def at(row: Any, names: Sequence[str]) -> Any:
    """What stands in a row under these names; None when anything on the way is absent."""
    for name in names:
        if not isinstance(row, dict):
            return None
        row = row.get(name)
    return row


def row_at(row: Row, groups: Sequence[str]) -> Row:
    """The row of the innermost of these groups, made where it is absent."""
    for group in groups:
        row = row.setdefault(group, {})
    return row


class Contexts(dict[tuple[str, ...], list[tuple[Rows, Trail]]]):
    """Of tables on the way: each row of the innermost, with the rows around it and its trail; of no table: the content.

    Made once a message when first asked for: after the walk no row comes or goes. `now` is when the message is checked.
    """

    __slots__ = ("now", "top")

    def __init__(self, content: Row, now: int) -> None:
        super().__init__({(): [((content,), ())]})
        self.top: Rows = (content,)
        self.now = now

    def __missing__(self, tables: tuple[str, ...]) -> list[tuple[Rows, Trail]]:
        names = tables[-1].split("/")
        made: list[tuple[Rows, Trail]] = []
        for rows, trail in self[tables[:-1]]:
            for n, row in enumerate(at(rows[-1], names) or ()):
                made.append(((*rows, row), (*trail, *names, n)))
        self[tables] = made
        return made


def getter(path: str, tables: Sequence[str]) -> Callable[[Rows], list[Any]]:
    """All values at a path, seen from a row of these tables: of a table on the way the row at hand, of another every row."""
    own, rest = split(path)
    common = 0
    while common < min(len(own), len(tables)) and own[common] == tables[common]:
        common += 1
    if path.endswith("[]") and common == len(own) and common:
        common -= 1
    beyond = [part.split("/") for part in own[common:]]
    if not beyond and len(rest) == 1:
        name = rest[0]

        def single(rows: Rows) -> list[Any]:
            value = rows[common].get(name)
            return [] if value is None else [value]

        return single
    if path.endswith("[]"):
        rest = []
    if len(rest) == 1 and all(len(names) == 1 for names in beyond):
        return _columns(common, [names[0] for names in beyond], rest[0])
    if not rest and len(beyond) == 1 and len(beyond[0]) == 1:
        return _table(common, beyond[0][0])

    def several(rows: Rows) -> list[Any]:
        found: list[Any] = [rows[common]]
        for names in beyond:
            found = [row for one in found for row in (at(one, names) or ())]
        return [value for one in found if (value := at(one, rest)) is not None]

    return several


def first(path: str, tables: Sequence[str]) -> Callable[[Rows], Any]:
    """The value at a path, seen from a row of these tables; of several the first, None without."""
    look = getter(path, tables)
    own, rest = split(path)
    if len(rest) == 1 and own == tuple(tables[: len(own)]):
        depth, name = len(own), rest[0]
        return lambda rows: rows[depth].get(name)

    def value(rows: Rows) -> Any:
        found = look(rows)
        return found[0] if found else None

    return value


def _table(common: int, name: str) -> Callable[[Rows], list[Any]]:
    """The rows of a plain table."""
    return lambda rows: rows[common].get(name) or []


def _columns(common: int, names: Sequence[str], last: str) -> Callable[[Rows], list[Any]]:
    """A column of plain tables."""

    def columns(rows: Rows) -> list[Any]:
        found: Sequence[Row] = (rows[common],)
        for name in names:
            found = [row for one in found for row in one.get(name, ())]
        return [row[last] for row in found if last in row]

    return columns
