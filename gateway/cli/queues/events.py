"""`tongguan events replay`: events once more, for who has lost some or comes late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t
from tongguan.gateway.cli.messages.selection import AccountOption, SinceOption, UntilOption, known_or_wrong, moments_of
from tongguan.gateway.cli.output import print_json, print_table, print_text, progress
from tongguan.gateway.model.queueing import OWN, REPLY, BrokerLink, OutgoingMessage, PublishResult, may_be_named
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock
from tongguan.outbox.queues.page_publisher import publish_in_order
from tongguan.outbox.queues.replay import ReplaySpan, events_again
from tongguan.outbox.status.files import StatusContext
from tongguan.routes.broker.broker import make_broker

QueueOption = Annotated[str, typer.Option("--queue", help="to this queue alone, not to all who listen / 只发到此队列")]


def replay(
    since: SinceOption,
    until: UntilOption = "",
    account: AccountOption = "",
    queue: QueueOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count only / 只计数，不发送")] = False,
) -> int:
    """补发事件 / Tell events once more, with the ids and numbers that they had."""
    settings = context.settings()
    if account:
        known_or_wrong(account, [each.name for each in settings.account])
    if queue.startswith(OWN) and not queue.startswith(REPLY):
        zh = f"{queue} 是网关自己的队列，事件不发到那里；请写接收方的队列"
        raise CommandWrong(zh, f"{queue} is the gateway's own, no place for events: name a queue of who listens", code=2)
    if queue and not may_be_named(queue):
        zh, en = (
            "队列名称至多 255 字节，字符均须可显示",
            "a queue's name has 255 bytes at most, and no character that is not printed",
        )
        raise CommandWrong(zh, en, code=2)
    first, last = moments_of(since, until or None)
    now = clock.now_ms()
    if first is not None and first > now:
        raise CommandWrong(f"--since {since} 还没有到", f"--since {since} is still to come", code=2)
    span = ReplaySpan(first or 0, now if last is None else last, account)
    link = None if dry_run else _connected(settings)
    try:
        with context.journal() as journal:
            sent = _told(link, events_again(journal.search, _context(settings), span), queue)
    finally:
        if link is not None:
            link.close()
    _show(sent, dry_run=dry_run)
    return 0


def _connected(settings: Settings) -> BrokerLink:
    broker = make_broker(settings.broker, settings.home)
    if broker is None:
        raise CommandWrong("没有设置消息服务器（[broker] url）", "no broker is set ([broker] url)", code=context.WRONG_SETTINGS)
    link = broker.connect("replay")
    link.declare_events()
    return link


def _context(settings: Settings) -> StatusContext:
    """What events are written by, as the gateway has it."""
    profiles = load_profiles(home=settings.home)
    languages = {account.name: account.language for account in settings.account}
    return StatusContext(
        mailboxes={},
        environment=settings.gateway.environment,
        version="",
        language=lambda name: languages.get(name) or settings.gateway.language,
        profile=profiles.get,
    )


def _told(link: BrokerLink | None, pages: Iterable[list[OutgoingMessage]], queue: str) -> Counter[str]:
    """Publish them, or count them only; how many of each account and type."""
    sent: Counter[str] = Counter()
    tell = progress()
    for page in pages:
        if link is not None and page:
            results = publish_in_order(link, [_to_queue(each, queue) for each in page] if queue else page)
            _all_taken(results, queue)
        sent.update(each.routing_key.rpartition(".")[0] for each in page)
        tell("events", sent.total(), 0)
    return sent


def _to_queue(message: OutgoingMessage, queue: str) -> OutgoingMessage:
    """The same to one queue, its key in the header `routing_key`."""
    return replace(message, exchange="", routing_key=queue, headers={"routing_key": message.routing_key}, must_route=True)


def _all_taken(results: Sequence[PublishResult], queue: str) -> None:
    if PublishResult.RETURNED in results:
        raise CommandWrong(f"没有队列 {queue}", f"there is no queue {queue}")
    if PublishResult.REJECTED in results:
        zh, en = (
            "某个队列拒收（已满？）；已发出的不撤回，可以再次执行",
            "a queue takes no more (is it full?); what was sent stays sent, try again",
        )
        raise CommandWrong(zh, en)


def _show(sent: Counter[str], *, dry_run: bool) -> None:
    if context.as_json():
        print_json({"schema": 1, "dry_run": dry_run, "events": sent.total(), "of": dict(sorted(sent.items()))})
        return
    print_table("账户.类型 事件", "account.type events", sorted(sent.items()))
    print_text(t(f"共 {sent.total()} 个事件", f"{sent.total()} events") + (t("（未发送）", " (not sent)") if dry_run else ""))
