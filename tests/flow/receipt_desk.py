"""A running gateway and a MOFCOM in the test's own hands: what is declared, what is said of it, what is kept aside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import bodies as b
from endpoint import Endpoint
from sites import Site, wait_until

STORED, FIRST, RETURNED, SECOND, ISSUED = "入库成功待初审", "初审通过", "退回修改", "复审通过", "已打印或生成电子许可证"
REFUSED = "复审不通过"


@dataclass(frozen=True)
class Declared:
    """An application that MOFCOM has, and what a receipt of it says."""

    file: str
    reference: str
    key: str
    number: str
    wire_id: str

    def said(self, code: str, **more: Any) -> dict[str, Any]:
        return {"code": code, "type": b.APPLICATION, "number": self.number, "message": self.wire_id, **more}


@dataclass(frozen=True)
class Desk:
    """A running gateway and the MOFCOM that it talks to, which is the test's."""

    site: Site
    mofcom: Endpoint

    def declare(self, **more: Any) -> Declared:
        reference = b.fresh("r")
        name = self.site.drop(b.xml(b.application("declare", reference=reference, **more)))
        status = self.site.wait(name, "sent")
        key = status["document"]
        return Declared(name, reference, key, status["numbers"]["application"], self.mofcom.wire_id(reference))

    def document(self, declared: Declared) -> dict[str, Any]:
        found = self.site.document(b.APPLICATION, declared.key)
        assert found is not None
        return found

    def text(self, declared: Declared) -> str:
        text: str = self.document(declared)["business_status"]["text"]
        return text

    def becomes(self, declared: Declared, text: str) -> None:
        self.site.wait_business(b.APPLICATION, declared.key, text)

    def kept(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.site.command("quarantine", "list", "--json", check=True).stdout)
        return found

    def quarantined(self, *receipts: bytes, at: Endpoint | None = None) -> list[dict[str, Any]]:
        """Issue receipts that must be kept aside; what the list then says of them, newest last."""
        before = {r["message_id"] for r in self.kept()}
        (at or self.mofcom).issue(*receipts)

        def new() -> list[dict[str, Any]]:
            return [r for r in self.kept() if r["message_id"] not in before and r["state"] == "quarantined"]

        return wait_until(lambda: len(found := new()) >= len(receipts) and found, f"{len(receipts)} in quarantine")  # type: ignore[no-any-return]

    def still_believes(self, declared: Declared) -> None:
        """A right receipt behind the wrong ones is applied."""
        self.mofcom.issue(self.mofcom.receipt(**declared.said("20")))
        self.becomes(declared, FIRST)


def alerts(site: Site, code: str) -> list[dict[str, Any]]:
    """What the alert file says under a code."""
    try:
        lines = (site.home / "alerts.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [alert for line in lines if (alert := json.loads(line))["code"] == code]
