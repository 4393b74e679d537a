"""Rows of a document's table as operations change them: which ones are meant, and what the content becomes.

Promises: rows that stay where they are stay as they are, to the letter; what was given is not changed. A table here is one at the
top of the document, named without its brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Contexts, Node, Row, Trail, at, getter, row_at
from tongguan.codecs.checking.filling.defaults import fill_defaults, fill_system, forget_system
from tongguan.codecs.checking.filling.filed import look_at_filed
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.codecs.checking.validation import count_rows
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import NamedRows, Operation

ROWS = {"label": "行号", "label_en": "row numbers"}
BEFORE = {"label": "插入位置", "label_en": "place of the new rows"}
_RANGE = re.compile(r"([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?")


@record
class RowShift:
    """Where in a table rows change: `since` is the first that does, `new` of them are the message's own."""

    table: str
    since: int
    new: int = 0

    def in_content(self, trail: Trail) -> Trail:
        """Where in the content that stands which stands here in the message."""
        return _moved(trail, self.table, self.since)

    def in_message(self, trail: Trail) -> Trail:
        """Where in the message that stands which stands here in the content; of a row that it does not have: the table."""
        if len(trail) > 1 and trail[0] == self.table and not self.since <= int(trail[1]) < self.since + self.new:
            return trail[:1]
        return _moved(trail, self.table, -self.since)


def _moved(trail: Trail, table: str, by: int) -> Trail:
    return (table, int(trail[1]) + by, *trail[2:]) if len(trail) > 1 and trail[0] == table else trail


def row_ranges(text: str) -> list[tuple[int, int]]:
    """`1,3-5` as (1, 1), (3, 5); ValueError when it is anything else."""
    ranges = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(text)
        ranges.append((int(found[1]), int(found[2] or found[1])))
    return ranges


def rows_named(named: NamedRows, options: Mapping[str, str], rows: Sequence[Row], findings: FaultList) -> set[int]:
    """Places of the rows that a message names by their numbers; what is wrong with these is a fault."""
    element, key = named.rows, named.key
    text = options.get(element, "")
    if not text:
        findings.add("GW-C03", (element,), None, **ROWS)
        return set()
    try:
        ranges = row_ranges(text)
    except ValueError:
        findings.add("GW-C33", (element,), None, value=text, **ROWS)
        return set()
    places = {str(row.get(key, "") if key else n + 1): n for n, row in enumerate(rows)}
    found: set[int] = set()
    for number in (number for first, last in ranges for number in range(first, last + 1)):
        if str(number) not in places:
            findings.add("GW-C34", (element,), None, row=number, count=len(rows), **ROWS)
            break
        found.add(places[str(number)])
    return found


def place_before(asked: Operation, options: Mapping[str, str], rows: Sequence[Row] | None, findings: FaultList) -> int:
    """Where new rows begin: before the row of the number that the message names, without one behind the last.

    `rows`: those that are there; None where the document is not known, as for a file that is looked at alone.
    """
    element = str(asked.options.get("before", ""))
    text, known, rows = options.get(element, ""), rows is not None, rows or ()
    if text and not re.fullmatch(r"[0-9]{1,6}", text):
        findings.add("GW-C36", (element,), None, value=text, **BEFORE)
    elif text and known and not 1 <= int(text) <= len(rows):
        findings.add("GW-C34", (element,), None, row=text, count=len(rows), **BEFORE)
    elif text and known:
        return int(text) - 1
    return len(rows)


def with_marks(compiled: Compiled, marks: NamedRows, options: Mapping[str, str], content: Row, findings: FaultList) -> Row:
    """The content with the flag set in the rows that the message names; one that has it already is a fault."""
    table = compiled.nodes[marks.table]
    places = rows_named(marks, options, content.get(table.name, []), findings)
    changed = deepcopy(content)
    for place in sorted(places):
        row = changed[table.name][place]
        if row.get(marks.field) == "1":
            flag = table.children[marks.field].field
            facts = {"row": row.get(marks.key), "flag": flag.label, "flag_en": flag.label_en}
            findings.add("GW-C35", (marks.rows,), None, **facts, **ROWS)
        row[marks.field] = "1"
    return changed


def without_rows(compiled: Compiled, gone: NamedRows, options: Mapping[str, str], known: FillContext, findings: FaultList) -> Row:
    """The content without the rows that the message names; those behind them move up."""
    name, stored = compiled.nodes[gone.table].name, known.before
    places = rows_named(gone, options, stored.get(name, []), findings)
    content = deepcopy(stored)
    left = [row for n, row in enumerate(content.pop(name, [])) if n not in places]
    if left:
        content[name] = left
    changed = RowShift(name, min(places, default=len(left)))
    before = deepcopy(content)
    _forget_from(compiled, content, name, changed.since, known.now_ms)
    return _filled(compiled, content, changed, _as_it_was(known, before), findings)


