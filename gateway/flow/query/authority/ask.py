"""checked → accepted | rejected: a question to the authority, answered by one signed receipt.

An operation that asks first (`way = "query"`) is done by its desk step with what the answer says; a plain query gives its
answer back as a result file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import orjson
from lxml import etree

from tongguan.codecs.checking.check import places_of
from tongguan.codecs.reading.attachments import check_attachments
from tongguan.codecs.receipts.answer_rows import Malformed, pages_of, read_answer, read_table
from tongguan.codecs.receipts.receipt import ReceiptContent, moment_told, numbers_told
from tongguan.codecs.writing.results import ResultRow
from tongguan.gateway.document.changes import born, learned, with_numbers, with_values
from tongguan.gateway.flow.holdings import held_after
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.local import AnsweredFile
from tongguan.gateway.flow.local.collect import INDEX
from tongguan.gateway.flow.merging.letting_go import freeing
from tongguan.gateway.flow.query.answers.details import RECEIPTS, receipts_told
from tongguan.gateway.flow.query.answers.details import shown as cell
from tongguan.gateway.flow.query.authority.known_answers import question_of
from tongguan.gateway.flow.query.authority.question import asked_of, fetched_table, is_fresh, question
from tongguan.gateway.flow.query.filters import MOST_SIZE
from tongguan.gateway.flow.query.results import Found, answer, paging
from tongguan.gateway.flow.query.wording import worded
from tongguan.gateway.flow.receipts.agreement import opened_round
from tongguan.gateway.flow.receipts.authority_updates import StatusUpdate, documents_told, present_round, status_told
from tongguan.gateway.flow.receipts.verification import TO_QUESTION, Answered, issuers
from tongguan.gateway.flow.receipts.verification import answer as believed
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.check import hand_of, living
from tongguan.gateway.flow.submission.checks.allowed import in_place_of_expired, may, needed, taken, unbound
from tongguan.gateway.flow.submission.checks.licences import licence_faults, wish_of
from tongguan.gateway.flow.submission.checks.parties import OWN, party_of
from tongguan.gateway.flow.submission.dispatch import at_desk, on_its_way, request_of, without_answer
from tongguan.gateway.flow.submission.refusal import refuse_later
from tongguan.gateway.flow.submission.send import keep_aside
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, Held, Refused, each_of
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import OTHER, QUERY, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import ANSWERED, Column, Operation, Profile, Query, ReceiptRule, Text
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Step, each, end, lane_of, parted
from tongguan.gateway.work.moment import Moment
from tongguan.routes.reply import Reply


def ask_step(site: Site) -> Step:
    """The station of questions to an authority."""
    rules = site.rules
    return Step(
        "ask", partial(decide_ask, rules), act=partial(act_ask, site), refuse=partial(refuse_later, rules), wait=rules.next_try
    )


_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}(\.[0-9a-z]{1,8})+")


@dataclass(frozen=True, slots=True)
class Stale:
    """Signed too long ago to be put: its card signs it anew."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody could be asked, and the message may go all the same."""


@dataclass(frozen=True, slots=True)
class AnsweredToday:
    """What the same question was answered today, by path: it is not put again."""

    told: Mapping[str, str]


_Meaning = Answered | AnsweredToday | Stale | Unanswered | Exception
_STALE = b""  #: in place of the bytes of such a question


def act_ask(site: Site, claim: Claim) -> list[_Meaning]:
    """Put each question, many in flight; of those who ask the same first one alone, whose answer is good for the others.

    Where that one hears that nobody is there, the others need not hear it, too; where it is answered otherwise, they ask for themselves.
    """
    questions = _questions(site, claim.messages)
    shared = {m.id: _shared(site.rules, m, questions) for m in claim.messages}
    meant: dict[str, _Meaning] = {}
    firsts: dict[str, Message] = {}
    for m in claim.messages:
        firsts.setdefault(shared[m.id], m)
    for asking in (firsts.values(), claim.messages):
        known, left = site.answers.seen, list[Message]()
        for m in asking:
            question = shared[m.id]
            first = meant.get(firsts[question].id)
            if m.id in meant:
                continue
            if question in known:
                meant[m.id] = AnsweredToday(known[question])
            elif isinstance(first, Deferred) and first.closes is not None:
                meant[m.id] = first
            else:
                left.append(m)
        if left:
            meant |= _put(site, lane_of(claim).name, left, questions)
    return [_done(site, m, meant[m.id]) for m in claim.messages]


