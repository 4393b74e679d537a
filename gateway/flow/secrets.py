"""Secret fields on their way: kept as references, looked up for the wire only, and encrypted there to whom they are meant for."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from cryptography import x509

from tongguan.codecs.compile import Compiled
from tongguan.codecs.secrets import is_reference, with_secrets
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel.document import Content
from tongguan.gateway.kernel.documents import values_at
from tongguan.gateway.kernel.errors import Fault, Refused
from tongguan.gateway.kernel.faults import fault
from tongguan.gateway.kernel.message import Message
from tongguan.signer.envelope import sealed_for
from tongguan.signer.secret import SecretMissing, read_secret


def folder_of(site: Site, account: str) -> Path:
    """Where an account's secrets lie."""
    return site.settings.path("secrets") / account


def secret_faults(site: Site, message: Message, content: Content, route: str) -> list[Fault]:
    """What would keep the content's secrets from going out: one that is not there, or nobody to encrypt them to."""
    compiled = site.profiles[message.type]
    faults = []
    for path in compiled.secrets:
        references = values_at(content, path)
        place = f"/body/{path}" if message.form == "json" else f"/{message.type}/{path}"
        label = compiled.nodes[path].label
        if references and route not in site.secrets_to:
            faults.append(fault("GW-F41", path=place, label=label, route=route))
        for reference in filter(is_reference, references):
            try:
                read_secret(reference, folder_of(site, message.account))
            except SecretMissing as missing:
                faults.append(fault("GW-F40", path=place, label=label, reference=reference, why=missing))
    return faults


def sealed_secrets(site: Site, message: Message, content: Content, route: str) -> Content:
    """The content as it goes out: each secret encrypted, as base64. Raises Refused when one is not there any more."""
    compiled = site.profiles[message.type]
    if not any(values_at(content, path) for path in compiled.secrets):
        return content
    if faults := secret_faults(site, message, content, route):
        raise Refused(faults)
    certificate, folder = site.secrets_to[route], folder_of(site, message.account)
    for path in compiled.secrets:
        content = with_secrets(content, path, lambda reference: _sealed(reference, folder, certificate))
    return content


def _sealed(reference: str, folder: Path, certificate: x509.Certificate) -> str:
    return b64encode(sealed_for(certificate, read_secret(reference, folder).reveal().encode())).decode()


def without_secrets(compiled: Compiled, content: Content) -> Content:
    """The content as a question shows it: secrets are not asked about."""
    for path in compiled.secrets:
        content = with_secrets(content, path, lambda _: None)
    return content
