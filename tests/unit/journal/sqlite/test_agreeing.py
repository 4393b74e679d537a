"""Journal, anchor and anchor key agree, or the start is refused with what to do; what an acceptance does."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from journals import comes, document, moves, number, open_journal, submission, written

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.history.consistency import Acceptance
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import JournalUnfit
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import State

FILES = ("tongguan.db", "tongguan.db-wal", "tongguan.db-shm", "anchor.jsonl")


def lived(home: Path) -> Path:
    """Two runs; the second one given a number, and with a message that may have been sent."""
    home.mkdir(exist_ok=True)
    for n in range(2):
        journal = open_journal(home)
        message = submission(f"m{n}")
        written(journal, comes(message))
        written(journal, moves(message, State.SEALED, with_={"lane": Lane("route:r")}))
        number(journal, "NA26", 6)
        journal.set_markers({"cursor:r:demo": "17"})
        if n == 0:
            journal.close()
            for name in FILES:
                if (home / name).exists():
                    shutil.copy(home / name, home / f"old-{name}")
        else:
            journal.close()
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return lived(tmp_path / "home")


def gone(home: Path) -> None:
    for name in FILES[:3]:
        (home / name).unlink(missing_ok=True)


def emptied(home: Path) -> None:
    gone(home)
    (home / "tongguan.db").touch()


def older(home: Path) -> None:
    gone(home)
    shutil.copy(home / "old-tongguan.db", home / "tongguan.db")


def cut(home: Path) -> None:
    """The rows of the last minutes are taken away, the anchor is kept."""
    with sqlite3.connect(home / "tongguan.db") as base:
        (run,) = base.execute("SELECT id FROM run ORDER BY number DESC LIMIT 1").fetchone()
        base.execute("DELETE FROM history WHERE run = ? AND entry > 2", (run,))
        base.execute("DELETE FROM move WHERE run = ? AND entry > 2", (run,))
        base.execute("DELETE FROM message WHERE id = 'm1'")
    base.close()


def anchor_gone(home: Path) -> None:
    (home / "anchor.jsonl").unlink()


def anchor_empty(home: Path) -> None:
    (home / "anchor.jsonl").write_bytes(b"")


def anchor_shorter(home: Path) -> None:
    lines = (home / "anchor.jsonl").read_bytes().splitlines(keepends=True)
    (home / "anchor.jsonl").write_bytes(b"".join(lines[1:]))


def anchor_flipped(home: Path) -> None:
    whole = bytearray((home / "anchor.jsonl").read_bytes())
    whole[5] ^= 1
    (home / "anchor.jsonl").write_bytes(whole)


def anchor_older(home: Path) -> None:
    shutil.copy(home / "old-anchor.jsonl", home / "anchor.jsonl")


def anchor_of_another(home: Path) -> None:
    shutil.copy(lived(home.parent / "other") / "anchor.jsonl", home / "anchor.jsonl")


def key_gone(home: Path) -> None:
    (home / "secrets" / "anchor.key").unlink()


def key_of_another(home: Path) -> None:
    shutil.copy(lived(home.parent / "other") / "secrets" / "anchor.key", home / "secrets" / "anchor.key")


def signed_anew(home: Path) -> None:
    """Key and anchor replaced together, by somebody who cannot write the journal."""
    key_gone(home)
    heads = {"made up": (1, "x")}
    anchor_gone(home)
    Anchor(home / "anchor.jsonl").write(heads, {})


WRONG: list[tuple[Callable[[Path], None], str]] = [
    (gone, "there is no journal, but the anchor speaks of 2 runs"),
    (emptied, "there is no journal, but the anchor speaks of 2 runs"),
    (older, "were anchored but are missing"),
    (cut, "were anchored but are missing"),
    (anchor_gone, "the anchor file is missing"),
    (anchor_empty, "altered, or signed with another key"),
    (anchor_shorter, "altered, or signed with another key"),
    (anchor_flipped, "altered, or signed with another key"),
    (anchor_older, "does not speak of run"),
    (anchor_of_another, "altered, or signed with another key"),
    (key_gone, "secrets/anchor.key is missing"),
    (key_of_another, "secrets/anchor.key is another journal's"),
    (signed_anew, "secrets/anchor.key is another journal's"),
]


@pytest.mark.parametrize(("spoil", "says"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_does_not_agree_is_refused_with_what_to_do_and_can_be_accepted(
    home: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(home)
    before = {p.name: p.read_bytes() for p in home.iterdir() if p.is_file() and p.suffix != ".db-shm"}

    with pytest.raises(JournalUnfit, match=r"tongguan audit accept --why") as refused:
        open_journal(home)
    assert says in str(refused.value)
    kept = {name: (home / name).read_bytes() for name in before if not name.endswith(("-shm", "-wal"))}
    assert kept == {name: raw for name, raw in before.items() if name in kept}  # a refused start touches nothing
    accepted = Journal.open("sqlite:///tongguan.db", home, accepted=Acceptance("wang@host", "disk replaced"))
    accepted.close()
    open_journal(home).close()


def test_an_untouched_home_starts(home: Path) -> None:
    open_journal(home).close()


def test_a_start_that_ended_before_its_first_commit_does_not_stop_the_next(home: Path, tmp_path: Path) -> None:
    Anchor(home / "anchor.jsonl").write({"a run that never began": (0, "0" * 64)}, {})
    open_journal(home).close()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    Anchor(fresh / "anchor.jsonl").write({"a run that never began": (0, "0" * 64)}, {})

    open_journal(fresh).close()


@pytest.mark.parametrize("spoil", [gone, older])
def test_after_an_acceptance_no_number_is_given_again_and_receipts_and_sealed_are_asked_for(
    home: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(home)
    journal = Journal.open("sqlite:///tongguan.db", home, accepted=Acceptance("wang@host", "disk replaced"))
    given = number(journal, "NA26", 6)
    with journal.search() as records:
        cursor = records.marker("cursor:r:demo")
    claim = journal.claim("s", ["route:r"], limit=5)

    assert given == 3
    assert cursor is None
    assert [key for key in (claim.keys if claim else ()) if claim and not claim.suspect(key)] == []
    journal.close()
    with JournalClient.open("sqlite:///tongguan.db", home) as client:
        verdict = client.verify()
    assert verdict.broken is None
    assert "wang@host: disk replaced" in verdict.accepted[0]
    assert list(home.glob("anchor.jsonl.accepted-*"))


def test_after_an_acceptance_events_have_numbers_behind_those_that_may_have_been_told(home: Path) -> None:
    """Who listens drops a number that he had; a gap tells him that he missed some."""
    journal = open_journal(home)
    written(journal, *(comes(submission(f"e{n}"), documents=(document(f"d{n}"),)) for n in (1, 2)))
    journal.set_told("events", journal.begin_following("events"), {"d1": 3})
    journal.close()
    key_gone(home)
    accepted = Journal.open("sqlite:///tongguan.db", home, accepted=Acceptance("wang", "why"))
    with accepted.search() as records:
        told = records.event_counts(["d1", "d2"])
    accepted.close()

    assert told == {"d1": 1_000_003, "d2": 1_000_000}


def test_a_journal_cut_within_its_chain_stays_broken_after_an_acceptance(home: Path) -> None:
    with sqlite3.connect(home / "tongguan.db") as base:
        base.execute("DELETE FROM history WHERE entry = 2")
    base.close()
    anchor_gone(home)
    Journal.open("sqlite:///tongguan.db", home, accepted=Acceptance("wang", "why")).close()
    with JournalClient.open("sqlite:///tongguan.db", home) as client:
        assert "entry 2 is missing" in (client.verify().broken or "")


def test_where_a_person_accepted_the_journal_nobody_else_has_anything_in_hand(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    written(journal, comes(submission("m")))
    assert journal.claim("s", ["read"], limit=1) is not None
    journal.dispose()
    (tmp_path / "secrets" / "anchor.key").unlink()
    (tmp_path / "anchor.jsonl").unlink()
    accepted = Journal.open("sqlite:///tongguan.db", tmp_path, accepted=Acceptance("wang", "the key is lost"))
    found = accepted.claim("s", ["read"], limit=1)
    accepted.dispose()

    assert found is not None and found.suspects == {"m"}
