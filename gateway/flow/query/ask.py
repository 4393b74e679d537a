"""checked → accepted | rejected: a question to the authority, answered by one signed receipt.

An operation that asks first (`way = "query"`) is done by its desk step with what the answer says; a plain query gives its
answer back as a result file.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import orjson
from lxml import etree

from tongguan.codecs.receipts.answer_rows import Malformed, read_answer
from tongguan.codecs.receipts.receipt import ReceiptContent, moment_told, numbers_told
from tongguan.codecs.writing.render import package, render_document, render_question
from tongguan.gateway.document.changes import born, learned
from tongguan.gateway.flow.query.details import RECEIPTS, receipts_told
from tongguan.gateway.flow.query.details import shown as cell
from tongguan.gateway.flow.query.filters import given, pages_asked
from tongguan.gateway.flow.query.results import Found, answer, paging
from tongguan.gateway.flow.receipts.authority_updates import StatusUpdate, documents_told, status_told
from tongguan.gateway.flow.receipts.matching import begun_at
from tongguan.gateway.flow.receipts.verification import TO_QUESTION, Answered, issuers
from tongguan.gateway.flow.receipts.verification import answer as believed
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.allowed import may, taken
from tongguan.gateway.flow.submission.check import hand_of, living, refuse
from tongguan.gateway.flow.submission.dispatch import at_desk, on_its_way, request_of
from tongguan.gateway.flow.submission.secrets import without_secrets
from tongguan.gateway.flow.submission.send import keep_aside
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Deferred, Held, Refused, each_of
from tongguan.gateway.model.message import QUERY, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import ANSWERED, Column, Profile, Query, Text
from tongguan.gateway.system import clock, times
from tongguan.gateway.work.loop import Step, each, end, lane_of, parted
from tongguan.routes.reply import Reply


def ask_step(site: Site) -> Step:
    """The station of questions to an authority."""

    def decide(message: Message, answered: Answered, records: Snapshot) -> Chain:
        return (decide_ask(site, message, answered, records),)

    return Step("ask", decide, act=partial(act_ask, site), refuse=partial(refuse, site), wait=site.next_try)


def act_ask(site: Site, claim: Claim) -> list[Answered | Exception]:
    """Put each question; many in flight."""
    messages = claim.messages
    name = lane_of(claim).name
    route = site.route(name)
    with site.journal.read() as records:
        bodies = each(messages, lambda message: site.enveloped(name, _question(site, message, records)))
    asked, wrong = parted(messages, bodies)
    told = dict(zip((m.id for m, _ in asked), route.query_many([(m.wire_id, body) for m, body in asked]), strict=True))
    return each(messages, lambda m: wrong[m.id] if m.id in wrong else _meaning(site, m, told[m.id]))


def _question(site: Site, message: Message, records: Snapshot) -> bytes:
    profile, account = site.profile(message.type), site.account(message.account)
    authority, code = _asked(site, message) or (message.route or "", site.code_at(account, profile))
    return package(
        message_id=message.wire_id,
        file_name=message.source or "",
        message_type=message.type,
        operation=message.operation,
        sender_id=code,
        receiver_id=authority,
        send_time=times.show(clock.now_ms()) or "",
        ic_card="",
        environment=site.settings.gateway.environment,
        document=_body(site, message, records),
    )


def _body(site: Site, message: Message, records: Snapshot) -> bytes:
    """What is asked: the filters where rows are wanted, else the document that it is about."""
    asked = replace(
        message,
        query_kind=message.asks,
        number=_number(message, site.profile(message.type), records),
    )
    query = _query(site, message)
    if query is not None and query.in_rows:
        filters = hand_of(site, message, records).item.filters()
        return render_question(site.profile(message.type), asked, given(query, filters), pages_asked(query, filters))
    document = records.document(message.document_id)
    kept = records.body(message.id, "content")
    content = orjson.loads(kept) if kept else document.content if document else {}
    compiled = site.compiled(message.type)
    return render_document(compiled, asked, without_secrets(compiled, content), ())


def _query(site: Site, message: Message) -> Query | None:
    return site.profile(message.type).queries.get(message.query_kind or "") if message.operation == QUERY else None


def _asked(site: Site, message: Message) -> tuple[str, str] | None:
    """The authority that a query goes to and the account's code there; None when it is the type's own."""
    query = _query(site, message)
    if query is None or not query.route:
        return None
    return query.route, str(getattr(site.account(message.account), query.account_code))


def _number(message: Message, profile: Profile, records: Snapshot) -> str | None:
    """The document's own number, else any that is known of it."""
    document = records.document(message.document_id)
    if document is None:
        return message.number
    return document.numbers.get(profile.own_number) or next(iter(document.numbers.values()), message.number)


def _meaning(site: Site, message: Message, reply: Reply) -> Answered | Exception:
    why = reply.why
    if reply.kind == "receipt" and reply.receipt is not None:
        asked = _asked(site, message)
        answered = believed(site, message, reply.receipt, codes=TO_QUESTION, asked=asked)
        if isinstance(answered, Answered):
            return answered
        keep_aside(site, message, reply.receipt, authority=asked[0] if asked else message.route or "", why=answered)
        why = answered
    if message.deadline_at is not None and clock.now_ms() > message.deadline_at:
        do = f"tongguan retry {message.id}; tongguan give-up {message.id}"
        zh, en = each_of(why)
        return Held(f"期限前没有答复：{zh}", f"not answered before its deadline: {en}", do=do)
    if reply.kind == "later" and reply.status is None:
        return Deferred("route", closes=message.lane, why=why)
    return Deferred("route", after=reply.retry_after or timedelta(milliseconds=site.next_try(message) - clock.now_ms()), why=why)


