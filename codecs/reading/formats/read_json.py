"""Messages in JSON: UTF-8, each key once, numbers as their digits were sent."""

from __future__ import annotations

import json
import json.scanner
import re
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, NoReturn

import orjson

from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.frame import (
    ItemPlace,
    TakenFiles,
    alone,
    attachment_faults,
    bare_item,
    name_faults,
    read_frame,
    told_apart,
    whole_item,
)
from tongguan.codecs.reading.item import Item, Numeral, Read, spoiled
from tongguan.codecs.reading.vocabulary import KEYS, MOST_DEPTH, MOST_FAULTS, MOST_ITEMS, MOST_LISTED, MOST_PARTS, MOST_TEXT, near
from tongguan.codecs.writing.markup import NO_XML
from tongguan.gateway.model.errors import MOST_TOLD, Fault, Refused
from tongguan.gateway.profile.foreign import KnownFiles
from tongguan.gateway.profile.profile import PAGING
from tongguan.gateway.system.parser_messages import in_words
from tongguan.gateway.system.safe_xml import encoding_of

_FORBIDDEN = re.compile(f"[{NO_XML}]")
#: one of these at least is in whatever was meant as a message
_OURS = frozenset({"type", "operation", "reference", "body"})
_TEXTS = ("operation", "reference", "document", "number", "kind", *PAGING)


#: from so many values on, a file is read by a reader that lets other threads have their turn: the quick one keeps them all waiting to its end
_MANY = 20_000


class _NotANumber(ValueError):
    pass


class _Patient(json.JSONDecoder):
    """The same reader in Python instead of C: slower, and never long in one piece."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]


def read_json(raw: bytes, files: Mapping[str, bytes], taken: TakenFiles) -> Read:
    """Read a message or a batch, each with what is wrong with it; raises Refused for what is neither."""
    given = parse(raw)
    if not isinstance(given, dict):
        raise Refused([_kind_fault("", "JSON", "object")])
    if "batch" in given:
        return _batch(given, files, taken)
    if taken.known is not None and given.keys().isdisjoint(_OURS):
        raise Refused([_no_message(given, taken.known)])
    faults: list[Fault] = []
    return alone("json", _item(given, ItemPlace("", "/"), faults, files, taken), faults, files)


def _no_message(given: Mapping[str, Any], known: KnownFiles) -> Fault:
    """What a JSON is that has none of a message's keys."""
    if {"message_id", "state"} <= given.keys():
        what = {"what": "本网关的状态文件", "what_en": "a status file of this gateway"}
    elif {"message_id", "code"} <= given.keys():
        what = {"what": "本网关的技术应答", "what_en": "a technical response of this gateway"}
    else:
        what = {"what": "没有 type、operation、body 的 JSON", "what_en": "JSON without type, operation and body"}
    return fault("GW-M18", line=1, name="JSON", known=known.listed, hint="", hint_en="", **what)  # type: ignore[arg-type]


def parse(raw: bytes) -> Any:
    """The value, numbers as `Numeral`; raises Refused."""
    doubles: list[tuple[dict[str, Any], str]] = []

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(given)
        if len(made) != len(given):
            count = Counter(key for key, _ in given)
            doubles.append((made, next(key for key, times in count.items() if times > 1)))
        return made

    values = raw.count(b",")
    if values > MOST_PARTS:
        raise Refused([fault("GW-J10", most=MOST_PARTS)])
    reader = _Patient if values > _MANY else json.JSONDecoder
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(
            text, cls=reader, parse_int=Numeral, parse_float=Numeral, parse_constant=_not_a_number, object_pairs_hook=pairs
        )
    except UnicodeDecodeError:
        found = encoding_of(raw)
        zh, en = (f"，现为 {found}", f"; this is {found}") if found else ("", "")
        raise Refused([fault("GW-J02", found=zh, found_en=en)]) from None
    except json.JSONDecodeError as wrong:
        zh, en = in_words(wrong.msg)
        at = f" ({wrong.lineno}:{wrong.colno})"
        raise Refused([fault("GW-J01", line=wrong.lineno, why=zh + at, why_en=en + at)]) from None
    except _NotANumber as wrong:
        raise Refused([fault("GW-J04", value=wrong)]) from None
    except RecursionError:
        raise Refused([fault("GW-J05", most=MOST_DEPTH)]) from None
    faults: list[Fault] = []
    if doubles or _suspect(text):
        _walk(value, [], faults, {id(made): key for made, key in doubles})
    if doubles and not any(f.code == "GW-J03" for f in faults):
        faults += [fault("GW-J03", name=key) for _, key in doubles]
    if faults:
        raise Refused(faults)
    return value


def _suspect(text: str) -> bool:
    """Could a bound be broken? Most messages show by their letters that none is, and need no walk."""
    return (
        "\\u" in text or len(text) > MOST_TEXT or text.count("{") + text.count("[") > MOST_DEPTH or bool(_FORBIDDEN.search(text))
    )


def _not_a_number(word: str) -> NoReturn:
    raise _NotANumber(word)


