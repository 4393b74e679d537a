"""The document that another one changes, and the places in it: `GrossWet`, `Contact/Phone`, `DecList[3]/GQty` (counted from 1)."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tongguan.codecs.checking.field_tree import Node, Trail
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.record import record

if TYPE_CHECKING:
    from tongguan.codecs.checking.compile import Compiled

_STEP = re.compile(r"([^\[\]/]+)(?:\[([1-9][0-9]{0,5})\])?")


@record
class Place:
    """One value's place in a document: the field, and the way to it."""

    node: Node
    trail: Trail


@record
class ChangedDocument:
    """The other document, with its type made ready."""

    compiled: Compiled
    document: Document

    def place(self, said: str | None) -> Place | None:
        """The place that is named so; None where the type has no such field, or the document no such row."""
        node, trail = self.compiled.root, list[str | int]()
        for step in (said or "").split("/"):
            found = _STEP.fullmatch(step)
            below = node.children.get(found[1]) if found is not None else None
            if found is None or below is None or below.table != (found[2] is not None):
                return None
            node = below
            trail += [node.name, int(found[2]) - 1] if node.table else [node.name]
        rows = max((n for n, step in enumerate(trail, 1) if isinstance(step, int)), default=0)
        there = not rows or value_at(self.document.content, tuple(trail[:rows])) is not None
        return Place(node, tuple(trail)) if node.convert is not None and there else None

    def value(self, place: Place) -> str | None:
        """What stands there now."""
        found = value_at(self.document.content, place.trail)
        return found if isinstance(found, str) else None


def value_at(content: Content, trail: Trail) -> Any:
    """What stands at the end of a way; None where it ends before."""
    found: Any = content
    for step in trail:
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def with_value_at(content: Content, trail: Trail, value: str | None) -> Content:
    """The content with this value at the end of a way whose rows are there; without one what stands there goes."""
    changed = deepcopy(content)
    row: Any = changed
    for step in trail[:-1]:
        row = row[step] if isinstance(step, int) else row.setdefault(step, {})
    if value is None:
        row.pop(trail[-1], None)
    else:
        row[trail[-1]] = value
    return changed
