"""A merge that names who declares: what it makes is a draft of that enterprise, in its mailbox where it has one here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from agreement_desk import Office, open_office
from filings import DECLARATION, LIST, MERGE, today
from rounds import turn
from sites import Site, second_account
from test_cd_change import approved_list, file_goods

from tongguan.gateway.flow.merging.deadlines import merging_types, undeclared

pytestmark = pytest.mark.requirement("CD-13", "ID-06")
AGENT, STRANGER = "2102980011", "2102980012"
CLEARED = ("9", "10", "11", "12", "15")


@pytest.fixture(scope="module")
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A gateway of an enterprise and of its broker, and a customs that has approved what the enterprise filed."""
    with open_office(tmp_path_factory.mktemp("customs"), customs=True) as office:
        site = office.shop.site
        path = second_account(site).home / "tongguan.toml"
        before, second, after = path.read_text("utf-8").rpartition("[[account]]")
        second = (second + after).replace('kind = "enterprise"', 'kind = "broker"', 1).replace("2102960001", AGENT, 1)
        acts = '[[account.acts_for]]\nuscc = "91210200MA0EXAMPLC"\ncustoms_code = "2102960001"\ntitle = "大连示例进出口有限公司"\npowers = ["CD"]\n\n'
        path.write_text(before + second.replace("\n[route.", f"\n{acts}[route.", 1), "utf-8")
        file_goods(office)
        yield office


def merged(office: Office, key: str, agent: str) -> dict[str, Any]:
    body = {"IEFlag": "I", "Month": today()[:7], "AgentCode": agent}
    name = office.shop.site.drop(
        json.dumps({"type": MERGE, "operation": "merge", "reference": key, "body": body}), suffix=".json"
    )
    status: dict[str, Any] = office.shop.play(name)
    settle(office)
    return status


def settle(office: Office) -> None:
    office.shop.turns(lambda: not turn(office.shop.daemon))


def agents(office: Office) -> Site:
    return Site(office.shop.site.home, account="second")


def seen(site: Site, office: Office, type_: str, key: str) -> dict[str, Any] | None:
    office.shop.turns(lambda: True)
    office.shop.daemon.tellers.catch_up()
    return site.document(type_, key)


def stands(site: Site, office: Office, type_: str, key: str) -> str:
    found = seen(site, office, type_, key)
    assert found is not None
    return str(found["business_status"]["text"])


def test_the_draft_is_in_the_agents_mailbox_and_when_it_deletes_it_the_lists_are_free(customs: Office) -> None:
    own, agent, listed = customs.shop.site, agents(customs), approved_list(customs, *CLEARED)

    merge = merged(customs, "HZ-agent", AGENT)

    assert merge["state"] == "accepted", merge["faults"]
    draft = seen(agent, customs, DECLARATION, "demo-HZ-agent-1")
    assert draft is not None and draft["business_status"]["text"] == "暂存"
    head = draft["body"]["DecHead"]
    assert (head["AgentCode"], head["TradeCode"], head["TradeName"]) == (AGENT, "2102960001", "大连示例进出口有限公司")
    assert seen(own, customs, DECLARATION, "demo-HZ-agent-1") is None
    assert stands(own, customs, LIST, listed) == "已汇总"

    root = f'<{DECLARATION} xmlns="urn:tongguan:{DECLARATION}:1" operation="delete" reference="gone" document="demo-HZ-agent-1"/>'
    agent.drop(root, name="gone.xml")
    customs.shop.turns(lambda: (agent.status("gone.xml") or {}).get("state") in ("accepted", "refused"))
    settle(customs)

    assert (agent.status("gone.xml") or {})["state"] == "accepted", agent.status("gone.xml")
    assert stands(own, customs, LIST, listed) == "已结关"


def test_without_an_account_of_the_agent_here_it_is_kept_for_it(customs: Office) -> None:
    own = customs.shop.site
    approved_list(customs, *CLEARED)

    merge = merged(customs, "HZ-stranger", STRANGER)

    assert merge["state"] == "accepted", merge["faults"]
    assert stands(own, customs, DECLARATION, "HZ-stranger-1") == "待代理申报"


def far(office: Office, key: str) -> str:
    """What the next turn of a merge does."""
    with office.shop.daemon.journal.search() as records:
        message = next(iter(records.find(key)), None)
    return str(((message.extra or {}).get("merge") or {}).get("turn", "")) if message is not None else ""


def named(office: Office) -> dict[str, str]:
    """What the deadlines name, and why."""
    with office.shop.daemon.journal.search() as records:
        (types,) = merging_types(office.shop.daemon.site.rules)
        return {one.number: one.why.zh for one in undeclared(types, ["demo"], records)}


@pytest.mark.requirement("CD-17")
def test_what_was_merged_for_an_agent_whose_account_leaves_the_settings_meanwhile_is_named_until_that_is_back(
    customs: Office,
) -> None:
    listed = approved_list(customs, *CLEARED)
    body = {"IEFlag": "I", "Month": today()[:7], "AgentCode": AGENT}
    frame = {"type": MERGE, "operation": "merge", "reference": "HZ-gone", "body": body}
    customs.shop.site.drop(json.dumps(frame), suffix=".json")
    customs.shop.turns(lambda: far(customs, "HZ-gone") == "make")
    path = customs.shop.site.home / "tongguan.toml"
    text = path.read_text("utf-8")
    before, _, second = text.rpartition("[[account]]")
    customs.shop.stop()
    path.write_text(before + second[second.index("\n[route.") :], "utf-8")

    settle(customs)
    assert stands(customs.shop.site, customs, LIST, listed) == "已汇总"
    number = (customs.shop.site.document(LIST, listed) or {})["numbers"]["unified"]
    assert named(customs)[number].endswith("demo-HZ-gone-1 尚未生成")
    customs.shop.stop()
    path.write_text(text, "utf-8")
    customs.shop.turns(lambda: seen(agents(customs), customs, DECLARATION, "demo-HZ-gone-1"))

    assert named(customs)[number].endswith("demo-HZ-gone-1 为“暂存”")
