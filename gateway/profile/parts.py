"""What a profile says besides its fields and queries: numbers, statuses, receipts, operations, rules, papers, what it counts and prints."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tongguan.gateway.profile.profile import (
    DESKS,
    MOST_DIMENSIONS,
    OPERATIONS,
    RESERVED,
    AttachmentRule,
    Authority,
    Certificate,
    CodeTable,
    Expiry,
    Field,
    ListedRows,
    NamedRows,
    Notify,
    NumberRule,
    Operation,
    PickedRows,
    PrintForm,
    ReceiptRows,
    ReceiptRule,
    Rule,
    Statistics,
    Status,
    Text,
)
from tongguan.gateway.profile.sections.queries import STATISTICS
from tongguan.gateway.profile.sections.replies import RESERVED_FILES
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, table_of, text
from tongguan.gateway.settings import size

_ROW = ("commodity", "name", "unit", "quantity", "amount")
_SHEETS = ("text/plain", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/x-ole-storage")
_MEDIA_TYPES = ("application/pdf", "image/jpeg", "image/png", "image/tiff", *_SHEETS)
_MOST_PLACES = 6  #: decimals that statistics add up exactly
OperationScope = tuple[
    Mapping[str, Status], Mapping[str, NumberRule], Mapping[str, Authority], Mapping[str, Field], Collection[str]
]


def both_needed(part: TomlTable) -> Text:
    """What `zh` and `en` say beside the table's other keys."""
    return Text(part.need("zh", text, ""), part.need("en", text, ""))


def read_status(part: TomlTable, name: str) -> Status:
    usual = both_needed(part)
    lists, statistics = (
        Text(part.take(f"{where}_zh", text, usual.zh), part.take(f"{where}_en", text, usual.en))
        for where in ("list", "statistics")
    )
    return part.made(Status, {}, ("code",), name=name, text=usual, list_text=lists, statistics_text=statistics)


def read_receipts(
    part: TomlTable, statuses: Collection[str], operations: Collection[str], authorities: Collection[str]
) -> dict[str, ReceiptRule]:
    receipts: dict[str, ReceiptRule] = {}
    words = {
        "status": statuses,
        "ends": ("accepted", "rejected"),
        "answers": operations,
        "by": authorities,
        "pending": ("applies", "drops"),
    }
    for row in part.rows("receipt"):
        rule = row.made(ReceiptRule, words, ("code",), text=both_needed(row), rows=_rows_told(row))
        if rule.code in RESERVED:
            row.complain(
                "code",
                f"回执代码 {rule.code!r} 在每个类型中都是技术回执或答复的代码",
                f"receipt code {rule.code!r} is that of a technical receipt or an answer, for every type",
            )
        if rule.code in receipts:
            row.complain("code", f"回执代码 {rule.code!r} 重复", f"receipt code {rule.code!r} stands twice")
        if rule.status and rule.rank < 1:
            zh, en = f"回执 {rule.code!r} 带来状态", f"receipt {rule.code!r} brings a status"
            row.complain("code", f"{zh}，所以 rank 至少为 1", f"{en}, so it needs a rank of 1 or more")
        receipts[rule.code] = rule
    return receipts


def _rows_told(row: TomlTable) -> ReceiptRows | None:
    """`{ table = "Goods[]", key = "GNo", at = "ToldAt", sets = { … } }`; whether the fields fit is looked at with all receipts."""
    if not row.take("rows", table_of, dict[str, Any]()):
        return None
    return row.file.part(*row.keys, "rows").made(ReceiptRows, {}, ("table", "key", "at", "sets"))


