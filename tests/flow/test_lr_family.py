"""The licence systems of the other ministries: one common form, each with its own code, ministry, card, receipts and number."""

from __future__ import annotations

import re
from typing import Any

import bodies as b
import pytest
from sites import Site, wait_until

from tongguan.gateway.profile.loading import load_profiles

PROFILES = load_profiles()
FAMILY = sorted(type_ for type_ in PROFILES if type_.startswith("LR."))
each_type = pytest.mark.parametrize("type_", FAMILY)


def declare(type_: str, marker: str = "", **set_: Any) -> Any:
    return b.message(type_, "declare", like="ok-declare.xml", set_=set_, reference=b.fresh("lr") + marker)


def act(type_: str, operation: str, document: str, **body: str) -> Any:
    return b.message(type_, operation, document=document, set_=body)


@pytest.fixture(scope="module")
def issued(site: Site) -> dict[str, dict[str, Any]]:
    """Each type's good example, declared; the status of its message once it is accepted."""
    dropped = {type_: site.drop(b.xml(declare(type_))) for type_ in FAMILY}
    return {type_: site.wait(name, "accepted", "rejected", "refused") for type_, name in dropped.items()}


@pytest.mark.requirement("LR-02")
@each_type
def test_each_can_be_applied_for_and_ends_in_its_own_certificate(
    site: Site, issued: dict[str, dict[str, Any]], type_: str
) -> None:
    profile, status = PROFILES[type_], issued[type_]
    assert status["state"] == "accepted", status["faults"]

    document = site.wait_business(type_, status["document"], profile.statuses["issued"].text.zh)

    for kind in ("application", "acceptance", "licence"):
        assert re.fullmatch(profile.numbers[kind].pattern, document["numbers"][kind]), kind


@pytest.mark.requirement("LR-02")
def test_the_certificate_is_downloaded_and_its_way_to_customs_is_known(site: Site, issued: dict[str, dict[str, Any]]) -> None:
    type_ = FAMILY[-1]
    document = site.wait_business(type_, issued[type_]["document"], PROFILES[type_].statuses["issued"].text.zh)
    name = site.drop(b.xml(act(type_, "export", document["document"])))
    file = site.result(name)

    assert file.read_bytes().startswith(b"%PDF-")
    wait_until(
        lambda: b.rows(site, b.query(type_, "status", document=document["document"]))[0]["customs"] == "海关入库成功", "52"
    )


@pytest.mark.requirement("LR-02")
@each_type
def test_what_breaks_a_duty_of_its_own_is_refused_naming_the_rule(site: Site, type_: str) -> None:
    bad = sorted(path for path in (PROFILES[type_].folder / "examples").glob("bad-*.xml"))
    wrong = {path.stem.removeprefix("bad-"): site.drop(path.read_bytes(), name=f"{type_}-{path.name}") for path in bad}
    warnings = {rule.id for rule in PROFILES[type_].rules if rule.severity == "warning"}

    assert len(wrong) >= 2
    for rule, name in wrong.items():
        status = site.wait(name, "refused", "accepted")
        assert (status["state"], [f["code"] for f in status["faults"]]) == ("accepted" if rule in warnings else "refused", [rule])


@pytest.mark.requirement("LR-02")
def test_the_life_of_an_application(site: Site) -> None:
    type_ = FAMILY[5]
    draft = b.done(site, b.message(type_, "save", like="ok-declare.xml", set_={"Remark": "第一次"}))
    copies = b.done(site, act(type_, "copy", draft["document"], Copies="2"))["copies"]
    returned = b.done(site, declare(type_, "!return"), "rejected")
    pending = b.done(site, declare(type_, "!stay=10"), "sent")
    site.wait_business(type_, pending["document"], "待受理")

    assert draft["business_status"]["text"] == "暂存"
    assert len({copy["numbers"]["application"] for copy in copies} | {draft["numbers"]["application"]}) == 3
    assert b.done(site, act(type_, "delete", draft["document"]))["state"] == "accepted"
    assert site.wait_business(type_, returned["document"], "退回补正")["numbers"] == returned["numbers"]
    assert b.done(site, act(type_, "withdraw", pending["document"]))
    site.wait_business(type_, pending["document"], "已撤回")
    again = b.done(site, b.message(type_, "declare", document=returned["document"]))
    assert again["numbers"]["application"] == returned["numbers"]["application"]


@pytest.mark.requirement("LR-02")
def test_a_list_finds_the_applications_of_its_own_type_only(site: Site, issued: dict[str, dict[str, Any]]) -> None:
    type_ = FAMILY[7]
    number = issued[type_]["numbers"]["application"]

    assert [row["application"] for row in b.rows(site, b.query(type_, "list", filters={"application": number}))] == [number]
    assert b.rows(site, b.query(FAMILY[8], "list", filters={"application": number})) == []
