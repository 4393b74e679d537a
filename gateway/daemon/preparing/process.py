"""A process that decides hands and writes nothing, started by `workers.PrepareWorkers` and by nobody else.

It is given a connection. What it hears first are the settings; it says what its rules are (`Rules.fingerprint`), and answers
each job after that, in order: with what it prepared, or with nothing, where it could not. It ends when the connection does.
"""

from __future__ import annotations

import gc
import pickle
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from tongguan.gateway.daemon.assembly import make_rules
from tongguan.gateway.daemon.preparing.crossing import PreparedChains, PreparingJob, answered, received
from tongguan.gateway.flow.cards.looks import Looks
from tongguan.gateway.flow.intake.door import prepare
from tongguan.gateway.flow.intake.preparer import FileBatch
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.table import prepare_stored
from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.port import FlowJournal
from tongguan.gateway.journal.reading.reader import Reader
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.journal.serials import NumberRange
from tongguan.gateway.model.errors import Deferred, SettingsWrong
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.outcome import Chain
from tongguan.gateway.settings import Settings
from tongguan.routes.https import HttpsRoute
from tongguan.signer.cards.card import open_card


class LentNumbers:
    """Numbers of one job."""

    def __init__(self, lent: Mapping[str, Sequence[NumberRange]]) -> None:
        self.left = {series: list(ranges) for series, ranges in lent.items()}

    def take(self, series: str, *, digits: int = 9) -> int:
        """The next one; Deferred when there is none: the gateway goes on with this file."""
        ranges = self.left.get(series)
        if not ranges:
            raise Deferred("numbers", after=timedelta(0))
        number, end = ranges[0]
        ranges[:1] = [(number + 1, end)] if number + 1 < end else []
        return number


class PreparingJournal(Reader):
    """The journal as it is stored, and on top of it what was prepared and may not be written yet."""

    def __init__(self, url: str, home: Path) -> None:
        super().__init__(open_engine(url, home, writes=False))
        self.lanes: Mapping[Lane, ClosedLane] = {}
        self.lent = LentNumbers({})
        self.ahead: dict[str, list[Chain]] = {}  #: by door
        self._door = ""

    def begin(self, job: PreparingJob) -> None:
        """What it says from now on is said for this job."""
        self.lanes, self.lent, self._door = job.closed, LentNumbers(job.numbers), job.hand.door
        if job.anew:
            self.ahead[self._door] = []

    def numbers(self) -> LentNumbers:
        return self.lent

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        with super().read() as records:
            for chain in self.ahead[self._door]:
                for outcome in chain:
                    records.see(outcome)
            yield records


def preparing_site(settings: Settings, journal: PreparingJournal) -> Site:
    """Rules, fast keys and an eye on the journal: all that preparing asks of a site."""
    rules = make_rules(settings)
    fast = [card for card in settings.cards if rules.at_once(Lane(LaneKind.CARD, card.name))]
    return Site(
        rules=rules,
        journal=cast(FlowJournal, journal),
        routes=dict.fromkeys(
            settings.route, cast(HttpsRoute, ...)
        ),  # nothing goes out here: it is only asked for whom there is a way
        cards={card.name: open_card(card, settings.home, locked=False, bound=card.bound) for card in fast},
        looks=Looks(production=settings.gateway.environment == "production"),
    )


def answer(site: Site, journal: PreparingJournal, job: PreparingJob) -> bytes:
    """What is sent back; empty where something failed: the gateway will see it for itself."""
    journal.begin(job)
    site.business.line, site.answers.seen = job.line, job.answers
    try:
        chains = prepare(site, job.hand) if isinstance(job.hand, FileBatch) else prepare_stored(site, job.hand)
    except Exception:
        return b""
    if job.last:
        del journal.ahead[job.hand.door]
    else:
        journal.ahead[job.hand.door] += chains
    return answered(PreparedChains(chains, journal.lent.left))


def serve(connection: Connection) -> None:
    settings: Settings = pickle.loads(connection.recv_bytes())
    journal = PreparingJournal(settings.database.url, settings.home)
    try:
        site = preparing_site(settings, journal)
    except SettingsWrong:  # what lies on disk now is not what runs
        connection.send_bytes(b"")
        return
    connection.send_bytes(site.rules.fingerprint.encode())
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    while True:
        connection.send_bytes(answer(site, journal, received(connection.recv_bytes())))


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the gateway ends us by closing the connection
        signal.signal(number, signal.SIG_IGN)
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, ConnectionError):
        return


if __name__ == "__main__":
    main()
