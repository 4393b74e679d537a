"""May an operation be done now: by the document's status, the account's card, and what other documents have reserved?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.reading.item import Item
from tongguan.codecs.reading.locations import Locations
from tongguan.gateway.document.changes import (
    FoundBy,
    FoundDocuments,
    changed,
    joined_value,
    reserved_values,
    rows_of,
    status_on,
    value_at,
    with_values,
)
from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.flow.cards.looks import holders
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.parties import OWN, party_named
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, Fault, Refused, in_both
from tongguan.gateway.model.faults import InBoth, fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Need, Operation, Profile
from tongguan.gateway.settings import Account
from tongguan.gateway.system.times import china_date
from tongguan.gateway.work.moment import Moment
from tongguan.signer.cards.card import CardState


def may(rules: Rules, moment: Moment, message: Message, operation: Operation, document: Document | None) -> list[Fault]:
    """Status and card: may this be done at all now? A card that is wanted for some contents only is asked for by `card_faults`."""
    profile = rules.profile(message.type)
    stands = status_on(profile, document, china_date(moment.business)) if document is not None else ""
    faults = []
    if document is None and "" not in operation.allowed:
        faults.append(fault("GW-F04", key=message.document or "", path="@document", label="document"))
    elif document is not None and stands not in operation.allowed:
        faults.append(
            fault(
                "GW-F05",
                path="@operation",
                label="operation",
                status=profile.status_words(stands),
                operation=operation.name,
                allowed=profile.status_words(*(name for name in profile.statuses if name in operation.allowed)),
            )
        )
    route = rules.route_of(profile, operation.route)
    if operation.way != "desk" and route not in rules.settings.route:
        faults.append(fault("GW-F32", route=route, path="@operation", label="operation"))
    return faults if operation.signed_when else faults + card_faults(rules, message, operation)


def asks_now(rules: Rules, moment: Moment, message: Message, operation: Operation, item: Item, content: Content) -> bool:
    """Is the authority asked before this message goes to it? Not where it may go unanswered and nobody can be asked now."""
    if not unanswered(operation, item, content):
        return False
    route = rules.route_of(rules.profile(message.type), operation.route)
    away = any(moment.shut(Lane(kind, route)) for kind in (LaneKind.ASK, LaneKind.ROUTE))
    return not (operation.may_go_unanswered and away)


def unanswered(operation: Operation, item: Item, content: Content) -> bool:
    """Must the authority be asked before a message goes to it: where its answer is not there, or was one to another content."""
    if operation.way != "message" or not operation.ask:
        return False
    if not operation.while_same and item.filters():
        return True
    return not all(value_at(content, path) for path in operation.keep)


def card_faults(rules: Rules, message: Message, operation: Operation) -> list[Fault]:
    """The account has no card bound, and the operation wants one."""
    account, profile = rules.account(message.account), rules.profile(message.type)
    wanted = operation.card_bound or operation.card_present or operation.signed
    if not wanted or rules.card_for(account, profile, operation) is not None:
        return []
    return [no_card(rules, account, profile, operation)]


def unbound(rules: Rules, message: Message) -> Deferred:
    """What was checked already waits: it was the settings that changed."""
    account, profile = rules.account(message.account), rules.profile(message.type)
    operation = profile.operations[message.operation]
    card = next(rules.cards_suiting(account, profile, operation), None)
    why = no_card(rules, account, profile, operation).text(rules.settings.gateway.language)
    return Deferred(
        "card", closes=message.lane, why=why, do=f"tongguan card bind {card.name}" if card else "tongguan config check"
    )


def no_card(rules: Rules, account: Account, profile: Profile, operation: Operation) -> Fault:
    """GW-F06: none of the account's cards is bound for this; says what to type."""
    card = next(rules.cards_suiting(account, profile, operation), None)
    do = ("先在设置中登记这样的卡，再执行 tongguan card bind", "set one up in the settings, then type: tongguan card bind")
    if card is not None:
        do = (f"请执行 tongguan card bind {card.name}", f"type: tongguan card bind {card.name}")
    if operation.card_says.zh:
        says = operation.card_says
        return fault("GW-F95", zh=says.zh, en=says.en, do_zh=do[0], do_en=do[1])
    roles = " ".join(operation.roles) or "legal/operator"
    return fault("GW-F06", account=account.name, authority=profile.card_authority, roles=roles, do_zh=do[0], do_en=do[1])


def card_of_signer(operation: Operation, card: str, certificate: bytes, signer: str) -> None:
    """Raises Refused where the card belongs to another enterprise than the one that must sign: in the operation's own words, if any."""
    holder, says = "/".join(codes := holders(certificate)), operation.card_says
    if not codes or signer in codes:
        return
    if not says.zh:
        raise Refused([fault("GW-F20", card=card, holder=holder, signer=signer)])
    do = f"卡 {card} 的持有人是 {holder}", f"card {card} belongs to {holder}"
    raise Refused([fault("GW-F95", zh=says.zh, en=says.en, do_zh=do[0], do_en=do[1])])


