"""A message that was checked already is refused: by its card, its secrets, or what another document became meanwhile."""

from __future__ import annotations

from tongguan.gateway.flow.intake.locations import placed
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.check import hand_of, refuse
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.work.moment import Moment


def refuse_later(rules: Rules, moment: Moment, message: Message, refused: Refused, records: Snapshot) -> Outcome:
    """refused: as by its check, each fault with its place in the message, which is read again for that."""
    faults = placed(hand_of(rules, message, records).item, refused.faults)
    return refuse(rules, moment, message, Refused(faults), records)
