"""`tongguan queues dead`: messages of queues that nobody could read, why, and back into their queues with them, or away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t
from tongguan.gateway.cli.output import print_json, print_table, print_text
from tongguan.gateway.model.queueing import DEAD, BrokerLink
from tongguan.inbox.queues.dead import MOST_LISTED, DeadMessage, drop, listed, send_back
from tongguan.routes.broker.broker import make_broker

DeadIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="message ids; none: all / 消息 id，不写为全部")]
SendBack = Annotated[bool, typer.Option("--send-back", help="into the queues that they came from / 退回原队列")]
PutAway = Annotated[bool, typer.Option("--drop", help="those named: away for good / 永久删除指定的消息")]


def dead(ids: DeadIds = None, send_back_: SendBack = False, drop_: PutAway = False) -> int:
    """读不了的消息：查看、退回原队列、删除 / Messages of queues that nobody could read: why; back into their queues, or away."""
    named = list(dict.fromkeys(ids or ()))
    if drop_ and (send_back_ or not named):
        zh = f"--drop 须写明消息 id，且不与 --send-back 同用；全部删除：rabbitmqctl purge_queue {DEAD} -p VHOST"
        en = f"--drop takes the ids of what is to go, without --send-back; all of it: rabbitmqctl purge_queue {DEAD} -p VHOST"
        raise CommandWrong(zh, en, code=2)
    link = _connected()
    went: list[DeadMessage] = []
    stay: list[DeadMessage] = []
    gone: list[DeadMessage] = []
    more = 0
    try:
        depth = link.depth(DEAD)
        if depth is not None and drop_:
            gone = drop(link, named)
        elif depth is not None and send_back_:
            went, stay = send_back(link, named)
        elif depth is not None:
            stay = listed(link, named)
            more = 0 if named else max(0, depth.messages - MOST_LISTED)
    finally:
        link.close()
    found = {each.id for each in (*went, *stay, *gone)}
    missing = [id_ for id_ in named if id_ not in found]
    if context.as_json():
        facts = {"sent_back": went, "dropped": gone, "dead": stay}
        print_json(
            {**{name: [_facts(each) for each in those] for name, those in facts.items()}, "missing": missing, "more": more}
        )
    else:
        _show(went, stay, gone, more, sent_back=send_back_, dropped=drop_)
    if missing:
        context.complain(
            f"{DEAD} 中没有 {'、'.join(missing)}；查看：tongguan queues dead",
            f"{', '.join(missing)} is not among {DEAD}; look: tongguan queues dead",
        )
    return 1 if missing or (send_back_ and stay) else 0


def _connected() -> BrokerLink:
    settings = context.settings()
    broker = make_broker(settings.broker, settings.home)
    if broker is None:
        raise CommandWrong("没有设置消息服务器（[broker] url）", "no broker is set ([broker] url)", code=context.WRONG_SETTINGS)
    return broker.connect("queues dead")


def _show(
    went: Sequence[DeadMessage],
    stay: Sequence[DeadMessage],
    gone: Sequence[DeadMessage],
    more: int,
    *,
    sent_back: bool,
    dropped: bool,
) -> None:
    if dropped:
        print_text(t(f"删除 {len(gone)} 条", f"{len(gone)} dropped"))
        return
    if sent_back:
        print_text(t(f"退回 {len(went)} 条", f"{len(went)} sent back"))
        if not stay:
            return
        print_text(t("以下没有可退回的队列：", "no queue takes these back:"))
    rows = [(each.id, each.queue, each.at, each.size_bytes, each.reason, t(each.zh, each.en)) for each in stay]
    print_table("消息 队列 时间 字节 代码 原因", "id queue at bytes code why", rows)
    if more:
        print_text(t(f"最早的 {len(stay)} 条；另有 {more} 条", f"the oldest {len(stay)}; there are {more} more"))


def _facts(each: DeadMessage) -> dict[str, object]:
    text = t(each.zh, each.en)
    return {
        "id": each.id,
        "queue": each.queue,
        "at": each.at,
        "bytes": each.size_bytes,
        "codes": each.reason.split(),
        "why": text,
    }
