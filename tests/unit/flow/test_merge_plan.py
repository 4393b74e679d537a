"""Which lists become one declaration, and which lines one line: held against a calculation of its own, over random months.

What is expected is worked out from the contents as they were declared, with fractions, and shares nothing with what makes keys and sums.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import document

from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.flow.merging.plan import PlannedWhole, SumField, WholeLimits, plan
from tongguan.gateway.journal.reading.keyed import KeyedHead, KeyedWithLines
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles

pytestmark = pytest.mark.requirement("CD-12")

PROFILE = load_profiles()["CD.list"]
HEAD_SUMS = (
    ("PackNo", 0, 9),
    ("GrossWet", 5, 19),
    ("NetWt", 5, 19),
    ("FeeRate", 5, 19),
    ("InsurRate", 5, 19),
    ("OtherRate", 5, 19),
)
LINE_SUMS = (("GQty", 5, 19), ("FirstQty", 5, 19), ("SecondQty", 5, 19), ("DeclTotal", 2, 19))
MARK = {"FeeRate": "FeeMark", "InsurRate": "InsurMark", "OtherRate": "OtherMark"}
RATES = ("2026-11-30", "2026-12-01")


def limits(lines: int) -> WholeLimits:
    head, line = (tuple(SumField(places, digits, places) for _, places, digits in each) for each in (HEAD_SUMS, LINE_SUMS))
    return WholeLimits(lines, head, line)


def numbers(places: int) -> st.SearchStrategy[str]:
    """Mostly small ones; now and then as many digits as the field has."""
    small = st.integers(1, 10 ** (places + 3)).map(lambda n: Fraction(n, 10**places))
    large = st.integers(9 * 10**18, 10**19 - 1).map(lambda n: Fraction(n, 10**places))
    return st.one_of(small, small, small, large).map(lambda value: text(value, places))


def text(value: Fraction, places: int) -> str:
    found = format(Decimal(value.numerator) / Decimal(value.denominator), f".{places}f")
    return (found.rstrip("0").rstrip(".") if places else found) or "0"


COMMON = {"Nature": "1", "IEFlag": "I", "CustomMaster": "2225"}
HEADS = [
    {**COMMON, "Bonded": "0", "LicenseNo": "26-AA-1", "ManualNo": "H1", "FeeMark": "3", "InsurMark": "3"},
    {**COMMON, "Bonded": "0", "LicenseNo": "26AA1", "ManualNo": "H2", "FeeMark": "3", "InsurMark": "3"},
    {**COMMON, "Bonded": "0", "LicenseNo": "26AA1", "FeeMark": "1", "FeeRate": "0.5", "OtherMark": "3"},
    {**COMMON, "Bonded": "0", "LicenseNo": "26AA1", "FeeMark": "1", "FeeRate": "0.50", "OtherMark": "3"},
    {**COMMON, "Bonded": "1", "ManualNo": "H1"},
]
GOODS = [
    {"CodeTS": "2601111000", "GName": "铁矿砂", "DeclPrice": "1.5", "ContrItem": "1"},
    {"CodeTS": "2601111000", "GName": "铁矿砂", "DeclPrice": "1.50", "ContrItem": "2"},
    {"CodeTS": "2601111000", "GName": "铁矿砂", "DeclPrice": "1.05"},
    {"CodeTS": "260111100", "GName": "0铁矿砂", "DeclPrice": "1.5"},
    *({"CodeTS": f"84{n:08d}", "GName": "零件", "DeclPrice": "7", "DutyMode": str(n % 2)} for n in range(5)),
]

lines = st.builds(
    lambda goods, *sums: {**goods, **dict(zip([name for name, *_ in LINE_SUMS], sums, strict=True))},
    st.sampled_from(GOODS),
    *(numbers(places) for _, places, _ in LINE_SUMS),
)


def listed(head: Content, day: int, rates: str, rows: list[Content], *sums: str) -> Content:
    given = dict(zip([name for name, *_ in HEAD_SUMS], sums, strict=True))
    amounts = {name: value for name, value in given.items() if name not in MARK or head.get(MARK[name]) == "3"}
    return {**head, **amounts, "DDate": f"2026-11-{day:02d}", "AcceptDate": rates, "DecList": rows}


lists = st.builds(
    listed,
    st.sampled_from(HEADS),
    st.integers(1, 4),
    st.sampled_from(RATES),
    st.lists(lines, min_size=1, max_size=6),
    *(numbers(places) if digits == 19 else st.integers(1, 10**8).map(str) for _, places, digits in HEAD_SUMS),
)
months = st.lists(lists, max_size=25)


def kept(month: list[Content]) -> list[KeyedWithLines]:
    """What the journal keeps of a month's lists, in its order."""
    found = []
    for n, content in enumerate(month):
        listed = document(f"d{n}", type="CD.list", status="cleared", content=content, numbers={"unified": f"JQ{n:04d}"})
        keyed = with_keys(PROFILE, None, listed).keyed
        assert keyed is not None and keyed.lines is not None
        head = KeyedHead(keyed.key, keyed.day, keyed.number, listed.id, keyed.rates, None, keyed.count, keyed.sums, keyed.totals)
        rows = [(line.key, *line.sums) for line in keyed.lines]
        found.append(KeyedWithLines(head, rows))
    return sorted(found, key=lambda each: each.head.place)


