"""Faults on demand: each happens as its marker says, and the flow still comes to its end."""

import time

import pytest
from patience import wait_until
from signxml.exceptions import InvalidSignature

NA = "NA.application"
WHOLE = ["10", "20", "30", "40", "50", "52"]


@pytest.fixture
def declared(mofcom, fresh, application):
    """Make a declare with a marker: (Message-Id, bytes)."""
    return lambda marker: mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference(marker))


@pytest.mark.parametrize(("marker", "status"), [("!503=3", 503), ("!429=3", 429)])
def test_later_is_said_as_often_as_ordered(mofcom, declared, marker, status):
    message, body = declared(marker)

    replies = [mofcom.post(message, body) for _ in range(4)]

    assert [reply.status for reply in replies] == [status] * 3 + [202]
    assert [reply.headers.get("retry-after") for reply in replies] == ["1"] * 3 + [None]
    assert mofcom.read(replies[3].body).get("code") == "0"


def test_a_dropped_answer_was_stored(mofcom, tools, declared, codes):
    message, body = declared("!drop-answer")

    with pytest.raises(tools.LineBroken):
        mofcom.post(message, body)

    asked = mofcom.post_get(message)
    assert (asked.status, mofcom.read(asked.body).get("code")) == (200, "0")
    assert mofcom.post(message, body).body == asked.body
    assert codes(mofcom.until("52")) == WHOLE


def test_a_lost_message_was_not_stored(mofcom, tools, declared):
    message, body = declared("!lose=2")

    for _ in range(2):
        with pytest.raises(tools.LineBroken):
            mofcom.post(message, body)

    assert mofcom.post_get(message).status == 404
    assert mofcom.post(message, body).status == 202


def test_a_slow_answer_comes_late(mofcom, declared):
    message, body = declared("!slow=700ms")

    begin = time.monotonic()
    mofcom.post(message, body)

    assert time.monotonic() - begin > 0.7


def test_an_ordered_fault_is_a_signed_refusal(mofcom, declared, faults):
    reply = mofcom.post(*declared("!fault"))

    assert (reply.status, faults(mofcom.read(reply.body))[0][0]) == (400, "SIM-01")


@pytest.mark.parametrize("marker", ["!wrong-signature=technical", "!corrupt=technical"])
def test_a_spoilt_technical_receipt_is_whole_the_next_time(mofcom, declared, marker):
    message, body = declared(marker)

    first, again = mofcom.post(message, body), mofcom.post(message, body)

    with pytest.raises(InvalidSignature):
        mofcom.read(first.body)
    assert mofcom.read(again.body).get("code") == "0"


@pytest.mark.parametrize("marker", ["!wrong-signature", "!corrupt"])
def test_a_spoilt_business_receipt_is_followed_by_a_whole_one(mofcom, declared, codes, marker):
    mofcom.post(*declared(marker))

    first = mofcom.poll(limit=1)[0]

    with pytest.raises(InvalidSignature):
        mofcom.read(first)
    assert codes(mofcom.until("52")) == WHOLE


def test_duplicates_come_twice_with_the_same_bytes(mofcom, declared, codes):
    mofcom.post(*declared("!duplicate"))

    bodies = mofcom.until_count(12)

    assert bodies[0::2] == bodies[1::2]
    assert codes([mofcom.read(body) for body in bodies[0::2]]) == WHOLE


def test_reordered_receipts_tell_the_true_time(mofcom, declared, codes):
    mofcom.post(*declared("!reorder"))

    receipts = [mofcom.read(body) for body in mofcom.until_count(6)]

    assert codes(receipts) == ["20", "10", "40", "30", "52", "50"]
    assert codes(sorted(receipts, key=lambda one: one.get("issued_at"))) == WHOLE


def test_markers_stand_side_by_side(mofcom, declared, codes):
    message, body = declared("!503=1!duplicate!stay=10")

    statuses = [mofcom.post(message, body).status for _ in range(2)]

    assert statuses == [503, 202]
    assert codes([mofcom.read(one) for one in mofcom.until_count(2)]) == ["10", "10"]


def test_rules_of_a_file_pick_messages(own_home, fresh, application, codes):
    home, begin, _ = own_home
    rules = home / "faults.toml"
    rules.write_text('[[fault]]\nmarker = "return"\nauthority = "mofcom"\nreference = "PICK-*"\n')
    mofcom = begin("--faults", str(rules)).client("mofcom")

    mofcom.send(NA, "declare", application(fresh.application()), reference="PICK-1")
    picked = mofcom.until("21", "52")
    mofcom.send(NA, "declare", application(fresh.application()), reference="LEAVE-1")

    assert codes(picked) == ["10", "21"]
    assert codes(mofcom.until("21", "52")) == WHOLE


def test_rules_may_be_replaced_while_it_runs_with_the_token_only(own_home, tools, fresh, application, faults):
    home, begin, _ = own_home
    mofcom = begin().client("mofcom")
    line = next(line for line in (home / "simulators" / "simulators.toml").read_text().splitlines() if "admin_token" in line)
    token = {"Authorization": f"Bearer {line.split(chr(34))[1]}"}
    place, rule = f"{mofcom.base}/v1/admin/faults", b'[[fault]]\nmarker = "fault"\n'

    refused = tools.call("PUT", place, rule, {"Authorization": "Bearer guess"}).status
    untouched = mofcom.send(NA, "declare", application(fresh.application()), reference="A")[0]
    wrong = tools.call("PUT", place, b"[[fault]]\nmarkers = 1\n", token).status
    taken = tools.call("PUT", place, rule, token).status

    assert (refused, untouched, wrong, taken) == (401, 202, 400, 204)
    assert faults(mofcom.send(NA, "declare", application(fresh.application()), reference="B")[1])[0][0] == "SIM-01"


def test_an_outage_answers_nothing_and_ends(own_home, tools):
    home, begin, _ = own_home
    rules = home / "faults.toml"
    rules.write_text('[[outage]]\nauthority = "customs"\nlasts = "1h"\n[[outage]]\nauthority = "ministries"\nlasts = "1s"\n')
    running = begin("--faults", str(rules))

    def health(authority):
        return tools.call("GET", f"http://127.0.0.1:{running.ports[authority]}/v1/health").status

    wait_until(lambda: health("ministries") == 200, "the short outage to end")

    assert (health("mofcom"), health("customs")) == (200, 503)


def test_a_licence_is_sent_again_when_customs_could_not_be_reached(own_home, tools, fresh, application, codes):
    home, begin, _ = own_home
    rules = home / "faults.toml"
    rules.write_text('[[outage]]\nauthority = "customs"\nlasts = "3s"\n')
    mofcom = begin("--faults", str(rules)).client("mofcom")

    mofcom.send(NA, "declare", application(fresh.application()), reference="A")
    told = codes(mofcom.until("52"))

    assert told[:6] == ["10", "20", "30", "40", "50", "51"]
    assert (set(told[6:-1]) <= {"51"}, told[-1]) == (True, "52")
