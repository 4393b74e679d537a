"""A ZIP of one message and its attachments: bounded in number, size and ratio; no links, no paths out, no passwords."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tongguan.codecs.reading.faults import fault
from tongguan.gateway.model.errors import Fault, Refused

MOST_ENTRIES = 1000
MOST_UNPACKED = 64_000_000
_RATIO = 100
_SMALL = 1_000_000  #: up to this size the ratio is not looked at
_MOST_DIRECTORY = 1_000_000  #: bytes of the ZIP's own list
_MOST_TOGETHER = 10_000_000  #: the same of all entries together: small ones add up, and can lie over one another
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = 20  #: bytes of what stands between that and the end record
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f\\:]|^/|(^|/)\.{1,2}(/|$)|//")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The message's bytes, its form, and the other entries; `folders` are the names with a path."""

    form: Literal["xml", "json"]
    message: bytes
    files: dict[str, bytes]
    folders: tuple[str, ...]


def unpack(raw: bytes) -> Unpacked:
    """Take a ZIP apart; raises Refused."""
    with bounded(raw) as (archive, entries):
        contents = _contents(archive, [e for e in entries if not _is_folder(e)])
    name = _message_among(contents)
    message = contents.pop(name)
    folders = tuple(n for n in contents if "/" in n) + tuple(
        e.orig_filename + "/" for e in entries if _is_folder(e) and e.orig_filename.count("/") > 1
    )
    return Unpacked(_form_of(name), message, contents, folders)


def message_of(raw: bytes) -> tuple[Literal["xml", "json"], bytes]:
    """Form and bytes of the message in a ZIP, the rest left packed; raises Refused."""
    with bounded(raw) as (archive, entries):
        name = _message_among([e.orig_filename for e in entries if not _is_folder(e)])
        return _form_of(name), _contents(archive, [e for e in entries if e.orig_filename == name])[name]


@contextmanager
def bounded(raw: bytes) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """A ZIP whose list keeps our limits, and its entries; what is wrong with it is Refused."""
    _refuse_long_list(raw)
    try:
        with zipfile.ZipFile(io.BytesIO(raw), metadata_encoding="gb18030") as archive:
            entries = archive.infolist()
            _refuse_entries(entries, len(raw))
            yield archive, entries
    except UnicodeDecodeError:
        raise Refused([fault("GW-Z10")]) from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        ValueError,
        EOFError,
        OSError,
        struct.error,
        OverflowError,
    ) as wrong:
        raise Refused([fault("GW-Z01", why=wrong)]) from None


def _message_among(names: Iterable[str]) -> str:
    messages = [n for n in names if "/" not in n and n.lower().endswith((".xml", ".json"))]
    if len(messages) != 1:
        raise Refused([fault("GW-Z02", count=len(messages))])
    return messages[0]


def _form_of(name: str) -> Literal["xml", "json"]:
    return "xml" if name.lower().endswith(".xml") else "json"


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/") and entry.file_size == 0


def _refuse_long_list(raw: bytes) -> None:
    """Look at the list's length before it is read: a million names cost more than they say."""
    at = raw.rfind(b"PK\x05\x06", max(0, len(raw) - 65_557))
    if at < 0 or len(raw) - at < _END.size:
        raise Refused([fault("GW-Z01", why="no end record")])
    entries, size = _END.unpack_from(raw, at)[4:6]
    at_64 = at - _LOCATOR_64 - _END_64.size
    if at_64 >= 0 and raw.startswith(b"PK\x06\x06", at_64) and raw.startswith(b"PK\x06\x07", at - _LOCATOR_64):
        entries, size = _END_64.unpack_from(raw, at_64)[7:9]  # where it stands, it counts: whatever the other says
    if entries > MOST_ENTRIES or size > _MOST_DIRECTORY:
        raise Refused([fault("GW-Z03", most=MOST_ENTRIES)])


def _refuse_entries(entries: Sequence[zipfile.ZipInfo], size_bytes: int) -> None:
    """Everything that can be known before a byte is unpacked."""
    if len(entries) > MOST_ENTRIES:
        raise Refused([fault("GW-Z03", most=MOST_ENTRIES)])
    faults: list[Fault] = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        faults.extend(fault(code, name=name) for code in _entry_codes(entry))
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.append(fault("GW-Z11", name=name, why=f"compression method {entry.compress_type}"))
        if name in seen:
            faults.append(fault("GW-Z09", name=name))
        seen.add(name)
    most = min(MOST_UNPACKED, max(_MOST_TOGETHER, _RATIO * size_bytes))
    if sum(entry.file_size for entry in entries) > most:
        faults.append(fault("GW-Z04", most=most))
    if faults:
        raise Refused(faults)


def _entry_codes(entry: zipfile.ZipInfo) -> list[str]:
    codes = []
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if _BAD_NAME.search(entry.orig_filename) or not entry.orig_filename:
        codes.append("GW-Z06")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        codes.append("GW-Z07")
    if entry.flag_bits & 0x41:
        codes.append("GW-Z08")
    if entry.file_size > _SMALL and entry.file_size > _RATIO * entry.compress_size:
        codes.append("GW-Z05")
    return codes


def _contents(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    faults: list[Fault] = []
    for entry in entries:
        name = entry.orig_filename
        try:
            # Never more than the list declares is unpacked, so the sum checked before holds.
            contents[name] = archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError) as wrong:
            faults.append(fault("GW-Z11", name=name, why=wrong))
    if faults:
        raise Refused(faults)
    return contents
