"""What a question looks like on the wire; one that is signed is made where the card signs it, and goes soon or is made anew."""

from __future__ import annotations

import orjson

from tongguan.codecs.writing.render import package, render_document, render_question
from tongguan.gateway.flow.query.answers.lists import several_of
from tongguan.gateway.flow.query.filters import MOST_SIZE, given, pages_asked, with_periods
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.check import hand_of
from tongguan.gateway.flow.submission.checks.secrets import without_secrets
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import QUERY, Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, Query
from tongguan.gateway.system import times

SEALED_AT = "sealed_at"  #: fact of a message: when its question was signed
#: milliseconds after which a signed question is not sent any more: its time of sending would be an old one
FRESH = 60_000


def is_signed_question(rules: Rules, message: Message) -> bool:
    """Is it a question that its card signs before it is put?"""
    if message.operation == QUERY:
        query = query_of(rules, message)
        return query is not None and query.signed and bool(message.asks)
    profile = rules.types.get(message.type)
    operation = profile.operations.get(message.operation) if profile is not None else None
    return operation is not None and operation.way == "query" and operation.signed


def is_fresh(message: Message, now: int) -> bool:
    """Was its question signed so short a while ago that it may be sent?"""
    sealed_at = (message.extra or {}).get(SEALED_AT)
    return isinstance(sealed_at, int) and 0 <= now - sealed_at <= FRESH


def question(
    rules: Rules,
    message: Message,
    records: Snapshot,
    now: int,
    *,
    business: int,
    page: int = 1,
    ic_card: str = "",
    wire_id: str = "",
) -> bytes:
    """The package that asks; `ic_card`: the number of the card that signs it; `business`: what day it is."""
    profile, account = rules.profile(message.type), rules.account(message.account)
    authority, code = asked_of(rules, message) or (message.route or "", rules.code_at(account, profile))
    return package(
        message_id=wire_id or message.wire_id,
        file_name=message.source or "",
        message_type=message.type,
        operation=message.operation,
        sender_id=code,
        receiver_id=authority,
        send_time=times.show(now) or "",
        ic_card=ic_card,
        environment=rules.settings.gateway.environment,
        document=_body(rules, message, records, page, business),
    )


def _body(rules: Rules, message: Message, records: Snapshot, page: int, today: int) -> bytes:
    """What is asked: the filters where rows are wanted, else the document that it is about."""
    asked = replace(
        message,
        query_kind=message.asks,
        number=_number(message, rules.profile(message.type), records),
    )
    query = query_of(rules, message)
    if query is not None and query.in_rows:
        told = {**query.defaults, **hand_of(rules, message, records).item.filters()}
        filters = with_periods(query, told, times.china_date(today))
        several = {name: several_of(value) if name in query.several else [value] for name, value in given(query, filters).items()}
        return render_question(rules.profile(message.type), asked, several, pages_asked(query, filters))
    document = records.document(message.document_id)
    kept = records.body(message.id, "content")
    content = orjson.loads(kept) if kept else document.content if document else {}
    compiled = rules.compiled(message.type)
    paging = {"page": str(page), "size": str(MOST_SIZE)} if fetched_table(rules, message) else {}
    return render_document(compiled, asked, without_secrets(compiled, content), (), paging=paging)


def query_of(rules: Rules, message: Message) -> Query | None:
    """The query that a message asks; None where it asks for something else."""
    return rules.profile(message.type).queries.get(message.query_kind or "") if message.operation == QUERY else None


def asked_of(rules: Rules, message: Message) -> tuple[str, str] | None:
    """The authority that a query goes to and the account's code there; None when it is the type's own."""
    query = query_of(rules, message)
    if query is None or not query.route:
        return None
    return query.route, str(getattr(rules.account(message.account), query.account_code))


def fetched_table(rules: Rules, message: Message) -> str:
    """The table that the message's operation fetches, if it does."""
    operation = rules.profile(message.type).operations.get(message.operation)
    return operation.fetches if operation is not None else ""


def _number(message: Message, profile: Profile, records: Snapshot) -> str | None:
    """The document's own number, else any that is known of it."""
    document: Document | None = records.document(message.document_id)
    if document is None:
        return message.number
    return document.numbers.get(profile.own_number) or next(iter(document.numbers.values()), message.number)
