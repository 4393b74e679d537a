"""A mailbox whose share hangs: calls of the system that touch it neither answer nor fail. It holds nobody but its own account."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bodies as b
import patience
import pytest
from sites import GUARDED, TONGGUAN, Site, second_account, wait_until

from tongguan.gateway.home.home import change_settings
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.outbox.alerts import UNSEEN

pytestmark = pytest.mark.requirement("GW-05")

#: a gateway to which, while the file `sign` exists, every call that touches the mailbox is as one of a dead NFS mounted `hard`
HANGS = """
import os, time
from datetime import timedelta
stat, link = os.stat, os.readlink
def there(path):
    try:
        stat(path)
    except OSError:
        return False
    return True
def touches(given, more):
    for each in (*given[:1], *(more.get(name) for name in ("dir_fd", "src_dir_fd", "dst_dir_fd"))):
        path = link(f"/proc/self/fd/{{each}}") if isinstance(each, int) else os.fsdecode(each) if each is not None else ""
        if path.startswith({mailbox!r}):
            return True
    return False
def hanging(call):
    def called(*given, **more):
        while there({sign!r}) and touches(given, more):
            time.sleep(0.02)
        return call(*given, **more)
    return called
for name in ("open", "stat", "fstat", "lstat", "scandir", "listdir", "rename", "link", "unlink", "mkdir", "access", "statvfs", "utime"):
    setattr(os, name, hanging(getattr(os, name)))
from tongguan.gateway.daemon import daemon
from tongguan.outbox.status import teller
teller.CHECKPOINT = 1.0
stuck, daemon._OTHERS_END, daemon._LAST_TURN = timedelta(seconds={some}), {some}, {some}
daemon.STUCK = daemon.Supervisor.loop.__kwdefaults__["stuck_after"] = stuck
"""


class Share:
    """The mailbox of the second account, and the sign that it hangs."""

    def __init__(self, site: Site, sign: Path) -> None:
        self.other, self.mine, self.sign = site, second_account(site), sign

    def run(self, *, hangs: bool = False) -> None:
        (self.sign.touch if hangs else self.sign.unlink)(**({} if hangs else {"missing_ok": True}))
        hook = HANGS.format(mailbox=str(self.mine.mailbox), sign=str(self.sign), some=patience.here(4))
        self.other.run([sys.executable, "-c", f"{hook}\n{GUARDED[2]}"])

    def alerts(self, account: str) -> dict[tuple[str, str], bool]:
        """What was told of threads and mailboxes of an account, and whether it is over."""
        file = self.other.home / "alerts.jsonl"
        lines = map(json.loads, file.read_text().splitlines() if file.exists() else ())
        return {(line["code"], line["about"]): line.get("over", False) for line in lines if account in line["about"]}

    def checkpoint(self, account: str) -> int:
        """How many entries of the history were told."""
        with closing(sqlite3.connect(f"file:{self.other.home}/tongguan.db?mode=ro", uri=True)) as journal:
            row = journal.execute("SELECT value FROM marker WHERE name = ?", (f"checkpoint:teller:{account}",)).fetchone()
        return sum(Cursor.of(row[0]).entries.values()) if row else 0


@pytest.fixture
def share(own_site: Site, tmp_path: Path) -> Iterator[Share]:
    made = Share(own_site, tmp_path / "hangs")
    own_site.simulate("--fast")
    yield made
    made.sign.unlink(missing_ok=True)


def works(site: Site) -> str:
    name = site.drop(b.xml(b.application("save")))
    assert site.wait(name)["state"] == "accepted"
    wait_until(lambda: site.inbox(f"Successed_{name[:-4]}_"), "its answer")
    return name


def beats(site: Site) -> None:
    beat = site.mailbox / "Status" / "heartbeat.json"
    before = beat.read_bytes()
    wait_until(lambda: beat.read_bytes() != before, "the heartbeat to move on")


@pytest.mark.long
def test_a_share_that_hangs_holds_nobody_but_its_own_account(share: Share) -> None:
    share.run()
    works(share.mine)
    share.sign.touch()
    late = share.mine.drop(b.xml(b.application("save")))
    for _ in range(2):
        works(share.other)
        beats(share.other)
    wait_until(lambda: share.checkpoint("demo") > share.checkpoint("second"), "the checkpoint of the other to move on")
    wait_until(lambda: {("thread", "teller:second"), ("thread", "door:second")} & share.alerts("second").keys(), "the alert")
    heart = share.other.mailbox / "Status" / "heartbeat.json"
    wait_until(lambda: "second" in heart.read_text(), "the other's heartbeat to say so")

    assert share.mine.status(late) is None
    share.sign.unlink()
    assert share.mine.wait(late)["state"] == "accepted"
    beats(share.mine)
    wait_until(lambda: all(share.alerts("second").values()), "the alerts to end")
    assert share.alerts("demo") == {}


@pytest.mark.long
def test_a_gateway_ends_although_a_share_hangs_and_the_others_last_files_are_written(share: Share) -> None:
    share.run()
    works(share.mine)
    first = share.mine.drop(b.xml(b.application("save")))
    share.mine.wait(first)
    share.sign.touch()
    beats(share.other)
    last = share.other.drop(b.xml(b.application("save")))
    share.other.wait(last)
    process = share.other.processes.pop("run")
    process.send_signal(signal.SIGTERM)

    assert patience.ended(process, "the gateway") == 0
    assert share.other.status(last)["state"] == "accepted"  # type: ignore[index]
    assert share.alerts("second")
    share.run()
    works(share.mine)
    wait_until(lambda: all(share.alerts("second").values()), "the alerts to end", UNSEEN + 30)


@pytest.mark.long
def test_a_gateway_starts_and_changes_its_settings_although_a_share_hangs_which_is_taken_up_when_it_answers(share: Share) -> None:
    share.run()
    works(share.mine)
    share.other.stop()
    share.sign.touch()
    share.run(hangs=True)
    late = share.mine.drop(b.xml(b.application("save")))
    works(share.other)
    wait_until(lambda: ("mailbox", "second") in share.alerts("second"), "the alert")
    run = share.other.processes["run"]
    change_settings(share.other.home, "gateway", "language", "en")
    run.send_signal(signal.SIGHUP)
    log = share.other.home / "run.log"
    wait_until(lambda: "settings swapped" in log.read_text(), "the settings to change")
    works(share.other)

    assert share.mine.status(late) is None
    share.sign.unlink()
    assert share.mine.wait(late)["state"] == "accepted"
    beats(share.mine)
    wait_until(lambda: all(share.alerts("second").values()), "the alerts to end", UNSEEN + 30)


@pytest.mark.long
def test_commands_do_not_hang_with_a_share(share: Share) -> None:
    share.run()
    share.other.stop()
    share.sign.touch()
    hook = HANGS.format(mailbox=str(share.mine.mailbox), sign=str(share.sign), some=1)
    for command in ("status", "doctor", "mailbox list"):
        words = [sys.executable, "-c", f"{hook}\n{TONGGUAN[2]}", *command.split(), "--home", str(share.other.home)]
        said = patience.ran([*words, "--lang", "en"])
        assert "does not answer" in said.stdout or (command == "status" and said.returncode == 2), said.stdout + said.stderr
