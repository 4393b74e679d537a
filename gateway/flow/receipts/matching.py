"""What a receipt speaks of: the message that it names, or the document whose number it tells, and the round it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.characters import is_count
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.model.message import Kind, Message
from tongguan.gateway.profile.profile import TAKEN


class NotOurs(TongguanError):
    """Nothing that is known here; it may become known."""


class Elsewhere(TongguanError):
    """It contradicts what is known here: a person must look."""


def named_by(accounts: Collection[str], content: ReceiptContent, records: Snapshot) -> Message | None:
    """The submission, of one of the accounts that it may be for, that a receipt names; None when it names none.

    A message that never left cannot be answered.
    """
    if not content.message:
        return None
    id_, _, seal = content.message.rpartition("-")
    found = records.message(id_)
    if found is None or found.kind is not Kind.SUBMISSION:
        raise NotOurs(f"它所指的报文 {content.message} 不是我方的", f"it names message {content.message}, which is none of ours")
    if found.account not in accounts:
        raise Elsewhere(f"它所指的报文 {content.message} 属于另一账户", f"it names message {content.message} of another account")
    if not is_count(seal, found.seal_number):
        raise NotOurs(f"它所指的报文 {content.message} 从未发出", f"it names message {content.message}, which was never sent")
    if content.type not in ("", found.type):
        raise Elsewhere(
            f"它说的是 {content.type}，而报文 {found.id} 是 {found.type}",
            f"it speaks of {content.type}, but message {found.id} is a {found.type}",
        )
    return found


def owners(content: ReceiptContent, records: Snapshot) -> Iterator[str]:
    """The accounts that have the message which a receipt names, or, where it names none, a document of one of its numbers."""
    if content.message:
        found = records.message(content.message.rpartition("-")[0])
        if found is not None and found.kind is Kind.SUBMISSION:
            yield found.account
        return
    for number in filter(None, (content.number, *content.numbers.values())):
        for document in records.documents(records.owners_of_number(content.type, number)).values():
            yield document.account


def of_number(accounts: Iterable[str], content: ReceiptContent, records: Snapshot) -> Document | None:
    """The document of the receipt's type, of one of these accounts, that has one of the numbers it tells."""
    for number, account in product((content.number, *content.numbers.values()), accounts):
        for candidate in records.documents_of_number(account, number or ""):
            if candidate.type == content.type:
                return candidate
    return None


def round_of(
    document: Document, submission: Message | None, content: ReceiptContent, records: Snapshot
) -> tuple[Message | None, int]:
    """The submission whose verdict it is, and its round: the one that the named message opened, or the one open when it was issued.

    NotOurs for a receipt that names no message and is older than all that the authority has of the document: a number that was
    given again must not be approved by what was said of its first owner. How old is measured by the authority's own clock
    where its technical receipt is known.
    """
    rounds = records.rounds(document.id)
    if submission is not None:
        own = [n for n, message_id, _ in rounds if message_id == submission.id]
        open_then = [n for n, _, opened_at in rounds if opened_at <= content.issued_at]
        return submission, (own or open_then or [document.round])[-1]
    if not rounds:
        if content.issued_at < document.created_at:
            raise NotOurs("它早于现在有此编号的单证", "it is older than the document that has its number")
        return None, document.round
    begun: tuple[Message | None, int] | None = None
    openers = records.messages(message_id for _, message_id, _ in rounds)
    told = records.receipts_of_messages(openers)
    for n, message_id, opened_at in rounds:
        opener = openers.get(message_id)
        since = _since(opener, opened_at, told.get(message_id, ()))
        if since is not None and since <= content.issued_at:
            begun = opener, n
    if begun is None:
        raise NotOurs(
            "它早于有此编号的单证发出的全部报文", "it is older than all that was sent of the document that has its number"
        )
    return begun


def that_asked(document: Document, operation: str, content: ReceiptContent, records: Snapshot) -> Message | None:
    """The message of an operation that a receipt answers without naming it: the last that the authority had when it was issued.

    One whose technical receipt is not known counts as had from its arrival, by the machine's clock, which no business clock is behind.
    """
    own = [m for m in records.messages_of_documents([document.id]).get(document.id, ()) if m.operation == operation]
    told = records.receipts_of_messages(m.id for m in own)
    had = [m for m in own if (at := _since(m, m.received_at, told.get(m.id, ()))) is not None and at <= content.issued_at]
    return had[-1] if had else None


def begun_at(document: Document, records: Snapshot) -> int | None:
    """Since when the authority has the document's present round; None when it has nothing of it, 0 when there is no round."""
    rounds = records.rounds(document.id)
    if not rounds:
        return 0
    _, message_id, opened_at = rounds[-1]
    told = records.receipts_of_messages([message_id]).get(message_id, ())
    return _since(records.message(message_id), opened_at, told)


def _since(opener: Message | None, opened_at: int, told: Sequence[Receipt]) -> int | None:
    """When the authority took the message that opened a round, by its own clock where that is known; None: it never left."""
    if opener is not None and not opener.seal_number:
        return None
    return min((r.issued_at for r in told if r.code == TAKEN), default=opened_at)
