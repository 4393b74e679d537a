"""Which messages a command is about: by id, reference or official number, or by filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.journal.reading.restrictions import of_messages
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.settings import span
from tongguan.gateway.system import clock, times

MOST = 10_000  #: messages of one order

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="message id, reference or number / 报文编号或官方编号")]
Id = Annotated[str, typer.Argument(metavar="ID", help="message id, reference or number / 报文编号或官方编号")]
StateOption = Annotated[list[str] | None, typer.Option("--state", help="may be repeated / 状态，可重复")]
AccountOption = Annotated[str, typer.Option("--account", help="account / 账户")]
TypeOption = Annotated[str, typer.Option("--type", help="document type / 单证类型")]
OperationOption = Annotated[str, typer.Option("--operation", help="operation / 操作")]
SinceOption = Annotated[str, typer.Option("--since", help="2h, 3d, 2026-11-20 or 2026-11-20T18:00 / 起始时间")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="most rows / 最多条数")]


@dataclass(frozen=True)
class Filters:
    """As given on the command line; empty ones select everything."""

    states: Sequence[str] = ()
    account: str = ""
    type: str = ""
    operation: str = ""
    since: str = ""

    def __bool__(self) -> bool:
        return bool(self.states or self.account or self.type or self.operation or self.since)

    def find(self, records: Search, limit: int) -> list[Message]:
        """The submissions that satisfy all, newest first; Wrong for a state, time or account that does not exist."""
        for state in self.states:
            known_or_wrong(state, (s.value for s in State), "状态", "state")
        since = moment_of(self.since) if self.since else None
        where = of_messages(states=self.states, account=self.account, type_=self.type, operation=self.operation, since=since)
        rows = records.list_messages(where, limit=limit)
        if self.account and not rows:  # of one that has left the settings the journal still knows
            known_or_wrong(self.account, [account.name for account in context.settings().account])
        return rows


def known_or_wrong(name: str, known: Iterable[str], what: str = "", what_en: str = "") -> None:
    """Wrong for a name that nothing of that kind has, with the nearest that something has, or all of them."""
    names = list(known)
    if name not in names:
        near = get_close_matches(name, names, 1, 0.4) or names
        zh, en = (f"；是不是 {near[0]}？", f"; did you mean {near[0]}?") if len(near) == 1 else ("", "")
        every = " ".join(names)
        raise CommandWrong(
            f"没有{what} {name}{zh or f'；可用：{every}'}",
            f"there is no {f'{what_en} {name}'.strip()}{en or f'; there are {every}'}",
            code=2,
        )


def moment_of(text: str) -> int:
    """A time as users write it, in milliseconds: so long ago (`2h`), a China day or a China time."""
    if re.fullmatch(r"\d+(\.\d+)?\s*[a-z]+", text):
        try:
            return clock.now_ms() - round(span(text).total_seconds() * 1000)
        except ValueError:
            pass
    try:
        return times.read(text)
    except ValueError:
        raise CommandWrong(
            f"时间 {text} 不可读；写成 2h、3d 或 2026-11-20", f"{text} is no time; write 2h, 3d or 2026-11-20", code=2
        ) from None


def found(records: Search, id_: str, account: str = "") -> list[Message]:
    """Every message that an id hits, in every account; Wrong when there is none."""
    hits = records.find(id_, account or None)
    if not hits:
        raise CommandWrong(
            f"没有找到 {id_}；查看：tongguan list", f"nothing has the id, reference or number {id_}; look: tongguan list"
        )
    return hits


def submissions(messages: Sequence[Message]) -> list[Message]:
    return [m for m in messages if m.kind is Kind.SUBMISSION]
