"""删除: a draft goes; its key and all that it had for itself are free again, its numbers are never given anew.

What names it goes with it, as the operation says (`takes_along`): all of it, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from tongguan.gateway.document.changes import changed
from tongguan.gateway.flow.holdings import given_back
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Raises Refused naming each document that would have to go too and must not."""
    going = [request.document, *_along(request, records)]
    faults = [_stays(request, document) for document in going[1:] if not _may_go(request, document)]
    if faults:
        raise Refused(faults)
    outcome = done(request, *(changed(document, request.business, deleted=True, facts={}) for document in going))
    return replace(outcome, **given_back(request.profiles, going, records))


def _along(request: LocalRequest, records: Snapshot) -> Iterator[Document]:
    """The documents that name this one, each once."""
    document, own = request.document, {request.document.id}
    values = {document.key, *document.numbers.values()}
    for type_ in request.operation.takes_along:
        for fact in request.profiles[type_].naming(document.type):
            for other in records.documents_naming(document.account, type_, fact, values):
                if other.id not in own:
                    own.add(other.id)
                    yield other


def _may_go(request: LocalRequest, document: Document) -> bool:
    return document.status in request.profiles[document.type].operations[request.operation.name].allowed


def _stays(request: LocalRequest, document: Document) -> Fault:
    profile = request.profiles[document.type]
    present = profile.status_words(document.status)
    title = {"zh": profile.title.zh, "en": profile.title.en}
    return fault("GW-F55", key=document.key, status=present, path="@document", label="document", **title)
