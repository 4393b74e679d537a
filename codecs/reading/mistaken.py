"""What a file is that cannot be read as its name says: known by its first bytes."""

from __future__ import annotations

from tongguan.codecs.reading.attachments import UNKNOWN, media_type
from tongguan.codecs.reading.faults import fault
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.profile.foreign import KnownFiles
from tongguan.gateway.profile.profile import Text

#: faults that say no more than that the bytes are not of this form
UNREADABLE = frozenset({"GW-X01", "GW-X02", "GW-X03", "GW-X06", "GW-J01", "GW-J02", "GW-Z01"})
_PAGES = (b"<!doctype html", b"<html")
_KINDS = {
    "application/pdf": Text("PDF 文件", "a PDF"),
    "application/zip": Text("ZIP 文件（扩展名应为 .zip）", "a ZIP, whose name must end in .zip"),
    "application/vnd.rar": Text("RAR 压缩文件（请改用 ZIP）", "a RAR archive: use ZIP"),
    "application/x-7z-compressed": Text("7z 压缩文件（请改用 ZIP）", "a 7z archive: use ZIP"),
    "application/gzip": Text("gzip 压缩文件（请改用 ZIP）", "a gzip archive: use ZIP"),
    "application/x-ole-storage": Text("旧版 Office 文件（doc、xls）", "an old Office file (doc, xls)"),
    "application/rtf": Text("RTF 文档", "an RTF document"),
    "application/vnd.microsoft.portable-executable": Text("Windows 程序", "a program for Windows"),
    "application/x-elf": Text("Linux 程序", "a program for Linux"),
}
_OFFICE = Text("Office 文件（docx、xlsx、pptx）", "an Office file (docx, xlsx, pptx)")
_PICTURE = Text("图像文件", "a picture")


def mistaken(name: str, form: str, raw: bytes, known: KnownFiles) -> Fault | None:
    """The one fault of a file that is something else than `form`; None where its bytes do not show what it is."""
    what = _what(form, raw)
    if what is None:
        return None
    return fault(
        "GW-M18", path="/" if form == "xml" else "", line=1, name=name, what=what.zh, what_en=what.en, known=known.listed
    )


def _what(form: str, raw: bytes) -> Text | None:
    head = raw[:1024].lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    if head.startswith(_PAGES) or (head.startswith(b"<?xml") and any(page in head for page in _PAGES)):
        return Text("网页（HTML）", "a web page (HTML)")
    if form != "xml" and head.startswith(b"<"):
        return Text("XML（扩展名应为 .xml）", "XML, whose name must end in .xml")
    if form != "json" and head.startswith((b"{", b"[")):
        return Text("JSON（扩展名应为 .json）", "JSON, whose name must end in .json")
    kind = media_type(raw)
    if kind.startswith("image/"):
        return _PICTURE
    if kind == f"application/{form}" or kind in (UNKNOWN, "application/xml", "text/plain"):
        return None
    return _KINDS.get(kind, _OFFICE)
