"""Faults of receipts on demand: what the simulators say on purpose is not believed, or told as it is, and the flow comes to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from receipt_desk import ISSUED, SECOND, alerts
from sites import Site, make_site, wait_until

from tongguan.simulators.messages.odd_receipts import ODD

pytestmark = pytest.mark.requirement("GW-10")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = make_site(tmp_path_factory.mktemp("demand"))
    made.simulate("--fast")
    made.run()
    yield made
    for name in list(made.processes):
        made.stop(name)


def declared(site: Site, *markers: str) -> list[tuple[str, str]]:
    """One application a marker; (file, reference) of each."""
    references = [b.fresh("d") + marker for marker in markers]
    return [(site.drop(b.xml(b.application("declare", reference=r))), r) for r in references]


def kept(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.command("quarantine", "list", "--json", check=True).stdout)
    return found


@pytest.mark.long
def test_a_receipt_that_is_odd_is_kept_aside_and_the_right_one_counts(site: Site) -> None:
    odd = sorted(ODD - {"code", "message"})
    before = len(kept(site))
    for file, reference in declared(site, *(f"!odd={what}" for what in odd)):
        status = site.wait(file)
        assert status["state"] == "accepted", reference
        assert not [r for r in status["receipts"] if r["code"] not in ("0", "10", "20", "30", "40", "50", "52")], reference
    aside = wait_until(lambda: len(found := kept(site)) >= before + len(odd) and found, "each odd one aside")

    assert all(r["state"] == "quarantined" and r["why"] for r in aside)
    wait_until(lambda: alerts(site, "quarantined"), "the alert")


def test_one_that_names_a_message_that_never_was_is_unmatched(site: Site) -> None:
    ((file, _),) = declared(site, "!odd=message")

    assert site.wait(file)["state"] == "accepted"
    wait_until(lambda: [r for r in kept(site) if r["state"] == "unmatched" and "不是我方的" in r["why"]], "it to be listed")


@pytest.mark.long
def test_an_unknown_code_is_handed_on(site: Site) -> None:
    ((file, _),) = declared(site, "!odd=code")
    status = site.wait(file)
    (unknown,) = [r for r in status["receipts"] if r["code"] == "X9"]

    assert status["state"] == "accepted"
    wait_until(lambda: site.inbox(unknown["file"]), "its file")
    wait_until(lambda: alerts(site, "unknown-code"), "the alert")


def test_an_answer_that_is_odd_is_no_answer(site: Site) -> None:
    odd = ["kind", "account", "authority", "type", "message", "code", "year1"]
    before = len(kept(site))
    for file, reference in declared(site, *(f"!odd-answer={what}" for what in odd)):
        assert site.wait(file)["state"] == "accepted", reference
        wait_until(
            lambda file=file: site.inbox(f"Successed_{file.removesuffix('.xml')}_"), f"the technical response of {reference}"
        )
        shown = wait_until(lambda file=file: [r for r in site.status(file)["receipts"] if r["code"] == "0"], "the right one")
        assert len(shown) == 1, reference
    wait_until(lambda: len(kept(site)) >= before + len(odd), "each odd answer aside")


def test_what_customs_says_of_an_application_is_not_its_to_say(site: Site) -> None:
    ((file, _),) = declared(site, "!usurp=60")
    status = site.wait(file)
    wait_until(lambda: [r for r in kept(site) if "不能由 customs" in r["why"]], "it to be kept aside")

    assert site.wait_business(b.APPLICATION, status["document"], ISSUED)
    document = site.document(b.APPLICATION, status["document"])
    assert document is not None and "60" not in [r["code"] for r in document["receipts"]]


@pytest.mark.long
@pytest.mark.parametrize(("marker", "state"), [("!refuse!contradict=30", "rejected"), ("!stay=30!contradict=22", "accepted")])
def test_verdicts_that_contradict_are_marked(site: Site, marker: str, state: str) -> None:
    ((file, _),) = declared(site, marker)
    status = wait_until(lambda: (s := site.status(file)) and s.get("contradicted") and s, "the mark")

    assert status["state"] == state
    document = site.wait_business(b.APPLICATION, status["document"], SECOND)
    assert [m["message_id"] for m in document["contradicted"]] == [status["message_id"]]
    wait_until(lambda: any(a["about"] == status["message_id"] for a in alerts(site, "contradicted")), "the alert")


def test_a_dropped_answer_and_a_quick_verdict_still_give_the_technical_response(site: Site) -> None:
    for file, reference in declared(site, *["!drop-answer=2"] * 5):
        assert site.wait(file)["state"] == "accepted", reference
        wait_until(lambda file=file: site.inbox(f"Successed_{file.removesuffix('.xml')}_"), f"the response of {reference}")
