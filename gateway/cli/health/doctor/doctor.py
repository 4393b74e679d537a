"""Is this machine fit, and are the settings right? Every look gives one line: ok, or what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from cryptography.x509 import Certificate

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.cli import context
from tongguan.gateway.cli.cards.cards import list_states
from tongguan.gateway.cli.context import t, words
from tongguan.gateway.cli.health.doctor.finding import Finding
from tongguan.gateway.cli.health.doctor.security import pins, production, secrets, to_be_read, tokens
from tongguan.gateway.cli.setup.mailboxes import left_behind, mailbox_troubles, tell_left_behind
from tongguan.gateway.daemon.alert_ways import make_sender
from tongguan.gateway.daemon.assembly import mailbox_group
from tongguan.gateway.daemon.start_checks.profile_settings import fit_profiles
from tongguan.gateway.daemon.start_checks.recipients import RecipientFile, named, read_recipient
from tongguan.gateway.home.home import why_no_tokens
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, SettingsWrong
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account, Route, Settings, own_files
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import FILE, BusinessClock, kept_line
from tongguan.gateway.system.storage import files, home_lock, permissions
from tongguan.gateway.system.storage.disk import shortages
from tongguan.gateway.system.storage.folders import FOLDERS
from tongguan.outbox.alert_channels import ChannelSettings
from tongguan.outbox.prints.font import Font, FontMissing, find_font
from tongguan.routes import trust
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.sms import HttpProvider
from tongguan.signer.cards.module import find_module
from tongguan.signer.certificate_file import NoCertificate, certificates_in
from tongguan.signer.envelope import out_of_time

_LEAST_FREE_BYTES = 1_000_000_000


def findings() -> list[Finding]:
    """Everything of this machine and home that the gateway needs, and whether the authorities answer."""
    # Imported here: it brings kombu along, and only doctor speaks to the broker.
    from tongguan.gateway.cli.health.doctor.broker import broker_findings

    return [*findings_here(), *_endpoints(context.settings()), *broker_findings(context.settings())]


def findings_here() -> list[Finding]:
    """Everything of this machine and home that the gateway needs."""
    settings, states = context.settings(), list_states()
    return [
        *_machine(settings),
        *_journal(settings),
        *settings_findings(settings),
        *_folders(settings),
        *_lines(settings),
        *pins(settings, {state["name"]: state["pin_lengths"] for state in states}),
        *_cards(states),
    ]


def _look(check: str, look: Callable[[], str], do: str) -> Finding:
    """What a look shows; else why it cannot be used, and what to do."""
    try:
        return Finding(check, look())
    except (SettingsWrong, FontMissing) as wrong:
        return Finding(check, words(wrong), do)


def _machine(settings: Settings) -> Iterable[Finding]:
    # Imported here: it brings SQLAlchemy along.
    from tongguan.gateway.journal.database.engine import old_sqlite

    yield Finding("python", sys.version.split()[0])
    old = old_sqlite()
    yield Finding("sqlite", t(*old.what) if old else sqlite3.sqlite_version, t(*old.do) if old else "")
    if (gateway := permissions.owner(settings.home)) != os.geteuid():
        name = permissions.user(gateway)
        zh, en = f"主目录属于 {name}；root 能做的，网关未必能做", f"the home is {name}'s: what root may, the gateway may not"
        yield Finding("user", t(zh, en), f"sudo -u {name} tongguan doctor", warning=True)
    for wrong in home_lock.in_the_way(settings.home):
        yield Finding("home", words(wrong), t("移开它", "move it away"))
    free = shutil.disk_usage(settings.home).free
    short = t("请腾出磁盘空间", "make room on the disk") if free < _LEAST_FREE_BYTES else ""
    yield Finding("disk", f"{free // 1_000_000} MB", short)
    for full in shortages([settings.home, *map(settings.mailbox, settings.account)]):
        if full.no_names:
            yield Finding(
                "disk", t(*full.said), t(f"删除用不着的文件：{full.look}", f"take away files that nobody needs: {full.look}")
            )


def _journal(settings: Settings) -> Iterable[Finding]:
    """Is the journal whole, does it agree with its anchor, and is it the gateway's alone?"""
    # Imported here: they bring SQLAlchemy along.
    from tongguan.gateway.journal.database.engine import MEND, damage, examine
    from tongguan.gateway.journal.history.consistency import RESTORE

    home, url = settings.home, settings.database.url
    try:
        context.not_held()
        examine(url, home)
        if said := damage(url, home):
            yield Finding("journal", said, t(*MEND))
        elif wrong := context.disagreement():
            yield Finding("journal", wrong, t(*RESTORE))
        else:
            with context.journal():  # it is of this program's release
                yield Finding("journal", url)
    except NoJournal:
        yield from _none_yet()
    except JournalUnfit as unfit:
        yield Finding("journal", t(*unfit.what), t(*unfit.do))
    for path in permissions.loose(home, own_files(settings)):
        yield Finding("private", str(path), f"chmod go= {path}")