def _questions(site: Site, messages: Sequence[Message]) -> Mapping[str, str]:
    """By message the name of its question, of those whose answers are good for others."""
    with site.journal.read() as records:
        named = each(messages, lambda message: _question(site, message, records))
    return {m.id: name for m, name in zip(messages, named, strict=True) if isinstance(name, str)}


def _question(site: Site, message: Message, records: Snapshot) -> str | None:
    profile = site.rules.profile(message.type)
    operation = profile.operations.get(message.operation)
    if operation is None or not operation.while_same:
        return None
    asked = orjson.loads(records.body(message.id, "content") or b"{}")
    return question_of(profile, message, asked, site.business.now_ms())


def _shared(rules: Rules, message: Message, questions: Mapping[str, str]) -> str:
    """What those have in common for whom one may ask; whoever asks for the sake of the answer asks himself."""
    first = message.id in questions and rules.profile(message.type).operations[message.operation].way == "message"
    return questions[message.id] if first else message.id


def _put(site: Site, route: str, messages: Sequence[Message], questions: Mapping[str, str]) -> dict[str, _Meaning]:
    """What is answered to each, by message; and remembered for today."""
    with site.journal.read() as records:
        sealed = records.sealed_of([m for m in messages if m.state is State.SEALED])
        bodies = each(messages, lambda message: _letter(site, route, message, sealed, records))
    letters, wrong = parted(messages, bodies)
    meant: dict[str, _Meaning] = {**wrong, **{m.id: Stale() for m, body in letters if body == _STALE}}
    asked = [(m, body) for m, body in letters if body != _STALE]
    told = dict(
        zip((m.id for m, _ in asked), site.route(route).query_many([(m.wire_id, body) for m, body in asked]), strict=True)
    )
    meanings = each([m for m, _ in asked], lambda m: _meaning(site, m, told[m.id], clock.now_ms()))
    for (m, _), meaning in zip(asked, meanings, strict=True):
        if m.id in questions and isinstance(meaning, Answered) and meaning.content.code == ANSWERED:
            operation = site.rules.profile(m.type).operations[m.operation]
            site.answers.note(questions[m.id], _kept(operation, meaning.content))
        meant[m.id] = meaning
    return meant


def _done(site: Site, message: Message, meaning: _Meaning) -> _Meaning:
    """The whole answer; where there is none and it may go without, that."""
    if isinstance(meaning, Answered):
        return _whole(site, message, meaning)
    return Unanswered() if isinstance(meaning, Deferred) and _may_go_unanswered(site.rules, message) else meaning


def _may_go_unanswered(rules: Rules, message: Message) -> bool:
    operation = rules.profile(message.type).operations.get(message.operation)
    return operation is not None and operation.may_go_unanswered


def _kept(operation: Operation, answer: ReceiptContent) -> dict[str, str]:
    """What the document keeps of an answer, by path; where the operation does not say, all that it tells."""
    told = _leaves(answer)
    return {to: told[of] for to, of in operation.keep.items() if of in told} if operation.keep else told


def _whole(site: Site, message: Message, answered: Answered) -> Answered | Exception:
    """The answer with all pages of the table that it begins; what another page is answered with instead is the answer."""
    first, name = answered.content, message.route or ""
    pages = pages_of(first.content, size=MOST_SIZE) if first.code == ANSWERED and fetched_table(site.rules, message) else 1
    further: list[ReceiptContent] = []
    for page in range(2, pages + 1):
        with site.journal.read() as records:
            body = site.enveloped(
                name, question(site.rules, message, records, clock.now_ms(), business=site.business.now_ms(), page=page)
            )
        reply = site.route(name).query_many([(message.wire_id, body)])[0]
        more = _meaning(site, message, reply, clock.now_ms())
        if not isinstance(more, Answered) or more.content.code != ANSWERED:
            return more
        further.append(more.content)
    return Answered(first, answered.raw, tuple(further))


