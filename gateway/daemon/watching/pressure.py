"""Is there room to take in more? Where the disk of the journal, or what waits in it, says no, all doors pause, until it is well below that.

Promises: files stay in OutBox and messages in the broker; what was taken goes on; the reason stands as an alert, and is shown in each mailbox.
"""

from __future__ import annotations

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import each_of, in_both
from tongguan.gateway.model.message import Kind, State
from tongguan.gateway.settings import Settings
from tongguan.gateway.system.storage.disk import Room, room
from tongguan.outbox.alerts import Alerts

_WAITING = (State.RECEIVED, State.CHECKED, State.SEALED)
_RESUME = 0.8  #: of the most that may wait


class Pressure:
    """Looked at by one thread, read by all doors."""

    def __init__(self, settings: Settings, journal: Journal, alerts: Alerts) -> None:
        self._home, self._most = settings.home, settings.gateway.most_waiting
        self._journal, self._alerts = journal, alerts
        self._disk = self._backlog = False  #: is that one too much?
        self.reason = ""  #: in both languages; empty while there is room

    @property
    def on(self) -> bool:
        return bool(self.reason)

    def look(self) -> None:
        """See how it stands."""
        free, waiting = room(self._home), self._waiting()
        if free is not None:  # one that does not answer says nothing
            self._disk = free.tight if not self._disk else not free.easy
        self._backlog = waiting > self._most if not self._backlog else waiting > self._most * _RESUME
        self.reason = self._why(free, waiting)
        zh, en = each_of(self.reason)
        text = in_both(f"暂停收件：{zh}", f"nothing is taken in: {en}") if self.reason else ""
        self._alerts.stands("pressure", text, do="tongguan status")

    def _waiting(self) -> int:
        with self._journal.search() as records:
            return sum(n for _, kind, state, n in records.tally() if kind == Kind.SUBMISSION and state in _WAITING)

    def _why(self, free: Room | None, waiting: int) -> str:
        if self._disk and free is not None:
            zh, en = free.left
            return in_both(f"日志库所在磁盘{zh}", f"the disk of the journal has {en}")
        if self._disk:
            return self.reason
        if self._backlog:
            zh = f"{waiting} 条报文等待发送，超过 gateway.most_waiting = {self._most}"
            en = f"{waiting} messages wait to be sent, gateway.most_waiting is {self._most}"
            return in_both(zh, en)
        return ""
