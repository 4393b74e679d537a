"""The frame of a message, the same in XML and JSON: who it is, what is to be done, which files belong to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from typing import Any

from tongguan.codecs.reading.faults import ATTACHMENT, fault
from tongguan.codecs.reading.formats.read_zip import SentFiles
from tongguan.codecs.reading.item import MOST_KEPT, Item, Read, WireForm, digest, spoiled
from tongguan.codecs.reading.vocabulary import ATTRIBUTES, FRAME_LABELS, MOST_LISTED, MOST_NAME, near
from tongguan.gateway.model.characters import hides, may_be_strange, normal, strange, unprintable, without_unseen
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.foreign import RECEIPT, KnownFiles
from tongguan.gateway.profile.profile import OPERATIONS, PAGING, OwnForms, Text

Attached = tuple[tuple[str, str], ...]
_SURELY = 0.85  #: how near a root's name must be to a type's: every system has its messages and declarations
_TRUE = {"true": True, "1": True, "false": False, "0": False}


@record
class TakenFiles:
    """What is taken: documents in their authorities' own forms, and types; without them whether a type exists is not asked."""

    own_forms: OwnForms
    known: KnownFiles | None = None


@record
class ItemPlace:
    """Where an item stands, for faults: `mark` is put before an attribute's name."""

    path: str
    mark: str
    line: int | None = None
    batch: bool = False  #: the item is one of several
    spare: str | None = None  #: its reference where it gives none
    paths: Mapping[str, str] = field(default_factory=dict)  #: where in it the words of the frame stand that are no attributes

    def of(self, name: str) -> str:
        return f"{self.path}/{self.paths[name]}" if name in self.paths else f"{self.path}{self.mark}{name}"


def read_frame(given: Mapping[str, str], place: ItemPlace, faults: list[Fault]) -> dict[str, Any]:
    """What the attributes make of an `Item`. Adds to `faults`."""
    operation = given.get("operation", "")
    if not operation:
        faults.append(_missing("operation", place))
    elif operation not in OPERATIONS:
        faults.append(_wrong("GW-M06", "operation", place, operation=operation, **near(operation, OPERATIONS)))
    checking = given.get("check", "false")
    if checking not in _TRUE:
        faults.append(_wrong("GW-M14", "check", place, value=checking))
    check = _TRUE.get(checking, False)
    reference = given.get("reference") or place.spare or None
    if not reference and operation not in ("query", "check") and not check:
        faults.append(_missing("reference", place))
    names = {"reference": reference, **{name: given.get(name) or None for name in ("document", "number", "kind")}}
    paging = {name: given[name] for name in PAGING if name in given}
    for name, value in (*names.items(), *paging.items()):
        if value:
            faults.extend(name_faults(name, value, place))
    return {"operation": operation, **names, "check": check, "paging": paging}


def name_faults(name: str, value: str, place: ItemPlace) -> list[Fault]:
    """What is wrong with a reference, key or number."""
    faults = []
    if len(value) > MOST_NAME:
        faults.append(_wrong("GW-M08", name, place, name=name))
    if (odd := next(iter(strange(value)), None) or unprintable(value)) is not None:
        zh, en = odd.what
        what = {"what": f"第 {odd.at} 个字符是 {zh}", "what_en": f"character {odd.at} is {en}"}
        if odd.kind == "nothing":
            what = {"what": f"{zh} 是空值", "what_en": f"{en} stands for no value"}
        faults.append(_wrong("GW-M09", name, place, name=name, **what))
    elif value != value.strip():
        faults.append(_wrong("GW-M09", name, place, name=name, what="首尾有空格", what_en="it has outer blanks"))
    return faults


def unknown_attribute(name: str, place: ItemPlace) -> Fault:
    return _wrong("GW-M10", name, place, name=name, **near(name, ATTRIBUTES))


