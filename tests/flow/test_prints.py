"""Documents on paper: application forms and licences as PDF, alone and many in one file."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import bodies as b
import psutil
import pytest
from lxml import etree
from pypdf import PdfReader
from sites import Site, wait_until

OWNER = "大连示例进出口有限公司"


def printed(key: str, form: str | None = None, *, type_: str = b.APPLICATION) -> etree._Element:
    """A print of a document."""
    return b.message(type_, "print", set_={"Form": form} if form else None, document=key)


def saved(site: Site, **set_: Any) -> str:
    """The key of a draft."""
    return str(b.done(site, b.application("save", **set_))["document"])


def text(path: Path) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(path.read_bytes())).pages)


def pdf_of(site: Site, root: etree._Element) -> Path:
    name = site.drop(b.xml(root))
    status = site.wait(name)
    assert status["state"] == "accepted", status
    return site.result(name)


@pytest.mark.requirement("NA-09")
def test_a_draft_is_printed_as_the_application_form_with_the_enterprises_data(site: Site) -> None:
    key = saved(site, ExtraInformation="请尽快审批", Enterprise__Province="21")

    path = pdf_of(site, printed(key))

    shown = text(path)
    assert path.suffix == ".pdf"
    for word in ("自动进口许可证申请表", OWNER, "企业基本情况", "91210200MA0EXAMPLC", "21 辽宁省", "0110 一般贸易", "请尽快审批"):
        assert word in shown, f"{word} is not in {shown}"
    assert site.document(b.APPLICATION, key)["numbers"]["application"] in shown  # type: ignore[index]


@pytest.mark.requirement("NA-09")
def test_edition_and_registration_are_printed_of_what_was_declared_without_a_check(site: Site) -> None:
    status = b.done(site, b.application("declare"))

    shown = text(pdf_of(site, printed(status["document"])))
    assert "电子版" in shown and "已备案" in shown


@pytest.mark.requirement("GW-13")
def test_a_print_of_a_test_home_says_so_on_every_page(site: Site) -> None:
    path = pdf_of(site, printed(saved(site)))

    assert all("测试 TEST" in page.extract_text() for page in PdfReader(path).pages)


@pytest.mark.requirement("NA-09")
def test_the_licence_has_its_numbered_boxes_and_only_once_it_is_there(site: Site) -> None:
    key = saved(site)
    early = b.refused(site, printed(key, "licence"))
    b.done(site, b.message(b.APPLICATION, "declare", document=key))
    document = site.wait_business(b.APPLICATION, key, "已打印或生成电子许可证")

    shown = text(pdf_of(site, printed(key, "licence")))

    assert "GW-F05" in b.codes(early)
    assert document["numbers"]["licence"] in shown
    for no in (*range(1, 18), 19, 20, 21):
        assert f"{no}. " in shown, f"box {no} is not in {shown}"


@pytest.mark.requirement("NA-09")
def test_a_form_that_does_not_exist_is_refused_naming_those_that_do(site: Site) -> None:
    status = b.refused(site, printed(saved(site), "postcard"))

    assert "GW-F45" in b.codes(status)
    assert "application licence" in next(iter(b.faults(status).values()))


def items_of(site: Site, keys: Sequence[str]) -> tuple[str, dict[str, Any]]:
    name = site.drop(b.batch([printed(key) for key in keys]))
    return name, site.wait(name, seconds=110)


@pytest.mark.requirement("NA-09")
def test_a_batch_of_prints_is_one_file_in_the_order_of_its_items(site: Site) -> None:
    keys = [saved(site, Remark=f"第{n}份") for n in "一二三"]

    name, status = items_of(site, keys)

    assert [item["state"] for item in status["items"]] == ["accepted"] * 3
    shown = text(site.result(name))
    assert [shown.index(f"第{n}份") for n in "一二三"] == sorted(shown.index(f"第{n}份") for n in "一二三")
    assert len(site.inbox(f"Result_{name.rsplit('.', 1)[0]}_")) == 1


@pytest.mark.requirement("NA-09")
def test_what_a_batch_could_not_print_is_on_its_last_page(site: Site) -> None:
    name, status = items_of(site, [saved(site, Remark="第一份"), "nothing-of-the-kind", saved(site, Remark="第三份")])

    assert [item["state"] for item in status["items"]] == ["accepted", "refused", "accepted"]
    assert status["state"] == "accepted"
    pages = [page.extract_text() for page in PdfReader(site.result(name)).pages]
    assert "未能打印的单证" in pages[-1]
    assert "nothing-of-the-kind" in pages[-1]
    assert "第三份" in "".join(pages[:-1])


@pytest.mark.long
@pytest.mark.requirement("NA-09")
def test_five_hundred_prints_are_one_file(site: Site) -> None:
    keys = [saved(site, Remark=f"第{n}份") for n in range(3)]

    name, status = items_of(site, [keys[n % 3] for n in range(500)])

    assert {item["state"] for item in status["items"]} == {"accepted"}
    pages = PdfReader(site.result(name)).pages
    assert [page.extract_text().count("第 1 页") for page in pages].count(1) == 500


@pytest.mark.requirement("NA-09")
def test_a_print_comes_though_the_printing_process_is_killed(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    key = saved(own_site)
    pdf_of(own_site, printed(key))
    pdf_worker = wait_until(lambda: presses(own_site), "the press")[0]

    os.kill(pdf_worker, signal.SIGKILL)

    assert OWNER in text(pdf_of(own_site, printed(key)))
    assert pdf_worker not in presses(own_site)


@pytest.mark.requirement("NA-09")
def test_nothing_waits_for_a_print_not_even_a_later_declare_of_its_document(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    key = saved(own_site)
    pdf_of(own_site, printed(key))
    pdf_worker = wait_until(lambda: presses(own_site), "the press")[0]
    os.kill(pdf_worker, signal.SIGSTOP)
    waiting = own_site.drop(b.xml(printed(key)))
    own_site.wait(waiting, "checked")

    b.done(own_site, b.message(b.APPLICATION, "declare", document=key))
    b.done(own_site, b.query(b.APPLICATION, "list"))

    assert (own_site.status(waiting) or {})["state"] == "checked"
    os.kill(pdf_worker, signal.SIGCONT)
    assert own_site.wait(waiting)["state"] == "accepted"
    assert "暂存" in text(own_site.result(waiting)), "printed as it was when the print was asked for"


def presses(site: Site) -> list[int]:
    children = psutil.Process(site.processes["run"].pid).children(recursive=True)
    return [child.pid for child in children if any("pdf_process" in word for word in child.cmdline())]


@pytest.mark.requirement("NA-09")
def test_without_a_font_a_print_is_held_with_what_to_do_and_nothing_else_waits(own_site: Site) -> None:
    settings = own_site.home / "tongguan.toml"
    settings.write_text(settings.read_text() + '\n[prints]\nfont = "nowhere.ttf"\n')
    own_site.simulate("--fast")
    own_site.run()
    key = saved(own_site)
    held = own_site.drop(b.xml(printed(key)))

    status = own_site.wait(held, "held")

    assert "nowhere.ttf" in status["hold"]["reason"]
    assert "tongguan retry" in status["hold"]["do"]
    assert b.done(own_site, b.message(b.APPLICATION, "declare", document=key))["state"] == "accepted"


@pytest.mark.requirement("NA-16")
def test_statistics_are_printed_with_operator_and_month_and_both_spans(site: Site) -> None:
    key = saved(site)
    b.done(site, b.message(b.APPLICATION, "declare", document=key))
    site.wait_business(b.APPLICATION, key, "已打印或生成电子许可证")
    month = (site.document(b.APPLICATION, key) or {})["receipts"][-1]["issued_at"][:7]

    path = pdf_of(site, b.query(b.APPLICATION, "statistics", filters={"month": month}, format="pdf"))

    shown = text(path)
    assert path.suffix == ".pdf"
    for word in ("统计表", "统计月份", month, "操作员", OWNER, "本月", "截至本月", "领证量", "干玉米酒糟"):
        assert word in shown, f"{word} is not in {shown}"


def test_any_list_can_be_printed(site: Site) -> None:
    key = saved(site)
    number = (site.document(b.APPLICATION, key) or {})["numbers"]["application"]

    shown = text(pdf_of(site, b.query(b.APPLICATION, "list", filters={"application": number}, format="pdf")))

    assert number in shown
    assert "查询结果" in shown
