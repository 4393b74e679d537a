"""`tongguan queues`: what lies at the broker, and what it has not been told yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t
from tongguan.gateway.cli.health.liveness import heartbeats
from tongguan.gateway.cli.output import age, print_json, print_table, print_text, say
from tongguan.gateway.model.errors import BrokerBroken, NoJournal
from tongguan.gateway.model.queueing import DEAD, SUBMISSIONS, BrokerLink
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, times
from tongguan.outbox.queues.waiting import Waiting, events_waiting, replies_waiting
from tongguan.routes.broker.broker import make_broker


@dataclass(frozen=True)
class _Queue:
    """A queue as the broker tells of it; None: it is not there, or the broker is not. Redis knows no consumers."""

    name: str
    account: str | None
    messages: int | None = None
    consumers: int | None = None
    unacknowledged: int | None = None  #: as the gateway tells of it
    served: bool = True  #: else its account is not among the settings, and nobody takes from it

    @property
    def shared(self) -> bool:
        """Does somebody beside the gateway take from the queue of an account?"""
        return self.served and self.account is not None and (self.consumers or 0) > 1


def show() -> int:
    """消息服务器上的队列 / The broker's queues: depth, consumers, dead letters, replies and events that wait. Exit 1 when the broker is away."""
    settings = context.settings()
    broker = make_broker(settings.broker, settings.home)
    if broker is None:
        if context.as_json():
            print_json({"schema": 1, "broker": None})
        else:
            say("没有设置消息服务器（[broker] url），只用信箱", "no broker is set ([broker] url): there are mailboxes only")
        return 0
    replies, events, known = _told_by_journal()
    former = sorted(known - {account.name for account in settings.account})
    wrong: BrokerBroken | None = None
    try:
        link = broker.connect("queues")
        try:
            queues = [*_queues(settings, link), *_left_behind(former, link)]
        finally:
            link.close()
    except BrokerBroken as broken:
        wrong, queues = broken, _queues(settings, None)
    if context.as_json():
        print_json(_as_json(settings, queues, (replies, events), wrong))
    else:
        _show(queues, replies, events, wrong)
    lacking = any(queue.messages is None for queue in queues if queue.account)
    stuck = any(queue.messages for queue in queues if not queue.served)
    shared = any(queue.shared for queue in queues)
    return 1 if wrong is not None or lacking or stuck or shared else 0


def _told_by_journal() -> tuple[Waiting, Waiting, set[str]]:
    """Replies and events that wait, and every account that ever had a message; nothing where nothing ran yet."""
    try:
        with context.journal() as journal, journal.search() as records:
            return replies_waiting(records), events_waiting(records), {account for account, *_ in records.tally()}
    except NoJournal:
        return Waiting(), Waiting(), set()


def _left_behind(accounts: Iterable[str], link: BrokerLink) -> Iterator[_Queue]:
    """The queues of accounts that have left the settings, as far as they are there."""
    for account in accounts:
        name = f"{SUBMISSIONS}{account}"
        if (depth := link.depth(name)) is not None:
            yield _Queue(name, account, depth.messages, depth.consumers, served=False)


def _queues(settings: Settings, link: BrokerLink | None) -> list[_Queue]:
    beats = heartbeats(settings)
    found = []
    for name, account in (*((f"{SUBMISSIONS}{account.name}", account.name) for account in settings.account), (DEAD, None)):
        depth = link.depth(name) if link is not None else None
        in_hand = beats.get(account or "", {}).get("queues", {}).get(account, {}).get("unacknowledged")
        found.append(
            _Queue(name, account, depth.messages, depth.consumers, in_hand) if depth is not None else _Queue(name, account)
        )
    return found


def _as_json(
    settings: Settings, queues: list[_Queue], waiting: tuple[Waiting, Waiting], wrong: BrokerBroken | None
) -> dict[str, Any]:
    place = urlsplit(settings.broker.url).netloc.rpartition("@")[2]
    replies, events = (
        {"waiting": each.count, "more": each.more, "since": times.show(each.since), "lag_seconds": _lag(each)} for each in waiting
    )
    return {
        "schema": 1,
        "broker": place,
        "reachable": wrong is None,
        "wrong": None if wrong is None else wrong.text(context.language()),
        "queues": [
            {
                "name": queue.name,
                "account": queue.account,
                "messages": queue.messages,
                "consumers": queue.consumers,
                "unacknowledged": queue.unacknowledged,
                "served": queue.served,
            }
            for queue in queues
        ],
        "dead": next(queue.messages for queue in queues if queue.name == DEAD),
        "replies": replies,
        "events": events,
    }


def _show(queues: list[_Queue], replies: Waiting, events: Waiting, wrong: BrokerBroken | None) -> None:
    if wrong is not None:
        print_text(f"✗ {wrong.text(context.language())}\n    tongguan doctor")
    missing = t("没有", "missing") if wrong is None else "?"
    rows = [(q.name, q.messages if q.messages is not None else missing, q.consumers, q.unacknowledged) for q in queues]
    for queue in queues:
        if not queue.served:
            print_text(_left(queue))
        if queue.shared:
            print_text(f"✗ {t(*shared_by(queue.name, queue.consumers or 0))}\n    rabbitmqctl list_consumers -p VHOST")
    print_table("队列 报文 消费者 未确认", "queue messages consumers unacknowledged", rows)
    told = [
        (name, f"{each.count}{'+' if each.more else ''}", age(each.since))
        for name, each in ((t("答复", "replies"), replies), (t("事件", "events"), events))
    ]
    print_table("待发 数量 最早", "to_send waiting oldest", told)


def shared_by(queue: str, consumers: int) -> tuple[str, str]:
    """More take from an account's queue than the one gateway: what they take is lost to it."""
    account = queue.removeprefix(SUBMISSIONS)
    return (
        f"{queue} 有 {consumers} 个消费者：除本网关外还有人接收账户 {account} 的报文；停止另一方（主目录的副本？）",
        f"{queue} has {consumers} consumers: somebody beside this gateway takes messages of account {account}; stop it (a copy of the home?)",
    )


def _left(queue: _Queue) -> str:
    """What is to be said of the queue of an account that has left: a trouble as long as something lies there."""
    if queue.messages:
        zh = f"账户 {queue.account} 已不在设置中，其队列无人接收"
        return f"✗ {t(zh, f'account {queue.account} is not among the settings any more: nobody takes from its queue')}"
    zh, en = (
        f"账户 {queue.account} 已不在设置中，其队列是空的，可以删除",
        f"account {queue.account} is not among the settings any more, and its queue is empty: it may be taken away",
    )
    return f"· {t(zh, en)}\n    rabbitmqctl delete_queue {queue.name} -p VHOST"


def _lag(waiting: Waiting) -> float:
    """Seconds since when the first one waits."""
    return 0.0 if waiting.since is None else max(0, clock.now_ms() - waiting.since) / 1000
