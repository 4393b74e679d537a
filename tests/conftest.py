"""What every test shares: property tests search as far on a busy machine as on an idle one; a test that hangs is ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import decided_again
import purity
import pytest
from hypothesis import HealthCheck, settings
from patience import yardstick

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

#: seconds of the reference machine after which a test hangs: those that wait for processes end their waits themselves, long before
HANGS, WAITING_HANGS = 60, 600
WAITING = {"flow", "crash"}


@pytest.fixture(scope="session", autouse=True)
def _guard(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("purity")
    os.environ[purity.FILE], os.environ[decided_again.ADDRESS] = str(folder / "impure"), str(folder / "again")
    purity.guard()


@pytest.fixture(autouse=True)
def _pure_decisions() -> Iterator[None]:
    """No step touches card, file, network or the journal's writer while it decides, whatever the test is about."""
    yield
    found = purity.noted()
    assert not found, found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> object:
    """Scale the test's own timeout, or the usual one, by the yardstick as it is now."""
    own = item.get_closest_marker("timeout")
    waits = WAITING & set(item.path.relative_to(Path(__file__).parent).parts)
    seconds = own.args[0] if own else WAITING_HANGS if waits else HANGS
    item.add_marker(pytest.mark.timeout(seconds * yardstick.again(older_than=20)), append=False)
    return (yield)
