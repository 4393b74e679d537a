"""Where a fault stands, as the sender's form tells it: XPath and line, or JSON pointer, with the label of what stands there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from tongguan.codecs.checking.check import places_of
from tongguan.codecs.checking.field_tree import Trail
from tongguan.codecs.reading.item import Item
from tongguan.codecs.reading.locations import Locations
from tongguan.codecs.reading.vocabulary import FRAME_LABELS
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.record import replace

_STEP = re.compile(r"/([^/\[]+)(?:\[([0-9]+)\])?")
ATTACHMENTS = "Attachments"


def placed(item: Item, faults: Iterable[Fault]) -> list[Fault]:
    """The faults of an item with their places in it; those that know theirs keep it."""
    places = places_of(item)
    return [_placed(item, places, fault) for fault in faults]


def placed_with(item: Item, besides: Iterable[Fault]) -> list[Fault]:
    """The faults that an item has, and those besides, with their places. That there is no such operation at all gives way to what says
    which the type has."""
    others = list(besides)
    listed = any(one.code == "GW-F02" for one in others)
    return placed(item, [*(one for one in item.faults if not (listed and one.code == "GW-M06")), *others])


def in_file(name: str, faults: Iterable[Fault]) -> list[Fault]:
    """The faults of a file that could not be read, told of the whole of it where they know no place."""
    whole = "/" if name.lower().endswith(".xml") else ""
    return [replace(one, path=whole, line=one.line or 1) if whole and not one.path else one for one in faults]


def _placed(item: Item, places: Locations, fault: Fault) -> Fault:
    path, line = _place(item, places, fault)
    label = FRAME_LABELS.get(fault.label)
    said = {"label": label[0], "label_en": label[1]} if label is not None else {}
    return replace(fault, path=path, line=line, **said)


def _place(item: Item, places: Locations, fault: Fault) -> tuple[str, int | None]:
    path, root = fault.path, places.line(())
    as_json = places.form == "json"
    usual, own = ("/body/", f"{item.place}/body/") if as_json else (f"/{item.type}/", f"{item.place}/")
    if path.startswith(usual) and not path.startswith(own):  # as it is told of a message that comes alone
        path = own + path.removeprefix(usual)
    if path.startswith("@") or path in item.paging:
        name = path.removeprefix("@")
        return f"{item.place}/{'' if as_json else '@'}{name}" if not item.own_form else item.place, root
    if path == ATTACHMENTS:
        return f"{item.place}/{path.lower() if as_json else path}", None if as_json else item.attached_at or root
    if not path:
        return item.place, fault.line or root
    if not path.startswith("/"):
        trail = tuple(path.split("/"))
        return places.path(trail), places.line(trail)
    if fault.line is None and isinstance(item.body, etree._Element) and path.startswith(f"{item.place}/"):
        attachments = path.startswith(f"{item.place}/{ATTACHMENTS}")
        return path, item.attached_at or root if attachments else places.line(_trail(path[len(item.place) :]))
    return path, fault.line


def _trail(path: str) -> Trail:
    """`/Goods[1]/Spec` as the steps of a content: rows are counted from 0 there."""
    trail: list[str | int] = []
    for name, number in _STEP.findall(path):
        trail += [name, int(number) - 1] if number else [name]
    return tuple(trail)
