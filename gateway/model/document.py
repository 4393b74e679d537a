"""A business document (单证): what messages act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from tongguan.gateway.model.record import record

Content = dict[str, Any]
"""A document's content: element name to text, to a nested Content, or to a list of Content (a table); empty elements are absent.

Every leaf is a str in canonical form: code as stored in its table, date `2026-11-20`, number without superfluous zeros or sign, flag `1` or `0`.
"""


@record
class Attachment:
    """A file that belongs to a document; its bytes are the body `attachment:<sha256>` of the message that brought it."""

    name: str
    category: str
    media_type: str
    size_bytes: int
    sha256: str
    message_id: str


Quantity = Mapping[str, str | None]
"""What is known of one line of a licence: licence, commodity, name, unit, approved, used, remaining, as_of, source.

Numbers are texts, as they were told.
"""


@record
class CountedLine:
    """What one row of a document adds to the statistics; quantity and amount in millionths, so that sums are exact."""

    month: int  #: 202611: of China, when the document was first said to be in a counted status
    commodity: str
    name: str
    unit: str
    quantity: int
    amount: int
    first_of_commodity: bool  #: of the document's rows with this commodity and unit, the one that counts the document
    first_of_category: bool
    dimensions: tuple[str, ...] = ()  #: what it is found again by, in the order of its profile


@record
class KeyedLine:
    """A row of a document as it is merged with others."""

    key: bytes  #: of what must be equal
    sums: tuple[int, ...]  #: of what is added up: whole numbers of the last decimal, in the order of its profile


@record
class KeyedDocument:
    """What is kept of a document for merging it with others."""

    key: bytes = b""  #: of what must be equal; empty: nothing is kept of it
    pool: str = ""  #: those of other pools are never merged with it
    month: int = 0  #: 202611
    day: str = ""
    number: str = ""  #: documents of one day stand in the order of these
    rates: str = ""  #: the day whose rates hold
    merge: str | None = None  #: what has taken it in hand
    sums: tuple[int, ...] = ()
    count: int = 0  #: of its lines
    #: of each sum what the lines come to together; beside lines that stay as they were nobody asks for it
    totals: tuple[int, ...] = ()
    lines: tuple[KeyedLine, ...] | None = None  #: None: as they were


@record
class Document:
    """A row of the journal; `version` grows by one with each change and fences concurrent ones."""

    id: str
    account: str
    type: str
    key: str  #: the ERP's own key for its whole life
    profile: str
    version: int
    status: str  #: a status name of the profile
    created_at: int
    updated_at: int
    content: Content = field(default_factory=dict)
    numbers: dict[str, str] = field(
        default_factory=dict
    )  #: kind to value, e.g. {"application": "NA26…", "licence": "26AA000001"}
    marks: dict[str, str] = field(default_factory=dict)  #: side statuses that ranks do not govern, e.g. {"customs": "stored"}
    attachments: tuple[Attachment, ...] = ()
    round: int = 0  #: attempts at a verdict so far
    rank: int = 0  #: of the highest receipt applied in this round
    round_opened_at: int | None = None
    changing: str | None = None  #: the message whose operation has it in its in-between status
    status_before: str | None = None  #: where it goes back to when that message comes to nothing
    deleted: bool = False
    facts: dict[str, str] | None = None  #: indexed facts of the content; None: as they were
    counted_at: int | None = None  #: since when the statistics count it; None: they do not
    counted: tuple[CountedLine, ...] | None = None  #: its lines of the statistics; None: as they were
    keyed: KeyedDocument | None = None  #: what is kept of it for merging; None: as it was
    quantities: tuple[Quantity, ...] = ()  #: what its authority told of its licence
    pending: Content | None = None  #: the content that it will have once its authority agrees to a change of it
    party: str = ""  #: credit code of the client of its account that it is for; empty: of the account itself


@record
class Receipt:
    """An authority's signed answer as it is shown beside a message and a document."""

    id: str
    authority: str
    code: str
    zh: str
    en: str
    issued_at: int
    message_id: str | None  #: the submission it answers
    document_id: str | None
    round: int = 0
    rank: int = 0
    applied: bool = True  #: False: known, stored and shown, but a higher one was there before
    file: str | None = None  #: its file in InBox
