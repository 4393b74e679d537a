"""What a message says in letters that are not what they seem: each told with its place, and never counted as a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Node, Row, Trail
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.gateway.model.characters import OddCharacter, counted, strange, without_unseen

_CODES = {"hidden": "GW-C50", "lost": "GW-C52", "alike": "GW-C53", "turning": "GW-C54", "escaped": "GW-C55"}
_MOST_TOLD = 3  #: of one field


def look_at_characters(node: Node, content: Row, trail: Trail, findings: FaultList) -> None:
    """Tell of what a content holds that is not what it seems, and take out of it what holds nothing else."""
    for name, value in list(content.items()):
        below, here = node.children[name], (*trail, name)
        if below.table:
            for n, row in enumerate(value):
                look_at_characters(below, row, (*here, n), findings)
        elif below.convert is None:
            look_at_characters(below, value, here, findings)
            if not value:
                del content[name]
        elif found := strange(value):
            if counted(value):
                _tell(found, here, below, findings)
            else:
                del content[name]
                findings.hollow(here, below, found[0])


def _tell(found: list[OddCharacter], trail: Trail, node: Node, findings: FaultList) -> None:
    """Warnings; what shows a text otherwise than it is must go."""
    for one in found[:_MOST_TOLD]:
        severity = "error" if one.kind == "turning" else "warning"
        findings.add(_CODES[one.kind], trail, node, severity=severity, **facts_of(one))


def unfit(text: str, wrong: ValueWrong, trail: Trail, node: Node, findings: FaultList) -> None:
    """Tell why a field does not take a text: its strange letters, where it is these; else what its conversion says."""
    found = strange(text) if node.field.type != "secret" else []
    if not found:
        findings.spoil(wrong.code, trail, node, **wrong.facts)
    elif not counted(text):
        findings.hollow(trail, node, found[0])
    else:
        if not _taken(node.convert, text, found):
            findings.spoil(wrong.code, trail, node, **wrong.facts)
        for one in found[:_MOST_TOLD]:
            findings.spoil(_CODES[one.kind], trail, node, **facts_of(one))


def _taken(convert: Callable[[str], str] | None, text: str, found: list[OddCharacter]) -> bool:
    """Would the field take it without them, or with the letters that they look like?"""
    for one in found:
        if one.meant:
            text = text.replace(one.letters, one.meant)
    try:
        return convert is not None and bool(convert(without_unseen(text)))
    except ValueWrong:
        return False


def facts_of(one: OddCharacter) -> dict[str, Any]:
    """What fills the blanks of the sentence about it."""
    zh, en = one.what
    return {"what": zh, "what_en": en, "at": one.at, "meant": one.meant}
