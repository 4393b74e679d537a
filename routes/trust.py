"""How a route shows who it is and whom it trusts: address, TLS, bearer token.

Wrong settings are told when the route is made, naming the setting. Never shows a token, not even in an error.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path

from yarl import URL

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import Route


def address(name: str, route: Route) -> URL:
    """The endpoint's base address; plain http only to this machine or in a test environment."""
    try:
        url = URL(route.url)
    except ValueError as wrong:
        raise SettingsWrong(f"route.{name}.url 不是地址：{wrong}", f"route.{name}.url is no address: {wrong}") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise SettingsWrong(
            f"route.{name}.url 不是地址；写成 https://customs.example/gateway",
            f"route.{name}.url is no address; write it like https://customs.example/gateway",
        )
    if url.user or url.password or url.query_string or url.fragment:
        raise SettingsWrong(
            f"route.{name}.url 不能带用户名、参数或片段；令牌写在 route.{name}.token",
            f"route.{name}.url must not carry a user, a query or a fragment; a token goes into route.{name}.token",
        )
    if url.scheme == "http" and route.environment != "test" and not _is_this_machine(url.host):
        en = f"route.{name}.url: http is only for test environments and this machine; use https"
        raise SettingsWrong(f"route.{name}.url：http 只用于测试环境和本机；请用 https", en)
    return url


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls(name: str, route: Route, home: Path) -> ssl.SSLContext:
    """The rules of the route's TLS: the endpoint's CA (else the machine's), our certificate where one is set."""
    try:
        context = ssl.create_default_context(cafile=home / route.ca if route.ca else None)
    except (OSError, ssl.SSLError) as wrong:
        place = f"{home / route.ca}: {wrong}"
        raise SettingsWrong(f"route.{name}.ca 不能用：{place}", f"route.{name}.ca cannot be used: {place}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if route.client_certificate:
        key = home / route.client_key if route.client_key else None
        try:
            # An empty password makes an encrypted key fail here instead of asking on the terminal.
            context.load_cert_chain(home / route.client_certificate, key, password="")
        except (OSError, ssl.SSLError) as wrong:
            raise SettingsWrong(
                f"route.{name}.client_certificate 或 client_key 不能用：{wrong}",
                f"route.{name}.client_certificate or client_key: {wrong}",
            ) from None
    return context


def token(name: str, route: Route, home: Path) -> str:
    """The bearer token that `file:` or `env:` refers to; empty when the route has none."""
    if not route.token:
        return ""
    kind, _, place = route.token.partition(":")
    try:
        if kind == "file":
            secret = (home / place).read_text(encoding="ascii").strip()
        elif kind == "env":
            secret = os.environ[place].strip()
        else:
            raise SettingsWrong(
                f"route.{name}.token 应写作 file:secrets/token 或 env:变量名",
                f"route.{name}.token must be a reference: file:secrets/token or env:NAME",
            )
    except KeyError:
        raise SettingsWrong(
            f"route.{name}.token：环境中没有 {place}", f"route.{name}.token: the environment has no {place}"
        ) from None
    except OSError as wrong:
        said = f"{home / place}: {wrong.strerror}"
        raise SettingsWrong(f"route.{name}.token 读不出：{said}", f"route.{name}.token cannot be read: {said}") from None
    except UnicodeDecodeError:
        en = f"route.{name}.token: {home / place} is not plain ASCII"
        raise SettingsWrong(f"route.{name}.token：{home / place} 不是纯 ASCII", en) from None
    if not secret or not all("!" <= sign <= "~" for sign in secret):
        en = f"route.{name}.token: what {kind}:{place} holds is empty or has signs that a header cannot carry"
        raise SettingsWrong(f"route.{name}.token：{kind}:{place} 是空的，或含有请求头不能带的字符", en)
    return secret
