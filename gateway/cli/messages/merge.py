"""`tongguan merge`: have a month merged now, or see what that would be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import product
from typing import Annotated, Any

import typer

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.messages.orders import DryRunOption, WhyOption, order
from tongguan.gateway.cli.messages.selection import AccountOption, TypeOption, known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, say
from tongguan.gateway.flow.merging.result import offered
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.system import times

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def merge(
    month: Annotated[str, typer.Option("--month", help="2026-11; without it the last one / 月份，默认上月")] = "",
    account: AccountOption = "",
    type_: TypeOption = "",
    dry_run: DryRunOption = False,
    why: WhyOption = "",
) -> None:
    """汇总一个月的单据 / Merge the documents of a month."""
    settings, today = context.settings(), times.china_date(context.business_clock().now_ms())
    rules = Rules(settings, compile_all(load_profiles(home=settings.home)))
    month = _checked(month, today) if month else _last(today)
    merged = {name: p for name, p in rules.types.items() if p.merge and any(rule.month for rule in p.calendar.values())}
    for name, known in ((type_, merged), (account, rules.accounts)):
        if name:
            known_or_wrong(name, known)
    wanted = [
        (each.name, profile.type)
        for each in rules.accounts.values()
        for profile in merged.values()
        if (not account or each.name == account) and (not type_ or profile.type == type_) and rules.code_at(each, profile)
    ]
    if dry_run:
        _show(list(_offered(rules, wanted, month, today)))
        return
    begun: dict[str, str] = {}
    for owner, name in wanted:
        begun |= order({"do": "merge", "account": owner, "type": name, "month": month}, why=why)["messages"]
    if context.as_json():
        print_json({"month": month, "messages": begun})
    elif begun:
        print_table("报文 企业编号", "message_id reference", list(begun.items()))
    else:
        say(f"{month} 没有可汇总的单据", f"nothing of {month} is to be merged")


def _checked(month: str, today: str) -> str:
    if not _MONTH.fullmatch(month):
        raise CommandWrong(f"{month} 不是月份；写成 2026-11", f"{month} is no month; write it like 2026-11", code=2)
    if month > today[:7]:
        raise CommandWrong(f"{month} 尚未开始（今天是 {today}）", f"{month} has not begun: today is {today}", code=2)
    return month


def _last(today: str) -> str:
    """The month that is over; Wrong where the clock is where no month can be merged, as in 1970."""
    month = (date.fromisoformat(today[:7] + "-01") - timedelta(days=1)).isoformat()[:7]
    if not _MONTH.fullmatch(month):
        zh, en = f"时钟是 {today}：请校正（timedatectl）", f"the clock says {today}: set it right (timedatectl)"
        raise CommandWrong(zh, en, code=2)
    return month


def _offered(rules: Rules, wanted: list[tuple[str, str]], month: str, today: str) -> Iterator[Mapping[str, Any]]:
    """What would be taken, and why others would not."""
    with context.journal() as journal, journal.read() as records:
        for account, type_ in wanted:
            types = MergeTypes(rules, rules.profile(type_))
            for rule in types.profile.calendar.values():
                for values in product(*rule.each.values()) if rule.month else ():
                    content = {**rule.body, **dict(zip(rule.each, values, strict=True)), rule.month: month}
                    for row in offered(types, content, account, records, today=today, language=context.language()):
                        yield {"account": account, "type": type_, **row}


def _show(rows: list[Mapping[str, Any]]) -> None:
    if context.as_json():
        print_json(rows)
        return
    names = ("account", "type", "number", "day", "status", "taken", "why")
    print_table(
        "账户 类型 编号 日期 状态 汇总 原因",
        "account type number day status taken why",
        [[row[name] for name in names] for row in rows],
    )
    taken = sum(row["taken"] == "1" for row in rows)
    say(f"将汇总 {taken} 份（未执行）", f"{taken} would be merged; nothing was done")
