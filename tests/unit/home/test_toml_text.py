from __future__ import annotations

import tomllib

import pytest

from tongguan.gateway.home.toml_text import NotFound, with_value

TEXT = """\
# 说明
[gateway]
environment = "test"   # never changed

[[account]]
name = "a"

[[account.card]]
name = "one"           # the first
pin = "file:#1"

[[account.card]]
name = "two"
bound = "old"  # kept

# about routes
[route.customs]
url = "http://127.0.0.1:1"
"""


def test_a_value_is_replaced_and_every_other_character_stays() -> None:
    changed = with_value(TEXT, "route.customs", "url", "http://127.0.0.1:9")

    assert TEXT.replace("127.0.0.1:1", "127.0.0.1:9") == changed


def test_a_new_key_goes_to_the_named_block_with_its_note() -> None:
    changed = with_value(TEXT, "account.card", "bound", "7", named="one", note="sha256 ab")

    assert TEXT.replace('pin = "file:#1"\n', 'pin = "file:#1"\nbound = "7"  # sha256 ab\n') == changed


def test_a_comment_stays_when_there_is_no_new_note() -> None:
    changed = with_value(TEXT, "account.card", "bound", "new", named="two")

    assert TEXT.replace('"old"', '"new"') == changed


def test_a_value_needs_no_care_about_quotes() -> None:
    awkward = 'a"b\\c\n公司'

    changed = with_value(TEXT, "gateway", "environment", awkward)

    assert awkward == tomllib.loads(changed)["gateway"]["environment"]


def test_a_file_that_ends_without_a_line_feed_gets_a_line_of_its_own() -> None:
    changed = with_value('[a]\nb = "1"', "a", "c", "2")

    assert tomllib.loads(changed) == {"a": {"b": "1", "c": "2"}}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (TEXT, "three"),
        ('account = [{card = [{name = "one"}]}]\n', "one"),
        ('[[account.card]]\nname = "one"\nbound = """\nlong\n"""\n', "one"),
    ],
)
def test_a_form_that_is_not_understood_is_left_alone(text: str, named: str) -> None:
    with pytest.raises(NotFound):
        with_value(text, "account.card", "bound", "7", named=named)
