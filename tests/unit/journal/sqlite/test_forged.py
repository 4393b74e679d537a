"""What somebody who can write the files would have to hide: whole messages taken out, things exchanged, chains computed anew."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journals import number, open_journal

from tongguan.gateway.cli import main
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.history.consistency import Acceptance
from tongguan.gateway.journal.history.history import GENESIS, entry_hash, told_line
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import JournalUnfit

from .test_altered import lived
from .test_damaged import SETTINGS

pytestmark = pytest.mark.requirement("GW-11")

JOURNAL, ANCHOR, KEY = ("tongguan.db",), ("anchor.jsonl",), ("secrets/anchor.key",)


@pytest.fixture(scope="module")
def pasts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two homes that have lived alike; two runs each."""
    folder = tmp_path_factory.mktemp("pasts")
    for name in ("one", "two"):
        home = folder / name
        home.mkdir()
        journal = open_journal(home)
        lived(journal)
        journal.close()
        open_journal(home).close()
        (home / "tongguan.toml").write_text(SETTINGS)
    return folder


@pytest.fixture
def homes(pasts: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pasts, tmp_path / "homes"))


@pytest.fixture
def home(homes: Path) -> Path:
    return homes / "one"


def audit(home: Path, capfd: pytest.CaptureFixture[str], *options: str) -> str | None:
    """What `tongguan audit verify` finds broken, or wrong with the anchor's key."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", "--home", str(home), "--json", *options])
    said = json.loads(capfd.readouterr().out)
    assert (ended.value.code, said["ok"]) == ((1, False) if said["broken"] or said["key"] else (0, True))
    found: str | None = said["broken"] or said["key"]
    return found


def take_out(base: sqlite3.Connection, message: str) -> None:
    """A message and everything that speaks of it, but the entries of the history."""
    (document,) = base.execute("SELECT document_id FROM message WHERE id = ?", (message,)).fetchone()
    for table in ("move", "receipt", "body", "answer", "notification", "round", "queue_delivery"):
        base.execute(f"DELETE FROM {table} WHERE message_id = ?", (message,))
    for table in ("fact", "counted", "number", "reservation", "keyed", "keyed_line"):
        base.execute(f"DELETE FROM {table} WHERE document_id = ?", (document,))
    wholes = "SELECT whole_id FROM relation WHERE part_id = ?"
    base.execute(f"DELETE FROM relation WHERE whole_id IN ({wholes})", (document,))
    for table in ("licence_taken", "licence_used"):  # others took of the same line: what all hold of it would tell
        base.execute(f"DELETE FROM {table}")
    base.execute("DELETE FROM document WHERE id = ?", (document,))
    base.execute("UPDATE tally SET count = count - 1 WHERE state = (SELECT state FROM message WHERE id = ?)", (message,))
    base.execute("DELETE FROM message WHERE id = ?", (message,))


def make_anew(base: sqlite3.Connection, *, closed_up: bool) -> None:
    """Every chain computed again for the rows that are there: nothing in the journal itself tells of it any more.

    Entries of which nothing is left are taken out when it is `closed_up`, or stand empty.
    """
    names = {
        row[: digests.NAME]
        for table in ("message", "document", "receipt", "answer", "notification", "round", "fact", "counted", "number", "reservation", "keyed",
                      "keyed_line", "relation", "queue_delivery")
        for row in digests.records_of(table, ordered(base, table))
    }  # fmt: skip
    others = names | {digests.row_name(*words) for words in kept(base)}
    base.execute("UPDATE move SET n = -(SELECT count(*) FROM move AS earlier WHERE earlier.n <= move.n)")
    base.execute("UPDATE move SET n = -n")
    before: list[Any] = ["", 0, GENESIS]
    for (run,) in base.execute("SELECT id FROM run ORDER BY number").fetchall():
        last, number = GENESIS, 0
        for entry, at, leaves in base.execute(
            "SELECT entry, at, leaves FROM history WHERE run = ? ORDER BY entry", (run,)
        ).fetchall():
            moves = base.execute(
                "SELECT n, document_id, line FROM move WHERE run = ? AND entry = ? ORDER BY n", (run, entry)
            ).fetchall()
            left = b"".join(name + facts for name, facts in digests.split(leaves) if name in others)
            base.execute("DELETE FROM history WHERE run = ? AND entry = ?", (run, entry))
            if closed_up and not moves and not left:
                continue
            number += 1
            lines = []
            for n, document, line in moves:
                facts = json.loads(line)
                if facts[1] == "start":
                    facts[9] = before
                    line = json.dumps(facts, separators=(",", ":"), ensure_ascii=False)
                base.execute("UPDATE move SET entry = ?, line = ? WHERE n = ?", (number, line, n))
                lines.append(told_line(document, line))
            made = entry_hash(last, run, number, at=at, lines=lines, left=left)
            base.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", (run, number, at, last, made, left))
            last = made
        before = [run, number, last]


def ordered(base: sqlite3.Connection, table: str) -> Sequence[Any]:
    owner = digests.TOGETHER.get(table, "1")
    found = base.execute(f"SELECT * FROM {table} ORDER BY {owner}")
    columns = [each[0] for each in found.description]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def kept(base: sqlite3.Connection) -> list[tuple[str, ...]]:
    """The names of all other rows that are there, or were removed rightly."""
    names = [(table, row[0]) for table in ("run", "serial", "marker", "lane") for row in base.execute(f"SELECT * FROM {table}")]
    names += [("orders", row[0]) for row in base.execute("SELECT id FROM orders")]
    return names + [("reservation", "gone", f"E{n}") for n in (0, 2)]


def forged(home: Path, *, closed_up: bool = True) -> None:
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        take_out(base, "m1")
        make_anew(base, closed_up=closed_up)


def heads(home: Path) -> dict[str, tuple[int, str]]:
    with closing(sqlite3.connect(home / "tongguan.db")) as base:
        return {run: (entry, made) for run, entry, made in base.execute("SELECT run, max(entry), hash FROM history GROUP BY run")}


def test_a_message_taken_out_with_all_that_speaks_of_it_is_missed(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        (run, entry) = base.execute("SELECT run, entry FROM move WHERE message_id = 'm1' ORDER BY n").fetchone()
        take_out(base, "m1")

    assert f"run {run} entry {entry} at " in (audit(home, capfd) or "")


@pytest.mark.parametrize(("closed_up", "says"), [(True, "were anchored but are missing"), (False, "differs from its anchor")])
def test_a_message_taken_out_of_the_chain_too_is_missed_by_the_anchor(
    home: Path, closed_up: bool, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    forged(home, closed_up=closed_up)

    assert says in (audit(home, capfd) or "")
    with pytest.raises(JournalUnfit, match="audit accept"):
        open_journal(home)


def test_a_chain_and_an_anchor_made_anew_are_told_by_a_copy_of_the_anchor_alone(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copy(home / "anchor.jsonl", tmp_path / "copy.jsonl")
    forged(home)
    (home / "anchor.jsonl").unlink()
    Anchor(home / "anchor.jsonl").write(heads(home), {})

    assert audit(home, capfd) is None  # who has the key too can do so
    assert "this is not the history that the copy of the anchor tells of: run " in (audit(home, capfd, "--anchor", copy) or "")


def test_a_message_in_the_place_of_the_newest_one_under_its_id_is_found(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        base.row_factory = sqlite3.Row
        row = dict(base.execute("SELECT rowid AS place, * FROM message ORDER BY sequence DESC LIMIT 1").fetchone())
        base.execute("DELETE FROM message WHERE id = ?", (row["id"],))
        row = {**{name: value for name, value in row.items() if name != "place"}, "reference": "another"}
        base.execute(f"INSERT INTO message ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))

    assert f"message {row['id']} was altered" in (audit(home, capfd) or "")


def contents(base: sqlite3.Connection) -> None:
    exchange(base, "content")


def contents_and_hashes(base: sqlite3.Connection) -> None:
    exchange(base, "content")
    exchange(base, "sha256")


def owners(base: sqlite3.Connection) -> None:
    for was, becomes in (("m0", "x"), ("m1", "m0"), ("x", "m1")):
        base.execute("UPDATE body SET message_id = ? WHERE message_id = ?", (becomes, was))


def exchange(base: sqlite3.Connection, column: str) -> None:
    one, other = (base.execute(f"SELECT {column} FROM body WHERE message_id = ?", (name,)).fetchone()[0] for name in ("m0", "m1"))
    base.execute(f"UPDATE body SET {column} = ? WHERE message_id = 'm0'", (other,))
    base.execute(f"UPDATE body SET {column} = ? WHERE message_id = 'm1'", (one,))


@pytest.mark.parametrize("swap", [contents, contents_and_hashes, owners], ids=lambda swap: swap.__name__)
def test_two_bodies_exchanged_are_found(
    home: Path, swap: Callable[[sqlite3.Connection], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        swap(base)

    assert "body source of message m" in (audit(home, capfd) or "")


@pytest.mark.parametrize("table", ["message", "document"])
def test_the_rows_of_two_messages_exchanged_are_found(home: Path, table: str, capfd: pytest.CaptureFixture[str]) -> None:
    one, other = ("m0", "m1") if table == "message" else ("d0", "d1")
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        for was, becomes in ((one, "x"), (other, one), ("x", other)):
            base.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (becomes, was))

    assert f"{table} " in (said := audit(home, capfd) or "") and "was altered" in said


SWAPS = {
    "anchors": (ANCHOR, "altered, or signed with another key"),
    "anchors and keys": (ANCHOR + KEY, "altered, or signed with another key"),
    "journals": (JOURNAL, "altered, or signed with another key"),
    "journals and anchors": (JOURNAL + ANCHOR, "secrets/anchor.key is another journal's"),
    "all": (JOURNAL + ANCHOR + KEY, ""),
}


def swapped(homes: Path, names: Sequence[str]) -> None:
    for name in names:
        one, two = homes / "one" / name, homes / "two" / name
        one.rename(between := homes / "between")
        two.rename(one)
        between.rename(two)


@pytest.mark.parametrize("what", [what for what in SWAPS if what != "all"])
def test_homes_that_exchanged_some_of_their_files_do_not_start_and_say_what_to_put_back(
    homes: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    names, says = SWAPS[what]
    swapped(homes, names)
    for name in ("one", "two"):
        assert says in (audit(homes / name, capfd) or "")
        with pytest.raises(SystemExit) as ended:
            main(["run", "--home", str(homes / name)])
        said = capfd.readouterr().err
        assert ended.value.code == 78
        assert "anchor.jsonl and secrets/anchor.key back from one copy" in said
    swapped(homes, names)
    for name in ("one", "two"):
        open_journal(homes / name).close()
        assert audit(homes / name, capfd) is None


@pytest.mark.parametrize("what", SWAPS)
def test_a_copy_of_the_anchor_tells_the_history_of_another_home(
    homes: Path, what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copy(homes / "one" / "anchor.jsonl", tmp_path / "copy.jsonl")
    swapped(homes, SWAPS[what][0])

    assert audit(homes / "one", capfd, "--anchor", copy) is not None


def test_an_older_copy_of_the_anchor_agrees_with_what_was_added_since(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = open_journal(home)
    number(journal, "NA26", 6)
    copy = shutil.copy(home / "anchor.jsonl", tmp_path / "copy.jsonl")
    journal.close()  # what is left of the numbers goes back
    open_journal(home).close()

    assert audit(home, capfd, "--anchor", copy) is None
    for language, words in (("en", f"all that {copy} says is in it"), ("zh", f"{copy} 所记都在其中")):
        with pytest.raises(SystemExit) as ended:
            main(["audit", "verify", "--anchor", copy, "--home", str(home), "--lang", language])
        assert ended.value.code == 0
        assert words in capfd.readouterr().out


def test_what_a_restore_lost_is_told_by_a_copy_of_the_anchor_after_its_acceptance_too(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old = shutil.copytree(home, tmp_path / "old")
    open_journal(home).close()
    copy = shutil.copy(home / "anchor.jsonl", tmp_path / "copy.jsonl")
    shutil.copy(copy, old / "anchor.jsonl")
    Journal.open("sqlite:///tongguan.db", old, accepted=Acceptance("wang@host", "disk replaced")).close()

    assert audit(old, capfd) is None
    assert "entries up to 2 were anchored but are missing" in (audit(old, capfd, "--anchor", copy) or "")


@pytest.mark.parametrize("content", [b"", b"x", b"\xff\n\xff\n", None], ids=["empty", "short", "bytes", "cut"])
def test_a_copy_that_is_no_signed_anchor_is_said_to_be_none(
    home: Path, tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes((home / "anchor.jsonl").read_bytes()[1:] if content is None else content)

    assert "it was altered, or signed with another key" in (audit(home, capfd, "--anchor", str(copy)) or "")


def test_a_copy_that_is_not_there_ends_the_command_in_words(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", "--anchor", str(home / "none"), "--home", str(home)])
    assert ended.value.code == 2
    assert "No such file" in capfd.readouterr().err
