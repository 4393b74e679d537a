"""`tongguan profiles`: the document types with their fields, rules, statuses and schemas."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from tongguan.codecs.writing.schema import write_schemas
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, print_text, say
from tongguan.gateway.cli.profiles.registry import page
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Operation, Profile
from tongguan.gateway.system.storage import files

_NOT_SHOWN = {"folder", "place"}  #: of this machine, not of the type


def profiles(
    type_: Annotated[str, typer.Argument(metavar="[TYPE]", help="document type / 单证类型")] = "",
    matrix: Annotated[bool, typer.Option("--matrix", help="type x operation x status x card / 操作矩阵")] = False,
    write: Annotated[bool, typer.Option("--write", help="write schema.xsd and schema.json / 生成 schema")] = False,
    registry: Annotated[bool, typer.Option("--registry", help="the licence systems as a page / 许可证件系统一览")] = False,
) -> None:
    """单证类型：字段、规则、状态 / Document types: fields, rules, statuses, schemas."""
    from tongguan.gateway.cli.profiles.loading import look_at_types

    home = context.home() if (context.home() / "tongguan.toml").is_file() else None
    every = load_profiles(home=home)
    look_at_types(home)
    if type_:
        known_or_wrong(type_, every, "单证类型", "type")
    chosen = [every[type_]] if type_ else list(every.values())
    if registry:
        text = page(every, context.language())
        print_json({"text": text}) if context.as_json() else sys.stdout.write(text)
    elif write:
        _write(chosen)
    elif matrix:
        _matrix(chosen)
    elif context.as_json():
        print_json(_plain(chosen[0]) if type_ else [_plain(p) for p in chosen])
    elif type_:
        _show(chosen[0])
    else:
        _list(chosen)


def _list(chosen: Sequence[Profile]) -> None:
    lang = context.language()
    rows = [(p.type, p.title[lang], p.authority, list(p.operations), len(p.fields), len(p.rules), p.version) for p in chosen]
    print_table("类型 名称 机关 操作 字段 规则 版本", "type title authority operations fields rules version", rows)


def _write(chosen: Sequence[Profile]) -> None:
    written = [path for profile in chosen for path in _changed_schemas(profile)]
    if context.as_json():
        print_json([str(path) for path in written])
        return
    for path in written:
        say(f"已写 {path}", f"wrote {path}")
    if not written:
        say("schema 都是最新的", "every schema is in step")


def _changed_schemas(profile: Profile) -> Iterable[Path]:
    for name, content in write_schemas(profile).items():
        path = profile.folder / name
        if not path.is_file() or path.read_bytes() != content:
            files.write(path, content)
            yield path


def _matrix(chosen: Sequence[Profile]) -> None:
    rows = [_row(profile, operation) for profile in chosen for operation in profile.operations.values()]
    rows += [_query_row(profile, kind) for profile in chosen for kind in profile.queries]
    if context.as_json():
        print_json(rows)
        return
    zh, en = "类型 操作 方式 去向 允许状态 途中 完成 卡", "type operation way to allowed_in between after card"
    print_table(zh, en, [list(row.values()) for row in rows])


def _row(profile: Profile, operation: Operation) -> dict[str, Any]:
    def shown(status: str) -> str:
        if not status:
            return t("(无单证)", "(none)")
        return profile.statuses[status].text[context.language()]

    present = t("在位", "present") if operation.card_present else t("绑定", "bound")
    card = [word for word, holds in ((t("签名", "signs"), operation.signed), (present, operation.card_bound)) if holds]
    card += [t("按内容", "by content")] if operation.signed_when else []
    return {
        "type": profile.type,
        "operation": operation.name,
        "way": operation.way,
        "route": operation.route or ("" if operation.way == "desk" else profile.authority),
        "allowed": [shown(s) for s in ("", *profile.statuses) if s in operation.allowed],
        "between": shown(operation.between) if operation.between else "",
        "to": shown(operation.to) if operation.to else "",
        "card": [*card, *operation.roles],
    }


def _query_row(profile: Profile, kind: str) -> dict[str, Any]:
    source = profile.queries[kind].source
    route = profile.authority if source == "authority" else ""
    row = {"type": profile.type, "operation": f"query {kind}", "way": source, "route": route}
    return {**row, "allowed": [], "between": "", "to": "", "card": []}


def _show(profile: Profile) -> None:
    lang = context.language()
    print_text(f"{profile.type} {profile.title[lang]} ({profile.authority}, {profile.version})\n{profile.folder}")
    _matrix([profile])
    english = lang == "en"
    print_table(
        "字段 名称 类型 长度 小数 行数 代码表 单位 必填于 系统填写 出处",
        "field label type length decimals rows table unit required_at filled_by source",
        [
            (
                *(f.path, f.label_en if english else f.label, f.type, f.length or "", f.precision or "", f.occurs, f.code_table),
                *(f.unit, sorted(f.required_at), f.fill, f.source),
            )
            for f in profile.fields
        ],
    )
    print_table(
        "规则 操作 字段 检查 说明 出处",
        "rule at field check says from",
        [(r.id, sorted(r.at), r.path, r.check, r.says[lang], r.from_) for r in profile.rules],
    )
    print_table("状态 代码 名称", "status code text", [(s.name, s.code, s.text[lang]) for s in profile.statuses.values()])
    print_table(
        "回执 名称 状态 级别 结束",
        "receipt text status rank ends",
        [(r.code, r.text[lang], r.status, r.rank, r.ends) for r in profile.receipts.values()],
    )
    print_table(
        "编号 名称 样式 字段 由网关给出",
        "number label pattern field given_here",
        [(n.kind, n.label[lang], n.pattern, n.field, n.given) for n in profile.numbers.values()],
    )
    print_table(
        "查询 来源 筛选条件 必填 列",
        "query source filters required columns",
        [(q.kind, q.source, list(q.filters), list(q.required), [c.name for c in q.columns]) for q in profile.queries.values()],
    )
    _show_attachments(profile)


def _show_attachments(profile: Profile) -> None:
    """What files may come with the type, and where they must."""
    rule = profile.attachments
    if not rule.types:
        print_text(t("附件：不接收", "attachments: none are taken"))
        return
    bounds = [
        (t("类型", "types"), list(rule.types)),
        (t("最多字节", "most bytes"), rule.most_bytes or ""),
        (t("每页最多字节", "most bytes a page"), rule.most_bytes_a_page or ""),
        (t("最多文件", "most files"), rule.most_files or ""),
        (t("类别表", "table of categories"), rule.categories),
        (t("其中之一必须有", "one of these must be there"), list(rule.one_of)),
        (t("必须有附件的操作", "required at"), sorted(rule.required_at)),
        (t("每类一个", "one a category"), t("是", "yes") if rule.one_a_category else ""),
        (t("只在符合条件时", "only where"), [str(dict(when)) for when in rule.when]),
    ]
    print_table("附件 规则", "attachments rule", [(name, said) for name, said in bounds if said])


def _plain(value: Any) -> Any:
    """A profile as JSON has it."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in _NOT_SHOWN}
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return value
