"""A document's status on a day: past its date it has expired, though nothing has moved it."""

from __future__ import annotations

import pytest

from tongguan.gateway.document.changes import status_on
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Expiry

PROFILE = replace(next(iter(load_profiles().values())), expires=Expiry("Until", frozenset({"approved"}), "expired"))


@pytest.mark.parametrize(
    ("status", "until", "day", "expected"),
    [
        ("approved", "2026-11-20", "2026-11-20", "approved"),
        ("approved", "2026-11-20", "2026-11-21", "expired"),
        ("approved", "", "2026-11-21", "approved"),
        ("changing", "2026-11-20", "2026-11-21", "changing"),
    ],
)
def test_a_document_expires_on_the_day_after_its_last(status: str, until: str, day: str, expected: str) -> None:
    document = Document("d", "demo", "T", "k", "v", 1, status, 0, 0, {"Until": until} if until else {})

    assert status_on(PROFILE, document, day) == expected


def test_of_a_type_that_knows_no_end_nothing_expires() -> None:
    document = Document("d", "demo", "T", "k", "v", 1, "approved", 0, 0, {"Until": "2020-01-01"})

    assert status_on(replace(PROFILE, expires=None), document, "2026-11-21") == "approved"
