"""Root looks after a home that is somebody else's: whoever serves there as himself finds all of it his own afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import bodies as b
import pytest
from lxml import etree
from sites import Site

from tongguan.gateway.home.home import SETTINGS

OWNER = 65_534  #: nobody


@pytest.fixture
def anothers(own_site: Site) -> Site:
    if os.geteuid():
        pytest.skip("only root can be somebody else")
    for path in (own_site.home, *own_site.home.rglob("*")):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    return own_site


def not_his(home: Path) -> list[str]:
    """What is in the home and not its owner's; of simulators, of logs, and of what the ERP dropped, nothing is said."""
    every = (path for path in home.rglob("*") if "simulators" not in path.parts and path.suffix not in (".log", ".sock"))
    return sorted(
        str(path.relative_to(home))
        for path in every
        if path.lstat().st_uid != OWNER and path.parent.name not in ("SentBox", "FailBox")
    )


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("doctor",),
        ("card", "bind", "demo-mofcom"),
        ("mailbox", "adopt", "demo"),
        ("audit", "verify"),
        ("tables", "import", "{table}"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_leaves_nothing_of_roots_behind(anothers: Site, tmp_path: Path, words: tuple[str, ...]) -> None:
    table = tmp_path / "country.csv"
    table.write_text("code,zh,en\nXXX,某国,Somewhere\n", "utf-8")
    anothers.simulate()
    anothers.run()
    anothers.stop()
    before = not_his(anothers.home)

    said = anothers.command(*(word.format(table=table) for word in words))

    assert (before, not_his(anothers.home)) == ([], []), said.stdout + said.stderr


def test_a_gateway_that_root_ran_leaves_nothing_of_roots_behind(anothers: Site) -> None:
    anothers.simulate()
    anothers.run()
    saved = anothers.drop(etree.tostring(b.application(reference="root-1")))
    broken = anothers.drop(b"<broken")
    anothers.wait(saved)
    anothers.wait(broken)
    anothers.command("config", "check")
    anothers.stop()

    assert not_his(anothers.home) == []


def test_settings_that_are_a_link_stay_one(own_site: Site, tmp_path: Path) -> None:
    """Somebody else looks after them, and would never hear of the card."""
    path, managed = own_site.home / SETTINGS, tmp_path / "managed.toml"
    managed.write_text(path.read_text("utf-8").replace('bound = "8900000000017"', 'bound = ""'), "utf-8")
    path.unlink()
    path.symlink_to(managed)

    own_site.command("card", "bind", "demo-mofcom", check=True)

    assert path.is_symlink()
    assert 'bound = "8900000000017"' in managed.read_text("utf-8")


def test_settings_keep_their_mode_and_group_when_a_card_is_bound(own_site: Site) -> None:
    path = own_site.home / SETTINGS
    path.chmod(0o600)
    if not os.geteuid():
        os.chown(path, -1, OWNER)
    before = path.stat()

    own_site.command("card", "bind", "demo-mofcom", check=True)

    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
