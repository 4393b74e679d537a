"""`tongguan merge`: a month is merged now, or shown as it would be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

import bodies as b
import pytest
from filings import today
from merges import INVOICE, MERGE, NOTE, write_merges
from sites import Site, make_site

pytestmark = pytest.mark.requirement("CD-11")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running home that has the made-up types, and merges nothing by itself."""
    site = make_site(tmp_path_factory.mktemp("merge"))
    write_merges(site.home / "profiles", authority_too=False)
    with (site.home / "tongguan.toml").open("a") as settings:
        settings.write('\n[schedule]\nmerge = "ask"\n')
    site.run()
    yield site
    site.stop()


def note(site: Site, operation: str = "declare") -> str:
    body = {
        "Kind": "1",
        "Day": today(),
        "Buyer": b.fresh("B"),
        "Weight": "1",
        "Rows": [{"Code": "a", "Price": "1", "Amount": "2"}],
    }
    name = site.drop(b.as_json(NOTE, operation, body), suffix=".json")
    return str(site.wait(name)["document"])


def numbers(site: Site, *keys: str) -> list[str]:
    found = [site.document(NOTE, key) for key in keys]
    return [each["numbers"]["own"] for each in found if each is not None]


def test_a_dry_run_shows_what_would_be_taken_and_does_nothing(site: Site) -> None:
    ready, underway = note(site), note(site, "save")
    site.wait_business(NOTE, ready, "已签收")
    site.wait_business(NOTE, underway, "在途")
    shown = json.loads(site.command("merge", "--month", today()[:7], "--dry-run", "--json", check=True).stdout)

    own = dict(zip(numbers(site, ready, underway), ("1", "0"), strict=True))
    assert {row["number"]: row["taken"] for row in shown if row["number"] in own} == own
    said = site.command("merge", "--month", today()[:7], "--dry-run", "--lang", "en", check=True).stdout
    assert "would be merged; nothing was done" in said and "the document is “under way”" in said
    assert site.document(NOTE, ready)["business_status"]["text"] == "已签收"  # type: ignore[index]


def test_a_month_is_merged_by_a_command_and_nothing_is_merged_twice(site: Site) -> None:
    ready = note(site)
    site.wait_business(NOTE, ready, "已签收")
    done = json.loads(site.command("merge", "--month", today()[:7], "--type", MERGE, "--json", check=True).stdout)
    (reference,) = done["messages"].values()

    site.wait_business(NOTE, ready, "已汇总")
    assert site.wait_business(MERGE, reference, "已生成", "部分未生成")
    assert site.wait_business(INVOICE, f"{reference}-1", "暂存")
    again = json.loads(site.command("merge", "--month", today()[:7], "--type", MERGE, "--json", check=True).stdout)
    assert again == {"month": today()[:7], "messages": {}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--month", "2026-13"), "2026-13 is no month; write it like 2026-11"),
        (("--month", f"{date.today().year + 2}-01"), "has not begun"),
        (("--account", "nobody"), "nobody"),
        (("--type", "XX.mergers"), "XX.merge"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_merged_is_said_and_nothing_is_ordered(site: Site, words: tuple[str, ...], said: str) -> None:
    answer = site.command("merge", *words, "--lang", "en")

    assert answer.returncode != 0 and said in answer.stderr


def test_without_a_month_it_is_the_last_one(site: Site) -> None:
    answer = json.loads(site.command("merge", "--json", check=True).stdout)
    year, month = divmod(date.fromisoformat(today()).year * 12 + date.fromisoformat(today()).month - 2, 12)

    assert answer["month"] == f"{year}-{month + 1:02d}"


@pytest.mark.requirement("CD-17")
def test_what_is_left_is_listed_with_where_it_stands(site: Site) -> None:
    underway = note(site, "save")
    site.wait_business(NOTE, underway, "在途")
    (number,) = numbers(site, underway)
    rows = json.loads(site.command("deadlines", "--type", NOTE, "--json").stdout)

    (row,) = [each for each in rows if each["number"] == number]
    assert (row["month"], row["day"], row["why"], row["late"]) == (today()[:7], today(), "在途", False)
    said = site.command("deadlines", "--account", "demo", "--lang", "en").stdout
    assert number in said and "under way" in said
    assert site.command("deadlines", "--account", "nobody").returncode != 0


@pytest.mark.requirement("CD-17")
def test_what_is_left_of_an_account_that_has_left_the_settings_is_listed_with_what_to_do(site: Site) -> None:
    left = note(site)
    site.wait_business(NOTE, left, "已签收")
    (number,) = numbers(site, left)
    settings = site.home / "tongguan.toml"
    whole = settings.read_text()
    settings.write_text(whole.replace('name = "demo"\n', 'name = "renamed"\n'))
    said = site.command("deadlines", "--account", "demo", "--lang", "en").stdout
    settings.write_text(whole)

    assert number in said
    assert "account demo is not in the settings" in said and "tongguan reload" in said
