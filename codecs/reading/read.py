"""Read what came through a door: XML, JSON, or a ZIP of one of them with its attachments.

Promises: whatever the bytes are, the answer is a `Read` or `Refused` with every fault found; nothing of what was sent is lost or
rounded; one bad item of a batch never spoils the others. Of a profile it knows how the authority itself writes the document, and nothing else:
whether a type, an element or a code exists is the checker's question.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.item import Item, Read, spoiled
from tongguan.codecs.reading.read_json import read_json
from tongguan.codecs.reading.read_xml import read_xml
from tongguan.codecs.reading.read_zip import Unpacked, unpack
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.profile import OwnForms

__all__ = ["Item", "Read", "read"]

_NONE: OwnForms = {}


def read(name: str, raw: bytes, *, most_bytes: int, own_forms: OwnForms = _NONE) -> Read:
    """Read a file by its extension; raises Refused with every fault and its place."""
    if len(raw) > most_bytes:
        raise Refused([fault("GW-M02", most=most_bytes)])
    if not raw:
        raise Refused([fault("GW-M03")])
    form = name.rpartition(".")[2].lower() if "." in name else ""
    if form == "zip":
        return _read_zip(raw, most_bytes, own_forms)
    if form not in ("xml", "json"):
        raise Refused([fault("GW-M01", name=name)])
    return _whole(_read(form, raw, {}, own_forms))


def _read(form: str, raw: bytes, files: Mapping[str, bytes], own_forms: OwnForms) -> Read:
    return read_json(raw, files) if form == "json" else read_xml(raw, files, own_forms)


def _read_zip(raw: bytes, most_bytes: int, own_forms: OwnForms) -> Read:
    unpacked: Unpacked = unpack(raw)
    if len(unpacked.message) > most_bytes:
        raise Refused([fault("GW-M02", most=most_bytes)])
    content = _read(unpacked.form, unpacked.message, unpacked.files, own_forms)
    strangers = [n for n in unpacked.folders if not content.batch or n.count("/") != 1]
    if strangers:
        raise Refused([fault("GW-Z06", name=n) for n in strangers])
    return _whole(content)


def _whole(content: Read) -> Read:
    """The content, once each attachment named is there and no other is.

    What is missing spoils its item; what nobody named spoils the file, for it may be the one that is missing elsewhere.
    """
    if not content.files and not any(i.attachments for i in content.items):
        return content
    named: set[str] = set()
    items = [_with_files(item, content, named) for item in content.items]
    surplus = [fault("GW-E02", name=name) for name in content.files if name not in named]
    if surplus or not content.batch:
        faults = [*(f for item in items for f in item.faults), *surplus]
        if faults:
            raise Refused(faults)
    return replace(content, items=tuple(items))


def _with_files(item: Item, content: Read, named: set[str]) -> Item:
    if item.operation == "detach":
        return item
    prefix = f"{item.reference}/" if content.batch else ""
    names = [prefix + file for file, _ in item.attachments]
    named.update(names)
    path = f"{item.place}/{_WHERE[content.form]}"
    missing = [name for name in names if name not in content.files]
    return spoiled(item, [fault("GW-E01", path=path, name=name, near=_alike(name, content.files)) for name in missing])


def _alike(name: str, files: Mapping[str, bytes]) -> str:
    """The one file whose name differs by case or blanks alone; more is not guessed."""
    found = [other for other in files if _folded(other) == _folded(name)]
    return f" → {found[0]} ?" if len(found) == 1 else ""


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


_WHERE = {"xml": "Attachments", "json": "attachments"}