def _none_yet() -> Iterable[Finding]:
    """There is no journal: the gateway has never run, or it is lost."""
    from tongguan.gateway.journal.history.consistency import RESTORE

    try:
        lost = context.disagreement()
        yield Finding("journal", lost or t("还没有", "none yet"), t(*RESTORE) if lost else "")
    except JournalUnfit as unfit:
        yield Finding("journal", t(*unfit.what), t(*unfit.do))


def settings_findings(settings: Settings) -> list[Finding]:
    """The settings and all that they name; they have been read before."""
    return [
        Finding("settings", f"{settings.home}/tongguan.toml"),
        *_profiles(settings),
        *_groups(settings),
        *_left_behind(settings),
        *_routes(settings),
        *_certificates(settings),
        *_tokens(settings),
        *_short_messages(settings),
        *_alert_channels(settings),
        *_broker(settings),
        *secrets(settings),
        *tokens(settings),
        *production(settings),
        *_clock(settings),
        _font(settings),
    ]


def _alert_channels(settings: Settings) -> Iterable[Finding]:
    """The ways in which alerts reach people; none is tried here."""
    with EventLoop() as wire:
        for channel in settings.alerts.channels:

            def usable(channel: ChannelSettings = channel) -> str:
                make_sender(channel, settings, wire)
                return t("可用；试送：", "may be used; for a trial: ") + f"tongguan alerts test {channel.name}"

            yield _look(f"alerts {channel.name}", usable, t("改正该渠道的设置", "mend the settings of this channel"))


def _broker(settings: Settings) -> Iterable[Finding]:
    if settings.broker.url:
        # Imported here: it brings kombu along.
        from tongguan.gateway.cli.health.doctor.broker import broker_settings

        yield from broker_settings(settings)


def _profiles(settings: Settings) -> Iterable[Finding]:
    try:
        profiles = load_profiles(home=settings.home)
        compile_all(profiles)
    except SettingsWrong as wrong:
        yield Finding("profiles", words(wrong), t("改正所列文件", "mend the files named"))
        return
    yield Finding("profiles", t(f"{len(profiles)} 种单证", f"{len(profiles)} document types"))
    try:
        fit_profiles(settings, profiles)
    except SettingsWrong as wrong:
        yield Finding("accounts", words(wrong), t("改正这些设置", "mend these settings"))


def _left_behind(settings: Settings) -> Iterable[Finding]:
    """Files that wait for an account that is not in these settings."""
    for outbox, count in left_behind(settings).items():
        yield Finding(f"mailbox {outbox.parent.name}", *tell_left_behind(outbox, count), warning=True)


def _groups(settings: Settings) -> Iterable[Finding]:
    """Groups of mailboxes that the system does not have: no gateway starts with them."""
    for account in settings.account:
        try:
            mailbox_group(account)
        except SettingsWrong as wrong:
            yield Finding(f"mailbox {account.name}", words(wrong), t("建立该组，或改正 group", "make the group, or mend `group`"))


def _routes(settings: Settings) -> Iterable[Finding]:
    """An address or a TLS setting with which no gateway starts."""
    for name, route in settings.route.items():

        def usable(name: str = name, route: Route = route) -> str:
            if trust.address(name, route).scheme == "https":
                trust.tls(name, route, settings.home)
            return ""

        found = _look(f"route {name}", usable, t("改正这项设置", "mend this setting"))
        if not found.ok:
            yield found


def _certificates(settings: Settings) -> Iterable[Finding]:
    for name, route in settings.route.items():
        for file in route.certificates:
            yield _certificate(f"route {name} {file}", settings.path(file))
    for one in named(settings):
        yield _recipient(settings, one)
    for check, path in settings.own_certificates():
        with contextlib.suppress(OSError, NoCertificate):  # said of the setting
            yield _in_time(check, certificates_in(files.read(path))[:1], warning=True)
    yield from _shared_keys(settings)