def planned(month: list[Content], most: int) -> list[PlannedWhole]:
    return list(plan(kept(month), limits(most), apart=lambda head: head.rates))


# The calculation of its own


def head_of(content: Content) -> tuple[Any, ...]:
    """Everything that lists of one declaration have alike."""
    bonded = content.get("Bonded") == "1"
    fixed = content.get("FeeMark"), None if content.get("FeeMark") == "3" else Fraction(content.get("FeeRate", "0"))
    others = content.get("InsurMark"), content.get("OtherMark")
    licence = content.get("LicenseNo", "").replace("-", "")
    alike = (content["IEFlag"], bonded, content["CustomMaster"], licence, content["AcceptDate"])
    return (*alike, content.get("ManualNo") if bonded else None, *fixed, *others)


def line_of(content: Content, row: Content) -> tuple[Any, ...]:
    bonded = content.get("Bonded") == "1"
    alike = (row["CodeTS"], row["GName"], Fraction(row["DeclPrice"]), row.get("DutyMode"))
    return (*alike, row.get("ContrItem") if bonded else None)


def amount(content: Content, name: str) -> Fraction:
    mark = MARK.get(name)
    return Fraction(content[name]) if mark is None or content.get(mark) == "3" else Fraction(0)


def head_sums(contents: list[Content]) -> list[Fraction]:
    return [sum((amount(content, name) for content in contents), Fraction(0)) for name, *_ in HEAD_SUMS]


