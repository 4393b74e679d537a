"""The append-only history: one hash chain per gateway run, an entry a transaction.

An entry's hash is SHA-256 over a fixed byte form: the hash before, run, entry number, time, a line for each move, and the
records of the rows that the transaction left behind (`digests`), so that a row altered later does not fit. A line names the
message, its move and the SHA-256 of each body stored with it. What moves no message has a line too: its subject, in place of
the message, is `gateway` or a lane's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from tongguan.gateway.model.outcome import Outcome

GENESIS = "0" * 64
KEYS = "anchor_keys"  #: marker with the public keys of the anchor, newest last
GATEWAY = "gateway"  #: the subject of starts, stops and what is about the gateway as a whole
START, ACCEPT = "start", "accept"
AGAIN = "answers again"  #: step of a message whose answers somebody wants once more
_LANE = "lane:"


def lane_subject(lane: str) -> str:
    """What stands in place of a message where a lane was shut or opened; ids of messages never look like it."""
    return _LANE + lane


def is_subject(name: str) -> bool:
    return name == GATEWAY or name.startswith(_LANE)


def line_of(outcome: Outcome) -> str:
    """The fixed byte form of one move."""
    m = outcome.message
    documents = [[d.id, d.status, d.version] for d in outcome.documents]
    bodies = [[b.role, b.sha256] for b in outcome.bodies]
    receipts = [[r.authority, r.id, r.code] for r in outcome.receipts]
    facts = [m.id, outcome.step, outcome.was, m.state, outcome.who, outcome.why, documents, bodies, receipts]
    return orjson.dumps(facts).decode()


def line_of_other(message_id: str, was: str, state: str, *, outcome: Outcome) -> str:
    """The line of a message that moved because another one did."""
    return line_of_event(message_id, outcome.step, was, state, who=outcome.who, why=outcome.why)


def line_of_event(subject: str, step: str, was: str | None, state: str, *, who: str, why: str, more: Any = None) -> str:
    """The line of what is about no message, or of a message that somebody did something to without moving it."""
    return orjson.dumps([subject, step, was, state, who, why, [], [], [], *([] if more is None else [more])]).decode()


def told_line(document: str | None, line: str) -> str:
    """A line as its entry's hash covers it: with the document that it is found under."""
    return f"{document or ''} {line}"


def entry_hash(previous: str, run: str, entry: int, *, at: int, lines: Iterable[str], left: bytes) -> str:
    """The hash of an entry, whose transaction left these records behind."""
    whole = hashlib.sha256("\n".join((previous, run, str(entry), str(at), *lines)).encode())
    whole.update(b"\n" + left)
    return whole.hexdigest()
