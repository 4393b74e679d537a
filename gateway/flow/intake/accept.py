"""received: what came through a door becomes a message, or is told that it came before.

Promises: nothing that was taken is forgotten, whatever is wrong with it; the same thing twice does its work once.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tongguan.codecs.checking.secrets import redacted
from tongguan.codecs.reading.item import Spoilt
from tongguan.codecs.reading.read import Item, Read, read
from tongguan.gateway.flow.intake.locations import in_file, placed, placed_with
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.faults import fault, unknown_type
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import FREES_REFERENCE, PRINT, QUERY, Kind, Message, State
from tongguan.gateway.model.outcome import Body, Outcome
from tongguan.gateway.model.queueing import QueueDelivery
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.work.moment import Moment

BATCH = "batch"  #: operation of a message that only carries others


@record
class Arrival:
    """One file or queue message, read and parsed as far as it goes."""

    id: str
    account: str
    source: str
    raw: bytes
    sha256: str
    arrived_at: int
    read: Read | None = None
    faults: tuple[Fault, ...] = ()  #: by which it is refused as a whole; what could be read is in `read` all the same
    delivery: QueueDelivery | None = None  #: where its replies are wanted, if it came through a queue


Besides = Callable[[Arrival, Item, Document | None], Sequence[Fault]]
"""What else is wrong with an item that has faults: so that all of it is told at once. The document is what it acts on, where that is here."""


def nothing(_arrival: Arrival, _item: Item, _document: Document | None) -> Sequence[Fault]:
    """Of what the gateway makes itself nothing else is wrong."""
    return ()


@record
class Carried:
    """An item in hand with the files that belong to it; parsed once, used by every step of the first hand."""

    item: Item
    files: Mapping[str, bytes]


def look_into(rules: Rules, came: Arrival, *, problem: Fault | None = None) -> Arrival:
    """Parse what came; faults instead of an exception when it cannot be read. Open secrets are taken out before anything is kept."""
    came = without_secrets(rules, came)
    if problem is not None:
        return replace(came, faults=tuple(in_file(came.source, [problem])))
    most_bytes = rules.settings.gateway.most_bytes
    try:
        return replace(
            came, read=read(came.source, came.raw, most_bytes=most_bytes, own_forms=rules.own_forms, known=rules.known)
        )
    except Spoilt as spoilt:
        return replace(came, read=spoilt.content, faults=spoilt.faults)
    except Refused as refused:
        return replace(came, faults=tuple(in_file(came.source, refused.faults)))


def without_secrets(rules: Rules, came: Arrival) -> Arrival:
    """What may be kept of it."""
    clean = redacted(came.source, came.raw, rules.secrets)
    return came if clean is came.raw else replace(came, raw=clean, sha256=hashlib.sha256(clean).hexdigest())


def prefetch(arrivals: Sequence[Arrival], records: Snapshot) -> None:
    """Read in bulk what accepting a batch will ask for one by one."""
    references, keys = [], []
    for arrival in arrivals:
        for item in arrival.read.items if arrival.read else ():
            references.append((arrival.account, item.reference or ""))
            keys.append((arrival.account, item.type, item.document or item.reference or ""))
    records.fetch_references(references)
    records.fetch_names([(a.account, a.source) for a in arrivals])
    records.fetch_keys(keys)
    living = {key: records.document_of_key(*key) for key in keys}
    fresh = [derived_id("document", *key, "1") for key, document in living.items() if document is None]
    records.documents(fresh)
    records.fetch_ordered([*(d.id for d in living.values() if d is not None), *fresh])


def accept(rules: Rules, arrival: Arrival, records: Snapshot, besides: Besides = nothing) -> Outcome:
    """The outcome that makes the message; with `follow_ons` for the items of a batch."""
    before = records.newest_under(arrival.account, arrival.source)
    if before is not None and before.id != arrival.id and before.sha256 == arrival.sha256 and not _is_batch(arrival):
        first = records.message(before.same_as) if before.same_as else before
        if first is not None and (first.holds_reference or (first.holds and first.state not in FREES_REFERENCE)):
            return repeated(blank(arrival), first)
    if arrival.read is None:
        return _refused(blank(arrival), arrival, arrival.faults)
    if arrival.faults:
        return _spoilt(rules, arrival, arrival.read, records, besides)
    if arrival.read.batch:
        return _batch(rules, arrival, arrival.read, records, besides)
    return _single(rules, arrival, arrival.read.items[0], records, blank(arrival), besides, keep=True)


def _spoilt(rules: Rules, arrival: Arrival, content: Read, records: Snapshot, besides: Besides) -> Outcome:
    """A file that is refused as a whole, with what else is wrong in it."""
    faults = list(arrival.faults)
    for item in content.items:
        document = _acted_on(rules, arrival.account, item, records)
        told = placed_with(item, besides(arrival, item, document))
        faults = [*(f for f in faults if f not in item.faults), *told]
    message = blank(arrival) if content.batch else _named(blank(arrival), content.items[0])
    return _refused(message, arrival, faults)


def _acted_on(rules: Rules, account: str, item: Item, records: Snapshot) -> Document | None:
    """The document that an item with faults acts on, if it is here."""
    if not item.known or item.type not in rules.profiles:
        return None
    return records.document(_document(rules, account, item, records)[1])


def unread(message: Message) -> bool:
    """Was it taken without having been read: the gateway failed over its file?"""
    return not message.type and message.operation != BATCH and message.batch is None


def read_again(rules: Rules, moment: Moment, message: Message, records: Snapshot, besides: Besides) -> Outcome:
    """What was taken unread, from the bytes that were kept: read as if they came now."""
    raw = records.body(message.id, "source") or b""
    came = Arrival(message.id, message.account, message.source or "", raw, message.sha256 or "", moment.now)
    return replace(accept(rules, look_into(rules, came), records, besides), was=message.state, bodies=())


def _is_batch(arrival: Arrival) -> bool:
    return arrival.read is not None and arrival.read.batch


def blank(arrival: Arrival) -> Message:
    """The message of an arrival before anything is known of it."""
    return Message(
        id=arrival.id,
        kind=Kind.SUBMISSION,
        account=arrival.account,
        type="",
        operation="",
        state=State.RECEIVED,
        received_at=arrival.arrived_at,
        updated_at=arrival.arrived_at,
        source=arrival.source,
        sha256=arrival.sha256,
        form=arrival.read.form if arrival.read else _form_of(arrival.source),
    )


def _form_of(source: str) -> str:
    return "json" if source.lower().endswith(".json") else "xml"


def _source(arrival: Arrival) -> tuple[Body, ...]:
    return (Body(arrival.id, "source", arrival.raw),)


def _refused(message: Message, arrival: Arrival, faults: Sequence[Fault], *, keep: bool = True) -> Outcome:
    ended = replace(message, state=State.REFUSED, faults=tuple(faults))
    return Outcome(ended, None, "read", bodies=_source(arrival) if keep else ())


def repeated(message: Message, first: Message) -> Outcome:
    """The same again: it does nothing, and tells what the first one came to."""
    same = replace(
        message,
        type=first.type,
        operation=first.operation,
        reference=first.reference,
        document=first.document,
        document_id=first.document_id,
        state=State.REPEATED,
        same_as=first.id,
        waits=False,
    )
    return Outcome(same, None, "read")


def _single(
    rules: Rules, arrival: Arrival, item: Item, records: Snapshot, message: Message, besides: Besides, *, keep: bool
) -> Outcome:
    if item.faults:
        faults = placed_with(item, besides(arrival, item, _acted_on(rules, arrival.account, item, records)))
        return _refused(_named(message, item), arrival, faults, keep=keep)
    if item.type not in rules.profiles:
        unknown = unknown_type(item.type, {name: profile.registry for name, profile in rules.types.items()})
        return _refused(_named(message, item), arrival, placed(item, [unknown]), keep=keep)
    profile = rules.profile(item.type)
    operation = profile.operations.get(item.operation)
    passing = item.operation == QUERY or item.check
    waits = not passing and bool(operation and operation.waits)
    message = _named(message, item, profile=profile.version, holds=not passing, waits=waits)
    if operation is None and item.operation != QUERY:
        return _refused(message, arrival, placed(item, [no_operation(profile, item.operation)]), keep=keep)
    holder = records.holder_of(arrival.account, item.reference) if item.reference else None
    if item.own_form and holder is not None and holder.content_sha256 != item.sha256:
        message = replace(
            message, reference=f"{item.reference}-{item.sha256[:8]}"
        )  # it names the document: this is a further word of it
        holder = records.holder_of(arrival.account, message.reference or "")
    if holder is not None and not passing:
        if holder.content_sha256 == item.sha256:
            return repeated(message, holder)
        wrong = fault("GW-F01", path="@reference", label="reference", reference=item.reference, first=holder.id)
        return _refused(replace(message, holds=False), arrival, placed(item, [wrong]), keep=keep)
    freed = records.last_freed(arrival.account, message.reference) if message.reference and not passing else None
    replaces = freed.id if freed else None
    key, document_id, wrong_number = _document(rules, arrival.account, item, records)
    if wrong_number is not None:
        return _refused(replace(message, document=key, replaces=replaces), arrival, placed(item, [wrong_number]), keep=keep)
    message = replace(
        message,
        document=key,
        document_id=document_id,
        replaces=replaces,
        lane=Lane(LaneKind.READ),
        due_at=message.received_at,
        deadline_at=operation.given_up_at(message.received_at) if operation and not passing else None,
    )
    return Outcome(message, None, "read", bodies=_source(arrival) if keep else ())


def no_operation(profile: Profile, operation: str) -> Fault:
    """The type has no such operation."""
    known = " ".join(sorted({*profile.operations, QUERY}))
    return fault("GW-F02", path="@operation", label="operation", type=profile.type, operation=operation, known=known)


def _named(message: Message, item: Item, **more: Any) -> Message:
    return replace(
        message,
        type=item.type,
        operation=item.operation,
        reference=item.reference,
        number=item.number,
        query_kind=item.kind,
        content_sha256=item.sha256,
        extra={**(message.extra or {}), "check": True} if item.check else message.extra,
        **more,
    )


def _document(rules: Rules, account: str, item: Item, records: Snapshot) -> tuple[str | None, str | None, Fault | None]:
    """The ERP's key and the id of the document that the item acts on; a fault when its number is unknown."""
    if item.operation == QUERY and not (item.number or item.document):
        return None, None, None
    if item.number:
        found = [d for d in records.documents_of_number(account, item.number) if d.type == item.type]
        if len(found) == 1:
            return found[0].key, found[0].id, None
        title = rules.profile(item.type).title
        return None, None, fault("GW-F03", path="@number", label="number", number=item.number, title=(title.zh, title.en))
    key = item.document or item.reference or ""
    living = records.document_of_key(account, item.type, key)
    fetched = _number_to_fetch(rules.profile(item.type), item)
    own = key if item.own_form else fetched
    numbered = [d for d in records.documents_of_number(account, own) if d.type == item.type] if own else []
    if fetched and item.document and numbered and numbered[0].key != key:
        return key, None, fault("GW-F56", path="@document", label="document", number=fetched, key=numbered[0].key)
    if living is not None:
        return key, living.id, None
    if numbered:
        return numbered[0].key, numbered[0].id, None
    return key, free_id(account, item.type, key, records), None


