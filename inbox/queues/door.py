"""The queue door of one account: messages out of its queue, acknowledged once the journal has them.

Promises: a message is acknowledged after its commit, or once it is among the dead, and never before; whatever else becomes of the batch
that has it, it is tried again here, or given out again by the broker. No more is read ahead than a batch holds, however large the messages and
however many wait: the rest stays in the broker. A batch is what is there at the moment, so it grows with load. A broker that is gone is
asked again every few seconds. One thread's, but for `trouble` and `unacknowledged`.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from tongguan.gateway.model.errors import BrokerBroken, Fault
from tongguan.gateway.model.queueing import DEAD, SUBMISSIONS, BrokerLink, MessageBroker, QueueMessage
from tongguan.gateway.system import clock, logs
from tongguan.inbox.queues.dead import bury
from tongguan.inbox.queues.submission import Submission, Unreadable, submission_of

MOST_AHEAD = 2_000_000  #: bytes that are read ahead at most, besides the message that reaches them
_LEAST_WAIT, _MOST_WAIT = 0.5, 2.0  #: seconds between two tries to reach the broker

log = logs.get_logger("queues")


class SubmissionDoor:
    """Takes from the queue of one account. `trouble` is why it cannot, while it cannot."""

    def __init__(
        self,
        account: str,
        broker: MessageBroker,
        accounts: Collection[str],
        *,
        prefetch: int,
        most_bytes: int,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.account, self.queue, self.station = account, SUBMISSIONS + account, f"queue:{account}"
        self._broker, self._accounts, self._prefetch, self._most_bytes = broker, accounts, prefetch, most_bytes
        self._stopping = stopping
        self._link: BrokerLink | None = None
        self._waiting: deque[QueueMessage] = deque()  #: here, and in no batch
        self._unreadable: list[tuple[QueueMessage, Sequence[Fault]]] = []  #: still to be put among the dead
        self._committed: dict[int, QueueMessage] = {}  #: by identity: what this batch has in the journal
        self._owed: list[QueueMessage] = []  #: to be acknowledged
        self._failures = 0
        self._again_at = 0.0
        self.trouble: BrokerBroken | None = None
        self.buried = 0  #: so many have been put among the dead

    @property
    def unacknowledged(self) -> int:
        """How many messages it has that the broker keeps, too; for any thread."""
        link = self._link
        return link.unacknowledged if link is not None else 0

    @contextmanager
    def hand(self, limit: int, *, wait: float) -> Iterator[list[Submission]]:
        """The next messages, at most `limit`, in order, in this batch until the end of the block; waits so many seconds for the first.

        Then those of which `committed` was told are acknowledged, and all others stay here for the next batch, whatever ended the block.
        """
        batch = self._next(limit, wait)
        try:
            yield batch
        finally:
            self.carry()
            left = [each.message for each in batch if id(each.message) not in self._committed]
            self._committed.clear()
            if self._link is not None:  # else the broker gives them out again
                self._waiting.extendleft(reversed(left))

    def _next(self, limit: int, wait: float) -> list[Submission]:
        if clock.monotonic() < self._again_at:
            return []
        try:
            link = self._linked()
            if self._waiting:
                link.beat()
            else:
                self._waiting.extend(link.receive(most=limit, most_bytes=MOST_AHEAD, wait=wait))
            self._failures = 0
            if not self._unreadable:
                self.trouble = None
            batch = self._readable(limit)
            self._bury()
        except BrokerBroken as broken:
            self._fail(broken)
            return []
        return batch if self._link is not None else []

    def _linked(self) -> BrokerLink:
        if self._link is None:
            link = self._broker.connect(self.queue)
            try:
                link.declare_queue(DEAD)
                link.declare_submissions(self.queue)
                link.consume(self.queue, prefetch=self._prefetch)
            except BrokerBroken:
                link.close()
                raise
            self._link = link
            log.info("queue open", queue=self.queue)
        return self._link

    def _readable(self, limit: int) -> list[Submission]:
        """The first that wait, each once: the same message sent twice is the next batch's."""
        batch: list[Submission] = []
        keys = set[str]()
        while self._waiting and len(batch) < limit:
            message = self._waiting.popleft()
            try:
                found = submission_of(message, self.account, self._accounts, most_bytes=self._most_bytes)
            except Unreadable as unreadable:
                self._unreadable.append((message, unreadable.faults))
                continue
            except Exception as bug:  # it must not come again and again, and is not lost
                log.error("message not read", queue=self.queue, traceback=traceback.format_exc()[-4000:])
                text = f"{type(bug).__name__}: {bug}"[:200]
                self._unreadable.append((message, [Fault("GW-Q09", f"网关读不了：{text}", f"the gateway fails over it: {text}")]))
                continue
            if found.claim_key in keys:
                self._waiting.appendleft(message)
                break
            keys.add(found.claim_key)
            batch.append(found)
        return batch

    def _bury(self) -> None:
        """Put what nobody can read among the dead; where the broker does not take it, it stays, and holds up nothing else."""
        if not self._unreadable:
            return
        try:
            bury(self._broker, self._unreadable, until=self._waits_for_room)
        except BrokerBroken as broken:
            self.trouble = broken
            return
        for message, faults in self._unreadable:
            log.warning(
                "message unreadable", queue=self.queue, message_id=ascii(message.message_id), why=" ".join(f.code for f in faults)
            )
        self._owed += [message for message, _ in self._unreadable]
        self.buried += len(self._unreadable)
        self._unreadable = []
        self.carry()

    def _waits_for_room(self) -> bool:
        """The broker takes nothing at the moment: what is to be buried is waited with, as it may have it already."""
        self.trouble = BrokerBroken(
            "消息服务器缺内存或磁盘，暂不收报文", "the broker lacks memory or disk, and takes no messages"
        )
        if self._link is not None:
            self._link.beat()
        return self._stopping()

    def committed(self, submission: Submission, message_id: str) -> None:
        """The journal has it: from now on it is owed to the broker to say so."""
        self._committed[id(submission.message)] = submission.message
        self._owed.append(submission.message)

    def carry(self) -> None:
        """Acknowledge what is owed. Where that is lost they come once more, and are known."""
        owed, self._owed = self._owed, []
        if not owed or self._link is None:
            return
        try:
            self._link.acknowledge(owed)
        except BrokerBroken as broken:
            self._fail(broken)

    def rest(self) -> float:
        """Seconds until it is worth to try again."""
        return max(0.0, self._again_at - clock.monotonic())

    def _fail(self, broken: BrokerBroken) -> None:
        """The connection is gone, and with it all that was not acknowledged: it comes again."""
        if self.trouble is None or self.trouble.en != broken.en:
            log.warning("broker", queue=self.queue, why=broken.en)
        self.close()
        self.trouble = broken
        self._again_at = clock.monotonic() + min(_MOST_WAIT, _LEAST_WAIT * 2.0**self._failures)
        self._failures += 1

    def close(self) -> None:
        """End the connection, for good or for a while; the broker gives out again what was not acknowledged."""
        link, self._link = self._link, None
        self._waiting.clear()
        self._unreadable, self._owed = [], []
        if link is not None:
            link.close()
