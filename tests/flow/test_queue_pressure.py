"""Where no more fits, all doors pause and say why: files stay in OutBox and messages in the broker, until there is room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import brokers
import pytest
from queue_desk import QueueSite, envelope, open_queue_site
from sites import wait_until

from tongguan.gateway.home.home import change_settings, set_ports

pytestmark = [pytest.mark.requirement("GW-02"), pytest.mark.requirement("GW-08")]
MOST = 5


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[QueueSite]:
    """A gateway that takes in little, and whose authorities are not there yet."""
    with brokers.virtual_host() as virtual_host:
        made = open_queue_site(tmp_path, virtual_host)
        change_settings(made.site.home, "gateway", "settle", "0s")
        path = made.site.home / "tongguan.toml"
        path.write_text(path.read_text().replace("[gateway]\n", f"[gateway]\nmost_waiting = {MOST}\n", 1))
        made.run()
        yield made
        for name in list(made.site.processes):
            made.site.stop(name)


def index(queues: QueueSite) -> dict[str, Any]:
    return dict(json.loads((queues.site.mailbox / "Status" / "index.json").read_bytes()))


@pytest.mark.long
def test_a_long_backlog_pauses_files_and_queues_with_its_reason_and_goes_on_by_itself(narrow: QueueSite) -> None:
    site = narrow.site
    first = [site.drop(b.xml(b.application("declare"))) for _ in range(MOST + 1)]
    for name in first:
        site.wait(name, "sealed")

    told = narrow.problem("pressure")
    late = b.fresh("late")
    file = site.drop(b.xml(b.application("save", reference=f"{late}-file")), name=f"{late}.xml")
    narrow.send(envelope(b.xml(b.application("save", reference=f"{late}-queue"))))
    wait_until(lambda: index(narrow)["paused"], "the reason in index.json")
    listed = site.command("status", "--json").stdout

    assert str(MOST) in told["text"] and "most_waiting" in told["text"]
    assert "most_waiting" in index(narrow)["paused"]
    assert "pressure" in {problem["code"] for problem in json.loads(listed)["problems"]}
    assert (site.mailbox / "OutBox" / file).exists()
    assert narrow.ready() == 1
    assert narrow.about(f"{late}-queue") == []

    (site.home / "simulators" / "ports.json").unlink(missing_ok=True)
    site.start("simulate", "simulate", "--fast")
    wait_until((site.home / "simulators" / "ports.json").exists, "the simulators to listen")
    set_ports(site.home)
    site.command("reload", check=True)
    narrow.well("pressure")
    assert narrow.wait(f"{late}-queue", "accepted")
    site.wait(file, "accepted")
    wait_until(lambda: index(narrow)["paused"] is None, "index.json to say so")
