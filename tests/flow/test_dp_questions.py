"""Questions about declarations: signed by the legal-person card, asked again with a new time, never without the card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import bodies as b
import declared_papers as dp
import pytest
from declared_papers import CLEARED, EXPORTED, PRINT
from endpoint import RECEIPT, Call
from journals import comes, document, submission, written
from lxml import etree
from sites import Site
from workshop import Workshop, open_workshop

from tongguan.gateway.flow.query.authority import question
from tongguan.gateway.flow.query.filters import MOST_SIZE
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Number, Outcome
from tongguan.gateway.system import clock
from tongguan.gateway.system.times import from_ms
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

pytestmark = pytest.mark.requirement("DP-01", "DP-02")


def test_cleared_declarations_that_are_still_kept_are_told(site: Site) -> None:
    root = b.query(PRINT, "declarations", size="1000", sort="entry")
    head, rows = b.result(site, root)
    found = {row["entry"]: row for row in rows}

    assert len(found) == len(rows) == 1000
    assert int(head["total"]) >= 1018  # more, where tests before this one had declarations cleared
    assert head["source"] == "authority"
    assert found[EXPORTED[0]] | {"declared": "", "cleared": ""} == {
        "document": "-",
        "entry": EXPORTED[0],
        "direction": "E",
        "customs": "0908",
        "declared": "",
        "cleared": "",
        "lines": "8",
    }
    assert CLEARED[0] in found
    assert not {dp.RELEASED, dp.LONG_AGO, dp.OTHERS} & set(found)


# What others have is nobody else's


def logged(n: int, account: str = "demo") -> Outcome:
    """A request of an account, of which a paper was exported."""
    number, facts = f"DY2026{n:012d}", {"entries": CLEARED[0]}
    content: dict[str, Any] = {"EntryIds": CLEARED[0], "Entry": [{"EntryId": CLEARED[0], "State": "1"}], "Until": "2099-01-01"}
    about = {"account": account, "type": PRINT, "key": f"r-{n}", "status": "done", "numbers": {"request": number}}
    request = document(f"d-{n}", content=content, facts=facts, **about)
    given = {"account": account, "type": PRINT, "operation": "export", "state": State.ACCEPTED, "document_id": request.id}
    export = submission(f"m-{n}", **given, lane=None, due_at=None, waits=False, extra={"picked": [CLEARED[0]]})
    told = Number(PRINT, "request", number, request.id, account)
    return comes(export, documents=(request,), numbers=(told,))


@pytest.mark.requirement("DP-06")
def test_the_log_is_whole_and_the_accounts_own(customs: Workshop) -> None:
    many = MOST_SIZE + 1
    written(customs.daemon.journal, *map(logged, range(many)), logged(many, "other"))
    root = b.query(PRINT, "log", filters={"entries": CLEARED[0]}, format="json")
    status = customs.play(customs.site.drop(b.xml(root)), "accepted")
    customs.turns(lambda: customs.site.inbox(f"Result_{status['file'].removesuffix('.xml')}_"))

    assert json.loads(customs.site.result(status["file"]).read_bytes())["total"] == many
    for code, words in (("GW-F03", {"number": f"DY2026{many:012d}"}), ("GW-F04", {"document": f"r-{many}"})):
        root = b.message(PRINT, "export", **words)
        assert customs.play(customs.site.drop(b.xml(root)), "refused")["faults"][0]["code"] == code
    root = b.query(PRINT, "log", document=f"r-{many}")
    assert customs.play(customs.site.drop(b.xml(root)), "refused")["state"] == "refused"
    assert put(customs) == []


@pytest.mark.requirement("DP-05")
@pytest.mark.parametrize(
    "files",
    [["index.csv"], ["a.pdf", "A.pdf"], ["../a.pdf"], ["a"], [], ["a.pdf", "b.pdf:090820261000002002"]],
    ids=["the index's", "twice", "a path", "no extension", "none", "of another declaration"],
)
def test_an_answer_whose_files_are_not_what_was_asked_for_waits_for_a_person(
    customs: Workshop, monkeypatch: pytest.MonkeyPatch, files: list[str]
) -> None:
    written(customs.daemon.journal, logged(1))

    def answer(call: Call) -> tuple[int, bytes, dict[str, str]]:
        root, content = (
            customs.customs.unsigned(code="Q0", message=call.message_id, type=PRINT),
            etree.Element(f"{{{RECEIPT}}}Content"),
        )
        for name, _, of in (each.partition(":") for each in files):
            etree.SubElement(content, f"{{{RECEIPT}}}File", name=name, of=of or CLEARED[0]).text = "JVBERi0="
        root.append(content)
        return 202, customs.customs.sealer.seal(root), {}

    monkeypatch.setattr(customs.customs, "answer", answer)
    name = customs.site.drop(b.xml(b.message(PRINT, "export", document="r-1")))

    assert customs.play(name, "held")["state"] == "held"
    assert not customs.site.inbox(f"Result_{name.removesuffix('.xml')}_")


# The card


CARD = "demo-customs"
SAYS = "必须使用报关单证中收发货人的法人卡"


@pytest.fixture
def customs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway with the installed types whose customs answers every question with no rows."""
    shop = open_workshop(tmp_path, monkeypatch)

    def answer(call: Call) -> tuple[int, bytes, dict[str, str]] | None:
        root = shop.customs.unsigned(code="Q0", message=call.message_id, type=PRINT)
        root.append(etree.fromstring(f'<Content xmlns="{RECEIPT}"><Rows total="0" page="1" size="50"/></Content>'))
        planned = shop.customs.says.get("question") or []
        return planned.pop(0) if planned else (202, shop.customs.sealer.seal(root), {})  # type: ignore[return-value]

    monkeypatch.setattr(shop.customs, "answer", answer)
    yield shop
    shop.end()


