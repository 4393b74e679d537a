"""A year of collective declaration, in short days: lists on working days, merged by the calendar, declared by a person, against customs.

Some lists are merged for a broker, who declares them from its own account here, some for an agent that has none; a tariff changes, and the
gateway is down over a month's merge. At the end each cleared list is in exactly one living declaration, or among the deadlines: because it
may not be merged across the year, or its agent has it; and every declaration says what its lists say, by a calculation of the test's own.
CI plays the quarter about New Year; YEAR=1 plays all months. A day lasts two seconds, or YEAR_DAY of them.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import bodies as b
import pytest
from filings import ACCOUNT, BONDED_ACCOUNT, CHANGE, DECLARATION, LIST, MERGE, act, qualified
from homes import begins
from lists import Filing, filing, line, listed
from sites import Site, journal_moves, wait_until
from test_cd_change import request, row

from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import BusinessClock, kept_line
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

#: the first day, and the one from which another tariff holds
FIRST, TARIFF = ("2030-01-21", "2030-07-11") if os.environ.get("YEAR") else ("2030-11-04", "2030-12-18")
LAST, END = "2031-01-10", "2031-02-12"  #: within the year of what is filed on the first day
DOWN, UP, MISSED = "2030-11-30", "2030-12-11", "2030-11"  #: the gateway is down over the days on which this month is merged
BROKER, STRANGER = "2102980011", "2102980012"  #: agents: one with an account here
USCC, BROKER_USCC = "91210200MA0EXAMPLC", "91210200MA0AGENT1X"
FOR_AGENTS = {("3", "I"): BROKER, ("1", "E"): STRANGER}  #: whom lists of a nature and direction are merged for
ENTRUSTED = "待代理申报"
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
        self.agent = Site(site.home, account="second")
        self.worked: set[str] = set()
        self.declared: set[str] = set()
        self.changed: set[str] = set()
        self.kills = set[str]()
        self.dropped = 0
        self.tariff = False
        self.late: set[str] = set()  #: months of which something was late when the gateway came back
        self.for_agents: set[tuple[str, str]] = set()  #: months whose merges for agents were begun
        self.markers = itertools.chain(["!refuse", "!delete", "!inspect", "!erase"], itertools.repeat(""))

    @property
    def today(self) -> str:
        return times.china_date(BusinessClock(kept_line(self.site.home)).now_ms())

    def begin(self) -> None:
        until = {"GuaranteeUntil": "2035-12-31"}
        self.general, self.border = (filing(self.site, nature=nature, **until) for nature in ("1", "3"))
        qualified(self.site, nature="2", CustomMaster="0908")
        b.done(self.site, act(ACCOUNT, "fetch", "", AccountNo=BONDED_ACCOUNT))

    def works(self, day: str) -> None:
        """What a day brings: lists of both filings, now and then a change, a refusal or a cancellation."""
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

    def documents(self, type_: str, site: Site | None = None) -> Iterator[dict[str, Any]]:
        for path in sorted(((site or self.site).mailbox / "Status" / "documents").glob(f"{type_}_*.json")):
            yield json.loads(path.read_bytes())

    def declarations(self) -> Iterator[dict[str, Any]]:
        """All of them, in both mailboxes."""
        for site in (self.site, self.agent):
            yield from self.documents(DECLARATION, site)

    def declares(self) -> None:
        """The persons who declare what the merges have made, each from its own mailbox."""
        for site in (self.site, self.agent):
            for made in self.documents(DECLARATION, site):
                if made["document"] not in self.declared and made["business_status"]["text"] == "暂存":
                    self.declared.add(made["document"])
                    frame = {"type": DECLARATION, "operation": "declare", "document": made["document"], "reference": b.fresh("d")}
                    if marker := next(self.markers):
                        frame["body"] = {**made["body"], "DecSign": {**made["body"].get("DecSign", {}), "Note": marker}}
                    site.drop(json.dumps(frame), suffix=".json")

    def entrusts(self) -> None:
        """Merges for agents: of a month's lists of their kind as soon as some are cleared, once a month, for one of them in two months only."""
        for one in self.documents(LIST):
            month, kind = one["body"].get("DDate", "")[:7], (one["body"]["Nature"], one["body"]["IEFlag"])
            agent = FOR_AGENTS.get(kind, "")
            if one["business_status"]["text"] != "已结关" or not agent or month[:4] != self.today[:4]:
                continue
            if (month, agent) in self.for_agents or (agent == STRANGER and len(self.for_agents) > 3):
                continue
            self.for_agents.add((month, agent))
            body = {"Nature": kind[0], "IEFlag": kind[1], "Month": month, "AgentCode": agent}
            frame = {"type": MERGE, "operation": "merge", "reference": f"{agent}-{month}", "body": body}
            self.site.drop(json.dumps(frame), suffix=".json")

    def new_tariff(self) -> None:
        """A week before it holds somebody puts the new tariff there."""
        if not self.tariff and self.today >= str(date.fromisoformat(TARIFF) - timedelta(days=7)):
            self.tariff = True
            own = self.site.home / "profiles" / "tables"
            own.mkdir(parents=True, exist_ok=True)
            (own / "tariff_version.csv").write_text(f"code,zh,en\n{TARIFF},新税则,a new tariff\n", "utf-8")
            os.kill(self.site.processes["run"].pid, signal.SIGHUP)

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

    def misses_a_month(self) -> None:
        """The gateway is down until after the deadline of a month; meanwhile the enterprise drops its lists all the same."""
        if not self.late and self.today >= DOWN:
            self.site.stop()
            for n in range((date.fromisoformat(UP) - date.fromisoformat(DOWN)).days):
                self.works(str(date.fromisoformat(DOWN) + timedelta(days=n)))
            begins(self.site.home, UP)
            rows = json.loads(self.site.command("deadlines", "--json").stdout)
            self.late = {row["month"] for row in rows if row["late"]}
            assert MISSED in self.late
            self.site.run()


