"""Is this machine fit, and are the settings right? Every look gives one line: ok, or what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tongguan.codecs.compile import compile_all
from tongguan.gateway.cli import here
from tongguan.gateway.cli.cards import list_states
from tongguan.gateway.cli.here import t
from tongguan.gateway.fitting import fit_profiles
from tongguan.gateway.home import why_no_tokens
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import SettingsWrong
from tongguan.gateway.kernel.profile_loading import load_profiles
from tongguan.gateway.kernel.settings import Settings
from tongguan.gateway.recipients import Named, named, read_recipient
from tongguan.outbox.prints.letters import FontMissing, Letters, find_font
from tongguan.routes.sms import HttpProvider
from tongguan.routes.wire import Wire
from tongguan.signer.module import find_module

_LEAST_FREE_BYTES = 1_000_000_000
_LEAST_SQLITE = (3, 38)
_BOXES = ("OutBox", "SentBox", "FailBox", "InBox", "Status")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `do` is empty when it is ok."""

    check: str
    text: str
    do: str = ""

    @property
    def ok(self) -> bool:
        return not self.do


def findings() -> list[Finding]:
    """Everything of this machine and home that the gateway needs."""
    settings = here.settings()
    return [
        *_machine(settings),
        *settings_findings(settings),
        *_folders(settings),
        *_secrets(settings),
        *_cards(),
        *_endpoints(settings),
    ]


def _machine(settings: Settings) -> Iterable[Finding]:
    yield Finding("python", sys.version.split()[0])
    fit = sqlite3.sqlite_version_info >= _LEAST_SQLITE
    wanted = ".".join(map(str, _LEAST_SQLITE))
    yield Finding(
        "sqlite", sqlite3.sqlite_version, "" if fit else t(f"需要 SQLite {wanted} 以上", f"SQLite {wanted} or newer is needed")
    )
    free = shutil.disk_usage(settings.home).free
    short = t("请腾出磁盘空间", "make room on the disk") if free < _LEAST_FREE_BYTES else ""
    yield Finding("disk", f"{free // 1_000_000} MB", short)


def settings_findings(settings: Settings) -> list[Finding]:
    """The settings and all that they name; they have been read before."""
    return [
        Finding("settings", f"{settings.home}/tongguan.toml"),
        *_profiles(settings),
        *_certificates(settings),
        *_tokens(settings),
        *_short_messages(settings),
        _font(settings),
    ]


def _profiles(settings: Settings) -> Iterable[Finding]:
    try:
        profiles = load_profiles(home=settings.home)
        compiled = compile_all(profiles)
    except SettingsWrong as wrong:
        yield Finding("profiles", str(wrong), t("改正所列文件", "mend the files named"))
        return
    yield Finding("profiles", t(f"{len(profiles)} 种单证", f"{len(profiles)} document types"))
    try:
        fit_profiles(settings, compiled)
    except SettingsWrong as wrong:
        yield Finding("accounts", str(wrong), t("改正这些设置", "mend these settings"))
    known = set(profiles.authorities)
    for place, name in (
        *(("route", route) for route in settings.route),
        *((f"card {card.name}", card.authority) for account in settings.account for card in account.card),
    ):
        if name not in known:
            yield Finding(
                place,
                name,
                t(f"没有这个机关；可用：{' '.join(sorted(known))}", f"no such authority; there are {' '.join(sorted(known))}"),
            )


def _certificates(settings: Settings) -> Iterable[Finding]:
    for name, route in settings.route.items():
        for file in route.certificates:
            yield _certificate(f"route {name} {file}", settings.path(file))
    for one in named(settings):
        yield _recipient(settings, one)


def _certificate(check: str, path: Path) -> Finding:
    try:
        ends = min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as wrong:
        return Finding(
            check, f"{type(wrong).__name__}: {wrong}", t("放入该机关的 PEM 证书", "put the authority's PEM certificate there")
        )
    until = ends.strftime("%Y-%m-%d")
    over = t("证书已过期，请更换", "it has expired: replace it") if ends < clock.now() else ""
    return Finding(check, t(f"有效期至 {until}", f"valid until {until}"), over)


