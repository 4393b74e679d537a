"""The authorities as played: refusals, returns, second rounds, failures at customs, and every fault on demand."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import bodies as b
import pytest
from lxml import etree
from patience import STILL, here
from sites import Site, wait_until

from tongguan.gateway.system import clock
from tongguan.signer.verify import TrustedCertificate, verify

pytestmark = pytest.mark.requirement("GW-10")
ISSUED = "已打印或生成电子许可证"


def url(site: Site, authority: str = "mofcom") -> str:
    ports = json.loads((site.home / "simulators" / "ports.json").read_bytes())
    return f"http://127.0.0.1:{ports[authority]}"


def call(address: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=here(STILL)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def believed(site: Site, raw: bytes, authority: str = "mofcom") -> etree._Element:
    from cryptography import x509

    pem = (site.home / "trust" / f"{authority}.pem").read_bytes()
    trusted = [TrustedCertificate(c) for c in x509.load_pem_x509_certificates(pem)]
    return verify(raw, trusted, clock.now()).root


def declare(site: Site, marker: str, *states: str, **more: Any) -> dict[str, Any]:
    return b.done(site, b.application("declare", reference=b.fresh("s") + marker, **more), *states)


@pytest.mark.parametrize(
    "marker",
    [
        "!503=2",
        "!429=2",
        "!lose=2",
        "!drop-answer",
        "!drop-answer=2",
        "!slow=1s",
        "!wrong-signature=technical",
        "!corrupt=technical",
        "!wrong-signature",
        "!corrupt",
        "!duplicate",
        "!reorder",
        "!nameless",
        "!lose!drop-answer!duplicate!reorder",
        "!pace=300ms",
    ],
)
def test_whatever_goes_wrong_on_the_way_the_end_is_the_same(site: Site, marker: str) -> None:
    status = declare(site, marker)
    document = site.wait_business(b.APPLICATION, status["document"], ISSUED)

    def codes() -> list[str]:
        found = site.document(b.APPLICATION, status["document"])
        return [r["code"] for r in (found or {}).get("receipts", []) if r["code"] != "0"]

    # What is electronic goes on to customs: 50, 52.
    wait_until(lambda: codes() == ["10", "20", "30", "40", "50", "52"], f"each receipt once, in order: {codes()}")
    assert document["round"] == 1
    assert document["numbers"]["licence"]


@pytest.mark.parametrize(("marker", "text"), [("!return", "退回修改"), ("!store-fail", "入库失败")])
def test_a_return_is_mended_and_declared_again_in_a_second_round(site: Site, marker: str, text: str) -> None:
    first = declare(site, marker, "rejected")
    assert first["business_status"]["text"] == text
    assert first["faults"]
    second = declare(site, "", "accepted", document=first["document"], Remark="已更正")

    document = site.wait_business(b.APPLICATION, first["document"], ISSUED)
    assert document["round"] == 2
    assert second["numbers"]["application"] == first["numbers"]["application"]


@pytest.mark.parametrize(("marker", "text"), [("!refuse", "初审不通过"), ("!second-refuse", "复审不通过")])
def test_a_refusal_is_told_with_its_reason(site: Site, marker: str, text: str) -> None:
    status = declare(site, marker, "rejected")

    assert status["business_status"]["text"] == text
    assert status["faults"][0]["message"]


def test_a_technical_refusal_sends_the_document_back_to_draft(site: Site) -> None:
    status = declare(site, "!fault", "rejected")

    assert "SIM-01" in b.codes(status)
    wait_until(
        lambda: (d := site.document(b.APPLICATION, status["document"])) and d["business_status"]["text"] == "暂存", "a draft", 5
    )


def marks(site: Site, key: str) -> dict[str, str]:
    return dict((site.document(b.APPLICATION, key) or {}).get("marks", {}))


def test_a_licence_that_customs_could_not_store_is_sent_again_and_stored(site: Site) -> None:
    status = declare(site, "!customs-fail")
    wait_until(lambda: marks(site, status["document"]).get("customs") == "52", "customs to have stored it")

    document = site.document(b.APPLICATION, status["document"])
    assert document is not None
    codes = [r["code"] for r in document["receipts"]]
    assert codes.index("53") < codes.index("52")
    assert "海关入库失败" in [r["text"] for r in document["receipts"]]


def test_the_simulator_verifies_what_it_is_sent_and_signs_what_it_says(site: Site) -> None:
    unsigned = b'<Package xmlns="urn:tongguan:package:1"><EnvelopInfo/></Package>'
    status, raw = call(f"{url(site)}/v1/messages", unsigned, Message_Id=b.fresh("strange"))
    receipt = believed(site, raw)

    assert 400 <= status < 500
    assert receipt.get("code") == "1"
    assert receipt.find("{*}Faults/{*}Fault") is not None
    assert call(f"{url(site)}/v1/messages/never-seen-1")[0] == 404
    assert call(f"{url(site)}/v1/health")[0] == 200


def test_the_same_message_gets_the_same_receipt_and_another_under_its_id_a_conflict(site: Site) -> None:
    declared = declare(site, "", "accepted", "sent")
    wire_id = f"{declared['message_id']}-1"
    status, first = call(f"{url(site)}/v1/messages/{wire_id}")
    assert status == 200
    assert believed(site, first).get("message") == wire_id
    assert call(f"{url(site)}/v1/messages/{wire_id}")[1] == first
    code, raw = call(f"{url(site)}/v1/messages", b"<other/>", Message_Id=wire_id)

    assert code == 409
    assert believed(site, raw).get("code") == "1"
    assert call(f"{url(site)}/v1/messages/{wire_id}")[1] == first


def test_a_message_signed_by_another_accounts_card_is_refused_by_name(own_site: Site) -> None:
    """The card belongs to another enterprise than the message says: the gateway itself already refuses."""
    settings = own_site.home / "tongguan.toml"
    settings.write_text(settings.read_text().replace('mofcom_code = "2100MA0EXAMPL"', 'mofcom_code = "2100MA0SOMEBO"'))
    own_site.simulate("--fast")
    own_site.run()
    status = b.refused(own_site, b.application("declare"))

    assert "GW-F20" in b.codes(status)


def test_simulators_remember_across_a_restart(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    status = b.done(own_site, b.application("declare", reference=b.fresh("keep") + "!stay=10"), "sent")
    own_site.wait_business(b.APPLICATION, status["document"], "入库成功待初审")
    own_site.stop("run")
    own_site.stop("simulate")
    own_site.simulate("--fast")
    own_site.run()
    withdrawn = b.done(own_site, b.message(b.APPLICATION, "withdraw", document=status["document"]))

    assert withdrawn["receipts"][-1]["text"] == "撤销成功"


def test_faults_by_a_file_and_by_order_hit_whom_they_name(own_site: Site) -> None:
    rules = own_site.home / "rules.toml"
    rules.write_text(f'[[fault]]\nmarker = "fault"\ntype = "{b.APPLICATION}"\nreference = "hit-*"\n')
    own_site.simulate("--fast", "--faults", str(rules))
    own_site.run()
    assert "SIM-01" in b.codes(b.done(own_site, b.application("declare", reference=b.fresh("hit")), "rejected"))
    b.done(own_site, b.application("declare", reference=b.fresh("miss")))
    order = urllib.request.Request(f"{url(own_site)}/v1/admin/faults", data=b"", method="PUT")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(order, timeout=here(STILL))
    assert refused.value.code == 401
    own_site.put_faults("mofcom")

    b.done(own_site, b.application("declare", reference=b.fresh("hit")))


def test_an_outage_on_demand_delays_and_loses_nothing(own_site: Site) -> None:
    rules = own_site.home / "rules.toml"
    rules.write_text('[[outage]]\nauthority = "mofcom"\nafter = "0s"\nlasts = "8h"\n')
    own_site.simulate("--fast", "--faults", str(rules))
    own_site.run()
    names = [own_site.drop(b.xml(b.application("declare"))) for _ in range(5)]
    first = own_site.wait(names[0], "sealed")
    assert first["state"] == "sealed"
    own_site.put_faults("mofcom")

    for name in names:
        assert own_site.wait(name)["state"] == "accepted"