def read_operation(part: TomlTable, name: str, known: OperationScope) -> Operation:
    statuses, numbers, authorities, fields, operations = known
    if name not in OPERATIONS:
        part.file.complaints.unknown(part.place(), "operation", name, OPERATIONS)
    operation = part.made(
        Operation,
        {
            "way": ["desk", "message", "query"],
            "desk": DESKS,
            "route": authorities,
            "roles": ["legal", "operator"],
            "body": ["whole", "optional", "none"],
            "allowed": ["", *statuses],
            "between": statuses,
            "waiting": statuses,
            "to": statuses,
            "to_another": statuses,
            "give_numbers": numbers,
            "warns_of": operations,
            "asks_first": operations,
            "while_same": fields,
        },
        name=name,
        removes=_named_rows(part, "removes", fields),
        marks=_named_rows(part, "marks", fields),
        picks=_picked_rows(part, fields),
        listed=_listed_rows(part, fields),
    )
    if not operation.way:
        part.complain(
            "way",
            f"操作 {name} 没有 way：desk、message 或 query",
            f"operation {name} has no way: desk, message or query",
        )
    if operation.way == "desk" and not operation.desk and operation.name not in DESKS:
        part.file.complaints.unknown(part.place(), "desk step", operation.name, DESKS)
    if operation.way == "message" and not operation.route:
        part.complain("route", f"操作 {name} 以报文发出，却没有路线", f"operation {name} goes by message but names no route")
    _rows_fit(part, operation, fields)
    return operation


def asking_first(operations: Mapping[str, Operation], whole_profile: TomlTable) -> dict[str, Operation]:
    """The operations; one that asks first (`asks_first`) has the question of that operation, and what is kept of its answer."""
    for name, operation in operations.items():
        part, other = whole_profile.file.part("operation", name), operations.get(operation.asks_first)
        if other is not None and not (other.ask and other.keep and operation.way == "message"):
            zh = f"操作 {name} 以报文发出前才能先询问，且 {other.name} 应有 ask 和 options.keep"
            en = f"only an operation that goes by message asks first, and {other.name} needs ask and options.keep"
            part.complain("asks_first", zh, en)
        if operation.while_same and not operation.keep:
            zh, en = (
                "while_same 说明 options.keep 何时仍有效，这里没有 keep",
                "while_same says how long options.keep holds: there is no keep",
            )
            part.complain("while_same", zh, en)
    return {name: _with_question(operation, operations.get(operation.asks_first)) for name, operation in operations.items()}


def _with_question(operation: Operation, other: Operation | None) -> Operation:
    if other is None:
        return operation
    options = {**operation.options, "keep": other.keep}
    return replace(operation, ask=other.ask, while_same=other.while_same, options=options)


def _picked_rows(part: TomlTable, fields: Mapping[str, Field]) -> PickedRows | None:
    """`{ named = "Entries", table = "Entry[]", key = "EntryId", field = "State", among = ["1"], … }`: rows of which an answer has files."""
    if not part.take("picks", table_of, dict[str, Any]()):
        return None
    picks = part.file.part(*part.keys, "picks").made(PickedRows, {}, ("named", "table", "key", "field", "among", "says"))
    _is_table(part, "picks", picks.table, fields)
    columns = [f"{picks.table}/{column}" for column in (picks.key, picks.field, *picks.shows)]
    for path in (*columns, *([picks.until] if picks.until else ())):
        if path not in fields:
            part.file.complaints.unknown(part.place("picks"), "field", path, fields)
    return picks


def _listed_rows(part: TomlTable, fields: Mapping[str, Field]) -> ListedRows | None:
    """`{ table = "Entry[]", column = "EntryId", field = "EntryIds", … }`: rows that a message may list by their numbers."""
    if not part.take("listed", table_of, dict[str, Any]()):
        return None
    listed = part.file.part(*part.keys, "listed").made(ListedRows, {}, ("table", "column", "field", "pattern", "says"))
    _is_table(part, "listed", listed.table, fields)
    for path in (f"{listed.table}/{listed.column}", listed.field):
        if path not in fields:
            part.file.complaints.unknown(part.place("listed"), "field", path, fields)
    if listed.table in fields and not re.fullmatch(r"([0-9]+\.\.)?[1-9][0-9]*", fields[listed.table].occurs):
        zh, en = f"{listed.table} 没有行数上限", f"{listed.table} takes any number of rows: a list wants a bound"
        part.complain("listed", zh, en)
    try:
        re.compile(listed.pattern)
    except re.error as wrong:
        part.file.complaints.raised(part.place("listed"), wrong, ("pattern: ", "pattern: "))
    return listed


