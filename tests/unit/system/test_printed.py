"""A command in a text is about the home that the text is about, wherever it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tongguan.gateway.system.printed import at_home

pytestmark = pytest.mark.requirement("GW-08")


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("tongguan doctor", "tongguan doctor --home /h"),
        ("tongguan show 01A; tongguan retry 01A", "tongguan show 01A --home /h; tongguan retry 01A --home /h"),
        ("网关没有运行；启动：tongguan run，再看", "网关没有运行；启动：tongguan run --home /h，再看"),
        ("then: tongguan reload (or restart)", "then: tongguan reload --home /h (or restart)"),
        ("tongguan pause route mofcom --why 'a b'", "tongguan pause route mofcom --why 'a b' --home /h"),
        ("tongguan run --home /other", "tongguan run --home /other"),
        ("tongguan init /new", "tongguan init /new"),
        ("urn:tongguan:receipt:1 and /srv/tongguan doctor", "urn:tongguan:receipt:1 and /srv/tongguan doctor"),
    ],
)
def test_a_command_names_the_home_that_its_text_is_about(text: str, typed: str) -> None:
    assert at_home(text, Path("/h")) == typed
    assert at_home(typed, Path("/h")) == typed


def test_a_home_whose_name_a_shell_would_take_apart_is_quoted() -> None:
    assert at_home("tongguan doctor", Path("/srv/a home")) == "tongguan doctor --home '/srv/a home'"
