"""Whatever happens to declarations, a licence's quantities neither vanish nor grow: against an independent calculation."""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import pytest
from customs_desk import declaration, entry, line
from hypothesis import given, settings
from hypothesis import strategies as st

from tongguan.simulators.customs.declaration_form import read_declaration
from tongguan.simulators.customs.declarations import declare, happen
from tongguan.simulators.customs.ledger import Line, Permit, left
from tongguan.simulators.serve import open_office
from tongguan.simulators.setup import SampleEnterprise, make_simulators

TRADER = "2102960001"
NUMBERS = count(1)
CODES = ("2601111000", "2709000000")
PERCENT = {"2601111000": 5, "2709000000": 0}


@pytest.fixture(scope="module")
def customs(tmp_path_factory):
    home = tmp_path_factory.mktemp("ledger")
    (home / "profiles" / "mofcom").mkdir(parents=True)
    make_simulators(home, [SampleEnterprise("demo", "91210200MA0EXAMPLC", "2100MA0EXAMPL", TRADER)])
    office = open_office(home, "customs", fast=True, profiles=home / "profiles")
    yield office
    office.store.close()


def kept(office, lines, *, uses=0):
    """Let customs keep a licence with these goods (code, thousandths)."""
    permit = Permit(
        number=f"26AA{next(NUMBERS):06d}",
        sender="mofcom",
        type="XX.one",
        account="2100MA0EXAMPL",
        application="A",
        applied="2026-01-01",
        issued="2026-01-01",
        valid_from="2026-01-01",
        valid_until="9999-12-31",
        codes=("7",),
        direction="import",
        batch="one" if uses == 1 else "several",
        uses=uses,
        regions=(),
        traders=(TRADER,),
        holders=(TRADER,),
        trader_name="",
        owner_name="",
        lines=tuple(
            Line(n, code, "", "035", amount and Decimal(amount) / 1000, Decimal(PERCENT.get(code, 0)), "", "")
            for n, (code, amount) in enumerate(lines, 1)
        ),
    )
    with office.store.transaction():
        office.store.ledger.keep_permit(permit)
    return office.store.ledger.permit(permit.number)


@dataclass
class Reckoning:
    """The same in whole thousandths, by commodity, without knowing anything of the ledger."""

    approved: dict
    limit: int
    entries: dict = field(default_factory=dict)

    def standing(self):
        return [one for one in self.entries.values() if one["state"] in ("reserved", "released", "cleared")]

    def left(self, code):
        return self.approved[code] - sum(one["within"].get(code, 0) for one in self.standing())

    def accepts(self, wanted):
        """Say whether wanted quantities are covered; gives what is within the licence by commodity, or nothing."""
        standing = self.standing()
        if any(one["over"] for one in standing) or (self.limit and len(standing) >= self.limit):
            return None
        beyond = {code: amount - self.left(code) for code, amount in wanted.items() if amount > self.left(code)}
        empties = all(wanted.get(code, 0) >= self.left(code) for code in self.approved)
        last = empties or len(standing) + 1 == self.limit
        if beyond and not (last and all(more * 100 <= self.left(code) * PERCENT[code] for code, more in beyond.items())):
            return None
        return {code: min(amount, self.left(code)) for code, amount in wanted.items()}


AFTER = {
    ("reserved", "release"): "released",
    ("released", "clear"): "cleared",
    ("reserved", "refuse"): "refused",
    ("reserved", "delete"): "deleted",
    ("released", "delete"): "deleted",
}
AMOUNT = st.integers(1, 120_000)
GOODS = st.lists(st.tuples(st.sampled_from(CODES), AMOUNT), min_size=1, max_size=3)
EVENT = st.tuples(st.integers(0, 9), st.sampled_from(["release", "clear", "refuse", "delete"]))
#: which of the goods, and how much of what is left of each: half, all, and beyond by the allowed part or a thousandth more
MUCH = st.tuples(st.sampled_from(["half", "all", "allowed", "beyond"]), st.sampled_from([CODES[:1], CODES[1:], CODES]))


@pytest.mark.requirement("LR-03")
@settings(max_examples=200, deadline=None)
@given(approved=GOODS, limit=st.sampled_from([0, 1, 3, 6]), happenings=st.lists(st.one_of(MUCH, MUCH, EVENT, GOODS), max_size=14))
def test_reserved_released_and_given_back_quantities_always_add_up(customs, approved, limit, happenings):
    permit = kept(customs, approved, uses=limit)
    by_code = {code: sum(amount for one, amount in approved if one == code) for code, _ in approved}
    reckoning, numbers = Reckoning(by_code, limit), []
    for one in happenings:
        if isinstance(one, tuple) and isinstance(one[0], int):
            _let_happen(customs, reckoning, numbers, *one)
        else:
            goods = one if isinstance(one, list) else _much(reckoning, *one)
            if goods := [(code, amount) for code, amount in goods if code in by_code]:
                numbers.append(_declare(customs, permit, reckoning, goods))
        _compare(customs, permit, reckoning)


