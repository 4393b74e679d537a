"""Answers in InBox: their names, and how they get there.

An answer is a row whose file name was fixed when it was decided. Files are written in groups, forced to disk once a
group, then marked: after a crash the unmarked ones, and only those, are written again (the ERP may have taken the others).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tongguan.gateway.kernel import file_names, files
from tongguan.gateway.kernel.records import AnswerRow

#: so many bytes are written before they are forced to disk and marked
GROUP_BYTES = 32_000_000
#: what a name has room for beside the stamp, `-2` and a suffix of eight letters
_ROOM = 255 - len("_yyyyMMddHHmmssfff-99999.12345678")


class Mailbox(Protocol):
    """What the outbox knows of an account's folders."""

    @property
    def folder(self) -> Path: ...
    def prepare(self) -> None: ...
    def place(self, message_id: str, source: str, *, folder: str, stamp: str) -> Path | None: ...
    def in_work(self) -> Iterable[str]: ...
    def ignored(self, language: str) -> list[dict[str, str | None]]: ...


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


def write_answers(answers: Iterable[AnswerRow], mailboxes: Mapping[str, Mailbox], journal: Marking) -> list[AnswerRow]:
    """Write, force and mark these answers; those of accounts that have no mailbox here are returned untouched.

    OSError when a disk does not take one of them, after all others are done: what was not marked comes again.
    """
    homeless: list[AnswerRow] = []
    group: list[AnswerRow] = []
    failed: OSError | None = None
    size_bytes = 0
    for answer in answers:
        if answer.account not in mailboxes:
            homeless.append(answer)
            continue
        try:
            _write(answer, mailboxes[answer.account])
        except OSError as wrong:
            failed = failed or wrong
            continue
        group.append(answer)
        size_bytes += len(answer.content)
        if size_bytes > GROUP_BYTES:
            _force(group, mailboxes, journal)
            group, size_bytes = [], 0
    if group:
        _force(group, mailboxes, journal)
    if failed is not None:
        raise failed
    return homeless


def _write(answer: AnswerRow, mailbox: Mailbox) -> None:
    target = os.path.join(mailbox.folder, "InBox", file_names.on_disk(answer.file))
    try:
        files.write(target, answer.content)
    except FileNotFoundError:
        mailbox.prepare()
        files.write(target, answer.content)


def _force(group: Sequence[AnswerRow], mailboxes: Mapping[str, Mailbox], journal: Marking) -> None:
    files.sync_file_systems({mailboxes[answer.account].folder / "InBox" for answer in group})
    journal.mark_written([answer.id for answer in group])
