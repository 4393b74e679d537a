"""What documents take of licences: what fits is used, to the last digit, and never more."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from journals import Sqlite, comes, document, in_threads, submission, written

from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.outcome import Finished, Outcome, Take, TakenLine
from tongguan.gateway.system.storage import files

WRITTEN, CONFLICT = Finished.WRITTEN, Finished.CONFLICT
LARGE = 10**19 - 1  #: 19 digits with their decimals: beyond 63 bits


class KilledHere(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def took(id_: str, *lines: TakenLine, version: int = 1) -> Outcome:
    """A message after which a document holds this, and nothing else."""
    message = submission(document_id=id_, waits=False)
    return comes(message, documents=(document(id_, version=version),), takes=(Take(id_, lines),))


def line(amount: int, most: int | None = 100, *, of: str = "iron", licence: str = "l1") -> TakenLine:
    return TakenLine(licence, of, amount, most)


def used(journal: Journal, licence: str = "l1") -> dict[str, int]:
    with journal.read() as records:
        return records.used_of(licence)


def held(journal: Journal, *ids: str) -> list[dict[tuple[str, str], int]]:
    with journal.read() as records:
        return [records.held_by(id_) for id_ in ids]


def rows(journal: Journal) -> list[Any]:
    """All that is stored of licences, and how long the history is."""
    with journal._readers.begin() as connection:
        return [
            connection.exec_driver_sql(f"SELECT {what}").all()
            for what in ("* FROM licence_used", "* FROM licence_taken", "count(*) FROM history", "count(*) FROM move")
        ]


def test_what_documents_hold_adds_up(journal: Journal) -> None:
    written(journal, took("d1", line(30), line(5, of="coal")), took("d2", line(70)), took("d3", line(1, licence="l2")))

    assert held(journal, "d1", "d2", "d4") == [{("l1", "iron"): 30, ("l1", "coal"): 5}, {("l1", "iron"): 70}, {}]
    assert (used(journal), used(journal, "l2")) == ({"iron": 100, "coal": 5}, {"iron": 1})
    assert journal.verify().broken is None


def test_what_a_document_holds_stands_in_the_place_of_what_it_held(journal: Journal) -> None:
    written(journal, took("d1", line(30), line(5, of="coal")))
    written(journal, took("d1", line(20), line(1, licence="l2"), version=2))
    written(journal, took("d1", line(20), line(1, licence="l2"), version=3))

    assert (used(journal), used(journal, "l2")) == ({"iron": 20}, {"iron": 1})


def test_nothing_is_left_of_what_is_given_back(journal: Journal) -> None:
    written(journal, took("d1", line(30)))
    written(journal, took("d1", version=2))
    written(journal, took("d1", version=3))

    assert (held(journal, "d1"), used(journal)) == ([{}], {})
    assert journal.verify().broken is None


@pytest.mark.parametrize("more", [(), (took("other", line(1, licence="l9")),)], ids=["alone", "beside another"])
def test_more_than_is_left_is_a_conflict_and_not_written_at_all(journal: Journal, more: tuple[Outcome, ...]) -> None:
    written(journal, took("d1", line(60)))
    written(journal, *more)
    before = rows(journal)

    assert journal.finish([(took("d2", line(1, of="coal"), line(41)),)]) == [CONFLICT]
    assert rows(journal) == before


def test_of_two_that_want_the_last_of_it_in_one_batch_the_first_gets_it(journal: Journal) -> None:
    chains = [(took("d1", line(60)),), (took("d2", line(41)),), (took("d3", line(40)),)]

    assert journal.finish(chains) == [WRITTEN, CONFLICT, WRITTEN]
    assert used(journal) == {"iron": 100}


def test_beside_a_chain_that_cannot_be_written_the_others_take_the_same(journal: Journal) -> None:
    written(journal, comes(submission("there")))
    spoilt = comes(submission("there"), documents=(document("d9"),), takes=(Take("d9", (line(100, of="coal"),)),))

    assert journal.finish([(spoilt,), (took("d1", line(60)),), (took("d2", line(41)),)]) == [CONFLICT, WRITTEN, CONFLICT]
    assert (used(journal), held(journal, "d9")) == ({"iron": 60}, [{}])
    assert journal.verify().broken is None


def test_what_one_gives_back_another_takes_in_the_same_commit(journal: Journal) -> None:
    written(journal, took("d1", line(100)))

    assert journal.finish([(took("d1", line(50), version=2),), (took("d2", line(50)),)]) == [WRITTEN, WRITTEN]
    assert held(journal, "d1", "d2") == [{("l1", "iron"): 50}, {("l1", "iron"): 50}]


def test_where_less_may_be_used_than_is_held_nobody_takes_more_and_all_may_give_back(journal: Journal) -> None:
    written(journal, took("d1", line(60)), took("d2", line(40)))

    assert journal.finish([(took("d1", line(50, 80), version=2),), (took("d2", line(41, 80), version=2),)]) == [WRITTEN, CONFLICT]
    assert journal.finish([(took("d2", line(40, 80), version=2),)]) == [WRITTEN]
    assert used(journal) == {"iron": 90}


def test_what_an_authority_agreed_to_is_held_whatever_is_left(journal: Journal) -> None:
    written(journal, took("d1", line(60)), took("d2", line(70, None)))

    assert used(journal) == {"iron": 130}
    assert journal.finish([(took("d3", line(1)),)]) == [CONFLICT]


@pytest.mark.parametrize("most", [LARGE, 10**12, 2 * 10**12 - 1])
def test_amounts_of_nineteen_digits_are_held_to_the_last_one(journal: Journal, most: int) -> None:
    written(journal, took("d1", line(most - 1, most)))

    assert journal.finish([(took("d2", line(2, most)),), (took("d3", line(1, most)),)]) == [CONFLICT, WRITTEN]
    assert used(journal) == {"iron": most}
    written(journal, took("d1", version=2))
    assert used(journal) == {"iron": 1}


@given(st.lists(st.integers(0, LARGE), min_size=1, max_size=6))
@settings(max_examples=20)
def test_parts_carry_over(tmp_path_factory: pytest.TempPathFactory, amounts: list[int]) -> None:
    opened = Sqlite(tmp_path_factory.mktemp("home")).open()
    written(opened, *(took(f"d{n}", line(amount, None)) for n, amount in enumerate(amounts)))
    written(opened, took("d0", version=2))

    assert used(opened).get("iron", 0) == sum(amounts[1:])
    opened.close()


def test_what_it_is_part_of_is_written_with_it_or_not_at_all(journal: Journal) -> None:
    written(journal, took("d1"))
    stale = took("d1", line(5), version=3)

    assert journal.finish([(stale,)]) == [CONFLICT]
    assert held(journal, "d1") == [{}]


def test_a_document_takes_with_its_own_version_only(journal: Journal) -> None:
    (fate,) = journal.finish([(comes(submission("m"), takes=(Take("d1", (line(5),)),)),)])

    assert isinstance(fate, Exception)
    assert used(journal) == {}


def test_more_can_never_be_given_back_than_was_taken(journal: Journal) -> None:
    written(journal, took("d1", line(5)))
    with journal._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE licence_used SET low = 4")
    (fate,) = journal.finish([(took("d1", version=2),)])

    assert isinstance(fate, ArithmeticError)
    assert used(journal) == {"iron": 4}


def test_what_is_used_is_held_against_what_documents_hold(journal: Journal) -> None:
    """Also where each row is as the history left it."""
    written(journal, took("d1", line(5)))

    def wrong(group: Group) -> None:
        group.connection.exec_driver_sql("UPDATE licence_used SET low = 4")
        row = {"licence_id": "l1", "line": "iron", "high": 0, "low": 4}
        group.left += digests.records_of("licence_used", [row])

    journal._writer.submit(wrong)

    assert "licence l1, iron: what is used is not the sum" in (journal.verify().broken or "")


def test_the_licence_is_told_of_with_the_document_that_takes_it(journal: Journal) -> None:
    heard: list[set[str]] = []
    journal.listeners.append(lambda group: heard.append({id_ for changed in group.values() for id_ in changed.documents}))
    for version, lines in enumerate(((line(5),), (line(5),), ()), 1):
        written(journal, took("d1", *lines, version=version))
    with journal.search() as records:
        told = [document_id for moves in records.moves_after("demo", Cursor()) for _, document_id in moves]

    assert heard == [{"d1", "l1"}, {"d1"}, {"d1", "l1"}]
    assert told == ["d1", "l1", "d1", "d1", "l1"]


def declared(journal: Journal, id_: str, amount: int, most: int) -> bool:
    """Decide, and again where something moved meanwhile, until it is taken or too little is left."""
    while used(journal).get("iron", 0) + amount <= most:
        if journal.finish([(took(id_, line(amount, most)),)]) == [WRITTEN]:
            return True
    return False


@pytest.mark.timeout(300)
def test_of_two_that_race_for_one_licence_what_fits_is_used_and_never_more(busy: Journal) -> None:
    """Amounts of every size, so that near the end some fit and others do not."""
    amounts = [[1 + (7 * n + 3 * k) % 13 for k in range(1000)] for n in range(2)]
    most = sum(map(sum, amounts)) * 2 // 3
    done: list[tuple[str, int]] = []

    def race(n: int) -> None:
        done.extend((f"{n}-{k}", amount) for k, amount in enumerate(amounts[n]) if declared(busy, f"{n}-{k}", amount, most))

    in_threads(2, race)
    left = most - used(busy)["iron"]
    refused = [a for n, own in enumerate(amounts) for k, a in enumerate(own) if f"{n}-{k}" not in dict(done)]

    assert sum(amount for _, amount in done) == used(busy)["iron"]
    assert 0 <= left < min(refused)
    assert sum(sum(each.values()) for each in held(busy, *dict(done))) == used(busy)["iron"]
    assert busy.verify().broken is None


class LicencesAndDocuments(RuleBasedStateMachine):
    """Documents take, amend, give back; the gateway is killed: against plain dictionaries."""

    MOST: ClassVar = {("l1", "iron"): 20, ("l1", "coal"): 7, ("l2", "iron"): LARGE}
    documents = st.sampled_from(["d1", "d2", "d3"])
    amounts = st.dictionaries(st.sampled_from(sorted(MOST)), st.one_of(st.integers(1, 15), st.just(LARGE - 3)), max_size=3)

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.journal = Sqlite(self.home).open()
        self.held: dict[str, dict[tuple[str, str], int]] = {}
        self.versions: Counter[str] = Counter()

    def used(self, key: tuple[str, str]) -> int:
        return sum(lines.get(key, 0) for lines in self.held.values())

    def fits(self, id_: str, lines: Mapping[tuple[str, str], int]) -> bool:
        own = self.held.get(id_, {})
        more = {key: amount - own.get(key, 0) for key, amount in lines.items() if amount > own.get(key, 0)}
        return all(self.used(key) + amount <= self.MOST[key] for key, amount in more.items())

    def outcome(self, id_: str, lines: Mapping[tuple[str, str], int], later: int = 1) -> Outcome:
        wanted = [TakenLine(*key, amount, self.MOST[key]) for key, amount in lines.items()]
        return took(id_, *wanted, version=self.versions[id_] + later)

    def took(self, id_: str, lines: Mapping[tuple[str, str], int]) -> None:
        self.held[id_] = dict(lines)
        self.versions[id_] += 1

    @rule(batch=st.lists(st.tuples(documents, amounts), min_size=1, max_size=3, unique_by=lambda each: each[0]))
    def take(self, batch: list[tuple[str, dict[tuple[str, str], int]]]) -> None:
        """Those of a batch that fit, one after another."""
        fates = self.journal.finish([(self.outcome(id_, lines),) for id_, lines in batch])
        for (id_, lines), fate in zip(batch, fates, strict=True):
            assert fate is (WRITTEN if self.fits(id_, lines) else CONFLICT)
            if fate is WRITTEN:
                self.took(id_, lines)

    @rule(id_=documents, first=amounts, second=amounts)
    def take_and_amend_in_one_chain(
        self, id_: str, first: dict[tuple[str, str], int], second: dict[tuple[str, str], int]
    ) -> None:
        held, both = dict(self.held), (self.outcome(id_, first), self.outcome(id_, second, later=2))
        fits = self.fits(id_, first)
        if fits:
            self.held[id_] = dict(first)
            fits = self.fits(id_, second)
            self.held = held
        assert [self.journal.finish([one])[0] for one in (both,)] == [WRITTEN if fits else CONFLICT]
        if fits:
            self.took(id_, first)
            self.took(id_, second)

    @rule(id_=documents)
    def give_back(self, id_: str) -> None:
        written(self.journal, self.outcome(id_, {}))
        self.took(id_, {})

    @rule(id_=documents)
    def come_too_late(self, id_: str) -> None:
        assert self.journal.finish([(self.outcome(id_, {}, later=2),)]) == [CONFLICT]

    @rule(at=st.sampled_from(["commit", "committed"]), id_=documents, lines=amounts)
    def crash(self, at: str, id_: str, lines: dict[tuple[str, str], int]) -> None:
        """Killed before or after the commit: all of it is there, or nothing."""
        fits = self.fits(id_, lines)

        def killed(point: str) -> None:
            if point == at:
                raise KilledHere

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(files, "at", killed)
            with pytest.raises(KilledHere):
                self.journal.finish([(self.outcome(id_, lines),)])
        self.journal.dispose()
        self.journal = Sqlite(self.home).open()
        if at == "committed" and fits:
            self.took(id_, lines)

    @invariant()
    def each_holds_its_own_and_the_sum_is_exact(self) -> None:
        assert held(self.journal, "d1", "d2", "d3") == [self.held.get(id_, {}) for id_ in ("d1", "d2", "d3")]
        for licence in ("l1", "l2"):
            sums = {key[1]: self.used(key) for key in self.MOST if key[0] == licence}
            assert used(self.journal, licence) == {name: amount for name, amount in sums.items() if amount}
            assert all(amount <= self.MOST[licence, name] for name, amount in sums.items())

    def teardown(self) -> None:
        assert self.journal.verify().broken is None
        self.journal.close()
        shutil.rmtree(self.home)


TestLicencesAndDocuments = LicencesAndDocuments.TestCase
TestLicencesAndDocuments.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