def _meaning(site: Site, message: Message, reply: Reply, now: int) -> Answered | Exception:
    why = reply.why
    if reply.kind == "receipt" and reply.receipt is not None:
        asked = asked_of(site.rules, message)
        answered = believed(
            site.rules, message, reply.receipt, now=now, business=site.business.now_ms(), codes=TO_QUESTION, asked=asked
        )
        if isinstance(answered, Answered):
            return answered
        keep_aside(site, message, reply.receipt, authority=asked[0] if asked else message.route or "", why=answered)
        why = answered
    if message.deadline_at is not None and now > message.deadline_at:
        do = f"tongguan retry {message.id}; tongguan give-up {message.id}"
        zh, en = each_of(why)
        return Held(f"期限前没有答复：{zh}", f"not answered before its deadline: {en}", do=do)
    if reply.kind == "later" and reply.status is None:
        return Deferred("route", closes=message.lane, why=why)
    after = reply.retry_after or timedelta(milliseconds=site.rules.next_try(message, now) - now)
    return Deferred("route", after=after, why=why)


def _letter(site: Site, route: str, message: Message, sealed: Mapping[str, bytes], records: Snapshot) -> bytes:
    """The bytes that go; of a question that was signed those that were, as long as their time is no old one."""
    now = clock.now_ms()
    if message.state is not State.SEALED:
        return site.enveloped(route, question(site.rules, message, records, now, business=site.business.now_ms()))
    return sealed.get(message.id, _STALE) if is_fresh(message, now) else _STALE


def _signed_anew(rules: Rules, moment: Moment, message: Message) -> Outcome:
    """checked again, in the lane of the card."""
    profile, account = rules.profile(message.type), rules.account(message.account)
    card = rules.card_for(account, profile, profile.operations[message.operation])
    if card is None:
        raise unbound(rules, message)
    lane, now = Lane(LaneKind.CARD, card.name), moment.now
    moved = replace(
        message, state=State.CHECKED, lane=lane, due_at=now, updated_at=now, waiting_for=moment.shut(lane), attempts=0
    )
    return Outcome(moved, message.state, "ask")


def decide_ask(
    rules: Rules, moment: Moment, message: Message, answered: Answered | AnsweredToday | Stale | Unanswered, records: Snapshot
) -> Chain:
    """The desk's outcome with the answer; rejected, with the authority's faults, where it says no and the answer is needed."""
    if isinstance(answered, Stale):
        return (_signed_anew(rules, moment, message),)
    if isinstance(answered, AnsweredToday):
        return (_with_answer(rules, moment, message, None, records, told=answered.told),)
    if isinstance(answered, Unanswered) or (answered.content.code != ANSWERED and _may_go_unanswered(rules, message)):
        return (without_answer(_with_answer(rules, moment, message, None, records)),)
    content = answered.content
    if content.code != ANSWERED:
        return (end(message, State.REJECTED, "ask", moment.now, faults=content.faults, deadline_at=None),)
    if message.operation == QUERY:
        return (_plain(rules, moment, message, content, records),)
    return (_with_answer(rules, moment, message, answered, records),)


def _with_answer(
    rules: Rules,
    moment: Moment,
    message: Message,
    answered: Answered | None,
    records: Snapshot,
    *,
    told: Mapping[str, str] | None = None,
) -> Outcome:
    """What asked first goes on, with all that may have changed since the question was put; None: without an answer, or with what
    another one was `told`."""
    hand, profile = hand_of(rules, message, records), rules.profile(message.type)
    operation = profile.operations[message.operation]
    message, document = living(message, records)
    kept = orjson.loads(records.body(message.id, "content") or b"{}")
    needs = needed(rules, moment, message, kept, records)
    faults = [*may(rules, moment, message, operation, document), *needs.faults]
    faults += taken(rules, moment, message, content=kept, others=needs.found, records=records)
    party = party_of(rules.account(message.account), profile, kept, needs.found, document) or OWN
    wish = wish_of(rules, moment, message, kept, document, needs.found, party=party)
    faults += licence_faults(rules, message, kept, wish, records, places_of(hand.item))
    if faults:
        raise Refused(faults)
    if needs.waits_on is not None:  # it has moved on since the question was put
        raise Deferred(OTHER)
    document = document or born(message, profile, moment.business)
    asked = kept if operation.body != "none" or operation.picks else document.content  # that may have moved on since
    request = request_of(rules, moment, message, hand, document, content=asked, found=needs.found)
    answered_elements = _kept(operation, answered.content) if answered is not None else told or {}
    if operation.way == "message" and hand.item.attachments:
        _files_may_go(rules, message, hand, document, with_values(asked, answered_elements))
    rows = _table(rules, message, answered) if operation.fetches and answered is not None else ()
    if operation.picks is not None and answered is not None:
        told_options = {operation.picks.named: hand.item.filters().get(operation.picks.named, "")}
        request = replace(request, options=told_options, answered_files=_files(message, answered.content))
    request = replace(request, answered=answered_elements, answered_rows=rows)
    outcome = on_its_way(rules, moment, request, records) if operation.way == "message" else at_desk(request, records)
    outcome = in_place_of_expired(rules, moment, outcome, records)
    return replace(outcome, relied_on={**needs.relied_on, **outcome.relied_on})


