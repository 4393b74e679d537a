"""Decide by the small tables of a script, for example whether a licence will be electronic or on paper."""

from __future__ import annotations

from lxml import etree

from tongguan.simulators.messages.markup import values
from tongguan.simulators.script.script import Choice


def chosen(choice: Choice, document: etree._Element) -> str:
    """Give what the first fitting case gives, else the default."""
    for case in choice.cases:
        fitting = next((text for text in values(document, case.at) if text.startswith(case.begins)), None)
        if fitting is not None:
            return fitting[: case.first] if case.first else case.gives
    return choice.default