def line_sums(contents: list[Content]) -> dict[tuple[Any, ...], list[Fraction]]:
    found: dict[tuple[Any, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * len(LINE_SUMS))
    for content in contents:
        for row in content["DecList"]:
            key = line_of(content, row)
            found[key] = [had + Fraction(row[name]) for had, (name, *_) in zip(found[key], LINE_SUMS, strict=True)]
    return found


def has_room(value: Fraction, places: int, digits: int) -> bool:
    """Does a field take it, written without superfluous zeros?"""
    whole, _, fraction = text(value, places).partition(".")
    return len(whole.lstrip("0")) + len(fraction) <= digits


def one_would_do(contents: list[Content], most: int) -> bool:
    """Could these lists be one declaration?"""
    sums = line_sums(contents)
    return (
        len(sums) <= most
        and all(has_room(value, *field[1:]) for value, field in zip(head_sums(contents), HEAD_SUMS, strict=True))
        and all(has_room(value, *field[1:]) for each in sums.values() for value, field in zip(each, LINE_SUMS, strict=True))
    )


def contents_of(month: list[Content], whole: PlannedWhole) -> list[Content]:
    return [month[int(part.id[1:])] for part in whole.parts]


@settings(max_examples=300, deadline=None)
@given(months, st.integers(1, 9))
def test_nothing_is_gained_or_lost_and_nothing_could_have_been_merged_further(month: list[Content], most: int) -> None:
    wholes = planned(month, most)

    assert Counter(part.id for whole in wholes for part in whole.parts) == Counter(f"d{n}" for n in range(len(month)))
    for whole in wholes:
        contents = contents_of(month, whole)
        assert whole.fits == one_would_do(contents, most)
        assert whole.fits or len(contents) == 1
        assert len({head_of(content) for content in contents}) == 1
        assert [Fraction(v, 10**places) for v, (_, places, _) in zip(whole.sums, HEAD_SUMS, strict=True)] == head_sums(contents)
        into = defaultdict(list)
        for part, content in zip(whole.parts, contents, strict=True):
            for n, (at, row) in enumerate(zip(part.places, content["DecList"], strict=True)):
                into[at].append((part.id, n, line_of(content, row)))
        assert sorted(into) == list(range(1, len(whole.lines) + 1))
        keys = [{key for *_, key in each} for _, each in sorted(into.items())]
        assert all(len(each) == 1 for each in keys)
        assert len(set().union(*keys)) == len(whole.lines)
        assert [(line.first_id, line.first_line) for line in whole.lines] == [each[0][:2] for _, each in sorted(into.items())]
        expected = line_sums(contents)
        for line, (key,) in zip(whole.lines, keys, strict=True):
            assert [Fraction(v, 10**places) for v, (_, places, _) in zip(line.sums, LINE_SUMS, strict=True)] == expected[key]
    for before, after in pairwise(sorted(wholes, key=lambda whole: (whole.key, whole.apart, whole.number))):
        if (before.key, before.apart) == (after.key, after.apart) and before.fits:
            assert not one_would_do([*contents_of(month, before), contents_of(month, after)[0]], most)


@given(months, st.integers(1, 9))
def test_the_lists_of_a_declaration_are_in_the_order_of_their_days_and_numbers(month: list[Content], most: int) -> None:
    for key, wholes in _by_key(planned(month, most)).items():
        order = [
            (content["DDate"], int(part.id[1:]))
            for w in wholes
            for part, content in zip(w.parts, contents_of(month, w), strict=True)
        ]

        assert order == sorted(order), key


def _by_key(wholes: list[PlannedWhole]) -> dict[tuple[bytes, str], list[PlannedWhole]]:
    found = defaultdict(list)
    for whole in wholes:
        found[whole.key, whole.apart].append(whole)
    return found


@given(months, st.integers(1, 9), st.randoms())
def test_the_same_lists_make_the_same_declarations_under_the_same_names(month: list[Content], most: int, random: Any) -> None:
    shuffled = kept(month)
    random.shuffle(shuffled)
    again = list(plan(sorted(shuffled, key=lambda each: each.head.place), limits(most), apart=lambda head: head.rates))

    assert again == planned(month, most)
    assert len({whole.name for whole in again}) == len(again)


def simple(key: int, line: int, value: int = 1, **more: Any) -> KeyedWithLines:
    given = {
        "day": "2026-11-01",
        "number": f"N{line:05d}",
        "rates": "",
        "merge": None,
        "count": 1,
        "sums": (0,) * 6,
        "totals": (value, 0, 0, 0),
        **more,
    }
    return KeyedWithLines(
        KeyedHead(key=bytes([key]) * 16, id=f"{key}-{line}", **given),
        [(line.to_bytes(16, "big"), value, 0, 0, 0)],
    )


def test_a_plan_is_made_while_its_lists_are_read() -> None:
    taken = list[str]()

    def month() -> Iterator[KeyedWithLines]:
        for n in range(1000):
            taken.append(f"{n}")
            yield simple(1, n)

    first = next(plan(month(), limits(50)))

    assert (len(first.lines), len(taken)) == (50, 51)


def test_a_sum_that_its_field_takes_written_shortly_is_taken() -> None:
    field = SumField(5, 19, 5)

    assert field.takes(10**19 - 1)
    assert not field.takes(10**19 + 1)
    assert field.takes(10**23)  # 10^18: nineteen digits, and no decimals
    assert not field.takes(10**24)


def test_a_sum_with_finer_decimals_than_its_field_is_not_taken() -> None:
    field = SumField(5, 19, 2)

    assert field.takes(1_000)
    assert not field.takes(1_001)


def test_a_list_that_is_too_much_by_itself_stands_alone_and_says_so() -> None:
    head, row = replace(simple(1, 1).head, totals=(2 * 10**19 - 2, 0, 0, 0)), simple(1, 1, 10**19 - 1).rows[0]
    much = KeyedWithLines(head, [row, row])
    first, second, third = plan([simple(1, 0), much, simple(1, 2)], limits(50))

    assert [[part.id for part in each.parts] for each in (first, second, third)] == [["1-0"], ["1-1"], ["1-2"]]
    assert [first.fits, second.fits, third.fits] == [True, False, True]


def test_no_more_lines_than_a_place_can_tell() -> None:
    with pytest.raises(ValueError, match="256 lines"):
        next(plan([], limits(256)))