def with_agent(site: Site) -> None:
    """A broker has an account here, with a card of its own, and customs knows that it acts for the enterprise."""
    time = Validity(clock.now() - timedelta(days=1), 1000)
    holder = Holder("示例代理报关有限公司", "8900000009911", (BROKER_USCC, BROKER))
    card = make_software_card(make_authority("海关发卡", time), holder, validity=time)
    for place, content in (
        ("cards/agent.key", card.key),
        ("cards/agent.pem", card.certificates),
        ("simulators/cards/agent.pem", card.certificates),
    ):
        (site.home / place).write_bytes(content)
    account = (
        f'\n[[account]]\nname = "second"\nkind = "broker"\ntitle = "示例代理报关有限公司"\nuscc = "{BROKER_USCC}"\ncustoms_code = "{BROKER}"\n'
        'mailbox = "mailboxes/second"\n\n[[account.card]]\nname = "agent-customs"\nauthority = "customs"\nrole = "legal"\nkind = "software"\n'
        'key = "cards/agent.key"\ncertificate = "cards/agent.pem"\nbound = "8900000009911"\n'
        f'\n[[account.acts_for]]\nuscc = "{USCC}"\ncustoms_code = "2102960001"\ntitle = "大连示例进出口有限公司"\npowers = ["CD"]\n'
    )
    path = site.home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace("\n[route.", f"{account}\n[route.", 1), "utf-8")
    path = site.home / "simulators" / "simulators.toml"
    known = (
        f'\n[[enterprise]]\nname = "agent"\nuscc = "{BROKER_USCC}"\ncustoms_code = "{BROKER}"\nacts_for = ["{USCC}"]\n'
        '[[enterprise.card]]\nauthority = "customs"\nnumber = "8900000009911"\ncertificate = "cards/agent.pem"\n'
    )
    path.write_text(path.read_text("utf-8") + known, "utf-8")