def _shared_keys(settings: Settings) -> Iterable[Finding]:
    """A key that several routes trust proves none of them."""
    from tongguan.gateway.daemon.assembly import pinned, shared_keys  # commands that only look load none of it

    with contextlib.suppress(SettingsWrong):  # said of the file itself
        for routes in shared_keys(settings, pinned(settings)).values():
            names = " ".join(routes)
            yield Finding(
                f"routes {names}",
                t("同一签名密钥在多个通道中受信，其回执均不予采信", "one signing key is trusted by several: none believes it"),
                t(
                    "从其余通道移除该证书；若为同一平台签发，请在各通道设 one_platform = true",
                    "take the certificate out of the others; if one platform signs for all of them, say one_platform = true in each",
                ),
            )


def _certificate(check: str, path: Path) -> Finding:
    try:
        found = certificates_in(files.read(path))
    except NoCertificate as wrong:
        return Finding(check, t(wrong.zh, wrong.en), t("放入该机关的证书", "put the authority's certificate there"))
    except OSError as wrong:
        said = f"{path}: {wrong.strerror}"
        return Finding(check, said, to_be_read(path) or t("放入该机关的证书", "put the authority's certificate there"))
    return _in_time(check, found)


def _in_time(check: str, found: Sequence[Certificate], *, warning: bool = False) -> Finding:
    if wrong := next((why for each in found if (why := out_of_time(each, clock.now()))), None):
        return Finding(check, t(*wrong), t("更换证书", "replace it"), warning)
    until = min(each.not_valid_after_utc for each in found).strftime("%Y-%m-%d")
    return Finding(check, t(f"有效期至 {until}", f"valid until {until}"))


def _recipient(settings: Settings, one: RecipientFile) -> Finding:
    """Can be encrypted to this certificate?"""
    name, key, file = one

    check, do = (
        f"route {name} {key} {file}",
        t("放入该机关的 RSA 加密证书（PEM）", "put the authority's RSA encryption certificate (PEM) there"),
    )
    try:
        certificate = read_recipient(settings, one)
    except SettingsWrong as wrong:
        return Finding(check, words(wrong), to_be_read(settings.path(file)) or do)
    if (why := out_of_time(certificate, clock.now())) is not None:
        return Finding(check, t(*why), do)
    until = certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    return Finding(check, t(f"加密，有效期至 {until}", f"encrypts, valid until {until}"))


def _tokens(settings: Settings) -> Iterable[Finding]:
    modules = {card.module for card in settings.cards if card.kind == "pkcs11"}
    for module in sorted(modules):
        found = find_module(module, settings.home)
        yield Finding(
            "pkcs11",
            str(found or module),
            "" if found else _install(module),
        )
    why = why_no_tokens() if modules else None
    if why and find_module() is not None:
        yield Finding("pkcs11", t(*why), "pip install tongguan[pkcs11]")


def _install(module: str) -> str:
    if not module:
        return t("在设置中写上卡的库：module", "name the card's library in the settings: module")
    return t(f"安装 {module}，或设 PKCS11_MODULE", f"install {module}, or set PKCS11_MODULE")


def _short_messages(settings: Settings) -> Iterable[Finding]:
    """A provider whose address or token cannot be used; a file needs nothing."""
    if settings.sms.kind == "http":

        def usable() -> str:
            with EventLoop() as wire:
                HttpProvider(settings.sms, settings.gateway.environment, settings.home, wire)
            return settings.sms.url

        yield _look("sms", usable, t("改正 [sms] 设置", "mend the settings of [sms]"))


def _clock(settings: Settings) -> Iterable[Finding]:
    """Of a test home whose business clock is not the machine's: what time it is, and how fast it goes."""
    speed, file = settings.clock.speed, settings.path(FILE)
    line = kept_line(settings.home)
    if settings.gateway.environment != "test" or (speed == 1 and not file.exists()):
        return
    if line is None:
        zh, en = f"业务时钟将以 {speed} 倍速运行", f"the business clock will run {speed} times as fast"
        wrong = (
            t("读不出；网关启动时重写", "it cannot be read: the gateway writes it anew when it starts") if file.exists() else ""
        )
        yield Finding("clock", f"{t(zh, en)} {file}", wrong, warning=True)
        return
    time = (times.show(BusinessClock(line).now_ms()) or "")[:19].replace("T", " ")
    zh = f"业务时钟 {time}，现 {line.speed} 倍速，设置为 {speed} 倍速"
    yield Finding("clock", t(zh, f"business clock {time}, now {line.speed} times as fast, by the settings {speed} times"))


