"""The gateway of one home: its rules, and what is open, runs or changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from cryptography import x509

from tongguan.gateway.flow.cards.looks import Looks
from tongguan.gateway.flow.intake.preparer import Preparer
from tongguan.gateway.flow.query.authority.known_answers import KnownAnswers
from tongguan.gateway.flow.rules import Rules, there
from tongguan.gateway.journal.port import FlowJournal
from tongguan.gateway.model.errors import Deferred, in_both
from tongguan.gateway.system import clock
from tongguan.gateway.system.business_clock import BusinessClock
from tongguan.gateway.work.moment import Moment
from tongguan.outbox.prints.pdf_worker import PdfWorker
from tongguan.routes.https import HttpsRoute
from tongguan.signer.cards.card import OpenCard
from tongguan.signer.envelope import out_of_time, sealed_for
from tongguan.signer.secret import Vault


@dataclass(frozen=True)
class Site:
    """Put together by the daemon, for whatever acts; what decides is given the rules and a moment of it."""

    rules: Rules
    journal: FlowJournal
    routes: Mapping[str, HttpsRoute] = field(default_factory=dict)
    cards: Mapping[str, OpenCard] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
    answers: KnownAnswers = field(default_factory=KnownAnswers)
    preparer: Preparer | None = None  #: None: all is decided in this process
    business: BusinessClock = field(default_factory=BusinessClock)
    pdf_worker: PdfWorker = field(default_factory=partial(PdfWorker, timeout=60, most_bytes=1_000_000_000))

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.rules.settings.path("secrets"))

    def moment(self) -> Moment:
        """What decisions may know of now."""
        now, business, told = clock.now_ms(), self.business.now_ms(), self.answers.seen
        return Moment(now, business, self.journal.numbers(), self.journal.lanes, self.vault.seen, told)

    def route(self, name: str) -> HttpsRoute:
        """The open route; Held while the settings have none of that name."""
        return there(self.routes, "route", name)

    def card(self, name: str) -> OpenCard:
        """The open card; Held while the settings have none of that name."""
        return there(self.cards, "card", name)

    def recipient(self, route: str) -> x509.Certificate | None:
        """To whom what goes over a route is encrypted; None where it goes as it is. Held while the settings have no such route, Deferred
        while the certificate is out of its time."""
        self.route(route)
        certificate = self.rules.encrypt_to.get(route)
        return None if certificate is None else self.in_time(route, certificate)

    def in_time(self, route: str, certificate: x509.Certificate) -> x509.Certificate:
        """A certificate that may be encrypted to now; Deferred while it may not."""
        if (why := out_of_time(certificate, clock.now())) is not None:
            said = in_both(f"路线 {route} 加密所用的证书{why[0]}", f"the certificate that route {route} encrypts to is {why[1]}")
            raise Deferred("route", after=self.rules.settings.schedule.probe, why=said, do="tongguan config check")
        return certificate

    def enveloped(self, route: str, content: bytes) -> bytes:
        """Give what goes over a route as it leaves: encrypted where its settings name a certificate, else as it is."""
        certificate = self.recipient(route)
        return content if certificate is None else sealed_for(certificate, content)