def _much(reckoning, how, codes):
    there = {code: reckoning.left(code) for code in reckoning.approved if code in codes and reckoning.left(code)}
    allowed = {code: amount * PERCENT[code] // 100 for code, amount in there.items()}
    parts = {
        "half": lambda code: -(there[code] // 2),
        "all": lambda _: 0,
        "allowed": allowed.get,
        "beyond": lambda code: allowed[code] + 1,
    }
    return [(code, amount + parts[how](code)) for code, amount in there.items()]


def _declare(office, permit, reckoning, goods):
    lines = [line(permit.number, f"{Decimal(amount) / 1000:f}", code, place=n) for n, (code, amount) in enumerate(goods, 1)]
    wanted = declaration(*lines, trader=TRADER)
    totals = {code: sum(amount for one, amount in goods if one == code) for code, _ in goods}
    expected = reckoning.accepts(totals)

    verdicts = [declare(office, read_declaration(wanted)).http for _ in range(2)]

    assert verdicts == [422 if expected is None else 200] * 2
    if expected is not None:
        over = any(totals[code] > expected[code] for code in totals)
        reckoning.entries[wanted["entry"]] = {"state": "reserved", "within": expected, "over": over, "seen": set()}
    return wanted["entry"]


def _let_happen(office, reckoning, numbers, which, event):
    if not numbers:
        return
    number = numbers[which % len(numbers)]
    verdict = happen(office, number, event)
    if (one := reckoning.entries.get(number)) is None:
        assert verdict.http == 404
    elif event in one["seen"]:
        assert verdict.http == 200
    elif (one["state"], event) in AFTER:
        assert verdict.http == 200
        one["state"] = AFTER[one["state"], event]
        one["seen"].add(event)
    else:
        assert verdict.http == 409


def _compare(office, permit, reckoning):
    every = [use for use, one in office.store.ledger.uses_of(permit.id) if one.stands]
    there = {one.line: left(one, every) for one in permit.lines}

    assert all(amount >= 0 for amount in there.values())
    for code in reckoning.approved:
        lines = [one.line for one in permit.lines if one.code == code]
        assert sum(there[n] for n in lines) * 1000 == reckoning.left(code)


def test_a_use_of_an_unknown_size_of_licence_is_not_counted(customs):
    permit = kept(customs, [(CODES[0], 100_000)])
    unlimited = Line(1, CODES[0], "", "035", None, Decimal(0), "", "")

    assert (left(unlimited, []), left(permit.lines[0], [])) == (None, Decimal(100))


def test_a_line_without_a_commodity_covers_any_goods_and_keeps_no_quantity(customs):
    permit = kept(customs, [("", None)])
    lines = [line(permit.number, "999", "8703234100", "030"), line(permit.number, "5", "2601111000", place=2)]

    assert declare(customs, read_declaration(declaration(*lines, trader=TRADER))).http == 200


def test_a_licence_that_is_kept_already_stays_as_it_was(customs):
    permit = kept(customs, [(CODES[0], 100_000)])
    changed = Permit(**{**vars(permit), "number": permit.number[:2] + "-" + permit.number[2:], "direction": "export"})

    with customs.store.transaction():
        customs.store.ledger.keep_permit(changed)

    assert customs.store.ledger.permit(permit.number) == permit


def test_quantities_far_beyond_floating_point_stay_exact(customs):
    permit = kept(customs, [(CODES[0], 9_999_999_999_999_999)], uses=0)
    wanted = declaration(line(permit.number, "9999999999999.99899"), trader=TRADER, entry=entry())

    assert declare(customs, read_declaration(wanted)).http == 200
    uses = [use for use, _ in customs.store.ledger.uses_of(permit.id)]
    assert left(permit.lines[0], uses) == Decimal("0.00001")


def test_a_crash_in_the_middle_leaves_nothing_half_done(customs, monkeypatch):
    permit = kept(customs, [(CODES[0], 100_000)])
    number = (wanted := declaration(line(permit.number, "40"), trader=TRADER))["entry"]
    declare(customs, read_declaration(wanted))

    def crash(*_):
        raise RuntimeError("the power went out")

    monkeypatch.setattr("tongguan.simulators.customs.declarations.plan_tellings", crash)
    with pytest.raises(RuntimeError):
        happen(customs, number, "release")

    assert customs.store.ledger.entry(number).state == "reserved"
