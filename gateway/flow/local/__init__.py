"""The gateway's own desk: operations that need neither card nor wire. Each is one small pure step in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tongguan.gateway.document.changes import FoundDocuments
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Operation, Profile

if TYPE_CHECKING:
    from tongguan.gateway.settings import Account


@record
class AnsweredFile:
    """A file of an authority's answer, and the row that it is of."""

    of: str
    name: str
    content: bytes


@record
class LocalRequest:
    """What a desk step is given: the message in hand, its checked content and the document (version 0: not yet)."""

    message: Message
    profile: Profile
    operation: Operation
    account: Account
    document: Document
    content: Content
    options: Mapping[str, str]  #: elements of the body that belong to the operation, not to the document
    attachments: tuple[tuple[str, str], ...]
    files: Mapping[str, bytes]
    media_types: Mapping[str, str]
    numbers: Mapping[str, str]  #: of the document, with those that the gateway gives at this operation
    give_number: Callable[[str], str]
    now: int  #: by the machine's clock: for messages
    business: int  #: by the business clock: for documents, and for all that is dated
    language: str
    profiles: Mapping[str, Profile]  #: all document types
    found: FoundDocuments = field(default_factory=dict)  #: the other documents that the message rests on
    answered: Mapping[str, str] | None = None  #: elements of the authority's answer, where the operation asked
    answered_files: Sequence[AnsweredFile] = ()  #: its files, where it was asked for those of rows
    answered_rows: Sequence[Content] = ()  #: and its rows, where the operation fetches a table


DeskStep = Callable[[LocalRequest, Snapshot], Outcome]


def desk_step(name: str) -> DeskStep:
    """The step of a name; raises KeyError for an unknown one, which loading the profiles has excluded."""
    return desk_steps()[name]


@cache
def desk_steps() -> Mapping[str, DeskStep]:
    """Every step by its name. Whoever begins a gateway asks first: from then on they are in memory."""
    return {module.name: import_module(f"{__name__}.{module.name}").do for module in iter_modules(__path__)}


def done(request: LocalRequest, *documents: Document, why: str = "") -> Outcome:
    """The outcome of an operation that ends at the desk."""
    message = replace(
        request.message, state=State.ACCEPTED, lane=None, due_at=None, deadline_at=None, waiting_for=None, updated_at=request.now
    )
    return Outcome(message, request.message.state, request.operation.name, documents=documents, why=why)
