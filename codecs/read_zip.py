"""ZIP files: one message and its attachments.

Promises: nothing is unpacked to disk, names are never used as paths, sizes are looked at before a byte is unpacked.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

from tongguan.codecs.faults import fault
from tongguan.gateway.kernel.errors import Fault, Refused

MOST_ENTRIES = 2000
MOST_RATIO = 200  #: an entry over a megabyte that shrinks more than this is no business document
_RATIO_FROM = 1_000_000
_MESSAGE = (".xml", ".json")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error)


def unpack(raw: bytes, *, most_bytes: int) -> tuple[str, bytes, dict[str, bytes]]:
    """Name and bytes of the message, and the other entries by name; Refused when the ZIP is not what it should be."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (*_DAMAGE, IndexError, OverflowError) as wrong:
        raise Refused([fault("GW-Z01", path="/", why=wrong)]) from None
    with archive:
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise Refused([fault("GW-Z03", path="/", most=MOST_ENTRIES)])
        names = [_name(entry) for entry in entries]
        faults = [f for entry, name in zip(entries, names, strict=True) for f in _entry(entry, name)]
        files = [(n, e) for n, e in zip(names, entries, strict=True) if not n.endswith("/")]
        seen = [n for n, _ in files]
        faults += [fault("GW-Z09", path=n, name=n) for n in sorted({n for n in seen if seen.count(n) > 1})]
        if sum(e.file_size for e in entries) > most_bytes:
            faults.append(fault("GW-Z04", path="/", most=most_bytes))
        messages = [n for n in seen if "/" not in n and n.lower().endswith(_MESSAGE)]
        if len(messages) != 1:
            faults.append(fault("GW-Z02", path="/", count=len(messages)))
        if faults:
            raise Refused(faults)
        contents = {name: _content(archive, entry, name) for name, entry in files}
    return messages[0], contents.pop(messages[0]), contents


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name: UTF-8 where it says so, GB18030 where not."""
    name = entry.orig_filename
    if entry.flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode("gb18030")
    except UnicodeError:
        raise Refused([fault("GW-Z10", path="/")]) from None


def _entry(entry: zipfile.ZipInfo, name: str) -> list[Fault]:
    """What is wrong with an entry, before any of it is unpacked."""
    faults = []
    parts = name.removesuffix("/").split("/")
    if "\\" in name or name[1:2] == ":" or any(part.strip() in ("", ".", "..") for part in parts) or not name.isprintable():
        faults.append(fault("GW-Z06", path=name, name=name))
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        faults.append(fault("GW-Z07", path=name, name=name))
    if entry.flag_bits & 0x1:
        faults.append(fault("GW-Z08", path=name, name=name))
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        faults.append(fault("GW-Z11", path=name, name=name, why=f"compression method {entry.compress_type}"))
    if entry.file_size > _RATIO_FROM and entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
        faults.append(fault("GW-Z05", path=name, name=name))
    return faults


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    try:
        return archive.read(entry)
    except _DAMAGE as wrong:
        raise Refused([fault("GW-Z11", path=name, name=name, why=wrong)]) from None
