"""docs/asyncapi.json says what the code does: names, words and shapes, as code and schemas have them; every event and reply that a test takes from a broker is held against it, too (`queue_client`)."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from asyncapi import DOCUMENT, schema

from tongguan.gateway.model import queueing
from tongguan.gateway.model.message import State
from tongguan.inbox.queues import submission
from tongguan.outbox.queues import events, replies

pytestmark = pytest.mark.requirement("GW-02")
#: states of receipts
_OTHERS = {State.VERIFIED, State.SETTLED, State.UNMATCHED, State.QUARANTINED}


def refers(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [*([part["$ref"]] if "$ref" in part else []), *(found for value in part.values() for found in refers(value))]
    return [found for value in part for found in refers(value)] if isinstance(part, list) else []


def test_it_is_whole() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    for reference in refers(DOCUMENT):
        place: Any = DOCUMENT
        for word in reference.removeprefix("#/").split("/"):
            place = place[word]


def test_names_are_those_of_the_code() -> None:
    channels = DOCUMENT["channels"]

    assert channels["submissions"]["address"] == queueing.SUBMISSIONS + "{account}"
    assert channels["dead"]["address"] == queueing.DEAD
    assert channels["events"]["bindings"]["amqp"]["exchange"]["name"] == queueing.EVENTS
    assert len(channels["events"]["address"].split(".")) == 4
    assert queueing.REPLY in channels["replies"]["description"]


def test_states_kinds_and_limits_are_those_of_the_code() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    states = {state.value for state in State if state not in _OTHERS}

    assert set(schemas["Status"]["properties"]["state"]["enum"]) == states
    assert set(schemas["Event"]["properties"]["state"]["enum"]) == states | {events.CHANGED}
    assert schemas["Content"]["properties"]["size_bytes"]["exclusiveMinimum"] == replies.MOST_CONTENT
    assert set(schemas["Submission"]["properties"]) == set(submission._KEYS)
    assert set(schemas["Submission"]["properties"]["content_type"]["enum"]) == set(submission.FORMS)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Event", {"schema": 1}),
        ("Submission", {"content_type": "application/xml", "body": "x", "body_base64": "eA=="}),
        ("Reply", {"schema": 1, "reply_id": "x", "kind": "other", "status": {}, "content": None}),
    ],
)
def test_what_is_wrong_does_not_fit(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        schema(name).validate(wrong)
