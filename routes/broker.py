"""The connection to the broker: the only place that knows the library behind it (kombu), its errors and its traps.

Promises: what `publish` says is confirmed the broker has for good; a message stays the broker's until it is acknowledged; a broker that
falls silent is noticed after two heartbeats, one that hangs in an answer after `[broker] timeout`, and neither is waited for to say
good-bye; no text and no log shows a password.
A link is one thread's, and useless after whatever error it raised. Nothing here unpacks or decodes what came.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import amqp
import kombu.connection
import kombu.utils.json
from amqp import serialization, spec
from kombu.transport import virtual

from tongguan.gateway.model.errors import BrokerBroken, SettingsWrong, in_both
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import (
    DEAD,
    EVENTS,
    BrokerLink,
    MessageBroker,
    OutgoingMessage,
    PublishResult,
    QueueDepth,
    QueueMessage,
)
from tongguan.gateway.settings import Broker
from tongguan.gateway.system import clock
from tongguan.routes.amqp_frames import published
from tongguan.routes.redis_take import RedisTaker

_open: Any = kombu.connection.Connection  # untyped
_loads: Any = kombu.utils.json.loads
_WINDOW, _WINDOW_BYTES = 256, 4_000_000  #: on their way to the broker before its answers are waited for
_MOST_KEPT = 2_000_000  #: bytes of messages that nobody has asked for yet, with which no more are read
_GLANCE = 0.001  #: seconds in which what is there already is read; zero would spin in the middle of a frame
_PIECE = 16_384  #: bytes that are read at once: the library would ask the system three times for each frame
_AROUND_FRAME = 8  #: bytes of a frame besides what it carries
_TURN = 1.0  #: seconds between two looks at the heartbeat while something is waited for
_CONFIRM = 2  #: times `timeout`: for a broker to write to its disks what was published
_GOODBYE = 1.0  #: seconds that it is waited for at the end
_OPTIONAL = ("correlation_id", "reply_to", "content_encoding")  #: properties that a message may do without
_PERSISTENT = 2  #: delivery mode
_UNREADABLE = "unreadable"  #: in place of all properties
_ANY = 1_000_000_000  #: times that a message is handed out
_MOST_PASSWORD = 4096  #: bytes of a file with a password
#: seconds after which Redis hands out again what somebody who is gone had in hand
_REDIS_LEASE = 60
_REDIS_LOOK = 5.0  #: seconds between two looks for such
_REDIS_POLL = 0.1  #: seconds between two looks into an empty list
#: what Redis says where it is about one key: it is no list; it is none that this user may write
_NOT_THIS_KEY = ("WRONGTYPE", "wrong kind of value", "access one of the keys", "access a key")


def make_broker(settings: Broker, home: Path) -> MessageBroker | None:
    """The broker of the settings, None where they name none; SettingsWrong tells what of them cannot be used. Connects to nothing."""
    return _KombuBroker(settings, home) if settings.url else None


def _address(given: str) -> SplitResult:
    """SettingsWrong says what keeps it from being one, and shows nothing of it: it may have a password in it."""
    _, _, rest = given.partition("://")
    before = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(before) :] or "[" in before.rpartition("@")[0]:
        raise SettingsWrong(
            'broker.url 的用户名或密码中有符号须写成 %2F 之类（/ ? # [ @）；或另写 password = "file:路径"',
            "a sign in broker.url's user or password must be written as %2F and the like (/ ? # [ @);"
            ' or give password = "file:PATH"',
        )
    if "?" in rest or "#" in rest:
        raise SettingsWrong(
            "broker.url 中 ? 或 # 之后不能再写什么：心跳、超时、证书在 [broker] 各有其键",
            "nothing may follow a ? or # in broker.url: heartbeat, timeout and certificates have keys of their own in [broker]",
        )
    try:
        url = urlsplit(given)
        if url.port == 0:
            raise ValueError
    except ValueError:
        zh, en = "broker.url 不是地址，或端口不是 1 至 65535", "broker.url is no address, or its port is none of 1 to 65535"
        raise SettingsWrong(zh, en) from None
    return url


def _password_in(file: Path, place: str) -> str:
    """What a file holds, without the marks and line ends of an editor; SettingsWrong where that is no password."""

    def wrong(zh: str, en: str) -> SettingsWrong:
        return SettingsWrong(f"broker.password：{place} {zh}", f"broker.password: {place} {en}")

    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_PASSWORD + 1)
    except OSError as failed:
        raise wrong(f"读不出：{failed.strerror}", f"cannot be read: {failed.strerror}") from None
    if len(raw) > _MOST_PASSWORD:
        raise wrong(f"超过 {_MOST_PASSWORD} 字节", f"has more than {_MOST_PASSWORD} bytes")
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise wrong("不是 UTF-8", "is no UTF-8") from None
    if any(sign < " " or sign == "\x7f" for sign in text):
        raise wrong("不止一行，或有密码不会有的符号", "has more than one line, or signs that no password has")
    return text


class _KombuBroker:
    """Where the broker is and how to connect; used by every thread."""

    def __init__(self, settings: Broker, home: Path) -> None:
        self._settings, self._home = settings, home
        url = _address(settings.url)
        self._host, self._port = url.hostname or "127.0.0.1", url.port
        self._kind = url.scheme.lower()
        self.place = f"{self._host}:{self._port}" if self._port else self._host
        self._user = settings.user or unquote(url.username or "")
        self._clear_password = unquote(url.password or "")
        self._virtual_host = settings.virtual_host or unquote(url.path.removeprefix("/")) or ("0" if self._redis else "/")
        if self._redis and not (self._virtual_host.isascii() and self._virtual_host.isdigit()):
            named = self._virtual_host
            raise SettingsWrong(
                f"broker：Redis 的数据库是数字，不是 {named!r}", f"broker: a database of Redis is a number, not {named!r}"
            )
        self._password()
        self._tls()

    @property
    def _redis(self) -> bool:
        return self._kind in ("redis", "rediss")

    def connect(self, purpose: str) -> BrokerLink:
        try:
            password = self._password()
        except SettingsWrong as wrong:
            raise BrokerBroken(wrong.zh, wrong.en) from None
        connection = _open(
            hostname=self._host,
            port=self._port,
            userid=self._user or None,
            password=password or None,
            login_method="EXTERNAL" if self._settings.certificate and not self._user else None,
            virtual_host=self._virtual_host,
            transport={"amqps": "pyamqp", "amqp": "pyamqp", "rediss": "redis"}.get(self._kind, self._kind),
            ssl=self._tls(),
            connect_timeout=self._settings.timeout.total_seconds(),
            heartbeat=max(1, round(self._settings.heartbeat.total_seconds())),
            transport_options=self._options(purpose),
        )
        kind = _RedisLink if self._redis else _VirtualLink if self._kind == "memory" else _AmqpLink
        return kind(self.place, connection, self._settings.timeout.total_seconds())

    def _options(self, purpose: str) -> dict[str, Any]:
        silent = self._settings.timeout.total_seconds()
        if self._redis:
            return {"visibility_timeout": _REDIS_LEASE, "socket_connect_timeout": silent, "socket_timeout": silent}
        if self._kind == "memory":
            return {"polling_interval": _GLANCE}
        about = {"connection_name": f"tongguan {purpose}", "product": "tongguan"}
        return {"read_timeout": silent, "write_timeout": silent, "client_properties": about}

    def _password(self) -> str:
        """What the settings refer to; SettingsWrong when nothing is there. Read anew each time: it may be changed."""
        given = self._settings.password
        if not given:
            return self._clear_password
        kind, _, place = given.partition(":")
        if kind == "env" and place:
            found = os.environ.get(place, "")
        elif kind == "file" and place:
            found = _password_in(self._home / place, place)
        else:  # it is not shown: it may be the password itself
            zh, en = "broker.password 应写作 file:路径 或 env:变量名", "broker.password is given as file:PATH or env:NAME"
            raise SettingsWrong(zh, en)
        if not found:
            raise SettingsWrong(f"broker.password：{given} 是空的", f"broker.password: {given} is empty")
        return found

    def _tls(self) -> dict[str, Any] | bool:
        """The rules of TLS, as the library wants them; SettingsWrong when a file cannot be used."""
        told = self._settings
        if self._kind not in ("amqps", "rediss"):
            if given := [name for name in ("ca", "certificate", "key") if getattr(told, name)]:
                zh = f"broker.{given[0]} 只用于 amqps:// 和 rediss://；{self._kind}:// 不加密"
                en = f"broker.{given[0]} is for amqps:// and rediss:// alone; over {self._kind}:// nothing is encrypted"
                raise SettingsWrong(zh, en)
            return False
        if told.key and not told.certificate:
            raise SettingsWrong(
                "broker.key 没有相应的 broker.certificate", "broker.key is given without broker.certificate, whose key it is"
            )
        files = {name: str(self._home / path) if path else None for name, path in self._files(told)}
        try:
            context = ssl.create_default_context(cafile=files["ca_certs"])
            if files["certfile"]:
                context.load_cert_chain(files["certfile"], files["keyfile"])
        except (OSError, ssl.SSLError) as wrong:
            zh = f"broker 的 ca、certificate 或 key 不能用：{wrong}"
            raise SettingsWrong(zh, f"ca, certificate or key of broker cannot be used: {wrong}") from None
        if self._redis:
            return {
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                **{f"ssl_{name}": path for name, path in files.items()},
            }
        return {**files, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": self._host}

    @staticmethod
    def _files(told: Broker) -> Iterator[tuple[str, str]]:
        yield "ca_certs", told.ca
        yield "certfile", told.certificate
        yield "keyfile", told.key


class _KombuLink:
    """What both kinds of connection have in common."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._place, self._timeout = place, timeout
        self._connection, self._transport = connection, connection.transport
        self._raw: Any = None
        self._errors = (*self._transport.connection_errors, *self._transport.channel_errors, OSError)
        self._came: deque[QueueMessage] = deque()
        self._came_bytes = 0
        self._consuming = ""
        self._lost = self._begun = False
        self.blocked = ""
        with self._explained():
            self._raw = self._transport.establish_connection()
            self._channel = self._made_channel()
        self._begun = True

    def _made_channel(self) -> Any:
        return self._transport.create_channel(self._raw)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever goes wrong at the broker ends this link, and is told in words."""
        try:
            yield
        except BrokerBroken:
            self._lose()
            raise
        except self._transport.channel_errors as wrong:  # the connection is well
            self.close()
            raise _explanation(self._place, wrong, begun=self._begun) from None
        except self._errors as wrong:
            self._lose()
            raise _explanation(self._place, wrong, begun=self._begun) from None
        except (AttributeError, TypeError, ValueError, KeyError) as wrong:
            # The library meets its own closed connection so, or an answer that is none.
            self._lose()
            raise _explanation(self._place, wrong, begun=self._begun) from wrong

    def _lose(self) -> None:
        """End it without a word: nobody may be there to answer."""
        self._lost = True
        self.close()

    @property
    def unacknowledged(self) -> int:
        return len(self._came)

    def declare_queue(self, name: str) -> None:
        with self._explained():
            self._declare(name)

    def _declare(self, name: str) -> None:
        self._channel.queue_declare(queue=name, durable=True, auto_delete=False)

    def delete_queue(self, name: str) -> None:
        with self._explained():
            self._channel.queue_delete(queue=name)

    def declare_submissions(self, queue: str) -> None:
        with self._explained():
            self._declare(queue)
            self._lead_to(queue)

    def _lead_to(self, queue: str) -> None:
        self._channel.exchange_declare(exchange=queue, type="direct", durable=True, auto_delete=False)
        self._channel.queue_bind(queue=queue, exchange=queue, routing_key=queue)

    def declare_events(self) -> None:
        with self._explained():
            self._channel.exchange_declare(exchange=EVENTS, type="topic", durable=True, auto_delete=False)

    def consume(self, queue: str, *, prefetch: int) -> None:
        with self._explained():
            self._channel.basic_qos(0, prefetch, False)
            self._consuming = new_id()
            self._channel.basic_consume(queue, no_ack=False, callback=self._take, consumer_tag=self._consuming)
            self._queue = queue

    def cancel(self) -> None:
        if self._consuming:
            with self._explained():
                self._channel.basic_cancel(self._consuming)
            self._consuming = ""

    def receive(self, *, most: int, most_bytes: int, wait: float) -> Sequence[QueueMessage]:
        with self._explained():
            if not self._came:
                self._drain_until(lambda: bool(self._came), clock.monotonic() + wait)
            came: list[QueueMessage] = []
            size = 0
            while len(came) < most and size < most_bytes and (self._came or self._drain(_GLANCE)):
                if self._came:
                    came.append(self._came.popleft())
                    size += len(came[-1].body)
            self._came_bytes -= size
            return came

    def _keep(self, message: QueueMessage) -> None:
        self._came.append(message)
        self._came_bytes += len(message.body)

    def _drain_until(self, done: Callable[[], bool], end: float) -> bool:
        """Take what the broker says until it is `done`; False when the time is over before."""
        while not done():
            left = end - clock.monotonic()
            if left <= 0:
                return False
            self._drain(min(left, _TURN))
            self._heartbeat()
        return True

    def _drain(self, seconds: float) -> bool:
        try:
            self._transport.drain_events(self._raw, timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _heartbeat(self) -> None:
        pass

    def beat(self) -> None:
        """More than some messages are not read meanwhile: a broker that has more to say waits, and is alive."""
        with self._explained():
            while (few := self._came_bytes < _MOST_KEPT) and self._drain(_GLANCE):
                pass
            if few:
                self._heartbeat()
            else:
                self._say_alive()

    def _say_alive(self) -> None:
        pass

    def close(self) -> None:
        raw, self._raw = self._raw, None
        self._came.clear()
        self._came_bytes = 0
        if raw is not None:
            self._end(raw)
        with contextlib.suppress(Exception):
            self._connection.release()

    def _take(self, message: Any) -> None:
        raise NotImplementedError

    def _end(self, raw: Any) -> None:
        raise NotImplementedError


class _AmqpLink(_KombuLink):
    """RabbitMQ, or whatever speaks AMQP 0-9-1."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._outgoing: _Confirms | None = None
        self._unacknowledged: deque[int] = deque()
        super().__init__(place, connection, timeout)
        _read_in_pieces(self._raw.transport)
        self._raw.on_blocked, self._raw.on_unblocked = self._block, self._unblock

    @property
    def unacknowledged(self) -> int:
        return len(self._unacknowledged)

    def _block(self, reason: str) -> None:
        self.blocked = in_both("消息服务器缺内存或磁盘，暂不收报文", "the broker lacks memory or disk, and takes no messages")

    def _unblock(self) -> None:
        self.blocked = ""

    def _made_channel(self) -> Any:
        channel = super()._made_channel()
        channel.auto_decode = False  # bytes stay bytes, whatever encoding they say they have
        return channel

    def _declare(self, name: str) -> None:
        """Declare it. Where that is not allowed, or it is there in another shape, it is enough that it is there."""
        channel = self._made_channel()
        try:
            channel.queue_declare(queue=name, durable=True, auto_delete=False, arguments=_shape(name))
        except (amqp.AccessRefused, amqp.PreconditionFailed):
            if self._depth(name) is None:
                raise
        else:
            channel.close()

    def _lead_to(self, queue: str) -> None:
        """Where that is not allowed, or something else has the name, there is the queue."""
        channel = self._made_channel()
        try:
            channel.exchange_declare(exchange=queue, type="direct", durable=True, auto_delete=False)
            channel.queue_bind(queue=queue, exchange=queue, routing_key=queue)
        except (amqp.AccessRefused, amqp.PreconditionFailed):
            return
        channel.close()

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return self._depth(queue)

    def _depth(self, queue: str) -> QueueDepth | None:
        channel = self._made_channel()
        try:
            told = channel.queue_declare(queue=queue, passive=True)
        except amqp.NotFound:
            return None
        channel.close()
        return QueueDepth(told.message_count, told.consumer_count)

    def _take(self, message: Any) -> None:
        self._unacknowledged.append(message.delivery_tag)
        self._keep(_of_amqp(self._queue, message))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            message = self._channel.basic_get(queue, no_ack=False)
            if message is None:
                return None
            self._unacknowledged.append(message.delivery_tag)
            return _of_amqp(queue, message)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """In one frame where nothing older is left out."""
        tags = {message.tag for message in messages}
        with self._explained():
            last = 0
            while self._unacknowledged and self._unacknowledged[0] in tags:
                last = self._unacknowledged.popleft()
                tags.discard(last)
            if last:
                self._channel.basic_ack(last, multiple=True)
            for tag in sorted(tags):
                self._unacknowledged.remove(tag)
                self._channel.basic_ack(tag)

    def publish(
        self, messages: Sequence[OutgoingMessage], *, until: Callable[[], bool] = lambda: False
    ) -> Sequence[PublishResult]:
        with self._explained():
            if self._outgoing is None:
                self._outgoing = _Confirms(self._made_channel())
            confirms = self._outgoing
            confirms.begin()
            for message in messages:
                if confirms.open >= _WINDOW or confirms.open_bytes >= _WINDOW_BYTES or self.blocked:
                    confirms.flush()
                    self._answered(confirms, _WINDOW // 2, _WINDOW_BYTES // 2, until)
                confirms.send(message)
            confirms.flush()
            self._answered(confirms, 0, 0, until)
            return confirms.results()

    def _answered(self, confirms: _Confirms, most: int, most_bytes: int, until: Callable[[], bool]) -> None:
        """Wait for answers of the broker, until so many are open at most; for as long as it says that it takes none."""
        patience = self._timeout * _CONFIRM
        end = clock.monotonic() + patience
        while confirms.open > most or confirms.open_bytes > most_bytes or self.blocked:
            before = confirms.open
            self._drain(_TURN)
            if confirms.open != before:
                end = clock.monotonic() + patience
            self._heartbeat()
            if self.blocked and not until():
                end = clock.monotonic() + patience
            elif self.blocked or clock.monotonic() > end:
                raise BrokerBroken(
                    f"消息服务器 {self._place} 没有确认收到报文",
                    f"the broker at {self._place} does not confirm what was published",
                )

    def _drain(self, seconds: float) -> bool:
        """With all that came in one piece: a wait costs four calls of the system, a frame that is there none."""
        transport, read = self._raw.transport, self._raw.blocking_read
        try:
            read(seconds)
            while _has_frame(transport._read_buffer):
                read(None)
        except TimeoutError:
            return False
        return True

    def _heartbeat(self) -> None:
        self._transport.heartbeat_check(self._raw)

    def _say_alive(self) -> None:
        self._raw.send_heartbeat()

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):
            if raw.connected and not raw.is_closing and not self._lost:
                raw.sock.settimeout(_GOODBYE)
                raw.close()
        with contextlib.suppress(Exception):
            raw.collect()


