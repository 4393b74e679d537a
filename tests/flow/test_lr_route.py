"""A licence system goes over its ministry's own route where the site has one, else over that of all ministries."""

from __future__ import annotations

from collections.abc import Iterator

import bodies as b
import pytest
from endpoint import Endpoint, add_settings, site_with_endpoints
from sites import Site

from tongguan.gateway.home.home import USCC
from tongguan.simulators.messages.signing import load_sealer

_ROUTE = """
[route.{name}]
environment = "test"
url = "http://127.0.0.1:{port}"
certificates = ["trust/ministries.pem"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Endpoint]]:
    """A running home whose only ministry is the one of drugs, with an endpoint of its own."""
    site, mofcom, customs = site_with_endpoints(tmp_path_factory.mktemp("ministry"))
    keys = site.home / "simulators"
    sealer = load_sealer(keys / "ministries.key", keys / "ministries.pem")
    ministry = Endpoint("nmpa", sealer, load_sealer(keys / "customs.key", keys / "customs.pem"), account=USCC)
    ministry.up()
    add_settings(site.home, _ROUTE.format(name="nmpa", port=ministry.port))
    site.run()
    yield site, ministry
    site.stop()
    for each in (mofcom, customs, ministry):
        each.down()


@pytest.mark.requirement("LR-02")
def test_it_is_written_to_under_its_own_name_and_its_receipts_are_believed(made: tuple[Site, Endpoint]) -> None:
    site, ministry = made
    reference = b.fresh("own")
    name = site.drop(b.xml(b.message("LR.09", "declare", like="ok-declare.xml", reference=reference)))
    status = site.wait(name, "sent")
    sent = ministry.posts(reference)[0].body.decode()
    assert "<receiver_id>nmpa</receiver_id>" in sent
    assert f"<sender_id>{USCC}</sender_id>" in sent

    number = status["numbers"]["application"]
    ministry.issue(ministry.receipt(code="40", type="LR.09", number=number, numbers={"licence": "2026YPTG000007"}))

    document = site.wait_business("LR.09", status["document"], "已签发")
    assert document["numbers"]["licence"] == "2026YPTG000007"


@pytest.mark.requirement("LR-02")
def test_a_receipt_of_another_name_is_not_believed(made: tuple[Site, Endpoint]) -> None:
    site, ministry = made
    status = b.done(site, b.message("LR.10", "declare", like="ok-declare.xml"), "sent")
    number = status["numbers"]["application"]
    stranger = ministry.receipt(code="40", type="LR.10", number=number, authority="ministries")
    ministry.issue(stranger, ministry.receipt(code="10", type="LR.10", number=number))

    assert site.wait_business("LR.10", status["document"], "待受理", "已签发")["business_status"]["text"] == "待受理"


@pytest.mark.requirement("LR-02")
def test_a_type_whose_route_the_site_does_not_have_is_refused_at_once(made: tuple[Site, Endpoint]) -> None:
    site, _ = made
    declared = b.refused(site, b.message("LR.21", "declare", like="ok-declare.xml"))
    saved = b.done(site, b.message("LR.21", "save", like="ok-declare.xml"))

    assert "ministries" in b.faults(declared)["GW-F32 @operation"]
    assert saved["business_status"]["text"] == "暂存", "what needs no route is done"
