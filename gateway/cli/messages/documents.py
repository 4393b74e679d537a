"""`tongguan documents`: the business documents, and how their status reads."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.messages.selection import AccountOption, LimitOption, TypeOption, submissions
from tongguan.gateway.cli.output import moment, print_json, print_table, say
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile, Profiles
from tongguan.outbox.status.render import business_status, document_status

_profiles = functools.cache(load_profiles)


def profile_of(type_: str) -> Profile | None:
    profiles: Profiles = _profiles()
    return profiles.get(type_)


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
) -> None:
    """列出单证 / List business documents."""
    conditions = of_documents(account=account, type_=type_, statuses=_status_names(status) if status else None, number=number)
    with context.journal() as journal, journal.search() as records:
        total, rows = records.list_documents(conditions, offset=0, limit=limit)
        if context.as_json():
            print_json(_document_statuses(records, rows))
            return
    shown = [(d.key, d.type, d.account, status_text(d), d.numbers, d.marks, moment(d.updated_at)) for d in rows]
    print_table("单证 类型 账户 状态 编号 附记 更新", "document type account status numbers marks updated", shown)
    if total > len(rows):
        say(f"共 {total} 件", f"{total} in all")


def _status_names(text: str) -> list[str]:
    """The profiles' names of a status given by name, code or text, in any language; Wrong when there is none."""
    every = [status for profile in _profiles().values() for status in profile.statuses.values()]
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
    environment = context.settings().gateway.environment
    return [
        orjson.loads(
            document_status(
                d,
                submissions(messages.get(d.id, ())),
                receipts.get(d.id, ()),
                environment=environment,
                language=context.language(),
                profile=profile_of(d.type),
            )
        )
        for d in documents
    ]