def _walk(value: Any, path: list[str], faults: list[Fault], doubles: Mapping[int, str]) -> None:
    """Add faults of depth, texts and double keys."""
    if isinstance(value, str):
        _text_faults(value, path, faults)
        return
    if not isinstance(value, dict | list):
        return
    if len(path) >= MOST_DEPTH:
        _add(faults, "GW-J05", path, most=MOST_DEPTH)
        return
    if isinstance(value, list):
        for n, inner in enumerate(value):
            _walk(inner, [*path, str(n)], faults, doubles)
        return
    if doubles and id(value) in doubles:
        _add(faults, "GW-J03", [*path, doubles[id(value)]], name=doubles[id(value)])
    for key, inner in value.items():
        _text_faults(key, path, faults)
        _walk(inner, [*path, key], faults, doubles)


def _text_faults(text: str, path: list[str], faults: list[Fault]) -> None:
    if len(text) > MOST_TEXT:
        _add(faults, "GW-J08", path, most=MOST_TEXT)
    bad = _FORBIDDEN.search(text)
    if bad:
        _add(faults, "GW-J09", path, point=f"{ord(bad[0]):04X}")


def _add(faults: list[Fault], code: str, path: list[str], **facts: str | int) -> None:
    """One more fault; those behind the last that is told are only counted, and need no words of their own."""
    faults.append(fault(code, path=_pointer(path), **facts) if len(faults) < MOST_TOLD else faults[-1])  # type: ignore[arg-type]


def _pointer(path: list[str]) -> str:
    steps = (step[:200].replace("~", "~0").replace("/", "~1") for step in path)
    return "".join("/" + _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", step) for step in steps)


def _kind_fault(path: str, name: str, kind: str) -> Fault:
    zh, en = {
        "object": ("对象", "an object"),
        "list": ("数组", "an array"),
        "text": ("字符串", "a string"),
    }[kind]
    return fault("GW-J07", path=path, name=name, kind=zh, kind_en=en)


def _batch(given: dict[str, Any], files: Mapping[str, bytes], taken: TakenFiles) -> Read:
    faults: list[Fault] = []
    place = ItemPlace("", "/")
    faults += [
        _unknown(key, place, ("reference", "batch")) for key in islice(given, MOST_FAULTS) if key not in ("reference", "batch")
    ]
    reference = _text(given, "reference", place, faults) or None
    if reference:
        faults += name_faults("reference", reference, place)
    batch = given["batch"]
    if not isinstance(batch, list):
        raise Refused([*faults, _kind_fault("/batch", "batch", "list")])
    if not 0 < len(batch) <= MOST_ITEMS:
        raise Refused([*faults, fault("GW-M11" if batch else "GW-M13", path="/batch", most=MOST_ITEMS, count=len(batch))])
    items, places = [], []
    for n, one in enumerate(batch):
        where = ItemPlace(f"/batch/{n}", "/", batch=True, spare=f"{reference}-{n + 1}" if reference else None)
        wrong: list[Fault] = [] if isinstance(one, dict) else [_kind_fault(where.path, "batch", "object")]
        items.append(spoiled(_item(one if isinstance(one, dict) else {}, where, wrong, files, taken), wrong))
        places.append(where)
    return Read("json", reference, told_apart(items, places), True, files, tuple(faults))


def _item(given: dict[str, Any], place: ItemPlace, faults: list[Fault], files: Mapping[str, bytes], taken: TakenFiles) -> Item:
    named = given.get("type")
    if (
        taken.known is not None
        and type(named) is str
        and named
        and named not in taken.known.types
        and not name_faults("type", named, place)
    ):
        return bare_item(named, place)
    faults.extend(_unknown(key, place, KEYS) for key in islice(given, MOST_FAULTS) if key not in KEYS)
    type_ = _text(given, "type", place, faults)
    if given.get("type") in (None, ""):
        faults.append(fault("GW-M07", path=place.of("type"), label="type", name="type"))
    faults += name_faults("type", type_, place)
    attributes = {name: text for name in _TEXTS if (text := _text(given, name, place, faults))}
    if "check" in given:
        attributes["check"] = _flag(given["check"])
    frame = read_frame(attributes, place, faults)
    body = given.get("body")
    if body is not None and not isinstance(body, dict):
        faults.append(_kind_fault(place.of("body"), "body", "object"))
        body = None
    attachments = _attachments(given.get("attachments"), place, faults)
    content = {key: value for key, value in given.items() if key != "attachments"}
    canonical = orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)
    return whole_item(type_, frame, place, body=body or {}, canonical=canonical, named=attachments, files=files)


def _unknown(key: str, place: ItemPlace, known: tuple[str, ...]) -> Fault:
    return fault("GW-J06", path=place.path + _pointer([key]), name=key, near=near(key, known)["near"])


def _text(given: Mapping[str, Any], name: str, place: ItemPlace, faults: list[Fault]) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or (isinstance(value, Numeral) and name not in PAGING):
        faults.append(_kind_fault(place.of(name), name, "text"))
        return ""
    return str(value)


def _flag(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "false" if value is None else str(value)


def _attachments(given: Any, place: ItemPlace, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    path = place.of("attachments")
    if not isinstance(given, list):
        faults.append(_kind_fault(path, "attachments", "list"))
        return ()
    named = []
    for n, one in enumerate(given[: MOST_LISTED + 1]):
        where = ItemPlace(f"{path}/{n}", "/")
        if not isinstance(one, dict):
            faults.append(_kind_fault(where.path, "attachments", "object"))
            continue
        faults.extend(
            _unknown(key, where, ("file", "category")) for key in islice(one, MOST_FAULTS) if key not in ("file", "category")
        )
        named.append((_text(one, "file", where, faults), _text(one, "category", where, faults)))
    faults += attachment_faults(named, path)
    return tuple(named)
