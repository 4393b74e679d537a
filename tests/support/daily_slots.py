"""A made-up type of which each day begins two messages, and a gateway whose business clock is set by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agreements import HEADER

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.message import Message
from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import ClockLine

TYPE = "XX.daily"
PROFILE = """
title = { zh = "日报", en = "daily report" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "日报号", en = "no." }
given = "XD{yy}{serial:06d}"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
give_numbers = ["own"]
[calendar.daily]
operation = "save"
at = "03:00"
body = { Title = "日报" }
each = { Kind = ["1", "2"] }
"""
FIELDS = """Title,Title,名称,title,text,20,,,,,0..1,,,save,,,,,,,,
Kind,Kind,类别,kind,text,1,,,,,0..1,,,save,,,,,,,,
"""


def write_daily(root: Path, profile: str = PROFILE) -> Path:
    folder = root / "mofcom" / TYPE
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(profile, "utf-8")
    (folder / "fields.csv").write_text(HEADER + FIELDS, "utf-8")
    (root / "mofcom" / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (root / "tables").mkdir()
    return root


def it_is(daemon: Daemon, moment: str) -> None:
    """Have the business clock say a moment of China, from which it goes on."""
    daemon.fast_clock.business.line = replace(ClockLine.begin(1), business=times.read(moment))


def slots_of(journal: Journal) -> list[Message]:
    with journal.search() as records:
        found = records.list_messages([], limit=1000)
    return sorted((m for m in found if m.type == TYPE), key=lambda m: m.reference or "")


def days(journal: Journal) -> list[tuple[str, str]]:
    """Kind and day of each slot, by its reference."""
    return [tuple((m.reference or "").removeprefix(f"{TYPE}-daily-").split("-", 1)) for m in slots_of(journal)]  # type: ignore[misc]
