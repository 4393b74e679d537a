"""What is wrong with a message as far as it shows without journal, card and authority: for `tongguan check`, and beside a faulty frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tongguan.codecs.checking.check import check
from tongguan.codecs.reading.attachments import check_attachments
from tongguan.codecs.reading.read import Item, Read
from tongguan.codecs.reading.vocabulary import near
from tongguan.gateway.flow.intake.accept import Arrival, Besides, no_operation
from tongguan.gateway.flow.query.queries import query_faults
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import unanswered
from tongguan.gateway.flow.submission.checks.parties import party_of
from tongguan.gateway.flow.submission.checks.powers import power_faults
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import unknown_type
from tongguan.gateway.model.message import QUERY, Kind, Message, State
from tongguan.gateway.model.record import replace
from tongguan.gateway.system.times import china_date
from tongguan.gateway.work.moment import Moment

#: faults that an operation has, not a value
_OF_OPERATIONS = frozenset({"GW-C03", "GW-C19", "GW-C20", "GW-C21", "GW-C22", "GW-C27", "GW-C40"})


def offline_faults(
    rules: Rules, account: str, item: Item, content: Read, *, at: int, document: Document | None = None
) -> list[Fault]:
    """Every fault of an item beside those that it has; `document`: what it acts on, where that is known."""
    if item.faults and not item.known:
        return []
    compiled = rules.profiles.get(item.type)
    if compiled is None:
        known = {name: profile.registry for name, profile in rules.types.items()}
        return [unknown_type(item.type, known)] if item.type else []
    profile, name = compiled.profile, item.wanted or item.operation
    if name == QUERY:
        return query_faults(compiled, item, china_date(at))
    operation = profile.operations.get(name)
    if any(one.code == "GW-J07" and one.path.endswith("/body") for one in item.faults):
        return []
    if operation is None:
        unknown = [no_operation(profile, name)] if name else []
        if nowhere := next((one for one in item.faults if one.code == "GW-M06"), None):
            meant = near(name, tuple(profile.operations))["near"]
            unknown = [] if meant else [replace(one, path=nowhere.path, line=nowhere.line) for one in unknown]
        return [*unknown, *_of_any_operation(rules, account, item, at)]
    another = document is None and bool(item.number or (item.document and item.document != item.reference))
    if operation.body != "whole" and document is None and _is_empty(item.body):
        return []  # what its document has already it may leave out
    found = check(
        compiled,
        item,
        account=rules.account(account),
        document=document,
        operation=name,
        numbers=document.numbers if document else {},
        now_ms=at,
        files=files_of(item, content),
    )
    if another:
        profile = replace(profile, attachments=replace(profile.attachments, one_of=()))
    party = party_of(rules.account(account), profile, found.content, {}, document)
    return [
        *found.faults,
        *check_attachments(
            profile,
            item.attachments,
            files_of(item, content),
            document=document,
            operation=name,
            allowed=another or compiled.attachable(found.content) or unanswered(operation, item, found.content),
        ),
        *power_faults(rules, _message(account, item, name, content, at), found.content, party, china_date(at)),
    ]


def _of_any_operation(rules: Rules, account: str, item: Item, at: int) -> list[Fault]:
    """What is wrong with the values, whatever is to be done with them: the operation is missing, or there is none such."""
    compiled = rules.profiles[item.type]
    name = next((name for name, one in compiled.profile.operations.items() if one.body == "whole" and not one.adds), "")
    if not name or _is_empty(item.body):
        return []
    found = check(compiled, item, account=rules.account(account), document=None, operation=name, numbers={}, now_ms=at)
    return [one for one in found.faults if one.code.startswith("GW-C") and one.code not in _OF_OPERATIONS]


def besides_of(rules: Rules, moment: Moment) -> Besides:
    """What `accept` asks for what else is wrong."""

    def besides(arrival: Arrival, item: Item, document: Document | None) -> Sequence[Fault]:
        assert arrival.read is not None
        return offline_faults(rules, arrival.account, item, arrival.read, at=moment.business, document=document)

    return besides


def files_of(item: Item, content: Read) -> Mapping[str, bytes]:
    """The attachments that came with an item, by their own names."""
    prefix = f"{item.reference}/" if content.batch else ""
    return {name.removeprefix(prefix): raw for name, raw in content.files.items() if name.startswith(prefix)}


def _message(account: str, item: Item, operation: str, content: Read, at: int) -> Message:
    """As the message would be that the item becomes."""
    return Message(
        id="", kind=Kind.SUBMISSION, account=account, type=item.type, operation=operation, state=State.RECEIVED,
        received_at=at, updated_at=at, form=content.form,
    )  # fmt: skip


def _is_empty(body: Any) -> bool:
    return body is None or len(body) == 0
