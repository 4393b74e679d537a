"""Read ``replies.toml`` of the profile folders: what an authority answers to each document type, and when.

This is all that a simulator knows of a document type: where its numbers stand, which codes exist, the flows that operations
start, the turns that a marker makes them take, what is checked, and how queries are answered. ``docs/simulators.md`` lists the
keys. ``folders.py`` tells where the scripts stand.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from tongguan.simulators.books.columns import check_rows
from tongguan.simulators.script.durations import seconds
from tongguan.simulators.script.licence_terms import Terms, read_terms
from tongguan.simulators.script.profile_folders import SCRIPT, authorities, installed_profiles, raw_script, script_folders

T = TypeVar("T")
PATTERN_WORDS = ("yy", "yyyy", "mm", "dd", "account")  #: what the pattern of a number may name, beside choices and the serial


@dataclass(frozen=True)
class Code:
    """One receipt code. ``moves``: it becomes the document's status; otherwise it is shown under its ``group`` only."""

    code: str
    text: str
    gives: tuple[str, ...] = ()  #: names of numbers told with it, made when not there yet
    moves: bool = True
    group: str = ""
    reason: str = ""  #: told as a fault
    opinion: str = ""  #: what the officer wrote, shown when the steps are asked for
    officer: str = ""


@dataclass(frozen=True)
class Step:
    """One receipt to come, ``after`` (in fast time ``fast``) from the one before.

    With ``forward`` the document is first handed to that authority: not stored there means ``failed``, not reachable means
    ``unreachable``, and both are tried again after ``again``.
    """

    code: str
    after: float = 2.0
    fast: float = 0.05
    only: str = ""  #: ``choice=value``: the flow ends before this step for other documents
    forward: str = ""
    failed: str = ""
    unreachable: str = ""
    again: float = 5.0
    again_fast: float = 0.1


@dataclass(frozen=True)
class Flow:
    """What an operation starts."""

    operation: str
    steps: tuple[Step, ...]
    when: tuple[str, ...] = ()  #: statuses in which it is allowed; "" is a document not heard of; none named: in any
    otherwise: tuple[Step, ...] = ()  #: played in any other status; without it the message is refused
    known: bool = False  #: the document must be known already
    opens_round: bool = False
    stops: bool = False  #: what was still to come of the document's earlier flows is dropped
    unsigned: str = ""  #: ``choice=value``: such documents may come without a signature


@dataclass(frozen=True)
class Turn:
    """Where a marker makes a flow leave its way: instead of the step ``at`` these steps follow, and the flow ends."""

    marker: str
    at: str
    steps: tuple[Step, ...]
    first_round_only: bool = False


@dataclass(frozen=True)
class Check:
    """One thing looked at before a message or query is taken; see ``checks.py`` for the kinds."""

    check: str
    code: str
    says: str
    at: str
    operations: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    table: str = ""
    field: str = ""
    value: Any = None
    among: str = ""  #: name of a list in the settings
    pattern: str = ""
    least: int = 0
    most: int = 1_000_000
    kind: str = ""
    frees: tuple[str, ...] = ()
    status: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """How a query of one kind is answered; see ``answers.py`` for the answers."""

    kind: str
    answer: str
    also: tuple[str, ...] = ()  #: operations that mean this kind when the document names none
    signed: bool = False
    element: str = ""
    choices: tuple[str, ...] = ()  #: ``element=choice``
    at: str = ""
    table: str = ""
    field: str = ""
    names: str = ""
    group: str = ""
    number: str = ""
    status: tuple[str, ...] = ()
    only: str = ""
    title: str = ""
    lines: tuple[str, ...] = ()
    authority: str = ""  #: who answers; nobody named: the type's own
    of: str = ""  #: the book that rows are made of; see ``rows.py``
    filters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    where: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    columns: tuple[str, ...] = ()
    inner: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One line of a choice: what is chosen when a text at ``at`` begins with one of these; ``first``: that many of its letters."""

    at: str
    begins: tuple[str, ...]
    gives: str = ""
    first: int = 0


@dataclass(frozen=True)
class Choice:
    """A small table that decides by data: the first case that holds, else the default."""

    cases: tuple[Case, ...]
    default: str


@dataclass(frozen=True)
class Replies:
    """The script of one document type."""

    type: str
    authority: str
    card: str  #: whose card signs
    names_message: bool  #: business receipts carry the Message-Id of what started them
    number: tuple[str, ...]  #: paths: the document's own number, told with each receipt
    keys: tuple[str, ...]  #: paths: every value by which the document may be named again
    codes: Mapping[str, Code]
    numbers: Mapping[str, str]  #: name of a number -> its pattern
    flows: tuple[Flow, ...]
    turns: tuple[Turn, ...]
    checks: tuple[Check, ...]
    queries: tuple[Query, ...]
    choices: Mapping[str, Choice]
    licence: Terms | None = None  #: how a licence that the type ends in is read

    def flow(self, operation: str) -> Flow | None:
        """Find the flow that an operation starts."""
        return next((flow for flow in self.flows if flow.operation == operation), None)

    def query(self, kind: str, operation: str) -> Query | None:
        """Find how queries of a kind are answered; without a kind the operation tells it."""
        if kind:
            return next((query for query in self.queries if query.kind == kind), None)
        return next((query for query in self.queries if operation in query.also), None)


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
        return _replies(folder.name, folder.parent.name, raw_script(folder))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / SCRIPT}: {error}") from error


def _replies(type_: str, authority: str, raw: dict[str, Any]) -> Replies:
    codes = tuple(_entry(Code, row) for row in raw.get("code", []))
    script = Replies(
        type=type_,
        authority=authority,
        card=str(raw.get("card", authority)),
        names_message=bool(raw.get("names_message", True)),
        number=tuple(raw["number_at"]),
        keys=tuple(raw["keys_at"]),
        codes={code.code: code for code in codes},
        numbers=dict(raw.get("numbers", {})),
        flows=tuple(_flow(row) for row in raw.get("flow", [])),
        turns=tuple(Turn(**{**row, "steps": _steps(row["steps"])}) for row in raw.get("turn", [])),
        checks=tuple(_entry(Check, row) for row in raw.get("check", [])),
        queries=tuple(_entry(Query, row) for row in raw.get("query", [])),
        choices={name: _choice(row) for name, row in raw.get("choice", {}).items()},
        licence=read_terms(raw["licence"]) if "licence" in raw else None,
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
    used = {code for step in steps for code in (step.code, step.failed, step.unreachable) if code}
    if missing := sorted(used - set(script.codes)):
        raise ValueError(f"code {missing[0]!r} is used but not described")
    chosen = {flow.unsigned.partition("=")[0] for flow in script.flows if flow.unsigned}
    if missing := sorted(chosen - set(script.choices)):
        raise ValueError(f"choice {missing[0]!r} is used but not described")
    given = {name for code in script.codes.values() for name in code.gives}
    if missing := sorted(given - set(script.numbers)):
        raise ValueError(f"number {missing[0]!r} is given but has no pattern")
    for name, pattern in script.numbers.items():
        _sound_pattern(name, pattern, script.choices)
    for query in script.queries:
        if query.answer == "rows":
            check_rows(query.of, query.columns, [*query.filters.values(), *query.where], query.inner)
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
