"""Short messages: an approval result tells the number on the form and whoever subscribed, once, whatever happens in between."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import add_settings
from rounds import turn
from sites import Site, wait_until
from workshop import Workshop, open_workshop

from tongguan.gateway.system.storage import files

PHONE, OTHER = "13800138000", "13900139000"


def lines(home: Path) -> list[dict[str, Any]]:
    path = home / "sms.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def to(home: Path, document: str) -> list[str]:
    return [line["phone"] for line in lines(home) if line["reference"] == document]


def subscribed(*receipts: str, types: str = "NA.*", phone: str = OTHER) -> str:
    told = f"receipts = {json.dumps(receipts)}\n" if receipts else ""
    return f'\n[[account.subscribe]]\ntypes = ["{types}"]\nphone = "{phone}"\n{told}'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    made = open_workshop(tmp_path, monkeypatch)
    yield made
    files.crash_point = lambda place: None
    made.stop()
    made.mofcom.down()
    made.customs.down()


def set_in_account(shop: Workshop, text: str) -> None:
    """Settings of the account stand before the first route."""
    path = shop.home / "tongguan.toml"
    head, route, rest = path.read_text("utf-8").partition("\n[route.")
    path.write_text(head + text + route + rest, "utf-8")


def declared(shop: Workshop, **set_: str) -> str:
    """The reference and key of an application that is on its way."""
    reference = b.fresh("sms")
    content = b.application("declare", reference=reference, **{"NotifyBySms": "1", "NotifyPhone": PHONE, **set_})
    shop.play(shop.site.drop(b.xml(content)), "sent")
    return reference


def told(shop: Workshop, reference: str, *codes: str) -> None:
    """Issue these receipts and play until the last is in the document's file."""
    for code in codes:
        shop.decide(reference, code, b.APPLICATION)
    count = len(codes)

    def there() -> bool:
        found = (shop.site.document(b.APPLICATION, reference) or {}).get("receipts", [])
        return sum(r["code"] in codes for r in found) >= count

    shop.turns(there)
    while turn(shop.daemon):
        pass