def _named_rows(part: TomlTable, key: str, fields: Mapping[str, Field]) -> NamedRows | None:
    """`{ rows = "Rows", table = "Goods[]", … }`: which rows of a table a message names, and how."""
    if not part.take(key, table_of, dict[str, Any]()):
        return None
    inner = part.file.part(*part.keys, key)
    named = inner.made(NamedRows, {}, ("rows", "table", *(("key", "field") if key == "marks" else ())))
    _is_table(part, key, named.table, fields)
    for column in (named.key, named.field):
        path = f"{named.table}/{column}"
        if column and path not in fields:
            part.file.complaints.unknown(part.place(key), "field", path, fields)
    path = f"{named.table}/{named.field}"
    if path in fields and (fields[path].type, fields[path].fill) != ("flag", "mark"):
        part.complain(
            key,
            f"{path} 由此操作设置：类型应为 flag，fill 应为 mark",
            f"{path} is set by this operation: a flag whose fill is mark",
        )
    return named


def _is_table(part: TomlTable, key: str, path: str, fields: Mapping[str, Field]) -> None:
    """A table of the document itself, in no group and no other table."""
    if path not in fields:
        part.file.complaints.unknown(part.place(key), "field", path, [f for f in fields if f.endswith("[]")])
    elif not path.endswith("[]") or "/" in path:
        part.complain(key, f"{path} 不是单证最上一级的表", f"{path} is no table at the top of the document")


def _rows_fit(part: TomlTable, operation: Operation, fields: Mapping[str, Field]) -> None:
    """Operations on rows carry a body where the rows are in it, and none where it only names them."""
    for key, path in (("adds", operation.adds), ("splits", operation.splits), ("fetches", operation.fetches)):
        if path:
            _is_table(part, key, path, fields)
    if operation.fetches and operation.way != "query":
        zh, en = (
            "fetches 的行来自主管部门的答复：way 应为 query",
            'the rows that it fetches are in an authority\'s answer: way = "query"',
        )
        part.complain("fetches", zh, en)
    if operation.adds and operation.body != "whole":
        part.complain("adds", "adds 的行在正文中：body 应为 whole", 'the rows that it adds are in its body: body = "whole"')
    for key in ("removes", "marks"):
        if getattr(operation, key) is not None and operation.body != "none":
            part.complain(key, f"{key} 只指明行号：body 应为 none", f'{key} only names rows: body = "none"')
    if operation.splits and (operation.body == "none" or "" not in operation.allowed):
        zh, en = (
            'splits 的操作带有正文并产生单证：allowed 应含 ""',
            'an operation that splits carries documents and makes them: allowed has ""',
        )
        part.complain("splits", zh, en)
    if operation.splits and (operation.adds or operation.reserve or operation.ask or operation.way == "query"):
        zh, en = "splits 不能与 adds、reserve 或询问同用", "an operation that splits neither adds, reserves nor asks"
        part.complain("splits", zh, en)
    if operation.splits in fields and not re.fullmatch(r"([0-9]+\.\.)?[1-9][0-9]*", fields[operation.splits].occurs):
        path = operation.splits
        part.complain("splits", f"{path} 没有行数上限，不能分册", f"{path} takes any number of rows: there is nothing to split")


def read_attachments(part: TomlTable, tables: Mapping[str, CodeTable], operations: Collection[str]) -> AttachmentRule:
    categories = part.one_of("categories", tables, "")
    rows = tables[categories].rows if categories in tables else {}
    return part.made(
        AttachmentRule,
        {
            "types": [*_MEDIA_TYPES],
            "required_at": operations,
            **({"one_of": [*rows]} if rows else {}),
        },
        categories=categories,
        category_names={code: Text(row["zh"], row["en"]) for code, row in rows.items()},
        most_bytes=part.take("most_bytes", size, 0),
        most_bytes_a_page=part.take("most_bytes_a_page", size, 0),
    )


