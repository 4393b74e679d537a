"""JSON messages: bytes to items.

Promises: no key twice, no NaN, numbers as the text they were written in; depth and text length bounded; only Refused comes
out of bad bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NoReturn

from tongguan.codecs.faults import fault
from tongguan.codecs.frame import attachment_faults, frame
from tongguan.codecs.item import Item
from tongguan.codecs.words import KEYS, MOST_DEPTH, MOST_TEXT, near
from tongguan.gateway.kernel.errors import Fault, Refused

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class NumberText(str):
    """A number as it was written; told from a string, so that a code written as a number is not taken for one."""

    __slots__ = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise Refused([fault("GW-J03", path="", name=next(n for n in names if names.count(n) > 1))])
    return content


def _constant(word: str) -> NoReturn:
    raise Refused([fault("GW-J04", path="", value=word)])


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=NumberText, parse_int=NumberText, parse_constant=_constant)


def parse(raw: bytes) -> dict[str, Any]:
    """The top object; Refused with code, line and column when the bytes are no JSON that we read."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused([fault("GW-J02", path="")]) from None
    try:
        content = _DECODER.decode(text)
    except json.JSONDecodeError as wrong:
        raise Refused([fault("GW-J01", path="", line=wrong.lineno, why=f"{wrong.msg}, column {wrong.colno}")]) from None
    except RecursionError:
        raise Refused([fault("GW-J05", path="", most=MOST_DEPTH)]) from None
    if not isinstance(content, dict):
        raise Refused([fault("GW-J07", path="", name="JSON", kind="对象", kind_en="an object")])
    if _FORBIDDEN.search(text) or "\\u" in text or len(text) > MOST_TEXT or text.count("{") + text.count("[") > MOST_DEPTH:
        _bounded(content)
    return content


def _bounded(content: dict[str, Any]) -> None:
    """Look at every text and depth; only content that could break a bound is walked."""
    waiting: list[tuple[Any, str, int]] = [(content, "", 1)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise Refused([fault("GW-J05", path=path, most=MOST_DEPTH)])
        if isinstance(value, dict):
            for key, below in value.items():
                _text(key, path)
                waiting.append((below, f"{path}/{escaped(key)}", depth + 1))
        elif isinstance(value, list):
            waiting += [(below, f"{path}/{n}", depth + 1) for n, below in enumerate(value)]
        elif isinstance(value, str):
            _text(value, path)


def _text(text: str, path: str) -> None:
    if len(text) > MOST_TEXT:
        raise Refused([fault("GW-J08", path=path, most=MOST_TEXT)])
    if found := _FORBIDDEN.search(text):
        raise Refused([fault("GW-J09", path=path.encode("utf-8", "replace").decode(), point=f"{ord(found[0]):04X}")])


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def is_batch(content: dict[str, Any]) -> bool:
    return "batch" in content


def batch(content: dict[str, Any]) -> tuple[str | None, list[Any], list[Fault]]:
    """Reference and items of a batch."""
    faults = _unknown(content, ("reference", "batch"), "")
    reference = content.get("reference")
    if reference is not None and (not isinstance(reference, str) or isinstance(reference, NumberText)):
        faults.append(fault("GW-J07", path="/reference", name="reference", kind="字符串", kind_en="a string"))
        reference = None
    items = content["batch"]
    if not isinstance(items, list):
        raise Refused([fault("GW-J07", path="/batch", name="batch", kind="数组", kind_en="an array")])
    return reference, items, faults


def _unknown(content: dict[str, Any], known: Collection[str], place: str) -> list[Fault]:
    return [
        fault("GW-J06", path=f"{place}/{escaped(key)}", name=key, **near(key, known)) for key in content if key not in known
    ]


def item(
    content: Any, *, place: str = "", lent: str | None = None, types: Collection[str] | None = None
) -> tuple[Item, str]:
    """The message that an object is; frame faults are in the item."""
    faults: list[Fault] = []
    if not isinstance(content, dict):
        faults.append(fault("GW-J07", path=place, name="batch", kind="对象", kind_en="an object"))
        content = {}
    faults += _unknown(content, KEYS, place)
    given: dict[str, str] = {}
    for key in KEYS[:-2]:
        value = content.get(key)
        if value is not None:
            _take(given, key, value, place, faults)
    type_ = given.pop("type", "")
    if not type_:
        faults.append(fault("GW-M07", path=f"{place}/type", name="type"))
    body = content.get("body")
    if body is not None and not isinstance(body, dict):
        faults.append(fault("GW-J07", path=f"{place}/body", name="body", kind="对象", kind_en="an object"))
        body = None
    attachments, wrong = _attachments(content.get("attachments"), place)
    made = frame(
        "json",
        type_,
        given,
        at=lambda key: f"{place}/{escaped(key)}",
        line=None,
        types=types if type_ else None,
        body=body or None,
        attachments=attachments,
        canonical=json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace"),
        place=place,
        faults=[*faults, *wrong],
        reference=lent,
    )
    return made, place


def _take(given: dict[str, str], key: str, value: Any, place: str, faults: list[Fault]) -> None:
    if key == "check" and isinstance(value, bool):
        given[key] = "true" if value else "false"
    elif isinstance(value, str) and (key in ("page", "size") or not isinstance(value, NumberText)):
        given[key] = str(value)
    else:
        faults.append(fault("GW-J07", path=f"{place}/{key}", name=key, kind="字符串", kind_en="a string"))


def _attachments(value: Any, place: str) -> tuple[tuple[tuple[str, str], ...], list[Fault]]:
    if value is None:
        return (), []
    path = f"{place}/attachments"
    if not isinstance(value, list):
        return (), [fault("GW-J07", path=path, name="attachments", kind="数组", kind_en="an array")]
    faults: list[Fault] = []
    named = []
    for n, row in enumerate(value):
        if not isinstance(row, dict) or not all(isinstance(v, str) and not isinstance(v, NumberText) for v in row.values()):
            faults.append(fault("GW-J07", path=f"{path}/{n}", name="attachments", kind="对象", kind_en="objects of strings"))
            continue
        faults += _unknown(row, ("file", "category"), f"{path}/{n}")
        named.append((row.get("file", ""), row.get("category", "")))
    return tuple(named), faults + attachment_faults(named, at=lambda n: f"{path}/{n}")
