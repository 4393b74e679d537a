"""Text and attributes as canonical XML writes them."""

from __future__ import annotations

import re

_TEXT = re.compile("[&<>\r]").search
_ATTRIBUTE = re.compile('[&<"\t\n\r]').search


def text(value: str) -> str:
    """A text as exclusive C14N writes it."""
    if _TEXT(value) is None:
        return value
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def attribute(value: str) -> str:
    """An attribute's value as exclusive C14N writes it, between double quotes."""
    if _ATTRIBUTE(value) is None:
        return value
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return value.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def attributes(**given: str | None) -> str:
    """Attributes in the order of their names, absent ones left out."""
    return "".join(f' {name}="{attribute(value)}"' for name, value in sorted(given.items()) if value is not None)
