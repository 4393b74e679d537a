"""`tongguan deadlines`: what is not declared yet of what must be."""

from __future__ import annotations

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.cli import context
from tongguan.gateway.cli.messages.selection import AccountOption, TypeOption, known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, say
from tongguan.gateway.flow.merging.deadlines import declarants, merging_types, undeclared
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.system import times

LATE = 1  #: exit code where something should have been declared


def deadlines(account: AccountOption = "", type_: TypeOption = "") -> int:
    """列出须申报而未申报的单证 / List what is not declared yet of what must be. Exit 1 when some of it is late."""
    settings, language = context.settings(), context.language()
    rules = Rules(settings, compile_all(load_profiles(home=settings.home)))
    every = merging_types(rules)
    if type_:
        known_or_wrong(type_, [each.merged.type for each in every])
    types = [each for each in every if type_ in ("", each.merged.type)]
    with context.journal() as journal, journal.search() as records:
        everybody = declarants(rules, records)
        if account:
            known_or_wrong(account, everybody)
        accounts = [account] if account else everybody
        found = [one for each in types for one in undeclared(each, accounts, records)]
    found.sort(key=lambda one: (one.deadline or "9999", one.account, one.type, one.day, one.number))
    today = times.china_date(context.business_clock().now_ms())
    if context.as_json():
        names = ("account", "type", "month", "deadline", "number", "day", "party")
        rows = [{name: getattr(one, name) for name in names} for one in found]
        print_json([{**row, "late": one.overdue(today), "why": one.why[language]} for row, one in zip(rows, found, strict=True)])
    elif found:
        late = {True: context.t("已逾期", "late"), False: ""}
        titles = {one.uscc: one.title for account in settings.account for one in account.acts_for if one.title}
        print_table(
            "期限 账户 委托企业 类型 编号 日期 状态 逾期",
            "deadline account client type number day where-it-stands late",
            [
                (
                    o.deadline,
                    o.account,
                    titles.get(o.party, o.party),
                    o.type,
                    o.number,
                    o.day,
                    o.why[language],
                    late[o.overdue(today)],
                )
                for o in found
            ],
        )
        for gone in sorted({o.account for o in found}.difference(rules.accounts)):
            say(
                f"账户 {gone} 不在设置中：它的单证不会再汇总和申报；请把它放回设置，然后执行 tongguan reload",
                f"account {gone} is not in the settings: nothing of it is merged or declared; put it back, then type tongguan reload",
            )
    else:
        say("没有须申报而未申报的单证", "nothing is left to declare")
    return LATE if any(one.overdue(today) for one in found) else 0
