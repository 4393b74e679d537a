"""What a home's gateway is like at this moment: counts, ages, lanes, and each trouble with the command to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

import orjson

from tongguan.gateway.cli import here
from tongguan.gateway.cli.here import t
from tongguan.gateway.cli.ordering import daemon_runs
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import NoJournal
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.kernel.settings import Settings

_OPEN = (State.RECEIVED, State.CHECKED, State.SEALED, State.SENT, State.HELD, State.UNMATCHED, State.QUARANTINED)
_SILENT_MS = 180_000  #: a heartbeat is due every half minute
_BACKLOG_MS = 900_000  #: nothing of ours should lie longer before it is sent
_UNMATCHED_MS = 3_600_000
_SOON_MS = 86_400_000
_GRAVE = {"station", "settings"}  #: problems of the heartbeat with which the gateway cannot go on
_MOST_DEADLINES = 20


class Level(IntEnum):
    """The exit code of `tongguan status`."""

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


@dataclass(frozen=True)
class Survey:
    """One look at everything; `heartbeat` is empty when the gateway has never run."""

    running: bool
    heartbeat: Mapping[str, Any]
    counts: Sequence[tuple[str, str, str, int]] = ()
    oldest: Mapping[str, int] = field(default_factory=dict)  #: state to when its oldest message came
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    deadlines: Sequence[Message] = ()

    @property
    def level(self) -> Level:
        return max((trouble.level for trouble in self.troubles), default=Level.WELL)

    @property
    def troubles(self) -> list[Trouble]:
        found = [*self._of_life(), *self._of_lanes(), *self._of_messages(), *self._of_heartbeat()]
        return sorted(found, key=lambda trouble: -trouble.level)

    def count(self, state: State) -> int:
        return sum(count for _, _, name, count in self.counts if name == state)

    def _of_life(self) -> Iterable[Trouble]:
        home = here.home()
        if not self.running:
            yield Trouble(Level.CRITICAL, "stopped", t("网关没有运行", "the gateway does not run"), f"tongguan run --home {home}")
        elif self.heartbeat and clock.now_ms() - _moment(self.heartbeat["at"]) > _SILENT_MS:
            silent = t(f"网关自 {self.heartbeat['at']} 起没有心跳", f"no heartbeat since {self.heartbeat['at']}")
            yield Trouble(Level.CRITICAL, "silent", silent, "tongguan doctor", _moment(self.heartbeat["at"]))

    def _of_lanes(self) -> Iterable[Trouble]:
        for lane in self.lanes.values():
            level = (
                Level.CRITICAL if lane.reason == "pin" or (lane.probe_at is None and lane.reason != "paused") else Level.WARNING
            )
            said = t("已暂停" if lane.reason == "paused" else "已关闭", "paused" if lane.reason == "paused" else "shut")
            yield Trouble(level, "lane", f"{lane.name} {said}: {lane.reason} {lane.text}".strip(), lane.do, lane.since)

    def _of_messages(self) -> Iterable[Trouble]:
        now = clock.now_ms()
        if held := self.count(State.HELD):
            yield Trouble(
                Level.WARNING,
                "held",
                t(f"{held} 条报文停留，等人处理", f"{held} held for a person"),
                "tongguan list --state held",
            )
        if kept := self.count(State.QUARANTINED):
            yield Trouble(
                Level.WARNING,
                "quarantined",
                t(f"{kept} 份回执被隔离", f"{kept} receipts in quarantine"),
                "tongguan quarantine list",
            )
        since = self.oldest.get(State.UNMATCHED)
        if since is not None and now - since > _UNMATCHED_MS:
            many = self.count(State.UNMATCHED)
            yield Trouble(
                Level.WARNING,
                "unmatched",
                t(f"{many} 份回执未匹配", f"{many} receipts match nothing"),
                "tongguan quarantine list",
                since,
            )
        for state in (State.RECEIVED, State.CHECKED, State.SEALED):
            since = self.oldest.get(state)
            if since is not None and now - since > _BACKLOG_MS:
                text = t(f"最早的 {state} 报文来自 {clock.show(since)}", f"the oldest {state} message came {clock.show(since)}")
                yield Trouble(Level.WARNING, "backlog", text, f"tongguan list --state {state}", since)

    def _of_heartbeat(self) -> Iterable[Trouble]:
        for problem in self.heartbeat.get("problems", ()) if self.running else ():
            # Shut lanes are told from the journal, which knows more of them.
            if problem["code"] != "lane":
                level = Level.CRITICAL if problem["code"] in _GRAVE else Level.WARNING
                yield Trouble(level, problem["code"], problem["text"], problem["do"], _moment(problem["since"]))


def _moment(text: str) -> int:
    return clock.to_ms(datetime.fromisoformat(text))


def survey(settings: Settings) -> Survey:
    """Look at journal, lock and heartbeat; a home that never ran is one that does not run."""
    running, heartbeat = daemon_runs(), _heartbeat(settings)
    try:
        with here.journal() as journal, journal.read() as records:
            return Survey(
                running,
                heartbeat,
                counts=records.tally(),
                oldest=_oldest(records),
                lanes=records.lanes(),
                deadlines=records.overdue(clock.now_ms() + _SOON_MS, _MOST_DEADLINES),
            )
    except NoJournal:
        return Survey(running, heartbeat)


def _oldest(records: Records) -> dict[str, int]:
    return {state.value: at for state in _OPEN if (at := records.oldest(state)) is not None}


def _heartbeat(settings: Settings) -> dict[str, Any]:
    """The newest of the accounts' heartbeats."""
    found = []
    for account in settings.account:
        try:
            found.append(orjson.loads((settings.mailbox(account) / "Status" / "heartbeat.json").read_bytes()))
        except (FileNotFoundError, ValueError):
            continue
    return max(found, key=lambda page: str(page["at"]), default={})
