"""What a home's gateway is like at this moment: counts, ages, lanes, and each trouble with the command to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t, words
from tongguan.gateway.cli.health.liveness import (
    LOCKED_SECONDS,
    Level,
    Trouble,
    heartbeats,
    is_running,
    of_this_run,
    troubles_of_life,
)
from tongguan.gateway.cli.setup.mailboxes import left_behind, mailbox_troubles, strange_originals, tell_left_behind, tell_strange
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, StationBroken, many
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import Message, State, shows_held
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage.folders import Away

__all__ = ["HealthReport", "Level", "Trouble", "health_report"]

_OPEN = (State.RECEIVED, State.CHECKED, State.SEALED, State.SENT, State.HELD, State.UNMATCHED, State.QUARANTINED)
_BACKLOG_MS = 900_000  #: nothing of ours should lie longer before it is sent
_UNMATCHED_MS = 3_600_000
_SOON_MS = 86_400_000
_GRAVE = {"station", "settings", "thread"}  #: problems of the heartbeat with which the gateway cannot go on
_SEEN_HERE = {
    "lane",
    "disk",
    "mailbox",
    "held",
    "quarantined",
    "backlog",
}  #: told from what is seen now, which is newer and says more
_MOST_DEADLINES = 20


@dataclass(frozen=True)
class HealthReport:
    """One look at everything; `heartbeat` is empty when the gateway has never run."""

    running: bool | None  #: None: whoever asks may not see that
    heartbeat: Mapping[str, Any]
    counts: Sequence[tuple[str, str, str, int]] = ()
    oldest: Mapping[str, int] = field(default_factory=dict)  #: state to when its oldest message came
    lanes: Mapping[Lane, ClosedLane] = field(default_factory=dict)
    deadlines: Sequence[Message] = ()
    mailboxes: Mapping[str, Sequence[Away]] = field(default_factory=dict)  #: what is wrong with an account's folders
    life: Sequence[Trouble] = ()  #: what is seen from outside

    @property
    def level(self) -> Level:
        return max((trouble.level for trouble in self.troubles), default=Level.WELL)

    @property
    def troubles(self) -> list[Trouble]:
        found = [*self.life, *self._of_mailboxes(), *self._of_lanes(), *self._of_messages(), *self._of_heartbeat()]
        return sorted(found, key=lambda trouble: -trouble.level)

    def count(self, state: State) -> int:
        return sum(count for _, _, name, count in self.counts if name == state)

    def _of_mailboxes(self) -> Iterable[Trouble]:
        for account, wrong in self.mailboxes.items():
            for each in wrong:
                text = f"{account}: {words(each)}"
                yield Trouble(Level.CRITICAL, "mailbox", text, each.do(context.language()))

    def _of_lanes(self) -> Iterable[Trouble]:
        told: set[tuple[str, str, str]] = set()  #: of one route several lanes are shut for one reason
        for lane in self.lanes.values():
            key = (lane.name.name, lane.reason, lane.do)
            if key in told or self._told_of_card(lane):
                continue
            told.add(key)
            level = _level_of(lane)
            said = t("已暂停", "paused") if lane.reason == "paused" else t("已关闭：", "is shut: ")
            by = t(f"（{lane.who}）", f" (by {lane.who})") if lane.who else ""
            text = f"{lane.name} {said} {context.told(lane.text) or lane.reason}".rstrip() + by
            yield Trouble(level, "lane", text, context.told(lane.do) or "", lane.since)

    def _told_of_card(self, lane: ClosedLane) -> bool:
        """Does the gateway tell of this lane's card already?"""
        of_card = lane.name.kind in (LaneKind.CARD, LaneKind.PRESENCE) and lane.reason != "paused"
        return of_card and any(p["code"] == "card" and p.get("about") == lane.name.name for p in self._problems)

    @property
    def _problems(self) -> Sequence[Mapping[str, Any]]:
        return self.heartbeat.get("problems", ()) if self.running else ()

    def _of_messages(self) -> Iterable[Trouble]:
        now = clock.now_ms()
        held, kept = self.count(State.HELD), self.count(State.QUARANTINED)
        if held:
            text = t(f"{held} 条报文暂挂，等人处理", f"{many(held, 'message')} held for a person")
            yield Trouble(Level.WARNING, "held", text, shows_held(self.counts))
        if kept:
            text = t(f"{kept} 份回执被隔离", f"{many(kept, 'receipt')} not believed, in quarantine")
            yield Trouble(Level.WARNING, "quarantined", text, "tongguan quarantine list")
        since = self.oldest.get(State.UNMATCHED)
        if since is not None and now - since > _UNMATCHED_MS:
            lost = self.count(State.UNMATCHED)
            text = t(f"{lost} 份回执未匹配", f"{many(lost, 'receipt')} without a match")
            yield Trouble(Level.WARNING, "unmatched", text, "tongguan quarantine list", since)
        waiting = [(at, state) for state in (State.RECEIVED, State.CHECKED, State.SEALED) if (at := self.oldest.get(state))]
        since, state = min(waiting, default=(now, State.RECEIVED))
        if now - since > _BACKLOG_MS:
            text = t(f"有报文自 {times.show(since)} 起等待发送", f"messages have waited since {times.show(since)}")
            yield Trouble(Level.WARNING, "backlog", text, f"tongguan list --state {state}", since)

    def _of_heartbeat(self) -> Iterable[Trouble]:
        shut = {lane.name.name for lane in self.lanes.values() if _level_of(lane) is Level.CRITICAL}
        for problem in self._problems:
            if problem["code"] not in _SEEN_HERE:
                grave = problem["code"] in _GRAVE or (problem["code"] == "card" and problem.get("about") in shut)
                text = problem.get("texts", {}).get(context.language()) or problem["text"]
                level = Level.CRITICAL if grave else Level.WARNING
                yield Trouble(level, problem["code"], text, problem["do"], times.read(problem["since"]))


