"""Secret fields on their way: kept as references, looked up for the wire only, and encrypted there to whom they are meant for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.secrets import is_reference, with_secrets
from tongguan.gateway.document.changes import values_at
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.signer.envelope import sealed_for
from tongguan.signer.secret import Seen, read_secret, unusable


def look_at_secrets(site: Site, account: str, types: Iterable[str]) -> None:
    """Look what is there for messages of these types, before they are decided: `secret_faults` goes by this look."""
    if not site.rules.secrets.keys().isdisjoint(types):
        site.vault.look(account)


def secret_faults(rules: Rules, seen: Seen, message: Message, content: Content, route: str) -> list[Fault]:
    """What would keep the content's secrets from going out: one that was not there, or nobody to encrypt them to."""
    compiled = rules.compiled(message.type)
    faults = []
    for path in compiled.secrets:
        references = values_at(content, path)
        place = f"/body/{path}" if message.form == "json" else f"/{message.type}/{path}"
        label = (compiled.nodes[path].label, compiled.nodes[path].label_en)
        if references and route not in rules.secrets_to:
            faults.append(fault("GW-F41", path=place, label=label, route=route))
        for reference in filter(is_reference, references):
            if (why := unusable(seen, message.account, reference)) is not None:
                faults.append(fault("GW-F40", path=place, label=label, reference=reference, why=why))
    return faults


def sealed_secrets(site: Site, message: Message, content: Content, route: str) -> Content:
    """The content as it goes out: each secret encrypted, as base64. Raises Refused when one is not there any more, Deferred
    while the certificate that they are encrypted to is out of its time."""
    compiled = site.rules.compiled(message.type)
    if not any(values_at(content, path) for path in compiled.secrets):
        return content
    site.vault.look(message.account)
    if faults := secret_faults(site.rules, site.vault.seen, message, content, route):
        raise Refused(faults)
    certificate, folder = site.in_time(route, site.rules.secrets_to[route]), site.vault.root / message.account
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
