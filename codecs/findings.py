"""What is found wrong while a message is checked, kept small until it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tongguan.codecs.faults import fault
from tongguan.codecs.places import Places
from tongguan.codecs.tree import Node, Trail
from tongguan.codecs.words import near
from tongguan.gateway.kernel.errors import Fault
from tongguan.gateway.kernel.profile import Rule

MOST_TOLD = 500
MOST_NEAR = 50  #: faults that name the nearest known word: looking for it takes long
Found = tuple[str | Rule, Trail, Node | None, dict[str, Any]]


@dataclass(slots=True)
class Findings:
    """Faults so far: code or rule, where, of which field; and which fields have no usable value because of them."""

    found: list[Found] = field(default_factory=list)
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

    @property
    def full(self) -> bool:
        """More are only counted: a list without end helps nobody, and each place costs a search."""
        return len(self.found) >= MOST_TOLD

    def told(self, places: Places) -> list[Fault]:
        """The faults with path and line, as the sender's form has them."""
        faults = [_told(one, places, n < MOST_NEAR) for n, one in enumerate(self.found[:MOST_TOLD])]
        rest = self.found[MOST_TOLD:]
        if any(isinstance(code, str) or code.severity != "warning" for code, *_ in rest):
            faults.append(fault("GW-C28", path=places.path(()), line=places.line(()), count=len(rest)))
        return faults


def _told(found: Found, places: Places, with_near: bool) -> Fault:
    code, trail, node, facts = found
    if "known" in facts:
        known, word = facts.pop("known"), str(facts.get("name", facts.get("value")))
        facts.update(near(word, known) if with_near else {"near": ""})
    path, line = places.path(trail), places.line(trail)
    label, label_en = (node.label, node.label_en) if node else ("", "")
    if isinstance(code, str):
        return fault(code, path=path, line=line, label=label, label_en=label_en, **facts)
    severity = "warning" if code.severity == "warning" else "error"
    return Fault(code.id, code.says.zh, code.says.en, path, line, label, severity)  # type: ignore[arg-type]
