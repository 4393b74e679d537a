"""What an authority tells of licences is kept with their documents: what was approved, used, and is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tongguan.codecs.results import Row
from tongguan.gateway.kernel import clock, quantities
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.document import Document, Quantity
from tongguan.gateway.kernel.message import Message
from tongguan.gateway.kernel.profile import Query
from tongguan.gateway.kernel.records import Records


def documents_told(message: Message, query: Query, rows: Sequence[Row], records: Records, *, as_of: int) -> tuple[Document, ...]:
    """The account's documents of the type as the rows tell of their licences; what is known newer stays.

    Their times stay too: nothing happened to them.
    """
    after: dict[str, Document] = {}
    for licence, lines in _by_licence(query, rows, as_of).items():
        found = [d for d in records.documents_of_number(message.account, licence) if d.type == message.type]
        if len(found) == 1 and not _newer(found[0], licence, as_of):
            document = after.get(found[0].id) or replace(found[0], version=found[0].version + 1)
            others = [q for q in document.quantities if q.get("licence") != licence]
            after[document.id] = replace(document, quantities=(*others, *lines))
    return tuple(after.values())


def _by_licence(query: Query, rows: Sequence[Row], as_of: int) -> dict[str, list[Quantity]]:
    """Lines by licence number, which is told without hyphens."""
    by_licence: dict[str, list[Quantity]] = defaultdict(list)
    for row in rows if "licence" in query.quantities else ():
        facts = {fact: str(row.get(column, "")) for fact, column in query.quantities.items()}
        facts["licence"] = facts["licence"].replace("-", "")
        by_licence[facts["licence"]].append(quantities.told(facts, as_of=as_of, source="authority"))
    return by_licence


def _newer(document: Document, licence: str, as_of: int) -> bool:
    moment = clock.show(as_of) or ""
    return any(str(q.get("as_of")) > moment for q in document.quantities if q.get("licence") == licence)