def read_rules(folders: Iterable[Path], operations: Collection[str], complaints: Complaints) -> tuple[Rule, ...]:
    """`rules.toml`: what must hold, of a form and of its types."""
    rules: dict[str, Rule] = {}
    for path in (f / "rules.toml" for f in folders):
        if not path.is_file():
            continue
        whole_file = TomlFile(path, complaints).part()
        for part in whole_file.rows("rule"):
            words = {"at": operations, "severity": ("error", "warning")}
            rule = part.made(Rule, words, ("id", "at", "check", "path", "says"), place=part.place("id"))
            if "at" in part.given and not rule.at:
                part.complain(
                    "at",
                    f"规则 {rule.id} 的 at 为空，任何操作都不会检查它",
                    f"rule {rule.id} has an empty at: no operation ever asks it",
                )
            if rule.id in rules:
                before = rules[rule.id].place
                complaints.add(rule.place, f"{before} 已有规则 {rule.id!r}", f"rule {rule.id!r} exists already, in {before}")
            rules[rule.id] = rule
        whole_file.rest_is_unknown()
    return tuple(rules.values())


def read_certificates(whole_profile: TomlTable) -> tuple[Certificate, ...]:
    return tuple(part.made(Certificate, text=both_needed(part)) for part in whole_profile.rows("certificate"))


def read_statistics(part: TomlTable, statuses: Collection[str], fields: Mapping[str, Field]) -> Statistics:
    row = {word: part.take(word, text, "") for word in _ROW}
    statistics = part.made(Statistics, {"status": statuses, "table": fields, "day": fields}, row=row)
    table = statistics.table
    inside = [(word, f"{table}/{path}" if table else path) for word, path in row.items() if path]
    above = [("dimensions", path) for path in statistics.dimensions.values()]
    for key, path in [*inside, *above, *([("day", statistics.day)] if statistics.day else [])]:
        if path not in fields:
            part.file.complaints.unknown(part.place(key), "field", path, fields)
        elif key == "day" and fields[path].type != "date":
            part.complain(key, f"{path} 不是日期", f"{path} is no date")
        elif key in ("quantity", "amount") and (fields[path].type != "number" or fields[path].precision > _MOST_PLACES):
            most, what = _MOST_PLACES, f"{key}: {path}"
            part.complain(key, f"{what} 不是至多 {most} 位小数的数", f"{what} is no number of at most {most} decimals")
    for name in statistics.dimensions.keys() & set(STATISTICS):
        part.complain("dimensions", f"{name} 是统计本身的词", f"{name} is a word of statistics themselves")
    if len(statistics.dimensions) > MOST_DIMENSIONS:
        part.complain("dimensions", f"维度至多 {MOST_DIMENSIONS} 个", f"there may be {MOST_DIMENSIONS} dimensions at most")
    return statistics


def read_expires(part: TomlTable, statuses: Collection[str], fields: Mapping[str, Field]) -> Expiry:
    """When a document's time is over; lists ask for it, so its date has `find`."""
    expiry = part.made(Expiry, {"until": fields, "status": statuses, "to": statuses}, ("until", "status", "to"))
    date = fields.get(expiry.until)
    if date is not None and (date.type != "date" or not date.find):
        part.complain("until", f"{expiry.until} 应为有 find 的日期", f"{expiry.until} must be a date with `find`")
    return expiry


def read_notify(part: TomlTable, receipts: Collection[str], paths: Collection[str]) -> Notify:
    return part.made(Notify, {"receipts": receipts, "phone": paths}, ("says",))


def read_prints(whole_profile: TomlTable, statuses: Collection[str]) -> Mapping[str, PrintForm]:
    return {
        name: part.made(PrintForm, {"allowed": statuses}, ("title",), name=name, layout=_layout(part))
        for name, part in whole_profile.parts("print").items()
    }


def _layout(part: TomlTable) -> str:
    """The file of a form's layout as seen from the profile's folder; empty where there is none."""
    name = part.take("layout", text, "")
    if name in RESERVED_FILES:
        part.complain(
            "layout",
            f"{name} 另有用途，版式文件请用别的名字",
            f"{name} means something else in a folder: a layout needs another name",
        )
        return ""
    file = part.file.beside(name)
    if name and file is None:
        part.complain("layout", f"本文件夹及其表单的文件夹里没有 {name}", f"there is no file {name} in this folder or its form's")
    return os.path.relpath(file, part.file.path.parent) if file else ""
