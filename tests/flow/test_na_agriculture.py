"""The agricultural registration (重农信息备案), and goods that need it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from sites import Site, make_site

AGRICULTURE = "NA.agriculture"
REQUIRED = ["Name", "CustomsNo", "BusinessNo", "Capital", "Address", "ContactName", "ContactPhone"]


def registration(marker: str = "", *, document: str | None = None, **set_: Any) -> Any:
    """保存并上报: the whole registration."""
    return b.message(
        AGRICULTURE,
        "declare",
        like="ok-declare.xml",
        set_=set_,
        reference=b.fresh("nag") + marker,
        document=document,
    )


@pytest.fixture
def stranger(own_site: Site) -> Site:
    """A site whose enterprise is not registered yet."""
    own_site.simulate("--fast")
    own_site.run()
    return own_site


@pytest.mark.requirement("NA-13")
def test_a_registration_is_declared_and_registered(stranger: Site) -> None:
    status = b.done(stranger, registration(document="nag"))

    assert [r["text"] for r in status["receipts"] if "技术" not in r["text"]] == ["已上报待备案", "已备案"]
    assert status["business_status"]["text"] == "已备案"
    document = b.document(stranger, status)
    assert document["body"]["Code"] == "2100MA0EXAMPL", "the enterprise's code is filled"
    assert document["body"]["Name"] == "大连示例进出口有限公司"
    (row,) = b.rows(stranger, b.query(AGRICULTURE, "list"))
    assert (row["status"], row["code"]) == ("已备案", "2100MA0EXAMPL")
    (row,) = b.rows(stranger, b.query(AGRICULTURE, "status", document="nag"))
    assert row["status"] == "已备案"


@pytest.fixture(scope="module")
def unregistered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of which no test registers the enterprise."""
    made = make_site(tmp_path_factory.mktemp("unregistered"))
    made.run()
    yield made
    made.stop("run", kill=True)


@pytest.mark.requirement("NA-13")
@pytest.mark.parametrize("field", REQUIRED[1:])
def test_every_other_field_is_required(unregistered: Site, field: str) -> None:
    status = b.refused(unregistered, registration(**{field: None}))

    assert [f["path"].rpartition("/")[2] for f in status["faults"]] == [field]


@pytest.mark.requirement("NA-13")
def test_the_enterprise_code_is_the_systems_and_another_one_is_a_fault(unregistered: Site) -> None:
    status = b.refused(unregistered, registration(Code="3100MA1OTHER1"))

    (message,) = b.faults(status).values()
    assert "2100MA0EXAMPL" in message
    assert "3100MA1OTHER1" in message


@pytest.mark.requirement("NA-13")
def test_a_refused_registration_is_corrected_and_declared_again(stranger: Site) -> None:
    status = b.done(stranger, registration("!refuse", document="nag"), "rejected")

    assert status["business_status"]["text"] == "备案未通过"
    assert status["faults"], "the authority's reason is told"
    again = b.done(stranger, registration(document="nag", Address="大连市沙河口区示例街2号"))
    assert again["business_status"]["text"] == "已备案"


@pytest.mark.requirement("NA-13")
def test_an_enterprise_has_one_registration_only(stranger: Site) -> None:
    b.done(stranger, registration(document="nag"))
    second = b.refused(stranger, registration(document="another"))

    assert b.codes(second) == {"GW-F07"}
    assert b.done(stranger, registration(document="nag", Capital="8000000"))["business_status"]["text"] == "已备案"


SOYBEANS = "1201901100"
FILED = "大宗合同许可证申领号：DZ202611000123"


@pytest.mark.requirement("NA-13")
def test_agricultural_goods_are_refused_before_the_registration_and_issued_after_it(stranger: Site) -> None:
    first = b.refused(stranger, b.application("declare", goods_=[b.goods(SOYBEANS)], ExtraInformation=FILED))
    assert list(b.faults(first).values()) == ["申领商品为重点农产品，请先完成重农信息备案"]

    refused = b.done(stranger, registration("!refuse", document="nag"), "rejected")
    assert refused["business_status"]["text"] == "备案未通过"
    assert b.codes(b.refused(stranger, b.application("declare", goods_=[b.goods(SOYBEANS)], ExtraInformation=FILED))) == {
        "GW-F30"
    }

    b.done(stranger, registration(document="nag"))
    b.done(stranger, b.application("declare", goods_=[b.goods(SOYBEANS)], ExtraInformation=FILED))


@pytest.mark.requirement("NA-13")
def test_other_goods_and_drafts_need_no_registration(stranger: Site) -> None:
    b.done(stranger, b.application("declare"))
    b.done(stranger, b.application("save", goods_=[b.goods(SOYBEANS)]))
