"""What is found wrong while a message is checked, kept small until it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tongguan.codecs.faults import fault
from tongguan.codecs.places import Places
from tongguan.codecs.tree import Node, Trail
from tongguan.gateway.kernel.errors import Fault
from tongguan.gateway.kernel.profile import Rule


@dataclass(slots=True)
class Findings:
    """Faults so far: code or rule, where, of which field; and which fields have no usable value because of them."""

    found: list[tuple[str | Rule, Trail, Node | None, dict[str, Any]]] = field(default_factory=list)
    unusable: set[Trail] = field(default_factory=set)
    unusable_paths: set[str] = field(default_factory=set)

    def add(self, code: str, trail: Trail, node: Node | None = None, /, **facts: Any) -> None:
        self.found.append((code, trail, node, facts))

    def spoil(self, code: str, trail: Trail, node: Node, /, **facts: Any) -> None:
        """A fault that leaves its field without a value: nothing more is said of it, nor of what is made from it."""
        self.add(code, trail, node, **facts)
        self.unusable.add(trail)
        self.unusable_paths.add(node.field.path)

    def broken(self, rule: Rule, trail: Trail, node: Node) -> None:
        self.found.append((rule, trail, node, {}))

    def told(self, places: Places) -> list[Fault]:
        """The faults with path and line, as the sender's form has them."""
        return [_told(one, places) for one in self.found]


def _told(found: tuple[str | Rule, Trail, Node | None, dict[str, Any]], places: Places) -> Fault:
    code, trail, node, facts = found
    path, line = places.path(trail), places.line(trail)
    label, label_en = (node.label, node.label_en) if node else ("", "")
    if isinstance(code, str):
        return fault(code, path=path, line=line, label=label, label_en=label_en, **facts)
    severity = "warning" if code.severity == "warning" else "error"
    return Fault(code.id, code.says.zh, code.says.en, path, line, label, severity)  # type: ignore[arg-type]
