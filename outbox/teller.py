"""The thread that tells the enterprises: it is told of changed messages and documents, and writes what changed.

Promises: what was told of once, or moved since the checkpoint, is written at last, whatever a disk does meanwhile; of several
changes that are waiting only the last is written. Nothing but answers is forced to disk. It never changes a message.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from tongguan.gateway.kernel import clock, files
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.answers import Marking, write_answers
from tongguan.outbox.board import Index, write_heartbeat
from tongguan.outbox.news import News, Records, read_news
from tongguan.outbox.pen import Pen, clear_leftovers
from tongguan.outbox.retry import Patience
from tongguan.outbox.telling import Surroundings, tell_document, tell_message
from tongguan.outbox.waiting import Waiting

#: seconds between two pages of an index, two heartbeats, two checkpoints
INDEX, HEARTBEAT, CHECKPOINT = 1.0, 5.0, 15.0
#: a move is told of at most so many seconds after it can be seen
GRACE = 5.0
#: messages in a group from which on their files follow later, so that several moves make one file
MANY = 32
#: messages read and written at a time; answers likewise
GROUP, ANSWERS = 400, 100
_PAGE = 5000
_NAME = "teller"


class Journal(Marking, Protocol):
    def read(self) -> AbstractContextManager[Records]: ...
    def checkpoint(self, name: str) -> int: ...
    def set_checkpoint(self, name: str, n: int) -> None: ...


class Teller:
    """Owns the Status folders of all mailboxes; `tell` may be called from any thread, all else from one."""

    def __init__(
        self, journal: Journal, around: Surroundings, alerts: Alerts, *, monotonic: Callable[[], float] = clock.monotonic
    ) -> None:
        self._journal, self._around, self._alerts, self._monotonic = journal, around, alerts, monotonic
        self._told: deque[tuple[Iterable[str], Iterable[str], float]] = deque()
        self._messages, self._documents = Waiting(), Waiting()
        self._homeless: set[int] = set()  # answers for accounts that have no mailbox
        self._answers_left = True
        self._files_again, self._answers_again, self._reading_again = Patience(), Patience(), Patience()
        self._group = GROUP
        self._pens = {name: Pen(box) for name, box in around.mailboxes.items()}
        self._indexes = {name: Index(name, pen, around) for name, pen in self._pens.items()}
        self._dirty = set(around.mailboxes)
        self._index_at = self._heartbeat_at = self._checkpoint_at = 0.0
        self._seen = self._kept = 0  # moves: seen at the last look; kept as checkpoint
        self._looked_at = 0.0
        self._bell = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def tell(self, message_ids: Iterable[str], document_ids: Iterable[str] = ()) -> None:
        """These moved: their files will be written."""
        self._told.append((message_ids, document_ids, self._monotonic()))
        self._bell.set()

    def recover(self, since_move: int | None = None) -> None:
        """Have all told again that moved after the checkpoint, and whose original still lies in `work/`."""
        n = self._journal.checkpoint(_NAME) if since_move is None else since_move
        self._seen = self._kept = n
        while rows := self._moves_after(n):
            self.tell([row[1] for row in rows], [row[2] for row in rows if row[2] is not None])
            n = rows[-1][0]
        for mailbox in self._around.mailboxes.values():
            try:
                mailbox.prepare()
                clear_leftovers(mailbox)
                self.tell(list(mailbox.in_work()))
            except OSError as wrong:
                self._trouble("folders", f"文件夹有问题：{wrong}", f"trouble with folders: {wrong}")
        self._answers_left = True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name=_NAME, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell what is waiting, once, and end."""
        self._stopping = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join()
        for patience in (self._files_again, self._answers_again, self._reading_again):
            patience.well()
        self._index_at = self._heartbeat_at = 0.0
        for waiting in (self._messages, self._documents):
            waiting.ripen(math.inf, again=True)
        self.catch_up()
        self._documents.ripen(math.inf, again=False)
        self._messages.ripen(math.inf, again=False)
        self.catch_up()
        try:
            self._keep_place(last=True)
        except (OSError, StationBroken) as wrong:
            self._trouble("journal", f"进度未保存：{wrong}", f"how far all is told was not kept: {wrong}")

    def catch_up(self) -> None:
        """Write all that is due now; what fails is kept, with an alert, for later."""
        more = True
        while more:
            try:
                self._beat()
                more = self._monotonic() >= self._reading_again.at and self._write_due()
            except Exception as wrong:  # the thread lives on, whatever the journal or the daemon's own reports do
                self._reading_again.failed(self._monotonic())
                text = f"{type(wrong).__name__}: {wrong}"
                self._trouble("journal", f"状态文件暂停：{text}", f"status files wait: {text}")
                return

    def _write_due(self) -> bool:
        """One group, its answers and whatever page is due; True when more is waiting."""
        self._collect()
        if self._messages or self._documents:
            self._tell_group()
        if self._answers_left and self._monotonic() >= self._answers_again.at:
            self._write_answers()
        self._write_indexes()
        if self._monotonic() >= self._checkpoint_at:
            self._keep_place()
        self._reading_again.well()
        self._alerts.over("GW-A01", "journal")
        answers = self._answers_left and self._monotonic() >= self._answers_again.at
        return bool(self._told or self._messages or self._documents or answers)

    def _serve(self) -> None:
        while not self._stopping:
            self._bell.wait(self._rest())
            self._bell.clear()
            self.catch_up()

    def _rest(self) -> float:
        """Seconds until something is due that nobody will ring for."""
        due = [self._heartbeat_at, self._checkpoint_at, self._messages.due_at(), self._documents.due_at()]
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
        while self._told:
            moved, with_them, since = self._told.popleft()
            messages.update((id_, since) for id_ in moved if id_ not in messages)
            documents.update((id_, since) for id_ in with_them if id_ not in documents)
            self._answers_left = True
        if len(messages) + len(self._messages.ready) < MANY:
            self._messages.add(messages)
            self._documents.add(documents)
        else:
            self._messages.follow(messages, self._monotonic())
            self._documents.follow(documents, self._monotonic())
        now = self._monotonic()
        for waiting in (self._messages, self._documents):
            waiting.ripen(now, again=self._files_again.at <= now)

    def _tell_group(self) -> None:
        messages = self._messages.first(self._group)
        documents = self._documents.first(self._group)
        try:
            with self._journal.read() as records:
                news = read_news(records, messages, documents)
            self._group = min(GROUP, self._group * 2)
        except (OSError, StationBroken):
            raise
        except Exception as bug:
            if self._group > 1:
                self._group = 1
                return
            news = None
            self._bug(*messages, *documents, bug=bug)
        since = min(self._messages.take(messages), self._documents.take(documents))
        if news is not None:
            self._write_group(news, since)

    def _write_group(self, news: News, since: float) -> None:
        self._messages.follow(dict.fromkeys(news.batches, since), self._monotonic())
        for id_, message in news.messages.items():
            if (pen := self._pens.get(message.account)) is not None:
                self._dirty.add(message.account)
                self._try(partial(tell_message, message, news, self._around, pen), self._messages, id_, since)
        for id_ in news.moved_documents:
            if (pen := self._pens.get(news.documents[id_].account)) is not None:
                self._try(partial(tell_document, id_, news, self._around, pen), self._documents, id_, since)
        if not self._messages.failed and not self._documents.failed:
            self._files_again.well()
            self._alerts.over("GW-A01", "status")

    def _try(self, write: Callable[[], None], waiting: Waiting, id_: str, since: float) -> None:
        try:
            write()
        except (OSError, StationBroken) as wrong:
            waiting.fail(id_, since)
            self._files_again.failed(self._monotonic())
            self._trouble("status", f"状态文件写不下：{wrong}", f"a status file cannot be written: {wrong}")
        except Exception as bug:
            self._bug(id_, bug=bug)

    def _bug(self, *ids: str, bug: Exception) -> None:
        """Nothing of these can be told before the program is mended: said once, and not tried again in this run."""
        text = f"{type(bug).__name__}: {bug}"
        self._alerts.tell(
            "GW-A02", self._say(f"无法写状态文件：{text}", f"no status file: {text}"), do=f"tongguan show {ids[0]}", about=ids[0]
        )

    def _write_answers(self) -> None:
        with self._journal.read() as records:
            found = records.unwritten_answers(ANSWERS + len(self._homeless))
        try:
            answers = [answer for answer in found if answer.id not in self._homeless]
            homeless = write_answers(answers, self._pens, self._journal)
        except (OSError, StationBroken) as wrong:
            self._answers_again.failed(self._monotonic())
            self._trouble("answers", f"回执文件写不下：{wrong}", f"an answer cannot be written: {wrong}")
            return
        for answer in homeless:
            self._homeless.add(answer.id)
            text = self._say(
                f"账户 {answer.account} 没有邮箱，回执留在日志中",
                f"account {answer.account} has no mailbox: its answers stay in the journal",
            )
            self._alerts.tell("GW-A03", text, do="tongguan config check", about=answer.account)
        self._dirty.update(a.account for a in answers if a.account in self._around.mailboxes)
        self._answers_left = len(answers) == ANSWERS
        self._answers_again.well()
        self._alerts.over("GW-A01", "answers")

    def _beat(self) -> None:
        now = self._monotonic()
        if now < self._heartbeat_at:
            return
        self._heartbeat_at = now + HEARTBEAT
        self._dirty.update(account for account, index in self._indexes.items() if index.stale())
        problems = self._alerts.problems()
        for pen in self._pens.values():
            self._page(partial(write_heartbeat, pen, problems, self._around))

    def _write_indexes(self) -> None:
        now = self._monotonic()
        if not self._dirty or now < self._index_at:
            return
        self._index_at = now + INDEX
        with self._journal.read() as records:
            for account in tuple(self._dirty):
                self._page(partial(self._indexes[account].write, records))
                self._dirty.discard(account)
        self._index_at = now + max(INDEX, 20 * (self._monotonic() - now))

    def _page(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, StationBroken) as wrong:
            self._trouble("page", f"页面文件写不下：{wrong}", f"a page cannot be written: {wrong}")
        else:
            self._alerts.over("GW-A01", "page")

    def _keep_place(self, *, last: bool = False) -> None:
        """Keep how far all is told and on disk: what the look before this one saw, if nothing of that time still waits."""
        for _ in range(2 if last else 1):
            now = self._monotonic()
            self._checkpoint_at = now + CHECKPOINT
            waits = self._told[0][2] if self._told else math.inf
            if min(waits, self._messages.oldest(), self._documents.oldest()) <= self._looked_at + GRACE:
                return
            if self._seen > self._kept:
                files.sync_file_systems(mailbox.folder for mailbox in self._around.mailboxes.values())
                self._journal.set_checkpoint(_NAME, self._seen)
                self._kept = self._seen
            self._looked_at = now
            while rows := self._moves_after(self._seen):
                self._seen = rows[-1][0]

    def _moves_after(self, n: int) -> list[tuple[int, str, str | None]]:
        with self._journal.read() as records:
            return records.moves_after(n, _PAGE)

    def _trouble(self, about: str, zh: str, en: str) -> None:
        self._alerts.tell("GW-A01", self._say(zh, en), do="tongguan doctor", about=about)

    def _say(self, zh: str, en: str) -> str:
        return en if self._around.language("") == "en" else zh
