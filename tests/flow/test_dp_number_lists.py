"""Entry numbers of a request: with commas, from a file, or both; what cannot be taken is told with its place."""

from __future__ import annotations

import io
from typing import Any

import bodies as b
import declared_papers as dp
import pytest
from declared_papers import CLEARED, EXPORT, PRINT
from openpyxl import Workbook
from sites import Site

pytestmark = pytest.mark.requirement("DP-02", "DP-03")


def listed(site: Site, numbers: str = "", files: dict[str, bytes] | None = None, *, rows: tuple[str, ...] = ()) -> dict[str, Any]:
    """The status of a request for what is listed."""
    body: dict[str, Any] = {"EntryIds": numbers} if numbers else {}
    body |= {"Entry": [{"EntryId": one} for one in rows]} if rows else {}
    root = b.message(EXPORT, "declare", set_=body)
    if files:
        b.with_files(root, *((name, "") for name in files))
    return b.do(site, root, "accepted", "rejected", "refused", files=files, seconds=60)


def entries(site: Site, status: dict[str, Any]) -> list[str]:
    return [row["EntryId"] for row in b.document(site, status)["body"]["Entry"]]


def workbook(*cells: Any) -> bytes:
    made, target = Workbook(), io.BytesIO()
    assert made.active is not None
    for cell in cells:
        made.active.append([cell])
    made.save(target)
    return target.getvalue()


def test_numbers_with_commas_become_the_declarations_of_the_request(site: Site) -> None:
    status = listed(site, f"{CLEARED[0]}，{CLEARED[1]}, {CLEARED[2]}")

    assert (status["state"], entries(site, status)) == ("accepted", CLEARED[:3])
    assert b.document(site, status)["body"]["EntryIds"] == ",".join(CLEARED[:3])


@pytest.mark.parametrize("name", ["numbers.txt", "numbers.csv", "numbers.xlsx"])
def test_a_file_of_numbers_is_read(site: Site, name: str) -> None:
    content = (
        workbook("报关单号", *CLEARED[3:5])
        if name.endswith("xlsx")
        else f"报关单号\n{CLEARED[3]}\n{CLEARED[4]}\n".encode("gb18030")
    )
    status = listed(site, files={name: content}, rows=(CLEARED[0],))

    assert (status["state"], entries(site, status)) == ("accepted", [CLEARED[0], *CLEARED[3:5]])


def test_what_a_spreadsheet_has_mangled_is_refused_with_file_and_cell(site: Site) -> None:
    status = listed(site, files={"n.xlsx": workbook(CLEARED[0], 530120261012345001, "=A1")})

    assert status["state"] == "refused"
    assert sorted(fault["code"] for fault in status["faults"]) == ["GW-S20", "GW-S20"]
    assert status["faults"][0]["message"].startswith("n.xlsx 的 A2 530120261012345")


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        (f"{CLEARED[0]},{CLEARED[0]}", "报关单号 第 2 个"),
        (CLEARED[0][:17], "有 17 位；报关单号为 18 位数字"),
        (",".join(CLEARED[:51]), "超过 50 个"),
        ("5.3012E+17", "是科学记数"),
    ],
    ids=["twice", "17 digits", "51", "scientific"],
)
def test_a_list_that_cannot_be_taken_is_refused_with_the_number_and_why(site: Site, numbers: str, says: str) -> None:
    status = listed(site, numbers)

    assert [fault["code"] for fault in status["faults"]] == ["GW-C60"]
    assert says in status["faults"][0]["message"] and status["faults"][0]["path"].endswith("EntryIds")


def test_a_file_without_numbers_and_one_of_another_kind_are_refused(site: Site) -> None:
    assert [f["code"] for f in listed(site, files={"n.txt": "无".encode()})["faults"]] == ["GW-S21"]
    assert "GW-E04" in {f["code"] for f in listed(site, files={"n.txt": b.pdf()})["faults"]}


def test_requests_are_found_by_any_of_their_declarations(site: Site) -> None:
    first, second = dp.asked(site, EXPORT, CLEARED[20:23]), dp.asked(site, EXPORT, CLEARED[23:25])
    ours = {one["numbers"]["request"] for one in (first, second)}

    def found(entries: str) -> set[str]:
        return ours & {row["request"] for row in b.rows(site, b.query(EXPORT, "list", filters={"entries": entries}))}

    assert found(f"{CLEARED[22]}，{CLEARED[24]}") == ours
    assert found(CLEARED[24]) == {second["numbers"]["request"]}
    assert found(CLEARED[30]) == set()


@pytest.mark.parametrize("period", ["today", "本周", "month", "三个月"])
def test_cleared_declarations_are_asked_by_number_and_period(site: Site, period: str) -> None:
    found = b.rows(site, b.query(PRINT, "declarations", filters={"entries": f"{CLEARED[0]},{CLEARED[5]}", "declared": period}))

    assert [row["entry"] for row in found] == [CLEARED[0], CLEARED[5]]


@pytest.mark.parametrize("days", [("0001-01-01", "0001-02-01"), ("9999-12-01", "9999-12-31")])
@pytest.mark.parametrize("filter_", ["applied", "declared"])
def test_the_first_and_the_last_days_that_there_are_can_be_asked_for(site: Site, filter_: str, days: tuple[str, str]) -> None:
    kind = {"applied": "list", "declared": "declarations"}[filter_]

    assert b.rows(site, b.query(PRINT, kind, filters={f"{filter_}_from": days[0], f"{filter_}_to": days[1]})) == []


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"declared_from": "2026-01-01", "declared_to": "2026-04-02"}, "GW-F96"),
        ({"declared": "yesterday"}, "GW-F18"),
        ({"entries": f"{CLEARED[0]},{CLEARED[0]}"}, "GW-F97"),
        ({"entries": ",".join(CLEARED[:51])}, "GW-F97"),
        ({"entries": "12"}, "GW-F97"),
    ],
    ids=["longer than three months", "no period", "twice", "51", "no number"],
)
def test_what_cannot_be_asked_is_told(site: Site, filters: dict[str, str], code: str) -> None:
    status = site.wait(site.drop(b.xml(b.query(PRINT, "declarations", filters=filters))), "refused")

    assert {fault["code"] for fault in status["faults"]} == {code}


def test_where_few_values_are_known_all_of_them_are_told(site: Site) -> None:
    """Periods by the filter's own name, as the sender wrote it; a small code table with its names."""
    period, state = (
        site.wait(site.drop(b.xml(b.query(PRINT, kind, filters=filters))), "refused")["faults"][0]
        for kind, filters in (("list", {"applied": "year"}), ("results", {"state": "9"}))
    )

    assert (period["code"], period["path"]) == ("GW-F18", f"/{PRINT}/applied")
    assert period["message"] == "查询条件 applied 的日期 year 无效；可用：当天 本周 本月 三个月，或日期"
    assert state["code"] == "GW-F85" and "0 无签章已生成 1 有签章已生成" in state["message"]
