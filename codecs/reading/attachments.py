"""Attachments by what they are, not by what they are called: type, size, pages, category, number."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pikepdf

from tongguan.codecs.reading.faults import ATTACHMENT, fault
from tongguan.gateway.model.characters import normal
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.profile.profile import NOTHING, AttachmentRule, Profile

UNKNOWN = "application/octet-stream"
#: bytes of one unpacked part of a PDF: without a bound, 4 MB of it fill 4 GB of memory while its pages are counted
_MOST_UNPACKED = 16_000_000
pikepdf.settings.set_qpdf_limits(
    flate_max_memory=_MOST_UNPACKED,
    png_max_memory=_MOST_UNPACKED,
    run_length_max_memory=_MOST_UNPACKED,
    tiff_max_memory=_MOST_UNPACKED,
    dct_max_memory=_MOST_UNPACKED,
)
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"{\\rtf", "application/rtf"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
)
_OOXML = "application/vnd.openxmlformats-officedocument."
_OFFICE = (
    (b"word/document.xml", _OOXML + "wordprocessingml.document"),
    (b"xl/workbook.xml", _OOXML + "spreadsheetml.sheet"),
    (b"ppt/presentation.xml", _OOXML + "presentationml.presentation"),
)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PATH = "Attachments"


def media_type(raw: bytes) -> str:
    """The media type that the bytes show; `application/octet-stream` when they show none."""
    if raw[:1024].lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"%PDF-"):
        return "application/pdf"
    for magic, type_ in _MAGIC:
        if raw.startswith(magic):
            return type_
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((type_ for name, type_ in _OFFICE if name in raw), "application/zip")
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return _text_type(raw)


def _text_type(raw: bytes) -> str:
    if not raw or _NOT_TEXT.search(raw):
        return UNKNOWN
    for encoding in ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return "application/xml" if text.lstrip("\ufeff \r\n\t").startswith("<?xml") else "text/plain"
    return UNKNOWN


def check_attachments(
    profile: Profile,
    given: Sequence[tuple[str, str]],
    files: Mapping[str, bytes],
    *,
    document: Document | None,
    operation: str,
    allowed: bool = True,
) -> list[Fault]:
    """Hold the attachments of a message, (name, category) each, against the profile and what the document has already.

    `allowed`: do the conditions under which the type takes attachments hold of what the document will be after this message?
    A detach names files without bringing them; whether they are there is its desk step's question.
    """
    rule = profile.attachments
    if operation == "detach" or not (given or operation in rule.required_at):
        return []
    if given and not (rule.types and allowed):
        none = _fault("GW-E11")
        return [replace(none, zh=f"{none.zh}：{rule.says.zh}", en=f"{none.en}: {rule.says.en}") if rule.says.zh else none]
    faults = [f for name, category in given for f in _file_faults(rule, name, category, files.get(name))]
    return faults + _whole_faults(rule, given, document, operation)


def _file_faults(rule: AttachmentRule, name: str, category: str, raw: bytes | None) -> list[Fault]:
    faults = []
    if rule.categories:
        if not category:
            faults.append(_fault("GW-E13", name="category"))
        elif rule.category_names and category not in rule.category_names:
            faults.append(_fault("GW-E08", category=category, **_called(rule, rule.category_names)))
    if raw is None:
        return faults
    if not raw:
        return [*faults, _fault("GW-E16", name=name)]
    type_ = media_type(raw)
    if type_ not in rule.types:
        faults.append(_fault("GW-E04", name=name, types=" ".join(rule.types)))
    if rule.most_bytes and len(raw) > rule.most_bytes:
        faults.append(_fault("GW-E05", name=name, size=len(raw), most=rule.most_bytes))
    elif rule.most_bytes_a_page and type_ == "application/pdf" and type_ in rule.types:
        faults += _page_faults(rule, name, raw)
    return faults


def _page_faults(rule: AttachmentRule, name: str, raw: bytes) -> list[Fault]:
    pages = _pages(raw)
    if not pages:
        return [_fault("GW-E07", name=name)]
    if len(raw) > pages * rule.most_bytes_a_page:
        return [_fault("GW-E06", name=name, size=-(-len(raw) // pages), most=rule.most_bytes_a_page)]
    return []


def _pages(raw: bytes) -> int:
    """How many pages a PDF has; 0 when it cannot be read. Whatever its reader raises is about this file, and no bug of ours."""
    try:
        with pikepdf.open(io.BytesIO(raw)) as pdf:
            return len(pdf.pages)
    except Exception:
        return 0


def _whole_faults(
    rule: AttachmentRule, given: Sequence[tuple[str, str]], document: Document | None, operation: str
) -> list[Fault]:
    names = {normal(name) for name, _ in given}
    categories = [category for _, category in given if category]
    one = rule.one_a_category
    kept = [
        a
        for a in (document.attachments if document else ())
        if normal(a.name) not in names and not (one and a.category in categories)
    ]
    faults = []
    if rule.most_files and given and len(kept) + len(names) > rule.most_files:
        faults.append(_fault("GW-E10", most=rule.most_files, count=len(kept) + len(names)))
    if one:
        faults += [_fault("GW-E14", category=c) for c in dict.fromkeys(categories) if categories.count(c) > 1]
    present = {*categories, *(a.category for a in kept)}
    if operation in rule.required_at and rule.one_of and not present.intersection(rule.one_of):
        faults.append(_fault("GW-E09", **_called(rule, rule.one_of)))
    return faults


def _called(rule: AttachmentRule, codes: Iterable[str]) -> dict[str, str]:
    """Categories, each with its name, in both languages."""
    named = [(code, rule.category_names.get(code, NOTHING)) for code in codes]
    return {
        "known": "、".join(f"{code} {name.zh}".strip() for code, name in named),
        "known_en": ", ".join(f"{code} {name.en}".strip() for code, name in named),
    }


def _fault(code: str, **facts: Any) -> Fault:
    return fault(code, path=_PATH, **ATTACHMENT, **facts)
