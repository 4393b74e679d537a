"""The process stops at every commit while messages wait for another document, and while they are woken: each goes once, or is refused."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint import Endpoint, site_with_endpoints
from other_types import write_other_types
from patience import Patience
from rounds import turn
from sites import Site, pulse
from test_every_step import Crash, abandon
from workshop import QUICK

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files

VOLUMES = ("v1", "v2", "v3")


@pytest.fixture(autouse=True)
def _no_crash_left() -> Iterator[None]:
    yield
    files.crash_point = lambda place: None


def crash_at_commit(n: int) -> list[str]:
    """End the process at the nth place, which is before or after a commit; the places passed so far."""
    passed: list[str] = []

    def point(place: str) -> None:
        if place in ("commit", "committed"):
            passed.append(place)
            if len(passed) >= n:  # nor is anything written on the way out
                raise Crash(place)

    files.crash_point = point
    return passed


def drop(site: Site, type_: str, reference: str, body: str) -> str:
    head = f'xmlns="urn:tongguan:{type_}:1" operation="declare" reference="{reference}"'
    return site.drop(f"<{type_} {head}>{body}</{type_}>", name=f"{reference}.xml")


def play(daemon: Daemon, site: Site, mofcom: Endpoint, code: str) -> None:
    """Rounds until every file has come to its end; the filing's verdict is given once volumes wait for it."""
    patience = Patience(moves=lambda: pulse(site.home))
    while not over(site):
        turn(daemon)
        waiting = [(site.status(f"{name}.xml") or {}).get("waiting_for") for name in VOLUMES]
        if waiting == ["other document"] * len(VOLUMES) and not mofcom.feed:
            mofcom.issue(mofcom.receipt(code=code, type="XX.filing", message=mofcom.wire_id("q")))
        assert not patience.over(), f"{waiting} {patience}"


def over(site: Site) -> bool:
    states = [(site.status(f"{name}.xml") or {}).get("state") for name in VOLUMES]
    return all(state in ("sent", "refused") for state in states)


@pytest.mark.long
@pytest.mark.requirement("CD-03")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("code", "state", "status"), [("A1", "sent", "已申报"), ("A2", "refused", "暂存")])
def test_a_crash_at_any_commit_of_a_wait_or_a_wake_up_leaves_each_message_done_once(
    tmp_path: Path, code: str, state: str, status: str
) -> None:
    for n in itertools.count(1):
        site, mofcom, customs = site_with_endpoints(tmp_path / str(n), settings=QUICK, card="software")
        daemon = begun(site, mofcom)
        passed = crash_at_commit(n)
        try:
            play(daemon, site, mofcom, code)
        except Crash:
            abandon(daemon)
            daemon = Daemon(site.home)
            play(daemon, site, mofcom, code)
        else:
            assert n > 12
            break
        finally:
            files.crash_point = lambda place: None
            verdict = daemon.journal.verify()
            daemon.stop()
            mofcom.down()
            customs.down()
        where = f"at commit {n}, {passed[n - 1]}"
        assert verdict.broken is None, (where, verdict)
        for name in VOLUMES:
            found = site.status(f"{name}.xml") or {}
            posted = {call.message_id for call in mofcom.posts(name)}
            assert (found["state"], len(posted)) == (state, int(state == "sent")), where
            assert (site.document("XX.volume", name) or {})["business_status"]["text"] == status, where
            assert [fault["message"] for fault in found["faults"]] == ["企业备案 q 不予备案"] * (state == "refused"), where
        shutil.rmtree(tmp_path / str(n))


def begun(site: Site, mofcom: Endpoint) -> Daemon:
    """A gateway whose filing the authority has, and volumes in its drop folder."""
    write_other_types(site.home / "profiles" / "mofcom")
    daemon = Daemon(site.home)
    drop(site, "XX.filing", "q", "<Port>5301</Port><Nature>1</Nature>")
    while not mofcom.posts("q"):
        turn(daemon)
    for name in VOLUMES:
        drop(site, "XX.volume", name, "<FilingNo>q</FilingNo><DecList><CodeTS>0101</CodeTS><GName>马</GName></DecList>")
    return daemon
