"""The frame of a message: type, operation, reference and the rest of what stands around the content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tongguan.codecs.faults import fault
from tongguan.codecs.item import Item
from tongguan.codecs.words import ATTRIBUTES, MOST_NAME, OPERATIONS, near
from tongguan.gateway.kernel.errors import Fault

Place = Callable[[str], str]
"""The fault path of an attribute or key of the frame."""

_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NO_REFERENCE = ("query",)  #: operations that need none


def frame(
    form: str,
    type_: str,
    given: Mapping[str, str],
    *,
    at: Place,
    line: int | None,
    types: Collection[str] | None,
    body: Any,
    attachments: tuple[tuple[str, str], ...],
    canonical: bytes,
    place: str,
    faults: Sequence[Fault],
    reference: str | None = None,
) -> Item:
    """An item of what was given; `reference` is the one that a batch lends to an item without."""
    wrong = list(faults)
    if types is not None and type_ not in types:
        wrong.append(fault("GW-M04", path=place, line=line, type=type_, **near(type_, types)))
    for name in given:
        if name not in ATTRIBUTES:
            wrong.append(fault("GW-M10", path=at(name), line=line, name=name, **near(name, ATTRIBUTES)))
    operation = given.get("operation", "")
    if not operation:
        wrong.append(fault("GW-M07", path=at("operation"), line=line, name="operation"))
    elif operation not in OPERATIONS:
        wrong.append(fault("GW-M06", path=at("operation"), line=line, operation=operation, **near(operation, OPERATIONS)))
    check = _TRUTH.get(given.get("check", "false"))
    if check is None:
        wrong.append(fault("GW-M14", path=at("check"), line=line, value=given["check"]))
    names = {name: given.get(name) or None for name in ("reference", "document", "number")}
    for name, value in names.items():
        problem = wrong_name(value) if value else None
        if problem:
            wrong.append(fault(problem, path=at(name), line=line, name=name))
            names[name] = None
    if not given.get("reference") and not reference and operation not in _NO_REFERENCE and not check:
        wrong.append(fault("GW-M07", path=at("reference"), line=line, name="reference"))
    return Item(
        form=form,
        type=type_,
        operation=operation,
        reference=names["reference"] or reference,
        document=names["document"],
        number=names["number"],
        check=bool(check),
        kind=given.get("kind") or None,
        attributes=given,
        body=body,
        attachments=attachments,
        sha256=hashlib.sha256(canonical).hexdigest(),
        place=place,
        faults=tuple(wrong),
    )


def wrong_name(name: str) -> str | None:
    """The code of what is wrong with a reference or key."""
    if len(name) > MOST_NAME:
        return "GW-M08"
    return None if name.isprintable() and name == name.strip() else "GW-M09"


def attachment_faults(named: Sequence[tuple[str, str]], *, at: Callable[[int], str]) -> list[Fault]:
    """Names that cannot be file names, and names that stand twice."""
    faults, seen = [], set()
    for n, (name, _) in enumerate(named):
        if not name:
            faults.append(fault("GW-A13", path=at(n), name="file"))
        elif len(name) > 255 or not name.isprintable() or "/" in name or "\\" in name or name in (".", ".."):
            faults.append(fault("GW-A15", path=at(n), name=name))
        elif name in seen:
            faults.append(fault("GW-A03", path=at(n), name=name))
        seen.add(name)
    return faults
