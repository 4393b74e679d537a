"""Who may say what: each receipt is read here, whichever door it came through.

Promises: what is given back is signed by a certificate of the authority that it names, came from that authority's route, is
addressed to the account by its code there, and has a code that its kind may have. Anything else is a reason in words. Whether
that authority may say this code of this type is asked where the document is known (`issuers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tongguan.codecs.receipts.receipt import NAMESPACE, ReceiptContent, read_receipt
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.model.errors import Refused, each_of, in_both
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import ANSWERED, KIND_OF, NOT_ANSWERED, NOT_TAKEN, RESERVED, TAKEN, Profile, ReceiptRule
from tongguan.gateway.system import times
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.verify import verify

TO_MESSAGE = frozenset({TAKEN, NOT_TAKEN})  #: codes that answer a message
TO_QUESTION = frozenset({ANSWERED, NOT_ANSWERED, NOT_TAKEN})  #: and a question, which may be unreadable too
_AHEAD = timedelta(days=1)  #: so much an authority's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Answered:
    """A verified receipt and its bytes."""

    content: ReceiptContent
    raw: bytes
    further: tuple[ReceiptContent, ...] = ()  #: the pages behind it, of an answer in rows


CLOCK = "clock"  #: what a receipt in quarantine waits for that is not believed at the time that our clock says


class Untimely(str):
    """Why a receipt is not believed that another clock of ours might believe: it is looked at again when that was set."""

    __slots__ = ()


def fetched(rules: Rules, message: Message, raw: bytes, *, now: int, business: int) -> Answered | str:
    """A receipt that came by itself, or why it must be quarantined."""
    route = message.route or ""
    content = _told(rules, route, raw, now=now, business=business)
    if isinstance(content, str):
        return content
    if not _addressed(content, code_of(rules, message, content)):
        return in_both(f"收件人是 {content.account}", f"it is addressed to {content.account}")
    if content.kind == "technical" and content.code not in TO_MESSAGE:
        return in_both(f"技术回执不能有代码 {content.code}", f"a technical receipt cannot say {content.code}")
    if content.kind == "business" and (content.code in RESERVED) is not message.answered:
        code = content.code
        return in_both(f"代码 {code} 的业务回执不会从这里来", f"a business receipt with code {code} does not come this way")
    return Answered(content, raw)


def code_of(rules: Rules, message: Message, content: ReceiptContent) -> str:
    """The code under which a receipt was fetched: of the account in whose name that was, or where it has left the settings, the one
    that it is addressed to, if it is another account's. Held while nobody has it."""
    route = message.route or ""
    if message.account not in rules.accounts and rules.accounts_at(route, content.account):
        return content.account
    return rules.code_on(rules.account(message.account), route)


def answer(
    rules: Rules,
    message: Message,
    raw: bytes,
    *,
    now: int,
    business: int,
    codes: frozenset[str] = TO_MESSAGE,
    asked: tuple[str, str] | None = None,
) -> Answered | str:
    """A receipt that is the authority's own answer to this very message, or why it is not believed.

    `asked`: the authority that was asked and the account's code there, where they are not those of the type.
    """
    profile = rules.profile(message.type)
    own = message.route or profile.authority, rules.code_at(rules.account(message.account), profile)
    route, account = asked or own
    content = _told(rules, route, raw, now=now, business=business)
    if isinstance(content, str):
        zh, en = each_of(content)
        return type(content)(in_both(f"回执不可信：{zh}", f"its receipt is not believed: {en}"))
    if not _addressed(content, account):
        return in_both(f"回执的收件人是 {content.account}", f"its receipt is addressed to {content.account}")
    if content.message != message.wire_id:
        return in_both(f"回执答复的是 {content.message}", f"its receipt answers {content.message}")
    if content.type not in ("", message.type):
        return in_both(f"回执说的是 {content.type}", f"its receipt speaks of {content.type}")
    if content.code not in codes or content.kind != KIND_OF[content.code]:
        en = f"its receipt is a {content.kind} one with code {content.code}: that is no answer"
        return in_both(f"回执是 {content.kind}，代码 {content.code}：这不是答复", en)
    return Answered(content, raw)


def claims_to_be_one(raw: bytes) -> bool:
    """Does an answer look like a receipt, so that a person should see it? A proxy's page of HTML does not."""
    return NAMESPACE.encode() in raw[:4096]


def issuers(rules: Rules, profile: Profile, rule: ReceiptRule | None, submission: Message | None) -> frozenset[str]:
    """Who may say a code of a type: those that the profile names; without names, who the message was sent to."""
    own = (submission.route or "") if submission else ""
    own = own or rules.route_of(profile)
    named = rule.by if rule is not None and rule.by else (profile.authority,)
    return frozenset(own if name == profile.authority else name for name in named)


def _addressed(content: ReceiptContent, code: str) -> bool:
    """Is it for whom this code stands? Of a message that it could not decrypt an authority cannot say whose it is."""
    unopened = content.kind == "technical" and content.code == NOT_TAKEN and bool(content.message)
    return content.account == code if content.account else unopened


def _told(rules: Rules, route: str, raw: bytes, *, now: int, business: int) -> ReceiptContent | str:
    """What a route's authority has signed, or what is wrong with it; certificates are of the machine's time, what they sign is dated."""
    trusted = rules.trusted(route)
    try:
        content = read_receipt(verify(raw, trusted, times.from_ms(now)).root, rules.own_answers)
    except SignatureInvalid as wrong:
        return Untimely(wrong.both) if wrong.code == "period" else wrong.both
    except Refused as wrong:
        return in_both("；".join(fault.zh for fault in wrong.faults), "; ".join(fault.en for fault in wrong.faults))
    except Exception as wrong:  # of bytes that anybody may send: never worth more than a line
        return in_both(f"读不出：{type(wrong).__name__}", f"it cannot be read: {type(wrong).__name__}")
    if content.authority != route:
        en = f"it says that {content.authority} issued it, but it came from {route}"
        return in_both(f"它自称由 {content.authority} 签发，却来自 {route}", en)
    if content.environment not in ("", rules.settings.gateway.environment):
        return in_both(f"它属于环境 {content.environment}", f"it is of environment {content.environment}")
    if content.issued_at > business + _AHEAD / timedelta(milliseconds=1):
        at = times.show(content.issued_at)
        return Untimely(in_both(f"它自称签发于 {at}，尚未到来", f"it says that it was issued at {at}, which is still to come"))
    return content
