"""The thread that tells an enterprise: it is told of changed messages and documents, and writes what changed into its mailbox.

Promises: what was told of once, or moved since the checkpoint, is written at last, whatever a disk does meanwhile; of several
changes that are waiting only the last is written; an answer is named only when it is in InBox; when a message's file tells of
a move, the files of the documents that it changed show it already, unless they cannot be written. Nothing but answers is
forced to disk. A mailbox that hangs holds this thread, and nobody else. It never changes a message.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from random import random
from typing import NamedTuple

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.errors import StationBroken, TongguanError, in_both
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock
from tongguan.gateway.system.backoff import Backoff
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.threads import WorkMark
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.status.answers import InBox
from tongguan.outbox.status.file_writer import FileWriter, clear_leftovers
from tongguan.outbox.status.files import StatusContext, write_document_file, write_message_files
from tongguan.outbox.status.index import MOST_LISTED, Index
from tongguan.outbox.status.pending import Pending
from tongguan.outbox.status.presence import Presence
from tongguan.outbox.status.view import StatusView, read_view

#: seconds between two pages of an index, two heartbeats, two checkpoints
INDEX, HEARTBEAT, CHECKPOINT = 1.0, 5.0, 15.0
#: a move is told of at most so many seconds after it can be seen
GRACE = 5.0
#: seconds after a move in which a second one is waited for, so that both make one file
SOON = 0.01
#: messages in a group from which on their files follow later, so that several moves make one file
MANY = 32
#: messages read and written at a time; answers likewise
GROUP, ANSWERS = 400, 100
#: groups of answers before the messages that they belong to are told of, whatever else waits
ROUNDS = 4
#: so many documents are known to be shown as they are; one that is not known is written once more with its next message
_MOST_SHOWN = 10_000
#: whose originals lie in `work/`
_IN_WORK = (State.RECEIVED, State.CHECKED, State.SEALED, State.HELD)
NAME = "teller"  #: of threads and checkpoints, before the account's


class _Moved(NamedTuple):
    """What one commit moved; `passing`: those of both that move on at once."""

    messages: Iterable[str]
    documents: Iterable[str]
    passing: Container[str]
    since: float


class Teller:
    """Owns the Status folder of one mailbox; `tell`, `recover` and `stop` may be called from any thread, all else from one.

    `page`, `end`: the heartbeat and the end of the history as they were a moment ago; `serving`: held while a thread serves the mailbox, before and after a change of settings.
    """

    def __init__(
        self,
        account: str,
        journal: Journal,
        context: StatusContext,
        alerts: Alerts,
        *,
        page: Callable[[], bytes],
        end: Callable[[], Cursor],
        serving: threading.Lock,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._account, self._journal, self._context, self._alerts = account, journal, context, alerts
        self._heartbeat, self._end, self._serving, self._monotonic = page, end, serving, monotonic
        self._mailbox = context.mailboxes[account]
        self._writer = FileWriter(self._mailbox)
        self._place = f"{NAME}:{account}"
        self._told: deque[_Moved] = deque()
        self._messages, self._documents = Pending(), Pending()
        self._shows: dict[str, int] = {}  # versions of documents as their files show them
        self._begun = False  # what an earlier run left is known
        self._answers_left = self._dirty = True
        self._files_again, self._answers_again, self._reading_again = Backoff(), Backoff(), Backoff()
        self._group = GROUP
        self._presence = Presence(account, journal, self._writer, alerts, language=context.language(""), monotonic=monotonic)
        self._inbox = InBox(self._writer, journal, wrote=self._presence.wrote)
        self._index = Index(account, self._writer, context)
        self._index_at = self._heartbeat_at = self._checkpoint_at = 0.0
        self._seen = self._kept = Cursor()  # the end of the history at the last look; kept as checkpoint
        self._unsynced = False  # something was written since the last checkpoint
        self._looked_at = 0.0
        self._bell = threading.Event()
        self._stopping = self._left = False

    def tell(
        self, message_ids: Iterable[str], document_ids: Iterable[str] = (), *, passing: Container[str] = frozenset()
    ) -> None:
        """These moved: their files will be written; of those that are `passing` later, while there are many."""
        self._told.append(_Moved(message_ids, document_ids, passing, self._monotonic()))
        self._bell.set()

    def recover(self) -> None:
        """Have all told again that moved after the checkpoint, and whose original still lies in `work/`."""
        self._begun = False
        self._bell.set()

    def _begin(self) -> None:
        self._seen = self._kept = kept = self._journal.checkpoint(self._place)
        self._index.open.forget()
        self._presence.begin(kept)
        if self._presence.here():
            self._tell_after(kept)
            self._with_folders(self._tell_of_work)
        self._answers_left = self._begun = True
        self._over("stop")

    def _tell_after(self, cursor: Cursor) -> None:
        with self._journal.search() as records:
            for moves in records.moves_after(self._account, cursor):
                self._tell_again(moves)

    def _tell_again(self, moves: Sequence[tuple[str, str | None]]) -> None:
        """Have told what moved: also the messages that a receipt answers without moving them."""
        documents = {id_ for _, id_ in moves if id_ is not None}
        with self._journal.search() as records:
            records.leave_out_damaged()
            answered = [receipt.message_id for receipt in records.receipts_around((), documents) if receipt.message_id]
        self.tell([*(id_ for id_, _ in moves), *answered], documents)

    def _tell_of_work(self) -> None:
        clear_leftovers(self._mailbox)
        self.tell(list(self._mailbox.in_work()))

    def serve(self, pulse: WorkMark) -> None:
        """Write what is due, and wait for more, until it is stopped."""
        with pulse:
            self._serving.acquire()
        try:
            more = False
            while not self._stopping:
                if self._bell.wait(0.0 if more else self._rest()) and not more:
                    self._bell.clear()
                    self._bell.wait(SOON)  # what came in whole moves on at once, mostly
                self._bell.clear()
                with pulse:
                    more = self.turn()
        except BaseException:
            self.recover()  # what it was told may have been lost
            raise
        finally:
            self._serving.release()

    def stop(self) -> None:
        """Have the thread end, and tell what is waiting, once."""
        self._stopping = True
        self._bell.set()
        with self._serving:
            for patience in (self._files_again, self._answers_again, self._reading_again):
                patience.well()
            self._index_at = self._heartbeat_at = 0.0
            for again in (True, False):
                for waiting in (self._documents, self._messages):
                    waiting.ripen(math.inf, again=again)
                self.catch_up()
            try:
                self._keep_place(last=True)
            except (OSError, StationBroken) as wrong:
                self._trouble("journal", f"进度未保存：{wrong}", f"how far all is told was not kept: {wrong}")

    def leave(self) -> None:
        """It hangs, and nobody waits for it any more: should it go on some day, it writes nothing more."""
        self._left = True
        self._trouble("stop", "信箱没有应答，不再等待", "its mailbox does not answer, nobody waits for it any more")

    def catch_up(self) -> None:
        """Write all that is due now; what fails is kept, with an alert, for later."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """One group, its answers and whatever page is due; True when more is waiting."""
        due = self._monotonic() >= self._reading_again.at
        if self._left or not (due or self._begun):
            return False
        try:
            self._presence.new_turn()
            if not self._begun:
                self._begin()
            self._beat()
            return due and self._write_due()
        except Exception as wrong:  # the thread lives on, whatever the journal or the daemon's own reports do
            self._reading_again.failed(self._monotonic())
            text = f"{type(wrong).__name__}: {wrong}"
            self._trouble("journal", f"状态文件暂停：{text}", f"status files wait: {text}")
            return False

    def _write_due(self) -> bool:
        self._presence.look()
        if (since := self._presence.back()) is not None:
            self._with_folders(partial(self._look_again, since))
        self._collect()
        if self._presence.here():
            self._write_files()
        else:  # what is not told now is told when it is back
            self._messages, self._documents = Pending(), Pending()
            self._answers_left = self._dirty = False
            self._index.open.forget()
        if self._monotonic() >= self._checkpoint_at:
            self._keep_place()
        self._reading_again.well()
        self._over("journal")
        return bool(self._told or self._messages or self._documents or self._answers_due())

    def _answers_due(self) -> bool:
        return self._answers_left and self._monotonic() >= self._answers_again.at

    def _write_files(self) -> None:
        try:
            for _ in range(ROUNDS):  # before the status files, which name them
                if self._answers_due():
                    self._write_answers()
            if self._messages or self._documents:
                self._tell_group()
        finally:
            self._mark_answers()
        self._write_index()

    def _rest(self) -> float:
        """Seconds until something is due that nobody will ring for."""
        if not self._begun:
            return max(0.0, self._reading_again.at - self._monotonic())
        due = [
            self._heartbeat_at,  # with which a checkpoint comes that is due
            self._presence.due_at(),
            self._messages.due_at(),
            self._documents.due_at(),
        ]
        if self._dirty:
            due.append(self._index_at)
        if self._messages.failed or self._documents.failed:
            due.append(self._files_again.at)
        if self._answers_left:
            due.append(self._answers_again.at)
        return max(0.0, max(min(due), min(self._reading_again.at, self._heartbeat_at)) - self._monotonic())

    def _collect(self) -> None:
        """Put together what was told, what follows and what failed before."""
        messages: dict[str, float] = {}
        documents: dict[str, float] = {}
        passing: set[str] = set()
        while self._told:
            moved = self._told.popleft()
            for ids, found in ((moved.messages, messages), (moved.documents, documents)):
                for id_ in ids:
                    found.setdefault(id_, moved.since)
                    (passing.add if id_ in moved.passing else passing.discard)(id_)
            self._answers_left = True
        now, few = self._monotonic(), len(messages) + len(self._messages) < MANY
        for waiting, told in ((self._messages, messages), (self._documents, documents)):
            if few:
                waiting.add(told)
            else:
                waiting.follow(told, now, passing)
            waiting.ripen(now, again=self._files_again.at <= now)

    def _tell_group(self) -> None:
        messages, documents = self._messages.first(self._group), self._documents.first(self._group)
        try:
            with self._journal.search() as records:
                view = read_view(
                    records,
                    self._account,
                    messages,
                    documents,
                    profile=self._context.profile,
                    shows=self._shows,
                    in_inbox=self._inbox.unmarked,
                )
            self._group = min(GROUP, self._group * 2)
        except (OSError, StationBroken):
            raise
        except Exception as bug:
            if self._group > 1:
                self._group = 1
                return
            view = None
            self._index.open.forget()
            self._bug(*messages, *documents, bug=bug)
        since = min(self._messages.take(messages), self._documents.take(documents))
        if view is not None:
            self._write_group(view, since)
            for id_, wrong in view.damaged.items():
                if id_ in messages:
                    self._bug(id_, bug=wrong)

    def _write_group(self, view: StatusView, since: float) -> None:
        self._messages.follow(dict.fromkeys(view.batches, since), self._monotonic())
        self._unsynced = True
        for id_ in view.moved_documents:
            self._documents.told(id_)
            if self._try(partial(write_document_file, id_, view, self._context, self._writer), self._documents, id_, since):
                self._shows[id_] = view.documents[id_].version
            if id_ in view.short:
                self._documents.lack(id_, since)
        self._dirty = self._dirty or bool(view.messages)
        self._index.open.told(view.messages.values(), unreadable=view.damaged)
        for id_, message in view.messages.items():
            self._try(partial(write_message_files, message, view, self._context, self._writer), self._messages, id_, since)
            if id_ in view.short:
                self._messages.lack(id_, since)
        if len(self._shows) > _MOST_SHOWN:
            self._shows.clear()
        if not self._messages.failed and not self._documents.failed:
            self._files_again.well()
            self._over("status")

    def _with_folders(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (OSError, StationBroken) as wrong:
            self._trouble("folders", f"文件夹有问题：{wrong}", f"trouble with folders: {wrong}")
        else:
            self._over("folders")

    def _look_again(self, cursor: Cursor) -> None:
        """The mailbox is back: have told and written again what may have got lost in it."""
        with self._journal.search() as records:
            there, opened = set(self._mailbox.in_work()), records.open_messages(self._account, MOST_LISTED)
        for message in opened:
            if message.state in _IN_WORK and message.batch is None and message.id not in there and message.source is not None:
                with self._journal.search() as records:
                    content = records.body(message.id, "source")
                if content is not None:
                    self._mailbox.restore(message.id, message.source, content)
        self.tell({*there, *(message.id for message in opened)})
        self._tell_after(cursor)
        self._presence.welcome()
        self._shows.clear()  # nobody knows what it lost
        self._answers_left = self._dirty = True

    def _try(self, write: Callable[[], None], waiting: Pending, id_: str, since: float) -> bool:
        if self._left:
            return False
        try:
            write()
        except (OSError, StationBroken) as wrong:
            waiting.fail(id_, since)
            self._files_again.failed(self._monotonic())
            self._trouble("status", f"状态文件写不下：{wrong}", f"a status file cannot be written: {wrong}")
        except Exception as bug:
            self._bug(id_, bug=bug)
        else:
            self._alerts.over("GW-A02", self._about(id_))
            return True
        return False

    def _bug(self, *ids: str, bug: Exception) -> None:
        """Not all of these can be told before the program, or a row, is mended: said once, and not tried again in this run."""
        text = f"{type(bug).__name__}: {bug}"
        said = self._say(f"无法写状态文件：{text}", f"no status file: {text}")
        if isinstance(bug, TongguanError):
            said = self._say(bug.zh, bug.en)
        self._alerts.tell("GW-A02", said, do=f"tongguan show {ids[0]}", about=self._about(ids[0]))

    def _write_answers(self) -> None:
        unmarked = len(self._inbox.unmarked)
        with self._journal.search() as records:
            answers = records.unwritten_answers(self._account, ANSWERS + unmarked)
        try:
            self._inbox.write(answers)
        except (OSError, StationBroken) as wrong:
            self._answers_failed(wrong)
        else:
            self._answers_left = len(answers) >= ANSWERS + unmarked
        if len(self._inbox.unmarked) != unmarked:
            self._messages.arrived()
            self._documents.arrived()
        self._dirty = self._dirty or bool(answers)

    def _mark_answers(self) -> None:
        """What is in InBox need not be written again."""
        try:
            self._inbox.mark()
        except (OSError, StationBroken) as wrong:
            self._answers_failed(wrong)
            return
        if self._monotonic() >= self._answers_again.at:
            self._answers_again.well()
            self._over("answers")

    def _answers_failed(self, wrong: Exception) -> None:
        self._answers_left = True
        self._answers_again.failed(self._monotonic())
        self._trouble("answers", f"回执文件写不下：{wrong}", f"an answer cannot be written: {wrong}")

    def _beat(self) -> None:
        now = self._monotonic()
        if now < self._heartbeat_at:
            return
        # Hundreds that wake at one moment would hinder each other: each has a phase of its own.
        self._heartbeat_at = now + HEARTBEAT * (1.0 if self._heartbeat_at else random())
        if self._presence.here():
            self._dirty = self._dirty or self._index.stale()
            self._page(lambda: self._writer.page("heartbeat.json", self._heartbeat()))

    def _write_index(self) -> None:
        now = self._monotonic()
        if not self._dirty or now < self._index_at:
            return
        with self._journal.search() as records:
            self._dirty = not self._page(partial(self._index.write, records))
        self._index_at = now + max(INDEX, 20 * (self._monotonic() - now))

    def _page(self, write: Callable[[], None]) -> bool:
        """Whether it could be written."""
        try:
            write()
        except (OSError, StationBroken) as wrong:
            self._trouble("page", f"页面文件写不下：{wrong}", f"a page cannot be written: {wrong}")
            return False
        self._over("page")
        return True

    def _keep_place(self, *, last: bool = False) -> None:
        """Keep how far all is told and on disk: what the look before this one saw, if nothing of that time still waits."""
        for _ in range(2 if last else 1):
            now = self._monotonic()
            self._checkpoint_at = now + CHECKPOINT
            waits = self._told[0].since if self._told else math.inf
            if min(waits, self._messages.oldest(), self._documents.oldest()) <= self._looked_at + GRACE:
                return
            if self._left or not (self._begun and self._presence.here()):
                return
            if self._seen != self._kept or self._presence.waits:
                if self._unsynced:
                    self._unsynced = False
                    files.sync_file_system(self._mailbox.folders["Status"])
                    self._presence.new_turn()
                    if not self._presence.here():
                        return
                self._journal.set_checkpoint(self._place, self._seen)
                self._kept = self._seen
                self._presence.kept(self._kept)
            self._looked_at = now
            self._seen = self._end()

    def _about(self, what: str) -> str:
        return f"{self._account}: {what}"

    def _over(self, about: str) -> None:
        self._alerts.over("GW-A01", self._about(about))

    def _trouble(self, about: str, zh: str, en: str) -> None:
        self._alerts.tell("GW-A01", self._say(zh, en), do="tongguan doctor", about=self._about(about))

    def _say(self, zh: str, en: str) -> str:
        return in_both(f"账户 {self._account}：{zh}", f"account {self._account}: {en}")
