"""`tongguan queues dead`: messages of queues that nobody could read, why, and back into their queues with them."""

from __future__ import annotations

from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t
from tongguan.gateway.cli.output import print_json, print_table, print_text
from tongguan.gateway.model.queueing import DEAD, BrokerLink
from tongguan.inbox.queues.dead import DeadMessage, listed, send_back
from tongguan.routes.broker import make_broker

DeadIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="message ids; none: all / 消息 id，不写为全部")]
SendBack = Annotated[bool, typer.Option("--send-back", help="into the queues that they came from / 退回原队列")]


def dead(ids: DeadIds = None, send_back_: SendBack = False) -> int:
    """读不了的消息：查看、退回原队列 / Messages of queues that nobody could read: why; back into their queues."""
    link = _connected()
    went: list[DeadMessage] = []
    stay: list[DeadMessage] = []
    try:
        if link.depth(DEAD) is None:
            pass
        elif send_back_:
            went, stay = send_back(link, ids or ())
        else:
            stay = [each for each in listed(link) if not ids or each.id in ids]
    finally:
        link.close()
    _show(went, stay, sent_back=send_back_)
    return 1 if send_back_ and (stay or len(went) < len(ids or ())) else 0


def _connected() -> BrokerLink:
    settings = context.settings()
    broker = make_broker(settings.broker, settings.home)
    if broker is None:
        raise CommandWrong("没有设置消息服务器（[broker] url）", "no broker is set ([broker] url)", code=context.WRONG_SETTINGS)
    return broker.connect("queues dead")


def _show(went: list[DeadMessage], stay: list[DeadMessage], *, sent_back: bool) -> None:
    if context.as_json():
        print_json({"sent_back": [_facts(each) for each in went], "dead": [_facts(each) for each in stay]})
        return
    if sent_back:
        print_text(t(f"退回 {len(went)} 条", f"{len(went)} sent back"))
        if stay:
            print_text(t("以下没有可退回的队列：", "no queue takes these back:"))
    rows = [(each.id, each.queue, each.at, each.size_bytes, each.reason, t(each.zh, each.en)) for each in stay]
    print_table("消息 队列 时间 字节 代码 原因", "id queue at bytes code why", rows)


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
