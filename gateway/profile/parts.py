"""What else a profile says: the papers it ends in, what it needs, counts, tells and prints."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from tongguan.gateway.profile.profile import Certificate, Field, Need, Notify, PrintForm, Statistics, Text
from tongguan.gateway.profile.source import TomlTable, both, text

_NOTHING = Text("", "")
_ROW = ("commodity", "name", "unit", "quantity", "amount")
_DIMENSIONS = ("issuing_agency", "trade_mode", "country")
_MOST_PLACES = 6  #: decimals that statistics add up exactly


def read_certificates(whole_profile: TomlTable) -> tuple[Certificate, ...]:
    found = []
    for n, _ in enumerate(whole_profile.rows("certificate")):
        part = whole_profile.file.part("certificate", n)
        texts = Text(part.need("zh", text, ""), part.need("en", text, ""))
        found.append(Certificate(texts, part.words("codes")))
        part.rest_is_unknown()
    return tuple(found)


def read_needs(whole_profile: TomlTable, operations: Collection[str]) -> dict[str, Need]:
    """The other documents; whether their types and statuses exist is looked at when all are read."""
    needs = {}
    for name in whole_profile.tables("needs"):
        part = whole_profile.file.part("needs", name)
        needs[name] = Need(
            name=name,
            type=part.need("type", text, ""),
            status=frozenset(part.words("status")),
            at=frozenset(part.names("at", operations, "operation")),
            when=tuple(part.rows("when")),
            says=part.need("says", both, _NOTHING),
        )
        part.rest_is_unknown()
    return needs


def read_statistics(whole_profile: TomlTable, statuses: Collection[str], fields: Mapping[str, Field]) -> Statistics | None:
    if not whole_profile.tables("statistics"):
        return None
    part = whole_profile.file.part("statistics")
    table = part.one_of("table", fields, "")
    row = {word: part.take(word, text, "") for word in _ROW}
    statistics = Statistics(
        status=frozenset(part.names("status", statuses, "status")),
        table=table,
        row=row,
        dimensions=part.texts_by_name("dimensions"),
    )
    part.rest_is_unknown()
    inside = [(word, f"{table}/{path}" if table else path) for word, path in row.items() if path]
    for key, path in [*inside, *(("dimensions", path) for path in statistics.dimensions.values())]:
        if path not in fields:
            part.file.complaints.unknown(part.place(key), "field", path, fields)
        elif key in ("quantity", "amount") and (fields[path].type != "number" or fields[path].precision > _MOST_PLACES):
            most, what = _MOST_PLACES, f"{key}: {path}"
            part.complain(key, f"{what} 不是至多 {most} 位小数的数", f"{what} is no number of at most {most} decimals")
    for name in statistics.dimensions.keys() - set(_DIMENSIONS):
        part.file.complaints.unknown(part.place("dimensions"), "dimension", name, _DIMENSIONS)
    return statistics


def read_notify(whole_profile: TomlTable, receipts: Collection[str], paths: Collection[str]) -> Notify | None:
    if not whole_profile.tables("notify"):
        return None
    part = whole_profile.file.part("notify")
    notify = Notify(
        receipts=frozenset(part.names("receipts", receipts, "receipt code")),
        phone=part.one_of("phone", paths, ""),
        when=tuple(part.rows("when")),
        says=part.need("says", both, _NOTHING),
    )
    part.rest_is_unknown()
    return notify


def read_prints(whole_profile: TomlTable, statuses: Collection[str]) -> Mapping[str, PrintForm]:
    prints = {}
    for name in whole_profile.tables("print"):
        part = whole_profile.file.part("print", name)
        prints[name] = PrintForm(
            name=name,
            title=part.need("title", both, _NOTHING),
            layout=_layout(part),
            allowed=frozenset(part.names("allowed", statuses, "status")),
        )
        part.rest_is_unknown()
    return prints


def _layout(part: TomlTable) -> str:
    """The file of a form's layout as seen from the profile's folder; empty where there is none."""
    name = part.take("layout", text, "")
    file = part.file.beside(name)
    if name and file is None:
        part.complain("layout", f"本文件夹及其表单的文件夹里没有 {name}", f"there is no file {name} in this folder or its form's")
    return os.path.relpath(file, part.file.path.parent) if file else ""