def ask(kind: str = "declarations", **filters: str) -> bytes:
    return b.xml(b.query(PRINT, kind, filters=filters))


def put(shop: Workshop) -> list[bytes]:
    """Every question as customs got it."""
    return [call.body for call in shop.customs.calls if call.what == "query"]


def sent_at(body: bytes) -> datetime:
    found = re.search(rb"<send_time>([^<]+)", body)
    assert found is not None
    return datetime.fromisoformat(found[1].decode())


def away(shop: Workshop) -> None:
    key = shop.home / "cards" / f"{CARD}.key"
    key.rename(key.with_suffix(".away"))


def back(shop: Workshop) -> None:
    key = shop.home / "cards" / f"{CARD}.key"
    key.with_suffix(".away").rename(key)


def test_a_question_is_signed_by_the_card(customs: Workshop) -> None:
    assert customs.play(customs.site.drop(ask()), "accepted")["state"] == "accepted"
    (body,) = put(customs)

    assert b"<ds:SignatureValue>" in body
    assert re.search(rb"<ic_card>8[0-9]{12}</ic_card>", body)


@pytest.mark.parametrize("kind", ["declarations", "list"])
def test_a_question_waits_for_its_card_and_is_then_put_with_the_time_of_then(customs: Workshop, kind: str) -> None:
    away(customs)
    name = customs.site.drop(ask(kind))
    customs.turns(lambda: (s := customs.site.status(name)) and s["waiting_for"] == "card")
    assert put(customs) == []
    before = from_ms(clock.now_ms())
    back(customs)

    assert customs.play(name, "accepted")["state"] == "accepted"
    assert all(sent_at(body) >= before for body in put(customs))
    assert len(put(customs)) == (1 if kind == "declarations" else 0)


def test_a_question_that_found_nobody_is_signed_anew_before_it_is_put_again(
    customs: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "FRESH", 500)
    customs.customs.says["question"] = [(503, b"busy", {"Retry-After": "2"})]  # type: ignore[list-item]
    customs.play(customs.site.drop(ask()), "accepted")
    first, second = put(customs)

    assert (sent_at(second) - sent_at(first)).total_seconds() >= 2
    assert re.findall(rb"<message_id>([^<]+)", first) != re.findall(rb"<message_id>([^<]+)", second)


def test_a_question_whose_card_went_away_after_it_was_signed_waits_for_it(
    customs: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "FRESH", 500)
    customs.customs.says["question"] = [(503, b"busy", {"Retry-After": "1"})]  # type: ignore[list-item]
    name = customs.site.drop(ask())
    customs.turns(lambda: put(customs))
    away(customs)
    customs.turns(lambda: (customs.site.status(name) or {}).get("waiting_for") == "card")
    assert len(put(customs)) == 1
    before = from_ms(clock.now_ms())
    back(customs)

    customs.play(name, "accepted")
    assert sent_at(put(customs)[-1]) >= before


@pytest.mark.parametrize("message", ["declarations", "list", "log", "receipts", "request"])
def test_an_operators_card_is_told_in_the_manuals_words(customs: Workshop, message: str) -> None:
    customs.stop()
    change_settings(customs.home, "account.card", "role", "operator", named=CARD)
    sent = b.xml(dp.request(PRINT, CLEARED[:1])) if message == "request" else ask(message)
    status = customs.play(customs.site.drop(sent), "refused")

    assert [fault["message"].partition("；")[0] for fault in status["faults"]] == [SAYS]
    assert put(customs) == []


@pytest.mark.parametrize("message", ["declarations", "list", "log", "receipts", "request"])
def test_another_enterprises_card_is_told_in_the_manuals_words(customs: Workshop, message: str) -> None:
    customs.stop()
    made = make_software_card(
        make_authority("发卡", Validity(clock.now() - timedelta(days=1), 10)),
        Holder("别的公司", "8900000000991", ("91310000MA1OTHER13", "3100MA1OTHER1")),
        validity=Validity(clock.now() - timedelta(days=1), 10),
    )
    (customs.home / "cards" / f"{CARD}.key").write_bytes(made.key)
    (customs.home / "cards" / f"{CARD}.pem").write_bytes(made.certificates)
    change_settings(customs.home, "account.card", "bound", "8900000000991", named=CARD)
    change_settings(customs.home, "account.card", "fingerprint", "", named=CARD)
    sent = b.xml(dp.request(PRINT, CLEARED[:1])) if message == "request" else ask(message)
    status = customs.play(customs.site.drop(sent), "refused")

    assert [fault["message"].partition("；")[0] for fault in status["faults"]] == [SAYS]
    assert put(customs) == []


@pytest.mark.parametrize("kind", ["declarations", "list", "log", "receipts"])
def test_the_card_in_the_reader_is_not_the_bound_one(customs: Workshop, kind: str) -> None:
    other = (customs.home / "cards" / "demo-mofcom.pem").read_bytes()
    (customs.home / "cards" / f"{CARD}.pem").write_bytes(other)
    status = customs.play(customs.site.drop(ask(kind)), "refused")

    said = status["faults"][0]["message"]
    assert re.fullmatch(r"当前卡号 [0-9]+ 与用户注册信息卡号 [0-9]+ 不一致，无法进行申报", said), said