def _files_may_go(rules: Rules, message: Message, hand: Carried, document: Document, content: Content) -> None:
    """Raises Refused where a content with this answer takes no files, which was not known before."""
    if not rules.compiled(message.type).attachable(content):
        profile = rules.profile(message.type)
        raise Refused(
            check_attachments(
                profile, hand.item.attachments, hand.files, document=document, operation=message.operation, allowed=False
            )
        )


def _files(message: Message, content: ReceiptContent) -> tuple[AnsweredFile, ...]:
    """The files of an answer, each of a row; raises Held where they cannot be."""
    files: list[AnsweredFile] = []
    for element in content.content.iter("{*}File") if content.content is not None else ():
        name, of = element.get("name", ""), element.get("of", "")
        try:
            raw = base64.b64decode(element.text or "", validate=True)
        except binascii.Error:
            raise _malformed(
                message, content, message.operation, f"文件 {name[:100]} 读不出", f"file {name[:100]} cannot be read"
            ) from None
        taken = {INDEX, *(one.name.lower() for one in files)}  # some file systems know no capitals
        if not _FILE_NAME.fullmatch(name) or name.lower() in taken:
            raise _malformed(
                message, content, message.operation, f"文件名 {name[:100]!r} 不可用", f"file name {name[:100]!r} cannot be used"
            )
        files.append(AnsweredFile(of, name, raw))
    return tuple(files)


def _table(rules: Rules, message: Message, answered: Answered) -> Sequence[Content]:
    """The rows of the answer, for the table that the operation fetches; raises Held where they cannot be."""
    pages = [content.content for content in (answered.content, *answered.further)]
    try:
        return read_table(pages, rules.compiled(message.type).nodes[fetched_table(rules, message)], size=MOST_SIZE)
    except Malformed as wrong:
        raise _malformed(message, answered.content, message.operation, str(wrong), str(wrong)) from wrong


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


def _plain(rules: Rules, moment: Moment, message: Message, content: ReceiptContent, records: Snapshot) -> Outcome:
    """A query's own answer; what it says of the document's status is applied like receipts are."""
    document = records.document(message.document_id)
    profile = rules.profile(message.type)
    query = profile.queries[message.query_kind or ""]
    filters = hand_of(rules, message, records).item.filters()
    if query.in_rows:
        return _rows(rules, moment, message, content, records, query=query, filters=filters)
    after = None
    status = _status(rules, message, content) if content.content is not None else None
    if document is not None and status is not None:
        after = status_told(profile, document, status, present_round(profile, document, records), at=moment.business)
    shown = after or document or _known_there(profile, message, status, at=moment.business)
    found = _found(profile, shown, query, content, rules.language(rules.account(message.account)))
    found = replace(found, source="authority", as_of=content.issued_at)
    outcome = answer(rules, message, (query, filters), found, moment)
    if after is None or document is None:
        return outcome
    kept = held_after(rules, _moved_by(profile, document, after, records), (document, after), None, records)
    outcome = replace(outcome, documents=(after,), numbers=learned(after, document, profile), **kept)
    return freeing(rules.types, outcome, records, at=moment.business)


