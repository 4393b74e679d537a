"""May an operation be done now: by the document's status, the account's card, and what other documents have reserved?"""

from __future__ import annotations

from tongguan.gateway.document.changes import joined_value
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, Fault, Refused, in_both
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Operation, Profile
from tongguan.gateway.settings import Account
from tongguan.gateway.work.moment import Moment
from tongguan.signer.cards.card import CardState


def may(rules: Rules, message: Message, operation: Operation, document: Document | None) -> list[Fault]:
    """Status and card: may this be done at all now? A card that is wanted for some contents only is asked for by `card_faults`."""
    account, profile = rules.account(message.account), rules.profile(message.type)
    faults = []
    if document is None and "" not in operation.allowed:
        faults.append(fault("GW-F04", key=message.document or "", path="@document", label="document"))
    elif document is not None and document.status not in operation.allowed:
        language = rules.language(account)
        allowed = " / ".join(s.text[language] for name, s in profile.statuses.items() if name in operation.allowed) or "-"
        present = profile.statuses[document.status].text[language]
        faults.append(
            fault("GW-F05", status=present, operation=operation.name, allowed=allowed, path="@operation", label="operation")
        )
    route = rules.route_of(profile, operation.route)
    if operation.way != "desk" and route not in rules.settings.route:
        faults.append(fault("GW-F32", route=route, path="@operation", label="operation"))
    return faults if operation.signed_when else faults + card_faults(rules, message, operation)


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
    roles = " ".join(operation.roles) or "legal/operator"
    return fault("GW-F06", account=account.name, authority=profile.card_authority, roles=roles, do_zh=do[0], do_en=do[1])


def needed(rules: Rules, message: Message, content: Content, records: Snapshot) -> list[Fault]:
    """Other documents that the account must have for this, and has not: each need tells it in its own words."""
    compiled = rules.compiled(message.type)
    faults = []
    for need in compiled.profile.needs.values():
        if message.operation not in need.at or not compiled.needs_when[need.name](content):
            continue
        if not records.has_document(message.account, need.type, need.status):
            faults.append(fault("GW-F30", zh=need.says.zh, en=need.says.en, path="@operation", label="operation"))
    return faults


def uses_card(profile: Profile, operation: Operation, hand: Carried) -> bool:
    """Must the card be in its reader now? What is signed later finds out then; files are uploaded with the card too."""
    attach = profile.operations.get("attach")
    uploads = bool(hand.item.attachments) and attach is not None and attach.card_present
    return not operation.signed and (operation.card_present or uploads)


def card_in_place(lane: Lane, state: CardState) -> None:
    """Raises Deferred while the card of this lane is not in its reader, Refused when another one is."""
    if not state.present:
        why = in_both(f"卡 {lane.name} 不在读卡器中", f"card {lane.name} is not in its reader")
        raise Deferred("card", closes=lane, why=why)
    if not state.matches:
        raise Refused([fault("GW-F19", in_reader=state.number, bound=state.bound)])


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


def taken(profile: Profile, operation: Operation, message: Message, *, content: Content, records: Snapshot) -> list[Fault]:
    """Values that another document has reserved."""
    faults = []
    for path in operation.reserve:
        value = joined_value(content, path)
        owner = records.reserved_by(f"{profile.authority}:{path}", value) if value else None
        if owner is not None and owner != message.document_id:
            first = path.partition("+")[0]
            label = "+".join(f.label for part in path.split("+") for f in profile.fields if f.path == part)
            place = f"/body/{first}" if message.form == "json" else f"/{message.type}/{first}"
            faults.append(fault("GW-F07", path=place, label=label, value=value))
    return faults
