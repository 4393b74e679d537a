"""Customs tells a write-off to the authority that issued the licence, and the enterprise gets its receipt."""

import shutil
import urllib.request

import pytest
from customs_desk import TYPE, Desk, content, declaration, line
from lxml import etree
from patience import STILL, here

from tongguan.simulators.script.profile_folders import installed_profiles
from tongguan.simulators.settings import load_settings

USED = """
[[code]]
code = "55"
text = "报关单核注"
moves = false
group = "customs"
"""


@pytest.fixture
def running(own_home, tmp_path_factory):
    """Simulators whose script gives a receipt for a write-off: (home, start again, mofcom's client, customs' desk)."""
    home, begin, stop = own_home
    root = tmp_path_factory.mktemp("profiles")
    folder = root / "mofcom" / TYPE
    folder.mkdir(parents=True)
    shutil.copytree(installed_profiles() / "tables", root / "tables")
    script = (installed_profiles() / "mofcom" / TYPE / "replies.toml").read_text(encoding="utf-8")
    (folder / "replies.toml").write_text(script.replace("[licence]", '[licence]\nused_code = "55"') + USED, encoding="utf-8")

    def start():
        return begin("--profiles", str(root))

    yield home, start, stop


def desk_of(simulators):
    return Desk(f"http://127.0.0.1:{simulators.ports['customs']}", load_settings(simulators.home).admin_token)


def licence_of(client, fresh, number):
    client.send(TYPE, "declare", content(fresh.application(), batch="0"), reference=fresh.reference())
    return next(found for one in client.until("52") if (found := number(one, "licence")))


def outage(simulators, authority, lasts):
    rule = f'[[outage]]\nauthority = "{authority}"\nafter = "0s"\nlasts = "{lasts}"'.encode()
    headers = {"Authorization": f"Bearer {load_settings(simulators.home).admin_token}"}
    address = f"http://127.0.0.1:{simulators.ports[authority]}/v1/admin/faults"
    urllib.request.urlopen(urllib.request.Request(address, rule, headers, method="PUT"), timeout=here(STILL)).close()


@pytest.mark.requirement("LR-03")
def test_a_write_off_is_pushed_to_the_enterprise_once(running, fresh, codes, number):
    _, start, _ = running
    simulators = start()
    client, desk = simulators.client("mofcom"), desk_of(simulators)
    licence = licence_of(client, fresh, number)
    wanted = [declaration(line(licence, "10"), trader=client.account) for _ in range(2)]
    for one in wanted:
        desk.declare(one)
        for _ in range(3):
            desk.happen(one["entry"], "release")

    receipts = [client.read(body) for body in client.until_count(2)]
    later = client.poll(wait=1)

    assert (codes(receipts), later) == (["55", "55"], [])
    assert {(one.get("text"), one.get("message"), one.get("type")) for one in receipts} == {("报关单核注", None, TYPE)}
    status = client.ask(TYPE, "customs", f"<licence>{licence}</licence>")
    assert "报关单核注" in etree.tostring(status, encoding="unicode")
    assert client.ask(TYPE, "status", number=receipts[0].get("number")).find(".//{*}Status").get("code") == "40"


def test_a_write_off_is_told_again_until_the_issuing_authority_has_it(running, fresh, codes, number):
    _, start, stop = running
    simulators = start()
    client, desk = simulators.client("mofcom"), desk_of(simulators)
    licence = licence_of(client, fresh, number)
    wanted = declaration(line(licence, "10"), trader=client.account)
    desk.declare(wanted)
    outage(simulators, "mofcom", "600s")
    desk.happen(wanted["entry"], "release")
    down = client.post_get("anything").status

    stop(simulators.process)
    again = start()
    client.base = again.client("mofcom").base

    assert (down, codes(client.until("55"))) == (503, ["55"])
    assert desk_of(again).state(wanted["entry"]) == "released"


def test_the_ledger_is_whole_after_a_restart(running, fresh, number):
    _, start, stop = running
    simulators = start()
    client = simulators.client("mofcom")
    licence = licence_of(client, fresh, number)
    wanted = declaration(line(licence, "90"), trader=client.account)
    desk_of(simulators).declare(wanted)

    stop(simulators.process)
    desk = desk_of(start())

    assert desk.state(wanted["entry"]) == "reserved"
    assert desk.faults(declaration(line(licence, "20"), trader=client.account)) == ["LIC-19"]
    assert desk.declare(wanted)[0] == 200


@pytest.mark.parametrize("path", ["/v1/licences/uses", "/v1/licences"])
@pytest.mark.parametrize(
    "body", [b"no xml", b'<Use xmlns="urn:tongguan:licence-use:1" authority="customs" licence="26AA000001"/>']
)
def test_what_no_authority_has_signed_is_not_believed(simulators, tools, path, body):
    client = simulators.client("mofcom")

    reply = tools.call("POST", client.base + path, body)

    assert (reply.status, client.read(reply.body).get("code")) == (400, "1")


def test_an_authority_is_believed_for_itself_only(simulators, tools):
    client = simulators.client("customs")
    forged = client.signed('<Use xmlns="urn:tongguan:licence-use:1" authority="customs" id="x" licence="26AA000001"/>')

    reply = tools.call("POST", simulators.client("mofcom").base + "/v1/licences/uses", forged)

    assert reply.status == 400
