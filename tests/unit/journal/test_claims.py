"""Claims: nobody else gets what is in one hand, and a hand that was lost writes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from journals import Database, body, comes, moves, receipt_message, stored, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Changed
from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Finished
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files


def test_every_claim_has_a_greater_token(journal: Journal) -> None:
    written(journal, *(comes(submission()) for _ in range(3)))
    tokens = [claim.token for _ in range(3) if (claim := journal.claim("s", ["read"], limit=1))]

    assert tokens == sorted(set(tokens)) and len(tokens) == 3


def test_tokens_grow_across_restarts(database: Database) -> None:
    first = database.open()
    token = first.claim_keys("door", ["k"]).token
    first.give_back(token)
    first.close()
    second = database.open()

    assert second.claim_keys("door", ["k"]).token > token
    second.close()


def test_what_is_claimed_is_nobody_elses(journal: Journal) -> None:
    written(journal, *(comes(submission()) for _ in range(5)))
    one, two = journal.claim("a", ["read"], limit=3), journal.claim("b", ["read"], limit=3)

    assert one and two
    assert len(one.messages) == 3 and len(two.messages) == 2
    assert not set(one.keys) & set(two.keys)
    assert journal.claim("c", ["read"], limit=3) is None


def test_a_claim_comes_in_order_of_arrival(journal: Journal) -> None:
    first, second = submission(due_at=2), submission(due_at=1)
    written(journal, comes(first), comes(second))
    claim = journal.claim("s", ["read"], limit=2)

    assert claim and [m.id for m in claim.messages] == [first.id, second.id]


def test_what_is_not_due_is_not_claimed(journal: Journal) -> None:
    written(journal, comes(submission(due_at=1 << 50)), comes(submission(due_at=None)), comes(submission(lane=Lane("other"))))

    assert journal.claim("s", ["read"], limit=9) is None


def test_what_was_given_back_can_be_claimed_again(journal: Journal) -> None:
    written(journal, comes(submission("m")))
    claim = journal.claim("s", ["read"], limit=1)
    assert claim
    journal.give_back(claim.token)
    again = journal.claim("s", ["read"], limit=1)

    assert again and again.keys == ("m",) and again.crashes == 0


def test_a_finish_under_a_lost_claim_writes_nothing_but_late_receipts(journal: Journal) -> None:
    written(journal, comes(submission("m")))
    claim = journal.claim("s", ["read"], limit=1, lease_ms=-1)
    assert claim
    assert journal.claim("other", ["read"], limit=1)
    late = comes(receipt_message("r"), bodies=(body("r", b"<Receipt/>", "receipt"),))
    words = journal.finish([(moves(claim.messages[0], State.CHECKED, late=(late,)),)], token=claim.token)

    assert words == [Finished.LOST]
    assert stored(journal, "m").state is State.RECEIVED
    assert stored(journal, "r").state is State.RECEIVED
    with journal.read() as records:
        assert records.body("r", "receipt") == b"<Receipt/>"


def test_a_gateway_that_slept_writes_nothing_after_another_began(database: Database) -> None:
    sleeper = database.open()
    written(sleeper, comes(submission("m")))
    claim = sleeper.claim("s", ["read"], limit=1)
    assert claim
    other = database.open()
    written(other, *(comes(submission()) for _ in range(3)))
    late = comes(receipt_message("r"))
    words = sleeper.finish([(moves(claim.messages[0], State.CHECKED, late=(late,)),)], token=claim.token)

    assert words == [Finished.LOST]
    assert stored(other, "m").state is State.RECEIVED
    assert stored(other, "r").state is State.RECEIVED
    sleeper.close()
    other.close()


def test_an_expired_claims_messages_come_to_another_one_at_a_time(journal: Journal) -> None:
    written(journal, *(comes(submission(f"m{n}")) for n in range(3)))
    lost = journal.claim("a", ["read"], limit=3, lease_ms=-1)
    assert lost and len(lost.keys) == 3
    alone = [journal.claim("b", ["read"], limit=3) for _ in range(3)]

    assert [claim.keys for claim in alone if claim] == [("m0",), ("m1",), ("m2",)]
    assert all(claim and claim.suspect(claim.keys[0]) and claim.crashes == 0 for claim in alone)


def test_a_claim_that_was_finished_just_before_its_end_is_not_counted_against_its_message(journal: Journal) -> None:
    written(journal, comes(submission("m")))
    claim = journal.claim("a", ["read"], limit=1, lease_ms=-1)
    assert claim
    written(journal, moves(claim.messages[0], State.RECEIVED), token=claim.token)
    again = journal.claim("a", ["read"], limit=1)

    assert again and again.crashes == 0 and not again.suspects


def test_after_a_crash_what_was_in_hand_comes_alone_and_the_rest_together(journal: Journal, database: Database) -> None:
    written(journal, *(comes(submission(f"m{n}")) for n in range(3)))
    assert journal.claim("a", ["read"], limit=3)
    written(journal, *(comes(submission(f"n{n}")) for n in range(3)))
    after = database.open()
    alone = [after.claim("a", ["read"], limit=9) for _ in range(3)]
    together = after.claim("a", ["read"], limit=9)

    assert [claim.keys for claim in alone if claim] == [("m0",), ("m1",), ("m2",)]
    assert together and together.keys == ("n0", "n1", "n2") and not together.suspects
    after.close()


def test_three_crashes_count_against_the_culprit_and_not_its_neighbours(journal: Journal, database: Database) -> None:
    """`m1` kills the gateway each time it is taken in hand."""
    written(journal, *(comes(submission(f"m{n}")) for n in range(3)))
    living, crashes, passed, held = journal, 0, list[str](), list[str]()
    while claim := living.claim("a", ["read"], limit=9):
        if claim.crashes >= 3:
            held += list(claim.keys)
            written(living, *(moves(m, State.HELD) for m in claim.messages), token=claim.token)
        elif "m1" in claim.keys:
            crashes += 1
            living = database.open()
        else:
            passed += list(claim.keys)
            written(living, *(moves(m, State.SENT) for m in claim.messages), token=claim.token)

    assert held == ["m1"]
    assert passed == ["m0", "m2"]
    assert crashes == 4, "once among its neighbours, which is not counted, and three times alone"
    living.close()


def passing(database: Database, journal: Journal, culprit: str = "", *, limit: int = 128) -> tuple[Journal, int, int, list[str]]:
    """Everything done, one batch after the other, where `culprit` kills the gateway: claims, crashes, and who was held."""
    claims, crashes, held = 0, 0, list[str]()
    while claim := journal.claim("a", ["read"], limit=limit):
        claims += 1
        if claim.crashes >= 3:
            held += claim.keys
            written(journal, *(moves(m, State.HELD) for m in claim.messages), token=claim.token)
        elif culprit in claim.keys:
            crashes += 1
            journal = database.open()
        else:
            written(journal, *(moves(m, State.SENT) for m in claim.messages), token=claim.token)
    return journal, claims, crashes, held


def test_what_was_in_many_hands_at_a_crash_is_through_in_few_turns(journal: Journal, database: Database) -> None:
    written(journal, *(comes(submission(f"m{n:03}")) for n in range(500)))
    for station in range(4):
        journal.claim(f"s{station}", ["read"], limit=128)
    after, claims, _, held = passing(database, database.open())

    assert claims <= 40 and not held
    after.close()


@pytest.mark.parametrize("place", [0, 64, 127])
def test_the_one_that_kills_the_gateway_is_found_among_many_and_held_after_three_crashes_of_its_own(
    journal: Journal, database: Database, place: int
) -> None:
    written(journal, *(comes(submission(f"m{n:03}")) for n in range(128)))
    after, _, crashes, held = passing(database, journal, f"m{place:03}")

    assert held == [f"m{place:03}"]
    assert crashes == 6, "among 128, 16 and 2, which are not counted, and three times alone"
    after.close()


def test_suspects_of_a_large_hand_are_not_taken_together_with_one_that_crashed_alone(
    journal: Journal, database: Database
) -> None:
    written(journal, comes(submission("alone")))
    journal.claim("a", ["read"], limit=1)
    second = database.open()
    written(second, *(comes(submission(f"m{n}", lane=Lane("other"))) for n in range(32)))
    second.claim("b", ["other"], limit=32)
    third = database.open()
    claims = [claim for _ in range(9) if (claim := third.claim("c", ["read", "other"], limit=99))]

    assert [len(claim.keys) for claim in claims] == [4] * 8 + [1]
    assert claims[-1].keys == ("alone",) and claims[-1].crashes == 1
    third.close()


def test_a_claim_of_a_thread_that_lives_is_renewed_for_as_long_as_its_work_takes(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(journal, comes(submission("m")))
    now = clock.monotonic()
    claim = journal.claim("slow", ["read"], limit=1, lease_ms=1000)
    assert claim
    for second in range(10):
        monkeypatch.setattr(clock, "monotonic", lambda at=now + 0.9 * second: at)
        journal.renew_claims()
        assert journal.claim("other", ["read"], limit=1) is None

    written(journal, moves(claim.messages[0], State.SENT), token=claim.token)


def test_a_claim_of_a_thread_that_died_ends_at_once(journal: Journal) -> None:
    written(journal, comes(submission("m")))
    thread = threading.Thread(target=lambda: journal.claim("dead", ["read"], limit=1))
    thread.start()
    thread.join()
    assert journal.claim("other", ["read"], limit=1) is None
    journal.renew_claims()
    again = journal.claim("other", ["read"], limit=1)

    assert again and again.keys == ("m",) and again.crashes == 1


def test_a_lease_is_not_the_wall_clocks(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    written(journal, comes(submission("m")))
    assert journal.claim("a", ["read"], limit=1)
    ahead = clock.now_ms() + 86_400_000
    monkeypatch.setattr(clock, "now_ms", lambda: ahead)

    assert journal.claim("b", ["read"], limit=1) is None


def test_a_message_that_passed_has_no_crashes_to_its_name(journal: Journal, database: Database) -> None:
    written(journal, comes(submission("m")))
    journal.claim("a", ["read"], limit=1)
    second = database.open()
    claim = second.claim("a", ["read"], limit=1)
    assert claim and claim.crashes == 1
    written(second, moves(claim.messages[0], State.CHECKED, with_={"lane": Lane("card:c")}), token=claim.token)
    third = database.open()
    again = third.claim("a", ["card:c"], limit=1)

    assert again and again.crashes == 0 and not again.suspects
    third.close()
    second.close()


def test_files_at_a_door_are_counted_like_messages(journal: Journal, database: Database) -> None:
    journal.claim_keys("door", ["f1", "f2"])
    second = database.open()
    assert second.claim_keys("door", ["f1", "f2"]).keys == ("f1",)
    third = database.open()
    claim = third.claim_keys("door", ["f2", "f1"])

    assert claim.keys in (("f1",), ("f2",)) and claim.suspect(claim.keys[0])
    third.give_back(claim.token)
    third.close()
    second.close()


def test_threads_claim_and_finish_each_message_once(busy: Journal) -> None:
    written(busy, *(comes(submission(f"m{n:03}")) for n in range(120)))
    done: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        while claim := busy.claim("s", ["read"], limit=7):
            with lock:
                done.update(claim.keys)
            written(busy, *(moves(m, State.SENT) for m in claim.messages), token=claim.token)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert done == Counter({f"m{n:03}": 1 for n in range(120)})


def test_a_conflict_keeps_the_claim_for_the_second_decision(journal: Journal) -> None:
    written(journal, comes(submission("m")), comes(submission("n")))
    claim = journal.claim("s", ["read"], limit=2)
    assert claim
    m, n = claim.messages
    wrong = replace(moves(m, State.CHECKED), was=State.SEALED)
    words = journal.finish([(wrong,), (moves(n, State.SENT),)], token=claim.token, keep=True)

    assert words == [Finished.CONFLICT, Finished.WRITTEN]
    assert journal.claim("other", ["read"], limit=1) is None
    assert journal.finish([(moves(m, State.SENT),)], token=claim.token, keep=True) == [Finished.WRITTEN]
    assert journal.finish([(moves(m, State.SENT),)], token=claim.token) == [Finished.LOST]


def test_a_commit_that_fails_stops_the_station_and_leaves_the_message(journal: Journal, database: Database) -> None:
    written(journal, comes(submission("m")))
    claim = journal.claim("s", ["read"], limit=1)
    assert claim

    with database.in_trouble("message"):
        with pytest.raises(StationBroken):
            journal.finish([(moves(claim.messages[0], State.CHECKED),)], token=claim.token)
        with pytest.raises(StationBroken):
            journal.claim("s", ["read"], limit=1)
    assert stored(journal, "m").state is State.RECEIVED
    written(journal, moves(claim.messages[0], State.CHECKED), token=claim.token)


def test_a_claim_that_cannot_be_given_back_now_is_given_back_later(journal: Journal, database: Database) -> None:
    """The journal's trouble is never held against a message."""
    written(journal, comes(submission("m")))
    for _ in range(4):
        claim = journal.claim("s", ["read"], limit=1)
        assert claim and claim.crashes == 0 and not claim.suspects
        with database.in_trouble("claim"):
            journal.give_back(claim.token)
    claim = journal.claim("s", ["read"], limit=1)
    assert claim
    journal.give_back(claim.token)
    after = database.open()
    claim = after.claim("s", ["read"], limit=1)

    assert claim and claim.crashes == 0 and not claim.suspects
    after.close()