def with_rows(
    compiled: Compiled, asked: Operation, given: Row, options: Mapping[str, str], known: FillContext, findings: FaultList
) -> tuple[Row, RowShift]:
    """The content with the rows of a message that holds nothing else, and which they are now."""
    stored, table = known.before, compiled.nodes[asked.adds]
    name, new = table.name, given.get(table.name, [])
    present = stored.get(name, []) if known.document is not None else None
    places = RowShift(name, place_before(asked, options, present, findings), len(new))
    if not new:
        findings.add("GW-C03", (name,), table)
    findings.move(places.in_content)
    content = _with(stored, places, new)
    count_rows(table, content.get(name, []), (), findings)
    _forget_from(compiled, content, name, places.since + places.new, known.now_ms)
    _only_rows(compiled, content, given, places, asked.name, findings)
    before = _with(stored, places, [{} for _ in new])
    return _filled(compiled, content, places, _as_it_was(known, before), findings), places


def _with(content: Row, places: RowShift, rows: Sequence[Row]) -> Row:
    changed = deepcopy(content)
    present = changed.get(places.table, [])
    changed[places.table] = [*present[: places.since], *rows, *present[places.since :]]
    return changed


def _as_it_was(known: FillContext, content: Row) -> FillContext:
    """What is known, where the document's rows stand in the places that they have now."""
    return replace(known, document=replace(known.document, content=content)) if known.document is not None else known


def _only_rows(compiled: Compiled, content: Row, given: Row, places: RowShift, operation: str, findings: FaultList) -> None:
    """Hold the rest of a message that adds rows against the document: it may repeat what that says, and nothing else.

    What it says of the system's own fields is put into the content, where filling it judges that.
    """
    for path, node in compiled.nodes.items():
        if path == f"{places.table}[]" or "[]/" in path or (node.convert is None and not node.table):
            continue
        look = getter(path, ())
        now, before = look((given,)), look((content,))
        if not now or now == before:
            continue
        if path in compiled.system:
            *groups, name = path.split("/")
            row_at(content, groups)[name] = now[0]
        else:
            shown = {"before": _shown(node, before), "value": _shown(node, now)}
            findings.spoil("GW-C20", tuple(path.removesuffix("[]").split("/")), node, operation=operation, **shown)


def _shown(node: Node, values: Sequence[object]) -> str:
    return str(len(values)) if node.table else " ".join(map(str, values)) or "-"


def _filled(compiled: Compiled, content: Row, places: RowShift, known: FillContext, findings: FaultList) -> Row:
    """The rows filled from where they change on, and what the head makes of the table; all else stays as it is stored."""
    contexts = _from(compiled, content, places.table, places.since, known.now_ms)
    fill_defaults(compiled, contexts, known, findings)
    fill_system(compiled, contexts, known, findings)
    look_at_filed(compiled.filed, contexts, known.filed, findings)
    whole = deepcopy(known.before)
    whole.pop(places.table, None)
    if content.get(places.table):
        whole[places.table] = content[places.table]
    for name, groups, _, one in (fill for tables, fills in compiled.fills if not tables for fill in fills):
        if any(path.startswith(f"{places.table}[]") for path in one.reads):
            if row := at(whole, groups):
                row.pop(name, None)
            if (value := at(content, (*groups, name))) is not None:
                row_at(whole, groups)[name] = value
    return whole


def _forget_from(compiled: Compiled, content: Row, table: str, since: int, now: int) -> None:
    """Take out what the system says in the head and in the rows from a place on: it is filled anew."""
    forget_system(compiled, _from(compiled, content, table, since, now))


def _from(compiled: Compiled, content: Row, table: str, since: int, now: int) -> Contexts:
    """The head, and of one table the rows from a place on."""
    contexts = Contexts(content, now)
    rows = contexts[(table,)][since:]
    contexts.update({tables: [] for tables, _ in compiled.fills if tables and tables[0] != table})
    contexts[(table,)] = rows
    return contexts


def split_rows(content: Row, table: str, most: int) -> list[Row]:
    """The content as several, none with more rows than that; the first is the content itself where nothing is left over."""
    rows = content.get(table, [])
    if len(rows) <= most:
        return [content]
    head = {name: value for name, value in content.items() if name != table}
    return [deepcopy(head) | {table: rows[n : n + most]} for n in range(0, len(rows), most)]


def further_part(compiled: Compiled, content: Row, table: Node, first_row: int, now: int) -> None:
    """Make the rows that are left over a document of their own: what the message says of the system's fields is said of the first.

    Rows may be numbered through the whole message: then that is the number of its row, and the document has its own.
    """
    _forget_from(compiled, content, table.name, len(content[table.name]), now)
    indexes = [name for name, node in table.children.items() if node.field.fill == "index"]
    for n, row in enumerate(content[table.name]):
        for name in indexes:
            if row.get(name) == str(first_row + n + 1):
                del row[name]


def entered(compiled: Compiled, content: Row) -> Row:
    """What the sender said, without what the system, an authority or an operation has set."""
    own = deepcopy(content)
    forget_system(compiled, Contexts(own, 0))
    return own
