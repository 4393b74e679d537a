"""Answers in InBox: their names, and how they get there.

An answer is a row whose file name was fixed when it was decided. Files are written in groups, told of, forced to disk once a
group, then marked: after a crash the unmarked ones, and only those, are written again (the ERP may have taken the others).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.lookups import AnswerRow
from tongguan.gateway.system.storage import file_names, files
from tongguan.outbox.status.file_writer import FileWriter

#: so many bytes are written before they are forced to disk and marked
GROUP_BYTES = 32_000_000
#: what a name has room for beside the stamp, `-2` and a suffix of eight letters
_ROOM = 255 - len("_yyyyMMddHHmmssfff-99999.12345678")


def technical_name(source: str, *, accepted: bool) -> str:
    """The name of a technical response, without its time: `Successed_<name>` or `Failed_<name>`."""
    return _fitting(f"{'Successed' if accepted else 'Failed'}_{file_names.stem(source)}")


def receipt_name(number: str) -> str:
    """The name of a business receipt, without its time; `number` is the document's, or the message id where it has none."""
    return _fitting(f"Receipt_{number}")


def result_name(source: str) -> str:
    """The name of a query result, print or export, without its time."""
    return _fitting(f"Result_{file_names.stem(source)}")


def _fitting(name: str) -> str:
    return file_names.fitting(name, _ROOM)


class InBox:
    """Puts an account's answers into InBox, and marks them when they are on disk; what is written is not written twice in a run."""

    def __init__(self, writer: FileWriter, journal: Journal, *, wrote: Callable[[str], None]) -> None:
        self._writer, self._journal, self._wrote = writer, journal, wrote
        self._written: set[int] = set()  # not marked yet
        self._size_bytes = 0

    @property
    def unmarked(self) -> Collection[int]:
        """Answers that are in InBox although the journal does not say so yet."""
        return self._written

    def write(self, answers: Iterable[AnswerRow]) -> None:
        """Write what is not written; OSError when the disk does not take one, after all others are done: it comes again."""
        failed: OSError | None = None
        for answer in answers:
            if answer.id in self._written:
                continue
            try:
                self._writer.answer(answer.file, answer.content)
            except OSError as wrong:
                failed = failed or wrong
                continue
            self._written.add(answer.id)
            self._wrote(answer.file)
            self._size_bytes += len(answer.content)
            if self._size_bytes > GROUP_BYTES:
                self.mark()
        if failed is not None:
            raise failed

    def mark(self) -> None:
        """Force what was written to disk, and mark it. OSError when the disk fails: what it had is written again."""
        if not self._written:
            return
        try:
            if self._writer.mailbox.folders.here():  # else it went away in between: it is looked at again when it is back
                files.sync_file_system(self._writer.mailbox.folders["InBox"])
                self._journal.mark_written(sorted(self._written))
        except OSError:
            self._written.clear()
            raise
        self._written.clear()
        self._size_bytes = 0
