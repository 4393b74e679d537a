"""Is the broker fit: does it answer, and may the gateway's user do there what it must?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from tongguan.gateway.cli.context import t, words
from tongguan.gateway.cli.health.doctor.finding import Finding
from tongguan.gateway.cli.queues.queues import shared_by
from tongguan.gateway.model.errors import BrokerBroken, SettingsWrong
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import DEAD, EVENTS, SUBMISSIONS, BrokerLink, MessageBroker, OutgoingMessage, PublishResult
from tongguan.gateway.settings import Settings
from tongguan.routes.broker.broker import make_broker

_TRIAL = "tongguan.doctor"  #: a queue of this look alone
_WAIT = 5.0  #: seconds for a message to come back


def broker_settings(settings: Settings) -> Iterable[Finding]:
    """A broker with which no gateway starts; connects to nothing."""
    try:
        make_broker(settings.broker, settings.home)
    except SettingsWrong as wrong:
        yield Finding("broker", words(wrong), t("改正 [broker] 设置", "mend the settings of [broker]"))


def broker_findings(settings: Settings) -> Iterable[Finding]:
    """Connect, declare what a gateway declares, and send a message to ourselves; nothing without a broker in the settings, nor where
    they cannot be used, which `broker_settings` tells."""
    try:
        broker = make_broker(settings.broker, settings.home)
    except SettingsWrong:
        return
    if broker is None:
        return
    found = _try(broker, "broker", lambda link: t("可以连接", "answers"), _REACH)
    yield found
    if not found.ok:
        return
    queues = [SUBMISSIONS + account.name for account in settings.account]
    rights = _REDIS_RIGHTS if settings.broker.url.lower().startswith("redis") else _RIGHTS
    for name in (DEAD, *queues):
        yield _try(broker, f"broker {name}", partial(_declared, name), rights)
    yield _try(broker, f"broker {EVENTS}", _events, rights)
    yield _try(broker, f"broker {_TRIAL}", _to_ourselves, rights)


_REACH = ("检查 [broker] 的地址、用户和证书", "check address, user and certificates of [broker]")
_SET = "rabbitmqctl set_permissions -p VHOST USER '^tongguan[.].*' '.*' '^tongguan[.].*'"  #: configure, write (replies go anywhere), read
#: of Redis: replies may go to other keys, too
_REDIS_SET = "ACL SETUSER USER on '>PASSWORD' '~tongguan.*' '~_kombu.*' '+@all' '-@admin' '-@dangerous'"
_REDIS_RIGHTS = (
    f"按上文处理；权限见：{_REDIS_SET}，以及答复所用的键",
    f"see to what is said; rights are given by: {_REDIS_SET}, and the keys of replies",
)
_RIGHTS = (f"给网关的用户权限（配置、写、读）：{_SET}", f"give the gateway's user its rights (configure, write, read): {_SET}")

_SHAPE = (
    "删除它（rabbitmqctl delete_queue QUEUE -p VHOST，交换机在管理界面删除），网关会重新建立",
    "take it away (rabbitmqctl delete_queue QUEUE -p VHOST, an exchange in the management pages): the gateway makes it anew",
)


class _TakenByOthers(BrokerBroken):
    """Somebody beside the gateway takes from an account's queue."""


def _try(broker: MessageBroker, check: str, look: Callable[[BrokerLink], str], do: tuple[str, str]) -> Finding:
    try:
        link = broker.connect("doctor")
    except BrokerBroken as broken:
        return Finding(check, words(broken), t(*do))
    try:
        return Finding(check, look(link))
    except _TakenByOthers as shared:
        return Finding(check, words(shared), "rabbitmqctl list_consumers -p VHOST")
    except BrokerBroken as broken:
        return Finding(check, words(broken), t(*(_SHAPE if broken.in_another_shape else do)))
    finally:
        link.close()


def _events(link: BrokerLink) -> str:
    link.declare_events()
    return ""


def _declared(name: str, link: BrokerLink) -> str:
    link.declare_queue(name)
    depth = link.depth(name)
    many, who = (depth.messages, depth.consumers) if depth is not None else (0, 0)
    if who is None:
        return t(f"{many} 条消息", f"{many} messages")
    if name != DEAD and who > 1:
        raise _TakenByOthers(*shared_by(name, who))
    return t(f"{many} 条消息，{who} 个消费者", f"{many} messages, {who} consumers")


def _to_ourselves(link: BrokerLink) -> str:
    """A message there and back, by the broker's word that it has it."""
    mark = new_id()
    link.declare_queue(_TRIAL)
    (sent,) = link.publish([OutgoingMessage(b"{}", _TRIAL, message_id=mark)])
    if sent is not PublishResult.CONFIRMED:
        raise BrokerBroken("发出的消息没有被接收", "a message that was published is not taken")
    link.consume(_TRIAL, prefetch=10)
    came = link.receive(most=10, most_bytes=10_000, wait=_WAIT)
    link.acknowledge(came)
    link.delete_queue(_TRIAL)
    if all(message.message_id != mark for message in came):
        raise BrokerBroken("发出的消息没有回来", "a message that was published does not come back")
    return t("收发正常", "a message goes there and back")
