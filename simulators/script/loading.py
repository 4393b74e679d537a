"""Read the scripts of the profile folders; what is wrong with one is told by its file.

``profile_folders.py`` tells where they stand, ``script.py`` what they say.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from tongguan.simulators.books.columns import check_rows, shown
from tongguan.simulators.script.code_effects import (
    ChangeTerms,
    CitingTerms,
    CollectTerms,
    DayTerms,
    read_make_terms,
    read_terms_of,
)
from tongguan.simulators.script.durations import seconds
from tongguan.simulators.script.field_rules import FieldRules, as_written, read_field_rules
from tongguan.simulators.script.licence_terms import read_terms
from tongguan.simulators.script.own_format import Format, read_format
from tongguan.simulators.script.profile_folders import (
    SCRIPT,
    authorities,
    installed_profiles,
    layers,
    raw_script,
    script_folders,
)
from tongguan.simulators.script.script import CHECKS, Case, Check, Choice, Code, Flow, Query, Replies, Step, Turn

T = TypeVar("T")
PATTERN_WORDS = ("yy", "yyyy", "mm", "dd", "account")  #: what the pattern of a number may name, beside choices and the serial


def load_scripts(authority: str, root: Path | None = None, own: Path | None = None) -> dict[str, Replies]:
    """Read every script of an authority, by document type: those under ``root`` (without: the installed ones) and ``own``.

    Raises ValueError naming the file that is wrong.
    """
    roots = [root or installed_profiles(), *([own] if own else [])]
    return {folder.name: load_script(folder) for each in roots for folder in script_folders(each, authority)}


def load_other_scripts(authority: str, root: Path | None = None, own: Path | None = None) -> dict[str, Replies]:
    """Read the scripts of all other authorities, by document type."""
    others = [name for name in authorities(root or installed_profiles()) if name != authority]
    return {type_: script for name in others for type_, script in load_scripts(name, root, own).items()}


def load_script(folder: Path) -> Replies:
    """Read one script; its folder names the type, the folder above it the authority."""
    try:
        fields = read_field_rules(*layers(folder))
        return _replies(folder.name, folder.parent.name, raw_script(folder), fields)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / SCRIPT}: {error}") from error


def _replies(type_: str, authority: str, raw: dict[str, Any], rules: FieldRules) -> Replies:
    codes = tuple(_entry(Code, row) for row in raw.get("code", []))
    own: Format | None = read_format(dict(raw["format"])) if "format" in raw else None
    script = Replies(
        type=type_,
        authority=authority,
        card=str(raw.get("card", authority)),
        names_message=bool(raw.get("names_message", True)),
        number=tuple(raw["number_at"]),
        keys=tuple(raw["keys_at"]),
        trader=str(raw.get("trader_at", "")),
        codes={code.code: code for code in codes},
        numbers=dict(raw.get("numbers", {})),
        flows=tuple(_flow(row) for row in raw.get("flow", [])),
        turns=tuple(_entry(Turn, row | {"steps": _steps(row["steps"])}) for row in raw.get("turn", [])),
        checks=tuple(_entry(Check, row) for row in raw.get("check", [])),
        queries=tuple(_entry(Query, row) for row in raw.get("query", [])),
        choices={name: _choice(row) for name, row in raw.get("choice", {}).items()},
        licence=read_terms(raw["licence"]) if "licence" in raw else None,
        states=dict(raw.get("states", {})),
        days={name: read_terms_of(DayTerms, f"day.{name}", row) for name, row in raw.get("day", {}).items()},
        changes=read_terms_of(ChangeTerms, "changes", raw["changes"]) if "changes" in raw else None,
        cites=read_terms_of(CitingTerms, "cites", raw["cites"]) if "cites" in raw else None,
        collects=read_terms_of(CollectTerms, "collects", raw["collects"]) if "collects" in raw else None,
        makes=read_make_terms(dict(raw["makes"])) if "makes" in raw else None,
        format=own,
        fields=as_written(rules, own.without, compact_days=own.compact_days) if own else rules,
    )
    _sound(script)
    return script


def _entry(kind: type[T], row: dict[str, Any]) -> T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(row) - known):
        raise ValueError(f"unknown key {unknown[0]!r} in [[{kind.__name__.lower()}]]")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})


def _steps(rows: list[dict[str, Any]]) -> tuple[Step, ...]:
    spans = ("after", "fast", "again", "again_fast")
    return tuple(_entry(Step, {key: seconds(value) if key in spans else value for key, value in row.items()}) for row in rows)


def _flow(row: dict[str, Any]) -> Flow:
    return _entry(Flow, row | {"steps": _steps(row["steps"]), "otherwise": _steps(row.get("otherwise", []))})


def _choice(row: dict[str, Any]) -> Choice:
    return Choice(tuple(_entry(Case, case) for case in row.get("case", [])), row["default"])


def _sound(script: Replies) -> None:
    steps = [step for flow in script.flows for step in flow.steps + flow.otherwise]
    steps += [step for turn in script.turns for step in turn.steps]
    used = {code for step in steps for code in (step.code, step.failed, step.unreachable, step.otherwise) if code}
    if missing := sorted(used - set(script.codes)):
        raise ValueError(f"code {missing[0]!r} is used but not described")
    named = [flow.unsigned for flow in script.flows] + [step.only for step in steps] + [check.only for check in script.checks]
    named += [script.changes.cancels] if script.changes else []
    named += [script.cites.only] if script.cites else []
    chosen = {text.partition("=")[0] for text in named if text}
    if missing := sorted(chosen - set(script.choices)):
        raise ValueError(f"choice {missing[0]!r} is used but not described")
    given = {name for code in script.codes.values() for name in code.gives}
    if missing := sorted(given - set(script.numbers)):
        raise ValueError(f"number {missing[0]!r} is given but has no pattern")
    if missing := sorted({name for code in script.codes.values() for name in code.tells} - set(script.days)):
        raise ValueError(f"day {missing[0]!r} is told but not described")
    for code in script.codes.values():
        if bool(code.rows) != bool(code.row):
            raise ValueError(f"code {code.code!r}: rows goes with row, and row with rows")
        any(map(shown, code.row))  # each is a column
    if script.makes and (missing := sorted({script.makes.done, script.makes.partly, script.makes.failed} - set(script.codes))):
        raise ValueError(f"code {missing[0]!r} is used in [makes] but not described")
    if script.makes is None and any(step.makes for step in steps):
        raise ValueError("a step has makes, but there is no [makes]")
    if alone := [step.code for step in steps if step.each and not script.codes[step.code].rows]:
        raise ValueError(f"a step of code {alone[0]!r} has each, but the code tells no rows")
    if unknown := sorted({check.check for check in script.checks} - CHECKS):
        raise ValueError(f"no such check: {unknown[0]!r}")
    for name, pattern in script.numbers.items():
        _sound_pattern(name, pattern, script.choices)
    for query in script.queries:
        if query.answer == "rows":
            check_rows(query.of, (*query.columns, *query.head), [*query.filters.values(), *query.where], query.inner)
    asked = [pair.partition("=")[2] for query in script.queries for pair in query.choices]
    if missing := sorted({*asked, *(script.licence.choices() if script.licence else ())} - set(script.choices)):
        raise ValueError(f"choice {missing[0]!r} is asked but not described")


def _sound_pattern(name: str, pattern: str, choices: Iterable[str]) -> None:
    """Raise ValueError for a pattern of which no number could be made, or always the same one."""
    head, serial, tail = pattern.partition("{serial")
    if not serial:
        raise ValueError(f"number {name!r}: its pattern {pattern!r} has no {{serial}}, so every document would get the same one")
    try:
        head.format(**dict.fromkeys((*PATTERN_WORDS, *choices), ""))
        (serial + tail).format(serial=1)
    except (LookupError, ValueError) as error:
        raise ValueError(f"number {name!r}: its pattern {pattern!r} cannot be filled: {error}") from error
