"""A year of collective declaration, in short days: lists on working days, merged by the calendar, declared by a person, against customs.

Some lists are merged for a broker, who declares them from its own account here, some for an agent that has none; a tariff changes, and the
gateway is down over a month's merge. At the end each cleared list is in exactly one living declaration, or among the deadlines: because it
may not be merged across the year, or its agent has it; and every declaration says what its lists say, by a calculation of the test's own.
CI plays the quarter about New Year; YEAR=1 plays all months. A day lasts two seconds, or YEAR_DAY of them; some days last until all has
been seen that they are about (`LONG_DAYS`).
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from filings import ACCOUNT, BONDED_ACCOUNT, CHANGE, DECLARATION, LIST, MERGE, act, qualified
from homes import begins
from lists import Filing, filing, line, listed
from lxml import etree
from published_forms import OFFICIAL, official
from sites import Site, journal_moves, wait_until
from test_cd_change import request, row

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import BusinessClock, kept_line
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

#: the first day, and the one from which another tariff holds
FIRST, TARIFF = ("2030-01-21", "2030-07-11") if os.environ.get("YEAR") else ("2030-11-04", "2030-12-18")
DAY = int(os.environ.get("YEAR_DAY", "2"))  #: seconds
LAST, END = "2031-01-10", "2031-02-12"  #: within the year of what is filed on the first day
DOWN, UP, MISSED = "2030-11-30", "2030-12-11", "2030-11"  #: the gateway is down over the days on which this month is merged
BROKER, STRANGER = "2102980011", "2102980012"  #: agents: one with an account here
USCC, BROKER_USCC = "91210200MA0EXAMPLC", "91210200MA0AGENT1X"
FOR_AGENTS = {("3", "I"): BROKER, ("1", "E"): STRANGER}  #: whom lists of a nature and direction are merged for
ENTRUSTED = "待代理申报"
LAST_MERGES = "2030-12-26"  #: from then on each hour of the year's end: what was known to be cleared before was merged in time
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
#: lists of a day, and when customs clears them: in time, late, within the year, and after it
IN_TIME, LATE = ("2030-09-30", "2030-10-03"), ("2030-09-30", "2030-10-11")
WITHIN, AFTER = ("2030-12-31", "2030-12-31"), ("2030-12-31", "2031-01-03")
#: such days, and how many days before them the gateway stops: as fast as they pass, its end may take some
LONG_DAYS = {"2030-09-30": 6, "2030-10-11": 3, "2030-12-31": 5}
LONG_DAY = 600  #: seconds; it is over as soon as all has been seen
KILLED = ("-05", "-21")  #: days of a month on which the gateway is killed
ON_ITS_WAY = ("暂存", "已申报", "发往海关成功", "海关审批通过", "已委托", "已承运", "已过境", "待汇总", "汇总中")
LIVING = "已结关"
NS = "{http://www.chinaport.gov.cn/dec}"
#: of a line: what must be alike, and what is added
ALIKE = (
    *("CodeTS", "GName", "GModel", "GUnit", "FirstUnit", "SecondUnit", "TradeCurr", "OriginCountry"),
    *("DestinationCountry", "DutyMode", "DistrictCode"),
)
ADDED = ("GQty", "FirstQty", "SecondQty", "DeclTotal")
SHOWN = ("GQty", "DeclTotal")
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
        self.log = list[str]()
        self.late: set[str] = set()  #: months of which something was late when the gateway came back
        self.long_days = [day for day in LONG_DAYS if day > FIRST]
        self.for_agents: set[tuple[str, str]] = set()  #: months whose merges for agents were begun
        self.markers = itertools.chain(["!refuse", "!delete", "!inspect", "!erase"], itertools.repeat(""))

    @property
    def today(self) -> str:
        return times.china_date(BusinessClock(kept_line(self.site.home)).now_ms())

    def note(self, what: str) -> None:
        self.log.append(f"{self.today} {what}")

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
            self.note(f"lists of {month} are merged for the agent {agent}")
            self.site.drop(json.dumps(frame), suffix=".json")

    def new_tariff(self) -> None:
        """A week before it holds somebody puts the new tariff there."""
        if not self.tariff and self.today >= str(date.fromisoformat(TARIFF) - timedelta(days=7)):
            self.tariff = True
            self.note(f"the tariff of {TARIFF} is put there")
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
            self.note("the gateway is killed")
            self.site.stop(kill=True)
            self.site.run()

    def lasts(self) -> None:
        """The next of the long days, begun some days ahead of it: what these would have brought comes with it."""
        if not self.long_days:
            return
        day = self.long_days[0]
        if self.today < str(date.fromisoformat(day) - timedelta(days=LONG_DAYS[day])):
            return
        del self.long_days[0]
        self.site.stop()
        assert self.today < day, "the machine is too busy for days of this length: set YEAR_DAY"
        while self.today < day:
            self.works(self.today)
            begins(self.site.home, str(date.fromisoformat(self.today) + timedelta(days=1)))
        begins(self.site.home, f"{day}T03:00:00+08:00")  # behind the hour from which the calendar merges
        set_day(self.site, LONG_DAY)
        self.site.run()
        match day:
            case "2030-09-30":
                self.of_a_day(IN_TIME, LATE)
            case "2030-10-11":
                self.is_late(LATE)
            case _:
                self.of_a_day(WITHIN, AFTER)
                self.merged_by_hand(WITHIN)
        self.site.stop()
        set_day(self.site, DAY)
        self.site.run()

    def of_a_day(self, *cases: tuple[str, str]) -> None:
        """Lists of this day, until customs has them: which of them it will clear when."""
        for day, cleared in cases:
            marker = f"!ends={cleared.replace('-', '')}"
            self.site.drop(b.xml(self.listed(self.general, day, marker, document=named_for(day, cleared))))
            self.dropped += 1
        for case in cases:
            self.note(f"a list that customs clears on {case[1]}")
            self.site.wait_business(LIST, named_for(*case), *ON_ITS_WAY[2:], "已结关", "已汇总")

    def is_late(self, case: tuple[str, str]) -> None:
        """A list that customs clears when its month should have been merged is loud: among the deadlines, and as an alert."""
        number = self.number(case)
        told = wait_until(lambda: [row for row in late_rows(self.site) if row["number"] == number], "the list to be late")
        assert [(row["month"], row["day"], row["deadline"]) for row in told] == [("2030-09", "2030-09-30", "2030-10-10")]
        wait_until(lambda: "已逾期：demo 2030-09 有" in self.alert(), "the alert")
        self.site.wait_business(LIST, named_for(*case), "已结关", "汇总中", "已汇总")
        assert number in {row["number"] for row in late_rows(self.site)}, "loud until it is declared"
        self.note(f"cleared, late and loud: {self.alert().splitlines()[0]}")

    def merged_by_hand(self, case: tuple[str, str]) -> None:
        """A list that customs clears on the year's last day, behind that day's merge, is merged by a person while there is time."""
        self.site.wait_business(LIST, named_for(*case), "已结关", "汇总中", "已汇总")
        self.site.command("merge", "--month", case[0][:7], check=True)
        self.site.wait_business(LIST, named_for(*case), "已汇总")
        wait_until(self.merges_are_over, "the year's merges to be over")  # one that goes on in the new year takes nothing more
        self.note("cleared, and merged by a person before the year ends")

    def merges_are_over(self) -> bool:
        said = self.site.command("list", "--type", MERGE, "--json", check=True).stdout
        return all(one["final"] for one in json.loads(said))

    def number(self, case: tuple[str, str]) -> str:
        """集报清单中心统一编号 of such a list."""
        return str((self.site.document(LIST, named_for(*case)) or {})["numbers"]["unified"])

    def alert(self) -> str:
        """What the alerts of months say."""
        page = json.loads((self.site.mailbox / "Status" / "heartbeat.json").read_bytes())
        return "\n".join(each["text"] for each in page["problems"] if each["code"] == "month")

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
            self.log.append(f"{DOWN} the gateway is down until {UP}; then late: {', '.join(sorted(self.late))}")
            self.site.run()


def named_for(day: str, cleared: str) -> str:
    """The key of a list of a day that is cleared on another."""
    return f"of-{day}-cleared-{cleared}"


def set_day(site: Site, seconds: int) -> None:
    """How long a day lasts from the gateway's next start on."""
    settings = site.home / "tongguan.toml"
    settings.write_text(re.sub(r"(?m)^speed = \d+$", f"speed = {86_400 // seconds}", settings.read_text("utf-8")), "utf-8")


