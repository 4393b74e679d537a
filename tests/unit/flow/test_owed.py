"""Asking for a technical receipt when the gateway crashes over it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from journals import moment

from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.owed import owed_step
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import CRASHES, run

LANE = Lane("owed:mofcom")


@pytest.mark.requirement("GW-05")
def test_three_crashes_put_the_asking_off_and_three_times_three_end_it(tmp_path: Path) -> None:
    journal = Journal.open("sqlite:///tongguan.db", tmp_path)
    now = clock.now_ms()
    of: dict[str, Any] = {"type": "T", "operation": "declare", "lane": LANE, "due_at": now - 1}
    message = Message(id="m", kind=Kind.SUBMISSION, account="demo", state=State.ACCEPTED, received_at=now, updated_at=now, **of)
    journal.finish([(Outcome(message, None, "read"),)])
    site = cast(Site, SimpleNamespace(rules=SimpleNamespace(next_try=lambda message, now: now - 1)))
    left = []
    for _ in range(CRASHES + 1):
        for _ in range(CRASHES):  # runs that end with this one message in hand
            assert journal.claim(LANE, (LANE,), limit=1) is not None
            journal.dispose()
            journal = Journal.open("sqlite:///tongguan.db", tmp_path)
        claim = journal.claim(LANE, (LANE,), limit=1)
        assert claim is not None
        run(journal, owed_step(site), claim, moment=partial(moment, journal))
        with journal.read() as records:
            found = records.message("m")
        assert found is not None
        left.append((found.state, found.lane, found.attempts))
    journal.close()

    assert left == [(State.ACCEPTED, LANE, 1), (State.ACCEPTED, LANE, 2), (State.ACCEPTED, LANE, 3), (State.ACCEPTED, None, 3)]
