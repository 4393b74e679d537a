"""Print a few lines of Chinese on one page of PDF, with a font that every reader brings along, and sign it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# tsp adds names of attributes that a PDF's signature needs; once a CMS message was read, the list of names is closed.
from asn1crypto import keys, tsp  # noqa: F401
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tongguan.simulators.messages.signing import Sealer

if TYPE_CHECKING:
    from pyhanko.stamp import StaticStampStyle

_TOP, _LEFT, _LEADING, _SIZE, _WIDEST = 780, 60, 24, 14, 60
_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
    (
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 7 0 R"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> /DW 1000 >>"
    ),
    (
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0"
        b" /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>"
    ),
)
#: the same font as plain data; Latin letters are half as wide as Chinese ones
_SEAL_FONT: dict[str, Any] = {
    "/Type": "/Font",
    "/Subtype": "/Type0",
    "/BaseFont": "/STSong-Light",
    "/Encoding": "/UniGB-UCS2-H",
    "/DescendantFonts": [
        {
            "/Type": "/Font",
            "/Subtype": "/CIDFontType0",
            "/BaseFont": "/STSong-Light",
            "/CIDSystemInfo": {"/Registry": "Adobe", "/Ordering": "GB1", "/Supplement": 4},
            "/DW": 1000,
            "/W": [1, 95, 500],
            "/FontDescriptor": {
                "/Type": "/FontDescriptor",
                "/FontName": "/STSong-Light",
                "/Flags": 6,
                "/FontBBox": [-25, -254, 1000, 880],
                "/ItalicAngle": 0,
                "/Ascent": 880,
                "/Descent": -120,
                "/CapHeight": 880,
                "/StemV": 93,
            },
        }
    ],
}


def one_page(lines: Sequence[str]) -> bytes:
    """Make the PDF; lines are cut at 60 characters, and the same lines give the same bytes."""
    shown = "\n".join(f"<{line[:_WIDEST].encode('utf-16-be', 'replace').hex()}> Tj T*" for line in lines)
    stream = f"BT /F1 {_SIZE} Tf {_LEADING} TL {_LEFT} {_TOP} Td\n{shown}\nET".encode()
    return _file(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        *_FONT,
    )


@dataclass(frozen=True)
class SealPlace:
    """Where on the first page a seal stands (left, bottom, right, top), and what it says."""

    box: tuple[int, int, int, int]
    text: str


def signed(page: bytes, sealer: Sealer, reason: str, seal: SealPlace | None = None) -> bytes:
    """Sign a PDF with the authority's key, so that every reader can tell who made it and that nothing was changed since."""
    # pyHanko begins a loop of its own, which a thread that serves requests has already.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(_signed, page, sealer, reason, seal).result()


def _signed(page: bytes, sealer: Sealer, reason: str, seal: SealPlace | None) -> bytes:
    # Imported late: few answers hold a paper, and every server starts without it.
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigFieldSpec
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner, sign_pdf
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    private = sealer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = asn1_x509.Certificate.load(sealer.certificate.public_bytes(Encoding.DER))
    signer = SimpleSigner(certificate, keys.PrivateKeyInfo.load(private), SimpleCertificateStore())  # type: ignore[no-untyped-call]
    metadata = PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256", reason=reason)
    made, writer = io.BytesIO(), IncrementalPdfFileWriter(io.BytesIO(page))
    if seal is None:
        sign_pdf(writer, metadata, signer, output=made)
        return made.getvalue()
    field = SigFieldSpec("Signature", on_page=0, box=seal.box)
    PdfSigner(metadata, signer, stamp_style=_style(seal), new_field_spec=field).sign_pdf(writer, output=made)
    return made.getvalue()


def _style(seal: SealPlace) -> StaticStampStyle:
    """Draw the seal: a red frame round its lines."""
    from pyhanko.pdf_utils.content import PdfResources, RawContent
    from pyhanko.pdf_utils.layout import BoxConstraints
    from pyhanko.stamp import StaticStampStyle

    left, bottom, right, top = seal.box
    width, height = right - left, top - bottom
    lines = seal.text.split("\n")
    leading = height / (len(lines) + 0.6)
    shown = "\n".join(f"<{line.encode('utf-16-be').hex()}> Tj T*" for line in lines)
    drawn = f"0.8 0 0 RG 0.8 0 0 rg 2 w 2 2 {width - 4} {height - 4} re S"
    drawn += f" BT /F1 9 Tf {leading} TL 10 {height - leading} Td\n{shown}\nET"
    resources = PdfResources()  # type: ignore[no-untyped-call]
    resources.font["/F1"] = _as_object(_SEAL_FONT)
    content = RawContent(drawn.encode(), resources, BoxConstraints(width=width, height=height))
    return StaticStampStyle(background=content, background_opacity=1, border_width=0)


def _as_object(value: Any) -> Any:
    """Make a PDF object of plain data: texts that begin with a slash are names."""
    from pyhanko.pdf_utils import generic

    made: Any = generic
    match value:
        case dict():
            return made.DictionaryObject({made.NameObject(name): _as_object(one) for name, one in value.items()})
        case list():
            return made.ArrayObject([_as_object(one) for one in value])
        case int():
            return made.NumberObject(value)
    return made.NameObject(value) if value.startswith("/") else made.pdf_string(value)


def _file(*objects: bytes) -> bytes:
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + trailer
