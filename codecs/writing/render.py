"""Write what leaves: the document for the wire, its package, the technical response.

Promises: what goes on the wire is written in the form of exclusive C14N, byte by byte, so that it can be signed as it is.
Only fields of the profile are written, in its order; empty elements are absent.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tongguan.codecs.writing.markup import attribute, attributes, text
from tongguan.codecs.writing.own_form import EnclosedFile
from tongguan.gateway.model.batch import ITEMS_COUNT
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import Profile

if TYPE_CHECKING:
    from tongguan.codecs.checking.compile import Compiled

_PACKAGE = "urn:tongguan:package:1"
_RESPONSE = "urn:tongguan:response:1"


class _Element(NamedTuple):
    name: str
    opening: str
    closing: str
    below: list[_Element] | None  #: None: a text


_WHOLE: Mapping[str, str] = {}
_plans: dict[int, tuple[Profile, list[_Element]]] = {}


def render_document(
    compiled: Compiled,
    message: Message,
    content: Mapping[str, Any],
    attachments: Sequence[tuple[str, str, str, bytes]],
    *,
    paging: Mapping[str, str] = _WHOLE,
) -> bytes:
    """The document as the authority gets it; attachments are (name, category, sha256, bytes). `paging`: of rows that it asks for."""
    profile = compiled.profile
    out = [_opening(profile, message, paging)]
    _write(out, _plan(profile), content)
    for name, category, sha256, raw in attachments:
        out.append(
            f"<Attachment{attributes(category=category or None, name=name, sha256=sha256)}>{b64encode(raw).decode()}</Attachment>"
        )
    out.append(f"</{profile.type}>")
    return "".join(out).encode()


def render_question(profile: Profile, message: Message, filters: Mapping[str, Sequence[str]], paging: Mapping[str, str]) -> bytes:
    """A question that is answered with rows: kind, page, size and sort as attributes, an element for each value of a filter."""
    asked = "".join(f"<{name}>{text(value)}</{name}>" for name, values in filters.items() for value in values)
    return f"{_opening(profile, message, paging)}{asked}</{profile.type}>".encode()


def _opening(profile: Profile, message: Message, further: Mapping[str, str]) -> str:
    """The document element with what it is about, and further attributes."""
    known = attributes(
        document=message.document,
        kind=message.query_kind,
        number=message.number,
        operation=message.operation,
        reference=message.reference,
        **further,
    )
    return f'<{profile.type} xmlns="{attribute(profile.namespace)}"{known}>'


def _plan(profile: Profile) -> list[_Element]:
    """The elements of a profile in its order; made once."""
    known = _plans.get(id(profile))
    if known is not None and known[0] is profile:
        return known[1]
    top: list[_Element] = []
    at: dict[str, list[_Element]] = {"": top}
    for field in profile.fields:
        parent, _, last = field.path.rpartition("/")
        name = last.removesuffix("[]")
        below: list[_Element] | None = [] if field.type in ("group", "table") else None
        at[parent].append(_Element(name, f"<{name}>", f"</{name}>", below))
        if below is not None:
            at[field.path] = below
    _plans[id(profile)] = (profile, top)
    return top


def _write(out: list[str], elements: Sequence[_Element], content: Mapping[str, Any]) -> None:
    for name, opening, closing, below in elements:
        value = content.get(name)
        if not value:
            continue
        if below is None:
            # Most texts are letters and digits only: asking that first saves time.
            out += (opening, value if value.isalnum() else text(value), closing)
            continue
        for row in value if isinstance(value, list) else (value,):
            out.append(opening)
            _write(out, below, row)
            out.append(closing)


def package(
    *,
    message_id: str,
    file_name: str,
    message_type: str,
    operation: str,
    sender_id: str,
    receiver_id: str,
    send_time: str,
    ic_card: str,
    environment: str,
    document: bytes,
    enclosed: EnclosedFile | None = None,
) -> bytes:
    """The envelope round a rendered document, without a signature; what is enclosed stands beside the document."""
    head = (
        f'<Package xmlns="{_PACKAGE}"><EnvelopInfo><version>1.0</version>'
        f"<message_id>{text(message_id)}</message_id><file_name>{text(file_name)}</file_name>"
        f"<message_type>{text(message_type)}</message_type><operation>{text(operation)}</operation>"
        f"<sender_id>{text(sender_id)}</sender_id><receiver_id>{text(receiver_id)}</receiver_id>"
        f"<send_time>{text(send_time)}</send_time><ic_card>{text(ic_card)}</ic_card>"
        f"<environment>{text(environment)}</environment></EnvelopInfo><DataInfo><BussinessData>"
    )
    beside = ""
    if enclosed is not None:
        sha256 = hashlib.sha256(enclosed.content).hexdigest()
        raw = b64encode(enclosed.content).decode()
        beside = f"<Enclosed><Attachment{attributes(name=enclosed.name, sha256=sha256)}>{raw}</Attachment></Enclosed>"
    return b"".join((head.encode(), document, f"</BussinessData>{beside}</DataInfo></Package>".encode()))


def technical_response(message: Message, *, numbers: Mapping[str, str], language: str, code: str) -> bytes:
    """The technical response in XML: what became of a message so far, and every fault."""
    head = attributes(message_id=message.id, reference=message.reference or "", document=message.document or "", code=code)
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n', f'<Response xmlns="{_RESPONSE}"{head}>\n  <Numbers>']
    out += [f"\n    <Number{attributes(name=name)}>{text(value)}</Number>" for name, value in numbers.items()]
    out.append("\n  </Numbers>" if numbers else "</Numbers>")
    if counted := (message.extra or {}).get(ITEMS_COUNT):
        out.append(
            f"\n  <ItemsCount{attributes(**{name: str(counted[name]) for name in ('total', 'accepted', 'failed', 'open')})}/>"
        )
    out += _parts(message)
    out.append("\n  <Faults>")
    for fault in message.faults:
        line = None if fault.line is None else str(fault.line)
        said = attributes(code=fault.code, path=fault.path, line=line, label=fault.called(language), severity=fault.severity)
        out.append(f"\n    <Fault{said}>{text(fault.text(language))}</Fault>")
    out.append("\n  </Faults>\n</Response>\n" if message.faults else "</Faults>\n</Response>\n")
    return "".join(out).encode()


def _parts(message: Message) -> list[str]:
    """The documents that its rows became, where they are several."""
    out = []
    for part in (message.extra or {}).get("parts", ()):
        said = attributes(
            document=part["document"], message_id=part.get("message_id"), reference=part.get("reference"), rows=part["rows"]
        )
        numbers = "".join(f"<Number{attributes(name=name)}>{text(value)}</Number>" for name, value in part["numbers"].items())
        out.append(f"\n    <Part{said}>{numbers}</Part>")
    return ["\n  <Parts>", *out, "\n  </Parts>"] if out else []


def technical_response_json(message: Message, *, numbers: Mapping[str, str], language: str, code: str) -> bytes:
    """The same in JSON; a fault looks as in the status file."""
    whole: dict[str, Any] = {
        "schema": 1, "message_id": message.id, "reference": message.reference, "document": message.document, "code": code,
        "numbers": dict(numbers), "faults": [fault.shown(language) for fault in message.faults],
    }  # fmt: skip
    extra = message.extra or {}
    whole |= {name: extra[name] for name in (ITEMS_COUNT, "parts") if extra.get(name)}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
