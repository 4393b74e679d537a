"""docs/adding-a-document-type.md: it names every word that the loader knows, and the type that it shows goes from drop to permit."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import bodies as b
import pytest
from sites import Site

from tongguan.codecs.checking.conditions import WORDS as CONDITIONS
from tongguan.codecs.checking.named_checks import CHECKS, OF_DATES, OF_ROWS, OF_VALUES
from tongguan.gateway.profile import source
from tongguan.gateway.profile.fields import TYPES
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import DESKS, OPERATIONS, Field
from tongguan.outbox.prints.layout import read_layouts
from tongguan.outbox.prints.plan import ALIGNS, SHOWS

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-document-type.md").read_text("utf-8")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"`HOME/(profiles/[^`]+)`:\n```[a-z]+\n(.*?)```$", re.MULTILINE | re.DOTALL)
TYPE = "XX.permit"


def named() -> set[str]:
    """The words of the page that stand as code, and those of its first columns."""
    code = [*re.findall(r"`([^`]+)`", FENCED.sub("", PAGE)), *FENCED.findall(PAGE)]
    first = re.findall(r"^\| ([a-z_, ]+) \|", PAGE, re.MULTILINE)
    return set(re.findall(r"[A-Za-z_]\w*", " ".join((*code, *first))))


def test_the_page_names_every_key_that_a_folder_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    known = defaultdict[str, set[str]](set)

    def rest_is_unknown(table: source.TomlTable) -> None:
        known[next((key for key in table.keys if isinstance(key, str)), "")] |= set(table.known)
        was(table)

    was = source.TomlTable.rest_is_unknown
    monkeypatch.setattr(source.TomlTable, "rest_is_unknown", rest_is_unknown)
    for profile in load_profiles().values():
        read_layouts(profile, source.Complaints())

    assert {"operation", "receipt", "query", "rule", "block"} <= known.keys()
    assert {table: missing for table, keys in known.items() if (missing := sorted(keys - named()))} == {}


def test_the_page_names_every_operation_desk_step_check_and_other_word() -> None:
    wants = {word for checks in (OF_VALUES, OF_DATES, OF_ROWS) for _, needs in checks.values() for word in needs}
    words = {*OPERATIONS, *DESKS, *CHECKS, *wants, *CONDITIONS, *TYPES, *Field.__slots__, *ALIGNS, *SHOWS}

    assert sorted(words - named()) == []


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
