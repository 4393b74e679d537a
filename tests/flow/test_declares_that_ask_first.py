"""A declare without a check puts the question by itself, so that edition and registration are known, sent and printed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from endpoint import Endpoint, running_with_endpoints
from lxml import etree
from sites import Site, wait_until

OTHERS = itertools.cycle(["2303300019", "2503000000", "4707100000"])
PAPER = "2402200000"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Endpoint]]:
    """A running home whose MOFCOM is the test's own."""
    with running_with_endpoints(tmp_path_factory.mktemp("asks")) as (site, authority, _):
        yield site, authority


def application(operation: str, code: str, **more: Any) -> etree._Element:
    return b.application(operation, goods_=[b.goods(code)], **more)


def _line(root: etree._Element) -> int:
    """Where the message names its files."""
    written = etree.fromstring(b.xml(root))
    return int(written.find("{*}Attachments").sourceline)  # type: ignore[union-attr,arg-type]


def asked(authority: Endpoint, reference: str) -> int:
    return len([call for call in authority.calls if call.what == "query" and call.reference == reference])


def sent(place: tuple[Site, Endpoint], root: etree._Element) -> tuple[dict[str, Any], int]:
    """The body of the document of a declare that has gone to MOFCOM, and how often was asked for it."""
    site, authority = place
    reference = root.get("reference") or ""
    status = b.done(site, root, "sent")
    (post,) = authority.posts(reference)
    body: dict[str, Any] = b.document(site, status)["body"]
    assert f"<LicenceForm>{body['LicenceForm']}</LicenceForm>".encode() in post.body
    return body, asked(authority, reference)


@pytest.mark.requirement("NA-01")
@pytest.mark.requirement("NA-21")
def test_a_declare_without_a_check_asks_and_sends_what_was_answered(place: tuple[Site, Endpoint]) -> None:
    body, times = sent(place, application("declare", next(OTHERS), CustomsPort2="0901"))

    assert (body["LicenceForm"], body["Enterprise"]["RegistrationStatus"], times) == ("electronic", "1", 1)


@pytest.mark.requirement("NA-01")
def test_the_same_is_asked_once_a_day_and_something_else_is_asked_anew(place: tuple[Site, Endpoint]) -> None:
    code = next(OTHERS)
    first, again = (sent(place, application("declare", code, CustomsPort2="0902")) for _ in range(2))
    _, other = sent(place, application("declare", code, CustomsPort2="0903"))

    assert first[0]["LicenceForm"] == again[0]["LicenceForm"]
    assert (first[1], again[1], other) == (1, 0, 1)


@pytest.mark.requirement("NA-01")
def test_of_many_that_come_at_once_and_ask_the_same_one_asks_for_all(place: tuple[Site, Endpoint]) -> None:
    site, authority = place
    alike = [application("declare", code := next(OTHERS), CustomsPort2="0911")]
    alike += [application("declare", code, CustomsPort2="0911") for _ in range(19)]
    site.wait(site.drop(b.batch([*alike, other := application("declare", code, CustomsPort2="0912")])), "sent")

    references = [root.get("reference") or "" for root in alike]
    assert sum(asked(authority, reference) for reference in references) == 1
    assert asked(authority, other.get("reference") or "") == 1
    for reference in references:
        assert b"<LicenceForm>electronic</LicenceForm>" in authority.posts(reference)[0].body


@pytest.mark.requirement("NA-01")
def test_where_the_one_that_asks_is_refused_the_others_ask_for_themselves(site: Site) -> None:
    alike = [
        application("declare", "2503000000", CustomsPort2="0913", reference=b.fresh("asks") + mark)
        for mark in ("!refuse-query", "", "")
    ]
    site.wait(site.drop(b.batch(alike)))

    told = [site.document(b.APPLICATION, root.get("reference") or "") for root in alike]
    assert ["LicenceForm" in (document or {})["body"] for document in told] == [False, True, True]


@pytest.mark.requirement("NA-01")
def test_what_a_check_was_told_holds_until_what_it_asked_for_changes(place: tuple[Site, Endpoint]) -> None:
    site, authority = place
    code = next(OTHERS)
    checked = b.done(site, application("check", code, CustomsPort2="0904"))
    b.done(site, application("save", code, document=checked["document"], CustomsPort2="0904", Remark="x"))
    _, same = sent(place, application("declare", code, document=checked["document"], CustomsPort2="0904"))

    draft = b.done(site, application("check", code, CustomsPort2="0930"))
    changed = b.done(site, application("save", code, document=draft["document"], CustomsPort2="0906"))
    assert "LicenceForm" not in b.document(site, changed)["body"], "the answer was to another question"
    _, anew = sent(place, b.message(b.APPLICATION, "declare", document=draft["document"]))

    assert (same, anew) == (0, 1)
    assert authority.prechecked["LicenceForm"] == "electronic"


@pytest.mark.requirement("NA-10")
def test_files_of_a_declare_are_refused_once_the_answer_says_paper(site: Site) -> None:
    root = b.with_files(application("declare", PAPER), ("合同.pdf", ""))
    status = b.refused(site, root, files={"合同.pdf": b.pdf()})

    (fault,) = status["faults"]
    assert fault["code"] == "GW-E11"
    assert (fault["path"], fault["line"]) == ("/NA.application/Attachments", _line(root))
    assert site.document(b.APPLICATION, status["document"] or "") is None, "nothing was declared"


@pytest.mark.requirement("NA-10")
def test_files_go_with_a_declare_that_was_told_of_the_electronic_edition(site: Site) -> None:
    root = b.with_files(application("declare", "2503000000"), ("合同.pdf", ""))
    status = b.done(site, root, files={"合同.pdf": b.pdf()})

    assert [one["name"] for one in b.document(site, status)["attachments"]] == ["合同.pdf"]


def says_so(site: Site, status: dict[str, Any]) -> bool:
    """Does the timeline say that a message went on without an answer?"""
    moves = json.loads(site.command("timeline", status["message_id"], "--json", check=True).stdout)
    return [move["why"] for move in moves if move["state"] == "checked"][-1] == "没有得到所问的答复，照样往下办"


@pytest.mark.requirement("NA-01")
def test_a_declare_whose_question_is_refused_goes_on_without_an_answer(site: Site) -> None:
    root = application("declare", "4707100000", CustomsPort2="0940", reference=b.fresh("asks") + "!refuse-query")
    status = b.done(site, root)

    assert "LicenceForm" not in b.document(site, status)["body"]
    assert says_so(site, status)


@pytest.mark.requirement("NA-01")
@pytest.mark.parametrize("killed", [False, True])
def test_a_declare_goes_on_without_an_answer_while_nobody_can_be_asked(place: tuple[Site, Endpoint], killed: bool) -> None:
    site, authority = place
    authority.down()
    root = application("declare", next(OTHERS), CustomsPort2="0960" if killed else "0909")
    name = site.drop(b.xml(root))
    if killed:
        wait_until(lambda: site.status(name), "the declare to be taken")
        site.stop(kill=True)
        site.run()
    site.wait(name, "sealed")
    authority.up()

    status = site.wait(name, "sent")
    assert "LicenceForm" not in b.document(site, status)["body"]
    assert says_so(site, status)
    assert len({call.message_id for call in authority.posts(root.get("reference") or "")}) == 1
