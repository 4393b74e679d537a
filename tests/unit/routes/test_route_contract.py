"""What every route promises, on every transport."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from patience import STILL, here, wait_until
from tongues import in_both_languages

from tongguan.gateway.model.errors import Deferred

NOW = timedelta(0)


def message(n: int) -> tuple[str, bytes]:
    return f"0198-{n}-1", f"<Package>{n}</Package>".encode()


def technical(wire_id: str) -> bytes:
    return f'<Receipt kind="technical" message="{wire_id}"/>'.encode()


def test_a_message_brings_its_receipt(kit):
    reply = kit.route.send_many([message(1)])[0]

    assert ("receipt", technical("0198-1-1")) == (reply.kind, reply.receipt)
    assert kit.endpoint.stored == {"0198-1-1": b"<Package>1</Package>"}


def test_sixty_four_messages_get_each_its_own_receipt_in_order(kit):
    replies = kit.route.send_many([message(n) for n in range(64)])

    assert [technical(f"0198-{n}-1") for n in range(64)] == [reply.receipt for reply in replies]
    assert dict(message(n) for n in range(64)) == kit.endpoint.stored


def test_no_items_are_no_replies(kit):
    assert kit.route.send_many([]) == []


def test_a_body_of_several_megabytes_arrives_whole(kit):
    body = bytes(range(256)) * 20_000

    assert kit.route.send_many([("big-1", body)])[0].kind == "receipt"
    assert body == kit.endpoint.stored["big-1"]


def test_a_future_brings_the_reply_of_its_message(kit):
    futures = [kit.route.submit(*message(n)) for n in range(40)]

    assert [technical(f"0198-{n}-1") for n in range(40)] == [future.result(here(STILL)).receipt for future in futures]


def test_a_stored_message_is_known_when_asked(kit):
    kit.route.send_many([message(1)])

    reply = kit.route.ask("0198-1-1")

    assert ("receipt", technical("0198-1-1")) == (reply.kind, reply.receipt)


def test_a_message_never_sent_is_unknown_when_asked(kit):
    assert kit.route.ask("0198-1-1").kind == "unknown"


def test_a_query_brings_a_receipt(kit):
    reply = kit.route.query_many([("0198-9-1", b"<Package/>")])[0]

    assert ("receipt", technical("0198-9-1")) == (reply.kind, reply.receipt)


def test_a_closed_door_means_that_nothing_was_sent(kit):
    kit.endpoint.stop()

    reply = kit.route.send_many([message(1)])[0]
    assert reply.kind == "later" and in_both_languages(reply.why)
    assert kit.endpoint.stored == {}


def test_a_door_closed_between_two_messages_never_sounds_like_a_sent_message(kit):
    kit.route.send_many([message(1)])
    kit.endpoint.stop()

    assert kit.route.send_many([message(2)])[0].kind in ("later", "lost")
    assert kit.route.send_many([message(3)])[0].kind == "later"


def test_a_lost_answer_leaves_a_doubt_that_asking_ends(kit, behaviours):
    kit.endpoint.behave["0198-1-1"] = behaviours.drop_after_storing

    assert kit.route.send_many([message(1)])[0].kind == "lost"
    assert kit.route.ask("0198-1-1").kind == "receipt"


def test_a_message_lost_on_the_way_is_unknown_when_asked(kit, behaviours):
    kit.endpoint.behave["0198-1-1"] = behaviours.drop_unstored

    assert kit.route.send_many([message(1)])[0].kind == "lost"
    assert kit.route.ask("0198-1-1").kind == "unknown"


def test_silence_is_a_doubt_after_the_time_out(kit, behaviours):
    kit.endpoint.behave["0198-1-1"] = behaviours.store_and_be_silent
    began = time.monotonic()

    assert kit.route.send_many([message(1)])[0].kind == "lost"
    assert 0.9 <= time.monotonic() - began < here(STILL)


def test_an_endpoint_that_is_busy_says_when_to_come_again(kit, behaviours):
    kit.endpoint.behave["0198-1-1"] = behaviours.answer(503, Retry_After="7")

    reply = kit.route.send_many([message(1)])[0]

    assert ("later", timedelta(seconds=7)) == (reply.kind, reply.retry_after)


def test_one_bad_message_harms_no_other(kit, behaviours):
    kit.endpoint.behave["0198-3-1"] = behaviours.drop_unstored
    kit.endpoint.behave["0198-5-1"] = behaviours.store_and_be_silent

    kinds = [reply.kind for reply in kit.route.send_many([message(n) for n in range(8)])]

    assert kinds == ["receipt"] * 3 + ["lost", "receipt", "lost", "receipt", "receipt"]


def test_receipts_come_in_pages_behind_a_cursor(kit):
    kit.endpoint.issued = [b"<Receipt>%d</Receipt>" % n for n in range(5)]

    first = kit.route.receipts("2102960001", "", 3, NOW)
    second = kit.route.receipts("2102960001", first.next, 3, NOW)
    third = kit.route.receipts("2102960001", second.next, 3, NOW)

    assert (kit.endpoint.issued[:3], kit.endpoint.issued[3:]) == (list(first.receipts), list(second.receipts))
    assert ((), second.next) == (third.receipts, third.next)


def test_a_receipt_issued_while_we_wait_comes_at_once(kit):
    longest = here(STILL)
    began = time.monotonic()
    page = kit.route.call(kit.route.poll("2102960001", "", limit=10, wait=timedelta(seconds=longest)))
    time.sleep(0.2)
    kit.endpoint.issued.append(b"<Receipt/>")

    assert page.result(2 * longest).receipts == (b"<Receipt/>",)
    assert time.monotonic() - began < longest


def test_polling_a_closed_door_defers_and_closes_the_lane(kit):
    kit.endpoint.stop()

    with pytest.raises(Deferred) as deferred:
        kit.route.receipts("2102960001", "", 10, NOW)

    assert (deferred.value.waiting_for, deferred.value.closes) == ("route", "route:customs")


def test_health_follows_the_endpoint(kit):
    assert kit.route.healthy()

    kit.endpoint.stop()

    assert not kit.route.healthy()


def test_stopping_the_wire_settles_what_hangs_and_what_waits(kit, wire, behaviours):
    kit.endpoint.behave[""] = behaviours.store_and_be_silent
    futures = [kit.route.submit(*message(n)) for n in range(20)]
    wait_until(lambda: len(kit.endpoint.stored) == 16, "all that fit to be on their way")
    began = time.monotonic()
    wire.stop()

    assert [future.result(0).kind for future in futures] == ["lost"] * 16 + ["later"] * 4
    assert time.monotonic() - began < here(1)


def test_after_the_stop_nothing_is_sent_any_more(kit, wire):
    wire.stop()

    assert kit.route.send_many([message(1)])[0].kind == "later"
    assert kit.route.submit(*message(2)).result(here(STILL)).kind == "later"
    assert kit.route.ask("0198-1-1").kind == "later"
    assert not kit.route.healthy()
    assert kit.endpoint.stored == {}
