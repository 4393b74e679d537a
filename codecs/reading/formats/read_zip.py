"""A ZIP of one message and its attachments: bounded in number, size and ratio; no links, no paths out, no passwords.

ZIPs are taken as people make them, where it is certain what is meant: a folder that was zipped, what a Mac or Windows adds, names in another encoding or normal form.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tongguan.codecs.reading.faults import fault
from tongguan.gateway.model.characters import normal
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.system.parser_messages import in_words

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


#: what systems put into an archive by themselves
_JUNK = re.compile(
    r"(?:^|.*/)(?:__MACOSX(?:/.*)?|\.DS_Store|Thumbs\.db|desktop\.ini|\.Spotlight-V100|\.Trashes)", re.IGNORECASE | re.DOTALL
)
_UTF8_NAME = 0x800  #: flag: the name is in UTF-8
_UNICODE_PATH = 0x7075  #: extra field: the name in UTF-8, beside one in an old code page
_MADE_BY_WINDOWS = frozenset((0, 10, 11, 14))  #: DOS, NTFS (by either number), VFAT
_HEAD = struct.Struct("<4s4xH18x3H8xL")  #: of an entry in the list: flags, the lengths of its three texts, where it lies
_FLAGS, _FLAGS_AGAIN = 8, 6  #: where flags stand in the list, and in what lies there


class SentFiles(dict[str, bytes]):
    """Attachments by the names that they have in the archive, until a message names them: `settle` takes its word where it is certain."""

    def __init__(self, files: Mapping[str, bytes], readings: Iterable[tuple[str, str]]) -> None:
        """`readings`: how else a name may be read, and the name."""
        super().__init__(files)
        self._readings: dict[str, set[str]] = {}
        for reading, name in (*readings, *((name, name) for name in files)):
            self._readings.setdefault(normal(reading), set()).add(name)

    def settle(self, names: Sequence[str]) -> None:
        """Call files as the message does: the names differ by their normal form or encoding alone, and only one file can be meant."""
        for name in names:
            if name not in self:
                meant = [key for key in self._readings.get(normal(name), ()) if key in self and key not in names]
                if len(meant) == 1:
                    self[name] = self.pop(meant[0])


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """An entry under the name that it has for us."""

    info: zipfile.ZipInfo
    name: str
    other: str  #: the other way in which its name may be read

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/") and self.info.file_size == 0


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The message's bytes, its form, and the other entries; `folders` are the names with a path."""

    form: Literal["xml", "json"]
    message: bytes
    files: SentFiles
    folders: tuple[str, ...]


def unpack(raw: bytes) -> Unpacked:
    """Take a ZIP apart; raises Refused."""
    with _opened(raw) as (archive, entries):
        files = [e for e in entries if not e.is_folder]
        contents = _contents(archive, files)
    name = _message_among(contents)
    message = contents.pop(name)
    folders = tuple(n for n in contents if "/" in n) + tuple(e.name for e in entries if e.is_folder and e.name.count("/") > 1)
    sent = SentFiles(contents, [(e.other, e.name) for e in files if e.name in contents])
    return Unpacked(_form_of(name), message, sent, folders)


def message_of(raw: bytes) -> tuple[Literal["xml", "json"], bytes]:
    """Form and bytes of the message in a ZIP, the rest left packed; raises Refused."""
    with _opened(raw) as (archive, entries):
        name = _message_among([e.name for e in entries if not e.is_folder])
        return _form_of(name), _contents(archive, [e for e in entries if e.name == name])[name]


@contextmanager
def bounded(raw: bytes) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """A ZIP whose list keeps our limits, and its entries; what is wrong with it is Refused."""
    with _opened(raw) as (archive, entries):
        yield archive, [entry.info for entry in entries]


@contextmanager
def _opened(raw: bytes) -> Iterator[tuple[zipfile.ZipFile, list[ArchiveEntry]]]:
    """The same with the names of the entries, without what systems add."""
    end = _end_of_list(raw)
    try:
        raw = _rightly_flagged(raw, end)
        with zipfile.ZipFile(io.BytesIO(raw), metadata_encoding="cp437") as archive:  # which keeps every byte of a name
            entries = _named(archive.infolist())
            _refuse_entries(entries, archive.infolist(), len(raw))
            yield archive, _out_of_folder(entries)
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
        raise _unreadable(str(wrong)) from None


def _unreadable(said: str) -> Refused:
    zh, en = in_words(said)
    return Refused([fault("GW-Z01", why=zh, why_en=en)])


def _named(infos: Sequence[zipfile.ZipInfo]) -> list[ArchiveEntry]:
    """The entries that somebody meant, with their names; raises UnicodeDecodeError for one in no encoding that is read."""
    entries = [ArchiveEntry(info, *_readings(info)) for info in infos if info.orig_filename != "./"]
    names = {entry.name for entry in entries}
    return [entry for entry in entries if not _JUNK.fullmatch(entry.name.rstrip("/")) and not _shadows(entry.name, names)]


def _shadows(name: str, names: set[str]) -> bool:
    """Is it what a Mac keeps beside a file, `._x` of `x`?"""
    folder, slash, last = name.rpartition("/")
    return last.startswith("._") and folder + slash + last[2:] in names


