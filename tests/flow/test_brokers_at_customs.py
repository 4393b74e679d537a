"""Brokers from the filing to the cleared declaration, with cards in tokens and a customs that knows by itself for whom they act."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import bodies as b
import filings as f
import pytest
from filings import DECLARATION, LIST, MERGE, today
from lists import Filing, listed
from sites import Site, second_account, wait_until
from test_identity import card_home

from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("ID-06")
SAMPLE, USCC, TITLE = "2102960001", "91210200MA0EXAMPLC", "大连示例进出口有限公司"
CLIENTS = {  #: by customs code: credit code and name
    "2102961111": ("91210200MA0CLNT01X", "甲委托示例有限公司"),
    "2102962222": ("91210200MA0CLNT02X", "乙委托示例有限公司"),
}
ALPHA, BETA = CLIENTS
UNTOLD, UNTOLD_USCC = "2102963333", "91210200MA0CLNT03X"  #: it is in the settings, and has told customs nothing
AGENT, AGENT_USCC, STRANGER = "2102980011", "91210200MA0AGENT1X", "2102980012"


def acts_for(code: str, uscc: str, title: str, *, powers: str = "CD", until: str = "2099-12-31") -> str:
    return (
        f'\n[[account.acts_for]]\nuscc = "{uscc}"\ncustoms_code = "{code}"\ntitle = "{title}"\n'
        f'powers = ["{powers}"]\nuntil = "{until}"\n'
    )


def known_at_customs(site: Site, code: str, uscc: str, *, acts: tuple[str, ...] = (), card: Path | None = None) -> None:
    """An enterprise that the authorities know."""
    path = site.home / "simulators" / "simulators.toml"
    more = f'\n[[enterprise]]\nname = "e{code}"\nuscc = "{uscc}"\ncustoms_code = "{code}"\nacts_for = {json.dumps(acts)}\n'
    if card is not None:
        more += f'[[enterprise.card]]\nauthority = "customs"\nnumber = "8900000009911"\ncertificate = "{card}"\n'
    path.write_text(path.read_text("utf-8") + more, "utf-8")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A broker with its card in a token: two of its clients have told customs that it acts for them, the third has not."""
    site = card_home(tmp_path_factory.mktemp("broker"))
    path = site.home / "tongguan.toml"
    text = path.read_text("utf-8").replace('kind = "enterprise"', 'kind = "broker"', 1)
    clients = [acts_for(code, *of) for code, of in CLIENTS.items()] + [acts_for(UNTOLD, UNTOLD_USCC, "丙委托示例有限公司")]
    path.write_text(text.replace("\n[route.", "".join(clients) + "\n[route.", 1), "utf-8")
    books = site.home / "simulators" / "simulators.toml"
    told = f'customs_code = "{SAMPLE}"\nacts_for = {json.dumps([uscc for uscc, _ in CLIENTS.values()])}\n'
    books.write_text(books.read_text("utf-8").replace(f'customs_code = "{SAMPLE}"\n', told, 1), "utf-8")
    for code, (uscc, _) in CLIENTS.items():
        known_at_customs(site, code, uscc)
    known_at_customs(site, UNTOLD, UNTOLD_USCC)
    site.simulate("--fast")
    site.run()
    yield site
    for name in list(site.processes):
        site.stop(name)


def filing_for(site: Site, client: str) -> Filing:
    approved = f.qualified(site, TradeCode=client)
    goods = f.volume(approved["numbers"]["unified"], TradeCode=client)
    return Filing(approved["body"]["CustomMaster"], approved, b.document(site, b.done(site, goods)))


def cleared(site: Site, on: Filing, client: str | None = None) -> dict[str, Any]:
    status = b.done(site, listed(on, TradeCode=client), "sent", "accepted", "rejected")
    return site.wait_business(LIST, status["document"], "已结关")


def merged(site: Site, key: str, **body: str) -> dict[str, Any]:
    said = {"IEFlag": "I", "Month": today()[:7], **body}
    frame = {"type": MERGE, "operation": "merge", "reference": key, "body": said}
    status = site.wait(site.drop(json.dumps(frame), suffix=".json"))
    assert status["state"] == "accepted", status["faults"]
    return status


