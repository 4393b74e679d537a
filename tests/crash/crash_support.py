"""What the crash tests share: authorities that run on, homes that are thrown away."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from lxml import etree
from sites import Site

import tongguan.gateway

PROFILES = Path(tongguan.gateway.__path__[0]) / "profiles"
APPLICATION = "mofcom/NA.application"
INSPECTION = "customs/EW.declaration"
_blocks = itertools.count(1)


@dataclass
class Authorities:
    """The running simulators and a home that is copied for each try."""

    site: Site

    def home(self, folder: Path) -> Site:
        """A new home for the same cards and authorities; its numbers begin where no other home's are."""
        shutil.copytree(self.site.home, folder, ignore=shutil.ignore_patterns("simulators", "*.log"))
        with sqlite3.connect(folder / "tongguan.db") as base:
            base.execute("UPDATE serial SET next = ?", (next(_blocks) * 1_000_000,))
            for authority in ("mofcom", "customs"):
                base.execute("REPLACE INTO marker VALUES (?, ?)", (f"cursor:{authority}:demo", str(self._issued(authority))))
        return Site(folder)

    def _issued(self, authority: str) -> int:
        """The cursor behind all receipts issued so far: other homes' receipts are nobody's business here."""
        with sqlite3.connect(f"file:{self.site.home}/simulators/{authority}.db?mode=ro", uri=True) as store:
            return int(store.execute("SELECT COALESCE(MAX(cursor), 0) FROM receipt").fetchone()[0])

    def declared(self, authority: str, reference: str) -> list[int]:
        """The rounds that an authority has of each document declared under this reference."""
        path = self.site.home / "simulators" / f"{authority}.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
            rows = store.execute("SELECT facts, round FROM document").fetchall()
        return [round_ for facts, round_ in rows if json.loads(facts).get("reference") == reference]


def example(folder: str, name: str, reference: str, changes: dict[str, str] | None = None) -> bytes:
    """An installed example under another reference, with some elements set."""
    root = etree.fromstring((PROFILES / folder / "examples" / name).read_bytes())
    root.set("reference", reference)
    for element, value in (changes or {}).items():
        found = root.find(f"{{*}}{element}")
        assert found is not None
        found.text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
