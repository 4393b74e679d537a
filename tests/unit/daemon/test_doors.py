"""A mailbox never waits for another's: each has a thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from homes import new_home
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.intake import door
from tongguan.gateway.home.home import change_settings

OTHER = '\n[[account]]\nname = "other"\ntitle = "另一企业"\nuscc = "91210200MA0EXAMPLD"\nmailbox = "mailboxes/other"\n'


@pytest.mark.requirement("GW-06")
def test_an_account_whose_file_takes_for_ever_leaves_the_others_pace_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(tmp_path / "home", language="en")
    change_settings(home, "gateway", "settle", "0s")
    with open(home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write(OTHER)
    hangs, go_on = threading.Event(), threading.Event()
    real = door.look_into

    def slow(site: Any, came: Any, **more: Any) -> Any:
        if came.account == "demo":
            hangs.set()
            go_on.wait()
        return real(site, came, **more)

    monkeypatch.setattr(door, "look_into", slow)
    daemon = Daemon(home)
    daemon.start()
    try:
        (home / "mailboxes/demo/OutBox/a.xml").write_text("<no message/>")
        hangs.wait()
        for name in ("b.xml", "c.xml"):
            (home / "mailboxes/other/OutBox" / name).write_text("<no message/>")
            wait_until((home / f"mailboxes/other/Status/{name}.status.json").exists, f"the other account's {name}")
        waiting = not (home / "mailboxes/demo/Status/a.xml.status.json").exists()
        go_on.set()
        wait_until((home / "mailboxes/demo/Status/a.xml.status.json").exists, "the slow account's file")
    finally:
        go_on.set()
        daemon.stop()

    assert waiting