@pytest.mark.long
@pytest.mark.requirement("CD-11")
@pytest.mark.requirement("CD-12")
@pytest.mark.requirement("CD-17")
@pytest.mark.timeout(3600)
def test_at_the_end_of_the_year_every_list_is_declared_once_and_every_sum_is_right(fast_site: Site) -> None:
    begins(fast_site.home, FIRST)
    settings = fast_site.home / "tongguan.toml"
    speed = f"speed = {86_400 // int(os.environ.get('YEAR_DAY', '2'))}"
    settings.write_text(settings.read_text("utf-8").replace("speed = 86400", speed), "utf-8")
    with_agent(fast_site)
    fast_site.simulate()
    fast_site.run()
    year = Year(fast_site)
    year.begin()

    def passes(day: str) -> bool:
        year.works(year.today)
        year.changes()
        year.declares()
        year.entrusts()
        year.new_tariff()
        year.falls()
        year.misses_a_month()
        return year.today > day

    while (today := year.today) < END:
        wait_until(lambda day=today: passes(day), "a day to pass", moves=lambda: (year.today, journal_moves(fast_site.home)))
    wait_until(lambda: at_rest(year), "customs to come to an end", moves=lambda: (year.today, journal_moves(fast_site.home)))

    lists = {one["document"]: one for one in year.documents(LIST)}
    made, merges = list(year.declarations()), list(year.documents(MERGE))
    for what, each in (("lists", lists.values()), ("declarations", made), ("merges", merges)):
        print(END, what, Counter(one["business_status"]["text"] for one in each))
    print(
        "of the agent", len(list(year.documents(DECLARATION, year.agent))), "changes", len(year.changed), "kills", len(year.kills)
    )
    assert len(lists) == year.dropped > 100
    entries = {one["numbers"]["entry"]: key for key, one in lists.items() if "entry" in one["numbers"]}
    placed = defaultdict[str, list[str]](list)
    tariffs, entrusted, freed = Counter[bool](), set[str](), defaultdict[str, str](str)
    for one in made:
        if one["business_status"]["text"] in (LIVING, ENTRUSTED):
            mine = [lists[entries[each["ListNo"]]] for each in one["body"]["Lists"]]
            for each in mine:
                placed[each["document"]].append(one["document"])
            says_the_same(one["body"], [each["body"] for each in mine])
            (new,) = {each["body"]["AcceptDate"] >= TARIFF for each in mine}
            tariffs[new] += 1
            entrusted |= {each["numbers"]["unified"] for each in mine if one["business_status"]["text"] == ENTRUSTED}
        else:
            for each in one["body"]["Lists"]:
                freed[entries[each["ListNo"]]] = max(freed[entries[each["ListNo"]]], *(r["issued_at"] for r in one["receipts"]))
    assert tariffs[False] and tariffs[True], "declarations of both tariffs"
    for key, one in lists.items():
        status = one["business_status"]["text"]
        wanted = 1 if status == "已汇总" else 0
        assert len(placed[key]) == wanted, (key, status, placed[key])
        assert status != "已结关" or max(told_cleared(one), freed[key]) > LAST_MERGES, (key, one["body"]["DDate"])
    singly = sorted(one["numbers"]["unified"] for one in lists.values() if one["business_status"]["text"] == "已结关")
    assert singly and entrusted and named(fast_site) == {number: "" for number in singly} | dict.fromkeys(entrusted, ENTRUSTED)
    keys = {one["numbers"]["unified"]: key for key, one in lists.items()}
    b.done(fast_site, b.message(LIST, "confirm", document=keys[singly[0]]))
    assert named(fast_site).keys() == {*singly[1:], *entrusted}
    assert {one["business_status"]["text"] for one in made} == {LIVING, "不受理", "删单", ENTRUSTED}
    assert {one["business_status"]["text"] for one in year.documents(DECLARATION, year.agent)} >= {LIVING}
    assert {one["business_status"]["text"] for one in lists.values()} >= {"已汇总", "退单", "海关删除", "已撤销"}
    by_itself = [one for one in merges if one["document"].startswith(f"{MERGE}-merge-")]
    empty = [one["body"] for one in by_itself if one["business_status"]["text"] == "无清单"]
    by_hand = [(month, kind) for month, agent in year.for_agents for kind, of in FOR_AGENTS.items() if of == agent]
    assert all((body["Month"], (body["Nature"], body["IEFlag"])) in by_hand for body in empty), (
        "a person's merge alone comes between"
    )
    missed = {one["document"][-10:] for one in by_itself if one["body"]["Month"] == MISSED}
    assert missed and min(missed) >= str(date.fromisoformat(UP) - timedelta(days=1))
    assert fast_site.command("audit", "verify").returncode == 0
    for code in ("CD.list", "CD.merge", "CD.declaration", "CD.change"):
        held = json.loads(fast_site.command("list", "--state", "held", "--type", code, "--json").stdout)
        assert held == []


def at_rest(year: Year) -> bool:
    """Whether nothing is on its way any more, and nothing of the new year is left to be merged; what is still made is declared."""
    year.declares()
    every = [*year.documents(LIST), *year.documents(CHANGE), *year.declarations()]
    stands = [one["business_status"]["text"] for one in every]
    if any(one["business_status"]["text"] == "已结关" and not across_the_year(one) for one in year.documents(LIST)):
        return False
    return not any(text in (*ON_ITS_WAY, "海关已接收", "已审结", "查验", "需交税费", "已放行", "海关接收") for text in stands)


def across_the_year(one: dict[str, Any]) -> bool:
    """Is a list one of general trade of the old year?"""
    return one["body"]["Nature"] != "2" and one["body"]["DDate"] < "2031"


def named(site: Site) -> dict[str, str]:
    """The lists that the deadlines name: whether an agent has them, or nobody."""
    rows = json.loads(site.command("deadlines", "--json").stdout)
    return {row["number"]: ENTRUSTED if ENTRUSTED in row["why"] else "" for row in rows}


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
