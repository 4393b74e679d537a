"""What crosses between the gateway and a process that prepares, and how it is read there.

What comes back was made from files of strangers: so nothing but the records of `gateway/model` is made from it.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any

from tongguan.gateway.flow.intake.preparer import PreparingBatch
from tongguan.gateway.journal.serials import NumberRange
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import Kind, State
from tongguan.gateway.model.outcome import Chain, Finished
from tongguan.gateway.model.queueing import PublishResult
from tongguan.gateway.model.record import record
from tongguan.gateway.system.business_clock import ClockLine

_PROTOCOL = 5
_MODEL = "tongguan.gateway.model."


def _by_value(member: StrEnum) -> tuple[type[StrEnum], tuple[str]]:
    return type(member), (member.value,)


# The first releases of Python 3.11 pickle a member by `getattr`, which must not cross.
for _words in (Kind, State, LaneKind, Finished, PublishResult):
    copyreg.pickle(_words, _by_value)


@record
class PreparingJob:
    """A hand with what the gateway knows at this moment."""

    hand: PreparingBatch
    anew: bool  #: what was prepared for this mailbox before is in the journal
    last: bool  #: nothing that comes rests on it
    closed: Mapping[Lane, ClosedLane]
    numbers: Mapping[str, Sequence[NumberRange]]  #: by series: lent for this hand
    line: ClockLine | None = None  #: of the business clock
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  #: what authorities told today


@record
class PreparedChains:
    """What became of the first in a hand, as far as nothing out of the ordinary happened."""

    chains: list[Chain]
    left: Mapping[str, Sequence[NumberRange]]  #: numbers that were not needed


def sent(job: PreparingJob) -> bytes:
    return pickle.dumps(job, _PROTOCOL)


def received(raw: bytes) -> PreparingJob:
    """From the gateway: it is believed."""
    job: PreparingJob = pickle.loads(raw)
    return job


def answered(prepared: PreparedChains) -> bytes:
    return pickle.dumps((prepared.chains, prepared.left), _PROTOCOL)


def believed(raw: bytes) -> PreparedChains:
    """From the process: plain values and records alone; UnpicklingError, and whatever else they cannot be made with."""
    return PreparedChains(*_Records(io.BytesIO(raw)).load())


class _Records(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if module.startswith(_MODEL) and "." not in name:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not cross")
