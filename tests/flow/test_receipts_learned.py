"""A code that nobody knew: once a profile knows it, what was said under it is applied by itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from endpoint import Endpoint, add_settings, site_with_endpoints
from receipt_desk import alerts
from sites import wait_until
from test_lr_another import TYPE, add_folder

from tongguan.gateway.home.home import USCC
from tongguan.simulators.messages.signing import load_sealer

_ROUTE = """
[route.ministries]
environment = "test"
url = "http://127.0.0.1:{port}"
certificates = ["trust/ministries.pem"]
"""
_LEARNED = """
[[receipt]]
code = "35"
zh = "新批准"
en = "approved in a new way"
status = "approved"
rank = 35
ends = "accepted"
"""
OTHERS = 120  #: receipts with a code that stays unknown, older than the one that is learned


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize("restart", [False, True], ids=["SIGHUP", "restart"])
def test_a_code_that_the_profile_learns_is_applied_by_itself(tmp_path: Path, restart: bool) -> None:
    site, mofcom, customs = site_with_endpoints(tmp_path)
    keys = site.home / "simulators"
    sealer = load_sealer(keys / "ministries.key", keys / "ministries.pem")
    ministry = Endpoint("ministries", sealer, sealer, account=USCC)
    ministry.up()
    add_settings(site.home, _ROUTE.format(port=ministry.port))
    folder = add_folder(site.home)
    site.run()
    try:
        name = site.drop((folder / "examples" / "ok-declare.xml").read_bytes())
        sent = site.wait(name, "sent")
        said = {"type": TYPE, "number": sent["numbers"]["application"], "message": ministry.wire_id(sent["reference"])}
        ministry.issue(*(ministry.receipt(code="77", **said) for _ in range(OTHERS)), ministry.receipt(code="35", **said))
        receipts = lambda: (site.status(name) or {})["receipts"]
        wait_until(lambda: len(receipts()) == OTHERS + 2 and all(r["file"] for r in receipts()[1:]), "all to be handed on")
        assert (site.status(name) or {})["state"] == "sent"

        with (folder / "profile.toml").open("a", encoding="utf-8") as profile:
            profile.write(_LEARNED)
        if restart:
            site.stop("run")
            site.run()
        else:
            site.processes["run"].send_signal(signal.SIGHUP)

        assert site.wait(name)["state"] == "accepted"
        site.wait_business(TYPE, sent["document"], "审批通过")
        files = [path.read_bytes() for path in site.inbox("Receipt_")]
        assert sum(b'code="35"' in raw for raw in files) == 1, "handed on once"
        assert not any(a.get("over") for a in alerts(site, "unknown-code")), "the others stay unknown"
        site.command("audit", "verify", check=True)
    finally:
        site.stop("run", kill=True)
        for each in (mofcom, customs, ministry):
            each.down()
