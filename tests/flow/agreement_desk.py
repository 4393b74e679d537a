"""A gateway with the made-up types of `agreements`, and an authority in the test's hands that agrees or does not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from agreements import write_agreements
from endpoint import RECEIPT, Call, Endpoint
from lxml import etree
from pypdf import PdfReader
from sites import FINAL
from workshop import Workshop, open_workshop

from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock
from tongguan.gateway.system.times import china_date

FILING, CHANGE = "XX.filing", "XX.change"
GOODS = "<Goods><Name>甲</Name><Quantity>7</Quantity></Goods><Goods><Name>乙</Name><Quantity>3.5</Quantity></Goods>"
UNTIL = "2098-05-31"
_fresh = itertools.count(1)


def filing(amount: str = "100", *, code: str, goods: str = GOODS, more: str = "") -> str:
    """The body of a filing."""
    return f"<Code>{code}</Code><Nature>一般</Nature><Amount>{amount}</Amount>{more}{goods}"


@dataclass(frozen=True)
class Office:
    """What the test does as the enterprise, and as the authority."""

    shop: Workshop
    authority: Endpoint

    def fresh(self) -> int:
        return next(_fresh)

    def drop(self, type_: str, operation: str, key: str = "", body: str = "", **head: str) -> str:
        """Drop a message about a document; its file's name."""
        named = {"operation": operation, "reference": f"m{next(_fresh)}", "document": key, **head}
        attributes = "".join(f' {name}="{value}"' for name, value in named.items() if value)
        return self.shop.site.drop(f'<{type_} xmlns="urn:tongguan:{type_}:1"{attributes}>{body}</{type_}>')

    def send(self, type_: str, operation: str, key: str = "", body: str = "", **head: str) -> dict[str, Any]:
        """Drop a message and play until it is with the authority, or has ended."""
        return self.shop.play(self.drop(type_, operation, key, body, **head), *FINAL, "sent")

    def receipt(self, type_: str, message: dict[str, Any] | None, code: str, *, content: str = "", **said: str) -> bytes:
        """A receipt that answers a message, or says a number instead."""
        if message is not None:
            said = {"message": self.authority.wire_id(message["reference"]), **said}
        root = self.authority.unsigned(code=code, type=type_, **said)
        if content:
            root.append(etree.fromstring(f'<Content xmlns="{RECEIPT}">{content}</Content>'))
        return self.authority.sealer.seal(root)

    def issue(self, *receipts: bytes) -> None:
        """Let receipts come, and play until all of them are dealt with."""
        before = self.receipts_done()
        self.authority.issue(*receipts)
        self.shop.turns(lambda: self.receipts_done() >= before + len(receipts))

    def receipts_done(self) -> int:
        with self.shop.daemon.journal.search() as records:
            tally = records.tally()
        return sum(n for _, kind, state, n in tally if kind == "receipt" and state not in ("received", "verified"))

    def say(self, type_: str, message: dict[str, Any], code: str, content: str = "", **said: str) -> None:
        self.issue(self.receipt(type_, message, code, content=content, **said))

    def document(self, type_: str, key: str) -> dict[str, Any]:
        self.shop.turns(lambda: True)
        found = self.shop.site.document(type_, key)
        assert found is not None
        return found

    def status(self, message: dict[str, Any]) -> dict[str, Any]:
        self.shop.turns(lambda: True)
        found = self.shop.site.status(message["file"])
        assert found is not None
        return found

    def approved(self, amount: str = "100", **more: str) -> str:
        """The key of a filing that the authority approved."""
        key = f"F-{next(_fresh)}"
        message = self.send(FILING, "declare", key, filing(amount, code=more.pop("code", key), **more))
        assert message["state"] == "sent", message["faults"]
        content = f"<ValidUntil>{UNTIL}</ValidUntil>"
        self.issue(self.receipt(FILING, message, "A1", content=content, numbers={"customs": f"JB{key}"}))  # type: ignore[arg-type]
        assert self.document(FILING, key)["business_status"]["text"] == "审批通过"
        return key

    def amend(self, key: str, amount: str = "250", *, code: str = "", **more: str) -> dict[str, Any]:
        message = self.send(FILING, "amend", key, filing(amount, code=code or key, **more))
        assert message["state"] == "sent", message["faults"]
        return message

    def order(self, word: str, message: dict[str, Any]) -> None:
        """What a person orders of a message."""
        command = {"do": word, "ids": [message["message_id"]]}
        carry_out(self.shop.daemon.site, command, who="test", why="a test wants it")

    def pause(self, *, again: bool = True) -> None:
        """Nothing goes to the authority; or, again, it does."""
        command = {"do": "pause" if again else "resume", "what": "route", "name": self.authority.authority}
        carry_out(self.shop.daemon.site, command, who="test", why="a test wants it")

    def result(self, kind: str, body: str) -> list[dict[str, str]]:
        """The rows of a query's result."""
        name = self.drop(FILING, "query", body=body, kind=kind, format="json")
        assert self.shop.play(name)["state"] == "accepted"
        self.shop.turns(lambda: self.shop.site.inbox(f"Result_{name.rsplit('.', 1)[0]}_"))
        rows: list[dict[str, str]] = json.loads(self.shop.site.result(name).read_bytes())["rows"]
        return rows

    def counted(self) -> dict[str, str]:
        """Goods of this month's statistics, and how much of them."""
        rows = self.result("statistics", f"<month>{china_date(clock.now_ms())[:7]}</month>")
        return {row["code"]: row["quantity"] for row in rows}

    def printed(self, key: str) -> str:
        """The text of a filing's print."""
        name = self.drop(FILING, "print", key)
        assert self.shop.play(name)["state"] == "accepted"
        self.shop.turns(lambda: self.shop.site.inbox(f"Result_{name.rsplit('.', 1)[0]}_"))
        return "\n".join(page.extract_text() for page in PdfReader(self.shop.site.result(name)).pages)

    def answer_status(self, *receipts: tuple[str, str]) -> None:
        """What the authority answers to the next status question: codes with their times, or without."""
        listed = "".join(f'<Receipt code="{code}" issued_at="{at}"/>' for code, at in receipts)
        authority, usual = self.authority, self.authority.answer

        def answer(call: Call) -> tuple[int, bytes, dict[str, str]] | None:
            if call.what != "query":
                return usual(call)
            authority.answer = usual  # type: ignore[method-assign]
            root = authority.unsigned(code="Q0", message=call.message_id, type=FILING)
            root.append(etree.fromstring(f'<Content xmlns="{RECEIPT}">{listed}</Content>'))
            return 202, authority.sealer.seal(root), {}

        authority.answer = answer  # type: ignore[method-assign]

    def put_aside(self) -> list[str]:
        """Why receipts are kept aside."""
        with self.shop.daemon.journal.search() as records:
            kept = records.in_state(State.QUARANTINED, 100)
        return [message.hold_reason or "" for message in kept]

    def apply_again(self, why: str) -> None:
        """A person has a receipt looked at again that was kept aside for this reason."""
        with self.shop.daemon.journal.search() as records:
            (message,) = [m for m in records.in_state(State.QUARANTINED, 100) if m.hold_reason == why]
        carry_out(self.shop.daemon.site, {"do": "apply", "ids": [message.id]}, who="test", why="a test wants it")
        self.shop.turns(lambda: why not in self.put_aside())


@contextmanager
def open_office(folder: Path, *, customs: bool = False) -> Iterator[Office]:
    """With the made-up types; `customs`: with the installed ones, and customs in the test's hands."""
    with pytest.MonkeyPatch.context() as patch:
        shop = open_workshop(folder, patch, types=None if customs else write_agreements(folder / "types"))
        try:
            yield Office(shop, shop.customs if customs else shop.mofcom)
        finally:
            shop.end()
