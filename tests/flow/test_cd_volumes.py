"""Goods of one filing in volumes (分册): where one ends and the next begins, and where what is wrong with a good is told."""

from __future__ import annotations

from typing import Any

import bodies as b
import filings as f
import pytest
from filings import GOODS, act, goods, qualified, volume
from sites import Site, wait_until


@pytest.fixture(scope="module")
def filing(site: Site) -> str:
    """The number of an approved qualification."""
    return str(qualified(site)["numbers"]["unified"])


def rows(site: Site, key: str) -> list[dict[str, str]]:
    return list((site.document(GOODS, key) or {})["body"]["DecList"])


@pytest.mark.requirement("CD-03")
@pytest.mark.parametrize(("count", "sizes"), [(98, [98]), (99, [99]), (100, [99, 1]), (300, [99, 99, 99, 3])])
def test_a_volume_ends_with_its_99th_good(site: Site, filing: str, count: int, sizes: list[int]) -> None:
    status = b.done(site, volume(filing, "save", rows=[goods(n) for n in range(1, count + 1)]))

    keys = [part["document"] for part in status.get("parts", [{"document": status["document"]}])]
    assert [len(rows(site, key)) for key in keys] == sizes
    names = [row["GName"] for key in keys for row in rows(site, key)]
    assert names == [goods(n)["GName"] for n in range(1, count + 1)]
    assert [[row["GNo"] for row in rows(site, key)][-1] for key in keys] == [str(size) for size in sizes]


@pytest.mark.requirement("CD-03")
def test_a_good_is_inserted_into_a_volume_up_to_the_99th(site: Site, filing: str) -> None:
    key = b.done(site, volume(filing, "save", rows=[goods(n) for n in range(1, 99)]))["document"]

    b.done(site, act(GOODS, "insert", key, DecList=[goods(99)]))
    (fault,) = b.refused(site, act(GOODS, "insert", key, Before="1", DecList=[goods(100)]))["faults"]

    assert (fault["code"], fault["label"], fault["path"]) == ("GW-C18", "备案表表体", f"/{GOODS}/DecList")
    assert len(rows(site, key)) == 99


@pytest.mark.requirement("CD-03")
def test_goods_may_be_numbered_through_the_file(site: Site, filing: str) -> None:
    status = b.done(site, volume(filing, "save", rows=[goods(n, GNo=str(n)) for n in range(1, 121)]))

    assert [row["GNo"] for row in rows(site, status["parts"][1]["document"])] == [str(n) for n in range(1, 22)]


@pytest.mark.requirement("CD-03")
def test_what_is_wrong_in_the_second_volume_is_told_at_its_line_and_nothing_is_filed(site: Site, filing: str) -> None:
    wrong: dict[int, dict[str, Any]] = {105: {"LicenseNo": "7：26AA100001"}, 110: {"CodeTS": "12"}}
    root = volume(filing, rows=[goods(n, **wrong.get(n, {})) for n in range(1, 121)])

    status = b.refused(site, root)

    assert sorted((fault["code"], fault["path"], fault["label"]) for fault in status["faults"]) == [
        ("CD-G06", f"/{GOODS}/DecList[105]/LicenseNo", "备案表表体许可证编号"),
        ("GW-C05", f"/{GOODS}/DecList[110]/CodeTS", "备案表表体商品编号"),
    ]
    assert site.document(GOODS, status["document"]) is None


@pytest.mark.requirement("CD-03")
@pytest.mark.requirement("CD-04")
def test_volumes_that_wait_for_their_qualification_are_told_and_go_by_themselves(site: Site) -> None:
    first = b.done(site, f.qualification("declare", "!pace=1s"), "sent")
    name = site.drop(b.xml(volume(first["document"], rows=[goods(n) for n in range(1, 101)])))

    waiting = wait_until(lambda: (s := site.status(name)) and s["waiting_for"] == "other document" and s, "goods to wait")
    assert [len(rows(site, part["document"])) for part in waiting["parts"]] == [99, 1]
    site.wait(name, "accepted")

    documents = [site.wait_business(GOODS, part["document"], f.APPROVED) for part in waiting["parts"]]
    assert len({document["numbers"]["volume"] for document in documents}) == 2
