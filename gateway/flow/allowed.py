"""May an operation be done now: by the document's status, the account's card, and what other documents have reserved?"""

from __future__ import annotations

from datetime import timedelta

from tongguan.gateway.flow.accept import Carried
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.document import Content, Document
from tongguan.gateway.kernel.documents import value_at
from tongguan.gateway.kernel.errors import Deferred, Fault, Refused
from tongguan.gateway.kernel.faults import fault
from tongguan.gateway.kernel.message import Message
from tongguan.gateway.kernel.profile import Operation, Profile
from tongguan.gateway.kernel.records import Records
from tongguan.signer.errors import CardBroken


def may(site: Site, message: Message, operation: Operation, document: Document | None) -> list[Fault]:
    """Status and card: may this be done at all now? A card that is wanted for some contents only is asked for by `card_faults`."""
    account, profile = site.account(message.account), site.profile(message.type)
    faults = []
    if document is None and "" not in operation.allowed:
        faults.append(fault("GW-F04", key=message.document or "", path="@document", label="document"))
    elif document is not None and document.status not in operation.allowed:
        language = site.language(account)
        allowed = " / ".join(s.text[language] for name, s in profile.statuses.items() if name in operation.allowed) or "-"
        present = profile.statuses[document.status].text[language]
        faults.append(
            fault("GW-F05", status=present, operation=operation.name, allowed=allowed, path="@operation", label="operation")
        )
    route = site.route_of(profile, operation.route)
    if operation.way != "desk" and route not in site.settings.route:
        faults.append(fault("GW-F32", route=route, path="@operation", label="operation"))
    return faults if operation.signed_when else faults + card_faults(site, message, operation)


def card_faults(site: Site, message: Message, operation: Operation) -> list[Fault]:
    """The account has no card bound, and the operation wants one."""
    account, profile = site.account(message.account), site.profile(message.type)
    if not (operation.card_bound or operation.signed) or site.card_for(account, profile, operation) is not None:
        return []
    roles = " ".join(operation.roles) or "legal/operator"
    return [fault("GW-F06", account=account.name, authority=profile.card_authority, roles=roles)]


def needed(site: Site, message: Message, content: Content, records: Records) -> list[Fault]:
    """Other documents that the account must have for this, and has not: each need tells it in its own words."""
    compiled = site.profiles[message.type]
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


def card_in_place(site: Site, message: Message, operation: Operation) -> None:
    """Raises Deferred while the account's card is not in its reader, Refused when another one is."""
    card = site.card_for(site.account(message.account), site.profile(message.type), operation)
    if card is None:
        return
    again = timedelta(milliseconds=min(max(clock.now_ms() - message.received_at, 500), 10_000))
    try:
        state = site.cards[card.name].probe()
    except CardBroken as broken:
        raise Deferred("card", after=again, why=str(broken)) from broken
    if not state.present:
        raise Deferred("card", after=again, why=f"card {card.name} is not in its reader")
    if not state.matches:
        raise Refused([fault("GW-F19", in_reader=state.number, bound=state.bound)])


def taken(profile: Profile, operation: Operation, message: Message, *, content: Content, records: Records) -> list[Fault]:
    """Values that another document has reserved."""
    faults = []
    for path in operation.reserve:
        value = value_at(content, path)
        owner = records.reserved_by(f"{profile.authority}:{path}", value) if value else None
        if owner is not None and owner != message.document_id:
            label = next((f.label for f in profile.fields if f.path == path), path)
            place = f"/body/{path}" if message.form == "json" else f"/{message.type}/{path}"
            faults.append(fault("GW-F07", path=place, label=label, value=value))
    return faults
