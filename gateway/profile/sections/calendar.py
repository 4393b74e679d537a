"""`[calendar.<name>]`: messages of a type that begin by themselves, each day."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tongguan.gateway.profile.profile import CalendarRule, Field, Profile
from tongguan.gateway.profile.source import TomlTable
from tongguan.gateway.settings import CALENDARS, DAYTIME


def read_calendar(whole_profile: TomlTable, fields: Sequence[Field]) -> dict[str, CalendarRule]:
    """What days begin, by name."""
    plain = [f.path for f in fields if "[]" not in f.path and "/" not in f.path]
    rules = {}
    for name, part in whole_profile.parts("calendar").items():
        rule = part.made(CalendarRule, {"setting": CALENDARS}, ("operation",), name=name)
        if rule.at and not re.fullmatch(DAYTIME, rule.at):
            part.complain("at", f"{rule.at!r} 不是时刻；写成 02:00", f"{rule.at!r} is no time of day; write it like 02:00")
        if bool(rule.at) == bool(rule.setting):
            zh, en = "at 与 setting 须有其一", "it has a time of day (at), or a setting that says it"
            part.complain("at", zh, en)
        named = [("body", path) for path in rule.body] + [("each", path) for path in rule.each]
        for key, path in [*named, *([("month", rule.month)] if rule.month else [])]:
            if path not in plain:
                part.file.complaints.unknown(part.place(key), "field", path, plain)
        rules[name] = rule
    return rules


def look_at_calendar(profile: Profile, whole_profile: TomlTable) -> None:
    """What begins by itself makes a document of its own."""
    for name, rule in profile.calendar.items():
        part, operation = whole_profile.file.part("calendar", name), profile.operations.get(rule.operation)
        if operation is None:
            part.file.complaints.unknown(part.place("operation"), "operation", rule.operation, profile.operations)
        elif "" not in operation.allowed or operation.body == "none":
            zh, en = (
                'allowed 应含 ""，且带有正文',
                'a message of this operation makes a document: allowed has "", and it has a body',
            )
            part.complain("operation", f"操作 {rule.operation} 的 {zh}", f"{rule.operation}: {en}")
        if rule.month and profile.merge is None:
            part.complain("month", "有 [merge] 才能有 month", "month goes with [merge] only")
