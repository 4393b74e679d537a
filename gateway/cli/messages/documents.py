"""`tongguan documents`: the business documents, and how their status reads."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.messages.selection import AccountOption, LimitOption, TypeOption, known_or_wrong, submissions
from tongguan.gateway.cli.output import moment, print_json, print_table, say
from tongguan.gateway.document.licences import with_taken
from tongguan.gateway.document.quantities import LICENCE, shown
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile, Profiles
from tongguan.outbox.status.render import business_status, document_content, document_status

_UNITS = "unit"  #: the code table of their names


@functools.cache
def _profiles(home: Path) -> Profiles:
    return load_profiles(home=home)


def profile_of(type_: str) -> Profile | None:
    return _profiles(context.home()).get(type_)


def status_text(document: Document | None) -> str:
    """The document's status in the user's language; empty while there is none."""
    if document is None:
        return ""
    status = business_status(document, profile_of(document.type), context.language())
    return status["text"] if status else ""


def documents(
    type_: TypeOption = "",
    account: AccountOption = "",
    number: Annotated[str, typer.Option(help="an official number / 官方编号")] = "",
    status: Annotated[str, typer.Option(help="name, code or text / 单证状态")] = "",
    limit: LimitOption = 100,
    remaining: Annotated[bool, typer.Option("--remaining", help="what is left of licences / 许可证余量")] = False,
) -> None:
    """列出单证，或许可证余量 / List business documents, or what is left of licences."""
    statuses = _status_names(status) if status else None
    of_type = functools.partial(of_documents, account=account, statuses=statuses, number=number)
    with context.journal() as journal, journal.search() as records:
        if remaining:
            types = [type_] if type_ else _licence_types()
            each = (records.list_documents(of_type(type_=t), offset=0, limit=limit) for t in types)
            _print_remaining(_remaining(records, [document for _, found in each for document in found]))
            return
        total, rows = records.list_documents(of_type(type_=type_), offset=0, limit=limit)
        if not rows and account:  # of one that has left the settings the journal still knows
            known_or_wrong(account, [each.name for each in context.settings().account], "账户", "account")
        if not rows and type_:
            known_or_wrong(type_, _profiles(context.home()), "单证类型", "type")
        if context.as_json():
            print_json(_document_statuses(records, rows))
            return
    listed = [(d.key, d.type, d.account, status_text(d), d.numbers, d.marks, moment(d.updated_at)) for d in rows]
    print_table("单证 类型 账户 状态 编号 附记 更新", "document type account status numbers marks updated", listed)
    if total > len(rows):
        say(f"共 {total} 件", f"{total} in all")


def _licence_types() -> list[str]:
    """Types whose documents know what was approved by their licence: from their own lines, or by what an authority tells."""
    every = _profiles(context.home()).values()
    return [p.type for p in every if (p.statistics and LICENCE in p.numbers) or any(q.quantities for q in p.queries.values())]


def _remaining(records: Search, documents: Sequence[Document]) -> list[dict[str, Any]]:
    """A row for each line of the documents' licences: what was approved, and what this gateway's documents hold of it."""
    used = records.licences_used(d.id for d in documents)
    found = []
    for document in documents:
        profile = profile_of(document.type)
        known = with_taken(profile, shown(document, profile) or (), used.get(document.id, {}))
        found += [{"document": document.key, "type": document.type, "account": document.account, **line} for line in known]
    return found


def _print_remaining(lines: Sequence[Mapping[str, Any]]) -> None:
    if context.as_json():
        print_json(lines)
        return
    names = ("licence", "type", "account", "commodity", "name", "unit", "approved", "used", "taken", "left", "as_of")
    print_table(
        "许可证 类型 账户 商品 名称 单位 批准 海关已用 本网关占用 余量 截至",
        "licence type account commodity name unit approved used taken left as-of",
        [[_unit(line.get(name)) if name == "unit" else line.get(name) for name in names] for line in lines],
    )


def _unit(code: str | None) -> str | None:
    """What the code table calls a unit, in the user's language."""
    table = _profiles(context.home()).tables.get(_UNITS)
    return table.name_of(code, context.language()) if table and code else code


def _status_names(text: str) -> list[str]:
    """The profiles' names of a status given by name, code or text, in any language; Wrong when there is none."""
    every = [status for profile in _profiles(context.home()).values() for status in profile.statuses.values()]
    names = {
        s.name
        for s in every
        if text in (s.name, s.code, *(each[lang] for each in (s.text, s.list_text) for lang in ("zh", "en")))
    }
    if not names:
        known = " ".join(dict.fromkeys(s.text[context.language()] for s in every))
        raise CommandWrong(f"没有单证状态 {text}；可用：{known}", f"there is no status {text}; there are: {known}", code=2)
    return sorted(names)


def _document_statuses(records: Search, documents: Sequence[Document]) -> list[Any]:
    """What the files of the documents say."""
    ids = [d.id for d in documents]
    messages, receipts = records.messages_of_documents(ids), records.receipts_of_documents(ids)
    used = records.licences_used(ids)
    environment = context.settings().gateway.environment
    return [
        orjson.loads(
            document_status(
                d,
                submissions(messages.get(d.id, ())),
                receipts.get(d.id, ()),
                content=document_content(d, profile_of(d.type), used=used.get(d.id)),
                environment=environment,
                language=context.language(),
                profile=profile_of(d.type),
            )
        )
        for d in documents
    ]
