"""What a broker or the library meant by an error, in words, and what to do."""

from __future__ import annotations

import socket
import ssl

import amqp

from tongguan.gateway.model.errors import BrokerBroken

#: what the broker answers, by its code: what it means, and what to do
_CODES = {
    320: ("消息服务器切断了连接", "the broker ended the connection"),
    403: ("没有权限：rabbitmqctl set_permissions", "no right to it: rabbitmqctl set_permissions"),
    404: ("没有这个队列或交换机", "there is no such queue or exchange"),
    405: ("队列被别人独占", "the queue is somebody's own"),
    406: ("队列或交换机已以别的参数存在：改名或删除", "the queue or exchange is there with other arguments: rename or delete it"),
    530: (
        "虚拟主机不存在，或该用户不能用它：rabbitmqctl add_vhost、set_permissions",
        "there is no such virtual host, or not for this user: rabbitmqctl add_vhost, set_permissions",
    ),
}
_LOGIN = ("用户名或密码不对：[broker] user、password", "user or password is refused: [broker] user, password")


def explanation(place: str, wrong: BaseException, *, begun: bool) -> BrokerBroken:
    """In words, what the library has raised."""
    code, said = getattr(wrong, "reply_code", None), str(getattr(wrong, "reply_text", "") or wrong)
    zh, en = _CODES.get(code or 0, ("不能使用", "cannot be used"))
    if (code == 403 and "Login was refused" in said) or "invalid username-password" in said:
        zh, en = _LOGIN
    elif isinstance(wrong, ConnectionRefusedError) or "Connection refused" in said:
        zh, en = "连接被拒绝：它没有运行，或地址不对", "the connection is refused: it does not run, or the address is wrong"
    elif isinstance(wrong, socket.gaierror) or "Name or service not known" in said:
        zh, en = "找不到这个主机名：[broker] url", "no machine of this name is found: [broker] url"
    elif any(sign in said for sign in ("NOPERM", "no permissions", "can't run this command")):
        zh, en = (
            "权限不足：Redis 的 ACL SETUSER（docs/operations.md）",
            "no right to it: ACL SETUSER of Redis (docs/operations.md)",
        )
    elif "'maxmemory'" in said:
        zh, en = "Redis 内存已满：加大 maxmemory 或腾出内存", "Redis has no room: raise maxmemory, or make room"
    elif "wrong kind of value" in said:
        zh, en = "同名的键不是列表：改名或删除该键", "a key of that name is no list: rename or delete it"
    elif "read only replica" in said:
        zh, en = "这是 Redis 的只读副本：[broker] url 应指向主库", "it is a read-only replica: [broker] url wants the master"
    elif "MISCONF" in said:
        zh, en = "Redis 存不了盘，不收报文：看它的磁盘", "Redis cannot write to its disk, and takes nothing: look at that"
    elif "DB index is out of range" in said:
        zh, en = "Redis 没有这个数据库：[broker] url、virtual_host", "Redis has no such database: [broker] url, virtual_host"
    elif isinstance(wrong, ssl.SSLError) or "[SSL: " in said:
        zh, en = "加密连接没有建成：[broker] ca、certificate、key", "no TLS with it: [broker] ca, certificate, key"
    elif isinstance(wrong, TimeoutError) or type(wrong).__name__ == "TimeoutError":
        zh, en = "没有应答", "it does not answer"
    elif isinstance(wrong, amqp.ConsumerCancelled):
        zh, en = "队列没有了", "the queue is gone"
    elif code is None and (isinstance(wrong, OSError) or type(wrong).__name__ == "ConnectionError"):
        zh, en = "连接断了", "the connection is gone"
        if not begun:
            zh += "：那里是消息服务器吗？是否加密与地址（amqp://、amqps://、redis://、rediss://）一致吗？"
            en += ": is a broker there, with or without TLS as the address says (amqp://, amqps://, redis://, rediss://)?"
    detail = f"{type(wrong).__name__}: {said}"[:300]
    zh, en = f"消息服务器 {place}：{zh}（{detail}）", f"the broker at {place}: {en} ({detail})"
    return BrokerBroken(zh, en, in_another_shape=code == 406)
