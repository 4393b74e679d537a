"""Bytes as an enterprise sent them to items: XML, JSON, or a ZIP of one of them with its attachments.

Promises: whatever the bytes are, `read` returns a `Read` or raises `Refused` with every fault it found. One bad item of a batch
never spoils the others: its faults stay with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tongguan.codecs import read_json, read_xml
from tongguan.codecs.faults import fault
from tongguan.codecs.frame import wrong_name
from tongguan.codecs.item import Item, Read, Unreadable
from tongguan.codecs.read_zip import unpack
from tongguan.codecs.words import MOST_ITEMS
from tongguan.gateway.kernel.errors import Fault, Refused

__all__ = ["Item", "Read", "Unreadable", "read"]


def read(
    name: str,
    raw: bytes,
    *,
    most_bytes: int,
    types: Collection[str] | None = None,
    attached: Sequence[tuple[str, bytes]] = (),
) -> Read:
    """Read a file or queue message by the ending of its name.

    `types` are the document types known here (None: not looked at); `attached` what came beside a queue message.
    """
    if len(raw) > most_bytes:
        raise Refused([fault("GW-M02", path="/", most=most_bytes)])
    ending = name.lower().rpartition(".")[2]
    files: dict[str, bytes] = {}
    if ending == "zip":
        inner, raw, files = unpack(raw, most_bytes=most_bytes)
        ending = inner.lower().rpartition(".")[2]
    if ending not in ("xml", "json"):
        raise Refused([fault("GW-M01", path="/", name=name)])
    if not raw.strip():
        raise Refused([fault("GW-M03", path="/")])
    twice = [n for n, count in Counter([*files, *(n for n, _ in attached)]).items() if count > 1]
    if twice:
        raise Refused([fault("GW-A03", path=n, name=n) for n in sorted(twice)])
    files.update(attached)
    form: Any = read_xml if ending == "xml" else read_json
    top = form.parse(raw)
    if form.is_batch(top):
        return _batch(ending, top, types, files)
    item, _ = form.item(top, types=types)
    faults = [*item.faults, *_surplus(item, files, "")]
    if faults:
        raise Unreadable(faults, item)
    return Read(ending, None, (_with_files(item, files, ""),), False, files)


def _batch(form: str, top: Any, types: Collection[str] | None, files: Mapping[str, bytes]) -> Read:
    part: Any = read_xml if form == "xml" else read_json
    reference, given, faults = part.batch(top)
    place = "/Batch/@reference" if form == "xml" else "/reference"
    if reference and (problem := wrong_name(reference)):
        faults.append(fault(problem, path=place, name="reference"))
    if not given:
        faults.append(fault("GW-M13", path="/"))
    if len(given) > MOST_ITEMS:
        faults.append(fault("GW-M11", path="/", most=MOST_ITEMS, count=len(given)))
    if faults:
        raise Refused(faults)
    items = [_one(form, element, n, reference, types) for n, element in enumerate(given, 1)]
    if not reference and any(item.reference is None for item in items):
        raise Refused([fault("GW-M07", path=place, name="reference")])
    folders = {f"{item.reference}/" for item in items}
    stray = [n for n in files if not any(n.startswith(f) and "/" not in n[len(f) :] for f in folders)]
    if stray:
        raise Refused([fault("GW-A02", path=n, name=n) for n in stray])
    return Read(form, reference, tuple(_told_apart(items, files)), True, files)


def _one(form: str, given: Any, n: int, batch: str | None, types: Collection[str] | None) -> Item:
    lent = f"{batch[:58]}-{n}" if batch else None
    if form == "json":
        return read_json.item(given, place=f"/batch/{n - 1}", lent=lent, types=types)[0]
    return read_xml.item(given, place=f"/Batch/*[{n}]", lent=lent, types=types)[0]


def _told_apart(items: Sequence[Item], files: Mapping[str, bytes]) -> list[Item]:
    """The items with the faults that only show beside the others, and with their files in their hash."""
    count = Counter(item.reference for item in items)
    told = []
    for item in items:
        folder = f"{item.reference}/"
        faults = [*item.faults, *_surplus(item, files, folder)]
        if item.reference and count[item.reference] > 1:
            faults.append(fault("GW-M12", path=item.place, reference=item.reference))
        told.append(_with_files(replace(item, faults=tuple(faults)), files, folder))
    return told


def _surplus(item: Item, files: Mapping[str, bytes], folder: str) -> list[Fault]:
    """Files that came but are not named; those that are named and did not come show when the document is at hand."""
    named = {folder + name for name, _ in item.attachments}
    return [fault("GW-A02", path=n, name=n) for n in files if n.startswith(folder) and n not in named]


def _with_files(item: Item, files: Mapping[str, bytes], folder: str) -> Item:
    """The item whose hash also speaks of the bytes of its files."""
    own = [files[folder + name] for name, _ in item.attachments if folder + name in files]
    if not own:
        return item
    digest = hashlib.sha256(item.sha256.encode())
    for content in own:
        digest.update(hashlib.sha256(content).digest())
    return replace(item, sha256=digest.hexdigest())
