"""What an enterprise is told in its mailbox: names of answers in status files and index, against what lies in InBox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sites import Site

from tongguan.outbox.status.index import MOST_LISTED


def named(site: Site, page: Path) -> Iterator[str]:
    """The files in InBox that a page of this mailbox names."""
    said: dict[str, Any] = json.loads(page.read_bytes())
    for each in (*said.get("answers", ()), *said.get("receipts", ())):
        if each.get("file"):
            yield each["file"]


def promised_in_vain(site: Site) -> list[str]:
    """Every name that a page tells and that InBox lacks, when nobody has ever emptied it."""
    there = {path.name for path in site.inbox("")}
    pages = (site.mailbox / "Status").rglob("*.json")
    return [f"{page.name}: {name}" for page in pages for name in named(site, page) if name not in there]


def not_told(site: Site) -> list[str]:
    """Every file in InBox that its message's own page does not tell of, or the index, which lists so many at most."""
    status = site.mailbox / "Status"
    pages = {name for page in (status / "by-id").iterdir() for name in named(site, page)}
    index = set(named(site, status / "index.json"))
    there = {path.name for path in site.inbox("")}
    untold = len(there - index) if len(there) <= MOST_LISTED else MOST_LISTED - len(index)
    return [*sorted(there - pages), *([f"{untold} files in the index"] if untold else [])]