def late_rows(site: Site) -> list[dict[str, Any]]:
    """What the deadlines say to be late."""
    return [row for row in json.loads(site.command("deadlines", "--json").stdout) if row["late"]]


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
def test_at_the_end_of_the_year_every_list_is_declared_once_and_every_sum_is_right(fast_site: Site, tmp_path: Path) -> None:
    begins(fast_site.home, FIRST)
    set_day(fast_site, DAY)
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
        year.lasts()
        return year.today > day

    while (today := year.today) < END:
        wait_until(lambda day=today: passes(day), "a day to pass", moves=lambda: (year.today, journal_moves(fast_site.home)))
    wait_until(lambda: at_rest(year), "customs to come to an end", moves=lambda: (year.today, journal_moves(fast_site.home)))

    lists = {one["document"]: one for one in year.documents(LIST)}
    made, merges = list(year.declarations()), list(year.documents(MERGE))
    tell(year, list(lists.values()), made, merges)
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
        if status == "已结关" and max(told_cleared(one), freed[key]) <= LAST_MERGES:  # on a busy machine it is heard of late
            assert LAST_MERGES < last_merge(merges, one["body"]) < one["updated_at"], (key, one["body"]["DDate"])
    for case in (IN_TIME, LATE, WITHIN, AFTER):
        if case[0] > FIRST:
            assert told_cleared(lists[named_for(*case)])[:10] == case[1]
    if IN_TIME[0] > FIRST:
        by = {case: merged_on(placed[named_for(*case)]) for case in (IN_TIME, LATE)}
        assert by[IN_TIME] <= "2030-10-10" < LATE[1] <= by[LATE], by
    assert len(placed[named_for(*WITHIN)]) == 1 and not placed[named_for(*AFTER)]
    assert lists[named_for(*AFTER)]["numbers"]["unified"] in named(fast_site)
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
    if OFFICIAL.is_dir():
        print("valid by the published schema:", valid_by(official("DecMessage_ImportSave_V1.0.xsd", tmp_path), fast_site.home))
    for code in ("CD.list", "CD.merge", "CD.declaration", "CD.change"):
        held = json.loads(fast_site.command("list", "--state", "held", "--type", code, "--json").stdout)
        assert held == []


