"""Who decides a hand in another process: what is handed there, and what may come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from tongguan.gateway.flow.intake.accept import Arrival
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.outcome import Chain
from tongguan.gateway.model.record import record


@record
class FileBatch:
    """Files of one mailbox, or messages of one queue, that are decided together, wherever that is."""

    door: str  #: through which they came: what is prepared for one rests on nothing that is prepared for another
    account: str
    arrivals: Mapping[str, Arrival]  #: by the id of the message to be
    problems: Mapping[str, Fault]  #: likewise: why some of them could not be read

    def __len__(self) -> int:
        return len(self.arrivals)


@record
class MessageBatch:
    """Messages that are decided together where they stand in the journal: on top of nothing that was prepared before."""

    ids: tuple[str, ...]
    door: str = ""  #: they are in the journal

    def __len__(self) -> int:
        return len(self.ids)


PreparingBatch = FileBatch | MessageBatch


class PreparerEnded(Exception):
    """The process ended, or fell silent. `begun`: with this hand in work."""

    def __init__(self, *, begun: bool) -> None:
        self.begun = begun
        super().__init__("the process that prepares ended")


class Preparer(Protocol):
    """Processes that decide hands, and write nothing: whoever asked writes."""

    @property
    def ready(self) -> bool:
        """Does one wait for work?"""

    def begun(self) -> bool:
        """Wait until one does; False where none can. Whoever has suspects holds none of them meanwhile: a crash would be laid to them."""

    def ask(self, hand: PreparingBatch, *, anew: bool, last: bool) -> Future[Sequence[Chain]]:
        """Have a hand decided, after those that its mailbox has asked for before; PreparerEnded is raised by the result.

        The chains are those of the first in it, as far as nothing out of the ordinary happened. Not `anew`: on top of what was
        prepared for this mailbox since the last one that was; after the `last` one all of that is forgotten.
        """
