"""How fast quantities of licences are taken by many at once: all of one licence, in turn with each of one of its own."""

from __future__ import annotations

import statistics as middle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tongguan.codecs.checking.compile import compile_profile
from tongguan.gateway.document.quantities import LICENCE
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.licences import Wish, holder_of, taking
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Finished, Number, Outcome
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock

THREADS = 64
_PAIRS = 5
_COMMODITY, _UNIT, _APPROVED = "2601111000", "035", "99999999999999"


@dataclass(frozen=True, slots=True)
class _Shop:
    """A journal with licences, and the types of these and of what takes of them."""

    journal: Journal
    rules: Rules
    account: str
    licence: Profile
    taker: Profile

    def licences(self, count: int) -> list[str]:
        """The numbers of so many new licences."""
        numbers = [new_id().replace("-", "")[-20:] for _ in range(count)]
        self.journal.finish([(self._licence(number),) for number in numbers])
        return numbers

    def _licence(self, number: str) -> Outcome:
        rule = self.licence.statistics
        assert rule is not None
        values = {"commodity": _COMMODITY, "unit": _UNIT, "quantity": _APPROVED}
        row = {rule.row[word]: value for word, value in values.items()}
        content = {rule.table.removesuffix("[]"): [row]} if rule.table else row
        document = self._document(self.licence, min(rule.status), content, numbers={LICENCE: number}, counted_at=clock.now_ms())
        message = self._message(self.licence, document)
        told = Number(self.licence.type, LICENCE, number, document.id, self.account)
        return Outcome(message, None, "check", documents=(document,), numbers=(told,))

    def take(self, number: str) -> None:
        """Decide and write what one document takes of a licence, until it is written."""
        rule = self.taker.takes
        assert rule is not None
        row = {rule.commodity: _COMMODITY, rule.unit: _UNIT, rule.quantity: "1.00001"}
        content = {rule.licence: number, **({rule.table.removesuffix("[]"): [row]} if rule.table else row)}
        document = self._document(self.taker, "", content)
        message = self._message(self.taker, document)
        word: object = None
        while word is not Finished.WRITTEN:
            with self.journal.read() as records:
                wish = Wish(self.rules.compiled(self.taker.type), document.id, holder_of(document), {}, content)
                takes, relied_on = taking(self.rules, document, wish, records)
            outcome = Outcome(message, None, "check", documents=(document,), takes=takes, relied_on=relied_on)
            (word,) = self.journal.finish([(outcome,)])

    def _document(self, profile: Profile, status: str, content: Content, **more: Any) -> Document:
        id_, now = new_id(), clock.now_ms()
        return Document(id_, self.account, profile.type, id_, profile.version, 1, status, now, now, content, **more)

    def _message(self, profile: Profile, document: Document) -> Message:
        operation = min(profile.takes.at) if profile.takes is not None else "declare"
        now = document.created_at
        return Message(
            new_id(), Kind.SUBMISSION, self.account, profile.type, operation, State.CHECKED, now, now, document_id=document.id
        )


def measure_takes(made: Path, count: int) -> str:
    """Take so often of one licence, and of as many as there are threads, in turn a few times; say what that gave."""
    settings = read_settings(made)
    journal = Journal.open(settings.database.url, made)
    journal.start()
    try:
        shop = _shop(made, journal)
        pairs = [(_rate(shop, shop.licences(1), count), _rate(shop, shop.licences(THREADS), count)) for _ in range(_PAIRS)]
    finally:
        journal.close()
    one, many = (middle.median(column) for column in zip(*pairs, strict=True))
    ratio = middle.median(mine / others for mine, others in pairs)
    return f"{one:.1f} takes/s take n={count} threads={THREADS} of one licence | of {THREADS} licences {many:.1f} takes/s, ratio {ratio:.2f}"


def _shop(made: Path, journal: Journal) -> _Shop:
    settings, profiles = read_settings(made), load_profiles()
    licence = next(p for p in profiles.values() if p.statistics is not None and LICENCE in p.numbers)
    taker = next(p for p in profiles.values() if p.takes is not None)
    rules = Rules(settings, {p.type: compile_profile(p, profiles.tables) for p in (licence, taker)})
    return _Shop(journal, rules, settings.account[0].name, licence, taker)


def _rate(shop: _Shop, numbers: list[str], count: int) -> float:
    """Takes a second, by threads that are let go together."""
    with ThreadPoolExecutor(THREADS) as threads:
        began = clock.monotonic()
        list(threads.map(lambda n: shop.take(numbers[n % len(numbers)]), range(count)))
        took = clock.monotonic() - began
    with shop.journal.read() as records:
        found = [records.documents_of_number(shop.account, number)[0].id for number in numbers]
        used = sum(sum(records.used_of(id_).values()) for id_ in found)
    if used != count * 100_001:
        raise RuntimeError(f"{used} was taken instead of {count * 100_001}")
    return count / took
