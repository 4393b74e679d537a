"""Documents that were approved before anybody counted them, or while other rules held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from journals import comes, document, keyed, receipt, stored_document, submission, written

from tongguan.gateway.flow.query.recount import Recount
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Operation, Profile

from .test_counting import RULE, approved, at, goods, keep, profile, sums

__all__ = ["profile"]
CONTENT: dict[str, Any] = {"Goods": [goods("26011200", "1.5", "20")], "Country": "142"}


@pytest.fixture
def recount(journal: Journal, profile: Profile) -> Callable[..., int]:
    """Count anew, under other rules where they are given; how many turns it took."""

    def run(rules: Any = RULE) -> int:
        compiled = SimpleNamespace(profile=replace(profile, statistics=rules))
        turns, work = (
            0,
            Recount(
                cast(
                    Site,
                    SimpleNamespace(
                        journal=journal, rules=SimpleNamespace(profiles={"T": compiled}, profile=lambda _: compiled.profile)
                    ),
                )
            ),
        )
        while work.turn():
            turns += 1
        return turns

    return run


def old(journal: Journal, *statuses: str) -> None:
    """Documents as a gateway left them that counted nothing: d0, d1, … in these statuses, approved in two rounds."""
    for n, status in enumerate(statuses):
        told = [
            receipt(f"{n}-{code}-{day}", code=code, issued_at=at(f"2026-{day}T12:00:00+08:00"), document_id=f"d{n}", round=round_)
            for code, day, round_ in (("30", "09-01", 1), ("40", "11-02", 2), ("30", "10-31", 2))
        ]
        written(
            journal,
            comes(submission(), documents=(document(f"d{n}", status=status, content=CONTENT, round=2),), receipts=tuple(told)),
        )


def test_what_was_approved_before_is_counted_in_the_month_of_its_last_round(
    journal: Journal, recount: Callable[..., int]
) -> None:
    old(journal, "issued", "returned", "approved")
    recount()

    assert [(s.month, s.quantity, s.documents) for s in sums(journal, 202601, 202612)] == [(202610, 3_000_000, 2)]
    assert [stored_document(journal, f"d{n}").counted_at is not None for n in range(3)] == [True, False, True]
    assert recount() == 0


def test_a_recounted_document_goes_on_as_any_other(journal: Journal, profile: Profile, recount: Callable[..., int]) -> None:
    old(journal, "approved")
    recount()
    keep(journal, approved(profile, stored_document(journal, "d0"), "2026-11-05T12:00:00+08:00", status="issued"))

    assert [(s.month, s.documents) for s in sums(journal, 202601, 202612)] == [(202610, 1)]


def test_other_rules_count_everything_anew(journal: Journal, recount: Callable[..., int]) -> None:
    old(journal, "issued", "approved", "returned")
    recount()
    recount(replace(RULE, status=frozenset({"approved"})))
    only_approved = sums(journal, 202601, 202612)
    recount(None)

    assert [s.documents for s in only_approved] == [1]
    assert sums(journal, 202601, 202612) == []


def test_what_was_amended_while_it_was_counted_stays_in_its_month(journal: Journal, profile: Profile) -> None:
    told = [
        receipt(code + day, code=code, issued_at=at(f"2026-{day}T12:00:00+08:00"), document_id="d0", round=round_)
        for code, day, round_ in (("30", "09-01", 1), ("30", "11-02", 2))
    ]
    first = document("d0", status="declared", content=CONTENT, round=1, changing="m1")
    amended = replace(first, version=2, status="approved", status_before="approved", round=2, changing="m2")
    written(journal, comes(submission("m1"), documents=(first,)))
    written(journal, comes(submission("m2", operation="amend"), documents=(amended,), receipts=tuple(told)))
    amend = Operation("amend", "message", allowed=frozenset({"approved"}), opens_round=True)
    amending = replace(profile, operations={"amend": amend})
    rules = SimpleNamespace(profiles={"T": SimpleNamespace(profile=amending)}, profile=lambda _: amending)
    work = Recount(cast(Site, SimpleNamespace(journal=journal, rules=rules)))
    while work.turn():
        pass

    assert [s.month for s in sums(journal, 202601, 202612)] == [202609]


def test_rules_of_another_type_leave_the_counted_documents_alone(journal: Journal, profile: Profile) -> None:
    old(journal, "approved")
    types = {"T": SimpleNamespace(profile=profile)}
    for more in ({}, {"U": SimpleNamespace(profile=replace(profile, type="U"))}):
        types |= more
        site = SimpleNamespace(journal=journal, rules=SimpleNamespace(profiles=types, profile=lambda _: profile))
        work = Recount(cast(Site, site))
        while work.turn():
            pass

    assert stored_document(journal, "d0").version == 2


def test_a_new_type_that_counts_nothing_makes_nobody_walk(
    journal: Journal, profile: Profile, recount: Callable[..., int]
) -> None:
    old(journal, "approved")
    recount()
    types = {
        name: SimpleNamespace(profile=replace(profile, type=name, statistics=RULE if name == "T" else None)) for name in "TU"
    }
    site = SimpleNamespace(journal=journal, rules=SimpleNamespace(profiles=types))

    assert not Recount(cast(Site, site)).turn()


def test_a_walk_that_was_broken_off_goes_on_where_it_was(journal: Journal, profile: Profile) -> None:
    old(journal, "approved")
    site = cast(
        Site,
        SimpleNamespace(
            journal=journal, rules=SimpleNamespace(profiles={"T": SimpleNamespace(profile=profile)}, profile=lambda _: profile)
        ),
    )
    assert Recount(site).turn()
    again = Recount(site)

    assert [again.turn(), again.turn()] == [True, False]
    assert stored_document(journal, "d0").version == 2


def test_a_document_that_moved_meanwhile_is_not_overwritten(journal: Journal) -> None:
    old(journal, "approved")
    stale = replace(stored_document(journal, "d0"), version=2, status="issued", counted=())
    keep(journal, replace(stored_document(journal, "d0"), version=2, status="withdrawn"))

    assert not journal.recount([stale], marker="counted", value="x")
    assert stored_document(journal, "d0").status == "withdrawn"
    with journal.search() as records:
        assert records.marker("counted") is None


def test_what_is_kept_for_merging_is_made_anew_where_its_rules_have_changed(journal: Journal) -> None:
    listed = load_profiles()["CD.list"]
    content = {"Nature": "1", "IEFlag": "I", "DDate": "2026-11-20", "GrossWet": "5", "DecList": [{"GQty": "1.5"}]}
    for n, status in enumerate(("cleared", "draft", "refused")):
        kept_before = keyed() if status == "refused" else None
        made = document(f"d{n}", type="CD.list", status=status, content=content, keyed=kept_before)
        written(journal, comes(submission(), documents=(made,)))

    def kept_by(profile: Profile) -> list[tuple[str, tuple[int, ...]]]:
        rules = SimpleNamespace(profiles={"CD.list": SimpleNamespace(profile=profile)}, profile=lambda _: profile)
        work = Recount(cast(Site, SimpleNamespace(journal=journal, rules=rules)))
        while work.turn():
            pass
        with journal.search() as records:
            found = records.keyed_of("demo", "CD.list", pool="1+I", month=202611)
        return [(each.head.id, each.head.sums) for each in found]

    assert listed.lines is not None
    fewer = replace(listed.lines, head_sums=listed.lines.head_sums[:2])
    without = replace(listed.lines, status=frozenset({"declared"}))
    assert kept_by(listed) == [("d0", (0, 500_000, 0, 0, 0, 0))]
    assert kept_by(replace(listed, lines=fewer)) == [("d0", (0, 500_000))]
    assert kept_by(replace(listed, lines=without)) == []
    assert [stored_document(journal, f"d{n}").version for n in range(3)] == [4, 1, 2]
    assert journal.verify().broken is None