def declared(site: Site, key: str) -> dict[str, Any]:
    """A draft that its unit declares: the document once customs has cleared the goods."""
    frame = {"type": DECLARATION, "operation": "declare", "reference": b.fresh("d")[-18:], "document": key}
    status = site.wait(site.drop(json.dumps(frame), suffix=".json"))
    assert status["state"] == "accepted", status["faults"]
    return site.wait_business(DECLARATION, key, "已结关")


def test_for_two_clients_from_the_filing_to_the_cleared_declaration(broker: Site) -> None:
    lists = {client: [cleared(broker, on, client) for _ in range(2)] for client in CLIENTS for on in [filing_for(broker, client)]}

    merged(broker, "HZ-two", NoAgent="1")
    drafts = [broker.wait_business(DECLARATION, f"HZ-two-{n}", "暂存") for n in (1, 2)]

    assert not (broker.document(DECLARATION, "HZ-two-3"))
    heads = {draft["body"]["DecHead"]["TradeCode"]: draft for draft in drafts}
    assert heads.keys() == CLIENTS.keys(), "each client's lists are a declaration of its own"
    for client, draft in heads.items():
        head = draft["body"]["DecHead"]
        uscc, title = CLIENTS[client]
        assert (head["TradeName"], head["TradeCoScc"], head["AgentCode"], head["AgentName"]) == (title, uscc, SAMPLE, TITLE)
        named = {row["ListNo"] for row in draft["body"]["Lists"]}
        assert named == {one["numbers"]["entry"] for one in lists[client]}
        done = declared(broker, draft["document"])
        assert {"0", "L", "P", "R"} <= {receipt["code"] for receipt in done["receipts"]}
        assert all(broker.wait_business(LIST, one["document"], "已汇总") for one in lists[client])
    assert any(broker.inbox("Receipt_")), "receipts come to the broker"


def test_a_merge_may_be_of_one_client(broker: Site) -> None:
    lists = {client: cleared(broker, filing_for(broker, client), client) for client in CLIENTS}

    merged(broker, "HZ-beta", NoAgent="1", TradeCode=BETA)

    assert broker.wait_business(DECLARATION, "HZ-beta-1", "暂存")["body"]["DecHead"]["TradeCode"] == BETA
    assert broker.wait_business(LIST, lists[BETA]["document"], "已汇总")
    assert broker.wait_business(LIST, lists[ALPHA]["document"], "已结关")
    shown = broker.command("deadlines").stdout.splitlines()
    (line,) = (line for line in shown if lists[ALPHA]["numbers"]["unified"] in line)
    assert "甲委托示例有限公司" in line


def test_customs_asks_for_the_power_too(broker: Site) -> None:
    """What stands in the settings is what the broker says of itself."""
    status = b.done(broker, f.qualification(TradeCode=UNTOLD), "rejected")

    assert "CD-S02" in [fault["code"] for fault in status["faults"]]
    assert broker.wait_business(f.QUALIFICATION, status["document"], "暂存", "接受失败")


def test_goods_go_at_customs_under_the_clients_own_qualification(broker: Site) -> None:
    on = filing_for(broker, ALPHA)
    root = listed(on, TradeCode=BETA, CustomMaster=on.customs)

    status = b.done(broker, root, "refused")

    assert b.codes(status) == {"GW-F30"}
    assert "属于另一企业" in str(status["faults"])


@pytest.fixture(scope="module")
def enterprise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """An enterprise with its card in a token, and the account of its broker beside it, with a card of its own."""
    site = card_home(tmp_path_factory.mktemp("enterprise"))
    agent = second_account(site)
    place = site.home / "cards"
    place.mkdir(exist_ok=True)
    time = Validity(clock.now() - timedelta(days=1), 1000)
    holder = Holder("示例代理报关有限公司", "8900000009911", (AGENT_USCC, AGENT))
    card = make_software_card(make_authority("海关发卡", time), holder, validity=time)
    (place / "agent.key").write_bytes(card.key)
    (place / "agent.pem").write_bytes(card.certificates)
    (site.home / "simulators" / "cards" / "agent.pem").write_bytes(card.certificates)
    path = site.home / "tongguan.toml"
    before, _, after = path.read_text("utf-8").rpartition("[[account]]")
    routes = after[after.index("\n[route.") :]
    own = (
        f'[[account]]\nname = "second"\nkind = "broker"\ntitle = "示例代理报关有限公司"\nuscc = "{AGENT_USCC}"\ncustoms_code = "{AGENT}"\n'
        '\n[[account.card]]\nname = "agent-customs"\nauthority = "customs"\nrole = "legal"\nkind = "software"\n'
        'key = "cards/agent.key"\ncertificate = "cards/agent.pem"\nbound = "8900000009911"\n' + acts_for(SAMPLE, USCC, TITLE)
    )
    path.write_text(before + own + routes, "utf-8")
    (site.home / "mailboxes" / "second").mkdir(parents=True, exist_ok=True)
    known_at_customs(site, AGENT, AGENT_USCC, acts=(USCC,), card=Path("cards/agent.pem"))
    site.simulate("--fast")
    site.run()
    yield site, agent
    for name in list(site.processes):
        site.stop(name)


