"""Which messages a command is about: by id, reference or official number, or by filters."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.journal.reading.restrictions import Restriction, of_messages
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.settings import span
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import file_names

if TYPE_CHECKING:
    from tongguan.gateway.profile.profile import Profiles

MOST = 10_000  #: messages of one order
MOST_PAGE = 1_000_000_000
_OF_FILES = ("GW-C28", "GW-D01", "GW-D02", "GW-D03")  #: codes of faults that no table of texts has
_RULES = ("规则及其代码：tongguan profiles TYPE", "rules with their codes: tongguan profiles TYPE")

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="message id, reference, number or file / 报文编号、企业编号、官方编号或文件名"),
]
Id = Annotated[
    str, typer.Argument(metavar="ID", help="message id, reference, number or file / 报文编号、企业编号、官方编号或文件名")
]
StateOption = Annotated[list[str] | None, typer.Option("--state", help="may be repeated / 状态，可重复")]
AccountOption = Annotated[str, typer.Option("--account", help="account / 账户")]
TypeOption = Annotated[str, typer.Option("--type", help="document type / 单证类型")]
OperationOption = Annotated[str, typer.Option("--operation", help="operation / 操作")]
SinceOption = Annotated[str, typer.Option("--since", help="2h, 3d, 2026-11-20 or 2026-11-20T18:00 / 起始时间")]
UntilOption = Annotated[str, typer.Option("--until", help="before this time, written as --since / 截止时间")]
FaultOption = Annotated[str, typer.Option("--fault", help="with a fault of this code, e.g. GW-C07 / 错误代码")]
TextOption = Annotated[
    str, typer.Option("--text", help="in a reference, number, file name, fault or reason / 编号、文件名、错误或原因中的文字")
]
PageOption = Annotated[int, typer.Option("--page", min=1, max=MOST_PAGE, help="of --limit rows each / 第几页")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="most rows / 最多条数")]


@dataclass(frozen=True)
class Filters:
    """As given on the command line; empty ones select everything."""

    states: Sequence[str] = ()
    account: str = ""
    type: str = ""
    operation: str = ""
    since: str = ""
    until: str = ""
    fault: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    @property
    def _all_counted(self) -> bool:
        """Are there none but those by which the journal counts?"""
        return not (self.type or self.operation or self.since or self.until or self.fault or self.text)

    def find(self, records: Search, limit: int, *, offset: int = 0) -> list[Message]:
        """The submissions that satisfy all, newest first; Wrong for a state, time, account, type, operation or fault that does not exist."""
        rows = records.list_messages(self._where(), limit=limit, offset=offset)
        if not rows and not offset:
            self._there_may_be_some(records)
        return rows

    def count(self, records: Search) -> int:
        """How many submissions satisfy all."""
        if not self._all_counted:
            return records.count_messages(self._where())
        chosen = (row for row in records.tally() if row[1] == Kind.SUBMISSION and self.account in ("", row[0]))
        return sum(count for _, _, state, count in chosen if not self.states or state in self.states)

    def _where(self) -> list[Restriction]:
        for state in self.states:
            known_or_wrong(state, (s.value for s in State), "状态", "state")
        since, until = moments_of(self.since or None, self.until or None)
        given = {"account": self.account, "type_": self.type, "operation": self.operation, "fault": self.fault, "text": self.text}
        return of_messages(states=self.states, since=since, until=until, **given)

    def _there_may_be_some(self, records: Search) -> None:
        """Nothing was found. Of what has left the settings the journal still knows: so only now are names looked at."""
        if self.account:
            known_or_wrong(self.account, [account.name for account in context.settings().account], "账户", "account")
        if self.type or self.operation or self.fault:
            # Imported here: a list that finds something reads no profiles.
            from tongguan.gateway.profile.loading import load_profiles

            profiles = load_profiles(home=context.settings().home)
            if self.type:
                known_or_wrong(self.type, profiles, "单证类型", "type")
            if self.operation:
                of = [profiles[self.type]] if self.type else list(profiles.values())
                known_or_wrong(self.operation, sorted({name for each in of for name in each.operations}), "操作", "operation")
            # An authority's faults have codes of its own: those that it gave are known.
            if self.fault and not records.list_messages(of_messages(fault=self.fault), limit=1):
                _code_or_wrong(self.fault, fault_codes(profiles))


def fault_codes(profiles: Profiles) -> frozenset[str]:
    """Every code that this gateway gives a fault of a message: its own, and those of the types' rules."""
    # Imported here: a list that finds something needs no texts of faults.
    from tongguan.codecs.reading.faults import TEXTS as OF_READING
    from tongguan.gateway.model.faults import TEXTS as OF_FLOW

    return frozenset((*OF_READING, *OF_FLOW, *_OF_FILES, *(rule.id for each in profiles.values() for rule in each.rules)))


def _code_or_wrong(code: str, known: Collection[str]) -> None:
    if code not in known:
        near = " ".join(get_close_matches(code.upper(), known))
        zh, en = (f"是不是 {near}？", f"did you mean {near}?") if near else _RULES
        raise CommandWrong(f"没有错误代码 {code}；{zh}", f"no fault has the code {code}; {en}", code=2)


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


def moments_of(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Both ends of a span as users write them, None for an open one; Wrong where it ends before it begins."""
    first, last = (None if each is None else moment_of(each) for each in (since, until))
    if first is not None and last is not None and last < first:
        raise CommandWrong(f"--until {until} 早于 --since {since}", f"--until {until} is before --since {since}", code=2)
    return first, last


def moment_of(text: str) -> int:
    """A time as users write it, in milliseconds: so long ago (`2h`), a China day or a China time."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?\s*[a-z]+", text):
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


def found(records: Search, id_: str, account: str = "", *, look: str = "tongguan list") -> list[Message]:
    """Every message that an id hits, in every account, else the newest that came under this file name; Wrong when there is none, with
    where to `look`."""
    hits = records.find(id_, account or None)
    if not hits:
        accounts = [account] if account else [each.name for each in context.settings().account]
        named = [newest for each in accounts for newest in records.newest_of_name(each, file_names.spellings(id_)).values()]
        hits = list(records.messages(named).values())
    if not hits:
        raise CommandWrong(
            f"没有找到 {id_}；查看：{look}", f"nothing has the id, reference, number or file name {id_}; look: {look}"
        )
    return hits


def submissions(messages: Sequence[Message]) -> list[Message]:
    return [m for m in messages if m.kind is Kind.SUBMISSION]
