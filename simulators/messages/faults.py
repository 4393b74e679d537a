"""Misbehave on demand: by a marker in a message's reference, or by a file of rules.

A marker is ``!name`` or ``!name=value`` anywhere in the ``reference`` of the document; several may stand side by side, as in
``ORDER-7!503=3!duplicate``. A value has letters and digits only; so put names of a run before the marker or after a dot.

What happens to the call:
``!503=N`` ``!429=N``       the first N tries are answered so, with Retry-After; nothing is stored
``!lose=N``                 the first N tries: the connection is closed and nothing is stored
``!slow=2s``                the answer comes that late
``!drop-answer=N``          stored, then the connection is closed without an answer, the first N tries (default 1)
``!wrong-signature=technical``, ``!corrupt=technical``  the first answer's receipt is signed by a stranger, or damaged
``!odd-answer=WHAT``        the first answer is signed as it should be, and odd in one thing (below); asked again, it is right
``!fault``                  refused: a signed technical receipt with a fault

What happens to the business receipts:
``!wrong-signature``        the first comes signed by a stranger (with the same content), then once more as it should be
``!corrupt``                the first comes damaged after signing, then once more whole
``!odd=WHAT``               the first comes signed as it should be, and odd in one thing; then once more right: kind, kindless,
                            otherkind, code (one that nobody knows), idless, account, authority, type, message, environment,
                            year1, year9999, future, timeless, words, long, hidden, twice (``odd_receipts.py``)
``!contradict=CODE``        behind the last one comes this code, in the same round
``!usurp=CODE``             customs, handed the licence, says this code of the application, which is not its to say
``!duplicate``              each comes twice
``!reorder``                each pair comes in the wrong order
``!nameless``               they do not name the message
``!pace=2s``                so much time between them
``!stay=CODE``              the flow goes no further than that code
``!ends=20261003``          where days pass fast: the last one on that day, those before at once

Markers that change the verdict (``!refuse``, ``!return``, ``!second-refuse``, ``!disagree``, ``!store-fail``, ``!send-fail``,
``!centre-fail``) are turns in ``replies.toml``; ``!customs-fail`` makes customs refuse to store a licence the first time.

The file (``--faults FILE``) gives the same markers to messages that it picks, and times of outage:
``[[fault]] marker = "503=2", authority, type, operation, account, reference = "glob", share = 0.1`` (each but the marker may be
absent) and ``[[outage]] authority, after = "5s", lasts = "10s"``, counted from the start.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tongguan.simulators.script.durations import is_day, is_span, seconds

#: markers whose value is a duration, or a day; with another value they mean nothing
_FORMS = {"slow": is_span, "pace": is_span, "ends": is_day}
_MARKER = re.compile(r"!([a-z0-9]+(?:-[a-z]+)*)(?:=([A-Za-z0-9]+))?")


@dataclass(frozen=True)
class FaultSubject:
    """What of a message decides whether a rule of the file picks it."""

    message: str
    authority: str
    type: str
    operation: str
    account: str
    reference: str


@dataclass(frozen=True)
class Rule:
    """One ``[[fault]]`` of the file."""

    marker: str
    authority: str = "*"
    type: str = "*"
    operation: str = "*"
    account: str = "*"
    reference: str = "*"
    share: float = 1.0

    def picks(self, told: FaultSubject) -> bool:
        """Say whether the rule is for this message; a share is drawn by the Message-Id, so that a repeat is drawn alike."""
        names = ("authority", "type", "operation", "account", "reference")
        drawn = int.from_bytes(hashlib.sha256(told.message.encode()).digest()[:4], "big") / 2**32
        return drawn < self.share and all(fnmatch.fnmatchcase(getattr(told, name), getattr(self, name)) for name in names)


@dataclass(frozen=True)
class Outage:
    """A time in which nothing is answered but 503, in seconds from the start."""

    authority: str
    after: float
    lasts: float


@dataclass(frozen=True)
class Plan:
    """All rules in force."""

    rules: tuple[Rule, ...] = ()
    outages: tuple[Outage, ...] = ()

    def down(self, authority: str, running: float) -> bool:
        """Say whether an authority is in an outage, so many seconds after its start."""
        return any(
            fnmatch.fnmatchcase(authority, one.authority) and one.after <= running < one.after + one.lasts for one in self.outages
        )


def read_plan(text: str) -> Plan:
    """Read a file of rules. Raises ValueError for one that cannot be read."""
    raw = tomllib.loads(text)
    try:
        rules = tuple(Rule(**row) for row in raw.get("fault", []))
        outages = tuple(
            Outage(row.get("authority", "*"), seconds(row.get("after", "0s")), seconds(row["lasts"]))
            for row in raw.get("outage", [])
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"fault rules: {error}") from error
    return Plan(rules, outages)


def load_plan(path: Path | None) -> Plan:
    """Read the rules from a file; no file, no rules."""
    return Plan() if path is None else read_plan(path.read_text(encoding="utf-8"))


def markers(reference: str) -> dict[str, str]:
    """List the markers of a reference with their values, "" for none."""
    found = {match[1]: match[2] or "" for match in _MARKER.finditer(reference)}
    return {name: value for name, value in found.items() if name not in _FORMS or _FORMS[name](value)}


def orders(plan: Plan, told: FaultSubject) -> dict[str, str]:
    """List everything that is to go wrong with a message: its own markers and those of the rules that pick it."""
    wrong = markers(told.reference)
    for rule in plan.rules:
        if rule.picks(told):
            wrong = markers("!" + rule.marker) | wrong
    return wrong


def times(wrong: Mapping[str, str], name: str) -> int:
    """Say how often a fault with a count is to happen; a marker without a number means once."""
    if name not in wrong:
        return 0
    return int(wrong[name]) if wrong[name].isdigit() else 1
