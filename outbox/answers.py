"""Answers in InBox: their names, and how they get there.

An answer is a row whose file name was fixed when it was decided. Files are written in groups, forced to disk once a
group, then marked: after a crash the unmarked ones, and only those, are written again (the ERP may have taken the others).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tongguan.gateway.kernel import file_names, files
from tongguan.gateway.kernel.particulars import AnswerRow
from tongguan.outbox.pen import Pen

#: so many bytes are written before they are forced to disk and marked
GROUP_BYTES = 32_000_000
#: what a name has room for beside the stamp, `-2` and a suffix of eight letters
_ROOM = 255 - len("_yyyyMMddHHmmssfff-99999.12345678")


class Marking(Protocol):
    def mark_written(self, ids: Sequence[int]) -> None: ...


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


def write_answers(answers: Iterable[AnswerRow], pens: Mapping[str, Pen], journal: Marking) -> list[AnswerRow]:
    """Write, force and mark these answers; those of accounts that have no mailbox here are returned untouched.

    OSError when a disk does not take one of them, after all others are done: what was not marked comes again.
    """
    homeless: list[AnswerRow] = []
    group: list[AnswerRow] = []
    failed: OSError | None = None
    size_bytes = 0
    for answer in answers:
        if answer.account not in pens:
            homeless.append(answer)
            continue
        try:
            pens[answer.account].answer(answer.file, answer.content)
        except OSError as wrong:
            failed = failed or wrong
            continue
        group.append(answer)
        size_bytes += len(answer.content)
        if size_bytes > GROUP_BYTES:
            _force(group, pens, journal)
            group, size_bytes = [], 0
    if group:
        _force(group, pens, journal)
    if failed is not None:
        raise failed
    return homeless


def _force(group: Sequence[AnswerRow], pens: Mapping[str, Pen], journal: Marking) -> None:
    files.sync_file_systems({pens[answer.account].mailbox.folder for answer in group})
    journal.mark_written([answer.id for answer in group])
