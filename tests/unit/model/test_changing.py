"""Records are changed as `dataclasses.replace` would change them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.record import replace

MESSAGE = Message("id", Kind.SUBMISSION, "demo", "type", "declare", State.RECEIVED, 1, 2, reference="r", extra={"a": 1})
DOCUMENT = Document("id", "demo", "type", "key", "p", 1, "draft", 1, 2)


@given(state=st.sampled_from(State), lane=st.none() | st.text(max_size=5), attempts=st.integers(0, 9))
def test_it_gives_what_dataclasses_give(state: State, lane: str | None, attempts: int) -> None:
    changes = {"state": state, "lane": lane, "attempts": attempts}

    assert replace(MESSAGE, **changes) == dataclasses.replace(MESSAGE, **changes)  # type: ignore[arg-type]


def test_the_record_itself_stays_as_it_was() -> None:
    changed = replace(DOCUMENT, version=2)

    assert (DOCUMENT.version, changed.version) == (1, 2)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(AttributeError):
        replace(MESSAGE, colour="red")
