"""Homes that earlier releases left behind (`homes/make.py` made them): each later gateway goes on with them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from sites import FINAL, Site, wait_until

HOMES = sorted((Path(__file__).parent / "homes").glob("*.tar.xz"))


def listed(site: Site) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(site.command("list", "--json", check=True).stdout)
    return {message["message_id"]: message["state"] for message in found}


@pytest.mark.parametrize("kept", HOMES, ids=lambda path: path.name)
def test_a_home_of_an_earlier_release_goes_on(kept: Path, tmp_path: Path) -> None:
    with tarfile.open(kept) as archive:
        archive.extractall(tmp_path, filter="data")
    site = Site(tmp_path / "home")
    told = {path.name: json.loads(path.read_bytes()) for path in (site.mailbox / "Status" / "by-id").iterdir()}
    site.command("upgrade", check=True)
    site.run()
    try:
        site.command("audit", "verify", check=True)
        now = listed(site)
        draft = site.drop(b.xml(b.application("save", document="draft")))
        question = site.drop(b.xml(b.query(b.APPLICATION, "list")))

        assert {"accepted", "rejected", "refused", "sent", "sealed"} <= {page["state"] for page in told.values()}
        for page in told.values():
            assert now[page["message_id"]] == page["state"] or page["state"] not in FINAL
        assert site.wait(draft)["state"] == "accepted"
        assert site.wait(question)["state"] == "accepted"
        wait_until(lambda: (site.document(b.APPLICATION, "draft") or {})["versions"]["document"] == 2, "the draft's new version")
    finally:
        assert site.stop("run") == 0
    site.command("audit", "verify", check=True)
