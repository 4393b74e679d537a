"""docs/adding-a-document-type.md and .zh.md: each names every word that the loader knows, and the type that they show goes from drop to permit."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import bodies as b
import pytest
from sites import Site

from tongguan.codecs.checking.conditions import WORDS as CONDITIONS
from tongguan.codecs.checking.filling import fills
from tongguan.codecs.checking.named_checks import CHECKS, OF_DATES, OF_ROWS, OF_VALUES
from tongguan.gateway.profile import loading, source
from tongguan.gateway.profile.fields import TYPES
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import DESKS, OPERATIONS, Field
from tongguan.outbox.prints.layout import read_layouts
from tongguan.outbox.prints.plan import ALIGNS, SHOWS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text("utf-8") for name in ("adding-a-document-type.md", "adding-a-document-type.zh.md")}
PAGE = PAGES["adding-a-document-type.md"]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"`HOME/(profiles/[^`]+)`[:：]\n```[a-z]+\n(.*?)```$", re.MULTILINE | re.DOTALL)
TYPE = "XX.permit"


in_each_language = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def named(page: str) -> set[str]:
    """The words of the page that stand as code, and those of its first columns."""
    code = [*re.findall(r"`([^`]+)`", FENCED.sub("", page)), *FENCED.findall(page)]
    first = re.findall(r"^\| ([a-z_, ]+) \|", page, re.MULTILINE)
    return set(re.findall(r"[A-Za-z_]\w*", " ".join((*code, *first))))


def sections(page: str) -> list[str]:
    """The marks and numbers of its headings."""
    return re.findall(r"^(##+ ?[0-9.]*)", FENCED.sub("", page), re.MULTILINE)


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The keys that the loader has asked for, by the table that they stand in."""
    asked = defaultdict[str, set[str]](set)

    def rest_is_unknown(table: source.TomlTable) -> None:
        asked[next((key for key in table.keys if isinstance(key, str)), "")] |= set(table.known)
        was(table)

    was = source.TomlTable.rest_is_unknown
    loading._loaded.cache_clear()  # what other tests have read is read anew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source.TomlTable, "rest_is_unknown", rest_is_unknown)
        for profile in load_profiles().values():
            read_layouts(profile, source.Complaints())
    return asked


@in_each_language
def test_the_page_names_every_key_that_a_folder_may_have(page: str, known: dict[str, set[str]]) -> None:
    assert {"operation", "receipt", "query", "rule", "block"} <= known.keys()
    assert {table: missing for table, keys in known.items() if (missing := sorted(keys - named(page)))} == {}


@in_each_language
def test_the_page_names_every_operation_desk_step_check_and_other_word(page: str) -> None:
    wants = {word for checks in (OF_VALUES, OF_DATES, OF_ROWS) for _, needs in checks.values() for word in needs}
    words = {*OPERATIONS, *DESKS, *CHECKS, *wants, *CONDITIONS, *TYPES, *Field.__slots__, *ALIGNS, *SHOWS}

    assert sorted(words - named(page)) == []


@in_each_language
def test_the_page_names_every_way_in_which_a_field_is_filled(page: str) -> None:
    (row,) = re.findall(r"^\| fill \| (.*) \|$", page, re.MULTILINE)
    told = {word for code in re.findall(r"`([^`]+)`", row) for word in re.findall(r"^[a-z_]+", code)}

    assert sorted({*fills.KINDS, *fills.ACCOUNT} - told) == []


def test_both_pages_show_the_same_type_and_have_the_same_sections() -> None:
    english, chinese = PAGES.values()

    assert SHOWN.findall(english) == SHOWN.findall(chinese)
    assert sections(english) == sections(chinese)
    assert [english.count(f"\n{mark}") for mark in ("| ", "- ")] == [chinese.count(f"\n{mark}") for mark in ("| ", "- ")]


def test_the_type_that_the_page_shows_goes_from_drop_to_permit(own_site: Site) -> None:
    files = SHOWN.findall(PAGE)
    assert len(files) == 6
    for name, text in files:
        path = own_site.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    examples = own_site.home / "profiles" / "mofcom" / TYPE / "examples"

    shown = json.loads(own_site.command("profiles", TYPE, "--json", check=True).stdout)
    bad = json.loads(own_site.command("check", str(examples / "bad-XXP-R01.xml"), "--json").stdout)
    assert shown["title"]["zh"] == "示例许可申请"
    assert [fault["code"] for fault in bad[0]["faults"]] == ["XXP-R01"]
    assert own_site.command("check", str(examples / "ok-declare.xml")).returncode == 0

    own_site.simulate("--fast")
    own_site.run()
    status = own_site.wait(own_site.drop((examples / "ok-declare.xml").read_bytes()))
    assert status["state"] == "accepted", status["faults"]
    document = own_site.wait_business(TYPE, status["document"], "已批准")
    assert re.fullmatch(r"[0-9]{4}XX[0-9]{6}", document["numbers"]["permit"])
    (row,) = b.rows(own_site, b.query(TYPE, "list", filters={"number": document["numbers"]["application"]}))
    assert row["status"] == "已批准"
