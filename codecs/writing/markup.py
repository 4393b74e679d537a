"""Text and attributes as canonical XML writes them.

Promises: whatever the text is, what is written can be read. A character that no XML can hold (a file's name may have one) is
shown as `\\u0001`; content is refused long before, with its place.
"""

from __future__ import annotations

import re

NO_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"  #: characters outside of XML 1.0, for a pattern's brackets
is_special = re.compile(f"[&<>\r{NO_XML}]").search
_ATTRIBUTE = re.compile(f'[&<"\t\n\r{NO_XML}]').search
_no_xml = re.compile(f"[{NO_XML}]")


def text(value: str) -> str:
    """A text as exclusive C14N writes it."""
    if is_special(value) is None:
        return value
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return visible(value)


def attribute(value: str) -> str:
    """An attribute's value as exclusive C14N writes it, between double quotes."""
    if _ATTRIBUTE(value) is None:
        return value
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return visible(value.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;"))


def visible(value: str) -> str:
    """The text with a sign for each character that XML cannot hold."""
    return _no_xml.sub(lambda found: f"\\u{ord(found[0]):04X}", value)


def attributes(**given: str | None) -> str:
    """Attributes in the order of their names, absent ones left out."""
    return "".join(f' {name}="{attribute(value)}"' for name, value in sorted(given.items()) if value is not None)