@record
class Needs:
    """What a message's needs come to: the documents that they found, and whether they do."""

    found: FoundDocuments
    faults: tuple[Fault, ...] = ()
    waits_on: Document | None = None  #: the first of those that are to be waited for

    @property
    def relied_on(self) -> dict[str, int]:
        """What the message rests on, whatever it comes to."""
        return {document.id: document.version for document in self.found.values()}


NO_NEEDS = Needs({})


def needed(rules: Rules, moment: Moment, message: Message, content: Content, records: Snapshot) -> Needs:
    """The other documents that the account must have for this: each need tells in its own words that one is not there."""
    compiled = rules.compiled(message.type)
    if not compiled.profile.needs:
        return NO_NEEDS
    today = china_date(moment.business)
    documents: dict[FoundBy, Document] = {}
    faults: list[Fault] = []
    waits_on: Document | None = None
    asked = (need for need in compiled.profile.needs.values() if message.operation in need.at)
    for need, row, said in _wanted(compiled, asked, message, content, records):
        other = found(rules, message, need, said, records)
        wrong: list[Fault] = []
        if other is not None:
            documents[FoundBy(need.name, row)] = other
            wrong += _differences(rules, message, need, said, other)
        if other is not None and other.status in need.wait:
            waits_on = waits_on or other
        elif other is None or other.status not in need.status or _is_over(need, other, today):
            strange = _of_anybody(rules, message, need, said, records) if other is None and need.certain else None
            other = other or _waited_for(message, need, records)
            wrong += _not_there(rules, message, need, said, other or strange, strange=other is None and strange is not None)
        faults += wrong if row is None else (_in_row(compiled.profile, message, need, row, each) for each in wrong)
    return Needs(documents, tuple(faults), waits_on)


def _wanted(
    compiled: Compiled, needs: Iterable[Need], message: Message, content: Content, records: Snapshot
) -> Iterator[tuple[Need, int | None, Content]]:
    """Those of the needs that speak of this, each with the content that names what it wants; one more for each row that names one.

    What a merge made names what went into it, and has that already.
    """
    for need in needs:
        if compiled.needs_when[need.name](content):
            yield need, None, content
        table, _, column = need.each.partition("/")
        named = [(n, row[column]) for n, row in enumerate(rows_of(content, table)) if row.get(column)] if table else []
        if named and not records.came_of([str(message.document_id)]):
            for n, name in named:
                yield need, n, with_values(content, {need.names: name})


def _in_row(profile: Profile, message: Message, need: Need, row: int, wrong: Fault) -> Fault:
    """What is wrong with what a row names is told of that row."""
    if wrong.path != place_in(message, need.names):
        return wrong
    label, label_en = _labels(profile, [need.each])
    return replace(wrong, path=_place_in_row(message, need.each, row), label=label, label_en=label_en)


def _place_in_row(message: Message, path: str, row: int) -> str:
    table, column = path.split("[]/")
    return Locations(message.form, place_in(message, "").rstrip("/"), None).path((table, row, column))


def found(rules: Rules, message: Message, need: Need, content: Content, records: Snapshot) -> Document | None:
    """The document of the message's account, and for the same party, that a need is about, in whatever status; one that names none: any
    in the right status."""
    whose = _whose(rules, message, need, content)
    if not need.certain:
        return records.document_in(message.account, need.type, need.status, party=whose or "")
    document = _of_anybody(rules, message, need, content, records)
    return document if document is not None and whose in (None, document.party) else None


def _whose(rules: Rules, message: Message, need: Need, content: Content) -> str | None:
    """For whom the document must be that a need finds; None: whoever (it says for whom the message is, or that is told as a fault).

    Of types that name no party all documents are the account's own.
    """
    profile, other = rules.profile(message.type), rules.profile(need.type)
    if other.party is None:
        return OWN
    says = profile.party is not None and profile.party.need == need.name
    return None if says else party_named(rules.account(message.account), profile, content)


def _of_anybody(rules: Rules, message: Message, need: Need, content: Content, records: Snapshot) -> Document | None:
    """The document that a need names, whatever client it is for."""
    if need.names:
        return named(message.account, (need.type,), value_at(content, need.names), records)
    value = joined_value(content, need.reserved)
    owner = records.reserved_by(f"{rules.profile(need.type).authority}:{need.reserved}", value) if value else None
    document = records.document(owner)
    ours = document is not None and (document.account, document.type) == (message.account, need.type) and not document.deleted
    return document if ours else None


