"""Lists and changes of lists that want more of one licence than it has, at a gateway whose threads and processes run."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from endpoint import Endpoint, site_with_endpoints
from licence_types import CHANGE, LICENCE, LIST, NUMBER, licence_body, list_body, write_types
from sites import Site, wait_until
from workshop import QUICK

IRON, TONNES, LISTS, APPROVED = "2601111000", "070", 60, 100


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, Endpoint]]:
    site, mofcom, customs = site_with_endpoints(tmp_path, settings=QUICK, card="software")
    write_types(site.home / "profiles" / "mofcom")
    site.run()
    yield site, mofcom
    site.stop("run")
    mofcom.down()
    customs.down()


def message(type_: str, reference: str, body: str) -> str:
    return f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="declare" reference="{reference}">{body}</{type_}>'


def said(site: Site, mofcom: Endpoint, type_: str, references: list[str], code: str, words: str, **more: str) -> None:
    mofcom.issue(*(mofcom.receipt(code=code, type=type_, message=mofcom.wire_id(key), **more) for key in references))
    for key in references:
        site.wait_business(type_, key, words)


def used(site: Site) -> float:
    with closing(sqlite3.connect(f"file:{site.home}/tongguan.db?mode=ro", uri=True)) as base:
        return sum(high * 10**12 + low for high, low in base.execute("SELECT high, low FROM licence_used")) / 100_000


@pytest.mark.long
@pytest.mark.requirement("CD-08", "CD-10")
def test_of_lists_and_changes_that_race_for_one_licence_as_many_go_as_fit(site: tuple[Site, Endpoint]) -> None:
    """Sixty lists of one tonne; then sixty changes from one to two, and twenty lists more, for the forty that are left."""
    site_, mofcom = site
    licence = site_.drop(message(LICENCE, "lic", licence_body((IRON, TONNES, str(APPROVED)))))
    site_.wait(licence, "sent")
    mofcom.issue(mofcom.receipt(code="30", type=LICENCE, message=mofcom.wire_id("lic"), numbers={"licence": NUMBER}))
    site_.wait_business(LICENCE, "lic", "复审通过")
    lists = [f"l{n}" for n in range(LISTS)]
    for key in lists:
        site_.drop(message(LIST, key, list_body((IRON, TONNES, "1"))))
    wait_until(lambda: all(mofcom.posts(key) for key in lists), "the lists to be sent")
    said(site_, mofcom, LIST, lists, "7", "审批通过")

    change = "<Kind>1</Kind><ListNo>{}</ListNo><Change><Place>DecList[1]/GQty</Place><New>2</New></Change>"
    files = [(CHANGE, f"c-{key}", change.format(key)) for key in lists]
    files += [(LIST, f"m{n}", list_body((IRON, TONNES, "1"))) for n in range(20)]
    for type_, reference, body in random.sample(files, len(files)):
        site_.drop(message(type_, reference, body), name=f"{reference}.xml")
    states = {reference: site_.wait(f"{reference}.xml", "sent", "refused")["state"] for _, reference, _ in files}

    assert Counter(states.values()) == {"sent": APPROVED - LISTS, "refused": len(files) - (APPROVED - LISTS)}
    assert used(site_) == APPROVED
    agreed = [reference for reference, state in states.items() if state == "sent" and reference.startswith("c-")]
    said(site_, mofcom, CHANGE, agreed[::2], "A1", "同意")
    said(site_, mofcom, CHANGE, agreed[1::2], "A2", "不同意")
    assert used(site_) == APPROVED - len(agreed[1::2])
