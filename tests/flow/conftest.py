"""A whole site for acceptance tests: a home, both authorities and the daemon, each in a process of its own.

Tests drop files and read what a user would read; each uses references of its own, so that they share one site.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint import Place, site_with_endpoints
from receipt_desk import Desk
from sites import FINAL, GUARDED, Site, make_site, wait_until
from workshop import Workshop, open_workshop, write_types

__all__ = ["FINAL", "Site", "make_site", "wait_until"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One running site for all tests that leave it as they found it; authorities play in fast time."""
    made = make_site(tmp_path_factory.mktemp("site"))
    made.simulate("--fast")
    made.run(GUARDED)  # started anew: a decision that loads a module is noted
    yield made
    for name in list(made.processes):
        made.stop(name)


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A home of the test's own, not running yet: for tests that stop, break or re-configure things."""
    made = make_site(tmp_path)
    yield made
    for name in list(made.processes):
        made.stop(name, kill=True)


@pytest.fixture
def fast_site(tmp_path: Path) -> Iterator[Site]:
    """As `own_site`, and a day of its business lasts a second."""
    made = make_site(tmp_path, speed=86_400)
    yield made
    for name in list(made.processes):
        made.stop(name, kill=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A gateway, not running yet, with authorities that the test can break."""
    made = site_with_endpoints(tmp_path)
    yield made
    site, mofcom, customs = made
    for name in list(site.processes):
        site.stop(name, kill=True)
    mofcom.down()
    customs.down()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A running gateway whose MOFCOM says what the test wants; each test declares documents of its own."""
    site, mofcom, customs = site_with_endpoints(tmp_path_factory.mktemp("desk"))
    site.run()
    yield Desk(site, mofcom)
    site.stop("run")
    mofcom.down()
    customs.down()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway with document types that are made for tests."""
    made = open_workshop(tmp_path, monkeypatch, types=write_types(tmp_path / "types"))
    yield made
    made.end()
