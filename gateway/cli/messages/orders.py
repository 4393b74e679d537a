"""Orders: hold, release, retry, stop, give-up, pause, resume. Each is a row with who and why.

The daemon carries them out; when none runs, this process does, holding the home meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, told
from tongguan.gateway.cli.messages.selection import (
    MOST,
    AccountOption,
    FaultOption,
    Filters,
    Ids,
    OperationOption,
    SinceOption,
    StateOption,
    TextOption,
    TypeOption,
    UntilOption,
    found,
    known_or_wrong,
)
from tongguan.gateway.cli.output import facts_of, moment, print_json, print_table, say
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.model.lane import NAMED_AFTER, Lane, LaneKind
from tongguan.gateway.model.message import FINAL, Kind, Message, State
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import home_lock

_PATIENCE_SECONDS = 30
_SAID_BY_STATE = {state.value for state in State}

WhyOption = Annotated[str, typer.Option("--why", help="the reason, for the history / 原因")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="only show what it is about / 只显示，不执行")]


def daemon_runs() -> bool:
    """Does a gateway hold the home now?"""
    return home_lock.is_held(context.home())


def order(command: Mapping[str, Any], *, why: str) -> dict[str, Any]:
    """Have an order carried out, by the daemon or here; what was done. Wrong when it failed or takes too long."""
    result = _through_daemon(command, why) if daemon_runs() else _here(command, why)
    if "error" in result:
        raise CommandWrong(f"没有执行：{result['error']}", f"not done: {result['error']}")
    return result


def _through_daemon(command: Mapping[str, Any], why: str) -> dict[str, Any]:
    with context.journal() as journal:
        id_ = journal.give_order(context.who(), why, command)
        deadline = clock.monotonic() + _PATIENCE_SECONDS
        while clock.monotonic() < deadline:
            with journal.search() as records:
                done_at, result = records.order_result(id_)
            if done_at is not None:
                return dict(result)
            threading.Event().wait(0.05)
    raise CommandWrong(
        "网关已收到指令，尚未执行；查看：tongguan status",
        "the gateway has the order but has not carried it out; look: tongguan status",
    )


def _here(command: Mapping[str, Any], why: str) -> dict[str, Any]:
    # Imported here: commands that only look load none of it.
    from tongguan.gateway.cli.logs import only_trouble
    from tongguan.gateway.daemon.daemon import offline
    from tongguan.gateway.flow.orders import orders

    only_trouble()
    try:
        with offline(context.home()) as daemon:
            id_ = daemon.journal.give_order(context.who(), why, command)
            orders(daemon.site)
            with daemon.journal.search() as records:
                return dict(records.order_result(id_)[1])
    except SettingsWrong:
        if daemon_runs():  # started in this moment
            return _through_daemon(command, why)
        raise


def acting(do: str) -> Callable[..., int | None]:
    """The command that orders `do` for the messages chosen."""

    def act(
        ids: Ids = None,
        state: StateOption = None,
        account: AccountOption = "",
        type_: TypeOption = "",
        operation: OperationOption = "",
        since: SinceOption = "",
        until: UntilOption = "",
        fault: FaultOption = "",
        text: TextOption = "",
        dry_run: DryRunOption = False,
        why: WhyOption = "",
    ) -> int | None:
        filters = Filters(state or (), account, type_, operation, since, until, fault, text)
        with context.journal() as journal, journal.search() as records:
            messages = _chosen(records, ids or (), filters)
        if dry_run:
            _show_dry(do, messages)
            return None
        if not messages and not context.as_json():
            say("没有符合条件的报文", "no message satisfies that")
            return None
        done = order({"do": do, "ids": [m.id for m in messages]}, why=why)["messages"] if messages else {}
        return show_done(messages, done)

    return act


def _chosen(records: Search, ids: Sequence[str], filters: Filters) -> list[Message]:
    """The messages of an order: those that each id hits and that are not final, or those that the filters select."""
    if not ids and not filters:
        raise CommandWrong("请给出报文编号或筛选条件", "give ids or filters", code=2)
    if not ids:
        return [m for m in filters.find(records, MOST) if m.state not in FINAL]
    chosen: dict[str, Message] = {}
    for id_ in ids:
        hits = found(records, id_, filters.account)
        accounts = sorted({m.account for m in hits})
        if len(accounts) > 1:
            names = " ".join(accounts)
            raise CommandWrong(
                f"{id_} 属于多个账户，请用 --account 指明：{names}",
                f"{id_} is in several accounts, say which with --account: {names}",
            )
        # One that is final is told so when it alone was named; a number stands for all its open messages.
        kept = [m for m in hits if m.state not in FINAL] or hits[-1:]
        chosen.update({m.id: m for m in kept if m.kind is Kind.SUBMISSION or m.state in (State.UNMATCHED, State.HELD)})
    return list(chosen.values())


def _show_dry(do: str, messages: Sequence[Message]) -> None:
    if context.as_json():
        print_json({"do": do, "dry_run": True, "messages": [line_of(m) for m in messages]})
        return
    print_table(
        "报文 企业编号 账户 类型 操作 状态 收到",
        "message_id reference account type operation state received",
        [(m.id, m.reference, m.account, m.type, m.operation, m.state.value, moment(m.received_at)) for m in messages],
        state_at=5,
    )
    say(f"将对以上 {len(messages)} 条执行 {do}（未执行）", f"{do} would be done to these {len(messages)}; nothing was done")


def line_of(message: Message) -> dict[str, Any]:
    facts = facts_of(message, "account", "reference", "type", "operation")
    return {"message_id": message.id, "state": message.state.value, **facts}


def show_done(messages: Sequence[Message], done: Mapping[str, str]) -> int:
    """What became of each; 1 when one of them could not be done."""
    done = {id_: told(said) or "" for id_, said in done.items()}
    refused = {id_: said for id_, said in done.items() if said not in _SAID_BY_STATE}
    if context.as_json():
        print_json({"done": {i: s for i, s in done.items() if i not in refused}, "not_done": refused})
    else:
        print_table(
            "报文 企业编号 原状态 现在",
            "message_id reference was now",
            [(m.id, m.reference, m.state.value, done.get(m.id, "?")) for m in messages],
            state_at=3,
        )
    return 1 if refused else 0


class What(StrEnum):
    ACCOUNT = "account"
    ROUTE = "route"
    LANE = "lane"  #: as `tongguan status` names it


def lanes() -> list[str]:
    """The lanes of these settings, as `tongguan status` names them."""
    settings = context.settings()
    names = {"card": [card.name for card in settings.cards], "route": list(settings.route)}
    kinds = (kind for kind in LaneKind if kind is not LaneKind.ACCOUNT)
    return [Lane(kind, name) for kind in kinds for name in names.get(NAMED_AFTER.get(kind, ""), [""])]


def switching(do: str) -> Callable[..., int | None]:
    """The command that pauses or resumes an account or a route."""

    def switch(
        what: Annotated[What, typer.Argument()],
        name: Annotated[str, typer.Argument()],
        why: WhyOption = "",
    ) -> None:
        if do == "pause" and not why:  # who finds it shut must read what for; to open it again needs no reason
            raise CommandWrong("请用 --why 说明为什么暂停", "say with --why what it is paused for", code=2)
        settings = context.settings()
        known = {What.ACCOUNT: [a.name for a in settings.account], What.ROUTE: list(settings.route), What.LANE: lanes()}[what]
        known_or_wrong(name, known, "", what.value)
        result = order({"do": do, "what": what.value, "name": name}, why=why)
        if context.as_json():
            print_json(result)
        else:
            say(f"{what.value} {name}：{'已暂停' if do == 'pause' else '已恢复'}", f"{what.value} {name}: {do}d")

    return switch
