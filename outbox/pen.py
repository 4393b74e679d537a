"""The hand that writes an account's files: every file whole at every moment, none forced to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from tongguan.gateway.kernel import clock, file_names
from tongguan.gateway.kernel.rewriting import Rewriter


class Mailbox(Protocol):
    """What the outbox knows of an account's folders."""

    @property
    def folder(self) -> Path: ...
    def prepare(self) -> None: ...
    def place(self, message_id: str, source: str, *, folder: str, stamp: str) -> Path | None: ...
    def in_work(self) -> Iterable[str]: ...
    def ignored(self, language: str) -> list[dict[str, str | None]]: ...


class Pen:
    """Writes into one mailbox; folders that somebody deleted are made again. OSError when a disk fails."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self._status, self._inbox = f"{mailbox.folder}/Status", f"{mailbox.folder}/InBox"
        self._rewriter = Rewriter(mailbox.folder / "work" / ".spare")

    def message(self, message_id: str, content: bytes, source: str | None) -> None:
        """Put a status under the message's id and, as a second name of the same file, under that of the file that came."""
        by_id = f"{self._status}/by-id/{message_id}.json"
        self._write(by_id, content)
        if source is None:
            return
        target = f"{self._status}/{file_names.status_name(source)}"
        try:
            self._rewriter.link(by_id, target)
        except OSError:
            self._write(target, content)

    def document(self, document_type: str, key: str, content: bytes) -> None:
        self._write(f"{self._status}/documents/{file_names.document_name(document_type, key)}", content)

    def page(self, name: str, content: bytes) -> None:
        """A page of the whole mailbox, in `Status/`."""
        self._write(f"{self._status}/{name}", content)

    def answer(self, file: str, content: bytes) -> None:
        self._write(f"{self._inbox}/{file_names.on_disk(file)}", content)

    def _write(self, target: str, content: bytes) -> None:
        try:
            self._rewriter.write(target, content)
        except FileNotFoundError:
            self.mailbox.prepare()
            self._rewriter.write(target, content)


def clear_leftovers(mailbox: Mailbox, *, older_than_ms: int = 60_000) -> int:
    """Remove temporaries that a crash left in the folders that the outbox writes; how many there were."""
    gone, now = 0, clock.now_ms()
    for name in ("InBox", "Status", "Status/by-id", "Status/documents"):
        with os.scandir(mailbox.folder / name) as entries:
            for entry in entries:
                if entry.name[0] == "." and entry.name.endswith(".tmp") and now - entry.stat().st_mtime * 1000 > older_than_ms:
                    os.unlink(entry.path)
                    gone += 1
    return gone
