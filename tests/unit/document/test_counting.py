"""Statistics: the journal's sums are those of an independent calculation, whatever happened to the documents in which order."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import comes, document, open_journal, submission, written

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.codecs.receipts.settle import settle
from tongguan.gateway.document.changes import changed, opened, settled_down, undone
from tongguan.gateway.document.counting import counted, millionths, month, number_of
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.search import CountedSum
from tongguan.gateway.model.document import CountedLine, Document
from tongguan.gateway.profile.profile import AttachmentRule, Profile, ReceiptRule, Statistics, Text
from tongguan.gateway.system import times

NONE = Text("", "")
RULE = Statistics(
    frozenset({"approved", "issued"}),
    "Goods[]",
    {"commodity": "CodeTS", "name": "Name", "unit": "Unit", "quantity": "Quantity", "amount": "Spec[]/Amount"},
    {"country": "Country", "trade_mode": "TradeMode"},
)
RECEIPTS = {
    rule.code: rule
    for rule in (
        ReceiptRule("10", NONE, status="pending", rank=10),
        ReceiptRule("25", NONE, status="returned", rank=25),
        ReceiptRule("30", NONE, status="approved", rank=30),
        ReceiptRule("40", NONE, status="issued", rank=40),
        ReceiptRule("52", NONE, marks={"customs": "52"}),
        ReceiptRule("60", NONE, status="withdrawn", rank=60),
    )
}
COUNTED = {code for code, rule in RECEIPTS.items() if rule.status in RULE.status}


@pytest.fixture(scope="module")
def profile() -> Profile:
    nothing: dict[str, Any] = dict.fromkeys(("fields", "rules"), ()) | {
        name: {} for name in ("operations", "statuses", "numbers", "queries")
    }
    texts = dict.fromkeys(("authority", "version", "system", "namespace", "account_code", "own_number"), "")
    return Profile(
        type="T",
        folder=Path(),
        title=NONE,
        receipts=RECEIPTS,
        attachments=AttachmentRule(),
        statistics=RULE,
        **texts,
        **nothing,
    )


def goods(code: str, quantity: str, *amounts: str, unit: str = "035") -> dict[str, Any]:
    return {
        "CodeTS": code,
        "Name": f"商品{code}",
        "Unit": unit,
        "Quantity": quantity,
        "Spec": [{"Amount": amount} for amount in amounts],
    }


def at(text: str) -> int:
    return times.to_ms(datetime.fromisoformat(text))


def approved(profile: Profile, before: Document, when: str, status: str = "approved") -> Document:
    after = settled_down(changed(before, at(when), status=status))
    return counted(profile, before, after, status=status, at=at(when))


@contextmanager
def _journal() -> Iterator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        journal = open_journal(Path(folder))
        yield journal
        journal.close()


def keep(journal: Journal, *versions: Document) -> None:
    for version in versions:
        written(journal, comes(submission(), documents=(version,)))


def sums(journal: Journal, first: int, last: int, account: str = "demo", **where: str) -> list[CountedSum]:
    with journal.read() as records:
        places = {list(RULE.dimensions).index(name): value for name, value in where.items()}
        return records.counted(account, "T", first=first, last=last, where=places)


# One document


def test_an_approved_document_counts_in_the_month_of_china_in_which_its_receipt_was_issued(profile: Profile) -> None:
    draft = document(content={"Goods": [goods("26011200", "1.5", "20", "0.25")], "Country": "142"}, status="pending")
    last = approved(profile, draft, "2026-10-31T15:59:59.999+00:00")
    first = approved(profile, draft, "2026-10-31T16:00:00+00:00")

    assert last.counted == (
        CountedLine(202610, "26011200", "商品26011200", "035", 1_500_000, 20_250_000, True, True, ("142", "")),
    )
    assert [line.month for line in first.counted or ()] == [202611]


def test_a_document_counts_in_the_month_of_the_date_that_its_profile_names(profile: Profile) -> None:
    dated = replace(profile, statistics=replace(RULE, day="Day"))
    content: dict[str, Any] = {"Goods": [goods("26011200", "1", "1")], "Day": "2026-09-30"}
    told = approved(dated, document(content=content, status="pending"), "2026-10-03T12:00:00+08:00")
    bare = approved(dated, document(content={"Goods": content["Goods"]}, status="pending"), "2026-10-03T12:00:00+08:00")

    assert [[line.month for line in each.counted or ()] for each in (told, bare)] == [[202609], [202610]]


def test_a_period_is_added_up_by_what_documents_say_in_each_unit_apart(journal: Journal, profile: Profile) -> None:
    for n, (country, unit, day) in enumerate(
        [
            ("142", "CNY", "10-31"),
            ("142", "USD", "11-01"),
            ("142", "CNY", "11-30"),
            ("502", "CNY", "11-30"),
            ("142", "CNY", "12-02"),
        ]
    ):
        rows = [goods("26011200", "1.5", "20", unit=unit), goods("26011300", "1", "0.000001", unit=unit)]
        draft = document(f"d{n}", content={"Goods": rows, "Country": country}, status="pending")
        keep(journal, draft)
        keep(journal, approved(profile, draft, f"2026-{day}T12:00:00+08:00"))
    with journal.read() as records:
        by_country = records.counted_by(0, "demo", "T", months=(202610, 202611), where={})
        of_one = records.counted_by(None, "demo", "T", months=(202610, 202611), where={0: "502"})

    assert [(s.value, s.unit, s.amount, s.documents, s.lines) for s in by_country] == [
        ("142", "CNY", 40_000_002, 2, 4),
        ("142", "USD", 20_000_001, 1, 2),
        ("502", "CNY", 20_000_001, 1, 2),
    ]
    assert [(s.value, s.name, s.quantity, s.documents) for s in of_one] == [
        ("26011200", "商品26011200", 1_500_000, 1),
        ("26011300", "商品26011300", 1_000_000, 1),
    ]


def test_a_document_counts_once_in_each_commodity_and_each_category(profile: Profile) -> None:
    rows = [
        goods("26011100", "1", "1"),
        goods("26011100", "2", "2"),
        goods("26011200", "3", "3"),
        goods("26011100", "4", unit="070"),
    ]
    lines = approved(profile, document(content={"Goods": rows}), "2026-11-01T12:00:00+08:00").counted or ()

    assert [(line.first_of_commodity, line.first_of_category) for line in lines] == [
        (True, True),
        (False, False),
        (True, False),
        (True, True),  # another unit cannot be added to the first
    ]


@pytest.mark.parametrize("order", [("30", "40"), ("40", "30")])
def test_the_first_approval_gives_the_month_even_when_it_comes_late(profile: Profile, order: tuple[str, ...]) -> None:
    issued = {"30": at("2026-10-31T12:00:00+08:00"), "40": at("2026-11-02T12:00:00+08:00")}
    present = document(content={"Goods": [goods("26011200", "1", "1")]}, round=1)
    for code in order:
        present = told(profile, present, code, issued[code], round_=1)

    assert (present.status, present.counted_at, present.counted and present.counted[0].month) == ("issued", issued["30"], 202610)


def test_what_moves_nothing_leaves_the_lines_as_they_were(profile: Profile) -> None:
    before = replace(
        approved(profile, document(content={"Goods": [goods("26011200", "1", "1")]}), "2026-11-01T12:00:00+08:00"), counted=None
    )
    after = told(profile, before, "52", at("2026-12-01T12:00:00+08:00"), round_=0)

    assert (after.counted, after.counted_at) == (None, before.counted_at)


def test_while_a_change_is_on_its_way_a_licence_counts_as_before_and_then_as_it_was_changed_to(profile: Profile) -> None:
    licence = approved(profile, document(content={"Goods": [goods("26011200", "1", "1")]}), "2026-11-01T12:00:00+08:00")
    other = {"Goods": [goods("26011200", "9", "9")]}
    going = changed(licence, 0, content=other, status="changing", changing="m", status_before="approved", counted=None)
    meanwhile = told(profile, going, "52", at("2026-11-20T12:00:00+08:00"), round_=0)
    granted = approved(profile, going, "2026-12-01T12:00:00+08:00")

    assert meanwhile.counted is None
    assert [(line.month, line.quantity) for line in granted.counted or ()] == [(202611, 9_000_000)]


def test_a_type_without_statistics_counts_nothing(profile: Profile) -> None:
    after = approved(replace(profile, statistics=None), document(), "2026-11-01T12:00:00+08:00")

    assert (after.counted, after.counted_at) == (None, None)


# Numbers


@given(st.decimals(min_value="-1e17", max_value="1e17", places=6))
def test_a_number_comes_back_from_its_millionths_as_it_was(value: Decimal) -> None:
    assert Decimal(number_of(millionths(f"{value:f}"))) == value


@pytest.mark.parametrize(
    ("text", "number"), [("0", "0"), ("-0.5", "-0.5"), ("100", "100"), ("0.000001", "0.000001"), ("9" * 17, "9" * 17)]
)
def test_numbers_are_told_without_exponent_and_superfluous_zeros(text: str, number: str) -> None:
    assert number_of(millionths(text)) == number


def test_finer_decimals_are_never_dropped() -> None:
    with pytest.raises(ValueError, match="more than 6 decimals"):
        millionths("0.0000001")


def test_sums_far_beyond_64_bits_are_exact(journal: Journal) -> None:
    most = "99999999999999999.999999"
    line = CountedLine(202611, "26011200", "铁矿砂", "035", millionths(most), -millionths(most), True, True)
    keep(journal, *(replace(document(f"d{n}"), counted_at=1, counted=(line,) * 100) for n in range(20)))
    (found,) = sums(journal, 202601, 202612)

    assert found.quantity > 2**64
    assert (number_of(found.quantity), found.amount) == ("199999999999999999999.998", -found.quantity)
    assert found.documents == 2000


# Any life of any documents


def told(profile: Profile, before: Document, code: str, when: int, *, round_: int) -> Document:
    """The document after a receipt, as the flow takes it."""
    rule = RECEIPTS[code]
    content = ReceiptContent(f"{code}-{when}", "business", "a", "c", None, "T", None, code, "", when, {}, (), None)
    after, applied = settle(rule, content, before, round_=round_)
    after = settled_down(after) if applied and rule.status else after
    return counted(profile, before, after, status=rule.status if round_ == before.round else "", at=when)


@dataclass(frozen=True)
class Step:
    what: str  #: a receipt code, or declare, fail, delete
    hours: int  #: since the step before
    round_back: int = 0


STEPS = st.builds(
    Step,
    st.sampled_from(["declare", "fail", "delete", *RECEIPTS]) | st.sampled_from(["30", "40", "25"]),
    st.integers(0, 24 * 20),
    st.integers(0, 1),
)
AMOUNTS = st.decimals(min_value=0, max_value=10**15, places=4).map(lambda d: f"{d.normalize():f}")
ROWS = st.lists(
    st.builds(
        goods, st.sampled_from(["26011100", "26011200", "27011100"]), AMOUNTS, AMOUNTS, unit=st.sampled_from(["035", "070"])
    ),
    min_size=1,
    max_size=4,
)
LIVES = st.lists(
    st.tuples(st.sampled_from(["demo", "other"]), st.sampled_from(["142", "502"]), ROWS, st.lists(STEPS, min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)
BEGIN = datetime(2026, 10, 20, tzinfo=UTC)


def live(profile: Profile, journal: Journal, id_: str, life: tuple[str, str, list[dict[str, Any]], list[Step]]) -> None:
    """One document's life through the journal."""
    account, country, rows, steps = life
    born = document(id_, account=account, content={"Goods": rows, "Country": country}, status="pending", round=1)
    keep(journal, born)
    present, now = born, BEGIN
    for step in steps:
        now += timedelta(hours=step.hours)
        after = one_step(profile, replace(present, counted=None), step, times.to_ms(now))
        if after is None:
            break
        if after.version > present.version:
            keep(journal, after)
        present = after


