"""The form of a type that has no layout: every field in order, groups and tables under their labels, and room for a seal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tongguan.gateway.profile.profile import NOTHING, Field, Profile, Text
from tongguan.outbox.prints.plan import BlockPlan, BoxPlan, ColumnPlan, Layout
from tongguan.outbox.prints.sheet import UNITS

SECRET = "secret"  #: the type of a field that is never printed
_MOST_COLUMNS = 9  #: that fit side by side
_SHORT = 24  #: letters that a narrow box holds
_HOLDING = ("group", "table")
_SEAL = BlockPlan(
    rows=(
        (
            BoxPlan(Text("申请单位签章", "Applicant's seal"), (), 12, lines=4),
            BoxPlan(Text("申请日期", "Applied on"), ("time.declared",)),
        ),
    )
)


def usual_layout(profile: Profile, title: Text) -> Layout:
    """A form of every field, in order, that whoever hands it in can seal."""
    fields = [field for field in profile.fields if field.type != SECRET]
    tops = [field for field in fields if "/" not in field.path]
    blocks = [
        BlockPlan(rows=tuple(_packed(_inside("", fields)))),
        *(_group(field, fields) for field in tops if field.type == "group"),
        *(block for field in tops if field.type == "table" for block in _table(field, fields)),
    ]
    filled = tuple(block for block in blocks if block.rows or block.columns)
    return Layout(title, own_number(profile), False, NOTHING, (*filled, _SEAL))


def own_number(profile: Profile) -> str:
    """The word for the number that names a document on paper."""
    return f"number.{profile.own_number}" if profile.own_number else "key"


def _inside(path: str, fields: Sequence[Field]) -> list[Field]:
    """The plain fields right below a path; those of groups in a table too, as they have no heading of their own."""
    if not path:
        return [field for field in fields if "/" not in field.path and field.type not in _HOLDING]
    below = [field for field in fields if field.path.startswith(f"{path}/") and field.type not in _HOLDING]
    return [field for field in below if "[]" not in field.path.removeprefix(f"{path}/")]


def _label(field: Field) -> Text:
    return Text(field.label, field.label_en)


def _group(group: Field, fields: Sequence[Field]) -> BlockPlan:
    return BlockPlan(_label(group), rows=tuple(_packed(_inside(group.path, fields))))


def _table(table: Field, fields: Sequence[Field]) -> Iterator[BlockPlan]:
    """Side by side where it fits; else a block of boxes for each row, with the tables inside it below."""
    columns = _inside(table.path, fields)
    inner = [f for f in fields if f.type == "table" and f.path.rpartition("/")[0] == table.path]
    if not inner and len(columns) <= _MOST_COLUMNS:
        yield BlockPlan(_label(table), table=table.path, columns=_columns(columns))
        return
    yield BlockPlan(_label(table), each=table.path, rows=tuple(_packed(columns)))
    for below in inner:
        yield BlockPlan(_label(below), each=table.path, table=below.path, columns=_columns(_inside(below.path, fields)))


def _columns(fields: Sequence[Field]) -> tuple[ColumnPlan, ...]:
    return tuple(
        ColumnPlan(_label(f), f.path, _share(f), "right" if f.type == "number" and f.fill != "index" else "left") for f in fields
    )


def _share(field: Field) -> int:
    """How wide a column is beside the others."""
    if field.fill == "index":
        return 1
    return {"date": 4, "flag": 2, "text": 3 if field.length <= _SHORT else 5}.get(field.type, 3)


def _width(field: Field) -> int:
    """How much of a row of boxes a field needs."""
    if field.type == "text":
        return next((width for most, width in ((_SHORT, 8), (80, 12)) if field.length <= most), UNITS)
    if field.fill == "index":
        return 4
    return 6 if field.type in ("flag", "date") else 8


def _packed(fields: Sequence[Field]) -> Iterator[tuple[BoxPlan, ...]]:
    """Rows as full as the order of the fields allows."""
    row: list[BoxPlan] = []
    for field in fields:
        box = BoxPlan(_label(field), (field.path,), _width(field))
        if sum(each.width for each in row) + box.width > UNITS:
            yield tuple(row)
            row = []
        row.append(box)
    if row:
        yield tuple(row)
