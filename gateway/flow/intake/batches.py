"""A batch message follows its items: sent when one has left, final when all are."""

from __future__ import annotations

from datetime import timedelta

from tongguan.gateway.flow.printing.prints import batch_to_pdf
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.batch import ITEMS_COUNT, items_count
from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.model.message import FINAL, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.work.loop import Step, end
from tongguan.gateway.work.moment import Moment

_LEFT = (State.SENT, State.ACCEPTED, State.REJECTED, State.REPEATED)


def batch_step() -> Step:
    """The station of batches."""
    return Step("batch", decide_batch)


def decide_batch(moment: Moment, message: Message, _answer: None, records: Snapshot) -> Chain:
    """The batch's state from its items'. The journal makes it due when they move; looking now and then backs that up."""
    counted = records.item_states(message.id)
    states, now = counted.keys(), moment.now
    message = replace(message, extra={**(message.extra or {}), ITEMS_COUNT: items_count(counted)})
    left = not states.isdisjoint(_LEFT)
    if states <= FINAL:
        done = not states.isdisjoint((State.ACCEPTED, State.REPEATED))
        if done and message.together:
            return (batch_to_pdf(message, now),)
        state = State.ACCEPTED if done else State.REJECTED if left else State.REFUSED
        return (end(message, state, "batch", now),)
    again = now + min(max(now - message.received_at, 1000), 600_000)
    if left and message.state is State.RECEIVED:
        moved = replace(message, state=State.SENT, due_at=again, updated_at=now, waiting_for="authority")
        return (Outcome(moved, message.state, "batch"),)
    raise Deferred(message.waiting_for or "authority", after=timedelta(milliseconds=again - now))
