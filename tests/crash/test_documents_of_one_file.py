"""The process stops at every commit while several documents come of one file, or go with one: all of them, or none."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from endpoint import Place, site_with_endpoints
from patience import Patience
from rounds import turn
from sites import Site, pulse
from test_every_step import Crash, abandon
from volumes import FILING, goods, message, write_volumes
from workshop import alone

from tongguan.gateway.daemon import assembly
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files

KEYS = ("v", "v-2", "v-3")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A home that is copied for each try, its authorities in the test's hands."""
    monkeypatch.setattr(assembly, "load_profiles", partial(alone, write_volumes(tmp_path / "types")))
    made = site_with_endpoints(tmp_path, card="software")
    yield made
    files.crash_point = lambda place: None
    for endpoint in made[1:]:
        endpoint.down()


def until_answered(daemon: Daemon, site: Site, answers: int) -> None:
    """Rounds until there are so many answers, and nothing is left to do."""
    patience = Patience(moves=lambda: pulse(site.home))
    while len(site.inbox("Successed_")) < answers or turn(daemon):
        turn(daemon)
        assert not patience.over(), f"{patience}: {[p.name for p in site.inbox('')]}"


def crashes_at(n: int, site: Site, answers: int) -> bool:
    """Run the gateway up to the nth commit; False when it came to the end of its work before."""
    commits = itertools.count(1)

    def point(place: str) -> None:
        if place == "commit" and next(commits) == n:
            raise Crash(place)

    files.crash_point = point
    daemon = None
    try:
        daemon = Daemon(site.home)
        until_answered(daemon, site, answers)
    except Crash:
        files.crash_point = lambda place: None
        if daemon is not None:
            abandon(daemon)
        return True
    files.crash_point = lambda place: None
    daemon.stop()
    return False


def documents(home: Path, column: str = "status") -> list[tuple[str, Any]]:
    """Key and status, or another column, of the documents that are written."""
    with closing(sqlite3.connect(f"file:{home}/tongguan.db?mode=ro", uri=True)) as base:
        return sorted(base.execute(f"SELECT key, {column} FROM document").fetchall())


@pytest.mark.long
@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("CD-03")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("operation", "status"), [("save", "draft"), ("declare", "declared")])
def test_a_crash_at_any_commit_leaves_all_documents_of_a_file_or_none(
    place: Place, tmp_path: Path, operation: str, status: str
) -> None:
    _, mofcom, _ = place
    partly = set[int]()
    for n in itertools.count(1):
        home = tmp_path / f"home-{n}"
        shutil.copytree(place[0].home, home)
        site, sent = Site(home), len(mofcom.calls)
        site.drop(message(operation, "v", goods("abcdefg")), name="file.xml")
        answers = len(KEYS) if operation == "declare" else 1
        crashed = crashes_at(n, site, answers)
        partly.add(len(documents(home)))
        again = Daemon(home)
        until_answered(again, site, answers)
        verdict = again.journal.verify()
        again.stop()

        assert (documents(home), verdict.broken) == ([(key, status) for key in KEYS], None), f"after commit {n}"
        posts = [(call.reference, call.message_id) for call in mofcom.calls[sent:] if call.what == "post"]
        wanted = KEYS if operation == "declare" else ()
        assert sorted(reference for reference, _ in set(posts)) == sorted(wanted), f"after commit {n}"
        assert len(site.inbox("Successed_")) == answers
        shutil.rmtree(home)
        if not crashed:
            break
    assert partly == {0, len(KEYS)}
    assert n > 3


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("CD-02")
@pytest.mark.timeout(900)
def test_a_crash_at_any_commit_deletes_all_that_goes_together_or_nothing(place: Place, tmp_path: Path) -> None:
    before = Daemon(place[0].home)
    place[0].drop(message("save", "f", "<Title>t</Title>", type_=FILING))
    place[0].drop(message("save", "v", "<FilingNo>f</FilingNo>" + goods("abcd")))
    until_answered(before, place[0], 2)
    before.stop()
    partly = set[int]()
    for n in itertools.count(1):
        home = tmp_path / f"home-{n}"
        shutil.copytree(place[0].home, home)
        site = Site(home)
        site.drop(message("delete", "d", document="f", type_=FILING), name="file.xml")
        crashed = crashes_at(n, site, 3)
        partly.add(sum(deleted for _, deleted in documents(home, "deleted")))
        again = Daemon(home)
        until_answered(again, site, 3)
        verdict = again.journal.verify()
        again.stop()

        assert (documents(home, "deleted"), verdict.broken) == ([("f", 1), ("v", 1), ("v-2", 1)], None), f"after commit {n}"
        shutil.rmtree(home)
        if not crashed:
            break
    assert partly == {0, 3}