def _known_there(profile: Profile, message: Message, told: StatusUpdate | None, *, at: int) -> Document | None:
    """What an authority knows and this gateway has no document of, as its status and numbers tell; None where they tell nothing."""
    rules = [rule for code, _ in told.codes if (rule := profile.receipts.get(code)) is not None] if told is not None else []
    weightiest = max((rule for rule in rules if rule.status), key=lambda rule: rule.rank, default=None)
    if told is None or weightiest is None:
        return None
    marks = {kind: code for rule in rules for kind, code in rule.marks.items()}
    content = with_numbers({}, profile, told.numbers)
    unknown = born(message, profile, at)
    return replace(unknown, status=weightiest.status, numbers=dict(told.numbers), marks=marks, content=content)


def _moved_by(profile: Profile, before: Document, after: Document, records: Snapshot) -> ReceiptRule | None:
    """The receipt by which an answer has moved a document, as its round has it; None where it has not."""
    opened = opened_round(profile, before, before.round, records)
    rules = map(opened.rule, profile.receipts.values() if after.rank > before.rank else ())
    return next((rule for rule in rules if (rule.status, rule.rank) == (after.status, after.rank)), None)


def _status(rules: Rules, message: Message, content: ReceiptContent) -> StatusUpdate:
    """The receipts of a status answer that this authority may speak of, and its numbers; raises Held for numbers that cannot be."""
    root, profile = content.content, rules.profile(message.type)
    assert root is not None
    try:
        numbers = numbers_told(root.iter("{*}Number"))
    except Refused as wrong:
        raise _malformed(message, content, "", wrong.faults[0].zh, wrong.faults[0].en) from wrong
    told = [(e.get("code", ""), moment_told(e.get("issued_at"))) for e in root.iter("{*}Receipt", "{*}Side")]
    own = [each for each in told if content.authority in issuers(rules, profile, profile.receipts.get(each[0]), None)]
    return StatusUpdate(own, numbers)


def _malformed(message: Message, content: ReceiptContent, kind: str, zh: str, en: str) -> Held:
    do, of = f"tongguan retry {message.id}; tongguan give-up {message.id}", content.authority
    to = f" to {kind}" if kind else ""
    return Held(f"{of} 的{kind}答复有误：{zh}", f"the answer of {of}{to} is malformed: {en}", do=do)


def _found(profile: Profile, shown: Document | None, query: Query, content: ReceiptContent, language: str) -> Found:
    """What the answer says of one document; of none: the answer's own elements."""
    if shown is None:
        leaves = {name: value for name, value in _leaves(content).items() if "@" not in name}
        return Found(1, [leaves], columns=[Column(name, Text(name, name), "") for name in leaves])
    if query.ask == RECEIPTS:
        rows = receipts_told(profile, shown, query, content, language)
        return Found(len(rows), rows)
    return Found(1, [{c.name: cell(profile, shown, c.of, language) for c in query.columns}])


def _rows(
    rules: Rules,
    moment: Moment,
    message: Message,
    content: ReceiptContent,
    records: Snapshot,
    *,
    query: Query,
    filters: dict[str, str],
) -> Outcome:
    """The authority's table as a result; one that is not what was asked for is never guessed at."""
    page, size = paging(filters)
    try:
        told = read_answer(content.content, query.columns, page=page, size=size)
    except Malformed as wrong:
        raise _malformed(message, content, query.kind, str(wrong), str(wrong)) from wrong
    profile, keys = rules.profile(message.type), dict[str, str]()

    def key_of(row: ResultRow) -> str:
        """The sender's key of the document that has one of the numbers that a row tells."""
        for name in profile.numbers:
            number = row.get(name)
            if isinstance(number, str) and number not in ("", "-"):
                if number not in keys:
                    same = [d for d in records.documents_of_number(message.account, number) if d.type == message.type]
                    keys[number] = same[0].key if same else ""
                if keys[number]:
                    return keys[number]
        return "-"

    language = rules.language(rules.account(message.account))
    columns, rows = worded(profile, query.columns, told.rows, language, None if query.source == "table" else key_of)
    found = Found(told.total, rows, source="authority", as_of=content.issued_at, columns=columns)
    outcome = answer(rules, message, (query, filters), found, moment)
    return replace(outcome, documents=documents_told(profile, message, told.rows, records, as_of=content.issued_at))
