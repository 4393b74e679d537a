"""Read XML from strangers and find values in it by path.

Paths are plain: ``Goods/Item/CodeTS`` from the element's children downwards, ``//CodeTS`` anywhere below, ``@reference`` an
attribute of the element itself. Namespaces are not looked at here. No DTD, no entities, no network, no huge texts, no element
that is all attributes or declarations: proving a signature would take minutes over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

_MOST_ATTRIBUTES = 100  #: of one element
_MOST_DECLARED = 100  #: namespaces of a whole document
_MOST_LETTERS = 1000  #: of a namespace
_too_many = etree.XPath(f"boolean(descendant-or-self::*[count(@*) > {_MOST_ATTRIBUTES}])")


ENCLOSED = "Enclosed"  #: the element that holds the rows of a sheet which came beside a document


class NotXml(Exception):
    """The bytes are no XML that we would read."""


def safe_parser() -> etree.XMLParser:
    """Make a parser that fetches nothing, expands nothing and keeps libxml2's limits on depth and text. It reads UTF-8 only."""
    return etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def new_root(namespace: str, name: str) -> etree._Element:
    """Begin a document in a default namespace."""
    return etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})  # type: ignore[dict-item]


def parse(body: bytes) -> etree._Element:
    """Parse bytes into an element. Raises Unreadable, also for any document type declaration."""
    if b"<!DOCTYPE" in body:
        raise NotXml("a document type declaration is not allowed")
    try:
        root = etree.fromstring(body, safe_parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotXml(str(error)) from error
    if body.count(b"=") > _MOST_ATTRIBUTES:
        _refuse_wide(root)
    return root


def _refuse_wide(root: etree._Element) -> None:
    if _too_many(root):
        raise NotXml(f"an element has more than {_MOST_ATTRIBUTES} attributes")
    for declared, (_, (_, namespace)) in enumerate(etree.iterwalk(root, events=("start-ns",)), 1):
        if declared > _MOST_DECLARED or len(namespace) > _MOST_LETTERS:
            raise NotXml("too many namespaces, or too long ones")


def local(element: etree._Element) -> str:
    """Give an element's name without its namespace; comments have the empty name."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def child(element: etree._Element | None, name: str) -> etree._Element | None:
    """Give the first child of that local name, or nothing."""
    return None if element is None else next(element.iterchildren(f"{{*}}{name}"), None)


def values(element: etree._Element, path: str) -> list[str]:
    """List the texts found at a path, empty ones left out, in document order."""
    if path.startswith("@"):
        return [found] if (found := (element.get(path[1:]) or "").strip()) else []
    return [text for found in elements(element, path) if (text := (found.text or "").strip())]


def elements(element: etree._Element, path: str) -> list[etree._Element]:
    """List the elements at a path, in document order."""
    return list(element.iter(f"{{*}}{path[2:]}")) if path.startswith("//") else list(_walk(element, path.split("/")))


def first(element: etree._Element, paths: Sequence[str]) -> str:
    """Give the first text found at the first path that has one, else the empty string."""
    return next((found[0] for path in paths if (found := values(element, path))), "")


def _walk(element: etree._Element, parts: list[str]) -> Iterator[etree._Element]:
    for found in element.iterchildren(f"{{*}}{parts[0]}"):
        if len(parts) == 1:
            yield found
        else:
            yield from _walk(found, parts[1:])
