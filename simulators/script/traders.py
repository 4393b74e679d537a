"""Tell for whom a document was filed: it says so itself, or it is its sender's."""

from __future__ import annotations

from lxml import etree

from tongguan.simulators.messages.markup import first
from tongguan.simulators.script.script import Replies


def trader_of(script: Replies | None, document: etree._Element, account: str) -> str:
    """Give the code of the enterprise that a document is filed for; ``account`` sent it."""
    told = first(document, [script.trader]) if script is not None and script.trader else ""
    return told or account
