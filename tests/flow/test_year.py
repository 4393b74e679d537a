"""A year of collective declaration, in short days: lists on working days, merged by the calendar, declared by a person, against customs.

At the end each cleared list is in exactly one living declaration, or has stayed because it may not be merged across the year; and every
declaration says what its lists say, by a calculation of the test's own. CI plays the quarter about New Year; YEAR=1 plays all months.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import bodies as b
import pytest
from filings import ACCOUNT, BONDED_ACCOUNT, CHANGE, DECLARATION, LIST, act, qualified
from homes import begins
from lists import Filing, filing, line, listed
from sites import Site, journal_moves, wait_until
from test_cd_change import request, row

from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import BusinessClock, kept_line

#: within the year of what is filed on the first day
FIRST, LAST, END = (
    ("2030-01-21", "2031-01-10", "2031-02-12") if os.environ.get("YEAR") else ("2030-11-04", "2031-01-10", "2031-02-12")
)
LAST_MERGES = "2030-12-26"  #: from then on each hour of the year's end: what was cleared before was merged in time
MARKERS = {5: "!refuse", 7: "!not-presented", 11: "!send-fail"}  #: what happens to lists of some days
EXPORT = {
    "IEFlag": "E",
    "TradeCountry": "USA",
    "TradeAreaCode": "USA",
    "DistinatePort": "USA264",
    "DespPortCode": "CHN113",
    "OverseasConsignorEname": None,
    "OverseasConsigneeEname": "Example Books Inc.",
    "TransMode": "1",
    "GoodsPlace": None,
}
KILLED = ("-05", "-21")  #: days of a month on which the gateway is killed
ON_ITS_WAY = ("暂存", "已申报", "发往海关成功", "海关审批通过", "已委托", "已承运", "已过境", "待汇总", "汇总中")
LIVING = "已结关"
#: of a line: what must be alike, and what is added
ALIKE = (
    *("CodeTS", "GName", "GModel", "GUnit", "FirstUnit", "SecondUnit", "TradeCurr", "OriginCountry"),
    *("DestinationCountry", "DutyMode", "DistrictCode"),
)
ADDED = ("GQty", "FirstQty", "SecondQty", "DeclTotal")
HEAD_ALIKE = ("CustomMaster", "IEFlag", "TradeMode", "TradeCountry", "TransMode", "WrapType", "FeeMark", "FeeCurr")
HEAD_ADDED = ("PackNo", "GrossWet", "NetWt", "FeeRate")


class Year:
    """The enterprise, and the days as they pass."""

    def __init__(self, site: Site) -> None:
        self.site, self.chance = site, random.Random(11)
        self.worked: set[str] = set()
        self.declared: set[str] = set()
        self.changed: set[str] = set()
        self.kills = set[str]()
        self.dropped = 0
        self.markers = itertools.chain(["!refuse", "!delete", "!inspect", "!erase"], itertools.repeat(""))

    @property
    def today(self) -> str:
        return times.china_date(BusinessClock(kept_line(self.site.home)).now_ms())

    def begin(self) -> None:
        until = {"GuaranteeUntil": "2035-12-31"}
        self.general, self.border = (filing(self.site, nature=nature, **until) for nature in ("1", "3"))
        qualified(self.site, nature="2", CustomMaster="0908")
        b.done(self.site, act(ACCOUNT, "fetch", "", AccountNo=BONDED_ACCOUNT))

    def works(self) -> None:
        """What a day brings: lists of both filings, now and then a change, a refusal or a cancellation."""
        day = self.today
        if day in self.worked or day > LAST or date.fromisoformat(day).weekday() > 4:
            return
        self.worked.add(day)
        marker = MARKERS.get(len(self.worked) % 19, "")
        for root in (
            self.listed(self.general, day, marker),
            self.listed(self.general, day, "", **EXPORT),
            self.listed(self.border, day, "", Nature="3"),
            self.bonded(day),
        ):
            self.site.drop(b.xml(root))
            self.dropped += 1

    def listed(self, on: Filing, day: str, marker: str, **set_: str | None) -> Any:
        """A list of some of the goods of a volume."""
        goods = self.chance.sample("123", self.chance.choice((1, 2, 3)))
        return listed(on, "declare", marker, lines=[line(item, **self.amounts()) for item in goods], **self.head(day), **set_)

    def bonded(self, day: str) -> Any:
        """The same of a good of the bonded account."""
        root = b.message(LIST, "declare", like="ok-save-bonded.xml", set_=self.head(day), reference=b.fresh("lb"))
        for name, value in self.amounts().items():
            b.put(root, f"DecList/{name}", value)
        return root

    def amounts(self) -> dict[str, str]:
        draw = self.chance
        return {
            "GQty": f"{draw.randint(1, 99_999)}.{draw.randint(0, 999):03d}",
            "FirstQty": f"{draw.randint(1, 999)}.{draw.randint(0, 99_999):05d}",
            "DeclPrice": draw.choice(("12.5", "12.50", "1.0855")),
            "OriginCountry": draw.choice(("KOR", "JPN")),
        }

    def head(self, day: str) -> dict[str, str]:
        draw = self.chance
        return {
            "IEDate": day,
            "PackNo": str(draw.randint(1, 60)),
            "GrossWet": f"{draw.randint(900, 5000)}.{draw.randint(0, 99_999):05d}",
            "NetWt": f"{draw.randint(1, 899)}.5",
            "FeeRate": str(draw.randint(1, 400)),
            "WrapType": draw.choice(("22", "22", "00")),
            "ContrNo": draw.choice(("EX-1", "EX-2")),
        }

    def documents(self, type_: str) -> Iterator[dict[str, Any]]:
        for path in sorted((self.site.mailbox / "Status" / "documents").glob(f"{type_}_*.json")):
            yield json.loads(path.read_bytes())

    def declares(self) -> None:
        """The person who declares what the merge has made."""
        for made in self.documents(DECLARATION):
            if made["document"] not in self.declared and made["business_status"]["text"] == "暂存":
                self.declared.add(made["document"])
                frame = {"type": DECLARATION, "operation": "declare", "document": made["document"], "reference": b.fresh("d")}
                if marker := next(self.markers):
                    frame["body"] = {**made["body"], "DecSign": {**made["body"].get("DecSign", {}), "Note": marker}}
                self.site.drop(json.dumps(frame), suffix=".json")

    def changes(self) -> None:
        """Each ninth list is changed after its approval, each eighteenth is cancelled."""
        for n, one in enumerate(self.documents(LIST)):
            if n % 9 == 4 and one["document"] not in self.changed and one["business_status"]["text"] == "已委托":
                self.changed.add(one["document"])
                asked = [row("PackNo", "77")] if n % 18 == 4 else []
                kind = "1" if asked else "2"
                self.site.drop(b.xml(request("declare", b.fresh("X"), one["document"], *asked, kind=kind)))

    def falls(self) -> None:
        """The gateway is killed, twice a month."""
        day = self.today
        if day.endswith(KILLED) and day not in self.kills:
            self.kills.add(day)
            self.site.stop(kill=True)
            self.site.run()


@pytest.mark.long
@pytest.mark.requirement("CD-11")
@pytest.mark.requirement("CD-12")
@pytest.mark.requirement("CD-17")
@pytest.mark.timeout(3600)
def test_at_the_end_of_the_year_every_list_is_declared_once_and_every_sum_is_right(fast_site: Site) -> None:
    begins(fast_site.home, FIRST)
    fast_site.simulate()
    fast_site.run()
    year = Year(fast_site)
    year.begin()

    def passes(day: str) -> bool:
        year.works()
        year.changes()
        year.declares()
        year.falls()
        return year.today > day

    while (today := year.today) < END:
        wait_until(lambda day=today: passes(day), "a day to pass", moves=lambda: (year.today, journal_moves(fast_site.home)))
    wait_until(lambda: at_rest(year), "customs to come to an end", moves=lambda: (year.today, journal_moves(fast_site.home)))

    lists = {one["document"]: one for one in year.documents(LIST)}
    made = list(year.documents(DECLARATION))
    print(END, "lists", Counter(one["business_status"]["text"] for one in lists.values()))
    print(
        "declarations", Counter(one["business_status"]["text"] for one in made), "changes", len(year.changed), "kills", year.kills
    )
    assert len(lists) == year.dropped > 100
    entries = {one["numbers"]["entry"]: key for key, one in lists.items() if "entry" in one["numbers"]}
    placed = defaultdict[str, list[str]](list)
    for one in made:
        if one["business_status"]["text"] == LIVING:
            mine = [lists[entries[each["ListNo"]]] for each in one["body"]["Lists"]]
            for each in mine:
                placed[each["document"]].append(one["document"])
            says_the_same(one["body"], [each["body"] for each in mine])
    for key, one in lists.items():
        status = one["business_status"]["text"]
        wanted = 1 if status == "已汇总" else 0
        assert len(placed[key]) == wanted, (key, status, placed[key])
        assert status != "已结关" or told_cleared(one) > LAST_MERGES, (key, one["body"]["DDate"], told_cleared(one))
    singly = sorted(one["numbers"]["unified"] for one in lists.values() if one["business_status"]["text"] == "已结关")
    assert singly and named(fast_site) == singly
    keys = {one["numbers"]["unified"]: key for key, one in lists.items()}
    b.done(fast_site, b.message(LIST, "confirm", document=keys[singly[0]]))
    assert named(fast_site) == singly[1:]
    assert {one["business_status"]["text"] for one in made} == {LIVING, "不受理", "删单"}
    assert {one["business_status"]["text"] for one in lists.values()} >= {"已汇总", "退单", "海关删除", "已撤销"}
    assert fast_site.command("audit", "verify").returncode == 0
    for code in ("CD.list", "CD.merge", "CD.declaration", "CD.change"):
        held = json.loads(fast_site.command("list", "--state", "held", "--type", code, "--json").stdout)
        assert held == []


def at_rest(year: Year) -> bool:
    """Whether nothing is on its way any more, and nothing of the new year is left to be merged; what is still made is declared."""
    year.declares()
    stands = [one["business_status"]["text"] for type_ in (LIST, DECLARATION, CHANGE) for one in year.documents(type_)]
    if any(one["business_status"]["text"] == "已结关" and not across_the_year(one) for one in year.documents(LIST)):
        return False
    return not any(text in (*ON_ITS_WAY, "海关已接收", "已审结", "查验", "需交税费", "已放行", "海关接收") for text in stands)


def across_the_year(one: dict[str, Any]) -> bool:
    """Is a list one of general trade of the old year?"""
    return one["body"]["Nature"] != "2" and one["body"]["DDate"] < "2031"


def named(site: Site) -> list[str]:
    """The lists that the deadlines name."""
    return sorted(row["number"] for row in json.loads(site.command("deadlines", "--json").stdout))


def told_cleared(one: dict[str, Any]) -> str:
    """When customs said that a list was cleared."""
    return max(receipt["issued_at"] for receipt in one["receipts"] if receipt["code"] == "15")


def worth(text: str | None) -> Fraction:
    return Fraction(text or "0")


def says_the_same(body: dict[str, Any], lists: list[dict[str, Any]]) -> None:
    """A declaration is what its lists are: line by line, and in all, by fractions."""
    head, lines = body["DecHead"], body["DecLists"]["DecList"]
    assert len(lines) <= 50
    for name in HEAD_ALIKE:
        assert {one.get(name) for one in lists} == {head.get(name)}, name
    for name in HEAD_ADDED:
        assert worth(head.get(name)) == sum(worth(one.get(name)) for one in lists), name
    assert len({one["DDate"][:7] for one in lists}) == 1
    wanted = defaultdict[Any, list[Fraction]](lambda: [Fraction(0)] * len(ADDED))
    for one in (each for whole in lists for each in whole["DecList"]):
        key = (*(one.get(name) for name in ALIKE), worth(one["DeclPrice"]))
        wanted[key] = [have + worth(one.get(name)) for have, name in zip(wanted[key], ADDED, strict=True)]
    if head["IEFlag"] == "E":  # customs has an export's countries the other way round
        lines = [{**one, "OriginCountry": one["DestinationCountry"], "DestinationCountry": one["OriginCountry"]} for one in lines]
    found = {
        (*(one.get(name) for name in ALIKE), worth(one["DeclPrice"])): [worth(one.get(name)) for name in ADDED] for one in lines
    }
    assert len(found) == len(lines), "two lines could have been one"
    assert found == wanted
