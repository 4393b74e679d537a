"""A gateway with the made-up types of `merges`, and what a test does with it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from daily_slots import it_is
from merges import INVOICE, MERGE, NOTE, write_merges
from rounds import turn
from sites import wait_until
from workshop import Workshop, open_workshop

_fresh = itertools.count(1)
Rows = Sequence[tuple[str, str, str]]
"""Code, price and amount of each row."""


@dataclass
class Counting:
    """What the test does as the enterprise, on a day of its choosing."""

    shop: Workshop
    today: str = "2030-07-05T12:00:00"

    def play(self) -> None:
        """Rounds until nothing is left to do."""
        it_is(self.shop.daemon, self.today)
        wait_until(lambda: not turn(self.shop.daemon) and not self._open(), "the work in hand")

    def _open(self) -> bool:
        with self.shop.daemon.journal.search() as records:
            return bool(records.open_messages("demo", 1))

    def send(self, type_: str, operation: str, body: dict[str, Any], key: str = "", **frame: str) -> dict[str, Any]:
        """Drop a message and play until nothing is left to do; its status."""
        it_is(self.shop.daemon, self.today)
        reference = f"m{next(_fresh)}"
        content = {"type": type_, "operation": operation, "reference": reference, "document": key or reference, "body": body}
        name = self.shop.site.drop(json.dumps({**content, **frame}), suffix=".json")
        return self.shop.play(name)

    def note(
        self,
        day: str = "2030-06-03",
        *,
        ready: bool = True,
        kind: str = "1",
        buyer: str = "A",
        rows: Rows = (),
        key: str = "",
        **more: str,
    ) -> str:
        """The key of a note, and whether it has arrived."""
        listed = [{"Code": c, "Price": p, "Amount": a} for c, p, a in rows or [("a", "1", "2")]]
        body = {"Kind": kind, "Day": day, "Buyer": buyer, "Weight": "1.5", "Rows": listed, **more}
        key = key or f"N{next(_fresh)}"
        status = self.send(NOTE, "declare" if ready else "save", body, key)
        assert status["state"] == "accepted", status["faults"]
        return key

    def merge(self, key: str = "", **body: Any) -> dict[str, Any]:
        """The status of a merge that has come to its end."""
        return self.send(MERGE, "merge", {"Kind": "1", "Month": "2030-06", **body}, key)

    def document(self, type_: str, key: str) -> dict[str, Any]:
        self.play()
        found = self.shop.site.document(type_, key)
        assert found is not None
        return found

    def words(self, type_: str, *keys: str) -> list[str]:
        self.play()
        return [self.shop.business(type_, key) for key in keys]

    def invoice(self, merge: dict[str, Any], number: int = 1) -> dict[str, Any]:
        """What a merge made."""
        return self.document(INVOICE, f"{merge['document']}-{number}")

    def result(self, merge: dict[str, Any]) -> dict[str, Any]:
        """The result file of a merge."""
        self.play()
        found: dict[str, Any] = json.loads(self.shop.site.result(merge["file"]).read_bytes())
        return found


@contextmanager
def open_counting(folder: Path, *, by_itself: bool = False) -> Iterator[Counting]:
    """`by_itself`: the calendar merges, too."""
    with pytest.MonkeyPatch.context() as patch:
        shop = open_workshop(folder, patch, types=write_merges(folder / "types"))
        if not by_itself:
            settings = shop.home / "tongguan.toml"
            settings.write_text(settings.read_text().replace("[schedule]", '[schedule]\nmerge = "ask"'))
        try:
            yield Counting(shop)
        finally:
            shop.end()
