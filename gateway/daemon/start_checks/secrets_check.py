"""How the settings keep their secrets, and themselves: a PIN, a token, a private key is referred to, and its file is nobody else's; what says whom to
believe nobody else may change."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tongguan.gateway.settings import AlertMail, AlertWebhook, Settings
from tongguan.routes.trust import is_this_machine
from tongguan.signer.cards.pin import is_reference


@dataclass(frozen=True, slots=True)
class Concern:
    """Something wrong with a place of the settings, and what to do. A `grave` one stops the start of a production home."""

    check: str
    zh: str
    en: str
    do_zh: str
    do_en: str
    grave: bool = True
    broken: bool = False  #: it cannot work in a test home either


def secrets_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every setting that says where a secret is, with its value; empty ones are left out."""
    for card in settings.cards:
        if card.pin not in ("", "prompt"):
            yield f"card {card.name} pin", card.pin
    for name, route in settings.route.items():
        if route.token:
            yield f"route {name} token", route.token
    if settings.broker.password:
        yield "broker password", settings.broker.password
    if settings.sms.token:
        yield "sms token", settings.sms.token
    for mail in settings.alerts.mail:
        if mail.password:
            yield f"alerts {mail.name} password", mail.password
    for hook in settings.alerts.webhook:
        given = {"token": hook.token, "secret": hook.secret, "url": hook.url if is_reference(hook.url) else ""}
        yield from ((f"alerts {hook.name} {key}", value) for key, value in given.items() if value)


def concerns(settings: Settings) -> Iterator[Concern]:
    """Secrets that stand in the settings themselves, or in files that others may read; settings and certificates that others may change.

    No secret is shown.
    """
    for check, value in secrets_of(settings):
        if not is_reference(value):
            yield Concern(
                check,
                "写成了明文",
                "it stands there in clear text",
                '写入权限为 600 的文件，再写 "file:路径"（或 "env:变量名"）；明文的那个应当作废',
                'put it into a file of mode 600 and write "file:PATH" (or "env:NAME"); the one that stood there is known now',
                broken=True,
            )
    for check, path in secret_files(settings):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # that it is missing is told by whoever reads it
        if mode & 0o077:
            zh, en = f"{path} 的权限是 {mode:o}，别人可读", f"others may read {path}: its mode is {mode:o}"
            yield Concern(check, zh, en, f"chmod 600 {path}", f"chmod 600 {path}", grave=bool(mode & 0o007))
    for check, path in (("settings", settings.home / "tongguan.toml"), *certificate_files(settings)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o022:
            zh, en = f"{path} 的权限是 {mode:o}，别人可改", f"others may change {path}: its mode is {mode:o}"
            yield Concern(check, zh, en, f"chmod go-w {path}", f"chmod go-w {path}", grave=bool(mode & 0o002))
    yield from _addresses(settings)
    yield from _in_clear(settings)


def secret_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every file with a secret in it."""
    for check, value in secrets_of(settings):
        kind, _, place = value.partition(":")
        if kind == "file" and place:
            yield check, settings.path(place)
    for card in settings.cards:
        if card.kind == "software":
            yield f"card {card.name} key", settings.path(card.key)
    for name, route in settings.route.items():
        if route.client_key:
            yield f"route {name} client_key", settings.path(route.client_key)
    if settings.broker.key:
        yield "broker key", settings.path(settings.broker.key)
    yield "anchor key", settings.home / "secrets" / "anchor.key"


def certificate_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every file that says whom the gateway believes, or who it is."""
    for name, route in settings.route.items():
        for file in route.certificates:
            yield f"route {name} certificates", settings.path(file)
        for key in ("encrypt_to", "secrets_to", "ca", "client_certificate"):
            if file := getattr(route, key):
                yield f"route {name} {key}", settings.path(file)
    for card in settings.cards:
        if card.certificate:
            yield f"card {card.name} certificate", settings.path(card.certificate)
    for key in ("ca", "certificate"):
        if file := getattr(settings.broker, key):
            yield f"broker {key}", settings.path(file)
    ways: list[AlertMail | AlertWebhook] = [*settings.alerts.mail, *settings.alerts.webhook]
    for way in ways:
        if way.ca:
            yield f"alerts {way.name} ca", settings.path(way.ca)


def _addresses(settings: Settings) -> Iterator[Concern]:
    """Passwords in addresses: they have no other place, so the settings' file is the secret's."""
    file = settings.home / "tongguan.toml"
    for part in ("database", "broker", "sms"):  # used or not: what stands in the file can be read
        check, url = f"{part} url", getattr(settings, part).url
        try:
            password = urlsplit(url).password
        except ValueError:
            continue  # whoever uses it says what is wrong with it
        if password:
            open_to_all = bool(stat.S_IMODE(file.stat().st_mode) & 0o007)
            yield Concern(
                check,
                "地址里有明文密码",
                "a password stands in the address in clear text",
                f"让别人读不到设置：chmod 600 {file}",
                f"keep the settings from others: chmod 600 {file}",
                grave=open_to_all,
            )


def _in_clear(settings: Settings) -> Iterator[Concern]:
    """Filings, and the broker's password, that cross a network as they are: a network may be one's own, so it is a warning."""
    kind, _, rest = settings.broker.url.partition("://")
    encrypted = {"amqp": "amqps", "redis": "rediss"}.get(kind.lower())
    if settings.gateway.environment != "production" or encrypted is None:
        return
    try:
        host = urlsplit(f"//{rest}").hostname
    except ValueError:
        return
    if host and not is_this_machine(host):
        yield Concern(
            "broker url",
            f"与消息服务器 {host} 的连接没有加密",
            f"what goes to the broker at {host} is not encrypted",
            f"改用 {encrypted}://",
            f"use {encrypted}://",
            grave=False,
        )
