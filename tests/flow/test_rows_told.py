"""Receipts that tell of rows: each row on its own, the last issued word of the round holds, whatever the order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from agreement_desk import Office, open_office
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongguan.gateway.system import clock
from tongguan.gateway.system.times import from_ms, show

pytestmark = pytest.mark.requirement("CD-05", "DP-03")
UNHURRIED = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
REQUEST = "XX.request"
ENTRIES = ("530120261012345001", "530120261012345002", "530120261012345003")
TOLD = ("State", "MadeAt", "Reason", "ToldAt")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


@dataclass(frozen=True)
class RowStates:
    """What one receipt tells: at which tick, of which entries, which state and reason; of entries not named nothing."""

    tick: int
    states: dict[str, tuple[str, str]]

    @property
    def content(self) -> str:
        return "".join(
            f"<Entry><EntryId>{entry}</EntryId><State>{state}</State>{f'<Reason>{reason}</Reason>' if reason else ''}</Entry>"
            for entry, (state, reason) in self.states.items()
        )


def entries(*ids: str) -> str:
    return "".join(f"<Entry><EntryId>{one}</EntryId><Note>n{one[-1]}</Note></Entry>" for one in ids)


def requested(office: Office, *ids: str) -> tuple[str, dict[str, Any]]:
    key = f"R-{office.fresh()}"
    message = office.send(REQUEST, "declare", key, entries(*(ids or ENTRIES)))
    assert message["state"] == "sent", message["faults"]
    return key, message


def at(tick: int, since: datetime) -> str:
    return (since + timedelta(milliseconds=tick)).isoformat(timespec="milliseconds")


def rows(office: Office, key: str) -> dict[str, dict[str, str]]:
    """The entries of a request by their numbers, with what was told of them."""
    return {row["EntryId"]: {n: row[n] for n in TOLD if n in row} for row in office.document(REQUEST, key)["body"]["Entry"]}


def told(office: Office, key: str) -> dict[str, tuple[str, str]]:
    """State and reason of each entry."""
    return {entry: (row.get("State", ""), row.get("Reason", "")) for entry, row in rows(office, key).items()}


def now() -> datetime:
    return from_ms(clock.now_ms()).astimezone(datetime.fromisoformat(show(0) or "").tzinfo)


def test_each_row_has_what_was_told_of_it_and_keeps_what_was_sent(office: Office) -> None:
    key, message = requested(office)
    inside = "<Entry><EntryId>530120261012345002</EntryId><State>1</State><Made><At>20261120</At></Made></Entry>"
    office.say(REQUEST, message, "P1", inside)
    document = office.document(REQUEST, key)

    assert document["business_status"]["text"] == "处理中"
    assert [row.get("State") for row in document["body"]["Entry"]] == [None, "1", None]
    assert document["body"]["Entry"][1]["MadeAt"] == "2026-11-20"
    assert [row["Note"] for row in document["body"]["Entry"]] == ["n1", "n2", "n3"]


def test_a_later_word_about_a_row_replaces_all_of_the_earlier_one(office: Office) -> None:
    key, message = requested(office)
    office.say(REQUEST, message, "P1", RowStates(0, {ENTRIES[0]: ("4", "旧版本暂不支持"), ENTRIES[1]: ("3", "")}).content)
    office.say(REQUEST, message, "P1", RowStates(1, {ENTRIES[0]: ("1", "")}).content)

    assert told(office, key) == {ENTRIES[0]: ("1", ""), ENTRIES[1]: ("3", ""), ENTRIES[2]: ("", "")}


words = st.builds(
    RowStates,
    st.integers(1, 400),
    st.dictionaries(
        st.sampled_from(ENTRIES), st.tuples(st.sampled_from("01234"), st.sampled_from(["", "作业未完结", "旧版本"])), min_size=1
    ),
)


@UNHURRIED
@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_any_order_loss_and_repetition_lead_to_the_last_word_about_each_row(
    office: Office, said: Sequence[RowStates], data: st.DataObject
) -> None:
    key, message = requested(office)
    since = now() - timedelta(milliseconds=500)
    again = data.draw(st.lists(st.sampled_from(said), max_size=3), "what is told twice")
    order = data.draw(st.permutations([*said, *again, None]), "the order")
    office.issue(
        *(
            office.receipt(REQUEST, message, "P1", content=one.content, issued_at=at(one.tick, since))
            if one is not None
            else office.receipt(REQUEST, message, "P9")
            for one in order
        )
    )

    found = told(office, key)
    for entry in ENTRIES:
        of_it = [(one.tick, *reversed(one.states[entry])) for one in said if entry in one.states]
        assert found[entry] == (tuple(reversed(max(of_it)[1:])) if of_it else ("", "")), entry
    assert office.document(REQUEST, key)["business_status"]["text"] == "已完成"


def test_a_receipt_of_an_earlier_round_tells_nothing_of_the_present_one(office: Office) -> None:
    key, first = requested(office)
    office.say(REQUEST, first, "P9")
    second = office.send(REQUEST, "declare", key, entries(ENTRIES[1], ENTRIES[0]))
    office.say(REQUEST, second, "P1", RowStates(0, {ENTRIES[1]: ("1", "")}).content)
    office.say(REQUEST, first, "P1", RowStates(1, {ENTRIES[1]: ("2", "作业未完结"), ENTRIES[2]: ("4", "")}).content)

    assert told(office, key) == {ENTRIES[1]: ("1", ""), ENTRIES[0]: ("", "")}
    assert not any("EntryId" in why or "报关单" in why for why in office.put_aside())


def test_what_was_told_goes_with_its_row_when_rows_are_sent_in_another_order(office: Office) -> None:
    key, message = requested(office)
    office.say(REQUEST, message, "P1", RowStates(0, {ENTRIES[0]: ("1", "")}).content)
    office.say(REQUEST, message, "P9")
    assert office.send(REQUEST, "save", key, entries(*reversed(ENTRIES)))["state"] == "accepted"

    assert told(office, key) == {ENTRIES[2]: ("", ""), ENTRIES[1]: ("", ""), ENTRIES[0]: ("1", "")}
    wrong = entries(ENTRIES[0]).replace("<Note>", "<State>4</State><Note>")
    assert office.send(REQUEST, "save", key, wrong)["state"] == "refused", "what receipts tell nobody sends"


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("<Entry><EntryId>530120261099999999</EntryId><State>1</State></Entry>", "'530120261099999999' 单证中没有"),
        ("<Entry><State>1</State></Entry>", "报关单 '' 单证中没有"),
        (RowStates(0, {ENTRIES[0]: ("1", "")}).content * 2, f"'{ENTRIES[0]}' 重复"),
        (RowStates(0, {ENTRIES[0]: ("x", "")}).content, "状态 'x' 不可用"),
        (RowStates(0, {ENTRIES[0]: ("1", "长" * 51)}).content, "不可用"),
    ],
    ids=["unknown", "nameless", "twice", "no state", "too long"],
)
def test_what_cannot_be_is_put_aside_with_the_reason_and_nothing_of_it_is_applied(office: Office, inside: str, why: str) -> None:
    key, message = requested(office)
    good = RowStates(0, {ENTRIES[2]: ("1", "")}).content
    office.say(REQUEST, message, "P1", good + inside)

    assert why in office.put_aside()[0] or any(why in one for one in office.put_aside())
    assert set(told(office, key).values()) == {("", "")}
    office.say(REQUEST, message, "P1", good)
    assert told(office, key)[ENTRIES[2]] == ("1", ""), "the next one is"


def test_fifty_rows_are_told_by_fifty_receipts_or_by_one(office: Office) -> None:
    ids = [f"5301202610{n:08d}" for n in range(50)]
    (one_key, one), (many_key, many) = requested(office, *ids), requested(office, *ids)
    states = {entry: (str(n % 5), "") for n, entry in enumerate(ids)}
    office.say(REQUEST, one, "P1", RowStates(0, states).content)
    office.issue(
        *(office.receipt(REQUEST, many, "P1", content=RowStates(0, {e: s}).content) for e, s in reversed(states.items()))
    )

    assert told(office, one_key) == told(office, many_key) == states
