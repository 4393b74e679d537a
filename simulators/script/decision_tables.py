"""Decide by the small tables of a script, for example whether a licence will be electronic or on paper."""

from __future__ import annotations

from lxml import etree

from tongguan.simulators.messages.markup import values
from tongguan.simulators.script.script import Choice


def chosen(choice: Choice, document: etree._Element) -> str:
    """Give what the first fitting case gives, else the default."""
    for case in choice.cases:
        fitting = _begins(document, case.at, case.begins)
        if fitting is not None and (not case.also_at or _begins(document, case.also_at, case.also_begins) is not None):
            return fitting[: case.first] if case.first else case.gives
    return choice.default


def _begins(document: etree._Element, at: str, begins: tuple[str, ...]) -> str | None:
    return next((text for text in values(document, at) if text.startswith(begins)), None)
