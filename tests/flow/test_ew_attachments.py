"""The declarations that an application not to attend an inspection must carry."""

from __future__ import annotations

from typing import Any

import bodies as b
import pytest
from sites import Site

ENTRUST, ABSENT, OTHER = "00000001", "00000002", "00000003"
KINDS = [(b.INSPECTION, b.inspection), (b.INSPECTION_OTHER, b.inspection_other)]
kinds = pytest.mark.parametrize(("type_", "make"), KINDS, ids=["declaration", "bill"])


def draft(site: Site, make: Any = b.inspection) -> dict[str, Any]:
    return b.done(site, make("save"))


def act(status: dict[str, Any], operation: str, *files: tuple[str, str]) -> Any:
    return b.with_files(b.message(status["type"], operation, document=status["document"]), *files)


def listed(site: Site, status: dict[str, Any]) -> dict[str, str]:
    """Category to file name, after the message with this status."""
    return {each["category"]: each["name"] for each in b.document(site, status)["attachments"]}


@pytest.mark.requirement("EW-04")
@kinds
@pytest.mark.parametrize("category", [ENTRUST, ABSENT])
def test_one_of_the_two_declarations_is_enough(site: Site, type_: str, make: Any, category: str) -> None:
    status = draft(site, make)
    both = {"声明.pdf": b.pdf(), "其他.pdf": b.pdf()}
    changed = b.done(site, act(status, "attach", ("声明.pdf", category), ("其他.pdf", OTHER)), files=both)
    assert listed(site, changed) == {category: "声明.pdf", OTHER: "其他.pdf"}

    b.done(site, act(status, "declare"))
    assert site.wait_business(type_, status["document"], "同意")


@pytest.mark.requirement("EW-04")
@kinds
def test_without_either_of_them_a_declare_is_refused(site: Site, type_: str, make: Any) -> None:
    status = draft(site, make)
    (none,) = b.refused(site, act(status, "declare"))["faults"]
    assert none["code"] == "GW-E09"
    assert "00000001 委托企业协助海关查验的声明、00000002 查验时不到场的声明" in none["message"]

    b.done(site, act(status, "attach", ("其他.pdf", OTHER)), files={"其他.pdf": b.pdf()})
    assert b.codes(b.refused(site, act(status, "declare"))) == {"GW-E09"}
    b.done(site, act(status, "declare", ("声明.pdf", ABSENT)), files={"声明.pdf": b.pdf()})


@pytest.mark.requirement("EW-04")
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("声明.docx", b"PK\x03\x04" + b"x" * 60, "GW-E04"),
        ("图.pdf", b"\x89PNG\r\n\x1a\n" + b"\x00" * 60, "GW-E04"),
        ("坏.pdf", b"%PDF-1.4\n" + b"x" * 60, "GW-E07"),
        ("大.pdf", b.pdf(30, bytes_a_page=150_000), "GW-E05"),
        ("页.pdf", b.pdf(1, bytes_a_page=210_000), "GW-E06"),
    ],
)
def test_only_readable_pdf_of_bounded_size_is_taken(site: Site, name: str, content: bytes, code: str) -> None:
    status = b.refused(site, act(draft(site), "attach", (name, ABSENT)), files={name: content})

    assert b.codes(status) == {code}
    assert name in status["faults"][0]["message"]


@pytest.mark.requirement("EW-04")
def test_nearly_four_megabytes_on_many_pages_are_taken(site: Site) -> None:
    b.done(site, act(draft(site), "attach", ("声明.pdf", ABSENT)), files={"声明.pdf": b.pdf(21, bytes_a_page=190_000)})


@pytest.mark.requirement("EW-04")
def test_a_new_file_of_a_category_replaces_the_old_one(site: Site) -> None:
    status = draft(site)
    second = b.pdf()
    b.done(site, act(status, "attach", ("甲.pdf", ABSENT)), files={"甲.pdf": b.pdf()})
    changed = b.done(site, act(status, "attach", ("乙.pdf", ABSENT)), files={"乙.pdf": second})
    assert listed(site, changed) == {ABSENT: "乙.pdf"}

    name = site.drop(b.xml(b.query(b.INSPECTION, "attachments", document=status["document"], filters={"name": "乙.pdf"})))
    assert site.result(name).read_bytes() == second
    twice = act(status, "attach", ("丙.pdf", OTHER), ("丁.pdf", OTHER))
    assert b.codes(b.refused(site, twice, files={"丙.pdf": b.pdf(), "丁.pdf": b.pdf()})) == {"GW-E14"}


@pytest.mark.requirement("EW-04")
@pytest.mark.parametrize("category", ["", "00000009"])
def test_a_file_needs_a_category_that_exists(site: Site, category: str) -> None:
    status = b.refused(site, act(draft(site), "attach", ("声明.pdf", category)), files={"声明.pdf": b.pdf()})

    assert b.codes(status) <= {"GW-E08", "GW-E13"}


@pytest.mark.requirement("EW-04")
@kinds
def test_files_are_deleted_until_the_declare(site: Site, type_: str, make: Any) -> None:
    status = draft(site, make)
    b.done(
        site, act(status, "attach", ("声明.pdf", ABSENT), ("其他.pdf", OTHER)), files={"声明.pdf": b.pdf(), "其他.pdf": b.pdf()}
    )
    changed = b.done(site, act(status, "detach", ("其他.pdf", "")))
    assert listed(site, changed) == {ABSENT: "声明.pdf"}

    b.done(site, act(status, "declare"))
    assert "GW-F05" in b.codes(b.refused(site, act(status, "detach", ("声明.pdf", ""))))
    assert "GW-F05" in b.codes(b.refused(site, act(status, "attach", ("新.pdf", ABSENT)), files={"新.pdf": b.pdf()}))
    assert listed(site, status) == {ABSENT: "声明.pdf"}


@pytest.mark.requirement("EW-04")
def test_files_come_with_a_save_too(site: Site) -> None:
    status = b.done(site, b.with_files(b.inspection("save"), ("声明.pdf", ENTRUST)), files={"声明.pdf": b.pdf()})

    assert listed(site, status) == {ENTRUST: "声明.pdf"}
    b.done(site, act(status, "declare"))
