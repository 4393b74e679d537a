"""A document moves while messages that rest on it are decided: whatever the threads do, it comes to the same as one after the other."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from endpoint import Endpoint, site_with_endpoints
from other_types import write_other_types
from sites import Site, wait_until
from workshop import QUICK

PAIRS = 200
FILING, VOLUME = "XX.filing", "XX.volume"


@dataclass
class Race:
    """A running gateway, its authority, and filings that are declared, each with a key of its own."""

    site: Site
    mofcom: Endpoint

    def filings(self, word: str, *, approved: bool) -> list[str]:
        keys = [f"{word}{n}" for n in range(PAIRS)]
        for n, key in enumerate(keys):
            self.drop(FILING, key, f"<Port>{n:04d}</Port><Nature>{word}</Nature>")
        wait_until(lambda: all(self.mofcom.posts(key) for key in keys), "the filings to be sent")
        if approved:
            self.receipts(keys, "A1")
            self.business(FILING, keys, "备案成功")
        return keys

    def drop(self, type_: str, reference: str, body: str) -> None:
        head = f'xmlns="urn:tongguan:{type_}:1" operation="declare" reference="{reference}"'
        self.site.drop(f"<{type_} {head}>{body}</{type_}>", name=f"{reference}.xml")

    def volumes(self, keys: Sequence[str]) -> None:
        """One of each filing, in any order."""
        for key in random.sample(keys, len(keys)):
            self.drop(VOLUME, f"v-{key}", f"<FilingNo>{key}</FilingNo>")

    def receipts(self, keys: Sequence[str], code: str) -> None:
        """One for each filing, in any order, a few at a time."""
        shuffled = random.sample(keys, len(keys))
        for n in range(0, len(keys), 7):
            part = shuffled[n : n + 7]
            self.mofcom.issue(*(self.mofcom.receipt(code=code, type=FILING, message=self.mofcom.wire_id(k)) for k in part))

    def business(self, type_: str, keys: Sequence[str], *words: str) -> None:
        for key in keys:
            self.site.wait_business(type_, key, *words)

    def is_(self, key: str, words: str) -> bool:
        document = self.site.document(FILING, key)
        return document is not None and document["business_status"]["text"] == words

    def out_of_turn(self) -> list[str]:
        """Volumes that became declared by a commit at which their filing was not approved, by the history."""
        with closing(sqlite3.connect(f"file:{self.site.home}/tongguan.db?mode=ro", uri=True)) as base:
            keys = dict(base.execute("SELECT id, key FROM document").fetchall())
            lines = [json.loads(line) for (line,) in base.execute("SELECT line FROM move ORDER BY n")]
        stands: dict[str, str] = {}
        wrong = []
        for line in lines:
            for id_, status, _ in line[6]:
                key = keys[id_]
                stands[key] = status
                if key.startswith("v-") and status == "declared" and stands[key.removeprefix("v-")] != "approved":
                    wrong.append(key)
        return wrong

    def outcomes(self, keys: Sequence[str]) -> Counter[tuple[str, str]]:
        """How the volumes of these filings ended: state, and the words of the fault."""
        found: Counter[tuple[str, str]] = Counter()
        for key in keys:
            status = self.site.wait(f"v-{key}.xml", "sent", "refused")
            found[status["state"], "".join(fault["message"] for fault in status["faults"]).replace(key, "")] += 1
        return found


@contextmanager
def in_thread(work: Callable[[], None]) -> Iterator[None]:
    """Do something at the same time."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    """A gateway whose threads run, with types that rest on each other."""
    site, mofcom, customs = site_with_endpoints(tmp_path, settings=QUICK, card="software")
    write_other_types(site.home / "profiles" / "mofcom")
    site.run()
    yield Race(site, mofcom)
    site.stop("run")
    mofcom.down()
    customs.down()


@pytest.mark.long
@pytest.mark.requirement("CD-03")
def test_a_document_is_cancelled_or_what_rests_on_it_declared_and_never_the_second_after_the_first(race: Race) -> None:
    keys = race.filings("q", approved=True)
    with in_thread(lambda: race.receipts(keys, "X1")):
        half = random.sample(keys, PAIRS // 2)
        race.volumes(half)
        wait_until(lambda: any(race.is_(key, "已注销") for key in keys), "the first to be cancelled")
        race.volumes([key for key in keys if key not in half])
    race.business(FILING, keys, "已注销")
    outcomes = race.outcomes(keys)

    assert race.out_of_turn() == []
    assert set(outcomes) == {("sent", ""), ("refused", "企业备案  已注销")}
    assert sum(outcomes.values()) == PAIRS


@pytest.mark.requirement("CD-03")
def test_whatever_comes_while_its_document_is_being_approved_goes(race: Race) -> None:
    keys = race.filings("q", approved=False)
    with in_thread(lambda: race.receipts(keys, "A1")):
        race.volumes(keys)
    outcomes = race.outcomes(keys)

    assert race.out_of_turn() == []
    assert outcomes == {("sent", ""): PAIRS}
    assert all(len(race.mofcom.posts(f"v-{key}")) == 1 for key in keys)
