"""Take a verified receipt apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from tongguan.codecs.faults import fault
from tongguan.gateway.kernel.clock import CHINA, to_ms
from tongguan.gateway.kernel.errors import Fault, Refused

NAMESPACE = "urn:tongguan:receipt:1"
_IN = f"{{{NAMESPACE}}}"
_KINDS = ("technical", "business")


@dataclass(frozen=True, slots=True)
class ReceiptContent:
    """What an authority says; its signature is the verifier's matter."""

    id: str
    kind: str  #: technical | business
    authority: str
    account: str  #: the account's code at the authority; empty where it could not read whose message it was
    message: str | None  #: the wire id that it answers
    type: str
    number: str | None
    code: str
    text: str
    issued_at: int
    numbers: dict[str, str]
    faults: tuple[Fault, ...]
    content: etree._Element | None


def read_receipt(root: etree._Element) -> ReceiptContent:
    """Read the verified root of a receipt; raises Refused where something that every receipt has is missing."""
    if root.tag != f"{_IN}Receipt":
        raise _wrong(f"its root is {str(root.tag)[:100]}")
    kind = _required(root, "kind")
    if kind not in _KINDS:
        raise _wrong(f"kind {kind}")
    return ReceiptContent(
        id=_required(root, "id"),
        kind=kind,
        authority=_required(root, "authority"),
        account=_given(root, "account"),
        message=root.get("message") or None,
        type=root.get("type", ""),
        number=root.get("number") or None,
        code=_required(root, "code"),
        text=root.get("text", ""),
        issued_at=_moment(_required(root, "issued_at")),
        numbers=_numbers(root),
        faults=tuple(_fault(f) for f in root.iterfind(f"{_IN}Faults/{_IN}Fault")),
        content=root.find(f"{_IN}Content"),
    )


def _required(root: etree._Element, name: str) -> str:
    value = root.get(name)
    if not value:
        raise _wrong(f"no {name}")
    return value


def _given(root: etree._Element, name: str) -> str:
    """An attribute that must be there and may be empty: who could not be told to whom a message belongs answers so."""
    value = root.get(name)
    if value is None:
        raise _wrong(f"no {name}")
    return value


def _numbers(root: etree._Element) -> dict[str, str]:
    numbers: dict[str, str] = {}
    for element in root.iterfind(f"{_IN}Numbers/{_IN}Number"):
        name, value = element.get("name"), (element.text or "").strip()
        if not name or not value or numbers.get(name, value) != value:
            raise _wrong(f"number {name} is empty or stands twice")
        numbers[name] = value
    return numbers


def _fault(element: etree._Element) -> Fault:
    text = (element.text or "").strip()
    return Fault(element.get("code", ""), text, text, path=element.get("path", ""))


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=CHINA))
    except (ValueError, OverflowError):
        raise _wrong(f"issued_at {text}") from None


def _wrong(why: str) -> Refused:
    return Refused([fault("GW-P01", why=why)])