def test_a_listener_that_fails_is_no_failure_of_the_commit_nor_of_the_next_listener(busy: Journal) -> None:
    def fail(told: object) -> None:
        raise ZeroDivisionError

    troubles: list[BaseException] = []
    heard: list[Mapping[str, Changed]] = []
    busy.on_trouble = troubles.append
    busy.listeners += [fail, heard.append]
    written(busy, comes(submission("m")))
    written(busy, comes(submission("n")))
    busy.close_lane(ClosedLane(Lane("send"), "paused", "", 1, None, ""))  # the writer told of the moves before it came to this

    assert {type(trouble) for trouble in troubles} == {ZeroDivisionError}
    assert [list(changed["demo"].messages) for changed in heard] == [["m"], ["n"]]
    assert stored(busy, "m").state is State.RECEIVED
    assert busy.verify().broken is None


def test_a_crash_before_the_commit_leaves_nothing_of_it(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(place: str) -> None:
        if place == "commit":
            raise Killed

    monkeypatch.setattr(files, "crash_point", die)
    with pytest.raises(Killed):
        journal.finish([(comes(submission("m")),)])
    monkeypatch.setattr(files, "crash_point", lambda place: None)
    after = database.open()
    with after.read() as records:
        assert records.message("m") is None
    assert after.verify().broken is None
    after.close()


def test_a_sealed_message_in_hand_cannot_be_stopped_as_it_may_be_on_the_wire(journal: Journal) -> None:
    written(journal, comes(submission("m1", state=State.SEALED)))
    claim = journal.claim("send", ["read"], limit=1)
    stop = (moves(stored(journal, "m1"), State.STOPPED),)

    assert claim is not None
    assert journal.finish([stop]) == [Finished.CONFLICT]
    journal.give_back(claim.token)
    assert journal.finish([stop]) == [Finished.WRITTEN]