def tell(year: Year, lists: list[dict[str, Any]], made: list[dict[str, Any]], merges: list[dict[str, Any]]) -> None:
    """The log of the year, and its final table: who reads it need not believe the assertions."""
    print("\n".join(["", *sorted(year.log)]))
    stand = {
        name: Counter(one["business_status"]["text"] for one in each)
        for name, each in (("lists", lists), ("declarations", made), ("merges", merges))
    }
    of_agent = sum(one["document"].startswith("demo-") for one in made)
    print(*(f"{name}: {sum(each.values())} {dict(each.most_common())}" for name, each in stand.items()), sep="\n")
    print(
        f"declarations in the agent's account: {of_agent}; changes and cancellations asked for: {len(year.changed)}; kills: {len(year.kills)}"
    )
    print(
        "month",
        "lists",
        "merged",
        "cleared",
        "declarations",
        *(f"{name} of lists = of declarations" for name in SHOWN),
        sep=" | ",
    )
    living = [one for one in made if one["business_status"]["text"] in (LIVING, ENTRUSTED)]
    for month in sorted({one["body"]["DDate"][:7] for one in lists if one["body"].get("DDate")}):
        mine = [one for one in lists if one["body"].get("DDate", "")[:7] == month]
        stands = Counter(one["business_status"]["text"] for one in mine)
        bodies = [one["body"] for one in mine if one["business_status"]["text"] == "已汇总"]
        theirs = [one["body"] for one in living if one["body"]["DecHead"]["NoteS"] == f"集中申报{month}"]
        both = [(added(bodies, "DecList", name), added([each["DecLists"] for each in theirs], "DecList", name)) for name in SHOWN]
        print(month, len(mine), stands["已汇总"], stands["已结关"], len(theirs), *(f"{a} = {b}" for a, b in both), sep=" | ")
        assert all(a == b for a, b in both), month


def added(bodies: list[dict[str, Any]], table: str, name: str) -> Decimal:
    """A field of all lines together."""
    return sum((Decimal(line_.get(name) or 0) for body in bodies for line_ in body[table]), Decimal())


def valid_by(schema: etree.XMLSchema, home: Path) -> int:
    """How many declarations went to customs: each is valid by the schema."""
    with JournalClient.open(read_settings(home).database.url, home) as client, client.search() as records:
        every = [m for m in records.list_messages([], limit=100_000) if m.type == DECLARATION and m.operation == "declare"]
        sealed = [raw for m in every if (raw := records.body(m.id, f"sealed:{m.seal_number}")) is not None]
    for raw in sealed:
        (written,) = etree.fromstring(raw).iter(f"{NS}DecMessage")
        assert schema.validate(etree.fromstring(etree.tostring(written))), str(schema.error_log)
    assert sealed
    return len(sealed)


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


def last_merge(merges: list[dict[str, Any]], of: dict[str, Any]) -> str:
    """When lists like this one were last merged."""
    kind = (of["DDate"][:7], of["Nature"], of["IEFlag"])
    return max(
        one["created_at"] for one in merges if tuple(one["body"].get(name) for name in ("Month", "Nature", "IEFlag")) == kind
    )


def merged_on(declarations: list[str]) -> str:
    """The day whose merge made a list's only declaration, by its name."""
    (one,) = declarations
    return one.rpartition("-")[0][-10:]


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
