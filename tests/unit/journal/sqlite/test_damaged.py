"""A journal that cannot be used ends with words for a person, whatever is wrong with it; its files are its owner's alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homes import new_home
from journals import comes, open_journal, submission, written

from tongguan.gateway.cli import main
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.orders import orders
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database.engine import damage
from tongguan.gateway.model.errors import JournalUnfit, TongguanError
from tongguan.gateway.system.storage import permissions

SETTINGS = """[gateway]
environment = "test"
language = "en"
"""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("past")
    journal = open_journal(home)
    for n in range(200):
        written(journal, comes(submission(f"m{n}", reference=f"r{n}", extra={"long": "x" * 200})))
    journal.close()
    return home


@pytest.fixture
def home(past: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(past, tmp_path / "home"))


def spoiled(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], None]:
    def spoil(home: Path) -> None:
        file = home / "tongguan.db"
        file.write_bytes(change(bytearray(file.read_bytes())))

    return spoil


def a_folder(home: Path) -> None:
    (home / "tongguan.db").unlink()
    (home / "tongguan.db").mkdir()


def newer(home: Path) -> None:
    base = sqlite3.connect(home / "tongguan.db")
    base.execute("UPDATE alembic_version SET version_num = '9999'")
    base.commit()
    base.close()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "garbage": spoiled(lambda raw: random.Random(1).randbytes(len(raw))),
    "header": spoiled(lambda raw: b"\0" * 100 + raw[100:]),
    "another file": spoiled(lambda raw: b"<xml/>"),
    "first page": spoiled(lambda raw: raw[:100] + b"\xff" * 3996 + raw[4096:]),
    "a folder": a_folder,
    "newer": newer,
    **{f"cut to {parts}": spoiled(lambda raw, parts=parts: raw[: len(raw) * parts // 100]) for parts in (1, 40, 90)},
}


def says(text: str) -> bool:
    """Words for a person: none of the library's, and something to do."""
    return bool(text) and not any(word in text for word in ("sqlalche", "sqlite3.", "[SQL", "Traceback", "Background on"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_start_with_a_damaged_journal_is_refused_with_words(home: Path, damage: Callable[[Path], None]) -> None:
    damage(home)

    with pytest.raises(JournalUnfit) as refused:
        open_journal(home).close()
    assert says(refused.value.zh) and says(refused.value.en)


@pytest.mark.parametrize("seed", range(25))
def test_pages_overwritten_anywhere_end_no_look_in_the_librarys_words(home: Path, seed: int) -> None:
    chance = random.Random(seed)

    def overwrite(raw: bytearray) -> bytearray:
        for _ in range(3):
            page = chance.randrange(1, len(raw) // 4096)
            raw[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
        return raw

    spoiled(overwrite)(home)
    try:
        with JournalClient.open("sqlite:///tongguan.db", home) as client:
            found = client.verify().broken or damage("sqlite:///tongguan.db", home)  # they may be of indexes alone
            assert found is not None and says(found)
    except TongguanError as wrong:
        assert says(str(wrong))


@pytest.mark.parametrize("damage", ["garbage", "cut to 40", "newer", "a folder"])
def test_commands_end_with_words_and_78(home: Path, damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "tongguan.toml").write_text(SETTINGS)
    DAMAGES[damage](home)
    for words in (["list"], ["audit", "verify"], ["timeline", "m1"], ["run"]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--home", str(home)])
        said = capfd.readouterr()
        assert (ended.value.code, says(said.err)) == (78, True), (words, said)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_journals_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        journal = open_journal(tmp_path)
        written(journal, comes(submission("m")))
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir() if p.is_file()}
        journal.close()
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(["tongguan.db", "tongguan.db-wal", "tongguan.db-shm", "anchor.jsonl"], 0o600)


def test_an_old_homes_modes_are_mended(home: Path) -> None:
    for name in ("tongguan.db", "anchor.jsonl", "alerts.jsonl"):
        (home / name).touch()
        (home / name).chmod(0o644)
    mended = {path.name for path in permissions.mend(home)}

    assert mended == {"tongguan.db", "anchor.jsonl", "alerts.jsonl"}
    assert list(permissions.loose(home)) == []


ROWS = {
    "faults": "UPDATE message SET faults = '[[' WHERE id = 'm1'",
    "faults of another form": "UPDATE message SET faults = '{\"a\":1}' WHERE id = 'm1'",
    "extra": "UPDATE message SET extra = 'x' WHERE id = 'm1'",
    "extra that is no object": "UPDATE message SET extra = '[1]' WHERE id = 'm1'",
    "state": "UPDATE message SET state = 'lost' WHERE id = 'm1'",
    "kind": "UPDATE message SET kind = '' WHERE id = 'm1'",
    "move": "UPDATE move SET line = substr(line, 2) WHERE message_id = 'm1'",
    "move of another form": "UPDATE move SET line = '[]' WHERE message_id = 'm1'",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS)
def test_a_damaged_row_on_a_sound_page_is_named_in_words(home: Path, statement: str, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "tongguan.toml").write_text(SETTINGS)
    with sqlite3.connect(home / "tongguan.db") as base:
        assert base.execute(statement).rowcount >= 1
    base.close()
    for words in (["list"], ["show", "m1"], ["timeline", "m1"], ["status"], ["audit", "list"], ["audit", "verify"]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--home", str(home)])
        said = capfd.readouterr()
        assert says(said.err + said.out + "."), (words, said)
        assert ended.value.code in (0, 1, 2, 78)
    assert ended.value.code == 1  # the audit finds it
    with pytest.raises(SystemExit):
        main(["timeline" if "move" in statement else "show", "m1", "--home", str(home)])
    assert "m1 is damaged" in (said := capfd.readouterr().err) or ("move" in said and "is damaged" in said)


def ends(capfd: pytest.CaptureFixture[str], home: Path, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--home", str(home)])
    said = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize(
    "change",
    [
        """command = '{"ids":["m1"]}'""",
        "command = '{'",
        "command = '[]'",
        """command = '{"do":["hold"],"ids":["m1"]}'""",
        """command = '{"do":"hold","ids":[1]}'""",
        "result = '3'",
        "result = 'x'",
    ],
)
def test_a_damaged_order_is_named_and_hides_no_other(home: Path, change: str, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "tongguan.toml").write_text(SETTINGS)
    journal = open_journal(home)
    ids = [journal.give_order("wang", f"because {n}", {"do": "hold", "ids": [f"m{n}"]}) for n in (1, 2)]
    journal.carry_out_orders(lambda *_: {"messages": {}})
    journal.close()
    with sqlite3.connect(home / "tongguan.db") as base:
        base.execute(f"UPDATE orders SET {change} WHERE id = ?", (ids[0],))
        base.execute("UPDATE move SET line = '[' WHERE message_id = 'gateway' AND line LIKE '%\"start\"%' AND n > 1")
    base.close()

    code, out, err = ends(capfd, home, "audit", "list")
    assert code == 1
    assert f"order {ids[0]} is damaged" in err and "what is stored of move" in err and "tongguan audit verify" in err
    assert "because 2" in out and "because 1" not in out and "start" in out
    code, out, err = ends(capfd, home, "audit", "list", "--json")
    assert code == 1 and ids[0] in err
    assert [row["why"] for row in json.loads(out) if row["step"] == "hold"] == ["because 2"]


def test_a_damaged_order_that_waits_holds_up_no_other(tmp_path: Path) -> None:
    daemon = Daemon(new_home(tmp_path / "home"))
    try:
        ids = [daemon.journal.give_order("wang", "why", {"do": "pause", "what": "account", "name": "demo"}) for _ in range(2)]
        with sqlite3.connect(tmp_path / "home" / "tongguan.db") as base:
            base.execute("UPDATE orders SET command = '{' WHERE id = ?", (ids[0],))
        base.close()
        orders(daemon.site)
        with daemon.journal.search() as records:
            first, second = (records.order_result(id_)[1] for id_ in ids)
    finally:
        daemon.stop()

    assert f"order {ids[0]} is damaged" in first["error"] and second["done"] == "pause"


def key_gone(key: Path) -> None:
    key.unlink()


def key_of_another(key: Path) -> None:
    key.write_text("11" * 32)


def key_unreadable(key: Path) -> None:
    key.write_bytes(b"\xff")


@pytest.mark.parametrize(
    ("change", "en", "zh"),
    [
        (key_gone, "secrets/anchor.key is missing", "没有 secrets/anchor.key"),
        (key_of_another, "secrets/anchor.key is another journal's", "secrets/anchor.key 属于另一日志库"),
        (key_unreadable, "secrets/anchor.key cannot be read", "secrets/anchor.key 读不出"),
    ],
)
def test_the_audit_says_what_is_wrong_with_the_anchors_key_as_the_start_does(
    home: Path, change: Callable[[Path], None], en: str, zh: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "tongguan.toml").write_text(SETTINGS)
    change(home / "secrets" / "anchor.key")

    code, out, _ = ends(capfd, home, "audit", "verify")
    assert code == 1 and f"✗ {en}" in out and "anchor.jsonl and secrets/anchor.key back" in out
    assert "the history is whole" in out
    assert f"✗ {zh}" in ends(capfd, home, "audit", "verify", "--lang", "zh")[1]
    code, out, _ = ends(capfd, home, "audit", "verify", "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["broken"], told["key"]) == (1, False, None, en)
    with pytest.raises(JournalUnfit, match=en):
        open_journal(home)


def test_a_claim_that_cannot_be_read_stops_the_start_in_words(home: Path) -> None:
    with sqlite3.connect(home / "tongguan.db") as base:
        base.execute("INSERT INTO claim (station, until, in_hand) VALUES ('s', 1, '[')")
    base.close()

    with pytest.raises(JournalUnfit, match="a claim is damaged"):
        open_journal(home)


def test_a_journal_that_another_process_holds_for_long_stops_the_start_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tongguan.gateway.journal.database.engine.BUSY_MS", 50)
    holds = sqlite3.connect(home / "tongguan.db", isolation_level=None)
    holds.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(JournalUnfit, match="another process holds the database"):
            open_journal(home)
        with JournalClient.open("sqlite:///tongguan.db", home) as client, client.search() as records:
            assert records.message("m1") is not None  # who only looks does not wait
            with pytest.raises(TongguanError, match="another process holds the database"):
                client.give_order("wang", "why", {"do": "pause"})
    finally:
        holds.execute("ROLLBACK")
        holds.close()
    open_journal(home).close()


def test_where_the_file_is_whole_no_backup_is_advised(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tongguan.gateway.journal.database.engine.LOOK_MS", 50)
    monkeypatch.setattr("tongguan.gateway.journal.database.engine.BUSY_MS", 50)
    holds = sqlite3.connect(home / "tongguan.db", isolation_level=None)
    holds.execute("PRAGMA locking_mode = EXCLUSIVE")
    holds.execute("BEGIN EXCLUSIVE")
    said = []
    try:
        for look in (lambda: open_journal(home), lambda: damage("sqlite:///tongguan.db", home), lambda: looked_at(home)):
            with pytest.raises(JournalUnfit) as unfit:
                look()
            said.append(unfit.value.en)
    finally:
        holds.close()

    assert all("fuser -v tongguan.db" in each and "backup" not in each for each in said), said


def looked_at(home: Path) -> None:
    with JournalClient.open("sqlite:///tongguan.db", home):
        pass


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    """A home on a file system that cannot be written."""
    bind = ["mount", "--bind", str(home), str(home)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True, capture_output=True)
        yield home
    finally:
        subprocess.run(["umount", str(home)], check=True, capture_output=True)


def test_a_read_only_home_can_be_looked_into_and_is_not_started(read_only: Path) -> None:
    with pytest.raises(JournalUnfit) as refused:
        open_journal(read_only)
    assert says(refused.value.zh) and "read-only" in refused.value.en.lower()
    with JournalClient.open("sqlite:///tongguan.db", read_only) as client:
        assert client.verify().broken is None
        with pytest.raises(TongguanError) as late:
            client.give_order("wang", "why", {"do": "pause"})
        assert says(str(late.value))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only")
def test_a_file_that_may_only_be_read_is_not_started(home: Path) -> None:
    (home / "tongguan.db").chmod(0o400)
    home.chmod(0o500)
    try:
        with pytest.raises(JournalUnfit, match="read-only"):
            open_journal(home)
    finally:
        home.chmod(0o700)
