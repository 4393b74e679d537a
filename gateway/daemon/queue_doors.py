"""The queue doors of a gateway: a thread for each account's queue, and what is told of the broker.

Promises: a broker that is gone, a queue that may not be read, and messages among the dead each are an alert until they are over; none of
them holds up a mailbox, and no account's queue another's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tongguan.gateway.model.errors import BrokerBroken, each_of, in_both
from tongguan.gateway.model.queueing import DEAD, MessageBroker
from tongguan.gateway.settings import Settings
from tongguan.gateway.system.threads import WorkMark
from tongguan.gateway.work.supervisor import Supervisor
from tongguan.inbox.queues.door import SubmissionDoor
from tongguan.outbox.alerts import Alerts

_PAUSED = 0.2  #: seconds between two looks whether it may take again
_POLL = 1.0  #: seconds that a door waits for a message before it looks round


class TakesSubmissions(Protocol):
    """What the daemon does with the next messages of a door; True when some came."""

    def __call__(self, door: SubmissionDoor, *, wait: float) -> bool: ...


class QueueDoors:
    """Those of all accounts."""

    def __init__(self, settings: Settings, broker: MessageBroker, alerts: Alerts, *, stopping: Callable[[], bool]) -> None:
        self._broker, self._alerts = broker, alerts
        names = [account.name for account in settings.account]
        self.doors: Mapping[str, SubmissionDoor] = {
            name: SubmissionDoor(
                name, broker, names, prefetch=settings.broker.prefetch, most_bytes=settings.gateway.most_bytes, stopping=stopping
            )
            for name in names
        }

    def start(
        self,
        supervisor: Supervisor,
        take: TakesSubmissions,
        *,
        paused: Callable[[str], bool],
        failed: Callable[[str], None],
    ) -> None:
        """A thread for each; `failed` gives back what a door had in hand when its thread failed."""
        for door in self.doors.values():
            self._begin(supervisor, door, take, paused, failed)

    def _begin(
        self,
        supervisor: Supervisor,
        door: SubmissionDoor,
        take: TakesSubmissions,
        paused: Callable[[str], bool],
        failed: Callable[[str], None],
    ) -> None:
        stopping = supervisor.stopping

        def serve(pulse: WorkMark) -> None:
            try:
                while not stopping.is_set():
                    with pulse:
                        if resting := paused(door.account):
                            door.close()
                        else:
                            take(door, wait=_POLL)
                    stopping.wait(_PAUSED if resting else min(_POLL, door.rest()))
            finally:
                door.close()

        supervisor.begin(door.station, serve, failed=lambda: failed(door.station))

    def look(self) -> None:
        """Tell why doors cannot take, once for all of them that say the same."""
        said: dict[str, list[str]] = {}
        for name, door in self.doors.items():
            if (trouble := door.trouble) is not None:
                said.setdefault(trouble.both, []).append(name)
        for text, names in said.items():
            zh, en = each_of(text)
            all_zh, all_en = ("所有账户", "every account") if len(names) == len(self.doors) else ("", "")
            which_zh = all_zh or "账户 " + "、".join(names[:5])
            which = all_en or "account " + ", ".join(names[:5])
            text = in_both(f"{which_zh}的队列收不到报文：{zh}", f"nothing is taken from the queue of {which}: {en}")
            self._alerts.tell("broker", text, do="tongguan doctor", about=names[0])
        self._alerts.only("broker", {names[0] for names in said.values()})

    def shown(self) -> dict[str, dict[str, int]]:
        """As the heartbeat shows them: what each has in hand that the broker keeps too."""
        return {name: {"unacknowledged": door.unacknowledged} for name, door in self.doors.items()}

    def count_dead(self) -> None:
        """Tell how many are among the dead, as long as there are any."""
        try:
            link = self._broker.connect("look")
            try:
                depth = link.depth(DEAD)
            finally:
                link.close()
        except BrokerBroken:
            return  # its doors say so
        many = depth.messages if depth is not None else 0
        text = in_both(f"{DEAD} 中有 {many} 条读不了的消息", f"{many} messages that could not be read are in {DEAD}")
        self._alerts.stands("dead", text if many else "", do="tongguan queues dead")
