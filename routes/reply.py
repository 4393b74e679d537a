"""What a route brings back, and what an endpoint's answer means.

Promises that `later` is said only where the other side surely does not have the message; whatever leaves a doubt is `lost`.
Never verifies: the bytes of a receipt are as they came.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import orjson

from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system import clock

LONGEST_RETRY_AFTER = timedelta(hours=1)
MOST_RECEIPTS = 1000  #: of a page, whatever was asked for: each becomes a message before anybody is believed
_MOST_CURSOR = 500  #: characters


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one exchange.

    receipt: bytes that claim to be a receipt (one that does not verify counts as `later` after a 4xx, as `lost` else);
    unknown: the other side has never seen the message; later: it surely did not take it, try again;
    lost: it may have it, ask first. An unanswered `ask` is `later` or `lost` too and says nothing about the message.
    """

    kind: Literal["receipt", "unknown", "later", "lost"]
    receipt: bytes | None = None
    retry_after: timedelta | None = None  #: as the other side wishes, at most an hour
    why: str = ""  #: in both languages
    status: int | None = None  #: of the HTTP answer, where there was one


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Receipts in the order issued, unverified, and the cursor behind the last of them."""

    receipts: tuple[bytes, ...]
    next: str


class HttpAnswer(NamedTuple):
    """An HTTP answer that was read to its end."""

    status: int
    body: bytes
    retry_after: timedelta | None

    @property
    def is_busy(self) -> bool:
        """Does it say that it takes nothing now, but will?"""
        return self.status == 429 or (self.status == 503 and self.retry_after is not None)


def reply_to_post(answer: HttpAnswer) -> Reply:
    """Read the answer to a message or a query."""
    status, body, retry_after = answer
    if answer.is_busy:
        return _busy(answer)
    if status in (200, 202) or 400 <= status < 500:
        if body:
            return Reply("receipt", body, status=status)
        why = in_both(f"应答 {status}，没有回执", f"answered {status} without a receipt")
        return Reply("later" if status >= 400 else "lost", why=why, status=status)
    # A proxy says 500, 502, 503 or 504 also when the endpoint behind it has taken the message.
    return Reply("lost", retry_after=retry_after, why=in_both(f"应答 {status}", f"answered {status}"), status=status)


def reply_to_ask(answer: HttpAnswer) -> Reply:
    """Read the answer to the question whether a message is known."""
    status, body, retry_after = answer
    if status == 200 and body:
        return Reply("receipt", body, status=status)
    if status == 404:
        return Reply("unknown", why=in_both("从未见过", "never seen"), status=status)
    if answer.is_busy:
        return _busy(answer)
    return Reply(
        "lost", retry_after=retry_after, why=in_both(f"询问得到应答 {status}", f"asked, and answered {status}"), status=status
    )


def _busy(answer: HttpAnswer) -> Reply:
    why = in_both(f"对方忙，应答 {answer.status}", f"busy, answered {answer.status}")
    return Reply("later", retry_after=answer.retry_after, why=why, status=answer.status)


def retry_after(header: str | None) -> timedelta | None:
    """Read a `Retry-After` header, seconds or a date; None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        left = parsedate_to_datetime(text).timestamp() - clock.now().timestamp()
    except (ValueError, OverflowError):
        return None
    return max(timedelta(0), min(timedelta(seconds=min(left, 1e6)), LONGEST_RETRY_AFTER))


def read_page(body: bytes) -> ReceiptPage | None:
    """Read a page of receipts; None when `body` is none."""
    try:
        page = orjson.loads(body)
        receipts, following = page["receipts"], page["next"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(receipts, list) or len(receipts) > MOST_RECEIPTS:
        return None
    if not isinstance(following, str) or len(following) > _MOST_CURSOR or not following.isprintable():
        return None
    return ReceiptPage(tuple(map(_unpack, receipts)), following)


def _unpack(packed: object) -> bytes:
    """The bytes of one receipt; what is not packed as agreed is kept as it came: it is quarantined and stops no other."""
    if isinstance(packed, str):
        try:
            return base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError):
            return packed.encode()
    try:
        return orjson.dumps(packed)
    except TypeError:  # it reads deeper than it writes
        return b"nested too deep to be kept as it came"
