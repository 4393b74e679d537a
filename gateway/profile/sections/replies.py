"""What `replies.toml` says of a type, as far as its profile must agree: operations, rounds, and numbers that differ from document to document.

The simulators read these files by themselves, and share nothing with this; a folder that they could not play is told when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from tongguan.gateway.profile.profile import Operation
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, table_of, text, truth

REPLIES = "replies.toml"
#: files of a folder that no layout may be
RESERVED_FILES = ("profile.toml", "rules.toml", "form.toml", REPLIES)
_WORDS = frozenset({"yy", "yyyy", "mm", "dd", "account", "serial"})  #: what a number's pattern may name, beside choices


def look_at_replies(folders: Iterable[Path], operations: Mapping[str, Operation], complaints: Complaints) -> None:
    """Hold what a folder says of an authority's answers against its operations."""
    choices: set[str] = set()
    for file in (folder / REPLIES for folder in folders):
        if not file.is_file():
            continue
        part = TomlFile(file, complaints).part()
        choices |= set(part.take("choice", table_of, dict[str, Any]()))
        for flow in part.rows("flow"):
            _look_at_flow(flow, operations)
        for name in part.take("numbers", table_of, dict[str, Any]()):
            _look_at_pattern(part, name, choices)


def _look_at_flow(flow: TomlTable, operations: Mapping[str, Operation]) -> None:
    name = flow.need("operation", text, "")
    if not name:
        return
    if name not in operations:
        flow.file.complaints.unknown(flow.place("operation"), "operation", name, operations)
        return
    opens, pending = flow.take("opens_round", truth, False), flow.take("pending", truth, False)
    if operations[name].opens_round and not (opens or pending):
        flow.complain(
            "operation",
            f"操作 {name} 在 profile.toml 中 opens_round，此流程也应有 opens_round（或 pending）",
            f"operation {name} has opens_round in profile.toml: this flow must have opens_round too (or pending)",
        )
    elif opens and not operations[name].opens_round:
        flow.complain(
            "opens_round",
            f"此流程 opens_round，而操作 {name} 在 profile.toml 中没有",
            f"this flow has opens_round, and operation {name} in profile.toml has none",
        )


def _look_at_pattern(part: TomlTable, name: str, choices: set[str]) -> None:
    said = part.file.part("numbers").take(name, text, "{serial}")
    said_wrong = pattern_wrong(said, _WORDS | choices)
    if said_wrong is not None:
        place = part.file.place("numbers", name)
        part.file.complaints.add(place, f"编号 {name}：{said_wrong[0]}", f"number {name}: {said_wrong[1]}")


def pattern_wrong(pattern: str, words: Iterable[str]) -> tuple[str, str] | None:
    """What is wrong with the pattern of a number that is given, in both languages: each document needs another one."""
    try:
        named = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError as wrong:
        return f"{pattern!r} 不能填写：{wrong}", f"{pattern!r} cannot be filled: {wrong}"
    if "serial" not in named:
        return (
            f"{pattern!r} 没有 {{serial}}，所有单证会得到同一编号",
            f"{pattern!r} has no {{serial}}: every document would get the same one",
        )
    if unknown := sorted(named - set(words)):
        return f"没有什么填入 {{{unknown[0]}}}", f"nothing fills {{{unknown[0]}}}"
    return None
