"""What was told ends when it is not true any more, also where the gateway was down when it ended; and a slow card keeps its batch."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import Place, site_with_endpoints
from sites import Site, wait_until

from tongguan.gateway.daemon import daemon as module
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow import table
from tongguan.gateway.flow.submission import seal

pytestmark = pytest.mark.requirement("GW-08")


def story(site: Site) -> dict[tuple[str, str], bool]:
    """Every trouble that the file tells of, and whether it is over."""
    try:
        lines = (site.home / "alerts.jsonl").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {(a["code"], a["about"]): bool(a.get("over")) for a in map(json.loads, lines)}


def test_what_ended_while_the_gateway_was_dead_ends_when_it_is_back(place: Place) -> None:
    site, mofcom, customs = place
    mofcom.down()
    customs.down()
    site.run()
    settings = site.home / "tongguan.toml"
    right = settings.read_text("utf-8")
    settings.write_text(right + "\n[nonsense]\n", "utf-8")
    site.processes["run"].send_signal(signal.SIGHUP)
    name = site.drop(b.xml(b.application("declare")))
    wanted = {("lane", "route:mofcom"), ("receipts", "customs"), ("settings", "")}
    wait_until(lambda: wanted <= story(site).keys(), "the alerts")
    site.stop("run", kill=True)
    told = {key for key, over in story(site).items() if not over}
    settings.write_text(right, "utf-8")
    mofcom.up()
    customs.up()
    site.run()

    wait_until(lambda: all(story(site)[key] for key in told), "every alert's end")
    site.wait(name, "sent")


def test_a_slow_card_keeps_its_batch_for_longer_than_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, mofcom, customs = site_with_endpoints(tmp_path, card="software")
    settings = site.home / "tongguan.toml"
    slow, cards = re.subn(r'(?m)^kind = "software".*$', 'kind = "software"\ndelay = "300ms"', settings.read_text("utf-8"))
    assert cards
    settings.write_text(slow, "utf-8")
    monkeypatch.setattr(module, "_UPKEEP", 0.02)
    signed: Counter[str] = Counter()

    def counted(real: Any) -> Any:
        def act_seal(site: Any, messages: Any, records: Any) -> Any:
            signed.update(m.id for m in messages)
            return real(site, messages, records)

        return act_seal

    for part in (seal, table):
        monkeypatch.setattr(part, "act_seal", counted(part.act_seal))
    daemon = Daemon(site.home)
    daemon.journal.lease_ms = 250  # a batch of four signatures takes five times as long
    names = [site.drop(b.xml(b.application("declare"))) for _ in range(8)]
    daemon.start()
    for name in names:
        site.wait(name, "sent")
    daemon.stop()
    mofcom.down()
    customs.down()

    assert len(signed) == 8
    assert set(signed.values()) == {1}, "nothing was signed again because its claim was lost"
