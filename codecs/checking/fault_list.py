"""What is found wrong while a message is checked, kept small until it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tongguan.codecs.checking.field_tree import Node, Trail
from tongguan.codecs.checking.hints import MeantCodes
from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.locations import Locations
from tongguan.codecs.reading.vocabulary import near
from tongguan.gateway.model.characters import OddCharacter
from tongguan.gateway.model.errors import Fault, unlisted
from tongguan.gateway.profile.profile import Rule

MOST_FOUND = 500  #: faults of the content that are told
MOST_COMPARED = 1_000  #: known words that are compared with wrong ones to name the nearest: a thousand take 5 ms
FoundFault = tuple[str | Rule, Trail, Node | None, dict[str, Any]]


@dataclass(slots=True)
class FaultList:
    """Faults so far: code or rule, where, of which field; and which fields have no usable value because of them.

    Only so many are kept as are told: a list without end helps nobody. The others are counted.
    """

    found: list[FoundFault] = field(default_factory=list)
    more: int = 0  #: found and not kept
    grave: bool = False  #: is one of these more than a warning?
    lenient: bool = False  #: an element that the profile does not have is only warned of
    as_it_stands: bool = False  #: the message brings nothing: what is checked is the document
    unusable: set[Trail] = field(default_factory=set)
    unusable_paths: set[str] = field(default_factory=set)
    hollow_at: dict[Trail, int] = field(
        default_factory=dict
    )  #: where among the faults it is told of a field without a letter that can be read

    namespaces: set[str] = field(default_factory=set)  #: that are told where they are wrong

    def add(self, code: str, trail: Trail, node: Node | None = None, /, **facts: Any) -> None:
        self._keep((code, trail, node, facts))

    def spoil(self, code: str, trail: Trail, node: Node, /, **facts: Any) -> None:
        """A fault that leaves its field without a value: nothing more is said of it, nor of what is made from it."""
        self.add(code, trail, node, **facts)
        self._without_value(trail, node)

    def of_another(self, namespace: str, trail: Trail, node: Node, *, right: str) -> None:
        """A field in a wrong namespace, which leaves it without a value: told where one stands first, for it is mostly all of them."""
        if namespace not in self.namespaces:
            self.add("GW-M05", trail, node, right=right, given=namespace or '""')
        self.namespaces.add(namespace)
        self._without_value(trail, node)

    def _without_value(self, trail: Trail, node: Node) -> None:
        self.unusable.add(trail)
        self.unusable_paths.add(node.field.path)

    def hollow(self, trail: Trail, node: Node, letter: OddCharacter) -> None:
        """A field that holds nothing which can be read: it counts as absent, and where it must be there this is why it is not."""
        zh, en = letter.what
        self.hollow_at[trail] = len(self.found)
        self.add("GW-C51", trail, node, what=zh, what_en=en, severity="warning")

    def missing(self, trail: Trail, node: Node) -> None:
        """A field that must be there and is not; one that is hollow is told as such alone."""
        at = self.hollow_at.get(trail, len(self.found))
        if at < len(self.found):
            self.found[at][3]["severity"] = "error"
        else:
            self.add("GW-C03", trail, node)

    def broken(self, rule: Rule, trail: Trail, node: Node) -> None:
        self._keep((rule, trail, node, {}))

    def _keep(self, one: FoundFault) -> None:
        if not self.full:
            self.found.append(one)
            return
        self.more += 1
        self.grave = self.grave or not _is_warning(one)

    def move(self, to: Callable[[Trail], Trail]) -> None:
        """All that was found, and that has no value, stands elsewhere: from now on it is told of there."""
        self.found = [(code, to(trail), node, facts) for code, trail, node, facts in self.found]
        self.unusable = {to(trail) for trail in self.unusable}

    def absorb(self, other: FaultList) -> None:
        """Take over what was found besides; what is known already is not told again."""
        for one in other.found:
            if one not in self.found:
                self._keep(one)
        self.more += other.more
        self.grave = self.grave or other.grave

    @property
    def full(self) -> bool:
        """More are only counted: each place costs a search."""
        return len(self.found) >= MOST_FOUND

    @property
    def has_errors(self) -> bool:
        return self.grave or not all(map(_is_warning, self.found))

    def told(self, places: Locations) -> list[Fault]:
        """The faults with path and line, as the sender's form has them."""
        compared = 0
        faults = []
        for one in self.found:
            known = len(one[3].get("known", ()))  # of a large table too the first wrong word has its nearest
            faults.append(_told(one, places, compared < MOST_COMPARED))
            compared += known
        if self.grave:
            faults.append(unlisted(self.more, path=places.path(()), line=places.line(())))
        return faults


def _is_warning(found: FoundFault) -> bool:
    code, _, _, facts = found
    return (facts.get("severity") if isinstance(code, str) else code.severity) == "warning"


def _told(found: FoundFault, places: Locations, with_near: bool) -> Fault:
    code, trail, node, facts = found
    if "meant" in facts and isinstance(facts["meant"], MeantCodes):
        facts["near"] = facts.pop("meant").near(str(facts["value"])) if with_near else ""
    if "known" in facts:
        known, word = facts.pop("known"), str(facts.get("name", facts.get("value")))
        facts.update(near(word, known) if with_near else {"near": ""})
    path, line = places.path(trail), places.line(trail)
    label, label_en = (node.label, node.label_en) if node else ("", "")
    if isinstance(code, str):
        return fault(code, path=path, line=line, **{"label": label, "label_en": label_en, **facts})
    severity = "warning" if code.severity == "warning" else "error"
    return Fault(code.id, code.says.zh, code.says.en, path, line, label, severity, label_en)  # type: ignore[arg-type]
