"""What the HTTPS route makes of each answer and of each kind of bad manners."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from datetime import timedelta
from email.utils import formatdate

import pytest
from patience import STILL, here, wait_until
from tongues import in_both_languages

from tongguan.gateway.model.errors import Deferred
from tongguan.routes.reply import LONGEST_RETRY_AFTER, retry_after

ONE = ("0198-1-1", b"<Package/>")


def send(route):
    reply = route.send_many([ONE])[0]
    assert reply.kind == "receipt" or in_both_languages(reply.why), reply.why
    return reply


@pytest.fixture
def route(new_route, endpoint):
    return new_route(f"http://127.0.0.1:{endpoint.port}")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<Receipt/>", "receipt"),
        (202, b"<Receipt/>", "receipt"),
        (202, b"", "lost"),
        (204, b"", "lost"),
        (400, b"<Receipt/>", "receipt"),
        (422, b"<Receipt/>", "receipt"),
        (401, b"", "later"),
        (404, b"", "later"),
        (413, b"", "later"),
        (429, b"<Receipt/>", "later"),
        (500, b"<Receipt/>", "lost"),
        (502, b"", "lost"),
        (503, b"", "lost"),
        (504, b"", "lost"),
        (301, b"", "lost"),
    ],
)
def test_the_status_of_an_answer_decides(route, endpoint, behaviours, status, body, kind):
    endpoint.behave[""] = behaviours.answer(status, body)

    reply = send(route)

    assert (kind, status) == (reply.kind, reply.status)
    assert (body if kind == "receipt" else None) == reply.receipt


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, b"", "lost"), (404, b"<html/>", "unknown"), (429, b"", "later"), (500, b"", "lost"), (403, b"<Receipt/>", "lost")],
)
def test_only_a_404_says_that_a_message_was_never_seen(route, endpoint, behaviours, status, body, kind):
    endpoint.behave[""] = behaviours.answer(status, body)

    assert kind == route.ask("0198-1-1").kind


@pytest.mark.parametrize("status", [429, 503])
def test_a_wished_pause_is_told(route, endpoint, behaviours, status):
    endpoint.behave[""] = behaviours.answer(status, Retry_After="120")

    reply = send(route)

    assert ("later", timedelta(minutes=2)) == (reply.kind, reply.retry_after)


def test_a_wished_pause_is_read_as_seconds_or_date_and_bounded():
    assert timedelta(seconds=3) == retry_after(" 3 ")
    assert timedelta(0) == retry_after("Fri, 20 Nov 2020 10:00:00 GMT")
    assert timedelta(seconds=50) < retry_after(formatdate(time.time() + 60, usegmt=True)) <= timedelta(seconds=60)
    assert LONGEST_RETRY_AFTER == retry_after("9" * 400) == retry_after("Fri, 20 Nov 9999 10:00:00 GMT")
    assert None is retry_after(None) is retry_after("soon") is retry_after("-5") is retry_after("")


@pytest.mark.parametrize("manners", ["talk_garbage", "break_off_in_the_answer", "drip_without_end", "pour_without_end"])
def test_whatever_is_no_whole_answer_is_a_doubt(route, endpoint, behaviours, manners):
    endpoint.behave[ONE[0]] = getattr(behaviours, manners)
    began = time.monotonic()

    assert send(route).kind == "lost"
    assert time.monotonic() - began < here(STILL)


def test_an_answer_in_slow_pieces_is_put_together(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.answer_in_pieces

    assert send(route).receipt == b'<Receipt message="0198-1-1"/>'


def test_an_endless_answer_is_cut_off_after_eight_megabytes(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.pour_without_end

    send(route)

    assert 4_000_000 < endpoint.poured < 24_000_000  # what lies in socket buffers comes on top


def test_an_answer_that_announces_too_much_is_not_read(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.answer(202, Content_Length="8000001")

    reply = send(route)

    assert (reply.kind, reply.why) == ("lost", "应答超过 8000000 字节\nanswered more than 8000000 bytes")


def test_a_redirect_is_not_followed(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.answer(307, Location=f"http://127.0.0.1:{endpoint.port}/v1/messages")

    assert send(route).kind == "lost"
    assert len(endpoint.requests) == 1


def test_a_packed_answer_is_not_unpacked(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.answer(202, b"\x1f\x8b\x08", Content_Encoding="gzip")

    assert send(route).kind == "lost"


def test_cookies_are_not_kept(route, endpoint, behaviours):
    endpoint.behave[ONE[0]] = behaviours.answer(202, b"<Receipt/>", Set_Cookie="session=1; Path=/")

    send(route)
    send(route)

    assert "cookie" not in endpoint.requests[1].headers


def test_proxies_of_the_environment_are_not_asked(route, endpoint, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert send(route).kind == "receipt"


def test_requests_carry_id_type_and_token(new_route, endpoint, tmp_path):
    (tmp_path / "token").write_text("s3cr3t\n")

    send(new_route(f"http://127.0.0.1:{endpoint.port}", token="file:token"))

    headers = endpoint.requests[0].headers
    assert tuple(headers[name] for name in ("message-id", "content-type", "authorization", "accept-encoding")) == (
        "0198-1-1",
        "application/xml",
        "Bearer s3cr3t",
        "identity",
    )


@pytest.mark.parametrize(
    ("begins", "kind"),
    [
        ("<Package>", "application/xml"),
        ("0", "application/xml"),
        ("3080" + "06092a864886f70d010702" + "a080", "application/pkcs7-mime; smime-type=signed-data"),
        ("30820fa0" + "06092a864886f70d010703" + "a0820f91", "application/pkcs7-mime; smime-type=enveloped-data"),
        ("30820fa0" + "06092a864886f70d010701" + "a0820f91", "application/xml"),
    ],
)
def test_the_content_type_tells_the_form_of_the_body(route, endpoint, begins, kind):
    body = bytes.fromhex(begins) if begins.startswith("30") else begins.encode()

    route.send_many([("0198-1-1", body)])
    route.query_many([("0198-2-1", body)])

    assert [each.headers["content-type"] for each in endpoint.requests] == [kind, kind]


def test_requests_go_below_the_path_of_the_address(new_route, endpoint):
    send(new_route(f"http://127.0.0.1:{endpoint.port}/gateway/"))

    assert endpoint.requests[0].target == "/gateway/v1/messages"


def test_an_id_is_one_segment_of_the_path(route, endpoint):
    endpoint.stored["a/../b?c d#关"] = b""

    assert route.ask("a/../b?c d#关").kind == "receipt"
    assert endpoint.requests[0].target == "/v1/messages/a%2F..%2Fb%3Fc%20d%23%E5%85%B3"


@pytest.mark.parametrize("wire_id", ["", ".", ".."])
def test_what_cannot_be_an_id_is_not_asked_for(route, wire_id):
    with pytest.raises(ValueError, match="no message id"):
        route.ask(wire_id)


def test_an_id_that_no_header_can_carry_is_not_sent(route, endpoint):
    replies = route.send_many([("a\r\nEvil: 1", b"<Package/>"), ONE])

    assert [reply.kind for reply in replies] == ["later", "receipt"]
    assert [ONE[0]] == list(endpoint.stored)


def test_no_more_are_in_flight_than_set(new_route, endpoint, behaviours):
    route = new_route(f"http://127.0.0.1:{endpoint.port}", in_flight=4, timeout=f"{here(5):.1f}s")
    endpoint.behave[""] = behaviours.take_once(4)

    threads = [threading.Thread(target=route.send_many, args=([(f"{t}-{n}", b"x") for n in range(4)],)) for t in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(endpoint.stored), endpoint.most_at_once) == (12, 4)


def test_a_narrow_line_forgets_nobody(new_route, endpoint):
    route = new_route(f"http://127.0.0.1:{endpoint.port}", in_flight=1, timeout=f"{here(5):.1f}s")
    kinds = []

    def work(t):
        kinds.extend(route.submit(f"{t}-{n}", b"x").result(here(STILL)).kind for n in range(100))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kinds == ["receipt"] * 400
    assert endpoint.most_at_once == 1


def test_whatever_joins_while_the_wire_stops_is_settled(new_route, endpoint, wire):
    route = new_route(f"http://127.0.0.1:{endpoint.port}", in_flight=4, timeout=f"{here(5):.1f}s")
    stopped, kinds = threading.Event(), []

    def work(t):
        for n in itertools.count():
            last = stopped.is_set()
            kinds.append(route.submit(f"{t}-{n}", b"x").result(here(STILL)).kind)
            if last:
                break

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: "receipt" in kinds, "the first answer")
    wire.stop()
    stopped.set()
    for thread in threads:
        thread.join()

    assert {"receipt", "later"} <= set(kinds) <= {"receipt", "lost", "later"}
    assert kinds.count("receipt") <= len(endpoint.stored) <= kinds.count("receipt") + kinds.count("lost")


def test_a_slow_answer_does_not_empty_the_line(new_route, endpoint, behaviours):
    route = new_route(f"http://127.0.0.1:{endpoint.port}", in_flight=2, timeout=f"{here(STILL):.1f}s")
    endpoint.behave["slow"] = behaviours.take_when(let_go := threading.Event())
    slow = route.submit("slow", b"x")

    replies = route.send_many([(str(n), b"x") for n in range(100)])

    assert {"receipt"} == {reply.kind for reply in replies}
    assert not slow.done()
    let_go.set()
    assert slow.result(here(STILL)).kind == "receipt"


def test_connections_are_kept(route, endpoint):
    for _ in range(20):
        send(route)

    assert endpoint.connections == 1


def test_many_threads_each_get_their_own_replies(route, endpoint):
    found = {}

    def work(t):
        found[t] = [route.submit(f"{t}-{n}", b"x").result(here(STILL)).receipt for n in range(50)]

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {t: [f'<Receipt kind="technical" message="{t}-{n}"/>'.encode() for n in range(50)] for t in range(8)} == found


def test_an_address_where_nobody_answers_the_call_is_not_sent_to(new_route):
    # a listening socket whose queue is full takes no further connection
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        time.sleep(0.1)
        reply = send(new_route(f"http://127.0.0.1:{deaf.getsockname()[1]}"))

    assert reply.kind == "later"


def test_a_name_that_does_not_exist_is_not_sent_to(new_route):
    assert send(new_route("http://nowhere.invalid")).kind == "later"


def test_a_page_that_is_too_large_comes_in_smaller_pieces(route, endpoint):
    endpoint.issued = [bytes([65 + n]) * 1_500_000 for n in range(6)]

    page = route.receipts("1", "", 6, timedelta(0))

    assert (endpoint.issued[:1], "1") == (list(page.receipts), page.next)


def test_a_receipt_that_is_not_packed_as_agreed_stops_no_other(route, endpoint, behaviours):
    endpoint.behave[""] = behaviours.answer(200, b'{"receipts": ["PFJlY2VpcHQvPg==", "<Receipt/>", {"a": 1}], "next": "3"}')

    assert route.receipts("1", "", 10, timedelta(0)).receipts == (b"<Receipt/>", b"<Receipt/>", b'{"a":1}')


@pytest.mark.parametrize(
    "page",
    [
        *(b"", b"[]", b"<html/>", b'{"receipts": []}', b'{"receipts": {}, "next": "1"}', b'{"receipts": [], "next": 1}'),
        b'{"receipts": [' + b'"",' * 1000 + b'""], "next": "1"}',
        b'{"receipts": [], "next": "' + b"1" * 501 + b'"}',
        b'{"receipts": [], "next": "1\\r\\n2"}',
    ],
    ids=range(9),
)
def test_what_is_no_page_defers(route, endpoint, behaviours, page):
    endpoint.behave[""] = behaviours.answer(200, page)

    with pytest.raises(Deferred, match="no page of receipts"):
        route.receipts("1", "", 10, timedelta(0))


def test_a_poll_tells_the_wished_pause(route, endpoint, behaviours):
    endpoint.behave[""] = behaviours.answer(503, Retry_After="9")

    with pytest.raises(Deferred) as deferred:
        route.receipts("1", "", 10, timedelta(0))

    assert timedelta(seconds=9) == deferred.value.after