def one_step(profile: Profile, before: Document, step: Step, now: int) -> Document | None:
    if before.deleted:
        return None
    if step.what == "declare" and not before.changing:
        return opened(changed(before, now, status="declaring", changing="m", status_before=before.status), now)
    if step.what == "fail" and before.changing:
        return undone(before, replace(submission("m")), profile, now)
    if step.what == "delete" and not before.changing:
        return counted(profile, before, changed(before, now, deleted=True), status="", at=now)
    if step.what in RECEIPTS:
        return told(profile, before, step.what, now, round_=max(1, before.round - step.round_back))
    return before


def month_by_hand(steps: list[Step]) -> str | None:
    """The month in which a life counts in the end, or None: told anew, without the code under test."""
    rank, round_, status, since, waiting = 0, 1, "pending", None, None
    now = BEGIN
    for step in steps:
        now += timedelta(hours=step.hours)
        if step.what == "declare":
            if waiting is None:
                waiting, rank, round_ = status, 0, round_ + 1
        elif step.what == "fail":
            status, waiting = waiting or status, None
        elif step.what == "delete":
            if waiting is None:
                return None
        elif max(1, round_ - step.round_back) == round_ and step.what in RECEIPTS:
            rule = RECEIPTS[step.what]
            if rule.status and rule.rank > rank:
                was = (waiting or status) in RULE.status
                status, rank, waiting = rule.status, rule.rank, None
                if status not in RULE.status:
                    since = None
                elif not was:
                    since = now
    counts = (waiting or status) in RULE.status
    return f"{since + timedelta(hours=8):%Y%m}" if counts and since is not None else None