def attachment_faults(named: Sequence[tuple[str, str]], path: str, line: int | None = None) -> list[Fault]:
    """What is wrong with the list of a message's attachments, before any file is looked at."""
    faults, seen = [], set()
    if len(named) > MOST_LISTED:
        faults.append(fault("GW-E10", path=path, line=line, **ATTACHMENT, most=MOST_LISTED, count=len(named)))
    for file, _ in named[:MOST_LISTED]:
        if not file:
            faults.append(fault("GW-E13", path=path, line=line, **ATTACHMENT, name="file"))
        elif len(file) > 255 or file in (".", "..") or "/" in file or "\\" in file or hides(file):
            faults.append(fault("GW-E15", path=path, line=line, **ATTACHMENT, name=file))
        elif normal(file) in seen:
            faults.append(fault("GW-E03", path=path, line=line, **ATTACHMENT, name=file))
        seen.add(normal(file))
    return faults


def whole_item(
    type_: str,
    frame: Mapping[str, Any],
    place: ItemPlace,
    *,
    body: Any,
    canonical: bytes,
    named: Attached,
    files: Mapping[str, bytes],
) -> Item:
    """The item of what was read, with the hash by which the same content is known again."""
    prefix = f"{frame['reference']}/" if place.batch else ""
    if named and isinstance(files, SentFiles):
        files.settle([prefix + name for name, _ in named])
    sha256 = digest(canonical, named, files, prefix=prefix)
    kept = canonical if len(canonical) <= MOST_KEPT else b""
    return Item(
        type=type_,
        body=body,
        attachments=named,
        sha256=sha256,
        canonical=kept,
        place=place.path,
        odd=may_be_strange(canonical),
        **frame,
    )


def _unknown(name: str, known: KnownFiles) -> Text:
    """What nobody knows, with the type that is surely meant."""
    folded = {type_.lower(): type_ for type_ in sorted(known.types)}
    meant = folded.get((get_close_matches(without_unseen(name[:MOST_NAME]).lower(), folded, n=1, cutoff=_SURELY) or [""])[0], "")
    if not meant:
        return Text("未知的文件", "a file that nobody here knows")
    return Text(f"未知的单证类型（是否为 {meant}？）", f"an unknown document type (is {meant} meant?)")


def alone(form: WireForm, item: Item, faults: Sequence[Fault], files: Mapping[str, bytes]) -> Read:
    """A file of one message, with what is wrong with it."""
    return Read(form, item.reference, (spoiled(item, faults),), False, files)


def bare_item(type_: str, place: ItemPlace, body: Any = None) -> Item:
    """What is none of our messages: a type that nobody knows, with no word of what else it lacks."""
    return Item(type_, "", None, None, None, False, None, body, (), "", b"", place.path)


def foreign_fault(known: KnownFiles, name: str, place: ItemPlace) -> Fault:
    """What a file is that is no message of a type that is taken."""
    foreign = known.foreign(name)
    code = "GW-M16" if foreign is not None and foreign.kind == RECEIPT else "GW-M18"
    what = foreign.what if foreign is not None else _unknown(name, known)
    said = {"what": what.zh, "what_en": what.en, "hint": "", "hint_en": "", "known": known.listed}
    return fault(code, path=place.path, line=place.line, name=name, **said)  # type: ignore[arg-type]


def told_apart(items: Sequence[Item], places: Sequence[ItemPlace]) -> tuple[Item, ...]:
    """The items of a batch: their references must differ, and name folders where there are attachments."""
    count = Counter(item.reference for item in items)
    return tuple(spoiled(item, _reference_faults(item, place, count)) for item, place in zip(items, places, strict=True))


def _reference_faults(item: Item, place: ItemPlace, count: Mapping[str | None, int]) -> list[Fault]:
    faults = []
    if item.reference and count[item.reference] > 1:
        faults.append(_wrong("GW-M12", "reference", place, reference=item.reference))
    if item.reference and item.attachments and (item.reference in (".", "..") or re.search(r"[/\\]", item.reference)):
        faults.append(_wrong("GW-M15", "reference", place, reference=item.reference))
    return faults


def _missing(name: str, place: ItemPlace) -> Fault:
    return _wrong("GW-M07", name, place, name=place.paths.get(name, name).rpartition("/")[2])


def _wrong(code: str, attribute: str, place: ItemPlace, **facts: Any) -> Fault:
    label, label_en = FRAME_LABELS.get(attribute, (attribute, attribute))
    return fault(code, path=place.of(attribute), line=place.line, label=label, label_en=label_en, **facts)