def _read_in_pieces(transport: Any) -> None:
    """Have what the library buffers anyway come in pieces, not by the few bytes that it wants next.

    Where nothing comes for `[broker] timeout` in the middle of a frame, the library would ask the system again, for ever.
    """
    receive = transport._quick_recv

    def piece(wanted: int) -> bytes:
        try:
            return bytes(receive(max(wanted, _PIECE)))
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None

    transport._quick_recv = piece


def _has_frame(buffer: bytes) -> bool:
    """Is a whole frame there? Its size stands behind its kind and channel."""
    return len(buffer) >= _AROUND_FRAME and len(buffer) >= _AROUND_FRAME + int.from_bytes(buffer[3:7], "big")


def _shape(queue: str) -> dict[str, Any]:
    """What a queue is declared with: as little as can be, for whoever declares it too must say the same.

    What is dead is looked at as often as somebody likes: the broker, which drops what was handed out too often, must not count that.
    """
    return {"x-queue-type": "quorum"} | ({"x-delivery-limit": _ANY} if queue == DEAD else {})


def _read_properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """The properties of a message. The library ends the connection over some that it cannot read, whereupon the broker gives it out
    again, for ever: texts in no UTF-8, times beyond its calendar, tables in tables without end."""
    try:
        found: tuple[dict[str, Any], int] = serialization.decode_properties_basic(buffer, offset)
    except Exception:
        return {_UNREADABLE: True}, offset
    return found


serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = _read_properties


def _of_amqp(queue: str, message: Any) -> QueueMessage:
    told = message.properties
    headers = told.get("application_headers") or {}
    return QueueMessage(
        queue=queue,
        tag=message.delivery_tag,
        body=message.body if isinstance(message.body, bytes) else bytes(message.body or b""),
        content_type=told.get("content_type") or "",
        content_encoding=told.get("content_encoding") or "",
        compression=str(headers.get("compression") or ""),
        message_id=told.get("message_id") or "",
        reply_to=told.get("reply_to") or "",
        correlation_id=told.get("correlation_id") or "",
        redelivered=bool(message.delivery_info.get("redelivered")),
        headers=headers,
        readable=_UNREADABLE not in told,
    )


@dataclass(slots=True)
class _Sent:
    """A message on its way."""

    place: int
    size_bytes: int


class _Confirms:
    """A channel on which each message is answered by the broker; many are on their way at once."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_select()
        channel.events["basic_ack"].add(lambda tag, multiple: self._told(tag, multiple, PublishResult.CONFIRMED))
        channel.events["basic_nack"].add(lambda tag, multiple: self._told(tag, multiple, PublishResult.REJECTED))
        channel.events["basic_return"].add(self._returned)
        self._number = 0
        self._open: dict[int, _Sent] = {}
        self._by_id: dict[str, int] = {}
        self._results: list[PublishResult] = []
        self._back: set[int] = set()
        self._frames: list[bytes] = []
        self.open_bytes = 0

    @property
    def open(self) -> int:
        return len(self._open)

    def begin(self) -> None:
        self._open.clear()
        self._by_id.clear()
        self._back.clear()
        self._frames.clear()
        self._results, self.open_bytes = [], 0

    def results(self) -> list[PublishResult]:
        return [PublishResult.RETURNED if n in self._back else result for n, result in enumerate(self._results)]

    def send(self, message: OutgoingMessage) -> None:
        self._number += 1
        place, id_ = len(self._results), message.message_id or new_id()
        self._results.append(PublishResult.REJECTED)
        self._open[self._number] = _Sent(place, len(message.body))
        self._by_id[id_] = place
        self.open_bytes += len(message.body)
        if message.headers:  # the library's to write
            self.flush()
            self._send_alone(message, id_)
            return
        most = self._channel.connection.frame_max
        self._frames += published(self._channel.channel_id, message, id_, most=most)

    def flush(self) -> None:
        """Let go what was put together."""
        if self._frames:
            frames, self._frames = b"".join(self._frames), []
            self._channel.connection.transport.write(frames)
            self._channel.connection.bytes_sent += 1  # what its heartbeats go by

    def _send_alone(self, message: OutgoingMessage, id_: str) -> None:
        more = {name: told for name in _OPTIONAL if (told := getattr(message, name))}
        content = amqp.Message(
            message.body,
            content_type=message.content_type,
            delivery_mode=_PERSISTENT,
            application_headers=dict(message.headers),
            message_id=id_,
            **more,
        )
        # Not `basic_publish`: that looks for a blocked broker before each message by a read which spins in the middle of a frame.
        self._channel.send_method(
            spec.Basic.Publish, "Bssbb", (0, message.exchange, message.routing_key, message.must_route, False), content
        )

    def _told(self, tag: int, multiple: bool, result: PublishResult) -> None:
        tags = list(takewhile(lambda n: n <= tag, self._open)) if multiple else [tag]
        for each in tags:
            if (sent := self._open.pop(each, None)) is not None:
                self._results[sent.place] = result
                self.open_bytes -= sent.size_bytes

    def _returned(self, _error: Any, _exchange: str, _routing_key: str, message: Any) -> None:
        place = self._by_id.get(str(message.properties.get("message_id") or ""))
        if place is not None:
            self._back.add(place)


class _PackedMessage(virtual.Message):
    """A message that stays as it came: the library would unpack what says that it is compressed, however large it grows."""

    def __init__(self, payload: Any, channel: Any = None, **more: Any) -> None:
        headers = dict(payload.get("headers") or {})
        self.packed_as = str(headers.pop("compression", "") or "")
        super().__init__({**payload, "headers": headers}, channel=channel, **more)  # type: ignore[no-untyped-call]


class _VirtualLink(_KombuLink):
    """What the library makes a broker of: the memory of this process, for tests."""

    def _made_channel(self) -> Any:
        channel = super()._made_channel()
        channel.Message = _PackedMessage
        return channel

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return QueueDepth(self._channel._size(queue), 1 if self._consuming else 0)

    def _take(self, message: Any) -> None:
        self._keep(_of_virtual(self._queue, message, message.delivery_tag))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            message = self._channel.basic_get(queue, no_ack=False)
            return None if message is None else _of_virtual(queue, message, message.delivery_tag)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        with self._explained():
            for message in messages:
                self._channel.basic_ack(message.tag)

    def publish(
        self, messages: Sequence[OutgoingMessage], *, until: Callable[[], bool] = lambda: False
    ) -> Sequence[PublishResult]:
        results = list[PublishResult]()
        with self._explained():
            for each in messages:
                told = {"message_id": each.message_id or new_id(), "delivery_mode": _PERSISTENT}
                told |= {name: value for name in ("correlation_id", "reply_to") if (value := getattr(each, name))}
                message = self._channel.prepare_message(
                    each.body,
                    content_type=each.content_type,
                    content_encoding=each.content_encoding or "binary",
                    headers=dict(each.headers),
                    properties=told,
                )
                results.append(self._put(message, each))
        return results

    def _put(self, message: Any, each: OutgoingMessage) -> PublishResult:
        self._channel.basic_publish(message, exchange=each.exchange, routing_key=each.routing_key)
        return PublishResult.CONFIRMED

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):
            self._transport.close_connection(raw)


class _RedisLink(_VirtualLink):
    """Redis. Messages are taken and given back without the library's help, published by it."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._look_at = 0.0
        self._leads = ""
        super().__init__(place, connection, timeout)
        self._taker = RedisTaker(self._channel.client)

    @property
    def unacknowledged(self) -> int:
        return len(self._taker)

    def _lists(self, queue: str) -> list[str]:
        return [self._channel._q_for_pri(queue, priority) for priority in self._channel.priority_steps]

    def _declare(self, name: str) -> None:
        """There is nothing to be made; what has its name and is no list is told."""
        self._length(name)

    def _lead_to(self, queue: str) -> None:
        """The library would do it once a process; who empties the database takes it away."""
        channel = self._channel
        member = channel.sep.join((queue, "", queue))
        for key in (channel.keyprefix_queue % queue, channel.keyprefix_binding_permanent % queue):
            if not channel.client.sismember(key, member):
                channel.client.sadd(key, member)
        self._leads = queue

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return QueueDepth(self._length(queue), None)

    def _length(self, queue: str) -> int:
        told = self._channel.client.pipeline(transaction=False)  # in a transaction nothing is told where there is no room
        for each in self._lists(queue):
            told.llen(each)
        return sum(told.execute())

    def consume(self, queue: str, *, prefetch: int) -> None:
        self._queue, self._prefetch, self._consuming = queue, prefetch, new_id()

    def cancel(self) -> None:
        self._consuming = ""

    def receive(self, *, most: int, most_bytes: int, wait: float) -> Sequence[QueueMessage]:
        end = clock.monotonic() + wait
        with self._explained():
            while True:
                room = min(most, self._prefetch - len(self._taker))
                came = self._taken(self._queue, room, most_bytes)
                left = end - clock.monotonic()
                if came or left <= 0:
                    return came
                self._idle()
                clock.pause(min(left, _REDIS_POLL))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            return next(iter(self._taken(queue, 1, 1)), None)

    def _taken(self, queue: str, most: int, most_bytes: int) -> list[QueueMessage]:
        now = clock.now_ms() / 1000
        taken = self._taker.take(queue, self._lists(queue), now=now, most=most, most_bytes=most_bytes)
        return [self._read(queue, tag, raw) for tag, raw in taken]

    def _read(self, queue: str, tag: str, raw: bytes) -> QueueMessage:
        try:
            return _of_virtual(queue, self._channel.Message(_loads(raw.decode()), channel=self._channel), tag)
        except (ValueError, KeyError, TypeError, AttributeError):  # no message of the library's: whoever takes it refuses it
            return QueueMessage(queue=queue, tag=tag, body=raw, readable=False)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        if messages:
            with self._explained():
                self._taker.acknowledge([message.tag for message in messages])

    def _put(self, message: Any, each: OutgoingMessage) -> PublishResult:
        """What has the queue's name and is no list, or may not be written, is this message's trouble and no other's."""
        try:
            return super()._put(message, each)
        except self._transport.channel_errors + self._transport.connection_errors as wrong:
            if each.exchange or not any(sign in str(wrong) for sign in _NOT_THIS_KEY):
                raise
            return PublishResult.REJECTED

    def beat(self) -> None:
        with self._explained():
            self._channel.client.ping()

    def _idle(self) -> None:
        """Have what somebody who is gone had in hand come again, and the exchange lead here."""
        if clock.monotonic() >= self._look_at:
            self._look_at = clock.monotonic() + _REDIS_LOOK
            self._taker.restore(before=clock.now_ms() / 1000 - _REDIS_LEASE, most=_WINDOW * 4)
            if self._leads:
                self._lead_to(self._leads)

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):  # else they come again when they were in hand for too long
            self._taker.give_back()
        super()._end(raw)


def _of_virtual(queue: str, message: Any, tag: Any) -> QueueMessage:
    told = message.properties
    body = message.body
    return QueueMessage(
        queue=queue,
        tag=tag,
        body=body if isinstance(body, bytes) else str(body or "").encode("utf-8", "surrogateescape"),
        content_type=message.content_type or "",
        content_encoding=message.content_encoding or "",
        compression=message.packed_as,
        message_id=str(told.get("message_id") or ""),
        reply_to=str(told.get("reply_to") or ""),
        correlation_id=str(told.get("correlation_id") or ""),
        redelivered=bool((message.delivery_info or {}).get("redelivered") or message.headers.get("redelivered")),
        headers=message.headers,
    )


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


def _explanation(place: str, wrong: BaseException, *, begun: bool) -> BrokerBroken:
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
