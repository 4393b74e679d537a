"""集报清单汇总, from the lists that were dropped to the declarations that came of them: what is together, and that nothing is lost."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from agreement_desk import Office
from filings import DECLARATION, LIST
from lists import line
from test_cd_change import approved_list
from test_cd_merge import CLEARED, customs, merged
from test_cd_merge import rows as told

pytestmark = pytest.mark.requirement("CD-12")
__all__ = ["customs"]

ADDED = ("PackNo", "GrossWet", "NetWt")
ADDED_OF_LINE = ("GQty", "FirstQty", "SecondQty", "DeclTotal")
ALIKE_OF_LINE = (
    "CodeTS",
    "GName",
    "GModel",
    "GUnit",
    "TradeCurr",
    "OriginCountry",
    "DestinationCountry",
    "DutyMode",
    "DistrictCode",
)
#: by list: what makes it another declaration, and its lines
MONTH: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "a",
        {"LicenseNo": "26-AA-100001"},
        [line("1", SecondQty="5", GQty="12", DeclPrice="1.0855", DeclTotal="13.03"), line("2", DeclPrice="12.5")],
    ),
    (
        "a",
        {"LicenseNo": "26AA100001", "ContrNo": "C-2"},
        [line("1", SecondQty="5", GQty="12", DeclPrice="1.08550", DeclTotal="13.03")],
    ),
    (
        "a",
        {"LicenseNo": "26-AA100001"},
        [line("2", DeclPrice="12.51"), line("1", SecondQty="5", GQty="0.00001", DeclPrice="1.0855")],
    ),
    ("b", {"LicenseNo": "26-AA-100002"}, [line("1", SecondQty="5", GQty="7", DeclPrice="1.0855")]),
    ("c", {"CutMode": "299"}, [line("1", SecondQty="0.125"), line("2", DutyMode="3")]),
    ("c", {"CutMode": "299"}, [line("2", DutyMode="1"), line("1", SecondQty="5", OriginCountry="JPN")]),
]


def lines_of(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], list[Fraction]]:
    """What rows come to, by what must be alike in one line."""
    found: dict[tuple[Any, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * len(ADDED_OF_LINE))
    for row in rows:
        key = (*(row.get(name) for name in ALIKE_OF_LINE), Fraction(row["DeclPrice"]))
        found[key] = [had + Fraction(row.get(name, "0")) for had, name in zip(found[key], ADDED_OF_LINE, strict=True)]
    return found


def test_lists_that_are_alike_become_one_declaration_to_the_last_decimal(customs: Office) -> None:
    entries: dict[str, tuple[str, dict[str, Any]]] = {}
    for kind, head, rows in MONTH:
        listed = customs.document(LIST, approved_list(customs, *CLEARED, DecList=rows, **head))
        entries[listed["numbers"]["entry"]] = kind, listed["body"]
    merge = merged(customs)

    together = []
    for n in range(1, 4):
        draft = customs.document(DECLARATION, f"{merge['document']}-{n}")["body"]
        parts = [entries.pop(row["ListNo"]) for row in draft["Lists"]]
        bodies = [body for _, body in parts]
        together.append("".join(kind for kind, _ in parts))
        rows = draft["DecLists"]["DecList"]
        for name in ADDED:
            assert Fraction(draft["DecHead"][name]) == sum(Fraction(body[name]) for body in bodies)
        assert lines_of(rows) == lines_of([row for body in bodies for row in body["DecList"]])
        assert len(rows) == len(lines_of(rows))
        assert [row["GNo"] for row in rows] == [str(1 + k) for k in range(len(rows))]

    assert (sorted(together), entries) == (["aaa", "b", "cc"], {})


def test_each_sum_of_what_was_merged_has_its_like_of_what_was_made(customs: Office) -> None:
    approved_list(customs, *CLEARED)
    merge = merged(customs)
    told(customs, merge)
    result = json.loads(customs.shop.site.result(merge["file"]).read_bytes())
    before, after = ({k.removesuffix(end): v for k, v in result.items() if k.endswith(end)} for end in ("_before", "_after"))

    assert before == after and "0" in after.values(), "a fee that no list has is added up to nothing"
