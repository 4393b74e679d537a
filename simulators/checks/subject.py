"""What a check looks at, and how it says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from tongguan.simulators.books.store import Document
from tongguan.simulators.script.field_rules import label_at
from tongguan.simulators.script.script import Check
from tongguan.simulators.server.office import Fault, Office


@dataclass(frozen=True)
class Subject:
    """A document as it came, whose it is, and what is known of it already."""

    account: str
    type: str
    operation: str
    document: etree._Element
    known: Document | None = None


def fault_of(office: Office, check: Check, subject: Subject, place: str, **words: str) -> Fault:
    """Write a fault in the check's words: ``{value}``, ``{label}`` of the place, ``{row}``, ``{there}``."""
    script = office.script(subject.type)
    text = check.says
    for name, value in {"label": label_at(script.fields if script else {}, place), **words}.items():
        text = text.replace(f"{{{name}}}", value)
    return Fault(check.code, place, text)
