"""Where in the sender's message something stands: XPath and line, or JSON pointer. Only looked for when there is a fault."""

from __future__ import annotations

from itertools import islice
from typing import Any

from lxml import etree

from tongguan.codecs.checking.field_tree import Trail
from tongguan.gateway.model.record import record


@record
class Locations:
    """The body of one message; `element` is None where it is JSON, or where the message carried none."""

    form: str  #: xml | json
    prefix: str  #: XPath of the root element, or pointer of the body
    element: etree._Element | None

    def path(self, trail: Trail) -> str:
        """`/XX.type/Goods[1]/Spec[2]/Model`, or `/body/Goods/0/Spec/1/Model`."""
        if self.form == "json":
            return self.prefix + "".join("/" + _pointed(str(step)) for step in trail)
        return self.prefix + "".join(f"[{step + 1}]" if isinstance(step, int) else f"/{step}" for step in trail)

    def line(self, trail: Trail) -> int | None:
        """The line of the element at a trail; of an absent one, the line of what it should stand in."""
        if self.element is None:
            return None
        at, names = self.element, list(trail)
        while names:
            name = names.pop(0)
            number = names.pop(0) if names and isinstance(names[0], int) else 0
            same = at.iterchildren(f"{{*}}{name}")
            found = next(islice(same, number, None), None) if isinstance(number, int) else None
            if found is None:
                break
            at = found
        line: Any = at.sourceline
        return line or None


def _pointed(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