def _number_to_fetch(profile: Profile, item: Item) -> str:
    """The number by which an authority is asked for the rows of a document: that may be here already."""
    operation, number = profile.operations.get(item.operation), profile.numbers.get(profile.own_number)
    if operation is None or not operation.fetches or number is None:
        return ""
    return item.filters().get(number.field, "")


def free_id(account: str, type_: str, key: str, records: Snapshot) -> str:
    """The id that the next document of this key will have: each life of a key has its own, and none is left out."""

    def of(life: int) -> str:
        return derived_id("document", account, type_, key, str(life))

    most = 1
    while records.is_deleted(of(most)):
        most *= 2
    lives = range(most // 2 + 1, most + 1)
    return of(lives[bisect_left(lives, True, key=lambda life: not records.is_deleted(of(life)))])


def _prints(rules: Rules, item: Item) -> bool:
    """Is it a print of ours, which may lie in one file with others?"""
    profile = rules.types.get(item.type)
    operation = profile.operations.get(item.operation) if profile is not None else None
    return item.operation == PRINT and (operation is None or operation.desk == PRINT)


def _batch(rules: Rules, arrival: Arrival, content: Read, records: Snapshot, besides: Besides) -> Outcome:
    """A message for the whole and one for each item; one bad item never spoils the others."""
    whole = replace(blank(arrival), operation=BATCH, reference=content.reference, holds=False, waits=False)
    together = all(_prints(rules, item) for item in content.items if item.operation) and any(i.operation for i in content.items)
    items = []
    for n, item in enumerate(content.items, 1):
        child = replace(
            blank(arrival),
            id=derived_id("item", arrival.id, str(n)),
            source=arrival.source,
            sha256=None,
            batch=arrival.id,
            item=n - 1,
            together=together,
        )
        outcome = _single(rules, arrival, item, records, child, besides, keep=False)
        records.see(outcome)
        items.append(outcome)
    whole = replace(whole, lane=Lane(LaneKind.BATCH), due_at=arrival.arrived_at, together=together)
    return Outcome(whole, None, "read", bodies=_source(arrival), follow_ons=tuple(items))


def carried(content: Read, message: Message) -> Carried:
    """The item that a message stands for, with its own files."""
    item = content.items[message.item or 0]
    if not content.batch:
        return Carried(item, content.files)
    prefix = f"{item.reference}/"
    return Carried(item, {name.removeprefix(prefix): raw for name, raw in content.files.items() if name.startswith(prefix)})