def _readings(info: zipfile.ZipInfo) -> tuple[str, str]:
    """An entry's name, and how else it may be read: by its flag, its extra field, or as its bytes show. Windows may write `\\` between folders."""
    name = info.orig_filename
    raw = b"" if info.flag_bits & _UTF8_NAME or name.isascii() else name.encode("cp437")
    readings = _unicode_path(info, raw) or ((_decoded(raw, "utf-8"), _decoded(raw, "gb18030")) if raw else (name, name))
    utf8, gb = readings
    if not utf8 and not gb:
        raw.decode("gb18030")
    if info.create_system in _MADE_BY_WINDOWS:
        utf8, gb = utf8.replace("\\", "/"), gb.replace("\\", "/")
    utf8, gb = utf8.removeprefix("./"), gb.removeprefix("./")
    certain = utf8 and max(utf8) >= "\u0800"  # of two bytes each, letters may be either
    return (utf8, gb or utf8) if certain or not gb else (gb, utf8 or gb)


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _unicode_path(info: zipfile.ZipInfo, raw: bytes) -> tuple[str, str] | None:
    """The name in UTF-8 that stands beside an old one, if it is about this name."""
    extra = info.extra
    while raw and len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(data) > 5 and data[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            name = _decoded(data[5:], "utf-8")
            return (name, name) if name else None
    return None


def _out_of_folder(entries: list[ArchiveEntry]) -> list[ArchiveEntry]:
    """What lies in the one folder that was zipped, as if it lay in the archive itself."""
    while True:
        tops = {entry.name.partition("/")[0] if "/" in entry.name else "" for entry in entries if not entry.is_folder}
        if len(tops) != 1 or tops == {""}:
            return entries
        start = len(tops.pop()) + 1
        inside = [ArchiveEntry(entry.info, entry.name[start:], entry.other.partition("/")[2]) for entry in entries]
        entries = [entry for entry in inside if entry.name]


def _message_among(names: Iterable[str]) -> str:
    messages = [n for n in names if "/" not in n and n.lower().endswith((".xml", ".json"))]
    if len(messages) != 1:
        raise Refused([fault("GW-Z02", count=len(messages), names="".join(f" {name}" for name in messages[:5]))])
    return messages[0]


def _form_of(name: str) -> Literal["xml", "json"]:
    return "xml" if name.lower().endswith(".xml") else "json"


def _rightly_flagged(raw: bytes, at: int) -> bytes:
    """The archive with the flag for UTF-8 taken from names that are not in it: some programs set it whatever they write.

    `at`: where the list's end record stands.
    """
    size, offset = _END.unpack_from(raw, at)[5:7]
    start, before = at - size, at - size - offset  # what was put before the archive moves all of it
    wrong: list[int] = []
    while 0 <= start <= at - _HEAD.size:
        mark, flags, name, extra, comment, entry = _HEAD.unpack_from(raw, start)
        if mark != b"PK\x01\x02":
            break
        if flags & _UTF8_NAME and not _decoded(raw[start + _HEAD.size : start + _HEAD.size + name], "utf-8"):
            wrong += [start + _FLAGS, before + entry + _FLAGS_AGAIN]
        start += _HEAD.size + name + extra + comment
    if not wrong:
        return raw
    mended = bytearray(raw)
    for place in wrong:
        if 0 <= place < at:
            mended[place + 1] &= ~(_UTF8_NAME >> 8) & 0xFF
    return bytes(mended)


def _end_of_list(raw: bytes) -> int:
    """Where the list's end record stands. Its length is looked at before it is read: a million names cost more than they say."""
    at = raw.rfind(b"PK\x05\x06", max(0, len(raw) - 65_557))
    if at < 0 or len(raw) - at < _END.size:
        raise _unreadable("no end record")
    entries, size = _END.unpack_from(raw, at)[4:6]
    at_64 = at - _LOCATOR_64 - _END_64.size
    if at_64 >= 0 and raw.startswith(b"PK\x06\x06", at_64) and raw.startswith(b"PK\x06\x07", at - _LOCATOR_64):
        entries, size = _END_64.unpack_from(raw, at_64)[7:9]  # where it stands, it counts: whatever the other says
    if entries > MOST_ENTRIES or size > _MOST_DIRECTORY:
        raise Refused([fault("GW-Z03", most=MOST_ENTRIES)])
    return at


def _refuse_entries(entries: Sequence[ArchiveEntry], listed: Sequence[zipfile.ZipInfo], size_bytes: int) -> None:
    """Everything that can be known before a byte is unpacked."""
    if len(listed) > MOST_ENTRIES:
        raise Refused([fault("GW-Z03", most=MOST_ENTRIES)])
    faults: list[Fault] = []
    seen: set[str] = set()
    for entry in entries:
        name, info = entry.name, entry.info
        faults.extend(fault(code, name=name) for code in _entry_codes(entry))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.append(fault("GW-Z11", name=name, why=f"compression method {info.compress_type}"))
        if normal(name) in seen:
            faults.append(fault("GW-Z09", name=name))
        seen.add(normal(name))
    most = min(MOST_UNPACKED, max(_MOST_TOGETHER, _RATIO * size_bytes))
    if sum(info.file_size for info in listed) > most:
        faults.append(fault("GW-Z04", most=most))
    if faults:
        raise Refused(faults)


def _entry_codes(entry: ArchiveEntry) -> list[str]:
    codes, info = [], entry.info
    mode = stat.S_IFMT(info.external_attr >> 16)
    if _BAD_NAME.search(entry.name) or not entry.name:
        codes.append("GW-Z06")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        codes.append("GW-Z07")
    if info.flag_bits & 0x41:
        codes.append("GW-Z08")
    if info.file_size > _SMALL and info.file_size > _RATIO * info.compress_size:
        codes.append("GW-Z05")
    return codes


def _contents(archive: zipfile.ZipFile, entries: Sequence[ArchiveEntry]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    faults: list[Fault] = []
    for entry in entries:
        name = entry.name
        try:
            # Never more than the list declares is unpacked, so the sum checked before holds.
            contents[name] = archive.read(entry.info)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError) as wrong:
            faults.append(fault("GW-Z11", name=name, why=wrong))
    if faults:
        raise Refused(faults)
    return contents