@given(LIVES, st.sampled_from([202610, 202611, 202612, 202701]), st.sampled_from(["", "142"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_sums_are_those_of_an_independent_calculation(
    profile: Profile, lives: list[tuple[str, str, list[dict[str, Any]], list[Step]]], until: int, country: str
) -> None:
    first = until // 100 * 100 + 1
    expected: dict[tuple[int, str, str], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), set()])
    for n, (account, its_country, rows, steps) in enumerate(lives):
        counted_in = month_by_hand(steps)
        if account != "demo" or counted_in is None or not first <= int(counted_in) <= until or country not in ("", its_country):
            continue
        for row in rows:
            cell = expected[(int(counted_in), row["CodeTS"], row["Unit"])]
            cell[0] += Decimal(row["Quantity"])
            cell[1] += Decimal(row["Spec"][0]["Amount"])
            cell[2].add(n)
    with _journal() as journal:
        for n, life in enumerate(lives):
            live(profile, journal, f"d{n}", life)
        found = sums(journal, first, until, **({"country": country} if country else {}))

    assert {
        (s.month, s.commodity, s.unit): [Decimal(number_of(s.quantity)), Decimal(number_of(s.amount)), s.documents] for s in found
    } == {key: [quantity, amount, len(documents)] for key, (quantity, amount, documents) in expected.items()}


def test_the_month_of_a_moment_is_that_of_china() -> None:
    assert [month(at(t)) for t in ("2026-12-31T15:59:59+00:00", "2026-12-31T16:00:00+00:00")] == [202612, 202701]
