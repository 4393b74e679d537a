"""What ``replies.toml`` of a profile folder says: what an authority answers to a document type, and when.

This is all that a simulator knows of a document type: where its numbers stand, which codes exist, the flows that operations
start, the turns that a marker makes them take, what is checked, and how queries are answered. ``docs/simulators.md`` lists the
keys. ``loading.py`` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tongguan.simulators.script.code_effects import ChangeTerms, CitingTerms, CollectTerms, DayTerms, MakeTerms
from tongguan.simulators.script.field_rules import FieldRules
from tongguan.simulators.script.licence_terms import Terms
from tongguan.simulators.script.own_format import Format

#: the kinds of checks: ``checks.py``
CHECKS = frozenset(
    {"pattern", "count", "account", "trader", "known", "record", "unclaimed", "registered"}
    | {"fields", "named", "filed", "alike", "unchanged", "last_days", "covered", "collected", "old", "changed", "declared"}
)


@dataclass(frozen=True)
class Code:
    """One receipt code. ``moves``: it becomes the document's status; otherwise it is shown under its ``group`` only.

    ``pending``: content that awaits this verdict ``applies`` or ``drops``; ``changes``: it carries out what the document says
    of another one; ``takes`` and ``gives_back``: the quantities of the licences that the document cites.
    """

    code: str
    text: str
    gives: tuple[str, ...] = ()  #: names of numbers told with it, made when not there yet
    moves: bool = True
    group: str = ""
    reason: str = ""  #: told as a fault
    opinion: str = ""  #: what the officer wrote, shown when the steps are asked for
    officer: str = ""
    tells: tuple[str, ...] = ()  #: names of days told in the content
    rows: str = ""  #: path of rows of the document that are told in the content, an element for each
    row: tuple[str, ...] = ()  #: what such an element says: columns as in ``columns.py``, paths below the row
    pending: str = ""
    changes: bool = False
    takes: bool = False
    gives_back: bool = False
    stops: bool = False  #: nothing else comes of the document any more
    writes_off: str = ""  #: released | cleared: what the collected documents have taken of licences


@dataclass(frozen=True)
class Step:
    """One receipt to come, ``after`` (in fast time ``fast``) from the one before; where the clock runs fast, ``days`` later by it.

    Where a check before this code finds something wrong, ``otherwise`` comes with the faults instead, and the flow ends. With ``forward`` the document is first handed to that authority: not stored there means ``failed``, not reachable means
    ``unreachable``, and both are tried again after ``again``.
    """

    code: str
    after: float = 2.0
    fast: float = 0.05
    days: float = 0.0
    otherwise: str = ""
    moves: bool = True  #: false: the status stays as it is, unless the code stops all
    each: bool = False  #: once for every row that the code tells, one after another
    makes: bool = False  #: what the row asks for is made before its code is told
    row: int = 0  #: which of them this step is about, from 1; 0: all
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
    pending: bool = False  #: the content awaits a verdict beside the one that holds; one at a time
    stops: bool = False  #: what was still to come of the document's earlier flows is dropped
    unsigned: str = ""  #: ``choice=value``: such documents may come without a signature


@dataclass(frozen=True)
class Turn:
    """Where a marker makes a flow leave its way: instead of the step ``at`` these steps follow, and the flow ends."""

    marker: str
    at: str
    steps: tuple[Step, ...]
    first_round_only: bool = False
    operations: tuple[str, ...] = ()  #: only of these; none named: of any


@dataclass(frozen=True)
class Check:
    """One thing looked at before a message or query is taken, or ``before`` a code is told; see ``checks.py`` for the kinds."""

    check: str
    code: str
    says: str
    at: str = ""
    operations: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    only: str = ""  #: ``choice=value``: other documents are not looked at
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
    until: str = ""  #: name of a day told of the other document: past it, it counts as not there
    days: int = 0
    claim: str = ""  #: the other document is the one that has claimed the text, in place of the one of that name
    named: str = ""  #: not the text is claimed, but the document of this type that it names
    same: tuple[str, ...] = ()  #: paths whose texts are the same there; ``differs`` says that they are not
    differs: str = ""
    rows: str = ""
    there: str = ""  #: path of the rows of the other document
    key: str = ""  #: ``Here=There``: by which texts rows of both belong together
    columns: tuple[str, ...] = ()
    stopped: str = ""
    owner: str = ""  #: path of the account whose the named documents are; nothing: the sender's


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
    head: tuple[str, ...] = ()  #: columns told once, of the first row
    inner: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One line of a choice: what is chosen when a text at ``at`` begins with one of these, and where it says so one at ``also_at``
    with one of those; ``first``: that many of its letters."""

    at: str
    begins: tuple[str, ...]
    gives: str = ""
    first: int = 0
    also_at: str = ""
    also_begins: tuple[str, ...] = ()


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
    trader: str  #: path of the code of the enterprise that it is filed for; nothing: the sender
    codes: Mapping[str, Code]
    numbers: Mapping[str, str]  #: name of a number -> its pattern
    flows: tuple[Flow, ...]
    turns: tuple[Turn, ...]
    checks: tuple[Check, ...]
    queries: tuple[Query, ...]
    choices: Mapping[str, Choice]
    licence: Terms | None = None  #: how a licence that the type ends in is read
    states: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: statuses that no receipt tells, with their texts
    days: Mapping[str, DayTerms] = dataclasses.field(default_factory=dict)
    changes: ChangeTerms | None = None
    cites: CitingTerms | None = None
    collects: CollectTerms | None = None
    makes: MakeTerms | None = None
    format: Format | None = None
    fields: FieldRules = dataclasses.field(default_factory=dict)

    def flow(self, operation: str) -> Flow | None:
        """Find the flow that an operation starts."""
        return next((flow for flow in self.flows if flow.operation == operation), None)

    def query(self, kind: str, operation: str) -> Query | None:
        """Find how queries of a kind are answered; without a kind the operation tells it."""
        if kind:
            return next((query for query in self.queries if query.kind == kind), None)
        return next((query for query in self.queries if operation in query.also), None)
