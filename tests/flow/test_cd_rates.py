"""Tariff versions and months of exchange rates: asked of customs, and put where the gateway reads its code tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import bodies as b
import pytest
from filings import MERGE
from sites import Site

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings

pytestmark = pytest.mark.requirement("CD-12")
BOOK = """
[[tariff_version]]
number = "2026-07-01"
zh = "2026年7月税则调整"
en = "tariff as of July 2026"

[[exchange_month]]
number = "2099-01-01"
zh = "2099年1月计征汇率"
en = "exchange rates of 2099-01"
until = "2099-01-31"
announced = "2098-12-16"
"""


@pytest.fixture
def asking(own_site: Site) -> Site:
    with (own_site.home / "simulators" / "simulators.toml").open("a", encoding="utf-8") as book:
        book.write(BOOK)
    own_site.simulate("--fast")
    own_site.run()
    return own_site


def rates_at(home: Path, day: str) -> str | None:
    rules = Rules(read_settings(home), compile_all(load_profiles(home=home)))
    return MergeTypes(rules, rules.profile(MERGE)).rates_at(day)


def test_what_customs_tells_of_a_tariff_is_imported_as_it_comes(asking: Site) -> None:
    assert rates_at(asking.home, "2026-07-02") == "2026-01-01/2026-07-01"
    name = asking.drop(b.xml(b.query(MERGE, "tariff_versions", size="1000", format="csv")))
    told = asking.result(name).read_text("utf-8-sig")
    days = {row["code"]: row["zh"] for row in csv.DictReader(io.StringIO(told))}
    assert days["2026-01-01"] and days["2026-07-01"] == "2026年7月税则调整"

    done = asking.command("tables", "import", str(asking.result(name)), "--table", "tariff_version", "--add")
    assert done.returncode == 0, done.stderr
    assert rates_at(asking.home, "2026-06-30") == "2026-01-01/2026-06-01"
    assert rates_at(asking.home, "2026-07-02") == "2026-07-01/2026-07-01"


def test_months_are_told_by_their_first_day_once_they_are_announced(asking: Site) -> None:
    (row,) = b.rows(asking, b.query(MERGE, "exchange_months", filters={"day": "2026-11-01"}))
    assert (row["code"], row["until"]) == ("2026-11-01", "2026-11-30")
    assert b.rows(asking, b.query(MERGE, "exchange_months", filters={"day": "2099-01-01"})) == []


def test_customs_may_refuse_to_tell(asking: Site) -> None:
    question = b.query(MERGE, "exchange_months")
    question.set("reference", b.fresh("q") + "!refuse-query")
    status = b.do(asking, question)

    assert status["state"] == "rejected"
    assert [fault["code"] for fault in status["faults"]] == ["QRY-07"]