def named(account: str, types: Sequence[str], value: str, records: Snapshot) -> Document | None:
    """The document of one of these types that has this official number, else this key; for whomever it is."""
    if not value:
        return None
    numbered = [d for d in records.documents_of_number(account, value) if d.type in types]
    keyed = (records.document_of_key(account, type_, value) for type_ in types)
    return numbered[0] if numbered else next((document for document in keyed if document is not None), None)


def by_number(rules: Rules, message: Message, content: Content, records: Snapshot) -> Content:
    """The content with other documents named by their numbers, where their needs say by which."""
    compiled, numbers, tables = rules.compiled(message.type), dict[str, str](), dict[str, list[Content]]()
    with_number = (need for need in compiled.profile.needs.values() if need.number)
    for need, row, said in _wanted(compiled, with_number, message, content, records):
        other = found(rules, message, need, said, records)
        number = other.numbers.get(need.number) if other is not None else None
        if number is None:
            continue
        if row is None:
            numbers[need.names] = number
        else:
            table, column = need.each.split("[]/")
            rows = tables.setdefault(table, list(rows_of(content, table)))
            rows[row] = {**rows[row], column: number}
    return with_values({**content, **tables}, numbers) if numbers or tables else content


def _waited_for(message: Message, need: Need, records: Snapshot) -> Document | None:
    """What the message waited for, if that was of this need: it may be known by nothing any more."""
    before = records.document(message.waits_on)
    return before if before is not None and before.type == need.type else None


def _is_over(need: Need, other: Document, today: str) -> bool:
    until = value_at(other.content, need.until) if need.until else ""
    return bool(until) and until < today


def _not_there(
    rules: Rules, message: Message, need: Need, content: Content, other: Document | None, *, strange: bool
) -> list[Fault]:
    """What a need says; nothing where its path is empty and must not be: that is told already. `strange`: it is for another party."""
    if not need.certain:
        return [fault("GW-F30", zh=need.says.zh, en=need.says.en, path="@operation", label="operation")]
    profile = rules.profile(message.type)
    paths = (need.names or need.reserved).split("+")
    fields = [f for path in paths for f in profile.fields if f.path == path]
    if any(message.operation in f.required_at and not value_at(content, f.path) for f in fields):
        return []
    name = (
        value_at(content, need.names) if need.names else _number_of(rules, other) or " ".join(value_at(content, p) for p in paths)
    )
    zh, en = _why_not(rules, need, other)
    said = need.says.zh.format(name=name or "-", status=zh), need.says.en.format(name=name or "-", status=en)
    if strange:
        title = rules.profile(need.type).title
        said = (
            f"{title.zh} {name or '-'} 属于另一企业，不能用于本单证：请核对企业代码和编号",
            f"{title.en} {name or '-'} is of another enterprise, and is not for this document: look at the enterprise's code and the number",
        )
    return [
        fault(
            "GW-F30",
            zh=said[0],
            en=said[1],
            path=place_in(message, paths[0]),
            label=_labels(profile, paths),
        )
    ]


def _why_not(rules: Rules, need: Need, other: Document | None) -> tuple[str, str]:
    """Why a document will not do, in both languages: its status, or that its time is over, or that there is none."""
    if other is None:
        return "不存在", "not there"
    if other.deleted:
        return "已删除", "deleted"
    if other.status in need.status:
        until = value_at(other.content, need.until)
        return f"有效期至 {until}", f"valid until {until} only"
    return rules.profile(other.type).status_words(other.status)


def _number_of(rules: Rules, other: Document | None) -> str:
    """What an enterprise knows a document by."""
    return other.numbers.get(rules.profile(other.type).own_number) or other.key if other is not None else ""


def _differences(rules: Rules, message: Message, need: Need, content: Content, other: Document) -> list[Fault]:
    """Values that must be those of the other document, and are not."""
    own = rules.profile(message.type)
    title = rules.profile(other.type).title
    return [
        fault(
            "GW-F47",
            path=place_in(message, path),
            label=_labels(own, [path]),
            zh=title.zh,
            en=title.en,
            name=_number_of(rules, other),
            other=value_at(other.content, path) or "-",
            value=value_at(content, path) or "-",
        )
        for path in need.same
        if value_at(content, path) != value_at(other.content, path)
    ]


def _labels(profile: Profile, paths: Sequence[str]) -> InBoth:
    """What fields are called, in both languages."""
    fields = [field for path in paths for field in profile.fields if field.path == path]
    return "+".join(field.label for field in fields), "+".join(field.label_en for field in fields)


def place_in(message: Message, path: str) -> str:
    """How a place is told in the form of a message."""
    return f"/body/{path}" if message.form == "json" else f"/{message.type}/{path}"


def _has_expired(rules: Rules, document: Document | None, today: str) -> bool:
    profile = rules.types.get(document.type) if document is not None else None
    return document is not None and profile is not None and status_on(profile, document, today) != document.status


