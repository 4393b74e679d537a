"""Who is told by a short message of a receipt: the number on the form, and the account's own subscriptions.

Decided with the receipt and written in its transaction; `outbox/sms.py` sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from tongguan.codecs.checking.compile import Compiled
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.notification import Notification
from tongguan.gateway.profile.profile import Profile, ReceiptRule, Text
from tongguan.gateway.settings import Account

#: what a subscriber reads where the type has no words of its own
_SAYS = Text("{environment}{title} {number}：{status}", "{environment}{title} {number}: {status}")
_TEST = Text("【测试】", "[test] ")


def notices(
    rules: Rules, now: int, message_id: str, told: tuple[Receipt, ReceiptRule], document: Document
) -> tuple[Notification, ...]:
    """One for each number that is to be told; none of a receipt of an earlier round."""
    receipt, rule = told
    if receipt.round != document.round:
        return ()
    compiled, account = rules.compiled(document.type), rules.account(document.account)
    phones = dict.fromkeys((*_asked_for(compiled, rule, document), *_subscribed(account, compiled.profile, rule)))
    if not phones:
        return ()
    text = _text(rules, account, compiled.profile, rule, document)
    source = f"{receipt.authority}:{receipt.id}"
    return tuple(
        Notification(
            id=derived_id("notification", source, phone),
            account=document.account,
            receipt=source,
            message_id=message_id,
            document_id=document.id,
            reference=document.key,
            phone=phone,
            text=text,
            at=now,
            next_at=now,
        )
        for phone in phones
    )


def _asked_for(compiled: Compiled, rule: ReceiptRule, document: Document) -> Iterator[str]:
    """The number on the form, where it asks to be told of such a receipt."""
    notify = compiled.profile.notify
    if notify is not None and rule.code in notify.receipts and compiled.notify_when(document.content):
        phone = value_at(document.content, notify.phone)
        if phone:
            yield phone


def _subscribed(account: Account, profile: Profile, rule: ReceiptRule) -> Iterator[str]:
    """The numbers of the account's subscriptions to this type and receipt."""
    for subscription in account.subscribe:
        if not any(fnmatchcase(profile.type, pattern) for pattern in subscription.types):
            continue
        told = subscription.receipts or (profile.notify.receipts if profile.notify else ())
        if rule.code in told or (not told and rule.ends):
            yield subscription.phone


def _text(rules: Rules, account: Account, profile: Profile, rule: ReceiptRule, document: Document) -> str:
    language = rules.language(account)
    says = profile.notify.says if profile.notify else _SAYS
    return says[language].format(
        title=profile.title[language],
        number=document.numbers.get(profile.own_number) or document.key,
        licence=document.numbers.get("licence", "-"),
        status=rule.text[language],
        environment=_TEST[language] if rules.settings.gateway.environment == "test" else "",
    )
