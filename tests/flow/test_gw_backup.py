"""Back-up, restore and upgrade, one command each: nothing goes out twice, and no number is given again."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from sites import Site, make_site, wait_until

pytestmark = pytest.mark.requirement("GW-14")
KEPT = Path(__file__).parent / "homes" / "0.1.0.tar.xz"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path)
    made.simulate("--fast")
    made.run()
    yield made
    for name in [*made.processes]:
        made.stop(name, kill=True)


def declared(site: Site) -> Counter[str]:
    """How often MOFCOM has each document, by the reference under which it was declared."""
    with closing(sqlite3.connect(f"file:{site.home}/simulators/mofcom.db?mode=ro", uri=True)) as store:
        return Counter(json.loads(facts)["reference"] for (facts,) in store.execute("SELECT facts FROM document"))


def given(status: dict[str, Any]) -> int:
    """The serial number of what a status tells of."""
    return int(status["numbers"]["application"][4:])


def states(site: Site) -> dict[str, str]:
    found = json.loads(site.command("list", "--json", check=True).stdout)
    return {message["message_id"]: message["state"] for message in found}


def said(site: Site, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.command(*words, "--json", check=True).stdout)
    return found


def lost(site: Site) -> None:
    for name in site.home.glob("tongguan.db*"):
        name.unlink()


def test_a_home_whose_disk_failed_goes_on_from_a_backup_that_was_made_while_it_ran(site: Site, tmp_path: Path) -> None:
    before = b.done(site, b.application("declare", reference="before"))
    site.command("pause", "route", "mofcom", "--why", "test", check=True)
    waits = site.drop(b.xml(b.application("declare", reference="waits")))
    sealed = site.wait(waits, "sealed")["message_id"]

    made = said(site, "backup", str(tmp_path / "of-today.zip"))
    site.command("resume", "route", "mofcom", "--why", "test", check=True)
    site.wait(waits, "accepted")
    since = b.done(site, b.application("declare", reference="since"))
    site.stop("run", kill=True)
    lost(site)
    restored = said(site, "restore", str(tmp_path / "of-today.zip"))
    site.run()
    site.command("resume", "route", "mofcom", "--why", "paused when the backup was made", check=True)
    again = b.done(site, b.application("declare", reference="again"))

    assert made["messages"] >= 2 and not made["secrets"]
    assert restored["since"] == [since["message_id"]]
    assert (restored["numbers"], restored["missing"], restored["kept"]) == ("anchor", [], [])
    wait_until(lambda: states(site)[sealed] == "accepted", "the sealed one's verdict")
    assert declared(site) == {"before": 1, "waits": 1, "since": 1, "again": 1}
    assert given(again) > given(since) > given(before)
    assert site.stop("run") == 0
    site.command("audit", "verify", check=True)


def test_a_backup_with_secrets_goes_on_in_a_new_home_far_behind_every_number_that_was_given(site: Site, tmp_path: Path) -> None:
    before = b.done(site, b.application("declare", reference="before"))
    said(site, "backup", str(tmp_path / "whole.zip"), "--secrets")
    since = b.done(site, b.application("declare", reference="since"))
    site.stop("run")
    new = Site(tmp_path / "new")
    restored = said(new, "restore", str(tmp_path / "whole.zip"))
    new.run()
    try:
        after = b.done(new, b.application("declare", reference="after"))
    finally:
        assert new.stop("run") == 0

    assert (restored["numbers"], restored["missing"], restored["since"]) == ("skipped", [], [])
    assert given(after) >= given(before) + 1_000_000 > given(since)
    assert declared(site) == {"before": 1, "since": 1, "after": 1}
    new.command("audit", "verify", check=True)


def test_a_gateway_that_runs_lets_nobody_restore_or_upgrade(site: Site, tmp_path: Path) -> None:
    said(site, "backup", str(tmp_path / "b.zip"))
    for words in (["restore", str(tmp_path / "b.zip")], ["upgrade"]):
        refused = site.command(*words, "--lang", "en")
        assert (refused.returncode, "the gateway is running" in refused.stderr) == (78, True)

    b.done(site, b.application("declare"))


def test_the_journal_of_an_older_release_is_brought_up_to_date_by_a_command_behind_a_backup(tmp_path: Path) -> None:
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path, filter="data")
    site, before = Site(tmp_path / "home"), (tmp_path / "home" / "tongguan.db").read_bytes()
    refused = site.command("run", "--lang", "en")
    looks = site.command("list", "--lang", "en")

    found = {line["check"]: line["do"] for line in json.loads(site.command("doctor", "--json", "--lang", "en").stdout)}

    assert (refused.returncode, looks.returncode) == (78, 78)
    assert f"tongguan upgrade --home {site.home}" in found["journal"]
    assert f"tongguan upgrade --home {site.home}" in refused.stderr and "tongguan upgrade" in looks.stderr
    assert (site.home / "tongguan.db").read_bytes() == before

    upgraded = said(site, "upgrade")
    assert upgraded["from"] == "0100" < upgraded["to"]
    assert said(site, "upgrade") == {"from": upgraded["to"], "to": upgraded["to"], "backup": None}
    found = states(site)
    site.command("audit", "verify", check=True)

    shutil.copytree(site.home, tmp_path / "other", ignore=shutil.ignore_patterns("*.db*", "anchor.jsonl", "backups"))
    other = Site(tmp_path / "other")
    said(other, "restore", upgraded["backup"])
    assert states(other) == found
    assert os.listdir(site.home / "backups") == [Path(upgraded["backup"]).name]
