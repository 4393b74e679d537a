"""Whatever an authority signs, a receipt ends settled, unmatched or quarantined: never held, and nothing is raised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bodies as b
import pytest
from homes import new_home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from rounds import turn
from tongues import in_both_languages

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.submission.send import incoming
from tongguan.gateway.home.home import CODES, change_settings
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.system import clock
from tongguan.simulators.messages.signing import Sealer, load_sealer

RECEIPT = "urn:tongguan:receipt:1"
NAMES = ("id", "kind", "authority", "account", "message", "type", "number", "code", "text", "issued_at", "environment")


@dataclass(frozen=True)
class Desk:
    """A gateway that is played by hand, with one application that may have been sent."""

    daemon: Daemon
    sealers: dict[str, Sealer]
    message: Message
    document: Document

    def right(self) -> dict[str, str]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = {"kind": "business", "authority": "mofcom", "account": CODES["mofcom"], "message": self.message.wire_id}
        number = self.document.numbers["application"]
        return {**said, "id": "r", "type": self.message.type, "number": number, "code": "10", "text": "x", "issued_at": now}

    def come(self, *receipts: bytes, route: str = "mofcom") -> list[State]:
        """Have receipts come, and the states in which they end."""
        journal = self.daemon.journal
        arrived = [incoming("demo", raw, route=route, now=clock.now_ms()) for raw in receipts]
        arrived = list({o.message.id: o for o in arrived}.values())
        ids = [o.message.id for o in arrived]
        with journal.read() as records:
            known = records.messages(ids)
        journal.deliver([(o,) for o in arrived if o.message.id not in known], marker="cursor:test", value="1")
        station = next(s for s in self.daemon.stations if s.name == "receipts")
        while station.turn():
            pass
        with journal.read() as records:
            return [m.state for m in records.messages(ids).values()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = new_home(tmp_path_factory.mktemp("any") / "home")
    for authority in ("mofcom", "customs"):
        change_settings(home, f"route.{authority}", "url", "http://127.0.0.1:9")
    change_settings(home, "gateway", "settle", "0ms")
    (home / "mailboxes" / "demo" / "OutBox" / "a.xml").write_bytes(b.xml(b.application("declare", reference="ANY-1")))
    daemon = Daemon(home)
    try:
        for _ in range(3):
            with contextlib.suppress(Exception):
                turn(daemon)
        with daemon.journal.read() as records:
            message = records.holder_of("demo", "ANY-1")
            assert message is not None and message.state is State.SEALED and message.kind is Kind.SUBMISSION
            document = records.document(message.document_id)
            assert document is not None
        keys = home / "simulators"
        yield Desk(
            daemon, {a: load_sealer(keys / f"{a}.key", keys / f"{a}.pem") for a in ("mofcom", "customs")}, message, document
        )
    finally:
        daemon.stop()


def receipt(attributes: dict[str, str], numbers: list[tuple[str, str]]) -> etree._Element:
    root = etree.Element(f"{{{RECEIPT}}}Receipt", nsmap={None: RECEIPT})  # type: ignore[dict-item]
    for name, value in attributes.items():
        root.set(name, value)
    group = etree.SubElement(root, f"{{{RECEIPT}}}Numbers")
    for name, value in numbers:
        etree.SubElement(group, f"{{{RECEIPT}}}Number", name=name).text = value
    return root


letters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
_TELLING = [
    "",
    " ",
    "0",
    "1",
    "Q0",
    "10",
    "22",
    "30",
    "40",
    "52",
    "60",
    "999",
    "technical",
    "business",
    "mofcom",
    "customs",
    "test",
]
_ODD = [
    "NA.application",
    "EW.declaration",
    "LR.09",
    "2100MA0EXAMPL",
    "9" * 300,
    "a\tb",
    "-1",
    "x-1",
    "\u202e",
    "{}",
    "%s",
    "../x",
]
_TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2026-11-20", "2026-11-20T18:00:00", "20261120T180000+0800"]
words = st.one_of(st.text(letters, max_size=20), st.sampled_from([*_TELLING, *_ODD, *_TIMES]))
numbers = st.lists(st.tuples(st.one_of(st.sampled_from(["application", "mofcom", "licence", "entry"]), words), words), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(NAMES), words), numbers, st.booleans()), min_size=1, max_size=6))
def test_any_signed_receipt_is_settled_unmatched_or_quarantined(desk: Desk, odd: list[Any]) -> None:
    """Every attribute may be anything; those that a receipt does not change are right."""
    raws = [
        desk.sealers["mofcom"].seal(receipt({**desk.right(), "id": f"i{n}", **changes}, told))
        for n, (changes, told, _) in enumerate(odd)
    ]
    theirs = [desk.sealers["customs"].seal(receipt({**desk.right(), **changes}, told)) for changes, told, other in odd if other]

    ends = {*desk.come(*raws), *(desk.come(*theirs, route="customs") if theirs else ())}
    assert ends <= {State.SETTLED, State.UNMATCHED, State.QUARANTINED}


def test_a_right_one_among_them_is_settled(desk: Desk) -> None:
    assert desk.come(desk.sealers["mofcom"].seal(receipt({**desk.right(), "id": "right"}, []))) == [State.SETTLED]


def test_nothing_that_customs_said_has_moved_anything(desk: Desk) -> None:
    with desk.daemon.journal.read() as records:
        receipts = records.receipts_of_documents([desk.document.id]).get(desk.document.id, [])

    assert {r.authority for r in receipts} <= {"mofcom"}


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"<a/>", b"\0" * 50, b"<Receipt xmlns='urn:tongguan:receipt:1'/>", "é".encode("latin-1")]
)
def test_what_is_no_receipt_is_quarantined(desk: Desk, raw: bytes) -> None:
    assert desk.come(raw) == [State.QUARANTINED]


def test_why_each_of_them_was_put_aside_is_told_in_both_languages(desk: Desk) -> None:
    odd: list[dict[str, str]] = [
        {"account": "x"},
        {"authority": "customs"},
        {"environment": "production"},
        {"issued_at": "2090-01-01T00:00:00Z"},
        {"message": "x-1"},
        {"message": "", "number": "26AA777001"},
        {"type": "LR.09"},
        {"code": "52"},
        {"code": "999"},
        {"code": "Q0"},
        {"kind": "technical", "code": "10"},
        {"kind": "technical", "code": "0", "message": ""},
    ]
    raws = [
        desk.sealers["mofcom"].seal(receipt({**desk.right(), "id": f"aside{n}", **changes}, [])) for n, changes in enumerate(odd)
    ]
    desk.come(b"<a/>", desk.sealers["customs"].seal(receipt(desk.right(), [])), *raws)
    with desk.daemon.journal.search() as records:
        aside = [*records.in_state(State.QUARANTINED, 100), *records.in_state(State.UNMATCHED, 100)]

    assert len(aside) > len(odd) // 2
    assert [m.hold_reason for m in aside if not in_both_languages(m.hold_reason)] == []


@pytest.mark.parametrize(("account", "route"), [("gone", "mofcom"), ("demo", "gone")])
def test_a_receipt_of_an_account_or_route_that_left_the_settings_waits_for_it(desk: Desk, account: str, route: str) -> None:
    addressed = {"account": "2100MA0NOBODY"} if account == "gone" else {}
    raw = desk.sealers["mofcom"].seal(receipt({**desk.right(), "id": account + route, **addressed}, []))
    outcome = incoming(account, raw, route=route, now=clock.now_ms())
    desk.daemon.journal.deliver([(outcome,)], marker="cursor:test", value="1")
    station = next(s for s in desk.daemon.stations if s.name == "receipts")
    while station.turn():
        pass
    with desk.daemon.journal.read() as records:
        found = records.message(outcome.message.id)

    assert found is not None and found.state is State.HELD and "not in the settings" in (found.hold_reason or "")
