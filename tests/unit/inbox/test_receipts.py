"""The receipt door, driven through a real route against a real server."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from patience import STILL, here, wait_until
from rounds import poll_once
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Place

from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.settings import Route
from tongguan.inbox.receipts import LONGEST_PAUSE_SECONDS, ReceiptDoor, pause_seconds
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.https import HttpsRoute

CODES = {"demo": "2102960001", "other": "2102960002"}


class Authority:
    """Issues receipts by account code; long polls; says `trouble` instead while it is set."""

    def __init__(self) -> None:
        self.issued: dict[str, list[bytes]] = {code: [] for code in CODES.values()}
        self.trouble: dict[str, Response] = {}
        self.asked: list[tuple[str, str, float]] = []
        self.waits = True
        self.circle = 0  #: so many cursors, each followed by the next and the last by the first; at each the same receipts

    async def receipts(self, request: Request) -> Response:
        asked = request.query_params
        code, after = asked["account"], asked["after"]
        self.asked.append((code, after, time.monotonic()))
        if code in self.trouble:
            return self.trouble[code]
        if self.circle:
            following = (int(after or 0) + 1) % self.circle
            return JSONResponse({"receipts": [base64.b64encode(b"again").decode()], "next": str(following)})
        start, until = int(after or 0), time.monotonic() + int(asked["wait"])
        while self.waits and not self.issued[code][start:] and time.monotonic() < until:
            await asyncio.sleep(0.01)
        some = self.issued[code][start : start + int(asked["limit"])]
        return JSONResponse({"receipts": [base64.b64encode(one).decode() for one in some], "next": str(start + len(some))})


class Journal:
    """Keeps receipts and cursors together, as the real one does in one transaction; `broken` makes it fail."""

    def __init__(self) -> None:
        self.cursors: dict[str, str] = {}
        self.kept: dict[str, list[bytes]] = {name: [] for name in CODES}
        self.pages: list[tuple[str, str, str, int]] = []
        self.told: list[str] = []
        self.broken: Exception | None = None
        self.slow_seconds = 0.0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.busy: set[str] = set()
        self.lock = threading.Lock()

    def cursor(self, route: str, account: str) -> str:
        return self.cursors.get(account, "")

    def deliver(self, route: str, account: str, receipts: list[bytes], after: str, following: str) -> None:
        with self.lock:
            assert account not in self.busy, "two pages of one account at once"
            self.busy.add(account)
        time.sleep(self.slow_seconds)
        assert self.goes_on.wait(here(STILL))
        with self.lock:
            self.busy.discard(account)
            if self.broken:
                raise self.broken
            self.kept[account] += receipts
            self.cursors[account] = following
            self.pages.append((route, account, after, len(receipts)))

    def on_trouble(self, route: str, why: str) -> None:
        self.told.append(f"trouble: {why}")

    def on_well(self, route: str) -> None:
        self.told.append("well")


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def authority():
    authority = Authority()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        app = Starlette(routes=[Place("/v1/receipts", authority.receipts)])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        authority.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        authority.server = server
        authority.thread = thread
        yield authority
        server.should_exit = server.force_exit = True
        thread.join(here(STILL))


@pytest.fixture
def wire():
    with EventLoop() as wire:
        yield wire


@pytest.fixture
def route(authority, wire):
    return HttpsRoute(
        "customs",
        Route(environment="test", url=authority.url, certificates=(), timeout=f"{here(2):.1f}s"),
        Path("/"),
        wire,
    )


@pytest.fixture
def new_door(route, journal):
    doors = []

    def make(accounts=CODES, wait=timedelta(seconds=20), **more):
        doors.append(ReceiptDoor(route, accounts, journal, wait=wait, **more))
        return doors[-1]

    yield make
    for door in doors:
        door.stop()


def until(true):
    """Wait for what another thread brings about; fails when it never comes."""
    wait_until(true, "what another thread brings about")


def numbered(count):
    return [b"<Receipt>%d</Receipt>" % n for n in range(count)]


def test_one_poll_delivers_one_page_of_each_account(authority, journal, new_door):
    authority.issued = {"2102960001": numbered(3), "2102960002": numbered(1)}

    delivered = poll_once(new_door())

    assert delivered == 4
    assert journal.kept == {"demo": numbered(3), "other": numbered(1)}
    assert journal.pages == [("customs", "demo", "", 3), ("customs", "other", "", 1)]


def test_the_next_poll_goes_on_behind_the_cursor(authority, journal, new_door):
    authority.issued["2102960001"] = numbered(5)
    door = new_door({"demo": "2102960001"}, limit=2)

    delivered = [poll_once(door) for _ in range(4)]

    assert delivered == [2, 2, 1, 0]
    assert journal.kept["demo"] == numbered(5)


def test_one_poll_of_an_endpoint_that_is_down_defers(authority, new_door):
    authority.server.should_exit = True
    authority.thread.join(here(STILL))

    with pytest.raises(Deferred):
        poll_once(new_door())


def test_all_receipts_of_all_accounts_come_in_order(authority, journal, new_door):
    authority.issued = {code: numbered(250) for code in CODES.values()}
    new_door(limit=20).start()

    until(lambda: all(len(kept) == 250 for kept in journal.kept.values()))

    assert journal.kept == {"demo": numbered(250), "other": numbered(250)}


def test_a_receipt_issued_later_comes_at_once(authority, journal, new_door):
    new_door().start()
    until(lambda: len(authority.asked) == 2)
    began = time.monotonic()
    authority.issued["2102960002"].append(b"<Receipt/>")

    until(lambda: journal.kept["other"])

    assert time.monotonic() - began < here(0.5)


def test_a_page_that_was_not_journaled_is_fetched_again(authority, journal, new_door):
    authority.issued["2102960001"] = numbered(2)
    journal.broken = OSError("disk full")
    new_door({"demo": "2102960001"}).start()
    until(lambda: journal.told)
    journal.broken = None

    until(lambda: journal.kept["demo"])

    assert journal.kept["demo"] == numbered(2)
    assert journal.told[0] == "trouble: OSError: disk full"


def test_a_slow_journal_is_never_given_two_pages_of_an_account_at_once(authority, journal, new_door):
    authority.issued["2102960001"] = numbered(10)
    journal.slow_seconds = 0.05
    new_door({"demo": "2102960001"}, limit=2).start()

    until(lambda: len(journal.kept["demo"]) == 10)

    assert journal.kept["demo"] == numbered(10)


def test_a_slow_journal_of_one_route_stops_nothing_else_on_the_wire(authority, journal, new_door, wire):
    authority.issued["2102960001"] = numbered(1)
    journal.goes_on.clear()
    new_door({"demo": "2102960001"}).start()
    until(lambda: journal.busy)

    wire.call(asyncio.sleep(0)).result(here(STILL))

    assert journal.busy
    journal.goes_on.set()


def test_a_cursor_that_was_set_back_is_followed(authority, journal, new_door):
    authority.issued["2102960001"] = numbered(2)
    door = new_door({"demo": "2102960001"})
    poll_once(door)
    journal.cursors["demo"] = "1"

    poll_once(door)

    assert journal.kept["demo"] == [*numbered(2), numbered(2)[1]]


def test_trouble_is_told_once_and_well_when_it_is_over(authority, journal, new_door):
    authority.trouble["2102960001"] = Response(status_code=500)
    new_door({"demo": "2102960001"}).start()
    until(lambda: len(authority.asked) >= 3)
    authority.trouble.clear()
    authority.issued["2102960001"] = numbered(1)

    until(lambda: "well" in journal.told)

    assert journal.told == ["trouble: 索取回执得到应答 500\nasked for receipts, answered 500", "well"]


def test_the_first_page_says_once_that_the_route_is_well(authority, journal, new_door):
    authority.issued = {code: numbered(30) for code in CODES.values()}
    new_door(limit=3).start()

    until(lambda: all(len(kept) == 30 for kept in journal.kept.values()))

    assert journal.told == ["well"]


def test_the_trouble_of_one_account_stops_no_other_and_keeps_the_route_from_being_well(authority, journal, new_door):
    authority.trouble["2102960001"] = Response(status_code=403)
    authority.issued["2102960002"] = numbered(1)
    trouble = "trouble: 索取回执得到应答 403\nasked for receipts, answered 403"
    new_door().start()
    until(lambda: trouble in journal.told and journal.kept["other"])
    authority.issued["2102960002"] = numbered(2)

    until(lambda: len(journal.kept["other"]) == 2)

    assert journal.kept["other"] == numbered(2)
    assert "well" not in journal.told[journal.told.index(trouble) :]


def test_a_wished_pause_is_kept(authority, new_door):
    authority.trouble["2102960001"] = Response(status_code=503, headers={"Retry-After": "2"})
    new_door({"demo": "2102960001"}).start()
    until(lambda: len(authority.asked) == 2)

    assert authority.asked[1][2] - authority.asked[0][2] >= 2


def test_an_endpoint_that_does_not_wait_is_not_asked_without_pause(authority, new_door):
    authority.waits = False
    new_door({"demo": "2102960001"}, wait=timedelta(seconds=30)).start()
    until(lambda: authority.asked)
    time.sleep(0.5)

    assert len(authority.asked) == 1


@pytest.mark.parametrize("cursors", [1, 2, 3, 1_000_000])
def test_an_endpoint_that_tells_the_same_again_under_other_cursors_is_not_asked_without_pause(
    authority, journal, new_door, cursors
):
    authority.circle = cursors
    new_door({"demo": "2102960001"}, wait=timedelta(seconds=30)).start()
    until(lambda: len(journal.pages) >= 2)
    time.sleep(0.5)

    assert len(authority.asked) == 2


def test_pauses_double_up_to_a_minute_and_differ():
    assert [pause_seconds(n, 0.0) for n in (1, 2, 3, 8, 9, 10_000)] == [0.5, 1.0, 2.0, 60.0, 60.0, 60.0]
    assert pause_seconds(3, 1.0) == 1.0
    assert pause_seconds(10**6, 0.5) < LONGEST_PAUSE_SECONDS


def test_the_door_stops_within_a_second_while_polls_wait(authority, new_door):
    door = new_door()
    door.start()
    until(lambda: len(authority.asked) == 2)
    began = time.monotonic()

    door.stop()

    assert time.monotonic() - began < here(1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("receipts-")]


def test_a_page_in_hand_is_delivered_before_the_door_has_stopped(authority, journal, new_door):
    authority.issued["2102960001"] = numbered(1)
    journal.slow_seconds = 0.3
    door = new_door({"demo": "2102960001"})
    door.start()
    until(lambda: journal.busy)

    door.stop()

    assert journal.kept["demo"] == numbered(1)
    assert journal.cursors["demo"] == "1"


def test_a_door_can_be_stopped_twice_and_after_the_wire(authority, new_door, wire):
    door = new_door()
    door.start()
    wire.stop()

    door.stop()
    door.stop()
