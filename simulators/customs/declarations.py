"""Take declarations that cite licences, and carry out what becomes of them: release, clearance, refusal, deletion.

``declare`` and ``happen`` are one transaction each and may be repeated: the same again changes nothing and is answered alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import orjson

from tongguan.simulators.customs.declaration_form import Declaration, as_kept
from tongguan.simulators.customs.examination import examined
from tongguan.simulators.customs.ledger import CLEARED, DELETED, REFUSED, RELEASED, RESERVED, Entry
from tongguan.simulators.customs.tellings import plan_tellings
from tongguan.simulators.server.office import Fault, Office

#: what may happen, from which states, and what it leads to
EVENTS = {
    "release": ((RESERVED,), RELEASED),
    "clear": ((RELEASED,), CLEARED),
    "refuse": ((RESERVED,), REFUSED),
    "delete": ((RESERVED, RELEASED), DELETED),
}


@dataclass(frozen=True)
class Verdict:
    """What customs says: HTTP status, the entry's state, and faults when it says no."""

    http: int
    entry: str
    state: str = ""
    faults: Sequence[Fault] = ()


def declare(office: Office, declaration: Declaration) -> Verdict:
    """Check a declaration against the licences it cites and reserve what it uses.

    A refused one may be declared again, a deleted one never.
    """
    body = asdict(declaration)
    sha256 = hashlib.sha256(orjson.dumps(body, default=str, option=orjson.OPT_SORT_KEYS)).digest()
    books, number = office.store.ledger, declaration.entry
    with office.store.transaction():
        known = books.entry(number)
        if known is not None and known.state == DELETED:
            return Verdict(409, number, DELETED, [Fault("DCL-03", "entry", f"报关单 {number} 已删除")])
        if known is not None and known.stands:
            if known.sha256 == sha256:
                return Verdict(200, number, known.state)
            return Verdict(409, number, known.state, [Fault("DCL-02", "entry", f"报关单号 {number} 已有不同内容")])
        faults, uses = examined(books, office.settings, declaration)
        if faults:
            return Verdict(422, number, "", faults)
        books.keep_entry(Entry(number, sha256, RESERVED, {"declared": office.today()}, as_kept(declaration)), uses)
    return Verdict(200, number, RESERVED)


def happen(office: Office, number: str, event: str, day: str = "") -> Verdict:
    """Let something happen to a declaration, on that day (default: today)."""
    books = office.store.ledger
    with office.store.transaction():
        entry = books.entry(number)
        if entry is None:
            return Verdict(404, number, "", [Fault("DCL-04", "entry", f"没有报关单 {number}")])
        if event in entry.events:
            return Verdict(200, number, entry.state)
        begins, leads = EVENTS[event]
        if entry.state not in begins:
            return Verdict(409, number, entry.state, [Fault("DCL-05", "event", f"报关单状态为 {entry.state}，不能 {event}")])
        moved = replace(entry, state=leads, events={**entry.events, event: day or office.today()})
        books.move_entry(moved)
        if leads == RELEASED:
            plan_tellings(office, moved)
    return Verdict(200, number, leads)
