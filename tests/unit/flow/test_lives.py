"""A key whose documents were deleted again and again: the next one's id is found in a few looks."""

from __future__ import annotations

import pytest

from tongguan.gateway.flow.intake.accept import free_id
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.ids import derived_id


class Lived(Snapshot):
    """A key that had so many lives."""

    def __init__(self, lives: int) -> None:
        self._ids = {derived_id("document", "demo", "T", "k", str(n)) for n in range(1, lives + 1)}
        self.looks = 0

    def is_deleted(self, document_id: str) -> bool:
        self.looks += 1
        return document_id in self._ids


@pytest.mark.parametrize("lives", [*range(10), 63, 64, 65, 10_000])
def test_each_life_of_a_key_has_the_next_id(lives: int) -> None:
    records = Lived(lives)

    assert free_id("demo", "T", "k", records) == derived_id("document", "demo", "T", "k", str(lives + 1))
    assert records.looks <= 2 + 2 * (lives + 1).bit_length()
