"""What a file is that cannot be read as its name says: known by its first bytes."""

from __future__ import annotations

import re

from tongguan.codecs.reading.attachments import UNKNOWN, media_type
from tongguan.codecs.reading.faults import fault
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.profile.foreign import KnownFiles
from tongguan.gateway.profile.profile import Text

#: faults that say no more than that the bytes are not of this form
UNREADABLE = frozenset({"GW-X01", "GW-X02", "GW-X03", "GW-X06", "GW-J01", "GW-J02", "GW-Z01"})
_PAGES = (b"<!doctype html", b"<html")
_NOTHING = Text("", "")
_USE_ZIP = Text("：请改用 ZIP 压缩", ": pack it as a ZIP")
_KINDS = {
    "application/pdf": Text("PDF 文件", "a PDF"),
    "application/zip": Text("ZIP 文件", "a ZIP"),
    "application/vnd.rar": Text("RAR 压缩文件", "a RAR archive"),
    "application/x-7z-compressed": Text("7z 压缩文件", "a 7z archive"),
    "application/gzip": Text("gzip 压缩文件", "a gzip archive"),
    "application/x-xz": Text("xz 压缩文件", "an xz archive"),
    "application/x-bzip2": Text("bzip2 压缩文件", "a bzip2 archive"),
    "application/zstd": Text("zstd 压缩文件", "a zstd archive"),
    "application/vnd.ms-cab-compressed": Text("CAB 压缩文件", "a CAB archive"),
    "application/x-tar": Text("tar 归档文件", "a tar archive"),
    "application/x-split-zip": Text("分卷 ZIP 的一部分", "a part of a split ZIP"),
    "application/ofd": Text("OFD 版式文件", "an OFD document"),
    "message/rfc822": Text("电子邮件", "an e-mail"),
    "application/x-pem": Text("证书、密钥或签名文件（PEM）", "a file of certificates, keys or signatures (PEM)"),
    "application/x-ole-storage": Text("旧版 Office 文件（doc、xls）", "an old Office file (doc, xls)"),
    "application/rtf": Text("RTF 文档", "an RTF document"),
    "application/vnd.microsoft.portable-executable": Text("Windows 程序", "a program for Windows"),
    "application/x-elf": Text("Linux 程序", "a program for Linux"),
}
_ARCHIVES = frozenset(
    ("vnd.rar", "x-7z-compressed", "gzip", "x-xz", "x-bzip2", "zstd", "vnd.ms-cab-compressed", "x-tar", "x-split-zip")
)
#: of kinds that no attachment is, and that nothing else needs to know
_MAGIC = (
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"BZh", "application/x-bzip2"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (b"PK\x07\x08", "application/x-split-zip"),
    (b"-----BEGIN ", "application/x-pem"),
)
_MAIL = re.compile(
    rb"(?:from|to|subject|date|received|return-path|message-id|mime-version|delivered-to|content-type|x-[a-z0-9-]+):[ \t]"
    rb"[^\r\n]*\r?\n(?:[a-z0-9-]+:|[ \t])"
)
_OFFICE = Text("Office 文件（docx、xlsx、pptx）", "an Office file (docx, xlsx, pptx)")
_PICTURE = Text("图像文件", "a picture")


def mistaken(name: str, form: str, raw: bytes, known: KnownFiles) -> Fault | None:
    """The one fault of a file that is something else than `form`; None where its bytes do not show what it is."""
    found = _what(form, raw)
    if found is None:
        return None
    what, hint = found
    return fault(
        "GW-M18",
        path="/" if form == "xml" else "",
        line=1,
        name=name,
        what=what.zh,
        what_en=what.en,
        hint=hint.zh,
        hint_en=hint.en,
        known=known.listed,
    )


def _what(form: str, raw: bytes) -> tuple[Text, Text] | None:
    """What it is, and what to do with it."""
    head = raw[:1024].lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    if head.startswith(_PAGES) or (head.startswith(b"<?xml") and any(page in head for page in _PAGES)):
        return Text("网页（HTML）", "a web page (HTML)"), _NOTHING
    if form != "xml" and head.startswith(b"<"):
        return Text("XML", "XML"), _name_it("xml")
    if form != "json" and head.startswith((b"{", b"[")):
        return Text("JSON", "JSON"), _name_it("json")
    kind = _kind(raw, head)
    if kind.startswith("image/"):
        return _PICTURE, _NOTHING
    if kind == f"application/{form}" or kind in (UNKNOWN, "application/xml", "text/plain"):
        return None
    if kind == "application/zip":
        return _KINDS[kind], _name_it("zip")
    return _KINDS.get(kind, _OFFICE), _USE_ZIP if kind.partition("/")[2] in _ARCHIVES else _NOTHING


def _name_it(form: str) -> Text:
    return Text(f"：扩展名应为 .{form}", f": its name must end in .{form}")


def _kind(raw: bytes, head: bytes) -> str:
    """The media type that the bytes show."""
    if raw[257:262] == b"ustar":
        return "application/x-tar"
    if _MAIL.match(head):
        return "message/rfc822"
    if raw.startswith(b"PK\x03\x04") and b"OFD.xml" in raw:
        return "application/ofd"
    return next((kind for magic, kind in _MAGIC if raw.startswith(magic)), "") or media_type(raw)