def decide_ask(site: Site, message: Message, answered: Answered, records: Snapshot) -> Outcome:
    """The desk's outcome with the answer; rejected, with the authority's faults, where it says no."""
    content = answered.content
    if content.code != ANSWERED:
        return end(message, State.REJECTED, "ask", faults=content.faults, deadline_at=None)
    told = _leaves(content)
    if message.operation == QUERY:
        return _plain(site, message, content, told, records)
    profile = site.profile(message.type)
    operation = profile.operations[message.operation]
    message, document = living(message, records)
    kept = orjson.loads(records.body(message.id, "content") or b"{}")
    faults = may(site, message, operation, document) + taken(profile, operation, message, content=kept, records=records)
    if faults:
        raise Refused(faults)
    request = request_of(site, message, hand_of(site, message, records), document or born(message, profile), content=kept)
    keep = operation.options.get("keep")
    answered_elements = {to: told[of] for to, of in keep.items() if of in told} if isinstance(keep, dict) else told
    request = replace(request, answered=answered_elements)
    return on_its_way(site, request, records) if operation.way == "message" else at_desk(site, request, records)


def _leaves(content: ReceiptContent) -> dict[str, str]:
    """Element name to text, and `name@attribute` to the attribute, of the answer's leaves."""
    found: dict[str, str] = {}
    for element in content.content.iter(etree.Element) if content.content is not None else ():
        name = etree.QName(element).localname
        for attribute, value in sorted(element.attrib.items()):
            found.setdefault(f"{name}@{attribute!s}", str(value))
        if len(element) == 0 and element.text:
            found.setdefault(name, element.text)
    return found


def _plain(site: Site, message: Message, content: ReceiptContent, told: dict[str, str], records: Snapshot) -> Outcome:
    """A query's own answer; what it says of the document's status is applied like receipts are."""
    document = records.document(message.document_id)
    profile = site.profile(message.type)
    query = profile.queries[message.query_kind or ""]
    filters = hand_of(site, message, records).item.filters()
    if query.in_rows:
        return _rows(site, message, content, (query, filters), records)
    after = None
    if document is not None and content.content is not None:
        after = status_told(document, profile, _status(site, message, content), since=begun_at(document, records))
    shown = after or document
    found = _found(profile, shown, query, content=content, told=told)
    outcome = answer(site, message, query, filters, replace(found, source="authority", as_of=content.issued_at))
    if after is None or document is None:
        return outcome
    return replace(outcome, documents=(after,), numbers=learned(after, document, profile))


def _status(site: Site, message: Message, content: ReceiptContent) -> StatusUpdate:
    """The receipts of a status answer that this authority may speak of, and its numbers; raises Held for numbers that cannot be."""
    root, profile = content.content, site.profile(message.type)
    assert root is not None
    try:
        numbers = numbers_told(root.iter("{*}Number"))
    except Refused as wrong:
        raise _malformed(message, content, "", wrong.faults[0].zh, wrong.faults[0].en) from wrong
    told = [(e.get("code", ""), moment_told(e.get("issued_at"))) for e in root.iter("{*}Receipt", "{*}Side")]
    own = [each for each in told if content.authority in issuers(site, profile, profile.receipts.get(each[0]), None)]
    return StatusUpdate(own, numbers)


def _malformed(message: Message, content: ReceiptContent, kind: str, zh: str, en: str) -> Held:
    do, of = f"tongguan retry {message.id}; tongguan give-up {message.id}", content.authority
    to = f" to {kind}" if kind else ""
    return Held(f"{of} 的{kind}答复有误：{zh}", f"the answer of {of}{to} is malformed: {en}", do=do)


def _found(profile: Profile, shown: Document | None, query: Query, *, content: ReceiptContent, told: dict[str, str]) -> Found:
    """What the answer says of one document; of none: the answer's own elements."""
    if shown is None:
        leaves = {name: value for name, value in told.items() if "@" not in name}
        return Found(1, [leaves], columns=[Column(name, Text(name, name), "") for name in leaves])
    if query.ask == RECEIPTS:
        rows = receipts_told(profile, shown, query, content)
        return Found(len(rows), rows)
    return Found(1, [{c.name: cell(profile, shown, c.of) for c in query.columns}])


def _rows(
    site: Site, message: Message, content: ReceiptContent, asked: tuple[Query, dict[str, str]], records: Snapshot
) -> Outcome:
    """The authority's table as a result; one that is not what was asked for is never guessed at."""
    query, filters = asked
    page, size = paging(filters)
    try:
        told = read_answer(content.content, query.columns, page=page, size=size)
    except Malformed as wrong:
        raise _malformed(message, content, query.kind, str(wrong), str(wrong)) from wrong
    found = Found(told.total, told.rows, source="authority", as_of=content.issued_at)
    outcome = answer(site, message, query, filters, found)
    profile = site.profile(message.type)
    return replace(outcome, documents=documents_told(profile, message, told.rows, records, as_of=content.issued_at))
