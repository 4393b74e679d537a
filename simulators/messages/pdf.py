"""Sign a PDF with an authority's key, with a seal on its first page or without."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tongguan.simulators.messages.signing import Sealer

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko.stamp import StaticStampStyle

#: bytes that a signature takes beside its certificate, at most; where it is not said the library signs once more to find out
_BESIDE_CERTIFICATE = 2048

SealBox = tuple[int, int, int, int]
"""A place on a page: left, bottom, right, top, in points."""


def signed(page: bytes, sealer: Sealer, reason: str, seal: SealBox | None = None) -> bytes:
    """Sign a PDF with the authority's key, so that every reader can tell who made it and that nothing was changed since.

    ``seal``: where on the first page its seal is drawn, which shows the signature when it is clicked at.
    """
    # pyHanko begins a loop of its own, which a thread that serves requests has already.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(_signed, page, sealer, reason, seal).result()


def _signed(page: bytes, sealer: Sealer, reason: str, seal: SealBox | None) -> bytes:
    # Imported late: few answers hold a paper, and every server starts without it.
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigFieldSpec
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, sign_pdf

    signer = signer_of(sealer)
    metadata = PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256", reason=reason)
    made, writer = io.BytesIO(), IncrementalPdfFileWriter(io.BytesIO(page))
    reserved = 2 * (len(sealer.certificate.public_bytes(Encoding.DER)) + _BESIDE_CERTIFICATE)
    if seal is None:
        sign_pdf(writer, metadata, signer, bytes_reserved=reserved, output=made)
        return made.getvalue()
    field = SigFieldSpec("Signature", on_page=0, box=seal)
    sealing = PdfSigner(metadata, signer, stamp_style=_style(seal), new_field_spec=field)
    sealing.sign_pdf(writer, bytes_reserved=reserved, output=made)
    return made.getvalue()


def signer_of(sealer: Sealer) -> SimpleSigner:
    """Give the authority's key and certificate as the library wants them."""
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    private = sealer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = asn1_x509.Certificate.load(sealer.certificate.public_bytes(Encoding.DER))
    return SimpleSigner(certificate, keys.PrivateKeyInfo.load(private), SimpleCertificateStore())  # type: ignore[no-untyped-call]


def _style(seal: SealBox) -> StaticStampStyle:
    """What a reader shows in the signature's place: the page's own drawing beneath it."""
    from pyhanko.pdf_utils.content import PdfResources, RawContent
    from pyhanko.pdf_utils.layout import BoxConstraints
    from pyhanko.stamp import StaticStampStyle

    left, bottom, right, top = seal
    size = BoxConstraints(width=right - left, height=top - bottom)
    return StaticStampStyle(background=RawContent(b"", PdfResources(), size), border_width=0)  # type: ignore[no-untyped-call]
