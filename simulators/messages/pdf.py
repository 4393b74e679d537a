"""Sign a PDF with an authority's key, with a seal on its first page or without."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tongguan.simulators.messages.signing import Sealer

if TYPE_CHECKING:
    from pyhanko.stamp import StaticStampStyle

#: a font that every reader brings along, as plain data; Latin letters are half as wide as Chinese ones
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


@dataclass(frozen=True)
class SealPlace:
    """Where on the first page a seal stands (left, bottom, right, top), and what it says; empty where the page itself shows it."""

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
    drawn, resources = "", PdfResources()  # type: ignore[no-untyped-call]
    if seal.text:
        drawn = f"0.8 0 0 RG 0.8 0 0 rg 2 w 2 2 {width - 4} {height - 4} re S"
        drawn += f" BT /F1 9 Tf {leading} TL 10 {height - leading} Td\n{shown}\nET"
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
