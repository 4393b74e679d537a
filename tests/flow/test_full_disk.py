"""The disk of the home is full: the status says so at once, no message is harmed, and every alert of it ends when there is room."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import Endpoint, site_with_endpoints
from sites import Site, wait_until

pytestmark = pytest.mark.requirement("GW-08")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Site, Endpoint]]:
    """A gateway that runs on a disk of its own of 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    site, mofcom, customs = site_with_endpoints(disk)
    yield site, mofcom
    for name in list(site.processes):
        site.stop(name, kill=True)
    mofcom.down()
    customs.down()
    subprocess.run(["umount", "-l", disk], check=True)


def overview(site: Site) -> tuple[int, set[str]]:
    said = site.command("status", "--json")
    return said.returncode, {p["code"] for p in json.loads(said.stdout)["problems"]}


def story(site: Site) -> dict[tuple[str, str], bool]:
    """Every trouble that the file tells of, and whether it is over."""
    told: list[dict[str, Any]] = [json.loads(line) for line in (site.home / "alerts.jsonl").read_text().splitlines()]
    return {(a["code"], a["about"]): bool(a.get("over")) for a in told}


def fill(folder: Path) -> Path:
    """No byte is left."""
    path = folder / "full"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return path


def test_a_full_disk_is_seen_at_once_and_all_is_well_again_when_there_is_room(small: tuple[Site, Endpoint]) -> None:
    site, _ = small
    site.run()
    site.wait(site.drop(b.xml(b.application("declare"))), "sent")
    wait_until(lambda: overview(site)[0] == 0, "all well")
    names = [f"late-{n}.xml" for n in range(3)]
    parts = [site.mailbox / "OutBox" / f"{name}.tmp" for name in names]
    for part in parts:
        part.write_bytes(b.xml(b.application("declare")))
    full = fill(site.home)
    code, seen = overview(site)
    assert (code, "disk" in seen) == (2, True)
    for part, name in zip(parts, names, strict=True):
        part.rename(part.with_name(name))
    wait_until(lambda: "station" in overview(site)[1] or "silent" in overview(site)[1], "the trouble of the stations to be seen")
    full.unlink()
    for name in names:
        site.wait(name, "sent")
    wait_until(lambda: overview(site) == (0, set()), "all well")

    wait_until(lambda: all(story(site).values()) and ("disk", str(site.home)) in story(site), "every alert's end")
    assert site.processes["run"].poll() is None
    assert not os.listdir(site.mailbox / "OutBox")
