"""What reading a file or queue message gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.kernel.errors import Fault, Refused


@dataclass(frozen=True, slots=True)
class Item:
    """One message, parsed but not yet held against its profile."""

    form: str  #: xml | json
    type: str
    operation: str
    reference: str | None
    document: str | None
    number: str | None
    check: bool
    kind: str | None  #: of a query
    attributes: Mapping[str, str]  #: of the frame, those of a query too
    body: Any  #: the root element, whose children are the content; in JSON the dict of them; None: no content
    attachments: tuple[tuple[str, str], ...]  #: file and category
    sha256: str  #: of the canonical content and of the files named; told apart from another message of the same reference
    place: str  #: XPath of the root element, or JSON pointer of the message
    faults: tuple[Fault, ...] = ()  #: of the frame; only items of a batch carry them, a single message is refused


@dataclass(frozen=True, slots=True)
class Read:
    """A whole file: one item, or a batch. `files` are the other entries of the ZIP by name, in a batch `<reference>/<name>`."""

    form: str
    reference: str | None  #: of the batch
    items: tuple[Item, ...]
    batch: bool
    files: Mapping[str, bytes]


class Unreadable(Refused):
    """The one message of a file is refused; `item` is what could be made out of it."""

    def __init__(self, faults: Iterable[Fault], item: Item | None = None) -> None:
        super().__init__(faults)
        self.item = item
