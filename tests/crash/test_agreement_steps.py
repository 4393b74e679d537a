"""The process stops at every commit of an amendment, and of a change of another document: both come to their end, once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agreement_desk import CHANGE, FILING, Office, filing, open_office
from endpoint import Call, Endpoint
from rounds import turn
from sites import Site, wait_until
from test_every_step import Crash, abandon

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files

KEY = "F-KEPT"
AMENDMENT = ("amend", FILING, ("S1", "R1", "B1", "B1"))
CHANGE_OF_IT = ("declare", CHANGE, ("R1", "A1", "A1"))
ROWS = "<Change><Place>Amount</Place><New>250</New></Change>"


@dataclass(frozen=True)
class Kept:
    """A home with an approved filing, which is copied for each try, and the authority of all of them."""

    office: Office
    number: str

    def copy(self, folder: Path) -> Site:
        shutil.copytree(self.office.shop.home, folder, ignore=shutil.ignore_patterns("*.log"))
        return Site(folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with open_office(tmp_path_factory.mktemp("kept")) as office:
        message = office.send(FILING, "declare", KEY, filing("100", code="C"))
        office.say(FILING, message, "A1", "<ValidUntil>2098-05-31</ValidUntil>")
        number = office.document(FILING, KEY)["numbers"]["own"]
        office.shop.stop()
        yield Kept(office, number)


@pytest.fixture(autouse=True)
def _no_crash_left() -> Iterator[None]:
    yield
    files.crash_point = lambda place: None


def crash_at_commit(n: int) -> list[str]:
    """End the process before the nth commit, counting also the moment behind each; the places passed so far."""
    passed: list[str] = []

    def point(place: str) -> None:
        if place.startswith("commit"):
            passed.append(place)
            if len(passed) == n:
                raise Crash(place)

    files.crash_point = point
    return passed


def answering(office: Office, type_: str, codes: tuple[str, ...]) -> Callable[[Endpoint, Call], Any]:
    """The authority's verdict comes with its technical receipt, or before it."""
    usual = Endpoint.answer

    def answer(endpoint: Endpoint, call: Call) -> Any:
        new = call.what == "post" and call.message_id not in endpoint.kept
        answered = usual(endpoint, call)
        if new and call.reference.startswith("crash-"):
            endpoint.issue(*(office.receipt(type_, {"reference": call.reference}, code) for code in codes))
        return answered

    return answer


def play(daemon: Daemon, site: Site, name: str) -> None:
    """Rounds until the message has ended, and nothing is left to do."""

    def over() -> bool:
        busy = turn(daemon)
        status = site.status(name)
        return not busy and status is not None and status["final"]

    wait_until(over, "the message to end")


@pytest.mark.long
@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("what", [AMENDMENT, CHANGE_OF_IT], ids=["an amendment", "a change"])
def test_a_crash_at_any_commit_leaves_the_content_that_was_agreed_to(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: tuple[str, str, tuple[str, ...]]
) -> None:
    operation, type_, codes = what
    changed = f"<Kind>1</Kind><FilingNo>{kept.number}</FilingNo>{ROWS}<Reason>x</Reason>"
    body, key = (filing("250", code="C"), KEY) if type_ == FILING else (changed, "X-1")
    monkeypatch.setattr(Endpoint, "answer", answering(kept.office, type_, codes))
    for n in itertools.count(1):
        site = kept.copy(tmp_path / f"home-{n}")
        reference = f"crash-{type_}-{n}"
        head = f'xmlns="urn:tongguan:{type_}:1" operation="{operation}" reference="{reference}" document="{key}"'
        name = site.drop(f"<{type_} {head}>{body}</{type_}>")
        passed = crashed(partial(play, site=site, name=name), site, n)
        again = Daemon(site.home)
        try:
            play(again, site, name)
            assert_agreed(again, site, name)
        finally:
            again.stop()
        shutil.rmtree(site.home)
        assert len(kept.office.shop.mofcom.kept) and len(sent(kept.office, reference)) == 1
        if not passed:
            break
    assert n > 10


def crashed(work: Callable[[Daemon], None], site: Site, n: int) -> list[str]:
    """Work up to the nth commit; the places passed, or none when the work came to its end."""
    passed = crash_at_commit(n)
    daemon = None
    try:
        daemon = Daemon(site.home)
        work(daemon)
    except Crash:
        files.crash_point = lambda place: None
        if daemon is not None:
            abandon(daemon)
        return passed
    files.crash_point = lambda place: None
    daemon.stop()
    return []


def sent(office: Office, reference: str) -> set[str]:
    """The wire ids under which the authority has a message."""
    return {call.message_id for call in office.shop.mofcom.posts(reference)}


def assert_agreed(daemon: Daemon, site: Site, name: str) -> None:
    def document() -> dict[str, Any]:
        turn(daemon)  # the file of the other document may be told of after that of the message
        return site.document(FILING, KEY) or {}

    found = wait_until(lambda: (shown := document()).get("body", {}).get("Amount") == "250" and shown, "what was agreed to")
    status = site.status(name)
    assert status is not None and status["state"] == "accepted" and not status.get("contradicted")
    assert (found["business_status"]["text"], found["pending"]) == ("审批通过", None)
    assert daemon.journal.verify().broken is None
