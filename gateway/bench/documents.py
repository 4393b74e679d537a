"""Papers of declarations: asked for, made, sealed and exported, beside the signing of the same papers alone.

Alone they are signed by the library as it comes, with the authority's key and without a seal to be drawn. What asks and what exports are sample messages (`context.PAPERS`), and the authority is the one that they go to: nothing here knows the type.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from lxml import etree
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.signers import PdfSignatureMetadata, sign_pdf

from tongguan.gateway.bench.context import PAPERS, authority, count, mailbox, put, samples
from tongguan.gateway.bench.process import RunningGateway, running_gateway, used_by
from tongguan.gateway.model.message import State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.system import clock
from tongguan.simulators.customs.declaration_pdf import declaration_form
from tongguan.simulators.customs.held_declarations import held_declaration
from tongguan.simulators.messages.pdf import signer_of
from tongguan.simulators.serve import open_office

_NUMBER = re.compile(rb"[0-9]{18}")  #: of a declaration


def measure_documents(made: Path, declarations: int, processes: int) -> str:
    """Ask for as many as fill whole requests, and export them; half of the papers are signed alone before, the others after it."""
    ask, export = samples(PAPERS)
    numbers = [int(number) for number in _NUMBER.findall(ask)]
    requests = -(-declarations // len(numbers))
    every = [f"{number + n * len(numbers):018d}" for n in range(requests) for number in numbers]
    first = _signed_alone(made, ask, every[::2])
    with authority(made, 0, full=True) as endpoint, running_gateway(made, processes) as gateway:
        before = used_by(endpoint).seconds
        gateway.begin()
        asked, took = _asked_and_exported(gateway, [_counted_up(ask, n, len(numbers)) for n in range(requests)], export)
        endpoint_ms = (used_by(endpoint).seconds - before) * 1000 / len(every)
        cpu_ms = gateway.used.seconds * 1000 / len(every)
        peak = " + ".join(f"{each:.0f} MB" for each in gateway.used.most_mb)
    alone = (sum(both) * 1000 / len(every) for both in zip(first, _signed_alone(made, ask, every[1::2]), strict=True))
    each, (bare, bare_cpu_ms) = took * 1000 / len(every), alone
    return (
        f"{len(every) / took:.1f} declarations/s documents n={len(every)} in requests of {len(numbers)}, {each:.1f} ms each"
        f" (until all were made {asked:.1f} s of {took:.1f}), peak {peak} | signing alone {bare:.1f} ms, ratio {each / bare:.2f}"
        f" | CPU {cpu_ms:.2f} ms each, simulators {endpoint_ms:.2f}, signing alone {bare_cpu_ms:.2f}"
    )


def _asked_and_exported(gateway: RunningGateway, asking: Sequence[bytes], export: bytes) -> tuple[float, float]:
    """Seconds until all are made, and until the files of all lie in InBox."""
    for n, text in enumerate(asking):
        put(gateway.home, f"ask-{n}.xml", text)
    asked = gateway.until(lambda: gateway.tally(State.ACCEPTED), len(asking))
    for n in range(len(asking)):
        put(gateway.home, f"export-{n}.xml", _counted_up(export, n))
    inbox = mailbox(gateway.home) / "InBox"
    return asked, gateway.until(lambda: count(inbox, "Result_export-"), len(asking))


def _counted_up(text: bytes, n: int, numbers: int = 0) -> bytes:
    """The n-th message of a sample, whose own numbers are so many."""
    told = _NUMBER.sub(lambda found: b"%018d" % (int(found[0]) + n * numbers), text)
    return re.sub(rb'"(bench|export)-0"', rb'"\1-%d"' % n, told)


def _signed_alone(made: Path, ask: bytes, entries: Sequence[str]) -> tuple[float, float]:
    """Seconds, and those of processor time, in which the authority's key signs the forms of these declarations, and nothing else is done."""
    type_ = str(etree.QName(etree.fromstring(ask)).localname)
    office = open_office(made, load_profiles()[type_].authority, fast=True)
    try:
        terms = office.scripts[type_].makes
        assert terms is not None
        held = (held_declaration(office, terms.held, entry) for entry in entries)
        forms = [declaration_form(office, one, seals=True) for one in held if one is not None]
        signer = signer_of(office.sealer)
        began, before = clock.monotonic(), used_by(os.getpid()).seconds
        for form in forms:
            sign_pdf(IncrementalPdfFileWriter(BytesIO(form)), PdfSignatureMetadata("Signature", md_algorithm="sha256"), signer)
        return clock.monotonic() - began, used_by(os.getpid()).seconds - before
    finally:
        office.store.close()
