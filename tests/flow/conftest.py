"""A whole site for acceptance tests: a home, both authorities and the daemon, each in a process of its own.

Tests drop files and read what a user would read; each uses references of its own, so that they share one site.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import FINAL, Site, make_site, wait_until

__all__ = ["FINAL", "Site", "make_site", "wait_until"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One running site for all tests that leave it as they found it; authorities play in fast time."""
    made = make_site(tmp_path_factory.mktemp("site"))
    made.simulate("--fast")
    made.run()
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