def _recipient(settings: Settings, one: Named) -> Finding:
    """Can be encrypted to this certificate?"""
    name, key, file = one
    check = f"route {name} {key} {file}"
    try:
        certificate = read_recipient(settings, one)
    except SettingsWrong as wrong:
        return Finding(
            check, str(wrong), t("放入该机关的 RSA 加密证书（PEM）", "put the authority's RSA encryption certificate (PEM) there")
        )
    until = certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    return Finding(check, t(f"加密，有效期至 {until}", f"encrypts, valid until {until}"))


def _tokens(settings: Settings) -> Iterable[Finding]:
    modules = {card.module for account in settings.account for card in account.card if card.kind == "pkcs11"}
    for module in sorted(modules):
        found = find_module(module, settings.home)
        yield Finding(
            "pkcs11",
            str(found or module),
            "" if found else t(f"安装 {module}，或设 PKCS11_MODULE", f"install {module}, or set PKCS11_MODULE"),
        )
    why = why_no_tokens() if modules else None
    if why and find_module() is not None:
        yield Finding("pkcs11", t(*why), "pip install tongguan[pkcs11]")


def _short_messages(settings: Settings) -> Iterable[Finding]:
    """A provider whose address or token cannot be used; a file needs nothing."""
    if settings.sms.kind == "http":
        wire = Wire()
        try:
            HttpProvider(settings.sms, settings.gateway.environment, settings.home, wire)
        except SettingsWrong as wrong:
            yield Finding("sms", str(wrong), t("改正 [sms] 设置", "mend the settings of [sms]"))
        else:
            yield Finding("sms", settings.sms.url)
        finally:
            wire.stop()


def _font(settings: Settings) -> Finding:
    try:
        path = find_font(settings.prints.font, settings.home)
        Letters(path)
    except FontMissing as missing:
        return Finding("font", str(missing), t("用 prints.font 指定中文字体文件", "name a Chinese font file as prints.font"))
    return Finding("font", path.name)


def _folders(settings: Settings) -> Iterable[Finding]:
    for account in settings.account:
        mailbox = settings.mailbox(account)
        missing = [box for box in _BOXES if not os.access(mailbox / box, os.W_OK | os.X_OK)]
        do = t(f"创建或授权：{' '.join(missing)}", f"make them, or let us write: {' '.join(missing)}") if missing else ""
        yield Finding(f"mailbox {account.name}", str(mailbox), do)


def _secrets(settings: Settings) -> Iterable[Finding]:
    """PIN files must be nobody else's."""
    for account in settings.account:
        for card in account.card:
            kind, _, place = card.pin.partition(":")
            if kind != "file":
                continue
            path = settings.path(place)
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except OSError as error:
                yield Finding(f"pin {card.name}", f"{path}: {error.strerror}", t("写入 PIN 文件", "write the PIN file"))
                continue
            yield Finding(f"pin {card.name}", f"{path} {mode:o}", f"chmod 600 {path}" if mode & 0o077 else "")


def _cards() -> Iterable[Finding]:
    for card in list_states():
        here_it_is = card["present"] and card["matches"]
        do = card["do"] if card["state"] != "open" else "" if here_it_is else t("插入该卡", "put the card in")
        yield Finding(f"card {card['name']}", f"{card['number']} {card['valid_until']} {card['state']}", do)


def _endpoints(settings: Settings) -> Iterable[Finding]:
    # Imported here: only doctor speaks to the endpoints, and every other command would wait for these.
    from tongguan.routes.https import HttpsRoute
    from tongguan.routes.wire import Wire

    wire = Wire()
    wire.start()
    try:
        for name, route in settings.route.items():
            healthy = HttpsRoute(name, route, settings.home, wire).healthy()
            do = (
                ""
                if healthy
                else t("检查网络和地址；测试环境：tongguan simulate", "check network and url; in a test home: tongguan simulate")
            )
            yield Finding(f"route {name}", route.url, do)
    finally:
        wire.stop()