@pytest.mark.requirement("NA-20")
def test_an_approval_raises_one_message_to_the_given_number_at_the_authorities_own_pace(site: Site) -> None:
    name = b.fresh("sms")
    site.drop(b.xml(b.application("declare", reference=name, NotifyBySms="1", NotifyPhone=PHONE)))
    site.wait_business(b.APPLICATION, name, "已打印或生成电子许可证")
    wait_until(lambda: to(site.home, name), "the short message")
    (line,) = [line for line in lines(site.home) if line["reference"] == name]

    number = (site.document(b.APPLICATION, name) or {})["numbers"]["application"]
    assert line["phone"] == PHONE
    assert line["text"] == f"【测试】非机电产品自动进口许可证申请 {number}：复审通过"
    assert (site.home / "sms.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.requirement("NA-20")
def test_without_the_flag_nobody_is_told(shop: Workshop) -> None:
    silent = declared(shop, NotifyBySms="0")
    loud = declared(shop)
    told(shop, silent, "30", "40")
    told(shop, loud, "30", "40")

    assert to(shop.home, silent) == []
    assert to(shop.home, loud) == [PHONE]


@pytest.mark.requirement("NA-20")
@pytest.mark.parametrize(("code", "text"), [("21", "退回修改"), ("22", "初审不通过"), ("31", "复审不通过")])
def test_a_refusal_or_return_is_a_result_too(shop: Workshop, code: str, text: str) -> None:
    reference = declared(shop)
    told(shop, reference, "10", code)

    assert [line["text"].rpartition("：")[2] for line in lines(shop.home)] == [text]


def test_a_result_that_is_overtaken_by_the_issue_is_still_told(shop: Workshop) -> None:
    reference = declared(shop)
    told(shop, reference, "40", "30")

    assert to(shop.home, reference) == [PHONE]
    assert shop.business(b.APPLICATION, reference) == "已打印或生成电子许可证"


def test_the_same_receipt_twice_tells_once(shop: Workshop) -> None:
    reference = declared(shop)
    receipt = shop.mofcom.receipt(code="30", type=b.APPLICATION, message=shop.mofcom.wire_id(reference))
    shop.mofcom.issue(receipt, receipt)
    shop.turns(lambda: to(shop.home, reference))
    shop.stop()
    shop.mofcom.issue(receipt)
    for _ in range(5):
        turn(shop.daemon)

    assert to(shop.home, reference) == [PHONE]


@pytest.mark.requirement("ME-12")
def test_a_subscription_tells_its_number_of_all_matching_types_and_only_of_these(shop: Workshop) -> None:
    set_in_account(shop, subscribed() + subscribed("40", phone="13700137000") + subscribed(types="EW.*", phone="13600136000"))
    reference = declared(shop, NotifyBySms="0")
    told(shop, reference, "30", "40")

    assert to(shop.home, reference) == [OTHER, "13700137000"]


@pytest.mark.requirement("ME-12")
def test_who_stands_on_the_form_and_subscribed_too_is_told_once(shop: Workshop) -> None:
    set_in_account(shop, subscribed(phone=PHONE))
    reference = declared(shop)
    told(shop, reference, "30")

    assert to(shop.home, reference) == [PHONE]


class Crash(BaseException):
    pass


def test_a_crash_at_any_commit_or_writing_leaves_exactly_one_message(
    tmp_path: Path, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, crashed = 0, True
    while crashed:
        n, crashed, passed = n + 1, False, 0
        files.crash_point = lambda place: None
        reference = declared(shop)
        shop.decide(reference, "30", b.APPLICATION)

        def crash(place: str, at: int = n) -> None:
            nonlocal passed
            passed += place in ("commit", "committed", "notified")
            if passed == at:
                raise Crash

        files.crash_point = crash
        try:
            for _ in range(6):
                turn(shop.daemon)
        except Crash:
            crashed = True
            files.crash_point = lambda place: None
            gone = shop.daemons.pop()
            gone.wire.stop()
            gone.journal.dispose()
            os.close(gone.home_lock)
        files.crash_point = lambda place: None
        shop.turns(lambda ref=reference: to(shop.home, ref))
        for _ in range(3):
            turn(shop.daemon)

        assert to(shop.home, reference) == [PHONE], f"after a crash at place {n}"
    assert n > 5


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {name: self.headers[name] for name in ("Idempotency-Key", "Authorization", "Content-Type")}
        self.server.got.append((letter, said))  # type: ignore[attr-defined]
        answers = self.server.answers  # type: ignore[attr-defined]
        self.send_response(answers.pop(0) if answers else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    server.got, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def with_provider(shop: Workshop, provider: Any, more: str = "") -> None:
    (shop.home / "secrets" / "sms.token").write_text("token-of-the-provider\n")
    url = f"http://127.0.0.1:{provider.server_address[1]}/send"
    add_settings(shop.home, f'\n[sms]\nkind = "http"\nurl = "{url}"\ntoken = "file:secrets/sms.token"\nsender = "通关"\n{more}')


def test_a_provider_is_asked_again_with_the_same_key_until_it_takes_the_message(shop: Workshop, provider: Any) -> None:
    with_provider(shop, provider)
    provider.answers += [503, 429]
    reference = declared(shop)
    told(shop, reference, "30")
    shop.turns(lambda: len(provider.got) == 3)
    for _ in range(5):
        turn(shop.daemon)
    letters = [letter for letter, _ in provider.got]

    assert letters == [letters[0]] * 3
    assert {said["Idempotency-Key"] for _, said in provider.got} == {letters[0]["id"]}
    assert provider.got[0][1]["Authorization"] == "Bearer token-of-the-provider"
    assert (letters[0]["phone"], letters[0]["sender"], letters[0]["account"]) == (PHONE, "通关", "demo")
    assert lines(shop.home) == []


def test_what_cannot_be_told_in_its_time_is_an_alert_and_shows_no_whole_number(
    shop: Workshop, provider: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with_provider(shop, provider, 'give_up = "150ms"\n')
    provider.answers += [500] * 100
    reference = declared(shop)
    shop.decide(reference, "30", b.APPLICATION)
    alerts = shop.home / "alerts.jsonl"
    shop.turns(lambda: alerts.exists() and '"sms"' in alerts.read_text("utf-8"))
    tries = len(provider.got)
    for _ in range(5):
        turn(shop.daemon)

    assert len(provider.got) == tries
    assert "138****8000" in alerts.read_text("utf-8")
    logged = capfd.readouterr()
    assert PHONE not in alerts.read_text("utf-8") + logged.out + logged.err
