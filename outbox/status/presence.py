"""Whether a mailbox is there, and what is to be looked at again when it was away.

What was in InBox at the last sure look, and is not there when the mailbox is back, is written once more; what was gone by then
had been taken by the enterprise. Where nobody looked, because the gateway began while the mailbox was away, everything counts
that was written after the last checkpoint, which is kept only while it is there.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Callable, Iterable

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system import clock
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.status.file_writer import FileWriter

#: seconds between two looks into an InBox that changes; a look takes at most this part of the time
LOOK, SHARE = 1.0, 0.02
#: so far before a mailbox went away its status files are told again: a copy that was put back may be that old
LOOK_BACK = 600.0
#: an InBox with more names is emptied by nobody: what is in it is not kept in mind
MOST_NAMES = 200_000
#: a name that came so shortly before a look may share its time with one that comes after it
_SAME_MOMENT_NS = 100_000_000


class Presence:
    """Of one account's mailbox; for its teller's thread."""

    def __init__(
        self,
        account: str,
        journal: Journal,
        writer: FileWriter,
        alerts: Alerts,
        *,
        language: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._account, self._journal, self._writer, self._alerts = account, journal, writer, alerts
        self._folders = writer.mailbox.folders
        self._language, self._monotonic = language, monotonic
        self._marker = f"mailbox-away:{account}"
        self._names: bytes | None = None  # what lay in InBox when it was surely there, packed; None: nobody has looked
        self._written: set[str] = set()  # what was written since
        self._changed_ns = 0
        self._look_at, self._idle = 0.0, False
        self._here: bool | None = None  # as found in this turn
        self._generation = self._folders.generation
        self._away: Cursor | None = None  # since when
        self._look_for_at = 0.0  # while it is away: when it is looked for again without anybody's ringing
        self._not_before = 0.0  # when it was taken up: when it may be again
        self._returned = False  # InBox was looked at again, the rest is not surely told
        self._checkpoints = deque([(monotonic(), Cursor())])

    def begin(self, kept: Cursor) -> None:
        """Know what an earlier run left: since when it was away, and up to where all was told."""
        self._checkpoints = deque([(self._monotonic(), kept)])
        with self._journal.search() as records:
            since, _, word = (records.marker(self._marker) or "").partition(" ")
        if since:
            self._away, self._returned = Cursor.of(since), bool(word)

    def kept(self, cursor: Cursor) -> None:
        """All up to here is told, and surely there."""
        now = self._monotonic()
        self._checkpoints.append((now, cursor))
        while len(self._checkpoints) > 1 and self._checkpoints[1][0] <= now - LOOK_BACK:
            self._checkpoints.popleft()
        if self._returned:
            self._journal.set_markers({self._marker: ""})
            self._returned = False

    @property
    def waits(self) -> bool:
        """Whether it is back and waits for the next checkpoint."""
        return self._returned

    def new_turn(self) -> None:
        self._here = None

    def here(self) -> bool:
        """Whether the mailbox can be written now; one that was away is not, before it has been looked at again."""
        if self._here is None:
            self._here = self._found()
        return self._here

    def _found(self) -> bool:
        if self._away is not None:
            return False
        if self._folders.here() and self._folders.noticed is None and self._generation in (0, self._folders.generation):
            self._generation = self._folders.generation
            return True
        self._say_why()
        since = self._checkpoints[0][1]
        self._journal.set_markers({self._marker: str(since)})
        self._away, self._returned = since, False
        return False

    def _say_why(self) -> None:
        if (wrong := self._folders.noticed) is not None:
            name = self._account
            text = in_both(f"账户 {name} 的信箱停用：{wrong.zh}", f"the mailbox of account {name} is not used: {wrong.en}")
            self._alerts.tell("mailbox", text, do=wrong.do(self._language), about=name)

    def back(self) -> Cursor | None:
        """When a mailbox that was away is there again: the cursor after which all is told again before it is welcome."""
        now = self._monotonic()
        if self._away is None or now < self._not_before:
            return None
        self._look_for_at = now + LOOK
        if not self._folders.here():
            self._say_why()
            return None
        self._not_before = now + LOOK
        return self._away

    def welcome(self) -> None:
        """Have written again what is missing in an InBox that is back; from now on the mailbox is used."""
        assert self._away is not None
        if not self._returned:
            lying = set(self._writer.answers())
            expected = _unpacked(self._names) | self._written if self._names is not None else self._since(self._away)
            self._journal.write_missing(self._account, expected - lying)
            self._journal.set_markers({self._marker: f"{self._away} answers"})
        self._returned = True
        self._names, self._look_at = None, 0.0
        self._written.clear()
        self._folders.noticed = None
        self._generation = self._folders.generation
        self._away, self._here = None, True
        self._alerts.over("mailbox", self._account)

    def _since(self, cursor: Cursor) -> set[str]:
        with self._journal.search() as records:
            return set(records.answers_after(self._account, cursor))

    def wrote(self, file: str) -> None:
        """This answer lies in InBox now."""
        self._idle = False
        if self._names is not None:
            self._written.add(file)

    def look(self) -> None:
        """Keep in mind what lies in InBox, where it changed since the last look."""
        if (began := self._monotonic()) < self._look_at or not self.here():
            return
        changed = self._writer.inbox_changed_ns()
        self._idle = self._names is not None and changed == self._changed_ns
        self._look_at = began + LOOK
        if self._idle:
            return
        names = _packed(self._writer.answers())
        if not self._folders.here():
            return
        self._names = names
        self._written.clear()
        self._changed_ns = changed if clock.now_ms() * 1_000_000 - changed > _SAME_MOMENT_NS else 0
        self._look_at = self._monotonic() + max(LOOK, (self._monotonic() - began) / SHARE)

    def due_at(self) -> float:
        """When the next look is due, or one for a mailbox that is away; where nothing changes it comes with the next turn of all."""
        if self._away is not None:
            return self._look_for_at
        return math.inf if self._idle else self._look_at


def _packed(names: Iterable[str]) -> bytes:
    """Names in a tenth of their memory: very many may lie there. Nothing where there are more than are kept in mind."""
    packing, count, pieces = zlib.compressobj(1), 0, list[bytes]()
    for name in names:
        count += 1
        pieces.append(packing.compress(f"{name}\0".encode("utf-8", "surrogatepass")))
    return b"".join([*pieces, packing.flush()]) if count <= MOST_NAMES else _packed(())


def _unpacked(names: bytes) -> set[str]:
    return set(zlib.decompress(names).decode("utf-8", "surrogatepass").split("\0")) - {""}
