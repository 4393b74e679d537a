"""Fixtures of the crash tests: one pair of authorities for all, a fresh home for each try."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import bodies as b
import pytest
import structlog
from crash_support import ISSUED, KEY, Authorities, add_second_account
from journals import number
from sites import make_site

from tongguan.gateway.daemon.daemon import offline
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import clock, times

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authorities]:
    """Simulators in fast time. Their home has two accounts, a licence to ask about and to print, and has given numbers of
    each kind, so that its copies can be told to go on elsewhere.
    """
    made = make_site(tmp_path_factory.mktemp("authorities"), card="software")
    change_settings(made.home, "gateway", "settle", "30ms")
    # A wait is as long as the message's age: what was dropped before many kills would wait for minutes after its first failure.
    with (made.home / "tongguan.toml").open("a") as settings:
        settings.write('\n[schedule]\nmost_wait = "2s"\n')
    add_second_account(made.home, delay="150ms")
    made.simulate("--fast")
    with offline(made.home) as daemon:
        for series in (f"mofcom:NA{_year()[2:]}", f"customs:EW{_year()}1"):
            number(daemon.journal, series)
    made.run()
    b.done(made, b.application("declare", document=KEY, reference="licence"))
    made.wait_business(b.APPLICATION, KEY, ISSUED)
    made.stop("run")
    yield Authorities(made)
    made.stop("simulate")


def _year() -> str:
    return times.china_date(clock.now_ms())[:4]
