"""The hand that writes an account's files: every file whole at every moment, none forced to disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import file_names
from tongguan.gateway.system.storage.folders import SPARES, Folders
from tongguan.outbox.status.rewriting import Rewriter


class MailboxFolders(Protocol):
    """What the outbox knows of an account's folders."""

    @property
    def folders(self) -> Folders: ...
    def place(self, message_id: str, source: str, *, folder: str, stamp: str) -> str | None: ...
    def in_work(self) -> Iterable[str]: ...
    def restore(self, message_id: str, source: str, content: bytes) -> None: ...
    def ignored(self, language: str) -> list[dict[str, str | None]]: ...


class FileWriter:
    """Writes into one mailbox, which the caller has found to be there. OSError when a disk fails."""

    def __init__(self, mailbox: MailboxFolders) -> None:
        self.mailbox = mailbox
        self._folders = mailbox.folders
        self._rewriter: Rewriter | None = None

    def message(self, message_id: str, content: bytes, source: str | None) -> None:
        """Put a status under the message's id and, as a second name of the same file, under that of the file that came."""
        by_id = f"{message_id}.json"
        self._write("Status/by-id", by_id, content)
        if source is None:
            return
        target = file_names.status_name(source)
        try:
            self._hand().link((self._folders["Status/by-id"], by_id), (self._folders["Status"], target))
        except OSError:
            self._write("Status", target, content)

    def document(self, document_type: str, key: str, content: bytes) -> None:
        self._write("Status/documents", file_names.document_name(document_type, key), content)

    def page(self, name: str, content: bytes) -> None:
        """A page of the whole mailbox, in `Status/`."""
        self._write("Status", name, content)

    def answer(self, file: str, content: bytes) -> None:
        self._write("InBox", file_names.on_disk(file), content)

    def answers(self) -> Iterator[str]:
        """The names that lie in InBox now."""
        with os.scandir(self._folders["InBox"]) as entries:
            for entry in entries:
                yield file_names.as_text(os.fsencode(entry.name))

    def inbox_changed_ns(self) -> int:
        """When a name came into InBox, or left it, last."""
        return os.fstat(self._folders["InBox"]).st_mtime_ns

    def _write(self, folder: str, name: str, content: bytes) -> None:
        self._hand().write(self._folders[folder], name, content)

    def _hand(self) -> Rewriter:
        if self._rewriter is None:
            self._rewriter = Rewriter(self._folders[SPARES])
        return self._rewriter


def clear_leftovers(mailbox: MailboxFolders, *, older_than_ms: int = 60_000) -> int:
    """Remove temporaries that a crash left in the folders that the outbox writes; how many there were."""
    gone, now = 0, clock.now_ms()
    for name in ("InBox", "Status", "Status/by-id", "Status/documents"):
        folder = mailbox.folders[name]
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] != "." or not entry.name.endswith(".tmp"):
                    continue
                with contextlib.suppress(OSError):  # none of ours (a folder), or gone by now
                    if now - entry.stat(follow_symlinks=False).st_mtime * 1000 > older_than_ms:
                        os.unlink(entry.name, dir_fd=folder)
                        gone += 1
    return gone
