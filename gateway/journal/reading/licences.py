"""What documents hold of licences: as it is stored, and on top of that what the outcomes of a batch take or give back."""

from __future__ import annotations

from collections import Counter

from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.outcome import Take


class TakenQuantities:
    """One moment of the journal with the takes that were seen since. Nothing is read before it is asked for."""

    def __init__(self, stored: Search) -> None:
        self._stored = stored
        self._held: dict[str, dict[tuple[str, str], int]] = {}  #: by document
        self._seen: list[Take] = []  #: not yet in what follows
        self._used: dict[str, dict[str, int]] = {}  #: by licence, as it is stored
        self._more: dict[str, Counter[str]] = {}  #: by licence: what the seen ones take beyond that

    def see(self, take: Take) -> None:
        self._seen.append(take)

    def held_by(self, document_id: str) -> dict[tuple[str, str], int]:
        """What a document holds, by licence and line."""
        self._catch_up()
        self._read([document_id])
        return dict(self._held[document_id])

    def used_of(self, licence_id: str) -> dict[str, int]:
        """What all documents together hold of a licence, by line."""
        self._catch_up()
        if licence_id not in self._used:
            self._used[licence_id] = self._stored.licences_used([licence_id]).get(licence_id, {})
        return dict(Counter(self._used[licence_id]) + self._more.get(licence_id, Counter()))

    def _catch_up(self) -> None:
        if not self._seen:
            return
        self._read([take.document_id for take in self._seen])
        for take in self._seen:
            held = {(line.licence_id, line.line): line.amount for line in take.lines}
            for sign, lines in ((-1, self._held[take.document_id]), (1, held)):
                for (licence_id, line), amount in lines.items():
                    self._more.setdefault(licence_id, Counter())[line] += sign * amount
            self._held[take.document_id] = held
        self._seen = []

    def _read(self, document_ids: list[str]) -> None:
        unread = [id_ for id_ in document_ids if id_ not in self._held]
        self._held.update({id_: {} for id_ in unread})
        self._held.update(self._stored.held_by(unread))
