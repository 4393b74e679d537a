"""What an authority answers is told in the reader's language, as far as the document type knows its words."""

from __future__ import annotations

import re

import pytest

from tongguan.gateway.flow.query.wording import worded
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile, Query

pytestmark = pytest.mark.requirement("GW-03")
PROFILES = load_profiles()
ASKED = [
    (type_, kind)
    for type_, profile in PROFILES.items()
    for kind, query in profile.queries.items()
    if any(column.of == "mark.customs" and column.row for column in query.columns)
]


def told(profile: Profile, query: Query, says: str, language: str) -> dict[str, object]:
    row = {column.name: says for column in query.columns if not column.columns}
    (found,) = worded(profile, query.columns, [row | {c.name: [] for c in query.columns if c.columns}], language, None)[1]
    return found


@pytest.mark.parametrize(("type_", "kind"), ASKED)
def test_statuses_in_a_table_of_the_authority_are_english_for_who_reads_english(type_: str, kind: str) -> None:
    profile = PROFILES[type_]
    query = profile.queries[kind]
    names = {"status": [s.text for s in profile.statuses.values()], "mark.customs": [r.text for r in profile.receipts.values()]}
    for column in (c for c in query.columns if c.of in names):
        for word in names[column.of]:
            assert told(profile, query, word.zh, "zh")[column.name] == word.zh
            assert not re.search("[\u4e00-\u9fff]", str(told(profile, query, word.zh, "en")[column.name])), word
        assert told(profile, query, "另有说法", "en")[column.name] == "另有说法", "what the type does not know"


def test_there_are_such_tables() -> None:
    assert {"NA.application", "ME.application", "EX.application"} < {type_ for type_, _ in ASKED}


def test_a_name_that_is_also_a_status_is_no_status() -> None:
    profile = PROFILES["NA.application"]
    kind = next(kind for type_, kind in ASKED if type_ == profile.type)
    word = next(iter(profile.statuses.values())).text
    found = told(profile, profile.queries[kind], word.zh, "en")

    assert found["licence"] == word.zh and found["status"] == word.en
