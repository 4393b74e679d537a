"""Ids, times and rows."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import comes, document, receipt, stored, stored_document, submission, written

from tongguan.gateway.journal.database.rows import DOCUMENT_MOVES, MESSAGE_MOVES
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Attachment, Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.ids import derived_id, new_id
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system import clock, times


def test_ids_made_later_sort_later() -> None:
    made = []
    for _ in range(5):
        made.append(new_id())
        ready = clock.now_ms() + 2
        while clock.now_ms() < ready:
            pass

    assert made == sorted(made)
    assert {uuid.UUID(id_).version for id_ in made} == {7}


def test_many_ids_are_all_different() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


@given(
    st.lists(st.text(alphabet=st.characters(blacklist_characters="\x1f", blacklist_categories=("Cs",))), min_size=2, max_size=4)
)
def test_the_same_parts_give_the_same_id_and_others_another(parts: list[str]) -> None:
    assert derived_id(*parts) == derived_id(*parts)
    assert derived_id(*parts) != derived_id("".join(parts))
    assert uuid.UUID(derived_id(*parts)).version == 8


@given(st.integers(0, 4_000_000_000_000))
def test_times_come_back_to_the_millisecond(ms: int) -> None:
    assert times.to_ms(times.from_ms(ms)) == ms
    shown = times.show(ms)
    assert shown is not None and shown.endswith("+08:00")
    assert times.stamp(ms)[-3:] == f"{ms % 1000:03d}" == shown[-9:-6]


def test_times_are_shown_in_china() -> None:
    ms = 1_795_190_400_007  # 2026-11-20T16:00:00.007Z: already tomorrow in China

    assert times.show(ms) == "2026-11-21T00:00:00.007+08:00"
    assert times.stamp(ms) == "20261121000000007"
    assert times.china_date(ms) == "2026-11-21"
    assert times.to_ms(times.china_midnight(date(2026, 11, 21))) == ms - 7
    assert times.show(None) is None


def value_of(name: str, kind: str) -> Any:
    special: dict[str, Any] = {
        "faults": (Fault("X", "一", "one", "/a", 3, "label", "warning"),),
        "state": State.SEALED,
        "contradicted": {"code": "30", "keeps_reference": True, "issued_at": None},
        "extra": {"a": [1, {"b": None}], "文": True},
        "content": {"a": "1.10", "rows": [{"b": "二"}]},
        "numbers": {"licence": "1"},
        "marks": {"customs": "stored"},
        "attachments": (Attachment("声明.pdf", "2", "application/pdf", 3, "ab", "m"),),
        "facts": {"find": "me"},
        "counted": (),
        "keyed": None,
        "quantities": ({"licence": "1", "approved": "1.10", "used": None},),
    }
    if name in special:
        return special[name]
    if kind.startswith("bool"):
        return name not in ("holds", "waits")  # the opposite of what is usual
    return 77 if kind.startswith("int") else f"a {name}"


def test_a_message_comes_back_from_its_row_as_it_was(journal: Journal) -> None:
    kept = ("id", "kind", "sequence")
    message = replace(submission("m"), **{f.name: value_of(f.name, str(f.type)) for f in fields(Message) if f.name not in kept})
    written(journal, comes(message))

    assert stored(journal, "m") == replace(message, sequence=1)


def test_a_message_that_moves_keeps_every_change(journal: Journal) -> None:
    """A field that a move may not change must be one that never changes."""
    first = submission("m", state=State.CHECKED)
    written(journal, comes(first))
    for_life = {"id", "kind", "account", "received_at", "source", "sha256", "form", "item", "sequence"}
    changed = {f.name: value_of(f.name, str(f.type)) for f in fields(Message) if f.name not in for_life}
    written(journal, replace(comes(replace(first, **changed)), was=State.CHECKED))

    assert stored(journal, "m") == replace(first, **changed, sequence=1)
    assert set(MESSAGE_MOVES).isdisjoint(for_life)


@pytest.mark.parametrize("version", [1, 2])
def test_a_document_comes_back_from_its_row_as_it_was(journal: Journal, version: int) -> None:
    for_life = {"id", "account", "type", "key", "created_at"}
    changed = {f.name: value_of(f.name, str(f.type)) for f in fields(Document) if f.name not in for_life}
    first = document()
    whole = replace(first, **{**changed, "version": version, "deleted": True})
    if version == 2:
        written(journal, comes(submission(), documents=(first,)))
    written(journal, comes(submission(), documents=(whole,)))

    assert stored_document(journal) == replace(whole, facts=None, counted=None)
    assert set(DOCUMENT_MOVES).isdisjoint(for_life)


def test_a_receipt_comes_back_from_its_row_as_it_was(journal: Journal) -> None:
    whole = receipt("rc", message_id="m", document_id="d", applied=False, round=2, rank=3)
    written(journal, comes(submission("m"), receipts=(whole,)))
    with journal.read() as records:
        assert records.receipts_of_messages(["m"]) == {"m": [whole]}
        assert records.receipts_of_documents(["d"]) == {"d": [whole]}
