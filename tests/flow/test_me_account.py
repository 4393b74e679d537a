"""What an account's settings do for machine-and-electronic licences: quick entry, notifications, paper without a card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from sites import Site, make_site, wait_until
from workshop import everything

APPLICATION, REGISTRATION = "ME.application", "ME.registration"
SETTINGS = """
[[account.subscribe]]
types = ["ME.*"]
phone = "13900139000"
receipts = ["30", "31"]

[account.defaults."ME.application"]
HandlerName = "王示例"
HandlerPhone = "0411-80000001"
HandlerMobile = "13800000000"
TradeMode = "一般贸易"
CustomsPort2 = "0901"
"""


def start(folder: Path, settings: str) -> Site:
    """A running site whose account has these settings and a registered enterprise."""
    site = make_site(folder)
    path = site.home / "tongguan.toml"
    head, route, rest = path.read_text("utf-8").partition("\n[route.")
    path.write_text(head + settings + route + rest, "utf-8")
    site.simulate("--fast")
    site.run()
    registered = b.done(site, b.message(REGISTRATION, "declare", like="ok-declare.xml"), "sent", "accepted")
    site.wait_business(REGISTRATION, registered["document"], "已备案")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = start(tmp_path_factory.mktemp("me"), SETTINGS)
    yield made
    for name in list(made.processes):
        made.stop(name, kill=True)


def application(operation: str = "declare", *, mark: str = "", without: tuple[str, ...] = (), **set_: Any) -> Any:
    root = b.message(APPLICATION, operation, like="ok-declare.xml", reference=b.fresh("me") + mark, set_=set_)
    for name in without:
        for element in root.findall(f"{{*}}{name}"):
            root.remove(element)
    return root


def told(site: Site, document: str) -> list[dict[str, str]]:
    path = site.home / "sms.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [line for line in lines if line["reference"] == document]


@pytest.mark.requirement("ME-13")
def test_what_the_sender_leaves_out_is_filled_from_the_account_and_the_status_lists_it(site: Site) -> None:
    left_out = ("HandlerName", "HandlerPhone", "HandlerMobile", "TradeMode")
    status = b.done(site, application(without=left_out))
    body = b.document(site, status)["body"]

    assert {*left_out, "CustomsPort2", "Importer/Name"} <= set(status["filled"])
    assert (body["HandlerName"], body["HandlerMobile"]) == ("王示例", "13800000000")
    assert body["TradeMode"] == "0110", "a name in the settings becomes its code"
    assert body["CustomsPort2"] == "0901"


@pytest.mark.requirement("ME-13")
def test_what_the_sender_says_is_never_overwritten(site: Site) -> None:
    status = b.done(site, application(HandlerName="李示例"))

    assert b.document(site, status)["body"]["HandlerName"] == "李示例"
    assert "HandlerName" not in status["filled"]


@pytest.mark.requirement("ME-12")
def test_a_subscriber_is_told_of_each_approval_once(site: Site) -> None:
    status = b.done(site, application())
    (line,) = wait_until(lambda: told(site, status["document"]), "the short message")

    assert line["phone"] == "13900139000"
    assert status["numbers"]["application"] in line["text"]
    assert "审批通过" in line["text"]


@pytest.mark.requirement("ME-01")
def test_the_password_of_the_registration_is_in_its_own_file_and_nowhere_else(site: Site) -> None:
    password = (site.home / "secrets" / "demo" / "mofcom-password").read_bytes().strip()
    whole = everything(site.home)

    assert len(password) > 8
    assert [name for name, content in whole.items() if password in content] == []
    assert [name for name, content in whole.items() if b"file:mofcom-password" in content], "the search finds the reference"


@pytest.mark.requirement("ME-02")
def test_on_paper_no_card_is_needed_and_paperless_is_refused_without_one(tmp_path: Path) -> None:
    site = start(tmp_path, "")
    try:
        site.stop()
        path = site.home / "tongguan.toml"
        parts = path.read_text("utf-8").split("[[account.card]]")
        path.write_text("[[account.card]]".join(p for p in parts if 'name = "demo-mofcom"' not in p), "utf-8")
        site.run()

        paperless = b.refused(site, application())
        assert b.codes(paperless) == {"GW-F06"}
        paper = b.done(site, application(Mode="paper"))
        assert paper["business_status"]["text"] == "审批通过"
    finally:
        for name in list(site.processes):
            site.stop(name, kill=True)