def _font(settings: Settings) -> Finding:
    def font() -> str:
        path = find_font(settings.prints.font, settings.home)
        Font(path)
        return path.name

    return _look("font", font, t("用 prints.font 指定中文字体文件", "name a Chinese font file as prints.font"))


def _lines(settings: Settings) -> Iterable[Finding]:
    """Files to which lines are added: can they be, where they are named?"""
    sms = [settings.sms.file] if settings.sms.kind == "file" else []
    for check, file in zip(("alerts", "sms"), [settings.alerts.file, *sms], strict=False):
        path = settings.path(file)
        if os.path.lexists(path):
            fit = os.path.isfile(path) and os.access(path, os.W_OK)
        else:
            fit = os.path.isdir(path.parent) and os.access(path.parent, os.W_OK | os.X_OK)
        zh, en = f"让网关能写 {path}，或改 {check}.file", f"let the gateway write {path}, or name another one as {check}.file"
        yield Finding(f"{check} file", str(path), "" if fit else t(zh, en))


def _folders(settings: Settings) -> Iterable[Finding]:
    gateway = permissions.owner(settings.home)
    for account in settings.account:
        mailbox, check = settings.mailbox(account), f"mailbox {account.name}"
        try:
            wrong = mailbox_troubles(settings, account)
        except JournalUnfit:  # told of the journal, which alone knows whether the folder is the account's
            continue
        yield from (Finding(check, words(each), each.do(context.language())) for each in wrong)
        if not wrong:
            yield Finding(check, str(mailbox))
            yield from _open_to_others(check, mailbox, gateway)
            yield from _open_to_group(check, account, mailbox, gateway)


def _open_to_group(check: str, account: Account, mailbox: Path, gateway: int) -> Iterable[Finding]:
    """Can the enterprise's group reach the mailbox that it may work in, and read the gateway what it drops there?"""
    try:
        group = mailbox_group(account)
    except SettingsWrong:  # said of the settings
        return
    if group is None:
        return
    me = permissions.user(gateway)
    if gateway and group not in permissions.groups(gateway):
        text = t(f"网关的用户 {me} 不在组 {account.group} 中", f"the gateway's user {me} is not in the group {account.group}")
        yield Finding(check, text, f"usermod -a -G {account.group} {me}")
    for folder in reversed(Path(os.path.realpath(mailbox)).parents):
        seen = folder.stat()
        if not (seen.st_mode & stat.S_IXOTH or (seen.st_gid == group and seen.st_mode & stat.S_IXGRP)):
            text = t(f"组 {account.group} 进不了 {folder}", f"the group {account.group} cannot pass through {folder}")
            yield Finding(check, text, f"chmod o+x {quote(str(folder))}")


def _open_to_others(check: str, mailbox: Path, gateway: int) -> Iterable[Finding]:
    """Whoever may write into a mailbox speaks for its account; `work/` and `Status/` are the gateway's own."""
    for name in ("", *FOLDERS):
        if not (mailbox / name).is_dir():
            continue
        seen = (mailbox / name).stat()
        if seen.st_mode & stat.S_IWOTH and not seen.st_mode & stat.S_ISVTX:
            text = t(f"{mailbox / name} 任何人都可写", f"{mailbox / name} may be written by everybody")
            yield Finding(check, text, f"chmod o-w {quote(str(mailbox / name))}")
        if name in ("work", "Status") and seen.st_uid not in (gateway, 0):
            owner = permissions.user(seen.st_uid)
            text = t(f"{mailbox / name} 属于用户 {owner}", f"{mailbox / name} belongs to user {owner}")
            yield Finding(check, text, f"chown {permissions.user(gateway)} {quote(str(mailbox / name))}")


def _cards(states: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    for card in states:
        yield Finding(
            f"card {card['name']}", f"{card['number']} {card['valid_until']} {card['text'] or card['state']}", card["do"]
        )


def _endpoints(settings: Settings) -> Iterable[Finding]:
    # Imported here: only doctor speaks to the endpoints, and every other command would wait for this.
    from tongguan.routes.https import HttpsRoute

    with EventLoop() as wire:
        for name, route in settings.route.items():
            try:
                healthy = HttpsRoute(name, route, settings.home, wire).healthy()
            except SettingsWrong:  # said of that setting
                continue
            do = t("检查网络和地址", "check network and url")
            if settings.gateway.environment == "test":
                do += t("；测试环境：tongguan simulate", "; in a test home: tongguan simulate")
            yield Finding(f"route {name}", route.url, "" if healthy else do)
