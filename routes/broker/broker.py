"""Where the broker is, and how to connect to it, as the settings say."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import kombu.connection

from tongguan.gateway.model.errors import BrokerBroken, SettingsWrong
from tongguan.gateway.model.queueing import BrokerLink, MessageBroker
from tongguan.gateway.settings import Broker
from tongguan.gateway.system.storage import files
from tongguan.routes.broker.amqp_link import AmqpLink
from tongguan.routes.broker.redis_link import LEASE, RedisLink
from tongguan.routes.broker.virtual_link import VirtualLink
from tongguan.routes.own_certificate import load_own
from tongguan.routes.trust import verifying

_open: Any = kombu.connection.Connection  # untyped
_MOST_PASSWORD = 4096  #: bytes of a file with a password
_MEMORY_POLL = 0.001  #: seconds between two looks into an empty queue in memory


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
        raw = files.read(file, _MOST_PASSWORD + 1)
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


def _unusable(zh: str, en: str) -> SettingsWrong:
    said = f"ca, certificate or key of broker cannot be used: {en}"
    return SettingsWrong(f"broker 的 ca、certificate 或 key 不能用：{zh}", said)


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
            password, tls = self._password(), self._tls()
        except SettingsWrong as wrong:  # a file that has changed since the start
            raise BrokerBroken(wrong.zh, wrong.en) from None
        connection = _open(
            hostname=self._host,
            port=self._port,
            userid=self._user or None,
            password=password or None,
            login_method="EXTERNAL" if self._settings.certificate and not self._user else None,
            virtual_host=self._virtual_host,
            transport={"amqps": "pyamqp", "amqp": "pyamqp", "rediss": "redis"}.get(self._kind, self._kind),
            ssl=tls,
            connect_timeout=self._settings.timeout.total_seconds(),
            heartbeat=max(1, round(self._settings.heartbeat.total_seconds())),
            transport_options=self._options(purpose),
        )
        kind = RedisLink if self._redis else VirtualLink if self._kind == "memory" else AmqpLink
        return kind(self.place, connection, self._settings.timeout.total_seconds())

    def _options(self, purpose: str) -> dict[str, Any]:
        silent = self._settings.timeout.total_seconds()
        if self._redis:
            return {"visibility_timeout": LEASE, "socket_connect_timeout": silent, "socket_timeout": silent}
        if self._kind == "memory":
            return {"polling_interval": _MEMORY_POLL}
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
        try:
            named = {name: str(files.plain(self._home / path)) if path else None for name, path in self._files(told)}
            context = verifying(named["ca_certs"])
            if told.certificate:
                load_own(context, self._home / told.certificate, self._home / told.key if told.key else None)
        except SettingsWrong as wrong:
            raise _unusable(wrong.zh, wrong.en) from None
        except OSError as wrong:  # of which ssl.SSLError is one
            raise _unusable(str(wrong), str(wrong)) from None
        if self._redis:
            return {
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                "ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT],  # as in `verifying`
                **{f"ssl_{name}": path for name, path in named.items()},
            }
        return {**named, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": self._host}

    @staticmethod
    def _files(told: Broker) -> Iterator[tuple[str, str]]:
        yield "ca_certs", told.ca
        yield "certfile", told.certificate
        yield "keyfile", told.key