def in_place_of_expired(rules: Rules, moment: Moment, outcome: Outcome, records: Snapshot) -> Outcome:
    """The outcome with those moved on whose time is over, and which have what it reserves: it is theirs no more."""
    if not outcome.reserve:
        return outcome
    own = {document.id for document in outcome.documents}
    owners = dict.fromkeys(records.reserved_by(one.kind, one.value) for one in outcome.reserve)
    found = [document for owner in owners if owner not in own and (document := records.document(owner)) is not None]
    today = china_date(moment.business)
    types = [rules.profile(document.type) for document in found]
    gone = [
        with_keys(profile, document, changed(document, moment.business, status=status_on(profile, document, today)))
        for profile, document in zip(types, found, strict=True)
    ]
    release = [one for document in gone for one in records.reservations_of(document.id)]
    return replace(outcome, documents=(*outcome.documents, *gone), release=(*outcome.release, *release))


def uses_card(profile: Profile, operation: Operation, hand: Carried) -> bool:
    """Must the card be in its reader now? What is signed later finds out then; files are uploaded with the card too."""
    attach = profile.operations.get("attach")
    uploads = bool(hand.item.attachments) and attach is not None and attach.card_present
    return not operation.signed and (operation.card_present or uploads)


def card_in_place(rules: Rules, message: Message, lane: Lane, state: CardState) -> None:
    """Raises Deferred while the card of this lane is not in its reader, Refused when another one is, or another enterprise's."""
    if not state.present:
        why = in_both(f"卡 {lane.name} 不在读卡器中", f"card {lane.name} is not in its reader")
        raise Deferred("card", closes=lane, why=why)
    if not state.matches:
        raise Refused([fault("GW-F19", in_reader=state.number, bound=state.bound)])
    account, profile = rules.account(message.account), rules.profile(message.type)
    if state.certificate:
        card_of_signer(profile.operations[message.operation], lane.name, state.certificate, rules.code_at(account, profile))


def to_the_card(rules: Rules, moment: Moment, message: Message, operation: Operation) -> Outcome:
    """Still received, now in the lane of its card, where somebody looks whether that is in its reader.

    It waits for the card from here on: the lane may be shut before anybody has looked for this message.
    """
    account, profile = rules.account(message.account), rules.profile(message.type)
    card = rules.card_for(account, profile, operation)
    if card is None:
        raise Refused([no_card(rules, account, profile, operation)])
    lane, now = Lane(LaneKind.PRESENCE, card.name), moment.now
    return Outcome(
        replace(message, lane=lane, due_at=now, updated_at=now, waiting_for=moment.shut(lane) or "card"), message.state, "check"
    )


def taken(
    rules: Rules, moment: Moment, message: Message, *, content: Content, others: FoundDocuments, records: Snapshot
) -> list[Fault]:
    """Values, and other documents that a need found, which another document has reserved that is not over."""
    profile, today = rules.profile(message.type), china_date(moment.business)
    faults = []
    for expression in profile.operations[message.operation].reserve:
        for row, value in reserved_values(content, expression, others).items():
            owner = records.reserved_by(f"{profile.authority}:{expression}", value)
            holder = records.document(owner)
            if owner is None or owner == message.document_id or _has_expired(rules, holder, today):
                continue
            by = reserved_by(rules, message.account, holder)
            faults.append(_taken_already(profile, message, content, expression, row, by))
    return faults


def _taken_already(profile: Profile, message: Message, content: Content, expression: str, row: int | None, by: InBoth) -> Fault:
    """GW-F07, of what an expression of `reserve` comes to. `row`: of the table whose rows name documents."""
    need = profile.needs.get(expression.removeprefix("@"))
    if need is not None and row is not None:
        table, _, column = need.each.partition("/")
        said, place = rows_of(content, table)[row][column], _place_in_row(message, need.each, row)
        return fault("GW-F07", path=place, label=_labels(profile, [need.each]), value=said, by=by)
    paths = (need.names or need.reserved if need else expression).split("+")
    said = " ".join(value_at(content, path) for path in paths)
    return fault("GW-F07", path=place_in(message, paths[0]), label=_labels(profile, paths), value=said, by=by)


def reserved_by(rules: Rules, account: str, holder: Document | None) -> InBoth:
    """Which of an account's own documents has reserved something, and how that stands; of another's nothing is said."""
    profile = rules.types.get(holder.type) if holder is not None and holder.account == account else None
    if profile is None or holder is None:
        return "", ""
    title, name, (zh, en) = profile.title, _number_of(rules, holder), profile.status_words(holder.status)
    return f"（{title.zh} {name}，状态为“{zh}”）", f" ({title.en} {name}, which is “{en}”)"
