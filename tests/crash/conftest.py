"""Fixtures of the crash tests: one pair of authorities for all, a fresh home for each try."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from crash_support import Authorities
from sites import make_site

from tongguan.gateway.daemon import offline
from tongguan.gateway.home import change_settings
from tongguan.gateway.kernel import clock

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authorities]:
    """Simulators in fast time. Their home has given one number of each kind, so that its copies can be told to go on elsewhere."""
    made = make_site(tmp_path_factory.mktemp("authorities"))
    made.simulate("--fast")
    change_settings(made.home, "gateway", "settle", "30ms")
    with offline(made.home) as daemon:
        for series in (f"mofcom:NA{_year()[2:]}", f"customs:EW{_year()}1"):
            daemon.journal.serials(series)
    yield Authorities(made)
    made.stop("simulate")


def _year() -> str:
    return clock.china_date(clock.now_ms())[:4]
