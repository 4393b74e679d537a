"""Queries about one document: its receipts in time order, its attachments, one of their files."""

from __future__ import annotations

from collections.abc import Mapping
from mimetypes import guess_extension, init

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.document.changes import values_at
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.characters import normal
from tongguan.gateway.model.document import Attachment, Document, Receipt
from tongguan.gateway.model.errors import Held, Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Answer
from tongguan.gateway.profile.profile import Profile, Query
from tongguan.gateway.system import times

init()  # the system's table is read now, not in the middle of a decision
RECEIPTS, ATTACHMENTS = "receipts", "attachments"
TextRows = list[dict[str, str]]


def asked_for(message: Message, records: Snapshot) -> Document:
    """The document that a query names; raises Refused when there is none."""
    document = records.document(message.document_id)
    if document is None or document.deleted or not document.version:
        raise Refused([fault("GW-F04", key=message.document or "", path="@document", label="document")])
    return document


def details(rules: Rules, message: Message, query: Query, records: Snapshot) -> TextRows:
    """A row for each receipt or attachment of the document."""
    document, profile = asked_for(message, records), rules.profile(message.type)
    language = rules.language(rules.account(message.account))
    if query.ask == ATTACHMENTS:
        return [{c.name: _cell(profile, document, a, c.of, language) for c in query.columns} for a in document.attachments]
    receipts = records.receipts_of_documents([document.id]).get(document.id, [])
    english = language == "en"
    told = [{"code": r.code, "text": _text(r, english=english), "issued_at": times.show(r.issued_at) or ""} for r in receipts]
    return [{c.name: _told(profile, document, row, c.of, language) for c in query.columns} for row in told]


def receipts_told(profile: Profile, document: Document, query: Query, content: ReceiptContent, language: str) -> TextRows:
    """A row for each receipt that the authority's answer to a status question lists."""
    found = content.content.iter("{*}Receipt") if content.content is not None else ()
    rows = []
    for element in found:
        rule = profile.receipts.get(element.get("code", ""))
        facts = {
            "code": element.get("code", ""),
            "issued_at": element.get("issued_at", ""),
            "text": rule.text[language] if rule else "",
        }
        rows.append({c.name: _told(profile, document, facts, c.of, language) for c in query.columns})
    return rows


def file_of(message: Message, name: str, records: Snapshot) -> tuple[Answer, ...]:
    """The bytes of one attachment as a result file; raises Refused when the document has none of that name."""
    document = asked_for(message, records)
    attachment = next((a for a in document.attachments if normal(a.name) == normal(name)), None)
    if attachment is None:
        raise Refused([fault("GW-F14", path="name", label=("附件", "attachment"), name=name)])
    raw = records.body(attachment.message_id, f"attachment:{attachment.sha256}")
    if raw is None:
        do = f"tongguan show {message.id}; tongguan give-up {message.id}"
        raise Held(f"附件 {name} 的内容已不在", f"the bytes of {name} are gone", do=do)
    return answers.results(message, [(guess_extension(attachment.media_type) or ".bin", raw)])


def _text(receipt: Receipt, *, english: bool) -> str:
    return receipt.en if english else receipt.zh


def _told(profile: Profile, document: Document, facts: Mapping[str, str], of: str, language: str) -> str:
    word, _, name = of.partition(".")
    return facts.get(name, "") if word == "receipt" else shown(profile, document, of, language)


def _cell(profile: Profile, document: Document, attachment: Attachment, of: str, language: str) -> str:
    word, _, name = of.partition(".")
    return str(getattr(attachment, name)) if word == "attachment" else shown(profile, document, of, language)


def shown(profile: Profile, document: Document, of: str, language: str = "zh") -> str:
    """One cell of a list: what a column is made of, as users read it."""
    kind, _, name = of.partition(".")
    match kind:
        case "status":
            status = profile.statuses.get(document.status)  # none where nothing came of the first message
            return status.list_text[language] if status is not None else "-"
        case "number":
            return document.numbers.get(name, "-")
        case "mark":
            rule = profile.receipts.get(document.marks.get(name, ""))
            return rule.text[language] if rule else document.marks.get(name, "-")
        case "time":
            at = {"created": document.created_at, "updated": document.updated_at, "declared": document.round_opened_at}.get(name)
            return times.china_date(at) if at else "-"
        case "key":
            return document.key
    return "; ".join(values_at(document.content, of)) or "-"
