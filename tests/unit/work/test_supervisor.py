"""No thread ends in silence: its failure is told, it is begun again, and the third within a minute is fatal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sites import wait_until

from tongguan.gateway.work.supervisor import Pulse, Supervisor


class Told:
    """Remembers what stands."""

    def __init__(self) -> None:
        self.standing: dict[str, str] = {}
        self.ever: list[str] = []

    def tell(self, code: str, text: str, *, do: str, about: str = "") -> bool:
        assert code == "thread" and do
        self.standing[about] = text
        self.ever.append(text)
        return True

    def over(self, code: str, about: str = "") -> None:
        self.standing.pop(about, None)


class Time:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ends() -> list[str]:
    return []


@pytest.fixture
def supervisor(told: Told, time: Time, ends: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr("tongguan.gateway.work.supervisor._LEAST_WAIT", 0.01)
    made = Supervisor(told, say=lambda zh, en: en, fatal=ends.append, monotonic=time)
    yield made
    made.stopping.set()
    assert made.join(10) == []


class Body:
    """Fails as often as it is told to, and then runs on."""

    def __init__(self, supervisor: Supervisor, *errors: BaseException | None) -> None:
        self._supervisor, self._errors = supervisor, list(errors)
        self.begun = 0

    def __call__(self, pulse: Pulse) -> None:
        self.begun += 1
        if self._errors:
            error = self._errors.pop(0)
            if error is None:
                return
            raise error
        self._supervisor.stopping.wait()


class Misused(BaseException):
    """What a library raises that took the wrong base class."""


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), Misused("x"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_a_thread_that_fails_is_told_by_its_name_and_begun_again(
    supervisor: Supervisor, told: Told, ends: list[str], error: BaseException
) -> None:
    body = Body(supervisor, error)
    supervisor.begin("door", body)
    wait_until(lambda: body.begun == 2, "the thread to be begun again")

    assert type(error).__name__ in told.standing["door"]
    assert not ends


def test_a_thread_that_comes_to_an_end_without_a_word_has_failed(supervisor: Supervisor, told: Told) -> None:
    body = Body(supervisor, None)
    supervisor.begin("pin", body)
    wait_until(lambda: body.begun == 2, "the thread to be begun again")

    assert "pin" in told.standing


def test_work_that_comes_to_its_end_has_not_failed(supervisor: Supervisor, told: Told) -> None:
    body = Body(supervisor, None)
    supervisor.begin("recount", body, ends=True)
    wait_until(lambda: "recount" not in supervisor.names(), "the work to end")

    assert (body.begun, told.ever) == (1, [])


def test_the_third_failure_within_a_minute_is_fatal_and_the_thread_rests(
    supervisor: Supervisor, told: Told, ends: list[str]
) -> None:
    body = Body(supervisor, *[ValueError("again")] * 5)
    supervisor.begin("seal", body)
    wait_until(lambda: ends, "the end")

    assert body.begun == 3
    assert len(ends) == 1 and "seal" in ends[0] and "again" in ends[0]
    assert ends[0] == supervisor.reason
    assert "seal" in told.standing["seal"] and "again" in told.standing["seal"], "in the gateway's language"


def test_three_failures_in_more_than_a_minute_are_not_fatal(supervisor: Supervisor, time: Time, ends: list[str]) -> None:
    def fails(pulse: Pulse) -> None:
        time.now += 31
        begun.append(1)
        if len(begun) < 8:
            raise ValueError
        supervisor.stopping.wait()

    begun: list[int] = []
    supervisor.begin("seal", fails)
    wait_until(lambda: len(begun) == 8, "seven failures")

    assert not ends


def test_what_runs_well_again_is_over(supervisor: Supervisor, told: Told, time: Time) -> None:
    body = Body(supervisor, ValueError())
    supervisor.begin("door", body)
    wait_until(lambda: body.begun == 2, "the thread to be begun again")
    supervisor.look()
    still = dict(told.standing)
    time.now += 11
    supervisor.look()

    assert (list(still), told.standing) == (["door"], {})


def test_a_thread_that_is_stuck_in_its_work_is_shown_until_it_goes_on(supervisor: Supervisor, told: Told, time: Time) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def turn() -> bool:
        at_work.set()
        go_on.wait()
        return False

    supervisor.loop("card:demo", turn, supervisor.stopping.wait, stuck_after=timedelta(seconds=30))
    at_work.wait()
    time.now += 29
    supervisor.look()
    early = dict(told.standing)
    time.now += 2
    supervisor.look()
    stuck = dict(told.standing)
    go_on.set()
    wait_until(lambda: supervisor.look() or not told.standing, "the work to go on")

    assert (early, list(stuck)) == ({}, ["card:demo"])


def test_a_thread_that_waits_for_work_is_not_stuck(supervisor: Supervisor, told: Told, time: Time) -> None:
    waits = threading.Event()

    def wait() -> None:
        waits.set()
        supervisor.stopping.wait()

    supervisor.loop("door", lambda: False, wait)
    waits.wait()
    time.now += 100_000
    supervisor.look()

    assert not told.ever


def test_what_was_in_hand_is_given_back_whatever_else_fails(supervisor: Supervisor, told: Told) -> None:
    given_back: list[int] = []

    def give_back() -> None:
        given_back.append(1)
        raise OSError("not even that")

    body = Body(supervisor, ValueError())
    supervisor.begin("route:customs", body, failed=give_back)
    wait_until(lambda: body.begun == 2, "the thread to be begun again")

    assert given_back == [1]


def test_an_alert_file_that_fails_does_not_end_the_thread(supervisor: Supervisor, told: Told) -> None:
    def raises(*_: object, **__: object) -> bool:
        raise OSError("no disk")

    tell: Callable[..., bool] = raises
    told.tell = tell  # type: ignore[method-assign]
    body = Body(supervisor, ValueError())
    supervisor.begin("door", body)

    wait_until(lambda: body.begun == 2, "the thread to be begun again")
