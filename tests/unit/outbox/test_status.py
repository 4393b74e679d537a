"""The status file as the manual describes it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system.storage import file_names
from tongguan.outbox.status.render import document_status, message_status, waiting_for

from .conftest import RECEIVED_AT, OneStatus, document, receipt, submission


def shown(message: Message, language: str = "zh", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"document": None, "receipts": (), "answers": (), "items": (), "profile": OneStatus(), **more}
    page: dict[str, Any] = orjson.loads(message_status(message, environment="test", language=language, **given))
    return page


def test_a_status_has_exactly_the_fields_of_the_manual() -> None:
    fields = (
        "schema message_id account environment file reference document document_file replaces type operation state final waiting_for "
        "business_status numbers faults receipts answers items attempts next_attempt_at deadline_at received_at updated_at"
    )

    assert " ".join(shown(submission("m1"))) == fields


def test_the_file_of_its_document_is_named_whatever_the_key_is() -> None:
    assert shown(submission("m1", document="PO-1"))["document_file"] == "documents/T_PO-1.json".replace(
        "T_", f"{submission('m1').type}_"
    )
    assert "/" not in shown(submission("m1", document="PO/2026/0817"))["document_file"].removeprefix("documents/")
    assert shown(submission("m1", document=None))["document_file"] is None


def test_how_many_items_of_a_batch_are_done_can_be_read() -> None:
    items = [
        (submission(f"i{n}", state), ()) for n, state in enumerate((State.ACCEPTED, State.REPEATED, State.REFUSED, State.SENT))
    ]

    assert "items_count" not in shown(submission("m1"))
    assert shown(submission("m1"), items=items)["items_count"] == {
        "total": 4,
        "accepted": 2,
        "failed": 1,
        "open": 1,
        "states": {"accepted": 2, "refused": 1, "sent": 1},
    }


def test_times_are_china_time() -> None:
    page = shown(submission("m1", due_at=RECEIVED_AT + 1))

    assert page["received_at"] == "2026-11-18T19:06:40.000+08:00"
    assert page["next_attempt_at"] == "2026-11-18T19:06:40.001+08:00"


@pytest.mark.parametrize(
    ("state", "waits", "final"),
    [
        (State.RECEIVED, "earlier message", False),
        (State.CHECKED, "earlier message", False),
        (State.SEALED, "earlier message", False),
        (State.SENT, "authority", False),
        (State.HELD, "person", False),
        (State.ACCEPTED, None, True),
        (State.REFUSED, None, True),
        (State.REJECTED, None, True),
        (State.STOPPED, None, True),
        (State.GIVEN_UP, None, True),
    ],
)
def test_what_a_message_waits_for_follows_from_its_state(state: State, waits: str | None, final: bool) -> None:
    message = submission("m1", state, waiting_for="earlier message")

    assert waiting_for(message) == waits
    assert shown(message)["final"] is final


def test_a_final_message_has_no_next_attempt() -> None:
    page = shown(submission("m1", State.REFUSED, due_at=1, deadline_at=2))

    assert (page["next_attempt_at"], page["deadline_at"]) == (None, None)


def test_a_held_message_says_why_and_what_to_type() -> None:
    page = shown(submission("m1", State.HELD, hold_reason="card is out", hold_since=RECEIVED_AT, hold_do="tongguan release m1"))

    assert page["hold"] == {"reason": "card is out", "since": "2026-11-18T19:06:40.000+08:00", "do": "tongguan release m1"}


@pytest.mark.parametrize(("language", "text", "status"), [("zh", "必填", "待初审"), ("en", "required", "awaiting review")])
def test_texts_are_in_the_account_s_language(language: str, text: str, status: str) -> None:
    message = submission("m1", State.REFUSED, faults=(Fault("NA-R05", "必填", "required", "/a", 12, "进口商"),))
    page = shown(message, language, document=document())

    assert page["faults"] == [
        {"code": "NA-R05", "severity": "error", "path": "/a", "line": 12, "label": "进口商", "message": text}
    ]
    assert page["business_status"] == {"code": "3", "text": status}


def test_an_unreadable_file_has_a_status_too() -> None:
    source = file_names.as_text("单.xml".encode("gb18030"))
    page = shown(submission("m1", State.REFUSED, type="", operation="", reference=None, source=source))

    assert (page["type"], page["operation"], page["file"]) == (None, None, "单.xml")


def test_characters_that_no_json_can_hold_are_no_error() -> None:
    assert shown(submission("m1", State.HELD, hold_reason="\ud800"))["state"] == "held"


def test_a_document_s_file_tells_its_messages_and_deadlines() -> None:
    messages = [submission("m1", State.ACCEPTED, deadline_at=1), submission("m2", State.SENT, deadline_at=RECEIVED_AT)]
    page = orjson.loads(
        document_status(
            document(),
            messages,
            [receipt("r1", "m1")],
            environment="test",
            language="zh",
            profile=OneStatus(),  # type: ignore[arg-type]
        )
    )

    assert [m["message_id"] for m in page["messages"]] == ["m1", "m2"]
    assert page["deadlines"] == [{"message_id": "m2", "operation": "declare", "at": "2026-11-18T19:06:40.000+08:00"}]
    assert (page["document"], page["numbers"], page["receipts"][0]["text"]) == ("PO/1", {"licence": "26AA000001"}, "入库成功")
