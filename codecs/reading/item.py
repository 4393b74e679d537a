"""What reading gives: the messages of a file, each with its frame taken apart and its body untouched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from lxml import etree

from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.record import record

MOST_KEPT = 200_000  #: bytes of a canonical form: a longer one is not kept for a look, which takes memory for each piece at once
WireForm = Literal["xml", "json"]


class Numeral(str):
    """A JSON number, as its digits were sent: never rounded, and told apart from a string."""

    __slots__ = ()


@record
class Item:
    """One message. `body` is the XML element (its Attachments taken out) or the JSON object below `body`.

    An item that cannot be used carries its `faults` and names no operation, so that nobody acts on it by mistake (what it
    `wanted` is known, to tell what else is wrong with it); the others of its batch are not spoiled by it.
    """

    type: str
    operation: str
    reference: str | None
    document: str | None
    number: str | None
    check: bool
    kind: str | None
    body: Any
    attachments: tuple[tuple[str, str], ...]  #: file name, category
    sha256: str  #: of the content in canonical form and of the attachments' bytes
    canonical: bytes  #: the content in canonical form, of XML the exclusive one; empty when it is longer than `MOST_KEPT`
    place: str  #: XPath or JSON pointer of the item
    paging: Mapping[str, str] = field(default_factory=dict)  #: page, size, sort, format, source of a query
    faults: tuple[Fault, ...] = ()
    attached_at: int | None = None  #: line of its Attachments, of XML
    wanted: str = ""  #: the operation that an item with faults asks for
    odd: bool = False  #: there may be strange letters in it (`gateway/model/characters.py`)
    own_form: bool = False  #: it came as the authority itself writes it: its reference names the document, in whatever edition

    @property
    def known(self) -> bool:
        """Is it a message at all, of whatever type?"""
        return bool(self.sha256)

    def filters(self) -> dict[str, str]:
        """The leaves of a query's body, name to text, with its paging."""
        return {**dict(self._leaves()), **self.paging}

    def repeated(self) -> list[str]:
        """Names of leaves that stand more than once: of a filter only one would count."""
        counted = Counter(name for name, _ in self._leaves())
        return [name for name, times in counted.items() if times > 1]

    def _leaves(self) -> Iterator[tuple[str, str]]:
        return _xml_leaves(self.body) if isinstance(self.body, etree._Element) else _json_leaves(self.body or {})


@record
class Read:
    """A file's messages. `files`: attachment name (of a batch: `<reference>/name`) to bytes."""

    form: WireForm
    reference: str | None
    items: tuple[Item, ...]
    batch: bool
    files: Mapping[str, bytes]
    faults: tuple[Fault, ...] = ()  #: of the batch itself


class Spoilt(Refused):
    """A file that was read and has faults: `content` is what was read, to tell what else is wrong with it."""

    def __init__(self, faults: Iterable[Fault], content: Read) -> None:
        super().__init__(faults)
        self.content = content


def spoiled(item: Item, faults: Sequence[Fault]) -> Item:
    """The item with what is wrong with it; itself when nothing is."""
    if not faults:
        return item
    return replace(item, operation="", wanted=item.wanted or item.operation, faults=(*item.faults, *faults))


def digest(canonical: bytes, attachments: Sequence[tuple[str, str]], files: Mapping[str, bytes], *, prefix: str = "") -> str:
    """The SHA-256 by which the same content is known again."""
    if not attachments:
        return hashlib.sha256(canonical).hexdigest()
    total = hashlib.sha256(canonical)
    inner = {name: hashlib.sha256(files.get(prefix + name, b"")).hexdigest() for name in dict(attachments)}  # each file once
    for name, category in attachments:
        total.update(f"\0{name}\0{category}\0{inner[name]}".encode())
    return total.hexdigest()


def _xml_leaves(body: etree._Element) -> Iterator[tuple[str, str]]:
    for element in body.iterdescendants():
        if len(element) == 0:
            yield element.tag.rpartition("}")[2], (element.text or "").strip()


def _json_leaves(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if isinstance(value, Mapping):
            yield from _json_leaves(value)
        elif isinstance(value, list):
            yield name, " ".join(str(v) for v in value if isinstance(v, str))
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif value is not None:
            yield name, str(value).strip()
