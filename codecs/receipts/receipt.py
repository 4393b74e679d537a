"""Take a verified receipt apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from tongguan.codecs.reading.faults import fault
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import NOT_TAKEN, TAKEN, OwnAnswer
from tongguan.gateway.system.times import read

NAMESPACE = "urn:tongguan:receipt:1"
_IN = f"{{{NAMESPACE}}}"
_KINDS = ("technical", "business")
_WORD, _TEXT = 200, 10_000  #: most characters of an id, code or number; of a text for people
_MOST = 1000  #: numbers and faults of one receipt
_YEARS = range(2000, 2200)


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
    environment: str = ""  #: where it says for which it is


OwnAnswers = Mapping[str, OwnAnswer]
"""Root of an answer as its authority itself writes it, `{namespace}name`, to where it says what."""


_NONE: OwnAnswers = {}


def read_receipt(root: etree._Element, own: OwnAnswers = _NONE) -> ReceiptContent:
    """Read the verified root of a receipt; raises Refused, with the reason in words, for facts that cannot be true.

    What it says may stand in its `<Content>` as the authority itself writes it: then code, text and numbers are those.
    """
    if root.tag != f"{_IN}Receipt":
        raise _wrong(f"根元素是 {str(root.tag)[:100]}", f"its root is {str(root.tag)[:100]}")
    kind = _required(root, "kind")
    if kind not in _KINDS:
        raise _wrong(f"没有 {kind} 这个 kind", f"kind {kind}")
    if root.get("account") is None:  # it may be empty: who could not tell whose a message is answers so
        raise _wrong("没有 account", "no account")
    content = root.find(f"{_IN}Content")
    inside = next((one for one in content if one.tag in own), None) if content is not None else None
    if inside is not None:
        return _in_own_words(root, kind, inside, own[inside.tag])
    return ReceiptContent(
        id=_required(root, "id"),
        kind=kind,
        authority=_required(root, "authority"),
        account=_word(root, "account"),
        message=_word(root, "message") or None,
        type=_word(root, "type"),
        number=_word(root, "number") or None,
        code=_required(root, "code"),
        text=_text("text", root.get("text", "")),
        issued_at=_moment(_required(root, "issued_at")),
        numbers=numbers_told(root.iterfind(f"{_IN}Numbers/{_IN}Number")),
        faults=_faults(root.findall(f"{_IN}Faults/{_IN}Fault")),
        content=content,
        environment=_word(root, "environment"),
    )


def _in_own_words(root: etree._Element, kind: str, inside: etree._Element, words: OwnAnswer) -> ReceiptContent:
    """What an answer in the authority's own form says; the receipt round it says who says it, to whom, and when."""

    def told(path: str) -> str:
        found = inside.find("/".join(f"{{*}}{name}" for name in path.split("/"))) if path else None
        return (found.text or "").strip() if found is not None else ""

    code, says = _fit(words.code, told(words.code)), _text("text", told(words.text))
    if not code or root.get("code") not in (None, code):
        raise _wrong(f"{words.code} 为空或与回执的 code 不同", f"{words.code} is empty, or not the code of the receipt")
    faults: tuple[Fault, ...] = ()
    if kind == "technical" and code != TAKEN:
        faults, code = (Fault(code, says, says),), NOT_TAKEN
    return ReceiptContent(
        id=_required(root, "id"),
        kind=kind,
        authority=_required(root, "authority"),
        account=_word(root, "account"),
        message=_word(root, "message") or None,
        type=_word(root, "type"),
        number=_word(root, "number") or None,
        code=code,
        text=says,
        issued_at=_moment(_required(root, "issued_at")),
        numbers={name: _fit(path, value) for name, path in words.numbers.items() if (value := told(path))},
        faults=faults,
        content=root.find(f"{_IN}Content"),
        environment=_word(root, "environment"),
    )


def numbers_told(elements: Iterable[etree._Element]) -> dict[str, str]:
    """Official numbers by their kinds; raises Refused where one is empty, absurd or contradicts another."""
    numbers: dict[str, str] = {}
    for element in elements:
        name, value = element.get("name", ""), (element.text or "").strip()
        if not name or not value or numbers.get(name, value) != value:
            raise _wrong(f"编号 {name[:_WORD]} 为空或重复", f"number {name[:_WORD]} is empty or stands twice")
        numbers[_fit("a number's name", name)] = _fit(f"number {name}", value)
        if len(numbers) > _MOST:
            raise _wrong(f"编号多于 {_MOST} 个", f"more than {_MOST} numbers")
    return numbers


def _required(root: etree._Element, name: str) -> str:
    value = _word(root, name)
    if not value.strip():
        raise _wrong(f"没有 {name}", f"no {name}")
    return value


def _word(root: etree._Element, name: str) -> str:
    return _fit(name, root.get(name, ""))


def _fit(name: str, value: str) -> str:
    """A word that names something: short, and of characters that a person sees."""
    if len(value) > _WORD:
        raise _wrong(f"{name} 有 {len(value)} 个字符", f"{name} has {len(value)} characters")
    if not value.isprintable():
        raise _wrong(f"{name} 含有看不见的字符：{value!a}", f"{name} has characters that nobody sees: {value!a}")
    return value


def _text(name: str, value: str) -> str:
    if len(value) > _TEXT:
        raise _wrong(f"{name} 有 {len(value)} 个字符", f"{name} has {len(value)} characters")
    return value


def _faults(elements: Sequence[etree._Element]) -> tuple[Fault, ...]:
    if len(elements) > _MOST:
        raise _wrong(f"有 {len(elements)} 个错误", f"{len(elements)} faults")
    return tuple(map(_fault, elements))


def _fault(element: etree._Element) -> Fault:
    text = _text("a fault", (element.text or "").strip())
    return Fault(_text("a fault's code", element.get("code", "")), text, text, path=_text("a path", element.get("path", "")))


def moment_told(text: str | None) -> int | None:
    """When a receipt that is only listed was issued; None where that is not told, or cannot be."""
    try:
        return _moment(text or "")
    except Refused:
        return None


def _moment(text: str) -> int:
    """When it was issued; without an offset it is China's time. No clock is right that says another century."""
    try:
        if datetime.fromisoformat(text).year in _YEARS:
            return read(text)
    except (ValueError, OverflowError):
        pass
    raise _wrong(f"issued_at 为 {text}", f"issued_at {text}")


def _wrong(zh: str, en: str) -> Refused:
    return Refused([replace(fault("GW-P01", why=en), zh=fault("GW-P01", why=zh).zh)])
