"""Read what came through a door: XML, JSON, or a ZIP of one of them with its attachments.

Promises: whatever the bytes are, the answer is a `Read` or `Refused` with every fault found; nothing of what was sent is lost or
rounded. Never reads a profile: whether a type, an element or a code exists is the checker's question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tongguan.codecs.faults import fault
from tongguan.codecs.item import Item, Read
from tongguan.codecs.read_json import read_json
from tongguan.codecs.read_xml import read_xml
from tongguan.codecs.read_zip import Unpacked, unpack
from tongguan.gateway.kernel.errors import Fault, Refused

__all__ = ["Item", "Read", "read"]

_READERS = {"xml": read_xml, "json": read_json}


def read(name: str, raw: bytes, *, most_bytes: int) -> Read:
    """Read a file by its extension; raises Refused with every fault and its place."""
    if len(raw) > most_bytes:
        raise Refused([fault("GW-M02", most=most_bytes)])
    if not raw:
        raise Refused([fault("GW-M03")])
    form = name.rpartition(".")[2].lower() if "." in name else ""
    if form == "zip":
        return _read_zip(raw)
    if form not in _READERS:
        raise Refused([fault("GW-M01", name=name)])
    return _whole(_READERS[form](raw, {}), {})


def _read_zip(raw: bytes) -> Read:
    unpacked: Unpacked = unpack(raw)
    content = _READERS[unpacked.form](unpacked.message, unpacked.files)
    strangers = [n for n in unpacked.folders if not content.batch or n.count("/") != 1]
    if strangers:
        raise Refused([fault("GW-Z06", name=n) for n in strangers])
    return _whole(content, unpacked.files)


def _whole(content: Read, files: Mapping[str, bytes]) -> Read:
    """The content, once each attachment named is there and no other is."""
    faults = _attachment_faults(content, files) if files or any(i.attachments for i in content.items) else []
    if faults:
        raise Refused(faults)
    return content


def _attachment_faults(content: Read, files: Mapping[str, bytes]) -> list[Fault]:
    expected: dict[str, str] = {}
    faults: list[Fault] = []
    for item in content.items:
        prefix = f"{item.reference}/" if content.batch else ""
        named: Sequence[str] = [] if item.operation == "detach" else [file for file, _ in item.attachments]
        expected.update((prefix + file, item.place) for file in named)
    for name, place in expected.items():
        if name not in files:
            faults.append(fault("GW-E01", path=f"{place}/{_WHERE[content.form]}", name=name))
    faults.extend(fault("GW-E02", name=name) for name in files if name not in expected)
    return faults


_WHERE = {"xml": "Attachments", "json": "attachments"}
