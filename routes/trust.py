"""How a route shows who it is and whom it trusts: address, TLS, bearer token.

Wrong settings are told when the route is made, naming the setting. Never shows a token, not even in an error.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from pathlib import Path

from yarl import URL

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import Route
from tongguan.gateway.system.storage import files
from tongguan.routes.own_certificate import load_own

_FULL_WIDTH = re.compile("[\uff01-\uff5e\u3002]")


def _wrong(name: str, key: str, zh: str, en: str) -> SettingsWrong:
    """What is wrong with a setting of the route, said behind its name."""
    return SettingsWrong(f"route.{name}.{key}{zh}", f"route.{name}.{key}{en}")


def address(name: str, route: Route) -> URL:
    """The endpoint's base address; plain http only to this machine or in a test environment."""
    if (full := _FULL_WIDTH.search(route.url)) is not None:
        raise _wrong(
            name, "url", f" 中的 {full[0]} 是全角字符：请用半角", f": {full[0]} is a full-width character: write the plain one"
        )
    try:
        url = URL(route.url)
    except ValueError as wrong:
        zh = "端口不是 1 至 65535" if "Port" in str(wrong) else str(wrong)
        raise _wrong(name, "url", f" 不是地址：{zh}", f" is no address: {wrong}") from None
    if url.port == 0 and not is_this_machine(url.host or ""):  # a simulator here may choose its port
        raise _wrong(name, "url", " 不是地址：端口不是 1 至 65535", " is no address: its port is none of 1 to 65535")
    if url.scheme not in ("https", "http") or not url.host:
        like = "https://customs.example/gateway"
        raise _wrong(name, "url", f" 不是地址；写成 {like}", f" is no address; write it like {like}")
    if url.user or url.password or url.query_string or url.fragment:
        goes = f"route.{name}.token"
        zh, en = (
            f" 不能带用户名、参数或片段；令牌写在 {goes}",
            f" must not carry a user, a query or a fragment; a token goes into {goes}",
        )
        raise _wrong(name, "url", zh, en)
    if url.scheme == "http" and route.environment != "test" and not is_this_machine(url.host):
        en = ": http is only for test environments and this machine; use https"
        raise _wrong(name, "url", "：http 只用于测试环境和本机；请用 https", en)
    return url


def is_this_machine(host: str) -> bool:
    """Does what is sent to this host stay on this machine?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def verifying(ca: Path | str | None) -> ssl.SSLContext:
    """TLS 1.2 or later to a server whose certificate and name are checked: by these CAs, else by the machine's.

    Raises OSError and ssl.SSLError. It is put together here because `ssl.create_default_context` asks more of a CA with each
    version of Python: since 3.13 extensions that older private CAs do not have.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs()
    return context


def tls(name: str, route: Route, home: Path) -> ssl.SSLContext:
    """The rules of the route's TLS: the endpoint's CA (else the machine's), our certificate where one is set."""
    try:
        context = verifying(files.plain(home / route.ca) if route.ca else None)
    except (OSError, ssl.SSLError) as wrong:
        place = f"{home / route.ca}: {wrong}"
        raise _wrong(name, "ca", f" 不能用：{place}", f" cannot be used: {place}") from None
    if route.client_certificate:
        try:
            load_own(context, home / route.client_certificate, home / route.client_key if route.client_key else None)
        except SettingsWrong as wrong:
            zh, en = f" 或 client_key 不能用：{wrong.zh}", f" or client_key: {wrong.en}"
            raise _wrong(name, "client_certificate", zh, en) from None
    return context


def token(name: str, route: Route, home: Path) -> str:
    """The bearer token that `file:` or `env:` refers to; empty when the route has none."""
    return secret(f"route.{name}.token", route.token, home)


def secret(where: str, value: str, home: Path) -> str:
    """What a setting refers to by `file:` or `env:`; empty when it is. SettingsWrong begins with `where` the setting stands."""
    if not value:
        return ""
    kind, _, place = value.partition(":")

    def wrong(zh: str, en: str) -> SettingsWrong:
        return SettingsWrong(f"{where}{zh}", f"{where}{en}")

    try:
        if kind == "file":
            found = files.plain(home / place).read_text("ascii").strip()
        elif kind == "env":
            found = os.environ[place].strip()
        else:
            raise wrong(" 应写作 file:secrets/token 或 env:变量名", " must be a reference: file:secrets/token or env:NAME")
    except KeyError:
        raise wrong(f"：环境中没有 {place}", f": the environment has no {place}") from None
    except OSError as failed:
        said = f"{home / place}: {failed.strerror}"
        raise wrong(f" 读不出：{said}", f" cannot be read: {said}") from None
    except UnicodeDecodeError:
        raise wrong(f"：{home / place} 不是纯 ASCII", f": {home / place} is not plain ASCII") from None
    if not found or not all("!" <= sign <= "~" for sign in found):
        raise wrong(
            f"：{kind}:{place} 是空的，或含有请求头不能带的字符",
            f": what {kind}:{place} holds is empty or has signs that a header cannot carry",
        )
    return found


def client_tls(where: str, ca: str, home: Path) -> ssl.SSLContext:
    """TLS to a server whose certificate is checked: by these CAs, else by the machine's."""
    try:
        return verifying(files.plain(home / ca) if ca else None)
    except (OSError, ssl.SSLError) as wrong:
        place = f"{home / ca}: {wrong}"
        raise SettingsWrong(f"{where} 不能用：{place}", f"{where} cannot be used: {place}") from None


def webhook_address(where: str, value: str, environment: str, home: Path) -> URL:
    """An address that may carry its secret in a query, so it may be a reference, too; it is shown in no error."""
    given = secret(where, value, home) if value.startswith(("file:", "env:")) else value
    try:
        url = URL() if _FULL_WIDTH.search(given.partition("?")[0]) else URL(given)
    except ValueError:
        url = URL()
    if url.port == 0 or url.scheme not in ("https", "http") or not url.host or url.fragment:
        raise SettingsWrong(f"{where} 不是地址", f"{where} is no address")
    if url.scheme == "http" and environment != "test" and not is_this_machine(url.host):
        zh, en = "：http 只用于测试环境和本机；请用 https", ": http is only for test environments and this machine; use https"
        raise SettingsWrong(f"{where}{zh}", f"{where}{en}")
    return url
