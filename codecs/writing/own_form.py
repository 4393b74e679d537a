"""A document as its authority itself writes it, what is signed of its fields, the sheet that goes along, and such an answer.

Promises: the same form as `render.py` writes (exclusive C14N); elements in the profile's order, those that must occur also where they
are empty. Which authority that is, and what its elements are called, is the profile's matter.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from tongguan.codecs.writing.markup import attribute, attributes, text
from tongguan.gateway.document.changes import value_at, with_values
from tongguan.gateway.model.document import Content
from tongguan.gateway.profile.profile import EnclosedSheet, Field, OwnAnswer, OwnForm, Profile
from tongguan.gateway.profile.sections.own_form import signed_fields

_ALWAYS = "1"  #: `occurs` of an element that stands there even when it is empty


class EnclosedFile(NamedTuple):
    """A file that goes along."""

    name: str
    content: bytes


def render_own_form(profile: Profile, form: OwnForm, content: Content, sealed: Mapping[str, str]) -> bytes:
    """The document; `sealed`: what sealing writes, path to text."""
    content = with_values(content, {path: value for path, value in sealed.items() if value})
    root = f'<{form.root} xmlns="{attribute(form.namespace)}"{attributes(**form.attributes)}>'
    out = [root]
    _write(out, _children(profile, form, ""), content, (profile, form))
    out.append(f"</{form.root}>")
    return "".join(out).encode()


def _write(out: list[str], fields: Sequence[Field], row: Mapping[str, Any], of: tuple[Profile, OwnForm]) -> None:
    for field in fields:
        value, always = row.get(field.name), field.occurs == _ALWAYS
        if not (value or always):
            continue
        if field.type not in ("group", "table"):
            out.append(f"<{field.name}>{text(_worded(field, of[1], value or ''))}</{field.name}>")
            continue
        below = _children(*of, field.path)
        for one in value if isinstance(value, list) else (value or {},):
            out.append(f"<{field.name}>")
            _write(out, below, one, of)
            out.append(f"</{field.name}>")


def _children(profile: Profile, form: OwnForm, path: str) -> list[Field]:
    return [f for f in profile.fields if f.path.rpartition("/")[0] == path and f.path not in form.without]


def _worded(field: Field, form: OwnForm, value: str) -> str:
    return value.replace("-", "") if field.type == "date" and form.dates == "yyyyMMdd" else value


def text_to_sign(profile: Profile, form: OwnForm, content: Content) -> bytes:
    """The values that the signature over the fields covers, one behind the other: table by table, row by row."""
    signed = [one for one in signed_fields(profile.fields) if not one.only_at or value_at(content, one.only_at) == one.only_is]
    out = []
    for table, columns in groupby(signed, key=lambda one: one.field.path.rpartition("[]")[0]):
        fields = [one.field for one in columns]
        for row in rows_at(content, table) if table else [content]:
            below = [field.path.removeprefix(f"{table}[]/") for field in fields]
            out += [_worded(field, form, value_at(row, path)) for field, path in zip(fields, below, strict=True)]
    return "".join(out).encode()


def rows_at(content: Content, table: str) -> list[Content]:
    """The rows of a table that may stand in groups."""
    found: Any = content
    for name in table.removesuffix("[]").split("/"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, list) else []


def enclosed(profile: Profile, sheet: EnclosedSheet, content: Content, *, time: str) -> tuple[Content, EnclosedFile | None]:
    """The content with the row that tells of the sheet, and the sheet; as it is where there is nothing to enclose."""
    rows = rows_at(content, sheet.table)
    if not rows:
        return content, None
    target = io.StringIO()
    lines = csv.writer(target, lineterminator="\n")
    lines.writerow(sheet.columns)
    lines.writerows([value_at(row, column) for column in sheet.columns] for row in rows)
    raw = target.getvalue().encode()
    words = {f.name: value_at(content, f.path) for f in profile.fields if "[]" not in f.path}
    name = sheet.file.format_map(words)
    told = {
        column: said.format_map({**words, "file": name, "size": len(raw), "time": time}) for column, said in sheet.row.items()
    }
    table = sheet.told_in.removesuffix("[]")
    return {**content, table: [*content.get(table, []), told]}, EnclosedFile(name, raw)


def render_answer(answer: OwnAnswer, said: Mapping[str, str]) -> bytes:
    """An answer to the sender as that authority would write it; `said`: path to text."""
    namespace = f' xmlns="{attribute(answer.namespace)}"' if answer.namespace else ""
    inside = "".join(f"\n  <{name}>{text(said.get(name, ''))}</{name}>" for name in answer.elements)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{answer.root}{namespace}>{inside}\n</{answer.root}>\n'.encode()
