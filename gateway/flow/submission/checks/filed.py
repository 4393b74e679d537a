"""The documents that fields of a message are filled from, and the one that it changes."""

from __future__ import annotations

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.filling.filed import FiledContent, by_key
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import found, named
from tongguan.gateway.flow.submission.checks.parties import party_coded
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import FiledSource


class FiledDocuments:
    """Looks up each document that a message names, once, however many lines are filled from it; what it read is to be fenced."""

    def __init__(self, rules: Rules, message: Message, records: Snapshot) -> None:
        self._rules, self._account, self._records = rules, rules.account(message.account), records
        self._profile = rules.profile(message.type)
        self._known: dict[tuple[str, str, str], FiledContent | None] = {}
        self.relied_on: dict[str, int] = {}

    def __call__(self, source: FiledSource, number: str, party: str) -> FiledContent | None:
        """The document of a source that has this number or key, and is for the enterprise with this code."""
        asked = (source.name, number, party)
        if asked not in self._known:
            self._known[asked] = self._read(source, number, party)
        return self._known[asked]

    def _read(self, source: FiledSource, number: str, party: str) -> FiledContent | None:
        document = named(self._account.name, source.types, number, self._records)
        if document is None or party_coded(self._account, self._profile, party) not in (None, document.party):
            return None
        self.relied_on[document.id] = document.version
        return by_key(source, self._rules.profile(document.type).title, document.content)


def changed_document(rules: Rules, message: Message, records: Snapshot, content: Content) -> ChangedDocument | None:
    """The document that a message's own one, with this content, changes or cancels; None where it changes none, or there is none."""
    profile = rules.profile(message.type)
    if profile.changes is None:
        return None
    other = found(rules, message, profile.needs[profile.changes.need], content, records)
    return ChangedDocument(rules.compiled(other.type), other) if other is not None else None
