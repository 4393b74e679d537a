"""How an authority itself writes a document and its answers: the section ``[format]`` of a script.

The gateway reads the same facts from ``profile.toml`` by code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from tongguan.simulators.messages.markup import first, values
from tongguan.simulators.script.code_effects import read_terms_of


@dataclass(frozen=True)
class AnswerFormat:
    """An answer: its root, and ``Element=what`` in order. What: ``code``, ``text``, ``time``, ``day``, ``number.NAME``, a path of the document, or nothing."""

    root: str
    elements: tuple[str, ...]
    namespace: str = ""


@dataclass(frozen=True)
class Format:
    """The document: its root, where it says what is asked and who it is; ``enclosed``: elements that stand in the sheet beside it."""

    root: str
    namespace: str
    operation: str
    operations: Mapping[str, str]  #: what stands there -> operation
    reference: tuple[str, ...]
    technical: AnswerFormat
    business: AnswerFormat
    without: tuple[str, ...] = ()  #: fields of the folder that it does not have
    compact_days: bool = False  #: days are written 20261120
    enclosed: tuple[str, ...] = field(default=())

    def is_root(self, document: etree._Element) -> bool:
        """Say whether a document is written so."""
        return bool(document.tag == f"{{{self.namespace}}}{self.root}")

    def asked(self, document: etree._Element) -> str:
        """Give the operation that a document asks for, nothing where it says none."""
        return self.operations.get(first(document, [self.operation]), "")

    def named(self, document: etree._Element) -> str:
        """Give all that names a document: markers may stand in any of it."""
        return " ".join(text for path in self.reference for text in values(document, path))


def read_format(raw: dict[str, Any]) -> Format:
    """Read the section. Raises ValueError for an unknown key, TypeError for a missing one."""
    answers = {name: read_terms_of(AnswerFormat, f"format.{name}", raw.pop(name)) for name in ("technical", "business")}
    return read_terms_of(Format, "format", {**raw, **answers})