def _level_of(lane: ClosedLane) -> Level:
    if lane.reason == "paused":  # by a person who knows: told, and no fault, in the heartbeat too
        return Level.WELL
    return Level.CRITICAL if lane.reason == "pin" or lane.probe_at is None else Level.WARNING


def health_report(settings: Settings) -> HealthReport:
    """Look at journal, lock, disks and heartbeats; a home that never ran is one that does not run."""
    running, pages = is_running(settings), heartbeats(settings)
    heartbeat = max(of_this_run(settings, running, pages), key=lambda page: times.read(page["at"]), default={})
    life = list(troubles_of_life(settings, running, pages))
    life += (Trouble(Level.WARNING, "mailbox", *tell_left_behind(*left)) for left in left_behind(settings).items())
    try:
        with context.journal() as journal:
            if running is False and (wrong := context.disagreement()):  # to start it will not help
                life.append(_broken(wrong))
            if running and (why := journal.why_not_writable(LOCKED_SECONDS)):
                life.append(_broken(why))
            strange = strange_originals(settings, journal)
            life += (Trouble(Level.WARNING, "mailbox", *tell_strange(*each)) for each in strange.items())
            with journal.search() as records:
                return HealthReport(
                    running,
                    heartbeat,
                    counts=records.tally(),
                    oldest=_oldest(records),
                    lanes=records.lanes(),
                    deadlines=records.overdue(clock.now_ms() + _SOON_MS, _MOST_DEADLINES),
                    mailboxes={a.name: mailbox_troubles(settings, a) for a in settings.account},
                    life=life,
                )
    except NoJournal as gone:
        lost = t(f"{gone} 不见了", f"{gone} is gone") if running else None if running is None else context.disagreement()
        life += [_broken(lost)] if lost else []
    except (StationBroken, JournalUnfit) as broken:
        life.append(_broken(words(broken)))
    return HealthReport(running, heartbeat, life=life)


def _broken(why: str) -> Trouble:
    return Trouble(Level.CRITICAL, "journal", t(f"日志库有问题：{why}", f"trouble with the journal: {why}"), "tongguan doctor")


def _oldest(records: Search) -> dict[str, int]:
    return {state.value: at for state in _OPEN if (at := records.oldest(state)) is not None}
