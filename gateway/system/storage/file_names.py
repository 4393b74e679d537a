"""Names of files: from whatever a sender called a thing to a name that every folder can hold.

A name travels as text (`Message.source`) that any database and JSON can keep; bytes that are no UTF-8 stand in it as
U+EF80…U+EFFF and become the same bytes again on disk. A name is never a path: no function here lets a separator through.
Names that would outgrow the file system are cut and end in a hash, so that two long names stay two.
"""

from __future__ import annotations

import hashlib
import os
import re

MOST_BYTES = 255  #: of one name, on every file system in use
EXTENSIONS = (b".xml", b".json", b".zip")

_RAW = re.compile("[\udc80-\udcff\uef80-\uefff]")
_STANDS_FOR_RAW = re.compile("[\uef80-\uefff]")


def as_text(name: bytes) -> str:
    """A name on disk as text without loss; `as_bytes` gives the same bytes back."""
    text = name.decode("utf-8", "surrogateescape")
    return text if text.isascii() else _RAW.sub(_stand_in, text)


def _stand_in(found: re.Match[str]) -> str:
    return "".join(chr(0xEF00 + byte) for byte in found[0].encode("utf-8", "surrogateescape"))


def as_bytes(text: str) -> bytes:
    """The bytes on disk of a name that `as_text` made, or of any other text."""
    if text.isascii():
        return text.encode()
    raw = _STANDS_FOR_RAW.sub(lambda found: chr(0xDC00 + ord(found[0]) - 0xEF00), text)
    try:
        return raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return raw.encode("utf-8", "backslashreplace")


def shown(text: str) -> str:
    """A name for people: one that is no UTF-8 is read as GB18030, as Chinese systems write it, else its bytes are spelt out."""
    if not _STANDS_FOR_RAW.search(text):
        return text
    raw = as_bytes(text)
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")


def spellings(name: str) -> list[str]:
    """The texts of the files that are shown under this name: as it stands, and as it is written in GB18030."""
    try:
        return list(dict.fromkeys((name, as_text(name.encode("gb18030")))))
    except UnicodeEncodeError:
        return [name]


def extension(name: bytes) -> bytes:
    """The extension in small letters when it is one the gateway takes, else nothing."""
    tail = name[-5:].lower()
    return next((known for known in EXTENSIONS if tail.endswith(known)), b"")


def status_name(source: str) -> str:
    """The status file of a file: its whole name and `.status.json`."""
    return _name(as_bytes(source), b".status.json")


def stem(source: str) -> str:
    """A file's name without its extension, as it stands in the names of answers."""
    return as_text(_parted(source)[0])


def _parted(source: str) -> tuple[bytes, bytes]:
    """A file's name without its extension, and that."""
    raw = as_bytes(source)
    end = len(raw) - len(extension(raw))
    return raw[:end], raw[end:]


def stamped(name: str, stamp: str, suffix: str, *, turn: int = 1) -> str:
    """`name_<stamp>.suffix`, from the second turn on with `-2`, `-3`, … before the suffix."""
    number = "" if turn == 1 else f"-{turn}"
    return _name(as_bytes(name), f"_{stamp}{number}{suffix}".encode())


def box_name(source: str, stamp: str, *, turn: int = 1) -> str:
    """An original's name in SentBox or FailBox; the extension keeps its letters."""
    name, ending = _parted(source)
    return stamped(as_text(name), stamp, ending.decode(), turn=turn)


def numbered(source: str, turn: int) -> str:
    """A file's name on disk; from the second turn on with `-2`, `-3`, … before the extension."""
    name, ending = _parted(source)
    return os.fsdecode(name + ending) if turn == 1 else _name(name, f"-{turn}".encode() + ending)


def document_name(document_type: str, key: str) -> str:
    """The file of a business document: `<type>_<key>.json`."""
    return _name(as_bytes(f"{document_type}_{key}"), b".json")


def on_disk(text: str) -> str:
    """A whole name as it stands in a row, as the entry of a folder; its suffix is kept when it must be cut."""
    raw = as_bytes(text)
    start = raw.rfind(b".", max(1, len(raw) - 8))
    return _name(raw, b"") if start < 0 else _name(raw[:start], raw[start:])


def fitting(text: str, most_bytes: int) -> str:
    """A name as text that is safe in a folder and no longer than `most_bytes` there."""
    return as_text(_cut(as_bytes(text), most_bytes))


def _name(raw: bytes, tail: bytes) -> str:
    """One folder entry of `raw` and `tail`, with a hash in it when `raw` could not be kept as it is."""
    return os.fsdecode(_cut(raw, MOST_BYTES - len(tail)) + tail)


def _cut(raw: bytes, room: int) -> bytes:
    safe = raw.replace(b"/", b"_").replace(b"\0", b"_")
    if safe == raw and len(raw) <= room:
        return raw
    mark = b"~" + hashlib.sha256(raw).hexdigest()[:10].encode()
    end = min(len(safe), room - len(mark))
    while 0 < end < len(safe) and safe[end] & 0xC0 == 0x80:
        end -= 1
    return safe[:end] + mark