def test_the_draft_of_a_merge_is_declared_by_the_agent_in_its_own_mailbox(enterprise: tuple[Site, Site]) -> None:
    site, agent = enterprise
    on = filing_for(site, SAMPLE)
    lists = [cleared(site, on) for _ in range(2)]
    merged(site, "HZ-agent", AgentCode=AGENT)
    assert agent.wait_business(DECLARATION, "demo-HZ-agent-1", "暂存")
    assert site.document(DECLARATION, "demo-HZ-agent-1") is None
    waits = site.command("deadlines").stdout
    assert all(one["numbers"]["unified"] in waits for one in lists), "until the agent declares them they are not forgotten"

    done = declared(agent, "demo-HZ-agent-1")

    head = done["body"]["DecHead"]
    assert (head["AgentCode"], head["TradeCode"], head["TradeName"]) == (AGENT, SAMPLE, TITLE)
    assert {"L", "P", "R"} <= {receipt["code"] for receipt in done["receipts"]}
    told = f"Receipt_{done['numbers']['seq']}"
    assert agent.inbox(told) and not site.inbox(told), "receipts come to the agent"
    assert all(site.wait_business(LIST, one["document"], "已汇总") for one in lists)
    assert not any(one["numbers"]["unified"] in site.command("deadlines").stdout for one in lists)


def test_what_an_agent_declares_that_is_not_here_is_exported_for_it(enterprise: tuple[Site, Site]) -> None:
    site, _ = enterprise
    listed_ = cleared(site, filing_for(site, SAMPLE))
    merged(site, "HZ-stranger", AgentCode=STRANGER)
    site.wait_business(DECLARATION, "HZ-stranger-1", "待代理申报")

    name = site.drop(b.xml(b.query(DECLARATION, "export", filters={"status": "待代理申报"}, format="csv")))

    (row,) = csv.DictReader(StringIO(site.result(name).read_text("utf-8-sig")))
    assert "大连示例国际货运代理有限公司" in row.values() and "待代理申报" in row.values(), row
    whole = site.document(DECLARATION, "HZ-stranger-1") or {}
    assert whole["body"]["DecHead"]["AgentCode"] == STRANGER and whole["body"]["DecLists"]["DecList"], (
        "what it declares is here to be handed on"
    )
    assert site.wait_business(LIST, listed_["document"], "已汇总")
    frame = {"type": DECLARATION, "operation": "declare", "reference": "mine", "document": "HZ-stranger-1"}
    assert site.wait(site.drop(json.dumps(frame), suffix=".json"))["state"] == "refused"


@pytest.mark.parametrize(
    "power",
    [{"until": "2025-12-31"}, {"powers": "LR"}, {"powers": "CD.list"}],
    ids=["ended", "of another kind", "of lists alone"],
)
def test_an_agent_without_a_power_that_holds_gets_no_draft(enterprise: tuple[Site, Site], power: dict[str, str]) -> None:
    site, agent = enterprise
    cleared(site, filing_for(site, SAMPLE))
    path = site.home / "tongguan.toml"
    before = path.read_text("utf-8")
    site.stop()
    path.write_text(before.replace(acts_for(SAMPLE, USCC, TITLE), acts_for(SAMPLE, USCC, TITLE, **power)), "utf-8")
    site.run()
    key = b.fresh("HZ")
    try:
        merged(site, key, AgentCode=AGENT)
        site.wait_business(DECLARATION, f"{key}-1", "待代理申报")
        wait_until(lambda: agent.document(DECLARATION, f"demo-{key}-1") is None, "no draft at the agent's")
    finally:
        site.stop()
        path.write_text(before, "utf-8")
        site.run()
