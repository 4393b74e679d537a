"""Make the home that a release leaves behind: `python tests/flow/homes/make.py 0.1.0`, once, at the release's commit.

`PYTHONPATH=src:tests/support:tests/flow`. A gateway works through messages until one is in each of several states; the whole
home, as a backup keeps it, becomes an archive beside this file, which every later gateway must start (`test_kept_homes.py`).
"""

from __future__ import annotations

import re
import sys
import tarfile
import tempfile
from pathlib import Path

import bodies as b
from endpoint import site_with_endpoints
from receipt_desk import ISSUED, RETURNED, Desk

from tongguan.gateway.home.home import change_settings

PASSING = re.compile(r"\.(log|sock|lock|spare)$|^home/simulators")
NOBODY = "http://127.0.0.1:9"  #: no authority listens there, now or later


def main(release: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = made(Path(folder))
        for authority in ("mofcom", "customs"):
            change_settings(home, f"route.{authority}", "url", NOBODY)
        with tarfile.open(Path(__file__).with_name(f"{release}.tar.xz"), "w:xz") as archive:
            archive.add(home, "home", filter=lambda entry: None if PASSING.search(entry.name) else entry)


def made(folder: Path) -> Path:
    site, mofcom, customs = site_with_endpoints(folder)
    site.run()
    desk = Desk(site, mofcom)
    issued, returned, _ = desk.declare(document="issued"), desk.declare(document="returned"), desk.declare(document="sent")
    mofcom.issue(mofcom.receipt(code="22", type=b.APPLICATION, number="nobody's", message="nobody's"))
    mofcom.issue(*(mofcom.receipt(**issued.said(code)) for code in ("10", "20", "30", "40")))
    mofcom.issue(*(mofcom.receipt(**returned.said(code)) for code in ("10", "21")))
    desk.becomes(issued, ISSUED)
    desk.becomes(returned, RETURNED)
    site.wait(site.drop(b.xml(b.application("save", reference="draft", document="draft"))), "accepted")
    site.wait(site.drop(b.xml(b.query(b.APPLICATION, "list"))), "accepted")
    site.wait(site.drop("<nonsense/>"), "refused")
    mofcom.down()
    customs.down()
    site.wait(site.drop(b.xml(b.application("declare", reference="waits", document="waits"))), "sealed")
    assert site.stop("run") == 0
    return site.home


if __name__ == "__main__":
    main(sys.argv[1])
