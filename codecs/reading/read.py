"""Read what came through a door: XML, JSON, or a ZIP of one of them with its attachments.

Promises: whatever the bytes are, the answer is a `Read` or `Refused` with every fault found; nothing of what was sent is lost or
rounded; one bad item of a batch never spoils the others. Of a profile it knows how the authority itself writes the document, and nothing else:
whether a type, an element or a code exists is the checker's question.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from tongguan.codecs.reading.faults import ATTACHMENT, fault
from tongguan.codecs.reading.formats.read_json import read_json
from tongguan.codecs.reading.formats.read_xml import read_xml
from tongguan.codecs.reading.formats.read_zip import Unpacked, unpack
from tongguan.codecs.reading.frame import TakenFiles
from tongguan.codecs.reading.item import Item, Read, Spoilt, spoiled
from tongguan.codecs.reading.mistaken import UNREADABLE, mistaken
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.foreign import KnownFiles
from tongguan.gateway.profile.profile import OwnForms

__all__ = ["Item", "Read", "read"]

_NONE: OwnForms = {}


def read(name: str, raw: bytes, *, most_bytes: int, own_forms: OwnForms = _NONE, known: KnownFiles | None = None) -> Read:
    """Read a file by its extension; raises Refused with every fault and its place, `Spoilt` where messages could be read all the same.

    `known`: what is no message of these types is told as what it is, in one fault.
    """
    if len(raw) > most_bytes:
        raise Refused([fault("GW-M02", most=most_bytes)])
    if not raw:
        raise Refused([fault("GW-M03")])
    form = name.rpartition(".")[2].lower() if "." in name else ""
    if form not in ("xml", "json", "zip"):
        raise Refused([fault("GW-M01", name=name)])
    taken = TakenFiles(own_forms, known)
    try:
        return _read_zip(raw, most_bytes, taken) if form == "zip" else _whole(_read(form, raw, {}, taken))
    except Refused as refused:
        other = mistaken(name, form, raw, known) if known is not None and refused.faults[0].code in UNREADABLE else None
        if other is None:
            raise
        raise Refused([other]) from None


def _read(form: str, raw: bytes, files: Mapping[str, bytes], taken: TakenFiles) -> Read:
    return read_json(raw, files, taken) if form == "json" else read_xml(raw, files, taken)


def _read_zip(raw: bytes, most_bytes: int, taken: TakenFiles) -> Read:
    unpacked: Unpacked = unpack(raw)
    if len(unpacked.message) > most_bytes:
        raise Refused([fault("GW-M02", most=most_bytes)])
    content = _read(unpacked.form, unpacked.message, unpacked.files, taken)
    strangers = [n for n in unpacked.folders if not content.batch or n.count("/") != 1]
    if strangers:
        raise Refused([fault("GW-Z06", name=n) for n in strangers])
    return _whole(content)


def _whole(content: Read) -> Read:
    """The content, once each attachment named is there and no other is; raises Spoilt with every fault of a file that is one message.

    What is missing spoils its item; what nobody named spoils the file, for it may be the one that is missing elsewhere.
    """
    faults = list(content.faults)
    named: set[str] = set()
    if content.files or any(i.attachments for i in content.items):
        content = replace(content, items=tuple(_with_files(item, content, named) for item in content.items))
        if all(item.known for item in content.items):
            faults += [
                fault("GW-E02", path=_place(content), **ATTACHMENT, name=name) for name in content.files if name not in named
            ]
    if faults or not content.batch:
        faults = [*content.faults, *(f for item in content.items for f in item.faults), *faults[len(content.faults) :]]
    if faults:
        raise Spoilt(faults, content)
    return content


def _place(content: Read) -> str:
    """Where the attachments of a message are told; of a batch, where its items are."""
    item = content.items[0]
    return f"{item.place}/{_WHERE[content.form]}" if not content.batch else item.place.rpartition("/")[0]


def _with_files(item: Item, content: Read, named: set[str]) -> Item:
    if "detach" in (item.operation, item.wanted):
        return item
    prefix = f"{item.reference}/" if content.batch else ""
    names = [prefix + file for file, _ in item.attachments]
    named.update(names)
    path = f"{item.place}/{_WHERE[content.form]}"
    listed_well = not any(one.path.startswith(path) for one in item.faults)
    missing = [name for name in names if name not in content.files] if listed_well else []
    return spoiled(
        item, [fault("GW-E01", path=path, **ATTACHMENT, name=name, near=_alike(name, content.files)) for name in missing]
    )


def _alike(name: str, files: Mapping[str, bytes]) -> str:
    """The one file whose name differs by case or blanks alone; more is not guessed."""
    found = [other for other in files if _folded(other) == _folded(name)]
    return f" → {found[0]} ?" if len(found) == 1 else ""


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


_WHERE = {"xml": "Attachments", "json": "attachments"}
