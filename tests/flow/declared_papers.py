"""What tests of 报关单证查询打印 need: requests for declarations that simulated customs holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bodies as b
from lxml import etree
from sites import Site

PRINT, EXPORT = "DP.print", "DP.export"
CLEARED = [f"090820261{n:09d}" for n in range(2001, 3000)]  #: the sample enterprise's own
EXPORTED = [f"090820260{n:09d}" for n in range(2001, 2010)]  #: and cleared exports, of eight lines
RELEASED, OLD_EDITION, LONG_AGO = "090820261000003001", "090820261000003101", "090820201000000001"
OTHERS, NOBODYS = "090220261000000301", "090820261999999999"


def request(type_: str, entries: Sequence[str], marker: str = "", *, seal: str = "1", **more: Any) -> etree._Element:
    """A request for these declarations."""
    body: dict[str, Any] = {"Seal": seal} if type_ == PRINT and seal else {}
    body |= {"Entry": [{"EntryId": one} for one in entries]} if entries else {}
    return b.message(type_, "declare", set_=body, reference=b.fresh("dp") + marker, **more)


def asked(site: Site, type_: str, entries: Sequence[str], marker: str = "", **more: Any) -> dict[str, Any]:
    """The document of a request that customs has answered."""
    status = site.wait(site.drop(b.xml(request(type_, entries, marker, **more))), "accepted", "rejected", "refused")
    assert status["state"] != "refused", status["faults"]
    return b.document(site, status)


def states(document: dict[str, Any]) -> list[str]:
    return [row.get("State", "") for row in document["body"]["Entry"]]
