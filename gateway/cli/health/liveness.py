"""Does the gateway live, and can it write? Seen from outside: what it cannot tell by itself, as when the disk is full.

Nothing here waits for the gateway, nor writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import orjson

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t
from tongguan.gateway.cli.messages.orders import daemon_runs
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files, home_lock
from tongguan.gateway.system.storage.disk import shortages
from tongguan.gateway.system.threads import ANSWER, within

SILENT_MS = 20_000  #: a heartbeat is due every five seconds
LOCKED_SECONDS = 3.0  #: the gateway itself holds the journal for moments only


class Level(IntEnum):
    """The exit code of `tongguan status`; what is `WELL` is said, and nothing is wrong."""

    WELL = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True)
class Trouble:
    level: Level
    code: str
    text: str
    do: str
    since: int | None = None


def is_running(settings: Settings) -> bool | None:
    """Does a gateway hold the home? Where that may not be asked its heartbeat tells; None where none can be read either."""
    try:
        return daemon_runs()
    except OSError:
        pages = heartbeats(settings)
        return any(not _silent(page) for page in pages.values()) if pages else None


def heartbeats(settings: Settings) -> dict[str, dict[str, Any]]:
    """What each account's mailbox says last; one that says nothing sensible is left out."""
    places = {account.name: settings.mailbox(account) for account in settings.account}
    pages = within(ANSWER, {place: partial(_page, place) for place in places.values()})
    return {name: page for name, place in places.items() if (page := pages.get(place)) is not None}


def _page(mailbox: Path) -> dict[str, Any] | None:
    try:
        page: dict[str, Any] = orjson.loads(files.read(mailbox / "Status" / "heartbeat.json"))
        times.read(page["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return page


def of_this_run(settings: Settings, running: bool | None, pages: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The heartbeats without those that an earlier gateway left to one that has just begun."""
    since = _begun(settings) if running and _just_begun(settings) else 0
    return [page for page in pages.values() if times.read(page["at"]) >= since]


def troubles_of_life(settings: Settings, running: bool | None, pages: Mapping[str, Mapping[str, Any]]) -> Iterable[Trouble]:
    """Whether it runs, whether each mailbox hears of it, whether the disks have room."""
    if running is None:
        yield _unseen(settings)
    elif not running:
        yield _stopped(settings, pages)
    elif not _just_begun(settings):
        yield from _silences(settings, pages)
    elif len(of_this_run(settings, running, pages)) < len(settings.account):
        text = t("网关刚刚启动，第一次心跳还没有到", "the gateway has just begun, its first heartbeat is still to come")
        yield Trouble(Level.WELL, "begun", text, "tongguan status", _begun(settings))
    for short in shortages([settings.home, *(settings.mailbox(account) for account in settings.account)]):
        yield Trouble(Level.CRITICAL if short.full else Level.WARNING, "disk", t(*short.said), short.look)


def _unseen(settings: Settings) -> Trouble:
    zh, en = (
        "看不到网关是否在运行：本用户无权读取它的文件；请以主目录的属主执行",
        "whether the gateway runs cannot be seen: this user may not read its files; type it as the home's user",
    )
    do = f"sudo -u '#{settings.home.stat().st_uid}' tongguan status --home {quote(str(context.home()))}"
    return Trouble(Level.CRITICAL, "unseen", t(zh, en), do)


def _stopped(settings: Settings, pages: Mapping[str, Mapping[str, Any]]) -> Trouble:
    last = max((str(page["at"]) for page in pages.values()), default=None)
    text = t("网关没有运行", "the gateway does not run")
    if last:
        text += t(f"；最后的心跳在 {last}", f"; its last heartbeat was {last}")
    elif not _begun(settings):
        text += t("；从未运行过", "; it never ran here")
    return Trouble(
        Level.CRITICAL, "stopped", text, f"tongguan run --home {quote(str(context.home()))}", times.read(last) if last else None
    )


def _silences(settings: Settings, pages: Mapping[str, Mapping[str, Any]]) -> Iterable[Trouble]:
    for account in settings.account:
        page = pages.get(account.name)
        if page is None:
            where = settings.mailbox(account) / "Status"
            yield Trouble(Level.CRITICAL, "silent", t(f"{where} 里没有心跳", f"no heartbeat in {where}"), "tongguan doctor")
        elif _silent(page):
            zh = f"账户 {account.name} 的信箱自 {page['at']} 起没有心跳"
            en = f"no heartbeat since {page['at']} in the mailbox of {account.name}"
            yield Trouble(Level.CRITICAL, "silent", t(zh, en), "tongguan doctor", times.read(page["at"]))


def _silent(page: Mapping[str, Any]) -> bool:
    # Also one of the future: the clock was set back, and who lives has written another within seconds.
    return abs(clock.now_ms() - times.read(page["at"])) > SILENT_MS


def _just_begun(settings: Settings) -> bool:
    """A gateway that took the home a moment ago has had no time for a heartbeat."""
    return abs(clock.now_ms() - _begun(settings)) < SILENT_MS


def _begun(settings: Settings) -> int:
    """When a gateway took the home; 0 where none ever did."""
    try:
        return os.stat(settings.home / home_lock.LOCK).st_mtime_ns // 1_000_000
    except OSError:
        return 0
